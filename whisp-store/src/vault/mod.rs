//! The vault: every person's data is sealed under a key of that person, and erased by destroying the key.

mod cache;
mod close;
#[cfg(feature = "conformance")]
pub mod conformance;
mod renew;
mod salts;
mod suite1;
mod tenant;
mod tenants;
mod turn;
#[cfg(test)]
mod vectors;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::privacy::Grant;
use whisp_core::store::Sealed;
use whisp_core::vault::{
    ClosedVault, Destruction, Digest, EpochDue, IndexField, KeyErasure, KeyProvider, KeyTable, SealContext,
    SubjectKeyState, Turn, Vault, VaultError, VaultErrorKind,
};
use zeroize::Zeroizing;

use self::cache::{KEY_LIFE, KeyCache, SUBJECTS_MAX};
use self::renew::KeyRing;
pub use self::renew::VERSIONS_MAX;
use self::salts::Salts;
pub use self::suite1::OVERHEAD;
use self::tenant::{FIRST_VERSION, OpenTenant};
use self::tenants::Tenants;
use crate::keys::failed;

/// How many subjects' keys are made and written at once.
const PROVISION_MAX: usize = 1_000;

/// How often a tenant's epoch may turn while one key is looked for or made, before that is given up.
const TURNS_MAX: usize = 4;

/// The [`Vault`] over any [`KeyProvider`] and [`KeyTable`].
///
/// - A value is sealed with AES-256-GCM under a key of its own, which follows from its subject's key, a random salt and
///   its place, and is [`OVERHEAD`] bytes longer than the plain one.
/// - A subject's key is 32 random bytes, wrapped by the tenant's key with AES-256-GCM-SIV; the tenant's key is wrapped
///   by the key provider.
/// - A subject whose key is [renewed](Vault::renew) has several, each in a row of its own, up to [`VERSIONS_MAX`]: what was
///   sealed says under which.
/// - The key of a tenant's keyed indexes is 32 random bytes too, wrapped by the tenant's key and kept beside it in the
///   key table: away from the data, since phone numbers are few enough to try them all, and not derived from the
///   tenant's key, so that each can turn without the other. Each field has a key of its own, derived from it.
///
/// The tenant's key turns, epoch by epoch ([`turn`](Vault::turn)): every subject's key is wrapped under a new one, and the
/// old one is destroyed. What was erased before is then lost to every copy of the key table too, as surely as the key
/// provider destroys.
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
/// use whisp_store::{CellKeyProvider, EnvelopeVault, FolderCells, LocalKeyProvider, MemoryKeyTable};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let root_key = Arc::new(LocalKeyProvider::open_or_create(folder.path().join("whisp.key"))?);
/// let cells = Arc::new(FolderCells::open(folder.path().join("cells"))?);
/// let vault = EnvelopeVault::open(Arc::new(CellKeyProvider::new(root_key, cells)), Arc::new(MemoryKeyTable::new())).await?;
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
    tenants: Tenants,
    subjects: KeyCache,
    salts: Salts,
}

impl EnvelopeVault {
    /// Opens a vault: unwraps the directory's key, or makes it in an empty table. So a provider that does not belong
    /// to the table is found out before anything is changed.
    ///
    /// # Errors
    /// [`WrongKey`](VaultErrorKind::WrongKey) if provider and table do not belong together,
    /// [`Destroyed`](VaultErrorKind::Destroyed) if the table is a copy from before an epoch was destroyed, or what holds the
    /// epochs is lost; else what either says.
    ///
    /// # Cancellation
    /// Dropping it leaves the directory's key made or not made; open again.
    pub async fn open(provider: Arc<dyn KeyProvider>, table: Arc<dyn KeyTable>) -> Result<Self, VaultError> {
        let vault = Self {
            provider,
            table,
            tenants: Tenants::new(),
            subjects: KeyCache::new(SUBJECTS_MAX, KEY_LIFE),
            salts: Salts::default(),
        };
        vault.tenant_or_new(TenantId::DIRECTORY).await?;
        Ok(vault)
    }

    /// Returns the keys of a tenant, `None` if it has none.
    async fn tenant(&self, tenant: TenantId) -> Result<Option<Arc<OpenTenant>>, VaultError> {
        if let Some(open) = self.tenants.get(tenant) {
            return Ok(Some(open));
        }
        let Some(mut key) = self.table.tenant(tenant).await? else { return Ok(None) };
        loop {
            if key.erased_at().is_some() {
                return Err(failed("use a tenant's key", VaultErrorKind::Erased));
            }
            if let Some(open) = self.tenants.last(tenant).filter(|open| open.is(&key)) {
                self.tenants.keep(tenant, &open);
                return Ok(Some(open));
            }
            match OpenTenant::open(tenant, &key, &*self.provider).await {
                Ok(open) => {
                    let open = Arc::new(open);
                    self.tenants.keep(tenant, &open);
                    return Ok(Some(open));
                }
                // It may have turned since it was read.
                Err(error) => match self.table.tenant(tenant).await? {
                    Some(now) if now != key => key = now,
                    _ => return Err(error),
                },
            }
        }
    }

    /// Returns the keys of a tenant, which get made if it has none.
    async fn tenant_or_new(&self, tenant: TenantId) -> Result<Arc<OpenTenant>, VaultError> {
        if let Some(open) = self.tenant(tenant).await? {
            return Ok(open);
        }
        let made = OpenTenant::make(tenant, &*self.provider).await?;
        // Somebody else may have been faster: what is in the table now is the one.
        self.table.put_tenant(tenant, made).await?;
        self.tenant(tenant).await?.ok_or_else(|| failed("make a tenant's key", VaultErrorKind::WrongKey))
    }

    /// Returns the keys of a subject.
    async fn key(&self, operation: &'static str, context: &SealContext) -> Result<Arc<KeyRing>, VaultError> {
        let (tenant, subject) = (context.tenant, context.subject);
        if let Some(key) = self.subjects.get(tenant, subject) {
            return Ok(key);
        }
        let mut trouble = failed(operation, VaultErrorKind::WrongKey)
            .with_advice("the subject's key is of another epoch than its tenant's: the key table is damaged");
        for _ in 0..TURNS_MAX {
            let wrapped = match self.table.subject(tenant, subject).await? {
                SubjectKeyState::Live(key) => key,
                SubjectKeyState::Erased(_) => return Err(failed(operation, VaultErrorKind::Erased)),
                SubjectKeyState::Absent => {
                    // Of a tenant that was closed nobody is known any more.
                    self.tenant(tenant).await?;
                    return Err(failed(operation, VaultErrorKind::UnknownSubject));
                }
            };
            let open = self.tenant(tenant).await?.ok_or_else(|| failed(operation, VaultErrorKind::WrongKey))?;
            match self.open_all(&open, (tenant, subject), &wrapped).await {
                Ok(Some(keys)) => {
                    let keys = Arc::new(keys);
                    self.subjects.keep(tenant, subject, Arc::clone(&keys));
                    return Ok(keys);
                }
                // The epoch has turned since one of the two was read: the next look finds both as they are.
                Ok(None) => {}
                Err(error) if error.kind() == VaultErrorKind::Destroyed => trouble = error,
                Err(error) => return Err(error),
            }
            self.tenants.doubt(tenant);
        }
        Err(trouble)
    }

    /// Makes and writes the keys of some subjects; returns whether one of them was erased.
    async fn provision_some(&self, tenant: TenantId, some: &[SubjectId]) -> Result<bool, VaultError> {
        let mut turns = 0;
        loop {
            let open = self.tenant_or_new(tenant).await?;
            match self.put_new(&open, tenant, some).await {
                Err(error) if error.kind() == VaultErrorKind::Turned && turns < TURNS_MAX => turns += 1,
                done => return done,
            }
            self.tenants.doubt(tenant);
        }
    }

    async fn put_new(&self, open: &OpenTenant, tenant: TenantId, some: &[SubjectId]) -> Result<bool, VaultError> {
        let (mut wrapped, mut live) = (Vec::with_capacity(some.len()), Vec::with_capacity(some.len()));
        for &subject in some {
            let (key, ready) = open.new_subject(subject, FIRST_VERSION)?;
            live.push((subject, key.clone(), ready));
            wrapped.push((subject, key));
        }
        let states = self.table.put_subjects(tenant, wrapped).await?;
        let mut erased = states.len() != some.len();
        for ((subject, ours, ready), state) in live.into_iter().zip(states) {
            match state {
                // Ours is the one, so it need not be unwrapped again.
                SubjectKeyState::Live(key) if key == ours => {
                    self.subjects.keep(tenant, subject, Arc::new(KeyRing::new(ready)));
                }
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
        let mut erased = false;
        for some in new.chunks(PROVISION_MAX) {
            erased |= self.provision_some(tenant, some).await?;
        }
        if erased { Err(failed("provision", VaultErrorKind::Erased)) } else { Ok(()) }
    }

    async fn seal(&self, context: &SealContext, plain: &[u8]) -> Result<Sealed, VaultError> {
        self.key("seal", context).await?.newest().seal(context, &self.salts.next()?, plain)
    }

    async fn open(
        &self,
        grant: &Grant,
        context: &SealContext,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        check("open", grant, context)?;
        self.keys_of("open", context, sealed).await?.open(context, sealed)
    }

    async fn renew(&self, tenant: TenantId, subject: SubjectId) -> Result<u32, VaultError> {
        self.renew_key(tenant, subject).await
    }

    async fn reseal(
        &self,
        grant: &Grant,
        context: &SealContext,
        sealed: &Sealed,
    ) -> Result<Option<Sealed>, VaultError> {
        check("seal anew", grant, context)?;
        let keys = self.keys_of("seal anew", context, sealed).await?;
        if keys.is_newest(sealed) {
            return Ok(None);
        }
        let plain = keys.open(context, sealed)?;
        keys.newest().seal(context, &self.salts.next()?, &plain).map(Some)
    }

    async fn index(&self, tenant: TenantId, field: IndexField, value: &[u8]) -> Result<Digest, VaultError> {
        self.tenant_or_new(tenant).await?.digest(field, value)
    }

    async fn erase(&self, tenant: TenantId, subject: SubjectId, at: DateTime<Utc>) -> Result<KeyErasure, VaultError> {
        // Before, so that a dropped future leaves no key in memory that is gone from the table; after, because the mark
        // of the first may have fallen out of the cache meanwhile.
        self.subjects.forget(tenant, subject);
        let erased = self.erase_all(tenant, subject, at).await?;
        self.subjects.forget(tenant, subject);
        Ok(erased)
    }

    async fn turn(&self, tenant: TenantId, due: &EpochDue, limit: usize) -> Result<Turn, VaultError> {
        self.go_on_turning(tenant, due, limit).await
    }

    async fn end_turn(&self, tenant: TenantId, epoch: u32) -> Result<(), VaultError> {
        self.finish_turn(tenant, epoch).await
    }

    async fn close(&self, tenant: TenantId, at: DateTime<Utc>, limit: usize) -> Result<ClosedVault, VaultError> {
        self.close_tenant(tenant, at, limit).await
    }

    fn destruction(&self) -> Destruction {
        self.provider.destruction()
    }
}

/// Checks that a grant is for what is to be opened, and holds.
fn check(operation: &'static str, grant: &Grant, context: &SealContext) -> Result<(), VaultError> {
    let for_them = grant.tenant() == context.tenant && grant.subject() == context.subject;
    if !for_them || !grant.covers(context.category) || !grant.is_current() {
        return Err(failed(operation, VaultErrorKind::Denied));
    }
    Ok(())
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
