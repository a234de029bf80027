//! What becomes of a write that PostgreSQL breaks off: known where the server says it, in doubt where nobody does.

#![allow(clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "support/postgres.rs"]
mod support;

use whisp_core::error::Retry;
use whisp_core::id::{RecordId, TenantId};
use whisp_core::store::{Commit, Kind, Record, Records, StoreErrorKind, WriteBatch, WriteOp};
use whisp_store::PostgresStore;

use support::TempSchema;

const TENANT: TenantId = TenantId::from_bytes([1; 16]);

fn put(id: u8) -> WriteBatch {
    WriteBatch::new(TENANT).op(WriteOp::Put(Record::new(Kind::MESSAGE, RecordId::from_bytes([id; 16]))))
}

async fn is_there(store: &PostgresStore, id: u8) -> bool {
    store.get(TENANT, Kind::MESSAGE, RecordId::from_bytes([id; 16])).await.expect("it can be read").is_some()
}

/// When the server does it.
#[derive(Debug, Clone, Copy)]
enum When {
    /// In a statement of the transaction.
    Within,
    /// When the transaction commits.
    AtCommit,
}

const BOTH: [When; 2] = [When::Within, When::AtCommit];

/// Has the server do something, SQL of a function, whenever a message is written.
async fn on_message(schema: &TempSchema, when: When, what: &str) {
    let name = &schema.name;
    let trigger = match when {
        When::Within => "TRIGGER it AFTER INSERT",
        When::AtCommit => "CONSTRAINT TRIGGER it AFTER INSERT",
    };
    let then = match when {
        When::Within => "",
        When::AtCommit => "DEFERRABLE INITIALLY DEFERRED",
    };
    let sql = format!(
        "DROP TRIGGER IF EXISTS it ON {name}.record_message; \
         CREATE OR REPLACE FUNCTION {name}.it() RETURNS trigger LANGUAGE plpgsql AS \
         $it$ BEGIN {what}; RETURN null; END $it$; \
         CREATE {trigger} ON {name}.record_message {then} FOR EACH ROW EXECUTE FUNCTION {name}.it()"
    );
    let client = schema.client().await;
    client.batch_execute("SET client_min_messages = error").await.expect("it can be set");
    client.batch_execute(&sql).await.expect("the owner may");
}

#[tokio::test]
async fn what_the_server_broke_off_is_known_not_to_be_done() {
    let Some(schema) = TempSchema::new() else { return };
    let store = schema.options().open().await.expect("the server opens a new schema");
    let states = [
        ("40001", "another transaction was in the way"),
        ("40P01", "another transaction was in the way"),
        ("57014", "longer than the store's timeout"),
        ("55P03", "longer than the store's timeout"),
        ("25P03", "stood still within a transaction"),
        ("58030", "had trouble with its machine"),
    ];
    for when in BOTH {
        for (state, advice) in states {
            on_message(&schema, when, &format!("RAISE SQLSTATE '{state}'")).await;
            let error = store.commit(put(1)).await.expect_err("the server breaks it off");
            let told = (error.kind(), error.retry());
            assert_eq!(told, (StoreErrorKind::Unavailable, Retry::After(None)), "{when:?}: {error}");
            let text = error.to_string();
            assert!(text.contains(advice) && text.contains(state), "{when:?}: {text}");
            assert!(!is_there(&store, 1).await);
        }
    }
}

#[tokio::test]
async fn what_the_server_broke_off_is_done_again_at_once() {
    let Some(schema) = TempSchema::new() else { return };
    let store = schema.options().open().await.expect("the server opens a new schema");
    let sequence = format!("{}.tries", schema.name);
    schema.client().await.batch_execute(&format!("CREATE SEQUENCE {sequence}")).await.expect("the owner may");
    for (id, when) in (1..).zip(BOTH) {
        // A sequence counts those tries too that were rolled back.
        let what = format!("IF nextval('{sequence}') % 3 > 0 THEN RAISE SQLSTATE '40001'; END IF");
        on_message(&schema, when, &what).await;
        assert_eq!(store.commit(put(id)).await.expect("the third time it is done"), Commit::Done, "{when:?}");
        assert!(is_there(&store, id).await);
    }
}

/// Whatever was in one transaction with it is written all the same.
#[tokio::test]
async fn what_can_never_be_written_takes_nothing_else_along() {
    let Some(schema) = TempSchema::new() else { return };
    let store = schema.options().open().await.expect("the server opens a new schema");
    for (first, when) in (1..).step_by(20).zip(BOTH) {
        let (ids, bad) = (first..first + 20, first + 6);
        let name = RecordId::from_bytes([bad; 16]);
        on_message(&schema, when, &format!("IF NEW.id = '{name}' THEN RAISE SQLSTATE 'XX001'; END IF")).await;
        let outcomes = futures_util::future::join_all(ids.clone().map(|id| store.commit(put(id)))).await;
        for (id, outcome) in ids.zip(outcomes) {
            match outcome {
                Ok(commit) => assert!(commit == Commit::Done && id != bad, "{when:?}: {id}"),
                Err(error) => {
                    let told = (id, error.kind(), error.retry());
                    assert_eq!(told, (bad, StoreErrorKind::Corrupt, Retry::Never), "{when:?}: {error}");
                }
            }
            assert_eq!(is_there(&store, id).await, id != bad, "{when:?}: {id}");
        }
    }
}

#[tokio::test]
async fn what_the_server_ended_with_the_connection_is_in_doubt() {
    let Some(schema) = TempSchema::new() else { return };
    let store = schema.options().open().await.expect("the server opens a new schema");
    let endings = [
        "PERFORM pg_terminate_backend(pg_backend_pid())",
        "RAISE SQLSTATE '40003'",
        "RAISE SQLSTATE '08007'",
        "RAISE SQLSTATE '57P01'",
    ];
    for when in BOTH {
        for ending in endings {
            on_message(&schema, when, ending).await;
            let error = store.commit(put(1)).await.expect_err("the server ends it");
            let told = (error.kind(), error.retry());
            assert_eq!(told, (StoreErrorKind::Unavailable, Retry::OutcomeUnknown), "{when:?}, {ending}: {error}");
            assert!(!is_there(&store, 1).await, "this server had not committed");
        }
    }
}

/// Everything goes to the server at once, the commit too: whoever finds then that a row is missing can't say that nothing
/// was written.
#[tokio::test]
async fn what_a_trigger_swallowed_is_in_doubt_and_told() {
    let Some(schema) = TempSchema::new() else { return };
    let store = schema.options().open().await.expect("the server answers");
    assert_eq!(store.commit(put(1)).await.expect("it is written"), Commit::Done);
    let name = &schema.name;
    let sql = format!(
        "CREATE FUNCTION {name}.swallow() RETURNS trigger LANGUAGE plpgsql AS $it$ BEGIN RETURN null; END $it$; \
         CREATE TRIGGER swallow BEFORE INSERT ON {name}.record_message FOR EACH ROW EXECUTE FUNCTION {name}.swallow()"
    );
    schema.client().await.batch_execute(&sql).await.expect("the owner may");
    let failed = store.commit(put(2)).await.expect_err("a row is missing");
    assert_eq!((failed.kind(), failed.retry()), (StoreErrorKind::Corrupt, Retry::OutcomeUnknown));
    assert!(failed.to_string().contains("a trigger or a rule"), "{failed}");
    assert!(is_there(&store, 1).await && !is_there(&store, 2).await);
}
