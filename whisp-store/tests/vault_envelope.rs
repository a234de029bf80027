//! The vault over real files: restart, concurrency, canaries, and what is left on the disk.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by a panic")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use whisp_core::error::ErrorChain;
use whisp_core::id::{RecordId, SubjectId, TenantId};
use whisp_core::privacy::{DataCategory, Grant, Purpose};
use whisp_core::store::{Kind, Sealed};
use whisp_core::vault::{
    Destroyed, Destruction, IndexField, KeyContext, KeyProvider, KeyTable, Rewrap, SealContext, SecretKey, SubjectKey,
    SubjectKeyState, TenantKey, Vault, VaultError, VaultErrorKind, WrappedKey,
};
use whisp_store::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable, SqliteKeyTable};
use zeroize::Zeroizing;

const HERE: SealContext = SealContext {
    tenant: TenantId::from_bytes([1; 16]),
    subject: SubjectId::from_bytes([2; 16]),
    kind: Kind::MESSAGE,
    record: RecordId::from_bytes([3; 16]),
    field: "body",
    category: DataCategory::MessageContent,
    revision: 1,
};

fn grant() -> Grant {
    Grant::for_tests(HERE.tenant, HERE.subject, Purpose::ServiceProvision, DateTime::UNIX_EPOCH)
}

async fn open(folder: &Path) -> Result<EnvelopeVault, VaultError> {
    let provider = LocalKeyProvider::open_or_create(folder.join("root.key"))?;
    let table = SqliteKeyTable::open(folder.join("keys.db"))?;
    EnvelopeVault::open(Arc::new(provider), Arc::new(table)).await
}

#[tokio::test]
async fn a_lost_key_file_is_the_wrong_key_and_the_key_table_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path()).await.unwrap();
    vault.provision(HERE.tenant, &[HERE.subject]).await.unwrap();
    let sealed = vault.seal(&HERE, b"plain").await.unwrap();
    drop(vault);
    let before = fs::read(folder.path().join("keys.db")).unwrap();
    fs::rename(folder.path().join("root.key"), folder.path().join("kept.key")).unwrap();

    assert_eq!(open(folder.path()).await.unwrap_err().kind(), VaultErrorKind::WrongKey);
    assert_eq!(fs::read(folder.path().join("keys.db")).unwrap(), before);

    fs::rename(folder.path().join("kept.key"), folder.path().join("root.key")).unwrap();
    let vault = open(folder.path()).await.unwrap();
    assert_eq!(vault.open(&grant(), &HERE, &sealed).await.unwrap().as_slice(), b"plain");
}

#[tokio::test]
async fn no_canary_reaches_a_file_an_error_or_a_log() {
    const CANARY: &[u8] = b"+77010000042";
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path()).await.unwrap();
    vault.provision(HERE.tenant, &[HERE.subject]).await.unwrap();
    let Sealed(sealed) = vault.seal(&HERE, CANARY).await.unwrap();
    let digest = vault.index(HERE.tenant, IndexField::Handle, CANARY).await.unwrap();
    let mut damaged = sealed.clone();
    damaged.reverse();
    let error = vault.open(&grant(), &HERE, &Sealed(damaged)).await.unwrap_err();
    let shown = format!("{vault:?} {error:?} {error} {} {:?} {digest:?}", ErrorChain(&error), Sealed(sealed.clone()));
    vault.erase(HERE.tenant, HERE.subject, DateTime::UNIX_EPOCH).await.unwrap();
    drop(vault);
    let mut places = vec![sealed, shown.into_bytes()];
    for entry in fs::read_dir(folder.path()).unwrap() {
        places.push(fs::read(entry.unwrap().path()).unwrap());
    }
    for place in places {
        assert!(!place.windows(CANARY.len()).any(|window| window == CANARY));
    }
}

/// A key service whose keys are known, so that a test can look for them.
#[derive(Debug, Default)]
struct Transparent {
    unwraps: AtomicUsize,
}

#[async_trait]
impl KeyProvider for Transparent {
    async fn wrap(&self, _context: &KeyContext, key: &SecretKey) -> Result<WrappedKey, VaultError> {
        Ok(WrappedKey(key.expose().to_vec()))
    }

    async fn unwrap(&self, _context: &KeyContext, wrapped: &WrappedKey) -> Result<SecretKey, VaultError> {
        self.unwraps.fetch_add(1, Ordering::Relaxed);
        Ok(SecretKey::new(Zeroizing::new(wrapped.0.as_slice().try_into().unwrap())))
    }

    async fn destroy(&self, _context: &KeyContext) -> Result<Destroyed, VaultError> {
        Ok(Destroyed::Unverifiable)
    }

    fn destruction(&self) -> Destruction {
        Destruction::Unverifiable
    }
}

#[tokio::test]
async fn key_bytes_are_never_shown() {
    let table = Arc::new(MemoryKeyTable::new());
    let vault =
        EnvelopeVault::open(Arc::new(Transparent::default()), Arc::<MemoryKeyTable>::clone(&table)).await.unwrap();
    vault.provision(HERE.tenant, &[HERE.subject]).await.unwrap();
    vault.index(HERE.tenant, IndexField::Tag, b"x").await.unwrap();
    let key = table.tenant(HERE.tenant).await.unwrap().unwrap().wrapped.0;
    let error = vault.open(&grant(), &HERE, &Sealed(vec![0x57; 90])).await.unwrap_err();
    let secret = SecretKey::new(Zeroizing::new(key.as_slice().try_into().unwrap()));
    let shown = format!("{vault:?} {table:?} {secret:?} {error:?} {error} {}", ErrorChain(&error)).to_lowercase();
    let start = &key[..4];
    let hex: String = start.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{start:?}").trim_matches(['[', ']']).to_owned();
    let hex_list = format!("{start:x?}").trim_matches(['[', ']']).to_owned();
    for canary in [hex, list, hex_list] {
        assert!(!shown.contains(&canary), "{shown}");
    }
}

#[tokio::test]
async fn a_tenants_key_is_unwrapped_once_and_a_subjects_key_read_once() {
    let provider = Arc::new(Transparent::default());
    let table = Arc::new(Counting::default());
    let vault =
        EnvelopeVault::open(Arc::<Transparent>::clone(&provider), Arc::<Counting>::clone(&table)).await.unwrap();
    for _ in 0..10 {
        vault.provision(HERE.tenant, &[HERE.subject]).await.unwrap();
        let sealed = vault.seal(&HERE, b"plain").await.unwrap();
        vault.open(&grant(), &HERE, &sealed).await.unwrap();
        vault.index(HERE.tenant, IndexField::Handle, b"x").await.unwrap();
    }
    // The directory's and the tenant's.
    assert_eq!(provider.unwraps.load(Ordering::Relaxed), 2);
    assert_eq!(table.subject_calls.load(Ordering::Relaxed), 1, "one write, and no read after it");
}

#[derive(Debug, Default)]
struct Counting {
    inner: MemoryKeyTable,
    subject_calls: AtomicUsize,
}

#[async_trait]
impl KeyTable for Counting {
    async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantKey>, VaultError> {
        self.inner.tenant(tenant).await
    }

    async fn put_tenant(&self, tenant: TenantId, key: TenantKey) -> Result<TenantKey, VaultError> {
        self.inner.put_tenant(tenant, key).await
    }

    async fn subject(&self, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, VaultError> {
        self.subject_calls.fetch_add(1, Ordering::Relaxed);
        self.inner.subject(tenant, subject).await
    }

    async fn put_subjects(
        &self,
        tenant: TenantId,
        keys: Vec<(SubjectId, SubjectKey)>,
    ) -> Result<Vec<SubjectKeyState>, VaultError> {
        self.subject_calls.fetch_add(1, Ordering::Relaxed);
        self.inner.put_subjects(tenant, keys).await
    }

    async fn swap_tenant(
        &self,
        tenant: TenantId,
        from: &TenantKey,
        to: TenantKey,
    ) -> Result<Option<TenantKey>, VaultError> {
        self.inner.swap_tenant(tenant, from, to).await
    }

    async fn of_epoch(
        &self,
        tenant: TenantId,
        epoch: u32,
        limit: usize,
    ) -> Result<Vec<(SubjectId, SubjectKey)>, VaultError> {
        self.inner.of_epoch(tenant, epoch, limit).await
    }

    async fn rewrap(&self, tenant: TenantId, keys: Vec<Rewrap>) -> Result<usize, VaultError> {
        self.inner.rewrap(tenant, keys).await
    }

    async fn erase(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        at: DateTime<Utc>,
    ) -> Result<SubjectKeyState, VaultError> {
        self.inner.erase(tenant, subject, at).await
    }

    async fn drop_subjects(&self, tenant: TenantId, limit: usize) -> Result<usize, VaultError> {
        self.inner.drop_subjects(tenant, limit).await
    }
}

#[tokio::test]
async fn swapped_wrapped_keys_of_two_subjects_are_refused() {
    let provider = Arc::new(Transparent::default());
    let (made, mixed) = (Arc::new(MemoryKeyTable::new()), Arc::new(MemoryKeyTable::new()));
    let other = SubjectId::from_bytes([9; 16]);
    let vault =
        EnvelopeVault::open(Arc::<Transparent>::clone(&provider), Arc::<MemoryKeyTable>::clone(&made)).await.unwrap();
    vault.provision(HERE.tenant, &[HERE.subject, other]).await.unwrap();
    let sealed = vault.seal(&HERE, b"plain").await.unwrap();
    let SubjectKeyState::Live(others_key) = made.subject(HERE.tenant, other).await.unwrap() else { panic!("is there") };
    for tenant in [TenantId::DIRECTORY, HERE.tenant] {
        mixed
            .put_tenant(tenant, made.tenant(tenant).await.unwrap().unwrap_or_else(|| panic!("is there")))
            .await
            .unwrap();
    }
    mixed.put_subjects(HERE.tenant, vec![(HERE.subject, others_key)]).await.unwrap();

    let vault = EnvelopeVault::open(provider, mixed).await.unwrap();
    assert_eq!(vault.open(&grant(), &HERE, &sealed).await.unwrap_err().kind(), VaultErrorKind::WrongKey);
    assert_eq!(vault.seal(&HERE, b"plain").await.unwrap_err().kind(), VaultErrorKind::WrongKey);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_erasure_among_busy_threads_is_final() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Arc::new(open(folder.path()).await.unwrap());
    vault.provision(HERE.tenant, &[HERE.subject]).await.unwrap();
    let busy: Vec<_> = (0..8)
        .map(|_| {
            let vault = Arc::clone(&vault);
            tokio::spawn(async move {
                // Until it is refused: the test would not end otherwise.
                loop {
                    match vault.seal(&HERE, b"plain").await {
                        Ok(_) => tokio::task::yield_now().await,
                        Err(error) => break error.kind(),
                    }
                }
            })
        })
        .collect();
    vault.erase(HERE.tenant, HERE.subject, DateTime::UNIX_EPOCH).await.unwrap();
    assert_eq!(vault.seal(&HERE, b"plain").await.unwrap_err().kind(), VaultErrorKind::Erased);
    for task in busy {
        assert_eq!(task.await.unwrap(), VaultErrorKind::Erased);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn provisions_of_one_tenant_on_many_threads_agree() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Arc::new(open(folder.path()).await.unwrap());
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let vault = Arc::clone(&vault);
            tokio::spawn(async move {
                vault.provision(HERE.tenant, &[HERE.subject]).await.unwrap();
                let index = vault.index(HERE.tenant, IndexField::Handle, b"x").await.unwrap();
                (vault.seal(&HERE, b"plain").await.unwrap(), index)
            })
        })
        .collect();
    let mut made = Vec::new();
    for task in tasks {
        made.push(task.await.unwrap());
    }
    drop(vault);
    let vault = open(folder.path()).await.unwrap();
    let expected = vault.index(HERE.tenant, IndexField::Handle, b"x").await.unwrap();
    for (sealed, index) in made {
        assert_eq!(vault.open(&grant(), &HERE, &sealed).await.unwrap().as_slice(), b"plain");
        assert_eq!(index, expected);
    }
}

#[tokio::test]
async fn more_subjects_than_one_write_takes_all_get_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let vault = open(folder.path()).await.unwrap();
    let people: Vec<SubjectId> = (0..2_500_u128).map(|n| SubjectId::from_bytes(n.to_be_bytes())).collect();
    vault.provision(HERE.tenant, &people).await.unwrap();
    for &subject in &people {
        vault.seal(&SealContext { subject, ..HERE }, b"plain").await.unwrap();
    }
}
