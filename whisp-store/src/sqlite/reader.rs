//! The threads that read, beside the writer: each read is one snapshot.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Params, params_from_iter};
use tokio::sync::{mpsc, oneshot};
use whisp_core::id::{FactId, RecordId, TenantId, WorkId};
use whisp_core::kpi::Fact;
use whisp_core::store::{
    Clear, ExpiredQuery, FactPage, FactQuery, FindQuery, Kind, ListOrder, ListQuery, Page, PendingQuery, Record,
    SubjectPage, SubjectQuery, WorkItem, WorkKey, page_size,
};

use super::error::Failure;
use super::row::{COLUMNS, micros, micros_up, record, time};
use super::schema;
use super::threads::Threads;

/// How many reads wait for a reader before their callers do.
const QUEUE_MAX: usize = 256;

/// A read, which sends its answer itself.
type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The threads that read.
pub(super) struct Readers(Threads<Read>);

impl Readers {
    pub(super) fn start(path: &Path, count: usize) -> Result<Self, Failure> {
        let (queue, reads) = mpsc::channel::<Read>(QUEUE_MAX);
        let reads = Arc::new(Mutex::new(reads));
        let handles = (0..count).map(|_| {
            let (conn, reads) = (schema::connect_reader(path)?, Arc::clone(&reads));
            let work = move || {
                while let Some(read) = next(&reads) {
                    read(&conn);
                }
            };
            Ok(thread::Builder::new().name("whisp-sqlite-reader".into()).spawn(work)?)
        });
        Ok(Self(Threads::new(queue, handles.collect::<Result<_, Failure>>()?)))
    }

    /// Reads on one of the threads. A read whose caller went away before it began is left out.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |conn| {
            if !reply.is_closed() {
                drop(reply.send(read(conn)));
            }
        });
        self.0.send(read).await?;
        answer.await.map_err(|_| Failure::stopped())?
    }
}

/// Whoever holds the lock waits for the next read; the others wait for the lock.
fn next(reads: &Mutex<mpsc::Receiver<Read>>) -> Option<Read> {
    reads.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

pub(super) fn get(conn: &Connection, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM record_{kind} r WHERE r.tenant = ?1 AND r.id = ?2");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query((tenant.into_bytes(), id.into_bytes()))?;
    rows.next()?.map(|row| record(kind, row)).transpose()
}

pub(super) fn list(conn: &Connection, query: &ListQuery) -> Result<Page, Failure> {
    let kind = query.kind;
    if !kind.paths().listed {
        return Ok(Page::default());
    }
    let (compare, order) = match query.order {
        ListOrder::Ascending => (">", "ASC"),
        ListOrder::Descending => ("<", "DESC"),
    };
    let after =
        if query.after.is_some() { format!("AND (r.position, r.id) {compare} (?4, ?5)") } else { String::new() };
    let sql = format!(
        "SELECT {COLUMNS} FROM record_{kind} r WHERE r.tenant = ?1 AND r.parent = ?2 {after} \
         ORDER BY r.position {order}, r.id {order} LIMIT ?3"
    );
    let (tenant, parent) = (query.tenant.into_bytes(), query.parent.into_bytes());
    let limit = limit(query.limit, 1);
    let records = match query.after {
        None => records(conn, kind, &sql, (tenant, parent, limit)),
        Some(after) => records(conn, kind, &sql, (tenant, parent, limit, after.position, after.id.into_bytes())),
    };
    Ok(Page::cut(records?, query.limit))
}

pub(super) fn find(conn: &Connection, query: &FindQuery) -> Result<Vec<Record>, Failure> {
    let kind = query.kind;
    if !kind.paths().found {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM lookup_{kind} l JOIN record_{kind} r ON r.tenant = l.tenant AND r.id = l.id \
         WHERE l.tenant = ?1 AND l.lookup = ?2 ORDER BY l.id LIMIT ?3"
    );
    records(conn, kind, &sql, (query.tenant.into_bytes(), query.lookup.0, limit(query.limit, 0)))
}

pub(super) fn of_subject(conn: &Connection, query: &SubjectQuery, kinds: &[Kind]) -> Result<SubjectPage, Failure> {
    let snapshot = conn.unchecked_transaction()?;
    let mut next_kind = snapshot.prepare_cached(
        "SELECT kind FROM subject WHERE tenant = ?1 AND subject = ?2 AND kind > ?3 ORDER BY kind LIMIT 1",
    )?;
    let (tenant, subject) = (query.tenant.into_bytes(), query.subject.into_bytes());
    let room = page_size(query.limit) + 1;
    let mut records = Vec::new();
    let (mut last, mut id) =
        query.after.map_or(("", Vec::new()), |after| (after.kind.name(), after.id.into_bytes().into()));
    let mut kind = kinds.iter().find(|kind| kind.name() == last);
    while records.len() < room {
        if let Some(kind) = kind {
            // One statement for all of a kind, not one for each record. Where a record is not there its columns can't be
            // read, and that is told.
            let sql = format!(
                "SELECT {COLUMNS} FROM subject s LEFT JOIN record_{kind} r ON r.tenant = s.tenant AND r.id = s.id \
                 WHERE s.tenant = ?1 AND s.subject = ?2 AND s.kind = ?3 AND s.id > ?4 ORDER BY s.id LIMIT ?5"
            );
            let left = i64::try_from(room - records.len()).unwrap_or(i64::MAX);
            let key = (tenant, subject, kind.name(), &id, left);
            records.extend(self::records(&snapshot, *kind, &sql, key)?);
            last = kind.name();
        }
        let name = next_kind.query_row((tenant, subject, last), |row| row.get::<_, String>(0)).optional()?;
        let Some(name) = name else { break };
        kind = Some(kinds.iter().find(|kind| kind.name() == name).ok_or_else(Failure::corrupt)?);
        id.clear();
    }
    Ok(SubjectPage::cut(records, query.limit))
}

pub(super) fn expired(conn: &Connection, query: &ExpiredQuery, kinds: &[Kind]) -> Result<Vec<Record>, Failure> {
    let snapshot = conn.unchecked_transaction()?;
    let mut records = Vec::new();
    let mut key: Vec<Value> =
        vec![query.tenant.into_bytes().to_vec().into(), micros(query.at).into(), limit(query.limit, 0).into()];
    key.extend(query.without.iter().map(|subject| Value::from(subject.into_bytes().to_vec())));
    let places: Vec<String> = (4..).take(query.without.len()).map(|place| format!("?{place}")).collect();
    let places = places.join(", ");
    for kind in kinds.iter().copied().filter(|kind| kind.paths().expires) {
        let without = match query.without[..] {
            [] => String::new(),
            _ => format!(
                "AND NOT EXISTS (SELECT 1 FROM subject s WHERE s.tenant = r.tenant AND s.subject IN ({places}) \
                 AND s.kind = '{kind}' AND s.id = r.id)"
            ),
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM record_{kind} r WHERE r.tenant = ?1 AND r.expires_at <= ?2 {without} \
             ORDER BY r.expires_at LIMIT ?3"
        );
        records.extend(self::records(&snapshot, kind, &sql, params_from_iter(&key))?);
    }
    records.sort_by_key(|record| record.expires_at);
    records.truncate(page_size(query.limit));
    Ok(records)
}

pub(super) fn pending(conn: &Connection, query: &PendingQuery) -> Result<Vec<WorkItem>, Failure> {
    let mut statement = conn.prepare_cached(
        "SELECT due, id, lane, attempts, payload FROM work \
         WHERE tenant = ?1 AND bucket = ?2 AND due <= ?3 AND (due, id) > (?4, ?5) ORDER BY due, id LIMIT ?6",
    )?;
    // The bucket of the cursor stands before the rest of it.
    let after = match query.after {
        Some(after) if after.bucket > query.bucket => return Ok(Vec::new()),
        Some(after) if after.bucket == query.bucket => (micros(after.due), after.id.into_bytes().to_vec()),
        _ => (i64::MIN, Vec::new()),
    };
    let tenant = query.tenant.into_bytes();
    let key = (tenant, query.bucket.0, micros(query.due_by), after.0, after.1, limit(query.limit, 0));
    let mut rows = statement.query(key)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(WorkItem {
            key: WorkKey { bucket: query.bucket, due: time(row.get(0)?)?, id: WorkId::from_bytes(row.get(1)?) },
            lane: RecordId::from_bytes(row.get(2)?),
            attempts: row.get(3)?,
            payload: Clear(row.get(4)?),
        });
    }
    Ok(items)
}

pub(super) fn scan(conn: &Connection, query: &FactQuery) -> Result<FactPage, Failure> {
    let mut statement = conn.prepare_cached(
        "SELECT at, id, body FROM fact \
         WHERE tenant = ?1 AND at >= ?2 AND at < ?3 AND (at, id) > (?4, ?5) ORDER BY at, id LIMIT ?6",
    )?;
    let after = query.after.map_or((i64::MIN, Vec::new()), |after| (micros(after.at), after.id.into_bytes().to_vec()));
    // The scan begins at the cursor, so that a later page costs no more than the first.
    let (from, until) = (micros_up(query.from).max(after.0), micros_up(query.until));
    let key = (query.tenant.into_bytes(), from, until, after.0, after.1, limit(query.limit, 1));
    let mut rows = statement.query(key)?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next()? {
        let body = row.get_ref(2)?.as_blob().map_err(|_| Failure::corrupt())?;
        facts.push(Fact::from_bytes(time(row.get(0)?)?, FactId::from_bytes(row.get(1)?), body)?);
    }
    Ok(FactPage::cut(facts, query.limit))
}

fn records(conn: &Connection, kind: Kind, sql: &str, params: impl Params) -> Result<Vec<Record>, Failure> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(kind, row)?);
    }
    Ok(records)
}

/// The size of a page, and `more` to know whether another one follows.
fn limit(limit: usize, more: usize) -> i64 {
    i64::try_from(page_size(limit) + more).unwrap_or(i64::MAX)
}
