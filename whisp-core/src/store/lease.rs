//! Which leases are given, kept and ended: the rules of [`Work`](super::Work), written once for every store.
//!
//! As for [`WriteBatch::refusals`](super::WriteBatch::refusals), nothing may change between these lookups and the
//! writing of what they return.

use chrono::{DateTime, SubsecRound, Utc};

use crate::id::TenantId;
use crate::store::{Fence, Lease, OwnRequest, RenewRequest, Stored, WorkKey};

impl OwnRequest {
    /// Returns the leases to write and to return from [`Work::own`](super::Work::own). `waiting` is the oldest work of
    /// each bucket that holds some, in any order.
    ///
    /// # Errors
    /// What the lookups return.
    pub fn leases<S: Stored>(
        &self,
        waiting: impl IntoIterator<Item = (TenantId, WorkKey)>,
        stored: &mut S,
    ) -> Result<Vec<Lease>, S::Error> {
        let mut free = Vec::new();
        for (tenant, WorkKey { bucket, due, .. }) in waiting.into_iter().filter(|(_, key)| key.due <= self.due_by) {
            let newest = stored.lease(tenant, bucket)?;
            if newest.is_none_or(|(_, until)| until <= self.now) {
                let fence = Fence(newest.map_or(0, |(fence, _)| fence.0).saturating_add(1));
                free.push((due, Lease { tenant, bucket, fence, until: self.until.trunc_subsecs(6) }));
            }
        }
        free.sort_by_key(|(due, _)| *due);
        Ok(free.into_iter().map(|(_, lease)| lease).take(self.limit).collect())
    }
}

impl RenewRequest {
    /// Returns the leases to write and to return from [`Work::renew`](super::Work::renew): those that still hold.
    ///
    /// # Errors
    /// What the lookups return.
    pub fn leases<S: Stored>(&self, stored: &mut S) -> Result<Vec<Lease>, S::Error> {
        change(&self.leases, stored, self.until.trunc_subsecs(6), |until| until > self.now)
    }
}

impl Lease {
    /// Returns the leases to write in [`Work::release`](super::Work::release): those of `leases` that nobody has taken
    /// since, as ended as a lease can be. Their fences stay, so that the next ones are higher.
    ///
    /// # Errors
    /// What the lookups return.
    pub fn released<S: Stored>(leases: &[Self], stored: &mut S) -> Result<Vec<Self>, S::Error> {
        change(leases, stored, DateTime::<Utc>::MIN_UTC, |_| true)
    }
}

/// Returns those leases that are the newest of their buckets and that `may` be changed by their end, with the new end.
fn change<S: Stored>(
    leases: &[Lease],
    stored: &mut S,
    until: DateTime<Utc>,
    may: impl Fn(DateTime<Utc>) -> bool,
) -> Result<Vec<Lease>, S::Error> {
    let mut changed = Vec::new();
    for lease in leases {
        let newest = stored.lease(lease.tenant, lease.bucket)?;
        if newest.is_some_and(|(fence, ends)| fence == lease.fence && may(ends)) {
            changed.push(Lease { until, ..*lease });
        }
    }
    Ok(changed)
}
