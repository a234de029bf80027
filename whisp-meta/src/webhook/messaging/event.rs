//! An element of `messaging[]` or `standby[]`: one of several things, told by which field it has.

use serde::Deserialize;
use serde_json::value::RawValue;
use whisp_core::Sensitive;
use whisp_core::model::{Content, DeliveryStep, Handle, PlatformMessageId, Provenance};
use whisp_core::webhook::{ContactRef, Event, MessageEvent, Receipt, ReceiptTarget, Referral};

use super::handle_kind;
use super::message::Message;
use crate::webhook::cursor::{Cursor, Read};
use crate::webhook::item::{Identity, Origin, Reading, What, key, message_key};
use crate::webhook::wire::{Fields, Int, Obj, Text, elements, read};

#[derive(Default)]
pub(in crate::webhook) struct Messaging<'a> {
    sender: Obj<Party<'a>>,
    recipient: Obj<Party<'a>>,
    timestamp: Int,
    message: Obj<Message<'a>>,
    /// What it is if it is no message.
    others: Fields<'a>,
}

impl<'a> Read<'a> for Messaging<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut event = Self::default();
        cursor.object(|cursor, name| {
            match name.as_ref() {
                "sender" => event.sender = cursor.obj()?,
                "recipient" => event.recipient = cursor.obj()?,
                "timestamp" => event.timestamp = cursor.int()?,
                "message" => event.message = cursor.obj()?,
                _ => event.others.0.push((name, cursor.raw()?)),
            }
            Some(())
        })?;
        Some(event)
    }
}

#[derive(Deserialize)]
struct Party<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
}

impl<'a> Read<'a> for Party<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let [id] = cursor.texts(["id"])?;
        Some(Self { id })
    }
}

#[derive(Deserialize)]
struct MessageEdit<'a> {
    #[serde(borrow, default)]
    mid: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    num_edit: Text<'a>,
}

#[derive(Deserialize)]
struct Reaction<'a> {
    #[serde(borrow, default)]
    mid: Text<'a>,
    #[serde(borrow, default)]
    action: Text<'a>,
    #[serde(borrow, default)]
    reaction: Text<'a>,
    #[serde(borrow, default)]
    emoji: Text<'a>,
}

#[derive(Deserialize)]
struct Postback<'a> {
    #[serde(borrow, default)]
    mid: Text<'a>,
    #[serde(borrow, default)]
    title: Text<'a>,
    #[serde(borrow, default)]
    payload: Text<'a>,
    #[serde(borrow, default)]
    referral: Obj<WireReferral<'a>>,
}

#[derive(Deserialize)]
struct Watermark<'a> {
    #[serde(borrow, default)]
    mid: Text<'a>,
    #[serde(borrow, default)]
    mids: Option<&'a RawValue>,
    #[serde(default)]
    watermark: Int,
}

/// Where a contact came from, in a message, a postback or alone.
#[derive(Deserialize)]
pub(super) struct WireReferral<'a> {
    #[serde(borrow, default, rename = "ref")]
    parameter: Text<'a>,
    #[serde(borrow, default)]
    source: Text<'a>,
    #[serde(borrow, default)]
    ad_id: Text<'a>,
    #[serde(borrow, default)]
    product: Obj<Party<'a>>,
    #[serde(borrow, default)]
    ads_context_data: Obj<Advertisement<'a>>,
}

#[derive(Deserialize)]
struct Advertisement<'a> {
    #[serde(borrow, default)]
    ad_title: Text<'a>,
}

/// Who an event is about, and which side did it.
pub(super) struct Sides<'a> {
    /// The whole body, of which the items' texts are parts.
    pub(super) body: &'a whisp_core::Text,
    /// The sender's id, which is part of the identity of what has no id of its own.
    sender: &'a str,
    pub(super) contact: Option<ContactRef>,
    pub(super) outgoing: bool,
}

impl Messaging<'_> {
    pub(in crate::webhook) fn reading(&self, origin: &Origin<'_>) -> Reading {
        let echo = self.message.get().is_some_and(Message::is_echo);
        let mut sides = self.sides(origin, echo);
        let outgoing = sides.outgoing;
        let what = match self.what(&mut sides) {
            Some(what) => what,
            None => What::Unknown(self.name().map(str::to_owned), sides.contact),
        };
        let mut reading = Reading::new(what, self.timestamp.time());
        if outgoing && origin.provenance == Provenance::Live && self.is_written() {
            reading.provenance = Some(Provenance::Echo);
        }
        reading
    }

    /// `None` where the field that is there can't be read, and where none of them is there. Takes the contact only if
    /// it succeeds.
    fn what(&self, sides: &mut Sides<'_>) -> Option<What> {
        if let Some(message) = self.message.get() {
            return message.what(sides);
        }
        let others = &self.others;
        match self.name()? {
            "message_edit" => edit(&others.object("message_edit")?, sides),
            "reaction" => reaction(&others.object("reaction")?, sides, self.timestamp),
            "postback" => postback(&others.object("postback")?, sides),
            "read" => receipt("read", DeliveryStep::Read, &others.object("read")?, sides),
            "delivery" => receipt("delivered", DeliveryStep::Delivered, &others.object("delivery")?, sides),
            "referral" => {
                let referral: WireReferral<'_> = others.object("referral")?;
                let contact = sides.contact.take()?;
                Some(What::Event(Event::Referral { contact, referral: (&referral).into() }, Identity::Digest))
            }
            // The app that is told of a pass is the one that it is passed to; of a take, the one that it is taken from.
            "pass_thread_control" => Some(thread(true, sides)),
            "take_thread_control" => Some(thread(false, sides)),
            _ => None,
        }
    }

    /// The name of the field that is there.
    fn name(&self) -> Option<&'static str> {
        const FIELDS: [(&str, &str); 10] = [
            ("message_edit", "message_edit"),
            ("reaction", "reaction"),
            ("postback", "postback"),
            ("read", "read"),
            ("delivery", "delivery"),
            ("referral", "referral"),
            ("pass_thread_control", "pass_thread_control"),
            ("take_thread_control", "take_thread_control"),
            // Recordings made through some client libraries have camel case.
            ("passThreadControl", "pass_thread_control"),
            ("takeThreadControl", "take_thread_control"),
        ];
        if self.message.get().is_some() {
            return Some("message");
        }
        FIELDS.iter().find(|(field, _)| self.others.some(field).is_some()).map(|(_, name)| *name)
    }

    /// Whether somebody wrote, pressed or changed something, so that the business's own side of it is an echo.
    fn is_written(&self) -> bool {
        matches!(self.name(), Some("message" | "reaction" | "message_edit" | "postback"))
    }

    fn sides<'s>(&'s self, origin: &Origin<'s>, echo: bool) -> Sides<'s> {
        let id = |party: &'_ Obj<Party<'_>>| -> Option<Handle> {
            Some(Handle { kind: handle_kind(&origin.channel), value: party.get()?.id.part_of(origin.body)? })
        };
        let sender = self.sender.get().and_then(|party| party.id.filled());
        let outgoing = echo || (sender.is_some() && sender == Some(origin.entry));
        let contact = id(if outgoing { &self.recipient } else { &self.sender });
        Sides {
            body: origin.body,
            sender: sender.unwrap_or_default(),
            contact: contact.map(|handle| ContactRef { handles: vec![handle], name: None }),
            outgoing,
        }
    }
}

fn thread(ours: bool, sides: &mut Sides<'_>) -> What {
    What::Event(Event::Thread { contact: sides.contact.take(), ours }, Identity::Digest)
}

fn edit(edit: &MessageEdit<'_>, sides: &mut Sides<'_>) -> Option<What> {
    let mid = edit.mid.filled()?;
    let event = Event::Edited {
        contact: sides.contact.take(),
        target: PlatformMessageId::new(mid),
        // In the wild `num_edit` is 0 and the text is missing: all that is known is that it changed.
        content: edit.text.as_str().map(Content::text),
    };
    Some(What::Event(event, key("edit", &[mid, edit.num_edit.as_str().unwrap_or_default()])))
}

fn reaction(reaction: &Reaction<'_>, sides: &mut Sides<'_>, timestamp: Int) -> Option<What> {
    let mid = reaction.mid.filled()?;
    let action = reaction.action.as_str()?;
    let emoji = match action {
        "react" => Some(reaction.emoji.sensitive().or_else(|| reaction.reaction.sensitive())?),
        "unreact" => None,
        _ => return None,
    };
    let content = Content::Reaction { target: PlatformMessageId::new(mid), emoji };
    let mut event = MessageEvent::new(None, sides.contact.take()?, content);
    event.outgoing = sides.outgoing;
    let time = timestamp.0.unwrap_or_default().to_string();
    Some(What::Event(Event::Message(event), key("reaction", &[mid, sides.sender, action, &time])))
}

fn postback(postback: &Postback<'_>, sides: &mut Sides<'_>) -> Option<What> {
    let mid: Option<Sensitive> = postback.mid.part_of(sides.body);
    let content = Content::Postback { payload: postback.payload.sensitive(), title: postback.title.sensitive() };
    let mut event = MessageEvent::new(mid.clone().map(PlatformMessageId::from), sides.contact.take()?, content);
    event.outgoing = sides.outgoing;
    if let Some(referral) = postback.referral.get() {
        event.extras.referral = Some(referral.into());
    }
    let identity = mid.map_or(Identity::Digest, |mid| message_key(mid, &postback.mid));
    Some(What::Event(Event::Message(event), identity))
}

fn receipt(kind: &str, step: DeliveryStep, receipt: &Watermark<'_>, sides: &mut Sides<'_>) -> Option<What> {
    let listed: Vec<Text<'_>> =
        receipt.mids.and_then(elements).unwrap_or_default().into_iter().filter_map(read).collect();
    let mids: Vec<&str> = receipt.mid.filled().into_iter().chain(listed.iter().filter_map(Text::filled)).collect();
    let (target, identity) = if mids.is_empty() {
        let watermark = receipt.watermark.0?.to_string();
        let target = ReceiptTarget::UpTo(receipt.watermark.time()?);
        (target, key(kind, &[sides.sender, "up to", &watermark]))
    } else {
        let target = ReceiptTarget::Messages(mids.iter().copied().map(PlatformMessageId::new).collect());
        let ids: Vec<&str> = std::iter::once(sides.sender).chain(mids).collect();
        (target, key(kind, &ids))
    };
    let contact = sides.contact.take();
    let receipt = Receipt { target, contact, step, failure: None, opted_out: false, tag: None, pricing: None };
    Some(What::Event(Event::Receipt(receipt), identity))
}

impl From<&WireReferral<'_>> for Referral {
    fn from(referral: &WireReferral<'_>) -> Self {
        let product = referral.product.get().and_then(|product| product.id.sensitive());
        Self {
            source: referral.source.owned(),
            source_id: referral.ad_id.sensitive().or(product),
            parameter: referral.parameter.sensitive(),
            headline: referral.ads_context_data.get().and_then(|context| context.ad_title.sensitive()),
            click_id: None,
        }
    }
}
