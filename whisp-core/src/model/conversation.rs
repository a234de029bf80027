//! Conversations and the inquiries in them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ConnectionId, ContactId, ConversationId, InquiryId, MemberId, MessageId};
use crate::instant;
use crate::model::ChannelKind;

/// Why a conversation went to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HandOffReason {
    /// The contact asked for a person.
    Asked,
    /// The host's code or a member said so.
    Assigned,
    /// Something significant is to be decided about the contact: no machine does that.
    Decision,
    /// The engine's answer was blocked.
    Blocked,
    /// The contact seems to be a minor.
    Minor,
    /// A message may or may not have been sent, and only a person can tell.
    InDoubt,
    /// No engine knew an answer.
    NoAnswer,
    /// The contact wants no automatic messages.
    OptedOut,
    /// A member wrote, here or on the phone.
    MemberWrote,
    /// Another app, or Meta's own agent, holds the thread.
    OtherApp,
    /// Every engine failed.
    EngineFailed,
    /// The contact tells of health, beliefs or another special category: no machine answers that.
    Sensitive,
    /// The use of the contact's data is restricted: nobody may read on, but for the contact's own rights.
    Restricted,
    /// A message could not be sent.
    SendFailed,
    /// The contact asks for a right: their data, its erasure.
    RightsRequest,
    /// Content that an engine can't read: a picture, a voice message.
    Unreadable,
}

/// Who handles a conversation now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Handling {
    /// Engines may answer, as far as tenant and connection allow.
    Engine,
    /// A person: engines are silent until it is handed back.
    Member {
        /// Who, once somebody took it.
        member: Option<MemberId>,
        /// Why it came to a person.
        reason: HandOffReason,
        /// Since when.
        since: DateTime<Utc>,
    },
}

/// The endless thread of one contact with one connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Which.
    pub id: ConversationId,
    /// Through which account.
    pub connection: ConnectionId,
    /// On which channel.
    pub channel: ChannelKind,
    /// With whom.
    pub contact: ContactId,
    /// Who handles it now.
    pub handling: Handling,
    /// The inquiry that is open now, or the last one.
    pub inquiry: Option<InquiryId>,
    /// What waits to be sent, in order.
    pub outbox: Vec<MessageId>,
    /// When the contact last wrote, by the platform's clock: opens the messaging window.
    #[serde(with = "instant::option", default)]
    pub contact_wrote_at: Option<DateTime<Utc>>,
    /// The last thing that happened in it: the order of the inbox.
    #[serde(with = "instant")]
    pub active_at: DateTime<Utc>,
    /// When it began.
    #[serde(with = "instant")]
    pub created_at: DateTime<Utc>,
    /// Until when a code counts that was sent here and has to come back, so that the contact proves who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_until: Option<DateTime<Utc>>,
    /// When another app last took the thread or gave it back, by the platform's clock: what is older changes nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_at: Option<DateTime<Utc>>,
}

impl Conversation {
    /// The most messages that may wait to be sent in one conversation.
    pub const OUTBOX_MAX: usize = 50;

    /// Returns whether engines may answer here, as far as the conversation is concerned.
    #[must_use]
    pub const fn engine_handles(&self) -> bool {
        matches!(self.handling, Handling::Engine)
    }
}

/// How an inquiry ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resolution {
    /// A member, or the host's code, said that it is done.
    Closed,
    /// Nobody wrote for the tenant's idle time after an answer.
    Idle,
}

/// One episode in a conversation: from the contact's first unanswered message to its resolution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inquiry {
    /// Which.
    pub id: InquiryId,
    /// In which conversation.
    pub conversation: ConversationId,
    /// Whose.
    pub contact: ContactId,
    /// When the contact's first message was written, by the platform's clock.
    #[serde(with = "instant")]
    pub opened_at: DateTime<Utc>,
    /// When anybody last wrote in it.
    #[serde(with = "instant")]
    pub active_at: DateTime<Utc>,
    /// When anybody first answered, if anybody did: a member or an engine.
    #[serde(with = "instant::option", default)]
    pub first_reply_at: Option<DateTime<Utc>>,
    /// When a member first answered, if one did.
    #[serde(with = "instant::option", default)]
    pub first_member_reply_at: Option<DateTime<Utc>>,
    /// When it was said in this inquiry that answers are automatic, if it was.
    #[serde(with = "instant::option", default)]
    pub disclosed_at: Option<DateTime<Utc>>,
    /// When and how it ended, if it did.
    pub resolved: Option<(DateTime<Utc>, Resolution)>,
}
