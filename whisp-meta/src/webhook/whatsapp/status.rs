//! What became of a message that the business sent: an element of `statuses[]`.

use serde::Deserialize;
use serde_json::value::RawValue;
use whisp_core::model::{DeliveryStep, FailureCode, PlatformMessageId};
use whisp_core::webhook::{ContactRef, Event, Receipt, ReceiptTarget};

use super::people::Ids;
use super::{Scene, WireError};
use crate::webhook::item::{Reading, What, key};
use crate::webhook::wire::{Int, Obj, Text, readable};

#[derive(Deserialize)]
pub(in crate::webhook) struct Status<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(default)]
    timestamp: Int,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    recipient_id: Text<'a>,
    #[serde(borrow, default)]
    recipient_user_id: Text<'a>,
    #[serde(borrow, default)]
    recipient_parent_user_id: Text<'a>,
    #[serde(borrow, default)]
    recipient_type: Text<'a>,
    #[serde(borrow, default)]
    recipient_participant_id: Text<'a>,
    #[serde(borrow, default)]
    recipient_participant_user_id: Text<'a>,
    #[serde(borrow, default)]
    recipient_participant_parent_user_id: Text<'a>,
    #[serde(borrow, default)]
    biz_opaque_callback_data: Text<'a>,
    #[serde(borrow, default)]
    pricing: Obj<Pricing<'a>>,
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Pricing<'a> {
    #[serde(borrow, default)]
    category: Text<'a>,
}

impl Status<'_> {
    pub(in crate::webhook) fn reading(&self, scene: &Scene<'_>, index: usize, alone: bool) -> Reading {
        let contact = self.contact(scene, index, alone);
        Reading::new(self.what(contact), self.timestamp.time())
    }

    fn what(&self, contact: Option<ContactRef>) -> What {
        let status = self.status.as_str();
        // The states of a payment and of a call come in the same list with words of their own.
        if let Some(kind @ ("payment" | "call")) = self.kind.as_str() {
            return What::Notice(kind.to_owned());
        }
        let step = match status {
            Some("sent") => DeliveryStep::Sent,
            Some("delivered") => DeliveryStep::Delivered,
            Some("read") => DeliveryStep::Read,
            Some("played") => DeliveryStep::Played,
            Some("failed") => DeliveryStep::Failed,
            // Documented until 2023, without an effect on how far the message has come.
            Some(legacy @ ("deleted" | "warning")) => return What::Notice(format!("status_{legacy}")),
            other => return What::Unknown(other.map(str::to_owned), contact),
        };
        let (Some(id), Some(status)) = (self.id.filled(), status) else {
            return What::Unknown(status.map(str::to_owned), contact);
        };
        let errors: Vec<WireError> = readable(self.errors);
        let receipt = Receipt {
            target: ReceiptTarget::Messages(vec![PlatformMessageId::new(id)]),
            contact,
            step,
            failure: errors.iter().find_map(|error| error.code.0).map(FailureCode),
            tag: self.biz_opaque_callback_data.owned(),
            pricing: self.pricing.get().and_then(|pricing| pricing.category.owned()),
        };
        What::Event(Event::Receipt(receipt), key("status", &[id, status, self.participant()]))
    }

    /// In a group each participant has a receipt of their own.
    fn participant(&self) -> &str {
        let ids = [&self.recipient_participant_user_id, &self.recipient_participant_id];
        ids.into_iter().find_map(Text::filled).unwrap_or_default()
    }

    fn contact(&self, scene: &Scene<'_>, index: usize, alone: bool) -> Option<ContactRef> {
        let ids = if self.recipient_type.as_str() == Some("group") {
            // `recipient_id` is the group's.
            Ids {
                bsuid: self.recipient_participant_user_id.filled(),
                parent: self.recipient_participant_parent_user_id.filled(),
                phone: self.recipient_participant_id.filled(),
            }
        } else {
            Ids {
                bsuid: self.recipient_user_id.filled(),
                parent: self.recipient_parent_user_id.filled(),
                phone: self.recipient_id.filled(),
            }
        };
        scene.people.find(ids, index, alone)
    }
}
