//! Wrapped keys in a PostgreSQL database, for several processes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use deadpool_postgres::{Client, Pool, Transaction};
use rustls::RootCertStore;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::store::StoreErrorKind;
use whisp_core::vault::{
    KeyTable, Rewrap, SubjectKey, SubjectKeyState, TenantKey, VaultError, VaultErrorKind, WrappedKey,
};

use super::turned;
use crate::postgres::{Address, Failure, Patience, Schema, get};

/// How many connections it opens at most: keys are read seldom and kept in memory.
const CONNECTIONS_MAX: usize = 4;

/// How long one statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a server is waited for that does not answer: a server that is only slow says so itself.
const PATIENCE: Patience = Patience(Duration::from_secs(30));

/// A [`KeyTable`] in a PostgreSQL database, for the processes that share a `PostgresStore`.
///
/// Give it a database of its own, or at least a schema that the backups of the data leave out: a backup that holds both
/// brings the erased back, until the tenant's epoch has turned ([`keys`](crate::keys)).
///
/// # What an erasure leaves
/// PostgreSQL does not overwrite in place. A wrapped key that was erased stays in the table's file until the server has
/// vacuumed the page and used its space again, in the write-ahead log until that is recycled, and in standbys and
/// archives of the log as long as those are kept. It is of use only together with the tenant's key of that epoch, which is
/// gone when the epoch has turned, as surely as the key provider destroys.
///
/// # Examples
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let table = whisp_store::PostgresKeyTable::open(std::env::var("KEYS_DATABASE_URL")?, "whisp_keys").await?;
/// # drop(table);
/// # Ok(())
/// # }
/// ```
pub struct PostgresKeyTable {
    pool: Pool,
    schema: Schema,
    is_walled: bool,
}

impl PostgresKeyTable {
    /// Connects with a URL and creates the tables in the schema if they are not there. TLS as for
    /// [`PostgresOptions`](crate::PostgresOptions::new).
    ///
    /// # Errors
    /// [`Unavailable`](VaultErrorKind::Unavailable) if the server can't be reached,
    /// [`Permissions`](VaultErrorKind::Permissions) if it does not let the user in or the user lacks a right,
    /// [`Newer`](VaultErrorKind::Newer) if a newer version of this library wrote the tables,
    /// [`WrongKey`](VaultErrorKind::WrongKey) if the schema is something else's, a `PostgresStore`'s for one, or the URL or
    /// name can't be read.
    ///
    /// # Cancellation
    /// The tables are made or not; open again.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn open(url: impl Into<SecretString>, schema: &str) -> Result<Self, VaultError> {
        Self::connect(&url.into(), schema).await.map_err(|failure| vault_error(&failure, "open the key table"))
    }

    async fn connect(url: &SecretString, schema: &str) -> Result<Self, Failure> {
        let schema = Schema::new(schema, 0)?;
        let pool =
            Address::new(url.expose_secret(), &RootCertStore::empty())?.pool(CONNECTIONS_MAX, STATEMENT_TIMEOUT)?;
        let client = pool.get().await?;
        let open = async {
            schema.open_keys(&client).await?;
            schema.is_walled(&client).await
        };
        let is_walled = PATIENCE.read(open).await?;
        drop(client);
        Ok(Self { pool, schema, is_walled })
    }

    /// Returns whether row-level security held for the user when the table was opened, as
    /// [`PostgresStore::is_walled`](crate::PostgresStore::is_walled) does.
    #[must_use]
    pub const fn is_walled(&self) -> bool {
        self.is_walled
    }

    /// Runs a transaction. What is dropped before it has committed is rolled back.
    async fn run<T>(
        &self,
        operation: &'static str,
        tenant: TenantId,
        run: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, VaultError> {
        let outcome = async {
            let mut client: Client = self.pool.get().await?;
            let transact = async {
                let transaction = client.transaction().await?;
                transaction.batch_execute(&format!("SET LOCAL whisp.tenant = '{tenant}'")).await?;
                let outcome = run(&transaction).await?;
                transaction.commit().await?;
                Ok(outcome)
            };
            let outcome = PATIENCE.read(transact).await;
            if outcome.is_err() {
                // It may still be at it.
                drop(Client::take(client));
            }
            outcome
        };
        outcome.await.map_err(|failure| vault_error(&failure, operation))
    }

    fn sql(&self, sql: &str) -> String {
        sql.replace("{schema}", self.schema.name())
    }

    async fn query(
        &self,
        transaction: &Transaction<'_>,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let statement = transaction.prepare_cached(&self.sql(sql)).await?;
        Ok(transaction.query(&statement, params).await?)
    }

    async fn read_tenant(
        &self,
        transaction: &Transaction<'_>,
        tenant: TenantId,
        lock: &str,
    ) -> Result<Option<TenantKey>, Failure> {
        let sql = format!(
            "SELECT epoch, begun_at, wrapped, index_key, previous FROM {{schema}}.tenant_key WHERE tenant = $1 {lock}"
        );
        let rows = self.query(transaction, &sql, &[&tenant.as_uuid()]).await?;
        let key = |row| {
            Ok(TenantKey {
                epoch: number(get(row, 0)?)?,
                begun_at: get::<Option<i64>>(row, 1)?.and_then(DateTime::from_timestamp_micros),
                wrapped: WrappedKey(get(row, 2)?),
                index: WrappedKey(get(row, 3)?),
                previous: get::<Option<_>>(row, 4)?.map(WrappedKey),
            })
        };
        rows.first().map(key).transpose()
    }

    async fn write_tenant(
        &self,
        transaction: &Transaction<'_>,
        tenant: TenantId,
        key: &TenantKey,
        sql: &str,
    ) -> Result<(), Failure> {
        let (begun_at, previous) =
            (key.begun_at.map(|at| at.timestamp_micros()), key.previous.as_ref().map(|key| &*key.0));
        let params: [&(dyn ToSql + Sync); 6] =
            [&tenant.as_uuid(), &i64::from(key.epoch), &begun_at, &key.wrapped.0, &key.index.0, &previous];
        self.query(transaction, sql, &params).await?;
        Ok(())
    }

    /// Whether keys are of the epoch that the tenant's key has, and will have until the end of the transaction.
    async fn are_current(
        &self,
        transaction: &Transaction<'_>,
        tenant: TenantId,
        mut keys: impl Iterator<Item = &SubjectKey>,
    ) -> Result<bool, Failure> {
        let epoch = self.read_tenant(transaction, tenant, "FOR SHARE").await?.map(|key| key.epoch);
        Ok(keys.all(|key| Some(key.epoch) == epoch))
    }

    /// Reads what is known of subjects, in any order; `lock` keeps it as it is until the end of the transaction.
    async fn read_subjects(
        &self,
        transaction: &Transaction<'_>,
        tenant: TenantId,
        subjects: &[Uuid],
        lock: &str,
    ) -> Result<BTreeMap<Uuid, SubjectKeyState>, Failure> {
        // Key by key, whatever the planner believes: as in the store's `sql.rs`.
        let sql = format!(
            "SELECT s.* FROM unnest($2::uuid[]) AS k (subject) CROSS JOIN LATERAL \
             (SELECT subject, version, epoch, wrapped, erased_at FROM {{schema}}.subject_key \
             WHERE tenant = $1 AND subject = k.subject OFFSET 0 {lock}) AS s"
        );
        let rows = self.query(transaction, &sql, &[&tenant.as_uuid(), &subjects]).await?;
        rows.iter().map(|row| Ok((get(row, 0)?, state(row)?))).collect()
    }
}

fn state(row: &Row) -> Result<SubjectKeyState, Failure> {
    if let Some(micros) = get::<Option<i64>>(row, 4)? {
        // A time that can't be read must not make somebody look alive.
        return Ok(SubjectKeyState::Erased(DateTime::from_timestamp_micros(micros).unwrap_or_default()));
    }
    let (version, epoch) = (number(get(row, 1)?)?, number(get(row, 2)?)?);
    Ok(SubjectKeyState::Live(SubjectKey { version, epoch, wrapped: WrappedKey(get(row, 3)?) }))
}

fn number(stored: i64) -> Result<u32, Failure> {
    u32::try_from(stored).map_err(|_| Failure::corrupt())
}

#[async_trait]
impl KeyTable for PostgresKeyTable {
    async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantKey>, VaultError> {
        self.run("read a tenant's key", tenant, async |transaction| self.read_tenant(transaction, tenant, "").await)
            .await
    }

    async fn put_tenant(&self, tenant: TenantId, key: TenantKey) -> Result<TenantKey, VaultError> {
        let put = async |transaction: &Transaction<'_>| {
            let sql = "INSERT INTO {schema}.tenant_key (tenant, epoch, begun_at, wrapped, index_key, previous) \
                       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
            self.write_tenant(transaction, tenant, &key, sql).await?;
            // There is one now.
            self.read_tenant(transaction, tenant, "").await?.ok_or_else(Failure::corrupt)
        };
        self.run("write a tenant's key", tenant, put).await
    }

    async fn swap_tenant(
        &self,
        tenant: TenantId,
        from: &TenantKey,
        to: TenantKey,
    ) -> Result<Option<TenantKey>, VaultError> {
        let swap = async |transaction: &Transaction<'_>| {
            // Waits for those who write keys of the epoch that ends: see `are_current`.
            let there = self.read_tenant(transaction, tenant, "FOR UPDATE").await?;
            if there.as_ref() != Some(from) {
                return Ok(there);
            }
            let sql = "UPDATE {schema}.tenant_key \
                       SET epoch = $2, begun_at = $3, wrapped = $4, index_key = $5, previous = $6 WHERE tenant = $1";
            self.write_tenant(transaction, tenant, &to, sql).await?;
            self.read_tenant(transaction, tenant, "").await
        };
        self.run("turn a tenant's key", tenant, swap).await
    }

    async fn subject(&self, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, VaultError> {
        let read = async |transaction: &Transaction<'_>| {
            let mut states = self.read_subjects(transaction, tenant, &[subject.as_uuid()], "").await?;
            Ok(states.remove(&subject.as_uuid()).unwrap_or(SubjectKeyState::Absent))
        };
        self.run("read a subject's key", tenant, read).await
    }

    async fn put_subjects(
        &self,
        tenant: TenantId,
        keys: Vec<(SubjectId, SubjectKey)>,
    ) -> Result<Vec<SubjectKeyState>, VaultError> {
        const OPERATION: &str = "write subjects' keys";
        let put = async |transaction: &Transaction<'_>| {
            if !self.are_current(transaction, tenant, keys.iter().map(|(_, key)| key)).await? {
                return Ok(None);
            }
            // In one order everywhere, so that two writers of the same never wait for each other in a circle; of two
            // keys for one subject the first counts.
            let mut first: BTreeMap<Uuid, &SubjectKey> = BTreeMap::new();
            for (subject, key) in &keys {
                first.entry(subject.as_uuid()).or_insert(key);
            }
            let sql = "INSERT INTO {schema}.subject_key (tenant, subject, version, epoch, wrapped) \
                       SELECT $1, u.* FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bytea[]) AS u \
                       ON CONFLICT DO NOTHING";
            let subjects: Vec<Uuid> = first.keys().copied().collect();
            let versions: Vec<i64> = first.values().map(|key| i64::from(key.version)).collect();
            let epochs: Vec<i64> = first.values().map(|key| i64::from(key.epoch)).collect();
            let wrapped: Vec<&[u8]> = first.values().map(|key| &*key.wrapped.0).collect();
            self.query(transaction, sql, &[&tenant.as_uuid(), &subjects, &versions, &epochs, &wrapped]).await?;
            let states = self.read_subjects(transaction, tenant, &subjects, "").await?;
            let there = keys.iter().map(|(subject, _)| states.get(&subject.as_uuid()).cloned());
            there.map(|state| state.ok_or_else(Failure::corrupt)).collect::<Result<_, _>>().map(Some)
        };
        self.run(OPERATION, tenant, put).await?.ok_or_else(|| turned(OPERATION))
    }

    async fn of_epoch(
        &self,
        tenant: TenantId,
        epoch: u32,
        limit: usize,
    ) -> Result<Vec<(SubjectId, SubjectKey)>, VaultError> {
        let read = async |transaction: &Transaction<'_>| {
            let sql = "SELECT subject, version, wrapped FROM {schema}.subject_key \
                       WHERE tenant = $1 AND epoch = $2 AND erased_at IS NULL LIMIT $3";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = self.query(transaction, sql, &[&tenant.as_uuid(), &i64::from(epoch), &limit]).await?;
            let key = |row| {
                let key = SubjectKey { version: number(get(row, 1)?)?, epoch, wrapped: WrappedKey(get(row, 2)?) };
                Ok((SubjectId::from_uuid(get(row, 0)?), key))
            };
            rows.iter().map(key).collect()
        };
        self.run("read an epoch's keys", tenant, read).await
    }

    async fn rewrap(&self, tenant: TenantId, keys: Vec<Rewrap>) -> Result<usize, VaultError> {
        const OPERATION: &str = "wrap subjects' keys anew";
        let rewrap = async |transaction: &Transaction<'_>| {
            if !self.are_current(transaction, tenant, keys.iter().map(|key| &key.to)).await? {
                return Ok(None);
            }
            // Held in one order everywhere, as in `put_subjects`.
            let wanted: BTreeMap<Uuid, &Rewrap> = keys.iter().map(|key| (key.subject.as_uuid(), key)).collect();
            let subjects: Vec<Uuid> = wanted.keys().copied().collect();
            let there = self.read_subjects(transaction, tenant, &subjects, "FOR UPDATE").await?;
            let is_there = |(subject, key): &(&Uuid, &&Rewrap)| matches!(there.get(subject), Some(SubjectKeyState::Live(there)) if *there == key.from);
            let changed: Vec<(&Uuid, &&Rewrap)> = wanted.iter().filter(is_there).collect();
            let subjects: Vec<Uuid> = changed.iter().map(|(subject, _)| **subject).collect();
            let versions: Vec<i64> = changed.iter().map(|(_, key)| i64::from(key.to.version)).collect();
            let epochs: Vec<i64> = changed.iter().map(|(_, key)| i64::from(key.to.epoch)).collect();
            let wrapped: Vec<&[u8]> = changed.iter().map(|(_, key)| &*key.to.wrapped.0).collect();
            let sql = "UPDATE {schema}.subject_key AS s SET version = u.version, epoch = u.epoch, wrapped = u.wrapped \
                       FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bytea[]) \
                       AS u (subject, version, epoch, wrapped) WHERE s.tenant = $1 AND s.subject = u.subject";
            self.query(transaction, sql, &[&tenant.as_uuid(), &subjects, &versions, &epochs, &wrapped]).await?;
            Ok(Some(changed.len()))
        };
        self.run(OPERATION, tenant, rewrap).await?.ok_or_else(|| turned(OPERATION))
    }

    async fn erase(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        at: DateTime<Utc>,
    ) -> Result<SubjectKeyState, VaultError> {
        let erase = async |transaction: &Transaction<'_>| {
            let (owner, who, at) = (tenant.as_uuid(), subject.as_uuid(), at.timestamp_micros());
            // Where there is none a mark is made; where there is one it is held and overwritten.
            let mark = "INSERT INTO {schema}.subject_key (tenant, subject, version, epoch, wrapped, erased_at) \
                        VALUES ($1, $2, 0, 0, '', $3) ON CONFLICT DO NOTHING RETURNING 1";
            if !self.query(transaction, mark, &[&owner, &who, &at]).await?.is_empty() {
                return Ok(SubjectKeyState::Absent);
            }
            let mut states = self.read_subjects(transaction, tenant, &[who], "FOR UPDATE").await?;
            let before = states.remove(&who).ok_or_else(Failure::corrupt)?;
            let overwrite = "UPDATE {schema}.subject_key SET version = 0, epoch = 0, wrapped = '', erased_at = $3 \
                             WHERE tenant = $1 AND subject = $2 AND erased_at IS NULL";
            self.query(transaction, overwrite, &[&owner, &who, &at]).await?;
            Ok(before)
        };
        self.run("erase a subject's key", tenant, erase).await
    }

    async fn drop_subjects(&self, tenant: TenantId, limit: usize) -> Result<usize, VaultError> {
        let remove = async |transaction: &Transaction<'_>| {
            let key = self.read_tenant(transaction, tenant, "FOR SHARE").await?;
            if key.and_then(|key| key.erased_at()).is_none() {
                return Ok(0);
            }
            let sql = "DELETE FROM {schema}.subject_key WHERE tenant = $1 AND subject IN \
                       (SELECT subject FROM {schema}.subject_key WHERE tenant = $1 LIMIT $2) RETURNING 1";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            Ok(self.query(transaction, sql, &[&tenant.as_uuid(), &limit]).await?.len())
        };
        self.run("remove subjects' keys", tenant, remove).await
    }
}

impl fmt::Debug for PostgresKeyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresKeyTable")
            .field("schema", &self.schema.name())
            .field("is_walled", &self.is_walled)
            .finish_non_exhaustive()
    }
}

/// The failure in the words of the vault. Repeating is harmless in every call.
fn vault_error(failure: &Failure, operation: &'static str) -> VaultError {
    let kind = match failure.kind() {
        StoreErrorKind::PermissionDenied => VaultErrorKind::Permissions,
        StoreErrorKind::Newer => VaultErrorKind::Newer,
        StoreErrorKind::Corrupt | StoreErrorKind::Invalid => VaultErrorKind::WrongKey,
        _ => return super::unavailable(operation).with_advice(failure.advice()),
    };
    super::failed(operation, kind).with_advice(failure.advice())
}
