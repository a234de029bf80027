//! Memory over many messages: whole cycles on SQLite, and after each tenth of them what the process has in memory. It
//! should stay as it is.
//!
//! `cargo bench -p whisp-benches --bench memory`; after `--`, a number sets the messages, 1000000 for example.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and stops if its ground is missing")]

use whisp_benches::arguments::Arguments;
use whisp_benches::process;
use whisp_benches::world::World;

const MESSAGES_DEFAULT: usize = 51_200;
const SAMPLES: usize = 10;
/// What an allocator and a database's cache may differ by, and still be flat.
const NOISE: f64 = 1.05;

fn main() {
    let messages = Arguments::read().messages(MESSAGES_DEFAULT);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut samples = Vec::new();
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder for the databases");
        let world = World::on_sqlite(folder.path()).await;
        for tenth in 1..=SAMPLES {
            world.cycle(messages / SAMPLES).await;
            let resident = process::resident() / f64::from(1 << 20);
            println!("after {} messages: {resident:.1} MiB", messages / SAMPLES * tenth);
            samples.push(resident);
        }
    });
    let most = |samples: &[f64]| samples.iter().copied().fold(0.0, f64::max);
    let (first, second) = samples.split_at(SAMPLES / 2);
    let growth = most(second) / most(first);
    let verdict = if growth <= NOISE { "met" } else { "MISSED" };
    println!(
        "ratio memory at most, second half of {messages} messages / first half: {growth:.3}x, goal no growth (at most \
         {NOISE}x): {verdict}"
    );
}
