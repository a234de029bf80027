//! The `message` of an event of Instagram or Messenger.

use serde::Deserialize;
use whisp_core::Sensitive;
use whisp_core::model::{Content, PlatformMessageId, StoryRef};
use whisp_core::webhook::{Event, Extra, MessageEvent, Referral};

use super::attachment::{self, Attached};
use super::event::{Sides, WireReferral};
use crate::webhook::cursor::{Cursor, Read};
use crate::webhook::item::{What, key, message_key};
use crate::webhook::wire::{Fields, Flag, Obj, Text};

#[derive(Default)]
pub(in crate::webhook) struct Message<'a> {
    mid: Text<'a>,
    text: Text<'a>,
    /// What only some messages have.
    others: Fields<'a>,
}

impl<'a> Read<'a> for Message<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut message = Self::default();
        cursor.object(|cursor, name| {
            match name.as_ref() {
                "mid" => message.mid = cursor.text()?,
                "text" => message.text = cursor.text()?,
                _ => message.others.0.push((name, cursor.raw()?)),
            }
            Some(())
        })?;
        Some(message)
    }
}

#[derive(Deserialize)]
struct QuickReply<'a> {
    #[serde(borrow, default)]
    payload: Text<'a>,
}

#[derive(Deserialize)]
struct ReplyTo<'a> {
    #[serde(borrow, default)]
    mid: Text<'a>,
    #[serde(borrow, default)]
    story: Obj<Story<'a>>,
}

#[derive(Deserialize)]
struct Story<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    url: Text<'a>,
}

impl Message<'_> {
    pub(super) fn is_echo(&self) -> bool {
        // Recordings made through some client libraries have camel case.
        self.flag("is_echo") || self.flag("isEcho")
    }

    fn flag(&self, name: &str) -> bool {
        self.others.object::<Flag>(name).is_some_and(|flag| flag.0)
    }

    /// `None` if it is malformed.
    pub(super) fn what(&self, sides: &mut Sides<'_>) -> Option<What> {
        let mid: Sensitive = self.mid.part_of(sides.body)?;
        let target = PlatformMessageId::from(mid.clone());
        if self.flag("is_deleted") {
            let event = Event::Unsent { contact: sides.contact.take(), target };
            return Some(What::Event(event, key("unsent", &[mid.expose()])));
        }
        let (content, unread) = match self.content(sides) {
            Attached::Content(content) => (content, false),
            Attached::Unread(kind) => (Content::Unsupported { kind, code: None }, true),
        };
        let mut event = MessageEvent::new(Some(target), sides.contact.take()?, content);
        event.outgoing = sides.outgoing;
        if !self.others.0.is_empty() {
            event.extras = self.extra(sides).into();
        }
        let identity = message_key(mid, &self.mid);
        Some(if unread { What::Unread(event, identity) } else { What::Event(Event::Message(event), identity) })
    }

    fn extra(&self, sides: &Sides<'_>) -> Extra {
        let referral: Option<WireReferral<'_>> = self.others.object("referral");
        let mut extra = Extra { referral: referral.as_ref().map(Referral::from), ..Extra::default() };
        if let Some(reply) = self.others.object::<ReplyTo<'_>>("reply_to") {
            extra.reply_to = reply.mid.filled().map(PlatformMessageId::new);
            let story = reply.story.get();
            extra.story = story.map(|story| StoryRef { id: story.id.sensitive(), url: story.url.sensitive() });
        }
        if sides.outgoing {
            extra.app = ["app_id", "appId"].into_iter().find_map(|name| self.others.text(name).part_of(sides.body));
            extra.tag = self.others.text("metadata").part_of(sides.body);
        }
        extra
    }

    fn content(&self, sides: &Sides<'_>) -> Attached {
        if self.flag("is_unsupported") {
            return Attached::Content(Content::Unsupported { kind: None, code: None });
        }
        let reply: Option<QuickReply<'_>> =
            self.others.object("quick_reply").or_else(|| self.others.object("quickReply"));
        if let Some(payload) = reply.and_then(|reply| reply.payload.sensitive()) {
            return Attached::Content(Content::Button { payload, title: self.text.sensitive() });
        }
        match (self.others.some("attachments"), self.text.as_str()) {
            (Some(raw), _) => attachment::content(raw, &self.text),
            (None, Some(text)) => Attached::Content(Content::Text { text: sides.body.part(text).into() }),
            // In Europe Messenger leaves some attachments out.
            (None, None) => Attached::Content(Content::Unsupported { kind: None, code: None }),
        }
    }
}
