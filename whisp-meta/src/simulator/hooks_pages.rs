//! Instagram's and Messenger's webhooks
//! (<https://developers.facebook.com/docs/messenger-platform/reference/webhook-events>,
//! <https://developers.facebook.com/docs/instagram-platform/webhooks/examples>).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use whisp_core::model::ChannelKind;

use super::config::{Account, Persona};
use super::file::Hosted;
use super::say::Say;
use crate::json::set;

/// The app id of Meta's own inbox, which Messenger's echoes of a member's message carry.
const INBOX_APP: i64 = 263_902_037_430_900;
/// The app id of the simulated app.
const APP: i64 = 1_517_776_481_860_111;
/// Where media of simulated messages lie.
const MEDIA_URL: &str = "https://lookaside.example.test/ig_messaging_cdn/?asset_id=1&signature=x";

/// Which list of an entry an item stands in: `messaging`, or `standby` while another app holds the thread.
#[derive(Debug, Clone, Copy)]
pub(super) enum List {
    Messaging,
    Standby,
}

/// One item from the person, or to the person on an echo.
fn item(account: &Account, list: List, from_person: Option<&Persona>, to: &str, at: DateTime<Utc>) -> (Value, List) {
    let own = account.id.as_str();
    let (sender, recipient) = from_person.map_or((own, to), |persona| (persona.id.as_str(), own));
    let ids =
        json!({ "sender": { "id": sender }, "recipient": { "id": recipient }, "timestamp": at.timestamp_millis() });
    (ids, list)
}

fn envelope(account: &Account, (item, list): (Value, List), at: DateTime<Utc>) -> Value {
    let object = if account.channel == ChannelKind::Instagram { "instagram" } else { "page" };
    let list = match list {
        List::Messaging => "messaging",
        List::Standby => "standby",
    };
    json!({ "object": object, "entry": [{ "time": at.timestamp_millis(), "id": account.id.as_str(), list: [item] }] })
}

/// What a person says; `None` for what the platform tells nobody.
pub(super) fn message(
    account: &Account,
    list: List,
    persona: &Persona,
    mid: &str,
    at: DateTime<Utc>,
    say: &Say,
) -> Option<Value> {
    let instagram = account.channel == ChannelKind::Instagram;
    let (key, content) = content(instagram, mid, say)?;
    let mut item = item(account, list, Some(persona), "", at);
    set(&mut item.0, key, content);
    Some(envelope(account, item, at))
}

fn content(instagram: bool, mid: &str, say: &Say) -> Option<(&'static str, Value)> {
    let attachment = |kind: &str| json!([{ "type": kind, "payload": { "url": MEDIA_URL } }]);
    let content = match say {
        Say::Text(text) => json!({ "mid": mid, "text": text.expose() }),
        Say::Reply { target, text } => {
            json!({ "mid": mid, "text": text.expose(), "reply_to": { "mid": target.expose() } })
        }
        Say::Image { .. } => json!({ "mid": mid, "attachments": attachment("image") }),
        Say::File { file, .. } => json!({ "mid": mid, "attachments": [file.attachment()] }),
        Say::Files(files) => {
            let attachments: Vec<Value> = files.iter().map(Hosted::attachment).collect();
            json!({ "mid": mid, "attachments": attachments })
        }
        Say::StoryMention { story } if instagram => {
            json!({ "mid": mid, "attachments": [{ "type": "story_mention", "payload": story.story() }] })
        }
        Say::StoryReply { story, text } if instagram => {
            json!({ "mid": mid, "text": text.expose(), "reply_to": { "story": story.story() } })
        }
        Say::StoryReply { text, .. } => json!({ "mid": mid, "text": text.expose() }),
        Say::Voice => json!({ "mid": mid, "attachments": attachment("audio") }),
        Say::Button { id, title } | Say::List { id, title, .. } => {
            json!({ "mid": mid, "text": title.expose(), "quick_reply": { "payload": id.expose() } })
        }
        Say::Unsupported if instagram => json!({ "mid": mid, "is_unsupported": true }),
        Say::Unsupported | Say::StoryMention { .. } => {
            json!({ "mid": mid, "attachments": [{ "type": "fallback", "payload": null }] })
        }
        Say::Unsend { target } if instagram => json!({ "mid": target.expose(), "is_deleted": true }),
        Say::Unsend { .. } => return None,
        Say::Postback { payload, title } => {
            return Some(("postback", json!({ "mid": mid, "title": title.expose(), "payload": payload.expose() })));
        }
        Say::Reaction { target, emoji } => {
            let target = target.expose();
            let reaction = emoji.as_ref().map_or_else(
                || json!({ "mid": target, "action": "unreact" }),
                |emoji| json!({ "mid": target, "action": "react", "reaction": "other", "emoji": emoji.expose() }),
            );
            return Some(("reaction", reaction));
        }
        Say::Edit { target, text } => {
            // Instagram writes the count as a string.
            let count = if instagram { json!("1") } else { json!(1) };
            let edit = json!({ "mid": target.expose(), "text": text.expose(), "num_edit": count });
            return Some(("message_edit", edit));
        }
    };
    Some(("message", content))
}

/// The echo of a message that this app sent. Messenger tells the app and gives `metadata` back.
pub(super) fn echo_of_send(account: &Account, to: &str, mid: &str, at: DateTime<Utc>, sent: &Value) -> Value {
    let mut message = json!({ "mid": mid });
    if let Some(text) = sent.get("text") {
        set(&mut message, "text", text.clone());
    }
    if let Some(attachment) = sent.get("attachment") {
        set(&mut message, "attachments", json!([attachment]));
    }
    set(&mut message, "is_echo", true);
    if account.channel == ChannelKind::Messenger {
        set(&mut message, "app_id", APP);
        if let Some(metadata) = sent.get("metadata") {
            set(&mut message, "metadata", metadata.clone());
        }
    }
    echo(account, to, message, at)
}

/// The echo of a text that a member typed in Meta's own inbox.
pub(super) fn echo_of_member(account: &Account, to: &str, mid: &str, at: DateTime<Utc>, text: &str) -> Value {
    let mut message = json!({ "mid": mid, "text": text, "is_echo": true });
    if account.channel == ChannelKind::Messenger {
        set(&mut message, "app_id", INBOX_APP);
    }
    echo(account, to, message, at)
}

fn echo(account: &Account, to: &str, message: Value, at: DateTime<Utc>) -> Value {
    let mut item = item(account, List::Messaging, None, to, at);
    set(&mut item.0, "message", message);
    envelope(account, item, at)
}

/// Messenger's word that a message reached a device, and all before it.
pub(super) fn delivered(account: &Account, persona: &Persona, mid: &str, at: DateTime<Utc>) -> Value {
    let mut item = item(account, List::Messaging, Some(persona), "", at);
    set(&mut item.0, "delivery", json!({ "mids": [mid], "watermark": at.timestamp_millis() }));
    envelope(account, item, at)
}

/// The word that a person read a message: its id on Instagram, a time on Messenger.
pub(super) fn read(account: &Account, persona: &Persona, mid: &str, at: DateTime<Utc>) -> Value {
    let read = match account.channel {
        ChannelKind::Instagram => json!({ "mid": mid }),
        _ => json!({ "watermark": at.timestamp_millis() }),
    };
    let mut item = item(account, List::Messaging, Some(persona), "", at);
    set(&mut item.0, "read", read);
    envelope(account, item, at)
}
