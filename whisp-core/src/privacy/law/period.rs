//! How long something may take, and when that is over.

use chrono::{DateTime, Datelike, Days, LocalResult, Months, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};
use serde::{Deserialize, Serialize};

use super::Calendar;

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// Hours, one after another.
    Hours(u16),
    /// Days of the calendar.
    Days(u16),
    /// Days on which people work, the first one not counted.
    WorkingDays(u16),
    /// Months of the calendar. What would be 31 February is its last day.
    Months(u8),
}

impl Period {
    /// Returns when it is over, and whether the calendar knew every day on the way; `None` out of the range of time.
    ///
    /// Days and months end at the wall's time in `zone` at which they began. If the clock is changed on that day: what is
    /// on it twice is the first of the two, what is skipped is the moment of the change.
    pub(super) fn end(
        self,
        start: DateTime<Utc>,
        zone: Tz,
        calendar: Option<&Calendar>,
    ) -> Option<(DateTime<Utc>, bool)> {
        if !is_in_range(start) {
            return None;
        }
        let local = start.with_timezone(&zone).naive_local();
        let mut known = true;
        let day = match self {
            Self::Hours(hours) => return Some((start.checked_add_signed(TimeDelta::hours(hours.into()))?, true)),
            Self::Days(days) => local.date().checked_add_days(Days::new(days.into()))?,
            Self::Months(months) => local.date().checked_add_months(Months::new(months.into()))?,
            Self::WorkingDays(days) => {
                let mut day = local.date();
                for _ in 0..days {
                    day = day.succ_opt()?;
                    while calendar.and_then(|calendar| calendar.is_working(day)) == Some(false) {
                        day = day.succ_opt()?;
                    }
                    known &= calendar.is_some_and(|calendar| calendar.is_working(day).is_some());
                }
                day
            }
        };
        Some((first_instant(day.and_time(local.time()), zone)?, known))
    }
}

/// Whether a time is far from both ends of what can be told, so that no zone's offset leads over them.
pub(super) fn is_in_range(time: DateTime<Utc>) -> bool {
    (1970..=9000).contains(&time.year())
}

fn first_instant(wall: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.to_utc()),
        LocalResult::None => GapInfo::new(&wall, &zone)?.end.map(|change| change.to_utc()),
    }
}
