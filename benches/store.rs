//! Durable ingest into SQLite, `synchronous=FULL`, 64 producers: our store beside a bare rusqlite writer thread with group
//! commit that writes the same rows into the same tables and indexes, and beside one transaction a message.
//!
//! How far a group is ahead of one transaction a message is decided by the disk: each message changes about three pages
//! at random places (its lookup, its owner, its conversation's list) and costs even the bare writer some 60 us of
//! processor and page writes, while a transaction costs one `fsync`. Where that takes 3 ms, the group is more than 20
//! times ahead; where it takes 0.3 ms, as behind a write cache, both grouped writers are about 4 times ahead.
//!
//! `cargo bench -p whisp-benches --bench store`; a number after `--` sets the messages of a round.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench stops if its ground is missing"
)]

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OpenFlags, Statement};
use tokio::sync::{mpsc, oneshot};
use whisp::id::{ConnectionId, ConversationId, FactId, IdSource, RecordId, SubjectId, TenantId, WorkId};
use whisp::kpi::{Actor, Fact, FactKind};
use whisp::store::{
    BlindIndex, Bucket, Clear, Commit, DedupKey, Expect, Kind, Record, Records, Sealed, WorkItem, WorkKey, WriteBatch,
    WriteOp,
};
use whisp::stores::SqliteStore;
use whisp::testing::SeqIds;
use whisp_benches::{Goal, compare};

const PRODUCERS: usize = 64;
const ROUNDS: usize = 9;
const MESSAGES_DEFAULT: usize = 12_800;
/// One transaction a message is slow: so few are enough.
const MESSAGES_AUTOCOMMIT: usize = 256;
const CONVERSATIONS: usize = 1_000;
const GROUP_MAX: usize = 512;

fn main() {
    let messages = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(MESSAGES_DEFAULT);
    let folder = tempfile::tempdir().expect("a folder for the databases");
    let path = |name: &str| folder.path().join(name);
    drop(SqliteStore::open(path("bare.db")).expect("the schema is ours"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let ours = Arc::new(SqliteStore::open(path("ours.db")).expect("a new file opens"));
    let bare = BareWriter::start(&path("bare.db"));
    // In the same file, so that the tables and indexes are as large.
    let autocommit = connect(&path("bare.db"));
    let mut single = Statements::prepare(&autocommit);
    let source = Arc::new(Source::new());

    let (mut beside_bare, mut beside_single) = (Vec::new(), Vec::new());
    let mut waits = [const { Vec::new() }; 2];
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let (store, messages_of) = (Arc::clone(&ours), Arc::clone(&source));
        let ingest = move || ingest_ours(Arc::clone(&store), Arc::clone(&messages_of));
        waits[0].extend(runtime.block_on(produce(messages, ingest)));
        let ours = seconds_each(messages, began);
        let began = Instant::now();
        let (queue, messages_of) = (bare.queue.clone(), Arc::clone(&source));
        let ingest = move || ingest_bare(queue.clone(), Arc::clone(&messages_of));
        waits[1].extend(runtime.block_on(produce(messages, ingest)));
        beside_bare.push((ours, seconds_each(messages, began)));
        let began = Instant::now();
        (0..MESSAGES_AUTOCOMMIT).for_each(|_| single.in_transaction(source.tenant, &source.message()));
        beside_single.push((ours, seconds_each(MESSAGES_AUTOCOMMIT, began)));
    }
    let what = format!("durable ingest, {PRODUCERS} producers, {messages} messages a round");
    compare(&format!("{what} / a bare writer with group commit"), beside_bare, Goal::SpeedAtLeast(0.8));
    compare(&format!("{what} / one transaction a message"), beside_single, Goal::SpeedAtLeast(20.0));
    let [ours, bare] = waits.map(|mut waits| {
        waits.sort_unstable();
        [waits.len() / 2, waits.len() / 100 * 99].map(|place| waits[place].as_secs_f64() * 1e3)
    });
    println!(
        "an answer took {:.1} ms in the middle, {:.1} ms at the 99th percentile; bare: {:.1} ms, {:.1} ms",
        ours[0], ours[1], bare[0], bare[1]
    );
}

fn seconds_each(messages: usize, began: Instant) -> f64 {
    began.elapsed().as_secs_f64() / f64::from(u32::try_from(messages).expect("not so many"))
}

/// Runs the producers: each waits for its own message before it sends the next one. Returns how long each waited.
async fn produce<F, I>(messages: usize, ingest: I) -> Vec<Duration>
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

/// A message as it comes in.
struct Message {
    record: Record,
    key: DedupKey,
    fact: Fact,
    work: WorkItem,
    now: DateTime<Utc>,
}

/// Makes messages, each a millisecond later than the one before, of a thousand conversations.
struct Source {
    ids: SeqIds,
    tenant: TenantId,
    conversations: Vec<(RecordId, SubjectId)>,
    count: std::sync::atomic::AtomicU32,
}

impl Source {
    fn new() -> Self {
        let ids = SeqIds::default();
        let conversation = || (RecordId::from_uuid(ids.random()), SubjectId::from_uuid(ids.random()));
        let conversations = (0..CONVERSATIONS).map(|_| conversation()).collect();
        Self { tenant: TenantId::from_uuid(ids.random()), conversations, ids, count: 0.into() }
    }

    fn message(&self) -> Message {
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

async fn ingest_ours(store: Arc<SqliteStore>, source: Arc<Source>) {
    let Message { record, key, fact, work, now } = source.message();
    let batch = WriteBatch::new(source.tenant)
        .expect(Expect::Unseen { key, at: now })
        .op(WriteOp::Put(record))
        .op(WriteOp::Remember { key, until: now + TimeDelta::days(7) })
        .op(WriteOp::Append(fact))
        .op(WriteOp::Enqueue(work));
    assert_eq!(store.commit(batch).await.expect("the store works"), Commit::Done);
}

type Job = (TenantId, Message, oneshot::Sender<()>);

async fn ingest_bare(queue: mpsc::Sender<Job>, source: Arc<Source>) {
    let (reply, answer) = oneshot::channel();
    queue.send((source.tenant, source.message(), reply)).await.expect("the writer runs");
    answer.await.expect("the writer answers");
}

/// The peer: no checks but those of the constraints, no refusals, no leases, no reads.
struct BareWriter {
    queue: mpsc::Sender<Job>,
    _thread: JoinHandle<()>,
}

impl BareWriter {
    fn start(path: &Path) -> Self {
        let (queue, mut jobs) = mpsc::channel::<Job>(1_024);
        let conn = connect(path);
        let work = move || {
            let mut statements = Statements::prepare(&conn);
            let mut replies = Vec::new();
            while let Some(first) = jobs.blocking_recv() {
                statements.begin.execute([]).expect("it begins");
                let mut next = Some(first);
                while let Some((tenant, message, reply)) = next {
                    statements.insert(tenant, &message);
                    replies.push(reply);
                    next = if replies.len() < GROUP_MAX { jobs.try_recv().ok() } else { None };
                }
                statements.end.execute([]).expect("it commits");
                for reply in replies.drain(..) {
                    reply.send(()).expect("a producer waits");
                }
            }
        };
        Self { queue, _thread: std::thread::spawn(work) }
    }
}

/// A connection with our settings; the log is written back as SQLite does it, at the same length as ours.
fn connect(path: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).expect("the file opens");
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; \
         PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 16384;",
    )
    .expect("the settings are known");
    conn
}

struct Statements<'c> {
    begin: Statement<'c>,
    end: Statement<'c>,
    seen: Statement<'c>,
    message: Statement<'c>,
    lookup: Statement<'c>,
    subject: Statement<'c>,
    fact: Statement<'c>,
    work: Statement<'c>,
}

impl<'c> Statements<'c> {
    fn prepare(conn: &'c Connection) -> Self {
        let prepare = |sql| conn.prepare(sql).expect("the schema is ours");
        Self {
            begin: prepare("BEGIN IMMEDIATE"),
            end: prepare("COMMIT"),
            seen: prepare("INSERT OR IGNORE INTO seen VALUES (?1, ?2, ?3, ?4)"),
            message: prepare("INSERT INTO record_message VALUES (NULL, ?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
            lookup: prepare("INSERT INTO lookup_message VALUES (?1, ?2, ?3)"),
            subject: prepare("INSERT INTO subject VALUES (?1, ?2, 'message', ?3)"),
            fact: prepare("INSERT INTO fact VALUES (?1, ?2, ?3, ?4)"),
            work: prepare("INSERT INTO work VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)"),
        }
    }

    fn in_transaction(&mut self, tenant: TenantId, message: &Message) {
        self.begin.execute([]).expect("it begins");
        self.insert(tenant, message);
        self.end.execute([]).expect("it commits");
    }

    fn insert(&mut self, tenant: TenantId, message: &Message) {
        let Message { record, key, fact, work, now } = message;
        let (tenant, id) = (tenant.into_bytes(), record.id.into_bytes());
        let until = (*now + TimeDelta::days(7)).timestamp_micros();
        if self.seen.execute((tenant, key.second, key.digest, until)).expect("a key") == 0 {
            return;
        }
        let (lookup, subject) = (record.lookups[0].0, record.subjects[0].into_bytes());
        let (parent, expires_at) =
            (record.parent.map(RecordId::into_bytes), record.expires_at.map(|at| at.timestamp_micros()));
        let (clear, sealed) = (&record.clear.0, &record.sealed.0);
        let row = (tenant, id, parent, record.position, expires_at, lookup, subject, clear, sealed);
        self.message.execute(row).expect("a message");
        self.lookup.execute((tenant, lookup, id)).expect("a lookup");
        self.subject.execute((tenant, subject, id)).expect("a subject");
        self.fact.execute((tenant, fact.at.timestamp_micros(), fact.id.into_bytes(), fact.to_bytes())).expect("a fact");
        let key = (tenant, work.key.bucket.0, work.key.due.timestamp_micros(), work.key.id.into_bytes());
        let row = (key.0, key.1, key.2, key.3, work.lane.into_bytes(), &work.payload.0);
        self.work.execute(row).expect("work");
    }
}
