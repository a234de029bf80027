//! Public comments and mentions.

use serde_json::value::RawValue;
use whisp_core::Sensitive;
use whisp_core::model::{Handle, PlatformMessageId, Provenance};
use whisp_core::webhook::{Comment, ContactRef, Event};

use super::handle_kind;
use crate::webhook::item::{Origin, Reading, What, key};
use crate::webhook::wire::{Fields, Text};

/// A comment on a post, a reel, an advertisement or a live video of an Instagram account.
pub(super) fn comment(raw: &RawValue, origin: &Origin<'_>) -> Option<Reading> {
    let fields = Fields::read(raw)?;
    let ids = [fields.text("id"), fields.text("comment_id")];
    let media = fields.get("media").and_then(Fields::read).map(|media| media.text("id"));
    reading(ids.iter().find_map(Text::filled)?, media, "text", &fields, origin)
}

/// A mention of the account in a caption or in a comment. Meta tells only the ids.
pub(super) fn mention(raw: &RawValue) -> Option<Reading> {
    let fields = Fields::read(raw)?;
    let (comment, media) = (fields.text("comment_id"), fields.text("media_id"));
    let event = Event::Comment(Comment {
        id: comment.filled().map(PlatformMessageId::new),
        media: Some(Sensitive::from(media.filled()?)),
        from: None,
        text: None,
    });
    let identity = key("mention", &[media.filled()?, comment.filled().unwrap_or_default()]);
    Some(Reading::new(What::Event(event, identity), None))
}

/// A new comment on a Page's post. Everything else in the feed is a notice.
pub(super) fn feed(raw: &RawValue, origin: &Origin<'_>) -> Option<Reading> {
    let fields = Fields::read(raw)?;
    if fields.text("item").as_str() != Some("comment") || fields.text("verb").as_str() != Some("add") {
        return None;
    }
    let id = fields.text("comment_id");
    reading(id.filled()?, Some(fields.text("post_id")), "message", &fields, origin)
}

fn reading(id: &str, media: Option<Text<'_>>, text: &str, fields: &Fields<'_>, origin: &Origin<'_>) -> Option<Reading> {
    let from = fields.get("from").and_then(Fields::read).unwrap_or_default();
    let author = from.text("id");
    let names = [from.text("username"), from.text("name")];
    let from = author.filled().map(|id| ContactRef {
        handles: vec![Handle::new(handle_kind(&origin.channel), id)],
        name: names.iter().find_map(Text::sensitive),
    });
    let comment = Comment {
        id: Some(PlatformMessageId::new(id)),
        media: media.and_then(|media| media.sensitive()),
        from,
        text: fields.text(text).sensitive(),
    };
    let what = What::Event(Event::Comment(comment), key("comment", &[id]));
    let mut reading = Reading::new(what, fields.int("created_time").time());
    // The business's own answers come back like anybody's comment.
    if author.filled().is_some_and(|author| author == origin.entry) {
        reading.provenance = Some(Provenance::Echo);
    }
    Some(reading)
}
