//! A server that falls silent: its connections stay, nothing answers. No call waits for ever, and the store goes on when
//! there is an answer again.

#![cfg(unix)]
#![allow(clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/postgres.rs"]
mod support;

use std::time::Duration;

use whisp_core::error::Retry;
use whisp_core::id::{RecordId, TenantId};
use whisp_core::store::{Commit, Kind, Record, Records, StoreError, StoreErrorKind, WriteBatch, WriteOp};
use whisp_store::{PostgresOptions, PostgresStore};

use proxy::{Lets, Proxy};
use support::TempSchema;

const TENANT: TenantId = TenantId::from_bytes([1; 16]);

/// Far longer than a call may wait here; only a failure takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

fn put(id: u8) -> WriteBatch {
    WriteBatch::new(TENANT).op(WriteOp::Put(Record::new(Kind::MESSAGE, RecordId::from_bytes([id; 16]))))
}

async fn is_there(store: &PostgresStore, id: u8) -> Result<bool, StoreError> {
    Ok(store.get(TENANT, Kind::MESSAGE, RecordId::from_bytes([id; 16])).await?.is_some())
}

async fn answered<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("a call hangs")
}

fn silent(error: &StoreError, retry: Retry) {
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Unavailable, retry), "{error}");
    assert!(error.to_string().contains("the server does not answer"), "{error}");
}

/// A store by way of something that can fall silent, and one that has its own way.
async fn both(schema: &TempSchema) -> (Proxy, PostgresStore, PostgresStore) {
    let direct = schema.options().open().await.expect("the server opens a new schema");
    let proxy = Proxy::before(&schema.url).await;
    let options = PostgresOptions::new(proxy.url(&schema.url)).schema(schema.name.clone());
    let store = options.connections(2).patience(Duration::from_secs(2)).open().await.expect("the way is open");
    assert_eq!(store.commit(put(1)).await.expect("the store works"), Commit::Done);
    (proxy, store, direct)
}

#[tokio::test]
async fn a_read_without_an_answer_ends_and_may_be_repeated() {
    let Some(schema) = TempSchema::new() else { return };
    let (proxy, store, _) = both(&schema).await;
    // Each connection that there is, and then one more: none of them is used again.
    for _ in 0..2 {
        proxy.let_through(Lets::Nothing);
        silent(&answered(is_there(&store, 1)).await.expect_err("nothing answers"), Retry::After(None));
        proxy.let_through(Lets::All);
        assert!(answered(is_there(&store, 1)).await.expect("the way is open"), "it was acknowledged");
    }
}

#[tokio::test]
async fn a_write_without_an_answer_ends_in_doubt() {
    let Some(schema) = TempSchema::new() else { return };
    let (proxy, store, direct) = both(&schema).await;
    proxy.let_through(Lets::Commit);
    silent(&answered(store.commit(put(2))).await.expect_err("nothing answers"), Retry::OutcomeUnknown);
    let theirs = async {
        // The server may still be at it.
        while !is_there(&direct, 2).await.expect("the server answers") {}
    };
    answered(theirs).await;
    proxy.let_through(Lets::All);
    assert_eq!(answered(store.commit(put(3))).await.expect("the way is open"), Commit::Done);

    proxy.let_through(Lets::Nothing);
    silent(&answered(store.clear(TENANT, 10)).await.expect_err("nothing answers"), Retry::OutcomeUnknown);
    assert!(is_there(&direct, 3).await.expect("the server answers"), "it did not come to the server");
    proxy.let_through(Lets::All);
    assert!(answered(store.clear(TENANT, 10)).await.expect("the way is open") > 0);
}

#[tokio::test]
async fn a_server_without_an_answer_does_not_hold_up_who_opens_a_store() {
    let Some(schema) = TempSchema::new() else { return };
    let proxy = Proxy::before(&schema.url).await;
    proxy.let_through(Lets::Nothing);
    let options = PostgresOptions::new(proxy.url(&schema.url)).schema(schema.name.clone());
    let error = answered(options.open()).await.expect_err("nothing answers");
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Unavailable, Retry::After(None)), "{error}");
}
