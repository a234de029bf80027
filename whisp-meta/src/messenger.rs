//! Sending on Messenger (<https://developers.facebook.com/docs/messenger-platform/reference/send-api>).

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use whisp_core::channel::{Capabilities, Channel, ChannelError, Outbound, Pace, SendReceipt};
use whisp_core::clock::Clock;
use whisp_core::media::{MediaBody, MediaError, MediaPart, MediaRequest, MediaSource};
use whisp_core::model::{ChannelKind, Connection, HandleKind};

use crate::client::{GraphClient, Host};
use crate::guard;
use crate::limits::pages as limit;
use crate::media;
use crate::pace;
use crate::send_api::{self, Dialect};

/// The scope without which nothing is sent.
const SCOPE: &str = "pages_messaging";

const DIALECT: Dialect = Dialect {
    text: limit::MESSENGER_TEXT,
    handle: HandleKind::PageScoped,
    metadata: true,
    // The words of the webhook `message_reactions`.
    reactions: &[
        ("\u{2764}", "love"),
        ("\u{1f606}", "smile"),
        ("\u{1f62e}", "wow"),
        ("\u{1f622}", "sad"),
        ("\u{1f620}", "angry"),
        ("\u{1f44d}", "like"),
        ("\u{1f44e}", "dislike"),
    ],
};

/// Sends on Facebook Messenger.
///
/// Texts of up to 2,000 characters, media by link without a caption, up to 13 buttons (quick replies), reactions,
/// quotes, read marks and typing. [`Outbound::tag`] goes out as `metadata` and comes back with the echo. Outside the
/// window only what a member wrote goes, with the tag `HUMAN_AGENT`.
#[derive(Debug, Clone)]
pub struct Messenger {
    client: GraphClient,
    clock: Arc<dyn Clock>,
    pace: Pace,
}

impl Messenger {
    /// Makes the channel. The clock tells whether a permit still holds.
    #[must_use]
    pub fn new(client: GraphClient, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, pace: pace::messenger() }
    }

    /// Keeps to another pace than [`pace`](crate::pace) says, on all connections. For one connection:
    /// [`Assistant::set_rate`](whisp_core::assistant::Assistant::set_rate).
    #[must_use]
    pub const fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }
}

#[async_trait]
impl Channel for Messenger {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Messenger
    }

    fn capabilities(&self) -> Capabilities {
        send_api::capabilities(&DIALECT, self.pace)
    }

    async fn send(&self, connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        guard::check_connection(connection, &ChannelKind::Messenger, &[SCOPE])?;
        let at = (Host::Facebook, connection.account.as_str(), &connection.token);
        send_api::send(&DIALECT, &self.client, &*self.clock, at, message).await
    }
}

#[async_trait]
impl MediaSource for Messenger {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Messenger
    }

    fn keeps_for(&self, part: MediaPart) -> TimeDelta {
        match part {
            MediaPart::File(_) => media::KEPT_PAGES,
            _ => TimeDelta::zero(),
        }
    }

    async fn open(&self, connection: &Connection, request: &MediaRequest) -> Result<Box<dyn MediaBody>, MediaError> {
        guard::check_connection(connection, &ChannelKind::Messenger, &[SCOPE]).map_err(media::refused)?;
        media::open_by_address(&self.client, Host::Facebook, connection, request).await
    }
}
