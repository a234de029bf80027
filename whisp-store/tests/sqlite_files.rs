//! Files that the SQLite store must refuse, limits that it must keep, and what it leaves behind.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use support::{TENANT, TempStore, assert_holds, db, done, folder, message, pair};
use whisp_core::clock::Clock;
use whisp_core::error::Retry;
use whisp_core::store::{DedupKey, Expect, Kind, Paths, Record, Records, Sealed, StoreErrorKind, WriteBatch, WriteOp};
use whisp_core::testing::ManualClock;
use whisp_store::{SqliteOptions, SqliteStore};

const VISIT: Kind = Kind::new("visit", Paths { listed: true, found: false, owned: true, expires: true });

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let folder = folder();
    let text = "This is a diary, not a database.\n".repeat(200);
    fs::write(db(&folder), &text).expect("it can be written");
    let error = SqliteStore::open(db(&folder)).expect_err("it is no database");
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Corrupt, Retry::Never));
    assert_eq!(fs::read_to_string(db(&folder)).expect("it is still there"), text);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let folder = folder();
    Connection::open(db(&folder))
        .and_then(|conn| conn.execute_batch("CREATE TABLE song (name TEXT)"))
        .expect("a database");
    let before = fs::read(db(&folder)).expect("it is there");
    let error = SqliteStore::open(db(&folder)).expect_err("it is another program's");
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(fs::read(db(&folder)).expect("it is still there"), before);
}

#[test]
fn a_file_of_a_newer_version_is_refused() {
    let folder = folder();
    drop(SqliteStore::open(db(&folder)).expect("a new file opens"));
    Connection::open(db(&folder)).and_then(|conn| conn.pragma_update(None, "user_version", 999)).expect("it is ours");
    let error = SqliteStore::open(db(&folder)).expect_err("it is newer");
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Newer, Retry::Never));
}

#[tokio::test]
async fn a_damaged_file_is_corrupt() {
    let folder = folder();
    let store = SqliteStore::open(db(&folder)).expect("a new file opens");
    for number in 0..200 {
        done(&store, pair(number)).await;
    }
    drop(store);
    let mut bytes = fs::read(db(&folder)).expect("it is there");
    let header = 4_096;
    bytes[header..].fill(0x55);
    fs::write(db(&folder), bytes).expect("it can be written");
    let error = match SqliteStore::open(db(&folder)) {
        Err(error) => error,
        Ok(store) => store.commit(pair(1_000)).await.expect_err("it is damaged"),
    };
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
}

/// Whatever was in one transaction with it could have been written, and is to be tried again.
#[tokio::test]
async fn a_damaged_row_is_final_for_nobody_but_who_writes_it() {
    let folder = folder();
    let store = SqliteStore::open(db(&folder)).expect("a new file opens");
    done(&store, pair(0)).await;
    drop(store);
    Connection::open(db(&folder))
        .and_then(|conn| conn.execute("UPDATE record_message SET lookups = x'01'", []))
        .expect("it is ours");
    let store = SqliteStore::open(db(&folder)).expect("it is as good as before but for a row");
    let again = |number: u64| {
        let Record { version, .. } = message(number);
        let changed = Record { version: version + 1, ..message(number) };
        WriteBatch::new(TENANT).expect(Expect::Version(Kind::MESSAGE, changed.id, version)).op(WriteOp::Put(changed))
    };
    let batches = (0..200).map(|number| if number % 20 == 10 { again(0) } else { pair(1_000 + number) });
    let outcomes = futures_util::future::join_all(batches.map(|batch| store.commit(batch))).await;
    let mut together = 0;
    for (number, outcome) in (0..).zip(outcomes) {
        match outcome {
            Ok(commit) => assert_eq!(commit, whisp_core::store::Commit::Done, "{number}"),
            Err(error) if number % 20 == 10 => {
                assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
                assert_eq!(error.retry(), Retry::Never);
            }
            Err(error) => {
                together += 1;
                assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Unavailable, Retry::After(None)), "{error}");
                done(&store, pair(1_000 + number)).await;
            }
        }
    }
    assert!(together > 0, "none was in one transaction with it");
}

#[test]
fn a_folder_that_is_not_there_and_a_folder_for_a_file_are_refused() {
    let folder = folder();
    for path in [folder.path().join("nowhere").join("whisp.db"), folder.path().to_owned()] {
        let error = SqliteStore::open(path).expect_err("there is no such file");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
}

#[test]
fn a_second_store_on_the_same_file_is_locked_out_until_the_first_is_dropped() {
    let folder = folder();
    let first = SqliteStore::open(db(&folder)).expect("a new file opens");
    let error = SqliteStore::open(db(&folder)).expect_err("it is open already");
    assert_eq!(error.kind(), StoreErrorKind::Locked);
    assert!(error.to_string().contains("close the store"), "it says what to do: {error}");
    drop(first);
    SqliteStore::open(db(&folder)).expect("it is free again");
}

#[tokio::test]
async fn a_full_disk_is_told_and_loses_nothing() {
    let folder = folder();
    let store = SqliteOptions::new().bytes_max(768 * 1_024).open(db(&folder)).expect("a new file opens");
    let mut written = 0;
    let error = loop {
        match store.commit(pair(written)).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Full, Retry::After(None)));
    assert!(written > 100, "{written} pairs fit into three quarters of a megabyte");
    assert!(store.get(TENANT, Kind::MESSAGE, message(0).id).await.expect("it can be read").is_some());
    assert_eq!(store.commit(pair(written)).await.expect_err("it is still full").kind(), StoreErrorKind::Full);
    drop(store);
    assert_holds(&db(&folder), 0..written).await;
    let store = SqliteOptions::new().bytes_max(1 << 20).open(db(&folder)).expect("the file opens");
    done(&store, pair(written)).await;
}

#[tokio::test]
async fn dropping_the_store_finishes_what_was_sent() {
    let folder = folder();
    let store = SqliteStore::open(db(&folder)).expect("a new file opens");
    for number in 0..100 {
        let dropped = whisp_core::testing::cancel_after(1, store.commit(pair(number))).await;
        assert!(dropped.is_none_or(|outcome| outcome.is_ok()));
    }
    drop(store);
    assert!(!folder.path().join("whisp.db-wal").exists(), "the log was written back");
    assert_holds(&db(&folder), 0..100).await;
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder();
    let _store = SqliteStore::open(db(&folder)).expect("a new file opens");
    let files: Vec<_> =
        fs::read_dir(folder.path()).expect("the folder is there").map(|entry| entry.expect("a file")).collect();
    assert_eq!(files.len(), 4, "the file, its log, the log's index and the lock: {files:?}");
    for file in files {
        let mode = file.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.file_name());
    }
}

#[tokio::test]
async fn what_is_deleted_is_gone_from_the_files() {
    const CANARY: &[u8] = b"canary-7c1d-sealed-but-still-hers";
    let folder = folder();
    let store = SqliteStore::open(db(&folder)).expect("a new file opens");
    let record = Record { sealed: Sealed(CANARY.repeat(20)), ..message(1) };
    settle(&store).await;
    done(&store, WriteBatch::new(TENANT).op(WriteOp::Put(record.clone()))).await;
    assert!(holds_bytes(&folder, CANARY), "it is somewhere while it is there");
    done(&store, WriteBatch::new(TENANT).op(WriteOp::Delete(record.kind, record.id, 1))).await;
    settle(&store).await;
    assert!(!holds_bytes(&folder, CANARY), "while the store is open");
    drop(store);
    assert!(!holds_bytes(&folder, CANARY), "after it is closed");
}

#[tokio::test]
async fn what_is_deleted_is_gone_from_the_files_though_nobody_writes_any_more() {
    const CANARY: &[u8] = b"canary-93ab-sealed-but-still-hers";
    let folder = folder();
    let store = SqliteStore::open(db(&folder)).expect("a new file opens");
    let record = Record { sealed: Sealed(CANARY.repeat(20)), ..message(1) };
    done(&store, WriteBatch::new(TENANT).op(WriteOp::Put(record.clone()))).await;
    done(&store, WriteBatch::new(TENANT).op(WriteOp::Delete(record.kind, record.id, 1))).await;
    let began = Instant::now();
    while holds_bytes(&folder, CANARY) {
        assert!(began.elapsed() < Duration::from_secs(30), "it is still there");
        tokio::task::yield_now().await;
    }
}

/// The log is written back when nobody writes for a moment, and after sixteen transactions even without one.
async fn settle(store: &SqliteStore) {
    for _ in 0..20 {
        done(store, WriteBatch::new(TENANT)).await;
    }
}

fn holds_bytes(folder: &tempfile::TempDir, bytes: &[u8]) -> bool {
    let files = fs::read_dir(folder.path()).expect("the folder is there");
    files
        .map(|entry| fs::read(entry.expect("a file").path()).expect("it can be read"))
        .any(|content| content.windows(bytes.len()).any(|window| window == bytes))
}

#[tokio::test]
async fn the_log_stays_short() {
    let folder = folder();
    let store = SqliteStore::open(db(&folder)).expect("a new file opens");
    let large = |number| {
        let record = Record { sealed: Sealed(vec![0xa5; 1_000_000]), ..message(number) };
        WriteBatch::new(TENANT).op(WriteOp::Put(record))
    };
    for number in 0..160 {
        done(&store, large(number)).await;
    }
    let log = fs::metadata(folder.path().join("whisp.db-wal")).expect("it is there").len();
    assert!(log < 68 << 20, "{log} bytes of log after 160 MB");
}

#[tokio::test]
async fn keys_whose_time_has_passed_are_forgotten() {
    let folder = folder();
    let store = SqliteStore::open(db(&folder)).expect("a new file opens");
    let start = ManualClock::default().now();
    let remember = |number: u32, at: DateTime<Utc>| {
        let key = DedupKey { second: at.timestamp(), digest: [number.to_le_bytes()[0]; 32] };
        let until = at + TimeDelta::seconds(10);
        WriteBatch::new(TENANT).expect(Expect::Unseen { key, at }).op(WriteOp::Remember { key, until })
    };
    for tens in 0..200 {
        let batches = (0..10)
            .map(|one| tens * 10 + one)
            .map(|second| remember(second, start + TimeDelta::seconds(second.into())));
        futures_util::future::join_all(batches.map(|batch| done(&store, batch))).await;
    }
    let last = start + TimeDelta::seconds(1_999);
    let key = DedupKey { second: last.timestamp(), digest: [1_999_u32.to_le_bytes()[0]; 32] };
    let seen = WriteBatch::new(TENANT).expect(Expect::Unseen { key, at: last });
    assert_ne!(store.commit(seen).await.expect("the store works"), whisp_core::store::Commit::Done);
    drop(store);
    let conn = Connection::open(db(&folder)).expect("the file opens");
    let keys: i64 = conn.query_row("SELECT count(*) FROM seen", [], |row| row.get(0)).expect("the table is there");
    assert!((10..600).contains(&keys), "{keys} of 2,000 are left, of which ten are still remembered");
}

#[tokio::test]
async fn a_host_brings_kinds_of_its_own() {
    let folder = folder();
    let store = SqliteOptions::new().kind(VISIT).open(db(&folder)).expect("a new file opens");
    let record = Record { kind: VISIT, lookups: Vec::new(), ..message(1) };
    done(&store, WriteBatch::new(TENANT).op(WriteOp::Put(record.clone()))).await;
    assert_eq!(store.get(TENANT, VISIT, record.id).await.expect("the store works"), Some(record.clone()));
    drop(store);

    let empty = Kind::new("empty", VISIT.paths());
    drop(SqliteOptions::new().kind(VISIT).kind(empty).open(db(&folder)).expect("another kind is welcome"));
    let grown = Kind::new("empty", Paths { found: true, ..VISIT.paths() });
    drop(SqliteOptions::new().kind(VISIT).kind(grown).open(db(&folder)).expect("without records it may change"));
    drop(SqliteOptions::new().kind(VISIT).open(db(&folder)).expect("without records it may go"));

    let error = SqliteStore::open(db(&folder)).expect_err("it would not be erased with the rest");
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    let changed = Kind::new("visit", Paths { found: true, ..VISIT.paths() });
    let error = SqliteOptions::new().kind(changed).open(db(&folder)).expect_err("it has no such path");
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    for name in ["", "Visit", "visit2", "visit; DROP TABLE seen", "посещение"] {
        let kind = Kind::new(name, VISIT.paths());
        let error = SqliteOptions::new().kind(VISIT).kind(kind).open(db(&folder)).expect_err("it is no name");
        assert_eq!(error.kind(), StoreErrorKind::Invalid, "{name:?}");
    }
}

#[tokio::test]
async fn a_kind_that_was_not_given_is_invalid() {
    let store = TempStore::new();
    let record = Record { kind: VISIT, ..message(1) };
    let error = store.commit(WriteBatch::new(TENANT).op(WriteOp::Put(record.clone()))).await.expect_err("no table");
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    assert_eq!(store.get(TENANT, VISIT, record.id).await.expect_err("no table").kind(), StoreErrorKind::Invalid);
    done(&store, pair(1)).await;
}

#[tokio::test]
async fn nothing_of_a_record_or_a_path_is_printed() {
    let folder = folder();
    let path = folder.path().join("canary-aigerim.db");
    let store = SqliteStore::open(&path).expect("a new file opens");
    let sealed = Sealed(b"canary-aigerim".repeat(100_000));
    let batch = WriteBatch::new(TENANT).op(WriteOp::Put(Record { sealed, ..message(1) }));
    let errors =
        [store.commit(batch).await.expect_err("it is too large"), SqliteStore::open(&path).expect_err("it is open")];
    let printed = format!("{store:?} {errors:?} {} {}", errors[0], errors[1]);
    assert!(!printed.contains("canary"), "{printed}");
}
