//! What comes in: a platform's webhook, verified and taken apart into items that each stand alone.

use std::fmt;
use std::ops::{Deref, DerefMut};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::define_error;
use crate::model::{
    AccountId, ChannelKind, Content, DeliveryStep, FailureCode, Handle, Media, PlatformMessageId, Provenance, StoryRef,
};
use crate::sensitive::{Sensitive, Text};

/// A request as the host's web framework received it. The body is raw: a signature is over bytes, and a body that was
/// parsed and written again no longer matches it.
#[derive(Clone)]
pub struct WebhookRequest {
    /// The header `X-Hub-Signature-256`, or the channel's own, if it came.
    pub signature: Option<String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// When it was received.
    pub received_at: DateTime<Utc>,
}

impl fmt::Debug for WebhookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookRequest({} bytes at {})", self.body.len(), self.received_at)
    }
}

/// Verifies and takes apart a webhook. Pure: no clock, no network, no state.
///
/// # Contract
/// 1. The signature is checked over the raw bytes, in constant time, before anything is parsed; without a valid one
///    nothing of the body is returned.
/// 2. What is signed but not understood is an item of [`Event::Unknown`] with its raw JSON, never an error. A message of
///    which only the content is not understood stays a message, because somebody waits for an answer: its content is
///    [`Content::Unsupported`], its JSON is in [`Extra::raw`].
/// 3. Every item of a batch stands alone: a malformed one is [`Event::Unknown`] and its siblings are decoded.
/// 4. The same bytes give the same items, with the same [`Item::dedup`].
/// 5. A redelivery of an item, alone or in another batch, gives the same [`Item::dedup`]; two different items of one
///    account never do.
/// 6. Items keep the order of the body.
/// 7. `decode` never panics, whatever the bytes.
///
/// [`testing::decoder_conformance`](crate::testing::decoder_conformance) proves one.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait WebhookDecoder: fmt::Debug + Send + Sync + 'static {
    /// Verifies `request` and takes it apart.
    ///
    /// # Errors
    /// [`WebhookErrorKind::Unsigned`], [`BadSignature`](WebhookErrorKind::BadSignature): answer 401.
    /// [`TooLarge`](WebhookErrorKind::TooLarge): answer 413.
    /// [`Malformed`](WebhookErrorKind::Malformed), signed but not JSON of the platform's envelope: answer 400 and look
    /// at what sends it.
    fn decode(&self, request: &WebhookRequest) -> Result<Delivery, WebhookError>;
}

define_error! {
    /// Why a webhook was refused.
    WebhookError, WebhookErrorKind {
        /// The signature does not match the body under any of the secrets.
        BadSignature = "the signature does not match",
        /// The body is signed but is not what the platform sends.
        Malformed = "the body is not a webhook of this platform",
        /// The body is larger than the platform ever sends.
        TooLarge = "the body is too large",
        /// The signature is missing or is not one.
        Unsigned = "the signature is missing or malformed",
    }
}

/// What one webhook delivered. Its texts may be parts of the body, which then stays in memory as long as any of them: take
/// it in, and keep none of it ([`Text`] says how to keep one).
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// The items, in the order of the body.
    pub items: Vec<Item>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// On which channel.
    pub channel: ChannelKind,
    /// On which account of the business: by it the tenant is found. `None` where the platform does not say.
    pub account: Option<AccountId>,
    /// How it came.
    pub provenance: Provenance,
    /// When it happened, by the platform's clock; the time of receipt where the platform does not say.
    pub at: DateTime<Utc>,
    /// The identity of the item for de-duplication: the platform's ids of it, or a digest. Personal data, so it is only
    /// kept as a keyed index.
    pub dedup: Sensitive,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A message: from a contact, an echo of the business's own, or imported history; see [`Item::provenance`].
    Message(MessageEvent),
    /// The author changed a message.
    Edited {
        /// With whom the conversation is, if told.
        contact: Option<ContactRef>,
        /// Which message.
        target: PlatformMessageId,
        /// What it says now; `None` where the platform only says that it changed.
        content: Option<Content>,
    },
    /// The author took a message back: its content must go.
    Unsent {
        /// With whom the conversation is, if told.
        contact: Option<ContactRef>,
        /// Which message.
        target: PlatformMessageId,
    },
    /// What became of a message that the business sent.
    Receipt(Receipt),
    /// A contact came through a link or an advertisement and wrote nothing yet.
    Referral {
        /// Who.
        contact: ContactRef,
        /// Where from.
        referral: Referral,
    },
    /// A contact's ids changed: a new number, a new BSUID. From the item's time on the old ones are nobody's, or somebody
    /// else's; what was written under them before still finds the contact.
    IdentityChanged {
        /// The ids that no longer hold. An id that is among the new ones too has stayed.
        old: Vec<Handle>,
        /// The ids that hold now.
        new: Vec<Handle>,
    },
    /// A contact chose to stop or resume the business's marketing messages, in the platform's own settings.
    Preference {
        /// Who.
        contact: ContactRef,
        /// What about, as the platform names it: `marketing_messages`.
        category: String,
        /// Whether they are wanted.
        wanted: bool,
    },
    /// Another app took the thread, or gave it back.
    Thread {
        /// With whom.
        contact: Option<ContactRef>,
        /// Whether this app may write now.
        ours: bool,
    },
    /// A public comment or a mention.
    Comment(Comment),
    /// Imported history: how far it is, or that the owner declined.
    HistoryProgress {
        /// 0 to 100; `None` when the owner declined to share it.
        percent: Option<u8>,
    },
    /// A contact of the phone's address book was added or removed.
    AddressBook {
        /// Who.
        contact: ContactRef,
        /// Whether it was removed.
        removed: bool,
    },
    /// The platform reports an error that belongs to no message.
    Failure {
        /// The platform's code.
        code: FailureCode,
    },
    /// Something about the account, a template, a call, a group, ...: documented by the platform, not part of a
    /// conversation. Kept raw for the host.
    Notice {
        /// The platform's name of it: `account_update`, `message_template_status_update`, `calls`, ...
        topic: String,
        /// The item, JSON as it came.
        raw: Sensitive,
    },
    /// Not in the platform's reference, or malformed, and no message ([`Extra::raw`]). Kept raw and sealed for a short
    /// time.
    Unknown {
        /// The platform's name of the type or field, if there is one.
        kind: Option<String>,
        /// With whom, if it could be read.
        contact: Option<ContactRef>,
        /// The item, JSON as it came.
        raw: Sensitive,
    },
}

impl Event {
    /// Returns whether it, or the content of the message that it is, was not understood: it is not in the platform's
    /// reference, or malformed.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Message(message) => message.extras.raw.is_some(),
            event => matches!(event, Self::Unknown { .. }),
        }
    }
}

/// A person as a webhook names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactRef {
    /// Every id that the webhook tells, the one to prefer for matching first: BSUID, parent BSUID, phone number.
    pub handles: Vec<Handle>,
    /// The name in the person's profile, if told.
    pub name: Option<Sensitive>,
}

/// A message in a webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageEvent {
    /// The platform's id. `None` only where the platform gives none (WhatsApp's `request_welcome`).
    pub id: Option<PlatformMessageId>,
    /// The contact of the conversation: the sender of a live message, the recipient of an echo.
    pub contact: ContactRef,
    /// Whether the business wrote it: an echo, or the business's part of imported history.
    pub outgoing: bool,
    /// What it says.
    pub content: Content,
    /// What only some messages have.
    pub extras: Extras,
}

impl MessageEvent {
    /// A message from `contact` that says `content`, with nothing else known.
    #[must_use]
    pub const fn new(id: Option<PlatformMessageId>, contact: ContactRef, content: Content) -> Self {
        Self { id, contact, outgoing: false, content, extras: Extras::NONE }
    }
}

/// What only some messages have: it reads, and is changed, as the [`Extra`] in it, and takes memory only once it is changed.
///
/// # Examples
/// ```
/// use whisp_core::webhook::Extras;
/// let mut extras = Extras::NONE;
/// assert!(!extras.forwarded);
/// extras.forwarded = true;
/// assert!(extras.forwarded && extras != Extras::NONE);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Extras(Option<Box<Extra>>);

impl Extras {
    /// None of it.
    pub const NONE: Self = Self(None);
}

impl Deref for Extras {
    type Target = Extra;

    fn deref(&self) -> &Extra {
        static NONE: Extra = Extra::NONE;
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for Extras {
    fn deref_mut(&mut self) -> &mut Extra {
        self.0.get_or_insert_default()
    }
}

impl PartialEq for Extras {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl From<Extra> for Extras {
    fn from(extra: Extra) -> Self {
        Self(Some(extra).filter(|extra| *extra != Extra::NONE).map(Box::new))
    }
}

/// What may be told of a message beside who wrote it and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extra {
    /// The message that it answers.
    pub reply_to: Option<PlatformMessageId>,
    /// The story that it answers.
    pub story: Option<StoryRef>,
    /// Whether it was forwarded.
    pub forwarded: bool,
    /// The link or the advertisement that brought the contact.
    pub referral: Option<Referral>,
    /// On an echo: the app that sent it, if the platform tells.
    pub app: Option<Text>,
    /// On an echo of our own send: the opaque tag that we sent with it ([`Outbound::tag`](crate::channel::Outbound)).
    pub tag: Option<Text>,
    /// In a group, the group's id: groups are kept apart and never answered.
    pub group: Option<Sensitive>,
    /// The item, JSON as it came, of a message whose type is not in the platform's reference or whose content is malformed;
    /// the content is then [`Content::Unsupported`]. Kept sealed for a short time beside the message.
    pub raw: Option<Sensitive>,
}

impl Extra {
    const NONE: Self = Self {
        reply_to: None,
        story: None,
        forwarded: false,
        referral: None,
        app: None,
        tag: None,
        group: None,
        raw: None,
    };
}

/// Where a contact came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Referral {
    /// The platform's word for the source: `ad`, `post`, `IGME_LINK`, `SHORTLINK`, ...
    pub source: Option<String>,
    /// The id of the advertisement or the post.
    pub source_id: Option<Sensitive>,
    /// The business's own parameter in the link.
    pub parameter: Option<Sensitive>,
    /// What the advertisement said.
    pub headline: Option<Sensitive>,
    /// WhatsApp's click id.
    pub click_id: Option<Sensitive>,
}

/// A public comment or mention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// The platform's id of the comment; `None` for a mention in a caption.
    pub id: Option<PlatformMessageId>,
    /// The post.
    pub media: Option<Sensitive>,
    /// Who wrote it, if told.
    pub from: Option<ContactRef>,
    /// What it says, if told.
    pub text: Option<Sensitive>,
}

/// What became of messages that the business sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which messages.
    pub target: ReceiptTarget,
    /// With whom the conversation is, if told: WhatsApp leaves it out of some failures.
    pub contact: Option<ContactRef>,
    /// How far they have come: [`Sent`](DeliveryStep::Sent), [`Delivered`](DeliveryStep::Delivered),
    /// [`Read`](DeliveryStep::Read), [`Played`](DeliveryStep::Played) or [`Failed`](DeliveryStep::Failed).
    pub step: DeliveryStep,
    /// Why it failed, if it did.
    pub failure: Option<FailureCode>,
    /// Whether it failed because the contact has stopped marketing messages in the platform's own settings.
    pub opted_out: bool,
    /// The opaque tag that we sent with the message, where the platform returns it.
    pub tag: Option<Text>,
    /// What the message cost, in the platform's words: WhatsApp's pricing category.
    pub pricing: Option<Text>,
}

/// Which messages a receipt is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptTarget {
    /// These.
    Messages(Vec<PlatformMessageId>),
    /// All that were sent up to this time.
    UpTo(DateTime<Utc>),
}

/// Names the media of an item, for hosts that fetch them.
impl Item {
    /// Returns the media that came with the item.
    #[must_use]
    pub fn media(&self) -> &[Media] {
        match &self.event {
            Event::Message(message) => match &message.content {
                Content::Media { items, .. } => items,
                _ => &[],
            },
            _ => &[],
        }
    }
}
