//! How fast a platform lets messages go.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// How fast something may go: some at once, then one each so often.
///
/// # Examples
/// A platform that takes 80 messages a second never gets more of us in any second: a fifth of them at once, the rest
/// evenly.
/// ```
/// use chrono::TimeDelta;
/// use whisp_core::channel::Rate;
/// let rate = Rate::within(80, TimeDelta::seconds(1));
/// assert_eq!((rate.burst(), rate.every()), (16, TimeDelta::microseconds(15_625)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct Rate {
    burst: NonZeroU32,
    every: TimeDelta,
}

/// The slowest rate there is: one each so often.
const EVERY_MAX: TimeDelta = TimeDelta::days(1);

/// Of what a platform allows in a period, this part may go at once.
const BURST_PART: u32 = 5;

impl Rate {
    /// Up to `burst` at once, then one each `every`. 0 is taken as 1, and `every` as at least a microsecond and at most
    /// a day.
    #[must_use]
    pub fn new(burst: u32, every: TimeDelta) -> Self {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        Self { burst, every: every.clamp(TimeDelta::microseconds(1), EVERY_MAX) }
    }

    /// Never more than `count` in any stretch of `period`: a fifth of them at once, the rest evenly. So a platform that
    /// counts by the second, whenever its seconds begin, never counts more.
    #[must_use]
    pub fn within(count: u32, period: TimeDelta) -> Self {
        let burst = (count / BURST_PART).max(1);
        let evenly = i64::from(count.saturating_sub(burst).max(1));
        let micros = period.num_microseconds().unwrap_or(i64::MAX);
        let every = micros / evenly + i64::from(micros % evenly != 0);
        Self::new(burst, TimeDelta::microseconds(every))
    }

    /// Returns how many may go at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst.get()
    }

    /// Returns how often one may go after that.
    #[must_use]
    pub const fn every(self) -> TimeDelta {
        self.every
    }

    /// Returns a part of the rate: `1 / parts` of it.
    #[must_use]
    pub fn shared_by(self, parts: u32) -> Self {
        let parts = parts.max(1);
        let every = self.every.checked_mul(i32::try_from(parts).unwrap_or(i32::MAX)).unwrap_or(EVERY_MAX);
        Self::new(self.burst() / parts, every)
    }
}

/// A rate as it is stored.
#[derive(Serialize, Deserialize)]
struct Kept {
    burst: u32,
    every_micros: i64,
}

impl From<Kept> for Rate {
    fn from(kept: Kept) -> Self {
        Self::new(kept.burst, TimeDelta::microseconds(kept.every_micros))
    }
}

impl From<Rate> for Kept {
    fn from(rate: Rate) -> Self {
        Self { burst: rate.burst(), every_micros: rate.every.num_microseconds().unwrap_or(i64::MAX) }
    }
}

/// What a platform lets through, as far as it says so. `None` where it sets no limit: then its refusals alone slow us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Pace {
    /// Messages through one connection, to whomever.
    pub connection: Option<Rate>,
    /// Media through one connection; they count for `connection` too.
    pub media: Option<Rate>,
    /// Messages through one connection to one person.
    pub pair: Option<Rate>,
}

impl Pace {
    /// No limit that is known of.
    pub const UNLIMITED: Self = Self { connection: None, media: None, pair: None };
}

/// How much of its budget of calls the platform says is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// In percent, of what is used up most; at 100 it refuses.
    pub percent: u32,
    /// In what time it takes calls again, where it has stopped taking them.
    pub regain: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_within_a_period_never_exceeds_it_wherever_the_period_begins() {
        for count in [1, 2, 3, 4, 5, 7, 10, 20, 80, 100, 300, 1_000] {
            let period = TimeDelta::seconds(1);
            let rate = Rate::within(count, period);
            // The most that fits into a period: all at once at its begin, and what comes evenly before its end.
            let evenly = (period.num_microseconds().unwrap() - 1) / rate.every().num_microseconds().unwrap();
            assert!(i64::from(rate.burst()) + evenly <= i64::from(count), "{count}: {rate:?}");
        }
    }

    #[test]
    fn shares_of_a_rate_are_no_more_than_the_whole_but_for_the_one_that_each_may_send() {
        let rate = Rate::within(80, TimeDelta::seconds(1));
        for parts in [1, 2, 3, 16, 100, u32::MAX] {
            let share = rate.shared_by(parts);
            assert!(u64::from(share.burst()) * u64::from(parts) <= 16.max(u64::from(parts)));
            assert!(share.every() >= rate.every() * i32::try_from(parts.min(1_000)).unwrap());
        }
    }

    #[test]
    fn a_rate_is_kept_like_this() {
        let literal = r#"{"burst":45,"every_micros":6000000}"#;
        let rate: Rate = serde_json::from_str(literal).unwrap();
        assert_eq!(rate, Rate::new(45, TimeDelta::seconds(6)));
        assert_eq!(serde_json::to_string(&rate).unwrap(), literal);
        let odd: Rate = serde_json::from_str(r#"{"burst":0,"every_micros":-1}"#).unwrap();
        assert_eq!(odd, Rate::new(1, TimeDelta::microseconds(1)), "whatever is stored is a rate");
    }
}
