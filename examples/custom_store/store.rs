//! A store of one's own: everything that Whisp keeps, in an ordered key-value file (`redb`).
//!
//! What to take from it: one table of bytes, whose keys and ranges come from `whisp::store::ordered`; a path is a row
//! whose value is the key of the record that it leads to; and a commit that looks up, lets `WriteBatch::refusals`
//! decide, and writes, all in one transaction.

use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use redb::{Database, Error, ReadOnlyTable, ReadableDatabase, ReadableTable, Table, TableDefinition};
use whisp::error::Retry;
use whisp::id::{RecordId, TenantId};
use whisp::kpi::Fact;
use whisp::store::ordered::{self, KeyRange};
use whisp::store::{
    Bucket, Commit, DedupKey, ExpiredQuery, FactPage, FactQuery, Facts, Fence, FindQuery, Kind, Lease, ListOrder,
    ListQuery, OwnRequest, Page, PendingQuery, Record, Records, RenewRequest, StoreError, StoreErrorKind, Stored,
    SubjectPage, SubjectQuery, Version, Work, WorkItem, WorkKey, WriteBatch, WriteOp, page_size,
};

type Result<T> = std::result::Result<T, StoreError>;
type Bytes = &'static [u8];
const ROWS: TableDefinition<'_, Bytes, Bytes> = TableDefinition::new("whisp");

/// A store in a `redb` file, for the multi-threaded runtime. Nothing in it awaits, so nothing is dropped half-way.
#[derive(Debug)]
pub(crate) struct RedbStore(Database);

impl RedbStore {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let store = Self(Database::create(path).map_err(failed)?);
        store.write(|_| Ok(()))?; // makes the table, so that reads find it
        Ok(store)
    }

    fn read<T>(&self, task: impl FnOnce(Rows<ReadOnlyTable<Bytes, Bytes>>) -> Result<T>) -> Result<T> {
        tokio::task::block_in_place(|| {
            let txn = self.0.begin_read().map_err(failed)?;
            task(Rows(txn.open_table(ROWS).map_err(failed)?))
        })
    }

    /// Does the whole task or, if it fails, nothing of it.
    fn write<T>(&self, task: impl FnOnce(&mut Rows<Table<'_, Bytes, Bytes>>) -> Result<T>) -> Result<T> {
        tokio::task::block_in_place(|| {
            let txn = self.0.begin_write().map_err(failed)?;
            let done = task(&mut Rows(txn.open_table(ROWS).map_err(failed)?))?;
            let unknown = StoreError::new("commit", StoreErrorKind::Unavailable, Retry::OutcomeUnknown);
            txn.commit().map_err(|error| unknown.with_source(error))?;
            Ok(done)
        })
    }

    /// Returns the records to which up to `limit` paths lead.
    fn records(&self, paths: KeyRange, order: ListOrder, limit: usize) -> Result<Vec<Record>> {
        self.read(|rows| {
            let paths = rows.scan(paths, order, limit)?;
            paths.iter().filter_map(|(_, record)| rows.record(record).transpose()).collect()
        })
    }
}

#[async_trait]
impl Records for RedbStore {
    async fn commit(&self, batch: WriteBatch) -> Result<Commit> {
        batch.check_size()?;
        self.write(|rows| {
            let refusals = batch.refusals(rows)?;
            if !refusals.is_empty() {
                return Ok(Commit::Refused(refusals));
            }
            batch.ops.iter().try_for_each(|op| rows.apply(batch.tenant, op))?;
            Ok(Commit::Done)
        })
    }

    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>> {
        self.read(|rows| rows.record(&ordered::record(tenant, kind, id)))
    }

    async fn list(&self, query: &ListQuery) -> Result<Page> {
        // One more than the page holds says whether another page follows.
        let records = self.records(query.range(), query.order, page_size(query.limit) + 1)?;
        Ok(Page::cut(records, query.limit))
    }

    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>> {
        self.records(query.range(), ListOrder::Ascending, page_size(query.limit))
    }

    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage> {
        let records = self.records(query.range(), ListOrder::Ascending, page_size(query.limit) + 1)?;
        Ok(SubjectPage::cut(records, query.limit))
    }

    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>> {
        // What is left out takes a place among the paths that are looked at, so look at more until there are enough.
        let (wanted, mut look) = (page_size(query.limit), page_size(query.limit));
        loop {
            let mut found = self.records(query.range(), ListOrder::Ascending, look)?;
            let all = found.len() < look;
            found.retain(|record| query.takes(record));
            if all || found.len() >= wanted {
                found.truncate(wanted);
                return Ok(found);
            }
            look *= 2;
        }
    }

    async fn clear(&self, tenant: TenantId, limit: usize) -> Result<usize> {
        self.write(|rows| {
            let mut left = limit;
            for range in ordered::of_tenant(tenant) {
                left -= rows.remove_first(range, left)?;
            }
            Ok(limit - left)
        })
    }
}

#[async_trait]
impl Work for RedbStore {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>> {
        self.write(|rows| {
            let (mut waiting, mut last) = (Vec::new(), None);
            // The first row of a bucket is its oldest work; the rest of the bucket is skipped.
            while let Some((key, _)) = rows.scan(ordered::work_after(last), ListOrder::Ascending, 1)?.pop() {
                let (tenant, oldest) = ordered::read_work(&key)?;
                waiting.push((tenant, oldest));
                last = Some((tenant, oldest.bucket));
            }
            let leases = request.leases(waiting, rows)?;
            rows.lend(leases)
        })
    }

    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>> {
        self.write(|rows| {
            let renewed = request.leases(rows)?;
            rows.lend(renewed)
        })
    }

    async fn release(&self, leases: &[Lease]) -> Result<()> {
        self.write(|rows| {
            let released = Lease::released(leases, rows)?;
            rows.lend(released).map(drop)
        })
    }

    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>> {
        let rows = self.read(|rows| rows.scan(query.range(), ListOrder::Ascending, page_size(query.limit)))?;
        rows.iter().map(|(_, item)| WorkItem::from_bytes(item)).collect()
    }

    /// No other process writes here.
    async fn wait(&self) {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Facts for RedbStore {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage> {
        let rows = self.read(|rows| rows.scan(query.range(), ListOrder::Ascending, page_size(query.limit) + 1))?;
        let facts = rows.iter().map(|(key, fact)| {
            let (_, cursor) = ordered::read_fact(key)?;
            Fact::from_bytes(cursor.at, cursor.id, fact)
        });
        Ok(FactPage::cut(facts.collect::<Result<_>>()?, query.limit))
    }

    async fn discard(&self, tenant: TenantId, before: DateTime<Utc>, limit: usize) -> Result<usize> {
        self.write(|rows| rows.remove_first(ordered::facts_before(tenant, before), limit))
    }
}

/// The rows in a transaction that reads, or in one that writes.
struct Rows<T>(T);

impl<T: ReadableTable<Bytes, Bytes>> Rows<T> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.0.get(key).map_err(failed)?.map(|value| value.value().to_vec()))
    }

    fn record(&self, key: &[u8]) -> Result<Option<Record>> {
        // A host with kinds of its own names them here too.
        self.get(key)?.map(|bytes| Record::from_bytes(Kind::ALL, &bytes)).transpose()
    }

    /// Returns up to `limit` keys with their values.
    fn scan(&self, (start, end): KeyRange, order: ListOrder, limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let range = (start.as_ref().map(Vec::as_slice), end.as_ref().map(Vec::as_slice));
        let mut rows = self.0.range::<&[u8]>(range).map_err(failed)?;
        let next = || if order == ListOrder::Ascending { rows.next() } else { rows.next_back() };
        let copied = std::iter::from_fn(next).take(limit).map(|row| {
            let (key, value) = row.map_err(failed)?;
            Ok((key.value().to_vec(), value.value().to_vec()))
        });
        copied.collect()
    }
}

/// What a commit looks up before it writes.
impl<T: ReadableTable<Bytes, Bytes>> Stored for Rows<T> {
    type Error = StoreError;

    fn version(&mut self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Version>> {
        Ok(self.record(&ordered::record(tenant, kind, id))?.map(|record| record.version))
    }

    fn remembered(&mut self, tenant: TenantId, key: &DedupKey) -> Result<Option<DateTime<Utc>>> {
        self.get(&ordered::seen(tenant, key))?.map(|until| ordered::time_from_bytes(&until)).transpose()
    }

    fn lease(&mut self, tenant: TenantId, bucket: Bucket) -> Result<Option<(Fence, DateTime<Utc>)>> {
        let lease = self.get(&ordered::lease(tenant, bucket))?.map(|lease| Lease::from_bytes(&lease)).transpose()?;
        Ok(lease.map(|lease| (lease.fence, lease.until)))
    }

    fn is_waiting(&mut self, tenant: TenantId, key: &WorkKey) -> Result<bool> {
        Ok(self.get(&ordered::work(tenant, key))?.is_some())
    }
}

impl Rows<Table<'_, Bytes, Bytes>> {
    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.insert(key, value).map(drop).map_err(failed)
    }

    fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.0.remove(key).map(drop).map_err(failed)
    }

    /// Removes up to `limit` rows of a range; returns how many.
    fn remove_first(&mut self, range: KeyRange, limit: usize) -> Result<usize> {
        let rows = self.scan(range, ListOrder::Ascending, limit)?;
        rows.iter().try_for_each(|(key, _)| self.remove(key))?;
        Ok(rows.len())
    }

    /// Writes what has been found possible.
    fn apply(&mut self, tenant: TenantId, op: &WriteOp) -> Result<()> {
        match op {
            WriteOp::Put(record) => self.put(tenant, record),
            WriteOp::Delete(kind, id, _) => self.delete(tenant, *kind, *id),
            WriteOp::Remember { key, until } => {
                let until = self.remembered(tenant, key)?.map_or(*until, |before| before.max(*until));
                self.insert(&ordered::seen(tenant, key), &ordered::time_to_bytes(until))
            }
            WriteOp::Append(fact) => {
                let key = ordered::fact(tenant, fact.at, fact.id);
                if self.get(&key)?.is_none() { self.insert(&key, &fact.to_bytes()) } else { Ok(()) }
            }
            WriteOp::Enqueue(item) => self.insert(&ordered::work(tenant, &item.key), &item.to_bytes()),
            WriteOp::Complete(key) => self.remove(&ordered::work(tenant, key)),
        }
    }

    fn put(&mut self, tenant: TenantId, record: &Record) -> Result<()> {
        self.delete(tenant, record.kind, record.id)?;
        let key = ordered::record(tenant, record.kind, record.id);
        ordered::paths(tenant, record).iter().try_for_each(|path| self.insert(path, &key))?;
        self.insert(&key, &record.to_bytes())
    }

    /// Removes the record, if there is one, and the paths to it.
    fn delete(&mut self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<()> {
        let key = ordered::record(tenant, kind, id);
        let Some(record) = self.record(&key)? else { return Ok(()) };
        ordered::paths(tenant, &record).iter().try_for_each(|path| self.remove(path))?;
        self.remove(&key)
    }

    fn lend(&mut self, leases: Vec<Lease>) -> Result<Vec<Lease>> {
        for lease in &leases {
            self.insert(&ordered::lease(lease.tenant, lease.bucket), &lease.to_bytes())?;
        }
        Ok(leases)
    }
}

/// What fails before the commit itself has changed nothing, so it may be tried again.
fn failed<E: Into<Error>>(error: E) -> StoreError {
    let error = error.into();
    let (kind, retry) = match error {
        Error::Corrupted(_) => (StoreErrorKind::Corrupt, Retry::Never),
        Error::DatabaseAlreadyOpen => (StoreErrorKind::Locked, Retry::After(None)),
        _ => (StoreErrorKind::Unavailable, Retry::After(None)),
    };
    StoreError::new("use the file", kind, retry).with_source(error)
}
