//! Busy files, long readers and full disks: a typed error, nothing half-written, and the store goes on.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;

use rusqlite::Connection;
use support::child::{part, say, start, wait_for_parent};
use support::{TENANT, assert_holds, db, done, folder, message, pair};
use whisp_core::error::Retry;
use whisp_core::store::{Kind, Record, Records, Sealed, StoreError, StoreErrorKind, WriteBatch, WriteOp};
use whisp_store::{SqliteOptions, SqliteStore};

#[tokio::test]
async fn the_part_of_the_child() {
    let Some((part, file)) = part() else { return };
    match part.as_str() {
        "hold" => {
            let conn = Connection::open(&file).expect("the file opens");
            conn.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
            say("held");
            wait_for_parent();
        }
        #[cfg(target_os = "linux")]
        "disk" => small_disk::play(Path::new(&file)).await,
        other => panic!("there is no part {other}"),
    }
}

#[tokio::test]
async fn another_program_that_writes_for_long_is_busy_and_then_the_store_goes_on() {
    let folder = folder();
    let store = SqliteStore::open(db(&folder)).expect("a new file opens");
    done(&store, pair(0)).await;
    let (mut holder, mut said) = start("hold", &db(&folder));
    assert_eq!(said.next().as_deref(), Some("held"));
    let error = store.commit(pair(1)).await.expect_err("another one writes");
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Locked, Retry::After(None)));
    assert!(error.to_string().contains("stop the other program"), "{error}");
    let read = store.get(TENANT, Kind::MESSAGE, message(0).id).await.expect("reads go on");
    assert!(read.is_some());
    writeln!(holder.stdin.take().expect("it is piped"), "go on").expect("it listens");
    assert!(holder.wait().expect("it ends").success());
    assert!(store.get(TENANT, Kind::MESSAGE, message(1).id).await.expect("it can be read").is_none());
    done(&store, pair(1)).await;
    drop(store);
    assert_holds(&db(&folder), 0..2).await;
}

#[tokio::test]
async fn the_log_has_a_limit_even_beside_a_reader_that_never_ends() {
    const LOG_MAX: u64 = 2 << 20;
    let folder = folder();
    let store = SqliteOptions::new().log_bytes_max(LOG_MAX).open(db(&folder)).expect("a new file opens");
    let reader = Connection::open(db(&folder)).expect("the file opens");
    reader.execute_batch("BEGIN; SELECT * FROM kind").expect("it can be read");
    let length = || fs::metadata(folder.path().join("whisp.db-wal")).expect("it is there").len();
    let deleted = message(100_000);
    done(&store, WriteBatch::new(TENANT).op(WriteOp::Put(deleted.clone()))).await;
    done(&store, WriteBatch::new(TENANT).op(WriteOp::Delete(deleted.kind, deleted.id, 1))).await;
    let mut written = 0;
    let error = loop {
        match store.commit(pair(written)).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(length() < LOG_MAX + (256 << 10), "{} bytes of log", length());
    };
    assert!(length() > LOG_MAX / 2, "{} bytes of log", length());
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Locked, Retry::After(None)));
    assert!(error.to_string().contains("end the long read"), "{error}");
    assert!(store.get(TENANT, Kind::MESSAGE, message(0).id).await.expect("reads go on").is_some());
    // The deletion is durable and its bytes still in the log: who asks is told.
    assert_eq!(store.compact().await.expect_err("the log is read").kind(), StoreErrorKind::Locked);
    reader.execute_batch("COMMIT").expect("it ends");
    // Sixteen transactions later at the latest.
    for number in written..written + 20 {
        done(&store, pair(number)).await;
    }
    assert!(length() < LOG_MAX / 2, "what was deleted is cut off: {} bytes", length());
    store.compact().await.expect("nobody reads");
    assert_eq!(length(), 0);
    drop(store);
    assert_holds(&db(&folder), 0..written + 20).await;
}

#[tokio::test]
async fn a_reader_that_stays_for_a_while_slows_nothing_down_for_long() {
    let folder = folder();
    let store = SqliteStore::open(db(&folder)).expect("a new file opens");
    let reader = Connection::open(db(&folder)).expect("the file opens");
    reader.execute_batch("BEGIN; SELECT * FROM kind").expect("it can be read");
    // Every other batch deletes something, so each pause is a reason to cut the log.
    let began = std::time::Instant::now();
    let record = message(1);
    for _ in 0..100 {
        done(&store, WriteBatch::new(TENANT).op(WriteOp::Put(record.clone()))).await;
        done(&store, WriteBatch::new(TENANT).op(WriteOp::Delete(record.kind, record.id, 1))).await;
    }
    // A wait of a tenth of a second for each of them would be twenty seconds.
    assert!(began.elapsed().as_secs() < 15, "{:?}", began.elapsed());
    reader.execute_batch("COMMIT").expect("it ends");
    store.compact().await.expect("nobody reads");
    assert_eq!(fs::metadata(folder.path().join("whisp.db-wal")).expect("it is there").len(), 0);
}

fn assert_full(error: &StoreError) {
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Full, Retry::After(None)), "{error}");
    assert!(error.to_string().contains("make room"), "{error}");
}

fn large(number: u64) -> WriteBatch {
    let record = Record { sealed: Sealed(vec![0xa5; 20_000]), ..message(number) };
    let suggestion = Record { kind: Kind::SUGGESTION, lookups: Vec::new(), ..message(number) };
    WriteBatch::new(TENANT).op(WriteOp::Put(record)).op(WriteOp::Put(suggestion))
}

/// A file system of a few megabytes, in a namespace of its own, where the kernel lets anybody make one.
#[cfg(target_os = "linux")]
mod small_disk {
    use whisp_core::id::SubjectId;
    use whisp_core::vault::{KeyTable, SubjectKey, SubjectKeyState, TenantKey, VaultErrorKind, WrappedKey};
    use whisp_store::SqliteKeyTable;

    use super::*;
    use crate::support::child::with_part;
    use crate::support::disk::{Ballast, Who, on_small_disk};

    const VERSION_1: &str = include_str!("golden/sqlite_v1.sql");

    #[test]
    fn a_disk_that_fills_up_anywhere_loses_nothing_and_the_store_goes_on_when_there_is_room() {
        let folder = folder();
        let Some(mut command) = on_small_disk(folder.path(), 8, Who::Root) else { return };
        command.arg(std::env::current_exe().expect("this program is a file"));
        with_part(&mut command, "disk", folder.path());
        let output = command.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("~ played"), "{said}");
    }

    pub(super) async fn play(disk: &Path) {
        in_a_commit(&disk.join("commit.db")).await;
        in_the_log_alone(&disk.join("log.db")).await;
        in_a_checkpoint(&disk.join("checkpoint.db")).await;
        in_an_upgrade(&disk.join("upgrade.db")).await;
        in_a_backup(disk).await;
        in_an_erasure_of_a_key(&disk.join("keys.db")).await;
        say("played");
    }

    fn clear(path: &Path) {
        for entry in fs::read_dir(path.parent().expect("a folder")).expect("it is there") {
            fs::remove_file(entry.expect("a file").path()).expect("it is ours");
        }
    }

    async fn in_a_commit(path: &Path) {
        let store = SqliteStore::open(path).expect("there is room");
        let ballast = path.parent().expect("a folder").join("ballast");
        fs::write(&ballast, vec![1; 4 << 20]).expect("there is room");
        let mut written = 0;
        let error = loop {
            match store.commit(large(written)).await {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
        };
        assert_full(&error);
        assert!(written > 10, "{written} fit");
        // Nothing of what was refused is there, and what was acknowledged can be read.
        let refused = message(written);
        for kind in [Kind::MESSAGE, Kind::SUGGESTION] {
            assert_eq!(store.get(TENANT, kind, refused.id).await.expect("it can be read"), None);
        }
        assert!(store.get(TENANT, Kind::MESSAGE, message(written - 1).id).await.expect("it can be read").is_some());
        fs::remove_file(ballast).expect("it is there");
        for number in written..written + 20 {
            done(&store, large(number)).await;
        }
        assert_eq!(store.check().await.expect("it can be read"), Vec::<String>::new());
        drop(store);
        assert_holds(path, 0..written + 20).await;
        clear(path);
    }

    /// Where all that lacks room is the log, the store makes room itself.
    async fn in_the_log_alone(path: &Path) {
        let store = SqliteStore::open(path).expect("there is room");
        let mut record = Record { sealed: Sealed(vec![0xa5; 20_000]), ..message(0) };
        for version in 1..=10 {
            record.version = version;
            done(&store, WriteBatch::new(TENANT).op(WriteOp::Put(record.clone()))).await;
        }
        // Closed, the file is as large as it has to be.
        drop(store);
        let store = SqliteStore::open(path).expect("there is room");
        let ballast = Ballast::fill(path.parent().expect("a folder"));
        ballast.give_back(1 << 20);
        let (mut failures, mut changes) = (0, 0);
        while changes < 400 {
            record.version += 1;
            // Of what stays the same SQLite writes nothing.
            record.sealed = Sealed(vec![u8::from(record.version.is_multiple_of(2)); 20_000]);
            match store.commit(WriteBatch::new(TENANT).op(WriteOp::Put(record.clone()))).await {
                Ok(_) => changes += 1,
                Err(error) => {
                    assert_full(&error);
                    failures += 1;
                    record.version -= 1;
                }
            }
            assert!(failures < 20, "it is full for good after {changes} changes");
        }
        assert!(failures > 1, "the log was full {failures} times");
        ballast.remove();
        drop(store);
        clear(path);
    }

    async fn in_a_checkpoint(path: &Path) {
        let store = SqliteStore::open(path).expect("there is room");
        for number in 0..40 {
            done(&store, large(number)).await;
        }
        let ballast = Ballast::fill(path.parent().expect("a folder"));
        assert_full(&store.compact().await.expect_err("there is no room to write the log back"));
        assert!(store.get(TENANT, Kind::MESSAGE, message(39).id).await.expect("it can be read").is_some());
        ballast.remove();
        store.compact().await.expect("there is room");
        done(&store, large(40)).await;
        drop(store);
        assert_holds(path, 0..41).await;
        clear(path);
    }

    async fn in_an_upgrade(path: &Path) {
        let make = || {
            let conn = Connection::open(path).expect("there is room");
            conn.execute_batch(VERSION_1).expect("the script makes a file");
        };
        // With a little more room each time it gets a little further.
        let mut failures = 0;
        for room in (0..).step_by(32 << 10) {
            make();
            let ballast = Ballast::fill(path.parent().expect("a folder"));
            ballast.give_back(room);
            match SqliteStore::open(path) {
                Ok(_) => break,
                Err(error) => assert_full(&error),
            }
            failures += 1;
            ballast.remove();
            let conn = Connection::open(path).expect("it is there");
            let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("it has one");
            assert_eq!(version, 1, "it is as it was");
            drop(conn);
            let store = SqliteStore::open(path).expect("there is room");
            assert_eq!(store.check().await.expect("it can be read"), Vec::<String>::new());
            drop(store);
            clear(path);
        }
        assert!(failures > 3, "it failed in {failures} places");
        clear(path);
    }

    async fn in_a_backup(disk: &Path) {
        let elsewhere = folder();
        let store = SqliteStore::open(db(&elsewhere)).expect("there is room");
        for number in 0..400 {
            done(&store, large(number)).await;
        }
        let error = store.backup(disk.join("backup.db")).await.expect_err("ten megabytes do not fit into eight");
        assert_full(&error);
        assert_eq!(fs::read_dir(disk).expect("it is there").count(), 0, "nothing is left of it");
        done(&store, large(400)).await;
        drop(store);
        assert_holds(&db(&elsewhere), 0..401).await;
    }

    async fn in_an_erasure_of_a_key(path: &Path) {
        let key = SubjectKey { version: 1, epoch: 1, wrapped: WrappedKey(vec![0xcc; 60]) };
        let who = |number: u128| SubjectId::from_bytes(number.to_be_bytes());
        let table = SqliteKeyTable::open(path).expect("there is room");
        let (wrapped, index) = (WrappedKey(vec![0xaa; 60]), WrappedKey(vec![0xbb; 60]));
        let tenant = TenantKey { epoch: 1, wrapped, index, begun_at: None, previous: None };
        table.put_tenant(TENANT, tenant).await.expect("there is room");
        let keys = (0..200).map(|number| (who(number), key.clone())).collect();
        table.put_subjects(TENANT, keys).await.expect("there is room");
        let ballast = Ballast::fill(path.parent().expect("a folder"));
        let at = chrono::DateTime::UNIX_EPOCH;
        let mut failed = None;
        for number in 0..200 {
            if let Err(error) = table.erase(TENANT, who(number), at).await {
                assert_eq!((error.kind(), error.retry()), (VaultErrorKind::Unavailable, Retry::After(None)));
                // Not erased is not half-erased: the key is there.
                let state = table.subject(TENANT, who(number)).await.expect("it can be read");
                assert_eq!(state, SubjectKeyState::Live(key.clone()));
                failed = Some(number);
                break;
            }
        }
        ballast.remove();
        let failed = failed.expect("the journal of an erasure needs room");
        for number in failed..200 {
            table.erase(TENANT, who(number), at).await.expect("there is room");
        }
        drop(table);
        let table = SqliteKeyTable::open(path).expect("it opens");
        for number in 0..200 {
            let state = table.subject(TENANT, who(number)).await.expect("it can be read");
            assert_eq!(state, SubjectKeyState::Erased(at));
        }
        drop(table);
        clear(path);
    }
}
