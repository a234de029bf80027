//! How to open a [`PostgresStore`].

use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use whisp_core::error::Retry;
use whisp_core::store::{Kind, StoreError, StoreErrorKind};

use super::PostgresStore;
use super::connect::{Address, Patience};
use super::error::Failure;
use super::schema::Schema;

/// How many connections a store opens at most, unless told otherwise.
const CONNECTIONS_DEFAULT: usize = 8;

/// The most connections.
const CONNECTIONS_MAX: usize = 1_000;

/// The most partitions.
const PARTITIONS_MAX: u16 = 1_024;

/// How long one statement may take, unless told otherwise. Each goes by a key.
const STATEMENT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// How long the server is waited for, at least, unless told otherwise. Twice as long as a statement may take: a server that
/// is only slow says so itself.
const PATIENCE_DEFAULT: Duration = Duration::from_secs(60);

/// How to open a [`PostgresStore`].
///
/// # Examples
/// With a schema of its own, more connections, and the certificate of the company's own authority:
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use whisp_store::PostgresOptions;
///
/// let url = std::env::var("DATABASE_URL")?;
/// let store = PostgresOptions::new(url)
///     .schema("assistant")
///     .connections(16)
///     .root_certificates(std::fs::read("/etc/ssl/company.pem")?)
///     .open()
///     .await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct PostgresOptions {
    url: SecretString,
    schema: String,
    kinds: Vec<Kind>,
    connections: usize,
    partitions: u16,
    roots: Vec<u8>,
    statement_timeout: Duration,
    patience: Option<Duration>,
}

impl PostgresOptions {
    /// Connects with a URL, `postgres://user:password@host:5432/database`, or `key=value` pairs as `libpq` knows them.
    /// TLS is used where the server has it and checked against the system's certificates; `sslmode=require` insists on
    /// it, `sslmode=disable` does without.
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            schema: "whisp".to_owned(),
            kinds: Kind::ALL.to_vec(),
            connections: CONNECTIONS_DEFAULT,
            partitions: 0,
            roots: Vec::new(),
            statement_timeout: STATEMENT_TIMEOUT_DEFAULT,
            patience: None,
        }
    }

    /// Keeps the tables in this schema, which is created if it is not there; `whisp` unless told.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Makes room for a kind of the host's own. Every kind of which there are records must be given each time, or they
    /// would stay out of erasure and retention: opening the store without is refused.
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kinds.push(kind);
        self
    }

    /// Sets how many connections are opened at most, 1 to 1,000; one more listens for work.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.clamp(1, CONNECTIONS_MAX);
        self
    }

    /// Cuts each table that is created into so many partitions by the hash of the tenant, 1,024 at most; 0, the default,
    /// is none. Tables that are there stay as they are.
    pub fn partitions(mut self, partitions: u16) -> Self {
        self.partitions = partitions.min(PARTITIONS_MAX);
        self
    }

    /// Trusts the certificates in this PEM file beside those of the system.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = pem.into();
        self
    }

    /// Sets how long one statement may take; 30 seconds unless told.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// Sets how long a server that does not answer is waited for: by a read, by a transaction that writes, by the opening of
    /// the tables. Unless told, it is a minute, or twice the [`statement_timeout`](Self::statement_timeout) if that is longer.
    /// Shorter than that timeout, it would leave writes in doubt that the server breaks off.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Connects, creates the tables if they are not there, and brings an older schema to this version.
    ///
    /// # Errors
    /// - [`StoreErrorKind::Unavailable`] if the server can't be reached, is starting or has no connection left.
    /// - [`StoreErrorKind::PermissionDenied`] if it does not let the user in, or the user lacks a right.
    /// - [`StoreErrorKind::Newer`] if a newer version of this library wrote the tables.
    /// - [`StoreErrorKind::Corrupt`] if the tables are not as this library makes them, or the schema is something else's.
    /// - [`StoreErrorKind::Invalid`] if the URL, the name of the schema or a certificate can't be read, a kind with
    ///   records has other paths than before, or one of which there are records was not given.
    ///
    /// # Cancellation
    /// The schema is migrated wholly or not at all.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn open(self) -> Result<PostgresStore, StoreError> {
        self.connect().await.map_err(|failure| failure.into_error("open"))
    }

    async fn connect(self) -> Result<PostgresStore, Failure> {
        let address = Address::new(self.url.expose_secret(), &self.trusted()?)?;
        let schema = Schema::new(&self.schema, self.partitions)?;
        let pool = address.pool(self.connections, self.statement_timeout)?;
        let patience = self.patience.unwrap_or_else(|| PATIENCE_DEFAULT.max(self.statement_timeout.saturating_mul(2)));
        let (client, patience) = (pool.get().await?, Patience(patience));
        let open = async {
            schema.open(&client, &self.kinds).await?;
            schema.is_walled(&client).await
        };
        // Where that fails, the pool ends with all its connections.
        let is_walled = patience.read(open).await?;
        drop(client);
        Ok(PostgresStore::start(address, pool, &schema, self.kinds, patience, is_walled))
    }

    fn trusted(&self) -> Result<RootCertStore, Failure> {
        let unreadable = |advice| Failure::new(StoreErrorKind::Invalid, Retry::Never, advice);
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&self.roots) {
            let certificate = certificate.map_err(|_| unreadable("the root certificates are no PEM file"))?;
            roots.add(certificate).map_err(|_| unreadable("a root certificate can't be read"))?;
        }
        if roots.is_empty() && !self.roots.is_empty() {
            return Err(unreadable("the file of root certificates holds none"));
        }
        Ok(roots)
    }
}
