//! Durable ingest into PostgreSQL, 64 producers: our store beside a bare tokio-postgres writer with group commit that
//! writes the same rows into the same tables, with `UNNEST`, in one round trip a group and without a check.
//!
//! Rounds are interleaved and medians compared. `WHISP_TEST_POSTGRES_URL=... cargo bench -p whisp-benches --bench postgres`;
//! a number after `--` sets the messages of a round. Both sides work in one schema, which is dropped at the end.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints, and stops if its ground is missing"
)]

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{join3, try_join_all};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;
use whisp::id::{RecordId, TenantId};
use whisp::stores::{PostgresOptions, PostgresStore};
use whisp_benches::ingest::{Message, PRODUCERS, REMEMBERED, Source, ingest, produce, seconds_each};
use whisp_benches::server::{connect, drop_schema};
use whisp_benches::{Goal, compare};

const ROUNDS: usize = 9;
const MESSAGES_DEFAULT: usize = 12_800;
const GROUP_MAX: usize = 512;

#[expect(clippy::disallowed_methods, reason = "the server lies outside the project")]
fn main() {
    let Ok(url) = std::env::var("WHISP_TEST_POSTGRES_URL") else {
        println!("WHISP_TEST_POSTGRES_URL is not set: the bench on PostgreSQL is left out");
        return;
    };
    let messages = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(MESSAGES_DEFAULT);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(measure(&url, messages));
}

async fn measure(url: &str, messages: usize) {
    let schema = format!("bench_{}", std::process::id());
    let store = Arc::new(PostgresOptions::new(url).schema(schema.clone()).open().await.expect("the server answers"));
    let source = Arc::new(Source::new());
    // The tenant is there before the first round of either.
    ingest(&*store, &source).await;
    let bare = BareWriter::start(connect(url).await, &schema, source.tenant).await;
    let mut turns = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let (to, from) = (Arc::clone(&store), Arc::clone(&source));
        produce(messages, move || ingest_ours(Arc::clone(&to), Arc::clone(&from))).await;
        let ours = seconds_each(messages, began);
        let began = Instant::now();
        let (queue, from) = (bare.clone(), Arc::clone(&source));
        produce(messages, move || ingest_bare(queue.clone(), Arc::clone(&from))).await;
        turns.push((ours, seconds_each(messages, began)));
    }
    drop(store);
    drop_schema(url, &schema).await;
    let what = format!("durable PostgreSQL ingest, {PRODUCERS} producers, {messages} messages a round");
    compare(&format!("{what} / a bare UNNEST writer with group commit"), turns, Goal::SpeedAtLeast(0.8));
}

async fn ingest_ours(store: Arc<PostgresStore>, source: Arc<Source>) {
    ingest(&*store, &source).await;
}

type Job = (Message, oneshot::Sender<()>);

async fn ingest_bare(queue: mpsc::Sender<Job>, source: Arc<Source>) {
    let (reply, answer) = oneshot::channel();
    queue.send((source.message(), reply)).await.expect("the writer runs");
    answer.await.expect("the writer answers");
}

/// The peer: no checks but those of the constraints, no refusals, no leases, no reads.
struct BareWriter {
    client: Client,
    begin: String,
    tenant: Uuid,
    inserts: [Statement; 6],
}

impl BareWriter {
    async fn start(client: Client, schema: &str, tenant: TenantId) -> mpsc::Sender<Job> {
        let inserts = [
            (
                "record_message",
                "SELECT $1, u.* FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bytea[], $8::bytea[], $9::text[], $10::bytea[]) AS u",
            ),
            ("lookup_message", "SELECT $1, u.* FROM unnest($2::uuid[], $3::uuid[]) AS u"),
            ("subject", "SELECT $1, u.subject, 'message', u.id FROM unnest($2::uuid[], $3::uuid[]) AS u (subject, id)"),
            (
                "work",
                "SELECT $1, u.* FROM unnest($2::integer[], $3::bigint[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[]) AS u",
            ),
            ("seen", "SELECT $1, u.* FROM unnest($2::bigint[], $3::bytea[], $4::bigint[]) AS u ON CONFLICT DO NOTHING"),
            ("fact", "SELECT $1, u.* FROM unnest($2::bigint[], $3::uuid[], $4::bytea[]) AS u ON CONFLICT DO NOTHING"),
        ];
        let prepare = inserts.map(|(table, select)| {
            let sql = format!("INSERT INTO {schema}.{table} {select}");
            let client = &client;
            async move { client.prepare(&sql).await }
        });
        let inserts = try_join_all(prepare).await.expect("the tables are ours").try_into().expect("six");
        let begin = format!("BEGIN; SET LOCAL whisp.tenant = '{tenant}'");
        let writer = Self { client, begin, tenant: tenant.as_uuid(), inserts };
        let (queue, mut jobs) = mpsc::channel::<Job>(1_024);
        tokio::spawn(async move {
            let mut group = Vec::new();
            while jobs.recv_many(&mut group, GROUP_MAX).await > 0 {
                let (messages, replies): (Vec<_>, Vec<_>) = group.drain(..).unzip();
                writer.write(&messages).await;
                replies.into_iter().for_each(|reply: oneshot::Sender<()>| reply.send(()).expect("a producer waits"));
            }
        });
        queue
    }

    /// One round trip: everything is sent before anything is answered.
    async fn write(&self, messages: &[Message]) {
        let columns = Columns::of(messages);
        let rows = columns.rows();
        let tenant = &self.tenant;
        let inserts = self.inserts.iter().zip(&rows).map(|(statement, row)| {
            let params: Vec<&(dyn ToSql + Sync)> = std::iter::once(tenant as _).chain(row.iter().copied()).collect();
            async move { self.client.execute(statement, &params).await }
        });
        let (began, wrote, ended) =
            join3(self.client.batch_execute(&self.begin), try_join_all(inserts), self.client.batch_execute("COMMIT"))
                .await;
        began.expect("it begins");
        wrote.expect("it writes");
        ended.expect("it commits");
    }
}

/// The rows as columns.
struct Columns {
    ids: Vec<Uuid>,
    versions: Vec<i64>,
    parents: Vec<Option<Uuid>>,
    positions: Vec<i64>,
    expiries: Vec<Option<i64>>,
    lookups: Vec<Vec<u8>>,
    subjects: Vec<Vec<u8>>,
    clear: Vec<String>,
    sealed: Vec<Vec<u8>>,
    lookup_ids: Vec<Uuid>,
    subject_ids: Vec<Uuid>,
    buckets: Vec<i32>,
    dues: Vec<i64>,
    work_ids: Vec<Uuid>,
    lanes: Vec<Uuid>,
    attempts: Vec<i64>,
    payloads: Vec<String>,
    seconds: Vec<i64>,
    digests: Vec<Vec<u8>>,
    untils: Vec<i64>,
    fact_ats: Vec<i64>,
    fact_ids: Vec<Uuid>,
    facts: Vec<Vec<u8>>,
}

impl Columns {
    fn of(messages: &[Message]) -> Self {
        fn column<T>(messages: &[Message], value: impl Fn(&Message) -> T) -> Vec<T> {
            messages.iter().map(value).collect()
        }
        Self {
            ids: column(messages, |m| m.record.id.as_uuid()),
            versions: column(messages, |_| 1),
            parents: column(messages, |m| m.record.parent.map(RecordId::as_uuid)),
            positions: column(messages, |m| m.record.position),
            expiries: column(messages, |m| m.record.expires_at.map(|at| at.timestamp_micros())),
            lookups: column(messages, |m| m.record.lookups[0].0.to_vec()),
            subjects: column(messages, |m| m.record.subjects[0].into_bytes().to_vec()),
            clear: column(messages, |m| m.record.clear.0.clone()),
            sealed: column(messages, |m| m.record.sealed.0.clone()),
            lookup_ids: column(messages, |m| Uuid::from_bytes(m.record.lookups[0].0)),
            subject_ids: column(messages, |m| m.record.subjects[0].as_uuid()),
            buckets: column(messages, |m| i32::from(m.work.key.bucket.0)),
            dues: column(messages, |m| m.work.key.due.timestamp_micros()),
            work_ids: column(messages, |m| m.work.key.id.as_uuid()),
            lanes: column(messages, |m| m.work.lane.as_uuid()),
            attempts: column(messages, |_| 0),
            payloads: column(messages, |m| m.work.payload.0.clone()),
            seconds: column(messages, |m| m.key.second),
            digests: column(messages, |m| m.key.digest.to_vec()),
            untils: column(messages, |m| (m.now + REMEMBERED).timestamp_micros()),
            fact_ats: column(messages, |m| m.fact.at.timestamp_micros()),
            fact_ids: column(messages, |m| m.fact.id.as_uuid()),
            facts: column(messages, |m| m.fact.to_bytes()),
        }
    }

    fn rows(&self) -> [Vec<&(dyn ToSql + Sync)>; 6] {
        [
            vec![
                &self.ids,
                &self.versions,
                &self.parents,
                &self.positions,
                &self.expiries,
                &self.lookups,
                &self.subjects,
                &self.clear,
                &self.sealed,
            ],
            vec![&self.lookup_ids, &self.ids],
            vec![&self.subject_ids, &self.ids],
            vec![&self.buckets, &self.dues, &self.work_ids, &self.lanes, &self.attempts, &self.payloads],
            vec![&self.seconds, &self.digests, &self.untils],
            vec![&self.fact_ats, &self.fact_ids, &self.facts],
        ]
    }
}
