//! A store of one's own: everything that Whisp keeps, in an ordered key-value file (`redb`), proved by the suite.
//!
//! `cargo run --example custom_store` runs each case of the conformance suite on a fresh file, prints a line for it, and
//! exits with 1 if one fails. With `--json` a line is `{"case": name, "passed": bool}`.
//!
//! What to take from it: a table of records, a table of the paths that lead to them, and a commit that looks up, lets
//! `WriteBatch::refusals` decide, and writes, in one transaction. Keys are tuples in which the tenant stands first.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::process::ExitCode;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use clap::Parser;
use redb::{Database, Error, ReadableDatabase, ReadableTable, TableDefinition as Table, WriteTransaction};
use uuid::Uuid;
use whisp::error::Retry;
use whisp::id::{FactId, RecordId, SubjectId, TenantId, WorkId};
use whisp::kpi::Fact;
use whisp::store::{
    BlindIndex, Bucket, Clear, Commit, DedupKey, ExpiredQuery, FactPage, FactQuery, Facts, Fence, FindQuery, Kind,
    Lease, ListOrder, ListQuery, OwnRequest, Page, PendingQuery, Record, Records, RenewRequest, Sealed, StoreError,
    StoreErrorKind, Stored, SubjectPage, SubjectQuery, Version, Work, WorkItem, WorkKey, WriteBatch, WriteOp,
    page_size,
};
use whisp::stores::conformance::CASES;

/// Version, parent, position, lookups, subjects, expiry, clear, sealed.
type Row = (u64, Option<u128>, i64, Vec<u128>, Vec<u128>, Option<i64>, &'static str, &'static [u8]);
/// Tenant, kind, id. Ids are numbers and times microseconds: both keep their order.
const RECORDS: Table<'_, (u128, &str, u128), Row> = Table::new("records");
/// Tenant, path, kind, owner, number, kind, id. A path fills in the kind before its order or in it.
type Path<'a> = (u128, u8, &'a str, u128, i64, &'a str, u128);
const PATHS: Table<'_, Path<'static>, ()> = Table::new("paths");
const LISTED: u8 = 0;
const FOUND: u8 = 1;
const OWNED: u8 = 2;
const EXPIRES: u8 = 3;
/// Tenant, second, digest: until.
const SEEN: Table<'_, (u128, i64, [u8; 32]), i64> = Table::new("seen");
/// Tenant, bucket, due, id: lane, attempts, payload.
type Waiting = (u128, u16, i64, u128);
const WORK: Table<'_, Waiting, (u128, u32, &str)> = Table::new("work");
/// Tenant, bucket: fence, until.
const LEASES: Table<'_, (u128, u16), (u64, i64)> = Table::new("leases");
/// Tenant, time, id: the rest.
const FACTS: Table<'_, (u128, i64, u128), &[u8]> = Table::new("facts");

/// A store in a `redb` file, on the multi-threaded runtime. A host with kinds of its own adds them in [`load`].
#[derive(Debug)]
struct RedbStore(Database);

impl RedbStore {
    fn open(path: &std::path::Path) -> Result<Self, Error> {
        let db = Database::create(path)?;
        let txn = db.begin_write()?;
        drop((txn.open_table(RECORDS)?, txn.open_table(PATHS)?, txn.open_table(SEEN)?));
        drop((txn.open_table(WORK)?, txn.open_table(LEASES)?, txn.open_table(FACTS)?));
        txn.commit()?;
        Ok(Self(db))
    }

    /// Reads or writes the file, which blocks. There is no await in it, so nothing can be dropped half-way.
    fn run<T>(
        &self,
        operation: &'static str,
        task: impl FnOnce(&Database) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        tokio::task::block_in_place(|| task(&self.0)).map_err(|error| {
            let (kind, retry) = match error {
                Error::Corrupted(_) => (StoreErrorKind::Corrupt, Retry::Never),
                _ => (StoreErrorKind::Unavailable, Retry::OutcomeUnknown),
            };
            StoreError::new(operation, kind, retry).with_source(error)
        })
    }

    /// Loads up to `limit` records to which the paths between two bounds lead.
    fn walk(
        &self,
        operation: &'static str,
        limit: usize,
        range: [Bound<Path<'_>>; 2],
        order: ListOrder,
    ) -> Result<Vec<Record>, StoreError> {
        self.run(operation, |db| {
            let txn = db.begin_read()?;
            let (paths, records) = (txn.open_table(PATHS)?, txn.open_table(RECORDS)?);
            let (mut rows, mut found) = (paths.range::<Path<'_>>((range[0], range[1]))?, Vec::new());
            while found.len() < limit
                && let Some(row) = if order == ListOrder::Ascending { rows.next() } else { rows.next_back() }
            {
                let key = row?.0;
                let (tenant, _, first, _, _, second, id) = key.value();
                found.extend(load(&records, tenant, if first.is_empty() { second } else { first }, id)?);
            }
            Ok(found)
        })
    }

    /// Changes the end of the leases that are the newest of their buckets and that `may` be changed, by their end.
    fn change(
        &self,
        operation: &'static str,
        leases: &[Lease],
        until: DateTime<Utc>,
        may: impl Fn(i64) -> bool,
    ) -> Result<Vec<Lease>, StoreError> {
        self.run(operation, |db| {
            let (txn, mut changed) = (db.begin_write()?, Vec::new());
            for lease in leases {
                let (mut table, key) = (txn.open_table(LEASES)?, (number(lease.tenant), lease.bucket.0));
                let newest = table.get(key)?.map(|newest| newest.value());
                if newest.is_some_and(|(fence, ends)| fence == lease.fence.0 && may(ends)) {
                    table.insert(key, (lease.fence.0, until.timestamp_micros()))?;
                    changed.push(Lease { until, ..*lease });
                }
            }
            txn.commit()?;
            Ok(changed)
        })
    }
}

#[async_trait]
impl Records for RedbStore {
    async fn commit(&self, batch: WriteBatch) -> Result<Commit, StoreError> {
        batch.check_size()?;
        self.run("commit", |db| {
            let mut writing = Writing(db.begin_write()?);
            let refusals = batch.refusals(&mut writing)?;
            if !refusals.is_empty() {
                return Ok(Commit::Refused(refusals));
            }
            batch.ops.iter().try_for_each(|op| writing.apply(number(batch.tenant), op))?;
            writing.0.commit()?;
            Ok(Commit::Done)
        })
    }

    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError> {
        self.run("get", |db| load(&db.begin_read()?.open_table(RECORDS)?, number(tenant), kind.name(), number(id)))
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let (tenant, name, parent) = (number(query.tenant), query.kind.name(), number(query.parent));
        let key = |position, id| (tenant, LISTED, name, parent, position, "", id);
        let (first, last) = (Included(key(i64::MIN, 0)), Included(key(i64::MAX, u128::MAX)));
        let after = query.after.map(|after| Excluded(key(after.position, number(after.id))));
        let range = match query.order {
            ListOrder::Ascending => [after.unwrap_or(first), last],
            ListOrder::Descending => [first, after.unwrap_or(last)],
        };
        Ok(Page::cut(self.walk("list", page_size(query.limit) + 1, range, query.order)?, query.limit))
    }

    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, StoreError> {
        let lookup = u128::from_be_bytes(query.lookup.0);
        let key = |id| Included((number(query.tenant), FOUND, query.kind.name(), lookup, 0, "", id));
        self.walk("find", page_size(query.limit), [key(0), key(u128::MAX)], ListOrder::Ascending)
    }

    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, StoreError> {
        let key = |number_, kind, id| (number(query.tenant), OWNED, "", number(query.subject), number_, kind, id);
        let from = query.after.map_or(Included(key(0, "", 0)), |at| Excluded(key(0, at.kind.name(), number(at.id))));
        let range = [from, Excluded(key(1, "", 0))];
        let records = self.walk("of_subject", page_size(query.limit) + 1, range, ListOrder::Ascending)?;
        Ok(SubjectPage::cut(records, query.limit))
    }

    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, StoreError> {
        let key = |at| (number(query.tenant), EXPIRES, "", 0, at, "", 0);
        let range = [Included(key(i64::MIN)), Excluded(key(query.at.timestamp_micros() + 1))];
        self.walk("expired", page_size(query.limit), range, ListOrder::Ascending)
    }
}

#[async_trait]
impl Work for RedbStore {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError> {
        self.run("own", |db| {
            let (txn, until) = (db.begin_write()?, request.until);
            let (mut free, mut last, mut taken) = (Vec::new(), Unbounded, Vec::new());
            {
                let (work, mut leases) = (txn.open_table(WORK)?, txn.open_table(LEASES)?);
                // The first row of a bucket is its oldest work; the rest of the bucket is skipped.
                while let Some(row) = work.range((last, Unbounded))?.next() {
                    let (tenant, bucket, due, _) = row?.0.value();
                    let (fence, ends) = leases.get((tenant, bucket))?.map_or((0, i64::MIN), |lease| lease.value());
                    if ends <= request.now.timestamp_micros() {
                        free.push((due, tenant, bucket, fence + 1));
                    }
                    last = Excluded((tenant, bucket, i64::MAX, u128::MAX));
                }
                free.sort_unstable();
                for (_, tenant, bucket, fence) in free.into_iter().take(request.limit) {
                    leases.insert((tenant, bucket), (fence, until.timestamp_micros()))?;
                    let tenant = TenantId::from_uuid(Uuid::from_u128(tenant));
                    taken.push(Lease { tenant, bucket: Bucket(bucket), fence: Fence(fence), until });
                }
            }
            txn.commit()?;
            Ok(taken)
        })
    }

    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError> {
        self.change("renew", &request.leases, request.until, |ends| ends > request.now.timestamp_micros())
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        self.change("release", leases, DateTime::<Utc>::MIN_UTC, |_| true).map(drop)
    }

    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, StoreError> {
        let (tenant, bucket) = (number(query.tenant), query.bucket);
        let first = Included((tenant, bucket.0, i64::MIN, 0));
        let from = query.after.map_or(first, |after| Excluded(work_key(tenant, &after)));
        let end = Included((tenant, bucket.0, query.due_by.timestamp_micros(), u128::MAX));
        self.run("pending", |db| {
            let rows = db.begin_read()?.open_table(WORK)?.range((from, end))?;
            rows.take(page_size(query.limit))
                .map(|row| {
                    let (key, value) = row?;
                    let ((_, _, due, id), (lane, attempts, payload)) = (key.value(), value.value());
                    let key = WorkKey { bucket, due: time(due)?, id: WorkId::from_uuid(Uuid::from_u128(id)) };
                    let (lane, payload) = (RecordId::from_uuid(Uuid::from_u128(lane)), Clear(payload.to_owned()));
                    Ok(WorkItem { key, lane, attempts, payload })
                })
                .collect()
        })
    }
}

#[async_trait]
impl Facts for RedbStore {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError> {
        let key = |at: DateTime<Utc>, id| (number(query.tenant), at.timestamp_micros(), id);
        let after = query.after.filter(|after| after.at >= query.from);
        let from = after.map_or(Included(key(query.from, 0)), |after| Excluded(key(after.at, number(after.id))));
        let facts = self.run("scan", |db| {
            let rows = db.begin_read()?.open_table(FACTS)?.range((from, Excluded(key(query.until, 0))))?;
            rows.take(page_size(query.limit) + 1)
                .map(|row| {
                    let (key, body) = row?;
                    let id = FactId::from_uuid(Uuid::from_u128(key.value().2));
                    Fact::from_bytes(time(key.value().1)?, id, body.value())
                        .map_err(|error| Error::Corrupted(error.to_string()))
                })
                .collect()
        })?;
        Ok(FactPage::cut(facts, query.limit))
    }
}

/// The lookups and the writes of a commit. Dropped before its end, it leaves nothing.
struct Writing(WriteTransaction);

impl Stored for Writing {
    type Error = Error;

    fn version(&mut self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Version>, Error> {
        Ok(self.0.open_table(RECORDS)?.get((number(tenant), kind.name(), number(id)))?.map(|row| row.value().0))
    }

    fn remembered(&mut self, tenant: TenantId, key: &DedupKey) -> Result<Option<DateTime<Utc>>, Error> {
        let seen = self.0.open_table(SEEN)?;
        seen.get((number(tenant), key.second, key.digest))?.map(|until| time(until.value())).transpose()
    }

    fn lease(&mut self, tenant: TenantId, bucket: Bucket) -> Result<Option<(Fence, DateTime<Utc>)>, Error> {
        let lease = self.0.open_table(LEASES)?.get((number(tenant), bucket.0))?.map(|lease| lease.value());
        lease.map(|(fence, until)| Ok((Fence(fence), time(until)?))).transpose()
    }

    fn is_waiting(&mut self, tenant: TenantId, key: &WorkKey) -> Result<bool, Error> {
        Ok(self.0.open_table(WORK)?.get(work_key(number(tenant), key))?.is_some())
    }
}

impl Writing {
    /// Writes what has been found possible.
    fn apply(&self, tenant: u128, op: &WriteOp) -> Result<(), Error> {
        match op {
            WriteOp::Put(record) => self.put(tenant, record)?,
            WriteOp::Delete(kind, id, _) => self.delete(tenant, *kind, *id)?,
            WriteOp::Remember { key, until } => {
                let (mut seen, key) = (self.0.open_table(SEEN)?, (tenant, key.second, key.digest));
                let before = seen.get(key)?.map_or(i64::MIN, |until| until.value());
                seen.insert(key, before.max(until.timestamp_micros()))?;
            }
            WriteOp::Append(fact) => {
                let mut facts = self.0.open_table(FACTS)?;
                let key = (tenant, fact.at.timestamp_micros(), number(fact.id));
                if facts.get(key)?.is_none() {
                    facts.insert(key, &*fact.to_bytes())?;
                }
            }
            WriteOp::Enqueue(item) => {
                let value = (number(item.lane), item.attempts, &*item.payload.0);
                self.0.open_table(WORK)?.insert(work_key(tenant, &item.key), value)?;
            }
            WriteOp::Complete(key) => drop(self.0.open_table(WORK)?.remove(work_key(tenant, key))?),
        }
        Ok(())
    }

    fn put(&self, tenant: u128, record: &Record) -> Result<(), Error> {
        self.delete(tenant, record.kind, record.id)?;
        for path in paths(tenant, record) {
            self.0.open_table(PATHS)?.insert(path, ())?;
        }
        let lookups = record.lookups.iter().map(|lookup| u128::from_be_bytes(lookup.0)).collect();
        let subjects = record.subjects.iter().copied().map(number).collect();
        let (parent, expires_at) = (record.parent.map(number), record.expires_at.map(|at| at.timestamp_micros()));
        let (clear, sealed) = (&*record.clear.0, &*record.sealed.0);
        let row = (record.version, parent, record.position, lookups, subjects, expires_at, clear, sealed);
        self.0.open_table(RECORDS)?.insert((tenant, record.kind.name(), number(record.id)), row)?;
        Ok(())
    }

    /// Removes the record, if there is one, and the paths to it.
    fn delete(&self, tenant: u128, kind: Kind, id: RecordId) -> Result<(), Error> {
        let mut records = self.0.open_table(RECORDS)?;
        let Some(record) = load(&records, tenant, kind.name(), number(id))? else { return Ok(()) };
        for path in paths(tenant, &record) {
            self.0.open_table(PATHS)?.remove(path)?;
        }
        records.remove((tenant, kind.name(), number(id)))?;
        Ok(())
    }
}

/// Every path to a record.
fn paths(tenant: u128, record: &Record) -> Vec<Path<'static>> {
    let (name, id) = (record.kind.name(), number(record.id));
    let listed = record.parent.map(|parent| (tenant, LISTED, name, number(parent), record.position, "", id));
    let found = record.lookups.iter().map(|lookup| (tenant, FOUND, name, u128::from_be_bytes(lookup.0), 0, "", id));
    let owned = record.subjects.iter().map(|subject| (tenant, OWNED, "", number(*subject), 0, name, id));
    let expires = record.expires_at.map(|at| (tenant, EXPIRES, "", 0, at.timestamp_micros(), name, id));
    listed.into_iter().chain(found).chain(owned).chain(expires).collect()
}

fn load(
    records: &impl ReadableTable<(u128, &'static str, u128), Row>,
    tenant: u128,
    name: &str,
    id: u128,
) -> Result<Option<Record>, Error> {
    let Some(row) = records.get((tenant, name, id))? else { return Ok(None) };
    let (version, parent, position, lookups, subjects, expires_at, clear, sealed) = row.value();
    let kind = Kind::ALL.iter().find(|kind| kind.name() == name);
    Ok(Some(Record {
        version,
        parent: parent.map(|parent| RecordId::from_uuid(Uuid::from_u128(parent))),
        position,
        lookups: lookups.into_iter().map(|lookup| BlindIndex(lookup.to_be_bytes())).collect(),
        subjects: subjects.into_iter().map(|subject| SubjectId::from_uuid(Uuid::from_u128(subject))).collect(),
        expires_at: expires_at.map(time).transpose()?,
        clear: Clear(clear.to_owned()),
        sealed: Sealed(sealed.to_owned()),
        ..Record::new(
            *kind.ok_or_else(|| Error::Corrupted("unknown kind".into()))?,
            RecordId::from_uuid(Uuid::from_u128(id)),
        )
    }))
}

fn work_key(tenant: u128, key: &WorkKey) -> Waiting {
    (tenant, key.bucket.0, key.due.timestamp_micros(), number(key.id))
}

/// An id as a number, in the same order.
fn number(id: impl Into<Uuid>) -> u128 {
    id.into().as_u128()
}

fn time(micros: i64) -> Result<DateTime<Utc>, Error> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| Error::Corrupted("a time out of range".into()))
}

/// Runs the conformance suite on a store over `redb`.
#[derive(Parser)]
struct Options {
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (options, folder, mut failed) = (Options::parse(), tempfile::tempdir()?, 0);
    for case in CASES {
        let store = RedbStore::open(&folder.path().join(case.name))?;
        let passed = tokio::spawn(async move { (case.run)(&store).await }).await.is_ok();
        failed += usize::from(!passed);
        if options.json {
            println!("{}", serde_json::json!({ "case": case.name, "passed": passed }));
        } else {
            println!("{} {}", if passed { "ok    " } else { "FAILED" }, case.name.replace('_', " "));
        }
    }
    if !options.json {
        println!("{} of {} cases passed", CASES.len() - failed, CASES.len());
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
