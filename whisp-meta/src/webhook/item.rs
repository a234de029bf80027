//! From what was read to an [`Item`]: where it was found, when it happened, its identity.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use whisp_core::model::{AccountId, ChannelKind, Handle, HandleKind, Provenance};
use whisp_core::webhook::{ContactRef, Event, Item, MessageEvent};
use whisp_core::{Sensitive, Text};

use super::wire::{self, Int, compact};

/// Where in a body an item was found.
#[derive(Clone)]
pub(super) struct Origin<'a> {
    /// The whole body, of which the items' texts are parts.
    pub(super) body: &'a Text,
    pub(super) channel: ChannelKind,
    pub(super) account: Option<AccountId>,
    /// The id of the entry, which is part of a digest.
    pub(super) entry: &'a str,
    /// The name of the field or array, which is part of a digest.
    pub(super) field: &'a str,
    pub(super) provenance: Provenance,
    /// The entry's time, if it has one. Seldom needed: nearly all items have their own.
    pub(super) time: Int,
    pub(super) received_at: DateTime<Utc>,
}

/// What was read of one item.
pub(super) struct Reading {
    pub(super) what: What,
    pub(super) at: Option<DateTime<Utc>>,
    /// How it came, where the item itself says so: Instagram's and Messenger's echoes.
    pub(super) provenance: Option<Provenance>,
}

pub(super) enum What {
    Event(Event, Identity),
    /// A message of which only the content is not understood.
    Unread(MessageEvent, Identity),
    /// Documented, not part of a conversation: the topic.
    Notice(String),
    /// Not understood: the platform's name for it, and with whom.
    Unknown(Option<String>, Option<ContactRef>),
}

pub(super) enum Identity {
    /// The platform's own ids.
    Key(Sensitive),
    /// It has none: the digest of the item.
    Digest,
}

impl Identity {
    fn or_else(self, digest: impl FnOnce() -> Sensitive) -> Sensitive {
        match self {
            Self::Key(key) => key,
            Self::Digest => digest(),
        }
    }
}

impl Reading {
    pub(super) const fn new(what: What, at: Option<DateTime<Utc>>) -> Self {
        Self { what, at, provenance: None }
    }

    pub(super) const fn unknown(kind: Option<String>) -> Self {
        Self::new(What::Unknown(kind, None), None)
    }
}

impl Origin<'_> {
    /// Makes the item, with the JSON that it was read from.
    pub(super) fn item(&self, reading: Reading, raw: &RawValue) -> Item {
        let raw_text = || Sensitive::new(self.body.part(raw.get()));
        let digest = || Sensitive::from(self.digest(raw, None));
        let (event, dedup) = match reading.what {
            What::Event(event, identity) => (event, identity.or_else(digest)),
            What::Unread(mut message, identity) => {
                message.extras.raw = Some(raw_text());
                (Event::Message(message), identity.or_else(digest))
            }
            // Two notices may say the same at different times: the account was restricted, and then again.
            What::Notice(topic) => {
                let dedup = Sensitive::from(self.digest(raw, reading.at.or_else(|| self.time.time())));
                (Event::Notice { topic, raw: raw_text() }, dedup)
            }
            What::Unknown(kind, contact) => (Event::Unknown { kind, contact, raw: raw_text() }, digest()),
        };
        self.finish(event, dedup, reading.at, reading.provenance)
    }

    /// Adds the item without the JSON; `None` if it takes that.
    #[inline]
    pub(super) fn add_without_raw(&self, reading: Reading, items: &mut Vec<Item>) -> Option<()> {
        let What::Event(event, Identity::Key(key)) = reading.what else { return None };
        items.push(self.finish(event, key, reading.at, reading.provenance));
        Some(())
    }

    /// The same place under another field or array.
    pub(super) fn at_field<'b>(&'b self, field: &'b str, provenance: Provenance) -> Origin<'b> {
        Origin { field, provenance, ..self.clone() }
    }

    #[inline]
    fn finish(
        &self,
        event: Event,
        dedup: Sensitive,
        at: Option<DateTime<Utc>>,
        provenance: Option<Provenance>,
    ) -> Item {
        Item {
            channel: self.channel.clone(),
            account: self.account.clone(),
            provenance: provenance.unwrap_or(self.provenance),
            // When it happened; if neither the item nor its entry says so, when it was received.
            at: at.or_else(|| self.time.time()).unwrap_or(self.received_at),
            dedup,
            event,
        }
    }

    /// The digest of an item that carries no id: over the item, its entry and its field, so that it is the same
    /// whatever it is delivered together with.
    fn digest(&self, raw: &RawValue, at: Option<DateTime<Utc>>) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [self.entry, self.field] {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        context.update(&at.map_or(0, |at| at.timestamp_millis()).to_be_bytes());
        context.update(compact(raw.get()).as_bytes());
        let mut key = String::with_capacity(71);
        key.push_str("digest\n");
        for byte in context.finish().as_ref() {
            // Writing to a string can't fail.
            let _ = write!(key, "{byte:02x}");
        }
        key
    }
}

/// The identity of a message: its id, which is then kept once. All others begin with a line that names their kind, which an
/// id does only if what it was read from held an escaped line's end.
pub(super) fn message_key(id: Sensitive, from: &wire::Text<'_>) -> Identity {
    let has_lines = !from.is_plain() && id.expose().contains('\n');
    if has_lines { key("message", &[id.expose()]) } else { Identity::Key(id) }
}

/// The identity made of the platform's ids: the kind of item, then the ids, a line each.
pub(super) fn key(kind: &str, ids: &[&str]) -> Identity {
    let bytes = kind.len() + ids.iter().map(|id| id.len() + 1).sum::<usize>();
    let mut key = String::with_capacity(bytes);
    key.push_str(kind);
    for id in ids {
        key.push('\n');
        key.push_str(id);
    }
    Identity::Key(key.into())
}

/// Adds a handle unless it is empty or there already.
pub(super) fn add_handle(handles: &mut Vec<Handle>, kind: HandleKind, value: Option<&str>) {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return };
    if !handles.iter().any(|handle| handle.kind == kind && handle.value.expose() == value) {
        handles.push(Handle::new(kind, value));
    }
}
