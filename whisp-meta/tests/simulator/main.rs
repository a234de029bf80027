//! The simulator: its answers and webhooks have the shapes of Meta's, and what it does follows from its seed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod delivery;
mod shapes;
mod story;
#[path = "../send/world.rs"]
#[expect(dead_code, reason = "shared with the tests of sending, which use the rest")]
mod world;
