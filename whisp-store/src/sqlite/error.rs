//! SQLite's errors in the words of [`StoreError`].

use std::io;

use rusqlite::ErrorCode;
use whisp_core::error::Retry;
use whisp_core::store::{StoreError, StoreErrorKind};

/// A failure that can be told to several callers: the batches of one group fail together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    kind: StoreErrorKind,
    /// SQLite's extended result code, or the operating system's error number.
    code: Option<i32>,
    retry: Retry,
    advice: &'static str,
}

impl Failure {
    pub(super) const fn new(kind: StoreErrorKind, advice: &'static str) -> Self {
        Self { kind, code: None, retry: Retry::Never, advice }
    }

    /// The same call may succeed later.
    pub(super) const fn later(kind: StoreErrorKind, advice: &'static str) -> Self {
        Self { retry: Retry::After(None), ..Self::new(kind, advice) }
    }

    /// What the file holds is not what this store writes.
    pub(super) const fn corrupt() -> Self {
        Self::new(StoreErrorKind::Corrupt, "restore the file from a backup")
    }

    /// The writer or a reader is gone, which only a panic in it can bring about.
    pub(super) const fn stopped() -> Self {
        Self { retry: Retry::OutcomeUnknown, ..Self::new(StoreErrorKind::Unavailable, "open the store again") }
    }

    /// The transaction may or may not have become durable.
    pub(super) fn outcome_unknown(self) -> Self {
        match self.kind {
            // The commit mark is written last, so without space for it nothing was committed.
            StoreErrorKind::Full => self,
            _ => Self { retry: Retry::OutcomeUnknown, ..self },
        }
    }

    /// What somebody hears whose work was in one transaction with what failed. What can never be done says nothing about
    /// what was beside it.
    pub(super) const fn for_others(self) -> Self {
        use StoreErrorKind as Kind;
        match (self.kind, self.retry) {
            (Kind::Corrupt | Kind::Invalid | Kind::Newer, Retry::Never) => {
                Self::later(Kind::Unavailable, "what was written with it failed: repeat it")
            }
            _ => self,
        }
    }

    pub(super) const fn kind(self) -> StoreErrorKind {
        self.kind
    }

    pub(super) fn into_error(self, operation: &'static str) -> StoreError {
        let error = StoreError::new(operation, self.kind, self.retry).with_advice(self.advice);
        match self.code {
            Some(code) => error.with_code(code.into()),
            None => error,
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        use StoreErrorKind as Kind;
        let (code, extended) = match &error {
            rusqlite::Error::SqliteFailure(error, _) => (error.code, error.extended_code),
            // A column of another type or a row that is missing: the schema is not ours.
            _ => return Self::corrupt(),
        };
        let (kind, retry, advice) = match code {
            ErrorCode::NotADatabase => (Kind::Corrupt, Retry::Never, "the file is not a database: check the path"),
            ErrorCode::DatabaseCorrupt => (Kind::Corrupt, Retry::Never, "restore the file from a backup"),
            ErrorCode::DiskFull => (Kind::Full, Retry::After(None), "make room on the disk, or raise the limit"),
            ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::CannotOpen
            | ErrorCode::AuthorizationForStatementDenied => {
                (Kind::PermissionDenied, Retry::Never, "make the file and its folder readable and writable")
            }
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
                (Kind::Locked, Retry::After(None), "stop the other program that uses the file")
            }
            ErrorCode::OperationInterrupted => (
                Kind::Unavailable,
                Retry::After(None),
                "the log grew too long meanwhile: repeat it when less is written",
            ),
            ErrorCode::TooBig => (Kind::Invalid, Retry::Never, "the value is too large"),
            _ => (Kind::Unavailable, Retry::After(None), "check the disk"),
        };
        Self { kind, code: Some(extended), retry, advice }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        use StoreErrorKind as Kind;
        let (kind, retry, advice) = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                (Kind::PermissionDenied, Retry::Never, "make the file and its folder readable and writable")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (Kind::Full, Retry::After(None), "make room on the disk")
            }
            io::ErrorKind::NotFound => (Kind::Unavailable, Retry::Never, "create the folder first"),
            _ => (Kind::Unavailable, Retry::After(None), "check the path and the disk"),
        };
        Self { kind, code: error.raw_os_error(), retry, advice }
    }
}

/// A row that was read holds what this store never wrote.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Newer => {
                Self::new(StoreErrorKind::Newer, "open the store with the version of whisp that wrote it")
            }
            _ => Self::corrupt(),
        }
    }
}
