//! Who a webhook of WhatsApp is about: `contacts[]` beside the items, and the ids inside them.

use std::cell::OnceCell;
use std::collections::HashMap;

use whisp_core::model::{Handle, HandleKind};
use whisp_core::webhook::ContactRef;

use crate::webhook::cursor::{Cursor, Read, once};
use crate::webhook::wire::{Obj, Text};

/// From this many contacts on they are found through a table, so that a large batch does not take quadratic time.
const LINEAR_MAX: usize = 8;

/// An element of `contacts[]`.
pub(in crate::webhook) struct WireContact<'a> {
    /// The name in the profile, else the username.
    name: Text<'a>,
    wa_id: Text<'a>,
    user_id: Text<'a>,
    parent_user_id: Text<'a>,
}

impl<'a> Read<'a> for WireContact<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut profile: Option<Obj<Profile<'a>>> = None;
        let (mut wa_id, mut user_id, mut parent_user_id) = (None, None, None);
        cursor.object(|cursor, name| match name.as_ref() {
            "profile" => once(&mut profile, cursor.obj()?),
            "wa_id" => once(&mut wa_id, cursor.text()?),
            "user_id" => once(&mut user_id, cursor.text()?),
            "parent_user_id" => once(&mut parent_user_id, cursor.text()?),
            _ => cursor.skip(),
        })?;
        Some(Self {
            name: profile.and_then(|profile| profile.0).map(Profile::shown).unwrap_or_default(),
            wa_id: wa_id.unwrap_or_default(),
            user_id: user_id.unwrap_or_default(),
            parent_user_id: parent_user_id.unwrap_or_default(),
        })
    }
}

struct Profile<'a> {
    name: Text<'a>,
    username: Text<'a>,
}

impl<'a> Profile<'a> {
    fn shown(self) -> Text<'a> {
        if self.name.filled().is_some() { self.name } else { self.username }
    }
}

impl<'a> Read<'a> for Profile<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let [name, username] = cursor.texts(["name", "username"])?;
        Some(Self { name, username })
    }
}

/// The ids by which an item names a person. Each can be missing: who has a username hides the number.
#[derive(Clone, Copy, Default)]
pub(in crate::webhook) struct Ids<'a> {
    pub(in crate::webhook) bsuid: Option<&'a str>,
    pub(in crate::webhook) parent: Option<&'a str>,
    pub(in crate::webhook) phone: Option<&'a str>,
}

impl Ids<'_> {
    const fn is_empty(&self) -> bool {
        self.bsuid.is_none() && self.parent.is_none() && self.phone.is_none()
    }
}

/// The `contacts[]` of a value.
pub(in crate::webhook) struct People<'a> {
    body: &'a whisp_core::Text,
    contacts: &'a [WireContact<'a>],
    table: OnceCell<HashMap<String, usize>>,
}

impl<'a> People<'a> {
    pub(in crate::webhook) const fn new(contacts: &'a [WireContact<'a>], body: &'a whisp_core::Text) -> Self {
        Self { body, contacts, table: OnceCell::new() }
    }

    /// How many there are: about as many as items.
    pub(in crate::webhook) const fn len(&self) -> usize {
        self.contacts.len()
    }

    /// The person whom the item at `index` of its list names by `ids`; `None` if there is no id at all. `alone` says
    /// that the list holds no other item.
    pub(super) fn find(&self, ids: Ids<'_>, index: usize, alone: bool) -> Option<ContactRef> {
        let beside = self.beside(ids, index, alone);
        let told = [
            (HandleKind::Bsuid, ids.bsuid, beside.and_then(|contact| contact.user_id.filled())),
            (HandleKind::ParentBsuid, ids.parent, beside.and_then(|contact| contact.parent_user_id.filled())),
            // The number that wrote comes before the account's: in Brazil they differ by a digit, and the one that
            // wrote is the one to answer.
            (HandleKind::Phone, ids.phone, beside.and_then(|contact| contact.wa_id.filled())),
        ];
        let mut handles = Vec::with_capacity(told.iter().filter(|(_, a, b)| a.or(*b).is_some()).count());
        let mut add = |kind, value: &str| handles.push(Handle { kind, value: self.body.part(value).into() });
        for (kind, by_item, by_contact) in told {
            if let Some(value) = by_item {
                add(kind, value);
            }
            if let Some(value) = by_contact.filter(|_| by_contact != by_item) {
                add(kind, value);
            }
        }
        if handles.is_empty() {
            return None;
        }
        let name = beside.and_then(|contact| contact.name.part_of(self.body));
        Some(ContactRef { handles, name })
    }

    /// The element of `contacts[]` that is the person of the item.
    fn beside(&self, ids: Ids<'_>, index: usize, alone: bool) -> Option<&WireContact<'a>> {
        let at_index = self.contacts.get(index).filter(|contact| contact.is(ids));
        if at_index.is_some() {
            return at_index;
        }
        if self.contacts.len() > LINEAR_MAX {
            return self.in_table(ids);
        }
        let found = self.contacts.iter().find(|contact| contact.is(ids));
        match self.contacts {
            // One item, one contact: they belong together unless their BSUIDs say otherwise, even if the item names
            // nobody or the number is written in another way.
            [only] if alone && found.is_none() => only.may_be(ids).then_some(only),
            _ => found,
        }
    }

    fn in_table(&self, ids: Ids<'_>) -> Option<&WireContact<'a>> {
        if ids.is_empty() {
            return None;
        }
        let table = self.table.get_or_init(|| {
            let mut table = HashMap::with_capacity(self.contacts.len());
            for (index, contact) in self.contacts.iter().enumerate() {
                for id in [contact.user_id.filled(), contact.wa_id.filled()].into_iter().flatten() {
                    table.entry(id.to_owned()).or_insert(index);
                }
            }
            table
        });
        let index = [ids.bsuid, ids.phone].into_iter().flatten().find_map(|id| table.get(id))?;
        self.contacts.get(*index).filter(|contact| contact.is(ids))
    }
}

impl WireContact<'_> {
    /// Whether it is the person with these ids: the BSUID decides, else the number.
    fn is(&self, ids: Ids<'_>) -> bool {
        match (ids.bsuid, self.user_id.filled()) {
            (Some(a), Some(b)) => a == b,
            _ => ids.phone.is_some() && ids.phone == self.wa_id.filled(),
        }
    }

    fn may_be(&self, ids: Ids<'_>) -> bool {
        !matches!((ids.bsuid, self.user_id.filled()), (Some(a), Some(b)) if a != b)
    }
}
