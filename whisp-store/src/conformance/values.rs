//! Values: as they were put, up to their limits.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use whisp_core::id::{FactId, RecordId, SubjectId, WorkId};
use whisp_core::store::{
    BATCH_MAX, BlindIndex, Clear, DedupKey, Expect, ExpiredQuery, FactCursor, FactQuery, FindQuery, Kind, ListOrder,
    ListQuery, PendingQuery, RECORD_MAX, Record, Sealed, Store, StoreErrorKind, SubjectQuery, WorkItem, WriteBatch,
    WriteOp,
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

/// The lowest and the highest of everything that is a key, alone on its page; and the widest questions about them.
pub async fn keys_are_kept_at_their_bounds(store: &dyn Store) {
    let kit = Kit::new(store);
    let names = [[0; 16], [0xff; 16]];
    let [from, until] = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC.trunc_subsecs(6)];
    let parent = RecordId::from_bytes(names[1]);
    let (mut records, mut work, mut facts) = (Vec::new(), Vec::new(), Vec::new());
    for (position, name) in [i64::MIN, i64::MAX].into_iter().flat_map(|position| names.map(|name| (position, name))) {
        // The two at one position have different ids; the two with one id are of different kinds.
        let kind = if position == i64::MIN { Kind::MESSAGE } else { Kind::SUGGESTION };
        let lookups = if kind.paths().found { vec![BlindIndex(name)] } else { Vec::new() };
        let subjects = vec![SubjectId::from_bytes(name)];
        let id = RecordId::from_bytes(name);
        records.push(Record {
            parent: Some(parent),
            position,
            lookups,
            subjects,
            expires_at: None,
            id,
            kind,
            ..kit.message()
        });
        work.push(kit.work(u16::MAX, kit.now));
        facts.push(kit.fact(kit.now));
    }
    for (item, name) in work.iter_mut().zip(names) {
        item.key.id = WorkId::from_bytes(name);
    }
    for (fact, name) in facts.iter_mut().zip(names) {
        fact.id = FactId::from_bytes(name);
    }
    work.sort_by_key(|item| item.key);
    facts.sort_by_key(|fact| fact.id);
    kit.ops(records.iter().cloned().map(WriteOp::Put)).await;
    kit.ops(work.iter().cloned().map(WriteOp::Enqueue).chain(facts.iter().copied().map(WriteOp::Append))).await;

    for (kind, pair) in [(Kind::MESSAGE, &records[..2]), (Kind::SUGGESTION, &records[2..])] {
        for order in [ListOrder::Ascending, ListOrder::Descending] {
            let mut query = ListQuery { kind, order, ..kit.list_query(parent, 1) };
            let mut seen = Vec::new();
            while let Some(record) = store.list(&query).await.expect("the store works").records.pop() {
                query.after = Some(record.cursor());
                seen.push(record);
            }
            if order == ListOrder::Descending {
                seen.reverse();
            }
            assert_eq!(seen, pair, "{kind}, {order:?}");
        }
    }
    for (number, name) in names.into_iter().enumerate() {
        assert_eq!(kit.found(BlindIndex(name)).await, [records[number].id]);
        assert_eq!(kit.owned(SubjectId::from_bytes(name)).await, [records[number].id; 2]);
        for second in [i64::MIN, i64::MAX] {
            let key = DedupKey { second, digest: [name[0]; 32] };
            assert!(kit.is_unseen(key, until).await);
            kit.ops([WriteOp::Remember { key, until }]).await;
            assert!(!kit.is_unseen(key, until).await);
        }
    }
    let mut query = PendingQuery { limit: 1, ..kit.pending_query(u16::MAX, until) };
    let mut waiting = Vec::new();
    while let Some(item) = store.pending(&query).await.expect("the store works").pop() {
        query.after = Some(item.key);
        waiting.push(item);
    }
    assert_eq!(waiting, work);
    let mut query = FactQuery { limit: 1, ..kit.fact_query(from, until) };
    let mut scanned = Vec::new();
    while let Some(fact) = store.scan(&query).await.expect("the store works").facts.pop() {
        query.after = Some(FactCursor { at: fact.at, id: fact.id });
        scanned.push(fact);
    }
    assert_eq!(scanned, facts);
    assert!(kit.expired(until).await.is_empty(), "what never expires");
    nothing_is_asked_for(&kit, &records[0]).await;
}

/// A limit of nothing is a question that has an answer.
async fn nothing_is_asked_for(kit: &Kit<'_>, record: &Record) {
    let (store, tenant, limit) = (kit.store, kit.tenant, 0);
    let list = kit.list_query(record.parent.expect("it has one"), limit);
    assert!(store.list(&list).await.expect("the store works").records.is_empty());
    let find = FindQuery { tenant, kind: record.kind, lookup: record.lookups[0], limit };
    assert!(store.find(&find).await.expect("the store works").is_empty());
    let owned = SubjectQuery { tenant, subject: record.subjects[0], after: None, limit };
    assert!(store.of_subject(&owned).await.expect("the store works").records.is_empty());
    let expired = ExpiredQuery { tenant, at: DateTime::<Utc>::MAX_UTC, without: Vec::new(), limit };
    assert!(store.expired(&expired).await.expect("the store works").is_empty());
    let pending = PendingQuery { limit, ..kit.pending_query(u16::MAX, kit.now) };
    assert!(store.pending(&pending).await.expect("the store works").is_empty());
    let scan = FactQuery { limit, ..kit.fact_query(kit.now, kit.after(1)) };
    assert!(store.scan(&scan).await.expect("the store works").facts.is_empty());
}

/// In any script, as it is encoded: nothing is composed, trimmed, folded or taken for a part of a statement.
pub async fn text_comes_back_letter_by_letter(store: &dyn Store) {
    let kit = Kit::new(store);
    let texts = [
        "\u{feff}begins with a mark, ends with blanks \t ",
        "one\r\ntwo\rthree\nfour\u{2028}five\u{85}six",
        "é and e\u{301}, Å, Å and A\u{30a}, ﬁ, İ ı ß ẞ ς Σ",
        "қазақша, українська, ქართული, հայերեն, 日本語, 한국어, ไทย, தமிழ், አማርኛ",
        "\u{202e}עברית\u{202c} \u{200f}العربية\u{200e}",
        "👩\u{200d}👩\u{200d}👧\u{200d}👦 🇰🇿 👍🏽 \u{fe0f}",
        "\u{1}\u{1f}\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffd}\u{ffff}\u{10000}\u{10ffff}",
        r#"'; DROP TABLE record; -- $1 ?1 :a @a %s {} \\ \u0000 \x00 "" '' `"#,
        "",
        " ",
    ];
    for text in texts {
        let (record, work) = (Record { clear: Clear(text.into()), ..kit.message() }, kit.work(1, kit.now));
        let work = WorkItem { payload: Clear(text.into()), ..work };
        kit.ops([WriteOp::Put(record.clone()), WriteOp::Enqueue(work.clone())]).await;
        assert_eq!(kit.get(record.kind, record.id).await, Some(record));
        assert!(kit.pending(1).await.contains(&work), "{text:?}");
    }
}

/// Values of [`RECORD_MAX`] bytes, batches of [`BATCH_MAX`] operations and expectations.
pub async fn the_largest_values_are_taken(store: &dyn Store) {
    let kit = Kit::new(store);
    let sealed = Record { sealed: Sealed(vec![0xa5; RECORD_MAX - 2]), ..kit.message() };
    let clear = Record { clear: Clear("қ".repeat(RECORD_MAX / 2)), sealed: Sealed::default(), ..kit.message() };
    for record in [sealed, clear] {
        kit.put(&record).await;
        assert_eq!(kit.get(record.kind, record.id).await, Some(record));
    }
    let work = WorkItem { payload: Clear("x".repeat(RECORD_MAX)), ..kit.work(1, kit.now) };
    kit.ops([WriteOp::Enqueue(work.clone())]).await;
    assert_eq!(kit.pending(1).await, [work]);
    let batch = full(&kit, BATCH_MAX);
    let written: Vec<Record> = batch.ops.iter().filter_map(put).cloned().collect();
    kit.done(batch).await;
    assert_eq!(written.len(), BATCH_MAX);
    for record in written.iter().step_by(BATCH_MAX / 8).chain(written.last()) {
        assert_eq!(kit.get(record.kind, record.id).await, Some(record.clone()));
    }
    let expects = written.iter().map(|record| Expect::Version(record.kind, record.id, 1)).collect();
    kit.done(WriteBatch { expects, ..kit.batch() }).await;
    let none = written.iter().map(|record| Expect::Absent(record.kind, record.id)).collect();
    assert_eq!(kit.refused(WriteBatch { expects: none, ..kit.batch() }).await.len(), BATCH_MAX, "each is named");
}

fn put(op: &WriteOp) -> Option<&Record> {
    match op {
        WriteOp::Put(record) => Some(record),
        _ => None,
    }
}

/// One byte or one operation more is an error, and changes nothing.
pub async fn what_is_too_large_is_invalid(store: &dyn Store) {
    let kit = Kit::new(store);
    let kept = kit.message();
    let sealed = Record { sealed: Sealed(vec![0xa5; RECORD_MAX - 1]), ..kit.message() };
    let clear = Record { clear: Clear("x".repeat(RECORD_MAX - 2)), ..kit.message() };
    let work = WorkItem { payload: Clear("x".repeat(RECORD_MAX + 1)), ..kit.work(1, kit.now) };
    let expects = (0..=BATCH_MAX).map(|_| Expect::Absent(kept.kind, kept.id)).collect();
    for batch in [
        WriteBatch { expects, ..kit.batch_of([WriteOp::Put(kept.clone())]) },
        kit.batch_of([WriteOp::Put(kept.clone()), WriteOp::Enqueue(work)]),
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
