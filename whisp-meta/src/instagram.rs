//! Sending on Instagram
//! (<https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api>).

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

/// The scope of an account that was connected with Instagram Login.
const SCOPE_INSTAGRAM_LOGIN: &str = "instagram_business_manage_messages";
/// The scope of an account that was connected through its Facebook Page.
const SCOPE_FACEBOOK_LOGIN: &str = "instagram_manage_messages";

const DIALECT: Dialect = Dialect {
    text: limit::INSTAGRAM_TEXT,
    handle: HandleKind::InstagramScoped,
    metadata: false,
    reactions: &[("\u{2764}", "love"), ("\u{2665}", "love")],
};

/// Sends on Instagram Direct.
///
/// Texts of up to 1,000 bytes, media by link without a caption, up to 13 buttons (quick replies), a heart as a
/// reaction, quotes, read marks and typing. Outside the window only what a member wrote goes, with the tag
/// `HUMAN_AGENT`. [`Outbound::tag`] does not travel: Instagram returns no such thing, so the echo's id is what settles
/// a message in doubt.
///
/// The granted scope tells how the account was connected, and with that which host is called:
/// `instagram_business_manage_messages` for Instagram Login, `instagram_manage_messages` for a Facebook Page.
///
/// # Files and stories
/// As a [`MediaSource`] it fetches what came with a message; an address that has expired is asked for anew, by the message.
/// A story that a message mentions or answers is not a file of the message: Meta forbids to store or to cache what is
/// behind its address (<https://developers.facebook.com/docs/messenger-platform/instagram/features/story-mention>, read
/// November 2026). It is never fetched to be kept; [`Desk::open_story`](whisp_core::assistant::Desk::open_story) shows it
/// straight from Meta, for 24 hours after the message at most.
///
/// Some copies of that page forbid, without Meta's permission, to keep any file that people send on Instagram. A business
/// that is told so in its App Review leaves this source out of the assistant: then nothing of Instagram is fetched or
/// kept, and a message holds its address alone, which leads nowhere once the file is deleted.
#[derive(Debug, Clone)]
pub struct Instagram {
    client: GraphClient,
    clock: Arc<dyn Clock>,
    pace: Pace,
}

impl Instagram {
    /// Makes the channel. The clock tells whether a permit still holds.
    #[must_use]
    pub fn new(client: GraphClient, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, pace: pace::instagram() }
    }

    /// Keeps to another pace than [`pace`](crate::pace) says, on all connections. For one connection:
    /// [`Assistant::set_rate`](whisp_core::assistant::Assistant::set_rate).
    #[must_use]
    pub const fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }
}

/// Returns which host is called for a connection.
fn host(connection: &Connection) -> Host {
    if guard::has_scope(connection, SCOPE_INSTAGRAM_LOGIN) { Host::Instagram } else { Host::Facebook }
}

#[async_trait]
impl Channel for Instagram {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Instagram
    }

    fn capabilities(&self) -> Capabilities {
        send_api::capabilities(&DIALECT, self.pace)
    }

    async fn send(&self, connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        let scopes = [SCOPE_INSTAGRAM_LOGIN, SCOPE_FACEBOOK_LOGIN];
        guard::check_connection(connection, &ChannelKind::Instagram, &scopes)?;
        let host = host(connection);
        // A Page's token is addressed as `me`: the connection knows the Instagram account, not the Page.
        let node = if host == Host::Instagram { connection.account.as_str() } else { "me" };
        send_api::send(&DIALECT, &self.client, &*self.clock, (host, node, &connection.token), message).await
    }
}

#[async_trait]
impl MediaSource for Instagram {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Instagram
    }

    fn keeps_for(&self, part: MediaPart) -> TimeDelta {
        match part {
            MediaPart::File(_) => media::KEPT_PAGES,
            MediaPart::Story => media::STORY_LIVES,
            _ => TimeDelta::zero(),
        }
    }

    async fn open(&self, connection: &Connection, request: &MediaRequest) -> Result<Box<dyn MediaBody>, MediaError> {
        guard::check_connection(connection, &ChannelKind::Instagram, &[SCOPE_INSTAGRAM_LOGIN, SCOPE_FACEBOOK_LOGIN])
            .map_err(media::refused)?;
        media::open_by_address(&self.client, host(connection), connection, request).await
    }
}
