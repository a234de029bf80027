//! What the types of whisp-core promise, seen from outside.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by a panic")]

mod canaries;
mod delivery;
mod facts;
mod kpis;
mod mocks;
mod register;
mod standing;
mod texts;
