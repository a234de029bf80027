//! What must be kept though the person, or its age, would have it go: holds (promises P19 and P48).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ConversationId, HoldId, SubjectId};
use crate::privacy::RefusalReason;

/// Why something must be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HoldGround {
    /// To raise, exercise or defend legal claims (Art. 17(3)(e) GDPR).
    LegalClaim,
    /// A law asks for it (Art. 17(3)(b) GDPR).
    LegalObligation,
}

impl HoldGround {
    /// Returns what the person is told.
    #[must_use]
    pub const fn reason(self) -> RefusalReason {
        match self {
            Self::LegalClaim => RefusalReason::LegalClaims,
            Self::LegalObligation => RefusalReason::LegallyRequired,
        }
    }
}

/// What of a person's data a hold keeps: who they are, and of their messages and files those that it is about. Nothing else
/// is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldScope {
    /// In which conversations; all of them where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversations: Vec<ConversationId>,
    /// Written at this time or later, by the platform's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Written before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl HoldScope {
    /// Returns whether it keeps what was written in a conversation at a time.
    #[must_use]
    pub fn covers(&self, conversation: ConversationId, at: DateTime<Utc>) -> bool {
        let here = self.conversations.is_empty() || self.conversations.contains(&conversation);
        here && self.from.is_none_or(|from| at >= from) && self.until.is_none_or(|until| at < until)
    }
}

/// A hold to be placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// On what.
    pub scope: HoldScope,
    /// Why.
    pub ground: HoldGround,
    /// Who asks for it, and under which number: «District court of Almaty, 2-1234/2026». It names no person.
    pub authority: String,
    /// When somebody looks whether it is still needed, at most [`Hold::REVIEW_MAX`] from now.
    pub review_by: DateTime<Utc>,
}

/// That something of a person's data must be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Hold {
    /// Which.
    pub id: HoldId,
    /// Whose data.
    pub subject: SubjectId,
    /// Under whose key a copy is kept once the person is erased: nobody's, but of this hold alone.
    pub keeper: SubjectId,
    /// What is kept.
    pub scope: HoldScope,
    /// Why.
    pub ground: HoldGround,
    /// Who asks for it.
    pub authority: String,
    /// Since when.
    pub placed_at: DateTime<Utc>,
    /// When somebody looks whether it is still needed.
    pub review_by: DateTime<Utc>,
    /// Since when it holds no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<DateTime<Utc>>,
}

impl Hold {
    /// For how long a hold goes without anybody looking at it: else it would dodge erasure for ever.
    pub const REVIEW_MAX: TimeDelta = TimeDelta::days(366);

    /// Returns whether it still holds.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.released_at.is_none()
    }
}
