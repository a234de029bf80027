//! Small values that can be destroyed.

use std::fmt;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{Destroyed, Destruction, KeyContext, VaultError};

/// Keeps one small value under each name, outside every backup, and destroys it when told.
///
/// What is kept here is all that stands between a copy of the key table and those who were erased after it was made: a
/// copy of a cell, whoever takes it, undoes its destruction. So leave it out of backups, snapshots and replicas that are
/// kept; where a value must survive the loss of a disk, write it to several places that can all be told to destroy it.
///
/// # Contract
/// 1. [`read`](ErasableCell::read) returns what was put last, `None` before the first and after it was destroyed.
/// 2. [`compare_and_put`](ErasableCell::compare_and_put) writes only where `there` is what is there; it returns what is
///    there then, after it is durable.
/// 3. After [`destroy`](ErasableCell::destroy) has returned [`Destroyed::Now`], no value that ever was under the name can
///    be had again, also after a restart. Destroying twice is harmless, and where nothing is.
/// 4. Concurrent calls behave as if one after another, and so do those of several processes, where it says that several
///    may share it.
/// 5. Names never meet, and no value is in an error, `Debug` or log.
/// 6. `destroy` tells nothing worse than [`destruction`](ErasableCell::destruction), which is always the same.
///
/// # Cancellation
/// Dropping a write or `destroy` leaves it done or not done; repeat it.
#[async_trait]
pub trait ErasableCell: fmt::Debug + Send + Sync + 'static {
    /// Returns the value under a name.
    ///
    /// # Errors
    /// By [`VaultErrorKind`](super::VaultErrorKind).
    async fn read(&self, name: &CellName) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError>;

    /// Writes a value, at most [`VALUE_MAX`](CellName::VALUE_MAX) bytes, if what is there is `there`; returns what is there
    /// then.
    ///
    /// # Errors
    /// By [`VaultErrorKind`](super::VaultErrorKind).
    async fn compare_and_put(
        &self,
        name: &CellName,
        there: Option<&[u8]>,
        value: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError>;

    /// Destroys the value under a name.
    ///
    /// # Errors
    /// By [`VaultErrorKind`](super::VaultErrorKind); then it is done or not.
    async fn destroy(&self, name: &CellName) -> Result<Destroyed, VaultError>;

    /// Says how it destroys, before anything is.
    fn destruction(&self) -> Destruction;
}

/// The name of a cell: letters, digits and dashes, at most 50; a file may have it on every system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellName(String);

impl CellName {
    /// How many bytes a value has at most.
    pub const VALUE_MAX: usize = 4_096;

    /// Names the cell of a tenant's epoch.
    #[must_use]
    pub fn of(context: &KeyContext) -> Self {
        Self(format!("{}-{}", context.tenant, context.epoch))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
