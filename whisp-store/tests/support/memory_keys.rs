//! Keys in memory, for tests that turn and renew them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;

use whisp_core::vault::{KeyProvider, VaultError};
use whisp_store::{CellKeyProvider, EnvelopeVault, LocalKeyProvider, MemoryCells, MemoryKeyTable};

use crate::faulty_keys::{Faults, FaultyKeys, FaultyProvider};

/// Keys in memory, and what opens vaults over them.
pub(crate) struct Keys {
    pub(crate) cells: Arc<MemoryCells>,
    pub(crate) provider: Arc<dyn KeyProvider>,
    pub(crate) table: Arc<MemoryKeyTable>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Arc::new(LocalKeyProvider::create(folder.path().join("root.key")).unwrap());
        let cells = Arc::new(MemoryCells::new());
        let provider = Arc::new(CellKeyProvider::new(root, Arc::<MemoryCells>::clone(&cells)));
        Self { cells, provider, table: Arc::new(MemoryKeyTable::new()) }
    }

    pub(crate) async fn vault(&self) -> EnvelopeVault {
        EnvelopeVault::open(Arc::clone(&self.provider), Arc::<MemoryKeyTable>::clone(&self.table)).await.unwrap()
    }

    /// A vault whose calls of table and provider fail as told.
    pub(crate) async fn faulty(&self, faults: &Arc<Faults>) -> Result<EnvelopeVault, VaultError> {
        let provider = FaultyProvider { faults: Arc::clone(faults), inner: Arc::clone(&self.provider) };
        let table = FaultyKeys { faults: Arc::clone(faults), inner: Arc::<MemoryKeyTable>::clone(&self.table) };
        EnvelopeVault::open(Arc::new(provider), Arc::new(table)).await
    }
}
