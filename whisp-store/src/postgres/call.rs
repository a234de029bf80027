//! Statements on their way: sent one behind another without waiting, so that many cost one round trip.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use deadpool_postgres::Client;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use whisp_core::id::TenantId;

use super::error::Failure;

type Param<'a> = Box<dyn ToSql + Send + Sync + 'a>;

/// A statement with its parameters, of which the first is the tenant.
pub(super) struct Call<'a> {
    sql: &'a str,
    params: Vec<Param<'a>>,
    /// How many rows it must change, where that is known.
    rows: Option<u64>,
}

impl<'a> Call<'a> {
    pub(super) fn new(sql: &'a str, tenant: TenantId) -> Self {
        Self { sql, params: vec![Box::new(tenant.as_uuid())], rows: None }
    }

    /// The one call that can name no tenant.
    pub(super) const fn of_every_tenant(sql: &'a str) -> Self {
        Self { sql, params: Vec::new(), rows: None }
    }

    #[must_use]
    pub(super) fn with(mut self, param: impl ToSql + Send + Sync + 'a) -> Self {
        self.params.push(Box::new(param));
        self
    }

    #[must_use]
    pub(super) fn changes(mut self, rows: usize) -> Self {
        self.rows = u64::try_from(rows).ok();
        self
    }

    /// Sends it when first polled; returns the rows.
    async fn query(&self, client: &Client, statement: &Statement) -> Result<Vec<Row>, Failure> {
        let params: Vec<&(dyn ToSql + Sync)> = self.params.iter().map(|param| &**param as _).collect();
        Ok(client.query(statement, &params).await?)
    }

    /// Sends it when first polled; checks how many rows it changed.
    async fn execute(&self, client: &Client, statement: &Statement) -> Result<(), Failure> {
        let params: Vec<&(dyn ToSql + Sync)> = self.params.iter().map(|param| &**param as _).collect();
        let changed = client.execute(statement, &params).await?;
        // The tenant's row is held, so the rows are as they were read.
        if self.rows.is_some_and(|rows| rows != changed) { Err(Failure::miscounted()) } else { Ok(()) }
    }
}

/// How a transaction begins. Whoever forgets the tenant sees and writes nothing: the policies of the tables compare it.
pub(super) fn begin(tenant: TenantId, mode: Mode) -> String {
    let mode = match mode {
        // Each statement sees what was committed before it, so what is read after the tenant's row is held stays true.
        Mode::Write => "READ COMMITTED",
        Mode::Read => "READ COMMITTED READ ONLY",
    };
    format!("BEGIN ISOLATION LEVEL {mode}; SET LOCAL whisp.tenant = '{tenant}'")
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mode {
    Write,
    /// One statement that reads.
    Read,
}

/// How a transaction begins that looks for work, whosever it is. The policies of leases and work let it read.
pub(super) const BEGIN_EVERY_TENANT: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL whisp.every_tenant = 'on'";

/// Prepares the statements of the calls; a connection remembers them.
async fn prepare(client: &Client, calls: &[Call<'_>]) -> Result<Vec<Statement>, Failure> {
    let mut statements = Vec::with_capacity(calls.len());
    for call in calls {
        statements.push(client.prepare_cached(call.sql).await?);
    }
    Ok(statements)
}

/// Begins a transaction and reads in it; returns the rows of each call. The transaction stays open.
pub(super) async fn begin_and_query(
    client: &Client,
    begin: &str,
    calls: &[Call<'_>],
) -> Result<Vec<Vec<Row>>, Failure> {
    let statements = prepare(client, calls).await?;
    let reads = calls.iter().zip(&statements).map(|(call, statement)| call.query(client, statement)).collect();
    let (began, rows) = in_order2(run(client, begin), all_in_order(reads)).await;
    began?;
    rows.into_iter().collect()
}

/// Goes on in the open transaction; returns the rows.
pub(super) async fn query_on(client: &Client, call: Call<'_>) -> Result<Vec<Row>, Failure> {
    let statement = client.prepare_cached(call.sql).await?;
    call.query(client, &statement).await
}

/// Reads in a transaction of its own.
pub(super) async fn query(client: &Client, begin: &str, call: Call<'_>) -> Result<Vec<Row>, Failure> {
    let statement = client.prepare_cached(call.sql).await?;
    let (began, (rows, _ended)) =
        in_order2(run(client, begin), in_order2(call.query(client, &statement), end(client))).await;
    began?;
    rows
}

/// Writes in the open transaction and commits it.
pub(super) async fn execute_and_commit(client: &Client, calls: &[Call<'_>]) -> Result<(), Failure> {
    let statements = prepare(client, calls).await?;
    let writes: Vec<_> =
        calls.iter().zip(&statements).map(|(call, statement)| call.execute(client, statement)).collect();
    let (written, committed) = in_order2(all_in_order(writes), run(client, "COMMIT")).await;
    // After a statement that failed, the server takes COMMIT for ROLLBACK.
    written
        .into_iter()
        .chain([committed])
        .collect::<Result<(), _>>()
        .map_err(|failure| if failure.is_lost() { failure.outcome_unknown() } else { failure })
}

/// Ends a transaction that wrote nothing, or that failed.
pub(super) async fn end(client: &Client) -> Result<(), Failure> {
    run(client, "ROLLBACK").await
}

async fn run(client: &Client, sql: &str) -> Result<(), Failure> {
    Ok(client.batch_execute(sql).await?)
}

/// Polls both in their order until both are done: what the first sends when it is first polled, it sends before the
/// second. (The `join` of some runtimes changes the order.)
async fn in_order2<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut one, mut two) = (None, None);
    poll_fn(|cx| {
        if one.is_none()
            && let Poll::Ready(output) = first.as_mut().poll(cx)
        {
            one = Some(output);
        }
        if two.is_none()
            && let Poll::Ready(output) = second.as_mut().poll(cx)
        {
            two = Some(output);
        }
        match (one.take(), two.take()) {
            (Some(one), Some(two)) => Poll::Ready((one, two)),
            (first, second) => {
                (one, two) = (first, second);
                Poll::Pending
            }
        }
    })
    .await
}

/// The same for any number.
async fn all_in_order<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut is_done = true;
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(ready) => *output = Some(ready),
                    Poll::Pending => is_done = false,
                }
            }
        }
        if is_done { Poll::Ready(outputs.drain(..).flatten().collect()) } else { Poll::Pending }
    })
    .await
}
