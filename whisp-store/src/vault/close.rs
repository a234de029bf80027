//! Ends a tenant's keys: destroys its own at the key provider, puts the mark in its place, removes its subjects'. Each step
//! may be done twice, so that whoever comes after a crash, or at the same time, goes on from what the table says.

use chrono::{DateTime, Utc};
use whisp_core::id::TenantId;
use whisp_core::vault::{ClosedVault, KeyContext, TenantKey, VaultError, VaultErrorKind};

use super::{EnvelopeVault, TURNS_MAX};
use crate::keys::failed;

impl EnvelopeVault {
    pub(super) async fn close_tenant(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        limit: usize,
    ) -> Result<ClosedVault, VaultError> {
        let at = self.end_key(tenant, at).await?;
        // What is remembered of it in this process ends with it.
        self.tenants.close(tenant);
        self.subjects.close(tenant);
        let removed = self.table.drop_subjects(tenant, limit).await?;
        Ok(ClosedVault { at, gone_at: self.provider.destruction().gone_at(at), more: removed == limit })
    }

    /// Puts the mark in the place of the tenant's key, which is destroyed; returns since when it is there.
    async fn end_key(&self, tenant: TenantId, at: DateTime<Utc>) -> Result<DateTime<Utc>, VaultError> {
        for _ in 0..TURNS_MAX {
            let Some(key) = self.table.tenant(tenant).await? else {
                // It never had one, and is not to get one.
                self.table.put_tenant(tenant, TenantKey::erased(at)).await?;
                continue;
            };
            if let Some(since) = key.erased_at() {
                return Ok(since);
            }
            // In their order; the one before is there while the epoch turns.
            let before = key.previous.as_ref().and_then(|_| key.epoch.checked_sub(1));
            for epoch in before.into_iter().chain([key.epoch]) {
                self.provider.destroy(&KeyContext { tenant, epoch }).await?;
            }
            // It may have turned meanwhile: then the next one is destroyed too.
            self.table.swap_tenant(tenant, &key, TenantKey::erased(at)).await?;
        }
        Err(failed("close a tenant", VaultErrorKind::Turned))
    }
}
