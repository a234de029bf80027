//! [`MetaDecoder`]: one decoder for the webhooks of all three channels.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use whisp_core::Text;
use whisp_core::error::Retry;
use whisp_core::model::{ChannelKind, Provenance};
use whisp_core::webhook::{Delivery, Item, WebhookDecoder, WebhookError, WebhookErrorKind, WebhookRequest};

use super::item::{Origin, Reading};
use super::wire::{Fields, Int, elements};
use super::{AppSecrets, direct, messaging, whatsapp};

/// The largest body that Meta sends, in bytes: 3 MB.
/// Source: WhatsApp Business Platform, Webhooks, «Create a webhook endpoint», read in May 2026.
pub const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Verifies and takes apart the webhooks of WhatsApp, Instagram and Messenger, told apart by the body's `object`.
///
/// How an item came is decided by the field under which it lies, never by its shape: the media of imported history
/// look like live messages. What one item leaves unreadable is [`Event::Unknown`](whisp_core::webhook::Event::Unknown)
/// for that item alone.
#[derive(Debug, Clone)]
pub struct MetaDecoder {
    secrets: AppSecrets,
}

impl MetaDecoder {
    /// Decodes what is signed under any of `secrets`: the app secret, the Instagram app secret where the app has one,
    /// and during a rotation the old ones.
    #[must_use]
    pub fn new(secrets: &[SecretString]) -> Self {
        Self { secrets: AppSecrets::new(secrets) }
    }

    /// Takes apart a body whose signature was checked elsewhere: a recording, a queue behind the endpoint. What comes
    /// from the network goes through [`decode`](WebhookDecoder::decode).
    ///
    /// # Errors
    /// [`WebhookErrorKind::TooLarge`] and [`WebhookErrorKind::Malformed`], as `decode`.
    pub fn decode_verified(body: &[u8], received_at: DateTime<Utc>) -> Result<Delivery, WebhookError> {
        check_size(body)?;
        // One copy, of which nearly all texts of the items are parts.
        let body = Text::from(std::str::from_utf8(body).map_err(|_| malformed("it is not UTF-8"))?);
        let items = match direct::items(&body, received_at) {
            Some(items) => items,
            None => thorough(&body, received_at)?,
        };
        Ok(Delivery { received_at, items })
    }
}

impl WebhookDecoder for MetaDecoder {
    fn decode(&self, request: &WebhookRequest) -> Result<Delivery, WebhookError> {
        check_size(&request.body)?;
        self.secrets.verify(&request.body, request.signature.as_deref())?;
        Self::decode_verified(&request.body, request.received_at)
    }
}

fn check_size(body: &[u8]) -> Result<(), WebhookError> {
    if body.len() > BODY_BYTES_MAX {
        let error = WebhookError::new("decode", WebhookErrorKind::TooLarge, Retry::Never);
        return Err(error.with_advice("Meta sends at most 3 MB"));
    }
    Ok(())
}

/// Decodes any body, an element at a time, so that each stands alone.
pub(super) fn thorough(text: &Text, received_at: DateTime<Utc>) -> Result<Vec<Item>, WebhookError> {
    let body: Fields<'_> = serde_json::from_str(text).map_err(|_| malformed("it is not a JSON object"))?;
    let object = body.text("object");
    let object = object.as_str().ok_or_else(|| malformed("it names no object"))?;
    let entries = body.get("entry").and_then(elements).ok_or_else(|| malformed("it has no list of entries"))?;
    let channel = channel(object);
    let mut items = Vec::with_capacity(entries.len());
    for raw in entries {
        let origin = Origin {
            body: text,
            channel: channel.clone(),
            account: None,
            entry: "",
            field: object,
            provenance: Provenance::Live,
            time: Int::default(),
            received_at,
        };
        match (Fields::read(raw), &channel) {
            (Some(entry), ChannelKind::WhatsApp) => whatsapp::entry(&entry, raw, &origin, &mut items),
            (Some(entry), ChannelKind::Instagram | ChannelKind::Messenger) => {
                messaging::entry(&entry, raw, &origin, &mut items);
            }
            _ => items.push(origin.item(Reading::unknown(Some(object.to_owned())), raw)),
        }
    }
    Ok(items)
}

/// The channel of an object. Any other object that an app can subscribe to (`user`, `permissions`) has none of ours:
/// it keeps its own name.
pub(super) fn channel(object: &str) -> ChannelKind {
    match object {
        "instagram" => ChannelKind::Instagram,
        "page" => ChannelKind::Messenger,
        "whatsapp_business_account" => ChannelKind::WhatsApp,
        other => ChannelKind::Custom(format!("meta:{other}").into()),
    }
}

fn malformed(advice: &'static str) -> WebhookError {
    WebhookError::new("decode", WebhookErrorKind::Malformed, Retry::Never).with_advice(advice)
}
