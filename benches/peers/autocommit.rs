//! What is written without a store of one's own: sqlx on SQLite, each statement a transaction by itself, the rows and the
//! indexes that a message has in ours.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use whisp::stores::SqliteStore;
use whisp_benches::ingest::{Message, REMEMBERED, Source, ingest, produce, seconds_each};

/// Our store, and a file of the same schema that sqlx writes to.
#[derive(Debug)]
pub(crate) struct Ingest {
    source: Arc<Source>,
    ours: Arc<SqliteStore>,
    pool: SqlitePool,
}

impl Ingest {
    pub(crate) async fn open(folder: &Path) -> Self {
        let (ours, theirs) = (folder.join("ours.db"), folder.join("autocommit.db"));
        drop(SqliteStore::open(&theirs).expect("the schema is ours"));
        let options = SqliteConnectOptions::new()
            .filename(theirs)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("secure_delete", "ON")
            .busy_timeout(Duration::from_secs(30));
        // With one connection it is the fastest: several wait for one another's locks.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.expect("the file opens");
        let ours = Arc::new(SqliteStore::open(ours).expect("a new file opens"));
        Self { source: Arc::new(Source::new()), ours, pool }
    }

    /// Takes messages in with our store; returns how many seconds one took.
    pub(crate) async fn ours(&self, messages: usize) -> f64 {
        let began = Instant::now();
        let (store, source) = (Arc::clone(&self.ours), Arc::clone(&self.source));
        produce(messages, move || {
            let (store, source) = (Arc::clone(&store), Arc::clone(&source));
            async move { ingest(&*store, &source).await }
        })
        .await;
        seconds_each(messages, began)
    }

    /// Takes messages in with sqlx; returns how many seconds one took.
    pub(crate) async fn theirs(&self, messages: usize) -> f64 {
        let began = Instant::now();
        let (pool, source) = (self.pool.clone(), Arc::clone(&self.source));
        produce(messages, move || {
            let (pool, source) = (pool.clone(), Arc::clone(&source));
            async move { insert(&pool, &source).await.expect("it is taken") }
        })
        .await;
        seconds_each(messages, began)
    }
}

async fn insert(pool: &SqlitePool, source: &Source) -> Result<(), sqlx::Error> {
    let Message { record, key, fact, work, now } = source.message();
    let tenant = source.tenant.into_bytes();
    let (tenant, id) = (tenant.as_slice(), record.id.into_bytes().to_vec());
    let lookup = record.lookups.first().expect("one").0.to_vec();
    let subject = record.subjects.first().expect("one").into_bytes().to_vec();
    sqlx::query("INSERT OR IGNORE INTO seen VALUES (?1, ?2, ?3, ?4)")
        .bind(tenant)
        .bind(key.second)
        .bind(key.digest.as_slice())
        .bind((now + REMEMBERED).timestamp_micros())
        .execute(pool)
        .await?;
    sqlx::query("INSERT INTO record_message VALUES (NULL, ?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")
        .bind(tenant)
        .bind(&id)
        .bind(record.parent.map(|parent| parent.into_bytes().to_vec()))
        .bind(record.position)
        .bind(record.expires_at.map(|at| at.timestamp_micros()))
        .bind(&lookup)
        .bind(&subject)
        .bind(&record.clear.0)
        .bind(&record.sealed.0)
        .execute(pool)
        .await?;
    sqlx::query("INSERT INTO lookup_message VALUES (?1, ?2, ?3)")
        .bind(tenant)
        .bind(&lookup)
        .bind(&id)
        .execute(pool)
        .await?;
    sqlx::query("INSERT INTO subject VALUES (?1, ?2, 'message', ?3)")
        .bind(tenant)
        .bind(&subject)
        .bind(&id)
        .execute(pool)
        .await?;
    sqlx::query("INSERT INTO fact VALUES (?1, ?2, ?3, ?4)")
        .bind(tenant)
        .bind(fact.at.timestamp_micros())
        .bind(fact.id.into_bytes().to_vec())
        .bind(fact.to_bytes().to_vec())
        .execute(pool)
        .await?;
    sqlx::query("INSERT INTO work VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)")
        .bind(tenant)
        .bind(i64::from(work.key.bucket.0))
        .bind(work.key.due.timestamp_micros())
        .bind(work.key.id.into_bytes().to_vec())
        .bind(work.lane.into_bytes().to_vec())
        .bind(&work.payload.0)
        .execute(pool)
        .await?;
    Ok(())
}
