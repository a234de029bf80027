//! The whole cycle of Whisp beside the job queues that people build such a thing with: the same messages, from 64
//! producers that each wait until theirs is taken, worked off durably beside that, in rounds by turns, on the same server
//! and the same disk.
//!
//! A peer does one job a message, in its own idiom and with its documented settings for speed: the job holds the question,
//! the handler makes the answer and drops it. So a peer seals nothing, keeps neither question nor answer, knows no
//! conversation and no outbox, and takes no care that nothing is sent twice. graphile_worker has a named queue a person, so
//! that answers come in order; apalis has no order.
//!
//! apalis runs only where the word `apalis` is given: its workers do not take anything here yet, and the bench does not end.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml`, with `WHISP_TEST_POSTGRES_URL=...` on PostgreSQL too. After
//! `--`, a number sets the messages of our round, and `sqlite` or `postgres` leaves the other out.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and stops if its ground is missing")]

mod apalis;
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
/// SQLite by one transaction a job is slow: so many times fewer are enough.
const SLOWER: usize = 8;
const CONNECTIONS: u32 = 32;

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
    let apalis = arguments.say("apalis");
    if apalis && arguments.sqlite() {
        runtime.block_on(on_sqlite(messages));
    }
    if let Some(url) = arguments.postgres() {
        runtime.block_on(on_postgres(&url, messages));
        if apalis {
            runtime.block_on(on_apalis(&url, messages));
        }
    }
}

async fn on_sqlite(messages: usize) {
    let folder = tempfile::tempdir().expect("a folder for the databases");
    let world = World::on_sqlite(folder.path()).await;
    let apalis = apalis::OnSqlite::open(folder.path()).await;
    let mut turns = Vec::new();
    for _ in 0..ROUNDS {
        turns.push((world.cycle(messages).await, apalis.round(messages / SLOWER).await));
    }
    rates("SQLite", ["whisp", "apalis-sqlite"], &turns);
    compare("SQLite whole cycle / apalis-sqlite", turns, Goal::SpeedAtLeast(70.0));
}

async fn on_postgres(url: &str, messages: usize) {
    let schema = |name: &str| format!("bench_{name}_{}", std::process::id());
    let world = World::on_postgres(url, &schema("whisp")).await;
    let graphile = graphile::Graphile::open(pool(url).await, schema("graphile"));
    let mut turns = Vec::new();
    for _ in 0..ROUNDS {
        turns.push((world.cycle(messages).await, graphile.round(messages).await));
    }
    world.drop_postgres(url, &schema("whisp")).await;
    drop_schema(url, &schema("graphile")).await;
    rates("PostgreSQL", ["whisp", "graphile_worker"], &turns);
    compare("PostgreSQL whole cycle / graphile_worker, a named queue a person", turns, Goal::SpeedAtLeast(5.0));
}

async fn on_apalis(url: &str, messages: usize) {
    let schema = format!("bench_whisp_{}", std::process::id());
    let apalis = apalis::OnPostgres::open(pool(url).await).await;
    let world = World::on_postgres(url, &schema).await;
    let mut turns = Vec::new();
    for _ in 0..ROUNDS {
        turns.push((world.cycle(messages).await, apalis.round(messages).await));
    }
    world.drop_postgres(url, &schema).await;
    apalis.close().await;
    rates("PostgreSQL", ["whisp", "apalis-postgres"], &turns);
    compare("PostgreSQL whole cycle / apalis-postgres, unordered", turns, Goal::SpeedAtLeast(3.0));
}

/// Prints how many messages a second each did, in each round.
fn rates(store: &str, [ours, peer]: [&str; 2], turns: &[(f64, f64)]) {
    for (our, their) in turns {
        println!("{store}: {ours} {:.0}, {peer} {:.0} a second", 1.0 / our, 1.0 / their);
    }
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
