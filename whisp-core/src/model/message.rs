//! Messages and suggestions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ContactId, ConversationId, InquiryId, MemberId, MessageId, SuggestionId};
use crate::model::{Content, Delivery, Handle, PlatformMessageId, StoryRef};
use crate::reply::EngineId;
use crate::sensitive::Sensitive;

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "author", rename_all = "snake_case")]
pub enum Author {
    /// The client.
    Contact,
    /// A person of the team; which one is unknown when the message was typed on the phone.
    Member {
        /// Who, if known.
        member: Option<MemberId>,
    },
    /// An engine.
    Engine {
        /// Which.
        engine: EngineId,
    },
    /// Whisp itself: a disclosure, a notice of a hand-off.
    System,
}

impl Author {
    /// Returns whether a machine wrote it. Such a message may never carry a tag that promises a human.
    #[must_use]
    pub const fn is_automatic(&self) -> bool {
        matches!(self, Self::Engine { .. } | Self::System)
    }
}

/// How a message came to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// The platform repeats what the business sent: we did, another app did, or a member on the phone.
    Echo,
    /// Imported from before the connection: never answered, never counted, opens no window.
    History,
    /// Out of a copy that the person brought from elsewhere ([`Desk::import`](crate::assistant::Desk::import)): never answered,
    /// never counted, opens no window.
    Imported,
    /// As it happened. Only this wakes an engine.
    Live,
    /// Another app or Meta's own agent holds the thread: kept, never answered.
    Standby,
    /// We sent it.
    Sent,
}

/// One item in a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Which.
    pub id: MessageId,
    /// Where.
    pub conversation: ConversationId,
    /// The contact of the conversation: the subject whose key seals the message.
    pub contact: ContactId,
    /// Who wrote it.
    pub author: Author,
    /// How it came to us.
    pub provenance: Provenance,
    /// What it says.
    pub content: Content,
    /// The platform's id, once there is one.
    pub platform_id: Option<PlatformMessageId>,
    /// The handle that the contact wrote from, or that it goes to.
    pub handle: Option<Handle>,
    /// The message that it answers, if it quotes one.
    pub reply_to: Option<PlatformMessageId>,
    /// The story of the business that it answers, on Instagram.
    pub story: Option<StoryRef>,
    /// When it was written, by the platform's clock.
    pub at: DateTime<Utc>,
    /// When we took it in, or decided to send it.
    pub received_at: DateTime<Utc>,
    /// The inquiry that it answers, for what we send. `None` for what came in: the inquiries' own times tell.
    pub inquiry: Option<InquiryId>,
    /// How often what is sealed of it changed: 0 as it came, plus one for each edit, note and id of the platform.
    pub revision: u32,
    /// What a member noted beside it, because somebody says that it is wrong
    /// ([`Requests::annotate`](crate::assistant::Requests::annotate)). Engines do not see it.
    pub note: Option<Sensitive>,
    /// What became of it, if it went out.
    pub delivery: Option<Delivery>,
}

/// What became of a suggestion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SuggestionState {
    /// It waits for a member.
    Open,
    /// A member sent it, as it was or edited.
    Used,
    /// A member turned it down.
    Rejected,
    /// The conversation went on without it.
    Stale,
}

/// A proposed reply that waits for a member.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// Which.
    pub id: SuggestionId,
    /// Where.
    pub conversation: ConversationId,
    /// The contact of the conversation.
    pub contact: ContactId,
    /// Who proposes.
    pub engine: EngineId,
    /// What is proposed.
    pub content: Content,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether it decides something significant about the contact, so that a member who is named has to
    /// ([`Decision::Decide`](crate::reply::Decision::Decide)).
    pub decides: bool,
    /// What became of it.
    pub state: SuggestionState,
}
