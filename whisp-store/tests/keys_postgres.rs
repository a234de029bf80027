//! The key table in PostgreSQL: the persisted shape, and which schemas it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "support/postgres.rs"]
mod support;

use std::collections::BTreeSet;

use chrono::DateTime;
use support::{TempSchema, dump, make, walls_without_queries};
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::store::StoreErrorKind;
use whisp_core::vault::{KeyTable, SubjectKey, SubjectKeyState, TenantKey, VaultErrorKind, WrappedKey};
use whisp_store::PostgresKeyTable;

/// Each makes the tables of a version in `{schema}`, with one of everything. None is ever changed: a new schema version
/// gets a script of its own, and the others must go on opening.
const SCRIPTS: [&str; 3] = [
    include_str!("golden/postgres_keys_v1.sql"),
    include_str!("golden/postgres_keys_v2.sql"),
    include_str!("golden/postgres_keys_v3.sql"),
];

const TENANT: TenantId = TenantId::DIRECTORY;

const LIVE: SubjectId = SubjectId::from_bytes([2; 16]);

const ERASED: SubjectId = SubjectId::from_bytes([3; 16]);

fn tenant_key() -> TenantKey {
    TenantKey {
        epoch: 1,
        begun_at: None,
        wrapped: WrappedKey(vec![0xaa; 2]),
        previous: None,
        index: WrappedKey(vec![0xbb; 2]),
    }
}

fn subject_key() -> SubjectKey {
    SubjectKey { version: 1, epoch: 1, wrapped: WrappedKey(vec![0xcc; 2]) }
}

fn erased_at() -> DateTime<chrono::Utc> {
    DateTime::from_timestamp_micros(1_795_338_000_000_000).unwrap()
}

async fn fill(table: &PostgresKeyTable) {
    table.put_tenant(TENANT, tenant_key()).await.unwrap();
    table.put_subjects(TENANT, vec![(LIVE, subject_key()), (ERASED, subject_key())]).await.unwrap();
    table.erase(TENANT, ERASED, erased_at()).await.unwrap();
}

async fn assert_whole(table: &PostgresKeyTable) {
    assert_eq!(table.tenant(TENANT).await.unwrap(), Some(tenant_key()));
    assert_eq!(table.subject(TENANT, LIVE).await.unwrap(), SubjectKeyState::Live(subject_key()));
    assert_eq!(table.subject(TENANT, ERASED).await.unwrap(), SubjectKeyState::Erased(erased_at()));
    assert_eq!(table.of_epoch(TENANT, 1, 10).await.unwrap(), [(LIVE, subject_key())]);
}

async fn assert_refused(schema: &TempSchema, kind: VaultErrorKind, advice: &str) {
    let client = schema.client().await;
    let before = dump(&client, schema).await;
    let error = PostgresKeyTable::open(schema.url.clone(), &schema.name).await.expect_err("it is refused");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(advice), "{error}");
    assert_eq!(dump(&client, schema).await, before, "what is refused is not changed");
}

#[tokio::test]
async fn tables_of_each_schema_version_open_with_everything_in_them() {
    for script in SCRIPTS {
        let Some(schema) = TempSchema::new() else { return };
        let client = make(&schema, script).await;
        assert_whole(&schema.keys().await).await;
        let version = client.query_one(&format!("SELECT version FROM {}.version", schema.name), &[]).await.unwrap();
        assert_eq!(usize::try_from(version.get::<_, i32>(0)), Ok(SCRIPTS.len()));
        assert_eq!(walls_without_queries(&client, &schema).await, 2);
    }
}

#[tokio::test]
async fn what_is_made_today_is_what_the_newest_script_makes() {
    let Some(schema) = TempSchema::new() else { return };
    let client = make(&schema, SCRIPTS[SCRIPTS.len() - 1]).await;
    let today = schema.named(&format!("{}_today", schema.name));
    let table = today.keys().await;
    fill(&table).await;
    assert_whole(&table).await;
    let (old, new) = (dump(&client, &schema).await, dump(&client, &today).await);
    assert_eq!(old.symmetric_difference(&new).collect::<BTreeSet<_>>(), BTreeSet::new());
    assert!(old.len() > 20, "it is looked at: {} lines", old.len());
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused_and_left_as_they_are() {
    let Some(schema) = TempSchema::new() else { return };
    let client = make(&schema, SCRIPTS[SCRIPTS.len() - 1]).await;
    let newer = format!("UPDATE {}.version SET version = version + 1", schema.name);
    client.batch_execute(&newer).await.unwrap();
    assert_refused(&schema, VaultErrorKind::Newer, "the version of whisp that wrote it").await;
}

/// A table that opened there would fail at its first use, or put the keys beside what they open.
#[tokio::test]
async fn the_schema_of_something_else_is_refused_and_left_as_it_is() {
    let Some(data) = TempSchema::new() else { return };
    drop(data.options().open().await.expect("the server opens a new schema"));
    assert_refused(&data, VaultErrorKind::WrongKey, "name another one").await;

    // Of other programs too: whatever the version, and whatever it looks like.
    let shapes = ["version integer NOT NULL", "version text NOT NULL", "number integer NOT NULL"];
    for (at, shape) in shapes.iter().enumerate() {
        let other = data.named(&format!("{}_{at}", data.name));
        let sql = format!(
            "CREATE SCHEMA {0}; CREATE TABLE {0}.version ({shape}); INSERT INTO {0}.version VALUES (1)",
            other.name
        );
        other.client().await.batch_execute(&sql).await.unwrap();
        assert_refused(&other, VaultErrorKind::WrongKey, "name another one").await;
        let error = other.options().open().await.expect_err("a store does not go there either");
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("name another one"), "{error}");
    }

    let keys = data.named(&format!("{}_keys", data.name));
    fill(&keys.keys().await).await;
    let error = keys.options().open().await.expect_err("data and keys are kept apart");
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("keep data and keys apart"), "{error}");
    assert_whole(&keys.keys().await).await;
}
