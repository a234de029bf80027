//! What a simulated person does.

use chrono::{DateTime, Utc};
use whisp_core::Sensitive;
use whisp_core::model::PlatformMessageId;

use super::file::Hosted;

/// What a simulated contact says or does.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Say {
    /// A text.
    Text(Sensitive),
    /// A text that quotes a message.
    Reply {
        /// The quoted message.
        target: PlatformMessageId,
        /// The text.
        text: Sensitive,
    },
    /// A picture, with a caption on WhatsApp.
    Image {
        /// The caption.
        caption: Option<Sensitive>,
    },
    /// A voice message.
    Voice,
    /// A file that was [uploaded](super::Simulator::upload), with a caption on WhatsApp.
    File {
        /// Which.
        file: Hosted,
        /// The caption.
        caption: Option<Sensitive>,
    },
    /// Several files in one message. Instagram and Messenger only; on WhatsApp each is a message, and the first is sent.
    Files(Vec<Hosted>),
    /// A mention of the business in the contact's own story, on Instagram; on the others it comes as nothing that can be
    /// passed on.
    StoryMention {
        /// The story, of [`upload_story`](super::Simulator::upload_story).
        story: Hosted,
    },
    /// An answer to a story of the business, on Instagram; on the others the text alone.
    StoryReply {
        /// The story, of [`upload_story`](super::Simulator::upload_story).
        story: Hosted,
        /// The text.
        text: Sensitive,
    },
    /// A press on a button of the business's last message.
    Button {
        /// The button's id.
        id: Sensitive,
        /// What it says.
        title: Sensitive,
    },
    /// A choice from a list of the business's last message. WhatsApp only; elsewhere it comes as a button.
    List {
        /// The row's id.
        id: Sensitive,
        /// The row's title.
        title: Sensitive,
        /// The row's second line.
        description: Option<Sensitive>,
    },
    /// A press on a menu, an icebreaker, or the quick reply of a template on WhatsApp.
    Postback {
        /// What is behind it.
        payload: Sensitive,
        /// What it says.
        title: Sensitive,
    },
    /// A reaction; `None` takes it back.
    Reaction {
        /// To which message.
        target: PlatformMessageId,
        /// The emoji.
        emoji: Option<Sensitive>,
    },
    /// Something that the platform does not pass on.
    Unsupported,
    /// A change of an own message.
    Edit {
        /// Which.
        target: PlatformMessageId,
        /// What it says now.
        text: Sensitive,
    },
    /// Taking an own message back. Messenger tells nobody.
    Unsend {
        /// Which.
        target: PlatformMessageId,
    },
}

impl Say {
    /// A text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// Returns whether it opens the messaging window.
    pub(super) const fn opens_window(&self) -> bool {
        !matches!(self, Self::Reaction { .. } | Self::Edit { .. } | Self::Unsend { .. })
    }
}

/// One line of imported history.
#[derive(Debug, Clone)]
pub struct HistoryLine {
    /// Whether the business wrote it.
    pub outgoing: bool,
    /// What it says; `None` is media that is not handed over.
    pub text: Option<Sensitive>,
    /// When it was written.
    pub at: DateTime<Utc>,
}
