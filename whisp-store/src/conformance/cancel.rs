//! Dropped futures.

use chrono::TimeDelta;
use whisp_core::id::TenantId;
use whisp_core::store::{
    Bucket, Expect, ExpiredQuery, FindQuery, Lease, OwnRequest, Record, RenewRequest, Store, SubjectQuery, WriteBatch,
    WriteOp,
};
use whisp_core::testing::cancel_after;

use super::Method;
use super::kit::Kit;

/// How many awaits of a call are tried: more than any store has.
const POLLS_MAX: usize = 256;

/// How often a call is dropped as soon as it has begun: more often than a store has connections, or places in a queue.
const DROPS: usize = 5_000;

/// How often it is dropped a little later, each time: more often than a store has connections.
const LATER_DROPS: usize = 64;

/// Whenever a commit is dropped, its batch is wholly in or wholly out.
pub async fn a_dropped_commit_is_whole_or_nothing(store: &dyn Store) {
    at_every_await(&Kit::new(store), Method::Commit).await;
}

/// Whatever is dropped, wherever it waits: it had no effect or the whole, and everything goes on.
pub async fn a_dropped_call_has_no_effect_or_the_whole(store: &dyn Store) {
    let kit = Kit::new(store);
    for method in Method::ALL {
        at_every_await(&kit, method).await;
    }
}

/// Calls that are dropped, thousands of them, keep no connection, no place in a queue and no lock.
pub async fn dropped_calls_hold_nothing(store: &dyn Store) {
    let kit = Kit::new(store);
    let calls = Calls::new(&kit).await;
    for method in Method::ALL {
        let (mut polls, mut left) = (1, DROPS);
        while polls <= 4 && !calls.dropped(method, polls).await {
            left -= 1;
            if left == 0 {
                (polls, left) = (polls + 1, LATER_DROPS);
            }
        }
        for method in Method::ALL {
            drop_one(&kit, method, POLLS_MAX).await;
        }
    }
}

/// Drops a call at its first await, its second, and so on, until it returns.
async fn at_every_await(kit: &Kit<'_>, method: Method) {
    for polls in 0..POLLS_MAX {
        if drop_one(kit, method, polls).await {
            return;
        }
    }
    panic!("{} returns within {POLLS_MAX} polls", method.name());
}

/// Drops a call after so many polls and checks what it left; returns whether it came to its end.
async fn drop_one(kit: &Kit<'_>, method: Method, polls: usize) -> bool {
    match method {
        Method::Clear => dropped_clear(kit, polls).await,
        Method::Commit => dropped_commit(kit, polls).await,
        Method::Discard => dropped_discard(kit, polls).await,
        Method::Own => dropped_own(kit, polls).await,
        Method::Release => dropped_release(kit, polls).await,
        Method::Renew => dropped_renew(kit, polls).await,
        Method::Wait => {
            // It may never wake, so it is polled once.
            let _ended = cancel_after(polls.min(1), kit.store.wait()).await;
            polls > 0
        }
        Method::Expired
        | Method::Find
        | Method::Get
        | Method::List
        | Method::OfSubject
        | Method::Pending
        | Method::Scan => {
            let calls = Calls::new(kit).await;
            let finished = calls.dropped(method, polls).await;
            calls.assert_seen().await;
            finished
        }
    }
}

/// Whatever a dropped `clear` left, the next one removes.
async fn dropped_clear(kit: &Kit<'_>, polls: usize) -> bool {
    let (calls, other) = (Calls::new(kit).await, kit.other());
    let left = Calls::new(&other).await;
    let finished = cancel_after(polls, kit.store.clear(other.tenant, usize::MAX)).await.is_some();
    kit.store.clear(other.tenant, usize::MAX).await.expect("the store works");
    assert_eq!(kit.store.clear(other.tenant, 1).await.expect("the store works"), 0);
    assert_eq!(other.get(left.record.kind, left.record.id).await, None);
    assert_eq!(other.facts().await, []);
    calls.assert_seen().await;
    finished
}

/// Whatever a dropped `discard` left, the next one removes, and nothing later.
async fn dropped_discard(kit: &Kit<'_>, polls: usize) -> bool {
    let other = kit.other();
    let facts = [0, 1, 2].map(|second| other.fact(other.after(second)));
    other.ops(facts.map(WriteOp::Append)).await;
    let finished = cancel_after(polls, kit.store.discard(other.tenant, facts[2].at, 10)).await.is_some();
    let some = other.facts().await;
    assert!(some == facts || other.facts().await == facts[2..], "a part of them was removed");
    kit.store.discard(other.tenant, facts[2].at, 10).await.expect("the store works");
    assert_eq!(other.facts().await, facts[2..]);
    finished
}

async fn dropped_commit(kit: &Kit<'_>, polls: usize) -> bool {
    let (first, last, fact, key) = (kit.message(), kit.message(), kit.fact(kit.now), kit.dedup());
    let batch = kit
        .batch_of([
            WriteOp::Put(first.clone()),
            WriteOp::Append(fact),
            WriteOp::Remember { key, until: kit.after(60) },
            WriteOp::Put(last.clone()),
        ])
        .expect(Expect::Unseen { key, at: kit.now });
    let finished = cancel_after(polls, kit.store.commit(batch.clone())).await.is_some();
    // It may still be on its way. Whatever a read saw of it, a later read sees as well.
    let some = kit.get(last.kind, last.id).await.is_some();
    let all = kit.get(first.kind, first.id).await.is_some() && kit.facts().await.contains(&fact);
    assert!(all || !some, "a part of the batch was there");
    // Repeated, it is done or refused as a whole, because the one before was.
    let _either = kit.store.commit(batch).await.expect("the store works");
    assert_eq!(kit.get(first.kind, first.id).await, Some(first));
    assert_eq!(kit.get(last.kind, last.id).await, Some(last));
    assert_eq!(kit.facts().await.iter().filter(|stored| **stored == fact).count(), 1);
    assert!(!kit.is_unseen(key, kit.now).await);
    finished
}

/// What a dropped `own` leased ends by itself.
async fn dropped_own(kit: &Kit<'_>, polls: usize) -> bool {
    let leased = Leased::new(kit).await;
    kit.store.release(&leased.leases).await.expect("the store works");
    let request = OwnRequest {
        worker: kit.worker(),
        limit: 10,
        now: kit.now,
        due_by: kit.after(1_000_000),
        until: kit.after(60),
    };
    let finished = cancel_after(polls, kit.store.own(&request)).await.is_some();
    let at_once = kit.own(kit.worker(), 10, kit.now).await;
    let later = kit.own(kit.worker(), 10, kit.after(60)).await;
    assert_eq!(later.len(), leased.leases.len(), "each bucket is free at the end of the lease that was dropped");
    for lease in &later {
        assert!(
            leased
                .leases
                .iter()
                .chain(&at_once)
                .all(|before| before.bucket != lease.bucket || before.fence < lease.fence)
        );
    }
    leased.end(later).await;
    finished
}

async fn dropped_renew(kit: &Kit<'_>, polls: usize) -> bool {
    let leased = Leased::new(kit).await;
    let request = RenewRequest { leases: leased.leases.clone(), now: kit.now, until: kit.after(600) };
    let finished = cancel_after(polls, kit.store.renew(&request)).await.is_some();
    let some = leased.held(kit.after(300)).await;
    let all = leased.held(kit.after(300)).await;
    assert!(some == 0 || all == leased.leases.len(), "{some} of {} leases were renewed", leased.leases.len());
    let renewed = kit.store.renew(&request).await.expect("the store works");
    assert_eq!(renewed.len(), leased.leases.len(), "renewed again, each holds");
    assert_eq!(leased.held(kit.after(599)).await, renewed.len());
    leased.end(renewed).await;
    finished
}

async fn dropped_release(kit: &Kit<'_>, polls: usize) -> bool {
    let leased = Leased::new(kit).await;
    let finished = cancel_after(polls, kit.store.release(&leased.leases)).await.is_some();
    let some = leased.held(kit.now).await;
    let all = leased.held(kit.now).await;
    let count = leased.leases.len();
    assert!(some == count || all == 0, "{some} of {count} leases were not released");
    kit.store.release(&leased.leases).await.expect("the store works");
    let next = kit.own(kit.worker(), 10, kit.now).await;
    assert_eq!(next.len(), count, "released again, each is free");
    leased.end(next).await;
    finished
}

/// A few buckets with work, leased for a minute.
struct Leased<'k, 's> {
    kit: &'k Kit<'s>,
    leases: Vec<Lease>,
    work: Vec<WriteOp>,
}

impl<'k, 's> Leased<'k, 's> {
    const BUCKETS: [u16; 3] = [1, 2, 3];

    async fn new(kit: &'k Kit<'s>) -> Self {
        let items = Self::BUCKETS.map(|bucket| kit.work(bucket, kit.now));
        let work = items.iter().map(|item| WriteOp::Complete(item.key)).collect();
        kit.ops(items.map(WriteOp::Enqueue)).await;
        let leases = kit.own(kit.worker(), 10, kit.now).await;
        assert_eq!(leases.len(), Self::BUCKETS.len(), "every bucket was free");
        Self { kit, leases, work }
    }

    /// How many of the leases hold at a time.
    async fn held(&self, at: chrono::DateTime<chrono::Utc>) -> usize {
        let mut held = 0;
        for lease in &self.leases {
            held += usize::from(self.kit.holds(Kit::owner(lease, at)).await);
        }
        held
    }

    /// Gives the buckets back without work.
    async fn end(self, leases: Vec<Lease>) {
        self.kit.ops(self.work).await;
        self.kit.store.release(&leases).await.expect("the store works");
    }
}

/// One call of each method, to be dropped as often as one likes.
struct Calls<'k, 's> {
    kit: &'k Kit<'s>,
    record: Record,
    work: whisp_core::store::WorkItem,
    fact: whisp_core::kpi::Fact,
}

impl<'k, 's> Calls<'k, 's> {
    async fn new(kit: &'k Kit<'s>) -> Self {
        let calls =
            Self { kit, record: kit.message(), work: kit.work(7, kit.after(2_000_000)), fact: kit.fact(kit.now) };
        let (record, work) = (calls.record.clone(), calls.work.clone());
        kit.ops([WriteOp::Put(record), WriteOp::Enqueue(work), WriteOp::Append(calls.fact)]).await;
        calls
    }

    /// Begins a call and drops it after so many polls; returns whether it came to its end.
    async fn dropped(&self, method: Method, polls: usize) -> bool {
        let Self { kit, record, work, .. } = self;
        let (store, tenant) = (kit.store, kit.tenant);
        let before = kit.now - TimeDelta::minutes(2);
        // What they leave ended a minute ago.
        let until = kit.now - TimeDelta::minutes(1);
        let lease = Lease { tenant, bucket: work.key.bucket, fence: whisp_core::store::Fence(1), until };
        match method {
            Method::Clear => {
                let other = TenantId::from_uuid(kit.uuid());
                cancel_after(polls, store.clear(other, 10)).await.is_some()
            }
            Method::Commit => {
                let batch = WriteBatch::new(tenant).op(WriteOp::Put(kit.message()));
                cancel_after(polls, store.commit(batch)).await.is_some()
            }
            Method::Discard => cancel_after(polls, store.discard(tenant, before, 10)).await.is_some(),
            Method::Expired => cancel_after(polls, store.expired(&self.expired())).await.is_some(),
            Method::Find => cancel_after(polls, store.find(&self.find())).await.is_some(),
            Method::Get => cancel_after(polls, store.get(tenant, record.kind, record.id)).await.is_some(),
            Method::List => {
                let query = kit.list_query(record.parent.expect("it has one"), 10);
                cancel_after(polls, store.list(&query)).await.is_some()
            }
            Method::OfSubject => cancel_after(polls, store.of_subject(&self.of_subject())).await.is_some(),
            Method::Own => {
                let due_by = work.key.due;
                let request = OwnRequest { worker: kit.worker(), limit: 10, now: before, due_by, until };
                cancel_after(polls, store.own(&request)).await.is_some()
            }
            Method::Pending => {
                let query = kit.pending_query(7, work.key.due);
                cancel_after(polls, store.pending(&query)).await.is_some()
            }
            Method::Release => cancel_after(polls, store.release(&[lease])).await.is_some(),
            Method::Renew => {
                let request = RenewRequest { leases: vec![lease], now: before, until };
                cancel_after(polls, store.renew(&request)).await.is_some()
            }
            Method::Scan => {
                let query = kit.fact_query(kit.now, kit.after(1));
                cancel_after(polls, store.scan(&query)).await.is_some()
            }
            // It may never wake, so it is polled once.
            Method::Wait => polls > 1 || cancel_after(polls, store.wait()).await.is_some(),
        }
    }

    fn expired(&self) -> ExpiredQuery {
        ExpiredQuery { tenant: self.kit.tenant, at: self.kit.after(1_000_000), without: Vec::new(), limit: 10 }
    }

    fn find(&self) -> FindQuery {
        let lookup = self.record.lookups[0];
        FindQuery { tenant: self.kit.tenant, kind: self.record.kind, lookup, limit: 10 }
    }

    fn of_subject(&self) -> SubjectQuery {
        SubjectQuery { tenant: self.kit.tenant, subject: self.record.subjects[0], after: None, limit: 10 }
    }

    /// Every read finds what is there.
    async fn assert_seen(&self) {
        let Self { kit, record, work, fact } = self;
        assert_eq!(kit.get(record.kind, record.id).await, Some(record.clone()));
        assert_eq!(kit.listed(record.parent.expect("it has one")).await, [record.id]);
        assert_eq!(kit.found(record.lookups[0]).await, [record.id]);
        assert_eq!(kit.owned(record.subjects[0]).await, [record.id]);
        assert!(kit.store.expired(&self.expired()).await.is_ok());
        let waiting = kit.store.pending(&kit.pending_query(7, work.key.due)).await.expect("the store works");
        assert_eq!(work.key.bucket, Bucket(7));
        assert!(waiting.contains(work));
        assert!(kit.facts().await.contains(fact));
    }
}
