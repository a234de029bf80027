//! The files that come with messages: where they are asked for, and what is accepted.
//!
//! WhatsApp tells an id and, since November 2025, an address that lives five minutes; both need the token
//! (<https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media>). Instagram
//! and Messenger tell a signed address, which needs none
//! (<https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messages>). An address that has
//! expired is asked for anew, once: on WhatsApp by the file's id, on the others by its message's.

mod download;
mod hosts;
mod limits;
mod resolve;

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::TimeDelta;
use reqwest::header::LOCATION;
use reqwest::{Response, Url};
use secrecy::SecretString;
use serde_json::Value;
use whisp_core::channel::{ChannelError, ChannelErrorKind};
use whisp_core::error::Retry;
use whisp_core::media::{MediaBody, MediaError, MediaErrorKind, MediaRequest};
use whisp_core::model::Connection;

use self::download::{Download, Told};
pub use self::limits::{FILE_LIMITS, FileLimit};
use crate::client::{GraphClient, Host, WaitHints};

/// How long WhatsApp hands a file over whose id came in a webhook (page "Media", read November 2026).
pub(crate) const KEPT_WHATSAPP: TimeDelta = TimeDelta::days(7);

/// How long Instagram and Messenger are asked: as long as WhatsApp. Their signed addresses end at a time that no page of
/// the reference tells; a message tells new ones while it is among the last twenty of its conversation.
pub(crate) const KEPT_PAGES: TimeDelta = TimeDelta::days(7);

/// How long a story of Instagram is shown (page "Story Mention", read November 2026).
pub(crate) const STORY_LIVES: TimeDelta = TimeDelta::hours(24);

/// How long a download may take in all. A read that brings nothing ends sooner, after the client's own time-out.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// How many redirects are followed, each only to a host of Meta's.
const REDIRECTS_MAX: usize = 3;

const OPERATION: &str = "fetch a file";

/// Opens a file of WhatsApp: by the address of the webhook while it lives, else by a new one.
pub(crate) async fn open_by_id(
    client: &GraphClient,
    connection: &Connection,
    request: &MediaRequest,
) -> Result<Box<dyn MediaBody>, MediaError> {
    let file = &request.media;
    let limit = limits::of(&connection.channel, file.kind)?;
    let mut told = Told { size: None, sha256: file.sha256.as_deref().and_then(digest), limit };
    let token = Some(&connection.token);
    if let Some(url) = &file.url {
        match get(client, hosts::check(client, url.expose())?, token).await? {
            Answer::File(response) => return Download::begin(response, told),
            Answer::Expired(status) if file.id.is_none() => return Err(expired(status)),
            Answer::Expired(_) => {}
        }
    }
    let id =
        file.id.as_ref().ok_or_else(|| never(MediaErrorKind::Refused, "the reference has no id and no address"))?;
    let query = ("phone_number_id", connection.account.as_str());
    let node = client.get_node(Host::Facebook, id.expose(), &connection.token, query).await.map_err(unresolved)?;
    told.size = size(&node, "file_size");
    told.sha256 = told.sha256.or_else(|| node.get("sha256").and_then(Value::as_str).and_then(digest));
    let url = node.get("url").and_then(Value::as_str);
    let url = url.ok_or_else(|| again(MediaErrorKind::Unavailable, "Meta told no address"))?;
    match get(client, hosts::check(client, url)?, token).await? {
        Answer::File(response) => Download::begin(response, told),
        Answer::Expired(401) => Err(never(MediaErrorKind::Auth, "the business must connect the account again")),
        // It was made this moment: whatever this means, it is not for ever.
        Answer::Expired(status) => {
            Err(again(MediaErrorKind::Unavailable, "Meta did not know its own address").with_code(i64::from(status)))
        }
    }
}

/// Opens a file of Instagram or Messenger, without the token: by the address of the webhook while it lives, else by the
/// one that its message tells now.
pub(crate) async fn open_by_address(
    client: &GraphClient,
    host: Host,
    connection: &Connection,
    request: &MediaRequest,
) -> Result<Box<dyn MediaBody>, MediaError> {
    let file = &request.media;
    let limit = limits::of(&connection.channel, file.kind)?;
    let told = Told { size: None, sha256: file.sha256.as_deref().and_then(digest), limit };
    if let Some(url) = &file.url {
        match get(client, hosts::check(client, url.expose())?, None).await? {
            Answer::File(response) => return Download::begin(response, told),
            Answer::Expired(status) if request.message.is_none() => return Err(expired(status)),
            Answer::Expired(_) => {}
        }
    }
    let message = request.message.as_ref();
    let message =
        message.ok_or_else(|| never(MediaErrorKind::Refused, "the reference has no address and no message"))?;
    let found = resolve::by_message(client, host, connection, message, request).await?;
    match get(client, hosts::check(client, &found.url)?, None).await? {
        Answer::File(response) => Download::begin(response, Told { size: found.size, ..told }),
        // Such an address does not hand out what was taken back or is over.
        Answer::Expired(status) => Err(expired(status)),
    }
}

/// What came of asking for a file.
enum Answer {
    File(Response),
    /// The address is not good, or no longer: the HTTP status.
    Expired(u16),
}

/// Asks for a file, and follows redirects by hand: each next address is checked like the first, and the token goes
/// along only where it may.
async fn get(client: &GraphClient, first: hosts::Address, token: Option<&SecretString>) -> Result<Answer, MediaError> {
    let mut address = first;
    for _ in 0..=REDIRECTS_MAX {
        let token = token.filter(|_| address.takes_token);
        let url = address.url.clone();
        let response = client.get_file(address.url, token, DOWNLOAD_TIMEOUT).await.map_err(unresolved)?;
        let status = response.status().as_u16();
        match status {
            200 => return Ok(Answer::File(response)),
            301 | 302 | 303 | 307 | 308 => address = next(client, &url, &response)?,
            400 | 401 | 403 | 404 | 410 => return Ok(Answer::Expired(status)),
            408 | 500.. => {
                return Err(again(MediaErrorKind::Unavailable, "Meta's service failed").with_code(i64::from(status)));
            }
            429 => {
                let wait = WaitHints::of(response.headers()).retry_after.map(Duration::from_secs);
                return Err(MediaError::new(OPERATION, MediaErrorKind::RateLimited, Retry::After(wait)));
            }
            _ => {
                let error = never(MediaErrorKind::Refused, "Meta does not hand this out").with_code(i64::from(status));
                return Err(error);
            }
        }
    }
    Err(never(MediaErrorKind::Refused, "there are too many redirects"))
}

fn next(client: &GraphClient, from: &Url, response: &Response) -> Result<hosts::Address, MediaError> {
    let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
    let to = location.and_then(|to| from.join(to).ok());
    let to = to.ok_or_else(|| never(MediaErrorKind::Refused, "a redirect leads nowhere"))?;
    hosts::check(client, to.as_str())
}

fn never(kind: MediaErrorKind, advice: &'static str) -> MediaError {
    MediaError::new(OPERATION, kind, Retry::Never).with_advice(advice)
}

fn again(kind: MediaErrorKind, advice: &'static str) -> MediaError {
    MediaError::new(OPERATION, kind, Retry::After(None)).with_advice(advice)
}

fn expired(status: u16) -> MediaError {
    never(MediaErrorKind::Gone, "its address has expired and there is no other").with_code(i64::from(status))
}

/// A connection that can't be used.
pub(crate) fn refused(error: ChannelError) -> MediaError {
    let kind = match error.kind() {
        ChannelErrorKind::Auth => MediaErrorKind::Auth,
        _ => MediaErrorKind::Refused,
    };
    MediaError::new(OPERATION, kind, error.retry()).with_source(error)
}

/// A call that Meta refused, or that got no answer. Asking twice does no harm, so an unknown outcome is none.
fn unresolved(error: ChannelError) -> MediaError {
    let retry = match error.retry() {
        Retry::OutcomeUnknown => Retry::After(None),
        retry => retry,
    };
    // "Unsupported get request": the file is not there, or no longer.
    let kind = match (error.kind(), error.code()) {
        (_, Some(100)) => MediaErrorKind::Gone,
        (ChannelErrorKind::Auth, _) => MediaErrorKind::Auth,
        (ChannelErrorKind::RateLimited, _) => MediaErrorKind::RateLimited,
        (ChannelErrorKind::Blocked | ChannelErrorKind::Recipient | ChannelErrorKind::Unsupported, _) => {
            MediaErrorKind::Refused
        }
        (ChannelErrorKind::Invalid, Some(404)) => MediaErrorKind::Gone,
        (ChannelErrorKind::Invalid, _) => MediaErrorKind::Refused,
        _ => MediaErrorKind::Unavailable,
    };
    let code = error.code();
    let error = MediaError::new(OPERATION, kind, retry).with_source(error);
    match code {
        Some(code) => error.with_code(code),
        None => error,
    }
}

/// Reads a size, which comes as a number or as a string.
fn size(node: &Value, name: &str) -> Option<u64> {
    let size = node.get(name)?;
    size.as_u64().or_else(|| size.as_str()?.parse().ok())
}

/// Reads a SHA-256: base64 in a webhook, hexadecimal in the answer about an id. What is neither is taken as not told.
fn digest(told: &str) -> Option<[u8; 32]> {
    let bytes = if told.len() == 64 { unhex(told) } else { BASE64_STANDARD.decode(told).ok() };
    bytes?.try_into().ok()
}

fn unhex(told: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = told.as_bytes().chunks_exact(2);
    pairs.map(|pair| pair.iter().try_fold(0_u8, |value, byte| Some(value << 4 | digit(*byte)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hash_is_read_in_both_forms() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(digest(empty), digest(base64));
        assert_eq!(digest(empty).unwrap()[..3], [0xe3, 0xb0, 0xc4]);
        for neither in ["", "x", &empty[1..], &"g".repeat(64), "YWJj"] {
            assert_eq!(digest(neither), None, "{neither}");
        }
    }

    #[test]
    fn a_size_is_a_number_or_a_string() {
        assert_eq!(size(&json!({ "file_size": 303_833 }), "file_size"), Some(303_833));
        assert_eq!(size(&json!({ "file_size": "303833" }), "file_size"), Some(303_833));
        assert_eq!(size(&json!({ "file_size": -1 }), "file_size"), None);
        assert_eq!(size(&json!({}), "file_size"), None);
    }
}
