//! A breach of personal data, from the first suspicion to the end, as a state machine (promise P27).
//!
//! ```text
//! Suspected ─► Confirmed ─► Assessed ─► Closed
//!     │            │ ▲ told         ▲ told
//!     ▼            └─┴── contained, lifted
//! Dismissed
//! ```
//! # What holds
//! 1. The times that laws give run from when somebody was aware of it, side by side: one date for each duty that one of the
//!    profiles has, and none for another. That time is never in the future, and is never moved later.
//! 2. A breach that is unlikely to be a risk has a reason for that, and stays in the register (Art. 33(5) GDPR) though the
//!    law of the EU asks to tell nobody of it (Art. 33(1)). A law that spares nobody still asks for it.
//! 3. Where what was taken is sealed and no key was out, people need not be told (Art. 34(3)(a)): that follows from the
//!    [`Exposure`], and nobody says it.
//! 4. It is closed when it is assessed, contained no more, and everybody was told who had to be.

mod transition;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::BreachId;
use crate::privacy::{Categories, Deadline, Duty, Law, LawError, ProcessorId, ProfileId, Timing};

pub use transition::{BreachError, BreachEvent};

/// What happened to data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BreachNature {
    /// Somebody changed them who may not.
    Altered,
    /// Somebody saw or took them who may not.
    Disclosed,
    /// They are lost, or can't be reached.
    Lost,
}

impl BreachNature {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Altered, Self::Disclosed, Self::Lost];

    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Disclosed => "disclosed",
            Self::Lost => "lost",
        }
    }
}

/// Where it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BreachOrigin {
    /// With the business, or with the host for it.
    Ours,
    /// With a processor of the register. The business is aware of it when the processor has told it.
    Processor(ProcessorId),
}

/// In which form data were out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Exposure {
    /// As they lie in the store: sealed. No key was out.
    Sealed,
    /// Sealed, and keys that open them.
    SealedWithKeys,
    /// As people read them: through a member's session, an export, a processor.
    Readable,
    /// Nobody knows. It counts as readable.
    Unknown,
}

impl Exposure {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Sealed, Self::SealedWithKeys, Self::Readable, Self::Unknown];

    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::SealedWithKeys => "sealed_with_keys",
            Self::Readable => "readable",
            Self::Unknown => "unknown",
        }
    }

    /// Returns whether whoever has the data may be able to read them.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        !matches!(self, Self::Sealed)
    }
}

/// How much harm a breach may do to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BreachRisk {
    /// It is unlikely to be a risk to anybody.
    Unlikely {
        /// Why: it is shown to an authority that asks. It names no person.
        reason: String,
    },
    /// It is a risk.
    Risk,
    /// It is a high risk.
    High,
}

impl BreachRisk {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unlikely { .. } => "unlikely",
            Self::Risk => "risk",
            Self::High => "high",
        }
    }
}

/// What a breach turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreachAssessment {
    /// How much harm it may do.
    pub risk: BreachRisk,
    /// Of which kinds the data are.
    pub categories: Categories,
    /// About how many people.
    pub people: u64,
    /// How many records, about.
    pub records: u64,
    /// In which form they were out.
    pub exposure: Exposure,
}

/// Who is told of a breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Audience {
    /// The authority.
    Authority,
    /// The platform that the data are from.
    Platform,
    /// Processors that have to do something.
    Processors,
    /// The people whose data they are.
    Subjects,
}

impl Audience {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Authority, Self::Platform, Self::Processors, Self::Subjects];

    /// Returns the duty to tell them; `None` where no law gives a time.
    #[must_use]
    pub const fn duty(self) -> Option<Duty> {
        match self {
            Self::Authority => Some(Duty::BreachAuthority),
            Self::Platform => Some(Duty::BreachPlatform),
            Self::Processors => None,
            Self::Subjects => Some(Duty::BreachSubjects),
        }
    }
}

/// Where a breach is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BreachState {
    /// Something may have happened.
    Suspected,
    /// It did.
    Confirmed,
    /// It is known what it was.
    Assessed,
    /// Everything was done.
    Closed,
    /// Nothing had happened.
    Dismissed {
        /// How that is known. It names no person.
        reason: String,
    },
}

impl BreachState {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Confirmed => "confirmed",
            Self::Assessed => "assessed",
            Self::Closed => "closed",
            Self::Dismissed { .. } => "dismissed",
        }
    }

    /// Returns whether something is left to do.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::Closed | Self::Dismissed { .. })
    }
}

/// A breach that is about to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBreach {
    /// Where it happened.
    pub origin: BreachOrigin,
    /// What happened.
    pub nature: BreachNature,
    /// From when on.
    pub from: DateTime<Utc>,
    /// Until when; `None` while it may go on.
    pub until: Option<DateTime<Utc>>,
}

/// A breach in the register. It names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Breach {
    /// Which.
    pub id: BreachId,
    /// Where it happened.
    pub origin: BreachOrigin,
    /// What happened.
    pub nature: BreachNature,
    /// From when on.
    pub from: DateTime<Utc>,
    /// Until when; `None` while it may go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// By which profiles it is told: the earliest date of them all counts for each duty.
    pub profiles: Vec<ProfileId>,
    /// When it was written down.
    pub noted_at: DateTime<Utc>,
    /// Since when it is known for sure enough: from then on the times run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aware_at: Option<DateTime<Utc>>,
    /// Since when nothing leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contained_at: Option<DateTime<Utc>>,
    /// Since when things leave again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted_at: Option<DateTime<Utc>>,
    /// What it turned out to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<BreachAssessment>,
    /// Who was told, and when first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub told: BTreeMap<Audience, DateTime<Utc>>,
    /// Where it is.
    pub state: BreachState,
    /// Since when it has been there.
    pub changed_at: DateTime<Utc>,
}

/// Who has to be told of a breach.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreachDuty {
    /// Who.
    pub audience: Audience,
    /// By when; `None` where it has to be done without delay and no profile says how soon.
    pub deadline: Option<Deadline>,
    /// When it was done.
    pub told_at: Option<DateTime<Utc>>,
}

impl Breach {
    /// Writes a breach down that is suspected. `profiles` are those of the people's countries, of the business's, of the
    /// platform and of the policy.
    ///
    /// # Errors
    /// [`BreachError::Window`], [`BreachError::InFuture`]; [`BreachError::Law`] if a profile is unknown.
    pub fn new(
        id: BreachId,
        new: NewBreach,
        profiles: Vec<ProfileId>,
        law: &Law,
        now: DateTime<Utc>,
    ) -> Result<Self, BreachError> {
        let NewBreach { origin, nature, from, until } = new;
        if from > now || until.is_some_and(|until| until > now) {
            return Err(BreachError::InFuture);
        }
        if until.is_some_and(|until| until < from) {
            return Err(BreachError::Window);
        }
        for profile in &profiles {
            law.profile(profile)?;
        }
        Ok(Self {
            id,
            origin,
            nature,
            from,
            until,
            profiles,
            noted_at: now,
            aware_at: None,
            contained_at: None,
            lifted_at: None,
            assessment: None,
            told: BTreeMap::new(),
            state: BreachState::Suspected,
            changed_at: now,
        })
    }

    /// Returns whether nothing leaves because of it.
    #[must_use]
    pub const fn is_contained(&self) -> bool {
        self.contained_at.is_some() && self.lifted_at.is_none()
    }

    /// Returns whether people need not be told, because what was taken can't be read: it is sealed, and no key was out
    /// (Art. 34(3)(a) GDPR).
    #[must_use]
    pub fn spares_subjects(&self) -> bool {
        self.assessment.as_ref().is_some_and(|assessment| !assessment.exposure.is_readable())
    }

    /// Returns who has to be told, and by when: nobody before it is confirmed. Until it is assessed it counts as a risk.
    ///
    /// # Errors
    /// As [`Law::deadline`], but for [`LawError::NoLimit`]: a duty that no profile has is none.
    pub fn duties(&self, law: &Law) -> Result<Vec<BreachDuty>, LawError> {
        let mut duties = Vec::new();
        let Some(aware_at) = self.aware_at else { return Ok(duties) };
        let risk = self.assessment.as_ref().map(|assessment| &assessment.risk);
        let unlikely = matches!(risk, Some(BreachRisk::Unlikely { .. }));
        for audience in Audience::ALL {
            let (Some(duty), told_at) = (audience.duty(), self.told.get(&audience).copied()) else { continue };
            let deadline = match law.deadline_where(&self.profiles, duty, &Timing::since(aware_at), |limit| {
                !(unlikely && limit.spares_unlikely())
            }) {
                Err(LawError::NoLimit(_)) => None,
                deadline => Some(deadline?),
            };
            let subjects = audience == Audience::Subjects;
            // Art. 34(1) GDPR: without undue delay, and no number of days.
            let owed = deadline.is_some() || (subjects && matches!(risk, Some(BreachRisk::High)));
            if owed && !(subjects && self.spares_subjects()) {
                duties.push(BreachDuty { audience, deadline, told_at });
            }
        }
        Ok(duties)
    }

    /// Returns who has to be told and was not.
    ///
    /// # Errors
    /// As [`duties`](Self::duties).
    pub fn untold(&self, law: &Law) -> Result<BTreeSet<Audience>, LawError> {
        let untold = self.duties(law)?.into_iter().filter(|duty| duty.told_at.is_none());
        Ok(untold.map(|duty| duty.audience).collect())
    }
}

#[cfg(test)]
mod tests;
