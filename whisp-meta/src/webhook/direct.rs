//! The short way through a body of the usual shape: one pass that builds the items and keeps no JSON.
//!
//! Nearly every webhook is a message, a status or an event of `messaging[]`. Such a body is read in one go: each item
//! is made as soon as the cursor has passed it. Whatever is not exactly of this shape, or holds one item that needs its
//! JSON kept, ends the attempt, and the thorough way gives the same items for the same body.

use chrono::{DateTime, Utc};
use whisp_core::model::{AccountId, ChannelKind, Provenance};
use whisp_core::webhook::Item;

use super::cursor::{Cursor, Read};
use super::decoder::channel;
use super::item::Origin;
use super::messaging::event::Messaging;
use super::whatsapp::message::{Message, Role};
use super::whatsapp::people::{People, WireContact};
use super::whatsapp::status::Status;
use super::whatsapp::{Metadata, Scene, account_of};
use super::wire::{Int, Text};

/// The items of a body of the usual shape; `None` if it is not of that shape.
pub(super) fn items(body: &whisp_core::Text, received_at: DateTime<Utc>) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut cursor = Cursor::new(body);
    let mut known = None;
    let mut done = false;
    cursor.object(|cursor, name| {
        match (name.as_ref(), &known) {
            ("object", None) => known = Some(channel(cursor.text()?.as_str()?)),
            ("entry", Some(channel)) if !done => {
                let cx = Cx { body, channel, received_at };
                cursor.list(|cursor| entry(cursor, cx, &mut items))?;
                done = true;
            }
            _ => return None,
        }
        Some(())
    })?;
    cursor.end()?;
    done.then_some(items)
}

#[derive(Clone, Copy)]
struct Cx<'c> {
    body: &'c whisp_core::Text,
    channel: &'c ChannelKind,
    received_at: DateTime<Utc>,
}

fn entry(cursor: &mut Cursor<'_>, cx: Cx<'_>, items: &mut Vec<Item>) -> Option<()> {
    let mut id = None;
    let mut time = None;
    let mut done = false;
    cursor.object(|cursor, name| {
        match (name.as_ref(), &id, cx.channel) {
            ("id", None, _) => id = Some(cursor.text()?),
            ("time", _, _) if time.is_none() && !done => time = Some(cursor.int()?),
            ("changes", Some(id), ChannelKind::WhatsApp) if !done => {
                // Each value names its own account.
                let origin = origin(cx, id, time.unwrap_or_default(), None);
                some(cursor, items, |cursor, items| change(cursor, &origin, items))?;
                done = true;
            }
            ("messaging", Some(id), ChannelKind::Instagram | ChannelKind::Messenger) if !done => {
                let origin = origin(cx, id, time.unwrap_or_default(), id.as_str().and_then(account_of));
                some(cursor, items, |cursor, items| {
                    let reading = Messaging::read(cursor)?.reading(&origin);
                    origin.add_without_raw(reading, items)
                })?;
                done = true;
            }
            _ => return None,
        }
        Some(())
    })?;
    done.then_some(())
}

fn origin<'e>(cx: Cx<'e>, id: &'e Text<'_>, time: Int, account: Option<AccountId>) -> Origin<'e> {
    Origin {
        body: cx.body,
        channel: cx.channel.clone(),
        account,
        entry: id.as_str().unwrap_or_default(),
        field: "",
        provenance: Provenance::Live,
        time,
        received_at: cx.received_at,
    }
}

/// Reads a list that is not empty.
fn some<'a>(
    cursor: &mut Cursor<'a>,
    items: &mut Vec<Item>,
    mut element: impl FnMut(&mut Cursor<'a>, &mut Vec<Item>) -> Option<()>,
) -> Option<()> {
    let mut empty = true;
    cursor.list(|cursor| {
        empty = false;
        element(cursor, items)
    })?;
    (!empty).then_some(())
}

fn change(cursor: &mut Cursor<'_>, origin: &Origin<'_>, items: &mut Vec<Item>) -> Option<()> {
    let (mut field, mut value) = (false, false);
    cursor.object(|cursor, name| match name.as_ref() {
        // It comes after the value, so the value is read as what it nearly always is.
        "field" if !field => {
            field = cursor.text()?.as_str() == Some("messages");
            field.then_some(())
        }
        "value" if !value => {
            value = true;
            self::value(cursor, origin, items)
        }
        _ => None,
    })?;
    (field && value).then_some(())
}

fn value(cursor: &mut Cursor<'_>, origin: &Origin<'_>, items: &mut Vec<Item>) -> Option<()> {
    let mut metadata = None;
    let mut contacts: Option<Vec<WireContact<'_>>> = None;
    let mut done = false;
    cursor.object(|cursor, name| {
        match (name.as_ref(), &metadata) {
            ("messaging_product", _) => cursor.skip()?,
            ("metadata", None) if !done => metadata = Some(Metadata::read(cursor)?),
            ("contacts", _) if contacts.is_none() && !done => {
                let contacts = contacts.get_or_insert_default();
                cursor.list(|cursor| {
                    contacts.push(WireContact::read(cursor)?);
                    Some(())
                })?;
            }
            // Both lists in one value are rare.
            (list @ ("messages" | "statuses"), Some(metadata)) if !done => {
                let number = metadata.phone_number_id.filled()?;
                let origin = Origin { account: Some(AccountId::new(number)), ..origin.clone() };
                let scene = Scene {
                    body: origin.body,
                    people: People::new(contacts.as_deref().unwrap_or_default(), origin.body),
                    business: metadata.display_phone_number.filled(),
                    error: None,
                };
                items.reserve(scene.people.len());
                let mut index = 0;
                some(cursor, items, |cursor, items| {
                    let reading = if list == "messages" {
                        let message = Message::read(cursor)?;
                        message.reading(&scene, Role::Contact, index, index == 0 && cursor.is_before(b']'))
                    } else {
                        let status = Status::read(cursor)?;
                        status.reading(&scene, index, index == 0 && cursor.is_before(b']'))
                    };
                    index += 1;
                    origin.add_without_raw(reading, items)
                })?;
                done = true;
            }
            _ => return None,
        }
        Some(())
    })?;
    done.then_some(())
}
