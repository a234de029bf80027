//! A key table that fails before or after it has done what it was asked, and takes its time.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use whisp::error::Retry;
use whisp::id::{SubjectId, TenantId};
use whisp::vault::{KeyTable, Rewrap, SubjectKey, SubjectKeyState, TenantKey, VaultError, VaultErrorKind};

use crate::sim::Sim;

/// One call in so many fails.
const FAILS: usize = 120;

#[derive(Debug)]
pub(crate) struct FaultyKeys {
    pub(crate) sim: Arc<Sim>,
    pub(crate) inner: Arc<dyn KeyTable>,
}

impl FaultyKeys {
    async fn before(&self) -> Result<(), VaultError> {
        self.sim.delay(1).await;
        self.maybe("keys: errors", Retry::After(None))
    }

    async fn after(&self) -> Result<(), VaultError> {
        self.maybe("keys: answers lost", Retry::OutcomeUnknown)?;
        self.sim.delay(1).await;
        Ok(())
    }

    fn maybe(&self, what: &'static str, retry: Retry) -> Result<(), VaultError> {
        if self.sim.fault(FAILS, what) {
            return Err(VaultError::new("key table", VaultErrorKind::Unavailable, retry));
        }
        Ok(())
    }
}

#[async_trait]
impl KeyTable for FaultyKeys {
    async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantKey>, VaultError> {
        // Nothing is drawn for it, as for `subject`: the vault asks again after a minute.
        self.inner.tenant(tenant).await
    }

    async fn put_tenant(&self, tenant: TenantId, key: TenantKey) -> Result<TenantKey, VaultError> {
        self.before().await?;
        let key = self.inner.put_tenant(tenant, key).await?;
        self.after().await?;
        Ok(key)
    }

    async fn subject(&self, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, VaultError> {
        // Nothing is drawn for it: the vault asks again after five seconds of the machine's time, which no seed decides.
        self.inner.subject(tenant, subject).await
    }

    async fn put_subjects(
        &self,
        tenant: TenantId,
        keys: Vec<(SubjectId, SubjectKey)>,
    ) -> Result<Vec<SubjectKeyState>, VaultError> {
        self.before().await?;
        let states = self.inner.put_subjects(tenant, keys).await?;
        self.after().await?;
        Ok(states)
    }

    async fn swap_tenant(
        &self,
        tenant: TenantId,
        from: &TenantKey,
        to: TenantKey,
    ) -> Result<Option<TenantKey>, VaultError> {
        self.before().await?;
        let there = self.inner.swap_tenant(tenant, from, to).await?;
        self.after().await?;
        Ok(there)
    }

    async fn of_epoch(
        &self,
        tenant: TenantId,
        epoch: u32,
        limit: usize,
    ) -> Result<Vec<(SubjectId, SubjectKey)>, VaultError> {
        self.before().await?;
        self.inner.of_epoch(tenant, epoch, limit).await
    }

    async fn rewrap(&self, tenant: TenantId, keys: Vec<Rewrap>) -> Result<usize, VaultError> {
        self.before().await?;
        let replaced = self.inner.rewrap(tenant, keys).await?;
        self.after().await?;
        Ok(replaced)
    }

    async fn erase(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        at: DateTime<Utc>,
    ) -> Result<SubjectKeyState, VaultError> {
        self.before().await?;
        let state = self.inner.erase(tenant, subject, at).await?;
        self.after().await?;
        Ok(state)
    }

    async fn drop_subjects(&self, tenant: TenantId, limit: usize) -> Result<usize, VaultError> {
        self.before().await?;
        let removed = self.inner.drop_subjects(tenant, limit).await?;
        self.after().await?;
        Ok(removed)
    }
}
