//! What goes out: a channel sends one message, or says why it could not.

mod pace;
mod split;

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use pace::{Pace, Rate, Usage};

use crate::error::{Retry, define_error};
use crate::model::{Author, ChannelKind, Connection, Content, Handle, HandleKind, Media, PlatformMessageId};
use crate::privacy::{Denied, Grant};
use crate::sensitive::Sensitive;

/// Sends messages on one channel.
///
/// # Contract
/// 1. [`send`](Channel::send) makes at most one attempt; retries are the pipeline's.
/// 2. It reads what to send through [`Outbound::release`], right before the bytes leave, and sends nothing when that
///    denies: the error's kind is [`ChannelErrorKind::Denied`].
/// 3. An answer that was never seen (a time-out, a broken connection after the request left) is
///    [`Retry::OutcomeUnknown`], never "try again".
/// 4. A refusal by the platform carries its code ([`ChannelError::code`]); whether to try again is in
///    [`ChannelError::retry`].
/// 5. [`capabilities`](Channel::capabilities) never change while the channel lives, and what they do not list is
///    refused with [`ChannelErrorKind::Unsupported`] before any call.
/// 6. No error, `Debug` or log holds the token, the text or a handle.
/// 7. What is wrong with one message or one contact is not told as what is wrong with the connection
///    ([`Auth`](ChannelErrorKind::Auth), [`RateLimited`](ChannelErrorKind::RateLimited),
///    [`Unavailable`](ChannelErrorKind::Unavailable)): after such an error nothing goes through the connection for a while.
/// 8. [`forget`](Channel::forget) may be repeated: a person who is not in the book, or no longer, is forgotten. It makes at
///    most one attempt. Where [`Capabilities::contact_book`] lists no such handle it is
///    [`Unsupported`](ChannelErrorKind::Unsupported), before any call.
///
/// # Cancellation
/// Dropping `send` leaves the outcome unknown: the message may or may not have gone out. Dropping `forget` too: repeat it.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Channel: fmt::Debug + Send + Sync + 'static {
    /// Returns which channel it is.
    fn kind(&self) -> ChannelKind;

    /// Returns what the channel can do.
    fn capabilities(&self) -> Capabilities;

    /// Sends one message, or one signal, through `connection`.
    ///
    /// # Errors
    /// By [`ChannelErrorKind`].
    async fn send(&self, connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError>;

    /// Has the platform delete a person from the business's contact book ([`Capabilities::contact_book`]), because they are
    /// erased. There is no [`Outbound`] around it: it says nothing to anybody, and whoever it is about has no key any more.
    ///
    /// # Errors
    /// By [`ChannelErrorKind`]. [`Retry::Never`] says that the platform won't, ever.
    async fn forget(&self, connection: &Connection, handle: &Handle) -> Result<(), ChannelError> {
        let _ = (connection, handle);
        Err(ChannelError::new("forget", ChannelErrorKind::Unsupported, Retry::Never))
    }
}

/// What a channel can do, and its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// How long a text may be.
    pub text: TextLimit,
    /// How long after the contact's last message anything may be sent. `None`: always.
    pub window: Option<TimeDelta>,
    /// How long a member (never a machine) may still write after that, with the channel's tag for it.
    pub human_window: Option<TimeDelta>,
    /// Whether templates can be sent, which are allowed outside the window.
    pub templates: bool,
    /// The most buttons under a text; 0 for none.
    pub buttons_max: usize,
    /// The most characters of a button's title, and of what the button says that opens a list.
    pub button_title_max: usize,
    /// How long the text above buttons may be.
    pub button_text: TextLimit,
    /// The most rows in a list; 0 for none.
    pub rows_max: usize,
    /// The most characters of a row's title.
    pub row_title_max: usize,
    /// The most characters of a row's description.
    pub row_description_max: usize,
    /// Whether media can be sent by link.
    pub media: bool,
    /// Whether a message can be reacted to.
    pub reactions: bool,
    /// Whether a message can quote another.
    pub replies: bool,
    /// Whether messages can be marked as read and typing can be shown.
    pub signals: bool,
    /// By which of a person's handles the platform deletes them from the book of contacts that it keeps for the business;
    /// `None` where it keeps none.
    pub contact_book: Option<HandleKind>,
    /// How fast messages may go. A host that knows better says so for one connection with
    /// [`set_rate`](crate::assistant::Assistant::set_rate).
    pub pace: Pace,
}

impl Capabilities {
    /// A channel that sends texts of up to `limit`, at any time and pace, and nothing else.
    #[must_use]
    pub const fn text_only(limit: TextLimit) -> Self {
        Self {
            text: limit,
            window: None,
            human_window: None,
            templates: false,
            buttons_max: 0,
            button_title_max: 0,
            button_text: limit,
            rows_max: 0,
            row_title_max: 0,
            row_description_max: 0,
            media: false,
            reactions: false,
            replies: false,
            signals: false,
            contact_book: None,
            pace: Pace::UNLIMITED,
        }
    }
}

/// How long a text may be, in the unit that the channel counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextLimit {
    /// So many bytes of UTF-8 (Instagram).
    Bytes(usize),
    /// So many Unicode characters (WhatsApp, Messenger).
    Chars(usize),
}

/// What to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "send", rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutboundBody {
    /// A text.
    Text {
        /// The text.
        text: Sensitive,
    },
    /// Media by a public HTTPS link.
    Media {
        /// What and where.
        media: Media,
        /// The text under it.
        caption: Option<Sensitive>,
    },
    /// A text with buttons.
    Buttons {
        /// The text.
        text: Sensitive,
        /// The buttons.
        buttons: Vec<Choice>,
    },
    /// A text with a list to choose from.
    List {
        /// The text.
        text: Sensitive,
        /// What the button that opens the list says.
        button: String,
        /// The sections of the list.
        sections: Vec<ListSection>,
    },
    /// A template that the platform approved.
    Template(Template),
    /// A reaction; `None` takes it back.
    Reaction {
        /// To which message.
        target: PlatformMessageId,
        /// The emoji.
        emoji: Option<Sensitive>,
    },
    /// Marks the contact's messages up to this one as read, and shows that an answer is being typed. Not a message.
    Seen {
        /// The contact's message.
        target: PlatformMessageId,
        /// Whether to show typing.
        typing: bool,
    },
}

impl OutboundBody {
    /// Makes a text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text { text: text.into() }
    }
}

impl OutboundBody {
    /// Returns what it says, as a message in the conversation.
    #[must_use]
    pub fn content(&self) -> Content {
        let choices = |all: &[Choice]| -> Vec<_> { all.iter().map(|c| (c.id.clone(), c.title.clone())).collect() };
        match self {
            Self::Text { text } => Content::Text { text: text.clone() },
            Self::Media { media, caption } => Content::Media { items: vec![media.clone()], caption: caption.clone() },
            Self::Buttons { text, buttons } => Content::Interactive { text: text.clone(), choices: choices(buttons) },
            Self::List { text, sections, .. } => Content::Interactive {
                text: text.clone(),
                choices: sections.iter().flat_map(|section| choices(&section.rows)).collect::<Vec<_>>(),
            },
            Self::Template(template) => Content::Template {
                name: template.name.clone(),
                language: template.language.clone(),
                parameters: template
                    .body
                    .iter()
                    .filter_map(|value| match value {
                        TemplateValue::Text { text, .. } => Some(text.clone()),
                        TemplateValue::Media(_) => None,
                    })
                    .collect(),
            },
            Self::Reaction { target, emoji } => Content::Reaction { target: target.clone(), emoji: emoji.clone() },
            Self::Seen { .. } => Content::Placeholder,
        }
    }
}

/// Something to press.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What comes back when it is pressed.
    pub id: Sensitive,
    /// What it says.
    pub title: Sensitive,
    /// A second line, in lists only.
    pub description: Option<Sensitive>,
}

/// A section of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSection {
    /// Its title; needed when there are several.
    pub title: Option<Sensitive>,
    /// Its rows.
    pub rows: Vec<Choice>,
}

/// A template that the platform approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Its language, as the platform writes it: `en_US`, `ru`, `kk`.
    pub language: String,
    /// The values of the header, if it takes any.
    pub header: Vec<TemplateValue>,
    /// The values of the body.
    pub body: Vec<TemplateValue>,
    /// The payloads of the quick-reply buttons, by their index.
    pub buttons: Vec<Sensitive>,
}

/// A value put into a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TemplateValue {
    /// A text; its name where the template's parameters are named.
    Text {
        /// The parameter's name.
        name: Option<String>,
        /// The text.
        text: Sensitive,
    },
    /// Media by link, in a header.
    Media(Media),
}

/// A message on its way out. Its body can be read only through [`release`](Outbound::release), which checks the permit
/// once more: no permit, no egress.
#[derive(Debug)]
pub struct Outbound {
    grant: Grant,
    body: OutboundBody,
    /// To whom: the handle that the contact wrote from.
    pub to: Handle,
    /// Who wrote it. Only a member's message may carry the channel's tag for humans.
    pub author: Author,
    /// The message that it quotes.
    pub reply_to: Option<PlatformMessageId>,
    /// Our opaque tag, which the platform returns with receipts or echoes where it can: settles what is in doubt.
    /// Random, not personal.
    pub tag: String,
    /// Whether the contact's last message is so old that only a member's tagged message or a template may go.
    pub outside_window: bool,
}

impl Outbound {
    /// Puts a message under a grant. Only the gate makes grants.
    #[must_use]
    pub const fn new(grant: Grant, to: Handle, author: Author, body: OutboundBody, tag: String) -> Self {
        Self { grant, body, to, author, reply_to: None, tag, outside_window: false }
    }

    /// Checks the permit again and hands out what to send. Call it right before the bytes leave.
    ///
    /// # Errors
    /// [`Denied`] when consent was withdrawn, the person was erased or the permit is too old.
    #[inline]
    pub fn release(&self, now: DateTime<Utc>) -> Result<&OutboundBody, Denied> {
        self.grant.recheck(now)?;
        Ok(&self.body)
    }
}

/// The platform took the message. That is not delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendReceipt {
    /// The platform's id of the message; `None` for what is not a message (a reaction on Instagram, a read mark).
    pub id: Option<PlatformMessageId>,
    /// The handle that the platform made of the one we gave (WhatsApp rewrites some numbers), if it told.
    pub recipient: Option<Handle>,
    /// How much of its budget of calls the platform says is used up, if it told: sending slows down before it is.
    pub usage: Option<Usage>,
}

impl SendReceipt {
    /// The platform took it under this id, and told nothing else.
    #[must_use]
    pub const fn new(id: Option<PlatformMessageId>) -> Self {
        Self { id, recipient: None, usage: None }
    }
}

define_error! {
    /// Why a message was not sent, or why that is unknown.
    ChannelError, ChannelErrorKind {
        /// The token is invalid, expired or lacks a permission: the business must connect again.
        Auth = "the platform refused the token",
        /// The account is blocked, restricted or has not paid: somebody must look.
        Blocked = "the account may not send",
        /// The permit no longer holds.
        Denied = "the permit no longer holds",
        /// The request itself is wrong; the same one will always be.
        Invalid = "the platform does not accept the message",
        /// The platform answered with something that is not its answer.
        Malformed = "the answer can't be read",
        /// The contact stopped such messages.
        OptedOut = "the contact stopped such messages",
        /// Too much to this one contact in too short a time. Others can be written to.
        PairLimited = "too many messages to this contact",
        /// Too much through this connection in too short a time.
        RateLimited = "too many messages",
        /// The contact can't be reached: no such person, blocked, too old an app.
        Recipient = "the contact can't be reached",
        /// The channel can't do this.
        Unsupported = "the channel can't send this",
        /// The platform is down or can't be reached; nothing was sent.
        Unavailable = "the platform can't be reached",
        /// The call ended without an answer.
        Unknown = "the call ended without an answer",
        /// The messaging window is closed.
        WindowClosed = "the messaging window is closed",
    }
}
