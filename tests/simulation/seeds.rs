//! Runs many seeds on all cores, and says how far it is and what failed.
#![expect(
    clippy::print_stderr,
    reason = "whoever waits wants to see how far it is, and whoever reads a failure the seed"
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::run::{Outcome, run};
use crate::trace::Figures;

/// How many seeds run where nobody asks for more.
const SEEDS: u64 = 100;

/// How often a line says how far it is.
const LINE_EVERY: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "a test is told by its environment what to run")]
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

/// Runs what the environment asks for: `WHISP_SEED` alone, or `WHISP_SEEDS` many from `WHISP_FROM` on, for
/// `WHISP_SECONDS` at most.
pub(crate) fn run_asked() {
    if let Some(seed) = asked("WHISP_SEED") {
        let outcome = run(seed, true, None);
        outcome.lines.iter().for_each(|line| eprintln!("{line}"));
        return fail_if_broken(seed, &outcome);
    }
    run_many(asked("WHISP_FROM").unwrap_or(0), asked("WHISP_SEEDS").unwrap_or(SEEDS));
}

fn fail_if_broken(seed: u64, outcome: &Outcome) {
    if let Some(violation) = &outcome.violation {
        outcome.lines.iter().for_each(|line| eprintln!("{line}"));
        panic!(
            "seed {seed} breaks, at step {}: {}: {}\nreplay: WHISP_SEED={seed} cargo test --all-features --test simulation",
            violation.tick, violation.invariant, violation.seen
        );
    }
}

/// A thread that runs seeds, until it ends in whatever way.
struct Here<'a>(&'a AtomicUsize);

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn run_many(from: u64, count: u64) {
    let (next, done, stop) = (AtomicU64::new(from), AtomicU64::new(0), AtomicBool::new(false));
    let (figures, failed) = (Mutex::new(Figures::default()), Mutex::new(None::<(u64, Outcome)>));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let running = AtomicUsize::new(threads);
    // To see all that fails, and not only the first.
    let go_on = asked("WHISP_GO_ON").is_some();
    let limit = asked("WHISP_SECONDS").map(Duration::from_secs);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let _here = Here(&running);
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + count || limit.is_some_and(|limit| started.elapsed() >= limit) {
                        return;
                    }
                    let outcome = run(seed, false, None);
                    figures.lock().unwrap().add(&outcome.figures);
                    done.fetch_add(1, Ordering::Relaxed);
                    if let Some(violation) = &outcome.violation {
                        eprintln!("seed {seed}: {}: {}", violation.invariant, violation.seen);
                        stop.store(!go_on, Ordering::Relaxed);
                        let mut failed = failed.lock().unwrap();
                        if failed.as_ref().is_none_or(|(before, _)| seed < *before) {
                            *failed = Some((seed, outcome));
                        }
                    }
                }
            });
        }
        let mut line = started + LINE_EVERY;
        while running.load(Ordering::Relaxed) > 0 && !stop.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(20));
            if Instant::now() >= line {
                line += LINE_EVERY;
                say(done.load(Ordering::Relaxed), count, started);
            }
        }
    });
    say(done.load(Ordering::Relaxed), count, started);
    if let Some((seed, outcome)) = failed.lock().unwrap().as_ref() {
        fail_if_broken(*seed, outcome);
    }
    let done = done.load(Ordering::Relaxed);
    if done < count {
        eprintln!("LEFT OUT: {} of {count} seeds, for want of time", count - done);
    }
    report(&figures.lock().unwrap(), done, from);
}

fn say(done: u64, count: u64, started: Instant) {
    let rate = done as f64 / started.elapsed().as_secs_f64();
    eprintln!("{done} of {count} seeds, {rate:.0} a second");
}

fn report(figures: &Figures, seeds: u64, from: u64) {
    eprintln!("seeds {seeds} (from {from}), every invariant held");
    for (what, count) in &figures.0 {
        eprintln!("{count:>10} {what}");
    }
}
