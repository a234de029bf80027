//! The whole cycle: a message is taken in, an engine decides, the answer waits in the outbox, is sent through a channel
//! that answers at once, and is noted as sent; each step durable, ordered by conversation, 64 producers. Beside taking in
//! alone, through the same assistant.
//!
//! The engine goes by the question alone: what else was said is not read ([`earlier_turns`](ReplyEngine::earlier_turns)).
//!
//! One message has one answer: nobody writes again before the answer has come, as 1,024 people do.
//!
//! `cargo bench -p whisp-benches --bench cycle` on SQLite, `synchronous=FULL`, and with `WHISP_TEST_POSTGRES_URL=...` on
//! PostgreSQL too. After `--`, a number sets the messages of a round, `sqlite` or `postgres` leaves the other out, and
//! `calls` prints what the store was asked for each message. The same beside other people's queues: `benches/peers`.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and stops if its ground is missing")]

use std::sync::Arc;

#[cfg(doc)]
use whisp::reply::ReplyEngine;
use whisp_benches::arguments::Arguments;
use whisp_benches::ingest::PRODUCERS;
use whisp_benches::world::World;
use whisp_benches::{Goal, compare, median, process};

const ROUNDS: usize = 5;
const MESSAGES_DEFAULT: usize = 6_400;

fn main() {
    let arguments = Arguments::read();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    if arguments.sqlite() {
        runtime.block_on(on_sqlite(&arguments));
    }
    if let Some(url) = arguments.postgres() {
        runtime.block_on(on_postgres(&url, &arguments));
    }
}

async fn on_sqlite(arguments: &Arguments) {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder for the databases"));
    let mut worlds = Vec::new();
    for folder in &folders {
        worlds.push(World::on_sqlite(folder.path()).await);
    }
    let turns = measure("SQLite", &worlds, arguments).await;
    compare(&format!("SQLite whole cycle, {PRODUCERS} producers / ingest alone"), turns, Goal::SpeedAtLeast(0.6));
}

async fn on_postgres(url: &str, arguments: &Arguments) {
    let schemas = ["cycle", "ingest"].map(|name| format!("bench_{name}_{}", std::process::id()));
    let mut worlds = Vec::new();
    for schema in &schemas {
        worlds.push(World::on_postgres(url, schema).await);
    }
    measure("PostgreSQL", &worlds, arguments).await;
    for (world, schema) in worlds.into_iter().zip(&schemas) {
        world.drop_postgres(url, schema).await;
    }
}

/// Lets both take turns: the whole cycle in the first world, taking in alone in the second.
async fn measure(store: &str, worlds: &[Arc<World>], arguments: &Arguments) -> Vec<(f64, f64)> {
    let [cycle, ingest] = worlds else { return Vec::new() };
    let messages = arguments.messages(MESSAGES_DEFAULT);
    let mut turns = Vec::new();
    let (mut busy_cycle, mut busy_ingest) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        let began = process::busy();
        let whole = cycle.cycle(messages).await;
        let between = process::busy();
        turns.push((whole, ingest.ingest(messages).await));
        busy_cycle += between - began;
        busy_ingest += process::busy() - between;
    }
    let all = whole_number(ROUNDS * messages);
    let [rate, alone] = [turns.iter().map(|turn| turn.0).collect(), turns.iter().map(|turn| turn.1).collect()]
        .map(|seconds| 1.0 / median(seconds));
    println!(
        "{store}: {rate:.0} messages a second go the whole way, {alone:.0} are taken in alone; one needs {:.0} us and {:.0} \
         us of a processor, the database server's not counted",
        busy_cycle * 1e6 / all,
        busy_ingest * 1e6 / all
    );
    if arguments.say("calls") {
        print_calls("whole cycle", cycle, all);
        print_calls("ingest alone", ingest, all);
    }
    turns
}

/// Prints what the store was asked.
fn print_calls(what: &str, world: &World, messages: f64) {
    println!("  {:<30}{:>9}{:>9}{:>14}", format!("{what}, for a message"), "calls", "rows", "waited (us)");
    for (call, tally) in world.store().take() {
        let [calls, rows] = [tally.calls, tally.rows].map(|count| whole_number(count) / messages);
        println!("  {call:<30}{calls:>9.3}{rows:>9.3}{:>14.1}", tally.waited.as_secs_f64() * 1e6 / messages);
    }
}

fn whole_number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("not so many"))
}
