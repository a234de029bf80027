//! Where keys are: the root key in a file of its own, the wrapped keys in a table apart from the data.
//!
//! ```text
//! root key          in the key file, or in the host's key service
//!  └─ tenant key    32 random bytes, wrapped by the root key
//!      ├─ index key    32 random bytes, wrapped by the tenant key
//!      └─ subject key  32 random bytes, wrapped by the tenant key
//! ```
//! Back up the key file once, apart from everything else. Back up the key table apart from the data and keep its
//! copies for a short time only: a copy that is older than an erasure still holds the wrapped key of the erased.

mod canonical;
#[cfg(feature = "conformance")]
pub mod conformance;
pub(crate) mod key_file;
mod local;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod wrap;

use whisp_core::error::Retry;
use whisp_core::vault::{VaultError, VaultErrorKind};

pub(crate) use canonical::Canonical;
pub(crate) use key_file::sync_folder;
pub use local::LocalKeyProvider;
pub use memory::MemoryKeyTable;
#[cfg(feature = "postgres")]
pub use postgres::PostgresKeyTable;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteKeyTable;
pub(crate) use wrap::{Wrapper, random, random_key};

/// Makes an error that another try can't help.
pub(crate) const fn failed(operation: &'static str, kind: VaultErrorKind) -> VaultError {
    VaultError::new(operation, kind, Retry::Never)
}

/// Makes an error of something that can't be reached now; repeating is harmless in every trait of this module.
pub(crate) const fn unavailable(operation: &'static str) -> VaultError {
    VaultError::new(operation, VaultErrorKind::Unavailable, Retry::After(None))
}
