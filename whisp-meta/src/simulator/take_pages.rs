//! How the simulator takes a message on Instagram and Messenger.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use whisp_core::Sensitive;
use whisp_core::model::{ChannelKind, PlatformMessageId};

use super::config::{Account, Receipts};
use super::refusal::Refusal;
use super::state::{Accepted, Person};
use super::{Core, World, hooks_pages};
use crate::limits::{HUMAN_WINDOW, WINDOW, pages as limit};

/// Takes one request.
pub(super) fn take(core: &Core, world: &mut World, account: &Account, body: &Value) -> Result<Value, Refusal> {
    let id = body.pointer("/recipient/id").and_then(Value::as_str).ok_or_else(|| required("recipient"))?;
    let person = world.state.find(&account.id, id).cloned();
    let person = person.ok_or_else(|| Refusal::no_such_person(&account.channel))?;
    let now = core.clock.now();
    if let Some(action) = body.get("sender_action") {
        check_action(action, body)?;
        check_window(account, &person, body, now)?;
        return Ok(json!({ "recipient_id": id }));
    }
    let message = body.get("message").filter(|message| message.is_object()).ok_or_else(|| required("message"))?;
    check_envelope(body)?;
    check_message(account, message)?;
    check_window(account, &person, body, now)?;
    if !world.state.within_second(&account.id, core.limits.per_second, now) {
        return Err(Refusal::new(400, 613, "(#613) Calls to this api have exceeded the rate limit.").transient());
    }
    let mid = world.state.message_id(account, id, true);
    world.files.sent(&account.id, id, &mid);
    world.state.accepted.push(accepted(account, id, &mid, body, message, now));
    push_receipts(core, world, account, &person, &mid, message, now);
    Ok(json!({ "recipient_id": id, "message_id": mid }))
}

fn required(parameter: &str) -> Refusal {
    Refusal::new(400, 100, format!("(#100) The parameter {parameter} is required"))
}

fn check_action(action: &Value, body: &Value) -> Result<(), Refusal> {
    let target = body.pointer("/payload/message_id").and_then(Value::as_str);
    match action.as_str() {
        Some("typing_on" | "typing_off" | "mark_seen") => Ok(()),
        Some("react") if body.pointer("/payload/reaction").is_none() => Err(required("payload.reaction")),
        Some("react" | "unreact") if target.is_none() => Err(required("payload.message_id")),
        Some("react" | "unreact") => Ok(()),
        _ => Err(Refusal::new(400, 100, "(#100) Param sender_action is not one of the known actions")),
    }
}

fn check_envelope(body: &Value) -> Result<(), Refusal> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    match (text("messaging_type"), text("tag")) {
        (None | Some("RESPONSE" | "UPDATE"), None) | (Some("MESSAGE_TAG"), Some("HUMAN_AGENT")) => Ok(()),
        (Some("MESSAGE_TAG"), None) => Err(required("tag")),
        (_, Some(_)) => Err(Refusal::new(400, 100, "(#100) Param tag is not allowed")),
        _ => Err(Refusal::new(400, 100, "(#100) Param messaging_type is not one of the known types")),
    }
}

fn check_message(account: &Account, message: &Value) -> Result<(), Refusal> {
    let wrong = |details: &str| Err(Refusal::new(400, 100, format!("(#100) {details}")));
    let most = if account.channel == ChannelKind::Instagram { limit::INSTAGRAM_TEXT } else { limit::MESSENGER_TEXT };
    let text = message.get("text").and_then(Value::as_str);
    if text.is_some_and(|text| most.check(text).is_err()) {
        return wrong("Length of param message[text] is out of range");
    }
    let replies = message.get("quick_replies").and_then(Value::as_array).map_or(0, Vec::len);
    if replies > limit::QUICK_REPLIES_MAX {
        return wrong("There are more than 13 quick replies");
    }
    match message.get("attachment") {
        None if text.is_none() => wrong("Message cannot be empty, must provide valid attachment or text"),
        None => Ok(()),
        Some(attachment) => match attachment.get("type").and_then(Value::as_str) {
            Some("image" | "video" | "audio" | "file")
                if attachment.pointer("/payload/url").and_then(Value::as_str).is_some() =>
            {
                Ok(())
            }
            Some("like_heart" | "MEDIA_SHARE" | "template") => Ok(()),
            _ => wrong("Param message[attachment] is not valid"),
        },
    }
}

fn check_window(account: &Account, person: &Person, body: &Value, now: DateTime<Utc>) -> Result<(), Refusal> {
    let window = if body.get("tag").is_some() { HUMAN_WINDOW } else { WINDOW };
    match person.wrote_at {
        Some(wrote_at) if now - wrote_at < window => Ok(()),
        _ => Err(Refusal::outside_window(&account.channel)),
    }
}

fn accepted(account: &Account, to: &str, mid: &str, body: &Value, message: &Value, now: DateTime<Utc>) -> Accepted {
    let text = |key: &str| message.get(key).and_then(Value::as_str);
    Accepted {
        id: PlatformMessageId::new(mid),
        account: account.id.clone(),
        to: to.into(),
        tag: text("metadata").map(str::to_owned),
        text: text("text").map(Sensitive::from),
        body: Sensitive::new(body.clone()),
        at: now,
        failed: None,
    }
}

fn push_receipts(
    core: &Core,
    world: &mut World,
    account: &Account,
    person: &Person,
    mid: &str,
    message: &Value,
    now: DateTime<Utc>,
) {
    let persona = &person.persona;
    world.state.enqueue(hooks_pages::echo_of_send(account, &persona.id, mid, now, message));
    if core.receipts >= Receipts::Delivered && account.channel == ChannelKind::Messenger {
        world.state.enqueue(hooks_pages::delivered(account, persona, mid, now));
    }
    if core.receipts >= Receipts::Read {
        world.state.enqueue(hooks_pages::read(account, persona, mid, now));
    }
}
