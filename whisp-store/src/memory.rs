//! Everything in memory, for tests and trials.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, Utc};
use whisp_core::id::{FactId, RecordId, SubjectId, TenantId, WorkId};
use whisp_core::kpi::Fact;
use whisp_core::store::{
    BlindIndex, Bucket, Commit, Cursor, DedupKey, ExpiredQuery, FactPage, FactQuery, Facts, Fence, FindQuery, Kind,
    Lease, ListOrder, ListQuery, OwnRequest, Page, PendingQuery, Record, Records, RenewRequest, StoreError, Stored,
    SubjectPage, SubjectQuery, Version, Work, WorkItem, WorkKey, WriteBatch, WriteOp, page_size,
};

/// Keeps everything in memory: for tests, and to try Whisp out. What it holds is gone when it is dropped.
///
/// # Examples
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use whisp_core::{id::IdSource, store::{Commit, Kind, Record, Records, WriteBatch, WriteOp}, testing::SeqIds};
/// use whisp_store::MemoryStore;
///
/// let (store, ids) = (MemoryStore::new(), SeqIds::default());
/// let tenant = whisp_core::id::TenantId::from_uuid(ids.random());
/// let record = Record::new(Kind::CONTACT, whisp_core::id::RecordId::from_uuid(ids.random()));
/// let batch = WriteBatch::new(tenant).op(WriteOp::Put(record.clone()));
/// assert_eq!(store.commit(batch).await?, Commit::Done);
/// assert_eq!(store.get(tenant, Kind::CONTACT, record.id).await?, Some(record));
/// # Ok::<(), whisp_core::store::StoreError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all that it holds, for whoever looks for something in it.
    #[cfg(feature = "conformance")]
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let state = self.state();
        let mut bytes = Vec::new();
        for record in state.records.values() {
            bytes.extend(record.clear.0.as_bytes());
            bytes.extend(&record.sealed.0);
        }
        // The rest is ids, times and keyed hashes, which are printed whole.
        let State { records: _, lists, lookups, subjects, expiries, seen, work, leases, facts } = &*state;
        let rest = (lists, lookups, subjects, expiries, seen, work, leases, facts);
        bytes.extend(format!("{rest:?}").into_bytes());
        bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave half a batch behind: everything is checked before anything is written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Records for MemoryStore {
    async fn commit(&self, batch: WriteBatch) -> Result<Commit, StoreError> {
        batch.check_size()?;
        let mut state = self.state();
        let Ok(refusals) = batch.refusals(&mut *state);
        if !refusals.is_empty() {
            return Ok(Commit::Refused(refusals));
        }
        batch.ops.into_iter().for_each(|op| state.apply(batch.tenant, op));
        Ok(Commit::Done)
    }

    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError> {
        Ok(self.state().records.get(&(tenant, kind, id)).cloned())
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let state = self.state();
        let key = |cursor: Cursor| (query.tenant, query.kind, query.parent, cursor);
        let first = key(Cursor { position: i64::MIN, id: ID_MIN });
        let last = key(Cursor { position: i64::MAX, id: ID_MAX });
        let after = query.after.map(|after| Bound::Excluded(key(after)));
        let records = |keys: &mut dyn Iterator<Item = &ListKey>| {
            keys.take(page_size(query.limit) + 1)
                .filter_map(|(tenant, kind, _, cursor)| state.records.get(&(*tenant, *kind, cursor.id)).cloned())
                .collect()
        };
        let records = match query.order {
            ListOrder::Ascending => {
                records(&mut state.lists.range((after.unwrap_or(Bound::Included(first)), Bound::Included(last))))
            }
            ListOrder::Descending => {
                records(&mut state.lists.range((Bound::Included(first), after.unwrap_or(Bound::Included(last)))).rev())
            }
        };
        Ok(Page::cut(records, query.limit))
    }

    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, StoreError> {
        let state = self.state();
        let prefix = (query.tenant, query.kind, query.lookup);
        Ok(state
            .lookups
            .range((prefix.0, prefix.1, prefix.2, ID_MIN)..)
            .take_while(|(tenant, kind, lookup, _)| (*tenant, *kind, *lookup) == prefix)
            .take(page_size(query.limit))
            .filter_map(|(tenant, kind, _, id)| state.records.get(&(*tenant, *kind, *id)).cloned())
            .collect())
    }

    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, StoreError> {
        let state = self.state();
        let from = match query.after {
            Some(after) => Bound::Excluded((query.tenant, query.subject, Some((after.kind, after.id)))),
            None => Bound::Included((query.tenant, query.subject, None)),
        };
        let records = state
            .subjects
            .range((from, Bound::Unbounded))
            .take_while(|(tenant, subject, _)| (*tenant, *subject) == (query.tenant, query.subject))
            .filter_map(|(_, _, key)| *key)
            .take(page_size(query.limit) + 1)
            .filter_map(|(kind, id)| state.records.get(&(query.tenant, kind, id)).cloned())
            .collect();
        Ok(SubjectPage::cut(records, query.limit))
    }

    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, StoreError> {
        let state = self.state();
        Ok(state
            .expiries
            .range((query.tenant, DateTime::<Utc>::MIN_UTC, None)..)
            .take_while(|(tenant, at, _)| *tenant == query.tenant && *at <= query.at)
            .filter_map(|(_, _, key)| *key)
            .filter_map(|(kind, id)| state.records.get(&(query.tenant, kind, id)))
            .filter(|record| query.takes(record))
            .take(page_size(query.limit))
            .cloned()
            .collect())
    }

    async fn clear(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        let mut state = self.state();
        let mut left = limit;
        let theirs = state.records.keys().filter(|(owner, ..)| *owner == tenant).take(left).copied();
        let theirs: Vec<_> = theirs.collect();
        for (_, kind, id) in &theirs {
            state.delete(tenant, *kind, *id);
        }
        left -= theirs.len();
        remove(&mut state.seen, |(owner, _)| *owner == tenant, &mut left);
        remove(&mut state.work, |(owner, _)| *owner == tenant, &mut left);
        remove(&mut state.leases, |(owner, _)| *owner == tenant, &mut left);
        remove(&mut state.facts, |(owner, ..)| *owner == tenant, &mut left);
        Ok(limit - left)
    }
}

/// Removes what belongs to a tenant, as much as is left to remove.
fn remove<K: Ord + Copy, V>(map: &mut BTreeMap<K, V>, is_theirs: impl Fn(&K) -> bool, left: &mut usize) {
    let theirs: Vec<K> = map.keys().filter(|key| is_theirs(key)).take(*left).copied().collect();
    for key in &theirs {
        map.remove(key);
    }
    *left -= theirs.len();
}

#[async_trait]
impl Work for MemoryStore {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError> {
        let mut state = self.state();
        let mut oldest: Vec<_> = state.work.keys().copied().collect();
        oldest.dedup_by_key(|(tenant, key)| (*tenant, key.bucket));
        let Ok(leases) = request.leases(oldest, &mut *state);
        Ok(state.lend(leases))
    }

    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError> {
        let mut state = self.state();
        let Ok(leases) = request.leases(&mut *state);
        Ok(state.lend(leases))
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        let mut state = self.state();
        let Ok(leases) = Lease::released(leases, &mut *state);
        state.lend(leases);
        Ok(())
    }

    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, StoreError> {
        let state = self.state();
        let first = WorkKey { bucket: query.bucket, due: DateTime::<Utc>::MIN_UTC, id: WorkId::from_bytes([0; 16]) };
        let from =
            query.after.map_or(Bound::Included((query.tenant, first)), |after| Bound::Excluded((query.tenant, after)));
        Ok(state
            .work
            .range((from, Bound::Unbounded))
            .take_while(|((tenant, key), _)| {
                *tenant == query.tenant && key.bucket == query.bucket && key.due <= query.due_by
            })
            .take(page_size(query.limit))
            .map(|(_, item)| item.clone())
            .collect())
    }

    /// No other process writes here.
    async fn wait(&self) {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Facts for MemoryStore {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError> {
        let state = self.state();
        let from = match query.after {
            Some(after) if after.at >= query.from => Bound::Excluded((query.tenant, after.at, after.id)),
            _ => Bound::Included((query.tenant, query.from, FactId::from_bytes([0; 16]))),
        };
        let facts = state
            .facts
            .range((from, Bound::Unbounded))
            .take_while(|((tenant, at, _), _)| *tenant == query.tenant && *at < query.until)
            .take(page_size(query.limit) + 1)
            .map(|(_, fact)| *fact)
            .collect();
        Ok(FactPage::cut(facts, query.limit))
    }

    async fn discard(&self, tenant: TenantId, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        let mut left = limit;
        remove(&mut self.state().facts, |(owner, at, _)| *owner == tenant && *at < before, &mut left);
        Ok(limit - left)
    }
}

const ID_MIN: RecordId = RecordId::from_bytes([0; 16]);
const ID_MAX: RecordId = RecordId::from_bytes([0xff; 16]);

type ListKey = (TenantId, Kind, RecordId, Cursor);

/// The last part of a path over several kinds. `None` stands before every record, for ranges to begin at.
type Place = Option<(Kind, RecordId)>;

/// The records and the paths to them.
#[derive(Debug, Default)]
struct State {
    records: BTreeMap<(TenantId, Kind, RecordId), Record>,
    lists: BTreeSet<ListKey>,
    lookups: BTreeSet<(TenantId, Kind, BlindIndex, RecordId)>,
    subjects: BTreeSet<(TenantId, SubjectId, Place)>,
    expiries: BTreeSet<(TenantId, DateTime<Utc>, Place)>,
    seen: BTreeMap<(TenantId, DedupKey), DateTime<Utc>>,
    work: BTreeMap<(TenantId, WorkKey), WorkItem>,
    leases: BTreeMap<(TenantId, Bucket), (Fence, DateTime<Utc>)>,
    facts: BTreeMap<(TenantId, DateTime<Utc>, FactId), Fact>,
}

impl State {
    fn apply(&mut self, tenant: TenantId, op: WriteOp) {
        match op {
            WriteOp::Put(record) => self.put(tenant, record),
            WriteOp::Delete(kind, id, _) => self.delete(tenant, kind, id),
            WriteOp::Remember { key, until } => {
                let remembered = self.seen.entry((tenant, key)).or_insert(micros(until));
                *remembered = micros(until).max(*remembered);
            }
            WriteOp::Append(mut fact) => {
                fact.at = micros(fact.at);
                self.facts.entry((tenant, fact.at, fact.id)).or_insert(fact);
            }
            WriteOp::Enqueue(mut item) => {
                item.key.due = micros(item.key.due);
                self.work.insert((tenant, item.key), item);
            }
            WriteOp::Complete(mut key) => {
                key.due = micros(key.due);
                self.work.remove(&(tenant, key));
            }
        }
    }

    fn lend(&mut self, leases: Vec<Lease>) -> Vec<Lease> {
        self.leases.extend(leases.iter().map(|lease| ((lease.tenant, lease.bucket), (lease.fence, lease.until))));
        leases
    }

    fn put(&mut self, tenant: TenantId, mut record: Record) {
        self.delete(tenant, record.kind, record.id);
        let (kind, id) = (record.kind, record.id);
        record.expires_at = record.expires_at.map(micros);
        if let Some(parent) = record.parent {
            self.lists.insert((tenant, kind, parent, record.cursor()));
        }
        self.lookups.extend(record.lookups.iter().map(|lookup| (tenant, kind, *lookup, id)));
        self.subjects.extend(record.subjects.iter().map(|subject| (tenant, *subject, Some((kind, id)))));
        self.expiries.extend(record.expires_at.map(|at| (tenant, at, Some((kind, id)))));
        self.records.insert((tenant, kind, id), record);
    }

    fn delete(&mut self, tenant: TenantId, kind: Kind, id: RecordId) {
        let Some(record) = self.records.remove(&(tenant, kind, id)) else { return };
        if let Some(parent) = record.parent {
            self.lists.remove(&(tenant, kind, parent, record.cursor()));
        }
        for lookup in record.lookups {
            self.lookups.remove(&(tenant, kind, lookup, id));
        }
        for subject in record.subjects {
            self.subjects.remove(&(tenant, subject, Some((kind, id))));
        }
        if let Some(at) = record.expires_at {
            self.expiries.remove(&(tenant, at, Some((kind, id))));
        }
    }
}

impl Stored for State {
    type Error = Infallible;

    fn version(&mut self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Version>, Infallible> {
        Ok(self.records.get(&(tenant, kind, id)).map(|record| record.version))
    }

    fn remembered(&mut self, tenant: TenantId, key: &DedupKey) -> Result<Option<DateTime<Utc>>, Infallible> {
        Ok(self.seen.get(&(tenant, *key)).copied())
    }

    fn lease(&mut self, tenant: TenantId, bucket: Bucket) -> Result<Option<(Fence, DateTime<Utc>)>, Infallible> {
        Ok(self.leases.get(&(tenant, bucket)).copied())
    }

    fn is_waiting(&mut self, tenant: TenantId, key: &WorkKey) -> Result<bool, Infallible> {
        Ok(self.work.contains_key(&(tenant, WorkKey { due: micros(key.due), ..*key })))
    }
}

/// Times are kept to the microsecond, here as in every other store.
fn micros(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(6)
}
