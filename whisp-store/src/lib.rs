//! Persistence for the Whisp assistant: stores in memory and in one SQLite file, and the conformance suite for a store
//! of one's own.

#[cfg(feature = "conformance")]
pub mod conformance;
mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStore};
