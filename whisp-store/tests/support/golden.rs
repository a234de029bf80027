//! What the golden scripts hold: one of everything, always the same.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

use chrono::TimeDelta;
use whisp_core::clock::Clock;
use whisp_core::id::{
    ConnectionId, ConversationId, FactId, IdSource, InquiryId, MemberId, RecordId, SubjectId, WorkId, WorkerId,
};
use whisp_core::kpi::{Actor, Fact, FactKind};
use whisp_core::store::{
    Bucket, Clear, Commit, DedupKey, Expect, FactQuery, Kind, Lease, ListQuery, OwnRequest, PendingQuery, Record,
    Store, WorkItem, WorkKey, WriteBatch, WriteOp,
};
use whisp_core::testing::{ManualClock, SeqIds};

use crate::support::{TENANT, message};

/// One of everything, always the same.
pub(crate) struct Contents {
    pub(crate) record: Record,
    pub(crate) key: DedupKey,
    pub(crate) fact: Fact,
    pub(crate) work: WorkItem,
}

pub(crate) fn contents() -> Contents {
    let (ids, now) = (SeqIds::new(42), ManualClock::default().now());
    let record = Record {
        expires_at: Some(now),
        clear: Clear(r#"{"text":"қ"}"#.into()),
        subjects: vec![SubjectId::from_uuid(ids.random()), SubjectId::from_uuid(ids.random())],
        ..message(1)
    };
    let fact = Fact {
        id: FactId::from_uuid(ids.random()),
        at: now,
        kind: FactKind::MessageOut,
        actor: Actor::Member(Some(MemberId(SubjectId::from_uuid(ids.random())))),
        connection: ConnectionId::from_uuid(ids.random()),
        conversation: ConversationId::from_uuid(ids.random()),
        inquiry: Some(InquiryId::from_uuid(ids.random())),
    };
    let work = WorkItem {
        key: WorkKey { bucket: Bucket(3), due: now, id: WorkId::from_uuid(ids.random()) },
        lane: RecordId::from_uuid(ids.random()),
        attempts: 2,
        payload: Clear(r#"{"do":"reply"}"#.into()),
    };
    Contents { record, key: DedupKey { second: now.timestamp(), digest: [9; 32] }, fact, work }
}

/// Writes one of everything into an empty store; returns the lease.
pub(crate) async fn fill(store: &dyn Store) -> Lease {
    let now = ManualClock::default().now();
    let Contents { record, key, fact, work } = contents();
    let batch = WriteBatch::new(TENANT)
        .op(WriteOp::Put(record))
        .op(WriteOp::Remember { key, until: now })
        .op(WriteOp::Append(fact))
        .op(WriteOp::Enqueue(work));
    assert_eq!(store.commit(batch).await.expect("the store works"), Commit::Done);
    let worker = WorkerId::from_bytes([5; 16]);
    store.own(&OwnRequest { worker, limit: 1, now, due_by: now, until: now }).await.expect("the store works")[0]
}

/// Panics unless the store holds one of everything, and goes on from there.
pub(crate) async fn assert_whole(store: &dyn Store) {
    let Contents { record, key, fact, work } = contents();
    let now = ManualClock::default().now();
    let (parent, limit) = (record.parent.expect("it has one"), 10);
    let query =
        ListQuery { tenant: TENANT, kind: Kind::MESSAGE, parent, order: Default::default(), after: None, limit };
    assert_eq!(store.list(&query).await.expect("the store works").records, vec![record.clone()]);
    let query = FactQuery { tenant: TENANT, from: now, until: now + TimeDelta::seconds(1), after: None, limit };
    assert_eq!(store.scan(&query).await.expect("the store works").facts, [fact]);
    let query = PendingQuery { tenant: TENANT, bucket: work.key.bucket, due_by: now, after: None, limit };
    assert_eq!(store.pending(&query).await.expect("the store works"), vec![work]);
    let seen = WriteBatch::new(TENANT).expect(Expect::Unseen { key, at: now });
    assert_ne!(store.commit(seen).await.expect("the store works"), Commit::Done);
    let request = OwnRequest { worker: WorkerId::from_bytes([6; 16]), limit: 1, now, due_by: now, until: now };
    let leases = store.own(&request).await.expect("the store works");
    assert_eq!(leases[0].fence.0, 2, "the fences go on");
    let next = WriteBatch::new(TENANT).op(WriteOp::Put(Record { version: 2, ..record }));
    assert_eq!(store.commit(next).await.expect("the store works"), Commit::Done);
}
