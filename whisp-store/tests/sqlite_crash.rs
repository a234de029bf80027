//! Other processes, killed processes, copies of the files: what was acknowledged is there.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]
#![cfg(unix)]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use support::child::{part, say, start, with_part};
use support::{assert_holds, db, done, folder, pair};
use tokio::task::JoinSet;
use whisp_core::store::StoreErrorKind;
use whisp_store::{SqliteOptions, SqliteStore};

/// The user that no one is, on every Unix that this runs on.
const NOBODY: u32 = 65_534;

#[tokio::test(flavor = "multi_thread")]
async fn the_part_of_the_child() {
    let Some((part, file)) = part() else { return };
    match part.as_str() {
        "write" => write_for_ever(&file).await,
        "open" => {
            say(&SqliteStore::open(&file).map_or_else(|error| format!("{:?}", error.kind()), |_| "opened".into()));
        }
        other => panic!("there is no part {other}"),
    }
}

/// Sixteen writers, each of which says the number of a pair once it is acknowledged.
async fn write_for_ever(file: &str) {
    // With a log that is written back all the time, by the writer and by its helper.
    let store = Arc::new(SqliteOptions::new().log_bytes_max(1 << 20).open(file).expect("the file opens"));
    let next = Arc::new(AtomicU64::new(0));
    let mut writers = JoinSet::new();
    for _ in 0..16 {
        let (store, next) = (Arc::clone(&store), Arc::clone(&next));
        writers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                done(&store, pair(number)).await;
                say(&number.to_string());
            }
        });
    }
    writers.join_all().await;
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_acknowledged() {
    let folder = folder();
    for kill_after in [1, 100, 700, 1_500] {
        let (mut child, mut said) = start("write", &db(&folder));
        let mut acknowledged: Vec<String> = said.by_ref().take(kill_after).collect();
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        acknowledged.extend(said);
        assert!(acknowledged.len() >= kill_after, "it wrote until it was killed");
        let numbers = acknowledged.iter().map(|line| line.parse().expect("a whole line"));
        assert_holds(&db(&folder), numbers.collect::<Vec<u64>>()).await;
        fs::remove_file(db(&folder)).expect("it is there");
    }
}

#[test]
fn another_process_is_locked_out_while_this_one_lives() {
    let folder = folder();
    let (mut writer, mut said) = start("write", &db(&folder));
    said.next().expect("it writes");
    let error = SqliteStore::open(db(&folder)).expect_err("another process has it");
    assert_eq!(error.kind(), StoreErrorKind::Locked);
    writer.kill().expect("it runs");
    writer.wait().expect("it ends");
    drop(SqliteStore::open(db(&folder)).expect("the lock went with the process"));
    let (mut opener, mut said) = start("open", &db(&folder));
    assert_eq!(said.next().as_deref(), Some("opened"));
    assert!(opener.wait().expect("it ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_files_taken_under_load_holds_what_was_acknowledged() {
    const BEFORE: u64 = 150;
    let (copy, folder) = (folder(), folder());
    let store = Arc::new(SqliteStore::open(db(&folder)).expect("a new file opens"));
    // By then the writer has looked after what an earlier process may have deleted.
    for number in 0..20 {
        done(&store, pair(number)).await;
    }
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut writers = JoinSet::new();
    for writer in 1..=16 {
        let (store, acknowledged) = (Arc::clone(&store), Arc::clone(&acknowledged));
        writers.spawn(async move {
            let mut numbers = Vec::new();
            // Too few to have the log written back meanwhile: then no copy of two files is one moment.
            for number in 0..20 {
                let number = writer * 1_000 + number;
                done(&store, pair(number)).await;
                numbers.push((number, acknowledged.fetch_add(1, Ordering::SeqCst)));
            }
            numbers
        });
    }
    while acknowledged.load(Ordering::SeqCst) < BEFORE {
        tokio::task::yield_now().await;
    }
    let before = acknowledged.load(Ordering::SeqCst);
    for name in ["whisp.db", "whisp.db-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).expect("it can be copied");
    }
    let numbers = writers.join_all().await.into_iter().flatten();
    let certain = numbers.filter(|(_, place)| *place < before).map(|(number, _)| number);
    assert_holds(&db(&copy), (0..20).chain(certain)).await;
}

#[test]
fn a_folder_that_may_not_be_written_is_no_permission() {
    let folder = folder();
    // Root may write everywhere: then the child is somebody else, and needs a program that it may read.
    let program = folder.path().join("program");
    fs::copy(std::env::current_exe().expect("this program is a file"), &program).expect("it can be copied");
    let is_root = fs::metadata(folder.path()).expect("it is there").uid() == 0;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).expect("it is ours");
    let mut command = Command::new(program);
    with_part(&mut command, "open", &db(&folder));
    if is_root {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().expect("it starts");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("~ PermissionDenied"), "{said}");
    assert!(!db(&folder).exists());
}
