//! What the cases share: ids, records and short ways to commit.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use whisp_core::clock::Clock;
use whisp_core::id::{ConnectionId, ConversationId, FactId, IdSource, RecordId, SubjectId, TenantId, WorkId, WorkerId};
use whisp_core::kpi::{Actor, Fact, FactKind};
use whisp_core::store::{
    BlindIndex, Bucket, Clear, Commit, DedupKey, Expect, FactQuery, FindQuery, Kind, Lease, ListOrder, ListQuery,
    OwnRequest, PendingQuery, Record, Refusal, Sealed, Store, SubjectQuery, WorkItem, WorkKey, WriteBatch, WriteOp,
};
use whisp_core::testing::{ManualClock, SeqIds};

/// A store under test, a tenant in it and a time.
pub(super) struct Kit<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) tenant: TenantId,
    pub(super) now: DateTime<Utc>,
    ids: SeqIds,
}

impl<'a> Kit<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Self {
        let ids = SeqIds::default();
        Self { store, tenant: TenantId::from_uuid(ids.random()), now: ManualClock::default().now(), ids }
    }

    /// The same store for another tenant.
    pub(super) fn other(&self) -> Self {
        Self { tenant: TenantId::from_uuid(self.uuid()), ids: SeqIds::new(7), ..*self }
    }

    pub(super) fn uuid(&self) -> Uuid {
        self.ids.time_ordered(self.now)
    }

    pub(super) fn id(&self) -> RecordId {
        RecordId::from_uuid(self.uuid())
    }

    /// An id that stands anywhere among the others.
    pub(super) fn random_id(&self) -> RecordId {
        RecordId::from_uuid(self.ids.random())
    }

    pub(super) fn subject(&self) -> SubjectId {
        SubjectId::from_uuid(self.ids.random())
    }

    pub(super) fn lookup(&self) -> BlindIndex {
        BlindIndex(self.ids.random().into_bytes())
    }

    pub(super) fn dedup(&self) -> DedupKey {
        let mut digest = [0; 32];
        self.ids.fill(&mut digest);
        DedupKey { second: self.now.timestamp(), digest }
    }

    /// A record of a kind that is on every path.
    pub(super) fn message(&self) -> Record {
        Record {
            parent: Some(self.id()),
            position: 5,
            lookups: vec![self.lookup()],
            subjects: vec![self.subject()],
            expires_at: Some(self.after(3_600)),
            clear: Clear("{}".into()),
            sealed: Sealed(vec![1, 2, 3]),
            ..Record::new(Kind::MESSAGE, self.id())
        }
    }

    pub(super) fn message_under(&self, parent: RecordId, position: i64) -> Record {
        Record { parent: Some(parent), position, ..self.message() }
    }

    pub(super) fn after(&self, seconds: i64) -> DateTime<Utc> {
        self.now + TimeDelta::seconds(seconds)
    }

    pub(super) fn work(&self, bucket: u16, due: DateTime<Utc>) -> WorkItem {
        WorkItem {
            key: WorkKey { bucket: Bucket(bucket), due, id: WorkId::from_uuid(self.uuid()) },
            lane: self.id(),
            attempts: 0,
            payload: Clear("{}".into()),
        }
    }

    pub(super) fn fact(&self, at: DateTime<Utc>) -> Fact {
        Fact {
            id: FactId::from_uuid(self.uuid()),
            at,
            kind: FactKind::MessageIn,
            actor: Actor::Contact,
            connection: ConnectionId::from_uuid(self.uuid()),
            conversation: ConversationId::from_uuid(self.uuid()),
            inquiry: None,
        }
    }

    pub(super) fn batch(&self) -> WriteBatch {
        WriteBatch::new(self.tenant)
    }

    pub(super) fn batch_of(&self, ops: impl IntoIterator<Item = WriteOp>) -> WriteBatch {
        WriteBatch { ops: ops.into_iter().collect(), ..self.batch() }
    }

    /// Commits what has to be possible.
    pub(super) async fn done(&self, batch: WriteBatch) {
        let outcome = self.store.commit(batch).await.expect("the store works");
        assert_eq!(outcome, Commit::Done, "the batch is possible");
    }

    /// Commits operations that have to be possible.
    pub(super) async fn ops(&self, ops: impl IntoIterator<Item = WriteOp>) {
        self.done(self.batch_of(ops)).await;
    }

    pub(super) async fn put(&self, record: &Record) {
        self.ops([WriteOp::Put(record.clone())]).await;
    }

    /// Commits what has to be refused; returns the refusals in order.
    pub(super) async fn refused(&self, batch: WriteBatch) -> Vec<Refusal> {
        match self.store.commit(batch).await.expect("the store works") {
            Commit::Refused(mut refusals) => {
                refusals.sort();
                refusals
            }
            Commit::Done => panic!("a batch was done that is not possible"),
        }
    }

    /// Returns whether a batch of nothing but this expectation is done.
    pub(super) async fn holds(&self, expect: Expect) -> bool {
        self.store.commit(self.batch().expect(expect)).await.expect("the store works") == Commit::Done
    }

    pub(super) async fn is_unseen(&self, key: DedupKey, at: DateTime<Utc>) -> bool {
        self.holds(Expect::Unseen { key, at }).await
    }

    pub(super) async fn get(&self, kind: Kind, id: RecordId) -> Option<Record> {
        self.store.get(self.tenant, kind, id).await.expect("the store works")
    }

    pub(super) fn list_query(&self, parent: RecordId, limit: usize) -> ListQuery {
        ListQuery { tenant: self.tenant, kind: Kind::MESSAGE, parent, order: ListOrder::Ascending, after: None, limit }
    }

    pub(super) async fn listed(&self, parent: RecordId) -> Vec<RecordId> {
        let page = self.store.list(&self.list_query(parent, 1_000)).await.expect("the store works");
        ids(&page.records)
    }

    pub(super) async fn found(&self, lookup: BlindIndex) -> Vec<RecordId> {
        let query = FindQuery { tenant: self.tenant, kind: Kind::MESSAGE, lookup, limit: 1_000 };
        ids(&self.store.find(&query).await.expect("the store works"))
    }

    pub(super) async fn owned(&self, subject: SubjectId) -> Vec<RecordId> {
        let query = SubjectQuery { tenant: self.tenant, subject, after: None, limit: 1_000 };
        ids(&self.store.of_subject(&query).await.expect("the store works").records)
    }

    pub(super) async fn expired(&self, at: DateTime<Utc>) -> Vec<RecordId> {
        let query = whisp_core::store::ExpiredQuery { tenant: self.tenant, at, without: Vec::new(), limit: 1_000 };
        ids(&self.store.expired(&query).await.expect("the store works"))
    }

    pub(super) async fn pending(&self, bucket: u16) -> Vec<WorkItem> {
        let query = self.pending_query(bucket, self.after(1_000_000));
        self.store.pending(&query).await.expect("the store works")
    }

    pub(super) fn pending_query(&self, bucket: u16, due_by: DateTime<Utc>) -> PendingQuery {
        PendingQuery { tenant: self.tenant, bucket: Bucket(bucket), due_by, after: None, limit: 1_000 }
    }

    pub(super) fn fact_query(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> FactQuery {
        FactQuery { tenant: self.tenant, from, until, after: None, limit: 1_000 }
    }

    pub(super) async fn facts(&self) -> Vec<Fact> {
        let query = self.fact_query(self.after(-1_000_000), self.after(1_000_000));
        self.store.scan(&query).await.expect("the store works").facts
    }

    pub(super) fn worker(&self) -> WorkerId {
        WorkerId::from_uuid(self.uuid())
    }

    /// Leases up to `limit` buckets for a minute.
    pub(super) async fn own(&self, worker: WorkerId, limit: usize, now: DateTime<Utc>) -> Vec<Lease> {
        let request =
            OwnRequest { worker, limit, now, due_by: self.after(1_000_000), until: now + TimeDelta::minutes(1) };
        self.store.own(&request).await.expect("the store works")
    }

    /// Puts one piece of work into a bucket and leases it for a minute.
    pub(super) async fn own_one(&self, bucket: u16) -> (WorkItem, Lease) {
        let item = self.work(bucket, self.now);
        self.ops([WriteOp::Enqueue(item.clone())]).await;
        let leases = self.own(self.worker(), 1, self.now).await;
        match leases.as_slice() {
            [lease] if lease.bucket == Bucket(bucket) => (item, *lease),
            other => panic!("the one bucket with work is leased, not {other:?}"),
        }
    }

    pub(super) fn owner(lease: &Lease, at: DateTime<Utc>) -> Expect {
        Expect::Owner { bucket: lease.bucket, fence: lease.fence, at }
    }
}

pub(super) fn ids(records: &[Record]) -> Vec<RecordId> {
    records.iter().map(|record| record.id).collect()
}
