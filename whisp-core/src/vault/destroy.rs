//! How surely, and when, the keys of earlier epochs are gone.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// What became of a key that was to be destroyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "how", content = "at")]
#[non_exhaustive]
pub enum Destroyed {
    /// It is gone.
    Now,
    /// It is gone from this time on; until then whoever runs the key service can bring it back.
    Scheduled(DateTime<Utc>),
    /// It may be there still: nobody can tell.
    Unverifiable,
}

/// How a key provider or cell destroys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destruction {
    /// At once.
    AtOnce,
    /// So long after it was asked to, at the latest.
    Within(TimeDelta),
    /// Nobody can tell.
    Unverifiable,
}

impl Destroyed {
    /// Returns the worse of two: what became of a key that was to be destroyed in two places.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Now, other) | (other, Self::Now) => other,
            (Self::Scheduled(one), Self::Scheduled(other)) => Self::Scheduled(one.max(other)),
            (Self::Unverifiable, _) | (_, Self::Unverifiable) => Self::Unverifiable,
        }
    }

    /// Returns from when on it is gone, where it was destroyed at `at`; `None` where nobody can tell.
    #[must_use]
    pub const fn gone_at(self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Now => Some(at),
            Self::Scheduled(until) => Some(until),
            Self::Unverifiable => None,
        }
    }
}

/// How far the end of a tenant's keys has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedVault {
    /// Since when nothing of the tenant's can be opened.
    pub at: DateTime<Utc>,
    /// From when on no copy of the key table opens it either; `None` where nobody can tell.
    pub gone_at: Option<DateTime<Utc>>,
    /// Something is left to remove: call again.
    pub more: bool,
}

impl Destruction {
    /// Returns the worse of two, for what is destroyed in two places.
    ///
    /// # Examples
    /// ```
    /// use chrono::TimeDelta;
    /// use whisp_core::vault::Destruction;
    /// let service = Destruction::Within(TimeDelta::days(3));
    /// assert_eq!(Destruction::AtOnce.worse(service), service);
    /// assert_eq!(service.worse(Destruction::Unverifiable), Destruction::Unverifiable);
    /// ```
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::AtOnce, other) | (other, Self::AtOnce) => other,
            (Self::Within(one), Self::Within(other)) => Self::Within(one.max(other)),
            (Self::Unverifiable, _) | (_, Self::Unverifiable) => Self::Unverifiable,
        }
    }

    /// Returns from when on something is gone that is destroyed at `at`; `None` where nobody can tell.
    #[must_use]
    pub fn gone_at(self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::AtOnce => Some(at),
            Self::Within(delay) => at.checked_add_signed(delay),
            Self::Unverifiable => None,
        }
    }
}

/// When an epoch is to turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochDue {
    /// Now: the next epoch begins at this time.
    pub now: DateTime<Utc>,
    /// An epoch that began before this time is due, and one of which it is not known when it began.
    pub begun_before: DateTime<Utc>,
}

/// How far the turn of an epoch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Turn {
    /// It is not due, or the tenant has no key yet.
    NotDue,
    /// Some subjects' keys are of the epoch before: call again.
    UnderWay {
        /// How many keys this call wrapped anew.
        rewrapped: usize,
    },
    /// All keys are of this epoch, and the one before is destroyed: note it, then [end the turn](super::Vault::end_turn).
    Destroyed {
        /// The epoch that began.
        epoch: u32,
        /// When.
        begun_at: DateTime<Utc>,
        /// What became of the one before.
        before: Destroyed,
        /// How many keys this call wrapped anew.
        rewrapped: usize,
    },
}
