//! The persisted shape: a file of schema version 1, as a script, opens; and what is written today is still the same.
//!
//! The script is never changed. A new schema version gets a script of its own, and this one must go on opening.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;
use support::{TENANT, db, folder, message};
use whisp_core::clock::Clock;
use whisp_core::id::{
    ConnectionId, ConversationId, FactId, IdSource, InquiryId, MemberId, RecordId, SubjectId, WorkId, WorkerId,
};
use whisp_core::kpi::{Actor, Fact, FactKind};
use whisp_core::store::{
    Bucket, Clear, Commit, DedupKey, Expect, FactQuery, Facts, Kind, Lease, ListQuery, OwnRequest, PendingQuery,
    Record, Records, Work, WorkItem, WorkKey, WriteBatch, WriteOp,
};
use whisp_core::testing::{ManualClock, SeqIds};
use whisp_store::SqliteStore;

const SCRIPT: &str = include_str!("golden/sqlite_v1.sql");

/// One of everything, always the same.
struct Contents {
    record: Record,
    key: DedupKey,
    fact: Fact,
    work: WorkItem,
}

fn contents() -> Contents {
    let (ids, now) = (SeqIds::new(42), ManualClock::default().now());
    let record = Record {
        expires_at: Some(now),
        clear: Clear(r#"{"text":"қ"}"#.into()),
        subjects: vec![SubjectId::from_uuid(ids.random()), SubjectId::from_uuid(ids.random())],
        ..message(1)
    };
    let fact = Fact {
        id: FactId::from_uuid(ids.random()),
        at: now,
        kind: FactKind::MessageOut,
        actor: Actor::Member(Some(MemberId(SubjectId::from_uuid(ids.random())))),
        connection: ConnectionId::from_uuid(ids.random()),
        conversation: ConversationId::from_uuid(ids.random()),
        inquiry: Some(InquiryId::from_uuid(ids.random())),
    };
    let work = WorkItem {
        key: WorkKey { bucket: Bucket(3), due: now, id: WorkId::from_uuid(ids.random()) },
        lane: RecordId::from_uuid(ids.random()),
        attempts: 2,
        payload: Clear(r#"{"do":"reply"}"#.into()),
    };
    Contents { record, key: DedupKey { second: now.timestamp(), digest: [9; 32] }, fact, work }
}

async fn fill(path: &Path) -> Lease {
    let (store, now) = (SqliteStore::open(path).expect("a new file opens"), ManualClock::default().now());
    let Contents { record, key, fact, work } = contents();
    let batch = WriteBatch::new(TENANT)
        .op(WriteOp::Put(record))
        .op(WriteOp::Remember { key, until: now })
        .op(WriteOp::Append(fact))
        .op(WriteOp::Enqueue(work));
    assert_eq!(store.commit(batch).await.expect("the store works"), Commit::Done);
    let worker = WorkerId::from_bytes([5; 16]);
    store.own(&OwnRequest { worker, limit: 1, now, due_by: now, until: now }).await.expect("the store works")[0]
}

#[tokio::test]
async fn a_file_of_schema_version_1_opens_with_everything_in_it() {
    let folder = folder();
    Connection::open(db(&folder)).and_then(|conn| conn.execute_batch(SCRIPT)).expect("the script makes a file");
    let store = SqliteStore::open(db(&folder)).expect("the file opens");
    let Contents { record, key, fact, work } = contents();
    let now = ManualClock::default().now();
    let (parent, limit) = (record.parent.expect("it has one"), 10);
    let query =
        ListQuery { tenant: TENANT, kind: Kind::MESSAGE, parent, order: Default::default(), after: None, limit };
    assert_eq!(store.list(&query).await.expect("the store works").records, vec![record.clone()]);
    let query = FactQuery { tenant: TENANT, from: now, until: now + chrono::TimeDelta::seconds(1), after: None, limit };
    assert_eq!(store.scan(&query).await.expect("the store works").facts, [fact]);
    let query = PendingQuery { tenant: TENANT, bucket: work.key.bucket, due_by: now, after: None, limit };
    assert_eq!(store.pending(&query).await.expect("the store works"), vec![work]);
    let seen = WriteBatch::new(TENANT).expect(Expect::Unseen { key, at: now });
    assert_ne!(store.commit(seen).await.expect("the store works"), Commit::Done);
    let request = OwnRequest { worker: WorkerId::from_bytes([6; 16]), limit: 1, now, due_by: now, until: now };
    let leases = store.own(&request).await.expect("the store works");
    assert_eq!(leases[0].fence.0, 2, "the fences go on");
    let next = WriteBatch::new(TENANT).op(WriteOp::Put(Record { version: 2, ..record }));
    assert_eq!(store.commit(next).await.expect("the store works"), Commit::Done);
}

#[tokio::test]
async fn what_is_written_today_is_what_the_script_holds() {
    let (old, new) = (folder(), folder());
    Connection::open(db(&old)).and_then(|conn| conn.execute_batch(SCRIPT)).expect("the script makes a file");
    let lease = fill(&db(&new)).await;
    assert_eq!(lease.fence.0, 1);
    let [old, new] = [db(&old), db(&new)].map(|path| dump(&Connection::open(path).expect("the file opens")));
    // A newer version may bring kinds, and so tables, of its own.
    let missing: Vec<_> = old.into_iter().filter(|row| !new.contains(row)).collect();
    assert_eq!(missing, Vec::<Vec<Value>>::new());
}

/// The header, the schema and every row.
fn dump(conn: &Connection) -> Vec<Vec<Value>> {
    let mut dump = Vec::new();
    for pragma in ["PRAGMA application_id", "PRAGMA user_version", "SELECT name, sql FROM sqlite_schema ORDER BY name"]
    {
        dump.extend(rows(conn, pragma));
    }
    for table in rows(conn, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name") {
        let Some(Value::Text(table)) = table.first() else { panic!("a table has a name") };
        dump.extend(rows(conn, &format!("SELECT * FROM {table}")));
    }
    dump
}

fn rows(conn: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut statement = conn.prepare(sql).expect("it is a statement");
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
    rows.and_then(Iterator::collect).expect("the rows can be read")
}
