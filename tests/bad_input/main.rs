//! What a user does wrong: each mistake ends in a typed error that says what to do, loses nothing, leaves nothing
//! half-written, and shows no secret and nothing personal.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod calls;
mod discreet;
mod engines;
mod full_disk;
mod key_files;
mod store_files;
#[path = "../pipeline/tap.rs"]
#[expect(dead_code, reason = "the pipeline's tests ask more of it than these")]
mod tap;
mod webhooks;
#[path = "../pipeline/world.rs"]
#[expect(dead_code, reason = "the pipeline's tests need more of the world than these")]
mod world;
