//! The vault keeps its contract over every key table of this crate.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by a panic")]

use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use whisp_core::system::SystemClock;
use whisp_core::vault::{KeyTable, Vault};
use whisp_store::keys::conformance::Open;
use whisp_store::keys::transit::Snapshots;
use whisp_store::keys::transit::simulator::TransitSimulator;
use whisp_store::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable, SqliteKeyTable, TransitKeyProvider};

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

mod with_a_key_service {
    use super::*;

    struct Service(TransitSimulator, TempDir);

    #[async_trait]
    impl Open<dyn Vault> for Service {
        async fn open(&self) -> Arc<dyn Vault> {
            let config = self.0.config(Snapshots::Never);
            let provider = TransitKeyProvider::new(&config, Arc::new(SystemClock)).unwrap();
            let table = SqliteKeyTable::open(self.1.path().join("keys.db")).unwrap();
            Arc::new(EnvelopeVault::open(Arc::new(provider), Arc::new(table)).await.unwrap())
        }
    }

    whisp_store::vault_conformance! {
        test: tokio::test,
        open: Service(TransitSimulator::start().await.unwrap(), tempfile::tempdir().unwrap()),
    }
}
