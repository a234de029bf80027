//! Backups, and the search for damage.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::Connection;
use support::{TENANT, assert_holds, db, done, folder, message, pair};
use tempfile::TempDir;
use tokio::task::JoinSet;
use whisp_core::store::{Kind, Record, Sealed, StoreErrorKind, WriteBatch, WriteOp};
use whisp_store::SqliteStore;

const SOUND: [String; 0] = [];

/// Eight megabytes: a backup takes many steps.
async fn filled(folder: &TempDir) -> SqliteStore {
    let store = SqliteStore::open(db(folder)).expect("a new file opens");
    for number in 0..80 {
        let record = Record { sealed: Sealed(vec![0xa5; 100_000]), ..message(number) };
        let suggestion = Record { kind: Kind::SUGGESTION, lookups: Vec::new(), ..message(number) };
        done(&store, WriteBatch::new(TENANT).op(WriteOp::Put(record)).op(WriteOp::Put(suggestion))).await;
    }
    store
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("a file").file_name().into_string().expect("a plain name")).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_one_moment_and_holds_what_was_acknowledged_before_it() {
    let (folder, place) = (folder(), folder());
    let store = Arc::new(filled(&folder).await);
    let (is_over, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut writers = JoinSet::new();
    for writer in 1..=8 {
        let (store, is_over, written) = (Arc::clone(&store), Arc::clone(&is_over), Arc::clone(&written));
        writers.spawn(async move {
            let mut number = writer * 100_000;
            while !is_over.load(Ordering::SeqCst) {
                done(&store, pair(number)).await;
                number += 1;
                written.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    while written.load(Ordering::SeqCst) < 50 {
        tokio::task::yield_now().await;
    }
    done(&store, pair(1_000)).await;
    let before = written.load(Ordering::SeqCst);
    let copy = place.path().join("backup.db");
    store.backup(&copy).await.expect("there is room");
    let meanwhile = written.load(Ordering::SeqCst) - before;
    is_over.store(true, Ordering::SeqCst);
    writers.join_all().await;
    assert!(meanwhile > 8, "{meanwhile} batches were written while it was made");
    assert_eq!(names(place.path()), ["backup.db"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&copy).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let restored = SqliteStore::open(&copy).expect("it opens as a store");
    assert_eq!(restored.check().await.expect("it can be read"), SOUND);
    drop(restored);
    assert_holds(&copy, (0..80).chain([1_000])).await;
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_takes_no_log_that_is_not_its_own() {
    let (folder, place) = (folder(), folder());
    let store = filled(&folder).await;
    for there in ["backup.db", "backup.db-wal", "backup.db-journal"] {
        fs::write(place.path().join(there), "mine").expect("there is room");
        let error = store.backup(place.path().join("backup.db")).await.expect_err("a file is there");
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
        assert!(error.to_string().contains("name another one"), "{error}");
        assert_eq!(names(place.path()), [there]);
        assert_eq!(fs::read(place.path().join(there)).expect("it is there"), b"mine");
        fs::remove_file(place.path().join(there)).expect("it is there");
    }
    let nowhere = place.path().join("nowhere").join("backup.db");
    assert_eq!(store.backup(nowhere).await.expect_err("there is no folder").kind(), StoreErrorKind::Unavailable);
    let error = store.backup(db(&folder)).await.expect_err("that is the store itself");
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    store.backup(place.path().join("backup.db")).await.expect("now there is nothing");
}

#[tokio::test]
async fn a_backup_that_is_dropped_leaves_nothing_and_the_store_goes_on() {
    for polls in 1..=4 {
        let (folder, place) = (folder(), folder());
        let store = filled(&folder).await;
        let copy = place.path().join("backup.db");
        let outcome = whisp_core::testing::cancel_after(polls, store.backup(&copy)).await;
        done(&store, pair(1_000)).await;
        drop(store);
        let left = names(place.path());
        assert!(outcome.is_some() || left.is_empty() || left == ["backup.db"], "{left:?} after {polls} polls");
        assert_holds(&db(&folder), (0..80).chain([1_000])).await;
    }
}

#[tokio::test]
async fn what_was_deleted_before_a_backup_ended_is_not_in_it() {
    const CANARY: &[u8] = b"canary-51c0-sealed-but-still-hers";
    let (folder, place) = (folder(), folder());
    let store = filled(&folder).await;
    let record = Record { sealed: Sealed(CANARY.repeat(20)), ..message(500) };
    done(&store, WriteBatch::new(TENANT).op(WriteOp::Put(record.clone()))).await;
    done(&store, WriteBatch::new(TENANT).op(WriteOp::Delete(record.kind, record.id, 1))).await;
    store.backup(place.path().join("backup.db")).await.expect("there is room");
    let bytes = fs::read(place.path().join("backup.db")).expect("it is there");
    assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY));
}

/// A closed store with two hundred pairs.
async fn closed(folder: &TempDir) {
    let store = SqliteStore::open(db(folder)).expect("a new file opens");
    for number in 0..200 {
        done(&store, pair(number)).await;
    }
    assert_eq!(store.check().await.expect("it can be read"), SOUND);
}

#[tokio::test]
async fn a_record_and_the_ways_to_it_that_do_not_belong_together_are_found() {
    let damages = [
        ("DELETE FROM lookup_message WHERE id IN (SELECT id FROM lookup_message LIMIT 1)", "is not in lookup_message"),
        ("DELETE FROM subject WHERE id IN (SELECT id FROM subject LIMIT 2)", "is not in subject"),
        ("DELETE FROM record_message WHERE row = 7", "a row of lookup_message leads to no record"),
        ("DELETE FROM record_suggestion WHERE row = 7", "a row of subject leads to no row of record_suggestion"),
        ("UPDATE record_message SET subjects = x'00' WHERE row = 7", "a row of record_message is no record"),
        ("UPDATE record_message SET version = -1 WHERE row = 7", "a row of record_message is no record"),
        ("UPDATE record_message SET lookups = x'' WHERE row = 7", "a row of lookup_message leads to no record"),
        ("UPDATE subject SET kind = 'unknown' WHERE kind = 'message'", "is of no kind that was given (200 times)"),
        ("PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE name = 'list_message'", "never used"),
    ];
    for (damage, words) in damages {
        let folder = folder();
        closed(&folder).await;
        Connection::open(db(&folder)).and_then(|conn| conn.execute_batch(damage)).expect("it is a statement");
        let store = SqliteStore::open(db(&folder)).expect("the file opens");
        let found = store.check().await.expect("it can be read");
        assert!(found.iter().any(|what| what.contains(words)), "{found:?} after {damage}");
        assert!(found.len() < 10, "{found:?}");
    }
}

#[tokio::test]
async fn damaged_pages_are_found_wherever_they_are() {
    let whole = folder();
    closed(&whole).await;
    let bytes = fs::read(db(&whole)).expect("it is there");
    let roots: Vec<usize> = {
        let conn = Connection::open(db(&whole)).expect("the file opens");
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name IN ('record_message', 'key_message', 'list_message', \
                   'lookup_message', 'subject', 'record_suggestion')";
        let mut statement = conn.prepare(sql).expect("it is a statement");
        let roots = statement.query_map([], |row| row.get::<_, u32>(0)).expect("it can be read");
        roots.map(|root| usize::try_from(root.expect("a number")).expect("few")).collect()
    };
    assert_eq!(roots.len(), 6);
    for root in roots {
        let folder = folder();
        let mut damaged = bytes.clone();
        damaged[(root - 1) * 4_096..root * 4_096].fill(0x55);
        fs::write(db(&folder), damaged).expect("there is room");
        // It may be noticed as early as when the file is opened.
        match SqliteStore::open(db(&folder)) {
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Corrupt),
            Ok(store) => assert_ne!(store.check().await.expect("it can be looked at"), SOUND, "page {root}"),
        }
    }
}

#[tokio::test]
async fn findings_hold_nothing_of_a_row() {
    let folder = folder();
    let store = SqliteStore::open(db(&folder)).expect("a new file opens");
    let record = Record { sealed: Sealed(b"canary-aigerim".repeat(10)), ..message(1) };
    done(&store, WriteBatch::new(TENANT).op(WriteOp::Put(record))).await;
    drop(store);
    let damage = "UPDATE record_message SET clear = 'canary-aigerim', lookups = x'0102', subjects = 'canary-aigerim'";
    Connection::open(db(&folder)).and_then(|conn| conn.execute_batch(damage)).expect("it is a statement");
    let store = SqliteStore::open(db(&folder)).expect("the file opens");
    let found = store.check().await.expect("it can be read").join("\n");
    assert!(found.contains("record_message") && !found.contains("canary"), "{found}");
}
