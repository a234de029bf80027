//! Wrapped keys in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::vault::{KeyTable, SubjectKey, SubjectKeyState, TenantKey, VaultError};

/// A [`KeyTable`] in memory: for tests, and for what need not outlive the process. What it holds is "durable" until it
/// is dropped.
#[derive(Debug, Default)]
pub struct MemoryKeyTable(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    tenants: BTreeMap<TenantId, TenantKey>,
    subjects: BTreeMap<(TenantId, SubjectId), SubjectKeyState>,
}

impl MemoryKeyTable {
    /// Makes an empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Every change is one insert, so that a panic elsewhere can't leave half of one.
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

    async fn subject(&self, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, VaultError> {
        Ok(self.tables().subjects.get(&(tenant, subject)).cloned().unwrap_or(SubjectKeyState::Absent))
    }

    async fn put_subjects(
        &self,
        tenant: TenantId,
        keys: Vec<(SubjectId, SubjectKey)>,
    ) -> Result<Vec<SubjectKeyState>, VaultError> {
        let mut tables = self.tables();
        let put =
            |(subject, key)| tables.subjects.entry((tenant, subject)).or_insert(SubjectKeyState::Live(key)).clone();
        Ok(keys.into_iter().map(put).collect())
    }

    async fn erase(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        at: DateTime<Utc>,
    ) -> Result<SubjectKeyState, VaultError> {
        let mut tables = self.tables();
        let state = tables.subjects.entry((tenant, subject)).or_insert(SubjectKeyState::Absent);
        if matches!(state, SubjectKeyState::Erased(_)) {
            return Ok(state.clone());
        }
        Ok(std::mem::replace(state, SubjectKeyState::Erased(at)))
    }
}
