//! Messages as the ingest benches write them, whatever the database.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a bench stops if its ground is missing")]

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use whisp::id::{ConnectionId, ConversationId, FactId, IdSource, RecordId, SubjectId, TenantId, WorkId};
use whisp::kpi::{Actor, Fact, FactKind};
use whisp::store::{
    BlindIndex, Bucket, Clear, Commit, DedupKey, Expect, Kind, Record, Records, Sealed, WorkItem, WorkKey, WriteBatch,
    WriteOp,
};
use whisp::testing::SeqIds;

/// How many producers there are.
pub const PRODUCERS: usize = 64;

/// How many conversations the messages belong to.
const CONVERSATIONS: usize = 1_000;

/// How long a key is remembered.
pub const REMEMBERED: TimeDelta = TimeDelta::days(7);

/// Runs the producers: each waits for its own message before it sends the next one. Returns how long each waited.
///
/// # Panics
/// If one of them does.
pub async fn produce<F, I>(messages: usize, ingest: I) -> Vec<Duration>
where
    F: Future<Output = ()> + Send + 'static,
    I: Fn() -> F + Clone + Send + Sync + 'static,
{
    let producer = || {
        let ingest = ingest.clone();
        tokio::spawn(async move {
            let mut waits = Vec::with_capacity(messages / PRODUCERS);
            for _ in 0..messages / PRODUCERS {
                let began = Instant::now();
                ingest().await;
                waits.push(began.elapsed());
            }
            waits
        })
    };
    let producers: Vec<_> = (0..PRODUCERS).map(|_| producer()).collect();
    let mut waits = Vec::with_capacity(messages);
    for producer in producers {
        waits.extend(producer.await.expect("a producer ends"));
    }
    waits
}

/// Returns how many seconds one of so many messages took since then.
///
/// # Panics
/// With more messages than there are.
#[must_use]
pub fn seconds_each(messages: usize, began: Instant) -> f64 {
    began.elapsed().as_secs_f64() / f64::from(u32::try_from(messages).expect("not so many"))
}

/// A message as it comes in.
#[derive(Debug)]
pub struct Message {
    /// As it is stored.
    pub record: Record,
    /// As it is stored.
    pub key: DedupKey,
    /// As it is stored.
    pub fact: Fact,
    /// As it is stored.
    pub work: WorkItem,
    /// As it is stored.
    pub now: DateTime<Utc>,
}

/// Makes messages, each a millisecond later than the one before, of a thousand conversations.
#[derive(Debug)]
pub struct Source {
    ids: SeqIds,
    /// Whose messages.
    pub tenant: TenantId,
    conversations: Vec<(RecordId, SubjectId)>,
    count: std::sync::atomic::AtomicU32,
}

impl Source {
    /// Begins.
    pub fn new() -> Self {
        let ids = SeqIds::default();
        let conversation = || (RecordId::from_uuid(ids.random()), SubjectId::from_uuid(ids.random()));
        let conversations = (0..CONVERSATIONS).map(|_| conversation()).collect();
        Self { tenant: TenantId::from_uuid(ids.random()), conversations, ids, count: 0.into() }
    }

    /// Makes the next one.
    ///
    /// # Panics
    /// Never.
    pub fn message(&self) -> Message {
        let count = self.count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::milliseconds(count.into());
        let mut random = [0; 64];
        self.ids.fill(&mut random);
        let (place, digest) = random.split_at(32);
        let place = usize::from(u16::from_le_bytes([place[0], place[1]])) % CONVERSATIONS;
        let (conversation, contact) = self.conversations[place];
        let uuid = || self.ids.time_ordered(now);
        let record = Record {
            parent: Some(conversation),
            position: now.timestamp_micros(),
            lookups: vec![BlindIndex(self.ids.random().into_bytes())],
            subjects: vec![contact],
            expires_at: Some(now + TimeDelta::days(365)),
            clear: Clear(r#"{"author":"contact","kind":"text"}"#.into()),
            sealed: Sealed(vec![0xa5; 300]),
            ..Record::new(Kind::MESSAGE, RecordId::from_uuid(uuid()))
        };
        let key = DedupKey { second: now.timestamp(), digest: digest.try_into().expect("half of them") };
        let fact = Fact {
            id: FactId::from_uuid(uuid()),
            at: now,
            kind: FactKind::MessageIn,
            actor: Actor::Contact,
            connection: ConnectionId::from_uuid(self.tenant.as_uuid()),
            conversation: ConversationId::from_uuid(conversation.as_uuid()),
            inquiry: None,
        };
        let bucket = Bucket(u16::try_from(place % 4).expect("one of four"));
        let work = WorkItem {
            key: WorkKey { bucket, due: now, id: WorkId::from_uuid(uuid()) },
            lane: conversation,
            attempts: 0,
            payload: Clear(r#"{"do":"reply"}"#.into()),
        };
        Message { record, key, fact, work, now }
    }
}

impl Default for Source {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes the next message in, as the assistant does.
///
/// # Panics
/// If the store does not take it.
pub async fn ingest(store: &dyn Records, source: &Source) {
    let Message { record, key, fact, work, now } = source.message();
    let batch = WriteBatch::new(source.tenant)
        .expect(Expect::Unseen { key, at: now })
        .op(WriteOp::Put(record))
        .op(WriteOp::Remember { key, until: now + REMEMBERED })
        .op(WriteOp::Append(fact))
        .op(WriteOp::Enqueue(work));
    assert_eq!(store.commit(batch).await.expect("the store works"), Commit::Done);
}
