//! When something is due, and how close that is.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Calendar, Duty, JurisdictionProfile, LawError, Period, ProfileId, TimeLimit};

/// How the time of one duty has run so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// When the request arrived, or the breach became known.
    pub started_at: DateTime<Utc>,
    /// For how long it stood still because the person had been asked to prove who they are.
    pub stopped: TimeDelta,
    /// Whether the answer was put off, and the person told why.
    pub extended: bool,
}

impl Timing {
    /// Begins at a time, and neither stops nor is put off.
    #[must_use]
    pub const fn since(started_at: DateTime<Utc>) -> Self {
        Self { started_at, stopped: TimeDelta::zero(), extended: false }
    }
}

/// When something is due, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// From when the time ran.
    pub started_at: DateTime<Utc>,
    /// When it has to be done: at this time it is too late.
    pub at: DateTime<Utc>,
    /// For how long the time stood still in between, where the profile allows that.
    pub stopped: TimeDelta,
    /// Which of the profiles that apply asks for this date, the earliest of all.
    pub profile: ProfileId,
    /// Where it says so.
    pub source: String,
    /// Whether that was read there, or with somebody to rely on.
    pub confirmed: bool,
    /// Whether the calendar knew every day on the way. If not, the date may be earlier than it has to be, never later.
    pub calendar_known: bool,
}

impl Deadline {
    /// Returns how close it is.
    #[must_use]
    pub fn urgency(&self, now: DateTime<Utc>) -> Urgency {
        [Urgency::Overdue, Urgency::Most, Urgency::Half]
            .into_iter()
            .find(|urgency| now >= self.reaches(*urgency))
            .unwrap_or(Urgency::Calm)
    }

    /// Returns when it becomes so close: half of the time is over, 80 % of it, all of it. Time in which it stood still
    /// does not count.
    #[must_use]
    pub fn reaches(&self, urgency: Urgency) -> DateTime<Utc> {
        let runs = (self.at - self.started_at - self.stopped).max(TimeDelta::zero());
        let left = match urgency {
            Urgency::Calm => runs,
            Urgency::Half => runs / 2,
            Urgency::Most => runs / 5,
            Urgency::Overdue => TimeDelta::zero(),
        };
        self.at - left
    }

    /// Returns when to look at it again: when it becomes closer than it is now. `None` when it is overdue.
    #[must_use]
    pub fn next_look(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        [Urgency::Half, Urgency::Most, Urgency::Overdue]
            .map(|urgency| self.reaches(urgency))
            .into_iter()
            .find(|at| *at > now)
    }
}

/// How close a deadline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Less than half of the time is over.
    Calm,
    /// Half of the time is over.
    Half,
    /// 80 % of the time is over.
    Most,
    /// It is too late.
    Overdue,
}

/// When a duty is due by one limit of a profile.
pub(super) fn of_limit(
    profile: &JurisdictionProfile,
    calendar: Option<&Calendar>,
    (limit, duty): (&TimeLimit, Duty),
    timing: &Timing,
) -> Result<Deadline, LawError> {
    let out_of_range = || LawError::OutOfRange(timing.started_at);
    // What nobody has confirmed may shorten the time, not lengthen it: neither days of rest, nor a pause, nor an extension.
    let calendar = calendar.filter(|calendar| calendar.confirmed);
    let end = |period: Period, from| period.end(from, profile.zone, calendar).ok_or_else(out_of_range);
    let is_answer = matches!(duty, Duty::Answer(_));
    let pauses = is_answer && profile.identity_pause.value && profile.identity_pause.confirmed;
    let stopped = if pauses { timing.stopped.max(TimeDelta::zero()) } else { TimeDelta::zero() };
    let (first, mut calendar_known) = end(limit.within.value, timing.started_at)?;
    let mut at = first.checked_add_signed(stopped).ok_or_else(out_of_range)?;
    let mut source = limit.within.source.clone();
    if let Some(extension) = limit.extension.as_ref().filter(|cited| timing.extended && is_answer && cited.confirmed) {
        let (extended, known) = end(extension.value, at)?;
        at = extended;
        calendar_known &= known;
        if extension.source != source {
            source = format!("{source}; {}", extension.source);
        }
    }
    Ok(Deadline {
        started_at: timing.started_at,
        at,
        stopped,
        profile: profile.id.clone(),
        source,
        confirmed: limit.within.confirmed,
        calendar_known,
    })
}
