//! Imported history: `history[]`, chunks of threads with how far the import is, or the owner's refusal.

use serde_json::value::RawValue;
use whisp_core::model::FailureCode;
use whisp_core::webhook::{Event, Item};

use super::message::{Message, Role};
use super::{Element, WireError};
use crate::webhook::cursor::read_raw;
use crate::webhook::item::{Identity, Reading, What};
use crate::webhook::wire::{Fields, elements, is_null, read};

/// The owner of the phone declined to share the history.
/// Source: WhatsApp Business Platform, webhook reference of `history`.
const DECLINED: i64 = 2_593_109;

pub(super) fn chunk(element: &Element<'_>, items: &mut Vec<Item>) {
    let origin = element.origin;
    let before = items.len();
    let mut unread = false;
    let chunk = Fields::read(element.raw).unwrap_or_default();
    for (name, part) in &chunk.0 {
        match (name.as_ref(), elements(part)) {
            (_, _) if is_null(part) => {}
            ("metadata", _) => items.push(origin.item(progress(part).unwrap_or_else(|| unknown("metadata")), part)),
            ("threads", Some(threads)) => threads.into_iter().for_each(|raw| thread(element, raw, items)),
            ("errors", Some(errors)) => {
                items.extend(errors.into_iter().map(|raw| origin.item(refusal(raw), raw)));
            }
            (other, _) => {
                unread = true;
                items.push(origin.item(unknown(other), part));
            }
        }
    }
    if items.len() == before && !unread {
        items.push(origin.item(unknown("history"), element.raw));
    }
}

fn thread(element: &Element<'_>, raw: &RawValue, items: &mut Vec<Item>) {
    let thread = Fields::read(raw).unwrap_or_default();
    let with = thread.text("id");
    let Some(messages) = thread.get("messages").and_then(elements) else {
        return items.push(element.origin.item(unknown("threads"), raw));
    };
    for (index, raw) in messages.into_iter().enumerate() {
        let role = with.filled().map_or(Role::Either, Role::Thread);
        let reading = match read_raw::<Message<'_>>(raw) {
            Some(message) => message.reading(element.scene, role, index, false),
            None => unknown("history"),
        };
        items.push(element.origin.item(reading, raw));
    }
}

fn progress(raw: &RawValue) -> Option<Reading> {
    let percent = Fields::read(raw)?.int("progress").0?;
    let percent = u8::try_from(percent).ok().filter(|percent| *percent <= 100)?;
    Some(Reading::new(What::Event(Event::HistoryProgress { percent: Some(percent) }, Identity::Digest), None))
}

fn refusal(raw: &RawValue) -> Reading {
    let event = match read::<WireError>(raw).and_then(|error| error.code.0) {
        Some(DECLINED) => Event::HistoryProgress { percent: None },
        Some(code) => Event::Failure { code: FailureCode(code) },
        None => return unknown("errors"),
    };
    Reading::new(What::Event(event, Identity::Digest), None)
}

fn unknown(kind: &str) -> Reading {
    Reading::unknown(Some(kind.to_owned()))
}
