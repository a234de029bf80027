//! The vault: every person's data is sealed under a key of that person, and erased by destroying the key.

mod cache;
#[cfg(feature = "conformance")]
pub mod conformance;
mod salts;
mod suite1;
mod tenant;
#[cfg(test)]
mod vectors;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use lru::LruCache;
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::privacy::Grant;
use whisp_core::store::Sealed;
use whisp_core::vault::{
    Digest, IndexField, KeyErasure, KeyProvider, KeyTable, SealContext, SubjectKeyState, Vault, VaultError,
    VaultErrorKind,
};
use zeroize::Zeroizing;

use self::cache::{KEY_LIFE, KeyCache, SUBJECTS_MAX};
use self::salts::Salts;
use self::suite1::LiveKey;
pub use self::suite1::OVERHEAD;
use self::tenant::OpenTenant;
use crate::keys::failed;

/// Of how many tenants the keys are kept unwrapped: each costs one call of the key service when it comes back.
const TENANTS_MAX: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// How many subjects' keys are made and written at once.
const PROVISION_MAX: usize = 1_000;

/// The [`Vault`] over any [`KeyProvider`] and [`KeyTable`].
///
/// - A value is sealed with AES-256-GCM under a key of its own, which follows from its subject's key, a random salt and
///   its place, and is [`OVERHEAD`] bytes longer than the plain one.
/// - A subject's key is 32 random bytes, wrapped by the tenant's key with AES-256-GCM-SIV; the tenant's key is wrapped
///   by the key provider.
/// - The key of a tenant's keyed indexes is 32 random bytes too, wrapped by the tenant's key and kept beside it in the
///   key table: away from the data, since phone numbers are few enough to try them all, and not derived from the
///   tenant's key, so that each can turn without the other. Each field has a key of its own, derived from it.
///
/// Keys that were used lately stay unwrapped in memory, bounded in number and for 5 seconds: what another process erases
/// in a shared key table, this one notices then. What it seals meanwhile for the erased nobody can ever open.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use whisp_core::id::{SubjectId, TenantId};
/// use whisp_core::privacy::DataCategory;
/// use whisp_core::store::Kind;
/// use whisp_core::vault::{SealContext, Vault};
/// use whisp_store::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let provider = LocalKeyProvider::open_or_create(folder.path().join("whisp.key"))?;
/// let vault = EnvelopeVault::open(Arc::new(provider), Arc::new(MemoryKeyTable::new())).await?;
///
/// let (tenant, subject) = (TenantId::from_bytes([1; 16]), SubjectId::from_bytes([2; 16]));
/// vault.provision(tenant, &[subject]).await?;
/// let context = SealContext {
///     tenant,
///     subject,
///     kind: Kind::CONTACT,
///     record: subject.into(),
///     field: "name",
///     category: DataCategory::Identity,
///     revision: 1,
/// };
/// let sealed = vault.seal(&context, b"Aigerim").await?;
/// assert_eq!(sealed.0.len(), b"Aigerim".len() + whisp_store::vault::OVERHEAD);
/// # Ok(())
/// # }
/// ```
pub struct EnvelopeVault {
    provider: Arc<dyn KeyProvider>,
    table: Arc<dyn KeyTable>,
    tenants: Mutex<LruCache<TenantId, Arc<OpenTenant>>>,
    subjects: KeyCache,
    salts: Salts,
}

impl EnvelopeVault {
    /// Opens a vault: unwraps the directory's key, or makes it in an empty table. So a provider that does not belong
    /// to the table is found out before anything is changed.
    ///
    /// # Errors
    /// [`WrongKey`](VaultErrorKind::WrongKey) if provider and table do not belong together; else what either says.
    ///
    /// # Cancellation
    /// Dropping it leaves the directory's key made or not made; open again.
    pub async fn open(provider: Arc<dyn KeyProvider>, table: Arc<dyn KeyTable>) -> Result<Self, VaultError> {
        let vault = Self {
            provider,
            table,
            tenants: Mutex::new(LruCache::new(TENANTS_MAX)),
            subjects: KeyCache::new(SUBJECTS_MAX, KEY_LIFE),
            salts: Salts::default(),
        };
        vault.tenant_or_new(TenantId::DIRECTORY).await?;
        Ok(vault)
    }

    /// Returns the keys of a tenant, `None` if it has none.
    async fn tenant(&self, tenant: TenantId) -> Result<Option<Arc<OpenTenant>>, VaultError> {
        if let Some(open) = self.tenants().get(&tenant) {
            return Ok(Some(Arc::clone(open)));
        }
        let Some(key) = self.table.tenant(tenant).await? else { return Ok(None) };
        let open = Arc::new(OpenTenant::open(tenant, &key, &*self.provider).await?);
        self.tenants().put(tenant, Arc::clone(&open));
        Ok(Some(open))
    }

    /// Returns the keys of a tenant, which get made if it has none.
    async fn tenant_or_new(&self, tenant: TenantId) -> Result<Arc<OpenTenant>, VaultError> {
        if let Some(open) = self.tenant(tenant).await? {
            return Ok(open);
        }
        let made = OpenTenant::make(tenant, &*self.provider).await?;
        // Somebody else may have been faster: what is in the table now is the one.
        let key = self.table.put_tenant(tenant, made).await?;
        let open = Arc::new(OpenTenant::open(tenant, &key, &*self.provider).await?);
        self.tenants().put(tenant, Arc::clone(&open));
        Ok(open)
    }

    fn tenants(&self) -> MutexGuard<'_, LruCache<TenantId, Arc<OpenTenant>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the key of a subject.
    async fn key(&self, operation: &'static str, context: &SealContext) -> Result<Arc<LiveKey>, VaultError> {
        let (tenant, subject) = (context.tenant, context.subject);
        if let Some(key) = self.subjects.get(tenant, subject) {
            return Ok(key);
        }
        let wrapped = match self.table.subject(tenant, subject).await? {
            SubjectKeyState::Live(key) => key,
            SubjectKeyState::Erased(_) => return Err(failed(operation, VaultErrorKind::Erased)),
            SubjectKeyState::Absent => return Err(failed(operation, VaultErrorKind::UnknownSubject)),
        };
        let open = self.tenant(tenant).await?.ok_or_else(|| failed(operation, VaultErrorKind::WrongKey))?;
        let key = Arc::new(open.open_subject(subject, &wrapped)?);
        self.subjects.keep(tenant, subject, Arc::clone(&key));
        Ok(key)
    }

    /// Makes and writes the keys of some subjects; returns whether one of them was erased.
    async fn provision_some(
        &self,
        open: &OpenTenant,
        tenant: TenantId,
        some: &[SubjectId],
    ) -> Result<bool, VaultError> {
        let (mut wrapped, mut live) = (Vec::with_capacity(some.len()), Vec::with_capacity(some.len()));
        for &subject in some {
            let (key, ready) = open.new_subject(subject)?;
            live.push((subject, key.clone(), ready));
            wrapped.push((subject, key));
        }
        let states = self.table.put_subjects(tenant, wrapped).await?;
        let mut erased = states.len() != some.len();
        for ((subject, ours, ready), state) in live.into_iter().zip(states) {
            match state {
                // Ours is the one, so it need not be unwrapped again.
                SubjectKeyState::Live(key) if key == ours => self.subjects.keep(tenant, subject, Arc::new(ready)),
                SubjectKeyState::Live(_) => {}
                SubjectKeyState::Erased(_) | SubjectKeyState::Absent => erased = true,
            }
        }
        Ok(erased)
    }
}

#[async_trait]
impl Vault for EnvelopeVault {
    async fn provision(&self, tenant: TenantId, subjects: &[SubjectId]) -> Result<(), VaultError> {
        // Who is remembered has a key, durably.
        let unknown = |subject: &SubjectId| self.subjects.get(tenant, *subject).is_none();
        let new: Vec<SubjectId> = subjects.iter().copied().filter(unknown).collect();
        if new.is_empty() {
            return Ok(());
        }
        let open = self.tenant_or_new(tenant).await?;
        let mut erased = false;
        for some in new.chunks(PROVISION_MAX) {
            erased |= self.provision_some(&open, tenant, some).await?;
        }
        if erased { Err(failed("provision", VaultErrorKind::Erased)) } else { Ok(()) }
    }

    async fn seal(&self, context: &SealContext, plain: &[u8]) -> Result<Sealed, VaultError> {
        self.key("seal", context).await?.seal(context, &self.salts.next()?, plain)
    }

    async fn open(
        &self,
        grant: &Grant,
        context: &SealContext,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let for_them = grant.tenant() == context.tenant && grant.subject() == context.subject;
        if !for_them || !grant.covers(context.category) || !grant.is_current() {
            return Err(failed("open", VaultErrorKind::Denied));
        }
        self.key("open", context).await?.open(context, &sealed.0)
    }

    async fn index(&self, tenant: TenantId, field: IndexField, value: &[u8]) -> Result<Digest, VaultError> {
        self.tenant_or_new(tenant).await?.digest(field, value)
    }

    async fn erase(&self, tenant: TenantId, subject: SubjectId, at: DateTime<Utc>) -> Result<KeyErasure, VaultError> {
        // Before, so that a dropped future leaves no key in memory that is gone from the table; after, because the mark
        // of the first may have fallen out of the cache meanwhile.
        self.subjects.forget(tenant, subject);
        let before = self.table.erase(tenant, subject, at).await?;
        self.subjects.forget(tenant, subject);
        Ok(match before {
            SubjectKeyState::Absent => KeyErasure::Absent,
            SubjectKeyState::Erased(since) => KeyErasure::Destroyed(since),
            SubjectKeyState::Live(_) => KeyErasure::Destroyed(at),
        })
    }
}

impl fmt::Debug for EnvelopeVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvelopeVault")
            .field("provider", &self.provider)
            .field("table", &self.table)
            .field("subjects", &self.subjects)
            .finish_non_exhaustive()
    }
}
