//! Sealing: everything personal is encrypted under a key of its owner before any store sees it.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use crate::error::define_error;
use crate::id::{RecordId, SubjectId, TenantId};
use crate::privacy::{DataCategory, Grant};
use crate::store::{BlindIndex, Kind, Sealed};

/// Seals and opens, and turns values into keyed indexes. Implemented once, over a [`KeyProvider`] and a [`KeyTable`]:
/// `whisp_store::EnvelopeVault`.
///
/// # Contract
/// 1. What [`seal`](Vault::seal) returns can be opened only with the same context: any other tenant, subject, kind,
///    record, field, category or revision is refused, as is a single changed bit.
/// 2. [`open`](Vault::open) checks the grant first: it must be for the context's tenant, subject and category and still
///    hold.
/// 3. Two seals of the same bytes differ.
/// 4. A subject has a key only after [`provision`](Vault::provision); sealing for one that has none is
///    [`VaultErrorKind::UnknownSubject`]. Provisioning twice is harmless.
/// 5. After [`erase`](Vault::erase) returns, nothing of the subject can be sealed or opened again, in this process or
///    after a restart; the key is never made anew: [`VaultErrorKind::Erased`]. Erasing twice is harmless.
/// 6. [`index`](Vault::index) is a pure function of tenant, field and value under a key that is apart from the data;
///    two tenants, and two fields, give unrelated digests.
/// 7. `provision` is durable before it returns.
///
/// # Cancellation
/// Dropping `provision` or `erase` leaves it done or not done; repeat it. Dropping the others has no effect.
#[async_trait]
pub trait Vault: fmt::Debug + Send + Sync + 'static {
    /// Makes keys for subjects, durably. Those that have one keep it.
    ///
    /// # Errors
    /// By [`VaultErrorKind`]; [`Erased`](VaultErrorKind::Erased) if one of them was erased.
    async fn provision(&self, tenant: TenantId, subjects: &[SubjectId]) -> Result<(), VaultError>;

    /// Seals bytes.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn seal(&self, context: &SealContext, plain: &[u8]) -> Result<Sealed, VaultError>;

    /// Opens what was sealed, under a grant.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn open(
        &self,
        grant: &Grant,
        context: &SealContext,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError>;

    /// Turns a value into a keyed digest.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn index(&self, tenant: TenantId, field: IndexField, value: &[u8]) -> Result<Digest, VaultError>;

    /// Destroys a subject's key, durably. From then on everything sealed under it is noise.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn erase(&self, tenant: TenantId, subject: SubjectId, at: DateTime<Utc>) -> Result<KeyErasure, VaultError>;
}

/// What a seal is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealContext {
    /// Whose data.
    pub tenant: TenantId,
    /// Under whose key.
    pub subject: SubjectId,
    /// In what kind of record.
    pub kind: Kind,
    /// In which record.
    pub record: RecordId,
    /// In which field of it.
    pub field: &'static str,
    /// What kind of data.
    pub category: DataCategory,
    /// How often the content changed.
    pub revision: u32,
}

/// What a keyed index is over: fields never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum IndexField {
    /// A platform's account, in the directory.
    Account,
    /// A record of ours, in an event of the audit log.
    AuditObject,
    /// A person, by our own id, in an event of the audit log.
    AuditPerson,
    /// Somebody who let us use an account of theirs, by the platform's id.
    Authorizer,
    /// What a platform called us for, and the code under which it can be asked for.
    Callback,
    /// A one-time code, with the request and the conversation for which alone it counts.
    Code,
    /// The identity of an item that came in.
    Dedup,
    /// A person's handle on a connection.
    Handle,
    /// The copy that a hold keeps of a record.
    Held,
    /// A platform's id of a message on a connection.
    PlatformMessage,
    /// The opaque tag of a message on its way out.
    Tag,
}

impl IndexField {
    /// Returns the name that is bound into the digest. Stable for ever.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::AuditObject => "audit_object",
            Self::AuditPerson => "audit_person",
            Self::Authorizer => "authorizer",
            Self::Callback => "callback",
            Self::Code => "code",
            Self::Dedup => "dedup",
            Self::Handle => "handle",
            Self::Held => "held",
            Self::PlatformMessage => "platform_message",
            Self::Tag => "tag",
        }
    }
}

/// A keyed hash of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Returns the first sixteen bytes, to find a record by.
    #[must_use]
    pub fn blind_index(self) -> BlindIndex {
        let mut index = [0; 16];
        index.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        BlindIndex(index)
    }

    /// Returns the first sixteen bytes as the id of a record that is found by this value and no other way.
    #[must_use]
    pub fn record_id(self) -> RecordId {
        RecordId::from_bytes(self.blind_index().0)
    }
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyErasure {
    /// There never was one.
    Absent,
    /// It is destroyed, since this time: now, or an earlier erasure.
    Destroyed(DateTime<Utc>),
}

/// Thirty-two secret bytes. Wiped when dropped, never printed.
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// Wraps key bytes.
    #[must_use]
    pub const fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Reads the bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A key encrypted under another.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey(pub Vec<u8>);

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({} bytes)", self.0.len())
    }
}

/// The host's key service: wraps and unwraps a tenant's keys under a key that never leaves it.
///
/// # Contract
/// 1. [`unwrap`](KeyProvider::unwrap) returns what [`wrap`](KeyProvider::wrap) was given, and only for the same context.
/// 2. A changed byte, or another context, is [`VaultErrorKind::WrongKey`].
/// 3. No error, `Debug` or log holds key bytes.
///
/// # Cancellation
/// Dropping either has no effect.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait KeyProvider: fmt::Debug + Send + Sync + 'static {
    /// Wraps a key.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn wrap(&self, context: &KeyContext, key: &SecretKey) -> Result<WrappedKey, VaultError>;

    /// Unwraps a key.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn unwrap(&self, context: &KeyContext, wrapped: &WrappedKey) -> Result<SecretKey, VaultError>;
}

/// What a tenant's wrapped key is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyContext {
    /// Whose key.
    pub tenant: TenantId,
    /// Of which epoch, counted from 1.
    pub epoch: u32,
}

/// Where wrapped keys are kept: apart from the data, because the backups of the two must be apart.
///
/// # Contract
/// 1. [`put_tenant`](KeyTable::put_tenant) and [`put_subjects`](KeyTable::put_subjects) write only what is absent; what is
///    there, erased keys included, stays. They return after it is durable.
/// 2. [`erase`](KeyTable::erase) overwrites the wrapped key and keeps a mark, durably, also where there was no key yet:
///    a late writer must not make one for somebody who was erased. The first mark stays.
/// 3. Concurrent calls behave as if one after another.
/// 4. No method returns or changes a key of another tenant.
///
/// # Cancellation
/// Dropping a write leaves it done or not done; repeat it.
#[async_trait]
pub trait KeyTable: fmt::Debug + Send + Sync + 'static {
    /// Returns a tenant's wrapped key, `None` if it has none yet.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantKey>, VaultError>;

    /// Writes a tenant's wrapped key if it has none; returns the one that is there then.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn put_tenant(&self, tenant: TenantId, key: TenantKey) -> Result<TenantKey, VaultError>;

    /// Returns what is known of a subject's key.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn subject(&self, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, VaultError>;

    /// Writes wrapped keys of subjects that have none; returns, in the order given, what is there then.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn put_subjects(
        &self,
        tenant: TenantId,
        keys: Vec<(SubjectId, SubjectKey)>,
    ) -> Result<Vec<SubjectKeyState>, VaultError>;

    /// Overwrites a subject's wrapped key with a mark; returns what was there before.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn erase(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        at: DateTime<Utc>,
    ) -> Result<SubjectKeyState, VaultError>;
}

/// A tenant's keys: its own, wrapped by the [`KeyProvider`], and the one of its keyed indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantKey {
    /// Its epoch, counted from 1.
    pub epoch: u32,
    /// The wrapped bytes.
    pub wrapped: WrappedKey,
    /// The key of the tenant's keyed indexes, wrapped under the tenant's own. It is random, not derived, because what
    /// it indexed must still be found after the tenant's own key has turned.
    pub index: WrappedKey,
}

/// A subject's key, wrapped under the tenant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectKey {
    /// Its version, counted from 1.
    pub version: u32,
    /// The epoch of the tenant's key that wraps it.
    pub epoch: u32,
    /// The wrapped bytes.
    pub wrapped: WrappedKey,
}

/// What is known of a subject's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectKeyState {
    /// There never was one.
    Absent,
    /// It was destroyed at this time.
    Erased(DateTime<Utc>),
    /// There is one.
    Live(SubjectKey),
}

define_error! {
    /// Why something could not be sealed, opened or erased.
    VaultError, VaultErrorKind {
        /// The sealed bytes are not what was sealed here, or were sealed for something else.
        Corrupt = "the sealed data does not fit its place",
        /// The permit no longer holds, or is for somebody else.
        Denied = "no permit",
        /// The subject was erased.
        Erased = "the subject was erased",
        /// The key file or key table is held by another process.
        Locked = "another process holds the keys",
        /// The keys were written by a newer version of this library.
        Newer = "the keys are of a newer version",
        /// The key file may be read by others, or not by us.
        Permissions = "the permissions of the key file are wrong",
        /// The key service or the key table can't be reached.
        Unavailable = "the keys can't be reached",
        /// The subject has no key.
        UnknownSubject = "the subject has no key",
        /// The key does not fit what it should open.
        WrongKey = "the key does not fit",
    }
}
