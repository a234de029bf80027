//! Removing everything of a tenant, a piece at a time.

use std::sync::Arc;

use deadpool_postgres::Client;
use whisp_core::id::TenantId;

use super::call::{self, Call, Mode};
use super::error::Failure;
use super::writer::Writer;

impl Writer {
    /// Removes at most so many rows of a tenant; returns how many. Dropped, it is done all the same or was not begun.
    pub(super) async fn clear(self: &Arc<Self>, tenant: TenantId, limit: usize) -> Result<usize, Failure> {
        let writer = Arc::clone(self);
        tokio::spawn(async move { writer.clear_some(tenant, limit).await }).await.map_err(|_| Failure::stopped())?
    }

    async fn clear_some(&self, tenant: TenantId, limit: usize) -> Result<usize, Failure> {
        let client = self.pool.get().await?;
        let removed = self.remove(&client, tenant, limit).await;
        if removed.is_err() {
            // It may be inside the transaction: it is closed, and the server rolls back.
            drop(Client::take(client));
        }
        removed
    }

    /// Holds the tenant's row, as whoever writes for it does, which stays: it is an id and nothing else.
    async fn remove(&self, client: &Client, tenant: TenantId, limit: usize) -> Result<usize, Failure> {
        let hold = [Call::new(&self.sql.hold, tenant)];
        call::begin_and_query(client, &call::begin(tenant, Mode::Write), &hold).await?;
        let mut removed = 0;
        for sql in &self.sql.clear {
            if removed == limit {
                break;
            }
            let left = i64::try_from(limit - removed).unwrap_or(i64::MAX);
            removed += call::query_on(client, Call::new(sql, tenant).with(left)).await?.len();
        }
        call::execute_and_commit(client, &[]).await?;
        Ok(removed)
    }
}
