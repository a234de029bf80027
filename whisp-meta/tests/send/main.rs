//! What goes out on the three channels, against the simulator, the recorded requests and Meta's OpenAPI document.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by a panic"
)]

mod conformance;
mod faults;
mod forget;
mod limits;
mod openapi;
mod privacy;
mod properties;
mod requests;
mod world;
