//! Tenants never meet.

use std::collections::BTreeSet;

use whisp_core::id::TenantId;
use whisp_core::store::{Expect, Lease, Record, Refusal, RenewRequest, Store, WriteOp};

use super::Method;
use super::histories::History;
use super::kit::Kit;

/// The seeds of the generated histories.
const SEEDS: [u32; 5] = [1, 2, 3, 4, 5];

/// With the same keys, parents, lookups, subjects and times, each reads its own.
pub async fn tenants_do_not_read_each_other(store: &dyn Store) {
    let kit = Kit::new(store);
    let other = kit.other();
    let (record, key, work, fact) = (kit.message(), kit.dedup(), kit.work(1, kit.now), kit.fact(kit.now));
    let (parent, lookup, subject) = (record.parent.expect("it has one"), record.lookups[0], record.subjects[0]);
    kit.ops([
        WriteOp::Put(record.clone()),
        WriteOp::Remember { key, until: kit.after(60) },
        WriteOp::Enqueue(work.clone()),
        WriteOp::Append(fact),
    ])
    .await;
    assert_eq!(other.get(record.kind, record.id).await, None);
    assert!(other.listed(parent).await.is_empty());
    assert!(other.found(lookup).await.is_empty());
    assert!(other.owned(subject).await.is_empty());
    assert!(other.expired(kit.after(1_000_000)).await.is_empty());
    assert!(other.pending(1).await.is_empty());
    assert!(other.facts().await.is_empty());
    assert!(other.is_unseen(key, kit.now).await);

    let theirs = Record { position: 77, ..record.clone() };
    other.ops([WriteOp::Put(theirs.clone()), WriteOp::Enqueue(work.clone()), WriteOp::Append(fact)]).await;
    for (kit, position) in [(&kit, record.position), (&other, 77)] {
        assert_eq!(kit.get(record.kind, record.id).await.map(|stored| stored.position), Some(position));
        assert_eq!(kit.listed(parent).await, [record.id]);
        assert_eq!(kit.found(lookup).await, [record.id]);
        assert_eq!(kit.owned(subject).await, [record.id]);
        assert_eq!(kit.expired(kit.after(1_000_000)).await, [record.id]);
        assert_eq!(kit.pending(1).await, vec![work.clone()]);
        assert_eq!(kit.facts().await, [fact]);
    }
}

/// What one writes, deletes, completes and leases leaves the other's as it is.
pub async fn tenants_do_not_change_each_other(store: &dyn Store) {
    let kit = Kit::new(store);
    let other = kit.other();
    let (record, work) = (kit.message(), kit.work(1, kit.now));
    kit.ops([WriteOp::Put(record.clone()), WriteOp::Enqueue(work.clone())]).await;

    assert!(other.holds(Expect::Absent(record.kind, record.id)).await);
    assert!(!other.holds(Expect::Version(record.kind, record.id, 1)).await);
    for op in [
        WriteOp::Put(Record { version: 2, ..record.clone() }),
        WriteOp::Delete(record.kind, record.id, 1),
        WriteOp::Complete(work.key),
    ] {
        assert_eq!(other.refused(other.batch_of([op])).await, [Refusal::Op(0)]);
    }
    other.ops([WriteOp::Put(record.clone()), WriteOp::Enqueue(work.clone())]).await;
    other.ops([WriteOp::Delete(record.kind, record.id, 1), WriteOp::Complete(work.key)]).await;
    assert_eq!(kit.get(record.kind, record.id).await, Some(record.clone()));
    assert_eq!(kit.listed(record.parent.expect("it has one")).await, [record.id]);
    assert_eq!(kit.found(record.lookups[0]).await, [record.id]);
    assert_eq!(kit.owned(record.subjects[0]).await, [record.id]);
    assert_eq!(kit.expired(kit.after(1_000_000)).await, [record.id]);
    assert_eq!(kit.pending(1).await, [work]);

    let leases = kit.own(kit.worker(), 10, kit.now).await;
    assert_eq!(leases.iter().map(|lease| lease.tenant).collect::<Vec<TenantId>>(), [kit.tenant]);
    let owner = Kit::owner(&leases[0], kit.now);
    assert!(kit.holds(owner.clone()).await);
    assert!(!other.holds(owner.clone()).await, "a fence of another tenant's bucket");
    let forged = vec![Lease { tenant: other.tenant, ..leases[0] }];
    store.release(&forged).await.expect("the store works");
    let request = RenewRequest { leases: forged, now: kit.now, until: kit.after(600) };
    assert!(store.renew(&request).await.expect("the store works").is_empty());
    assert!(kit.holds(owner).await);
}

/// In generated histories, in which each uses the keys of the others, every method answers each of them as a store would
/// that held nothing else.
pub async fn each_tenant_is_answered_as_if_it_were_alone(store: &dyn Store) {
    let (mut methods, mut ops, mut expects) = (BTreeSet::new(), [0; 6], [[0; 2]; 4]);
    for seed in SEEDS {
        let seen = History::new(store, seed).run().await;
        methods.extend(seen.methods);
        ops.iter_mut().zip(seen.ops).for_each(|(sum, count)| *sum += count);
        expects.as_flattened_mut().iter_mut().zip(seen.expects.as_flattened()).for_each(|(sum, count)| *sum += count);
    }
    assert_eq!(methods, BTreeSet::from(Method::ALL), "each method was called");
    assert!(ops.iter().all(|count| *count > 0), "each operation was done: {ops:?}");
    assert!(expects.as_flattened().iter().all(|count| *count > 0), "each expectation held, and failed: {expects:?}");
}
