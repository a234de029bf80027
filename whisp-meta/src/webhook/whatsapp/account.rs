//! What concerns a contact without being a message: preferences, ids, the phone's address book, who holds the thread.

use whisp_core::Sensitive;
use whisp_core::model::{Handle, HandleKind};
use whisp_core::webhook::{ContactRef, Event};

use super::Element;
use super::people::Ids;
use crate::webhook::item::{Identity, Reading, What, add_handle};
use crate::webhook::wire::{Fields, Text};

/// An element of `user_preferences[]`: the contact's choice in WhatsApp's own settings.
pub(super) fn preference(element: &Element<'_>) -> Option<Reading> {
    let fields = Fields::read(element.raw)?;
    let (phone, bsuid, parent) = (fields.text("wa_id"), fields.text("user_id"), fields.text("parent_user_id"));
    let ids = Ids { bsuid: bsuid.filled(), parent: parent.filled(), phone: phone.filled() };
    // Two different numbers are no one person here: a choice must not reach somebody else.
    let nameless = ids.bsuid.is_none() && ids.phone.is_none();
    let contact = element.scene.people.find(ids, element.index, element.alone && nameless);
    let wanted = match fields.text("value").as_str() {
        Some("stop") => Some(false),
        Some("resume" | "signup") => Some(true),
        _ => None,
    };
    let what = match (contact, wanted, fields.text("category").owned()) {
        (Some(contact), Some(wanted), Some(category)) => {
            What::Event(Event::Preference { contact, category, wanted }, Identity::Digest)
        }
        (contact, ..) => What::Unknown(Some("user_preferences".to_owned()), contact),
    };
    Some(Reading::new(what, fields.int("timestamp").time()))
}

/// An element of `user_id_update[]`, a form that Meta documented until August 2026.
pub(super) fn user_id(element: &Element<'_>) -> Option<Reading> {
    let fields = Fields::read(element.raw)?;
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for (name, kind) in [("user_id", HandleKind::Bsuid), ("parent_user_id", HandleKind::ParentBsuid)] {
        let Some(change) = fields.get(name).and_then(Fields::read) else { continue };
        add_handle(&mut old, kind, change.text("previous").filled());
        add_handle(&mut new, kind, change.text("current").filled());
    }
    let what = if old.is_empty() || new.is_empty() {
        What::Unknown(Some("user_id_update".to_owned()), None)
    } else {
        What::Event(Event::IdentityChanged { old, new }, Identity::Digest)
    };
    Some(Reading::new(what, fields.int("timestamp").time()))
}

/// An element of `state_sync[]`: a contact of the phone's address book.
pub(super) fn address_book(element: &Element<'_>) -> Option<Reading> {
    let fields = Fields::read(element.raw)?;
    let at = fields.get("metadata").and_then(Fields::read).and_then(|metadata| metadata.int("timestamp").time());
    let removed = match fields.text("action").as_str() {
        Some("add" | "edit") => Some(false),
        Some("remove") => Some(true),
        _ => None,
    };
    let contact = fields.get("contact").and_then(Fields::read).and_then(|contact| {
        let number = contact.text("phone_number");
        let names = [contact.text("full_name"), contact.text("first_name")];
        Some(ContactRef {
            handles: vec![Handle::new(HandleKind::Phone, number.filled()?)],
            name: names.iter().find_map(Text::filled).map(Sensitive::from),
        })
    });
    let kind = fields.text("type");
    let what = match (kind.as_str(), contact, removed) {
        (Some("contact") | None, Some(contact), Some(removed)) => {
            What::Event(Event::AddressBook { contact, removed }, Identity::Digest)
        }
        (_, contact, _) => What::Unknown(Some("smb_app_state_sync".to_owned()), contact),
    };
    Some(Reading::new(what, at))
}

/// An element of `messaging_handovers[]`: another app, or Meta's own agent, gives or takes the thread. The inside is
/// not documented in full; what is read here is what senders of it agree on.
pub(super) fn handover(element: &Element<'_>) -> Option<Reading> {
    let fields = Fields::read(element.raw)?;
    let (phone, bsuid) = (fields.text("from"), fields.text("from_user_id"));
    let ids = Ids { bsuid: bsuid.filled(), parent: None, phone: phone.filled() };
    let contact = element.scene.people.find(ids, element.index, element.alone);
    let kind = fields.text("type");
    let ours = match kind.as_str() {
        // The app that is told of a pass is the one that it is passed to; of a take, the one that it is taken from.
        Some("pass_thread_control") => Some(true),
        Some("take_thread_control") => Some(false),
        Some(topic @ ("request_thread_control" | "release_thread_control")) => {
            return Some(Reading::new(What::Notice(topic.to_owned()), fields.int("timestamp").time()));
        }
        _ => None,
    };
    let what = match ours {
        Some(ours) => What::Event(Event::Thread { contact, ours }, Identity::Digest),
        None => What::Unknown(kind.owned().or_else(|| Some("messaging_handovers".to_owned())), contact),
    };
    Some(Reading::new(what, fields.int("timestamp").time()))
}
