//! A store that yields, so that a test can drop a future at every one of its calls.

use std::sync::Arc;

use crate::id::{RecordId, TenantId};
use crate::store::{
    Commit, ExpiredQuery, FactPage, FactQuery, Facts, FindQuery, Kind, Lease, ListQuery, OwnRequest, Page,
    PendingQuery, Record, Records, RenewRequest, Store, StoreError, SubjectPage, SubjectQuery, Work, WorkItem,
    WriteBatch,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// Yields before and after each call of the store in it, so that [`cancel_after`](super::cancel_after) drops a future at every
/// one of them, though the store itself never waits.
#[derive(Debug)]
pub struct Yielding(pub Arc<dyn Store>);

/// Yields once, without a runtime's help.
pub async fn pause() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if yielded {
            return std::task::Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

macro_rules! pausing {
    ($call:expr) => {{
        pause().await;
        let outcome = $call.await;
        pause().await;
        outcome
    }};
}

#[async_trait]
impl Records for Yielding {
    async fn commit(&self, batch: WriteBatch) -> Result<Commit, StoreError> {
        pausing!(self.0.commit(batch))
    }
    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError> {
        pausing!(self.0.get(tenant, kind, id))
    }
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        pausing!(self.0.list(query))
    }
    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, StoreError> {
        pausing!(self.0.find(query))
    }
    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, StoreError> {
        pausing!(self.0.of_subject(query))
    }
    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, StoreError> {
        pausing!(self.0.expired(query))
    }
    async fn clear(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        pausing!(self.0.clear(tenant, limit))
    }
}

#[async_trait]
impl Work for Yielding {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError> {
        pausing!(self.0.own(request))
    }
    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError> {
        pausing!(self.0.renew(request))
    }
    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        pausing!(self.0.release(leases))
    }
    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, StoreError> {
        pausing!(self.0.pending(query))
    }
    async fn wait(&self) {
        self.0.wait().await;
    }
}

#[async_trait]
impl Facts for Yielding {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError> {
        pausing!(self.0.scan(query))
    }
    async fn discard(&self, tenant: TenantId, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        pausing!(self.0.discard(tenant, before, limit))
    }
}
