//! New addresses for files of Instagram and Messenger: where the first one has expired, the message is asked what hangs
//! on it (<https://developers.facebook.com/docs/graph-api/reference/message>, and for stories
//! <https://developers.facebook.com/docs/messenger-platform/instagram/features/story-mention>, read November 2026).
//!
//! Meta is said to tell it of the last twenty messages of a conversation, and to answer for older ones as if they were
//! deleted (<https://developers.facebook.com/docs/messenger-platform/conversations>, which was not read for this).

use serde_json::Value;
use whisp_core::channel::ChannelError;
use whisp_core::media::{MediaError, MediaErrorKind, MediaPart, MediaRequest};
use whisp_core::model::{Connection, MediaKind, PlatformMessageId};

use super::{never, size, unresolved};
use crate::client::{GraphClient, Host};

/// What is asked of the files of a message: no more than it takes to find one again.
const FILES: &str = "attachments{image_data,video_data,file_url,mime_type,size}";
const STORY: &str = "story";

const TAKEN_BACK: &str = "it was taken back, or it is older than the last twenty messages of its conversation";
const OTHER: &str = "its message has no such file now";
const OVER: &str = "the story is over or was taken down: show a placeholder";
const PERMISSION: &str = "grant the permission to read messages, then connect the account again";

/// Where a file is now.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) url: String,
    /// How many bytes it has, where that is told of the very bytes that come.
    pub(super) size: Option<u64>,
}

/// Asks a message, once, where a file of it is now.
pub(super) async fn by_message(
    client: &GraphClient,
    host: Host,
    connection: &Connection,
    message: &PlatformMessageId,
    request: &MediaRequest,
) -> Result<Found, MediaError> {
    let fields = if request.part == MediaPart::Story { STORY } else { FILES };
    let node = client.get_node(host, message.expose(), &connection.token, ("fields", fields)).await;
    let node = node.map_err(refused)?;
    match request.part {
        MediaPart::File(place) => file(&node, place, request.media.kind).ok_or_else(|| gone(OTHER)),
        MediaPart::Story => story(&node).ok_or_else(|| gone(OVER)),
        _ => Err(never(MediaErrorKind::Refused, "this channel has no such part of a message")),
    }
}

fn gone(advice: &'static str) -> MediaError {
    never(MediaErrorKind::Gone, advice)
}

fn refused(error: ChannelError) -> MediaError {
    let error = unresolved(error);
    match error.kind() {
        MediaErrorKind::Gone => error.with_advice(TAKEN_BACK),
        MediaErrorKind::Auth => error.with_advice(PERMISSION),
        MediaErrorKind::Refused => error.with_advice("Meta does not tell this business about the message"),
        _ => error,
    }
}

/// Finds a file by its place and its kind. Another kind at that place is another file.
fn file(node: &Value, place: usize, kind: MediaKind) -> Option<Found> {
    let attachment = node.pointer("/attachments/data")?.get(place)?;
    let text = |pointer: &str| attachment.pointer(pointer).and_then(Value::as_str);
    let says = |kind: &str| text("/mime_type").is_some_and(|mime| mime.starts_with(kind));
    let (url, size, fits) = if let Some(url) = text("/image_data/url") {
        (url, None, matches!(kind, MediaKind::Image | MediaKind::Sticker))
    } else if let Some(url) = text("/video_data/url") {
        // No page says where a sound is told: it may be here, or below.
        (url, None, kind == MediaKind::Video || (kind == MediaKind::Audio && !says("video/")))
    } else {
        let fits = kind == MediaKind::Document || (kind == MediaKind::Audio && says("audio/"));
        // Of pictures and videos no page says whether the size is that of the bytes that come: it is not checked there.
        (text("/file_url")?, size(attachment, "size"), fits)
    };
    fits.then(|| Found { url: url.to_owned(), size })
}

fn story(node: &Value) -> Option<Found> {
    let link = node.pointer("/story/mention/link").or_else(|| node.pointer("/story/reply_to/link"));
    Some(Found { url: link?.as_str().filter(|link| !link.is_empty())?.to_owned(), size: None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_is_found_by_its_place_and_its_kind() {
        let node = json!({ "id": "m_1", "attachments": { "data": [
            { "id": "1", "mime_type": "image/jpeg", "size": 12, "image_data": { "width": 1, "height": 1, "url": "u0" } },
            { "id": "2", "mime_type": "video/mp4", "size": 12, "video_data": { "url": "u1" } },
            { "id": "3", "mime_type": "application/pdf", "size": "12", "name": "a.pdf", "file_url": "u2" },
            { "id": "4", "mime_type": "audio/mpeg", "size": 12, "file_url": "u3" },
        ] } });
        let at = |place, kind| file(&node, place, kind).map(|found| (found.url, found.size));
        let is = |url: &str, size| Some((url.to_owned(), size));
        assert_eq!(at(0, MediaKind::Image), is("u0", None));
        assert_eq!(at(0, MediaKind::Sticker), is("u0", None));
        assert_eq!(at(1, MediaKind::Video), is("u1", None));
        assert_eq!(at(2, MediaKind::Document), is("u2", Some(12)));
        assert_eq!(at(3, MediaKind::Audio), is("u3", Some(12)));
        for (place, kind) in [
            (0, MediaKind::Video),
            (1, MediaKind::Image),
            (1, MediaKind::Audio),
            (2, MediaKind::Audio),
            (2, MediaKind::Image),
            (4, MediaKind::Image),
            (usize::MAX, MediaKind::Image),
        ] {
            assert_eq!(at(place, kind), None, "{place} {kind:?}");
        }
        for none in [json!({ "id": "m_1" }), json!({ "attachments": [] }), json!({ "attachments": { "data": [{}] } })] {
            assert!(file(&none, 0, MediaKind::Document).is_none(), "{none}");
        }
    }

    #[test]
    fn a_story_is_a_mention_or_an_answer() {
        let url = |node: Value| story(&node).map(|found| found.url);
        assert_eq!(url(json!({ "story": { "mention": { "link": "u", "id": "1" } } })).as_deref(), Some("u"));
        assert_eq!(url(json!({ "story": { "reply_to": { "link": "u", "id": "1" } } })).as_deref(), Some("u"));
        for none in [json!({}), json!({ "story": {} }), json!({ "story": { "mention": { "link": "", "id": "1" } } })] {
            assert_eq!(url(none), None);
        }
    }
}
