//! Tenants' keys that were used lately.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use whisp_core::id::TenantId;

use super::tenant::OpenTenant;

/// Of how many tenants the keys are kept unwrapped: each costs one call of the key service when it comes back.
const TENANTS_MAX: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// How long an unwrapped key is used before the table is asked whether it is still the one: the key of an epoch that was
/// destroyed elsewhere is out of this memory after this time, as soon as the tenant has anything to do.
const LIFE: Duration = Duration::from_secs(60);

/// The keys of the tenants that were used last.
pub(super) struct Tenants(Mutex<Slots>);

struct Slots {
    keys: LruCache<TenantId, Slot>,
    /// Of these nothing is kept any more.
    closed: BTreeSet<TenantId>,
}

struct Slot {
    open: Arc<OpenTenant>,
    /// `None`: it may no longer be the one.
    read_at: Option<Instant>,
}

impl Tenants {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Slots { keys: LruCache::new(TENANTS_MAX), closed: BTreeSet::new() }))
    }

    /// Returns a tenant's keys where they need not be read again.
    pub(super) fn get(&self, tenant: TenantId) -> Option<Arc<OpenTenant>> {
        let mut slots = self.slots();
        let slot = slots.keys.get(&tenant)?;
        slot.read_at.filter(|read_at| read_at.elapsed() < LIFE).map(|_| Arc::clone(&slot.open))
    }

    /// Returns a tenant's keys as they were read last.
    pub(super) fn last(&self, tenant: TenantId) -> Option<Arc<OpenTenant>> {
        self.slots().keys.peek(&tenant).map(|slot| Arc::clone(&slot.open))
    }

    pub(super) fn keep(&self, tenant: TenantId, open: &Arc<OpenTenant>) {
        let mut slots = self.slots();
        if !slots.closed.contains(&tenant) {
            slots.keys.put(tenant, Slot { open: Arc::clone(open), read_at: Some(Instant::now()) });
        }
    }

    /// Has a tenant's keys read again before they are used.
    pub(super) fn doubt(&self, tenant: TenantId) {
        if let Some(slot) = self.slots().keys.peek_mut(&tenant) {
            slot.read_at = None;
        }
    }

    /// Drops a tenant's keys.
    pub(super) fn forget(&self, tenant: TenantId) {
        self.slots().keys.pop(&tenant);
    }

    /// Drops a tenant's keys and keeps no others from now on.
    pub(super) fn close(&self, tenant: TenantId) {
        let mut slots = self.slots();
        slots.keys.pop(&tenant);
        slots.closed.insert(tenant);
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
