//! The gate: decides whether a purpose may read or send about a person now, and hands out permits.

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use lru::LruCache;

use crate::entity::Entities;
use crate::id::{SubjectId, TenantId};
use crate::model::Tenant;
use crate::privacy::{Purpose, PurposeKind, Standing};

/// How long a permit holds at most.
pub const PERMIT_LIFE: TimeDelta = TimeDelta::seconds(60);

/// How long the gate trusts what it has read about a person: a withdrawal that another process committed is noticed
/// after this time at the latest (`reference/privacy.md` 3.3).
pub const STANDING_LIFE: TimeDelta = TimeDelta::seconds(5);

/// Of how many people the gate remembers where they stand.
pub const STANDINGS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// Decides whether a purpose may read or send about a person now.
///
/// Deny overrides, unknown means deny: what can't be read is denied.
#[derive(Debug)]
pub struct Gate {
    entities: Entities,
    known: Mutex<LruCache<(TenantId, SubjectId), Known>>,
}

#[derive(Debug)]
struct Known {
    standing: Standing,
    read_at: DateTime<Utc>,
    generation: Arc<AtomicU64>,
}

impl Gate {
    pub(crate) fn new(entities: Entities) -> Self {
        Self { entities, known: Mutex::new(LruCache::new(STANDINGS_MAX)) }
    }

    /// Asks for a permit.
    ///
    /// # Errors
    /// [`Denied`], with the reason.
    ///
    /// # Cancellation
    /// Dropping it has no effect.
    pub async fn permit<P: PurposeKind>(
        &self,
        tenant: &Tenant,
        subject: SubjectId,
        now: DateTime<Utc>,
    ) -> Result<Permit<P>, Denied> {
        let purpose = P::PURPOSE;
        let denied = |reason| Denied { purpose, reason };
        if purpose == Purpose::AutomatedReplies && !tenant.automation {
            return Err(denied(DeniedReason::AutomationOff));
        }
        let key = (tenant.id, subject);
        let (allowed, generation) = match self.remembered(key, purpose, now) {
            Some(known) => known,
            None => {
                // The generation is taken before the log is read, so that a withdrawal in between voids what we read.
                let generation = self.generation(key);
                let seen = generation.load(Ordering::Acquire);
                let standing =
                    self.entities.standing(tenant.id, subject).await.map_err(|_| denied(DeniedReason::Unavailable))?;
                let allowed = standing.allows(purpose);
                self.remember(key, standing, now, &generation, seen);
                (allowed, (generation, seen))
            }
        };
        if !allowed {
            return Err(denied(DeniedReason::Withdrawn));
        }
        let (generation, seen) = generation;
        let expires_at = now + PERMIT_LIFE;
        Ok(Permit {
            grant: Grant { tenant: tenant.id, subject, purpose, generation, seen, expires_at },
            purpose: PhantomData,
        })
    }

    /// Voids every permit about a person that was handed out so far. Called after the commit of a withdrawal or an
    /// erasure; other processes notice within [`STANDING_LIFE`].
    pub(crate) fn void(&self, tenant: TenantId, subject: SubjectId) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.pop(&(tenant, subject)) {
            known.generation.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn remembered(
        &self,
        key: (TenantId, SubjectId),
        purpose: Purpose,
        now: DateTime<Utc>,
    ) -> Option<(bool, (Arc<AtomicU64>, u64))> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&key)?;
        // A clock that jumped back must not make an old reading look fresh.
        let age = now - known.read_at;
        (age >= TimeDelta::zero() && age < STANDING_LIFE).then(|| {
            let seen = known.generation.load(Ordering::Acquire);
            (known.standing.allows(purpose), (Arc::clone(&known.generation), seen))
        })
    }

    fn generation(&self, key: (TenantId, SubjectId)) -> Arc<AtomicU64> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&key) {
            return Arc::clone(&known.generation);
        }
        let generation = Arc::new(AtomicU64::new(0));
        let unread = Known {
            standing: Standing::default(),
            read_at: DateTime::<Utc>::MIN_UTC,
            generation: Arc::clone(&generation),
        };
        // What is pushed out can no longer be voided by name, so its permits end here.
        if let Some((_, evicted)) = all.push(key, unread) {
            evicted.generation.fetch_add(1, Ordering::AcqRel);
        }
        generation
    }

    fn remember(
        &self,
        key: (TenantId, SubjectId),
        standing: Standing,
        now: DateTime<Utc>,
        generation: &Arc<AtomicU64>,
        seen: u64,
    ) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(&key)
            && Arc::ptr_eq(&known.generation, generation)
            && generation.load(Ordering::Acquire) == seen
        {
            known.standing = standing;
            known.read_at = now;
        }
    }
}

/// The proof that purpose `P` may read or send about a person now. It is neither cloned, stored nor sent elsewhere,
/// ends after [`PERMIT_LIFE`], and is void as soon as the person withdraws or is erased.
///
/// A permit for one purpose is no permit for another:
/// ```compile_fail
/// use whisp_core::privacy::{AutomatedReplies, Permit, ServiceProvision};
/// fn show(permit: &Permit<ServiceProvision>) {}
/// fn misuse(permit: Permit<AutomatedReplies>) { show(&permit) }
/// ```
/// Nor can one be made:
/// ```compile_fail
/// use whisp_core::privacy::{Permit, ServiceProvision};
/// let permit: Permit<ServiceProvision> = Permit::default();
/// ```
#[derive(Debug)]
pub struct Permit<P: PurposeKind> {
    grant: Grant,
    purpose: PhantomData<fn() -> P>,
}

impl<P: PurposeKind> Permit<P> {
    /// Returns the grant in it, for the vault.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Takes the grant out, for one message on its way out or one request to an engine.
    #[must_use]
    pub fn into_grant(self) -> Grant {
        self.grant
    }
}

/// A permit whose purpose is a value, so that it fits behind a trait object. Only the gate makes one.
pub struct Grant {
    tenant: TenantId,
    subject: SubjectId,
    purpose: Purpose,
    generation: Arc<AtomicU64>,
    seen: u64,
    expires_at: DateTime<Utc>,
}

impl Grant {
    /// Returns whose data it is about.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Returns about whom it is.
    #[must_use]
    pub const fn subject(&self) -> SubjectId {
        self.subject
    }

    /// Returns for what it is.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Checks that it still holds: one atomic load and a comparison of times.
    ///
    /// # Errors
    /// [`Denied`], with the reason.
    pub fn recheck(&self, now: DateTime<Utc>) -> Result<(), Denied> {
        if !self.is_current() {
            return Err(Denied { purpose: self.purpose, reason: DeniedReason::Voided });
        }
        if now >= self.expires_at {
            return Err(Denied { purpose: self.purpose, reason: DeniedReason::Expired });
        }
        Ok(())
    }

    /// Returns whether nothing has changed about the person since. The vault, which has no clock, checks this.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.generation.load(Ordering::Acquire) == self.seen
    }

    /// Makes a grant that holds for [`PERMIT_LIFE`], for tests of vaults, channels and engines.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn for_tests(tenant: TenantId, subject: SubjectId, purpose: Purpose, now: DateTime<Utc>) -> Self {
        Self {
            tenant,
            subject,
            purpose,
            generation: Arc::new(AtomicU64::new(0)),
            seen: 0,
            expires_at: now + PERMIT_LIFE,
        }
    }

    /// Voids this grant, as a withdrawal does, for tests.
    #[cfg(any(test, feature = "test-util"))]
    pub fn void_for_tests(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grant({} about {:?})", self.purpose, self.subject)
    }
}

/// A purpose may not read or send about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{purpose} is denied: {reason}")]
pub struct Denied {
    /// What was asked for.
    pub purpose: Purpose,
    /// Why not.
    pub reason: DeniedReason,
}

/// Why the gate denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeniedReason {
    /// The tenant has not turned automation on.
    AutomationOff,
    /// The permit is too old: ask for a new one.
    Expired,
    /// Where the person stands can't be read now.
    Unavailable,
    /// Something changed about the person since the permit was given.
    Voided,
    /// The person withdrew or objected.
    Withdrawn,
}

impl fmt::Display for DeniedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AutomationOff => "the business has not turned automation on",
            Self::Expired => "the permit is too old",
            Self::Unavailable => "where the person stands can't be read",
            Self::Voided => "something changed about the person",
            Self::Withdrawn => "the person withdrew",
        })
    }
}
