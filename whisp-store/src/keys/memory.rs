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
pub struct MemoryKeyTable(Mutex<BTreeMap<TenantId, Table>>);

/// The keys of a tenant.
#[derive(Debug, Default)]
struct Table {
    tenant: Option<TenantKey>,
    subjects: BTreeMap<SubjectId, SubjectKeyState>,
    epochs: Epochs,
}

impl Table {
    /// Refuses keys that are not of the tenant's epoch.
    fn check_epoch<'a>(
        &self,
        mut keys: impl Iterator<Item = &'a SubjectKey>,
        operation: &'static str,
    ) -> Result<(), VaultError> {
        let epoch = self.tenant.as_ref().map(|key| key.epoch);
        if keys.all(|key| Some(key.epoch) == epoch) { Ok(()) } else { Err(turned(operation)) }
    }
}

/// Whose keys are of which epoch.
type Epochs = BTreeMap<u32, BTreeSet<SubjectId>>;

/// Notes that a subject has no key of an epoch any more.
fn forget(epochs: &mut Epochs, epoch: u32, subject: SubjectId) {
    if let Some(theirs) = epochs.get_mut(&epoch)
        && theirs.remove(&subject)
        && theirs.is_empty()
    {
        epochs.remove(&epoch);
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
        for table in tables.values() {
            if let Some(TenantKey { wrapped, previous, index, .. }) = &table.tenant {
                bytes.extend(
                    [Some(wrapped), previous.as_ref(), Some(index)].into_iter().flatten().flat_map(|key| &key.0),
                );
            }
            for state in table.subjects.values() {
                if let SubjectKeyState::Live(key) = state {
                    bytes.extend(&key.wrapped.0);
                }
            }
        }
        bytes
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<TenantId, Table>> {
        // Nothing between the parts of a change panics, so that no half of one is left behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl KeyTable for MemoryKeyTable {
    async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantKey>, VaultError> {
        Ok(self.tables().get(&tenant).and_then(|table| table.tenant.clone()))
    }

    async fn put_tenant(&self, tenant: TenantId, key: TenantKey) -> Result<TenantKey, VaultError> {
        Ok(self.tables().entry(tenant).or_default().tenant.get_or_insert(key).clone())
    }

    async fn swap_tenant(
        &self,
        tenant: TenantId,
        from: &TenantKey,
        to: TenantKey,
    ) -> Result<Option<TenantKey>, VaultError> {
        let mut tables = self.tables();
        let Some(key) = tables.get_mut(&tenant).and_then(|table| table.tenant.as_mut()) else { return Ok(None) };
        if key == from {
            *key = to;
        }
        Ok(Some(key.clone()))
    }

    async fn subject(&self, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, VaultError> {
        let tables = self.tables();
        let state = tables.get(&tenant).and_then(|table| table.subjects.get(&subject));
        Ok(state.cloned().unwrap_or(SubjectKeyState::Absent))
    }

    async fn put_subjects(
        &self,
        tenant: TenantId,
        keys: Vec<(SubjectId, SubjectKey)>,
    ) -> Result<Vec<SubjectKeyState>, VaultError> {
        let mut tables = self.tables();
        let table = tables.entry(tenant).or_default();
        table.check_epoch(keys.iter().map(|(_, key)| key), "write subjects' keys")?;
        let Table { subjects, epochs, .. } = table;
        let put = |(subject, key): (SubjectId, SubjectKey)| {
            let put = || {
                epochs.entry(key.epoch).or_default().insert(subject);
                SubjectKeyState::Live(key)
            };
            subjects.entry(subject).or_insert_with(put).clone()
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
        let Some(table) = tables.get(&tenant) else { return Ok(Vec::new()) };
        let found = table.epochs.get(&epoch).into_iter().flatten().take(limit);
        let key = |subject: &SubjectId| match table.subjects.get(subject) {
            Some(SubjectKeyState::Live(key)) => Some((*subject, key.clone())),
            _ => None,
        };
        Ok(found.filter_map(key).collect())
    }

    async fn rewrap(&self, tenant: TenantId, keys: Vec<Rewrap>) -> Result<usize, VaultError> {
        let mut tables = self.tables();
        let table = tables.entry(tenant).or_default();
        table.check_epoch(keys.iter().map(|key| &key.to), "wrap subjects' keys anew")?;
        let Table { subjects, epochs, .. } = table;
        let mut replaced = 0;
        for Rewrap { subject, from, to } in keys {
            if let Some(SubjectKeyState::Live(key)) = subjects.get_mut(&subject)
                && *key == from
            {
                forget(epochs, from.epoch, subject);
                epochs.entry(to.epoch).or_default().insert(subject);
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
        let mut tables = self.tables();
        let Table { subjects, epochs, .. } = tables.entry(tenant).or_default();
        let state = subjects.entry(subject).or_insert(SubjectKeyState::Absent);
        if let SubjectKeyState::Erased(_) = state {
            return Ok(state.clone());
        }
        let before = std::mem::replace(state, SubjectKeyState::Erased(at));
        if let SubjectKeyState::Live(key) = &before {
            forget(epochs, key.epoch, subject);
        }
        Ok(before)
    }

    async fn drop_subjects(&self, tenant: TenantId, limit: usize) -> Result<usize, VaultError> {
        let mut tables = self.tables();
        let Some(table) = tables.get_mut(&tenant) else { return Ok(0) };
        if table.tenant.as_ref().and_then(TenantKey::erased_at).is_none() {
            return Ok(0);
        }
        let mut dropped = 0;
        while dropped < limit
            && let Some((subject, state)) = table.subjects.pop_first()
        {
            if let SubjectKeyState::Live(key) = state {
                forget(&mut table.epochs, key.epoch, subject);
            }
            dropped += 1;
        }
        Ok(dropped)
    }
}
