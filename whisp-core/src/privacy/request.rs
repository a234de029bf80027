//! A person's request about their data, from its arrival to the answer, as a state machine.
//!
//! ```text
//! Received ─► AwaitingProof ⇄ ProofFailed
//!     │             │              │
//!     └─────────────┴──► Verified ─► Assessing ─► Approved ─┐
//!                   (proof)    │         ├──────► Partial ──┴► Executing ─► AwaitingProcessors ─┐
//!                              │         └──────► Refused ─────────│────────────────────────────┴► Answered ─► Closed
//!                              └► Merged                           └───────────────────────────────►
//! ```
//! Before anything is executed the person may take it back: `WithdrawnBySubject`.
//!
//! # What holds
//! 1. Nothing leaves and nothing is destroyed before `Verified`: no later state exists without a proof that is strong
//!    enough for the kind, not in memory and not in what is read from a store.
//! 2. A request is refused, or granted in part, with a reason from a closed list, for each group of data that is withheld.
//! 3. It is answered as granted when every step that was planned has said done or withheld; what a step withheld is in the
//!    answer. After a crash `Executing` goes on with [`SubjectRequest::steps_left`].
//! 4. It is put off once, with a reason, while the first period runs, and only where that moves the date.
//! 5. A duplicate is merged only after its own proof, into one that has its own proof too and is due no later.

mod reason;
mod stored;
mod transition;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{RequestId, SubjectId};
use crate::privacy::{Deadline, Duty, Law, LawError, ProfileId, Proof, ProofStrength, Timing};

pub use reason::{DelayReason, RefusalReason, RequestOutcome, Withheld, WithheldGroup};
pub use transition::{RequestError, RequestEvent};

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// A copy of their data, and what it is used for (promises P41, P42).
    Access,
    /// Their data, to take it elsewhere (P51, P52).
    Portability,
    /// A correction (P44).
    Rectification,
    /// That their data is kept and not used (P49).
    Restriction,
    /// That their data is not used for something (P49).
    Objection,
    /// That their data is erased (P45).
    Erasure,
    /// That what they agreed to ends (P53).
    Withdrawal,
    /// That something went wrong (P54).
    Complaint,
}

impl RequestKind {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Portability => "portability",
            Self::Rectification => "rectification",
            Self::Restriction => "restriction",
            Self::Objection => "objection",
            Self::Erasure => "erasure",
            Self::Withdrawal => "withdrawal",
            Self::Complaint => "complaint",
        }
    }

    /// Returns how sure it must be at least who asks. What only stops something needs no code: a stranger gains nothing by
    /// it, and the person must not be kept from it.
    #[must_use]
    pub const fn proof_needed(self) -> ProofStrength {
        match self {
            Self::Access | Self::Portability | Self::Rectification | Self::Erasure => ProofStrength::Confirmed,
            Self::Restriction | Self::Objection | Self::Withdrawal | Self::Complaint => ProofStrength::Channel,
        }
    }
}

/// Where a request is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "at", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum RequestState {
    /// It arrived.
    Received,
    /// The person was asked to prove who they are.
    AwaitingProof {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// They could not, or did not in time.
    ProofFailed,
    /// They did.
    Verified,
    /// Somebody looks at what can be done.
    Assessing,
    /// Everything will be done.
    Approved,
    /// It will be done, but for what is withheld.
    Partial {
        /// What is withheld, and why.
        withheld: Withheld,
    },
    /// Nothing will be done.
    Refused {
        /// Why.
        reason: RefusalReason,
    },
    /// It is being done, step by step.
    Executing {
        /// What is withheld by decision, and why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        withheld: Option<Withheld>,
    },
    /// It is done here; processors have been told and need time.
    AwaitingProcessors {
        /// What was withheld.
        outcome: RequestOutcome,
        /// When the last of them is done at the latest.
        until: DateTime<Utc>,
    },
    /// The person was told.
    Answered {
        /// What they were told.
        outcome: RequestOutcome,
    },
    /// Nothing is left to do.
    Closed {
        /// What the person was told.
        outcome: RequestOutcome,
    },
    /// The person took it back before anything was done.
    WithdrawnBySubject,
    /// It is answered together with an earlier one.
    Merged {
        /// Which.
        into: RequestId,
    },
}

impl RequestState {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::AwaitingProof { .. } => "awaiting_proof",
            Self::ProofFailed => "proof_failed",
            Self::Verified => "verified",
            Self::Assessing => "assessing",
            Self::Approved => "approved",
            Self::Partial { .. } => "partial",
            Self::Refused { .. } => "refused",
            Self::Executing { .. } => "executing",
            Self::AwaitingProcessors { .. } => "awaiting_processors",
            Self::Answered { .. } => "answered",
            Self::Closed { .. } => "closed",
            Self::WithdrawnBySubject => "withdrawn_by_subject",
            Self::Merged { .. } => "merged",
        }
    }

    /// Returns whether the person still waits for an answer.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::Answered { .. } | Self::Closed { .. } | Self::WithdrawnBySubject | Self::Merged { .. })
    }
}

/// One thing that has to be done for a request: one store to erase from, one file to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestStep {
    /// Its name, once in a request. Nothing personal.
    pub name: String,
    /// What came of it so far.
    pub outcome: StepOutcome,
}

/// What came of a step so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum StepOutcome {
    /// Nothing yet.
    Pending,
    /// It is done.
    Done {
        /// How many records it was about.
        records: u64,
    },
    /// It is done, but for what is withheld.
    Withheld {
        /// What, and why.
        withheld: Withheld,
    },
    /// It failed and has to be tried again.
    Failed {
        /// How often so far.
        attempts: u32,
    },
}

impl StepOutcome {
    /// Returns whether nothing is left to do.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Withheld { .. })
    }
}

/// That the answer was put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// Why.
    pub reason: DelayReason,
    /// When the person was told so.
    pub notified_at: DateTime<Utc>,
}

/// A person's request about their data. It names the person by [`SubjectId`] and holds nothing else about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
// Its fields as they are kept; `stored.rs` puts the version before them, and checks what it reads.
#[serde(remote = "Self")]
pub struct SubjectRequest {
    id: RequestId,
    subject: SubjectId,
    kind: RequestKind,
    received_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<DateTime<Utc>>,
    profiles: Vec<ProfileId>,
    proof_needed: ProofStrength,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
    challenges: u8,
    stopped_seconds: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extension: Option<Extension>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<RequestStep>,
    state: RequestState,
    changed_at: DateTime<Utc>,
}

impl SubjectRequest {
    /// How often the person is asked to prove who they are at most.
    pub const CHALLENGES_MAX: u8 = 5;
    /// Into how many steps it is divided at most.
    pub const STEPS_MAX: usize = 256;

    /// Takes a request in. `profiles` are those of the person's country, of the business's, of the platform and of the
    /// policy: the earliest date of them all counts.
    ///
    /// # Errors
    /// [`RequestError::Law`] if one of the profiles is unknown, or none says how soon such a request is due.
    pub fn new(
        id: RequestId,
        (subject, kind): (SubjectId, RequestKind),
        profiles: Vec<ProfileId>,
        law: &Law,
        now: DateTime<Utc>,
    ) -> Result<Self, RequestError> {
        let request = Self {
            id,
            subject,
            kind,
            received_at: now,
            acknowledged_at: None,
            profiles,
            proof_needed: kind.proof_needed(),
            proof: None,
            challenges: 0,
            stopped_seconds: 0,
            extension: None,
            steps: Vec::new(),
            state: RequestState::Received,
            changed_at: now,
        };
        request.due(law, now)?;
        Ok(request)
    }

    /// Returns its id.
    #[must_use]
    pub const fn id(&self) -> RequestId {
        self.id
    }

    /// Returns whose data it is about.
    #[must_use]
    pub const fn subject(&self) -> SubjectId {
        self.subject
    }

    /// Returns what is asked for.
    #[must_use]
    pub const fn kind(&self) -> RequestKind {
        self.kind
    }

    /// Returns when it arrived.
    #[must_use]
    pub const fn received_at(&self) -> DateTime<Utc> {
        self.received_at
    }

    /// Returns when the person was told that it arrived.
    #[must_use]
    pub const fn acknowledged_at(&self) -> Option<DateTime<Utc>> {
        self.acknowledged_at
    }

    /// Returns the profiles that apply.
    #[must_use]
    pub fn profiles(&self) -> &[ProfileId] {
        &self.profiles
    }

    /// Returns how sure it must be who asks.
    #[must_use]
    pub const fn proof_needed(&self) -> ProofStrength {
        self.proof_needed
    }

    /// Returns the proof of who asks, if there is one that is strong enough.
    #[must_use]
    pub const fn proof(&self) -> Option<Proof> {
        self.proof
    }

    /// Returns that and why it was put off.
    #[must_use]
    pub const fn extension(&self) -> Option<Extension> {
        self.extension
    }

    /// Returns where it is.
    #[must_use]
    pub const fn state(&self) -> &RequestState {
        &self.state
    }

    /// Returns since when it has been as it is.
    #[must_use]
    pub const fn changed_at(&self) -> DateTime<Utc> {
        self.changed_at
    }

    /// Returns everything that has to be done, once that is known.
    #[must_use]
    pub fn steps(&self) -> &[RequestStep] {
        &self.steps
    }

    /// Returns what is left to do, in order: where to go on after a crash.
    pub fn steps_left(&self) -> impl Iterator<Item = &RequestStep> {
        self.steps.iter().filter(|step| !step.outcome.is_settled())
    }

    /// Returns whether nothing of the person's may be deleted for its age, because they wait for a copy of it (invariant
    /// I-25).
    #[must_use]
    pub const fn freezes_retention(&self) -> bool {
        self.state.is_open() && matches!(self.kind, RequestKind::Access | RequestKind::Portability)
    }

    /// Returns when it has to be answered, as far as it can be told now: while the time stands still, later each time.
    ///
    /// # Errors
    /// As [`Law::deadline`].
    pub fn due(&self, law: &Law, now: DateTime<Utc>) -> Result<Deadline, LawError> {
        law.deadline(&self.profiles, Duty::Answer(self.kind), &self.timing(now))
    }

    /// Returns when the person has to be told that it arrived; `None` if no profile that applies asks for that.
    ///
    /// # Errors
    /// As [`Law::deadline`], but for [`LawError::NoLimit`].
    pub fn acknowledge_due(&self, law: &Law) -> Result<Option<Deadline>, LawError> {
        match law.deadline(&self.profiles, Duty::Acknowledge, &Timing::since(self.received_at)) {
            Err(LawError::NoLimit(_)) => Ok(None),
            due => due.map(Some),
        }
    }

    fn timing(&self, now: DateTime<Utc>) -> Timing {
        // Whole seconds, rounded down: so the date errs towards the earlier one.
        let stopped = i64::try_from(self.stopped_seconds.saturating_add(self.stands_still_seconds(now))).unwrap_or(0);
        let stopped = TimeDelta::try_seconds(stopped).unwrap_or_default();
        Timing { started_at: self.received_at, stopped, extended: self.extension.is_some() }
    }

    /// For how long the person has now been asked to prove who they are.
    fn stands_still_seconds(&self, now: DateTime<Utc>) -> u64 {
        match self.state {
            RequestState::AwaitingProof { since } => u64::try_from((now - since).num_seconds()).unwrap_or(0),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests;
