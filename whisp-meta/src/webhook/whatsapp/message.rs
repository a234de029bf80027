//! A message of WhatsApp: who, when, and what kind of event it is.

use serde::Deserialize;
use serde_json::value::RawValue;
use whisp_core::Sensitive;
use whisp_core::model::{Content, HandleKind, PlatformMessageId};
use whisp_core::webhook::{ContactRef, Event, Extra, Extras, MessageEvent, Referral};

use super::Scene;
use super::content::content;
use super::people::Ids;
use crate::webhook::cursor::{Cursor, Read, read_raw};
use crate::webhook::item::{Identity, Reading, What, add_handle, key, message_key};
use crate::webhook::wire::{Fields, Flag, Int, Obj, Text};

/// An element of `messages[]`, `message_echoes[]` or a thread of history.
#[derive(Default)]
pub(in crate::webhook) struct Message<'a> {
    from: Text<'a>,
    from_user_id: Text<'a>,
    id: Text<'a>,
    timestamp: Int,
    pub(super) kind: Text<'a>,
    pub(super) text: Obj<Body<'a>>,
    /// What only some messages have.
    pub(super) others: Fields<'a>,
}

impl<'a> Read<'a> for Message<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut message = Self::default();
        cursor.object(|cursor, name| {
            match name.as_ref() {
                "from" => message.from = cursor.text()?,
                "from_user_id" => message.from_user_id = cursor.text()?,
                "id" => message.id = cursor.text()?,
                "timestamp" => message.timestamp = cursor.int()?,
                "type" => message.kind = cursor.text()?,
                "text" => message.text = cursor.obj()?,
                _ => message.others.0.push((name, cursor.raw()?)),
            }
            Some(())
        })?;
        Some(message)
    }
}

pub(in crate::webhook) struct Body<'a> {
    pub(super) body: Text<'a>,
}

impl<'a> Read<'a> for Body<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let [body] = cursor.texts(["body"])?;
        Some(Self { body })
    }
}

#[derive(Deserialize)]
struct Context<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(default)]
    forwarded: Flag,
    #[serde(default)]
    frequently_forwarded: Flag,
}

#[derive(Deserialize)]
struct WireReferral<'a> {
    #[serde(borrow, default)]
    source_id: Text<'a>,
    #[serde(borrow, default)]
    source_type: Text<'a>,
    #[serde(borrow, default)]
    headline: Text<'a>,
    #[serde(borrow, default)]
    ctwa_clid: Text<'a>,
}

#[derive(Deserialize)]
struct Edit<'a> {
    #[serde(borrow, default)]
    original_message_id: Text<'a>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct System<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    wa_id: Text<'a>,
    #[serde(borrow, default)]
    new_wa_id: Text<'a>,
    #[serde(borrow, default)]
    user_id: Text<'a>,
    #[serde(borrow, default)]
    parent_user_id: Text<'a>,
    #[serde(borrow, default)]
    previous_user_id: Text<'a>,
    #[serde(borrow, default)]
    previous_parent_user_id: Text<'a>,
}

/// Which side of a conversation wrote a message.
#[derive(Clone, Copy)]
pub(in crate::webhook) enum Role<'a> {
    /// The contact.
    Contact,
    /// The business, on the phone.
    Echo,
    /// Whoever does not have the business's number.
    Either,
    /// Either, in the imported thread with this person.
    Thread(&'a str),
}

impl<'a> Message<'a> {
    pub(in crate::webhook) fn reading(&self, scene: &Scene<'_>, role: Role<'_>, index: usize, alone: bool) -> Reading {
        let outgoing = self.is_outgoing(scene, role);
        let mut contact = self.contact(scene, role, outgoing, index, alone);
        let mut id = self.id.part_of(scene.body);
        let what = match self.what(scene, &mut id, &mut contact, outgoing) {
            Some(what) => what,
            None => self.unread(id, contact, outgoing),
        };
        Reading::new(what, self.timestamp.time())
    }

    /// What is not understood: a message, of which only the content is not, if it has an id, and with whom is told.
    fn unread(&self, id: Option<Sensitive>, contact: Option<ContactRef>, outgoing: bool) -> What {
        let kind = self.kind.owned();
        let identity = self.identity(id.as_ref());
        match (id, contact, kind.as_deref()) {
            (_, contact, Some("system" | "edit" | "revoke" | "reaction")) => What::Unknown(kind, contact),
            (id @ Some(_), Some(contact), _) => {
                let message = self.event(id, contact, Content::Unsupported { kind, code: None }, outgoing);
                What::Unread(message, identity)
            }
            (_, contact, _) => What::Unknown(kind, contact),
        }
    }

    /// Takes the id and the contact only if it succeeds.
    fn what(
        &self,
        scene: &Scene<'_>,
        id: &mut Option<Sensitive>,
        contact: &mut Option<ContactRef>,
        outgoing: bool,
    ) -> Option<What> {
        let kind = self.kind.as_str()?;
        // `request_welcome` alone may come without an id.
        if id.is_none() && kind != "request_welcome" {
            return None;
        }
        let identity = self.identity(id.as_ref());
        let event = match kind {
            "system" => return self.system(identity),
            "edit" => self.edited(scene, contact)?,
            "revoke" => {
                let revoke: Edit<'_> = self.others.object("revoke")?;
                let target = PlatformMessageId::new(revoke.original_message_id.filled()?);
                Event::Unsent { contact: contact.take(), target }
            }
            kind => {
                let content = content(kind, self, scene)?;
                let contact = contact.take()?;
                Event::Message(self.event(id.take(), contact, content, outgoing))
            }
        };
        Some(What::Event(event, identity))
    }

    #[inline]
    fn event(&self, id: Option<Sensitive>, contact: ContactRef, content: Content, outgoing: bool) -> MessageEvent {
        let extras = if self.others.0.is_empty() { Extras::NONE } else { self.extra().into() };
        MessageEvent { outgoing, extras, ..MessageEvent::new(id.map(PlatformMessageId::from), contact, content) }
    }

    fn extra(&self) -> Extra {
        let context: Option<Context<'_>> = self.others.object("context");
        let context = context.as_ref();
        let referral: Option<WireReferral<'_>> = self.others.object("referral");
        Extra {
            reply_to: context.and_then(|context| context.id.filled()).map(PlatformMessageId::new),
            forwarded: context.is_some_and(|context| context.forwarded.0 || context.frequently_forwarded.0),
            referral: referral.map(Referral::from),
            group: self.others.text("group_id").sensitive(),
            ..Extra::default()
        }
    }

    fn edited(&self, scene: &Scene<'_>, contact: &mut Option<ContactRef>) -> Option<Event> {
        let edit: Edit<'a> = self.others.object("edit")?;
        let target = PlatformMessageId::new(edit.original_message_id.filled()?);
        let content = match edit.message {
            Some(raw) => {
                let message: Message<'_> = read_raw(raw)?;
                Some(content(message.kind.as_str()?, &message, scene)?)
            }
            None => None,
        };
        Some(Event::Edited { contact: contact.take(), target, content })
    }

    /// A change of the contact's ids, or of the key that their messages are encrypted with.
    fn system(&self, identity: Identity) -> Option<What> {
        let system: System<'_> = self.others.object("system")?;
        let number_changed = match system.kind.as_str()? {
            // The earliest form names the person `customer` and has no type in some recordings; it is not kept apart.
            "user_changed_number" | "customer_changed_number" => true,
            "user_changed_user_id" => false,
            "customer_identity_changed" => return Some(What::Notice("customer_identity_changed".to_owned())),
            _ => return None,
        };
        let mut new = Vec::new();
        add_handle(&mut new, HandleKind::Bsuid, system.user_id.filled());
        add_handle(&mut new, HandleKind::ParentBsuid, system.parent_user_id.filled());
        add_handle(&mut new, HandleKind::Phone, system.wa_id.filled().or_else(|| system.new_wa_id.filled()));
        let mut old = Vec::new();
        add_handle(&mut old, HandleKind::Bsuid, system.previous_user_id.filled());
        add_handle(&mut old, HandleKind::Bsuid, self.from_user_id.filled());
        add_handle(&mut old, HandleKind::ParentBsuid, system.previous_parent_user_id.filled());
        add_handle(&mut old, HandleKind::ParentBsuid, self.others.text("from_parent_user_id").filled());
        // Else the number that it comes from is one that stays.
        add_handle(&mut old, HandleKind::Phone, self.from.filled().filter(|_| number_changed));
        old.retain(|handle| !new.contains(handle));
        (!old.is_empty() && !new.is_empty()).then_some(What::Event(Event::IdentityChanged { old, new }, identity))
    }

    fn is_outgoing(&self, scene: &Scene<'_>, role: Role<'_>) -> bool {
        match role {
            Role::Contact => false,
            Role::Echo => true,
            Role::Either => same_number(self.from.filled(), scene.business),
            Role::Thread(with) => {
                let theirs = same_number(self.from.filled(), Some(with)) || self.from_user_id.filled() == Some(with);
                !theirs && self.from.filled().is_some()
            }
        }
    }

    fn contact(
        &self,
        scene: &Scene<'_>,
        role: Role<'_>,
        outgoing: bool,
        index: usize,
        alone: bool,
    ) -> Option<ContactRef> {
        // Only what goes out tells a recipient.
        let (bsuid, parent, phone) = if outgoing {
            let others = &self.others;
            (&others.text("to_user_id"), others.text("to_parent_user_id"), &others.text("to"))
        } else {
            (&self.from_user_id, self.others.text("from_parent_user_id"), &self.from)
        };
        let mut ids = Ids { bsuid: bsuid.filled(), parent: parent.filled(), phone: phone.filled() };
        match role {
            Role::Thread(with) => {
                // A BSUID has a dot, a number never.
                let slot = if with.contains('.') { &mut ids.bsuid } else { &mut ids.phone };
                *slot = Some(with);
                scene.people.find(ids, index, false)
            }
            // Beside an echo `contacts[]` may name either side, so only an id that is told twice counts.
            _ if outgoing => scene.people.find(ids, index, false),
            _ => scene.people.find(ids, index, alone),
        }
    }

    fn identity(&self, id: Option<&Sensitive>) -> Identity {
        match (id, self.kind.as_str()) {
            // Its media follow under the same id: another item.
            (Some(id), Some("media_placeholder")) => key("placeholder", &[id.expose()]),
            (Some(id), _) => message_key(id.clone(), &self.id),
            (None, _) => Identity::Digest,
        }
    }
}

impl From<WireReferral<'_>> for Referral {
    fn from(referral: WireReferral<'_>) -> Self {
        Self {
            source: referral.source_type.owned(),
            source_id: referral.source_id.sensitive(),
            parameter: None,
            headline: referral.headline.sensitive(),
            click_id: referral.ctwa_clid.sensitive(),
        }
    }
}

/// Whether two numbers are the same, however they are written.
fn same_number(a: Option<&str>, b: Option<&str>) -> bool {
    let digits = |number: &'_ str| -> Vec<u8> { number.bytes().filter(u8::is_ascii_digit).collect() };
    match (a, b) {
        (Some(a), Some(b)) => a == b || (!digits(a).is_empty() && digits(a) == digits(b)),
        _ => false,
    }
}
