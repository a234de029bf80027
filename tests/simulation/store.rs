//! A store that fails before or after it has done what it was asked, and takes its time.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use whisp::error::Retry;
use whisp::id::{RecordId, TenantId};
use whisp::store::{
    Commit, ExpiredQuery, FactPage, FactQuery, Facts, FindQuery, Kind, Lease, ListQuery, OwnRequest, Page,
    PendingQuery, Record, Records, RenewRequest, Store, StoreError, StoreErrorKind, SubjectPage, SubjectQuery, Work,
    WorkItem, WriteBatch,
};

use crate::executor::block_on;
use crate::mutation::{self, Mutation};
use crate::sim::Sim;

/// One call in so many fails.
const FAILS: usize = 150;

#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) sim: Arc<Sim>,
    pub(crate) inner: Arc<dyn Store>,
}

impl Faulty {
    fn refuses(&self, call: &'static str) -> Result<(), StoreError> {
        if self.sim.fault(FAILS, "store: errors") {
            return Err(StoreError::new(call, StoreErrorKind::Unavailable, Retry::After(None)));
        }
        Ok(())
    }

    fn forgets_answer(&self, call: &'static str) -> Result<(), StoreError> {
        if self.sim.fault(FAILS, "store: answers lost") {
            return Err(StoreError::new(call, StoreErrorKind::Unavailable, Retry::OutcomeUnknown));
        }
        Ok(())
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.sim.mutation == Some(mutation)
    }
}

/// A call: a while, perhaps an error, the call itself in one poll (a store with threads of its own must not decide the
/// order), a while.
macro_rules! faulty {
    ($self:ident, $name:literal, $call:expr) => {{
        $self.sim.delay(1).await;
        $self.refuses($name)?;
        let outcome = block_on($call);
        $self.sim.delay(1).await;
        outcome
    }};
}

#[async_trait]
impl Records for Faulty {
    async fn commit(&self, batch: WriteBatch) -> Result<Commit, StoreError> {
        self.sim.delay(2).await;
        self.refuses("commit")?;
        self.sim.count("commits");
        let outcome = block_on(mutation::commit(&self.sim, &*self.inner, batch))?;
        self.forgets_answer("commit")?;
        self.sim.delay(2).await;
        Ok(outcome)
    }
    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError> {
        faulty!(self, "get", self.inner.get(tenant, kind, id))
    }
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let mut page = faulty!(self, "list", self.inner.list(query))?;
        if self.is(Mutation::ForgetsConsent) && query.kind == Kind::CONSENT {
            page.records.clear();
        }
        Ok(page)
    }
    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, StoreError> {
        faulty!(self, "find", self.inner.find(query))
    }
    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, StoreError> {
        let mut page = faulty!(self, "of_subject", self.inner.of_subject(query))?;
        if self.is(Mutation::ErasesNothing) {
            page.records.clear();
        }
        Ok(page)
    }
    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, StoreError> {
        faulty!(self, "expired", self.inner.expired(query))
    }

    async fn clear(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        faulty!(self, "clear", self.inner.clear(tenant, limit))
    }
}

#[async_trait]
impl Work for Faulty {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError> {
        let outcome = faulty!(self, "own", self.inner.own(request))?;
        self.forgets_answer("own")?;
        Ok(outcome)
    }
    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError> {
        let outcome = faulty!(self, "renew", self.inner.renew(request))?;
        self.forgets_answer("renew")?;
        Ok(outcome)
    }
    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        faulty!(self, "release", self.inner.release(leases))?;
        self.forgets_answer("release")
    }
    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, StoreError> {
        let mut items = faulty!(self, "pending", self.inner.pending(query))?;
        if self.is(Mutation::TurnsOrderAround) {
            items = mutation::later_first(items);
        }
        Ok(items)
    }
    async fn wait(&self) {
        self.inner.wait().await;
    }
}

#[async_trait]
impl Facts for Faulty {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError> {
        faulty!(self, "scan", self.inner.scan(query))
    }

    async fn discard(&self, tenant: TenantId, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        faulty!(self, "discard", self.inner.discard(tenant, before, limit))
    }
}
