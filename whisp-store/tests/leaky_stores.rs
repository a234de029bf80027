//! Stores that break a promise in one method, one operation or one expectation only: the cases that go through all of them
//! find each.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use whisp_core::error::Retry;
use whisp_core::id::{FactId, RecordId, TenantId, WorkId, WorkerId};
use whisp_core::kpi::{Actor, Fact, FactKind};
use whisp_core::store::{
    Bucket, Clear, Commit, DedupKey, Expect, ExpiredQuery, FactCursor, FactPage, FactQuery, Facts, Fence, FindQuery,
    Kind, Lease, ListQuery, OwnRequest, Page, PendingQuery, Record, Records, RenewRequest, StoreError, StoreErrorKind,
    SubjectCursor, SubjectPage, SubjectQuery, Work, WorkItem, WorkKey, WriteBatch, WriteOp,
};
use whisp_store::MemoryStore;
use whisp_store::conformance::{CASES, Method};

/// What is broken, and where alone.
#[derive(Debug, Clone, PartialEq)]
enum Leak {
    /// The method answers with what is another tenant's, or changes it.
    MixesTenants(Method),
    /// An operation like this one is done for every tenant.
    DoesForAll(WriteOp),
    /// An expectation like this one holds if it does for any tenant.
    HoldsForAny(Expect),
    /// Whoever drops a call of the method keeps a place that all calls need.
    KeepsItsPlace(Method),
    /// A dropped call of the method is done by a part, or for ever.
    DoesByHalves(Method),
    /// The method goes on after so many rows, not after the last one.
    PagesByCount(Method),
}

/// How many calls may be under way.
const PLACES: usize = 4;

/// A memory store with a leak.
#[derive(Debug)]
struct Leaky {
    inner: MemoryStore,
    leak: Leak,
    tenants: Mutex<BTreeSet<TenantId>>,
    places: AtomicUsize,
    /// How many rows stood before the end of each page that was given.
    counts: Mutex<BTreeMap<String, usize>>,
}

/// A place that comes back when it is dropped, as it should be.
struct Place<'s>(&'s AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Leaky {
    fn new(leak: Leak) -> Self {
        let (tenants, places, counts) = (Mutex::default(), AtomicUsize::new(PLACES), Mutex::default());
        Self { inner: MemoryStore::new(), leak, tenants, places, counts }
    }

    /// Takes a place for as long as a call takes.
    async fn enter(&self, method: Method) -> Result<Place<'_>, StoreError> {
        let take = |places: usize| places.checked_sub(1);
        if self.places.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Err(StoreError::new("wait for a place", StoreErrorKind::Unavailable, Retry::After(None)));
        }
        if self.leak == Leak::KeepsItsPlace(method) {
            tokio::task::yield_now().await;
        }
        Ok(Place(&self.places))
    }

    fn halves(&self, method: Method) -> bool {
        self.leak == Leak::DoesByHalves(method)
    }

    fn others(&self, tenant: TenantId) -> Vec<TenantId> {
        self.tenants.lock().unwrap().iter().copied().filter(|other| *other != tenant).collect()
    }

    /// Of whom the method reads: the tenant, and then whoever else.
    fn asked(&self, method: Method, tenant: TenantId) -> Vec<TenantId> {
        let others = if self.leak == Leak::MixesTenants(method) { self.others(tenant) } else { Vec::new() };
        [tenant].into_iter().chain(others).collect()
    }

    /// With the same leases of every other tenant, where the method mixes them.
    fn mixed(&self, method: Method, leases: &[Lease]) -> Vec<Lease> {
        let all = leases
            .iter()
            .flat_map(|lease| self.asked(method, lease.tenant).into_iter().map(|tenant| Lease { tenant, ..*lease }));
        all.collect()
    }

    fn counts(&self, method: Method) -> bool {
        self.leak == Leak::PagesByCount(method)
    }

    /// How many rows to leave out.
    fn count(&self, place: &str) -> usize {
        self.counts.lock().unwrap().get(place).copied().unwrap_or(0)
    }

    fn note(&self, place: String, count: usize) {
        self.counts.lock().unwrap().insert(place, count);
    }

    async fn holds(&self, tenant: TenantId, expect: &Expect) -> Result<bool, StoreError> {
        Ok(self.inner.commit(WriteBatch::new(tenant).expect(expect.clone())).await? == Commit::Done)
    }
}

#[async_trait]
impl Records for Leaky {
    async fn commit(&self, mut batch: WriteBatch) -> Result<Commit, StoreError> {
        let _place = self.enter(Method::Commit).await?;
        self.tenants.lock().unwrap().insert(batch.tenant);
        let others = self.others(batch.tenant);
        if let Leak::HoldsForAny(like) = &self.leak {
            let mut left = Vec::new();
            for expect in &batch.expects {
                let mut holds = false;
                if discriminant(expect) == discriminant(like) {
                    for other in &others {
                        holds |= self.holds(*other, expect).await?;
                    }
                }
                left.extend((!holds).then(|| expect.clone()));
            }
            batch.expects = left;
        }
        let (ops, commit) = (batch.ops.clone(), self.inner.commit(batch).await?);
        if let Leak::DoesForAll(like) = &self.leak
            && commit == Commit::Done
        {
            for op in ops.iter().filter(|op| discriminant(*op) == discriminant(like)) {
                for other in &others {
                    // Where it is not possible, it is not done.
                    let _done = self.inner.commit(WriteBatch::new(*other).op(op.clone())).await?;
                }
            }
        }
        Ok(commit)
    }

    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError> {
        let _place = self.enter(Method::Get).await?;
        for tenant in self.asked(Method::Get, tenant) {
            let record = self.inner.get(tenant, kind, id).await?;
            if record.is_some() {
                return Ok(record);
            }
        }
        Ok(None)
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let _place = self.enter(Method::List).await?;
        if self.counts(Method::List) {
            let all = ListQuery { after: None, limit: 1_000, ..query.clone() };
            let place = |cursor| format!("{all:?} {cursor:?}");
            let before = query.after.map_or(0, |after| self.count(&place(after)));
            let rest = self.inner.list(&all).await?.records.split_off(before);
            let page = Page::cut(rest, query.limit);
            page.next.inspect(|next| self.note(place(*next), before + page.records.len()));
            return Ok(page);
        }
        for tenant in self.asked(Method::List, query.tenant) {
            let page = self.inner.list(&ListQuery { tenant, ..query.clone() }).await?;
            if !page.records.is_empty() {
                return Ok(page);
            }
        }
        Ok(Page::default())
    }

    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, StoreError> {
        let _place = self.enter(Method::Find).await?;
        let mut found = Vec::new();
        for tenant in self.asked(Method::Find, query.tenant) {
            found.extend(self.inner.find(&FindQuery { tenant, ..query.clone() }).await?);
        }
        Ok(found)
    }

    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, StoreError> {
        let _place = self.enter(Method::OfSubject).await?;
        if self.counts(Method::OfSubject) {
            let all = SubjectQuery { after: None, limit: 1_000, ..query.clone() };
            let place = |cursor: SubjectCursor| format!("{all:?} {cursor:?}");
            let before = query.after.map_or(0, |after| self.count(&place(after)));
            let mut records = self.inner.of_subject(&all).await?.records;
            let rest = records.split_off(before.min(records.len()));
            let page = SubjectPage::cut(rest, query.limit);
            page.next.inspect(|next| self.note(place(*next), before + page.records.len()));
            return Ok(page);
        }
        for tenant in self.asked(Method::OfSubject, query.tenant) {
            let page = self.inner.of_subject(&SubjectQuery { tenant, ..query.clone() }).await?;
            if !page.records.is_empty() {
                return Ok(page);
            }
        }
        Ok(SubjectPage::default())
    }

    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, StoreError> {
        let _place = self.enter(Method::Expired).await?;
        let mut expired = Vec::new();
        for tenant in self.asked(Method::Expired, query.tenant) {
            expired.extend(self.inner.expired(&ExpiredQuery { tenant, ..query.clone() }).await?);
        }
        Ok(expired)
    }

    async fn clear(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        let _place = self.enter(Method::Clear).await?;
        let mut removed = 0;
        for tenant in self.asked(Method::Clear, tenant) {
            removed += self.inner.clear(tenant, limit).await?;
        }
        Ok(removed)
    }
}

#[async_trait]
impl Work for Leaky {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError> {
        let _place = self.enter(Method::Own).await?;
        if self.halves(Method::Own) {
            let leases = self.inner.own(&OwnRequest { until: DateTime::<Utc>::MAX_UTC, ..*request }).await?;
            tokio::task::yield_now().await;
            return self.inner.renew(&RenewRequest { leases, now: request.now, until: request.until }).await;
        }
        let mut leases = self.inner.own(request).await?;
        if self.leak == Leak::MixesTenants(Method::Own) {
            // A bucket is a bucket, whosever.
            let mut buckets = BTreeSet::new();
            leases.retain(|lease| buckets.insert(lease.bucket));
        }
        Ok(leases)
    }

    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError> {
        let _place = self.enter(Method::Renew).await?;
        if self.halves(Method::Renew) {
            let mut renewed = Vec::new();
            for lease in &request.leases {
                renewed.extend(self.inner.renew(&RenewRequest { leases: vec![*lease], ..request.clone() }).await?);
                tokio::task::yield_now().await;
            }
            return Ok(renewed);
        }
        let leases = self.mixed(Method::Renew, &request.leases);
        let mut renewed = self.inner.renew(&RenewRequest { leases, ..request.clone() }).await?;
        let asked = |lease: &Lease| {
            request.leases.iter().any(|asked| (asked.tenant, asked.bucket) == (lease.tenant, lease.bucket))
        };
        renewed.retain(asked);
        Ok(renewed)
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        let _place = self.enter(Method::Release).await?;
        if self.halves(Method::Release) {
            for lease in leases {
                self.inner.release(&[*lease]).await?;
                tokio::task::yield_now().await;
            }
            return Ok(());
        }
        self.inner.release(&self.mixed(Method::Release, leases)).await
    }

    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, StoreError> {
        let _place = self.enter(Method::Pending).await?;
        if self.counts(Method::Pending) {
            let all = PendingQuery { after: None, limit: 1_000, ..query.clone() };
            let place = |key: WorkKey| format!("{all:?} {key:?}");
            let before = query.after.map_or(0, |after| self.count(&place(after)));
            let mut items = self.inner.pending(&all).await?;
            let mut rest = items.split_off(before.min(items.len()));
            rest.truncate(query.limit);
            rest.last().inspect(|last| self.note(place(last.key), before + rest.len()));
            return Ok(rest);
        }
        let mut items = Vec::new();
        for tenant in self.asked(Method::Pending, query.tenant) {
            items.extend(self.inner.pending(&PendingQuery { tenant, ..query.clone() }).await?);
        }
        Ok(items)
    }

    async fn wait(&self) {
        let Ok(_place) = self.enter(Method::Wait).await else { return };
        if self.leak == Leak::MixesTenants(Method::Wait) {
            let (worker, now) = (WorkerId::from_bytes([0; 16]), DateTime::<Utc>::MAX_UTC);
            drop(self.inner.own(&OwnRequest { worker, limit: 9, now, due_by: now, until: now }).await);
        }
        self.inner.wait().await;
    }
}

#[async_trait]
impl Facts for Leaky {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError> {
        let _place = self.enter(Method::Scan).await?;
        if self.counts(Method::Scan) {
            let all = FactQuery { after: None, limit: 1_000, ..query.clone() };
            let place = |cursor: FactCursor| format!("{all:?} {cursor:?}");
            let before = query.after.map_or(0, |after| self.count(&place(after)));
            let mut facts = self.inner.scan(&all).await?.facts;
            let rest = facts.split_off(before.min(facts.len()));
            let page = FactPage::cut(rest, query.limit);
            page.next.inspect(|next| self.note(place(*next), before + page.facts.len()));
            return Ok(page);
        }
        for tenant in self.asked(Method::Scan, query.tenant) {
            let page = self.inner.scan(&FactQuery { tenant, ..query.clone() }).await?;
            if !page.facts.is_empty() {
                return Ok(page);
            }
        }
        Ok(FactPage::default())
    }

    async fn discard(&self, tenant: TenantId, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        let _place = self.enter(Method::Discard).await?;
        if self.halves(Method::Discard) {
            let mut removed = 0;
            while removed < limit && self.inner.discard(tenant, before, 1).await? == 1 {
                removed += 1;
                tokio::task::yield_now().await;
            }
            return Ok(removed);
        }
        let mut removed = 0;
        for tenant in self.asked(Method::Discard, tenant) {
            removed += self.inner.discard(tenant, before, limit).await?;
        }
        Ok(removed)
    }
}

/// Runs a case on a fresh store with the leak; returns whether it found it.
async fn finds(name: &str, leak: Leak) -> bool {
    let case = CASES.iter().find(|case| case.name == name).expect("there is such a case");
    let store = Leaky::new(leak);
    AssertUnwindSafe((case.run)(&store)).catch_unwind().await.is_err()
}

/// One of each operation.
fn operations() -> [WriteOp; 6] {
    let at = DateTime::UNIX_EPOCH;
    let (id, key) = (RecordId::from_bytes([1; 16]), DedupKey { second: 0, digest: [0; 32] });
    let work = WorkKey { bucket: Bucket(0), due: at, id: WorkId::from_bytes([1; 16]) };
    let fact = Fact {
        id: FactId::from_bytes([1; 16]),
        at,
        kind: FactKind::Read,
        actor: Actor::Contact,
        connection: whisp_core::id::ConnectionId::from_bytes([1; 16]),
        conversation: whisp_core::id::ConversationId::from_bytes([1; 16]),
        inquiry: None,
    };
    [
        WriteOp::Put(Record::new(Kind::MESSAGE, id)),
        WriteOp::Delete(Kind::MESSAGE, id, 1),
        WriteOp::Remember { key, until: at },
        WriteOp::Append(fact),
        WriteOp::Enqueue(WorkItem { key: work, lane: id, attempts: 0, payload: Clear::default() }),
        WriteOp::Complete(work),
    ]
}

/// One of each expectation.
fn expectations() -> [Expect; 4] {
    let (at, id) = (DateTime::UNIX_EPOCH, RecordId::from_bytes([1; 16]));
    [
        Expect::Absent(Kind::MESSAGE, id),
        Expect::Version(Kind::MESSAGE, id, 1),
        Expect::Unseen { key: DedupKey { second: 0, digest: [0; 32] }, at },
        Expect::Owner { bucket: Bucket(0), fence: Fence(1), at },
    ]
}

#[tokio::test]
async fn the_generated_histories_find_whatever_mixes_tenants() {
    // What mixes tenants in a commit, mixes them in one of its operations or expectations.
    let methods = Method::ALL.into_iter().filter(|method| *method != Method::Commit).map(Leak::MixesTenants);
    let parts = operations().into_iter().map(Leak::DoesForAll).chain(expectations().into_iter().map(Leak::HoldsForAny));
    for leak in methods.chain(parts) {
        assert!(finds("each_tenant_is_answered_as_if_it_were_alone", leak.clone()).await, "{leak:?} was not found");
    }
}

#[tokio::test]
async fn a_method_that_keeps_something_when_it_is_dropped_is_found() {
    for method in Method::ALL {
        assert!(finds("dropped_calls_hold_nothing", Leak::KeepsItsPlace(method)).await, "{method:?} was not found");
    }
}

#[tokio::test]
async fn a_method_that_is_done_by_halves_when_it_is_dropped_is_found() {
    for method in [Method::Discard, Method::Own, Method::Release, Method::Renew] {
        let leak = Leak::DoesByHalves(method);
        assert!(finds("a_dropped_call_has_no_effect_or_the_whole", leak).await, "{method:?} was not found");
    }
}

#[tokio::test]
async fn pages_that_go_by_a_count_are_found() {
    for method in [Method::List, Method::OfSubject, Method::Pending, Method::Scan] {
        let leak = Leak::PagesByCount(method);
        assert!(finds("pages_are_whole_beside_a_writer", leak).await, "{method:?} was not found");
    }
}

/// What finds the leaks finds nothing where there is none.
#[tokio::test]
async fn a_leak_that_is_in_no_method_is_not_found() {
    let harmless = || Leak::DoesByHalves(Method::Get);
    for case in CASES {
        assert!(!finds(case.name, harmless()).await, "{}", case.name);
    }
}
