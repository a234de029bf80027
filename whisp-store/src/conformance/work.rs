//! Buckets, leases, fences and what waits.

use chrono::{DateTime, TimeDelta, Utc};
use whisp_core::store::{
    Bucket, Clear, Expect, Fence, Lease, OwnRequest, PendingQuery, Refusal, RenewRequest, Store, WorkItem, WorkKey,
    WriteOp,
};
use whisp_core::testing::cancel_after;

use super::kit::Kit;

/// Of the buckets with work, whoever's, the one with the oldest work comes first, up to the limit.
pub async fn the_longest_waiting_bucket_is_leased_first(store: &dyn Store) {
    let kit = Kit::new(store);
    let other = kit.other();
    assert!(kit.own(kit.worker(), 10, kit.now).await.is_empty(), "nothing waits");
    for (bucket, second) in [(1, -10), (2, -30), (2, 5), (3, -20), (3, -1)] {
        kit.ops([WriteOp::Enqueue(kit.work(bucket, kit.after(second)))]).await;
    }
    other.ops([WriteOp::Enqueue(other.work(1, kit.after(-25)))]).await;
    let done = kit.work(4, kit.after(-60));
    kit.ops([WriteOp::Enqueue(done.clone())]).await;
    kit.ops([WriteOp::Complete(done.key)]).await;
    assert!(kit.own(kit.worker(), 0, kit.now).await.is_empty());
    let mut leases = kit.own(kit.worker(), 2, kit.now).await;
    leases.extend(kit.own(kit.worker(), 10, kit.now).await);
    let buckets: Vec<_> = leases.iter().map(|lease| (lease.tenant, lease.bucket.0)).collect();
    assert_eq!(buckets, [(kit.tenant, 2), (other.tenant, 1), (kit.tenant, 3), (kit.tenant, 1)]);
    assert!(leases.iter().all(|lease| lease.until == kit.after(60)));
}

/// Only at its time, or when it is asked for by then.
pub async fn a_bucket_without_due_work_is_leased_to_nobody(store: &dyn Store) {
    let kit = Kit::new(store);
    kit.ops([WriteOp::Enqueue(kit.work(1, kit.after(60))), WriteOp::Enqueue(kit.work(2, kit.after(61)))]).await;
    let own = async |due_by: DateTime<Utc>| {
        let request = OwnRequest { worker: kit.worker(), limit: 10, now: kit.now, due_by, until: kit.after(600) };
        store.own(&request).await.expect("the store works").iter().map(|lease| lease.bucket.0).collect::<Vec<_>>()
    };
    assert!(own(kit.now).await.is_empty());
    assert!(own(kit.after(60) - TimeDelta::microseconds(1)).await.is_empty());
    assert_eq!(own(kit.after(60)).await, [1]);
    assert_eq!(own(kit.after(61)).await, [2]);
}

/// While a lease holds, nobody else gets the bucket, not even its holder a second time.
pub async fn a_leased_bucket_is_leased_to_nobody_else(store: &dyn Store) {
    let kit = Kit::new(store);
    let worker = kit.worker();
    kit.ops([WriteOp::Enqueue(kit.work(1, kit.now)), WriteOp::Enqueue(kit.work(2, kit.now))]).await;
    assert_eq!(kit.own(worker, 1, kit.now).await.len(), 1);
    assert_eq!(kit.own(kit.worker(), 10, kit.after(59)).await.len(), 1, "the other bucket");
    assert!(kit.own(worker, 10, kit.after(59)).await.is_empty());
    let attempts = (0..16).map(|_| kit.own(kit.worker(), 10, kit.after(1_000)));
    let leases: usize = futures_util::future::join_all(attempts).await.iter().map(Vec::len).sum();
    assert_eq!(leases, 2, "of workers that ask at once, each bucket goes to one");
}

/// After a release, after the end of a lease, after a pause without work.
pub async fn a_fence_is_higher_than_every_earlier_one(store: &dyn Store) {
    let kit = Kit::new(store);
    let (item, first) = kit.own_one(1).await;
    store.release(&[first]).await.expect("the store works");
    let second = one(kit.own(kit.worker(), 1, kit.now).await);
    let third = one(kit.own(kit.worker(), 1, second.until).await);
    store.release(&[third]).await.expect("the store works");
    kit.ops([WriteOp::Complete(item.key)]).await;
    assert!(kit.own(kit.worker(), 1, kit.after(1_000)).await.is_empty());
    kit.ops([WriteOp::Enqueue(kit.work(1, kit.now))]).await;
    let fourth = one(kit.own(kit.worker(), 1, kit.after(1_000)).await);
    let fences = [first, second, third, fourth].map(|lease| lease.fence);
    assert!(fences.is_sorted_by(|one, next| one < next), "{fences:?}");
}

/// Not before, but at its end a bucket is free.
pub async fn a_lease_ends_at_its_time(store: &dyn Store) {
    let kit = Kit::new(store);
    let (_, lease) = kit.own_one(1).await;
    let micro = TimeDelta::microseconds(1);
    assert!(kit.own(kit.worker(), 1, lease.until - micro).await.is_empty());
    let next = one(kit.own(kit.worker(), 1, lease.until).await);
    assert_eq!((next.bucket, next.until), (lease.bucket, lease.until + TimeDelta::minutes(1)));
}

/// It prolongs the lease, and the owner commits under the same fence.
pub async fn a_renewal_keeps_the_fence(store: &dyn Store) {
    let kit = Kit::new(store);
    let (_, lease) = kit.own_one(1).await;
    let renewed = renew(store, vec![lease], kit.after(59), kit.after(600)).await;
    assert_eq!(renewed, [Lease { until: kit.after(600), ..lease }]);
    assert!(kit.own(kit.worker(), 1, kit.after(599)).await.is_empty());
    assert!(kit.holds(Kit::owner(&lease, kit.after(599))).await);
    assert!(!kit.holds(Kit::owner(&lease, kit.after(600))).await);
}

/// Neither one that ended, nor one that another worker took, nor one that never was; the others are.
pub async fn a_lease_that_ended_is_not_renewed(store: &dyn Store) {
    let kit = Kit::new(store);
    let (_, lease) = kit.own_one(1).await;
    assert!(renew(store, vec![lease], lease.until, kit.after(600)).await.is_empty(), "it ended");
    let taken = one(kit.own(kit.worker(), 1, lease.until).await);
    assert!(renew(store, vec![lease], lease.until, kit.after(600)).await.is_empty(), "it was taken");
    assert!(kit.holds(Kit::owner(&taken, lease.until)).await);
    let never = Lease { bucket: Bucket(9), ..taken };
    let ahead = Lease { fence: Fence(taken.fence.0 + 1), ..taken };
    let renewed = renew(store, vec![never, taken, lease, ahead], lease.until, kit.after(600)).await;
    assert_eq!(renewed, [Lease { until: kit.after(600), ..taken }]);
    store.release(&[taken]).await.expect("the store works");
    assert!(renew(store, vec![taken], lease.until, kit.after(900)).await.is_empty(), "it was given back");
}

/// A release frees the bucket at once, twice is harmless, and a late one leaves the next owner alone.
pub async fn a_release_frees_only_what_still_holds(store: &dyn Store) {
    let kit = Kit::new(store);
    let (_, lease) = kit.own_one(1).await;
    store.release(&[lease, Lease { bucket: Bucket(9), ..lease }]).await.expect("the store works");
    assert!(!kit.holds(Kit::owner(&lease, kit.now)).await, "what is released is not owned");
    store.release(&[lease]).await.expect("twice is harmless");
    let next = one(kit.own(kit.worker(), 1, kit.now).await);
    store.release(&[lease]).await.expect("late is harmless");
    assert!(kit.holds(Kit::owner(&next, kit.now)).await);
    assert!(kit.own(kit.worker(), 1, kit.now).await.is_empty());
}

/// Under the newest fence, before the lease ends.
pub async fn only_the_owner_of_a_bucket_commits(store: &dyn Store) {
    let kit = Kit::new(store);
    let (_, lease) = kit.own_one(1).await;
    let owner = Kit::owner(&lease, kit.now);
    let until = lease.until;
    assert!(kit.holds(owner.clone()).await);
    assert!(kit.holds(Kit::owner(&lease, until - TimeDelta::microseconds(1))).await);
    assert!(!kit.holds(Kit::owner(&lease, until)).await, "the lease ended");
    for fence in [0, lease.fence.0 + 1, u64::MAX] {
        assert!(!kit.holds(Expect::Owner { bucket: lease.bucket, fence: Fence(fence), at: kit.now }).await);
    }
    assert!(!kit.holds(Expect::Owner { bucket: Bucket(9), fence: lease.fence, at: kit.now }).await, "never leased");
    let next = one(kit.own(kit.worker(), 1, until).await);
    assert!(!kit.holds(Kit::owner(&lease, until)).await, "it was taken");
    assert!(!kit.holds(owner).await, "it was taken, whatever time the late worker thinks it is");
    assert!(kit.holds(Kit::owner(&next, until)).await);
}

/// A worker that was overtaken completes nothing, before and after its successor did.
pub async fn a_late_completion_is_refused(store: &dyn Store) {
    let kit = Kit::new(store);
    let (item, late) = kit.own_one(1).await;
    let next = one(kit.own(kit.worker(), 1, late.until).await);
    let complete = |lease: &Lease| {
        let outcome = kit.message();
        kit.batch_of([WriteOp::Complete(item.key), WriteOp::Put(outcome)]).expect(Kit::owner(lease, kit.after(61)))
    };
    assert_eq!(kit.refused(complete(&late)).await, [Refusal::Expect(0)]);
    assert_eq!(kit.pending(1).await, vec![item.clone()]);
    kit.done(complete(&next)).await;
    assert_eq!(kit.refused(complete(&late)).await, [Refusal::Expect(0), Refusal::Op(0)]);
    assert_eq!(kit.refused(complete(&next)).await, [Refusal::Op(0)]);
    assert!(kit.pending(1).await.is_empty());
}

/// By due time and id, what is due by then, after the cursor, of one bucket.
pub async fn pending_work_is_in_order(store: &dyn Store) {
    let kit = Kit::new(store);
    let mut items: Vec<WorkItem> = [5, 1, 1, -3, 9, 1, 7].map(|second| kit.work(1, kit.after(second))).into();
    kit.ops(
        items.iter().chain(&[kit.work(0, kit.now), kit.work(2, kit.now)]).map(|item| WriteOp::Enqueue(item.clone())),
    )
    .await;
    items.sort_by_key(|item| item.key);
    let due = &items[..6];
    for limit in 1..=7 {
        let mut query = PendingQuery { limit, ..kit.pending_query(1, kit.after(7)) };
        let mut seen = Vec::new();
        loop {
            let page = store.pending(&query).await.expect("the store works");
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            query.after = Some(last.key);
            seen.extend(page);
        }
        assert_eq!(seen, due, "in pages of {limit}");
    }
    let after = PendingQuery { after: Some(items[6].key), ..kit.pending_query(1, kit.after(7)) };
    assert!(store.pending(&after).await.expect("the store works").is_empty(), "a cursor after what is due");
    assert!(kit.pending(9).await.is_empty());
}

/// At the bounds of every field.
pub async fn work_comes_back_as_it_was_put(store: &dyn Store) {
    let kit = Kit::new(store);
    let item = WorkItem { attempts: u32::MAX, payload: Clear(r#"{"k":"қ"}"#.into()), ..kit.work(u16::MAX, kit.now) };
    let empty = WorkItem { payload: Clear::default(), ..kit.work(0, kit.now) };
    kit.ops([WriteOp::Enqueue(item.clone()), WriteOp::Enqueue(empty.clone())]).await;
    assert_eq!(kit.pending(u16::MAX).await, [item]);
    assert_eq!(kit.pending(0).await, [empty]);
}

/// The second time it is not there any more; nor was what never waited.
pub async fn work_is_completed_once(store: &dyn Store) {
    let kit = Kit::new(store);
    let item = kit.work(1, kit.now);
    kit.ops([WriteOp::Enqueue(item.clone())]).await;
    let elsewhere = [
        WorkKey { bucket: Bucket(2), ..item.key },
        WorkKey { due: kit.after(1), ..item.key },
        kit.work(1, kit.now).key,
    ];
    for key in elsewhere {
        assert_eq!(kit.refused(kit.batch_of([WriteOp::Complete(key)])).await, [Refusal::Op(0)]);
    }
    let twice = kit.batch_of([WriteOp::Complete(item.key), WriteOp::Complete(item.key)]);
    assert_eq!(kit.refused(twice).await, [Refusal::Op(1)]);
    assert_eq!(kit.pending(1).await, vec![item.clone()]);
    kit.ops([WriteOp::Complete(item.key)]).await;
    assert_eq!(kit.refused(kit.batch_of([WriteOp::Complete(item.key)])).await, [Refusal::Op(0)]);
}

/// A repeated batch cannot add its work again; to try later, complete and enqueue in one batch.
pub async fn work_is_enqueued_where_its_key_is_free(store: &dyn Store) {
    let kit = Kit::new(store);
    let item = kit.work(1, kit.now);
    kit.ops([WriteOp::Enqueue(item.clone())]).await;
    let other = WorkItem { attempts: 5, ..item.clone() };
    assert_eq!(kit.refused(kit.batch_of([WriteOp::Enqueue(other.clone())])).await, [Refusal::Op(0)]);
    assert_eq!(kit.pending(1).await, vec![item.clone()]);
    kit.ops([WriteOp::Complete(item.key), WriteOp::Enqueue(other.clone())]).await;
    assert_eq!(kit.pending(1).await, vec![other.clone()]);
    let later = WorkItem { key: WorkKey { due: kit.after(30), ..other.key }, ..other.clone() };
    kit.ops([WriteOp::Complete(other.key), WriteOp::Enqueue(later.clone())]).await;
    assert_eq!(kit.pending(1).await, [later]);
}

/// A worker that comes back under its old name is a new owner, and its old fence is dead.
pub async fn the_name_of_a_worker_proves_nothing(store: &dyn Store) {
    let kit = Kit::new(store);
    let worker = kit.worker();
    kit.ops([WriteOp::Enqueue(kit.work(1, kit.now))]).await;
    let before = one(kit.own(worker, 1, kit.now).await);
    let after = one(kit.own(worker, 1, before.until).await);
    assert!(after.fence > before.fence);
    assert!(!kit.holds(Kit::owner(&before, before.until)).await);
    assert!(kit.holds(Kit::owner(&after, before.until)).await);
    store.release(&[before]).await.expect("the store works");
    assert!(kit.holds(Kit::owner(&after, before.until)).await, "releasing the old lease left the new one");
}

/// Whoever waited and went away has neither taken the work nor kept it from others.
pub async fn waiting_takes_nothing_and_may_be_dropped(store: &dyn Store) {
    let kit = Kit::new(store);
    let item = kit.work(1, kit.now);
    kit.ops([WriteOp::Enqueue(item.clone())]).await;
    for _ in 0..4 {
        // Polled once, because it may never wake. Whether it ended by itself does not matter: it is a hint.
        let _ended = cancel_after(1, store.wait()).await;
    }
    assert_eq!(one(kit.own(kit.worker(), 1, kit.now).await).bucket, Bucket(1));
    assert_eq!(kit.pending(1).await, [item]);
}

async fn renew(store: &dyn Store, leases: Vec<Lease>, now: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Lease> {
    store.renew(&RenewRequest { leases, now, until }).await.expect("the store works")
}

fn one(leases: Vec<Lease>) -> Lease {
    match leases.as_slice() {
        [lease] => *lease,
        other => panic!("one lease, not {other:?}"),
    }
}
