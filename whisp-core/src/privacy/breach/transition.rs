//! What may happen to a breach, and what becomes of it then.

use chrono::{DateTime, Utc};

use super::{Audience, Breach, BreachAssessment, BreachRisk, BreachState};
use crate::privacy::{Law, LawError};

/// What happens to a breach.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreachEvent {
    /// It did happen. Once more, it was known earlier than was said.
    Confirm {
        /// Since when that is known for sure enough.
        aware_at: DateTime<Utc>,
    },
    /// It did not.
    Dismiss {
        /// How that is known.
        reason: String,
    },
    /// From now on nothing leaves. [`Breaches::contain`](crate::assistant::Breaches::contain) does it.
    Contain,
    /// Things leave again. [`Breaches::lift`](crate::assistant::Breaches::lift) does it.
    Lift,
    /// It is known how long it lasted.
    End {
        /// Until when.
        until: DateTime<Utc>,
    },
    /// It is known what it was; again, where more is known.
    Assess(BreachAssessment),
    /// Somebody was told.
    Tell {
        /// Who.
        audience: Audience,
        /// When.
        at: DateTime<Utc>,
    },
    /// Nothing is left to do.
    Close,
}

impl BreachEvent {
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Confirm { .. } => "confirm",
            Self::Dismiss { .. } => "dismiss",
            Self::Contain => "contain",
            Self::Lift => "lift",
            Self::End { .. } => "end",
            Self::Assess(_) => "assess",
            Self::Tell { .. } => "tell",
            Self::Close => "close",
        }
    }
}

/// Why something can't happen to a breach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BreachError {
    /// They were told before.
    #[error("they were told before")]
    AlreadyTold(Audience),
    /// It lies in the future.
    #[error("that is in the future")]
    InFuture,
    /// When somebody has to be told can't be told.
    #[error("by when it has to be told can't be told")]
    Law(#[from] LawError),
    /// The time from which everything runs is never moved later.
    #[error("it was known at {aware_at} already")]
    MovedLater {
        /// Since when it was known.
        aware_at: DateTime<Utc>,
    },
    /// It says no reason.
    #[error("say why")]
    NoReason,
    /// Nothing is contained.
    #[error("it is not contained")]
    NotContained,
    /// Somebody has to be told first.
    #[error("somebody has to be told first: {0:?}")]
    NotTold(Audience),
    /// It is contained still.
    #[error("it is contained: lift that first")]
    StillContained,
    /// It ends before it begins.
    #[error("it ends before it begins")]
    Window,
    /// That does not happen in this state.
    #[error("{event}: not while it is {state}")]
    WrongState {
        /// What should have happened.
        event: &'static str,
        /// Where it is.
        state: &'static str,
    },
}

impl Breach {
    /// Returns what becomes of it when something happens. Pure: the one that it is asked of stays as it was.
    ///
    /// # Errors
    /// [`BreachError::WrongState`] for what does not happen in its state, and the other kinds where their docs say so.
    pub fn apply(&self, event: BreachEvent, law: &Law, now: DateTime<Utc>) -> Result<Self, BreachError> {
        use BreachState as S;

        let wrong = BreachError::WrongState { event: event.as_str(), state: self.state.as_str() };
        let mut next = self.clone();
        let state = match (&self.state, event) {
            (S::Suspected | S::Confirmed | S::Assessed, BreachEvent::Confirm { aware_at }) => {
                not_in_future(aware_at, now)?;
                if let Some(known) = self.aware_at.filter(|known| aware_at > *known) {
                    return Err(BreachError::MovedLater { aware_at: known });
                }
                next.aware_at = Some(aware_at);
                if self.state == S::Suspected { S::Confirmed } else { self.state.clone() }
            }
            (S::Suspected, BreachEvent::Dismiss { reason }) => {
                said(&reason)?;
                self.uncontained()?;
                S::Dismissed { reason }
            }
            (state, BreachEvent::Contain) if state.is_open() => {
                if !self.is_contained() {
                    (next.contained_at, next.lifted_at) = (Some(now), None);
                }
                return Ok(next);
            }
            (_, BreachEvent::Lift) => {
                if !self.is_contained() {
                    return Err(BreachError::NotContained);
                }
                next.lifted_at = Some(now);
                return Ok(next);
            }
            (state, BreachEvent::End { until }) if state.is_open() => {
                not_in_future(until, now)?;
                if until < self.from {
                    return Err(BreachError::Window);
                }
                next.until = Some(until);
                return Ok(next);
            }
            (S::Confirmed | S::Assessed, BreachEvent::Assess(assessment)) => {
                if let BreachRisk::Unlikely { reason } = &assessment.risk {
                    said(reason)?;
                }
                next.assessment = Some(assessment);
                S::Assessed
            }
            (S::Confirmed | S::Assessed, BreachEvent::Tell { audience, at }) => {
                not_in_future(at, now)?;
                if next.told.insert(audience, at).is_some() {
                    return Err(BreachError::AlreadyTold(audience));
                }
                return Ok(next);
            }
            (S::Assessed, BreachEvent::Close) => {
                self.uncontained()?;
                if let Some(audience) = self.untold(law)?.pop_first() {
                    return Err(BreachError::NotTold(audience));
                }
                S::Closed
            }
            _ => return Err(wrong),
        };
        if state != self.state {
            next.changed_at = now;
        }
        next.state = state;
        Ok(next)
    }

    const fn uncontained(&self) -> Result<(), BreachError> {
        if self.is_contained() { Err(BreachError::StillContained) } else { Ok(()) }
    }
}

fn not_in_future(at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), BreachError> {
    if at > now { Err(BreachError::InFuture) } else { Ok(()) }
}

fn said(reason: &str) -> Result<(), BreachError> {
    if reason.trim().is_empty() { Err(BreachError::NoReason) } else { Ok(()) }
}
