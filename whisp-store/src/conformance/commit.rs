//! Batches: whole or not at all, one after another.

use futures_util::future::{join, join_all};
use whisp_core::store::{Commit, DedupKey, Expect, Record, Refusal, Store, StoreError, WriteOp};

use super::kit::Kit;

/// Each operation of a batch has its effect.
pub async fn a_batch_is_written_whole(store: &dyn Store) {
    let kit = Kit::new(store);
    let (first, second, key) = (kit.message(), kit.message(), kit.dedup());
    let (fact, work) = (kit.fact(kit.now), kit.work(1, kit.now));
    let batch = kit.batch().expect(Expect::Absent(first.kind, first.id)).expect(Expect::Unseen { key, at: kit.now });
    let batch = batch.op(WriteOp::Put(first.clone())).op(WriteOp::Put(second.clone()));
    let batch = batch.op(WriteOp::Remember { key, until: kit.after(60) });
    kit.done(batch.op(WriteOp::Append(fact)).op(WriteOp::Enqueue(work.clone()))).await;
    assert_eq!(kit.get(first.kind, first.id).await, Some(first));
    assert_eq!(kit.get(second.kind, second.id).await, Some(second));
    assert!(!kit.is_unseen(key, kit.now).await);
    assert_eq!(kit.facts().await, [fact]);
    assert_eq!(kit.pending(1).await, [work]);
}

/// A batch of which one part fails leaves no trace on any path, whichever part it is.
pub async fn a_refused_batch_changes_nothing(store: &dyn Store) {
    let kit = Kit::new(store);
    let (kept, waiting) = (kit.message(), kit.work(1, kit.now));
    kit.ops([WriteOp::Put(kept.clone()), WriteOp::Enqueue(waiting.clone())]).await;
    let (new, key) = (kit.message(), kit.dedup());
    let changed = Record { version: 2, parent: new.parent, ..kept.clone() };
    let batch = kit.batch_of([
        WriteOp::Put(new.clone()),
        WriteOp::Put(changed),
        WriteOp::Remember { key, until: kit.after(60) },
        WriteOp::Append(kit.fact(kit.now)),
        WriteOp::Enqueue(kit.work(1, kit.now)),
        WriteOp::Complete(waiting.key),
    ]);
    let by_expect = batch.clone().expect(Expect::Absent(kept.kind, kept.id));
    let by_first = {
        let mut batch = batch.clone();
        batch.ops.insert(0, WriteOp::Put(kept.clone()));
        batch
    };
    let by_last = batch.op(WriteOp::Delete(kept.kind, kept.id, 9));
    for (batch, why) in [(by_expect, Refusal::Expect(0)), (by_first, Refusal::Op(0)), (by_last, Refusal::Op(6))] {
        assert!(kit.refused(batch).await.contains(&why));
        assert_eq!(kit.get(new.kind, new.id).await, None);
        assert_eq!(kit.get(kept.kind, kept.id).await, Some(kept.clone()));
        assert!(kit.listed(new.parent.expect("it has one")).await.is_empty());
        assert!(kit.found(new.lookups[0]).await.is_empty());
        assert!(kit.owned(new.subjects[0]).await.is_empty());
        assert_eq!(kit.expired(kit.after(1_000_000)).await, [kept.id]);
        assert!(kit.is_unseen(key, kit.now).await);
        assert!(kit.facts().await.is_empty());
        assert_eq!(kit.pending(1).await, vec![waiting.clone()]);
    }
}

/// A refusal names all that failed, and nothing else.
pub async fn every_refusal_is_named(store: &dyn Store) {
    let kit = Kit::new(store);
    let (there, absent, key) = (kit.message(), kit.id(), kit.dedup());
    kit.ops([WriteOp::Put(there.clone()), WriteOp::Remember { key, until: kit.after(60) }]).await;
    let batch = kit
        .batch()
        .expect(Expect::Absent(there.kind, there.id))
        .expect(Expect::Absent(there.kind, absent))
        .expect(Expect::Version(there.kind, there.id, 2))
        .expect(Expect::Version(there.kind, there.id, 1))
        .expect(Expect::Version(there.kind, absent, 1))
        .expect(Expect::Unseen { key, at: kit.now })
        .op(WriteOp::Put(there.clone()))
        .op(WriteOp::Put(kit.message()))
        .op(WriteOp::Delete(there.kind, absent, 1))
        .op(WriteOp::Complete(kit.work(1, kit.now).key));
    let refusals = kit.refused(batch).await;
    let expects = [0, 2, 4, 5].map(Refusal::Expect);
    let ops = [0, 2, 3].map(Refusal::Op);
    assert_eq!(refusals, [&expects[..], &ops[..]].concat());
}

/// An operation sees the ones before it, an expectation sees none of them.
pub async fn operations_take_effect_in_their_order(store: &dyn Store) {
    let kit = Kit::new(store);
    let record = kit.message();
    let second = Record { version: 2, position: 6, ..record.clone() };
    let work = kit.work(1, kit.now);
    let ops = [
        WriteOp::Put(record.clone()),
        WriteOp::Put(second.clone()),
        WriteOp::Delete(record.kind, record.id, 2),
        WriteOp::Put(record.clone()),
        WriteOp::Put(second.clone()),
        WriteOp::Enqueue(work.clone()),
        WriteOp::Complete(work.key),
    ];
    kit.done(kit.batch_of(ops).expect(Expect::Absent(record.kind, record.id))).await;
    assert_eq!(kit.get(record.kind, record.id).await, Some(second.clone()));
    assert_eq!(kit.listed(record.parent.expect("it has one")).await, [record.id]);
    assert!(kit.pending(1).await.is_empty());

    let twice = kit.message();
    let batch = kit.batch_of([WriteOp::Put(twice.clone()), WriteOp::Put(twice.clone())]);
    assert_eq!(
        kit.refused(batch.expect(Expect::Version(twice.kind, twice.id, 1))).await,
        [Refusal::Expect(0), Refusal::Op(1)]
    );
    let batch = kit.batch_of([WriteOp::Delete(second.kind, second.id, 2), WriteOp::Delete(second.kind, second.id, 2)]);
    assert_eq!(kit.refused(batch).await, [Refusal::Op(1)]);
    assert_eq!(kit.get(second.kind, second.id).await, Some(second));
}

/// Version 1 where there is none, else one more than the stored one.
pub async fn a_put_needs_the_version_before(store: &dyn Store) {
    let kit = Kit::new(store);
    let record = kit.message();
    let version = |version| kit.batch_of([WriteOp::Put(Record { version, ..record.clone() })]);
    for not_yet in [0, 2, 3, u64::MAX] {
        assert_eq!(kit.refused(version(not_yet)).await, [Refusal::Op(0)], "version {not_yet} of nothing");
    }
    kit.done(version(1)).await;
    for wrong in [0, 1, 3, u64::MAX] {
        assert_eq!(kit.refused(version(wrong)).await, [Refusal::Op(0)], "version {wrong} over version 1");
    }
    kit.done(version(2)).await;
    assert_eq!(kit.refused(version(2)).await, [Refusal::Op(0)]);
    assert_eq!(kit.get(record.kind, record.id).await.map(|stored| stored.version), Some(2));
    assert!(kit.holds(Expect::Version(record.kind, record.id, 2)).await);
    assert!(!kit.holds(Expect::Version(record.kind, record.id, u64::MAX)).await);
}

/// Only in the given version; afterwards the key is free from version 1.
pub async fn a_delete_needs_the_stored_version(store: &dyn Store) {
    let kit = Kit::new(store);
    let record = kit.message();
    kit.put(&record).await;
    let second = Record { version: 2, ..record.clone() };
    kit.put(&second).await;
    for wrong in [0, 1, 3, u64::MAX] {
        let batch = kit.batch_of([WriteOp::Delete(record.kind, record.id, wrong)]);
        assert_eq!(kit.refused(batch).await, [Refusal::Op(0)], "version {wrong} where 2 is stored");
    }
    let delete = kit.batch_of([WriteOp::Delete(record.kind, record.id, 2)]);
    kit.done(delete.clone()).await;
    assert_eq!(kit.get(record.kind, record.id).await, None);
    assert_eq!(kit.refused(delete).await, [Refusal::Op(0)]);
    assert_eq!(
        kit.refused(kit.batch_of([WriteOp::Put(Record { version: 3, ..record.clone() })])).await,
        [Refusal::Op(0)]
    );
    kit.put(&record).await;
    assert_eq!(kit.get(record.kind, record.id).await, Some(record));
}

/// What is deleted is not listed, found, exported or expired any more.
pub async fn a_deleted_record_is_on_no_path(store: &dyn Store) {
    let kit = Kit::new(store);
    let record = kit.message();
    kit.put(&record).await;
    kit.ops([WriteOp::Delete(record.kind, record.id, 1)]).await;
    assert!(kit.listed(record.parent.expect("it has one")).await.is_empty());
    assert!(kit.found(record.lookups[0]).await.is_empty());
    assert!(kit.owned(record.subjects[0]).await.is_empty());
    assert!(kit.expired(kit.after(1_000_000)).await.is_empty());
}

/// Seen up to and including its time, unseen after.
pub async fn a_key_is_remembered_until_its_time(store: &dyn Store) {
    let kit = Kit::new(store);
    let key = kit.dedup();
    assert!(kit.is_unseen(key, kit.now).await);
    kit.ops([WriteOp::Remember { key, until: kit.after(60) }]).await;
    assert!(!kit.is_unseen(key, kit.now).await);
    assert!(!kit.is_unseen(key, kit.after(60)).await);
    assert!(kit.is_unseen(key, kit.after(61)).await);
    kit.ops([WriteOp::Remember { key, until: kit.after(120) }]).await;
    assert!(!kit.is_unseen(key, kit.after(61)).await);
}

/// A key that differs in its second or in one bit of its digest is another one.
pub async fn the_whole_key_is_compared(store: &dyn Store) {
    let kit = Kit::new(store);
    let key = kit.dedup();
    kit.ops([WriteOp::Remember { key, until: kit.after(60) }]).await;
    assert!(kit.is_unseen(DedupKey { second: key.second + 1, ..key }, kit.now).await);
    assert!(kit.is_unseen(DedupKey { second: -key.second, ..key }, kit.now).await);
    for byte in [0, 15, 16, 31] {
        let mut other = key;
        other.digest[byte] ^= 1;
        assert!(kit.is_unseen(other, kit.now).await, "it differs in byte {byte}");
    }
    assert!(!kit.is_unseen(key, kit.now).await);
}

/// Remembering twice in one batch is possible and remembers once.
pub async fn equal_keys_in_one_batch_are_one(store: &dyn Store) {
    let kit = Kit::new(store);
    let (key, until) = (kit.dedup(), kit.after(60));
    kit.done(
        kit.batch_of([WriteOp::Remember { key, until }, WriteOp::Remember { key, until }])
            .expect(Expect::Unseen { key, at: kit.now }),
    )
    .await;
    assert!(!kit.is_unseen(key, kit.now).await);
}

/// Of many batches at once that expect the same key to be absent or unseen, one is done.
pub async fn of_contradicting_batches_one_is_done(store: &dyn Store) {
    let kit = Kit::new(store);
    let (record, key) = (kit.message(), kit.dedup());
    let absent = |position| {
        kit.batch_of([WriteOp::Put(Record { position, ..record.clone() })])
            .expect(Expect::Absent(record.kind, record.id))
    };
    let unseen = || {
        let remember = WriteOp::Remember { key, until: kit.after(60) };
        kit.batch_of([WriteOp::Put(kit.message()), remember]).expect(Expect::Unseen { key, at: kit.now })
    };
    let outcomes = join_all((0..32).map(|position| store.commit(absent(position)))).await;
    let done: Vec<i64> = (0..32)
        .zip(&outcomes)
        .filter(|(_, outcome)| matches!(outcome, Ok(Commit::Done)))
        .map(|(position, _)| position)
        .collect();
    assert_eq!(done.len(), 1, "one of them");
    assert_eq!(kit.get(record.kind, record.id).await.map(|stored| stored.position), done.first().copied());
    let outcomes = join_all((0..32).map(|_| store.commit(unseen()))).await;
    assert_eq!(self::done(&outcomes), 1, "one of them");
}

/// Writers that read, change and retry lose no change.
pub async fn concurrent_changes_come_one_after_another(store: &dyn Store) {
    const WRITERS: i64 = 8;
    let kit = Kit::new(store);
    let record = Record { position: 0, ..kit.message() };
    kit.put(&record).await;
    join_all((0..WRITERS).map(|_| async {
        loop {
            let stored = kit.get(record.kind, record.id).await.expect("it is there");
            let next = Record { version: stored.version + 1, position: stored.position + 1, ..stored };
            if store.commit(kit.batch_of([WriteOp::Put(next)])).await.expect("the store works") == Commit::Done {
                break;
            }
        }
    }))
    .await;
    assert_eq!(kit.get(record.kind, record.id).await.map(|stored| stored.position), Some(WRITERS));
}

/// Of two batches, each of which expects that the other was not, one is done, though they write nothing in common: so no
/// two people are both the last one to ask.
pub async fn batches_that_rest_on_each_other_come_one_after_another(store: &dyn Store) {
    let kit = Kit::new(store);
    for _ in 0..16 {
        let (one, other, there) = (kit.message(), kit.message(), kit.message());
        let unless = |record: &Record, absent: &Record| {
            kit.batch_of([WriteOp::Put(record.clone())]).expect(Expect::Absent(absent.kind, absent.id))
        };
        let outcomes = join(store.commit(unless(&one, &other)), store.commit(unless(&other, &one))).await;
        assert_eq!(done(&[outcomes.0, outcomes.1]), 1, "each expects that the other is absent");

        kit.put(&there).await;
        let next = Record { version: 2, ..there.clone() };
        let changes = kit.batch_of([WriteOp::Put(next)]);
        let rests = kit.batch_of([WriteOp::Put(kit.message())]).expect(Expect::Version(there.kind, there.id, 1));
        let (changed, rested) = join(store.commit(changes), store.commit(rests.clone())).await;
        assert_eq!(changed.expect("the store works"), Commit::Done);
        // Whether it came before or after: now it is too late.
        let _either = rested.expect("the store works");
        assert_eq!(kit.refused(rests).await.first(), Some(&Refusal::Expect(0)));
    }
}

fn done(outcomes: &[Result<Commit, StoreError>]) -> usize {
    outcomes.iter().filter(|outcome| matches!(outcome, Ok(Commit::Done))).count()
}
