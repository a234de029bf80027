//! The typed repositories above the vault.

use std::sync::Arc;

use crate::id::{SubjectId, TenantId};
use crate::privacy::Standing;
use crate::store::{Store, StoreError};
use crate::vault::Vault;

/// Reads and stages what the assistant keeps.
#[derive(Debug, Clone)]
pub struct Entities {
    store: Arc<dyn Store>,
    vault: Arc<dyn Vault>,
}

impl Entities {
    pub(crate) async fn standing(&self, _tenant: TenantId, _subject: SubjectId) -> Result<Standing, StoreError> {
        Ok(Standing::default())
    }
}
