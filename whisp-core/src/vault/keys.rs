//! Where keys come from and where they are kept: the host's key service, and the table of wrapped keys.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

#[cfg(doc)]
use super::VaultErrorKind;
use super::{Destroyed, Destruction, SecretKey, VaultError, WrappedKey};
use crate::id::{SubjectId, TenantId};

/// The host's key service: wraps and unwraps a tenant's keys under a key that never leaves it.
///
/// # Contract
/// 1. [`unwrap`](KeyProvider::unwrap) returns what [`wrap`](KeyProvider::wrap) was given, and only for the same context.
/// 2. A changed byte, or another context, is [`VaultErrorKind::WrongKey`]; where nothing is kept for the other context it may
///    be [`VaultErrorKind::Destroyed`].
/// 3. No error, `Debug` or log holds key bytes.
/// 4. After [`destroy`](KeyProvider::destroy) has returned [`Destroyed::Now`], nothing that was wrapped for that tenant and
///    epoch before is ever unwrapped again, by anybody, also after a restart: it is [`VaultErrorKind::Destroyed`] or
///    [`VaultErrorKind::WrongKey`]. After [`Destroyed::Scheduled`] the same holds from that time on.
/// 5. What is wrapped for later epochs and for other tenants is untouched. Earlier epochs may go too: a tenant's epochs are
///    destroyed in their order.
/// 6. Destroying twice is harmless, also at the same time, and where nothing was wrapped.
/// 7. `destroy` tells nothing worse than [`destruction`](KeyProvider::destruction), which is always the same.
///
/// # Cancellation
/// Dropping `wrap` or `unwrap` has no effect; dropping `destroy` leaves it done or not done; repeat it.
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

    /// Destroys what a tenant's key of an epoch was wrapped under.
    ///
    /// # Errors
    /// By [`VaultErrorKind`]; then it is done or not.
    async fn destroy(&self, context: &KeyContext) -> Result<Destroyed, VaultError>;

    /// Says how it destroys, before anything is.
    fn destruction(&self) -> Destruction;
}

/// What a tenant's wrapped key is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
/// 5. `put_subjects` and [`rewrap`](KeyTable::rewrap) write only keys of the epoch that the tenant's key has in that very
///    moment. Where one is of another, or the tenant has no key, nothing is written: [`VaultErrorKind::Turned`].
/// 6. [`swap_tenant`](KeyTable::swap_tenant) replaces a tenant's key only where it is exactly what was expected, durably.
/// 7. [`of_epoch`](KeyTable::of_epoch) leaves nobody out: where it returns none, no subject has a key of that epoch. The
///    erased have none.
/// 8. `rewrap` replaces a subject's key only where it is exactly what was expected, durably, and overwrites what was there.
///    Whoever was erased meanwhile stays erased.
/// 9. A tenant's key may be swapped for the mark that it is erased ([`TenantKey::erased`]), which is a key like others: no
///    subject's key is of its epoch. [`drop_subjects`](KeyTable::drop_subjects) removes what is known of the subjects of
///    such a tenant, durably, and of no other.
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

    /// Replaces a tenant's key if it is `from`; returns the one that is there then, `None` if it has none.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn swap_tenant(
        &self,
        tenant: TenantId,
        from: &TenantKey,
        to: TenantKey,
    ) -> Result<Option<TenantKey>, VaultError>;

    /// Returns what is known of a subject's key.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn subject(&self, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, VaultError>;

    /// Writes wrapped keys of subjects that have none; returns, in the order given, what is there then.
    ///
    /// # Errors
    /// [`VaultErrorKind::Turned`] if one is not of the tenant's epoch; else by [`VaultErrorKind`].
    async fn put_subjects(
        &self,
        tenant: TenantId,
        keys: Vec<(SubjectId, SubjectKey)>,
    ) -> Result<Vec<SubjectKeyState>, VaultError>;

    /// Returns subjects whose key is of an epoch, in any order, at most `limit`.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn of_epoch(
        &self,
        tenant: TenantId,
        epoch: u32,
        limit: usize,
    ) -> Result<Vec<(SubjectId, SubjectKey)>, VaultError>;

    /// Replaces subjects' keys with the same ones, wrapped anew; returns how many were.
    ///
    /// # Errors
    /// [`VaultErrorKind::Turned`] if one is not of the tenant's epoch; else by [`VaultErrorKind`].
    async fn rewrap(&self, tenant: TenantId, keys: Vec<Rewrap>) -> Result<usize, VaultError>;

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

    /// Removes the keys and marks of at most `limit` subjects of a tenant whose own key is erased; returns of how many. Of
    /// another tenant it removes none.
    ///
    /// # Errors
    /// By [`VaultErrorKind`].
    async fn drop_subjects(&self, tenant: TenantId, limit: usize) -> Result<usize, VaultError>;
}

/// A tenant's keys: its own, wrapped by the [`KeyProvider`], and the one of its keyed indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantKey {
    /// Its epoch, counted from 1. 0 if it is [erased](Self::erased).
    pub epoch: u32,
    /// When the epoch began, or the key was [erased](Self::erased). `None` in the first one.
    pub begun_at: Option<DateTime<Utc>>,
    /// The wrapped bytes.
    pub wrapped: WrappedKey,
    /// The tenant's key of the epoch before, wrapped by the key provider: there while the epoch turns.
    pub previous: Option<WrappedKey>,
    /// The key of the tenant's keyed indexes, wrapped under the tenant's own. It is random, not derived, because what
    /// it indexed must still be found after the tenant's own key has turned.
    pub index: WrappedKey,
}

impl TenantKey {
    /// Makes the mark that stands in the place of an erased key.
    #[must_use]
    pub const fn erased(at: DateTime<Utc>) -> Self {
        Self {
            epoch: 0,
            begun_at: Some(at),
            wrapped: WrappedKey(Vec::new()),
            previous: None,
            index: WrappedKey(Vec::new()),
        }
    }

    /// Returns since when the key is erased, if it is.
    #[must_use]
    pub fn erased_at(&self) -> Option<DateTime<Utc>> {
        self.begun_at.filter(|_| self.epoch == 0)
    }
}

/// A subject's key, wrapped under the tenant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectKey {
    /// A number that the vault binds to it, counted from 1. A table compares it and keeps it.
    pub version: u32,
    /// The epoch of the tenant's key that wraps it.
    pub epoch: u32,
    /// The wrapped bytes.
    pub wrapped: WrappedKey,
}

/// A subject's key to be wrapped anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrap {
    /// Whose.
    pub subject: SubjectId,
    /// What is there.
    pub from: SubjectKey,
    /// The same key under the tenant's current one. Its version may be another.
    pub to: SubjectKey,
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
