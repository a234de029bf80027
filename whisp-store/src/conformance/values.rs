//! Values: as they were put, up to their limits.

use chrono::{DateTime, TimeDelta, Utc};
use whisp_core::id::{RecordId, SubjectId};
use whisp_core::store::{
    BATCH_MAX, BlindIndex, Clear, Kind, ListOrder, ListQuery, RECORD_MAX, Record, Sealed, Store, StoreErrorKind,
    WriteBatch, WriteOp,
};

use super::kit::Kit;

/// Empty and full, at the bounds of every field, in any script, on every path.
pub async fn a_record_comes_back_as_it_was_put(store: &dyn Store) {
    let kit = Kit::new(store);
    let plain = kit.message();
    let subjects: Vec<SubjectId> = (0..5).map(|_| kit.subject()).collect();
    let records = [
        Record { parent: None, subjects: vec![], lookups: vec![], expires_at: None, ..plain.clone() },
        Record { clear: Clear::default(), sealed: Sealed::default(), ..plain.clone() },
        Record { position: i64::MIN, ..plain.clone() },
        Record { position: i64::MAX, ..plain.clone() },
        Record { sealed: Sealed((0..=255).collect()), ..plain.clone() },
        Record {
            clear: Clear(r#"{"k":"қазақша, русский, 中文, עברית, 🦀, e\u0301, '; -- \" \\"}"#.into()),
            ..plain.clone()
        },
        Record { lookups: vec![BlindIndex([0xff; 16]), BlindIndex([0; 16]), BlindIndex([7; 16])], ..plain.clone() },
        Record { subjects: subjects.iter().rev().copied().collect(), ..plain.clone() },
        Record { parent: Some(RecordId::from_bytes([0; 16])), ..plain.clone() },
        Record { parent: Some(RecordId::from_bytes([0xff; 16])), ..plain },
    ];
    for record in records {
        let record = Record { id: kit.id(), ..record };
        kit.put(&record).await;
        assert_eq!(kit.get(record.kind, record.id).await, Some(record.clone()));
        if let Some(parent) = record.parent {
            let query = ListQuery { order: ListOrder::Descending, ..kit.list_query(parent, 1_000) };
            let page = store.list(&query).await.expect("the store works");
            assert!(page.records.contains(&record), "in its list");
        }
    }
    for id in [[0; 16], [0xff; 16]].map(RecordId::from_bytes) {
        for kind in Kind::ALL {
            kit.put(&Record::new(*kind, id)).await;
            assert_eq!(kit.get(*kind, id).await, Some(Record::new(*kind, id)));
        }
    }
}

/// Also long ago and far ahead.
pub async fn times_are_kept_to_the_microsecond(store: &dyn Store) {
    let kit = Kit::new(store);
    let micro = TimeDelta::microseconds(1);
    let years = [-62_135_596_800, 253_402_300_799].map(|second| DateTime::<Utc>::from_timestamp(second, 999_999_000));
    for at in years.into_iter().flatten().chain([kit.now + micro, kit.now - micro]) {
        let record = Record { expires_at: Some(at), ..kit.message() };
        let (work, fact) = (kit.work(1, at), kit.fact(at));
        kit.ops([WriteOp::Put(record.clone()), WriteOp::Enqueue(work.clone()), WriteOp::Append(fact)]).await;
        assert_eq!(kit.get(record.kind, record.id).await, Some(record.clone()));
        assert!(kit.expired(at).await.contains(&record.id));
        assert!(!kit.expired(at - micro).await.contains(&record.id));
        assert!(store.pending(&kit.pending_query(1, at)).await.expect("the store works").contains(&work));
        assert!(!store.pending(&kit.pending_query(1, at - micro)).await.expect("the store works").contains(&work));
        assert_eq!(store.scan(&kit.fact_query(at, at + micro)).await.expect("the store works").facts, [fact]);
    }
    let fine = kit.work(2, kit.now + TimeDelta::nanoseconds(1_999));
    kit.ops([WriteOp::Enqueue(fine.clone())]).await;
    kit.ops([WriteOp::Complete(fine.key)]).await;
    assert!(
        kit.pending(2).await.is_empty(),
        "the key that was enqueued completes it, whatever is beyond the microsecond"
    );
}

/// A record of [`RECORD_MAX`] bytes, a batch of [`BATCH_MAX`] operations.
pub async fn the_largest_values_are_taken(store: &dyn Store) {
    let kit = Kit::new(store);
    let record = Record { sealed: Sealed(vec![0xa5; RECORD_MAX - 2]), ..kit.message() };
    kit.put(&record).await;
    assert_eq!(kit.get(record.kind, record.id).await, Some(record));
    kit.done(full(&kit, BATCH_MAX)).await;
    let last = full(&kit, BATCH_MAX).ops.len();
    assert_eq!(last, BATCH_MAX);
}

/// One byte or one operation more is an error, and changes nothing.
pub async fn what_is_too_large_is_invalid(store: &dyn Store) {
    let kit = Kit::new(store);
    let kept = kit.message();
    let sealed = Record { sealed: Sealed(vec![0xa5; RECORD_MAX - 1]), ..kit.message() };
    let clear = Record { clear: Clear("x".repeat(RECORD_MAX - 2)), ..kit.message() };
    for batch in [
        kit.batch_of([WriteOp::Put(kept.clone()), WriteOp::Put(sealed)]),
        kit.batch_of([WriteOp::Put(kept.clone()), WriteOp::Put(clear)]),
        full(&kit, BATCH_MAX).op(WriteOp::Put(kept.clone())),
    ] {
        let error = store.commit(batch).await.expect_err("it is too large");
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
        assert_eq!(kit.get(kept.kind, kept.id).await, None);
    }
}

/// The new version is on its new paths only.
pub async fn a_put_replaces_every_path(store: &dyn Store) {
    let kit = Kit::new(store);
    let first = Record {
        lookups: vec![kit.lookup(), kit.lookup()],
        subjects: vec![kit.subject(), kit.subject()],
        ..kit.message()
    };
    let second = Record {
        version: 2,
        position: -9,
        lookups: vec![kit.lookup(), first.lookups[1]],
        subjects: vec![first.subjects[1], kit.subject()],
        expires_at: Some(kit.after(7_200)),
        clear: Clear(r#"{"second":true}"#.into()),
        sealed: Sealed(vec![9; 600]),
        ..kit.message()
    };
    let second = Record { id: first.id, ..second };
    kit.put(&first).await;
    kit.put(&second).await;
    assert_eq!(kit.get(first.kind, first.id).await, Some(second.clone()));
    assert!(kit.listed(first.parent.expect("it has one")).await.is_empty());
    assert_eq!(kit.listed(second.parent.expect("it has one")).await, [first.id]);
    assert!(kit.found(first.lookups[0]).await.is_empty());
    assert_eq!(kit.found(second.lookups[0]).await, [first.id]);
    assert_eq!(kit.found(second.lookups[1]).await, [first.id]);
    assert!(kit.owned(first.subjects[0]).await.is_empty());
    assert_eq!(kit.owned(second.subjects[0]).await, [first.id]);
    assert_eq!(kit.owned(second.subjects[1]).await, [first.id]);
    assert!(kit.expired(kit.after(3_600)).await.is_empty());
    assert_eq!(kit.expired(kit.after(7_200)).await, [first.id]);

    let bare = Record { version: 3, ..Record::new(first.kind, first.id) };
    kit.put(&bare).await;
    assert_eq!(kit.get(first.kind, first.id).await, Some(bare));
    assert!(kit.listed(second.parent.expect("it has one")).await.is_empty());
    assert!(kit.found(second.lookups[0]).await.is_empty());
    assert!(kit.owned(second.subjects[0]).await.is_empty());
    assert!(kit.expired(kit.after(7_200)).await.is_empty());
}

fn full(kit: &Kit<'_>, ops: usize) -> WriteBatch {
    kit.batch_of((0..ops).map(|_| WriteOp::Put(Record::new(Kind::ROUTE, kit.id()))))
}
