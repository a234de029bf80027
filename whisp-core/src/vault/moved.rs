//! Whether keys are where they were to be moved to.

use std::fmt;

use async_trait::async_trait;

use super::VaultError;
use crate::id::TenantId;

/// Tells whether a tenant's keys have moved to another key service: `whisp_store::keys::MoveCheck`.
///
/// # Contract
/// 1. It says so only where the tenant's key, as it is kept now, is opened by the new key service, and no turn is under way.
/// 2. Where it can't be told it is an error.
///
/// # Cancellation
/// Dropping it has no effect.
#[async_trait]
pub trait MovedKeys: fmt::Debug + Send + Sync {
    /// Returns whether they have moved.
    ///
    /// # Errors
    /// By [`VaultErrorKind`](super::VaultErrorKind).
    async fn is_moved(&self, tenant: TenantId) -> Result<bool, VaultError>;
}
