//! Persistence for the Whisp assistant: the sealing vault and its keys.
//!
//! [`EnvelopeVault`] seals everything personal before a store sees it. It needs two things: where the root key is
//! ([`LocalKeyProvider`], or your own key service behind [`KeyProvider`](whisp_core::vault::KeyProvider)), and where
//! the wrapped keys are kept ([`MemoryKeyTable`] for tests, `SqliteKeyTable` with feature `sqlite`, or your own
//! [`KeyTable`](whisp_core::vault::KeyTable)).

pub mod keys;
pub mod vault;

#[cfg(feature = "sqlite")]
pub use keys::SqliteKeyTable;
pub use keys::{LocalKeyProvider, MemoryKeyTable};
pub use vault::EnvelopeVault;
