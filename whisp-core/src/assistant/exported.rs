//! What the copy of what is kept about somebody is made of, as people and programs read it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::audit::{AuditAction, AuditDetail};
use crate::id::{ConversationId, InquiryId, MessageId, RecordId};
use crate::instant;
use crate::model::{Author, ChannelKind, Content, Delivery, Handle, PlatformMessageId, Provenance, StoryRef};
use crate::privacy::{Act, Device, Disclosure, GlassReason, Network, Purpose, Role, Statement};
use crate::sensitive::Sensitive;
use crate::store::SubjectCursor;

/// The name and version of the form of [`Exported`].
pub const EXPORT_SCHEMA: &str = "whisp-export/1";

/// A part of what is kept about a contact.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportPage {
    /// The entries.
    pub entries: Vec<Exported>,
    /// After what to go on; `None` at the end.
    pub next: Option<SubjectCursor>,
}

/// One thing that is kept about a contact. As JSON it is one object, one line of a file.
///
/// It holds personal data in clear: it is for the person alone, and not for logs.
#[derive(Debug, Clone, Serialize)]
pub struct Exported {
    /// Which.
    pub id: RecordId,
    /// Until when it is kept; absent as long as the person is known.
    #[serde(serialize_with = "instant::option::serialize", skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<DateTime<Utc>>,
    /// What it is.
    #[serde(flatten)]
    pub data: ExportedData,
}

impl Exported {
    /// Returns whether the person gave it to us, by writing, sending or stating it, so that they may take it elsewhere
    /// (Art. 20 GDPR; what was observed of them counts, what was concluded does not).
    #[must_use]
    pub fn is_portable(&self) -> bool {
        match &self.data {
            ExportedData::Contact { .. } | ExportedData::Support { .. } | ExportedData::Usage { .. } => true,
            ExportedData::File { theirs, .. } => *theirs == Some(true),
            // A copy that they brought along they may take along again.
            ExportedData::Statement { act, .. } => act.is_the_persons() || *act == Act::Imported,
            ExportedData::Message { author, .. } => *author == Author::Contact,
            ExportedData::Business { .. }
            | ExportedData::Member { .. }
            | ExportedData::Look { .. }
            | ExportedData::Conversation { .. }
            | ExportedData::Disclosure { .. }
            | ExportedData::Inquiry { .. }
            | ExportedData::Index { .. }
            | ExportedData::Logged { .. }
            | ExportedData::Suggestion { .. }
            | ExportedData::Raw { .. }
            | ExportedData::Undone { .. }
            | ExportedData::Other { .. } => false,
        }
    }
}

/// What one thing is that is kept about a contact.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExportedData {
    /// The business whose account holder they are.
    Business {
        /// Its name.
        name: Sensitive,
        /// Its IANA time zone.
        zone: String,
        /// Since when it is served.
        created_at: DateTime<Utc>,
    },
    /// Who they are to us.
    Contact {
        /// The name in their profile.
        name: Option<Sensitive>,
        /// Their ids on the platform.
        handles: Vec<Handle>,
    },
    /// A conversation.
    Conversation {
        /// On which channel.
        channel: ChannelKind,
        /// Since when.
        created_at: DateTime<Utc>,
        /// When something was said last.
        active_at: DateTime<Utc>,
        /// Whether engines may answer in it now.
        engines_answer: bool,
    },
    /// That data of theirs went to somebody else.
    Disclosure {
        /// What, and to whom.
        #[serde(flatten)]
        disclosure: Disclosure,
    },
    /// What more is known of an event of the audit log about them.
    Logged {
        /// What was done.
        action: AuditAction,
        /// When.
        at: DateTime<Utc>,
        /// What more is known.
        detail: AuditDetail,
    },
    /// That somebody of the team looked at a conversation that was not theirs.
    Look {
        /// Why.
        reason: GlassReason,
        /// When.
        at: DateTime<Utc>,
    },
    /// A place in the team.
    Member {
        /// The name that colleagues see.
        name: Sensitive,
        /// What they are there for.
        role: Role,
        /// Since when.
        joined_at: DateTime<Utc>,
    },
    /// An inquiry.
    Inquiry {
        /// In which conversation.
        conversation: ConversationId,
        /// When it began.
        opened_at: DateTime<Utc>,
        /// When it was answered first.
        first_reply_at: Option<DateTime<Utc>>,
        /// When it was resolved.
        resolved_at: Option<DateTime<Utc>>,
    },
    /// A message, theirs or the business's.
    Message {
        /// In which conversation.
        conversation: ConversationId,
        /// Who wrote it; an engine is named, so that it can be seen what a machine wrote.
        #[serde(flatten)]
        author: Author,
        /// How it came to us.
        provenance: Provenance,
        /// What it says.
        content: Content,
        /// When.
        #[serde(serialize_with = "instant::serialize")]
        at: DateTime<Utc>,
        /// The platform's id of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        platform_id: Option<PlatformMessageId>,
        /// The platform's id of the message that it quotes.
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_to: Option<PlatformMessageId>,
        /// The story that it answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        story: Option<StoryRef>,
        /// What was noted beside it, because somebody says that it is wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<Sensitive>,
        /// To which inquiry it belongs.
        #[serde(skip_serializing_if = "Option::is_none")]
        inquiry: Option<InquiryId>,
        /// What became of it, if it went out.
        #[serde(skip_serializing_if = "Option::is_none")]
        delivery: Option<Delivery>,
    },
    /// A file that came with a message. Its bytes are read with [`Desk::open_media`](super::Desk::open_media).
    File {
        /// With which message.
        message: MessageId,
        /// Whether the person sent it. Not told where the message is gone.
        #[serde(skip_serializing_if = "Option::is_none")]
        theirs: Option<bool>,
        /// Its type, as its sender told it.
        mime: Option<String>,
        /// Its name, as its sender chose it.
        filename: Option<Sensitive>,
        /// How many bytes it has, if it is kept.
        size: Option<u64>,
    },
    /// What an engine proposed to answer them.
    Suggestion {
        /// In which conversation.
        conversation: ConversationId,
        /// Which engine.
        engine: String,
        /// What it proposed.
        content: Content,
        /// When.
        at: DateTime<Utc>,
        /// Whether it decides something significant about them, which a member does.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        decides: bool,
    },
    /// What was said about the use of their data.
    Statement {
        /// What.
        #[serde(flatten)]
        statement: Statement,
        /// Who did what to say it.
        #[serde(flatten)]
        act: Act,
        /// When.
        at: DateTime<Utc>,
    },
    /// What they gave when they asked for help.
    Support {
        /// What they said.
        text: Sensitive,
        /// When.
        at: DateTime<Utc>,
    },
    /// That they used something of the host's product.
    Usage {
        /// For what that is noted.
        purpose: Purpose,
        /// What.
        feature: String,
        /// From which network.
        #[serde(skip_serializing_if = "Option::is_none")]
        network: Option<Network>,
        /// On what kind of device.
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<Device>,
        /// When, to the minute.
        at: DateTime<Utc>,
    },
    /// Something of the platform that we could not read.
    Raw {
        /// As it came.
        value: Value,
    },
    /// Something about them that could not be done.
    Undone {
        /// Why.
        reason: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// A keyed digest of one of their ids, by which they are found: it says nothing to anybody without the key.
    Index {},
    /// A record of a kind of the host's own: what of it is in clear. The rest only the host can open.
    Other {
        /// The name of the kind.
        name: String,
        /// What is in clear.
        clear: Value,
    },
}

impl ExportedData {
    /// Returns the name of the kind, as in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Business { .. } => "business",
            Self::Contact { .. } => "contact",
            Self::Conversation { .. } => "conversation",
            Self::Disclosure { .. } => "disclosure",
            Self::File { .. } => "file",
            Self::Index {} => "index",
            Self::Inquiry { .. } => "inquiry",
            Self::Logged { .. } => "logged",
            Self::Look { .. } => "look",
            Self::Member { .. } => "member",
            Self::Message { .. } => "message",
            Self::Other { .. } => "other",
            Self::Raw { .. } => "raw",
            Self::Statement { .. } => "statement",
            Self::Suggestion { .. } => "suggestion",
            Self::Support { .. } => "support",
            Self::Undone { .. } => "undone",
            Self::Usage { .. } => "usage",
        }
    }
}
