//! Stores in folders that go away with them, and what the tests of files share.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking, in its helpers too")]

pub(crate) mod child;
pub(crate) mod disk;
pub(crate) mod golden;
pub(crate) mod wal;

use std::ops::Deref;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use whisp_core::id::{IdSource, RecordId, SubjectId, TenantId};
use whisp_core::store::{BlindIndex, Commit, Kind, Record, Records, Sealed, WriteBatch, WriteOp};
use whisp_core::testing::SeqIds;
use whisp_store::SqliteStore;

/// A fresh SQLite store.
pub(crate) struct TempStore {
    store: SqliteStore,
    _folder: TempDir,
}

impl TempStore {
    pub(crate) fn new() -> Self {
        let folder = folder();
        let store = SqliteStore::open(db(&folder)).expect("a new file opens");
        Self { store, _folder: folder }
    }
}

impl Deref for TempStore {
    type Target = SqliteStore;

    fn deref(&self) -> &SqliteStore {
        &self.store
    }
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room for a folder")
}

pub(crate) fn db(folder: &TempDir) -> PathBuf {
    folder.path().join("whisp.db")
}

pub(crate) const TENANT: TenantId = TenantId::DIRECTORY;

/// The number that stands in a record's place in its list, and decides everything else about it.
pub(crate) fn message(number: u64) -> Record {
    let ids = SeqIds::new(number);
    Record {
        parent: Some(RecordId::from_bytes([7; 16])),
        position: i64::try_from(number).expect("not so many"),
        lookups: vec![BlindIndex(ids.random().into_bytes())],
        subjects: vec![SubjectId::from_uuid(ids.random())],
        sealed: Sealed(vec![0xa5; 300]),
        ..Record::new(Kind::MESSAGE, RecordId::from_uuid(ids.random()))
    }
}

/// A message and a suggestion in one batch.
pub(crate) fn pair(number: u64) -> WriteBatch {
    let message = message(number);
    let suggestion = Record { kind: Kind::SUGGESTION, lookups: Vec::new(), ..message.clone() };
    WriteBatch::new(TENANT).op(WriteOp::Put(message)).op(WriteOp::Put(suggestion))
}

/// Panics unless the file is sound and holds both records of each number.
pub(crate) async fn assert_holds(path: &Path, numbers: impl IntoIterator<Item = u64>) {
    let store = SqliteStore::open(path).expect("the file opens");
    for number in numbers {
        let message = message(number);
        for kind in [Kind::MESSAGE, Kind::SUGGESTION] {
            let stored = store.get(TENANT, kind, message.id).await.expect("the store works");
            assert_eq!(stored.map(|stored| stored.position), Some(message.position), "{kind} of {number}");
        }
    }
    drop(store);
    let conn = rusqlite::Connection::open(path).expect("the file opens");
    let check: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it can be checked");
    assert_eq!(check, "ok");
    let halves: i64 = conn
        .query_row(
            "SELECT (SELECT count(*) FROM record_message) - (SELECT count(*) FROM record_suggestion)",
            [],
            |row| row.get(0),
        )
        .expect("the tables are there");
    assert_eq!(halves, 0, "half a batch is there");
}

pub(crate) async fn done(store: &SqliteStore, batch: WriteBatch) {
    assert_eq!(store.commit(batch).await.expect("the store works"), Commit::Done);
}
