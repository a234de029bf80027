//! Turns the epoch of a tenant's key: begins, wraps every subject's key anew, destroys the key of the epoch before, ends.
//! Each step is durable before the next one, and each may be done twice, so that whoever comes after a crash, or at the same
//! time, goes on from what the table says.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use whisp_core::id::TenantId;
use whisp_core::vault::{EpochDue, KeyContext, Rewrap, TenantKey, Turn, VaultError, VaultErrorKind};

use super::EnvelopeVault;
use super::tenant::OpenTenant;

/// How many keys are wrapped anew and written at once: no reader waits long for a table that has one writer.
const BATCH_MAX: usize = 1_000;

impl EnvelopeVault {
    pub(super) async fn go_on_turning(
        &self,
        tenant: TenantId,
        due: &EpochDue,
        limit: usize,
    ) -> Result<Turn, VaultError> {
        let key = self.table.tenant(tenant).await?.filter(|key| key.erased_at().is_none());
        let Some(key) = key else { return Ok(Turn::NotDue) };
        match self.turn_from(tenant, key.clone(), due, limit).await {
            // Others have ended this turn meanwhile, or begun the next: what is left to do is theirs, or the next call's.
            Err(error)
                if matches!(error.kind(), VaultErrorKind::Destroyed | VaultErrorKind::Turned)
                    && self.table.tenant(tenant).await?.is_some_and(|now| now.epoch > key.epoch) =>
            {
                self.tenants.forget(tenant);
                Ok(Turn::UnderWay { rewrapped: 0 })
            }
            turned => turned,
        }
    }

    /// Goes on from where the table said that the turn is.
    async fn turn_from(
        &self,
        tenant: TenantId,
        mut key: TenantKey,
        due: &EpochDue,
        limit: usize,
    ) -> Result<Turn, VaultError> {
        if key.previous.is_none() {
            if key.begun_at.is_some_and(|at| at >= due.begun_before) {
                return Ok(Turn::NotDue);
            }
            let begun = self.begin_epoch(tenant, &key, due.now).await?.filter(|key| key.erased_at().is_none());
            let Some(begun) = begun else { return Ok(Turn::NotDue) };
            key = begun;
        }
        let Some(before) = key.previous.as_ref().and_then(|_| key.epoch.checked_sub(1)) else {
            // Somebody else began it and has ended it already.
            return Ok(Turn::NotDue);
        };
        let (mut seen, mut rewrapped) = (0, 0);
        loop {
            let room = limit.saturating_sub(seen).min(BATCH_MAX);
            let some = self.table.of_epoch(tenant, before, room.max(1)).await?;
            if some.is_empty() {
                break;
            }
            if room == 0 {
                return Ok(Turn::UnderWay { rewrapped });
            }
            seen += some.len();
            let open = self.opened(tenant, &key).await?;
            let mut anew = Vec::with_capacity(some.len());
            for (subject, from) in some {
                match open.rewrap(subject, &from, from.version, &*self.provider).await {
                    Ok(to) => anew.push(Rewrap { subject, from, to }),
                    // Somebody else had wrapped the last ones meanwhile. If not, the table is not the one that it was.
                    Err(error) if error.kind() == VaultErrorKind::Destroyed => {
                        if !self.table.of_epoch(tenant, before, 1).await?.is_empty() {
                            return Err(error);
                        }
                        anew.clear();
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
            rewrapped += self.table.rewrap(tenant, anew).await?;
        }
        // No key is of the epoch before, and none can be written under it any more.
        let destroyed = self.provider.destroy(&KeyContext { tenant, epoch: before }).await?;
        self.tenants.forget(tenant);
        let begun_at = key.begun_at.unwrap_or(due.now);
        Ok(Turn::Destroyed { epoch: key.epoch, begun_at, before: destroyed, rewrapped })
    }

    /// Begins the next epoch; returns the tenant's key as it is then, which somebody else may have turned.
    async fn begin_epoch(
        &self,
        tenant: TenantId,
        key: &TenantKey,
        now: DateTime<Utc>,
    ) -> Result<Option<TenantKey>, VaultError> {
        let next = self.opened(tenant, key).await?.next(&*self.provider, now).await?;
        let epoch = next.epoch;
        let there = self.table.swap_tenant(tenant, key, next).await?;
        self.tenants.doubt(tenant);
        if let Some(there) = &there {
            let is_used = (1..=epoch).contains(&there.epoch) || (there.epoch == epoch + 1 && there.previous.is_some());
            if !is_used {
                // We came so late that this epoch is over, or the tenant closed, and may have made something for it again.
                self.provider.destroy(&KeyContext { tenant, epoch }).await?;
            }
        }
        Ok(there)
    }

    pub(super) async fn finish_turn(&self, tenant: TenantId, epoch: u32) -> Result<(), VaultError> {
        let Some(key) = self.table.tenant(tenant).await?.filter(|key| key.epoch == epoch) else { return Ok(()) };
        let Some(before) = key.previous.as_ref().and_then(|_| epoch.checked_sub(1)) else { return Ok(()) };
        // Told too early it must lose nobody's key.
        if self.table.of_epoch(tenant, before, 1).await?.is_empty() {
            self.provider.destroy(&KeyContext { tenant, epoch: before }).await?;
            self.table.swap_tenant(tenant, &key, TenantKey { previous: None, ..key.clone() }).await?;
            self.tenants.forget(tenant);
        }
        Ok(())
    }

    /// Returns a tenant's keys, unwrapped, as they are in `key`.
    async fn opened(&self, tenant: TenantId, key: &TenantKey) -> Result<Arc<OpenTenant>, VaultError> {
        if let Some(open) = self.tenants.last(tenant).filter(|open| open.is(key)) {
            return Ok(open);
        }
        let open = Arc::new(OpenTenant::open(tenant, key, &*self.provider).await?);
        self.tenants.keep(tenant, &open);
        Ok(open)
    }
}
