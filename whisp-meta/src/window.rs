//! Who may write outside the messaging window.

use whisp_core::channel::{ChannelError, ChannelErrorKind, Outbound};
use whisp_core::error::Retry;
use whisp_core::model::Author;

/// How a message goes out on Instagram and Messenger.
#[derive(Debug)]
pub(crate) enum Envelope {
    /// Inside the window.
    Response,
    /// Outside it, by a person.
    Human(HumanAgent),
}

impl Envelope {
    /// Returns how `message` may go out.
    ///
    /// # Errors
    /// [`ChannelErrorKind::WindowClosed`], when the window is closed and no person wrote it.
    pub(crate) fn of(message: &Outbound) -> Result<Self, ChannelError> {
        if !message.outside_window {
            return Ok(Self::Response);
        }
        HumanAgent::vouch(&message.author).map(Self::Human).ok_or_else(closed)
    }
}

/// The proof that a person of the team wrote a message, and the only way to the tag `HUMAN_AGENT`: Meta forbids it on
/// whatever a machine wrote.
#[derive(Debug)]
pub(crate) struct HumanAgent(());

impl HumanAgent {
    /// Returns the proof if a member is the author.
    fn vouch(author: &Author) -> Option<Self> {
        match author {
            Author::Member { .. } => Some(Self(())),
            Author::Contact | Author::Engine { .. } | Author::System => None,
        }
    }

    /// Returns the tag, as Meta writes it.
    #[expect(clippy::unused_self, reason = "whoever writes the tag must hold the proof")]
    pub(crate) const fn tag(&self) -> &'static str {
        "HUMAN_AGENT"
    }
}

/// The messaging window is closed for this message.
pub(crate) fn closed() -> ChannelError {
    ChannelError::new("send", ChannelErrorKind::WindowClosed, Retry::Never).with_advice(
        "a member must write it, or a template where the channel has them, or the contact must write first",
    )
}
