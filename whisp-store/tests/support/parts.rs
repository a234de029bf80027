//! Parts for the suite of privacy.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use whisp_core::media::MediaStore;
use whisp_core::store::Store;
use whisp_core::vault::{KeyProvider, KeyTable};
use whisp_store::conformance::privacy::{Parts, Raw, RawBytes};
use whisp_store::{
    CellKeyProvider, FolderCells, LocalKeyProvider, MemoryKeyTable, MemoryStore, ObjectMedia, SqliteKeyTable,
    SqliteStore,
};

/// A root key and files in a folder.
pub(crate) struct Folder(pub(crate) TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("there is room for a folder"))
    }

    pub(crate) fn provider(&self) -> Arc<dyn KeyProvider> {
        Arc::new(LocalKeyProvider::open_or_create(self.0.path().join("root.key")).expect("a key file"))
    }

    pub(crate) fn media(&self) -> Arc<dyn MediaStore> {
        Arc::new(ObjectMedia::folder(self.0.path().join("media")).expect("a folder for files"))
    }

    pub(crate) fn bytes(&self) -> RawBytes {
        RawBytes::new().files(self.0.path()).expect("the files are read")
    }
}

/// Records and keys in memory.
pub(crate) struct InMemory {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) keys: Arc<MemoryKeyTable>,
    pub(crate) folder: Folder,
}

impl InMemory {
    pub(crate) fn new() -> Self {
        Self { store: Arc::default(), keys: Arc::default(), folder: Folder::new() }
    }
}

#[async_trait]
impl Parts for InMemory {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as _
    }

    fn keys(&self) -> Arc<dyn KeyTable> {
        Arc::clone(&self.keys) as _
    }

    fn provider(&self) -> Arc<dyn KeyProvider> {
        self.folder.provider()
    }

    fn media(&self) -> Arc<dyn MediaStore> {
        self.folder.media()
    }

    async fn raw(&self) -> Raw {
        Raw::Bytes(self.folder.bytes().piece("records", self.store.bytes()).piece("keys", self.keys.bytes()))
    }

    async fn wipe(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

/// Everything in files, as one process on one machine has it.
pub(crate) struct InFiles {
    store: Arc<SqliteStore>,
    keys: Arc<SqliteKeyTable>,
    cells: Arc<FolderCells>,
    folder: Folder,
}

impl InFiles {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let at = |name: &str| folder.0.path().join(name);
        Self {
            store: Arc::new(SqliteStore::open(at("whisp.db")).expect("a new file opens")),
            keys: Arc::new(SqliteKeyTable::open(at("keys.db")).expect("a new file opens")),
            cells: Arc::new(FolderCells::open(at("cells")).expect("a folder for cells")),
            folder,
        }
    }
}

#[async_trait]
impl Parts for InFiles {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as _
    }

    fn keys(&self) -> Arc<dyn KeyTable> {
        Arc::clone(&self.keys) as _
    }

    fn provider(&self) -> Arc<dyn KeyProvider> {
        Arc::new(CellKeyProvider::new(self.folder.provider(), Arc::clone(&self.cells) as _))
    }

    fn media(&self) -> Arc<dyn MediaStore> {
        self.folder.media()
    }

    /// The database, its log and the index of that, the same of the keys, the cells, the root key and the files.
    async fn raw(&self) -> Raw {
        Raw::Bytes(self.folder.bytes())
    }

    async fn wipe(&self) -> Result<(), &'static str> {
        self.store.rewrite().await.expect("the file is written anew");
        Ok(())
    }
}
