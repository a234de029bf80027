//! What became of a message that the business sent: an element of `statuses[]`.

use whisp_core::Sensitive;
use whisp_core::channel::ChannelErrorKind;
use whisp_core::model::{DeliveryStep, FailureCode, PlatformMessageId};
use whisp_core::webhook::{ContactRef, Event, Receipt, ReceiptTarget};

use super::people::Ids;
use super::{Scene, WireError};
use crate::error_map::explain;
use crate::webhook::cursor::{Cursor, Read};
use crate::webhook::item::{Reading, What, key};
use crate::webhook::wire::{Fields, Int, Obj, Text, readable};

#[derive(Default)]
pub(in crate::webhook) struct Status<'a> {
    id: Text<'a>,
    status: Text<'a>,
    timestamp: Int,
    recipient_id: Text<'a>,
    recipient_user_id: Text<'a>,
    biz_opaque_callback_data: Text<'a>,
    pricing: Obj<Pricing<'a>>,
    /// What only some receipts have.
    others: Fields<'a>,
}

impl<'a> Read<'a> for Status<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut status = Self::default();
        cursor.object(|cursor, name| {
            match name.as_ref() {
                "id" => status.id = cursor.text()?,
                "status" => status.status = cursor.text()?,
                "timestamp" => status.timestamp = cursor.int()?,
                "recipient_id" => status.recipient_id = cursor.text()?,
                "recipient_user_id" => status.recipient_user_id = cursor.text()?,
                "biz_opaque_callback_data" => status.biz_opaque_callback_data = cursor.text()?,
                "pricing" => status.pricing = cursor.obj()?,
                _ => status.others.0.push((name, cursor.raw()?)),
            }
            Some(())
        })?;
        Some(status)
    }
}

struct Pricing<'a> {
    category: Text<'a>,
}

impl<'a> Read<'a> for Pricing<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let [category] = cursor.texts(["category"])?;
        Some(Self { category })
    }
}

impl Status<'_> {
    pub(in crate::webhook) fn reading(&self, scene: &Scene<'_>, index: usize, alone: bool) -> Reading {
        let contact = self.contact(scene, index, alone);
        Reading::new(self.what(scene, contact), self.timestamp.time())
    }

    fn what(&self, scene: &Scene<'_>, contact: Option<ContactRef>) -> What {
        let status = self.status.as_str();
        // The states of a payment and of a call come in the same list with words of their own.
        if let Some(kind @ ("payment" | "call")) = self.others.text("type").as_str() {
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
        let errors: Vec<WireError> = readable(self.others.get("errors"));
        let codes = || errors.iter().filter_map(|error| error.code.0);
        let receipt = Receipt {
            target: ReceiptTarget::Messages(vec![PlatformMessageId::from(Sensitive::new(scene.body.part(id)))]),
            contact,
            step,
            failure: codes().next().map(FailureCode),
            opted_out: step == DeliveryStep::Failed && codes().any(is_opt_out),
            tag: self.biz_opaque_callback_data.part_of(scene.body),
            pricing: self.pricing.get().and_then(|pricing| pricing.category.part_of(scene.body)),
        };
        What::Event(
            Event::Receipt(receipt),
            key("status", &[id, status, self.participant().as_str().unwrap_or_default()]),
        )
    }

    /// In a group each participant has a receipt of their own.
    fn participant(&self) -> Text<'_> {
        let id = self.others.text("recipient_participant_user_id");
        if id.filled().is_some() { id } else { self.others.text("recipient_participant_id") }
    }

    fn contact(&self, scene: &Scene<'_>, index: usize, alone: bool) -> Option<ContactRef> {
        let others = &self.others;
        // In a group `recipient_id` is the group's.
        let (bsuid, parent, phone) = if others.text("recipient_type").as_str() == Some("group") {
            (
                &others.text("recipient_participant_user_id"),
                others.text("recipient_participant_parent_user_id"),
                &others.text("recipient_participant_id"),
            )
        } else {
            (&self.recipient_user_id, others.text("recipient_parent_user_id"), &self.recipient_id)
        };
        let ids = Ids { bsuid: bsuid.filled(), parent: parent.filled(), phone: phone.filled() };
        scene.people.find(ids, index, alone)
    }
}

/// Returns whether a code says that the person wants no such messages: that is a no of theirs, and not only a failure.
fn is_opt_out(code: i64) -> bool {
    explain(code, None).is_some_and(|meaning| meaning.kind == ChannelErrorKind::OptedOut)
}
