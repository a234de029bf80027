//! The paths on which records are found.

use futures_util::future::join;
use whisp_core::id::RecordId;
use whisp_core::store::{
    ExpiredQuery, FactQuery, FindQuery, Kind, ListOrder, ListQuery, PAGE_MAX, PendingQuery, Record, Store,
    SubjectQuery, WriteOp,
};

use super::kit::{Kit, ids};

/// Each kind of read, right after the commit.
pub async fn a_read_sees_what_was_done_before_it(store: &dyn Store) {
    let kit = Kit::new(store);
    for _ in 0..16 {
        let (record, work, fact) = (kit.message(), kit.work(1, kit.now), kit.fact(kit.now));
        let ops = [WriteOp::Put(record.clone()), WriteOp::Enqueue(work.clone()), WriteOp::Append(fact)];
        kit.ops(ops).await;
        assert_eq!(kit.get(record.kind, record.id).await, Some(record.clone()));
        assert_eq!(kit.listed(record.parent.expect("it has one")).await, [record.id]);
        assert_eq!(kit.found(record.lookups[0]).await, [record.id]);
        assert_eq!(kit.owned(record.subjects[0]).await, [record.id]);
        assert!(kit.expired(kit.after(3_600)).await.contains(&record.id));
        assert!(kit.pending(1).await.contains(&work));
        assert!(kit.facts().await.contains(&fact));
    }
}

/// While pairs are written together, every read sees whole pairs.
pub async fn a_read_sees_no_part_of_a_batch(store: &dyn Store) {
    let kit = Kit::new(store);
    let (parent, subject) = (kit.id(), kit.subject());
    let write = async {
        for position in 0..50 {
            let one = Record { subjects: vec![subject], ..kit.message_under(parent, position) };
            let two = Record { id: kit.id(), kind: Kind::SUGGESTION, ..one.clone() };
            kit.ops([WriteOp::Put(one), WriteOp::Put(kit.message_under(parent, -position)), WriteOp::Put(two)]).await;
        }
    };
    let read = async {
        for _ in 0..50 {
            assert_eq!(kit.listed(parent).await.len() % 2, 0, "half a batch was listed");
            assert_eq!(kit.owned(subject).await.len() % 2, 0, "half a batch was exported");
        }
    };
    join(write, read).await;
    assert_eq!(kit.listed(parent).await.len(), 100);
}

/// By position, then by id; of one parent and one kind.
pub async fn a_list_is_in_order_both_ways(store: &dyn Store) {
    let kit = Kit::new(store);
    let parent = kit.id();
    let positions = [3, i64::MIN, 0, -4, 3, i64::MAX, -1, 3, 256, 255];
    let mut records: Vec<Record> = positions.map(|position| kit.message_under(parent, position)).into();
    records.swap(0, 4);
    let elsewhere = [kit.message(), Record { kind: Kind::SUGGESTION, ..kit.message_under(parent, 1) }];
    kit.ops(records.iter().chain(&elsewhere).map(|record| WriteOp::Put(record.clone()))).await;
    records.sort_by_key(Record::cursor);
    let mut expected = ids(&records);
    for order in [ListOrder::Ascending, ListOrder::Descending] {
        for limit in [1, 2, 3, 9, 10, 11] {
            let query = ListQuery { order, ..kit.list_query(parent, limit) };
            assert_eq!(pages(store, query).await, expected, "{order:?} in pages of {limit}");
        }
        expected.reverse();
    }
    assert!(kit.listed(kit.id()).await.is_empty());
}

/// What is there all the time comes once, whatever is written and deleted around it.
pub async fn pages_neither_skip_nor_repeat(store: &dyn Store) {
    let kit = Kit::new(store);
    for order in [ListOrder::Ascending, ListOrder::Descending] {
        let parent = kit.id();
        let stay: Vec<Record> = (0..10).map(|place| kit.message_under(parent, place * 10)).collect();
        let go: Vec<Record> = (0..10).map(|place| kit.message_under(parent, place * 10 + 1)).collect();
        kit.ops(stay.iter().chain(&go).map(|record| WriteOp::Put(record.clone()))).await;
        let mut query = ListQuery { order, ..kit.list_query(parent, 3) };
        let mut seen = Vec::new();
        for (place, gone) in (0..).zip(&go) {
            let page = store.list(&query).await.expect("the store works");
            seen.extend(ids(&page.records));
            let Some(next) = page.next else { break };
            query.after = Some(next);
            let new = [place * 10 - 5, place * 10 + 5, -1_000, 1_000, next.position];
            let new = new.map(|position| WriteOp::Put(kit.message_under(parent, position)));
            kit.ops(new.into_iter().chain([WriteOp::Delete(gone.kind, gone.id, 1)])).await;
        }
        query.limit = 1_000;
        seen.extend(pages(store, query).await);
        for record in &stay {
            let times = seen.iter().filter(|id| **id == record.id).count();
            assert_eq!(times, 1, "{order:?}: position {} came {times} times", record.position);
        }
        let all = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), all, "{order:?}: something came twice");
    }
}

/// No read returns more than it was asked for, nor more than [`PAGE_MAX`], and what is left out follows.
pub async fn a_page_is_no_longer_than_its_limit(store: &dyn Store) {
    const ROWS: usize = PAGE_MAX + 1;
    let kit = Kit::new(store);
    let model = kit.message();
    let (parent, lookup, subject) = (model.parent.expect("it has one"), model.lookups[0], model.subjects[0]);
    let tenant = kit.tenant;
    kit.ops((0..ROWS).map(|_| WriteOp::Put(Record { id: kit.id(), ..model.clone() }))).await;
    kit.ops((0..ROWS).map(|_| WriteOp::Enqueue(kit.work(1, kit.now)))).await;
    kit.ops((0..ROWS).map(|_| WriteOp::Append(kit.fact(kit.now)))).await;
    let at = kit.after(1_000_000);
    for (limit, rows) in [(2, 2), (PAGE_MAX, PAGE_MAX), (usize::MAX, PAGE_MAX)] {
        let list = store.list(&kit.list_query(parent, limit)).await.expect("the store works");
        assert_eq!((list.records.len(), list.next.is_some()), (rows, true));
        let find = FindQuery { tenant, kind: model.kind, lookup, limit };
        assert_eq!(store.find(&find).await.expect("the store works").len(), rows);
        let owned = SubjectQuery { tenant, subject, after: None, limit };
        let owned = store.of_subject(&owned).await.expect("the store works");
        assert_eq!((owned.records.len(), owned.next.is_some()), (rows, true));
        let expired =
            store.expired(&ExpiredQuery { tenant, at, without: Vec::new(), limit }).await.expect("the store works");
        assert_eq!(expired.len(), rows);
        let pending = PendingQuery { limit, ..kit.pending_query(1, at) };
        assert_eq!(store.pending(&pending).await.expect("the store works").len(), rows);
        let facts = FactQuery { limit, ..kit.fact_query(kit.now, at) };
        let facts = store.scan(&facts).await.expect("the store works");
        assert_eq!((facts.facts.len(), facts.next.is_some()), (rows, true));
    }
    assert_eq!(pages(store, kit.list_query(parent, usize::MAX)).await.len(), ROWS);
}

/// Every record of the kind with the lookup, whichever of its lookups it is.
pub async fn a_lookup_finds_in_the_order_of_ids(store: &dyn Store) {
    let kit = Kit::new(store);
    let (sought, other) = (kit.lookup(), kit.lookup());
    let mut hits: Vec<Record> = [vec![sought], vec![other, sought], vec![sought, other], vec![sought, sought]]
        .map(|lookups| Record { lookups, ..kit.message() })
        .into();
    hits.swap(0, 2);
    let misses = [Record { lookups: vec![other], ..kit.message() }, Record { lookups: vec![], ..kit.message() }];
    kit.ops(hits.iter().chain(&misses).map(|record| WriteOp::Put(record.clone()))).await;
    hits.sort_by_key(|record| record.id);
    let query = FindQuery { tenant: kit.tenant, kind: Kind::MESSAGE, lookup: sought, limit: 100 };
    assert_eq!(store.find(&query).await.expect("the store works"), hits);
    let first = FindQuery { limit: 2, ..query };
    assert_eq!(store.find(&first).await.expect("the store works"), hits[..2]);
    assert!(kit.found(kit.lookup()).await.is_empty());
}

/// Over all kinds that belong to a person, wherever the person stands among the subjects.
pub async fn a_person_has_every_record_of_every_kind_once(store: &dyn Store) {
    let kit = Kit::new(store);
    let (person, other) = (kit.subject(), kit.subject());
    let mut expected = Vec::new();
    for kind in Kind::ALL.iter().copied().filter(|kind| kind.paths().owned) {
        for subjects in [vec![person], vec![other, person], vec![person, other, person]] {
            let record = Record { subjects, ..Record::new(kind, kit.id()) };
            kit.put(&record).await;
            expected.push(record);
        }
        kit.put(&Record { subjects: vec![other], ..Record::new(kind, kit.id()) }).await;
    }
    expected.sort_by_key(|record| (record.kind.name(), record.id));
    for limit in [1, 2, 7, expected.len(), 1_000] {
        let mut query = SubjectQuery { tenant: kit.tenant, subject: person, after: None, limit };
        let mut seen = Vec::new();
        loop {
            let page = store.of_subject(&query).await.expect("the store works");
            assert!(page.records.len() <= limit);
            seen.extend(page.records);
            let Some(next) = page.next else { break };
            query.after = Some(next);
            assert!(seen.len() <= expected.len(), "more than there is");
        }
        seen.sort_by_key(|record| (record.kind.name(), record.id));
        assert_eq!(seen, expected, "in pages of {limit}");
    }
    assert!(kit.owned(kit.subject()).await.is_empty());
}

/// Of every kind that expires, at or before the time, the oldest first.
pub async fn the_expired_come_in_the_order_of_their_expiry(store: &dyn Store) {
    let kit = Kit::new(store);
    let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| kind.paths().expires).collect();
    let mut expected = Vec::new();
    for (kind, second) in kinds.iter().cycle().zip([50, -50, 10, 100, 30, 0, 99, 20, -1]) {
        let record = Record { expires_at: Some(kit.after(second)), ..Record::new(*kind, kit.id()) };
        kit.put(&record).await;
        expected.push((second, record.id));
    }
    for kind in &kinds {
        kit.put(&Record::new(*kind, kit.id())).await;
        kit.put(&Record { expires_at: Some(kit.after(101)), ..Record::new(*kind, kit.id()) }).await;
    }
    expected.sort_unstable();
    let expected: Vec<RecordId> = expected.into_iter().map(|(_, id)| id).collect();
    assert_eq!(kit.expired(kit.after(100)).await, expected);
    assert_eq!(kit.expired(kit.after(-1)).await, expected[..2]);
    let few = ExpiredQuery { tenant: kit.tenant, at: kit.after(100), without: vec![kit.subject()], limit: 4 };
    assert_eq!(ids(&store.expired(&few).await.expect("the store works")), expected[..4]);
    assert!(kit.expired(kit.after(-51)).await.is_empty());
}

/// Neither the first subject nor a later one may be among those left out, and they take no place of the others.
pub async fn the_expired_are_told_without_some_people(store: &dyn Store) {
    let kit = Kit::new(store);
    let (kept, other, third) = (kit.subject(), kit.subject(), kit.subject());
    let owned: Vec<Kind> =
        Kind::ALL.iter().copied().filter(|kind| kind.paths().expires && kind.paths().owned).collect();
    let (mut all, mut expected) = (Vec::new(), Vec::new());
    for (kind, second) in owned.iter().cycle().zip(1..60) {
        let subjects = [vec![kept], vec![other, kept], vec![other], vec![kept, other], vec![]][second % 5].clone();
        let record = Record {
            expires_at: Some(kit.after(i64::try_from(second).expect("small"))),
            subjects: subjects.clone(),
            ..Record::new(*kind, kit.id())
        };
        kit.put(&record).await;
        all.push(record.id);
        if !subjects.contains(&kept) {
            expected.push(record.id);
        }
    }
    let query = |without, limit| ExpiredQuery { tenant: kit.tenant, at: kit.after(100), without, limit };
    let told = async |query| ids(&store.expired(&query).await.expect("the store works"));
    assert_eq!(told(query(vec![kept], 1_000)).await, expected);
    assert_eq!(told(query(vec![third, kept], 3)).await, expected[..3], "who is left out takes nobody's place");
    assert_eq!(told(query(vec![third], 1_000)).await, all);
    let nobody: Vec<RecordId> = told(query(vec![kept, other], 1_000)).await;
    assert!(!nobody.is_empty() && nobody.len() < expected.len(), "what belongs to nobody is told");
}

/// Lists to the end.
async fn pages(store: &dyn Store, mut query: ListQuery) -> Vec<RecordId> {
    let mut seen = Vec::new();
    loop {
        let page = store.list(&query).await.expect("the store works");
        assert!(page.records.len() <= query.limit);
        seen.extend(ids(&page.records));
        let Some(next) = page.next else { return seen };
        assert!(page.records.last().is_some_and(|last| last.cursor() == next), "the cursor is the last record's");
        query.after = Some(next);
    }
}
