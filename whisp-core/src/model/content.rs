//! What a message says: every kind of content of the three channels.

use serde::{Deserialize, Serialize};

use crate::model::{Handle, PlatformMessageId};
use crate::sensitive::Sensitive;

/// What a message says, in whatever direction it went.
///
/// All of it is personal data and is sealed whole. Platforms add kinds without notice: what has no variant here is
/// [`Unsupported`](Content::Unsupported) or kept raw by the pipeline, never lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// Plain text.
    Text {
        /// The text.
        text: Sensitive,
    },
    /// An image, a video, a sound, a document, a sticker.
    Media {
        /// One or more: Instagram and Messenger put several in one message.
        items: Vec<Media>,
        /// The text that came with them.
        caption: Option<Sensitive>,
    },
    /// A place.
    Location(Location),
    /// Contact cards. They hold other people's data.
    Contacts {
        /// The cards.
        cards: Vec<SharedContact>,
    },
    /// A press on a button: a reply button, a template's quick reply, a Messenger quick reply.
    Button {
        /// What the business put behind the button.
        payload: Sensitive,
        /// What the button said.
        title: Option<Sensitive>,
    },
    /// A choice from a list.
    List {
        /// The id of the row.
        id: Sensitive,
        /// What the row said.
        title: Sensitive,
        /// The row's second line.
        description: Option<Sensitive>,
    },
    /// A postback: a persistent menu, an icebreaker, a template's button on Instagram and Messenger.
    Postback {
        /// What the business put behind it.
        payload: Option<Sensitive>,
        /// What it said.
        title: Option<Sensitive>,
    },
    /// A form that the contact filled in.
    Flow(FlowReply),
    /// An order from a catalogue.
    Order {
        /// The catalogue.
        catalog: Option<Sensitive>,
        /// What was ordered.
        items: Vec<OrderItem>,
        /// The text that came with it.
        text: Option<Sensitive>,
    },
    /// A reaction to another message.
    Reaction {
        /// The message reacted to.
        target: PlatformMessageId,
        /// The emoji; `None` takes the reaction back.
        emoji: Option<Sensitive>,
    },
    /// A shared post, reel, link or the like.
    Share(Share),
    /// A mention of the business in somebody's story.
    StoryMention(StoryRef),
    /// A template that went out.
    Template {
        /// Its name.
        name: String,
        /// Its language, as the platform writes it.
        language: String,
        /// The values put into it, in order.
        parameters: Vec<Sensitive>,
    },
    /// Something interactive that went out: a text with buttons or a list.
    Interactive {
        /// The text above.
        text: Sensitive,
        /// What could be chosen: `(id, title)`.
        choices: Vec<(Sensitive, Sensitive)>,
    },
    /// The contact opened the chat and wrote nothing yet.
    Welcome,
    /// A message of imported history whose media the platform does not hand over.
    Placeholder,
    /// The platform says that there is a message but not what is in it.
    Unsupported {
        /// The platform's name for the kind, if told.
        kind: Option<String>,
        /// The platform's error code, if told: 131051 is an unsupported type, 131060 an unavailable message.
        code: Option<i64>,
    },
    /// The author took the message back; what it said is gone.
    Unsent,
}

/// The kind of a [`Content`]: not personal, kept in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the variant of `Content` of the same name")]
pub enum ContentKind {
    Button,
    Contacts,
    Flow,
    Interactive,
    List,
    Location,
    Media,
    Order,
    Placeholder,
    Postback,
    Reaction,
    Share,
    StoryMention,
    Template,
    Text,
    Unsent,
    Unsupported,
    Welcome,
}

impl ContentKind {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Button => "button",
            Self::Contacts => "contacts",
            Self::Flow => "flow",
            Self::Interactive => "interactive",
            Self::List => "list",
            Self::Location => "location",
            Self::Media => "media",
            Self::Order => "order",
            Self::Placeholder => "placeholder",
            Self::Postback => "postback",
            Self::Reaction => "reaction",
            Self::Share => "share",
            Self::StoryMention => "story_mention",
            Self::Template => "template",
            Self::Text => "text",
            Self::Unsent => "unsent",
            Self::Unsupported => "unsupported",
            Self::Welcome => "welcome",
        }
    }
}

impl Content {
    /// Makes a text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text { text: text.into() }
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> ContentKind {
        match self {
            Self::Button { .. } => ContentKind::Button,
            Self::Contacts { .. } => ContentKind::Contacts,
            Self::Flow(_) => ContentKind::Flow,
            Self::Interactive { .. } => ContentKind::Interactive,
            Self::List { .. } => ContentKind::List,
            Self::Location(_) => ContentKind::Location,
            Self::Media { .. } => ContentKind::Media,
            Self::Order { .. } => ContentKind::Order,
            Self::Placeholder => ContentKind::Placeholder,
            Self::Postback { .. } => ContentKind::Postback,
            Self::Reaction { .. } => ContentKind::Reaction,
            Self::Share(_) => ContentKind::Share,
            Self::StoryMention(_) => ContentKind::StoryMention,
            Self::Template { .. } => ContentKind::Template,
            Self::Text { .. } => ContentKind::Text,
            Self::Unsent => ContentKind::Unsent,
            Self::Unsupported { .. } => ContentKind::Unsupported,
            Self::Welcome => ContentKind::Welcome,
        }
    }

    /// Returns what a person reads of it: the text, a caption, a button's title. `None` where there is nothing to
    /// read.
    #[must_use]
    pub fn readable(&self) -> Option<&str> {
        match self {
            Self::Text { text } | Self::Interactive { text, .. } => Some(text.expose()),
            Self::Media { caption, .. } => caption.as_ref().map(|text| text.expose().as_str()),
            Self::Button { payload, title } => Some(title.as_ref().unwrap_or(payload).expose()),
            Self::List { title, .. } => Some(title.expose()),
            Self::Postback { payload, title } => title.as_ref().or(payload.as_ref()).map(|text| text.expose().as_str()),
            Self::Order { text, .. } => text.as_ref().map(|text| text.expose().as_str()),
            Self::Share(share) => share.title.as_ref().map(|text| text.expose().as_str()),
            _ => None,
        }
    }

    /// Returns whether an engine should think about an answer: the contact said or asked something. A reaction, an
    /// opened chat, an unsend do not wait for one.
    #[must_use]
    pub const fn wants_answer(&self) -> bool {
        !matches!(self, Self::Reaction { .. } | Self::Welcome | Self::Placeholder | Self::Unsent)
    }
}

/// What kind of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaKind {
    /// Sound, a voice message too.
    Audio,
    /// A file of any type.
    Document,
    /// A picture.
    Image,
    /// A sticker or an animated picture.
    Sticker,
    /// A video.
    Video,
}

impl MediaKind {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Document => "document",
            Self::Image => "image",
            Self::Sticker => "sticker",
            Self::Video => "video",
        }
    }
}

/// A media file as the platform describes it: a reference, not the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// What kind.
    pub kind: MediaKind,
    /// The platform's id of the file (WhatsApp), by which it is fetched.
    pub id: Option<Sensitive>,
    /// Where it can be fetched. Short-lived; WhatsApp's needs the token.
    pub url: Option<Sensitive>,
    /// The MIME type, as told.
    pub mime: Option<String>,
    /// The SHA-256 of the bytes, as the platform writes it (base64 on WhatsApp).
    pub sha256: Option<String>,
    /// The name of the file.
    pub filename: Option<Sensitive>,
    /// Whether it is a voice message (sound) or animated (sticker).
    pub live: bool,
}

impl Media {
    /// Makes a reference to media of `kind`, with nothing else known.
    #[must_use]
    pub const fn new(kind: MediaKind) -> Self {
        Self { kind, id: None, url: None, mime: None, sha256: None, filename: None, live: false }
    }

    /// Makes a reference by link.
    #[must_use]
    pub fn link(kind: MediaKind, url: &str) -> Self {
        Self { url: Some(url.into()), ..Self::new(kind) }
    }
}

/// A place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees north.
    pub latitude: Sensitive<f64>,
    /// Degrees east.
    pub longitude: Sensitive<f64>,
    /// Its name.
    pub name: Option<Sensitive>,
    /// Its address.
    pub address: Option<Sensitive>,
}

/// A contact card that somebody shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedContact {
    /// The name on the card.
    pub name: Option<Sensitive>,
    /// The phone numbers on the card, as written.
    pub phones: Vec<Sensitive>,
    /// The person's own id on the platform, where the platform says that the card is the sender's own.
    pub own: Option<Handle>,
}

/// A form that a contact filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowReply {
    /// Which form: `flow`, `address_message`, `call_permission_reply`, ...
    pub name: String,
    /// The answers, JSON as a string, exactly as it came. It need not be an object.
    pub response: Sensitive,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderItem {
    /// The product, as the business numbers it.
    pub product: Sensitive,
    /// How many, as written.
    pub quantity: String,
    /// The price of one, as written.
    pub price: Option<String>,
    /// The currency of the price (ISO 4217), as written.
    pub currency: Option<String>,
}

/// What was shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ShareKind {
    /// A link with a preview.
    Link,
    /// A post.
    Post,
    /// A product.
    Product,
    /// A reel.
    Reel,
    /// A story.
    Story,
    /// A template of another app.
    Template,
}

/// A shared post, reel, link or the like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// What kind.
    pub kind: ShareKind,
    /// The platform's id of what was shared.
    pub id: Option<Sensitive>,
    /// Where it is.
    pub url: Option<Sensitive>,
    /// Its title, or the text that came with it.
    pub title: Option<Sensitive>,
}

/// A story. It lives 24 hours, and nothing but this reference to it is ever kept:
/// [`Desk::open_story`](crate::assistant::Desk::open_story) shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryRef {
    /// The platform's id.
    pub id: Option<Sensitive>,
    /// Where its media are.
    pub url: Option<Sensitive>,
}
