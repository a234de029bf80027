//! Cells in a folder: what is left of a value that was destroyed, what a crash leaves, and who may read them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by a panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;
use whisp_core::error::ErrorChain;
use whisp_core::id::TenantId;
use whisp_core::vault::{CellName, Destroyed, ErasableCell, KeyContext, VaultErrorKind};
use whisp_store::FolderCells;

const VALUE: &[u8] = b"the wrapped key of an epoch";

fn name() -> CellName {
    CellName::of(&KeyContext { tenant: TenantId::from_bytes([1; 16]), epoch: 1 })
}

/// A folder with one cell, and the path of its file.
async fn one() -> (TempDir, FolderCells, PathBuf) {
    let folder = tempfile::Builder::new().prefix("aigerim-canary").tempdir().unwrap();
    let cells = FolderCells::open(folder.path().join("cells")).unwrap();
    cells.compare_and_put(&name(), None, VALUE).await.unwrap();
    let file = folder.path().join("cells").join(name().as_str());
    assert_eq!(fs::read(&file).unwrap(), VALUE);
    (folder, cells, file)
}

#[tokio::test]
async fn what_was_destroyed_is_overwritten_where_it_lay() {
    let (folder, cells, file) = one().await;
    // Another name of the same place on the disk.
    let place = folder.path().join("place");
    fs::hard_link(&file, &place).unwrap();
    assert_eq!(cells.destroy(&name()).await.unwrap(), Destroyed::Now);
    let left = fs::read(&place).unwrap();
    assert_eq!(left.len(), VALUE.len());
    assert!(left != VALUE && !left.starts_with(&VALUE[..8]) && !left.ends_with(&VALUE[8..]), "{left:?}");
    assert!(!file.exists());
}

#[tokio::test]
async fn what_was_replaced_is_overwritten_where_it_lay() {
    let (folder, cells, file) = one().await;
    let place = folder.path().join("place");
    fs::hard_link(&file, &place).unwrap();
    cells.compare_and_put(&name(), Some(VALUE), b"another").await.unwrap();
    assert!(!fs::read(&place).unwrap().starts_with(&VALUE[..8]));
    assert_eq!(fs::read(&file).unwrap(), b"another");
}

/// It had been taken out of use, and was not overwritten yet.
#[tokio::test]
async fn what_a_crash_left_of_a_destruction_is_overwritten_by_the_next_one() {
    let (folder, cells, file) = one().await;
    let (remains, place) = (file.with_file_name(format!("{}.old", name().as_str())), folder.path().join("place"));
    fs::hard_link(&file, &place).unwrap();
    fs::rename(&file, &remains).unwrap();
    assert_eq!(cells.read(&name()).await.unwrap(), None);
    cells.destroy(&name()).await.unwrap();
    assert_ne!(fs::read(&place).unwrap(), VALUE);
    assert!(!remains.exists() && !file.exists());
}

/// The old value had got its second name, and the new one was not there yet.
#[tokio::test]
async fn what_a_crash_left_of_a_replacement_harms_nothing_that_is_in_use() {
    let (_folder, cells, file) = one().await;
    let remains = file.with_file_name(format!("{}.old", name().as_str()));
    fs::hard_link(&file, &remains).unwrap();
    assert_eq!(cells.read(&name()).await.unwrap().unwrap().as_slice(), VALUE);
    cells.compare_and_put(&name(), Some(VALUE), b"another").await.unwrap();
    assert_eq!(cells.read(&name()).await.unwrap().unwrap().as_slice(), b"another");
    assert!(!remains.exists());
}

#[tokio::test]
async fn cells_are_their_owners_alone_and_errors_name_no_path() {
    let (folder, cells, file) = one().await;
    for path in [file.clone(), folder.path().join("cells").join("lock")] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
    }
    assert_eq!(fs::metadata(folder.path().join("cells")).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let open = cells.read(&name()).await.unwrap_err();
    assert_eq!(open.kind(), VaultErrorKind::Permissions);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, vec![1; CellName::VALUE_MAX + 1]).unwrap();
    let foreign = cells.read(&name()).await.unwrap_err();
    assert_eq!(foreign.kind(), VaultErrorKind::WrongKey);
    let blocked = FolderCells::open(&file).unwrap_err();
    for error in [open, foreign, blocked] {
        let shown = format!("{cells:?} {error:?} {error} {}", ErrorChain(&error));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
