//! Persistence for the Whisp assistant: the sealing vault and its keys, stores in memory and in one SQLite file, and the
//! conformance suite for a store of one's own.
//!
//! [`EnvelopeVault`] seals everything personal before a store sees it. It needs two things: where the root key is
//! ([`LocalKeyProvider`], or your own key service behind [`KeyProvider`](whisp_core::vault::KeyProvider)), and where
//! the wrapped keys are kept ([`MemoryKeyTable`] for tests, `SqliteKeyTable` with feature `sqlite`, or your own
//! [`KeyTable`](whisp_core::vault::KeyTable)).

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod keys;
mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;
pub mod vault;

#[cfg(feature = "sqlite")]
pub use keys::SqliteKeyTable;
pub use keys::{LocalKeyProvider, MemoryKeyTable};
pub use memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStore};
pub use vault::EnvelopeVault;
