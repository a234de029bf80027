//! Consent as an append-only log, folded into where a person stands now.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{MessageId, RecordId, SubjectId};
use crate::privacy::Purpose;

/// What a consent event says about a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConsentState {
    /// The person agreed, or agreed again.
    Given,
    /// The person withdrew, or objected.
    Withdrawn,
}

/// What the person did. There is no variant for going on to use the service: that is not consent (promise P13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AffirmativeAct {
    /// Wrote it in the chat.
    InChat {
        /// The message.
        message: MessageId,
    },
    /// Edited it into a message that had not come yet.
    InEdit,
    /// Chose it in the platform's own settings.
    Platform,
    /// Said it to the host product, which vouches for it.
    Host,
}

/// One entry of the log. Entries are only added; what holds now is the fold of all of them, so earlier processing
/// stays as lawful as it was (promise P16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentEvent {
    /// Which.
    pub id: RecordId,
    /// Whose.
    pub subject: SubjectId,
    /// About what.
    pub purpose: Purpose,
    /// What it says.
    pub state: ConsentState,
    /// What the person did.
    pub act: AffirmativeAct,
    /// When we learned of it, by our own clock: the order of the log.
    pub at: DateTime<Utc>,
}

/// Where a person stands: the fold of their consent log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    withdrawn: BTreeSet<Purpose>,
}

impl Standing {
    /// Folds a log, oldest entry first. For each purpose the last entry holds.
    ///
    /// # Examples
    /// ```
    /// use whisp_core::privacy::{Purpose, Standing};
    /// assert!(Standing::fold([]).allows(Purpose::AutomatedReplies));
    /// ```
    pub fn fold(events: impl IntoIterator<Item = ConsentEvent>) -> Self {
        let mut standing = Self::default();
        for event in events {
            match event.state {
                ConsentState::Given => standing.withdrawn.remove(&event.purpose),
                ConsentState::Withdrawn => standing.withdrawn.insert(event.purpose),
            };
        }
        standing
    }

    /// Returns whether the person has not withdrawn from `purpose`.
    #[must_use]
    pub fn allows(&self, purpose: Purpose) -> bool {
        !self.withdrawn.contains(&purpose)
    }
}
