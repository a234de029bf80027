//! Key files that do not open what they should.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::DateTime;
use whisp::id::{RecordId, SubjectId, TenantId};
use whisp::privacy::{DataCategory, Grant, Purpose};
use whisp::store::Kind;
use whisp::stores::{EnvelopeVault, LocalKeyProvider, SqliteKeyTable};
use whisp::vault::{SealContext, Vault, VaultError, VaultErrorKind};

use crate::discreet::{TEXT, said};

const TENANT: TenantId = TenantId::from_bytes([1; 16]);
const SUBJECT: SubjectId = SubjectId::from_bytes([2; 16]);
const CONTEXT: SealContext = SealContext {
    tenant: TENANT,
    subject: SUBJECT,
    kind: Kind::MESSAGE,
    record: RecordId::from_bytes([3; 16]),
    field: "message",
    category: DataCategory::MessageContent,
    revision: 0,
};

/// A folder with a root key and a table of keys under it.
struct Keys {
    folder: tempfile::TempDir,
    sealed: whisp::store::Sealed,
}

impl Keys {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        drop(LocalKeyProvider::create(folder.path().join("root.key")).unwrap());
        let vault = open(folder.path(), "root.key").await.unwrap();
        vault.provision(TENANT, &[SUBJECT]).await.unwrap();
        let sealed = vault.seal(&CONTEXT, TEXT.as_bytes()).await.unwrap();
        Self { folder, sealed }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The right key file opens what was sealed before.
    async fn are_whole(&self) {
        let vault = open(self.folder.path(), "root.key").await.unwrap();
        let grant = Grant::for_tests(TENANT, SUBJECT, Purpose::ServiceProvision, DateTime::UNIX_EPOCH);
        assert_eq!(*vault.open(&grant, &CONTEXT, &self.sealed).await.unwrap(), TEXT.as_bytes());
    }

    /// What the error says; never where the file is, which may name a person.
    #[track_caller]
    fn said(&self, error: &VaultError) -> String {
        let everything = format!("{error:?} {}", whisp::error::ErrorChain(error));
        assert!(!everything.contains(&*self.folder.path().to_string_lossy()), "{everything}");
        said(error)
    }
}

async fn open(folder: &Path, key_file: &str) -> Result<EnvelopeVault, VaultError> {
    let provider = Arc::new(LocalKeyProvider::open(folder.join(key_file))?);
    EnvelopeVault::open(provider, Arc::new(SqliteKeyTable::open(folder.join("keys.db"))?)).await
}

#[tokio::test]
async fn another_key_file_is_refused_and_makes_no_second_set_of_keys() {
    let keys = Keys::new().await;
    drop(LocalKeyProvider::create(keys.file("other.key")).unwrap());
    let table = fs::read(keys.file("keys.db")).unwrap();
    let error = match open(keys.folder.path(), "other.key").await {
        Err(error) => error,
        Ok(vault) => vault.seal(&CONTEXT, TEXT.as_bytes()).await.unwrap_err(),
    };
    assert_eq!(error.kind(), VaultErrorKind::WrongKey);
    let said = keys.said(&error);
    assert!(said.contains("use the key file that belongs to this key table"), "{said}");
    assert_eq!(fs::read(keys.file("keys.db")).unwrap(), table, "nothing was written");
    keys.are_whole().await;
}

#[tokio::test]
async fn a_key_file_that_is_cut_short_is_refused_and_never_replaced() {
    let keys = Keys::new().await;
    let whole = fs::read(keys.file("root.key")).unwrap();
    for len in [0, 7, 20, whole.len() - 1] {
        fs::write(keys.file("root.key"), &whole[..len]).unwrap();
        for error in [
            LocalKeyProvider::open(keys.file("root.key")).unwrap_err(),
            LocalKeyProvider::open_or_create(keys.file("root.key")).unwrap_err(),
            LocalKeyProvider::create(keys.file("root.key")).unwrap_err(),
        ] {
            assert_eq!(error.kind(), VaultErrorKind::WrongKey, "{len} bytes");
            assert!(keys.said(&error).contains("; "), "it says what to do: {error}");
        }
        assert_eq!(fs::read(keys.file("root.key")).unwrap(), whole[..len], "it is left as it is");
    }
    fs::write(keys.file("root.key"), &whole).unwrap();
    keys.are_whole().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_file_that_others_may_read_is_refused_until_they_may_not() {
    use std::os::unix::fs::PermissionsExt;

    let keys = Keys::new().await;
    for mode in [0o644, 0o640, 0o604, 0o602] {
        fs::set_permissions(keys.file("root.key"), fs::Permissions::from_mode(mode)).unwrap();
        let error = LocalKeyProvider::open(keys.file("root.key")).unwrap_err();
        assert_eq!(error.kind(), VaultErrorKind::Permissions, "{mode:o}");
        let said = keys.said(&error);
        assert!(said.contains("chmod 600"), "{said}");
    }
    fs::set_permissions(keys.file("root.key"), fs::Permissions::from_mode(0o600)).unwrap();
    keys.are_whole().await;
}

#[tokio::test]
async fn a_missing_key_file_beside_an_existing_table_is_not_made_anew_by_open() {
    let keys = Keys::new().await;
    let away = keys.file("elsewhere.key");
    fs::rename(keys.file("root.key"), &away).unwrap();
    let error = open(keys.folder.path(), "root.key").await.unwrap_err();
    assert_eq!(error.kind(), VaultErrorKind::Unavailable);
    assert!(keys.said(&error).contains("; "), "it says what to do: {error}");
    assert!(!keys.file("root.key").exists());
    fs::rename(away, keys.file("root.key")).unwrap();
    keys.are_whole().await;
}
