//! The whole pipeline over a real store and a real vault.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod answers;
mod cancel;
mod chaos;
mod connecting;
mod delivery;
mod edits;
mod egress;
mod hardening;
mod identity;
mod media;
mod promises;
mod sharing;
mod takeover;
mod world;
mod yielding;
