//! PostgreSQL's errors in the words of [`StoreError`].

use std::borrow::Cow;

use deadpool_postgres::PoolError;
use tokio_postgres::error::{DbError, Severity, SqlState};
use whisp_core::error::Retry;
use whisp_core::store::{StoreError, StoreErrorKind as Kind};

/// A failure that can be told to several callers: the batches of one group fail together.
///
/// The server's own text is left out: it may quote a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: Kind,
    retry: Retry,
    advice: &'static str,
    state: Option<SqlState>,
    /// Whether the server ended the connection with it, or itself.
    is_end: bool,
}

impl Failure {
    pub(super) const fn new(kind: Kind, retry: Retry, advice: &'static str) -> Self {
        Self { kind, retry, advice, state: None, is_end: false }
    }

    /// What the database holds is not what this store writes.
    pub(crate) const fn corrupt() -> Self {
        Self::new(Kind::Corrupt, Retry::Never, "the tables are not as this store writes them: restore a backup")
    }

    /// Bytes that could not be decoded: damaged, or of a newer version.
    pub(super) const fn undecoded(kind: Kind) -> Self {
        match kind {
            Kind::Newer => {
                Self::new(Kind::Newer, Retry::Never, "open the store with the version of whisp that wrote it")
            }
            _ => Self::corrupt(),
        }
    }

    /// The task that writes for a tenant is gone, which only a panic in it or the end of the runtime can bring about.
    pub(super) const fn stopped() -> Self {
        Self::new(Kind::Unavailable, Retry::OutcomeUnknown, "the runtime has ended, or a task of the store panicked")
    }

    /// The transaction may or may not have become durable.
    pub(super) fn outcome_unknown(self) -> Self {
        Self { retry: Retry::OutcomeUnknown, ..self }
    }

    /// Whether the same may be tried again at once, where it is sure that nothing was committed.
    pub(super) const fn is_passing(&self) -> bool {
        matches!((self.kind, self.retry), (Kind::Unavailable, Retry::After(_)))
    }

    /// What was hoped to be new may not be: nothing was committed, and everything has to be read.
    pub(super) fn dashed_hope() -> Self {
        Self { state: Some(SqlState::UNIQUE_VIOLATION), ..Self::corrupt() }
    }

    /// Whether a constraint refused what was hoped to be new. Nothing was committed.
    pub(super) fn is_dashed_hope(&self) -> bool {
        self.state == Some(SqlState::UNIQUE_VIOLATION)
    }

    /// Whether the connection was lost, or the server ended it. A server without room for its log ends itself, maybe with
    /// the commit in the log already.
    pub(super) const fn is_unreachable(&self) -> bool {
        self.is_end || matches!(self.kind, Kind::Unavailable)
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// What to do about it, with the server's code.
    pub(crate) fn advice(&self) -> Cow<'static, str> {
        match &self.state {
            Some(state) => Cow::Owned(format!("{} (SQLSTATE {})", self.advice, state.code())),
            None => Cow::Borrowed(self.advice),
        }
    }

    pub(super) fn into_error(self, operation: &'static str) -> StoreError {
        StoreError::new(operation, self.kind, self.retry).with_advice(self.advice())
    }
}

const AGAIN: Retry = Retry::After(None);

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let severity = error.as_db_error().and_then(DbError::parsed_severity);
        match error.code() {
            Some(state) => Self {
                is_end: matches!(severity, Some(Severity::Fatal | Severity::Panic)),
                ..Self::from(state.clone())
            },
            // A value of another type than the column's: the schema is not ours.
            None if error.to_string().starts_with("error deserializing") => Self::corrupt(),
            None => Self::new(Kind::Unavailable, AGAIN, "check that the server runs and that its address is right"),
        }
    }
}

impl From<SqlState> for Failure {
    fn from(state: SqlState) -> Self {
        let (kind, retry, advice) = match state {
            SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                (Kind::PermissionDenied, Retry::Never, "check the user and the password of the URL")
            }
            SqlState::INSUFFICIENT_PRIVILEGE => (
                Kind::PermissionDenied,
                Retry::Never,
                "grant the user the rights on the schema, or let its owner open the store once",
            ),
            SqlState::INVALID_CATALOG_NAME => (Kind::Unavailable, Retry::Never, "create the database of the URL"),
            SqlState::DISK_FULL => (Kind::Full, AGAIN, "make room on the server's disk"),
            SqlState::OUT_OF_MEMORY | SqlState::INSUFFICIENT_RESOURCES => {
                (Kind::Unavailable, AGAIN, "the server is out of memory")
            }
            SqlState::TOO_MANY_CONNECTIONS => {
                (Kind::Unavailable, AGAIN, "give the store fewer connections, or raise the server's max_connections")
            }
            SqlState::QUERY_CANCELED | SqlState::LOCK_NOT_AVAILABLE => {
                (Kind::Unavailable, AGAIN, "it took longer than the store's timeout: the server is overloaded")
            }
            SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => {
                (Kind::Unavailable, AGAIN, "another transaction was in the way")
            }
            SqlState::READ_ONLY_SQL_TRANSACTION => {
                (Kind::Unavailable, AGAIN, "the server only reads: connect to the primary")
            }
            SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => {
                (Kind::Corrupt, Retry::Never, "the server found its files damaged: restore a backup")
            }
            // 08: the connection; 57P: the server shuts down or is starting.
            ref other if other.code().starts_with("08") || other.code().starts_with("57P") => {
                (Kind::Unavailable, AGAIN, "the server is not ready, or has ended the connection")
            }
            _ => (Kind::Corrupt, Retry::Never, "the tables are not as this store writes them: check the schema"),
        };
        Self { state: Some(state), ..Self::new(kind, retry, advice) }
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(_) => Self::new(
                Kind::Unavailable,
                AGAIN,
                "no connection became free or could be opened in time: check the server, or allow more connections",
            ),
            PoolError::Closed | PoolError::NoRuntimeSpecified => Self::stopped(),
            PoolError::PostCreateHook(error) => match error {
                deadpool_postgres::HookError::Backend(error) => error.into(),
                deadpool_postgres::HookError::Message(_) => Self::stopped(),
            },
        }
    }
}
