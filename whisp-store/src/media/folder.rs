//! What a folder needs besides what every object store does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use object_store::local::LocalFileSystem;
use tokio::task::spawn_blocking;
use whisp_core::error::Retry;
use whisp_core::store::{StoreError, StoreErrorKind};

use super::error::{failed, failed_file};

/// Opens a folder, and makes it if it is not there.
pub(super) fn open(path: &Path) -> Result<(LocalFileSystem, PathBuf), StoreError> {
    const OPEN: &str = "open a folder of files";
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| failed_file(OPEN, error))?;
    let path = path.canonicalize().map_err(|error| failed_file(OPEN, error))?;
    let store = LocalFileSystem::new_with_prefix(&path).map_err(|error| failed(OPEN, error))?;
    Ok((store.with_fsync(true), path))
}

/// Lets nobody but the owner read a file.
#[cfg(unix)]
pub(super) async fn make_private(file: PathBuf) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    let private = fs::Permissions::from_mode(0o600);
    blocking("finish a file", move || fs::set_permissions(file, private)).await
}

/// Elsewhere a file has the permissions of its folder.
#[cfg(not(unix))]
pub(super) async fn make_private(_file: PathBuf) -> Result<(), StoreError> {
    std::future::ready(Ok(())).await
}

/// How many numbers in a row are free before the rest are taken to be. A half has the lowest number that was free when its
/// writer began, and numbers before it are free again when their writers are done: one file would need so many at once.
const FREE_MAX: u32 = 16;

/// Deletes what processes that were killed have left of a file: the halves that `object_store` writes beside it, named
/// `file#1`, `file#2`, ...
pub(super) async fn delete_halves(file: PathBuf) -> Result<(), StoreError> {
    blocking("delete a file", move || {
        let (mut number, mut free) = (1_u32, 0);
        while free < FREE_MAX {
            let mut half = file.clone().into_os_string();
            half.push(format!("#{number}"));
            match fs::remove_file(half) {
                Ok(()) => free = 0,
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    free += 1;
                }
                Err(error) => return Err(error),
            }
            number += 1;
        }
        Ok(())
    })
    .await
}

async fn blocking(
    operation: &'static str,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> Result<(), StoreError> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| failed_file(operation, error)),
        Err(_) => Err(StoreError::new(operation, StoreErrorKind::Unavailable, Retry::After(None))
            .with_advice("the runtime is shutting down")),
    }
}
