//! Sending on WhatsApp, through the Cloud API
//! (<https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages>).

mod body;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use serde_json::{Value, json};
use whisp_core::channel::{
    Capabilities, Channel, ChannelError, ChannelErrorKind, Outbound, OutboundBody, Pace, SendReceipt,
};
use whisp_core::clock::Clock;
use whisp_core::error::Retry;
use whisp_core::media::{MediaBody, MediaError, MediaPart, MediaRequest, MediaSource};
use whisp_core::model::{ChannelKind, Connection, Handle, HandleKind, PlatformMessageId};

use crate::client::{Answer, GraphClient, Host, malformed};
use crate::guard;
use crate::json::set;
use crate::limits::{self, invalid, whatsapp as limit};
use crate::media;
use crate::pace;
use crate::window::closed;
pub(crate) use body::https_link;

/// The scope without which nothing is sent.
const SCOPE: &str = "whatsapp_business_messaging";

/// Sends on WhatsApp.
///
/// Texts, media by link or by WhatsApp's own id, buttons, lists, templates, reactions, quotes, read marks with typing.
/// [`Outbound::tag`] goes out as `biz_opaque_callback_data` and comes back with each status. A BSUID is addressed as
/// such, a phone number with its `+`.
///
/// Outside the window only a template goes, whoever wrote it, and a read mark.
///
/// [`forget`](Channel::forget) takes a person out of the contact book that WhatsApp keeps for the business's whole portfolio,
/// by the BSUID that this portfolio knows them by
/// (<https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids>, "Delete a contact
/// book entry"). Meta may show the phone number for up to 30 days more, and makes a new entry when they write again.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use whisp_core::system::SystemClock;
/// use whisp_meta::{GraphClient, GraphConfig, WhatsApp};
/// let client = GraphClient::new(&GraphConfig::default())?;
/// let channel = WhatsApp::new(client, Arc::new(SystemClock));
/// # Ok::<(), whisp_meta::GraphConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct WhatsApp {
    client: GraphClient,
    clock: Arc<dyn Clock>,
    pace: Pace,
}

impl WhatsApp {
    /// Makes the channel. The clock tells whether a permit still holds.
    #[must_use]
    pub fn new(client: GraphClient, clock: Arc<dyn Clock>) -> Self {
        Self { client, clock, pace: pace::whatsapp() }
    }

    /// Keeps to another pace than [`pace`](crate::pace) says, on all connections. For one connection:
    /// [`Assistant::set_rate`](whisp_core::assistant::Assistant::set_rate).
    #[must_use]
    pub const fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Reads the body under its permit and writes the request.
    fn request(&self, message: &Outbound) -> Result<Value, ChannelError> {
        let content = guard::release(message, &*self.clock)?;
        let always = matches!(content, OutboundBody::Template(_) | OutboundBody::Seen { .. });
        if message.outside_window && !always {
            return Err(closed());
        }
        if let OutboundBody::Seen { target, typing } = content {
            return Ok(seen(target, *typing));
        }
        limit::TAG.check(&message.tag)?;
        let (kind, object) = body::write(content)?;
        let mut request = json!({
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "type": kind,
            "biz_opaque_callback_data": message.tag,
        });
        let (key, to) = address(&message.to)?;
        set(&mut request, key, to);
        set(&mut request, kind, object);
        if let Some(quoted) = &message.reply_to {
            if kind == "reaction" {
                return Err(invalid("a reaction can't quote a message"));
            }
            set(&mut request, "context", json!({ "message_id": quoted.expose() }));
        }
        Ok(request)
    }
}

#[async_trait]
impl Channel for WhatsApp {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::text_only(limit::TEXT.text());
        capabilities.window = Some(limits::WINDOW);
        capabilities.templates = true;
        capabilities.buttons_max = limit::BUTTONS_MAX;
        capabilities.button_title_max = limit::BUTTON_TITLE.text().max();
        capabilities.button_text = limit::BUTTONS_TEXT.text();
        capabilities.rows_max = limit::ROWS_MAX;
        capabilities.row_title_max = limit::ROW_TITLE.text().max();
        capabilities.row_description_max = limit::ROW_DESCRIPTION.text().max();
        capabilities.media = true;
        capabilities.reactions = true;
        capabilities.replies = true;
        capabilities.signals = true;
        capabilities.contact_book = Some(HandleKind::Bsuid);
        capabilities.pace = self.pace;
        capabilities
    }

    async fn send(&self, connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        guard::check_connection(connection, &ChannelKind::WhatsApp, &[SCOPE])?;
        let request = self.request(message)?;
        let answer =
            self.client.post_message(Host::Facebook, connection.account.as_str(), &connection.token, &request).await?;
        receipt(&answer)
    }

    async fn forget(&self, connection: &Connection, handle: &Handle) -> Result<(), ChannelError> {
        if handle.kind != HandleKind::Bsuid {
            return Err(ChannelError::new("forget", ChannelErrorKind::Unsupported, Retry::Never)
                .with_advice("the contact book is asked by the BSUID of its own portfolio"));
        }
        guard::check_connection(connection, &ChannelKind::WhatsApp, &[SCOPE]).map_err(not_forgotten)?;
        let entry = (connection.account.as_str(), "contact_book");
        let query = [("messaging_product", "whatsapp"), ("bsuid", handle.value.expose())];
        let answer =
            self.client.delete(Host::Facebook, entry, &connection.token, &query).await.map_err(not_forgotten)?;
        // `deleted: false` says that there was no entry.
        if answer.json.get("success") == Some(&Value::Bool(true)) { Ok(()) } else { Err(not_forgotten(malformed(200))) }
    }
}

/// What kept somebody from being forgotten. The advice of the client is about messages.
fn not_forgotten(error: ChannelError) -> ChannelError {
    let mut own = ChannelError::new("forget", error.kind(), error.retry());
    if let Some(code) = error.code() {
        own = own.with_code(code);
    }
    if error.retry() == Retry::OutcomeUnknown { own.with_advice("ask again: it does no harm") } else { own }
}

#[async_trait]
impl MediaSource for WhatsApp {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }

    fn keeps_for(&self, part: MediaPart) -> TimeDelta {
        match part {
            MediaPart::File(_) => media::KEPT_WHATSAPP,
            _ => TimeDelta::zero(),
        }
    }

    async fn open(&self, connection: &Connection, request: &MediaRequest) -> Result<Box<dyn MediaBody>, MediaError> {
        guard::check_connection(connection, &ChannelKind::WhatsApp, &[SCOPE]).map_err(media::refused)?;
        media::open_by_id(&self.client, connection, request).await
    }
}

fn seen(target: &PlatformMessageId, typing: bool) -> Value {
    let mut request = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": target.expose() });
    if typing {
        set(&mut request, "typing_indicator", json!({ "type": "text" }));
    }
    request
}

/// A phone number goes with its `+`, a BSUID as it is, under another key.
fn address(to: &Handle) -> Result<(&'static str, String), ChannelError> {
    let value = to.value.expose();
    match to.kind {
        HandleKind::Phone => Ok(("to", format!("+{}", value.strip_prefix('+').unwrap_or(value)))),
        HandleKind::Bsuid | HandleKind::ParentBsuid => Ok(("recipient", value.to_string())),
        _ => Err(invalid("WhatsApp addresses a phone number or a BSUID")),
    }
}

/// Reads `{"messages": [{"id"}], "contacts": [{"wa_id"?, "user_id"?}]}`, or `{"success": true}` of a read mark.
fn receipt(Answer { json: answer, usage }: &Answer) -> Result<SendReceipt, ChannelError> {
    if answer.get("success").is_some() {
        return Ok(SendReceipt { usage: *usage, ..SendReceipt::new(None) });
    }
    let id = answer.pointer("/messages/0/id").and_then(Value::as_str).ok_or_else(|| malformed(200))?;
    let handle = |key: &str, kind| {
        let value = answer.pointer("/contacts/0")?.get(key)?.as_str()?;
        Some(Handle::new(kind, value))
    };
    let recipient = handle("wa_id", HandleKind::Phone).or_else(|| handle("user_id", HandleKind::Bsuid));
    Ok(SendReceipt { id: Some(PlatformMessageId::new(id)), recipient, usage: *usage })
}
