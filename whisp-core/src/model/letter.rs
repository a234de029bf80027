//! Work that could not be done, and work that waits.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ConversationId, DeadLetterId, MemberId, MessageId};

/// A piece of work that could not be done. It is kept until somebody looks, or its time is over. Nothing in it says
/// anything about the person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Which.
    pub id: DeadLetterId,
    /// In which conversation.
    pub conversation: ConversationId,
    /// What was to be done: `send`, `turn`, `receipt`, ...; `None` where the work could not be read.
    pub what: Option<String>,
    /// The message that it is about, where it is about one.
    pub message: Option<MessageId>,
    /// Why it could not be done: the error with its causes.
    pub reason: String,
    /// When it was given up.
    pub at: DateTime<Utc>,
    /// What has become of it since.
    pub state: LetterState,
}

/// What has become of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
#[non_exhaustive]
pub enum LetterState {
    /// It waits for somebody to look.
    #[default]
    Open,
    /// Its work was put back. If that fails again there is another letter.
    Retried {
        /// Who did it; `None` for the host.
        by: Option<MemberId>,
        /// When.
        at: DateTime<Utc>,
    },
    /// It will not be done.
    Discarded {
        /// Who decided so; `None` for the host.
        by: Option<MemberId>,
        /// When.
        at: DateTime<Utc>,
        /// Why.
        why: DiscardReason,
    },
}

/// Why a dead letter is discarded. No free text: it would say something about a person sooner or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DiscardReason {
    /// It was done in another way.
    Done,
    /// It is too late for it.
    Late,
    /// It never can be done.
    Impossible,
    /// It should not be done.
    Unwanted,
}

/// A piece of work that waits. Nothing in it says anything about the person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// In which conversation.
    pub conversation: ConversationId,
    /// What is to be done: `send`, `turn`, `receipt`, ...; `None` where the work can't be read.
    pub what: Option<String>,
    /// The message that it is about, where it is about one. A `send` is about the first one of the conversation's outbox.
    pub message: Option<MessageId>,
    /// Not before when.
    pub due: DateTime<Utc>,
    /// How often it was tried before.
    pub attempts: u32,
}
