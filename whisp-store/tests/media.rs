//! Files in a folder and in memory keep the contract, and a folder keeps them private.
#![cfg(feature = "media")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use whisp_core::error::Retry;
use whisp_core::id::{MediaId, TenantId};
use whisp_core::media::MediaStore;
use whisp_core::store::{Sealed, StoreErrorKind};
use whisp_store::ObjectMedia;
use whisp_store::keys::conformance::Open;

const TENANT: TenantId = TenantId::from_bytes([1; 16]);
const FILE: MediaId = MediaId::from_bytes([2; 16]);

struct Folder(TempDir);

#[async_trait]
impl Open<dyn MediaStore> for Folder {
    async fn open(&self) -> Arc<dyn MediaStore> {
        Arc::new(ObjectMedia::folder(self.0.path().join("media")).unwrap())
    }
}

struct Memory(Arc<ObjectMedia>);

#[async_trait]
impl Open<dyn MediaStore> for Memory {
    async fn open(&self) -> Arc<dyn MediaStore> {
        Arc::<ObjectMedia>::clone(&self.0)
    }
}

/// What a host hands over: any object store, here one that takes parts as S3 does, of 5 MiB.
fn handed_over() -> ObjectMedia {
    ObjectMedia::new(Arc::new(object_store::memory::InMemory::new()))
}

mod folder {
    use super::*;
    whisp_store::media_conformance! { test: tokio::test, open: Folder(tempfile::tempdir().unwrap()) }
}

mod memory {
    use super::*;
    whisp_store::media_conformance! { test: tokio::test, open: Memory(Arc::new(ObjectMedia::in_memory())) }
}

mod object {
    use super::*;
    whisp_store::media_conformance! { test: tokio::test, open: Memory(Arc::new(handed_over())) }
}

async fn write(media: &ObjectMedia, bytes: usize) {
    let mut writer = media.write(TENANT, FILE).await.unwrap();
    for _ in 0..bytes.div_ceil(65_616) {
        writer.append(Sealed(vec![7; 65_616])).await.unwrap();
    }
    writer.finish().await.unwrap();
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_and_its_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("media");
    let media = ObjectMedia::folder(&root).unwrap();
    for bytes in [1, 2_000_000] {
        write(&media, bytes).await;
        let there = files(&root);
        assert_eq!(there.len(), 1, "{there:?}");
        assert_eq!(fs::metadata(&there[0]).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn what_a_killed_process_left_goes_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let media = ObjectMedia::folder(folder.path()).unwrap();
    let mut writer = media.write(TENANT, FILE).await.unwrap();
    for _ in 0..8 {
        writer.append(Sealed(vec![7; 65_616])).await.unwrap();
    }
    // As after a kill: the half stays on the disk, and nobody drops the writer.
    std::mem::forget(writer);
    assert_eq!(files(folder.path()).len(), 1);
    assert_eq!(media.read(TENANT, FILE, 0, 1).await.unwrap(), None, "a half is not a file");
    write(&media, 1).await;
    media.delete(TENANT, FILE).await.unwrap();
    assert_eq!(files(folder.path()), Vec::<std::path::PathBuf>::new());
}

/// The half of one that was killed stays behind a number that is free again.
#[tokio::test]
async fn what_a_killed_process_left_goes_though_another_wrote_the_file_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let media = ObjectMedia::folder(folder.path()).unwrap();
    let mut first = media.write(TENANT, FILE).await.unwrap();
    let mut killed = media.write(TENANT, FILE).await.unwrap();
    for writer in [&mut first, &mut killed] {
        for _ in 0..8 {
            writer.append(Sealed(vec![7; 65_616])).await.unwrap();
        }
    }
    std::mem::forget(killed);
    first.finish().await.unwrap();
    assert_eq!(files(folder.path()).len(), 2, "a file and a half");
    media.delete(TENANT, FILE).await.unwrap();
    assert_eq!(files(folder.path()), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_folder_that_can_not_be_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").unwrap();
    let error = ObjectMedia::folder(file.join("media")).unwrap_err();
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Unavailable, Retry::After(None)));
}
