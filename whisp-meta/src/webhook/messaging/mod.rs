//! Instagram and Messenger: `entry[].messaging[]`, `entry[].standby[]` and `entry[].changes[]`.

mod attachment;
mod comment;
pub(super) mod event;
mod message;

use serde_json::value::RawValue;
use whisp_core::model::{ChannelKind, HandleKind, Provenance};
use whisp_core::webhook::Item;

use super::cursor::read_raw;
use super::item::{Origin, Reading, What};
use super::notice;
use super::whatsapp::account_of;
use super::wire::{Fields, elements, is_null};
use event::Messaging;

pub(super) fn entry(entry: &Fields<'_>, raw: &RawValue, origin: &Origin<'_>, items: &mut Vec<Item>) {
    let id = entry.text("id");
    let id = id.as_str().unwrap_or_default();
    let origin = Origin { account: account_of(id), entry: id, time: entry.int("time"), ..origin.clone() };
    let mut empty = true;
    for (name, part) in &entry.0 {
        let name = name.as_ref();
        if matches!(name, "id" | "time" | "uid" | "value") || is_null(part) {
            continue;
        }
        empty = false;
        match (name, elements(part)) {
            ("messaging", Some(list)) => messaging(&list, &origin.at_field(name, Provenance::Live), items),
            ("standby", Some(list)) => messaging(&list, &origin.at_field(name, Provenance::Standby), items),
            ("changes", Some(list)) => list.into_iter().for_each(|raw| change(raw, &origin, items)),
            // Apps with Instagram Login get comments without the wrapper: the entry is the change.
            ("field", _) => change(raw, &origin, items),
            _ => items.push(origin.item(Reading::unknown(Some(name.to_owned())), part)),
        }
    }
    if empty {
        items.push(origin.item(Reading::unknown(None), raw));
    }
}

/// Which kind of id people have on the channel.
pub(super) fn handle_kind(channel: &ChannelKind) -> HandleKind {
    match channel {
        ChannelKind::Instagram => HandleKind::InstagramScoped,
        _ => HandleKind::PageScoped,
    }
}

fn messaging(list: &[&RawValue], origin: &Origin<'_>, items: &mut Vec<Item>) {
    items.extend(list.iter().map(|raw| item(raw, origin)));
}

fn item(raw: &RawValue, origin: &Origin<'_>) -> Item {
    let mut reading = match read_raw::<Messaging<'_>>(raw) {
        Some(event) => event.reading(origin),
        None => Reading::unknown(None),
    };
    if let What::Unknown(kind @ None, _) = &mut reading.what {
        // Nothing that we read: perhaps a notice, which is told by the name of its field.
        let fields = Fields::read(raw).unwrap_or_default();
        let names = || fields.0.iter().map(|(name, _)| name.as_ref()).filter(|name| !is_envelope(name));
        match names().find_map(|name| notice::topic(&origin.channel, name)) {
            Some(topic) => reading.what = What::Notice(topic.to_owned()),
            None => *kind = names().next().map(str::to_owned),
        }
    }
    origin.item(reading, raw)
}

fn is_envelope(name: &str) -> bool {
    matches!(name, "sender" | "recipient" | "timestamp")
}

fn change(raw: &RawValue, origin: &Origin<'_>, items: &mut Vec<Item>) {
    let change = Fields::read(raw).unwrap_or_default();
    let field = change.text("field");
    let name = field.as_str().unwrap_or_default();
    let provenance = if name == "standby" { Provenance::Standby } else { Provenance::Live };
    let origin = origin.at_field(name, provenance);
    let Some(value) = change.get("value").filter(|value| !is_null(value)) else {
        return items.push(origin.item(Reading::unknown(field.owned()), raw));
    };
    let reading = match name {
        // The App Dashboard's test button, and reactions for some apps, wrap what `messaging` holds.
        "messages"
        | "message_deliveries"
        | "message_echoes"
        | "message_edit"
        | "message_edits"
        | "message_reactions"
        | "message_reads"
        | "messaging_handover"
        | "messaging_handovers"
        | "messaging_optins"
        | "messaging_postbacks"
        | "messaging_referral"
        | "messaging_referrals"
        | "messaging_seen"
        | "standby" => {
            return items.push(item(value, &origin));
        }
        "comments" | "live_comments" => comment::comment(value, &origin),
        "mentions" => comment::mention(value),
        "feed" => comment::feed(value, &origin),
        _ => None,
    };
    let reading = reading.unwrap_or_else(|| match notice::topic(&origin.channel, name) {
        Some(topic) => Reading::new(What::Notice(topic.to_owned()), None),
        None => Reading::unknown(field.owned()),
    });
    items.push(origin.item(reading, value));
}
