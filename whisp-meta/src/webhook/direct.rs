//! The short way through a body of the usual shape: one pass that builds the items and keeps no JSON.
//!
//! Nearly every webhook is a message, a status or an event of `messaging[]`. Such a body is read in one go, at about
//! the cost of parsing it. Whatever is not exactly of this shape, or holds one item that needs its JSON kept, goes the
//! thorough way, which gives the same items for the same body.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;
use whisp_core::model::{AccountId, ChannelKind, Provenance};
use whisp_core::webhook::Item;

use super::decoder::channel;
use super::item::Origin;
use super::messaging::event::Messaging;
use super::whatsapp::message::{Message, Role};
use super::whatsapp::people::{People, WireContact};
use super::whatsapp::status::Status;
use super::whatsapp::{Metadata, Scene, account_of};
use super::wire::{Int, Text};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    object: &'a str,
    #[serde(borrow)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(default)]
    time: Int,
    #[serde(borrow, default)]
    changes: Vec<Change<'a>>,
    #[serde(borrow, default)]
    messaging: Vec<Messaging<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change<'a> {
    field: &'a str,
    #[serde(borrow)]
    value: Value<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Value<'a> {
    #[serde(default, rename = "messaging_product")]
    _product: IgnoredAny,
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    contacts: Vec<WireContact<'a>>,
    #[serde(borrow, default)]
    messages: Vec<Message<'a>>,
    #[serde(borrow, default)]
    statuses: Vec<Status<'a>>,
}

/// The items of a body of the usual shape; `None` if it is not of that shape.
pub(super) fn items(text: &str, received_at: DateTime<Utc>) -> Option<Vec<Item>> {
    let body: Body<'_> = serde_json::from_str(text).ok()?;
    let channel = channel(body.object);
    let mut items = Vec::new();
    for entry in &body.entry {
        let id = entry.id.as_str().unwrap_or_default();
        let origin = Origin {
            channel: channel.clone(),
            account: account_of(id),
            entry: id,
            field: "",
            provenance: Provenance::Live,
            time: entry.time.time(),
            received_at,
        };
        match channel {
            ChannelKind::WhatsApp if entry.messaging.is_empty() && !entry.changes.is_empty() => {
                items.reserve(entry.changes.len());
                for change in &entry.changes {
                    value(change, &origin, &mut items)?;
                }
            }
            ChannelKind::Instagram | ChannelKind::Messenger
                if entry.changes.is_empty() && !entry.messaging.is_empty() =>
            {
                items.reserve(entry.messaging.len());
                for event in &entry.messaging {
                    items.push(origin.item_without_raw(event.reading(&origin))?);
                }
            }
            _ => return None,
        }
    }
    Some(items)
}

fn value<'a>(change: &'a Change<'a>, origin: &Origin<'_>, items: &mut Vec<Item>) -> Option<()> {
    let value = &change.value;
    // With both lists their order would be lost, with none the value would be.
    if change.field != "messages" || value.messages.is_empty() == value.statuses.is_empty() {
        return None;
    }
    let number = value.metadata.phone_number_id.filled().map(AccountId::new);
    let origin = Origin { account: number.or_else(|| origin.account.clone()), ..origin.clone() };
    let scene = Scene {
        people: People::new(&value.contacts),
        business: value.metadata.display_phone_number.filled(),
        error: None,
    };
    let count = value.messages.len() + value.statuses.len();
    items.reserve(count);
    for (index, message) in value.messages.iter().enumerate() {
        let reading = message.reading(&scene, Role::Contact, index, count == 1);
        items.push(origin.item_without_raw(reading)?);
    }
    for (index, status) in value.statuses.iter().enumerate() {
        items.push(origin.item_without_raw(status.reading(&scene, index, count == 1))?);
    }
    Some(())
}
