//! `cargo xtask simulate`: the simulation over many seeds. `cargo xtask test` runs the fixed ones and some new ones.

use std::process::Command;
use std::time::SystemTime;

use crate::run::{Failed, cargo, last_step, step};

/// The seeds that every change must hold for.
const FIXED: u64 = 2_000;

/// How many seeds of this run alone come on top, so that each run looks at something new.
const NEW: u64 = 200;

/// How long `cargo xtask test` simulates at most, in seconds, shared by the seeds; what it did not come to it says.
const SECONDS_MAX: u64 = 600;

/// From how many seeds on building with optimizations takes less time than it spares.
const RELEASE_FROM: u64 = 8_000;

/// What `cargo xtask simulate` is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seeds {
    pub(crate) count: u64,
    pub(crate) from: u64,
}

impl Seeds {
    /// Reads `--seeds N [--from S]`; `None` if it is anything else.
    pub(crate) fn read(arguments: &[&str]) -> Option<Self> {
        let mut seeds = Self { count: FIXED, from: 0 };
        let mut left = arguments.iter();
        while let Some(name) = left.next() {
            let value = left.next()?.replace('_', "").parse().ok()?;
            match *name {
                "--seeds" if value > 0 => seeds.count = value,
                "--from" => seeds.from = value,
                _ => return None,
            }
        }
        Some(seeds)
    }
}

/// Runs seeds, and ends with the first that breaks an invariant.
pub(crate) fn simulate(seeds: Seeds) -> Result<(), Failed> {
    last_step("simulation", &mut command(seeds, seeds.count >= RELEASE_FROM))
}

/// Runs the fixed seeds, then new ones.
#[expect(clippy::disallowed_methods, reason = "a developer's command may look at the clock: the seed is printed")]
pub(crate) fn fixed_and_new() -> Result<(), Failed> {
    let limited = |seeds: Seeds| {
        let mut command = command(seeds, false);
        command.env("WHISP_SECONDS", (SECONDS_MAX * seeds.count / (FIXED + NEW)).to_string());
        command
    };
    step("simulation, fixed seeds", &mut limited(Seeds { count: FIXED, from: 0 }))?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    step("simulation, new seeds", &mut limited(Seeds { count: NEW, from: since * 1_000 }))
}

fn command(seeds: Seeds, release: bool) -> Command {
    let mut command = cargo(&["test", "--quiet", "--package", "whisp", "--all-features", "--test", "simulation"]);
    if release {
        command.arg("--release");
    }
    command.args(["--", "--exact", "no_seed_breaks_an_invariant", "--nocapture"]);
    command.env("WHISP_SEEDS", seeds.count.to_string()).env("WHISP_FROM", seeds.from.to_string());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_or_refused() {
        let read = |line: &str| Seeds::read(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(read(""), Some(Seeds { count: FIXED, from: 0 }));
        assert_eq!(read("--seeds 7"), Some(Seeds { count: 7, from: 0 }));
        assert_eq!(read("--from 3 --seeds 10_000"), Some(Seeds { count: 10_000, from: 3 }));
        for wrong in ["--seeds", "--seeds 0", "--seeds many", "--seeds -1", "--form 1", "7"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
