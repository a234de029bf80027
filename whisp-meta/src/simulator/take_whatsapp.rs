//! How the simulator takes a message on WhatsApp: the checks that Meta makes, then the answer and the statuses.

use serde_json::{Value, json};
use whisp_core::Sensitive;
use whisp_core::model::PlatformMessageId;

use super::config::{Account, Persona, Receipts};
use super::hooks_whatsapp::{Status, status};
use super::refusal::Refusal;
use super::state::Accepted;
use super::{Core, World};
use crate::limits::{Limit, WINDOW, whatsapp as limit};

/// The fields of a request that WhatsApp knows, beside the object named by `type`.
const FIELDS: &[&str] =
    &["messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data"];
const TYPES: &[&str] = &[
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
];

const REENGAGE: (i64, &str) = (131_047, "Re-engagement message");
const UNDELIVERABLE: (i64, &str) = (131_026, "Message undeliverable");

/// Takes one request.
pub(super) fn take(core: &Core, world: &mut World, account: &Account, body: &Value) -> Result<Value, Refusal> {
    if body.get("messaging_product").and_then(Value::as_str) != Some("whatsapp") {
        return Err(Refusal::new(400, 100, "(#100) The parameter messaging_product is required."));
    }
    if body.get("status").is_some() {
        return take_read_mark(body);
    }
    let (kind, object) = check_shape(body)?;
    if kind == "template" {
        check_template(core, object)?;
    }
    let now = core.clock.now();
    if !world.state.within_second(&account.id, core.limits.per_second, now) {
        return Err(Refusal::new(400, 130_429, "(#130429) Rate limit hit").transient());
    }
    let (address, input) = addressee(body)?;
    let persona = world.state.find(&account.id, &address).map(|person| person.persona.clone());
    let id = persona.as_ref().map_or(address.as_str(), |persona| &persona.id).to_owned();
    if !world.state.within_pair_rate(&account.id, &id, &core.limits, now) {
        return Err(Refusal::new(400, 131_056, "(#131056) (Business Account, Consumer Account) pair rate limit hit")
            .with_details("Too many messages were sent to this number in a short time."));
    }
    let open = world
        .state
        .find(&account.id, &id)
        .and_then(|person| person.wrote_at)
        .is_some_and(|wrote_at| now - wrote_at < WINDOW);
    if let Some(persona) = persona.as_ref().filter(|persona| persona.id == address) {
        world.state.books.note(account, persona);
    }
    let failure = match (&persona, kind) {
        (None, _) => Some(UNDELIVERABLE),
        (Some(_), "template") => None,
        (Some(_), _) => (!open).then_some(REENGAGE),
    };
    let wamid = world.state.message_id(account, &id, true);
    let accepted = accept(world, account, body, &wamid, &id, kind, failure.map(|(code, _)| code), core);
    push_statuses(core, world, account, persona.as_ref().ok_or(address.as_str()), &accepted, kind, failure);
    Ok(answer(&input, persona.as_ref(), &address, &wamid))
}

fn take_read_mark(body: &Value) -> Result<Value, Refusal> {
    let read = body.get("status").and_then(Value::as_str) == Some("read");
    let target = body.get("message_id").and_then(Value::as_str).is_some_and(|id| id.starts_with("wamid."));
    let typing = body.get("typing_indicator").is_none_or(|typing| typing.get("type") == Some(&json!("text")));
    if read && target && typing {
        return Ok(json!({ "success": true }));
    }
    Err(Refusal::parameter("Param message_id must be the id of a received message, with status \"read\""))
}

/// Checks the fields and returns the kind and its object.
fn check_shape(body: &Value) -> Result<(&str, &Value), Refusal> {
    let kind = body.get("type").and_then(Value::as_str).unwrap_or("text");
    if !TYPES.contains(&kind) {
        return Err(Refusal::parameter("Param type must be one of the kinds of message"));
    }
    let fields = body.as_object().ok_or_else(|| Refusal::parameter("The body must be an object"))?;
    if let Some(field) = fields.keys().find(|field| !FIELDS.contains(&field.as_str()) && field.as_str() != kind) {
        return Err(Refusal::parameter(&format!("Unexpected key \"{field}\"")));
    }
    let long = |text: &Value| text.as_str().is_none_or(|text| limit::TAG.check(text).is_err());
    if body.get("biz_opaque_callback_data").is_some_and(long) {
        return Err(Refusal::parameter("Param biz_opaque_callback_data must be a string of at most 512 characters"));
    }
    let object = body.get(kind).filter(|object| object.is_object() || object.is_array());
    let object = object.ok_or_else(|| {
        Refusal::new(400, 131_008, "(#131008) Required parameter is missing")
            .with_details(&format!("{kind} is missing"))
    })?;
    check_object(kind, object)?;
    Ok((kind, object))
}

fn check_object(kind: &str, object: &Value) -> Result<(), Refusal> {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let caption = object.get("caption");
    match kind {
        "text" if !fits(object.get("body"), limit::TEXT) => {
            Err(wrong_value("text.body must have 1 to 4096 characters"))
        }
        "image" | "video" | "audio" | "document" | "sticker" if text("link").or(text("id")).is_none() => {
            Err(wrong_value("id or link is missing"))
        }
        "image" | "video" | "document" if caption.is_some() && !fits(caption, limit::CAPTION) => {
            Err(wrong_value("caption must have 1 to 1024 characters"))
        }
        "audio" | "sticker" if caption.is_some() => Err(Refusal::parameter("Unexpected key \"caption\"")),
        "reaction" if text("message_id").is_none() || text("emoji").is_none() => {
            Err(wrong_value("reaction is incomplete"))
        }
        "interactive" => check_interactive(object),
        _ => Ok(()),
    }
}

fn check_interactive(object: &Value) -> Result<(), Refusal> {
    let all = |pointer: &str| object.pointer(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let body = object.pointer("/body/text");
    let (buttons, sections) = (all("/action/buttons"), all("/action/sections"));
    let rows: Vec<&Value> = sections.iter().filter_map(|section| section.get("rows")?.as_array()).flatten().collect();
    let right = match object.get("type").and_then(Value::as_str) {
        Some("button") => {
            fits(body, limit::BUTTONS_TEXT)
                && (1..=limit::BUTTONS_MAX).contains(&buttons.len())
                && buttons.iter().all(|button| {
                    fits(button.pointer("/reply/id"), limit::BUTTON_ID)
                        && fits(button.pointer("/reply/title"), limit::BUTTON_TITLE)
                })
        }
        Some("list") => {
            fits(body, limit::LIST_TEXT)
                && fits(object.pointer("/action/button"), limit::LIST_BUTTON)
                && (1..=limit::SECTIONS_MAX).contains(&sections.len())
                && sections.iter().all(|section| {
                    sections.len() == 1 && section.get("title").is_none()
                        || fits(section.get("title"), limit::SECTION_TITLE)
                })
                && (1..=limit::ROWS_MAX).contains(&rows.len())
                && rows.iter().all(|row| {
                    let description = row.get("description");
                    fits(row.get("id"), limit::ROW_ID)
                        && fits(row.get("title"), limit::ROW_TITLE)
                        && (description.is_none() || fits(description, limit::ROW_DESCRIPTION))
                })
        }
        _ => false,
    };
    if right { Ok(()) } else { Err(wrong_value("interactive is incomplete or over a limit")) }
}

fn fits(text: Option<&Value>, limit: Limit) -> bool {
    text.and_then(Value::as_str).is_some_and(|text| limit.check(text).is_ok())
}

fn wrong_value(details: &str) -> Refusal {
    Refusal::new(400, 131_009, "(#131009) Parameter value is not valid").with_details(details)
}

fn check_template(core: &Core, object: &Value) -> Result<(), Refusal> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (name, language) = (text("/name"), text("/language/code"));
    let known = core.templates.iter().find(|known| known.name == name && known.language == language);
    let Some(known) = known else {
        return Err(Refusal::new(404, 132_001, "(#132001) Template name does not exist in the translation")
            .with_details("no approved template has this name and language"));
    };
    let body = object.get("components").and_then(Value::as_array).into_iter().flatten();
    let values = body
        .filter(|component| component.get("type") == Some(&json!("body")))
        .filter_map(|component| component.get("parameters")?.as_array())
        .map(Vec::len)
        .sum::<usize>();
    if values == known.body_values {
        return Ok(());
    }
    let expected = known.body_values;
    Err(Refusal::new(400, 132_000, "(#132000) Number of parameters does not match the expected number of params")
        .with_details(&format!("body: {values} parameters, the template takes {expected}")))
}

/// Returns the id that is addressed, and the address as the request wrote it. `to` wins over `recipient`.
fn addressee(body: &Value) -> Result<(String, String), Refusal> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    if let Some(to) = text("to") {
        let digits: String = to.chars().filter(char::is_ascii_digit).collect();
        if digits.is_empty() {
            return Err(Refusal::parameter("Param to must be a phone number"));
        }
        return Ok((digits, to.to_owned()));
    }
    match text("recipient") {
        Some(bsuid) => Ok((bsuid.to_owned(), bsuid.to_owned())),
        None => Err(Refusal::new(400, 100, "(#100) The parameter to is required.")),
    }
}

#[expect(clippy::too_many_arguments, reason = "each is one column of what is remembered")]
fn accept(
    world: &mut World,
    account: &Account,
    body: &Value,
    wamid: &str,
    to: &str,
    kind: &str,
    failed: Option<i64>,
    core: &Core,
) -> Accepted {
    let text = match kind {
        "text" => body.pointer("/text/body"),
        "interactive" => body.pointer("/interactive/body/text"),
        _ => None,
    };
    let accepted = Accepted {
        id: PlatformMessageId::new(wamid),
        account: account.id.clone(),
        to: to.into(),
        tag: body.get("biz_opaque_callback_data").and_then(Value::as_str).map(str::to_owned),
        text: text.and_then(Value::as_str).map(Sensitive::from),
        body: Sensitive::new(body.clone()),
        at: core.clock.now(),
        failed,
    };
    world.state.accepted.push(accepted.clone());
    accepted
}

fn push_statuses(
    core: &Core,
    world: &mut World,
    account: &Account,
    person: Result<&Persona, &str>,
    accepted: &Accepted,
    kind: &str,
    failure: Option<(i64, &str)>,
) {
    // A reaction only ever gets `sent`.
    let upto = if kind == "reaction" { core.receipts.min(Receipts::Sent) } else { core.receipts };
    let steps: &[&str] = match (failure, upto) {
        (Some(_), _) => &["failed"],
        (None, Receipts::None) => &[],
        (None, Receipts::Sent) => &["sent"],
        (None, Receipts::Delivered) => &["sent", "delivered"],
        (None, Receipts::Read) => &["sent", "delivered", "read"],
    };
    for step in steps {
        let word = Status {
            id: accepted.id.expose(),
            step,
            at: accepted.at,
            tag: accepted.tag.as_deref(),
            category: category(kind),
            failure,
        };
        world.state.enqueue(status(account, person, &word));
    }
}

/// What a message is priced as.
pub(super) fn category(kind: &str) -> &'static str {
    if kind == "template" { "utility" } else { "service" }
}

fn answer(input: &str, persona: Option<&Persona>, address: &str, wamid: &str) -> Value {
    let contact = match persona {
        Some(Persona { hides_phone: true, bsuid: Some(bsuid), .. }) => json!({ "input": input, "user_id": bsuid }),
        Some(persona) => json!({ "input": input, "wa_id": persona.id }),
        None => json!({ "input": input, "wa_id": address }),
    };
    json!({ "messaging_product": "whatsapp", "contacts": [contact], "messages": [{ "id": wamid }] })
}
