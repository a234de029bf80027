//! The vault keeps its contract over every key table of this crate.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by a panic")]

use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use whisp_core::vault::{KeyTable, Vault};
use whisp_store::keys::conformance::Open;
use whisp_store::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable, SqliteKeyTable};

struct Over {
    folder: TempDir,
    memory: Option<Arc<MemoryKeyTable>>,
}

impl Over {
    fn memory() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), memory: Some(Arc::default()) }
    }

    fn sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), memory: None }
    }
}

#[async_trait]
impl Open<dyn Vault> for Over {
    async fn open(&self) -> Arc<dyn Vault> {
        let provider = LocalKeyProvider::open_or_create(self.folder.path().join("root.key")).unwrap();
        let table: Arc<dyn KeyTable> = match &self.memory {
            Some(memory) => Arc::<MemoryKeyTable>::clone(memory),
            None => Arc::new(SqliteKeyTable::open(self.folder.path().join("keys.db")).unwrap()),
        };
        Arc::new(EnvelopeVault::open(Arc::new(provider), table).await.unwrap())
    }
}

mod memory {
    use super::*;
    whisp_store::vault_conformance! { test: tokio::test, open: Over::memory() }
}

mod sqlite {
    use super::*;
    whisp_store::vault_conformance! { test: tokio::test, open: Over::sqlite() }
}
