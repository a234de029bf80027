//! The simulator: its answers and webhooks have the shapes of Meta's, and what it does follows from its seed.

mod delivery;
mod shapes;
mod story;
#[path = "../send/world.rs"]
#[expect(dead_code, reason = "shared with the tests of sending, which use the rest")]
mod world;
