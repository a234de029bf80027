//! Whether a batch may be applied: the rules of the write door, written once for every store.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::error::Retry;
use crate::id::{RecordId, TenantId};
use crate::store::{
    BATCH_MAX, Bucket, DedupKey, Expect, Fence, Kind, RECORD_MAX, Record, Refusal, StoreError, StoreErrorKind, Version,
    WorkKey, WriteBatch, WriteOp,
};

/// What a store looks up by key so that [`WriteBatch::refusals`] can decide. Nothing may change between the lookups
/// and the writing of the batch: do both in one transaction or behind one lock.
pub trait Stored {
    /// What a lookup can fail with; the store's own, to be turned into a [`StoreError`] at its door.
    type Error;

    /// Returns the version of a record, `None` if there is none.
    ///
    /// # Errors
    /// The store's own.
    fn version(&mut self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Version>, Self::Error>;

    /// Returns until when the key is remembered, `None` if it is not.
    ///
    /// # Errors
    /// The store's own.
    fn remembered(&mut self, tenant: TenantId, key: &DedupKey) -> Result<Option<DateTime<Utc>>, Self::Error>;

    /// Returns the fence and the end of the newest lease of a bucket, `None` if it was never leased.
    ///
    /// # Errors
    /// The store's own.
    fn lease(&mut self, tenant: TenantId, bucket: Bucket) -> Result<Option<(Fence, DateTime<Utc>)>, Self::Error>;

    /// Returns whether the work is there.
    ///
    /// # Errors
    /// The store's own.
    fn is_waiting(&mut self, tenant: TenantId, key: &WorkKey) -> Result<bool, Self::Error>;
}

impl WriteBatch {
    /// Checks the limits of contract 14 of [`Records`](super::Records): the number of operations and the size of each.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`] if there are more than [`BATCH_MAX`] operations or expectations, or a value is larger
    /// than [`RECORD_MAX`].
    pub fn check_size(&self) -> Result<(), StoreError> {
        let largest = self.ops.iter().map(size).max().unwrap_or(0);
        let advice = if self.ops.len().max(self.expects.len()) > BATCH_MAX {
            "split the batch: it has more operations or expectations than BATCH_MAX"
        } else if largest > RECORD_MAX {
            "keep the value elsewhere: it is larger than RECORD_MAX"
        } else {
            return Ok(());
        };
        Err(StoreError::new("commit", StoreErrorKind::Invalid, Retry::Never).with_advice(advice))
    }

    /// Returns every expectation that does not hold and every operation that is not possible; the batch may be applied
    /// if there is none. Expectations are about the state before the batch, operations are looked at in their order,
    /// each after the possible ones before it.
    ///
    /// # Errors
    /// What the lookups return.
    pub fn refusals<S: Stored>(&self, stored: &mut S) -> Result<Vec<Refusal>, S::Error> {
        let mut refusals = Vec::new();
        for (index, expect) in self.expects.iter().enumerate() {
            if !self.holds(expect, stored)? {
                refusals.push(Refusal::Expect(index));
            }
        }
        let mut changes = Changes { tenant: self.tenant, versions: BTreeMap::new(), work: BTreeMap::new() };
        for (index, op) in self.ops.iter().enumerate() {
            if !changes.try_op(op, stored)? {
                refusals.push(Refusal::Op(index));
            }
        }
        Ok(refusals)
    }

    fn holds<S: Stored>(&self, expect: &Expect, stored: &mut S) -> Result<bool, S::Error> {
        Ok(match expect {
            Expect::Absent(kind, id) => stored.version(self.tenant, *kind, *id)?.is_none(),
            Expect::Version(kind, id, version) => stored.version(self.tenant, *kind, *id)? == Some(*version),
            Expect::Unseen { key, at } => stored.remembered(self.tenant, key)?.is_none_or(|until| until < *at),
            Expect::Owner { bucket, fence, at } => {
                stored.lease(self.tenant, *bucket)?.is_some_and(|(newest, until)| newest == *fence && until > *at)
            }
        })
    }
}

/// What the operations before this one have changed.
struct Changes {
    tenant: TenantId,
    versions: BTreeMap<(Kind, RecordId), Option<Version>>,
    work: BTreeMap<WorkKey, bool>,
}

impl Changes {
    /// Notes the operation if it is possible; returns whether it is.
    fn try_op<S: Stored>(&mut self, op: &WriteOp, stored: &mut S) -> Result<bool, S::Error> {
        match op {
            WriteOp::Put(Record { kind, id, version, .. }) => {
                let possible = *version == self.version(*kind, *id, stored)?.unwrap_or(0).saturating_add(1);
                if possible {
                    self.versions.insert((*kind, *id), Some(*version));
                }
                Ok(possible)
            }
            WriteOp::Delete(kind, id, version) => {
                let possible = self.version(*kind, *id, stored)? == Some(*version);
                if possible {
                    self.versions.insert((*kind, *id), None);
                }
                Ok(possible)
            }
            WriteOp::Enqueue(item) => self.try_work(item.key, true, stored),
            WriteOp::Complete(key) => self.try_work(*key, false, stored),
            WriteOp::Remember { .. } | WriteOp::Append(_) => Ok(true),
        }
    }

    fn version<S: Stored>(&self, kind: Kind, id: RecordId, stored: &mut S) -> Result<Option<Version>, S::Error> {
        match self.versions.get(&(kind, id)) {
            Some(changed) => Ok(*changed),
            None => stored.version(self.tenant, kind, id),
        }
    }

    /// Work can be added where there is none, and removed where there is some.
    fn try_work<S: Stored>(&mut self, key: WorkKey, add: bool, stored: &mut S) -> Result<bool, S::Error> {
        let waiting = match self.work.get(&key) {
            Some(changed) => *changed,
            None => stored.is_waiting(self.tenant, &key)?,
        };
        if waiting != add {
            self.work.insert(key, add);
        }
        Ok(waiting != add)
    }
}

const fn size(op: &WriteOp) -> usize {
    match op {
        WriteOp::Put(record) => record.clear.0.len() + record.sealed.0.len(),
        WriteOp::Enqueue(item) => item.payload.0.len(),
        WriteOp::Delete(..) | WriteOp::Remember { .. } | WriteOp::Append(_) | WriteOp::Complete(_) => 0,
    }
}
