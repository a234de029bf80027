//! On which days people work.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate, Weekday};
use serde::{Deserialize, Serialize};

use super::{LawError, parse};

names! {
    /// The name of a calendar.
    CalendarId
}

/// On which days of some years people work.
///
/// What it does not know makes a date earlier: outside its years every day is a working day, and so is a holiday that is
/// not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Its name.
    pub id: CalendarId,
    /// Whose it is.
    pub name: String,
    /// The first year that it knows.
    pub first_year: i32,
    /// The last year that it knows.
    pub last_year: i32,
    /// On which days of a week nobody works.
    pub rest_days: Vec<Weekday>,
    /// On which other days nobody works, and why.
    pub holidays: BTreeMap<NaiveDate, String>,
    /// Rest days on which people work, since a holiday was moved.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub worked: BTreeSet<NaiveDate>,
    /// Where this is from.
    pub source: String,
    /// When it was read there.
    pub read_at: NaiveDate,
    /// Whether the source is one to rely on.
    pub confirmed: bool,
}

impl Calendar {
    /// Reads a calendar from JSON.
    ///
    /// # Errors
    /// [`LawError::Malformed`].
    pub fn parse(json: &str) -> Result<Self, LawError> {
        parse(json)
    }

    /// Returns whether people work on a day, `None` outside the years that it knows.
    #[must_use]
    pub fn is_working(&self, day: NaiveDate) -> Option<bool> {
        let rests = self.rest_days.contains(&day.weekday()) || self.holidays.contains_key(&day);
        (self.first_year..=self.last_year).contains(&day.year()).then(|| !rests || self.worked.contains(&day))
    }
}
