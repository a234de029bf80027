//! Sealing: everything personal is encrypted under a key of its owner before any store sees it.

mod cell;
mod destroy;
mod keys;
mod moved;

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

pub use self::cell::{CellName, ErasableCell};
pub use self::destroy::{ClosedVault, Destroyed, Destruction, EpochDue, Turn};
#[cfg(any(test, feature = "mock"))]
pub use self::keys::MockKeyProvider;
pub use self::keys::{KeyContext, KeyProvider, KeyTable, Rewrap, SubjectKey, SubjectKeyState, TenantKey};
pub use self::moved::MovedKeys;
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
/// 8. While [`turn`](Vault::turn) turns the epoch of a tenant's key, what was sealed opens, what was indexed is found, and
///    whoever is erased stays erased. Each call does a bounded part; any vault over the same keys may make the next one, also
///    after a crash, and several at once.
/// 9. A turn is [`Destroyed`](Turn::Destroyed) only when no key in use is of an earlier epoch; it is told again until
///    [`end_turn`](Vault::end_turn), which is harmless at any other time. If it was destroyed [`Now`](Destroyed::Now), a
///    copy of the keys from before opens nothing of the tenant any more.
/// 10. After [`close`](Vault::close) has returned, nothing of the tenant can be sealed, opened or indexed again, in this process
///    or after a restart: [`VaultErrorKind::Erased`]. The tenant never gets another key. Closing twice is harmless, and the
///    first time counts. Other tenants are untouched.
/// 11. After [`renew`](Vault::renew) has returned, whatever is sealed for the subject is sealed under a new key, by another
///    vault over the same keys a few seconds later; what was sealed before opens as it did. Whoever has no key gets none by it:
///    [`VaultErrorKind::UnknownSubject`], [`VaultErrorKind::Erased`]. An erasure destroys all keys of a subject.
/// 12. [`reseal`](Vault::reseal) seals the same bytes in the same place under the newest key, `None` where they are under it
///    already. It checks the grant as `open` does.
///
/// # Cancellation
/// Dropping `provision`, `renew`, `erase`, `turn`, `end_turn` or `close` leaves it done, in part or not; repeat it. Dropping
/// the others has no effect.
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

    /// Gives a subject a new key for whatever is sealed from now on; returns its version, counted from 1.
    ///
    /// # Errors
    /// By [`VaultErrorKind`]; [`Exhausted`](VaultErrorKind::Exhausted) where there were too many.
    async fn renew(&self, tenant: TenantId, subject: SubjectId) -> Result<u32, VaultError>;

    /// Seals what was sealed under an earlier key of its subject under the newest, under a grant.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn reseal(&self, grant: &Grant, context: &SealContext, sealed: &Sealed)
    -> Result<Option<Sealed>, VaultError>;

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

    /// Goes on with a turn of a tenant's epoch that is under way, or begins one that is due: every subject's key is wrapped
    /// anew under the next key of the tenant, at most `limit` of them in this call; then the one before is destroyed.
    ///
    /// # Errors
    /// By [`VaultErrorKind`]. What was done stays done.
    async fn turn(&self, tenant: TenantId, due: &EpochDue, limit: usize) -> Result<Turn, VaultError>;

    /// Ends the turn into an epoch, after whoever turned has noted it.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn end_turn(&self, tenant: TenantId, epoch: u32) -> Result<(), VaultError>;

    /// Destroys the keys of a tenant and of all its subjects, for good; removes at most `limit` of the latter in this call.
    ///
    /// # Errors
    /// By [`VaultErrorKind`]. What was done stays done.
    async fn close(&self, tenant: TenantId, at: DateTime<Utc>, limit: usize) -> Result<ClosedVault, VaultError>;

    /// Says how it destroys the keys of earlier epochs.
    fn destruction(&self) -> Destruction;
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
    /// Somebody of the team, with a conversation that is not theirs and that they look at.
    BrokenGlass,
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
    /// A line of a copy that somebody brought from elsewhere, on a connection.
    Imported,
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
            Self::BrokenGlass => "broken_glass",
            Self::Callback => "callback",
            Self::Code => "code",
            Self::Dedup => "dedup",
            Self::Handle => "handle",
            Self::Held => "held",
            Self::Imported => "imported",
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

define_error! {
    /// Why something could not be sealed, opened or erased.
    VaultError, VaultErrorKind {
        /// The sealed bytes are not what was sealed here, or were sealed for something else.
        Corrupt = "the sealed data does not fit its place",
        /// The permit no longer holds, or is for somebody else.
        Denied = "no permit",
        /// The key that this was wrapped under is destroyed, or not where it was kept.
        Destroyed = "the key that opens this was destroyed",
        /// The subject was erased.
        Erased = "the subject was erased",
        /// The subject has had as many keys as one can have.
        Exhausted = "the subject has had as many keys as one can have",
        /// The key file or key table is held by another process.
        Locked = "another process holds the keys",
        /// The keys were written by a newer version of this library.
        Newer = "the keys are of a newer version",
        /// The key file may be read by others, or not by us; or the key table or key service refuses us.
        Permissions = "the permissions for the keys are wrong",
        /// The tenant's key has turned meanwhile: what was to be written is of an epoch that is not the current one.
        Turned = "the tenant's key has turned meanwhile",
        /// The key service or the key table can't be reached.
        Unavailable = "the keys can't be reached",
        /// The subject has no key.
        UnknownSubject = "the subject has no key",
        /// The key does not fit what it should open.
        WrongKey = "the key does not fit",
    }
}
