//! The one write door: a batch of operations with its preconditions, all or nothing.

use chrono::{DateTime, Utc};

use crate::id::{RecordId, TenantId};
use crate::kpi::Fact;
use crate::store::{Bucket, Fence, Kind, Record, Version, WorkItem, WorkKey};

/// What to write, and what must hold for it. One tenant's: no batch crosses tenants.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteBatch {
    /// Whose.
    pub tenant: TenantId,
    /// What must hold.
    pub expects: Vec<Expect>,
    /// What to write.
    pub ops: Vec<WriteOp>,
}

impl WriteBatch {
    /// Makes an empty batch.
    #[must_use]
    pub const fn new(tenant: TenantId) -> Self {
        Self { tenant, expects: Vec::new(), ops: Vec::new() }
    }

    /// Adds an expectation.
    #[must_use]
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expects.push(expect);
        self
    }

    /// Adds an operation.
    #[must_use]
    pub fn op(mut self, op: WriteOp) -> Self {
        self.ops.push(op);
        self
    }
}

/// What must hold for a batch to be applied. Closed on purpose: a store that let an unknown one pass would lose data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// There is no such record.
    Absent(Kind, RecordId),
    /// The record is there in this version.
    Version(Kind, RecordId, Version),
    /// No earlier batch remembered the key, or its time to be remembered has passed.
    Unseen {
        /// The key.
        key: DedupKey,
        /// The time of asking.
        at: DateTime<Utc>,
    },
    /// The bucket is leased under this fence and the lease has not ended.
    Owner {
        /// The bucket.
        bucket: Bucket,
        /// The fence.
        fence: Fence,
        /// The time of asking.
        at: DateTime<Utc>,
    },
}

/// One operation. Closed on purpose: a store that let an unknown one pass would lose data.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteOp {
    /// Writes a record in the version that it carries.
    Put(Record),
    /// Deletes the record that is there in this version.
    Delete(Kind, RecordId, Version),
    /// Remembers a key until a time, so that what comes twice is noticed.
    Remember {
        /// The key.
        key: DedupKey,
        /// Until when at least; a store may forget it any time after.
        until: DateTime<Utc>,
    },
    /// Appends a fact.
    Append(Fact),
    /// Adds work to a bucket.
    Enqueue(WorkItem),
    /// Removes work that is done.
    Complete(WorkKey),
}

/// The identity of something that came in, keyed so that it says nothing. Ordered by the provider's time, so that new
/// keys land together on disk; a redelivery repeats the provider's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DedupKey {
    /// The provider's time, in seconds since 1970.
    pub second: i64,
    /// A keyed hash of the whole identity.
    pub digest: [u8; 32],
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a refused batch has changed nothing"]
pub enum Commit {
    /// It is written, durably.
    Done,
    /// Nothing is written, because of these.
    Refused(Vec<Refusal>),
}

/// Why a batch was refused: the index of the expectation or of the operation that did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// `expects[i]` did not hold.
    Expect(usize),
    /// `ops[i]` was not possible.
    Op(usize),
}
