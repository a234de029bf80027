//! Work: what waits to be done in a bucket, and who may do it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{RecordId, TenantId, WorkId, WorkerId};
use crate::store::Clear;

/// A share of a tenant's conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bucket(pub u16);

/// The number that makes a late worker's commit fail: each new lease of a bucket has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

/// The right to work on a bucket for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Whose bucket.
    pub tenant: TenantId,
    /// Which.
    pub bucket: Bucket,
    /// Under which fence.
    pub fence: Fence,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// Where a piece of work stands in its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkKey {
    /// In which bucket.
    pub bucket: Bucket,
    /// Not before when.
    pub due: DateTime<Utc>,
    /// Which.
    pub id: WorkId,
}

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkItem {
    /// Where it stands.
    pub key: WorkKey,
    /// The conversation: work of one lane is done in order, one at a time.
    pub lane: RecordId,
    /// How often it was tried before.
    pub attempts: u32,
    /// What to do. Not personal.
    pub payload: Clear,
}

/// Asks for buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnRequest {
    /// Who asks.
    pub worker: WorkerId,
    /// At most so many.
    pub limit: usize,
    /// The time of asking.
    pub now: DateTime<Utc>,
    /// Only those with work that is due by then.
    pub due_by: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// Asks to keep buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewRequest {
    /// Which.
    pub leases: Vec<Lease>,
    /// The time of asking.
    pub now: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
}

/// Asks for the work of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingQuery {
    /// Whose.
    pub tenant: TenantId,
    /// Which bucket.
    pub bucket: Bucket,
    /// What is due by then.
    pub due_by: DateTime<Utc>,
    /// After which; `None` from the beginning.
    pub after: Option<WorkKey>,
    /// At most so many.
    pub limit: usize,
}
