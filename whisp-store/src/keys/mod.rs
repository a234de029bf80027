//! Where keys are: the root key in a file of its own, the epochs in cells, the wrapped keys in a table apart from the data.
//!
//! ```text
//! root key            in the key file, or in the host's key service
//!  └─ epoch key       32 random bytes, wrapped by the root key, in a cell that is destroyed when the epoch has turned
//!      └─ tenant key     32 random bytes, wrapped by the epoch key, in the key table
//!          ├─ index key     32 random bytes, wrapped by the tenant key, beside it
//!          └─ subject key   32 random bytes, wrapped by the tenant key, beside it
//! ```
//! The epoch of each tenant turns, every seven days unless told otherwise: all subjects' keys are wrapped anew under a new
//! tenant key, and the cell of the epoch before is destroyed. From then on a copy of the key table from before opens nothing
//! any more, whoever kept it, and so nobody who was erased comes back with it.
//!
//! # What to back up, and what not
//! - The key file: once, apart from everything else.
//! - The key table: apart from the data. Its current state is needed to read anything at all, and no copy is of use for
//!   longer than an epoch.
//! - The cells: **never**. A copy of a cell brings back what its destruction took away. Losing a current cell, on the other
//!   hand, loses the data of its tenant: where one disk is not enough, implement
//!   [`ErasableCell`](whisp_core::vault::ErasableCell) over several that can all destroy.
//!
//! In place of the key file and the cells there can be a key service that destroys by itself: `TransitKeyProvider` (feature
//! `transit`) keeps each epoch under a key of its own in a Vault or OpenBao, for any number of machines. Then there are no cells,
//! and what must not be kept is a snapshot of that service's storage.
//!
//! A [`LocalKeyProvider`] without cells works too: then nothing is ever destroyed for sure, and an erasure's horizon is
//! unbounded. What began so, or otherwise, moves on with [`MovingKeyProvider`].

mod canonical;
mod cell_provider;
mod cells;
#[cfg(feature = "conformance")]
pub mod conformance;
pub(crate) mod key_file;
mod local;
mod memory;
mod moving;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "transit")]
pub mod transit;
mod wrap;

use whisp_core::error::Retry;
use whisp_core::vault::{VaultError, VaultErrorKind};

pub(crate) use canonical::Canonical;
pub use cell_provider::CellKeyProvider;
pub use cells::{FolderCells, MemoryCells};
pub(crate) use key_file::sync_folder;
pub use local::LocalKeyProvider;
pub use memory::MemoryKeyTable;
pub use moving::{MoveCheck, MovingKeyProvider};
#[cfg(feature = "postgres")]
pub use postgres::PostgresKeyTable;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteKeyTable;
#[cfg(feature = "transit")]
pub use transit::TransitKeyProvider;
pub(crate) use wrap::{Wrapper, random, random_key};

/// Makes an error that another try can't help.
pub(crate) const fn failed(operation: &'static str, kind: VaultErrorKind) -> VaultError {
    VaultError::new(operation, kind, Retry::Never)
}

/// Makes an error of something that can't be reached now; repeating is harmless in every trait of this module.
pub(crate) const fn unavailable(operation: &'static str) -> VaultError {
    VaultError::new(operation, VaultErrorKind::Unavailable, Retry::After(None))
}

/// Makes the error of keys that are of another epoch than their tenant's: read that again, and wrap them anew.
pub(crate) const fn turned(operation: &'static str) -> VaultError {
    VaultError::new(operation, VaultErrorKind::Turned, Retry::After(None))
}
