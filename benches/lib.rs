//! What the benches share: a ratio between our code and its limit or peer, measured so that a noisy machine does not
//! decide.

pub mod archive;
pub mod arguments;
pub mod ingest;
pub mod process;
pub mod server;
pub mod watched;
pub mod watched_keys;
pub mod world;

use std::time::{Duration, Instant};

/// How many times each side is measured. Odd, so that the median is one of them.
const ROUNDS: usize = 301;
/// How long one measurement lasts at least: far above the clock's resolution, and far below the time slice of a
/// scheduler, so that most measurements are not interrupted even on a busy machine.
const SAMPLE: Duration = Duration::from_micros(200);

/// What a ratio should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// Ours takes at most this many times as long as the peer.
    TimesAtMost(f64),
    /// Ours runs at least at this many times the speed of the peer.
    SpeedAtLeast(f64),
}

/// Measures `ours` beside `peer`, a call at a time, and prints the ratio with its goal.
pub fn ratio(name: &str, mut ours: impl FnMut(), mut peer: impl FnMut(), goal: Goal) {
    let (our_runs, peer_runs) = (runs(&mut ours), runs(&mut peer));
    let turn = |round| {
        // Whoever comes second finds a warmer or a colder cache, so they change places.
        if round % 2 == 0 {
            let our_time = time(&mut ours, our_runs);
            (our_time, time(&mut peer, peer_runs))
        } else {
            let peer_time = time(&mut peer, peer_runs);
            (time(&mut ours, our_runs), peer_time)
        }
    };
    compare(name, (0..ROUNDS).map(turn), goal);
}

/// Prints the ratio of the times that ours and the peer took for the same work, in seconds, with its goal: of times or of
/// speeds, as the goal has it.
///
/// The two have taken turns, so that whatever slows the machine slows both; each turn gives one ratio, and the median of
/// them counts.
pub fn compare(name: &str, turns: impl IntoIterator<Item = (f64, f64)>, goal: Goal) {
    let (our_times, peer_times): (Vec<f64>, Vec<f64>) = turns.into_iter().unzip();
    let times = median(our_times.iter().zip(&peer_times).map(|(ours, peer)| ours / peer).collect());
    let (text, met) = match goal {
        Goal::TimesAtMost(goal) => (format!("{times:.2}x the time, goal at most {goal}x"), times <= goal),
        Goal::SpeedAtLeast(goal) => {
            let speed = 1.0 / times;
            (format!("{speed:.2}x the speed, goal at least {goal}x"), speed >= goal)
        }
    };
    let verdict = if met { "met" } else { "MISSED" };
    let (ours, peer) = (readable(median(our_times)), readable(median(peer_times)));
    say(&format!("ratio {name}: {text}: {verdict} ({ours} against {peer})"));
}

#[expect(clippy::print_stdout, reason = "the ratios are what the benches are for")]
fn say(line: &str) {
    println!("{line}");
}

/// How many calls fill a measurement.
fn runs(call: &mut impl FnMut()) -> u32 {
    let mut runs = 1;
    loop {
        let taken = time(call, runs) * f64::from(runs);
        if taken >= SAMPLE.as_secs_f64() || runs >= u32::MAX / 2 {
            return runs;
        }
        runs *= 2;
    }
}

/// The seconds that one of `runs` calls takes.
fn time(call: &mut impl FnMut(), runs: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..runs {
        call();
    }
    start.elapsed().as_secs_f64() / f64::from(runs)
}

/// Returns the one in the middle, 0 if there is none.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn readable(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} us", s * 1e6),
        s => format!("{:.2} ms", s * 1e3),
    }
}
