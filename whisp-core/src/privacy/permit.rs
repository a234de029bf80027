//! Permits: the proof that a purpose may read or send about a person now.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use crate::id::{SubjectId, TenantId};
use crate::privacy::{Categories, DataCategory, Purpose, PurposeKind};

/// How long a permit holds at most, from when it was read where the person stands.
pub const PERMIT_LIFE: TimeDelta = TimeDelta::seconds(60);

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
    /// The grant must be for `P`.
    pub(super) const fn of(grant: Grant) -> Self {
        Self { grant, purpose: PhantomData }
    }

    /// Returns the grant in it, for the vault.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Reads what was kept at an earlier time, though its own time may have come since: for the copy of who asked then, and
    /// under a hold that was placed then.
    pub(crate) fn reading_as_of(mut self, at: DateTime<Utc>) -> Self {
        self.grant.reads_as_of = at.min(self.grant.granted_at);
        self
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
    categories: Categories,
    seen: Seen,
    granted_at: DateTime<Utc>,
    /// When what is read must still have been kept.
    reads_as_of: DateTime<Utc>,
}

/// What a grant rests on: where the person stood.
#[derive(Debug)]
pub(super) struct Seen {
    /// How often something changed about the person, as it is now.
    pub(super) generation: Arc<AtomicU64>,
    /// The same as it was then.
    pub(super) was: u64,
    /// Until when what was seen carries a grant.
    pub(super) until: DateTime<Utc>,
}

impl Grant {
    pub(super) fn new(
        (tenant, subject): (TenantId, SubjectId),
        purpose: Purpose,
        categories: Categories,
        seen: Seen,
        now: DateTime<Utc>,
    ) -> Self {
        Self { tenant, subject, purpose, categories, seen, granted_at: now, reads_as_of: now }
    }

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

    /// Returns when it was given.
    #[must_use]
    pub const fn granted_at(&self) -> DateTime<Utc> {
        self.granted_at
    }

    /// Returns the time by which it is told what is past its time: what ended by then is read by nobody.
    #[must_use]
    pub const fn reads_as_of(&self) -> DateTime<Utc> {
        self.reads_as_of
    }

    /// Returns whether it is for data of this kind. The vault checks this.
    #[must_use]
    pub const fn covers(&self, category: DataCategory) -> bool {
        self.categories.contains(category)
    }

    /// Checks that it still holds: one atomic load and a comparison of times.
    ///
    /// # Errors
    /// [`Denied`], with the reason.
    #[inline]
    pub fn recheck(&self, now: DateTime<Utc>) -> Result<(), Denied> {
        if !self.is_current() {
            return Err(Denied { purpose: self.purpose, reason: DeniedReason::Voided });
        }
        if now >= self.seen.until {
            return Err(Denied { purpose: self.purpose, reason: DeniedReason::Expired });
        }
        Ok(())
    }

    /// Returns whether nothing has changed about the person since. The vault, which has no clock, checks this.
    #[inline]
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.seen.generation.load(Ordering::Acquire) == self.seen.was
    }

    /// Makes a grant for every kind of data that holds for [`PERMIT_LIFE`], for tests of vaults, channels and engines.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn for_tests(tenant: TenantId, subject: SubjectId, purpose: Purpose, now: DateTime<Utc>) -> Self {
        Self::of_categories_for_tests(tenant, subject, purpose, Categories::of(&DataCategory::ALL), now)
    }

    /// The same for some kinds of data only.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn of_categories_for_tests(
        tenant: TenantId,
        subject: SubjectId,
        purpose: Purpose,
        categories: Categories,
        now: DateTime<Utc>,
    ) -> Self {
        let seen = Seen { generation: Arc::new(AtomicU64::new(0)), was: 0, until: now + PERMIT_LIFE };
        Self::new((tenant, subject), purpose, categories, seen, now)
    }

    /// Voids this grant, as a withdrawal does, for tests.
    #[cfg(any(test, feature = "test-util"))]
    pub fn void_for_tests(&self) {
        self.seen.generation.fetch_add(1, Ordering::AcqRel);
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
    /// The interest that the purpose stands on has not been weighed again in time.
    AssessmentExpired,
    /// The tenant has not turned automation on.
    AutomationOff,
    /// A breach is being contained: nothing leaves until that is [lifted](crate::assistant::Breaches::lift).
    Contained,
    /// The permit is too old: ask for a new one.
    Expired,
    /// The person seems to be a minor.
    Minor,
    /// The purpose needs a yes of the person, and there is none, or it has run out.
    NoConsent,
    /// The person objected.
    Objected,
    /// The use of the person's data is restricted.
    Restricted,
    /// The notice that holds does not say so much: publish one that does, before.
    Unannounced,
    /// Where the person stands, or what was published, can't be read now.
    Unavailable,
    /// The register of processing activities does not have the purpose about such a person, over this channel.
    Unregistered,
    /// Something changed about the person since the permit was given.
    Voided,
    /// More is done for the purpose than when the person came, and they have not said yes to that.
    Widened,
    /// The person withdrew, or refused.
    Withdrawn,
}

impl DeniedReason {
    /// Returns whether another try may be permitted, without anybody doing anything.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Expired | Self::Unavailable | Self::Voided)
    }
}

impl fmt::Display for DeniedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AssessmentExpired => "the assessment of the interest has run out",
            Self::AutomationOff => "the business has not turned automation on",
            Self::Contained => "a breach is being contained",
            Self::Expired => "the permit is too old",
            Self::Minor => "the person seems to be a minor",
            Self::NoConsent => "there is no consent",
            Self::Objected => "the person objected",
            Self::Restricted => "the use of the person's data is restricted",
            Self::Unannounced => "the notice that holds does not say so much",
            Self::Unavailable => "where the person stands can't be read",
            Self::Unregistered => "the register of activities does not have it",
            Self::Voided => "something changed about the person",
            Self::Widened => "the person has not agreed to what was added to it",
            Self::Withdrawn => "the person withdrew",
        })
    }
}
