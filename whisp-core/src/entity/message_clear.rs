//! What of a message is in clear: what is needed to move its delivery forward, or to count it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{InquiryId, MemberId};
use crate::instant;
use crate::model::{Author, ContentKind, Delivery, Provenance};
use crate::reply::EngineId;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Read")]
pub(crate) struct MessageClear {
    #[serde(flatten)]
    pub(crate) author: Author,
    pub(crate) provenance: Provenance,
    pub(crate) kind: ContentKind,
    #[serde(with = "instant")]
    pub(crate) at: DateTime<Utc>,
    #[serde(with = "instant")]
    pub(crate) received_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inquiry: Option<InquiryId>,
    pub(crate) revision: u32,
    /// When the author edited it last, by the platform's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edited_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery: Option<Delivery>,
    /// Our opaque tag on a message that goes out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
    /// Whether it goes out so that the person can use a right: under restriction too, whoever has the conversation, and no
    /// engine sees it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) for_rights: bool,
}

/// The same as it is read, which is more often than anything else: what is flattened would be buffered first.
#[derive(Deserialize)]
struct Read {
    author: Word,
    #[serde(default)]
    member: Option<MemberId>,
    #[serde(default)]
    engine: Option<EngineId>,
    provenance: Provenance,
    kind: ContentKind,
    #[serde(with = "instant")]
    at: DateTime<Utc>,
    #[serde(with = "instant")]
    received_at: DateTime<Utc>,
    #[serde(default)]
    inquiry: Option<InquiryId>,
    revision: u32,
    #[serde(default)]
    edited_at: Option<DateTime<Utc>>,
    #[serde(default)]
    delivery: Option<Delivery>,
    #[serde(default)]
    tag: Option<String>,
    #[serde(default)]
    for_rights: bool,
}

/// Which [`Author`].
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Contact,
    Member,
    Engine,
    System,
}

impl TryFrom<Read> for MessageClear {
    type Error = &'static str;

    fn try_from(read: Read) -> Result<Self, Self::Error> {
        let author = match (read.author, read.engine) {
            (Word::Contact, _) => Author::Contact,
            (Word::Member, _) => Author::Member { member: read.member },
            (Word::Engine, Some(engine)) => Author::Engine { engine },
            (Word::Engine, None) => return Err("an engine's message does not say which engine wrote it"),
            (Word::System, _) => Author::System,
        };
        Ok(Self {
            author,
            provenance: read.provenance,
            kind: read.kind,
            at: read.at,
            received_at: read.received_at,
            inquiry: read.inquiry,
            revision: read.revision,
            edited_at: read.edited_at,
            delivery: read.delivery,
            tag: read.tag,
            for_rights: read.for_rights,
        })
    }
}
