//! Facts: content-free events that KPIs fold over.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::Retry;
use crate::id::{ConnectionId, ConversationId, FactId, InquiryId, MemberId, SubjectId};
use crate::store::{StoreError, StoreErrorKind};

/// What happened. The numbers are persisted: they never change and are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum FactKind {
    /// A contact wrote. `at` is the platform's time.
    MessageIn = 1,
    /// The business wrote: the actor says who. `at` is when the platform took it.
    MessageOut = 2,
    /// An inquiry began. `at` is the time of the contact's first message.
    InquiryOpened = 3,
    /// An inquiry ended.
    InquiryResolved = 4,
    /// An ended inquiry went on.
    InquiryReopened = 5,
    /// A conversation went to a person.
    HandedOff = 6,
    /// A person gave a conversation back to the engines.
    HandedBack = 7,
    /// An engine proposed a reply to a member.
    Suggested = 8,
    /// A message could not be sent.
    SendFailed = 9,
    /// A message reached a device.
    Delivered = 10,
    /// A message was read.
    Read = 11,
}

impl FactKind {
    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::MessageIn,
            2 => Self::MessageOut,
            3 => Self::InquiryOpened,
            4 => Self::InquiryResolved,
            5 => Self::InquiryReopened,
            6 => Self::HandedOff,
            7 => Self::HandedBack,
            8 => Self::Suggested,
            9 => Self::SendFailed,
            10 => Self::Delivered,
            11 => Self::Read,
            _ => return None,
        })
    }
}

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The client.
    Contact,
    /// An engine.
    Engine,
    /// A person of the team; `None` when nobody knows which (the message was typed on the phone).
    Member(Option<MemberId>),
    /// Whisp itself: a disclosure, a notice.
    System,
}

/// A content-free event. It names people by their random ids alone, which lead to nobody once they are erased, so it stays
/// when a contact is, for as long as facts are kept: [`Retention::facts`](crate::assistant::Retention::facts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Which. With `at` the key.
    pub id: FactId,
    /// When it happened; to the microsecond.
    pub at: DateTime<Utc>,
    /// What happened.
    pub kind: FactKind,
    /// Who did it.
    pub actor: Actor,
    /// Through which connection.
    pub connection: ConnectionId,
    /// In which conversation.
    pub conversation: ConversationId,
    /// In which inquiry, where it is known.
    pub inquiry: Option<InquiryId>,
}

/// The version of the encoding that this library writes.
const VERSION: u8 = 1;

/// The length of an encoded fact: version, kind, actor, flags, four ids.
const FACT_LEN: usize = 4 + 4 * 16;

/// The flag of a fact whose actor is a member who is known.
const HAS_MEMBER: u8 = 1;

/// The flag of a fact whose inquiry is known.
const HAS_INQUIRY: u8 = 1 << 1;

impl Fact {
    /// Encodes all but the key (`at`, `id`), for stores that keep bytes: a version byte, kind, actor, flags, ids.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (actor, member) = match self.actor {
            Actor::Contact => (1, None),
            Actor::Engine => (2, None),
            Actor::Member(member) => (3, member),
            Actor::System => (4, None),
        };
        let flags =
            if member.is_some() { HAS_MEMBER } else { 0 } | if self.inquiry.is_some() { HAS_INQUIRY } else { 0 };
        let mut bytes = Vec::with_capacity(FACT_LEN);
        bytes.extend([VERSION, self.kind as u8, actor, flags]);
        bytes.extend(self.connection.into_bytes());
        bytes.extend(self.conversation.into_bytes());
        bytes.extend(member.map(|member| member.0.into_bytes()).unwrap_or_default());
        bytes.extend(self.inquiry.map(InquiryId::into_bytes).unwrap_or_default());
        bytes
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// [`StoreErrorKind::Corrupt`] if it did not, [`StoreErrorKind::Newer`] if a later version did.
    pub fn from_bytes(at: DateTime<Utc>, id: FactId, bytes: &[u8]) -> Result<Self, StoreError> {
        let corrupt = || StoreError::new("read fact", StoreErrorKind::Corrupt, Retry::Never);
        if bytes.first().is_some_and(|version| *version > VERSION) {
            return Err(StoreError::new("read fact", StoreErrorKind::Newer, Retry::Never)
                .with_advice("open the store with the version of whisp that wrote it"));
        }
        let ([version, kind, actor, flags], rest) = bytes.split_first_chunk::<4>().ok_or_else(corrupt)?;
        if *version != VERSION || bytes.len() != FACT_LEN || flags & !(HAS_MEMBER | HAS_INQUIRY) != 0 {
            return Err(corrupt());
        }
        let (connection, rest) = rest.split_first_chunk::<16>().ok_or_else(corrupt)?;
        let (conversation, rest) = rest.split_first_chunk::<16>().ok_or_else(corrupt)?;
        let (member, rest) = rest.split_first_chunk::<16>().ok_or_else(corrupt)?;
        let inquiry = rest.first_chunk::<16>().ok_or_else(corrupt)?;
        let member = (flags & HAS_MEMBER != 0).then(|| MemberId(SubjectId::from_bytes(*member)));
        Ok(Self {
            id,
            at,
            kind: FactKind::from_code(*kind).ok_or_else(corrupt)?,
            actor: match actor {
                1 => Actor::Contact,
                2 => Actor::Engine,
                3 => Actor::Member(member),
                4 => Actor::System,
                _ => return Err(corrupt()),
            },
            connection: ConnectionId::from_bytes(*connection),
            conversation: ConversationId::from_bytes(*conversation),
            inquiry: (flags & HAS_INQUIRY != 0).then(|| InquiryId::from_bytes(*inquiry)),
        })
    }
}
