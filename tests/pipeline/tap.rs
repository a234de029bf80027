//! A store that asks before each commit how it goes, tells of each that is done, and notes it; and that can lose the way
//! to records of a kind.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use whisp::error::Retry;
use whisp::id::{RecordId, TenantId};
use whisp::store::{
    Commit, ExpiredQuery, FactPage, FactQuery, Facts, FindQuery, Kind, Lease, ListQuery, OwnRequest, Page,
    PendingQuery, Record, Records, RenewRequest, Store, StoreError, StoreErrorKind, SubjectPage, SubjectQuery, Work,
    WorkItem, WriteBatch, WriteOp,
};
use whisp::stores::MemoryStore;

/// How a commit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// Nothing is written.
    Lost,
    /// Nothing is written, and the store says that it never will be: somebody took its rights away.
    Refused,
    /// It is written, and nobody hears of it.
    Mute,
}

type Ask = Box<dyn FnMut(&WriteBatch) -> Fate + Send>;
type Tell = Box<dyn FnMut(&WriteBatch) + Send>;

pub(crate) struct Tap {
    inner: MemoryStore,
    ask: Mutex<Ask>,
    tell: Mutex<Tell>,
    done: Mutex<Vec<WriteBatch>>,
    unreadable: Mutex<Option<Kind>>,
    keeps_leases: AtomicBool,
    renewed: AtomicUsize,
}

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tap")
    }
}

impl Tap {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(),
            ask: Mutex::new(Box::new(|_| Fate::Done)),
            tell: Mutex::new(Box::new(|_| ())),
            done: Mutex::default(),
            unreadable: Mutex::default(),
            keeps_leases: AtomicBool::default(),
            renewed: AtomicUsize::default(),
        })
    }

    pub(crate) fn ask(&self, ask: impl FnMut(&WriteBatch) -> Fate + Send + 'static) {
        *self.ask.lock().unwrap() = Box::new(ask);
    }

    /// From now on no lease can be given back.
    pub(crate) fn keep_leases(&self) {
        self.keeps_leases.store(true, Ordering::Relaxed);
    }

    /// How many leases were renewed.
    pub(crate) fn renewed(&self) -> usize {
        self.renewed.load(Ordering::Relaxed)
    }

    /// Is told of each commit in the moment in which it is done.
    pub(crate) fn tell(&self, tell: impl FnMut(&WriteBatch) + Send + 'static) {
        *self.tell.lock().unwrap() = Box::new(tell);
    }

    pub(crate) fn heal(&self) {
        self.ask(|_| Fate::Done);
    }

    /// From now on records of this kind can't be read; of no kind is that so with `None`.
    pub(crate) fn lose(&self, kind: Option<Kind>) {
        *self.unreadable.lock().unwrap() = kind;
    }

    fn check(&self, kind: Kind) -> Result<(), StoreError> {
        if *self.unreadable.lock().unwrap() == Some(kind) {
            return Err(StoreError::new("read", StoreErrorKind::Unavailable, Retry::After(None)));
        }
        Ok(())
    }

    /// What was committed so far.
    pub(crate) fn done(&self) -> Vec<WriteBatch> {
        self.done.lock().unwrap().clone()
    }

    pub(crate) fn store(self: &Arc<Self>) -> Arc<dyn Store> {
        Arc::clone(self) as _
    }
}

/// The records of a kind that a batch puts.
pub(crate) fn puts(batch: &WriteBatch, kind: Kind) -> impl Iterator<Item = &Record> {
    batch.ops.iter().filter_map(move |op| match op {
        WriteOp::Put(record) if record.kind == kind => Some(record),
        _ => None,
    })
}

#[async_trait]
impl Records for Tap {
    async fn commit(&self, batch: WriteBatch) -> Result<Commit, StoreError> {
        let fate = (self.ask.lock().unwrap())(&batch);
        let lost = |retry| StoreError::new("commit", StoreErrorKind::Unavailable, retry).with_advice("check the disk");
        if fate == Fate::Lost {
            return Err(lost(Retry::After(None)));
        }
        if fate == Fate::Refused {
            return Err(StoreError::new("commit", StoreErrorKind::PermissionDenied, Retry::Never));
        }
        let commit = self.inner.commit(batch.clone()).await?;
        if commit == Commit::Done {
            (self.tell.lock().unwrap())(&batch);
            self.done.lock().unwrap().push(batch);
        }
        if fate == Fate::Mute { Err(lost(Retry::OutcomeUnknown)) } else { Ok(commit) }
    }

    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError> {
        self.check(kind)?;
        self.inner.get(tenant, kind, id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.check(query.kind)?;
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

    async fn clear(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        self.inner.clear(tenant, limit).await
    }
}

#[async_trait]
impl Work for Tap {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError> {
        self.inner.own(request).await
    }

    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError> {
        let renewed = self.inner.renew(request).await?;
        self.renewed.fetch_add(renewed.len(), Ordering::Relaxed);
        Ok(renewed)
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        if self.keeps_leases.load(Ordering::Relaxed) {
            return Err(StoreError::new("release", StoreErrorKind::Unavailable, Retry::After(None)));
        }
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
impl Facts for Tap {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError> {
        self.inner.scan(query).await
    }

    async fn discard(&self, tenant: TenantId, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        self.inner.discard(tenant, before, limit).await
    }
}
