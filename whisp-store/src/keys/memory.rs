//! Wrapped keys in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::vault::{KeyTable, Rewrap, SubjectKey, SubjectKeyState, TenantKey, VaultError};

use super::turned;

/// A [`KeyTable`] in memory: for tests, and for what need not outlive the process. What it holds is "durable" until it
/// is dropped.
#[derive(Debug, Default)]
pub struct MemoryKeyTable(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    tenants: BTreeMap<TenantId, TenantKey>,
    subjects: BTreeMap<(TenantId, SubjectId), SubjectKeyState>,
    /// Whose keys are of which epoch.
    epochs: BTreeSet<(TenantId, u32, SubjectId)>,
}

impl Tables {
    /// Refuses keys that are not of the tenant's epoch.
    fn check_epoch<'a>(
        &self,
        tenant: TenantId,
        mut keys: impl Iterator<Item = &'a SubjectKey>,
        operation: &'static str,
    ) -> Result<(), VaultError> {
        let epoch = self.tenants.get(&tenant).map(|key| key.epoch);
        if keys.all(|key| Some(key.epoch) == epoch) { Ok(()) } else { Err(turned(operation)) }
    }
}

impl MemoryKeyTable {
    /// Makes an empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all that it holds, for whoever looks for something in it.
    #[cfg(feature = "conformance")]
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let tables = self.tables();
        let mut bytes = format!("{:?}", *tables).into_bytes();
        for TenantKey { wrapped, previous, index, .. } in tables.tenants.values() {
            bytes.extend([Some(wrapped), previous.as_ref(), Some(index)].into_iter().flatten().flat_map(|key| &key.0));
        }
        for state in tables.subjects.values() {
            if let SubjectKeyState::Live(key) = state {
                bytes.extend(&key.wrapped.0);
            }
        }
        bytes
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Nothing between the parts of a change panics, so that no half of one is left behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeyTable for MemoryKeyTable {
    async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantKey>, VaultError> {
        Ok(self.tables().tenants.get(&tenant).cloned())
    }

    async fn put_tenant(&self, tenant: TenantId, key: TenantKey) -> Result<TenantKey, VaultError> {
        Ok(self.tables().tenants.entry(tenant).or_insert(key).clone())
    }

    async fn swap_tenant(
        &self,
        tenant: TenantId,
        from: &TenantKey,
        to: TenantKey,
    ) -> Result<Option<TenantKey>, VaultError> {
        let mut tables = self.tables();
        let Some(key) = tables.tenants.get_mut(&tenant) else { return Ok(None) };
        if key == from {
            *key = to;
        }
        Ok(Some(key.clone()))
    }

    async fn subject(&self, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, VaultError> {
        Ok(self.tables().subjects.get(&(tenant, subject)).cloned().unwrap_or(SubjectKeyState::Absent))
    }

    async fn put_subjects(
        &self,
        tenant: TenantId,
        keys: Vec<(SubjectId, SubjectKey)>,
    ) -> Result<Vec<SubjectKeyState>, VaultError> {
        let mut guard = self.tables();
        guard.check_epoch(tenant, keys.iter().map(|(_, key)| key), "write subjects' keys")?;
        let Tables { subjects, epochs, .. } = &mut *guard;
        let put = |(subject, key): (SubjectId, SubjectKey)| {
            let put = || {
                epochs.insert((tenant, key.epoch, subject));
                SubjectKeyState::Live(key)
            };
            subjects.entry((tenant, subject)).or_insert_with(put).clone()
        };
        Ok(keys.into_iter().map(put).collect())
    }

    async fn of_epoch(
        &self,
        tenant: TenantId,
        epoch: u32,
        limit: usize,
    ) -> Result<Vec<(SubjectId, SubjectKey)>, VaultError> {
        let tables = self.tables();
        let (first, last) = (SubjectId::from_bytes([0; 16]), SubjectId::from_bytes([0xff; 16]));
        let found = tables.epochs.range((tenant, epoch, first)..=(tenant, epoch, last)).take(limit);
        let key = |&(_, _, subject): &(TenantId, u32, SubjectId)| match tables.subjects.get(&(tenant, subject)) {
            Some(SubjectKeyState::Live(key)) => Some((subject, key.clone())),
            _ => None,
        };
        Ok(found.filter_map(key).collect())
    }

    async fn rewrap(&self, tenant: TenantId, keys: Vec<Rewrap>) -> Result<usize, VaultError> {
        let mut guard = self.tables();
        guard.check_epoch(tenant, keys.iter().map(|key| &key.to), "wrap subjects' keys anew")?;
        let Tables { subjects, epochs, .. } = &mut *guard;
        let mut replaced = 0;
        for Rewrap { subject, from, to } in keys {
            if let Some(SubjectKeyState::Live(key)) = subjects.get_mut(&(tenant, subject))
                && *key == from
            {
                epochs.remove(&(tenant, key.epoch, subject));
                epochs.insert((tenant, to.epoch, subject));
                *key = to;
                replaced += 1;
            }
        }
        Ok(replaced)
    }

    async fn erase(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        at: DateTime<Utc>,
    ) -> Result<SubjectKeyState, VaultError> {
        let mut guard = self.tables();
        let Tables { subjects, epochs, .. } = &mut *guard;
        let state = subjects.entry((tenant, subject)).or_insert(SubjectKeyState::Absent);
        match state {
            SubjectKeyState::Erased(_) => return Ok(state.clone()),
            SubjectKeyState::Live(key) => drop(epochs.remove(&(tenant, key.epoch, subject))),
            SubjectKeyState::Absent => {}
        }
        Ok(std::mem::replace(state, SubjectKeyState::Erased(at)))
    }

    async fn drop_subjects(&self, tenant: TenantId, limit: usize) -> Result<usize, VaultError> {
        let mut tables = self.tables();
        if tables.tenants.get(&tenant).and_then(TenantKey::erased_at).is_none() {
            return Ok(0);
        }
        let (first, last) = (SubjectId::from_bytes([0; 16]), SubjectId::from_bytes([0xff; 16]));
        let theirs = tables.subjects.range((tenant, first)..=(tenant, last)).take(limit);
        let theirs: Vec<_> = theirs.map(|(key, _)| *key).collect();
        for key in &theirs {
            if let Some(SubjectKeyState::Live(live)) = tables.subjects.remove(key) {
                tables.epochs.remove(&(tenant, live.epoch, key.1));
            }
        }
        Ok(theirs.len())
    }
}
