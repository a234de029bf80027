//! A key table and a key provider of which one call is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use whisp_core::error::Retry;
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::vault::{
    Destroyed, Destruction, KeyContext, KeyProvider, KeyTable, Rewrap, SecretKey, SubjectKey, SubjectKeyState,
    TenantKey, VaultError, VaultErrorKind, WrappedKey,
};

/// Which call is lost.
#[derive(Debug)]
pub(crate) struct Faults {
    left: AtomicUsize,
    after: AtomicBool,
    spent: AtomicBool,
}

impl Default for Faults {
    fn default() -> Self {
        Self { left: AtomicUsize::new(usize::MAX), after: AtomicBool::default(), spent: AtomicBool::default() }
    }
}

impl Faults {
    /// Loses the call before which there are so many: before it has done anything, or only its answer.
    pub(crate) fn fail_at(&self, calls: usize, after: bool) {
        self.after.store(after, Ordering::SeqCst);
        self.left.store(calls, Ordering::SeqCst);
    }

    /// Whether the call came.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::SeqCst)
    }

    async fn around<T>(&self, call: impl Future<Output = Result<T, VaultError>>) -> Result<T, VaultError> {
        let lost = || VaultError::new("a test", VaultErrorKind::Unavailable, Retry::OutcomeUnknown);
        let is_ours = self.left.fetch_sub(1, Ordering::SeqCst) == 0;
        // Whoever has crashed does nothing more.
        if self.is_spent() || (is_ours && !self.after.load(Ordering::SeqCst)) {
            self.spent.store(true, Ordering::SeqCst);
            return Err(lost());
        }
        let answer = call.await;
        if is_ours {
            self.spent.store(true, Ordering::SeqCst);
            return Err(lost());
        }
        answer
    }
}

#[derive(Debug)]
pub(crate) struct FaultyProvider {
    pub(crate) faults: Arc<Faults>,
    pub(crate) inner: Arc<dyn KeyProvider>,
}

#[async_trait]
impl KeyProvider for FaultyProvider {
    async fn wrap(&self, context: &KeyContext, key: &SecretKey) -> Result<WrappedKey, VaultError> {
        self.faults.around(self.inner.wrap(context, key)).await
    }

    async fn unwrap(&self, context: &KeyContext, wrapped: &WrappedKey) -> Result<SecretKey, VaultError> {
        self.faults.around(self.inner.unwrap(context, wrapped)).await
    }

    async fn destroy(&self, context: &KeyContext) -> Result<Destroyed, VaultError> {
        self.faults.around(self.inner.destroy(context)).await
    }

    fn destruction(&self) -> Destruction {
        self.inner.destruction()
    }
}

#[derive(Debug)]
pub(crate) struct FaultyKeys {
    pub(crate) faults: Arc<Faults>,
    pub(crate) inner: Arc<dyn KeyTable>,
}

#[async_trait]
impl KeyTable for FaultyKeys {
    async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantKey>, VaultError> {
        self.faults.around(self.inner.tenant(tenant)).await
    }

    async fn put_tenant(&self, tenant: TenantId, key: TenantKey) -> Result<TenantKey, VaultError> {
        self.faults.around(self.inner.put_tenant(tenant, key)).await
    }

    async fn swap_tenant(
        &self,
        tenant: TenantId,
        from: &TenantKey,
        to: TenantKey,
    ) -> Result<Option<TenantKey>, VaultError> {
        self.faults.around(self.inner.swap_tenant(tenant, from, to)).await
    }

    async fn subject(&self, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, VaultError> {
        self.faults.around(self.inner.subject(tenant, subject)).await
    }

    async fn put_subjects(
        &self,
        tenant: TenantId,
        keys: Vec<(SubjectId, SubjectKey)>,
    ) -> Result<Vec<SubjectKeyState>, VaultError> {
        self.faults.around(self.inner.put_subjects(tenant, keys)).await
    }

    async fn of_epoch(
        &self,
        tenant: TenantId,
        epoch: u32,
        limit: usize,
    ) -> Result<Vec<(SubjectId, SubjectKey)>, VaultError> {
        self.faults.around(self.inner.of_epoch(tenant, epoch, limit)).await
    }

    async fn rewrap(&self, tenant: TenantId, keys: Vec<Rewrap>) -> Result<usize, VaultError> {
        self.faults.around(self.inner.rewrap(tenant, keys)).await
    }

    async fn erase(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        at: DateTime<Utc>,
    ) -> Result<SubjectKeyState, VaultError> {
        self.faults.around(self.inner.erase(tenant, subject, at)).await
    }

    async fn drop_subjects(&self, tenant: TenantId, limit: usize) -> Result<usize, VaultError> {
        self.faults.around(self.inner.drop_subjects(tenant, limit)).await
    }
}
