//! The persisted shape: the tables of each schema version, as a script, open; what is made today is still the same as
//! what the newest script makes; an upgrade happens once, whoever begins it, and wholly or not at all.
//!
//! No script is ever changed. A new schema version gets a script of its own, and the others must go on opening.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "support/postgres.rs"]
mod postgres;
mod support;

use std::path::Path;

use postgres::{TempSchema, dump, make, walls_without_queries};
use support::child::{part, say, start};
use support::golden;
use whisp_core::store::{Commit, Kind, Record, Records, StoreErrorKind, WriteBatch, WriteOp};
use whisp_core::testing::cancel_after;
use whisp_store::PostgresOptions;

/// Each makes the tables of a version in `{schema}`, with one of everything.
const SCRIPTS: [&str; 2] = [include_str!("golden/postgres_v1.sql"), include_str!("golden/postgres_v2.sql")];

async fn version(client: &tokio_postgres::Client, schema: &TempSchema) -> i32 {
    let row = client.query_one(&format!("SELECT version FROM {}.version", schema.name), &[]).await;
    row.expect("it has one").get(0)
}

#[tokio::test]
async fn tables_of_each_schema_version_open_with_everything_in_them() {
    for script in SCRIPTS {
        let Some(schema) = TempSchema::new() else { return };
        let client = make(&schema, script).await;
        let store = schema.options().open().await.expect("it opens");
        golden::assert_whole(&store).await;
        assert_eq!(usize::try_from(version(&client, &schema).await), Ok(SCRIPTS.len()));
        assert!(walls_without_queries(&client, &schema).await >= 26, "no wall was lost");
    }
}

#[tokio::test]
async fn what_is_made_today_is_what_the_newest_script_makes() {
    let Some(schema) = TempSchema::new() else { return };
    let client = make(&schema, SCRIPTS[SCRIPTS.len() - 1]).await;
    let old = dump(&client, &schema).await;
    let today = schema.named(&format!("{}_today", schema.name));
    let store = today.options().open().await.expect("the server opens a new schema");
    assert_eq!(golden::fill(&store).await.fence.0, 1);
    let new = dump(&client, &today).await;
    // A newer version may bring kinds, and so tables, of its own.
    let missing: Vec<_> = old.difference(&new).collect();
    assert_eq!(missing, Vec::<&String>::new());
    assert!(old.len() > 200, "it is looked at: {} lines", old.len());
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused_and_left_as_they_are() {
    let Some(schema) = TempSchema::new() else { return };
    let client = make(&schema, SCRIPTS[SCRIPTS.len() - 1]).await;
    let newer = format!("UPDATE {}.version SET version = version + 1", schema.name);
    client.batch_execute(&newer).await.expect("the owner may");
    let before = dump(&client, &schema).await;
    for options in [schema.options(), schema.options().partitions(3)] {
        let error = options.open().await.expect_err("it is newer");
        assert_eq!(error.kind(), StoreErrorKind::Newer, "{error}");
        assert!(error.to_string().contains("the version of whisp that wrote it"), "{error}");
    }
    assert_eq!(dump(&client, &schema).await, before);
}

/// An older library knew fewer kinds: its tables get those that came since.
async fn make_older(schema: &TempSchema) -> tokio_postgres::Client {
    let client = make(schema, SCRIPTS[0]).await;
    let older = format!(
        "DROP TABLE {0}.record_inquiry, {0}.record_suggestion; \
         DELETE FROM {0}.kind WHERE name IN ('inquiry', 'suggestion')",
        schema.name
    );
    client.batch_execute(&older).await.expect("the owner may");
    client
}

#[tokio::test]
async fn the_part_of_the_child() {
    let Some((part, schema)) = part() else { return };
    assert_eq!(part, "open");
    let options = PostgresOptions::new(postgres::url().expect("the parent has one")).schema(schema);
    let opened = options.open().await;
    say(&opened.map_or_else(|error| error.to_string(), |_| "opened".to_owned()));
}

#[tokio::test]
async fn of_processes_that_upgrade_at_once_one_does_it_and_all_go_on() {
    let Some(schema) = TempSchema::new() else { return };
    for is_new in [true, false] {
        let schema = schema.named(&format!("{}_{}", schema.name, u8::from(is_new)));
        if !is_new {
            drop(make_older(&schema).await);
        }
        let mut children: Vec<_> = (0..3).map(|_| start("open", Path::new(&schema.name))).collect();
        for (child, said) in &mut children {
            assert_eq!(said.next().as_deref(), Some("opened"));
            assert!(child.wait().expect("it ends").success());
        }
        let store = schema.options().open().await.expect("it opens");
        if is_new {
            golden::fill(&store).await;
        }
        golden::assert_whole(&store).await;
        let record = Record::new(Kind::SUGGESTION, whisp_core::id::RecordId::from_bytes([1; 16]));
        let batch = WriteBatch::new(support::TENANT).op(WriteOp::Put(record));
        assert_eq!(store.commit(batch).await.expect("the store works"), Commit::Done);
    }
}

#[tokio::test]
async fn an_upgrade_that_is_broken_off_anywhere_leaves_the_older_tables() {
    let Some(schema) = TempSchema::new() else { return };
    let client = make_older(&schema).await;
    let before = dump(&client, &schema).await;
    let whole = schema.named(&format!("{}_whole", schema.name));
    let finished = make_older(&whole).await;
    drop(whole.options().open().await.expect("it is upgraded"));
    let after = dump(&finished, &whole).await;
    assert!(after.len() > before.len());
    let mut broken_off = 0;
    for polls in 0.. {
        let opened = cancel_after(polls, schema.options().open()).await;
        let found = dump(&client, &schema).await;
        if opened.is_some_and(|opened| opened.is_ok()) {
            assert_eq!(found, after);
            break;
        }
        // What was on its way when it was dropped may come to its end a little later.
        assert!(found == before || found == after, "a part of the upgrade is there after {polls} polls");
        broken_off += usize::from(found == before);
        if found == after {
            break;
        }
    }
    assert!(broken_off > 3, "it was broken off {broken_off} times");
    golden::assert_whole(&schema.options().open().await.expect("it opens")).await;
}
