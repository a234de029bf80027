//! A seeded world: businesses, their people, the platform, several workers over one store, and everything that goes wrong
//! between them. Invariants hold at every step, and the same seed gives the same trace.
//!
//! `WHISP_SEED=N cargo test --test simulation` replays one seed and prints all of it; `cargo xtask simulate` runs many.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod acts;
mod channel;
mod engine;
mod executor;
mod invariants;
mod keys;
mod model;
mod mutation;
mod network;
mod rng;
mod run;
mod seeds;
mod sim;
mod store;
mod trace;
mod world;

use crate::run::run;

#[test]
fn no_seed_breaks_an_invariant() {
    seeds::run_asked();
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..12 {
        let (one, other) = (run(seed, false, None), run(seed, false, None));
        assert_eq!(one.lines, other.lines, "seed {seed}");
        assert_eq!(one, other, "seed {seed}");
    }
}

#[test]
fn what_is_broken_is_found() {
    for (mutation, within) in mutation::ALL {
        let found = (0..*within).find_map(|seed| run(seed, false, Some(*mutation)).violation);
        assert!(found.is_some(), "{mutation:?} is not found within {within} seeds");
    }
}
