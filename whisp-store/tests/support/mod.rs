//! A store in a folder that goes away with it.

use std::ops::Deref;

use tempfile::TempDir;
use whisp_store::SqliteStore;

/// A fresh SQLite store.
pub(crate) struct TempStore {
    store: SqliteStore,
    _folder: TempDir,
}

impl TempStore {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let store = SqliteStore::open(folder.path().join("whisp.db")).expect("a new file opens");
        Self { store, _folder: folder }
    }
}

impl Deref for TempStore {
    type Target = SqliteStore;

    fn deref(&self) -> &SqliteStore {
        &self.store
    }
}
