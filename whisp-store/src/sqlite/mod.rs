//! Everything in one SQLite file, for one process.

mod apply;
mod backup;
mod check;
mod clear;
mod compact;
mod error;
mod forget;
mod helper;
mod lease;
mod log;
mod reader;
mod row;
mod schema;
mod threads;
mod upkeep;
mod writer;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use whisp_core::id::{RecordId, TenantId};
use whisp_core::store::{
    Commit, ExpiredQuery, FactPage, FactQuery, Facts, FindQuery, Kind, Lease, ListQuery, OwnRequest, Page,
    PendingQuery, Record, Records, RenewRequest, StoreError, SubjectPage, SubjectQuery, Work, WorkItem, WriteBatch,
};

use self::error::Failure;
use self::reader::Readers;
use self::threads::{Asides, Threads};
use self::writer::{Job, Limits, Reply};
use crate::kinds;

/// How many threads read, unless told otherwise.
const READERS_DEFAULT: usize = 2;

/// The most threads that read.
const READERS_MAX: usize = 64;

/// How to open a [`SqliteStore`].
///
/// # Examples
/// With a kind of the host's own and a limit to the file:
/// ```
/// use whisp_core::store::{Kind, Paths};
/// use whisp_store::SqliteOptions;
///
/// const VISIT: Kind = Kind::new("visit", Paths { listed: true, found: false, owned: true, expires: true });
///
/// let folder = tempfile::tempdir()?;
/// let store = SqliteOptions::new().kind(VISIT).bytes_max(1 << 30).open(folder.path().join("whisp.db"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct SqliteOptions {
    kinds: Vec<Kind>,
    readers: usize,
    bytes_max: Option<u64>,
    log_bytes_max: u64,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { kinds: Kind::ALL.to_vec(), readers: READERS_DEFAULT, bytes_max: None, log_bytes_max: log::MAX_DEFAULT }
    }
}

impl SqliteOptions {
    /// The defaults: the kinds of this version, two readers, no limit to the file, 256 MiB for its log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for a kind of the host's own. Every kind of which the file holds records must be given each time, or
    /// they would stay out of erasure and retention: opening the file without is refused.
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kinds.push(kind);
        self
    }

    /// Sets how many threads read, 1 to 64.
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers.clamp(1, READERS_MAX);
        self
    }

    /// Sets how many bytes the file may have. What would make it larger fails with [`Full`](whisp_core::store::StoreErrorKind::Full). The
    /// write-ahead log beside the file comes on top.
    pub fn bytes_max(mut self, bytes: u64) -> Self {
        self.bytes_max = Some(bytes);
        self
    }

    /// Sets how many bytes the write-ahead log beside the file may have, at least 1 MiB. It is written back into the file
    /// at half of that or at 64 MiB; it grows longer only while somebody reads one state of the file for long. With so
    /// many bytes writes wait for a second and then fail with [`Locked`](whisp_core::store::StoreErrorKind::Locked), until that reader ends. The
    /// last transaction comes on top: 8 MiB and the largest batch, each page that they touch whole.
    pub fn log_bytes_max(mut self, bytes: u64) -> Self {
        self.log_bytes_max = bytes.max(log::MAX_LEAST);
        self
    }

    /// Opens the file, creates it if it is not there, and brings an older schema to this version. Blocks while it does:
    /// a file of schema version 1 is written anew, which takes some seconds a gigabyte and room for two more copies. Where
    /// that fails or is broken off, the file is as it was.
    ///
    /// # Errors
    /// - [`Locked`](whisp_core::store::StoreErrorKind::Locked) if a process, this one or another, has the file open.
    /// - [`Newer`](whisp_core::store::StoreErrorKind::Newer) if a newer version of this library wrote the file.
    /// - [`Corrupt`](whisp_core::store::StoreErrorKind::Corrupt) if the file is damaged, is not a database or is another program's.
    /// - [`PermissionDenied`](whisp_core::store::StoreErrorKind::PermissionDenied) if the file or its folder may not be written.
    /// - [`Invalid`](whisp_core::store::StoreErrorKind::Invalid) if the name of a kind is not of lower-case letters and underscores, a kind with
    ///   records has other paths than before, or one of which the file holds records was not given.
    /// - [`Full`](whisp_core::store::StoreErrorKind::Full) or [`Unavailable`](whisp_core::store::StoreErrorKind::Unavailable) if the disk fails.
    pub fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        self.open_at(path.as_ref().to_owned()).map_err(|failure| failure.into_error("open"))
    }

    fn open_at(self, path: PathBuf) -> Result<SqliteStore, Failure> {
        let lock = schema::lock(&path)?;
        drop(schema::create(&path)?);
        let is_log_full = Arc::new(AtomicBool::new(false));
        let limits = Limits { bytes_max: self.bytes_max, log_bytes_max: self.log_bytes_max };
        let writer = writer::start(path.clone(), self.kinds.clone(), limits, Arc::clone(&is_log_full))?;
        let readers = Readers::start(&path, self.readers)?;
        Ok(SqliteStore {
            path,
            kinds: self.kinds,
            is_log_full,
            asides: Asides::default(),
            readers,
            writer,
            _lock: lock,
        })
    }
}

/// Keeps everything in one SQLite file, for one process.
///
/// One thread writes: it puts what waits into one transaction and answers when that is durable (`synchronous=FULL`), so
/// many writers at once cost little more than one. A few threads read beside it.
///
/// Deleted bytes are overwritten: in the file at once, and in the write-ahead log when nobody has written for 20 ms, or sixteen
/// transactions later, or as soon as another program that reads the file lets it. What a newer version of a record
/// replaced leaves the log with the next deletion or [`compact`](SqliteStore::compact). What SQLite itself leaves between
/// the rows of a page goes with [`rewrite`](SqliteStore::rewrite).
///
/// SQLite as rusqlite builds it keeps the pages of all connections of a process in one place, behind one lock. Where many read
/// while much is written, build it with `LIBSQLITE3_FLAGS=-USQLITE_ENABLE_MEMORY_MANAGEMENT` in the environment, for example in
/// `.cargo/config.toml`: then each connection has its own.
///
/// The file is readable for its owner alone and, with `-wal` and `-shm` beside it, a whole; copy it only with
/// [`backup`](SqliteStore::backup). `-lock` beside it keeps other processes out and holds nothing. Other programs may
/// read it: briefly, or the log grows to its limit.
///
/// Dropping the store finishes what was committed, blocks while it does, and closes the file.
///
/// # Examples
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("whisp.db");
/// let store = whisp_store::SqliteStore::open(&path)?;
/// let second = whisp_store::SqliteStore::open(&path);
/// assert!(second.is_err_and(|error| error.to_string().starts_with("open: another process holds the store")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SqliteStore {
    path: PathBuf,
    kinds: Vec<Kind>,
    /// Tells long reads to give way to the log.
    is_log_full: Arc<AtomicBool>,
    // Dropped in this order: the last connection that closes writes the log back and removes it, which a reader can't.
    asides: Asides,
    readers: Readers,
    writer: Threads<Job>,
    _lock: File,
}

impl SqliteStore {
    /// Opens a file with the default [`SqliteOptions`]. Blocks while it does.
    ///
    /// # Errors
    /// Those of [`SqliteOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::new().open(path)
    }

    /// Has the writer do something; returns when that is durable.
    async fn write<T>(&self, operation: &'static str, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let answer = match self.writer.send(job(reply)).await {
            Ok(()) => answer.await.unwrap_or_else(|_| Err(Failure::stopped())),
            Err(stopped) => Err(stopped),
        };
        answer.map_err(|failure| failure.into_error(operation))
    }

    /// Has a reader do something.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&rusqlite::Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(read).await.map_err(|failure| failure.into_error(operation))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

#[async_trait]
impl Records for SqliteStore {
    async fn commit(&self, batch: WriteBatch) -> Result<Commit, StoreError> {
        kinds::check_batch(&self.kinds, &batch)?;
        self.write("commit", |reply| Job::Commit(batch, reply)).await
    }

    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError> {
        kinds::check(&self.kinds, "get", kind)?;
        self.read("get", move |conn| reader::get(conn, tenant, kind, id)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        kinds::check(&self.kinds, "list", query.kind)?;
        let query = query.clone();
        self.read("list", move |conn| reader::list(conn, &query)).await
    }

    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, StoreError> {
        kinds::check(&self.kinds, "find", query.kind)?;
        let query = query.clone();
        self.read("find", move |conn| reader::find(conn, &query)).await
    }

    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, StoreError> {
        let (query, kinds) = (query.clone(), self.kinds.clone());
        self.read("of_subject", move |conn| reader::of_subject(conn, &query, &kinds)).await
    }

    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, StoreError> {
        let (query, kinds) = (query.clone(), self.kinds.clone());
        self.read("expired", move |conn| reader::expired(conn, &query, &kinds)).await
    }

    async fn clear(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        self.write("clear", |reply| Job::Clear(tenant, limit, reply)).await
    }
}

#[async_trait]
impl Work for SqliteStore {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError> {
        self.write("own", |reply| Job::Own(*request, reply)).await
    }

    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError> {
        self.write("renew", |reply| Job::Renew(request.clone(), reply)).await
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        self.write("release", |reply| Job::Release(leases.to_vec(), reply)).await
    }

    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, StoreError> {
        let query = query.clone();
        self.read("pending", move |conn| reader::pending(conn, &query)).await
    }

    /// No other process writes here.
    async fn wait(&self) {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Facts for SqliteStore {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError> {
        let query = query.clone();
        self.read("scan", move |conn| reader::scan(conn, &query)).await
    }

    async fn discard(&self, tenant: TenantId, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        self.write("discard", |reply| Job::Discard(tenant, before, limit, reply)).await
    }
}
