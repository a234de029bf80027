//! WhatsApp: `entry[].changes[]`, each a field and its value.

pub(super) mod account;
pub(super) mod content;
mod history;
pub(super) mod message;
mod outbound;
pub(super) mod people;
pub(super) mod status;

use serde::Deserialize;
use serde_json::value::RawValue;
use whisp_core::model::{AccountId, FailureCode, Provenance};
use whisp_core::webhook::{Event, Item};

use super::cursor::{Cursor, Read, read_raw};
use super::item::{Identity, Origin, Reading, What};
use super::notice;
use super::wire::{Fields, Int, Text, elements, is_null, read};
use message::{Message, Role};
use people::{People, WireContact};
use status::Status;

/// `metadata` of a value.
#[derive(Default)]
pub(super) struct Metadata<'a> {
    pub(super) display_phone_number: Text<'a>,
    pub(super) phone_number_id: Text<'a>,
}

impl<'a> Read<'a> for Metadata<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let [display_phone_number, phone_number_id] = cursor.texts(["display_phone_number", "phone_number_id"])?;
        Some(Self { display_phone_number, phone_number_id })
    }
}

/// What the items of one value share.
pub(super) struct Scene<'a> {
    /// The whole body, of which the items' texts are parts.
    pub(super) body: &'a whisp_core::Text,
    pub(super) people: People<'a>,
    /// The business's own number, as displayed.
    pub(super) business: Option<&'a str>,
    /// The first of the value's own errors: it explains a message without content.
    pub(super) error: Option<i64>,
}

/// An error as WhatsApp describes it.
#[derive(Deserialize)]
pub(super) struct WireError {
    #[serde(default)]
    pub(super) code: Int,
}

pub(super) fn entry(entry: &Fields<'_>, raw: &RawValue, origin: &Origin<'_>, items: &mut Vec<Item>) {
    let id = entry.text("id");
    let id = id.as_str().unwrap_or_default();
    let origin = Origin { account: account_of(id), entry: id, time: entry.int("time"), ..origin.clone() };
    let before = items.len();
    let mut empty = true;
    for (name, value) in &entry.0 {
        match (name.as_ref(), elements(value)) {
            ("id" | "time", _) => {}
            (_, _) if is_null(value) => {}
            ("changes", Some(changes)) => {
                empty = false;
                changes.into_iter().for_each(|raw| change(raw, &origin, items));
            }
            (other, _) => items.push(origin.item(Reading::unknown(Some(other.to_owned())), value)),
        }
    }
    if empty && items.len() == before {
        items.push(origin.item(Reading::unknown(None), raw));
    }
}

/// The id of an entry as an account. The App Dashboard's test button sends `0`, which names none.
pub(super) fn account_of(entry: &str) -> Option<AccountId> {
    Some(entry).filter(|id| !matches!(*id, "" | "0")).map(AccountId::new)
}

fn change(raw: &RawValue, origin: &Origin<'_>, items: &mut Vec<Item>) {
    let change = Fields::read(raw).unwrap_or_default();
    let field = change.text("field");
    let field = field.as_str();
    let provenance = match field {
        Some("history") => Provenance::History,
        Some("smb_message_echoes") => Provenance::Echo,
        Some("standby") => Provenance::Standby,
        _ => Provenance::Live,
    };
    let origin = origin.at_field(field.unwrap_or_default(), provenance);
    let Some(value) = change.get("value").filter(|value| !is_null(value)) else {
        return items.push(origin.item(Reading::unknown(field.map(str::to_owned)), raw));
    };
    let fields = Fields::read(value);
    let metadata = fields.as_ref().and_then(|fields| fields.get("metadata")).and_then(read_raw::<Metadata<'_>>);
    let metadata = metadata.unwrap_or_default();
    let number = metadata.phone_number_id.filled().map(AccountId::new);
    let origin = Origin { account: number.or_else(|| origin.account.clone()), ..origin };
    match (field, fields) {
        (
            Some(
                "messages"
                | "history"
                | "smb_message_echoes"
                | "standby"
                | "smb_app_state_sync"
                | "user_preferences"
                | "user_id_update"
                | "messaging_handovers",
            ),
            Some(fields),
        ) => self::value(&fields, value, metadata, &origin, items),
        _ => {
            let what = match field.and_then(|field| notice::topic(&origin.channel, field)) {
                Some(topic) => What::Notice(topic.to_owned()),
                None => What::Unknown(field.map(str::to_owned), None),
            };
            items.push(origin.item(Reading::new(what, None), value));
        }
    }
}

/// A value that holds lists of items. Each list is known by its name, whatever the field; how its items came is decided
/// by the field.
fn value(fields: &Fields<'_>, raw: &RawValue, metadata: Metadata<'_>, origin: &Origin<'_>, items: &mut Vec<Item>) {
    let mut empty = true;
    let errors = fields.get("errors").and_then(elements).unwrap_or_default();
    let contacts = fields.get("contacts").and_then(elements).unwrap_or_default();
    let contacts: Vec<WireContact<'_>> = contacts.into_iter().filter_map(read_raw).collect();
    let scene = Scene {
        body: origin.body,
        people: People::new(&contacts, origin.body),
        business: metadata.display_phone_number.filled(),
        error: errors.iter().find_map(|error| read::<WireError>(error)?.code.0),
    };
    for (name, list) in &fields.0 {
        let name = name.as_ref();
        if matches!(name, "messaging_product" | "metadata" | "contacts") || is_null(list) {
            continue;
        }
        empty = false;
        let Some(read_one) = reader(name) else {
            items.push(origin.item(Reading::unknown(Some(name.to_owned())), list));
            continue;
        };
        let Some(elements) = elements(list) else {
            items.push(origin.item(Reading::unknown(Some(name.to_owned())), list));
            continue;
        };
        let count = elements.len();
        for (index, raw) in elements.into_iter().enumerate() {
            read_one(&Element { scene: &scene, origin, raw, index, alone: count == 1 }, items);
        }
    }
    if empty {
        items.push(origin.item(Reading::unknown(Some(origin.field.to_owned())), raw));
    }
}

/// One element of a list, with what it shares with its siblings.
pub(super) struct Element<'a> {
    scene: &'a Scene<'a>,
    origin: &'a Origin<'a>,
    raw: &'a RawValue,
    index: usize,
    /// Whether it is the only one of its list.
    alone: bool,
}

type Reader = fn(&Element<'_>, &mut Vec<Item>);

fn reader(list: &str) -> Option<Reader> {
    Some(match list {
        "messages" => |element, items| {
            let role = match element.origin.provenance {
                Provenance::Echo => Role::Echo,
                Provenance::History | Provenance::Standby => Role::Either,
                _ => Role::Contact,
            };
            message(element, element.origin.provenance, role, items);
        },
        "message_echoes" => |element, items| {
            let standby = element.origin.provenance == Provenance::Standby;
            message(element, if standby { Provenance::Standby } else { Provenance::Echo }, Role::Echo, items);
        },
        "statuses" => |element, items| {
            let reading = match read_raw::<Status<'_>>(element.raw) {
                Some(status) => status.reading(element.scene, element.index, element.alone),
                None => Reading::unknown(None),
            };
            items.push(element.origin.item(reading, element.raw));
        },
        "errors" => failure,
        "history" => history::chunk,
        "messaging_handovers" => |element, items| one(element, account::handover(element), items),
        "state_sync" => |element, items| one(element, account::address_book(element), items),
        "user_id_update" => |element, items| one(element, account::user_id(element), items),
        "user_preferences" => |element, items| one(element, account::preference(element), items),
        _ => return None,
    })
}

fn one(element: &Element<'_>, reading: Option<Reading>, items: &mut Vec<Item>) {
    items.push(element.origin.item(reading.unwrap_or_else(|| Reading::unknown(None)), element.raw));
}

fn message(element: &Element<'_>, provenance: Provenance, role: Role<'_>, items: &mut Vec<Item>) {
    let reading = match read_raw::<Message<'_>>(element.raw) {
        Some(message) => message.reading(element.scene, role, element.index, element.alone),
        None => Reading::unknown(None),
    };
    items.push(element.origin.at_field(element.origin.field, provenance).item(reading, element.raw));
}

fn failure(element: &Element<'_>, items: &mut Vec<Item>) {
    let code = read::<WireError>(element.raw).and_then(|error| error.code.0);
    let what = match code {
        Some(code) => What::Event(Event::Failure { code: FailureCode(code) }, Identity::Digest),
        None => What::Unknown(Some("errors".to_owned()), None),
    };
    items.push(element.origin.item(Reading::new(what, None), element.raw));
}
