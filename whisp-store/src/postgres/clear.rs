//! Removing everything of a tenant, or its facts before a time, a piece at a time.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use deadpool_postgres::Client;
use whisp_core::id::TenantId;

use super::call::{self, Call, Mode};
use super::error::Failure;
use super::row::micros_up;
use super::writer::Writer;

/// What of a tenant is removed.
#[derive(Debug, Clone, Copy)]
enum Which {
    All,
    FactsBefore(DateTime<Utc>),
}

impl Writer {
    /// Removes at most so many rows of a tenant; returns how many. Dropped, it is done all the same or was not begun.
    pub(super) async fn clear(self: &Arc<Self>, tenant: TenantId, limit: usize) -> Result<usize, Failure> {
        self.remove_apart(tenant, Which::All, limit).await
    }

    /// Removes at most so many facts of a tenant from before a time; returns how many. Dropped, the same.
    pub(super) async fn discard(
        self: &Arc<Self>,
        tenant: TenantId,
        before: DateTime<Utc>,
        limit: usize,
    ) -> Result<usize, Failure> {
        self.remove_apart(tenant, Which::FactsBefore(before), limit).await
    }

    async fn remove_apart(self: &Arc<Self>, tenant: TenantId, which: Which, limit: usize) -> Result<usize, Failure> {
        let writer = Arc::clone(self);
        tokio::spawn(async move { writer.remove_some(tenant, which, limit).await })
            .await
            .map_err(|_| Failure::stopped())?
    }

    async fn remove_some(&self, tenant: TenantId, which: Which, limit: usize) -> Result<usize, Failure> {
        let client = self.pool.get().await?;
        let removed = self.patience.write(self.remove(&client, tenant, which, limit)).await;
        if removed.is_err() {
            // It may be inside the transaction: it is closed, and the server rolls back.
            drop(Client::take(client));
        }
        removed
    }

    /// Holds the tenant's row, as whoever writes for it does, which stays: it is an id and nothing else.
    async fn remove(&self, client: &Client, tenant: TenantId, which: Which, limit: usize) -> Result<usize, Failure> {
        let hold = [Call::new(&self.sql.hold, tenant)];
        call::begin_and_query(client, &call::begin(tenant, Mode::Write), &hold).await?;
        let calls: Vec<Call<'_>> = match which {
            Which::All => self.sql.clear.iter().map(|sql| Call::new(sql, tenant)).collect(),
            Which::FactsBefore(before) => vec![Call::new(&self.sql.discard, tenant).with(micros_up(before))],
        };
        let mut removed = 0;
        for call in calls {
            if removed == limit {
                break;
            }
            let left = i64::try_from(limit - removed).unwrap_or(i64::MAX);
            removed += call::query_on(client, call.with(left)).await?.len();
        }
        call::execute_and_commit(client, &[]).await?;
        Ok(removed)
    }
}
