//! Our own ids: sixteen random or time-ordered bytes, never derived from a person's identity.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps an id that an [`IdSource`] made or that was stored before.
            #[must_use]
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// Returns the id as a UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }

            /// Returns the sixteen bytes of the id.
            #[must_use]
            pub const fn into_bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }

            /// Reads an id from its sixteen bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId(stringify!($name)))
            }
        }
    };
}

/// The text is not one of our ids (a UUID).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {0}: expected a UUID")]
pub struct InvalidId(&'static str);

id! {
    /// A business that embeds or uses the assistant.
    TenantId
}
id! {
    /// Any person with rights over data: an account holder, a member, a contact, somebody mentioned. Random, so that
    /// it says nothing about the person and a new one can never be linked to an erased one.
    SubjectId
}
id! {
    /// A tenant's connected Instagram, WhatsApp or Messenger account.
    ConnectionId
}
id! {
    /// The endless thread of one contact with one connection.
    ConversationId
}
id! {
    /// One episode in a conversation: from the contact's first unanswered message to its resolution.
    InquiryId
}
id! {
    /// One item in a conversation.
    MessageId
}
id! {
    /// One file that came with a message.
    MediaId
}
id! {
    /// One breach of personal data.
    BreachId
}
id! {
    /// One hold on a person's data.
    HoldId
}
id! {
    /// One hand-out of a person's data to an authority.
    LegalDisclosureId
}
id! {
    /// One request of a person about their data.
    RequestId
}
id! {
    /// One passing of a business to a new owner.
    TransferId
}
id! {
    /// A proposed reply that waits for a member.
    SuggestionId
}
id! {
    /// One piece of work that waits for the owner of its bucket.
    WorkId
}
id! {
    /// One piece of work that could not be done.
    DeadLetterId
}
id! {
    /// One fact.
    FactId
}
id! {
    /// One record of any kind: the id under which a store keeps it.
    RecordId
}
id! {
    /// A purpose of the host's own.
    PurposeId
}
id! {
    /// One running worker. A process takes a new one at each start, so that a restarted worker is never mistaken for
    /// the one that crashed.
    WorkerId
}

impl TenantId {
    /// The directory: the tenant that holds no business's data but the list of tenants and the routes from a
    /// platform's account ids to them. Everything in it is keyed or sealed like any tenant's own records.
    pub const DIRECTORY: Self = Self(Uuid::nil());
}

/// A person of the tenant's team. A member is a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberId(pub SubjectId);

/// The client who writes. A contact is a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContactId(pub SubjectId);

macro_rules! record_ids {
    ($($name:ident),*) => {$(
        impl From<$name> for RecordId {
            fn from(id: $name) -> Self {
                Self(id.as_uuid())
            }
        }
    )*};
}
record_ids!(
    BreachId,
    LegalDisclosureId,
    TenantId,
    SubjectId,
    ConnectionId,
    ConversationId,
    HoldId,
    InquiryId,
    MediaId,
    MessageId,
    RequestId,
    SuggestionId,
    TransferId,
    WorkId,
    WorkerId,
    DeadLetterId
);

impl From<ContactId> for RecordId {
    fn from(id: ContactId) -> Self {
        id.0.into()
    }
}

impl From<MemberId> for RecordId {
    fn from(id: MemberId) -> Self {
        id.0.into()
    }
}

/// Makes ids. The random ones of production come from `RandomIds` (feature `system`); tests use `SeqIds`.
///
/// # Contract
/// 1. No two calls on any machine return the same id.
/// 2. [`time_ordered`](IdSource::time_ordered) is a UUID version 7: its first 48 bits are `now` in milliseconds. Each one
///    of a source is higher than the one before, also within a millisecond and when the clock goes back: what came
///    first stays first.
/// 3. [`random`](IdSource::random) is a UUID version 4 from a cryptographic source.
/// 4. [`fill`](IdSource::fill) fills the whole slice from the same source.
///
/// [`testing::id_conformance`](crate::testing::id_conformance) proves one, as far as it shows: where its randomness
/// comes from does not.
pub trait IdSource: fmt::Debug + Send + Sync + 'static {
    /// Returns an id whose order follows `now`, so that new records land together on disk.
    fn time_ordered(&self, now: DateTime<Utc>) -> Uuid;

    /// Returns an id without any order, for subjects.
    fn random(&self) -> Uuid;

    /// Fills `bytes` with random bytes: jitter, opaque tags.
    fn fill(&self, bytes: &mut [u8]);
}

/// Builds a UUID version 7 out of a time and random bytes, for implementers of [`IdSource`].
///
/// # Examples
/// The first 48 bits are the Unix time in milliseconds:
/// ```
/// use chrono::DateTime;
/// let now = DateTime::from_timestamp_millis(1_700_000_000_000).unwrap();
/// let id = whisp_core::id::uuid_v7(now, [0xff; 10]);
/// assert_eq!(id.get_version_num(), 7);
/// assert_eq!(id.as_u128() >> 80, 1_700_000_000_000);
/// ```
#[must_use]
pub fn uuid_v7(now: DateTime<Utc>, random: [u8; 10]) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// Returns the time in an id, if it has one.
pub(crate) fn made_at(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}
