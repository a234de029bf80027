//! The whole cycle of Whisp beside the job queues that people build such a thing with: the same messages, from 64
//! producers that each wait until theirs is taken, worked off durably beside that, in rounds by turns, on the same server
//! and the same disk.
//!
//! A peer does one job a message, in its own idiom and with its documented settings for speed: the job holds the question,
//! the handler makes the answer and drops it. So a peer seals nothing, keeps neither question nor answer, knows no
//! conversation and no outbox, and takes no care that nothing is sent twice. graphile_worker has a named queue a person, so
//! that answers come in order; apalis has no order.
//!
//! And taking a message in durably, beside sqlx that commits each statement by itself.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml`, with `WHISP_TEST_POSTGRES_URL=...` on PostgreSQL too. After
//! `--`, a number sets the messages of a round, and `sqlite` or `postgres` leaves the other out.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and stops if its ground is missing")]

mod apalis;
mod autocommit;
mod graphile;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use whisp_benches::arguments::Arguments;
use whisp_benches::server::drop_schema;
use whisp_benches::world::{PEOPLE, QUESTION, World};
use whisp_benches::{Goal, compare};

const ROUNDS: usize = 5;
const MESSAGES_DEFAULT: usize = 6_400;
const CONNECTIONS: u32 = 32;
/// A transaction for each statement is slow: so few messages are enough.
const MESSAGES_AUTOCOMMIT: usize = 512;

/// A message as a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Question {
    person: usize,
    text: String,
}

impl Question {
    /// Makes the next one.
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self { person: number % PEOPLE, text: format!("{QUESTION} {number}") }
    }

    fn answer(&self) {
        std::hint::black_box(format!("You asked: {}", self.text));
    }
}

fn main() {
    let arguments = Arguments::read();
    let messages = arguments.messages(MESSAGES_DEFAULT);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    if arguments.sqlite() {
        runtime.block_on(on_sqlite(messages));
    }
    if let Some(url) = arguments.postgres() {
        runtime.block_on(on_postgres(&url, messages));
    }
}

async fn on_sqlite(messages: usize) {
    let folder = tempfile::tempdir().expect("a folder for the databases");
    let world = World::on_sqlite(folder.path()).await;
    let apalis = apalis::OnSqlite::open(folder.path()).await;
    let (mut ours, mut apalises) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(world.cycle(messages).await);
        apalises.push(apalis.round(messages).await);
    }
    rates("SQLite, whisp", &ours);
    rates("SQLite, apalis-sqlite", &apalises);
    compare("SQLite whole cycle / apalis-sqlite, unordered", turns(&ours, &apalises), Goal::SpeedAtLeast(70.0));

    let ingest = autocommit::Ingest::open(folder.path()).await;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(ingest.ours(messages).await);
        theirs.push(ingest.theirs(MESSAGES_AUTOCOMMIT).await);
    }
    rates("SQLite, taking in alone, whisp", &ours);
    rates("SQLite, taking in alone, sqlx", &theirs);
    compare("SQLite durable ingest / sqlx, a transaction a statement", turns(&ours, &theirs), Goal::SpeedAtLeast(20.0));
}

async fn on_postgres(url: &str, messages: usize) {
    let schema = |name: &str| format!("bench_{name}_{}", std::process::id());
    let world = World::on_postgres(url, &schema("whisp")).await;
    let graphile = graphile::Graphile::open(pool(url).await, schema("graphile"));
    let apalis = apalis::OnPostgres::open(pool(url).await).await;
    let (mut ours, mut graphiles, mut apalises) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(world.cycle(messages).await);
        graphiles.push(graphile.round(messages).await);
        apalises.push(apalis.round(messages).await);
    }
    world.drop_postgres(url, &schema("whisp")).await;
    drop_schema(url, &schema("graphile")).await;
    apalis.close().await;
    rates("PostgreSQL, whisp", &ours);
    rates("PostgreSQL, graphile_worker", &graphiles);
    rates("PostgreSQL, apalis-postgres", &apalises);
    let named = "PostgreSQL whole cycle / graphile_worker, a named queue a person";
    compare(named, turns(&ours, &graphiles), Goal::SpeedAtLeast(5.0));
    let unordered = "PostgreSQL whole cycle / apalis-postgres, unordered";
    compare(unordered, turns(&ours, &apalises), Goal::SpeedAtLeast(3.0));
}

/// Lays the rounds of both beside one another.
fn turns(ours: &[f64], theirs: &[f64]) -> Vec<(f64, f64)> {
    ours.iter().copied().zip(theirs.iter().copied()).collect()
}

/// Prints how many messages a second it did, in each round.
fn rates(who: &str, seconds: &[f64]) {
    let rates: Vec<_> = seconds.iter().map(|seconds| format!("{:.0}", 1.0 / seconds)).collect();
    println!("{who}: {} messages a second", rates.join(", "));
}

/// Connects the peers, who know URLs only.
async fn pool(url: &str) -> PgPool {
    let config: tokio_postgres::Config = url.parse().expect("an address of a server");
    let mut options = PgConnectOptions::new_without_pgpass();
    match config.get_hosts().first() {
        Some(tokio_postgres::config::Host::Tcp(host)) => options = options.host(host),
        Some(tokio_postgres::config::Host::Unix(folder)) => options = options.socket(folder),
        None => {}
    }
    if let Some(port) = config.get_ports().first() {
        options = options.port(*port);
    }
    if let Some(user) = config.get_user() {
        options = options.username(user);
    }
    if let Some(password) = config.get_password() {
        options = options.password(&String::from_utf8_lossy(password));
    }
    if let Some(database) = config.get_dbname() {
        options = options.database(database);
    }
    PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await.expect("the server answers")
}
