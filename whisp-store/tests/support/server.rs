//! A PostgreSQL server of a test's own, for what the one that all share can't be asked to do.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio_postgres::{Client, NoTls};

/// Where the server's programs are, if they are on this machine.
pub(crate) fn programs() -> Option<PathBuf> {
    let config = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = PathBuf::from(String::from_utf8(config.stdout).ok()?.trim());
    ["initdb", "postgres", "pg_ctl"].iter().all(|program| folder.join(program).exists()).then_some(folder)
}

/// Whether this process is root, as whom no server runs.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

/// How a program is begun by root as nobody special, where the kernel lets anybody be that.
pub(crate) const AS_USER: [&str; 3] = ["unshare", "--user", "--map-user=1000"];

/// A server on a Unix socket in a folder, that ends with this.
pub(crate) struct Server {
    folder: PathBuf,
    name: &'static str,
    programs: PathBuf,
}

impl Server {
    /// Makes one in the folder and starts it. Its superuser is `whisp`, whom it asks nothing.
    pub(crate) fn make(folder: &Path, name: &'static str, more: &[&str]) -> Self {
        let server = Self { folder: folder.to_owned(), name, programs: programs().expect("the test found them") };
        let options =
            ["--auth=trust", "--username=whisp", "--encoding=UTF8", "--locale=C", "--no-sync", "--wal-segsize=1"];
        server.run(server.command("initdb").args(options).args(more).arg("--pgdata").arg(server.data()));
        server.start();
        server
    }

    pub(crate) fn start(&self) {
        let settings = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c restart_after_crash=off -c max_wal_size=4MB",
            self.folder.display()
        );
        self.run(self.control().args(["start", "-w", "-o", &settings, "-l"]).arg(self.folder.join("server.log")));
    }

    /// Ends it and waits until it has ended; returns whether it was there.
    pub(crate) fn stop(&self) -> bool {
        let mut stop = self.control();
        let stop = stop.args(["stop", "-w", "-m", "immediate"]).stdout(Stdio::null()).stderr(Stdio::null());
        stop.status().is_ok_and(|status| status.success())
    }

    /// Who connects as this user is asked for a password.
    pub(crate) fn ask(&self, user: &str) {
        let rules = self.data().join("pg_hba.conf");
        let all = fs::read_to_string(&rules).expect("it is there");
        fs::write(&rules, format!("local all {user} scram-sha-256\n{all}")).expect("there is room");
        self.run(self.control().arg("reload"));
    }

    fn control(&self) -> Command {
        let mut command = self.command("pg_ctl");
        command.arg("--pgdata").arg(self.data());
        command
    }

    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let [unshare, options @ ..] = AS_USER;
        if is_root() {
            let mut command = Command::new(unshare);
            command.args(options).arg(program);
            command
        } else {
            Command::new(program)
        }
    }

    fn run(&self, command: &mut Command) {
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it starts");
        assert!(
            status.success(),
            "{command:?}: {}",
            fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
        );
    }

    fn data(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    /// How to reach it, without the user.
    pub(crate) fn address(&self) -> String {
        format!("host={} dbname=postgres", self.folder.display())
    }

    pub(crate) fn url(&self) -> String {
        format!("{} user=whisp", self.address())
    }

    /// A bare connection.
    pub(crate) async fn client(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.expect("the server answers");
        // It ends with the client.
        tokio::spawn(async move { drop(connection.await) });
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        assert!(self.stop() || std::thread::panicking(), "the server was there to its end");
    }
}
