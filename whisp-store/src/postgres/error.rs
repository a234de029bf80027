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
    /// Whether nobody knows what became of what was under way: the connection was lost, or the server ended it or itself.
    /// Any other error of the server's ends the transaction and says so, at `COMMIT` too: after the commit is in its log,
    /// it has no error to tell but to end.
    is_lost: bool,
}

impl Failure {
    pub(super) const fn new(kind: Kind, retry: Retry, advice: &'static str) -> Self {
        Self { kind, retry, advice, state: None, is_lost: false }
    }

    /// What the database holds is not what this store writes.
    pub(crate) const fn corrupt() -> Self {
        Self::new(Kind::Corrupt, Retry::Never, "the tables are not as this store writes them: restore a backup")
    }

    /// A statement changed more or fewer rows than there were when they were read. Everything else was sent with it and may
    /// have been committed.
    pub(super) const fn miscounted() -> Self {
        let advice = "something else than this store changes its tables, a trigger or a rule: look at them";
        Self::new(Kind::Corrupt, Retry::OutcomeUnknown, advice)
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

    /// The server has taken what it is to do, and does not answer.
    pub(super) const fn silence() -> Self {
        let advice = "the server does not answer: it stands still, or something between it and this process does";
        Self::new(Kind::Unavailable, AGAIN, advice)
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

    /// Whether this one task can never be done: it was not, and nothing beside it in its transaction was. Rights and the
    /// like are everybody's.
    pub(super) const fn is_of_one_task(&self) -> bool {
        matches!((self.kind, self.retry), (Kind::Corrupt | Kind::Invalid | Kind::Newer, Retry::Never))
    }

    /// Whether the connection was lost, or the server ended it. A server without room for its log ends itself, maybe with
    /// the commit in the log already.
    pub(super) const fn is_lost(&self) -> bool {
        self.is_lost
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
        let Some(state) = error.code() else { return from_client(&error) };
        let severity = error.as_db_error().and_then(DbError::parsed_severity);
        let is_end = matches!(severity, Some(Severity::Fatal | Severity::Panic));
        // The server ends a transaction that stands still before it has read any more of it.
        let is_known = *state == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT;
        let failure = Self::from(state.clone());
        Self { is_lost: (is_end && !is_known) || failure.is_lost, ..failure }
    }
}

/// What `tokio_postgres` says itself; only its words tell the kinds apart.
fn from_client(error: &tokio_postgres::Error) -> Failure {
    let said = error.to_string();
    // A value of another type than the column's: the schema is not ours.
    if said.starts_with("error deserializing") {
        return Failure::corrupt();
    }
    if said.starts_with("invalid configuration") {
        let is_password = std::error::Error::source(error).is_some_and(|cause| cause.to_string() == "password missing");
        return if is_password {
            Failure::new(Kind::PermissionDenied, Retry::Never, "give the URL a password: the server asks for one")
        } else {
            Failure::new(
                Kind::Invalid,
                Retry::Never,
                "give the URL as many ports and addresses as it has hosts, or one",
            )
        };
    }
    if said.starts_with("authentication error") {
        let advice = "let the server take passwords as scram-sha-256, and check the one of the URL";
        return Failure::new(Kind::PermissionDenied, Retry::Never, advice);
    }
    let advice = "check that the server runs and that its address is right";
    Failure { is_lost: true, ..Failure::new(Kind::Unavailable, AGAIN, advice) }
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
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => (
                Kind::Unavailable,
                AGAIN,
                "this process stood still within a transaction: it is overloaded, or was paused",
            ),
            SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN => {
                (Kind::Unavailable, AGAIN, "the server does not know what became of it")
            }
            SqlState::READ_ONLY_SQL_TRANSACTION => {
                (Kind::Unavailable, AGAIN, "the server only reads: connect to the primary")
            }
            // 58: the system below the server, a disk that does not answer.
            ref other if other.code().starts_with("58") => {
                (Kind::Unavailable, AGAIN, "the server had trouble with its machine: see its log")
            }
            SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => {
                (Kind::Corrupt, Retry::Never, "the server found its files damaged: restore a backup")
            }
            ref other if is_of_connection(other) => {
                (Kind::Unavailable, AGAIN, "the server is not ready, or has ended the connection")
            }
            _ => (Kind::Corrupt, Retry::Never, "the tables are not as this store writes them: check the schema"),
        };
        let is_lost = is_of_connection(&state) || state == SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN;
        Self { state: Some(state), is_lost, ..Self::new(kind, retry, advice) }
    }
}

/// 08: the connection; 57P: the server shuts down or is starting.
fn is_of_connection(state: &SqlState) -> bool {
    state.code().starts_with("08") || state.code().starts_with("57P")
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
                deadpool_postgres::HookError::Message(_) => Self::silence(),
            },
        }
    }
}
