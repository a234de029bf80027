//! Persistence: records, work and facts behind three small traits.
//!
//! A store knows no message, contact or consent. It knows [`Record`]s: a key, a version, an order under a parent,
//! keyed indexes, owners, an expiry, a few clear fields and a sealed rest. So a store written today keeps every kind of
//! record of tomorrow, and erasure, export and retention reach every one of them.
//!
//! To plug in your own, implement [`Records`], [`Work`] and [`Facts`] and prove it with `whisp_store::conformance!`;
//! `examples/custom_store/store.rs` is a whole one. What is the same in every store is here: the rules of a commit
//! ([`WriteBatch::refusals`]) and of leases ([`OwnRequest::leases`], [`RenewRequest::leases`], [`Lease::released`]),
//! the cutting of pages, and for a store that keeps bytes the values ([`Record::to_bytes`]) and the keys ([`ordered`]).

mod batch;
mod bytes;
mod check;
mod erasable;
mod fact;
mod fields;
mod lease;
pub mod ordered;
mod page;
mod record;
mod work;

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use batch::{Commit, DedupKey, Expect, Refusal, WriteBatch, WriteOp};
pub use check::Stored;
#[cfg(any(test, feature = "mock"))]
pub use erasable::MockErasableStore;
pub use erasable::{ErasableStore, Erased};
pub use fact::{FactCursor, FactPage, FactQuery};
pub use page::{PAGE_MAX, page_size};
pub use record::{
    BlindIndex, Clear, Cursor, ExpiredQuery, FindQuery, Kind, ListOrder, ListQuery, Page, Paths, Record, Sealed,
    SubjectCursor, SubjectPage, SubjectQuery, Version,
};
pub use work::{Bucket, Fence, Lease, OwnRequest, PendingQuery, RenewRequest, WorkItem, WorkKey};

use crate::error::define_error;
use crate::id::{RecordId, TenantId};

/// Reads and writes records.
///
/// # Contract
/// 1. [`commit`](Records::commit) applies a batch whole or not at all, and durably: after `Ok(Commit::Done)` a crash of
///    the machine loses nothing of it.
/// 2. It applies the batch only if every [`Expect`] holds and every [`WriteOp`] is possible at that moment; else it
///    changes nothing and returns [`Commit::Refused`] naming **every** expectation and operation that failed.
///    Expectations are about the state before the batch; operations take effect in their order.
///    [`WriteBatch::refusals`] decides it.
/// 3. [`WriteOp::Put`] with version `n` is possible only where the stored version is `n - 1`; version 1 only where
///    there is no record. So nothing is overwritten unseen.
/// 4. [`WriteOp::Delete`] is possible only where the stored version is the given one. A deleted key can be put again
///    from version 1.
/// 5. [`Expect::Unseen`] fails if the key was remembered by an earlier batch and its `until` has not passed `at`; the
///    whole key is compared. Two equal `Remember`s in one batch are one.
/// 6. Batches take effect one after another: of two that expect the same and contradict each other, one is refused.
/// 7. Reads see every batch that was done before they began, and never a part of one.
/// 8. No method returns or changes anything of another tenant than the one that it is given.
/// 9. [`list`](Records::list) returns the records of one kind under one parent in the order of (position, id), up to
///    `limit`, after the cursor; pages that follow one another neither skip nor repeat a record that was there all the
///    time, whatever is written in between.
/// 10. [`find`](Records::find) returns every record of the kind that has the lookup, in the order of their ids, up to
///     `limit`.
/// 11. [`of_subject`](Records::of_subject) returns, over all kinds, every record that names the subject among its
///     subjects, each once, in pages.
/// 12. [`expired`](Records::expired) returns records of any kind whose `expires_at` is at or before `at` and that name
///     nobody of `without` among their subjects, up to `limit`, in the order of their expiry.
/// 13. A record comes back as it was put: bytes, order of lookups and subjects, times to the microsecond.
/// 14. Values up to [`RECORD_MAX`] bytes (clear and sealed together) and batches up to [`BATCH_MAX`] operations are
///     taken; larger ones are [`StoreErrorKind::Invalid`].
/// 15. A put replaces what the earlier version of the record had: its place in lists, its lookups, its subjects and
///     its expiry.
/// 16. [`clear`](Records::clear) removes what is kept of a tenant, of whatever sort, up to `limit` pieces: records with the
///     paths to them, remembered keys, work, leases and facts. It returns how many it removed, and fewer than `limit` only
///     when nothing is left.
///
/// # Cancellation
/// Dropping `commit` before it returns leaves the batch wholly in or wholly out; dropping `clear` leaves it done or not
/// done. Dropping a read has no effect.
#[async_trait]
pub trait Records: fmt::Debug + Send + Sync + 'static {
    /// Applies a batch, all or nothing.
    ///
    /// # Errors
    /// By [`StoreErrorKind`]. On [`Retry::OutcomeUnknown`](crate::error::Retry::OutcomeUnknown) the batch may have been
    /// applied; repeating it is safe, because it is then refused.
    async fn commit(&self, batch: WriteBatch) -> Result<Commit, StoreError>;

    /// Returns a record by its key, `None` if there is none.
    ///
    /// # Errors
    /// By [`StoreErrorKind`].
    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError>;

    /// Lists the records under a parent.
    ///
    /// # Errors
    /// By [`StoreErrorKind`].
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError>;

    /// Finds records by a keyed index.
    ///
    /// # Errors
    /// By [`StoreErrorKind`].
    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, StoreError>;

    /// Returns everything that belongs to a person.
    ///
    /// # Errors
    /// By [`StoreErrorKind`].
    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, StoreError>;

    /// Returns what is past its time.
    ///
    /// # Errors
    /// By [`StoreErrorKind`].
    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, StoreError>;

    /// Removes everything of a tenant, at most `limit` pieces of it in one call, at least one; returns how many.
    ///
    /// # Errors
    /// By [`StoreErrorKind`]. Repeating it is harmless.
    async fn clear(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError>;
}

/// Shares the work out. A tenant's conversations hash into buckets; a worker leases buckets and works through what
/// waits in them.
///
/// # Contract
/// 1. [`own`](Work::own) leases buckets that hold work due by `due_by` and that nobody holds at `now`, at most `limit`,
///    the longest waiting first, until `until`, each with a fence higher than every earlier one of that bucket.
/// 2. A bucket whose lease ended at or before `now` is free.
/// 3. [`renew`](Work::renew) prolongs the leases that still hold at `now`, keeping their fences, and returns those; one
///    that ended or that another worker took is not among them.
/// 4. [`release`](Work::release) frees the leases that still hold; the others are left as they are. Releasing twice is
///    harmless.
/// 5. [`Expect::Owner`] holds only while the bucket is leased under that fence and the lease has not ended at `at`.
/// 6. [`pending`](Work::pending) returns the work of a bucket whose `due` is at or before `due_by`, in the order of
///    (due, id), after the cursor, up to `limit`.
/// 7. [`WriteOp::Complete`] is possible only for work that is there: a second completion is refused.
///    [`WriteOp::Enqueue`] is possible only where no work has the same key.
/// 8. The name of a worker proves nothing: only the fence does. A worker id that is used again gets new fences.
/// 9. [`wait`](Work::wait) ends soon after another process added work, where the store can tell. It is a hint: it may end
///    without a reason, late or never, so who waits looks again by the clock as well.
///
/// # Cancellation
/// Dropping `own` may leave leases that end by themselves. Dropping `wait` loses at most the hint. Dropping the others has
/// no effect or the whole.
#[async_trait]
pub trait Work: fmt::Debug + Send + Sync + 'static {
    /// Leases buckets.
    ///
    /// # Errors
    /// By [`StoreErrorKind`].
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError>;

    /// Prolongs leases.
    ///
    /// # Errors
    /// By [`StoreErrorKind`].
    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError>;

    /// Gives leases back. It is a courtesy to others: a lease that can't be given back ends by itself, and nobody tries
    /// again. So a store tries what may pass, and lets no one wait long for it.
    ///
    /// # Errors
    /// By [`StoreErrorKind`].
    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError>;

    /// Returns the work that waits in a bucket.
    ///
    /// # Errors
    /// By [`StoreErrorKind`].
    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, StoreError>;

    /// Waits until another process has added work. A store that no other process writes to never returns.
    async fn wait(&self);
}

/// Reads facts, for KPIs, and removes those that are past their time. They are written by [`WriteOp::Append`].
///
/// # Contract
/// 1. [`scan`](Facts::scan) returns the tenant's facts with `from <= at < until` in the order of (at, id), after the
///    cursor, up to `limit`.
/// 2. Appending a fact whose (at, id) is there already changes nothing: facts are keyed, so a replay counts nothing
///    twice.
/// 3. [`discard`](Facts::discard) removes the tenant's facts with `at < before`, the oldest first, up to `limit`. It returns
///    how many it removed, and fewer than `limit` only when none of them is left.
///
/// # Cancellation
/// Dropping `scan` has no effect; dropping `discard` leaves it done or not done.
#[async_trait]
pub trait Facts: fmt::Debug + Send + Sync + 'static {
    /// Returns facts of a stretch of time.
    ///
    /// # Errors
    /// By [`StoreErrorKind`].
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError>;

    /// Removes the facts before a time, at most `limit` of them in one call; returns how many.
    ///
    /// # Errors
    /// By [`StoreErrorKind`]. Repeating it is harmless.
    async fn discard(&self, tenant: TenantId, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError>;
}

/// Everything that the assistant persists. Implemented for whatever implements the three.
pub trait Store: Records + Work + Facts {}

impl<T: Records + Work + Facts + ?Sized> Store for T {}

/// The most bytes of a record, clear and sealed together.
pub const RECORD_MAX: usize = 1 << 20;

/// The most operations of a batch.
pub const BATCH_MAX: usize = 4_096;

define_error! {
    /// Why a store failed. A refused batch is not an error: [`Commit::Refused`].
    StoreError, StoreErrorKind {
        /// The medium holds what this store never wrote.
        Corrupt = "the store is damaged",
        /// No space is left.
        Full = "no space is left",
        /// The call itself is wrong: too large, out of range.
        Invalid = "the call is not valid",
        /// Another process holds the store.
        Locked = "another process holds the store",
        /// The store was written by a newer version of this library.
        Newer = "the store is of a newer version",
        /// The store may not be read or written.
        PermissionDenied = "no permission",
        /// The store can't be reached.
        Unavailable = "the store can't be reached",
    }
}
