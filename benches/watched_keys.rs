//! A key table that tells how much the store had been written when a key was destroyed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use whisp::id::{SubjectId, TenantId};
use whisp::stores::SqliteKeyTable;
use whisp::vault::{KeyTable, Rewrap, SubjectKey, SubjectKeyState, TenantKey, VaultError};

use crate::watched::Watched;

/// A key table beside a watched store.
#[derive(Debug)]
pub struct WatchedKeys {
    table: SqliteKeyTable,
    store: Arc<Watched>,
    writes: AtomicUsize,
    /// How many durable writes there were, in the store and in here, when a key was destroyed last, that one included.
    destroyed_at: AtomicUsize,
}

impl WatchedKeys {
    /// Watches a key table.
    pub fn new(table: SqliteKeyTable, store: Arc<Watched>) -> Self {
        Self { table, store, writes: AtomicUsize::new(0), destroyed_at: AtomicUsize::new(0) }
    }

    /// Returns which durable write it was, of those since the store was [asked](Watched::take), that destroyed a key last;
    /// counts anew from here.
    pub fn take(&self) -> usize {
        self.writes.store(0, Ordering::Relaxed);
        self.destroyed_at.swap(0, Ordering::Relaxed)
    }

    fn note(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl KeyTable for WatchedKeys {
    async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantKey>, VaultError> {
        self.table.tenant(tenant).await
    }

    async fn put_tenant(&self, tenant: TenantId, key: TenantKey) -> Result<TenantKey, VaultError> {
        self.note();
        self.table.put_tenant(tenant, key).await
    }

    async fn swap_tenant(
        &self,
        tenant: TenantId,
        from: &TenantKey,
        to: TenantKey,
    ) -> Result<Option<TenantKey>, VaultError> {
        self.note();
        self.table.swap_tenant(tenant, from, to).await
    }

    async fn subject(&self, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, VaultError> {
        self.table.subject(tenant, subject).await
    }

    async fn put_subjects(
        &self,
        tenant: TenantId,
        keys: Vec<(SubjectId, SubjectKey)>,
    ) -> Result<Vec<SubjectKeyState>, VaultError> {
        self.note();
        self.table.put_subjects(tenant, keys).await
    }

    async fn of_epoch(
        &self,
        tenant: TenantId,
        epoch: u32,
        limit: usize,
    ) -> Result<Vec<(SubjectId, SubjectKey)>, VaultError> {
        self.table.of_epoch(tenant, epoch, limit).await
    }

    async fn rewrap(&self, tenant: TenantId, keys: Vec<Rewrap>) -> Result<usize, VaultError> {
        self.note();
        self.table.rewrap(tenant, keys).await
    }

    async fn erase(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        at: DateTime<Utc>,
    ) -> Result<SubjectKeyState, VaultError> {
        self.note();
        let before = self.table.erase(tenant, subject, at).await?;
        self.destroyed_at.store(self.store.commits() + self.writes.load(Ordering::Relaxed), Ordering::Relaxed);
        Ok(before)
    }

    async fn drop_subjects(&self, tenant: TenantId, limit: usize) -> Result<usize, VaultError> {
        self.note();
        self.table.drop_subjects(tenant, limit).await
    }
}
