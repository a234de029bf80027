//! Persistence for the Whisp assistant: the sealing vault and its keys, stores in memory and in one SQLite file, and the
//! conformance suite for a store of one's own.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use whisp_store::{CellKeyProvider, EnvelopeVault, FolderCells, LocalKeyProvider, MemoryKeyTable, MemoryStore};
//!
//! # let folder = tempfile::tempdir()?;
//! # let (path, cells) = (folder.path().join("root.key"), folder.path().join("cells"));
//! let root_key = Arc::new(LocalKeyProvider::open_or_create(path)?);
//! let keys = Arc::new(CellKeyProvider::new(root_key, Arc::new(FolderCells::open(cells)?)));
//! let vault = EnvelopeVault::open(keys, Arc::new(MemoryKeyTable::new())).await?;
//! let store = MemoryStore::new();
//! # let _: (&dyn whisp_core::vault::Vault, &dyn whisp_core::store::Store) = (&vault, &store);
//! # Ok(())
//! # }
//! ```
//!
//! [`EnvelopeVault`] seals everything personal before a store sees it. It needs two things: what wraps the tenants' keys and
//! destroys their epochs ([`LocalKeyProvider`] with [`CellKeyProvider`] around it, `TransitKeyProvider` with the feature
//! `transit`, or your own key service behind [`KeyProvider`](whisp_core::vault::KeyProvider); [`MovingKeyProvider`] from one to
//! another), and where the wrapped keys are kept ([`MemoryKeyTable`] for tests, `SqliteKeyTable` and `PostgresKeyTable`
//! with the features of those names, or your own [`KeyTable`](whisp_core::vault::KeyTable)).
//!
//! Which store: [`MemoryStore`] for tests, `SqliteStore` (feature `sqlite`) for one process on one machine, which is backed
//! up, checked and compacted while it works, `PostgresStore` (feature `postgres`) for any number of processes.
//!
//! Files that came with messages are no records: `ObjectMedia` (feature `media`) keeps them, sealed, in a folder or in any
//! object store.
//!
//! [`audit`] signs the checkpoints of the audit log, anchors them in a folder, and verifies them and what was logged
//! without any store.
//!
//! # What it does not do
//! A backup of the key table opens what was erased after it was made, until the epoch turns: see [`keys`]. Cells are kept on
//! one machine; for several, use a key service that destroys.

pub mod audit;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(test)]
#[cfg(feature = "conformance")]
mod contracts;
pub mod keys;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod kinds;
#[cfg(feature = "media")]
pub mod media;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod thread;
pub mod vault;

#[cfg(feature = "postgres")]
pub use keys::PostgresKeyTable;
#[cfg(feature = "sqlite")]
pub use keys::SqliteKeyTable;
#[cfg(feature = "transit")]
pub use keys::TransitKeyProvider;
pub use keys::{CellKeyProvider, FolderCells, LocalKeyProvider, MemoryCells, MemoryKeyTable, MovingKeyProvider};
#[cfg(feature = "media")]
pub use media::ObjectMedia;
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOptions, SqliteStore};
pub use vault::EnvelopeVault;
