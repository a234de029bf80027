//! What one law, platform or policy asks for.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{CalendarId, LawError, Period, parse};
use crate::privacy::{Authority, NoticeItem, Region, RequestKind};

names! {
    /// The name of a profile, such as `kz`.
    ProfileId
}

/// Something that a text says: what, which text, and when somebody read it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cited<T> {
    /// What it says.
    pub value: T,
    /// The first day on which it holds, if it was not always so.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub since: Option<NaiveDate>,
    /// The text.
    pub source: String,
    /// When it was read there.
    pub read_at: NaiveDate,
    /// Whether the text itself, or somebody to rely on, was read; `false` for memory and hearsay.
    pub confirmed: bool,
}

impl<T> Cited<T> {
    pub(crate) fn holds(&self, day: NaiveDate) -> bool {
        self.since.is_none_or(|since| since <= day)
    }
}

/// What has to be done in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Duty {
    /// To say that a request arrived.
    Acknowledge,
    /// To tell the authority of a breach.
    BreachAuthority,
    /// To tell the people of a breach.
    BreachSubjects,
    /// To tell the platform of a breach.
    BreachPlatform,
    /// To answer a request of this kind, under whose name it stands in JSON. Its time may be extended, and may stand still.
    #[serde(untagged)]
    Answer(RequestKind),
}

impl Duty {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::BreachAuthority => "breach_authority",
            Self::BreachSubjects => "breach_subjects",
            Self::BreachPlatform => "breach_platform",
            Self::Answer(kind) => kind.as_str(),
        }
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How soon some duties are due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeLimit {
    /// Which.
    pub duties: BTreeSet<Duty>,
    /// How soon, from when the request arrived or the breach was known.
    pub within: Cited<Period>,
    /// By how much an answer may be put off, once, if the person is told why before the first period is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<Cited<Period>>,
    /// Whether nobody has to be told of a breach that is unlikely to be a risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless_unlikely: Option<Cited<bool>>,
}

impl TimeLimit {
    /// Returns whether it does not count for a breach that is unlikely to be a risk. As with every leniency, only where
    /// somebody confirmed it.
    pub(crate) fn spares_unlikely(&self) -> bool {
        self.unless_unlikely.as_ref().is_some_and(|cited| cited.value && cited.confirmed)
    }
}

/// What people must be told of what a machine has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AiDisclosure {
    /// They must see it.
    Visible,
    /// They must see it, and other machines must be able to tell.
    VisibleAndMarked,
}

/// What one law, platform or policy asks for. Plain data: a host reads or writes its own with serde.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JurisdictionProfile {
    /// Its name.
    pub id: ProfileId,
    /// What it is.
    pub name: String,
    /// In which zone its days are counted.
    #[serde(with = "zone_name")]
    pub zone: Tz,
    /// By which calendar its working days are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<CalendarId>,
    /// How soon what is due. Of several about one duty, the earliest counts.
    pub limits: Vec<TimeLimit>,
    /// Whether the time for an answer stands still while the person has been asked to prove who they are.
    pub identity_pause: Cited<bool>,
    /// From which age a person decides for themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_age: Option<Cited<u8>>,
    /// What people must be told of what a machine has written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_disclosure: Option<Cited<AiDisclosure>>,
    /// In which country the data must be kept: its two letters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub localisation: Option<Cited<String>>,
    /// To whom people may complain. Where that is a country's authority, the host names its own with
    /// [`Law::with_authority`](super::Law::with_authority).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Cited<Authority>>,
    /// Where data are not abroad: what goes elsewhere is a transfer that needs safeguards. Without it nowhere is abroad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub territory: Option<Cited<BTreeSet<Region>>>,
    /// What people must be told besides what every notice says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Cited<BTreeSet<NoticeItem>>>,
}

/// Something that a profile or a calendar cites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Citation<'a> {
    /// The id of the profile or the calendar.
    pub of: &'a str,
    /// What it is about.
    pub what: &'static str,
    /// The text, or what is known of it.
    pub source: &'a str,
    /// When it was read there.
    pub read_at: NaiveDate,
    /// Whether the text itself, or somebody to rely on, was read.
    pub confirmed: bool,
}

impl JurisdictionProfile {
    /// Reads a profile from JSON.
    ///
    /// # Errors
    /// [`LawError::Malformed`].
    pub fn parse(json: &str) -> Result<Self, LawError> {
        parse(json)
    }

    /// Returns what people must be told on a day of what a machine has written.
    #[must_use]
    pub fn ai_disclosure_on(&self, day: NaiveDate) -> Option<AiDisclosure> {
        self.ai_disclosure.as_ref().filter(|cited| cited.holds(day)).map(|cited| cited.value)
    }

    pub(super) fn limits_for(&self, duty: Duty, started_at: DateTime<Utc>) -> impl Iterator<Item = &TimeLimit> {
        let day = started_at.with_timezone(&self.zone).date_naive();
        self.limits.iter().filter(move |limit| limit.duties.contains(&duty) && limit.within.holds(day))
    }

    pub(super) fn periods(&self) -> impl Iterator<Item = Period> {
        self.limits.iter().flat_map(|limit| [Some(&limit.within), limit.extension.as_ref()]).flatten().map(|c| c.value)
    }

    /// Returns whether data in this region are abroad by this law.
    #[must_use]
    pub fn is_abroad(&self, region: &Region) -> bool {
        self.territory.as_ref().is_some_and(|territory| !territory.value.contains(region))
    }

    /// Everything that it cites.
    pub(super) fn citations(&self) -> impl Iterator<Item = Citation<'_>> {
        fn of<'a, T>(id: &'a ProfileId, what: &'static str, cited: &'a Cited<T>) -> Citation<'a> {
            Citation {
                of: id.as_str(),
                what,
                source: &cited.source,
                read_at: cited.read_at,
                confirmed: cited.confirmed,
            }
        }
        let id = &self.id;
        let limits = self.limits.iter().flat_map(move |limit| {
            let duties = limit.duties.iter().map(move |duty| of(id, duty.as_str(), &limit.within));
            let extension = limit.extension.iter().map(move |cited| of(id, "extension", cited));
            let unlikely = limit.unless_unlikely.iter().map(move |cited| of(id, "unless_unlikely", cited));
            duties.chain(extension).chain(unlikely)
        });
        limits
            .chain([of(id, "identity_pause", &self.identity_pause)])
            .chain(self.min_age.iter().map(move |cited| of(id, "min_age", cited)))
            .chain(self.ai_disclosure.iter().map(move |cited| of(id, "ai_disclosure", cited)))
            .chain(self.localisation.iter().map(move |cited| of(id, "localisation", cited)))
            .chain(self.authority.iter().map(move |cited| of(id, "authority", cited)))
            .chain(self.territory.iter().map(move |cited| of(id, "territory", cited)))
            .chain(self.notice.iter().map(move |cited| of(id, "notice", cited)))
    }
}

/// An IANA zone by its name.
mod zone_name {
    use chrono_tz::Tz;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(zone.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(|_| D::Error::custom("not an IANA time zone"))
    }
}
