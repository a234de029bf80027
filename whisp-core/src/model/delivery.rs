//! What became of a message that went out.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::channel::ChannelErrorKind;
use crate::instant;

/// How far an outgoing message has come. Receipts come late, twice and in any order, so it only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeliveryStep {
    /// Decided, waits to be sent.
    Queued,
    /// The call is about to be made or under way: written before it.
    Sending,
    /// The call ended without an answer: it may or may not have been sent. A receipt settles it, or a member.
    InDoubt,
    /// The platform took it. That is not delivery.
    Sent,
    /// It reached a device.
    Delivered,
    /// It was read.
    Read,
    /// The voice message was played.
    Played,
    /// It was not sent, on purpose: a member took over, consent was withdrawn, the window closed.
    Cancelled,
    /// The platform refused it, at once or later.
    Failed,
}

impl DeliveryStep {
    /// Returns the order of steps; a higher one is never followed by a lower one.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Sending => 1,
            Self::InDoubt => 2,
            Self::Sent => 3,
            Self::Cancelled | Self::Failed => 4,
            Self::Delivered => 5,
            Self::Read => 6,
            Self::Played => 7,
        }
    }
}

/// Why a message failed: the platform's code, which says nothing about the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FailureCode(pub i64);

/// How one call to the platform ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AttemptEnd {
    /// The platform took the message.
    Taken,
    /// It was refused, here or there: nothing was sent.
    Refused,
    /// Nobody knows: no answer came, or the process died before it. A receipt may have settled it since; that is in the
    /// message's [`step`](Delivery::step).
    InDoubt,
}

/// One call to the platform. Nothing in it says anything about the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began, by our clock.
    #[serde(with = "instant")]
    pub at: DateTime<Utc>,
    /// How it ended.
    pub end: AttemptEnd,
    /// What went wrong, if something did and it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ChannelErrorKind>,
    /// The platform's code, if it told one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<FailureCode>,
}

/// The delivery of one outgoing message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// How far it has come.
    pub step: DeliveryStep,
    /// When it came there, by the platform's clock where the platform told it.
    #[serde(with = "instant")]
    pub at: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: u32,
    /// When the last call to the platform began, by our clock: what the platform says of messages "up to a time" is about
    /// this one if it was called by then.
    #[serde(with = "instant::option", default, skip_serializing_if = "Option::is_none")]
    pub called_at: Option<DateTime<Utc>>,
    /// Why it failed, if it did. Kept when a receipt from the device later proves that it arrived after all.
    pub failure: Option<FailureCode>,
    /// The last calls, oldest first, at most [`LOG_MAX`](Self::LOG_MAX).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<Attempt>,
}

impl Delivery {
    /// How many calls are remembered of one message.
    pub const LOG_MAX: usize = 16;

    /// A message that waits to be sent.
    #[must_use]
    pub const fn queued(at: DateTime<Utc>) -> Self {
        Self { step: DeliveryStep::Queued, at, attempts: 0, called_at: None, failure: None, log: Vec::new() }
    }

    /// Remembers a call; the oldest one is forgotten where there are too many.
    pub fn remember(&mut self, attempt: Attempt) {
        if self.log.len() >= Self::LOG_MAX {
            self.log.remove(0);
        }
        self.log.push(attempt);
    }

    /// Moves forward to `step`; returns whether anything changed. A step that is behind or the same changes nothing,
    /// so a duplicate or a late receipt is harmless; a failure never overwrites a receipt from a device.
    ///
    /// # Examples
    /// ```
    /// use chrono::DateTime;
    /// use whisp_core::model::{Delivery, DeliveryStep};
    /// let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    /// let mut delivery = Delivery::queued(at);
    /// assert!(delivery.advance(DeliveryStep::Read, at, None));
    /// assert!(!delivery.advance(DeliveryStep::Delivered, at, None));
    /// assert_eq!(delivery.step, DeliveryStep::Read);
    /// ```
    pub fn advance(&mut self, step: DeliveryStep, at: DateTime<Utc>, failure: Option<FailureCode>) -> bool {
        if step.rank() <= self.step.rank() {
            return false;
        }
        self.step = step;
        self.at = at;
        if failure.is_some() {
            self.failure = failure;
        }
        true
    }
}
