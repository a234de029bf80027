//! A full disk under a PostgreSQL server: a typed error, nothing half-written, and the store goes on when there is room.
//!
//! The server is one of the test's own, whose tables lie on a file system of a few megabytes.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::child::{part, say, with_part};
use support::disk::{Ballast, Who, left_out, on_small_disk};
use support::{TENANT, folder, message};
use tokio_postgres::NoTls;
use whisp_core::error::Retry;
use whisp_core::store::{Commit, Kind, Record, Records, Sealed, StoreError, StoreErrorKind, WriteBatch, WriteOp};
use whisp_store::{PostgresOptions, PostgresStore};

/// Where the server's programs are, if they are on this machine.
fn programs() -> Option<PathBuf> {
    let config = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(config.stdout).ok()?.trim());
    ["initdb", "postgres", "pg_ctl"].iter().all(|program| folder.join(program).exists()).then_some(folder)
}

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
    let server = Server::start(Path::new(&folder));
    let client = server.client().await;
    let place = format!("CREATE TABLESPACE small LOCATION '{}'", server.disk().display());
    client.batch_execute(&place).await.expect("the folder is empty");
    in_a_commit(&server).await;
    in_a_migration(&server).await;
    drop(server);
    say("played");
}

/// A server that ends with this.
struct Server {
    folder: PathBuf,
    programs: PathBuf,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let server = Self { folder: folder.to_owned(), programs: programs().expect("the parent found them") };
        let options = ["--auth=trust", "--username=whisp", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"];
        server.run(Command::new(server.programs.join("initdb")).args(options).arg(server.data()));
        let settings = format!("-c listen_addresses='' -c unix_socket_directories='{}'", folder.display());
        let log = folder.join("log");
        server.run(server.control().args(["start", "-w", "-o", &settings, "-l"]).arg(log));
        server
    }

    fn control(&self) -> Command {
        let mut command = Command::new(self.programs.join("pg_ctl"));
        command.arg("--pgdata").arg(self.data());
        command
    }

    fn run(&self, command: &mut Command) {
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it starts");
        assert!(status.success(), "{command:?}: {}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn disk(&self) -> PathBuf {
        self.folder.join("small")
    }

    fn url(&self) -> String {
        format!("host={} user=whisp dbname=postgres", self.folder.display())
    }

    /// A bare connection.
    async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.expect("the server answers");
        // It ends with the client.
        tokio::spawn(async move { drop(connection.await) });
        client
    }

    async fn open(&self, schema: &str) -> Result<PostgresStore, StoreError> {
        let url = format!("{} options='-c default_tablespace=small'", self.url());
        PostgresOptions::new(url).schema(schema).connections(2).open().await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let status = self.control().args(["stop", "-m", "immediate"]).stdout(Stdio::null()).status();
        assert!(std::thread::panicking() || status.is_ok_and(|status| status.success()), "the server ends");
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

async fn in_a_commit(server: &Server) {
    let store = server.open("commits").await.expect("there is room");
    let ballast = server.disk().join("ballast");
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
async fn in_a_migration(server: &Server) {
    let (client, mut failures) = (server.client().await, 0);
    for room in (0..).step_by(128 << 10) {
        let ballast = Ballast::fill(&server.disk());
        ballast.give_back(room);
        let opened = server.open("tables").await;
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
    let store = server.open("tables").await.expect("there is room");
    assert_eq!(store.commit(large(1)).await.expect("there is room"), Commit::Done);
}
