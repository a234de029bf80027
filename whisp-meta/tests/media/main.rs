//! Files over real HTTP: fetched with the token where it belongs, checked, refused.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod conformance;
mod fetch;
mod refuse;
mod resolve;
mod story;
mod world;
