//! WhatsApp's webhooks
//! (<https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages>).

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::config::{Account, Persona};
use super::say::{HistoryLine, Say};
use crate::json::set;

/// Codes of what a person sent and WhatsApp does not pass on.
const UNSUPPORTED: i64 = 131_051;
/// The type of such a message.
const UNSUPPORTED_KIND: &str = "unsupported";
/// The digest of the media of simulated messages: of no bytes at all.
const MEDIA_SHA256: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// A change of `field`: the envelope with `metadata`, around `fields`.
fn change(account: &Account, field: &str, fields: Vec<(&str, Value)>) -> Value {
    let metadata = json!({ "display_phone_number": account.phone, "phone_number_id": account.id.as_str() });
    let mut value = json!({ "messaging_product": "whatsapp", "metadata": metadata });
    for (key, content) in fields {
        set(&mut value, key, content);
    }
    let changes = [json!({ "value": value, "field": field })];
    json!({ "object": "whatsapp_business_account", "entry": [{ "id": account.owner, "changes": changes }] })
}

fn contacts(persona: &Persona) -> Value {
    let mut contact = json!({});
    let mut profile = json!({});
    if let Some(name) = &persona.name {
        set(&mut profile, "name", name.as_str());
    }
    if let Some(username) = &persona.username {
        set(&mut profile, "username", username.as_str());
    }
    set(&mut contact, "profile", profile);
    identify(&mut contact, persona, "wa_id", "user_id", "parent_user_id");
    json!([contact])
}

/// Sets the ids by which a person is told.
fn identify(object: &mut Value, persona: &Persona, phone: &str, bsuid: &str, parent: &str) {
    if !persona.hides_phone {
        set(object, phone, persona.id.as_str());
    }
    if let Some(id) = &persona.bsuid {
        set(object, bsuid, id.as_str());
    }
    if let Some(id) = &persona.parent_bsuid {
        set(object, parent, id.as_str());
    }
}

fn seconds(at: DateTime<Utc>) -> Value {
    at.timestamp().to_string().into()
}

/// A message of a person. `answered` is the business's last message, which a press on a button refers to.
pub(super) fn message(
    account: &Account,
    persona: &Persona,
    field: &str,
    id: &str,
    at: DateTime<Utc>,
    say: &Say,
    answered: Option<&str>,
) -> Value {
    let mut message = json!({ "id": id, "timestamp": seconds(at) });
    identify(&mut message, persona, "from", "from_user_id", "from_parent_user_id");
    let (kind, content) = content(say);
    set(&mut message, "type", kind);
    set(&mut message, kind, content);
    let quoted = match say {
        Say::Reply { target, .. } => Some(target.expose()),
        Say::Button { .. } | Say::List { .. } | Say::Postback { .. } => answered,
        _ => None,
    };
    if let Some(quoted) = quoted {
        set(&mut message, "context", json!({ "from": account.phone, "id": quoted }));
    }
    if kind == UNSUPPORTED_KIND {
        let title = "Message type unknown";
        let details = json!({ "details": "Message type is currently not supported." });
        let error = json!({ "code": UNSUPPORTED, "title": title, "message": title, "error_data": details });
        set(&mut message, "errors", json!([error]));
    }
    change(account, field, vec![("contacts", contacts(persona)), ("messages", json!([message]))])
}

fn unsupported() -> (&'static str, Value) {
    (UNSUPPORTED_KIND, json!({ "type": "poll_creation" }))
}

fn content(say: &Say) -> (&'static str, Value) {
    match say {
        Say::Text(text) | Say::Reply { text, .. } | Say::StoryReply { text, .. } => {
            ("text", json!({ "body": text.expose() }))
        }
        Say::Image { caption } => {
            let mut image = media("image/jpeg");
            if let Some(caption) = caption {
                set(&mut image, "caption", caption.expose().as_str());
            }
            ("image", image)
        }
        Say::File { file, caption } => {
            let mut media = file.webhook();
            if let Some(caption) = caption {
                set(&mut media, "caption", caption.expose().as_str());
            }
            (file.kind().as_str(), media)
        }
        Say::Files(files) => match files.first() {
            Some(file) => (file.kind().as_str(), file.webhook()),
            None => unsupported(),
        },
        Say::Voice => {
            let mut audio = media("audio/ogg; codecs=opus");
            set(&mut audio, "voice", true);
            ("audio", audio)
        }
        Say::Button { id, title } => {
            let reply = json!({ "id": id.expose(), "title": title.expose() });
            ("interactive", json!({ "type": "button_reply", "button_reply": reply }))
        }
        Say::List { id, title, description } => {
            let mut reply = json!({ "id": id.expose(), "title": title.expose() });
            if let Some(description) = description {
                set(&mut reply, "description", description.expose().as_str());
            }
            ("interactive", json!({ "type": "list_reply", "list_reply": reply }))
        }
        Say::Postback { payload, title } => ("button", json!({ "payload": payload.expose(), "text": title.expose() })),
        Say::Reaction { target, emoji } => {
            let mut reaction = json!({ "message_id": target.expose() });
            if let Some(emoji) = emoji {
                set(&mut reaction, "emoji", emoji.expose().as_str());
            }
            ("reaction", reaction)
        }
        Say::Unsupported | Say::StoryMention { .. } => unsupported(),
        Say::Edit { target, text } => {
            let message = json!({ "context": { "id": "M0" }, "type": "text", "text": { "body": text.expose() } });
            ("edit", json!({ "original_message_id": target.expose(), "message": message }))
        }
        Say::Unsend { target } => ("revoke", json!({ "original_message_id": target.expose() })),
    }
}

fn media(mime: &str) -> Value {
    json!({
        "mime_type": mime,
        "sha256": MEDIA_SHA256,
        "id": "1003383421387256",
        "url": "https://lookaside.example.test/whatsapp_business/attachments/?mid=1003383421387256",
    })
}

/// What became of a message of the business.
#[derive(Debug)]
pub(super) struct Status<'a> {
    pub(super) id: &'a str,
    /// `sent`, `delivered`, `read`, `failed`.
    pub(super) step: &'a str,
    pub(super) at: DateTime<Utc>,
    pub(super) tag: Option<&'a str>,
    /// `service`, `utility`, ...
    pub(super) category: &'a str,
    /// The code of a failure, with its title.
    pub(super) failure: Option<(i64, &'a str)>,
}

/// A status. `person` is whom it was for; a number that nobody has is only known by itself.
pub(super) fn status(account: &Account, person: Result<&Persona, &str>, status: &Status<'_>) -> Value {
    let mut object = json!({ "id": status.id, "status": status.step, "timestamp": seconds(status.at) });
    match person {
        Ok(persona) => {
            identify(&mut object, persona, "recipient_id", "recipient_user_id", "recipient_parent_user_id");
        }
        Err(number) => set(&mut object, "recipient_id", number),
    }
    if let Some(tag) = status.tag {
        set(&mut object, "biz_opaque_callback_data", tag);
    }
    if let Some((code, title)) = status.failure {
        let href = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/";
        let data = json!({ "details": title });
        let error = json!({ "code": code, "title": title, "message": title, "error_data": data, "href": href });
        set(&mut object, "errors", json!([error]));
        return change(account, "messages", vec![("statuses", json!([object]))]);
    }
    let pricing = json!({
        "billable": status.category != "service",
        "pricing_model": "PMP",
        "type": if status.category == "service" { "free_customer_service" } else { "regular" },
        "category": status.category,
    });
    set(&mut object, "pricing", pricing);
    let mut fields = Vec::new();
    if let Ok(persona) = person {
        fields.push(("contacts", contacts(persona)));
    }
    fields.push(("statuses", json!([object])));
    change(account, "messages", fields)
}

/// A message that a member typed in the WhatsApp Business app.
pub(super) fn echo(account: &Account, persona: &Persona, id: &str, at: DateTime<Utc>, text: &str) -> Value {
    let mut echo = json!({ "from": account.phone, "id": id, "timestamp": seconds(at), "type": "text" });
    identify(&mut echo, persona, "to", "to_user_id", "to_parent_user_id");
    set(&mut echo, "text", json!({ "body": text }));
    let fields = vec![("contacts", contacts(persona)), ("message_echoes", json!([echo]))];
    change(account, "smb_message_echoes", fields)
}

/// A thread of imported history; `ids` are the ids of its lines.
pub(super) fn history(account: &Account, persona: &Persona, lines: &[HistoryLine], ids: &[String]) -> Value {
    let messages: Vec<Value> =
        lines.iter().zip(ids).map(|(line, id)| history_line(account, persona, line, id)).collect();
    let thread = json!({ "id": persona.id, "messages": messages });
    let metadata = json!({ "phase": 0, "chunk_order": 1, "progress": 100 });
    change(account, "history", vec![("history", json!([{ "metadata": metadata, "threads": [thread] }]))])
}

fn history_line(account: &Account, persona: &Persona, line: &HistoryLine, id: &str) -> Value {
    let from = if line.outgoing { &account.phone } else { &persona.id };
    let mut message = json!({ "from": from, "id": id, "timestamp": seconds(line.at) });
    match &line.text {
        Some(text) => {
            set(&mut message, "type", "text");
            set(&mut message, "text", json!({ "body": text.expose() }));
        }
        None => set(&mut message, "type", "media_placeholder"),
    }
    set(&mut message, "history_context", json!({ "status": "READ" }));
    message
}
