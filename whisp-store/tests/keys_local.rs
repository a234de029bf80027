//! The key file: created once, readable by its owner only, refused with advice where it is not what it should be.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by a panic")]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use whisp_core::error::ErrorChain;
use whisp_core::id::TenantId;
use whisp_core::vault::{KeyContext, KeyProvider, KeyTable, SecretKey, VaultError, VaultErrorKind};
use whisp_store::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable};
use zeroize::Zeroizing;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.key");
    (folder, path)
}

fn refused(path: &PathBuf) -> VaultError {
    LocalKeyProvider::open(path).unwrap_err()
}

#[test]
fn a_missing_file_is_not_created_by_opening_it() {
    let (_folder, path) = folder();
    let error = refused(&path);
    assert_eq!(error.kind(), VaultErrorKind::Unavailable);
    assert!(error.to_string().contains("restore the file"), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_key_is_never_overwritten() {
    let (folder, path) = folder();
    LocalKeyProvider::create(&path).unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(LocalKeyProvider::create(&path).unwrap_err().kind(), VaultErrorKind::WrongKey);
    LocalKeyProvider::open_or_create(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
    let files = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 1, "no other file is left behind");
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    let (_folder, path) = folder();
    LocalKeyProvider::create(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for bytes in [&whole[..0], &whole[..40], &[whole.as_slice(), &[0]].concat(), b"something else"] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(refused(&path).kind(), VaultErrorKind::WrongKey);
        assert_eq!(LocalKeyProvider::open_or_create(&path).unwrap_err().kind(), VaultErrorKind::WrongKey);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_newer_file_is_refused_with_the_advice_to_update() {
    let (_folder, path) = folder();
    LocalKeyProvider::create(&path).unwrap();
    let mut newer = fs::read(&path).unwrap();
    newer[11] = 2;
    fs::write(&path, newer).unwrap();
    let error = refused(&path);
    assert_eq!(error.kind(), VaultErrorKind::Newer);
    assert!(error.to_string().contains("update"), "{error}");
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = folder();
    LocalKeyProvider::create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o660, 0o777] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = refused(&path);
        assert_eq!(error.kind(), VaultErrorKind::Permissions, "{mode:o}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    LocalKeyProvider::open(&path).unwrap();
}

#[test]
fn a_folder_is_no_key_file() {
    let folder = tempfile::tempdir().unwrap();
    assert!(LocalKeyProvider::open(folder.path()).is_err());
    assert!(LocalKeyProvider::create(folder.path().join("missing").join("root.key")).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_first_starts_at_once_agree_on_one_key() {
    let (_folder, path) = folder();
    let path = Arc::new(path);
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let path = Arc::clone(&path);
            tokio::spawn(async move { LocalKeyProvider::open_or_create(&*path).unwrap() })
        })
        .collect();
    let context = KeyContext { tenant: TenantId::from_bytes([1; 16]), epoch: 1 };
    let key = SecretKey::new(Zeroizing::new([9; 32]));
    let wrapped = LocalKeyProvider::open_or_create(&*path).unwrap().wrap(&context, &key).await.unwrap();
    for start in starts {
        let provider = start.await.unwrap();
        assert_eq!(provider.unwrap(&context, &wrapped).await.unwrap().expose(), key.expose());
    }
}

#[tokio::test]
async fn a_foreign_key_file_is_the_wrong_key_and_changes_nothing() {
    let (_folder, path) = folder();
    let (_other_folder, other) = folder();
    let table = Arc::new(MemoryKeyTable::new());
    let shared = || Arc::<MemoryKeyTable>::clone(&table);
    EnvelopeVault::open(Arc::new(LocalKeyProvider::create(&path).unwrap()), shared()).await.unwrap();
    let before = format!("{:?}", table.tenant(TenantId::DIRECTORY).await.unwrap().map(|key| key.wrapped.0));

    let error = EnvelopeVault::open(Arc::new(LocalKeyProvider::create(&other).unwrap()), shared()).await.unwrap_err();
    assert_eq!(error.kind(), VaultErrorKind::WrongKey);
    assert!(error.to_string().contains("belongs to this key table"), "{error}");
    let after = format!("{:?}", table.tenant(TenantId::DIRECTORY).await.unwrap().map(|key| key.wrapped.0));
    assert_eq!(before, after);
    EnvelopeVault::open(Arc::new(LocalKeyProvider::open(&path).unwrap()), shared()).await.unwrap();
}

#[test]
fn errors_name_no_path() {
    let folder = tempfile::Builder::new().prefix("aigerim-canary").tempdir().unwrap();
    let missing = folder.path().join("missing").join("root.key");
    let errors = [
        LocalKeyProvider::open(folder.path()).unwrap_err(),
        LocalKeyProvider::open(folder.path().join("root.key")).unwrap_err(),
        LocalKeyProvider::create(&missing).unwrap_err(),
    ];
    for error in errors {
        let shown = format!("{error:?} {error} {}", ErrorChain(&error));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
