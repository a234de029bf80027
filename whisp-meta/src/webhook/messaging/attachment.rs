//! The attachments of a message of Instagram or Messenger.

use serde::Deserialize;
use serde_json::value::RawValue;
use whisp_core::Sensitive;
use whisp_core::model::{Content, Location, Media, MediaKind, Share, ShareKind, StoryRef};

use crate::webhook::wire::{Obj, Real, Text, elements, read, readable};

/// What the attachments of a message amount to.
pub(super) enum Attached {
    Content(Content),
    /// They are not a list of attachments, or all are of a type that is not in Meta's reference: the type.
    Unread(Option<String>),
}

#[derive(Deserialize)]
struct Attachment<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    payload: Obj<Payload<'a>>,
    #[serde(borrow, default)]
    title: Text<'a>,
    #[serde(borrow, default, alias = "URL")]
    url: Text<'a>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default)]
    url: Text<'a>,
    #[serde(borrow, default)]
    title: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    // Recordings made through some client libraries have camel case.
    #[serde(borrow, default, alias = "stickerId")]
    sticker_id: Text<'a>,
    #[serde(borrow, default)]
    ig_post_media_id: Text<'a>,
    #[serde(borrow, default)]
    reel_video_id: Text<'a>,
    #[serde(default)]
    coordinates: Obj<Coordinates>,
    #[serde(borrow, default)]
    generic: Obj<Generic<'a>>,
    #[serde(borrow, default)]
    elements: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Coordinates {
    #[serde(default)]
    lat: Real,
    #[serde(default)]
    long: Real,
}

#[derive(Deserialize)]
struct Generic<'a> {
    #[serde(borrow, default)]
    elements: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Card<'a> {
    #[serde(borrow, default)]
    title: Text<'a>,
}

/// The content of a message with attachments and perhaps a text.
pub(super) fn content(raw: &RawValue, text: &Text<'_>) -> Attached {
    let Some(list) = elements(raw) else { return Attached::Unread(None) };
    let list: Option<Vec<Attachment<'_>>> = list.into_iter().map(read).collect();
    let Some(list) = list else { return Attached::Unread(None) };
    let media = media(&list);
    if !media.is_empty() {
        return Attached::Content(Content::Media { items: media, caption: text.sensitive() });
    }
    let mut contents = list.iter().map(|attachment| single(attachment, text));
    let first = contents.next().unwrap_or(Attached::Unread(None));
    // Until February 2026 a shared post came twice, the old form first.
    let best = contents.fold(first, |best, next| match (&best, &next) {
        (Attached::Content(Content::Share(Share { id: None, .. })), Attached::Content(Content::Share(share)))
            if share.id.is_some() =>
        {
            next
        }
        (Attached::Content(_), _) => best,
        (_, Attached::Content(_)) => next,
        _ => best,
    });
    match (best, text.filled()) {
        (best @ Attached::Content(_), _) => best,
        // What the contact wrote can be read and answered, whatever hangs on it.
        (_, Some(text)) => Attached::Content(Content::text(text)),
        (other, None) => other,
    }
}

/// The media among the attachments. A sticker comes with a twin image for old clients; the twin is left out.
fn media(list: &[Attachment<'_>]) -> Vec<Media> {
    let mut media: Vec<Media> = Vec::new();
    for attachment in list {
        let Some(next) = medium(attachment) else { continue };
        let twin =
            next.kind == MediaKind::Sticker && media.iter().any(|one| one.kind == next.kind && one.id == next.id);
        if !twin {
            media.push(next);
        }
    }
    media
}

fn medium(attachment: &Attachment<'_>) -> Option<Media> {
    let payload = attachment.payload.get();
    let sticker = payload.and_then(|payload| payload.sticker_id.sensitive());
    let kind = match attachment.kind.as_str()? {
        "image" if sticker.is_some() => MediaKind::Sticker,
        "animated_image" | "image" => MediaKind::Image,
        "video" => MediaKind::Video,
        "audio" => MediaKind::Audio,
        "file" => MediaKind::Document,
        "sticker" | "like_heart" => MediaKind::Sticker,
        _ => return None,
    };
    let url = payload.and_then(|payload| payload.url.sensitive()).or_else(|| attachment.url.sensitive());
    Some(Media { id: sticker, url, ..Media::new(kind) })
}

fn single(attachment: &Attachment<'_>, text: &Text<'_>) -> Attached {
    let Some(kind) = attachment.kind.filled() else { return Attached::Unread(None) };
    let payload = attachment.payload.get();
    let content = match kind {
        "story_mention" => Content::StoryMention(StoryRef {
            id: payload.and_then(|payload| payload.id.sensitive()),
            url: payload.and_then(|payload| payload.url.sensitive()),
        }),
        "location" => match payload.and_then(location) {
            Some(location) => Content::Location(location),
            None => return Attached::Unread(None),
        },
        // The link is in the text.
        "fallback" if text.filled().is_some() => Content::text(text.filled().unwrap_or_default()),
        // A photograph that is seen once, and what Instagram itself can't name.
        "ephemeral" | "unsupported_type" => Content::Unsupported { kind: Some(kind.to_owned()), code: None },
        _ => match share_kind(kind) {
            Some(share) => Content::Share(shared(share, attachment, text)),
            None => return Attached::Unread(Some(kind.to_owned())),
        },
    };
    Attached::Content(content)
}

fn share_kind(kind: &str) -> Option<ShareKind> {
    Some(match kind {
        "share" | "ig_post" | "post" => ShareKind::Post,
        "ig_reel" | "reel" => ShareKind::Reel,
        "ig_story" | "story" => ShareKind::Story,
        "fallback" => ShareKind::Link,
        "product" | "product_template" => ShareKind::Product,
        "template" => ShareKind::Template,
        _ => return None,
    })
}

fn shared(kind: ShareKind, attachment: &Attachment<'_>, text: &Text<'_>) -> Share {
    let payload = attachment.payload.get();
    let of_payload = |field: fn(&'_ Payload<'_>) -> Option<Sensitive>| payload.and_then(field);
    let card = payload.and_then(|payload| {
        let elements = payload.generic.get().and_then(|generic| generic.elements).or(payload.elements);
        readable::<Card<'_>>(elements).first().and_then(|card| card.title.sensitive())
    });
    Share {
        kind,
        id: of_payload(|payload| payload.ig_post_media_id.sensitive())
            .or_else(|| of_payload(|payload| payload.reel_video_id.sensitive()))
            .or_else(|| of_payload(|payload| payload.id.sensitive())),
        url: of_payload(|payload| payload.url.sensitive()).or_else(|| attachment.url.sensitive()),
        // What the contact wrote comes before what the post is called.
        title: text
            .sensitive()
            .or_else(|| of_payload(|payload| payload.title.sensitive()))
            .or_else(|| attachment.title.sensitive())
            .or_else(|| of_payload(|payload| payload.text.sensitive()))
            .or(card),
    }
}

fn location(payload: &Payload<'_>) -> Option<Location> {
    let coordinates = payload.coordinates.get()?;
    Some(Location {
        latitude: Sensitive::new(coordinates.lat.0?),
        longitude: Sensitive::new(coordinates.long.0?),
        name: payload.title.sensitive(),
        address: None,
    })
}
