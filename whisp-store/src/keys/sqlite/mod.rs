//! Wrapped keys in a SQLite file of their own.

mod file;
mod statements;
mod worker;

use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::vault::{KeyTable, Rewrap, SubjectKey, SubjectKeyState, TenantKey, VaultError, VaultErrorKind};

use self::worker::Worker;
use super::turned;

/// A [`KeyTable`] in a SQLite file of its own, apart from the file with the data.
///
/// One thread owns the file and commits everything that waits as one transaction, so that many new contacts at once do
/// not cost a write to the disk each. It holds the file alone: a second process, or a second table over the same file,
/// is [`Locked`](VaultErrorKind::Locked).
///
/// An erased key is overwritten where it lies: rows with wrapped keys are only ever appended and keep their length, so
/// that SQLite never moves one and leaves a copy behind; the rollback journal is emptied before an erasure returns.
/// What a disk keeps below its file system, and what a backup took before, is out of its reach.
///
/// That is why it has no method for backups, unlike [`SqliteStore`](crate::SqliteStore): a copy from before an erasure
/// brings the erased person back, with every backup of the data, until the tenant's epoch has turned
/// ([`keys`](crate::keys)). Losing the table loses all data, so do copy the file, while nothing has it open; keep the copies
/// apart from those of the data, and none for longer than an epoch, after which they open nothing.
///
/// # Examples
/// ```
/// use whisp_store::SqliteKeyTable;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("whisp-keys.db");
/// let table = SqliteKeyTable::open(&path)?;
/// assert!(SqliteKeyTable::open(&path).is_err(), "only one at a time");
/// drop(table);
/// SqliteKeyTable::open(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteKeyTable(Worker);

impl SqliteKeyTable {
    /// Opens the file at `path`, or creates it, readable by the owner only. Blocks for a few writes to the disk.
    ///
    /// Dropping the table blocks until everything that waits is written and the file is closed.
    ///
    /// # Errors
    /// [`Locked`](VaultErrorKind::Locked) if somebody else holds it, [`Permissions`](VaultErrorKind::Permissions) if
    /// others may read it or we may not, [`Newer`](VaultErrorKind::Newer) if a newer version of this library wrote it,
    /// [`WrongKey`](VaultErrorKind::WrongKey) if it is no key table, [`Unavailable`](VaultErrorKind::Unavailable) if
    /// the disk fails. A file that is refused is not changed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, VaultError> {
        Worker::start(file::open(path.as_ref())?).map(Self)
    }
}

#[async_trait]
impl KeyTable for SqliteKeyTable {
    async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantKey>, VaultError> {
        self.0.run("read a tenant's key", move |db| statements::tenant(db, tenant)).await
    }

    async fn put_tenant(&self, tenant: TenantId, key: TenantKey) -> Result<TenantKey, VaultError> {
        self.0.run("write a tenant's key", move |db| statements::put_tenant(db, tenant, &key)).await
    }

    async fn swap_tenant(
        &self,
        tenant: TenantId,
        from: &TenantKey,
        to: TenantKey,
    ) -> Result<Option<TenantKey>, VaultError> {
        let from = from.clone();
        self.0.run("turn a tenant's key", move |db| statements::swap_tenant(db, tenant, &from, &to)).await
    }

    async fn subject(&self, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, VaultError> {
        self.0.run("read a subject's key", move |db| statements::subject(db, tenant, subject)).await
    }

    async fn put_subjects(
        &self,
        tenant: TenantId,
        keys: Vec<(SubjectId, SubjectKey)>,
    ) -> Result<Vec<SubjectKeyState>, VaultError> {
        const OPERATION: &str = "write subjects' keys";
        let states = self.0.run(OPERATION, move |db| statements::put_subjects(db, tenant, &keys)).await?;
        states.ok_or_else(|| turned(OPERATION))
    }

    async fn of_epoch(
        &self,
        tenant: TenantId,
        epoch: u32,
        limit: usize,
    ) -> Result<Vec<(SubjectId, SubjectKey)>, VaultError> {
        self.0.run("read an epoch's keys", move |db| statements::of_epoch(db, tenant, epoch, limit)).await
    }

    async fn rewrap(&self, tenant: TenantId, keys: Vec<Rewrap>) -> Result<usize, VaultError> {
        const OPERATION: &str = "wrap subjects' keys anew";
        let replaced = self.0.run(OPERATION, move |db| statements::rewrap(db, tenant, &keys)).await?;
        replaced.ok_or_else(|| turned(OPERATION))
    }

    async fn erase(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        at: DateTime<Utc>,
    ) -> Result<SubjectKeyState, VaultError> {
        self.0.run("erase a subject's key", move |db| statements::erase(db, tenant, subject, at)).await
    }

    async fn drop_subjects(&self, tenant: TenantId, limit: usize) -> Result<usize, VaultError> {
        self.0.run("remove subjects' keys", move |db| statements::drop_subjects(db, tenant, limit)).await
    }
}

/// Why SQLite did not do something: what it is to the caller, and SQLite's own number.
#[derive(Debug, Clone, Copy)]
struct Failure {
    kind: VaultErrorKind,
    code: Option<i32>,
}

impl Failure {
    fn into_error(self, operation: &'static str) -> VaultError {
        let error = match self.kind {
            VaultErrorKind::Unavailable => super::unavailable(operation),
            kind => super::failed(operation, kind),
        };
        let error = match self.kind {
            VaultErrorKind::Locked => error.with_advice("stop the other process, or give this one a file of its own"),
            VaultErrorKind::WrongKey => error.with_advice("this is no key table, or it is damaged"),
            VaultErrorKind::Unavailable => error.with_advice("check the disk: its space, its health, its rights"),
            _ => error,
        };
        match self.code {
            Some(code) => error.with_code(code.into()),
            None => error,
        }
    }
}

/// The text of SQLite's errors is left out: it may quote a path or a value.
impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        let kind = match error.sqlite_error_code() {
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => VaultErrorKind::Locked,
            Some(Code::NotADatabase | Code::DatabaseCorrupt) => VaultErrorKind::WrongKey,
            Some(Code::ReadOnly | Code::PermissionDenied | Code::AuthorizationForStatementDenied) => {
                VaultErrorKind::Permissions
            }
            _ => VaultErrorKind::Unavailable,
        };
        Self { kind, code: error.sqlite_error().map(|error| error.extended_code) }
    }
}
