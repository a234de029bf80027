//! The `message` of an event of Instagram or Messenger.

use serde::Deserialize;
use serde_json::value::RawValue;
use whisp_core::model::{Content, PlatformMessageId, StoryRef};
use whisp_core::webhook::{Event, MessageEvent, Referral};

use super::attachment::{self, Attached};
use super::event::{Sides, WireReferral};
use crate::webhook::item::{What, key};
use crate::webhook::wire::{Flag, Obj, Text};

#[derive(Deserialize)]
pub(in crate::webhook) struct Message<'a> {
    #[serde(borrow, default)]
    mid: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    attachments: Option<&'a RawValue>,
    // Recordings made through some client libraries have camel case.
    #[serde(borrow, default, alias = "quickReply")]
    quick_reply: Obj<QuickReply<'a>>,
    #[serde(borrow, default)]
    reply_to: Obj<ReplyTo<'a>>,
    #[serde(borrow, default)]
    referral: Obj<WireReferral<'a>>,
    #[serde(default, alias = "isEcho")]
    is_echo: Flag,
    #[serde(default)]
    is_deleted: Flag,
    #[serde(default)]
    is_unsupported: Flag,
    #[serde(borrow, default, alias = "appId")]
    app_id: Text<'a>,
    #[serde(borrow, default)]
    metadata: Text<'a>,
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
    pub(super) const fn is_echo(&self) -> bool {
        self.is_echo.0
    }

    /// `None` if it is malformed.
    pub(super) fn what(&self, sides: &Sides<'_>) -> Option<What> {
        let mid = self.mid.filled()?;
        let target = PlatformMessageId::new(mid);
        if self.is_deleted.0 {
            let event = Event::Unsent { contact: sides.contact.clone(), target };
            return Some(What::Event(event, key("unsent", &[mid])));
        }
        let contact = sides.contact.clone()?;
        let content = match self.content() {
            Attached::Content(content) => content,
            Attached::Malformed => return None,
            Attached::Unknown(kind) => return Some(What::Unknown(Some(kind), Some(contact))),
        };
        let mut event = MessageEvent::new(Some(target), contact, content);
        event.outgoing = sides.outgoing;
        event.referral = self.referral.get().map(Referral::from);
        if let Some(reply) = self.reply_to.get() {
            event.reply_to = reply.mid.filled().map(PlatformMessageId::new);
            let story = reply.story.get();
            event.story = story.map(|story| StoryRef { id: story.id.sensitive(), url: story.url.sensitive() });
        }
        if sides.outgoing {
            event.app = self.app_id.owned();
            event.tag = self.metadata.owned();
        }
        Some(What::Event(Event::Message(Box::new(event)), key("message", &[mid])))
    }

    fn content(&self) -> Attached {
        if self.is_unsupported.0 {
            return Attached::Content(Content::Unsupported { kind: None, code: None });
        }
        if let Some(payload) = self.quick_reply.get().and_then(|reply| reply.payload.sensitive()) {
            return Attached::Content(Content::Button { payload, title: self.text.sensitive() });
        }
        match (self.attachments, self.text.as_str()) {
            (Some(raw), _) => attachment::content(raw, &self.text),
            (None, Some(text)) => Attached::Content(Content::text(text)),
            // In Europe Messenger leaves some attachments out.
            (None, None) => Attached::Content(Content::Unsupported { kind: None, code: None }),
        }
    }
}
