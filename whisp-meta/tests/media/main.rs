//! Files over real HTTP: fetched with the token where it belongs, checked, refused.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod fetch;
mod refuse;
mod world;
