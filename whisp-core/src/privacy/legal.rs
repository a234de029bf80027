//! Handing data of a person to an authority, when two people of the team agree that it must be (promise P37).
//!
//! ```text
//! Asked ─► Approved ─► HandedOut
//!   └────► Refused
//! ```
//! # What holds
//! 1. Who approves or refuses is never who asked.
//! 2. It is handed out once.
//! 3. It names the authority, its reference, the law, and the scope, before anybody approves: what is outside of the scope
//!    is not handed out.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ConversationId, LegalDisclosureId, MemberId, SubjectId};
use crate::privacy::{Categories, DataCategory, HoldScope};

/// What of a person's data an authority gets, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalScope {
    /// Which kinds of data: of identity, media and message content, those that it is about.
    pub categories: Categories,
    /// Of messages and files, those in these conversations and of this time.
    #[serde(default)]
    pub written: HoldScope,
}

impl LegalScope {
    /// The kinds of data that may be in it.
    pub const CATEGORIES: Categories =
        Categories::of(&[DataCategory::Identity, DataCategory::Media, DataCategory::MessageContent]);

    /// Returns whether something written in a conversation at a time is in it.
    #[must_use]
    pub fn covers(&self, category: DataCategory, conversation: ConversationId, at: DateTime<Utc>) -> bool {
        self.categories.contains(category) && self.written.covers(conversation, at)
    }
}

/// What an authority asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLegalDisclosure {
    /// Who asks. It names no person.
    pub authority: String,
    /// Under which number. It names no person.
    pub reference: String,
    /// By which law it has to be handed out, in words.
    pub law: String,
    /// What.
    pub scope: LegalScope,
    /// Until when the person must not be told; `None` where they may be told at once.
    pub gag_until: Option<DateTime<Utc>>,
    /// Who of the team asks for it, where the host takes it down for them; else whoever sits at the desk.
    pub asked_by: Option<MemberId>,
}

/// Where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LegalState {
    /// Somebody of the team asked for it.
    Asked,
    /// Somebody else of the team approved it.
    Approved,
    /// Somebody else of the team refused it.
    Refused,
    /// It was handed out.
    HandedOut,
}

impl LegalState {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::HandedOut => "handed_out",
        }
    }
}

/// That data of a person are handed to an authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LegalDisclosure {
    /// Which.
    pub id: LegalDisclosureId,
    /// Whose data.
    pub subject: SubjectId,
    /// To whom.
    pub authority: String,
    /// Under which number.
    pub reference: String,
    /// By which law.
    pub law: String,
    /// What.
    pub scope: LegalScope,
    /// Who asked for it.
    pub asked_by: MemberId,
    /// When.
    pub asked_at: DateTime<Utc>,
    /// Until when the person must not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gag_until: Option<DateTime<Utc>>,
    /// Who approved or refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<MemberId>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
    /// When it was handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_at: Option<DateTime<Utc>>,
    /// How many lines that were.
    pub count: u64,
    /// Where it is.
    pub state: LegalState,
}

/// Why something can't happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LegalError {
    /// A member who asked for it, or approved it, is of the team no more.
    #[error("who asked for it, and who approved it, must be of the team still")]
    NotOfTheTeam,
    /// Two people have to agree.
    #[error("whoever asked for it can't decide on it: somebody else has to")]
    SamePerson,
    /// There is more in its scope than is handed out at once.
    #[error("more than {max} lines: ask for parts of it, by time")]
    TooMuch {
        /// How many lines are handed out at once.
        max: usize,
    },
    /// That does not happen in this state.
    #[error("{event}: not while it is {state}")]
    WrongState {
        /// What should have happened.
        event: &'static str,
        /// Where it is.
        state: &'static str,
    },
}

impl LegalDisclosure {
    /// Returns what becomes of it when somebody approves or refuses it. Pure: the one that it is asked of stays as it was.
    ///
    /// # Errors
    /// [`LegalError::WrongState`] unless it is asked for, [`LegalError::SamePerson`].
    pub fn decide(&self, by: MemberId, approves: bool, now: DateTime<Utc>) -> Result<Self, LegalError> {
        let event = if approves { "approve" } else { "refuse" };
        self.expect(LegalState::Asked, event)?;
        if by == self.asked_by {
            return Err(LegalError::SamePerson);
        }
        let state = if approves { LegalState::Approved } else { LegalState::Refused };
        Ok(Self { decided_by: Some(by), decided_at: Some(now), state, ..self.clone() })
    }

    /// Returns what becomes of it when so many lines are handed out. Pure.
    ///
    /// # Errors
    /// [`LegalError::WrongState`] unless it is approved.
    pub fn hand_out(&self, count: u64, now: DateTime<Utc>) -> Result<Self, LegalError> {
        self.expect(LegalState::Approved, "hand out")?;
        Ok(Self { handed_at: Some(now), count, state: LegalState::HandedOut, ..self.clone() })
    }

    /// Returns whether the person must not be told yet.
    #[must_use]
    pub fn is_gagged(&self, now: DateTime<Utc>) -> bool {
        self.gag_until.is_some_and(|until| now < until)
    }

    fn expect(&self, state: LegalState, event: &'static str) -> Result<(), LegalError> {
        if self.state == state { Ok(()) } else { Err(LegalError::WrongState { event, state: self.state.as_str() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    const fn member(number: u8) -> MemberId {
        MemberId(SubjectId::from_bytes([number; 16]))
    }

    fn asked() -> LegalDisclosure {
        LegalDisclosure {
            id: LegalDisclosureId::from_bytes([1; 16]),
            subject: SubjectId::from_bytes([2; 16]),
            authority: "Court".into(),
            reference: "1".into(),
            law: "a law".into(),
            scope: LegalScope { categories: Categories::NONE, written: HoldScope::default() },
            asked_by: member(3),
            asked_at: at("2026-11-26T10:00:00Z"),
            gag_until: Some(at("2026-12-01T00:00:00Z")),
            decided_by: None,
            decided_at: None,
            handed_at: None,
            count: 0,
            state: LegalState::Asked,
        }
    }

    #[test]
    fn two_people_decide_and_it_is_handed_out_once() {
        let now = at("2026-11-26T11:00:00Z");
        let asked = asked();
        assert_eq!(asked.decide(member(3), true, now), Err(LegalError::SamePerson));
        assert_eq!(asked.decide(member(3), false, now), Err(LegalError::SamePerson));
        let wrong = |event, state| Err(LegalError::WrongState { event, state });
        assert_eq!(asked.hand_out(1, now), wrong("hand out", "asked"));
        let refused = asked.decide(member(4), false, now).unwrap();
        assert_eq!(refused.hand_out(1, now), wrong("hand out", "refused"));
        assert_eq!(refused.decide(member(4), true, now), wrong("approve", "refused"));
        let approved = asked.decide(member(4), true, now).unwrap();
        assert_eq!((approved.decided_by, approved.decided_at), (Some(member(4)), Some(now)));
        assert_eq!(approved.decide(member(4), false, now), wrong("refuse", "approved"));
        let handed = approved.hand_out(7, now).unwrap();
        assert_eq!((handed.count, handed.handed_at), (7, Some(now)));
        assert_eq!(handed.hand_out(7, now), wrong("hand out", "handed_out"));
    }

    #[test]
    fn a_gag_ends_at_its_time() {
        let asked = asked();
        assert!(asked.is_gagged(at("2026-11-30T23:59:59Z")) && !asked.is_gagged(at("2026-12-01T00:00:00Z")));
        assert!(!LegalDisclosure { gag_until: None, ..asked.clone() }.is_gagged(asked.asked_at));
    }
}
