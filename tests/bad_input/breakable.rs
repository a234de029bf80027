//! A store that fails when told: before a commit, or after it, when only its answer is lost.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use whisp::error::Retry;
use whisp::id::{RecordId, TenantId};
use whisp::store::{
    Commit, ExpiredQuery, FactPage, FactQuery, Facts, FindQuery, Kind, Lease, ListQuery, OwnRequest, Page,
    PendingQuery, Record, Records, RenewRequest, Store, StoreError, StoreErrorKind, SubjectPage, SubjectQuery, Work,
    WorkItem, WriteBatch,
};

/// How the next commits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Nothing is written.
    Down,
    /// It is written, and nobody hears of it.
    Mute,
}

#[derive(Debug)]
pub(crate) struct Breakable {
    inner: Arc<dyn Store>,
    mood: Mutex<Mood>,
}

impl Breakable {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, mood: Mutex::new(Mood::Well) }
    }

    pub(crate) fn become_(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

fn failed(retry: Retry) -> StoreError {
    StoreError::new("commit", StoreErrorKind::Unavailable, retry).with_advice("check the disk")
}

#[async_trait]
impl Records for Breakable {
    async fn commit(&self, batch: WriteBatch) -> Result<Commit, StoreError> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => self.inner.commit(batch).await,
            Mood::Down => Err(failed(Retry::After(None))),
            Mood::Mute => {
                drop(self.inner.commit(batch).await?);
                Err(failed(Retry::OutcomeUnknown))
            }
        }
    }

    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError> {
        self.inner.get(tenant, kind, id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.inner.list(query).await
    }

    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, StoreError> {
        self.inner.find(query).await
    }

    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, StoreError> {
        self.inner.of_subject(query).await
    }

    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, StoreError> {
        self.inner.expired(query).await
    }
}

#[async_trait]
impl Work for Breakable {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError> {
        self.inner.own(request).await
    }

    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError> {
        self.inner.renew(request).await
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        self.inner.release(leases).await
    }

    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, StoreError> {
        self.inner.pending(query).await
    }

    async fn wait(&self) {
        self.inner.wait().await;
    }
}

#[async_trait]
impl Facts for Breakable {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError> {
        self.inner.scan(query).await
    }
}
