//! What laws, platforms and the policy ask for, as data with a date and a source: no number of days is in the code.
//!
//! # Which way it errs
//! Towards the earlier date, always. A limit that nobody has confirmed counts; a *leniency* that nobody has confirmed (an
//! extension, a pause while identity is unproven, a calendar's days of rest) does not. A day about which a calendar knows nothing is a working day.
//! A period of days or months ends at the time of day at which it began, not at midnight, so that nobody gains a day by
//! the zone in which midnight is counted, and it is not moved on from a holiday. What was not confirmed is told by
//! [`Law::unconfirmed`] and [`Deadline::confirmed`]: a host that has asked counsel gives its own
//! [`JurisdictionProfile`] with the same id.

mod calendar;
mod deadline;
mod period;
mod profile;

use std::sync::LazyLock;

use chrono::{DateTime, Utc};

use crate::privacy::Authority;

pub use calendar::{Calendar, CalendarId};
pub use deadline::{Deadline, Timing, Urgency};
pub use period::Period;
pub use profile::{AiDisclosure, Citation, Cited, Duty, JurisdictionProfile, ProfileId, TimeLimit};

const PROFILES: [&str; 5] = [
    include_str!("profiles/policy-2025-08-12.json"),
    include_str!("profiles/eu-gdpr.json"),
    include_str!("profiles/kz.json"),
    include_str!("profiles/us-ca.json"),
    include_str!("profiles/meta-platform.json"),
];
const CALENDARS: [&str; 3] =
    [include_str!("calendars/eu.json"), include_str!("calendars/kz.json"), include_str!("calendars/us-ca.json")];

#[expect(clippy::expect_used, reason = "the files are part of the program, and a test reads them")]
static BUILT_IN: LazyLock<Law> = LazyLock::new(|| {
    let mut law = Law { profiles: Vec::new(), calendars: Vec::new() };
    for text in CALENDARS {
        law = law.with_calendar(Calendar::parse(text).expect("a built-in calendar"));
    }
    for text in PROFILES {
        law = law.with_profile(JurisdictionProfile::parse(text).expect("a profile")).expect("a built-in profile");
    }
    law
});

/// Profiles and the calendars that they count by.
///
/// # Examples
/// ```
/// use chrono::{DateTime, Utc};
/// use whisp_core::privacy::{Duty, Law, ProfileId, RequestKind, Timing};
///
/// let law = Law::built_in();
/// let asked: DateTime<Utc> = "2026-01-30T09:00:00Z".parse().unwrap();
/// let profiles = [ProfileId::new("policy-2025-08-12"), ProfileId::new("eu-gdpr")];
/// let due = law.deadline(&profiles, Duty::Answer(RequestKind::Access), &Timing::since(asked)).unwrap();
/// // A month from 30 January is 28 February, a day before the policy's thirty are over.
/// assert_eq!((due.at.to_string().as_str(), due.profile.as_str()), ("2026-02-28 09:00:00 UTC", "eu-gdpr"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Law {
    profiles: Vec<JurisdictionProfile>,
    calendars: Vec<Calendar>,
}

impl Law {
    /// Returns what comes with the library: `policy-2025-08-12`, `eu-gdpr`, `kz`, `us-ca` and `meta-platform`, and the
    /// calendars `eu`, `kz` and `us-ca`.
    #[must_use]
    pub fn built_in() -> Self {
        BUILT_IN.clone()
    }

    /// Adds a calendar, or replaces the one with its id.
    #[must_use]
    pub fn with_calendar(mut self, calendar: Calendar) -> Self {
        self.calendars.retain(|known| known.id != calendar.id);
        self.calendars.push(calendar);
        self
    }

    /// Adds a profile, or replaces the one with its id.
    ///
    /// # Errors
    /// [`LawError::UnknownCalendar`] if its calendar was not added before, or if it counts working days by none.
    pub fn with_profile(mut self, profile: JurisdictionProfile) -> Result<Self, LawError> {
        let calendar_known = match &profile.calendar {
            Some(id) => self.calendars.iter().any(|known| known.id == *id),
            None => !profile.periods().any(|period| matches!(period, Period::WorkingDays(_))),
        };
        if !calendar_known {
            return Err(LawError::UnknownCalendar(profile.id));
        }
        self.profiles.retain(|known| known.id != profile.id);
        self.profiles.push(profile);
        Ok(self)
    }

    /// Returns every profile.
    #[must_use]
    pub fn profiles(&self) -> &[JurisdictionProfile] {
        &self.profiles
    }

    /// Returns every calendar.
    #[must_use]
    pub fn calendars(&self) -> &[Calendar] {
        &self.calendars
    }

    /// Returns one profile.
    ///
    /// # Errors
    /// [`LawError::UnknownProfile`].
    pub fn profile(&self, id: &ProfileId) -> Result<&JurisdictionProfile, LawError> {
        self.profiles.iter().find(|known| known.id == *id).ok_or_else(|| LawError::UnknownProfile(id.clone()))
    }

    /// Returns when a duty is due: the earliest date over the profiles that apply, and which of them asks for it.
    ///
    /// # Errors
    /// [`LawError::UnknownProfile`] for the first profile that is not here: what can't be looked up is not left out.
    /// [`LawError::NoLimit`] if none of the profiles has a limit for the duty, [`LawError::OutOfRange`].
    pub fn deadline(&self, profiles: &[ProfileId], duty: Duty, timing: &Timing) -> Result<Deadline, LawError> {
        self.deadline_where(profiles, duty, timing, |_| true)
    }

    /// The same, of those limits alone that count.
    pub(super) fn deadline_where(
        &self,
        profiles: &[ProfileId],
        duty: Duty,
        timing: &Timing,
        counts: impl Fn(&TimeLimit) -> bool,
    ) -> Result<Deadline, LawError> {
        if !period::is_in_range(timing.started_at) {
            return Err(LawError::OutOfRange(timing.started_at));
        }
        let mut earliest: Option<Deadline> = None;
        for id in profiles {
            let profile = self.profile(id)?;
            for limit in profile.limits_for(duty, timing.started_at).filter(|limit| counts(limit)) {
                let deadline = deadline::of_limit(profile, self.calendar(profile), (limit, duty), timing)?;
                if earliest.as_ref().is_none_or(|known| deadline.at < known.at) {
                    earliest = Some(deadline);
                }
            }
        }
        earliest.ok_or(LawError::NoLimit(duty))
    }

    /// Names the authority that leads for the host under a law that has one in each country.
    ///
    /// # Errors
    /// [`LawError::UnknownProfile`].
    pub fn with_authority(mut self, id: &ProfileId, authority: Cited<Authority>) -> Result<Self, LawError> {
        let profile = self.profiles.iter_mut().find(|known| known.id == *id);
        profile.ok_or_else(|| LawError::UnknownProfile(id.clone()))?.authority = Some(authority);
        Ok(self)
    }

    /// Returns everything that the profiles and calendars cite.
    pub fn citations(&self) -> impl Iterator<Item = Citation<'_>> {
        let calendars = self.calendars.iter().map(|calendar| Citation {
            of: calendar.id.as_str(),
            what: "calendar",
            source: &calendar.source,
            read_at: calendar.read_at,
            confirmed: calendar.confirmed,
        });
        self.profiles.iter().flat_map(JurisdictionProfile::citations).chain(calendars)
    }

    /// Returns what of it nobody has confirmed.
    pub fn unconfirmed(&self) -> impl Iterator<Item = Citation<'_>> {
        self.citations().filter(|citation| !citation.confirmed)
    }

    fn calendar(&self, profile: &JurisdictionProfile) -> Option<&Calendar> {
        self.calendars.iter().find(|known| Some(&known.id) == profile.calendar.as_ref())
    }
}

/// A deadline that can't be told, or data about a law that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LawError {
    /// No profile that applies has a limit for the duty.
    #[error("no profile that applies says how soon: {0}")]
    NoLimit(Duty),
    /// The duty began, or ends, too far from now.
    #[error("the time is not between 1970 and 9000: {0}")]
    OutOfRange(DateTime<Utc>),
    /// The text is not such data: where, and what was expected.
    #[error("not the data of a law: {0}")]
    Malformed(String),
    /// The profile counts by a calendar that is not here.
    #[error("the profile {0} counts by a calendar that is not known")]
    UnknownCalendar(ProfileId),
    /// There is no such profile.
    #[error("there is no profile {0}")]
    UnknownProfile(ProfileId),
}

fn parse<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, LawError> {
    serde_json::from_str(json).map_err(|error| LawError::Malformed(error.to_string()))
}

#[cfg(test)]
mod tests;
