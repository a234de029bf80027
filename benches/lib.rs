//! What the benches share: a ratio between our code and its limit or peer, measured so that a noisy machine does not
//! decide.

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

/// Measures `ours` beside `peer`, prints the ratio with its goal and returns it: of times or of speeds, as the goal
/// has it.
///
/// The two take turns, so that whatever slows the machine slows both; each turn gives one ratio, and the median of them
/// counts.
pub fn ratio(name: &str, mut ours: impl FnMut(), mut peer: impl FnMut(), goal: Goal) -> f64 {
    let (our_runs, peer_runs) = (runs(&mut ours), runs(&mut peer));
    let mut our_times = Vec::with_capacity(ROUNDS);
    let mut peer_times = Vec::with_capacity(ROUNDS);
    let mut ratios = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        // Whoever comes second finds a warmer or a colder cache, so they change places.
        let (our_time, peer_time) = if round % 2 == 0 {
            let our_time = time(&mut ours, our_runs);
            (our_time, time(&mut peer, peer_runs))
        } else {
            let peer_time = time(&mut peer, peer_runs);
            (time(&mut ours, our_runs), peer_time)
        };
        our_times.push(our_time);
        peer_times.push(peer_time);
        ratios.push(our_time / peer_time);
    }
    let (our_time, peer_time, times) = (median(our_times), median(peer_times), median(ratios));
    let (ratio, text, met) = match goal {
        Goal::TimesAtMost(goal) => (times, format!("{times:.2}x the time, goal at most {goal}x"), times <= goal),
        Goal::SpeedAtLeast(goal) => {
            let speed = 1.0 / times;
            (speed, format!("{speed:.2}x the speed, goal at least {goal}x"), speed >= goal)
        }
    };
    let verdict = if met { "met" } else { "MISSED" };
    say(&format!("ratio {name}: {text}: {verdict} ({} against {})", readable(our_time), readable(peer_time)));
    ratio
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

fn median(mut values: Vec<f64>) -> f64 {
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
