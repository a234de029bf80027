//! When a business is open, by the clock on its wall.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::load::{LoadError, LoadErrorKind};

/// [`BusinessHours::opens_at`] looks so many days ahead: a year and a week of holidays.
pub const OPENS_DAYS_MAX: u32 = 373;

const DAY_MINUTES: u16 = 24 * 60;

/// A stretch of a day in which the business is open: `09:00-18:00`, over midnight `18:00-02:00`, all day `00:00-24:00`.
///
/// # Examples
/// ```
/// let evening: whisp_ai::Opening = "18:00-02:00".parse()?;
/// assert_eq!(evening.to_string(), "18:00-02:00");
/// assert!("25:00-26:00".parse::<whisp_ai::Opening>().is_err());
/// # Ok::<(), whisp_ai::InvalidOpening>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Opening {
    /// Minutes after midnight, below [`DAY_MINUTES`].
    from: u16,
    /// Minutes after the same midnight, above `from`; above [`DAY_MINUTES`] over midnight.
    until: u16,
}

/// The text is not a stretch of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an opening: write it like 09:00-18:00, over midnight like 18:00-02:00, all day as 00:00-24:00")]
pub struct InvalidOpening;

impl FromStr for Opening {
    type Err = InvalidOpening;

    fn from_str(text: &str) -> Result<Self, InvalidOpening> {
        let (from, until) = text.split_once('-').ok_or(InvalidOpening)?;
        let (from, until) = (minutes(from)?, minutes(until)?);
        if from >= DAY_MINUTES || from == until {
            return Err(InvalidOpening);
        }
        Ok(Self { from, until: if until > from { until } else { until + DAY_MINUTES } })
    }
}

impl TryFrom<String> for Opening {
    type Error = InvalidOpening;

    fn try_from(text: String) -> Result<Self, InvalidOpening> {
        text.parse()
    }
}

impl From<Opening> for String {
    fn from(opening: Opening) -> Self {
        opening.to_string()
    }
}

impl std::fmt::Display for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let until = if self.until > DAY_MINUTES { self.until - DAY_MINUTES } else { self.until };
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.from / 60, self.from % 60, until / 60, until % 60)
    }
}

/// Reads `09:30` as minutes after midnight, up to `24:00`.
fn minutes(text: &str) -> Result<u16, InvalidOpening> {
    let (hours, minutes) = text.trim().split_once(':').ok_or(InvalidOpening)?;
    let number = |text: &str, most: u16| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().filter(|number: &u16| *number <= most).ok_or(InvalidOpening)
    };
    let total = number(hours, 24)? * 60 + number(minutes, 59)?;
    (total <= DAY_MINUTES).then_some(total).ok_or(InvalidOpening)
}

/// Business hours as a person writes them, in a file or in code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoursSpec {
    /// The IANA time zone: `Asia/Almaty`.
    pub zone: String,
    /// The openings of each weekday (`mon`, `tue`, ...). A day that is not here is closed.
    #[serde(default)]
    pub week: BTreeMap<String, Vec<Opening>>,
    /// The openings of dates that differ: a holiday has none.
    #[serde(default)]
    pub exceptions: BTreeMap<NaiveDate, Vec<Opening>>,
}

/// When a business is open.
///
/// What counts is the clock on the wall of the business: at an hour that daylight saving skips it is not open, and in an
/// hour that comes twice it is open twice. An opening over midnight belongs to the day on which it begins, so a holiday
/// does not end the night before it.
///
/// # Examples
/// Open on weekdays, closed on New Year's Day:
/// ```
/// use whisp_ai::{BusinessHours, HoursSpec};
/// let mut spec = HoursSpec { zone: "Asia/Almaty".into(), ..HoursSpec::default() };
/// for day in ["mon", "tue", "wed", "thu", "fri"] {
///     spec.week.insert(day.into(), vec!["09:00-13:00".parse()?, "14:00-18:00".parse()?]);
/// }
/// spec.exceptions.insert("2027-01-01".parse()?, vec![]);
/// let hours = BusinessHours::new(&spec)?;
/// assert!(hours.is_open("2026-11-23T04:30:00Z".parse()?)); // 09:30 in Almaty, on a Monday
/// assert!(!hours.is_open("2026-11-23T08:30:00Z".parse()?)); // 13:30, lunch
/// assert!(!hours.is_open("2027-01-01T04:30:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusinessHours {
    zone: Tz,
    week: BTreeMap<u32, Vec<Opening>>,
    exceptions: BTreeMap<NaiveDate, Vec<Opening>>,
}

impl BusinessHours {
    /// Checks and takes over what a person wrote.
    ///
    /// # Errors
    /// [`LoadErrorKind::Invalid`] when the zone or a weekday is unknown, or two openings of a day overlap.
    pub fn new(spec: &HoursSpec) -> Result<Self, LoadError> {
        let zone = spec.zone.parse::<Tz>().map_err(|_| {
            LoadError::new(
                LoadErrorKind::Invalid,
                format!("`{}` is not a time zone", spec.zone),
                "name one of the IANA zones, such as `Asia/Almaty`",
            )
        })?;
        let mut week = BTreeMap::new();
        for (name, openings) in &spec.week {
            let day = name.parse::<Weekday>().map_err(|_| {
                LoadError::new(
                    LoadErrorKind::Invalid,
                    format!("`{name}` is not a weekday"),
                    "write mon, tue, wed, thu, fri, sat or sun",
                )
            })?;
            if week.insert(day.num_days_from_monday(), sorted(openings, name)?).is_some() {
                return Err(LoadError::new(
                    LoadErrorKind::Invalid,
                    format!("`{name}` is there twice"),
                    "keep one of them",
                ));
            }
        }
        let exceptions = spec
            .exceptions
            .iter()
            .map(|(date, openings)| Ok((*date, sorted(openings, &date.to_string())?)))
            .collect::<Result<_, LoadError>>()?;
        Ok(Self { zone, week, exceptions })
    }

    /// Returns the time zone.
    #[must_use]
    pub const fn zone(&self) -> Tz {
        self.zone
    }

    /// Returns whether the business is open at that time.
    #[must_use]
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        let wall = at.with_timezone(&self.zone).naive_local();
        let minute = u16::try_from(wall.hour() * 60 + wall.minute()).unwrap_or(u16::MAX);
        let today = self.openings(wall.date()).iter().any(|o| o.from <= minute && minute < o.until);
        let last_night = || {
            let yesterday = wall.date().pred_opt();
            yesterday.is_some_and(|day| self.openings(day).iter().any(|o| minute + DAY_MINUTES < o.until))
        };
        today || last_night()
    }

    /// Returns the first time from `at` on when the business is open, which is `at` itself if it is open then. `None`
    /// if it does not open within [`OPENS_DAYS_MAX`] days.
    #[must_use]
    pub fn opens_at(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.is_open(at) {
            return Some(at);
        }
        let mut day = at.with_timezone(&self.zone).date_naive().pred_opt()?;
        for _ in 0..OPENS_DAYS_MAX {
            let first = self.candidates(day).filter(|time| *time >= at && self.is_open(*time)).min();
            if first.is_some() {
                return first;
            }
            day = day.succ_opt()?;
        }
        None
    }

    fn openings(&self, day: NaiveDate) -> &[Opening] {
        let usual = || self.week.get(&day.weekday().num_days_from_monday());
        self.exceptions.get(&day).or_else(usual).map_or(&[], Vec::as_slice)
    }

    /// The times of a day at which the business may open: its openings, and the moment at which the clock is changed.
    fn candidates(&self, day: NaiveDate) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        let midnight = day.and_hms_opt(0, 0, 0);
        let starts = self.openings(day).iter().filter_map(move |opening| {
            let wall = midnight? + TimeDelta::minutes(opening.from.into());
            Some(match self.zone.from_local_datetime(&wall) {
                chrono::LocalResult::Single(time) => vec![time.to_utc()],
                chrono::LocalResult::Ambiguous(first, second) => vec![first.to_utc(), second.to_utc()],
                // Skipped by daylight saving: the change of the clock is a candidate of its own.
                chrono::LocalResult::None => Vec::new(),
            })
        });
        let change = midnight.and_then(|midnight| self.clock_change(midnight));
        starts.flatten().chain(change.filter(|time| time.with_timezone(&self.zone).date_naive() == day))
    }

    /// The first instant after a change of the clock near a day, if there is one. No zone is further than 14 hours
    /// from UTC.
    fn clock_change(&self, midnight: NaiveDateTime) -> Option<DateTime<Utc>> {
        let offset = |time: NaiveDateTime| self.zone.offset_from_utc_datetime(&time).fix().local_minus_utc();
        let (mut before, mut after) = (midnight - TimeDelta::hours(14), midnight + TimeDelta::hours(38));
        if offset(before) == offset(after) {
            return None;
        }
        while after - before > TimeDelta::seconds(1) {
            let middle = before + (after - before) / 2;
            if offset(middle) == offset(before) { before = middle } else { after = middle }
        }
        let whole = after.with_nanosecond(0).unwrap_or(after);
        Some(if offset(whole) == offset(after) { whole } else { after }.and_utc())
    }
}

fn sorted(openings: &[Opening], day: &str) -> Result<Vec<Opening>, LoadError> {
    let mut openings = openings.to_vec();
    openings.sort_unstable();
    let overlap = openings.iter().zip(openings.iter().skip(1)).any(|(one, next)| next.from < one.until);
    if overlap {
        return Err(LoadError::new(
            LoadErrorKind::Invalid,
            format!("openings of {day} overlap"),
            "make one of them, or mend their times",
        ));
    }
    Ok(openings)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hours(zone: &str, week: &[(&str, &[&str])], exceptions: &[(&str, &[&str])]) -> BusinessHours {
        let parse = |openings: &[&str]| openings.iter().map(|text| text.parse().unwrap()).collect::<Vec<Opening>>();
        BusinessHours::new(&HoursSpec {
            zone: zone.into(),
            week: week.iter().map(|(day, openings)| ((*day).to_owned(), parse(openings))).collect(),
            exceptions: exceptions.iter().map(|(date, openings)| (date.parse().unwrap(), parse(openings))).collect(),
        })
        .unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn an_opening_over_midnight_belongs_to_the_day_it_begins_on() {
        let hours = hours("Europe/Berlin", &[("fri", &["18:00-02:00"])], &[("2026-11-28", &[])]);
        assert!(hours.is_open(at("2026-11-27T20:00:00Z")));
        assert!(hours.is_open(at("2026-11-28T00:30:00Z")), "half past one, on the closed Saturday");
        assert!(!hours.is_open(at("2026-11-28T01:00:00Z")));
        assert!(!hours.is_open(at("2026-11-28T20:00:00Z")));
    }

    #[test]
    fn it_opens_after_lunch_and_after_the_holiday() {
        let hours = hours(
            "Asia/Almaty",
            &[("thu", &["14:00-18:00", "09:00-13:00"]), ("fri", &["09:00-18:00"])],
            &[("2027-01-01", &[])],
        );
        assert_eq!(hours.opens_at(at("2026-12-31T08:10:00Z")), Some(at("2026-12-31T09:00:00Z")));
        assert_eq!(hours.opens_at(at("2026-12-31T14:00:00Z")), Some(at("2027-01-07T04:00:00Z")));
    }

    #[test]
    fn a_business_that_never_opens_says_so() {
        assert_eq!(hours("UTC", &[], &[]).opens_at(at("2026-11-22T00:00:00Z")), None);
    }

    #[test]
    fn mistakes_are_named() {
        let spec = |zone: &str, day: &str, openings: &[&str]| HoursSpec {
            zone: zone.into(),
            week: [(day.to_owned(), openings.iter().map(|text| text.parse().unwrap()).collect())].into(),
            exceptions: BTreeMap::new(),
        };
        for (spec, said) in [
            (spec("Almaty", "mon", &[]), "`Almaty` is not a time zone"),
            (spec("UTC", "someday", &[]), "`someday` is not a weekday"),
            (spec("UTC", "mon", &["09:00-12:00", "11:00-15:00"]), "overlap"),
        ] {
            let error = BusinessHours::new(&spec).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        for text in ["", "9-18", "09:00-09:00", "24:00-25:00", "09:60-10:00", "09:00", "-1:00-02:00"] {
            assert_eq!(text.parse::<Opening>(), Err(InvalidOpening), "{text}");
        }
    }

    /// New York's clocks of 2026 go forward on 8 March and back on 1 November; a stretch of two days around each.
    fn edges() -> impl Strategy<Value = DateTime<Utc>> {
        (prop_oneof![Just("2026-03-07T17:00:00Z"), Just("2026-10-31T17:00:00Z")], 0..2880i64)
            .prop_map(|(start, minute)| at(start) + TimeDelta::minutes(minute))
    }

    fn any_opening() -> impl Strategy<Value = Opening> {
        (0..DAY_MINUTES, 1..=DAY_MINUTES).prop_map(|(from, length)| Opening { from, until: from + length })
    }

    proptest! {
        #[test]
        fn at_both_changes_of_the_clock_it_is_open_when_the_wall_clock_says_so(opening in any_opening(), time in edges()) {
            let hours = BusinessHours {
                zone: chrono_tz::America::New_York,
                week: (0..7).map(|day| (day, vec![opening])).collect(),
                exceptions: BTreeMap::new(),
            };
            let wall = time.with_timezone(&hours.zone).time();
            let minute = u16::try_from(wall.hour() * 60 + wall.minute()).unwrap();
            let expected = [minute, minute + DAY_MINUTES].iter().any(|m| (opening.from..opening.until).contains(m));
            prop_assert_eq!(hours.is_open(time), expected);
        }

        #[test]
        fn at_both_changes_of_the_clock_it_opens_at_the_first_open_minute(opening in any_opening(), time in edges()) {
            let hours = BusinessHours {
                zone: chrono_tz::America::New_York,
                week: [(6, vec![opening])].into(),
                exceptions: BTreeMap::new(),
            };
            let mut minute = time;
            while !hours.is_open(minute) && minute - time < TimeDelta::days(9) {
                minute += TimeDelta::minutes(1);
            }
            prop_assert_eq!(hours.opens_at(time), hours.is_open(minute).then_some(minute));
        }

        #[test]
        fn any_text_is_an_opening_or_an_error(text in "\\PC{0,12}") {
            if let Ok(opening) = text.parse::<Opening>() {
                prop_assert_eq!(opening.to_string().parse::<Opening>(), Ok(opening));
            }
        }
    }
}
