//! The contact book that WhatsApp keeps for a business: whose phone number goes with which BSUID
//! (<https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids>).
//!
//! Who writes from a number that is seen, or is written to by it, gets into it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::config::{Account, Persona};
use super::refusal::Refusal;
use super::{Simulator, World};

/// The BSUIDs in the books, by the account that owns the number.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Books(BTreeMap<String, BTreeSet<String>>);

impl Books {
    /// Notes that somebody and the business have been in touch by the phone number.
    pub(super) fn note(&mut self, account: &Account, persona: &Persona) {
        if let Some(bsuid) = persona.bsuid.as_ref().filter(|_| !persona.hides_phone) {
            self.0.entry(account.owner.clone()).or_default().insert(bsuid.clone());
        }
    }
}

/// Takes a request to delete an entry.
pub(super) fn delete(world: &mut World, account: &Account, query: &HashMap<String, String>) -> Result<Value, Refusal> {
    if query.get("messaging_product").map(String::as_str) != Some("whatsapp") {
        return Err(Refusal::new(400, 100, "(#100) The parameter messaging_product is required."));
    }
    let bsuid = query.get("bsuid").ok_or_else(|| Refusal::new(400, 100, "(#100) The parameter bsuid is required."))?;
    let own = bsuid.split_once('.').filter(|(country, id)| country.len() == 2 && !id.contains('.'));
    if own.is_none() {
        return Err(Refusal::parameter("Param bsuid must be a business-scoped user ID of this portfolio"));
    }
    let deleted = world.state.books.0.get_mut(&account.owner).is_some_and(|book| book.remove(bsuid));
    Ok(json!({ "messaging_product": "whatsapp", "success": true, "deleted": deleted }))
}

impl Simulator {
    /// Returns whether WhatsApp's contact book of the business that owns the number has somebody.
    #[must_use]
    pub fn is_in_contact_book(&self, account: &Account, persona: &Persona) -> bool {
        let world = self.core.world();
        let book = world.state.books.0.get(&account.owner);
        persona.bsuid.as_ref().zip(book).is_some_and(|(bsuid, book)| book.contains(bsuid))
    }
}
