//! Every key provider and key table of this crate keeps its contract.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by a panic")]

#[path = "support/postgres.rs"]
mod support;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use whisp_core::system::SystemClock;
use whisp_core::vault::{ErasableCell, KeyProvider, KeyTable};
use whisp_store::keys::conformance::Open;
use whisp_store::keys::transit::simulator::TransitSimulator;
use whisp_store::keys::transit::{Snapshots, TransitKeyProvider};
use whisp_store::{CellKeyProvider, FolderCells, LocalKeyProvider, MemoryCells, MemoryKeyTable, SqliteKeyTable};

struct Memory(Arc<MemoryKeyTable>);

#[async_trait]
impl Open<dyn KeyTable> for Memory {
    async fn open(&self) -> Arc<dyn KeyTable> {
        Arc::<MemoryKeyTable>::clone(&self.0)
    }
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("keys")
    }
}

#[async_trait]
impl Open<dyn KeyTable> for Folder {
    async fn open(&self) -> Arc<dyn KeyTable> {
        Arc::new(SqliteKeyTable::open(self.file()).unwrap())
    }
}

#[async_trait]
impl Open<dyn KeyProvider> for Folder {
    async fn open(&self) -> Arc<dyn KeyProvider> {
        Arc::new(LocalKeyProvider::open_or_create(self.file()).unwrap())
    }
}

mod memory {
    use super::*;
    whisp_store::key_table_conformance! { test: tokio::test, open: Memory(Arc::default()) }
}

mod sqlite {
    use super::*;
    whisp_store::key_table_conformance! { test: tokio::test, open: Folder::new() }
}

mod postgres {
    use super::*;

    #[async_trait]
    impl Open<dyn KeyTable> for support::TempSchema {
        async fn open(&self) -> Arc<dyn KeyTable> {
            Arc::new(self.keys().await)
        }
    }

    whisp_store::key_table_conformance! {
        test: tokio::test,
        open: match support::TempSchema::new() { Some(schema) => schema, None => return },
    }
}

mod local {
    use super::*;
    whisp_store::key_provider_conformance! { test: tokio::test, open: Folder::new() }
}

#[async_trait]
impl Open<dyn ErasableCell> for Folder {
    async fn open(&self) -> Arc<dyn ErasableCell> {
        Arc::new(FolderCells::open(self.0.path().join("cells")).unwrap())
    }
}

mod folder_cells {
    use super::*;
    whisp_store::erasable_cell_conformance! { test: tokio::test, open: Folder::new() }
}

mod memory_cells {
    use super::*;

    struct Memory(Arc<MemoryCells>);

    #[async_trait]
    impl Open<dyn ErasableCell> for Memory {
        async fn open(&self) -> Arc<dyn ErasableCell> {
            Arc::<MemoryCells>::clone(&self.0)
        }
    }

    whisp_store::erasable_cell_conformance! { test: tokio::test, open: Memory(Arc::default()) }
}

mod local_with_cells {
    use super::*;

    struct WithCells(Folder);

    #[async_trait]
    impl Open<dyn KeyProvider> for WithCells {
        async fn open(&self) -> Arc<dyn KeyProvider> {
            let inner: Arc<dyn KeyProvider> = self.0.open().await;
            let cells: Arc<dyn ErasableCell> = self.0.open().await;
            Arc::new(CellKeyProvider::new(inner, cells))
        }
    }

    whisp_store::key_provider_conformance! { test: tokio::test, open: WithCells(Folder::new()) }
}

mod transit {
    use chrono::TimeDelta;

    use super::*;

    struct Transit(TransitSimulator, Snapshots);

    #[async_trait]
    impl Open<dyn KeyProvider> for Transit {
        async fn open(&self) -> Arc<dyn KeyProvider> {
            Arc::new(TransitKeyProvider::new(&self.0.config(self.1), Arc::new(SystemClock)).unwrap())
        }
    }

    async fn with(snapshots: Snapshots) -> Transit {
        Transit(TransitSimulator::start().await.unwrap(), snapshots)
    }

    mod without_snapshots {
        use super::*;
        whisp_store::key_provider_conformance! { test: tokio::test, open: with(Snapshots::Never).await }
    }

    mod with_snapshots {
        use super::*;
        whisp_store::key_provider_conformance! { test: tokio::test, open: with(Snapshots::KeptFor(TimeDelta::days(3))).await }
    }

    mod with_unknown_snapshots {
        use super::*;
        whisp_store::key_provider_conformance! { test: tokio::test, open: with(Snapshots::Unknown).await }
    }
}
