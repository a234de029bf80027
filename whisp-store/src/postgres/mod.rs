//! Everything in a PostgreSQL database, for several processes on several machines.

mod call;
mod change;
mod clear;
mod connect;
mod error;
mod group;
mod notify;
mod options;
mod reader;
mod row;
mod schema;
mod sql;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use deadpool_postgres::Pool;
use futures_util::future::join_all;
use tokio::sync::Notify;
use whisp_core::error::Retry;
use whisp_core::id::{RecordId, TenantId};
use whisp_core::store::{
    Clear, Commit, ExpiredQuery, FactPage, FactQuery, Facts, FindQuery, Kind, Lease, ListQuery, OwnRequest, Page,
    PendingQuery, Record, Records, RenewRequest, StoreError, StoreErrorKind, SubjectPage, SubjectQuery, Work, WorkItem,
    WorkKey, WriteBatch, WriteOp,
};

pub(crate) use self::connect::{Address, Patience};
pub(crate) use self::error::Failure;
use self::group::{Outcome, Task};
use self::notify::Notices;
pub use self::options::PostgresOptions;
use self::reader::Reader;
pub(crate) use self::row::get;
pub(crate) use self::schema::Schema;
use self::sql::Sql;
use self::writer::Writer;
use crate::kinds;

/// How long is waited for the leases of one tenant before the others go without it: longer than a large transaction takes,
/// and shorter than a row that somebody holds is waited for, which is several times ten seconds.
const LEND_PATIENCE: Duration = Duration::from_secs(3);

/// Keeps everything in a PostgreSQL database, which any number of processes share.
///
/// What waits to be written for a tenant goes into one transaction, so many writers at once cost little more than one;
/// of all processes one writes for a tenant at a time. Reads run beside it on other connections.
///
/// # Tenants
/// The tenant stands first in every key, unique constraint and statement, and no transaction is about two of them. So
/// the tables work unchanged where they are hash-partitioned by tenant ([`PostgresOptions::partitions`]; the whole
/// conformance suite runs on such tables), and that is what an engine of the PostgreSQL family needs to spread them over
/// machines. The one statement that names no tenant is the search for free buckets with work; it reads ids and times of
/// two tables.
///
/// With Citus: open the store once without partitions, so that the tables are there; then, before the first record, `SELECT
/// create_distributed_table('whisp.record_message', 'tenant')` for each table but `version` and `kind`, and the same for
/// the tables of a [`kind`](PostgresOptions::kind) that comes later. Let the workers know of the tenant, or they show
/// nothing: `ALTER ROLE whisp SET citus.propagate_set_commands = 'local'`. None of this was tried, for want of such a
/// server; what Citus refuses in a policy, a query, is in none of ours.
///
/// Row-level security is a second wall: a transaction names its tenant, and rows of another one are neither seen nor
/// written, whatever a statement says. The server applies it to every user but superusers and those with `BYPASSRLS`,
/// the owner of the tables included: connect as neither ([`is_walled`](Self::is_walled)).
///
/// # Work
/// Processes tell each other of new work by `LISTEN` and `NOTIFY`, and look by the clock all the same.
/// A tenant whose row somebody holds for seconds is left out meanwhile, so that the leases of the others do not wait.
///
/// # Behind a pooler
/// A pooler must keep a connection to one server process for a whole session (PgBouncer's `pool_mode = session`).
///
/// # A server that is gone
/// A machine that is gone without a word is taken for gone after a minute (keepalives; the URL may say otherwise). No
/// answer is waited for longer than [`PostgresOptions::patience`], whatever stands still; what was being written then may
/// be done or not ([`Retry::OutcomeUnknown`]), and a read may be repeated.
///
/// # Durability
/// An acknowledged batch is as durable as the server makes a commit: leave `synchronous_commit` and `fsync` on.
///
/// # Examples
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use whisp_store::PostgresStore;
///
/// let store = Arc::new(PostgresStore::open(std::env::var("DATABASE_URL")?).await?);
/// # drop(store);
/// # Ok(())
/// # }
/// ```
pub struct PostgresStore {
    kinds: Vec<Kind>,
    pool: Pool,
    reader: Reader,
    writer: Arc<Writer>,
    notices: Notices,
    is_walled: bool,
    /// The tenants for whose leases nobody waits any more, though they are still asked for.
    late: Arc<Mutex<BTreeSet<TenantId>>>,
}

impl PostgresStore {
    /// Connects with the default [`PostgresOptions`].
    ///
    /// # Errors
    /// Those of [`PostgresOptions::open`].
    ///
    /// # Cancellation
    /// As there.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn open(url: impl Into<secrecy::SecretString>) -> Result<Self, StoreError> {
        PostgresOptions::new(url).open().await
    }

    /// Returns whether row-level security held for the user, in every table, when the store was opened. Where it did not, the
    /// statements of the store keep the tenants apart as ever, but nothing does behind them: the user is a superuser or has
    /// `BYPASSRLS`, or somebody has taken a wall down. Say so where an operator sees it.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = whisp_store::PostgresStore::open(std::env::var("DATABASE_URL")?).await?;
    /// if !store.is_walled() {
    ///     eprintln!("row-level security does not hold for the user of DATABASE_URL: connect as a plain one");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub const fn is_walled(&self) -> bool {
        self.is_walled
    }

    fn start(
        address: Address,
        pool: Pool,
        schema: &Schema,
        kinds: Vec<Kind>,
        patience: Patience,
        is_walled: bool,
    ) -> Self {
        let sql = Arc::new(Sql::new(schema.name(), &kinds));
        let news = Arc::new(Notify::new());
        Self {
            reader: Reader::new(pool.clone(), Arc::clone(&sql), patience, kinds.clone()),
            writer: Arc::new(Writer::new(pool.clone(), sql, patience, Arc::clone(&news))),
            notices: Notices::start(address, schema.channel(), news),
            is_walled,
            late: Arc::default(),
            pool,
            kinds,
        }
    }

    /// Has a task done and waits a while for the leases that it comes to: a tenant whose row somebody holds delays nobody
    /// else. What comes later is given back, and until then the tenant is left out.
    async fn lend(&self, tenant: TenantId, task: Task) -> Result<Vec<Lease>, Failure> {
        if lock(&self.late).contains(&tenant) {
            return Ok(Vec::new());
        }
        let mut lending = Box::pin(lend(Arc::clone(&self.writer), tenant, task));
        if let Ok(lent) = tokio::time::timeout(LEND_PATIENCE, &mut lending).await {
            return lent;
        }
        lock(&self.late).insert(tenant);
        let (writer, late) = (Arc::clone(&self.writer), Arc::clone(&self.late));
        tokio::spawn(async move {
            if let Ok(leases) = lending.await
                && !leases.is_empty()
            {
                // Where that fails too, they end by themselves.
                drop(lend(writer, tenant, Task::Release(leases)).await);
            }
            lock(&late).remove(&tenant);
        });
        Ok(Vec::new())
    }

    /// Gives leases back, and waits a while for that: a tenant whose row somebody holds delays nobody else. What takes longer
    /// goes on without its caller; where it fails then, the leases end by themselves.
    async fn give_back(&self, tenant: TenantId, leases: Vec<Lease>) -> Result<(), Failure> {
        let releasing = tokio::spawn(lend(Arc::clone(&self.writer), tenant, Task::Release(leases)));
        match tokio::time::timeout(LEND_PATIENCE, releasing).await {
            Ok(Ok(released)) => released.map(drop),
            Ok(Err(_)) => Err(Failure::stopped()),
            Err(_) => Ok(()),
        }
    }

    async fn take(&self, request: &OwnRequest) -> Result<Vec<Lease>, Failure> {
        if request.limit == 0 {
            return Ok(Vec::new());
        }
        let late = lock(&self.late).clone();
        let waiting = self.reader.waiting(request, &late).await?;
        let mut tenants: BTreeMap<TenantId, Vec<WorkKey>> = BTreeMap::new();
        for (tenant, key) in &waiting {
            tenants.entry(*tenant).or_default().push(*key);
        }
        let each = tenants.into_iter().map(|(tenant, keys)| self.lend(tenant, Task::Take(*request, keys)));
        let taken = lent(join_all(each).await)?;
        let place = |lease: &Lease| {
            waiting.iter().position(|(tenant, key)| (*tenant, key.bucket) == (lease.tenant, lease.bucket))
        };
        let mut taken: Vec<_> = taken.into_iter().map(|lease| (place(&lease), lease)).collect();
        taken.sort_by_key(|(place, _)| *place);
        Ok(taken.into_iter().map(|(_, lease)| lease).collect())
    }

    /// The server takes no text with a zero in it. JSON, which these are, has none.
    fn check_text(batch: &WriteBatch) -> Result<(), StoreError> {
        let texts = batch.ops.iter().filter_map(|op| match op {
            WriteOp::Put(record) => Some(&record.clear),
            WriteOp::Enqueue(item) => Some(&item.payload),
            _ => None,
        });
        for Clear(text) in texts {
            if text.contains('\0') {
                return Err(StoreError::new("commit", StoreErrorKind::Invalid, Retry::Never)
                    .with_advice("what is clear is JSON, which has no zero character in it"));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("kinds", &self.kinds)
            .field("pool", &self.pool.status())
            .field("is_walled", &self.is_walled)
            .finish_non_exhaustive()
    }
}

/// Has a task done; returns the leases that it came to.
async fn lend(writer: Arc<Writer>, tenant: TenantId, task: Task) -> Result<Vec<Lease>, Failure> {
    match writer.run(tenant, task).await? {
        Outcome::Leases(leases) => Ok(leases),
        Outcome::Commit(_) => Err(Failure::stopped()),
    }
}

fn by_tenant(leases: &[Lease]) -> BTreeMap<TenantId, Vec<Lease>> {
    let mut tenants: BTreeMap<TenantId, Vec<Lease>> = BTreeMap::new();
    for lease in leases {
        tenants.entry(lease.tenant).or_default().push(*lease);
    }
    tenants
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the leases of those tenants for whom it went well: what is wrong with one keeps nobody else's work back. Only
/// where it went well for none, it is a failure.
fn lent(outcomes: Vec<Result<Vec<Lease>, Failure>>) -> Result<Vec<Lease>, Failure> {
    let (mut leases, mut failed, mut is_any_well) = (Vec::new(), None, outcomes.is_empty());
    for outcome in outcomes {
        match outcome {
            Ok(lent) => {
                leases.extend(lent);
                is_any_well = true;
            }
            Err(failure) => failed = Some(failure),
        }
    }
    failed.filter(|_| !is_any_well).map_or(Ok(leases), Err)
}

/// Names the operation that failed.
fn named<T>(operation: &'static str, outcome: Result<T, Failure>) -> Result<T, StoreError> {
    outcome.map_err(|failure| failure.into_error(operation))
}

#[async_trait]
impl Records for PostgresStore {
    async fn commit(&self, batch: WriteBatch) -> Result<Commit, StoreError> {
        kinds::check_batch(&self.kinds, &batch)?;
        Self::check_text(&batch)?;
        match named("commit", self.writer.run(batch.tenant, Task::Commit(batch)).await)? {
            Outcome::Commit(commit) => Ok(commit),
            Outcome::Leases(_) => named("commit", Err(Failure::stopped())),
        }
    }

    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError> {
        kinds::check(&self.kinds, "get", kind)?;
        named("get", self.reader.get(tenant, kind, id).await)
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        kinds::check(&self.kinds, "list", query.kind)?;
        named("list", self.reader.list(query).await)
    }

    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, StoreError> {
        kinds::check(&self.kinds, "find", query.kind)?;
        named("find", self.reader.find(query).await)
    }

    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, StoreError> {
        named("of_subject", self.reader.of_subject(query).await)
    }

    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, StoreError> {
        named("expired", self.reader.expired(query).await)
    }

    async fn clear(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        named("clear", self.writer.clear(tenant, limit).await)
    }
}

#[async_trait]
impl Work for PostgresStore {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError> {
        named("own", self.take(request).await)
    }

    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError> {
        let each = by_tenant(&request.leases).into_iter();
        let renew = |leases| Task::Renew(RenewRequest { leases, ..request.clone() });
        named("renew", lent(join_all(each.map(|(tenant, leases)| self.lend(tenant, renew(leases)))).await))
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        let each = by_tenant(leases).into_iter();
        let released = join_all(each.map(|(tenant, leases)| self.give_back(tenant, leases))).await;
        named("release", released.into_iter().collect())
    }

    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, StoreError> {
        named("pending", self.reader.pending(query).await)
    }

    async fn wait(&self) {
        self.notices.heard().await;
    }
}

#[async_trait]
impl Facts for PostgresStore {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError> {
        named("scan", self.reader.scan(query).await)
    }

    async fn discard(&self, tenant: TenantId, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        named("discard", self.writer.discard(tenant, before, limit).await)
    }
}
