//! A clock that moves when told.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;

/// A clock that stands still until it is moved.
///
/// # Examples
/// ```
/// use chrono::TimeDelta;
/// use whisp_core::{clock::Clock, testing::ManualClock};
/// let clock = ManualClock::default();
/// let before = clock.now();
/// clock.advance(TimeDelta::minutes(5));
/// assert_eq!(clock.now() - before, TimeDelta::minutes(5));
/// ```
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl Default for ManualClock {
    /// A clock that stands at 2026-11-22T09:00:00Z.
    fn default() -> Self {
        Self::at(DateTime::from_timestamp(1_795_338_000, 0).unwrap_or_default())
    }
}

impl ManualClock {
    /// Makes a clock that stands at `now`.
    #[must_use]
    pub const fn at(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves it, forward or back.
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// Sets it.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
