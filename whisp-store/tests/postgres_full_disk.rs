//! A full disk under a PostgreSQL server: a typed error, nothing half-written, and the store goes on when there is room.
//!
//! The server is one of the test's own, whose tables lie on a file system of a few megabytes.

#![cfg(target_os = "linux")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use server::{Server, programs};
use support::child::{part, say, with_part};
use support::disk::{Ballast, Who, left_out, on_small_disk};
use support::{TENANT, folder, message};
use whisp_core::error::Retry;
use whisp_core::store::{Commit, Kind, Record, Records, Sealed, StoreError, StoreErrorKind, WriteBatch, WriteOp};
use whisp_store::{PostgresOptions, PostgresStore};

#[test]
fn a_servers_disk_that_fills_up_loses_nothing_and_the_store_goes_on_when_there_is_room() {
    if programs().is_none() {
        left_out("there is no PostgreSQL server on this machine that pg_config knows");
        return;
    }
    let folder = folder();
    let disk = folder.path().join("small");
    fs::create_dir(&disk).expect("there is room");
    let Some(mut command) = on_small_disk(&disk, 16, Who::User) else { return };
    command.arg(std::env::current_exe().expect("this program is a file"));
    with_part(&mut command, "play", folder.path());
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("~ played"), "{said}");
}

#[tokio::test]
async fn the_part_of_the_child() {
    let Some((_, folder)) = part() else { return };
    let folder = Path::new(&folder);
    let disk = folder.join("small");
    let small = Small { server: Server::make(folder, "tables", &[]), disk: disk.clone() };
    let client = small.server.client().await;
    let place = format!("CREATE TABLESPACE small LOCATION '{}'", disk.display());
    client.batch_execute(&place).await.expect("the folder is empty");
    in_a_commit(&small).await;
    in_a_migration(&small).await;
    drop(small);
    for entry in fs::read_dir(&disk).expect("it is there") {
        fs::remove_dir_all(entry.expect("a folder").path()).expect("its server has ended");
    }
    let log = format!("--waldir={}", disk.join("wal").display());
    in_the_servers_log(&Small { server: Server::make(folder, "log", &[&log]), disk }).await;
    say("played");
}

/// A server that ends with this, and the small disk.
struct Small {
    server: Server,
    disk: PathBuf,
}

impl Small {
    fn options(&self, schema: &str) -> PostgresOptions {
        PostgresOptions::new(self.server.url()).schema(schema).connections(2)
    }

    /// Opens a store whose tables lie on the small disk.
    async fn open_small(&self, schema: &str) -> Result<PostgresStore, StoreError> {
        let url = format!("{} options='-c default_tablespace=small'", self.server.url());
        PostgresOptions::new(url).schema(schema).connections(2).open().await
    }
}

fn assert_full(error: &StoreError) {
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Full, Retry::After(None)), "{error}");
    assert!(error.to_string().contains("make room"), "{error}");
}

fn large(number: u64) -> WriteBatch {
    let record = Record { sealed: Sealed(vec![0xa5; 60_000]), ..message(number) };
    let suggestion = Record { kind: Kind::SUGGESTION, lookups: Vec::new(), ..message(number) };
    WriteBatch::new(TENANT).op(WriteOp::Put(suggestion)).op(WriteOp::Put(record))
}

async fn in_a_commit(small: &Small) {
    let store = small.open_small("commits").await.expect("there is room");
    let ballast = small.disk.join("ballast");
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
    // Again and again, more often than there are connections: it is refused, nothing of it is there, and reads go on.
    assert_holds(&store, 0..written).await;
    for _ in 0..8 {
        assert_full(&store.commit(large(written)).await.expect_err("there is no room"));
        for kind in [Kind::MESSAGE, Kind::SUGGESTION] {
            assert_eq!(store.get(TENANT, kind, message(written).id).await.expect("it can be read"), None);
        }
    }
    fs::remove_file(ballast).expect("it is there");
    for number in written..written + 20 {
        assert_eq!(store.commit(large(number)).await.expect("there is room"), Commit::Done);
    }
    assert_holds(&store, 0..written + 20).await;
}

async fn assert_holds(store: &PostgresStore, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        let message = message(number);
        for kind in [Kind::MESSAGE, Kind::SUGGESTION] {
            let stored = store.get(TENANT, kind, message.id).await.expect("it can be read");
            assert_eq!(stored.map(|stored| stored.position), Some(message.position), "{kind} of {number}");
        }
    }
}

/// With a little more room each time it gets a little further.
async fn in_a_migration(small: &Small) {
    let (client, mut failures) = (small.server.client().await, 0);
    for room in (0..).step_by(128 << 10) {
        let ballast = Ballast::fill(&small.disk);
        ballast.give_back(room);
        let opened = small.open_small("tables").await;
        ballast.remove();
        match opened {
            Ok(_) => break,
            Err(error) => assert_full(&error),
        }
        failures += 1;
        let tables = client.query_one("SELECT count(*) FROM pg_tables WHERE schemaname = 'tables'", &[]).await;
        assert_eq!(tables.expect("it can be asked").get::<_, i64>(0), 0, "a part of the tables is there");
    }
    assert!(failures > 2, "it failed {failures} times");
    let store = small.open_small("tables").await.expect("there is room");
    assert_eq!(store.commit(large(1)).await.expect("there is room"), Commit::Done);
}

/// Without room for its log the server ends at once, as PostgreSQL does. When it is up again, the same store goes on: what
/// was acknowledged is there, and what was under way wholly or not at all.
async fn in_the_servers_log(small: &Small) {
    let store = small.options("log").open().await.expect("there is room");
    assert_eq!(store.commit(large(0)).await.expect("there is room"), Commit::Done);
    let ballast = Ballast::fill(&small.disk);
    let mut written = 1;
    let error = loop {
        match store.commit(large(written)).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1_000, "the log never fills up");
    };
    // It may say so with its last word; then the commit may be in the log already.
    let told = (error.kind(), error.retry());
    let is_lost = told.0 == StoreErrorKind::Unavailable;
    assert!(is_lost || told == (StoreErrorKind::Full, Retry::OutcomeUnknown), "{told:?}: {error}");
    let error = store.get(TENANT, Kind::MESSAGE, message(0).id).await.expect_err("there is no server");
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Unavailable, Retry::After(None)), "{error}");
    ballast.remove();
    // It may be about to end.
    small.server.stop();
    small.server.start();
    assert_holds(&store, 0..written).await;
    let mut there = Vec::new();
    for kind in [Kind::MESSAGE, Kind::SUGGESTION] {
        there.push(store.get(TENANT, kind, message(written).id).await.expect("it can be read").is_some());
    }
    assert_eq!(there[0], there[1], "half a batch is there");
    for number in written + 1..written + 20 {
        assert_eq!(store.commit(large(number)).await.expect("there is room"), Commit::Done);
    }
}
