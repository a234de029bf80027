//! The two ambient sources, for production: the system's clock and its random generator.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::clock::Clock;
use crate::id::{IdSource, uuid_v7};

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> DateTime<Utc> {
        std::time::SystemTime::now().into()
    }
}

/// Ids from the operating system's random generator.
///
/// # Examples
/// ```
/// use whisp_core::{clock::Clock, id::IdSource, system::{RandomIds, SystemClock}};
/// let (ids, now) = (RandomIds::default(), SystemClock.now());
/// assert!(ids.time_ordered(now) < ids.time_ordered(now));
/// ```
#[derive(Debug, Default)]
pub struct RandomIds {
    last: Mutex<u128>,
}

impl IdSource for RandomIds {
    fn time_ordered(&self, now: DateTime<Utc>) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = uuid_v7(now, random).as_u128().max(*last + 1);
        Uuid::from_u128(*last)
    }

    fn random(&self) -> Uuid {
        let mut random = [0; 16];
        self.fill(&mut random);
        uuid::Builder::from_random_bytes(random).into_uuid()
    }

    #[expect(clippy::expect_used, reason = "without randomness no id or key is safe: better to stop than to go on")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has a random generator");
    }
}
