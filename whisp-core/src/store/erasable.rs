//! Stores of the host's own, beside this one, that hold data of the same people.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::id::{SubjectId, TenantId};
use crate::privacy::Withheld;
use crate::store::StoreError;

/// A store of the host's own that holds data of the people whom the assistant knows: a CRM, a search index, a warehouse.
/// Registered with [`AssistantBuilder::erases`](crate::assistant::AssistantBuilder::erases), each erasure and each closing of
/// an account reaches it, and ends only once it says that it has done its part (promise P46, invariant I-17).
///
/// # Contract
/// 1. [`name`](Self::name) is the same for ever, another one than that of every other store, and names nobody: it stands in
///    receipts.
/// 2. [`erase`](Self::erase) removes everything that it holds about the person, durably, but for what it says that it
///    withholds; a copy, an index, a cache of it too.
/// 3. Called again it does the same about what is there by then: nothing, if nothing is. What was cut short is called again.
/// 4. An error means that something may be left; it is called again with the next sweep.
/// 5. [`clear`](Self::clear) removes everything of a tenant in the same way, and withholds nothing.
/// 6. Neither touches anything of another person, or of another tenant.
///
/// [`testing::erasable_conformance`](crate::testing::erasable_conformance) proves it.
///
/// # Examples
/// ```
/// use async_trait::async_trait;
/// use whisp_core::id::{SubjectId, TenantId};
/// use whisp_core::store::{ErasableStore, Erased, StoreError};
///
/// #[derive(Debug)]
/// struct SearchIndex;
///
/// #[async_trait]
/// impl ErasableStore for SearchIndex {
///     fn name(&self) -> &str {
///         "search"
///     }
///     async fn erase(&self, tenant: TenantId, subject: SubjectId) -> Result<Erased, StoreError> {
///         // DELETE FROM documents WHERE tenant = ? AND person = ?
///         Ok(Erased { pieces: 3, withheld: None })
///     }
///     async fn clear(&self, tenant: TenantId) -> Result<u64, StoreError> {
///         // DELETE FROM documents WHERE tenant = ?
///         Ok(0)
///     }
/// }
/// ```
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait ErasableStore: fmt::Debug + Send + Sync {
    /// Returns what it is called in receipts.
    fn name(&self) -> &str;

    /// Erases a person.
    ///
    /// # Errors
    /// Something may be left.
    ///
    /// # Cancellation
    /// As an error.
    async fn erase(&self, tenant: TenantId, subject: SubjectId) -> Result<Erased, StoreError>;

    /// Removes everything of a tenant whose account is closed; returns how many pieces that were.
    ///
    /// # Errors
    /// Something may be left.
    ///
    /// # Cancellation
    /// As an error.
    async fn clear(&self, tenant: TenantId) -> Result<u64, StoreError>;
}

/// What a store of the host's own did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// How many pieces it removed: rows, documents, whatever it counts.
    pub pieces: u64,
    /// What it must keep, and why. The person is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Withheld>,
}
