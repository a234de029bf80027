//! Logs that only grow, such as consent, and what is erased as a whole.

use futures_util::future::join_all;
use whisp_core::id::SubjectId;
use whisp_core::store::{Commit, Kind, ListOrder, ListQuery, Record, Store, SubjectQuery, WriteBatch, WriteOp};

use super::kit::{Kit, ids};

/// Entries that are added at once all stay, none takes the place of an earlier one, and the latest comes first when it is
/// asked for first.
pub async fn a_log_only_grows(store: &dyn Store) {
    const ENTRIES: i64 = 24;
    let kit = Kit::new(store);
    let (log, subject) = (kit.id(), kit.subject());
    let entry = |position: i64| Record {
        parent: Some(log),
        position,
        subjects: vec![subject],
        sealed: vec_of(position),
        ..Record::new(Kind::CONSENT, kit.id())
    };
    let entries: Vec<Record> = (0..ENTRIES).map(entry).collect();
    let outcomes =
        join_all(entries.iter().map(|entry| store.commit(kit.batch_of([WriteOp::Put(entry.clone())])))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Commit::Done))), "they contradict nothing");
    let query = ListQuery { kind: Kind::CONSENT, ..kit.list_query(log, 1_000) };
    let listed = store.list(&query).await.expect("the store works").records;
    assert_eq!(listed, entries);
    // The same entry with another content, at once, many times: what is in the log stays.
    let again = entries.iter().map(|entry| {
        let other = Record { sealed: vec_of(-1), ..entry.clone() };
        store.commit(kit.batch_of([WriteOp::Put(other)]))
    });
    for outcome in join_all(again).await {
        assert_ne!(outcome.expect("the store works"), Commit::Done, "an entry was overwritten");
    }
    assert_eq!(store.list(&query).await.expect("the store works").records, entries);
    let latest = ListQuery { order: ListOrder::Descending, limit: 1, ..query };
    assert_eq!(store.list(&latest).await.expect("the store works").records, entries[entries.len() - 1..]);
}

fn vec_of(number: i64) -> whisp_core::store::Sealed {
    whisp_core::store::Sealed(number.to_be_bytes().to_vec())
}

/// A person's records go page by page. Broken off and begun anew, by two at once, and after there is nothing left, an
/// erasure comes to the same end, and leaves whoever stands beside the person.
pub async fn an_erasure_goes_on_where_it_was_broken_off(store: &dyn Store) {
    let kit = Kit::new(store);
    let (person, other) = (kit.subject(), kit.subject());
    let parent = kit.id();
    let kinds = || Kind::ALL.iter().copied().filter(|kind| kind.paths().owned);
    let mut erased = Vec::new();
    for kind in kinds().chain(kinds()) {
        let listed = kind.paths().listed.then_some(parent);
        for subjects in [vec![person], vec![other]] {
            let record = Record { parent: listed, subjects, ..Record::new(kind, kit.id()) };
            kit.put(&record).await;
            erased.extend((record.subjects == [person]).then_some(record));
        }
    }
    let beside = kit.owned(other).await;
    // The first page is read and erased; of the second one only the reading is done.
    let first = erase_page(&kit, person, 3).await.expect("there is something to erase");
    let (_, second) = page(&kit, person, 3).await.expect("there is more");
    let left = kit.owned(person).await.len();
    assert_eq!(left, erased.len() - 3);
    assert_eq!(kit.refused(first).await.len(), 3, "what is erased is not erased again");
    // Two take it up at once: each page goes once.
    for _ in 0..=erased.len() {
        futures_util::future::join(erase_page(&kit, person, 3), erase_page(&kit, person, 3)).await;
    }
    assert!(kit.owned(person).await.is_empty());
    assert_eq!(kit.refused(second).await.len(), 3, "what was read before it was erased is gone");
    assert!(erase_page(&kit, person, 3).await.is_none(), "once more, there is nothing to do");
    for record in &erased {
        assert_eq!(kit.get(record.kind, record.id).await, None);
    }
    for kind in kinds().filter(|kind| kind.paths().listed) {
        let query = ListQuery { kind, ..kit.list_query(parent, 1_000) };
        let listed = store.list(&query).await.expect("the store works").records;
        assert!(listed.iter().all(|record| record.subjects == [other]), "{kind}");
    }
    assert_eq!(kit.owned(other).await, beside);
}

/// Reads a page of a person's records; returns them and the batch that deletes them, `None` if there are none.
async fn page(kit: &Kit<'_>, person: SubjectId, limit: usize) -> Option<(Vec<Record>, WriteBatch)> {
    let query = SubjectQuery { tenant: kit.tenant, subject: person, after: None, limit };
    let records = kit.store.of_subject(&query).await.expect("the store works").records;
    let deletes = records.iter().map(|record| WriteOp::Delete(record.kind, record.id, record.version));
    let batch = kit.batch_of(deletes);
    (!records.is_empty()).then_some((records, batch))
}

/// Erases a page of a person's records, unless somebody else just does; returns the batch.
async fn erase_page(kit: &Kit<'_>, person: SubjectId, limit: usize) -> Option<WriteBatch> {
    let (records, batch) = page(kit, person, limit).await?;
    let outcome = kit.store.commit(batch.clone()).await.expect("the store works");
    let left = kit.owned(person).await;
    assert!(
        outcome != Commit::Done || ids(&records).iter().all(|id| !left.contains(id)),
        "it is there after it was erased"
    );
    Some(batch)
}

/// Of one tenant everything goes, a few pieces at a time, also beside what is written meanwhile; of the other nothing does.
pub async fn what_is_kept_of_a_tenant_goes_piece_by_piece(store: &dyn Store) {
    const PIECES: usize = 3;
    let kit = Kit::new(store);
    let other = kit.other();
    let (record, key, work, fact) = (kit.message(), kit.dedup(), kit.work(1, kit.now), kit.fact(kit.now));
    for kit in [&kit, &other] {
        let ops = [
            WriteOp::Put(record.clone()),
            WriteOp::Remember { key, until: kit.after(60) },
            WriteOp::Enqueue(work.clone()),
            WriteOp::Append(fact),
        ];
        kit.ops(ops).await;
        for kind in Kind::ALL.iter().filter(|kind| **kind != record.kind) {
            kit.put(&Record::new(*kind, record.id)).await;
        }
    }
    let leases = kit.own(kit.worker(), 10, kit.now).await;
    assert_eq!(leases.len(), 2, "each has its bucket");
    let (mut calls, mut removed) = (0, PIECES);
    while removed == PIECES {
        removed = store.clear(kit.tenant, PIECES).await.expect("the store works");
        assert!(removed <= PIECES, "{removed} were removed at once");
        calls += 1;
        assert!(calls < 1_000, "it comes to no end");
    }
    assert_eq!(store.clear(kit.tenant, PIECES).await.expect("the store works"), 0, "fewer means that nothing is left");
    for kind in Kind::ALL {
        assert_eq!(kit.get(*kind, record.id).await, None, "{kind}");
    }
    let (parent, lookup, subject) = (record.parent.expect("it has one"), record.lookups[0], record.subjects[0]);
    assert_eq!(kit.listed(parent).await, []);
    assert_eq!(kit.found(lookup).await, []);
    assert_eq!(kit.owned(subject).await, []);
    assert_eq!(kit.expired(kit.after(1_000_000)).await, []);
    assert_eq!(kit.pending(1).await, []);
    assert_eq!(kit.facts().await, []);
    assert!(kit.is_unseen(key, kit.now).await);
    for lease in &leases {
        let holds = if lease.tenant == kit.tenant { &kit } else { &other };
        assert_eq!(holds.holds(Kit::owner(lease, kit.now)).await, lease.tenant == other.tenant);
    }
    // Nothing of the other one is missing, and the first can be used again.
    assert_eq!(other.get(record.kind, record.id).await, Some(record.clone()));
    assert_eq!(other.listed(parent).await, [record.id]);
    assert_eq!(other.owned(subject).await, [record.id]);
    assert_eq!(other.pending(1).await, std::slice::from_ref(&work));
    assert_eq!(other.facts().await, [fact]);
    assert!(!other.is_unseen(key, kit.now).await);
    kit.ops([WriteOp::Put(record.clone()), WriteOp::Enqueue(work.clone()), WriteOp::Append(fact)]).await;
    assert_eq!(kit.listed(parent).await, [record.id]);
    assert_eq!(kit.found(lookup).await, [record.id]);
    assert_eq!(kit.own(kit.worker(), 10, kit.after(3_600)).await.len(), 2);
}
