//! The persisted shape: a file of each schema version, as a script, opens; what is written today is still the same as the
//! newest script; and an upgrade that is broken off leaves the older version.
//!
//! No script is ever changed. A new schema version gets a script of its own, and the others must go on opening.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;
use support::{db, folder, golden, wal};
use whisp_core::store::Lease;
use whisp_store::SqliteStore;

const SCRIPTS: [&str; 2] = [include_str!("golden/sqlite_v1.sql"), include_str!("golden/sqlite_v2.sql")];

async fn fill(path: &Path) -> Lease {
    golden::fill(&SqliteStore::open(path).expect("a new file opens")).await
}

#[tokio::test]
async fn a_file_of_each_schema_version_opens_with_everything_in_it() {
    for script in SCRIPTS {
        let folder = folder();
        drop(make(&db(&folder), script));
        assert_whole(&db(&folder)).await;
        let conn = Connection::open(db(&folder)).expect("the file opens");
        assert_eq!(rows(&conn, "PRAGMA user_version"), [[Value::Integer(2)]]);
        assert_eq!(rows(&conn, "PRAGMA auto_vacuum"), [[Value::Integer(2)]], "it gives free pages back");
    }
}

#[tokio::test]
async fn an_upgrade_that_is_broken_off_anywhere_leaves_the_older_version() {
    let folder = folder();
    let conn = make(&db(&folder), SCRIPTS[0]);
    conn.pragma_update(None, "journal_mode", "wal").expect("it is known");
    let before = fs::read(db(&folder)).expect("it is there");
    // Who reads the old state keeps the log from being written back, so that all of the upgrade stays in it.
    conn.execute_batch("BEGIN; SELECT * FROM kind").expect("the file is sound");
    drop(SqliteStore::open(db(&folder)).expect("it is upgraded beside a reader"));
    assert_eq!(fs::read(db(&folder)).expect("it is there"), before);
    let log = fs::read(folder.path().join("whisp.db-wal")).expect("it is there");
    let mut versions = BTreeSet::new();
    for cut in wal::boundaries(&log) {
        let image = support::folder();
        wal::write_image(&db(&image), &before, &log[..cut]);
        versions.insert(user_version(&db(&image)));
        assert_whole(&db(&image)).await;
    }
    assert_eq!(versions, BTreeSet::from([1, 2]));
}

fn user_version(path: &Path) -> i64 {
    let conn = Connection::open(path).expect("the file opens");
    conn.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("it has one")
}

fn make(path: &Path, script: &str) -> Connection {
    let conn = Connection::open(path).expect("a new file opens");
    conn.execute_batch(script).expect("the script makes a file");
    conn
}

/// Panics unless the file opens with everything that a script holds, and goes on from there.
async fn assert_whole(path: &Path) {
    let store = SqliteStore::open(path).expect("the file opens");
    golden::assert_whole(&store).await;
    assert_eq!(store.check().await.expect("it can be read"), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_written_today_is_what_the_newest_script_holds() {
    let (old, new) = (folder(), folder());
    drop(make(&db(&old), SCRIPTS[SCRIPTS.len() - 1]));
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
    let header = ["PRAGMA application_id", "PRAGMA user_version", "PRAGMA auto_vacuum"];
    for query in header.into_iter().chain(["SELECT name, sql FROM sqlite_schema ORDER BY name"]) {
        dump.extend(rows(conn, query));
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
