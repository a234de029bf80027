//! A PostgreSQL server for the tests: the one that `WHISP_TEST_POSTGRES_URL` names, or a throw-away one on a Unix socket.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{Failed, last_step, step};

/// The variable that names the server for the tests.
const URL: &str = "WHISP_TEST_POSTGRES_URL";

/// The user as whom a server runs that root starts: it refuses to run as root.
const SERVER_USER: &str = "postgres";

/// The user of the tests: not a superuser, because row-level security does not hold for those; it may make databases and
/// users, for the tests of rights.
const TEST_USER: &str = "whisp";

/// The programs of PostgreSQL that are needed.
const PROGRAMS: &[&str] = &["initdb", "pg_ctl", "createuser", "createdb"];

/// A server, for as long as this is held.
pub(crate) struct Server {
    url: String,
    _cluster: Option<Cluster>,
}

/// A throw-away server.
struct Cluster {
    bin: PathBuf,
    folder: PathBuf,
}

impl Server {
    /// Finds or starts one; `None` if there is none and none can be installed.
    #[expect(clippy::disallowed_methods, reason = "a command of the developer's, not of the library")]
    pub(crate) fn start() -> Result<Option<Self>, Failed> {
        if let Ok(url) = std::env::var(URL) {
            return Ok(Some(Self { url, _cluster: None }));
        }
        if bin().is_none() && is_root() && Path::new("/usr/bin/apt-get").exists() {
            step("package lists", Command::new("apt-get").args(["update", "-qq"]))?;
            let install = ["install", "-y", "-qq", "--no-install-recommends", "postgresql"];
            step("install PostgreSQL", Command::new("apt-get").args(install).env("DEBIAN_FRONTEND", "noninteractive"))?;
        }
        let Some(bin) = bin() else { return Ok(None) };
        let cluster = Cluster::start(bin)?;
        let folder = cluster.folder.display();
        let url = format!("host={folder} user={TEST_USER} dbname={TEST_USER} sslmode=disable");
        Ok(Some(Self { url, _cluster: Some(cluster) }))
    }

    /// How to reach it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Lets a command use the server.
    pub(crate) fn lend<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env(URL, &self.url)
    }
}

impl Cluster {
    fn start(bin: PathBuf) -> Result<Self, Failed> {
        // The path of a socket has about a hundred bytes: the system's folder for temporary files may be deep.
        let folder = PathBuf::from(format!("/tmp/whisp-pg-{}", std::process::id()));
        let cluster = Self { bin, folder };
        if is_root() {
            let owner = ["-d", "-m", "700", "-o", SERVER_USER];
            last_step("folder of the server", Command::new("install").args(owner).arg(&cluster.folder))?;
        } else {
            last_step("folder of the server", Command::new("mkdir").args(["-m", "700"]).arg(&cluster.folder))?;
        }
        let data = cluster.folder.join("data");
        let mut initdb = cluster.command("initdb");
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--pgdata"]).arg(&data);
        quiet("make the server", &mut initdb)?;
        let settings = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c max_connections=300",
            cluster.folder.display()
        );
        let mut start = cluster.command("pg_ctl");
        start.args(["start", "--wait", "--silent", "--options", &settings, "--log"]);
        quiet("start the server", start.arg(cluster.folder.join("log")).arg("--pgdata").arg(&data))?;
        let user = ["--username=postgres", "--no-superuser", "--createdb", "--createrole", TEST_USER];
        quiet("user of the tests", cluster.command("createuser").arg("--host").arg(&cluster.folder).args(user))?;
        let owned = ["--username=postgres", "--owner", TEST_USER, TEST_USER];
        quiet("database of the tests", cluster.command("createdb").arg("--host").arg(&cluster.folder).args(owned))?;
        Ok(cluster)
    }

    /// A program of PostgreSQL, run as the user who owns the server.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", SERVER_USER, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "--mode=immediate", "--silent", "--pgdata"]).arg(data).stdout(Stdio::null());
        // Nothing in it is of use to anybody.
        drop(stop.status());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// Runs a command whose output only matters if it fails.
fn quiet(name: &str, command: &mut Command) -> Result<(), Failed> {
    last_step(name, command.stdout(Stdio::null()))
}

/// The folder of the newest PostgreSQL that is installed.
fn bin() -> Option<PathBuf> {
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    debian.sort_by_key(|bin| bin.parent().and_then(Path::file_name)?.to_str()?.parse::<u32>().ok());
    // Some of them may be linked into a folder of the path without the others.
    let has_all = |bin: &PathBuf| PROGRAMS.iter().all(|program| bin.join(program).exists());
    on_path.chain(debian.into_iter().rev()).find(has_all)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}
