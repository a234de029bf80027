//! apalis: a task a message, taken in batches. It has no order by key, so the answers of one person may change places.

use std::path::Path;
use std::time::{Duration, Instant};

use apalis::prelude::{
    BoxDynError, ParallelizeExt as _, TaskSink as _, WorkerBuilder, WorkerBuilderExt as _, WorkerContext,
};
use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};
use whisp_benches::ingest::{produce, seconds_each};

use crate::Question;

const QUEUE: &str = "answers";

/// How many tasks are taken at once.
const BATCH: usize = 200;

/// How many tasks run beside one another.
const CONCURRENCY: usize = 64;

/// How often it looks for tasks.
const POLL: Duration = Duration::from_millis(5);

async fn answer(question: Question) -> Result<(), BoxDynError> {
    question.answer();
    Ok(())
}

/// Polls a worker every few milliseconds. Without a strategy for polling it looks for tasks once and sleeps until its next
/// heartbeat, half a minute; with the interval that it has for this it can do the same, as it loses the wake-up of an
/// interval that ends while it is fetching.
async fn awake<T>(worker: impl Future<Output = T>) -> T {
    let mut worker = std::pin::pin!(worker);
    let mut polls = tokio::time::interval(POLL);
    loop {
        tokio::select! {
            ended = &mut worker => return ended,
            _ = polls.tick() => {}
        }
    }
}

/// Runs a worker over a storage while producers push; ends when nothing is left.
macro_rules! round {
    ($storage:expr, $messages:expr, $left:expr) => {{
        let (storage, messages) = ($storage, $messages);
        let context = WorkerContext::new("answers");
        let worker = WorkerBuilder::new(&context)
            .backend(storage.clone())
            .concurrency(CONCURRENCY)
            .parallelize(tokio::spawn)
            .build(answer);
        let running = tokio::spawn(awake(worker.run()));
        let began = Instant::now();
        produce(messages, move || {
            let mut storage = storage.clone();
            async move { storage.push(Question::new()).await.expect("it is taken") }
        })
        .await;
        while $left.await > 0 {
            assert!(!running.is_finished(), "the worker stopped: {:?}", running.await);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let seconds = seconds_each(messages, began);
        context.stop().expect("it runs");
        running.await.expect("the worker ends").expect("the worker works");
        seconds
    }};
}

/// apalis-postgres. Its tables are always in the schema `apalis`.
#[derive(Debug)]
pub(crate) struct OnPostgres(PgPool);

impl OnPostgres {
    pub(crate) async fn open(pool: PgPool) -> Self {
        let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'apalis')")
            .fetch_one(&pool)
            .await
            .expect("the server answers");
        assert!(!there, "the database has a schema `apalis` already, which the bench would drop: give it another one");
        PostgresStorage::setup(&pool).await.expect("a new schema");
        Self(pool)
    }

    pub(crate) async fn round(&self, messages: usize) -> f64 {
        let config = apalis_postgres::Config::default().queue(QUEUE).batch_size(BATCH);
        let storage = PostgresStorage::<Question>::new(&self.0).with_config(config);
        let left = || async {
            let count = "SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'";
            sqlx::query_scalar::<_, i64>(count).fetch_one(&self.0).await.expect("the table is there")
        };
        let seconds = round!(storage, messages, left());
        // It keeps what is done, and takes a worker of the same name for alive: the next round begins with empty tables.
        sqlx::query("TRUNCATE apalis.jobs, apalis.workers").execute(&self.0).await.expect("the tables are there");
        seconds
    }

    pub(crate) async fn close(self) {
        sqlx::query("DROP SCHEMA apalis CASCADE").execute(&self.0).await.expect("it is ours");
    }
}

/// apalis-sqlite, in a file with a log, `synchronous=FULL`.
#[derive(Debug)]
pub(crate) struct OnSqlite(SqlitePool);

impl OnSqlite {
    pub(crate) async fn open(folder: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(folder.join("apalis.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(30));
        // Setting up turns durability off on the connection that does it.
        let once = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await.expect("a new file");
        SqliteStorage::setup(&once).await.expect("a new file");
        once.close().await;
        // With one connection it is the fastest: several wait for one another's locks.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        Self(pool.expect("the file opens"))
    }

    pub(crate) async fn round(&self, messages: usize) -> f64 {
        let config = apalis_sqlite::Config::default().queue(QUEUE).batch_size(BATCH);
        let storage = SqliteStorage::<Question>::new(&self.0).with_config(config);
        let left = || async {
            let count = "SELECT count(*) FROM Jobs WHERE status <> 'Done'";
            sqlx::query_scalar::<_, i64>(count).fetch_one(&self.0).await.expect("the table is there")
        };
        let seconds = round!(storage, messages, left());
        sqlx::raw_sql("DELETE FROM Jobs; DELETE FROM Workers").execute(&self.0).await.expect("the tables are there");
        seconds
    }
}
