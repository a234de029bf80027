//! The Send API, which Instagram and Messenger share
//! (<https://developers.facebook.com/docs/messenger-platform/reference/send-api>).

use secrecy::SecretString;
use serde_json::{Value, json};
use whisp_core::channel::{Capabilities, ChannelError, Choice, Outbound, OutboundBody, Pace, SendReceipt};
use whisp_core::clock::Clock;
use whisp_core::model::{Handle, HandleKind, Media, MediaKind, PlatformMessageId};

use crate::client::{Answer, GraphClient, Host, malformed};
use crate::guard;
use crate::json::set;
use crate::limits::{self, Limit, check_count, invalid, pages as limit, unsupported};
use crate::whatsapp::https_link;
use crate::window::Envelope;

/// Where the two channels differ.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The channel's limit of a text.
    pub(crate) text: Limit,
    /// What kind of id it addresses.
    pub(crate) handle: HandleKind,
    /// Whether an echo returns `metadata`. On Instagram none is documented, so none is sent.
    pub(crate) metadata: bool,
    /// The reactions that it takes: `(emoji, word)`.
    pub(crate) reactions: &'static [(&'static str, &'static str)],
}

/// What the two channels can do.
pub(crate) const fn capabilities(dialect: &Dialect, pace: Pace) -> Capabilities {
    let mut capabilities = Capabilities::text_only(dialect.text.text());
    capabilities.window = Some(limits::WINDOW);
    capabilities.human_window = Some(limits::HUMAN_WINDOW);
    capabilities.buttons_max = limit::QUICK_REPLIES_MAX;
    capabilities.button_title_max = limit::QUICK_REPLY_TITLE.text().max();
    capabilities.media = true;
    capabilities.reactions = true;
    capabilities.replies = true;
    capabilities.signals = true;
    capabilities.pace = pace;
    capabilities
}

/// Reads the body under its permit and sends it. `at` is the host, the node and the token.
///
/// A read mark with typing is two actions and so two calls, each made once; the first that fails ends it.
pub(crate) async fn send(
    dialect: &Dialect,
    client: &GraphClient,
    clock: &dyn Clock,
    at: (Host, &str, &SecretString),
    message: &Outbound,
) -> Result<SendReceipt, ChannelError> {
    let (requests, is_message) = {
        let body = guard::release(message, clock)?;
        (write(dialect, message, body)?, is_message(body))
    };
    let (host, node, token) = at;
    let mut answer = Answer::default();
    for request in &requests {
        // The first call took time, in which the person may have withdrawn.
        guard::release(message, clock)?;
        answer = client.post_message(host, node, token, request).await?;
    }
    receipt(dialect, is_message, &answer)
}

/// Writes the requests of a message: one, or two for a read mark with typing, which takes two actions.
fn write(dialect: &Dialect, message: &Outbound, body: &OutboundBody) -> Result<Vec<Value>, ChannelError> {
    if message.to.kind != dialect.handle {
        return Err(invalid("the contact's handle belongs to another channel"));
    }
    let envelope = Envelope::of(message)?;
    let recipient = json!({ "id": message.to.value.expose() });
    match body {
        OutboundBody::Seen { typing, .. } => {
            let actions: &[&str] = if *typing { &["mark_seen", "typing_on"] } else { &["mark_seen"] };
            Ok(actions.iter().map(|action| json!({ "recipient": recipient, "sender_action": action })).collect())
        }
        OutboundBody::Reaction { target, emoji } => {
            Ok(vec![reaction(dialect, &recipient, target, emoji.as_ref().map(|emoji| emoji.expose().as_str()))?])
        }
        _ => Ok(vec![enveloped(dialect, message, &envelope, recipient, body)?]),
    }
}

fn enveloped(
    dialect: &Dialect,
    message: &Outbound,
    envelope: &Envelope,
    recipient: Value,
    body: &OutboundBody,
) -> Result<Value, ChannelError> {
    let mut content = content(dialect, body)?;
    if dialect.metadata {
        limit::TAG.check(&message.tag)?;
        set(&mut content, "metadata", message.tag.as_str());
    }
    let mut request = match envelope {
        Envelope::Response => json!({ "messaging_type": "RESPONSE" }),
        Envelope::Human(human) => json!({ "messaging_type": "MESSAGE_TAG", "tag": human.tag() }),
    };
    set(&mut request, "recipient", recipient);
    set(&mut request, "message", content);
    if let Some(quoted) = &message.reply_to {
        set(&mut request, "reply_to", json!({ "mid": quoted.expose() }));
    }
    Ok(request)
}

fn content(dialect: &Dialect, body: &OutboundBody) -> Result<Value, ChannelError> {
    match body {
        OutboundBody::Text { text } => {
            dialect.text.check(text.expose())?;
            Ok(json!({ "text": text.expose() }))
        }
        OutboundBody::Media { caption: Some(_), .. } => {
            Err(unsupported("media has no caption on this channel; send the text as a message of its own"))
        }
        OutboundBody::Media { media, caption: None } => attachment(media),
        OutboundBody::Buttons { text, buttons } => {
            dialect.text.check(text.expose())?;
            Ok(json!({ "text": text.expose(), "quick_replies": quick_replies(buttons)? }))
        }
        OutboundBody::List { .. } => Err(unsupported("this channel has no lists; send buttons")),
        OutboundBody::Template(_) => Err(unsupported("this channel has no approved templates")),
        _ => Err(unsupported("this channel has no message of this kind")),
    }
}

fn attachment(media: &Media) -> Result<Value, ChannelError> {
    let kind = match media.kind {
        MediaKind::Audio => "audio",
        MediaKind::Document => "file",
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        _ => return Err(unsupported("this channel sends no such media by link")),
    };
    let url = media.url.as_ref().ok_or_else(|| invalid("the media has no link"))?;
    Ok(json!({ "attachment": { "type": kind, "payload": { "url": https_link(url)? } } }))
}

fn quick_replies(buttons: &[Choice]) -> Result<Vec<Value>, ChannelError> {
    check_count("buttons", buttons.len(), limit::QUICK_REPLIES_MAX)?;
    let replies = buttons.iter().map(|button| {
        limit::QUICK_REPLY_TITLE.check(button.title.expose())?;
        limit::QUICK_REPLY_PAYLOAD.check(button.id.expose())?;
        Ok(json!({ "content_type": "text", "title": button.title.expose(), "payload": button.id.expose() }))
    });
    replies.collect()
}

fn reaction(
    dialect: &Dialect,
    recipient: &Value,
    target: &PlatformMessageId,
    emoji: Option<&str>,
) -> Result<Value, ChannelError> {
    let mut payload = json!({ "message_id": target.expose() });
    let Some(emoji) = emoji else {
        return Ok(json!({ "recipient": recipient, "sender_action": "unreact", "payload": payload }));
    };
    // The variation selector only asks for the colored form.
    let plain = emoji.trim_end_matches('\u{fe0f}');
    let word = dialect.reactions.iter().find(|(known, _)| *known == plain).map(|(_, word)| *word);
    set(&mut payload, "reaction", word.ok_or_else(|| unsupported("this channel does not take this reaction"))?);
    Ok(json!({ "recipient": recipient, "sender_action": "react", "payload": payload }))
}

/// Reads `{"recipient_id"?, "message_id"?}`. A message without its id is no answer; an action has none.
fn receipt(dialect: &Dialect, is_message: bool, answer: &Answer) -> Result<SendReceipt, ChannelError> {
    let Answer { json: answer, usage } = answer;
    let text = |key: &str| answer.get(key).and_then(Value::as_str);
    let id = text("message_id").map(PlatformMessageId::new);
    if id.is_none() && is_message {
        return Err(malformed(200));
    }
    let recipient = text("recipient_id").map(|value| Handle::new(dialect.handle, value));
    Ok(SendReceipt { id, recipient, usage: *usage })
}

/// Returns whether a body becomes a message, with an id of its own.
const fn is_message(body: &OutboundBody) -> bool {
    !matches!(body, OutboundBody::Seen { .. } | OutboundBody::Reaction { .. })
}
