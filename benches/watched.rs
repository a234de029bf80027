//! A store that counts what is asked of it, so that a bench can say where its time goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::watch;
use whisp::id::{RecordId, TenantId};
use whisp::kpi::{Actor, FactKind};
use whisp::store::{
    Commit, ExpiredQuery, FactPage, FactQuery, Facts, FindQuery, Kind, Lease, ListQuery, OwnRequest, Page,
    PendingQuery, Record, Records, RenewRequest, Store, StoreError, SubjectPage, SubjectQuery, Work, WorkItem,
    WriteBatch, WriteOp,
};

/// What came of the calls of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// How many there were.
    pub calls: usize,
    /// How many rows they read; of a commit how many operations it had.
    pub rows: usize,
    /// How long they took, all together. Calls run beside one another, so this may be longer than the bench.
    pub waited: Duration,
}

/// A call, and of what kind of record.
type Call = (&'static str, &'static str);

/// A store that counts what is asked of it, and the answers of engines that are noted as sent.
#[derive(Debug)]
pub struct Watched {
    store: Arc<dyn Store>,
    tallies: Mutex<BTreeMap<Call, Tally>>,
    answered: watch::Sender<usize>,
}

impl Watched {
    /// Watches a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, tallies: Mutex::default(), answered: watch::Sender::new(0) }
    }

    /// Counts the answers of engines that went out: each is durable by then.
    #[must_use]
    pub fn answered(&self) -> watch::Receiver<usize> {
        self.answered.subscribe()
    }

    /// Returns what was asked since the last time, the longest first.
    pub fn take(&self) -> Vec<(String, Tally)> {
        let tallies = std::mem::take(&mut *self.tallies.lock().unwrap_or_else(PoisonError::into_inner));
        let name = |(call, kind): Call| if kind.is_empty() { call.to_owned() } else { format!("{call} {kind}") };
        let mut all: Vec<_> = tallies.into_iter().map(|(call, tally)| (name(call), tally)).collect();
        all.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.waited));
        all
    }

    /// Returns how many commits were done since the last time that somebody [took](Self::take) what was asked.
    pub fn commits(&self) -> usize {
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.iter().filter(|((call, _), _)| *call == "commit").map(|(_, tally)| tally.calls).sum()
    }

    fn note(&self, call: Call, rows: usize, began: Instant) {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = tallies.entry(call).or_default();
        tally.calls += 1;
        tally.rows += rows;
        tally.waited += began.elapsed();
    }
}

/// What a batch is for, by what it does first to a message.
fn purpose(batch: &WriteBatch) -> &'static str {
    let has = |wanted: fn(&WriteOp) -> bool| batch.ops.iter().any(wanted);
    let out = |op: &WriteOp| matches!(op, WriteOp::Append(fact) if fact.kind == FactKind::MessageOut);
    if has(|op| matches!(op, WriteOp::Remember { .. })) {
        "ingest"
    } else if has(out) {
        "sent"
    } else if has(|op| matches!(op, WriteOp::Enqueue(_))) {
        "decided"
    } else if has(|op| matches!(op, WriteOp::Put(record) if record.kind == Kind::MESSAGE)) {
        "sending"
    } else {
        "other"
    }
}

#[async_trait]
impl Records for Watched {
    async fn commit(&self, batch: WriteBatch) -> Result<Commit, StoreError> {
        let (began, rows, purpose) = (Instant::now(), batch.ops.len(), purpose(&batch));
        let answer = |op: &&WriteOp| matches!(op, WriteOp::Append(fact) if fact.kind == FactKind::MessageOut && fact.actor == Actor::Engine);
        let answers = batch.ops.iter().filter(answer).count();
        let commit = self.store.commit(batch).await?;
        if commit == Commit::Done {
            self.note(("commit", purpose), rows, began);
            if answers > 0 {
                self.answered.send_modify(|answered| *answered += answers);
            }
        } else {
            self.note(("refused commit", purpose), rows, began);
        }
        Ok(commit)
    }

    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError> {
        let began = Instant::now();
        let record = self.store.get(tenant, kind, id).await?;
        self.note(("get", kind.name()), usize::from(record.is_some()), began);
        Ok(record)
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let began = Instant::now();
        let page = self.store.list(query).await?;
        self.note(("list", query.kind.name()), page.records.len(), began);
        Ok(page)
    }

    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, StoreError> {
        let began = Instant::now();
        let records = self.store.find(query).await?;
        self.note(("find", query.kind.name()), records.len(), began);
        Ok(records)
    }

    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, StoreError> {
        let began = Instant::now();
        let page = self.store.of_subject(query).await?;
        self.note(("of_subject", ""), page.records.len(), began);
        Ok(page)
    }

    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, StoreError> {
        self.store.expired(query).await
    }

    async fn clear(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        self.store.clear(tenant, limit).await
    }
}

#[async_trait]
impl Work for Watched {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError> {
        let began = Instant::now();
        let leases = self.store.own(request).await?;
        self.note(("own", ""), leases.len(), began);
        Ok(leases)
    }

    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError> {
        let began = Instant::now();
        let leases = self.store.renew(request).await?;
        self.note(("renew", ""), leases.len(), began);
        Ok(leases)
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        let began = Instant::now();
        self.store.release(leases).await?;
        self.note(("release", ""), leases.len(), began);
        Ok(())
    }

    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, StoreError> {
        let began = Instant::now();
        let items = self.store.pending(query).await?;
        self.note(("pending", ""), items.len(), began);
        Ok(items)
    }

    async fn wait(&self) {
        self.store.wait().await;
    }
}

#[async_trait]
impl Facts for Watched {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError> {
        self.store.scan(query).await
    }

    async fn discard(&self, tenant: TenantId, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        self.store.discard(tenant, before, limit).await
    }
}
