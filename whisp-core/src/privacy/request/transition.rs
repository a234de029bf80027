//! What may happen to a request, and what becomes of it then.

use chrono::{DateTime, Utc};

use super::{
    DelayReason, Extension, RefusalReason, RequestOutcome, RequestState, RequestStep, StepOutcome, SubjectRequest,
    Withheld,
};
use crate::privacy::{Law, LawError, ProfileId, Proof, ProofStrength};

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestEvent {
    /// The person is told that it arrived.
    Acknowledge,
    /// The person is asked to prove who they are, again too. The time stands still from now on, where a profile allows it.
    AskProof {
        /// How sure it must be. Never less than the kind needs, nor than was asked for before.
        needed: ProofStrength,
    },
    /// They could not, or did not in time. The time goes on.
    FailProof,
    /// They did.
    Prove(Proof),
    /// Somebody begins to look at it.
    Assess,
    /// Everything is to be done.
    Approve,
    /// It is to be done, but for this.
    ApprovePartly(Withheld),
    /// Nothing is to be done. Before there is a proof, only because there is none: anything else would tell a stranger
    /// about the person.
    Refuse(RefusalReason),
    /// It begins to be done: these are the steps, by name.
    Execute(Vec<String>),
    /// A step of that name was tried.
    Report {
        /// Which.
        step: String,
        /// What came of it. Failed ones are counted here; a settled one does not change any more.
        outcome: StepOutcome,
    },
    /// Every step is settled; processors have until then.
    AwaitProcessors {
        /// When the last of them is done at the latest.
        until: DateTime<Utc>,
    },
    /// The person is told what came of it.
    Answer,
    /// Nothing is left to do.
    Close,
    /// The answer is put off.
    Extend {
        /// Why.
        reason: DelayReason,
        /// When the person was told so.
        notified_at: DateTime<Utc>,
    },
    /// The person takes it back, being as surely who they are as when they asked.
    Withdraw(Proof),
}

impl RequestEvent {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::AskProof { .. } => "ask for a proof",
            Self::FailProof => "fail the proof",
            Self::Prove(_) => "prove",
            Self::Assess => "assess",
            Self::Approve => "approve",
            Self::ApprovePartly(_) => "approve partly",
            Self::Refuse(_) => "refuse",
            Self::Execute(_) => "execute",
            Self::Report { .. } => "report a step",
            Self::AwaitProcessors { .. } => "await processors",
            Self::Answer => "answer",
            Self::Close => "close",
            Self::Extend { .. } => "extend",
            Self::Withdraw(_) => "withdraw",
        }
    }
}

/// Why something can't happen to a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It was put off before.
    #[error("it was put off before")]
    AlreadyExtended,
    /// When it is due can't be told.
    #[error("when it is due can't be told")]
    Law(#[from] LawError),
    /// The profile that asks for the earliest date allows no extension that is confirmed.
    #[error("{0} asks for the earliest date and lets nobody put it off")]
    NoExtension(ProfileId),
    /// It has no steps, too many, or two of one name.
    #[error("between 1 and {} steps, each named once", SubjectRequest::STEPS_MAX)]
    Steps,
    /// It is not the same person's wish, is too far on, or would be due later.
    #[error("it can't be answered together with that one")]
    NotADuplicate,
    /// The person was not told of it yet.
    #[error("the person must have been told before it is put off")]
    NotTold,
    /// Not every step is settled.
    #[error("{left} steps are not done")]
    StepsLeft {
        /// How many.
        left: usize,
    },
    /// Only while the first period runs can it be put off.
    #[error("it was due at {due}: too late to put it off")]
    TooLate {
        /// When it was due.
        due: DateTime<Utc>,
    },
    /// The person was asked too often.
    #[error("the person was asked {} times to prove who they are", SubjectRequest::CHALLENGES_MAX)]
    TooManyChallenges,
    /// No step has that name.
    #[error("there is no such step")]
    UnknownStep,
    /// It is not sure enough who asks.
    #[error("a proof of strength {needed:?} is needed")]
    WeakProof {
        /// How sure it must be.
        needed: ProofStrength,
    },
    /// That does not happen in this state.
    #[error("{event}: not while it is {state}")]
    WrongState {
        /// What should have happened.
        event: &'static str,
        /// Where it is.
        state: &'static str,
    },
}

impl SubjectRequest {
    /// Returns what becomes of it when something happens. Pure: the one that it is asked of stays as it was.
    ///
    /// # Errors
    /// [`RequestError::WrongState`] for what does not happen in its state, and the other kinds where their docs say so.
    pub fn apply(&self, event: RequestEvent, law: &Law, now: DateTime<Utc>) -> Result<Self, RequestError> {
        use RequestState as S;

        let wrong = RequestError::WrongState { event: event.as_str(), state: self.state.as_str() };
        let mut next = self.clone();
        let state = match (&self.state, event) {
            (state, RequestEvent::Acknowledge) if state.is_open() && self.acknowledged_at.is_none() => {
                next.acknowledged_at = Some(now);
                return Ok(next);
            }
            (state, RequestEvent::Extend { reason, notified_at }) if state.is_open() => {
                return self.extended(Extension { reason, notified_at }, law, now);
            }

            (S::Received | S::AwaitingProof { .. } | S::ProofFailed, RequestEvent::AskProof { needed }) => {
                next.challenges = self.challenges.saturating_add(1);
                if next.challenges > Self::CHALLENGES_MAX {
                    return Err(RequestError::TooManyChallenges);
                }
                next.proof_needed = self.proof_needed.max(needed);
                next.stop_standing_still(now);
                S::AwaitingProof { since: now }
            }
            (S::AwaitingProof { .. }, RequestEvent::FailProof) => {
                next.stop_standing_still(now);
                S::ProofFailed
            }
            (S::Received | S::AwaitingProof { .. } | S::ProofFailed, RequestEvent::Prove(proof)) => {
                strong_enough(proof, self.proof_needed)?;
                next.stop_standing_still(now);
                next.proof = Some(proof);
                S::Verified
            }
            (
                S::AwaitingProof { .. } | S::ProofFailed,
                RequestEvent::Refuse(reason @ RefusalReason::IdentityFailure),
            ) => {
                next.stop_standing_still(now);
                S::Refused { reason }
            }

            (S::Verified, RequestEvent::Assess) => S::Assessing,
            (S::Assessing, RequestEvent::Approve) => S::Approved,
            (S::Assessing, RequestEvent::ApprovePartly(withheld)) => S::Partial { withheld },
            (S::Assessing, RequestEvent::Refuse(reason)) => S::Refused { reason },

            (S::Approved, RequestEvent::Execute(names)) => {
                next.steps = planned(names)?;
                S::Executing { withheld: None }
            }
            (S::Partial { withheld }, RequestEvent::Execute(names)) => {
                next.steps = planned(names)?;
                S::Executing { withheld: Some(withheld.clone()) }
            }
            (S::Executing { .. }, RequestEvent::Report { step, outcome }) => {
                let step = next.steps.iter_mut().find(|known| known.name == step).ok_or(RequestError::UnknownStep)?;
                step.report(outcome);
                return Ok(next);
            }
            (S::Executing { withheld }, RequestEvent::AwaitProcessors { until }) => {
                S::AwaitingProcessors { outcome: self.outcome(withheld.as_ref())?, until }
            }
            (S::Executing { withheld }, RequestEvent::Answer) => {
                S::Answered { outcome: self.outcome(withheld.as_ref())? }
            }
            (S::AwaitingProcessors { outcome, .. }, RequestEvent::Answer) => S::Answered { outcome: outcome.clone() },
            (S::Refused { reason }, RequestEvent::Answer) => {
                S::Answered { outcome: RequestOutcome::Refused { reason: *reason } }
            }
            (S::Answered { outcome }, RequestEvent::Close) => S::Closed { outcome: outcome.clone() },

            (
                S::Received
                | S::AwaitingProof { .. }
                | S::ProofFailed
                | S::Verified
                | S::Assessing
                | S::Approved
                | S::Partial { .. },
                RequestEvent::Withdraw(proof),
            ) => {
                strong_enough(proof, self.proof.map_or(ProofStrength::Channel, |proven| proven.strength))?;
                next.stop_standing_still(now);
                S::WithdrawnBySubject
            }
            _ => return Err(wrong),
        };
        next.state = state;
        next.changed_at = now;
        Ok(next)
    }

    /// Returns what becomes of a duplicate that is answered together with `earlier`.
    ///
    /// Both need a proof of their own: else one who guessed that somebody has asked could ride on their proof. And
    /// `earlier` must be due no later, so that nobody waits longer for having asked twice.
    ///
    /// # Errors
    /// [`RequestError::WrongState`] if it has no proof yet or is too far on; [`RequestError::NotADuplicate`] if `earlier`
    /// is not about the same, has no proof, is being executed already, or is due later; [`RequestError::Law`].
    pub fn merge(&self, earlier: &Self, law: &Law, now: DateTime<Utc>) -> Result<Self, RequestError> {
        use RequestState as S;

        if !matches!(self.state, S::Verified | S::Assessing) {
            return Err(RequestError::WrongState { event: "merge", state: self.state.as_str() });
        }
        let same = self.id != earlier.id && self.subject == earlier.subject && self.kind == earlier.kind;
        let waits = matches!(earlier.state, S::Verified | S::Assessing | S::Approved | S::Partial { .. });
        if !same || !waits || earlier.due(law, now)?.at > self.due(law, now)?.at {
            return Err(RequestError::NotADuplicate);
        }
        Ok(Self { state: S::Merged { into: earlier.id }, changed_at: now, ..self.clone() })
    }

    fn extended(&self, extension: Extension, law: &Law, now: DateTime<Utc>) -> Result<Self, RequestError> {
        if self.extension.is_some() {
            return Err(RequestError::AlreadyExtended);
        }
        let first = self.due(law, now)?;
        if now >= first.at {
            return Err(RequestError::TooLate { due: first.at });
        }
        if !(self.received_at..=now).contains(&extension.notified_at) {
            return Err(RequestError::NotTold);
        }
        let next = Self { extension: Some(extension), ..self.clone() };
        if next.due(law, now)?.at <= first.at {
            return Err(RequestError::NoExtension(first.profile));
        }
        Ok(next)
    }

    /// What was done, once every step is settled.
    fn outcome(&self, withheld: Option<&Withheld>) -> Result<RequestOutcome, RequestError> {
        let left = self.steps_left().count();
        if left > 0 {
            return Err(RequestError::StepsLeft { left });
        }
        let of_steps = self.steps.iter().filter_map(|step| match &step.outcome {
            StepOutcome::Withheld { withheld } => Some(withheld),
            _ => None,
        });
        let all = withheld.into_iter().chain(of_steps).cloned().reduce(|all, more| all.with(&more));
        Ok(all.map_or(RequestOutcome::Approved, |withheld| RequestOutcome::Partial { withheld }))
    }

    fn stop_standing_still(&mut self, now: DateTime<Utc>) {
        self.stopped_seconds = self.stopped_seconds.saturating_add(self.stands_still_seconds(now));
    }
}

impl RequestStep {
    fn report(&mut self, outcome: StepOutcome) {
        self.outcome = match (&self.outcome, outcome) {
            // A late report of a worker that was slower than the one after it.
            (settled, _) if settled.is_settled() => return,
            (StepOutcome::Failed { attempts }, StepOutcome::Failed { .. }) => {
                StepOutcome::Failed { attempts: attempts.saturating_add(1) }
            }
            (_, StepOutcome::Failed { .. }) => StepOutcome::Failed { attempts: 1 },
            (_, outcome) => outcome,
        };
    }
}

fn strong_enough(proof: Proof, needed: ProofStrength) -> Result<(), RequestError> {
    if proof.strength < needed { Err(RequestError::WeakProof { needed }) } else { Ok(()) }
}

fn planned(mut names: Vec<String>) -> Result<Vec<RequestStep>, RequestError> {
    let count = names.len();
    let steps = names.iter().map(|name| RequestStep { name: name.clone(), outcome: StepOutcome::Pending }).collect();
    names.sort_unstable();
    names.dedup();
    // None would make an empty execution look complete.
    if (1..=SubjectRequest::STEPS_MAX).contains(&count) && names.len() == count {
        Ok(steps)
    } else {
        Err(RequestError::Steps)
    }
}
