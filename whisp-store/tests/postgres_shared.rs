//! Several processes on one PostgreSQL database: here several stores, which share nothing but the tables.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "support/postgres.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use whisp_core::clock::Clock;
use whisp_core::error::Retry;
use whisp_core::id::{IdSource, RecordId, TenantId, WorkId, WorkerId};
use whisp_core::store::{
    Bucket, Clear, Commit, Expect, Kind, Lease, OwnRequest, Record, Records, Work, WorkItem, WorkKey, WriteBatch,
    WriteOp,
};
use whisp_core::testing::{ManualClock, SeqIds};
use whisp_store::PostgresStore;

use support::TempSchema;

/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(30);

const TENANT: TenantId = TenantId::from_bytes([1; 16]);

fn now() -> DateTime<Utc> {
    ManualClock::default().now()
}

async fn open(schema: &TempSchema) -> PostgresStore {
    schema.options().open().await.expect("the server opens the schema")
}

fn work(ids: &SeqIds, bucket: u16) -> WriteOp {
    WriteOp::Enqueue(WorkItem {
        key: WorkKey { bucket: Bucket(bucket), due: now(), id: WorkId::from_uuid(ids.random()) },
        lane: RecordId::from_uuid(ids.random()),
        attempts: 0,
        payload: Clear("{}".into()),
    })
}

async fn own(store: &PostgresStore, limit: usize, now: DateTime<Utc>) -> Vec<Lease> {
    let (worker, until) = (WorkerId::from_bytes([9; 16]), now + TimeDelta::minutes(1));
    store.own(&OwnRequest { worker, limit, now, due_by: now, until }).await.expect("the store works")
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_open_one_schema_at_once_all_open_it() {
    let Some(schema) = TempSchema::new() else { return };
    let opened = join_all((0..4).map(|_| schema.options().open())).await;
    for store in opened {
        store.expect("one of them makes the tables and the others wait");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_share_the_buckets_and_take_over_what_a_dead_one_held() {
    let Some(schema) = TempSchema::new() else { return };
    let (one, other, ids) = (open(&schema).await, open(&schema).await, SeqIds::new(1));
    let batch = WriteBatch { ops: (0..6).map(|bucket| work(&ids, bucket)).collect(), ..WriteBatch::new(TENANT) };
    assert_eq!(one.commit(batch).await.expect("the store works"), Commit::Done);
    let (first, second) = tokio::join!(own(&one, 3, now()), own(&other, 3, now()));
    let rest = own(&other, 6, now()).await;
    let held: Vec<u16> = first.iter().chain(&second).chain(&rest).map(|lease| lease.bucket.0).collect();
    assert_eq!(held.len(), 6, "{held:?}");
    assert_eq!(held.iter().copied().collect::<BTreeSet<_>>().len(), 6, "no bucket is held twice: {held:?}");

    let dead = first;
    drop(one);
    assert!(own(&other, 6, now() + TimeDelta::seconds(59)).await.is_empty(), "the leases have not ended");
    let taken = own(&other, 6, now() + TimeDelta::minutes(1)).await;
    for lease in &dead {
        let next = taken.iter().find(|next| next.bucket == lease.bucket).expect("its bucket moved");
        assert!(next.fence > lease.fence);
        let owner = Expect::Owner { bucket: lease.bucket, fence: lease.fence, at: now() };
        let late = other.commit(WriteBatch::new(TENANT).expect(owner)).await.expect("the store works");
        assert_ne!(late, Commit::Done, "a late worker commits nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_stores_that_contradict_each_other_one_is_done() {
    let Some(schema) = TempSchema::new() else { return };
    let stores = join_all((0..3).map(|_| open(&schema))).await;
    for round in 0..60_u8 {
        let id = RecordId::from_bytes([round; 16]);
        let put = |position| {
            let record = Record { position, ..Record::new(Kind::MESSAGE, id) };
            WriteBatch::new(TENANT).expect(Expect::Absent(Kind::MESSAGE, id)).op(WriteOp::Put(record))
        };
        let outcomes = join_all(stores.iter().zip(0..).map(|(store, position)| store.commit(put(position)))).await;
        let done: Vec<_> = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Commit::Done))).collect();
        assert_eq!(done.len(), 1, "{outcomes:?}");
    }
}

/// Adds to a counter from several stores at once: every change is seen by the next.
#[tokio::test(flavor = "multi_thread")]
async fn no_change_is_lost_between_stores() {
    const CHANGES: i64 = 20;
    let Some(schema) = TempSchema::new() else { return };
    let stores = join_all((0..3).map(|_| open(&schema))).await;
    let id = RecordId::from_bytes([3; 16]);
    let first = WriteBatch::new(TENANT).op(WriteOp::Put(Record::new(Kind::MESSAGE, id)));
    assert_eq!(stores[0].commit(first).await.expect("the store works"), Commit::Done);
    join_all(stores.iter().map(|store| async move {
        for _ in 0..CHANGES {
            loop {
                let stored = store.get(TENANT, Kind::MESSAGE, id).await.expect("the store works").expect("it is there");
                let next = Record { version: stored.version + 1, position: stored.position + 1, ..stored };
                let batch = WriteBatch::new(TENANT).op(WriteOp::Put(next));
                if store.commit(batch).await.expect("the store works") == Commit::Done {
                    break;
                }
            }
        }
    }))
    .await;
    let stored = stores[0].get(TENANT, Kind::MESSAGE, id).await.expect("the store works").expect("it is there");
    assert_eq!(stored.position, 3 * CHANGES);
}

async fn hears(store: &PostgresStore) {
    tokio::time::timeout(PATIENCE, store.wait()).await.expect("it hears");
}

async fn is_quiet(store: &PostgresStore) -> bool {
    tokio::time::timeout(Duration::from_millis(300), store.wait()).await.is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_hears_of_work_that_another_one_took_in_and_not_of_its_own() {
    let Some(schema) = TempSchema::new() else { return };
    let (one, other, ids) = (open(&schema).await, open(&schema).await, SeqIds::new(1));
    // They listen.
    hears(&one).await;
    hears(&other).await;
    let batch = WriteBatch::new(TENANT).op(work(&ids, 1));
    assert_eq!(one.commit(batch).await.expect("the store works"), Commit::Done);
    hears(&other).await;
    assert!(is_quiet(&one).await, "what it took in itself it knows");
}

/// Nobody hears what is told before they listen, at the beginning or after their connection broke.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_looks_once_when_it_begins_to_listen() {
    let Some(schema) = TempSchema::new() else { return };
    let (one, ids) = (open(&schema).await, SeqIds::new(1));
    let commit = async || {
        let batch = WriteBatch::new(TENANT).op(work(&ids, 1));
        assert_eq!(one.commit(batch).await.expect("the store works"), Commit::Done);
    };
    commit().await;
    let other = open(&schema).await;
    hears(&other).await;
    assert!(is_quiet(&other).await, "it looks once");
    let client = schema.client().await;
    let listeners = format!(
        "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query IN ('LISTEN {0}', 'NOTIFY {0}')",
        format_args!("whisp_work_{}", schema.name)
    );
    let cut = format!("SELECT count(pg_terminate_backend(pid)) {listeners}");
    let cut: i64 = client.query_one(&cut, &[]).await.expect("connections of one's own user may be ended").get(0);
    assert_eq!(cut, 2, "each store listens");
    let are_gone = async {
        let count = format!("SELECT count(*) {listeners}");
        while client.query_one(&count, &[]).await.expect("it can be asked").get::<_, i64>(0) > 0 {}
    };
    tokio::time::timeout(PATIENCE, are_gone).await.expect("they end");
    commit().await;
    hears(&other).await;
    let listen = format!("SELECT count(*) {listeners}");
    let listen: i64 = client.query_one(&listen, &[]).await.expect("it can be asked").get(0);
    assert!(listen > 0, "it looks when it listens, and not before");
}

/// Connections are cut again and again, in the middle of everything: whatever is acknowledged is there, and what is said
/// to have failed is not.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_lose_nothing_and_double_nothing() {
    const WRITERS: u64 = 8;
    const CUTS: usize = 40;
    let Some(schema) = TempSchema::new() else { return };
    let store = Arc::new(open(&schema).await);
    let (is_over, client) = (Arc::new(AtomicBool::new(false)), schema.client().await);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
            tokio::spawn(async move {
                let (ids, mut outcomes) = (SeqIds::new(writer), Vec::new());
                while !is_over.load(Ordering::Relaxed) {
                    let (message, note) = (RecordId::from_uuid(ids.random()), RecordId::from_uuid(ids.random()));
                    let batch = WriteBatch::new(TENANT)
                        .op(WriteOp::Put(Record::new(Kind::MESSAGE, message)))
                        .op(WriteOp::Put(Record::new(Kind::SUGGESTION, note)));
                    outcomes.push((message, note, store.commit(batch).await));
                }
                outcomes
            })
        })
        .collect();
    let cut = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE pid <> pg_backend_pid() AND query LIKE '%{}%'",
        schema.name
    );
    let mut cuts = 0;
    for _ in 0..CUTS {
        let row = client.query_one(&cut, &[]).await.expect("connections of one's own user may be ended");
        cuts += row.get::<_, i64>(0);
        tokio::time::timeout(Duration::from_millis(25), std::future::pending::<()>()).await.expect_err("it passes");
    }
    is_over.store(true, Ordering::Relaxed);
    let (mut done, mut unknown) = (0, 0);
    for writer in writers {
        for (message, note, outcome) in writer.await.expect("a writer ends") {
            let message = store.get(TENANT, Kind::MESSAGE, message).await.expect("the store works").is_some();
            let note = store.get(TENANT, Kind::SUGGESTION, note).await.expect("the store works").is_some();
            assert_eq!(message, note, "half a batch");
            match outcome {
                Ok(Commit::Done) => {
                    assert!(message, "what was acknowledged is lost");
                    done += 1;
                }
                Ok(refused) => panic!("nothing contradicts it: {refused:?}"),
                Err(error) if error.retry() == Retry::OutcomeUnknown => unknown += 1,
                Err(error) => assert!(!message, "it is there although it was said to have failed: {error}"),
            }
        }
    }
    assert!(cuts > 0 && done > 0, "{cuts} cuts, {done} done, {unknown} unknown");
}
