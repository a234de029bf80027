//! Reading: each query is a transaction of its own, on any connection that is free.

use std::collections::BTreeSet;
use std::sync::Arc;

use deadpool_postgres::{Client, Pool};
use tokio_postgres::Row;
use uuid::Uuid;
use whisp_core::id::{FactId, RecordId, TenantId, WorkId};
use whisp_core::kpi::Fact;
use whisp_core::store::{
    Bucket, Clear, ExpiredQuery, FactPage, FactQuery, FindQuery, Kind, ListQuery, OwnRequest, Page, PendingQuery,
    Record, SubjectPage, SubjectQuery, WorkItem, WorkKey, page_size,
};

use super::call::{self, Call, Mode};
use super::connect::Patience;
use super::error::Failure;
use super::row::{get, micros, micros_up, record, time};
use super::sql::{KindSql, Sql};
use super::writer::bucket;

/// How often a read is tried whose connection turned out to be dead: a server that was restarted leaves a pool of them.
const TRIES_MAX: usize = 3;

/// Reads for all tenants.
#[derive(Debug)]
pub(super) struct Reader {
    pool: Pool,
    sql: Arc<Sql>,
    patience: Patience,
    kinds: Vec<Kind>,
}

impl Reader {
    pub(super) const fn new(pool: Pool, sql: Arc<Sql>, patience: Patience, kinds: Vec<Kind>) -> Self {
        Self { pool, sql, patience, kinds }
    }

    /// Reads with one statement.
    async fn query<'c>(&self, begin: &str, call: impl Fn() -> Call<'c> + Sync) -> Result<Vec<Row>, Failure> {
        let mut tries = 1;
        loop {
            let client = self.pool.get().await?;
            match self.patience.read(call::query(&client, begin, call())).await {
                Err(failure) if failure.is_lost() && client.is_closed() && tries < TRIES_MAX => tries += 1,
                Ok(rows) => return Ok(rows),
                Err(failure) => {
                    // It may still be at it.
                    drop(Client::take(client));
                    return Err(failure);
                }
            }
        }
    }

    fn kind(&self, kind: Kind) -> Result<&KindSql, Failure> {
        self.sql.kind(kind).ok_or_else(Failure::corrupt)
    }

    pub(super) async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, Failure> {
        let sql = &self.kind(kind)?.get;
        let call = || Call::new(sql, tenant).with(id.as_uuid());
        let rows = self.query(&call::begin(tenant, Mode::Read), call).await?;
        rows.first().map(|row| record(kind, row, 0)).transpose()
    }

    pub(super) async fn list(&self, query: &ListQuery) -> Result<Page, Failure> {
        if !query.kind.paths().listed {
            return Ok(Page::default());
        }
        let sql = self.kind(query.kind)?.list(query.order, query.after.is_some());
        let call = || {
            let call = Call::new(sql, query.tenant).with(query.parent.as_uuid()).with(limit(query.limit, 1));
            match query.after {
                Some(after) => call.with(after.position).with(after.id.as_uuid()),
                None => call,
            }
        };
        let rows = self.query(&call::begin(query.tenant, Mode::Read), call).await?;
        Ok(Page::cut(records(query.kind, &rows)?, query.limit))
    }

    pub(super) async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, Failure> {
        let Some(lookup) = &self.kind(query.kind)?.lookup else { return Ok(Vec::new()) };
        let from = Uuid::from_bytes(query.lookup.0);
        let call = || Call::new(&lookup.find, query.tenant).with(from).with(limit(query.limit, 0));
        records(query.kind, &self.query(&call::begin(query.tenant, Mode::Read), call).await?)
    }

    pub(super) async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, Failure> {
        let (kind, id) = query.after.map_or(("", Uuid::nil()), |after| (after.kind.name(), after.id.as_uuid()));
        let call = || {
            Call::new(&self.sql.of_subject, query.tenant)
                .with(query.subject.as_uuid())
                .with(kind)
                .with(id)
                .with(limit(query.limit, 1))
        };
        let rows = self.query(&call::begin(query.tenant, Mode::Read), call).await?;
        Ok(SubjectPage::cut(self.records_of_any_kind(&rows)?, query.limit))
    }

    pub(super) async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, Failure> {
        let call = || {
            Call::new(&self.sql.expired, query.tenant)
                .with(micros(query.at))
                .with(limit(query.limit, 0))
                .with(query.without.iter().map(|subject| subject.as_uuid()).collect::<Vec<_>>())
        };
        let rows = self.query(&call::begin(query.tenant, Mode::Read), call).await?;
        self.records_of_any_kind(&rows)
    }

    /// Reads records before which the name of their kind stands.
    fn records_of_any_kind(&self, rows: &[Row]) -> Result<Vec<Record>, Failure> {
        let read = |row| {
            let name: &str = get(row, 0)?;
            let kind = self.kinds.iter().find(|kind| kind.name() == name).ok_or_else(Failure::corrupt)?;
            record(*kind, row, 1)
        };
        rows.iter().map(read).collect()
    }

    /// Returns the buckets of every tenant that hold due work and that nobody holds, the longest waiting first, each with
    /// its oldest work. Some tenants are left out.
    pub(super) async fn waiting(
        &self,
        request: &OwnRequest,
        without: &BTreeSet<TenantId>,
    ) -> Result<Vec<(TenantId, WorkKey)>, Failure> {
        let call = || {
            Call::of_every_tenant(&self.sql.waiting)
                .with(micros(request.now))
                .with(micros(request.due_by))
                .with(limit(request.limit, 0))
                .with(without.iter().map(|tenant| tenant.as_uuid()).collect::<Vec<_>>())
        };
        let rows = self.query(call::BEGIN_EVERY_TENANT, call).await?;
        rows.iter()
            .map(|row| {
                let key =
                    WorkKey { bucket: bucket(row, 1)?, due: time(get(row, 2)?)?, id: WorkId::from_uuid(get(row, 3)?) };
                Ok((TenantId::from_uuid(get(row, 0)?), key))
            })
            .collect()
    }

    pub(super) async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, Failure> {
        // The bucket of the cursor stands before the rest of it.
        let (due, id) = match query.after {
            Some(after) if after.bucket > query.bucket => return Ok(Vec::new()),
            Some(after) if after.bucket == query.bucket => (micros(after.due), after.id.as_uuid()),
            _ => (i64::MIN, Uuid::nil()),
        };
        let call = || {
            Call::new(&self.sql.pending, query.tenant)
                .with(i32::from(query.bucket.0))
                .with(micros(query.due_by))
                .with(due)
                .with(id)
                .with(limit(query.limit, 0))
        };
        let rows = self.query(&call::begin(query.tenant, Mode::Read), call).await?;
        rows.iter().map(|row| item(query.bucket, row)).collect()
    }

    pub(super) async fn scan(&self, query: &FactQuery) -> Result<FactPage, Failure> {
        // The scan begins at the cursor, so that a later page costs no more than the first. Nothing stands at the last
        // moment before `from`.
        let from = (micros_up(query.from).saturating_sub(1), Uuid::max());
        let after = query.after.map_or(from, |after| from.max((micros(after.at), after.id.as_uuid())));
        let call = || {
            Call::new(&self.sql.scan, query.tenant)
                .with(micros_up(query.until))
                .with(after.0)
                .with(after.1)
                .with(limit(query.limit, 1))
        };
        let rows = self.query(&call::begin(query.tenant, Mode::Read), call).await?;
        let mut facts = Vec::with_capacity(rows.len());
        for row in &rows {
            let fact = Fact::from_bytes(time(get(row, 0)?)?, FactId::from_uuid(get(row, 1)?), get(row, 2)?);
            facts.push(fact.map_err(|error| Failure::undecoded(error.kind()))?);
        }
        Ok(FactPage::cut(facts, query.limit))
    }
}

fn item(bucket: Bucket, row: &Row) -> Result<WorkItem, Failure> {
    Ok(WorkItem {
        key: WorkKey { bucket, due: time(get(row, 0)?)?, id: WorkId::from_uuid(get(row, 1)?) },
        lane: RecordId::from_uuid(get(row, 2)?),
        attempts: u32::try_from(get::<i64>(row, 3)?).map_err(|_| Failure::corrupt())?,
        payload: Clear(get(row, 4)?),
    })
}

fn records(kind: Kind, rows: &[Row]) -> Result<Vec<Record>, Failure> {
    rows.iter().map(|row| record(kind, row, 0)).collect()
}

/// The size of a page, and `more` to know whether another one follows.
fn limit(limit: usize, more: usize) -> i64 {
    i64::try_from(page_size(limit) + more).unwrap_or(i64::MAX)
}
