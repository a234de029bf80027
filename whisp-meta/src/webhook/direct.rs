//! The short way through a body of the usual shape: one pass that builds the items and keeps no JSON.
//!
//! Nearly every webhook is a message, a status or an event of `messaging[]`. Such a body is read in one go: each item
//! is made as soon as the parser has passed it. Whatever is not exactly of this shape, or holds one item that needs its
//! JSON kept, ends the attempt, and the thorough way gives the same items for the same body.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use whisp_core::model::{AccountId, ChannelKind, Provenance};
use whisp_core::webhook::Item;

use super::decoder::channel;
use super::item::{Origin, Reading};
use super::messaging::event::Messaging;
use super::whatsapp::message::{Message, Role};
use super::whatsapp::people::{People, WireContact};
use super::whatsapp::status::Status;
use super::whatsapp::{Metadata, Scene, account_of};
use super::wire::{Int, Key, Place, Text};

/// The items of a body of the usual shape; `None` if it is not of that shape.
pub(super) fn items(body: &whisp_core::Text, received_at: DateTime<Utc>) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut parser = serde_json::Deserializer::from_str(body);
    Body { body, received_at, items: &mut items }.deserialize(&mut parser).ok()?;
    parser.end().ok()?;
    Some(items)
}

/// Ends the attempt.
fn unusual<T, E: Error>() -> Result<T, E> {
    Err(E::custom("not of the usual shape"))
}

/// What a piece is read into: seeds of objects and lists differ only in their `visit`.
macro_rules! seed {
    ($name:ident $(<$($life:lifetime),+>)?, $deserialize:ident, $visit:item) => {
        impl<'de> DeserializeSeed<'de> for $name $(<$($life),+>)? {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.$deserialize(self)
            }
        }

        impl<'de> Visitor<'de> for $name $(<$($life),+>)? {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a webhook of the usual shape")
            }

            $visit
        }
    };
}

struct Body<'c, 'i> {
    body: &'c whisp_core::Text,
    received_at: DateTime<Utc>,
    items: &'i mut Vec<Item>,
}

seed!(
    Body<'_, '_>,
    deserialize_map,
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut known = None;
        let mut done = false;
        while let Some(Key(name)) = map.next_key()? {
            match (name.as_ref(), &known) {
                ("object", None) => known = Some(channel(&map.next_value::<Key<'de>>()?.0)),
                ("entry", Some(channel)) if !done => {
                    let cx = Cx { body: self.body, channel, received_at: self.received_at };
                    map.next_value_seed(Entries { cx, items: self.items })?;
                    done = true;
                }
                _ => return unusual(),
            }
        }
        if done { Ok(()) } else { unusual() }
    }
);

#[derive(Clone, Copy)]
struct Cx<'c> {
    body: &'c whisp_core::Text,
    channel: &'c ChannelKind,
    received_at: DateTime<Utc>,
}

struct Entries<'c, 'i> {
    cx: Cx<'c>,
    items: &'i mut Vec<Item>,
}

seed!(
    Entries<'_, '_>,
    deserialize_seq,
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Entry { cx: self.cx, items: self.items })?.is_some() {}
        Ok(())
    }
);

struct Entry<'c, 'i> {
    cx: Cx<'c>,
    items: &'i mut Vec<Item>,
}

seed!(
    Entry<'_, '_>,
    deserialize_map,
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut id = None;
        let mut time = Int::default();
        let mut done = false;
        while let Some(Key(name)) = map.next_key()? {
            match (name.as_ref(), &id, self.cx.channel) {
                ("id", None, _) => id = Some(map.next_value::<Text<'de>>()?),
                ("time", _, _) if time.0.is_none() && !done => time = map.next_value()?,
                ("changes", Some(id), ChannelKind::WhatsApp) if !done => {
                    // Each value names its own account.
                    let origin = origin(self.cx, id, time, None);
                    map.next_value_seed(Changes { origin, items: self.items })?;
                    done = true;
                }
                ("messaging", Some(id), ChannelKind::Instagram | ChannelKind::Messenger) if !done => {
                    let origin = origin(self.cx, id, time, id.as_str().and_then(account_of));
                    map.next_value_seed(Events { origin, items: self.items })?;
                    done = true;
                }
                _ => return unusual(),
            }
        }
        if done { Ok(()) } else { unusual() }
    }
);

fn origin<'e>(cx: Cx<'e>, id: &'e Text<'_>, time: Int, account: Option<AccountId>) -> Origin<'e> {
    Origin {
        body: cx.body,
        channel: cx.channel.clone(),
        account,
        entry: id.as_str().unwrap_or_default(),
        field: "",
        provenance: Provenance::Live,
        time: time.time(),
        received_at: cx.received_at,
    }
}

struct Events<'e, 'i> {
    origin: Origin<'e>,
    items: &'i mut Vec<Item>,
}

seed!(
    Events<'_, '_>,
    deserialize_seq,
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let before = self.items.len();
        let mut event = Messaging::default();
        while seq.next_element_seed(Place(&mut event))?.is_some() {
            add(event.reading(&self.origin), &self.origin, self.items)?;
        }
        if self.items.len() > before { Ok(()) } else { unusual() }
    }
);

struct Changes<'e, 'i> {
    origin: Origin<'e>,
    items: &'i mut Vec<Item>,
}

seed!(
    Changes<'_, '_>,
    deserialize_seq,
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let before = self.items.len();
        while seq.next_element_seed(Change { origin: &self.origin, items: self.items })?.is_some() {}
        if self.items.len() > before { Ok(()) } else { unusual() }
    }
);

struct Change<'c, 'i> {
    origin: &'c Origin<'c>,
    items: &'i mut Vec<Item>,
}

seed!(
    Change<'_, '_>,
    deserialize_map,
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut field, mut value) = (false, false);
        while let Some(Key(name)) = map.next_key()? {
            match name.as_ref() {
                // It comes after the value, so the value is read as what it nearly always is.
                "field" if !field => {
                    field = map.next_value::<Key<'de>>()?.0 == "messages";
                    if !field {
                        return unusual();
                    }
                }
                "value" if !value => {
                    map.next_value_seed(Value { origin: self.origin, items: self.items })?;
                    value = true;
                }
                _ => return unusual(),
            }
        }
        if field && value { Ok(()) } else { unusual() }
    }
);

struct Value<'c, 'i> {
    origin: &'c Origin<'c>,
    items: &'i mut Vec<Item>,
}

seed!(
    Value<'_, '_>,
    deserialize_map,
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut metadata = None;
        let mut contacts: Option<Vec<WireContact<'de>>> = None;
        let mut done = false;
        while let Some(Key(name)) = map.next_key()? {
            match (name.as_ref(), &metadata) {
                ("messaging_product", _) => drop(map.next_value::<IgnoredAny>()?),
                ("metadata", None) if !done => metadata = Some(map.next_value::<Metadata<'de>>()?),
                ("contacts", _) if contacts.is_none() && !done => contacts = Some(map.next_value()?),
                // Both lists in one value are rare.
                (list @ ("messages" | "statuses"), Some(metadata)) if !done => {
                    let Some(number) = metadata.phone_number_id.filled() else { return unusual() };
                    let origin = Origin { account: Some(AccountId::new(number)), ..self.origin.clone() };
                    let scene = Scene {
                        body: origin.body,
                        people: People::new(contacts.as_deref().unwrap_or_default(), origin.body),
                        business: metadata.display_phone_number.filled(),
                        error: None,
                    };
                    self.items.reserve(scene.people.len());
                    if list == "messages" {
                        map.next_value_seed(Messages { origin: &origin, scene: &scene, items: self.items })?;
                    } else {
                        map.next_value_seed(Statuses { origin: &origin, scene: &scene, items: self.items })?;
                    }
                    done = true;
                }
                _ => return unusual(),
            }
        }
        if done { Ok(()) } else { unusual() }
    }
);

struct Messages<'c, 'i> {
    origin: &'c Origin<'c>,
    scene: &'c Scene<'c>,
    items: &'i mut Vec<Item>,
}

seed!(
    Messages<'_, '_>,
    deserialize_seq,
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        each(seq, |message: &Message<'de>, index, alone| {
            add(message.reading(self.scene, Role::Contact, index, alone), self.origin, self.items)
        })
    }
);

struct Statuses<'c, 'i> {
    origin: &'c Origin<'c>,
    scene: &'c Scene<'c>,
    items: &'i mut Vec<Item>,
}

seed!(
    Statuses<'_, '_>,
    deserialize_seq,
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        each(seq, |status: &Status<'de>, index, alone| {
            add(status.reading(self.scene, index, alone), self.origin, self.items)
        })
    }
);

/// Hands over each element with its index, and whether it is the only one.
fn each<'de, A: SeqAccess<'de>, T: Default>(
    mut seq: A,
    mut take: impl FnMut(&T, usize, bool) -> Result<(), A::Error>,
) -> Result<(), A::Error>
where
    for<'p> Place<'p, T>: DeserializeSeed<'de>,
{
    // The first waits until it is known whether there is a second.
    let (mut element, mut next) = (T::default(), T::default());
    if seq.next_element_seed(Place(&mut element))?.is_none() {
        return unusual();
    }
    let mut more = seq.next_element_seed(Place(&mut next))?.is_some();
    let alone = !more;
    let mut index = 0;
    loop {
        take(&element, index, alone)?;
        if !more {
            return Ok(());
        }
        std::mem::swap(&mut element, &mut next);
        index += 1;
        more = seq.next_element_seed(Place(&mut next))?.is_some();
    }
}

fn add<E: Error>(reading: Reading, origin: &Origin<'_>, items: &mut Vec<Item>) -> Result<(), E> {
    match origin.item_without_raw(reading) {
        Some(item) => items.push(item),
        None => return unusual(),
    }
    Ok(())
}
