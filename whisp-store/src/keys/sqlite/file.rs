//! The file: how it is created, what makes it ours, and in which mode SQLite uses it.

use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use whisp_core::vault::{VaultError, VaultErrorKind};

use super::Failure;
use crate::keys::failed;
use crate::keys::key_file::{io_error, readable_by_others, sync_folder};

const OPERATION: &str = "open the key table";

/// "WKEY": tells this file from every other SQLite file.
const APPLICATION_ID: i32 = 0x574b_4559;

/// The version of the schema that this library writes, and the newest that it reads.
const SCHEMA_VERSION: i32 = 2;

/// `subject_key` is only appended to, and its rows keep their length, so that no copy of a wrapped key is left where a
/// row was before: an epoch is four bytes, big endian, because an `INTEGER` grows with its value. What is found by is in
/// indexes, which hold no key; who was erased is in a table of its own, and has epoch 0. What `tenant_key` leaves behind is
/// wrapped under a key that is destroyed.
const SCHEMA: &str = "
    CREATE TABLE tenant_key (
        tenant BLOB PRIMARY KEY, epoch INTEGER NOT NULL, begun_at INTEGER,
        wrapped BLOB NOT NULL, index_key BLOB NOT NULL, previous BLOB
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE subject_key (
        id INTEGER PRIMARY KEY, tenant BLOB NOT NULL, subject BLOB NOT NULL,
        version INTEGER NOT NULL, epoch BLOB NOT NULL, wrapped BLOB NOT NULL,
        UNIQUE (tenant, subject)
    ) STRICT;
    CREATE INDEX subject_epoch ON subject_key (tenant, epoch);
    CREATE TABLE erasure (
        tenant BLOB NOT NULL, subject BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (tenant, subject)
    ) STRICT, WITHOUT ROWID;
";

/// What makes a file of version 1 one of version 2, around [`SCHEMA`]. Its epochs were numbers, and all of them 1.
const FROM_1: (&str, &str) = (
    "ALTER TABLE tenant_key RENAME TO old_tenant_key;
     ALTER TABLE subject_key RENAME TO old_subject_key;
     ALTER TABLE erasure RENAME TO old_erasure;",
    "INSERT INTO tenant_key SELECT tenant, epoch, NULL, wrapped, index_key, NULL FROM old_tenant_key;
     INSERT INTO erasure SELECT tenant, subject, at FROM old_erasure;
     INSERT INTO subject_key SELECT id, tenant, subject, version,
        CASE WHEN (tenant, subject) IN (SELECT tenant, subject FROM erasure)
        THEN x'00000000' ELSE unhex(printf('%08x', epoch)) END,
        wrapped FROM old_subject_key ORDER BY id;
     DROP TABLE old_tenant_key;
     DROP TABLE old_subject_key;
     DROP TABLE old_erasure;",
);

/// The mode of a connection.
/// - `locking_mode`: one process at a time.
/// - `journal_mode`: a journal that is cut to nothing, durably, at the end of each transaction, so that the key that a
///   transaction erased is not in the journal either.
/// - `synchronous`: what was acknowledged survives a loss of power.
/// - `secure_delete`: what is freed is zeroed.
/// - `temp_store`: nothing goes to temporary files.
const MODE: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA secure_delete = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA mmap_size = 0;
    PRAGMA synchronous = FULL;
    PRAGMA journal_mode = TRUNCATE;
";

/// Opens or creates the file, alone.
pub(super) fn open(path: &Path) -> Result<Connection, VaultError> {
    if !path.try_exists().map_err(|error| io_error(OPERATION, error))? {
        create(path)?;
    }
    // Never opened by any other way than SQLite's: closing a second handle would let go of SQLite's lock on Unix.
    let metadata = path.metadata().map_err(|error| io_error(OPERATION, error))?;
    if !metadata.is_file() {
        return Err(foreign());
    }
    if readable_by_others(&metadata) {
        return Err(failed(OPERATION, VaultErrorKind::Permissions)
            .with_advice("take the rights of group and others away: chmod 600"));
    }
    let db = connect(path)?;
    db.busy_timeout(Duration::ZERO).map_err(sqlite_error)?;
    // Before anything is set, because some of it would change the file of another program.
    match identity(&db).map_err(sqlite_error)? {
        (APPLICATION_ID, 1..=SCHEMA_VERSION) => {}
        (APPLICATION_ID, version) if version > SCHEMA_VERSION => {
            return Err(failed(OPERATION, VaultErrorKind::Newer)
                .with_advice("a newer version of this library wrote it: update, and do not replace the file"));
        }
        _ => return Err(foreign()),
    }
    db.execute_batch(MODE).map_err(sqlite_error)?;
    // Takes the lock, which this mode keeps.
    db.execute_batch("BEGIN EXCLUSIVE; COMMIT").map_err(sqlite_error)?;
    upgrade(&db).map_err(sqlite_error)?;
    Ok(db)
}

/// Makes an older file one of this version, wholly or not at all. What it held of keys is zeroed where it lay.
fn upgrade(db: &Connection) -> rusqlite::Result<()> {
    if identity(db)?.1 == 1 {
        let (before, after) = FROM_1;
        let upgraded = db.execute_batch(&format!(
            "BEGIN; {before} {SCHEMA} {after} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        ));
        if upgraded.is_err() {
            // Closing the file would roll back as well; its error says less than the first.
            drop(db.execute_batch("ROLLBACK"));
        }
        upgraded?;
    }
    Ok(())
}

/// Creates the file whole or not at all: it is written under another name beside its place, with the rights 0600, made
/// durable, and then given its name, unless somebody else was faster.
fn create(path: &Path) -> Result<(), VaultError> {
    const OPERATION: &str = "create the key table";
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let file = tempfile::Builder::new()
        .prefix(".whisp-keys-")
        .tempfile_in(folder)
        .map_err(|error| io_error(OPERATION, error))?;
    let db = connect(file.path())?;
    // No journal: until it has its name, a crash leaves nothing that anybody looks at.
    db.execute_batch(&format!(
        "PRAGMA journal_mode = OFF; BEGIN; {SCHEMA}
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    ))
    .map_err(sqlite_error)?;
    drop(db);
    file.as_file().sync_all().map_err(|error| io_error(OPERATION, error))?;
    // Closed before it has its name, for the same reason as in `open`.
    match file.into_temp_path().persist_noclobber(path) {
        Ok(()) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(io_error(OPERATION, error.error)),
    }
    sync_folder(folder).map_err(|error| io_error(OPERATION, error))
}

fn connect(path: &Path) -> Result<Connection, VaultError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(sqlite_error)
}

/// Returns which program a file is of, and the version of its schema.
fn identity(db: &Connection) -> rusqlite::Result<(i32, i32)> {
    let number = |sql: &str| db.query_row(sql, [], |row| row.get(0));
    Ok((number("PRAGMA application_id")?, number("PRAGMA user_version")?))
}

fn foreign() -> VaultError {
    failed(OPERATION, VaultErrorKind::WrongKey).with_advice("this is no key table: correct the path")
}

fn sqlite_error(error: rusqlite::Error) -> VaultError {
    Failure::from(error).into_error(OPERATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_is_in_the_mode_that_the_promises_need() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder.path().join("keys.db")).unwrap();
        let text = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, String>(0)).unwrap();
        let number = |name: &str| db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(text("journal_mode"), "truncate");
        assert_eq!(text("locking_mode"), "exclusive");
        // FULL is 2, ON is 1, MEMORY is 2.
        assert_eq!((number("synchronous"), number("secure_delete"), number("temp_store")), (2, 1, 2));
        assert_eq!(identity(&db).unwrap(), (APPLICATION_ID, SCHEMA_VERSION));
    }
}
