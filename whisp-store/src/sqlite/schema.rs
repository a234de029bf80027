//! The file: who may open it, what is in it, and how an older one becomes a newer one.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use whisp_core::store::{Kind, StoreErrorKind};

use super::compact;
use super::error::Failure;
use crate::kinds::{self, paths_bits};

/// Marks the file as ours in its header: "Whsp".
const APPLICATION_ID: i32 = 0x5768_7370;

/// What turns a file of each schema version into one of the next. The number of them is the schema version.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001.sql"), include_str!("migrations/0002.sql")];

/// The table of a kind.
const KIND_TABLE: &str = include_str!("migrations/kind.sql");

/// How long a connection waits for another one, of this process or of a tool like `sqlite3`.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(1);

/// How much memory the writer keeps pages in, in KiB.
pub(super) const WRITER_CACHE_KIB: u32 = 16 * 1_024;

/// How much memory each reader keeps pages in, in KiB.
pub(super) const READER_CACHE_KIB: u32 = 2 * 1_024;

/// Makes sure that this process is the only one. The operating system gives the lock back when the process ends,
/// however it ends, so the lock file itself may stay.
pub(super) fn lock(path: &Path) -> Result<File, Failure> {
    let file = create(&beside(path, "-lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::new(
            StoreErrorKind::Locked,
            "close the store in the other process, or give this one its own file",
        )),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// The path with something behind its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens a file to read and write, and creates it, readable for its owner alone, if it is not there.
pub(super) fn create(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(options.open(path)?)
}

/// Opens a connection that writes, in WAL mode, durably: what is acknowledged survives a loss of power. Deleted bytes
/// are overwritten with zeros.
pub(super) fn connect_writer(path: &Path, kinds: &[Kind], bytes_max: Option<u64>) -> Result<Connection, Failure> {
    let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let is_new = identify(&conn)?;
    // Before anything is written: pages that are free can be given back.
    conn.pragma_update(None, "auto_vacuum", "incremental")?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "secure_delete", true)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    // The writer does it, after it has answered: see `log.rs`.
    conn.pragma_update(None, "wal_autocheckpoint", 0)?;
    conn.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE_KIB))?;
    if let Some(bytes) = bytes_max {
        let page: u32 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes / u64::from(page.max(1))).unwrap_or(i64::MAX);
        conn.pragma_update(None, "max_page_count", pages.max(1))?;
    }
    let vacuum: u8 = conn.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if vacuum != AUTO_VACUUM_INCREMENTAL {
        compact::rewrite(&conn)?;
    }
    migrate(&mut conn, is_new, kinds)?;
    Ok(conn)
}

/// How SQLite says that free pages are given back step by step.
const AUTO_VACUUM_INCREMENTAL: u8 = 2;

/// Opens a connection that reads.
pub(super) fn connect_reader(path: &Path) -> Result<Connection, Failure> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.pragma_update(None, "cache_size", -i64::from(READER_CACHE_KIB))?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(conn)
}

/// Opens a connection that writes the log back, as durably.
pub(super) fn connect_helper(path: &Path) -> Result<Connection, Failure> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.pragma_update(None, "synchronous", "full")?;
    Ok(conn)
}

/// How many prepared statements a reader keeps.
const STATEMENTS_MAX: usize = 128;

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, Failure> {
    let conn = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY_WAIT)?;
    // Without it SQLite parses each statement with a bound `LIMIT` again whenever it runs.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(conn)
}

/// Returns whether the file is empty. Refuses one of another program or of a newer version.
fn identify(conn: &Connection) -> Result<bool, Failure> {
    let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = user_version(conn)?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if (application, version, tables) == (0, 0, 0) {
        return Ok(true);
    }
    if application != APPLICATION_ID {
        return Err(Failure::new(StoreErrorKind::Corrupt, "the file belongs to another program: check the path"));
    }
    if usize::try_from(version).is_ok_and(|version| version > MIGRATIONS.len()) {
        return Err(Failure::new(StoreErrorKind::Newer, "open the file with the version of whisp that wrote it"));
    }
    Ok(false)
}

fn user_version(conn: &Connection) -> Result<i32, Failure> {
    Ok(conn.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings the schema to this version and makes room for the kinds, in one transaction.
fn migrate(conn: &mut Connection, is_new: bool, kinds: &[Kind]) -> Result<(), Failure> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let from = usize::try_from(user_version(&transaction)?).map_err(|_| Failure::corrupt())?;
    for migration in MIGRATIONS.iter().skip(from) {
        transaction.execute_batch(migration)?;
    }
    if is_new {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    if from != MIGRATIONS.len() {
        transaction.pragma_update(None, "user_version", i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX))?;
    }
    kinds.iter().try_for_each(|kind| make_room(&transaction, *kind))?;
    know_every_kind(&transaction, kinds)?;
    Ok(transaction.commit()?)
}

/// Creates the table and the indexes of a kind if they are not there.
fn make_room(conn: &Connection, kind: Kind) -> Result<(), Failure> {
    let name = kind.name();
    if !kinds::is_plain(kind) {
        return Err(Failure::new(StoreErrorKind::Invalid, kinds::NAME_ADVICE));
    }
    let stored =
        conn.query_row("SELECT paths FROM kind WHERE name = ?1", [name], |row| row.get::<_, u8>(0)).optional()?;
    match stored {
        Some(paths) if paths == paths_bits(kind) => return Ok(()),
        Some(_) if holds_records(conn, name)? => {
            return Err(Failure::new(StoreErrorKind::Invalid, kinds::PATHS_ADVICE));
        }
        Some(_) => drop_kind(conn, name)?,
        None => {}
    }
    conn.execute_batch(&KIND_TABLE.replace("{kind}", name))?;
    let paths = kind.paths();
    if paths.listed {
        conn.execute_batch(&format!(
            "CREATE INDEX list_{name} ON record_{name} (tenant, parent, position, id) WHERE parent IS NOT NULL"
        ))?;
    }
    if paths.expires {
        conn.execute_batch(&format!(
            "CREATE INDEX expiry_{name} ON record_{name} (tenant, expires_at) WHERE expires_at IS NOT NULL"
        ))?;
    }
    if paths.found {
        conn.execute_batch(&format!(
            "CREATE TABLE lookup_{name} (tenant BLOB NOT NULL, lookup BLOB NOT NULL, id BLOB NOT NULL, \
             PRIMARY KEY (tenant, lookup, id)) WITHOUT ROWID"
        ))?;
    }
    conn.execute("INSERT INTO kind (name, paths) VALUES (?1, ?2)", (name, paths_bits(kind)))?;
    Ok(())
}

/// A kind whose records are in the file but that was not given would stay out of erasure, export and retention.
fn know_every_kind(conn: &Connection, kinds: &[Kind]) -> Result<(), Failure> {
    let mut statement = conn.prepare("SELECT name FROM kind")?;
    let names = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    for name in names.iter().filter(|name| !kinds.iter().any(|kind| kind.name() == **name)) {
        if holds_records(conn, name)? {
            return Err(Failure::new(StoreErrorKind::Invalid, kinds::MISSING_ADVICE));
        }
    }
    Ok(())
}

fn holds_records(conn: &Connection, kind: &str) -> Result<bool, Failure> {
    Ok(conn.query_row(&format!("SELECT EXISTS (SELECT 1 FROM \"record_{kind}\")"), [], |row| row.get(0))?)
}

fn drop_kind(conn: &Connection, kind: &str) -> Result<(), Failure> {
    conn.execute_batch(&format!("DROP TABLE record_{kind}; DROP TABLE IF EXISTS lookup_{kind}"))?;
    conn.execute("DELETE FROM kind WHERE name = ?1", [kind])?;
    Ok(())
}
