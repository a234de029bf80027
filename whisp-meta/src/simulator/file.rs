//! Files: what simulated people send, under addresses that expire and, on WhatsApp, need the token.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use whisp_core::model::{AccountId, ChannelKind, MediaKind};

use super::config::Account;
use super::fault::Scissors;
use super::graph::{bearer, cut};
use super::node::Thread;
use super::{Core, Simulator};
use crate::client::hex;
use crate::json::set;

/// Where WhatsApp's files are.
pub(super) const WHATSAPP_PATH: &str = "/whatsapp_business/attachments/";
/// Where Instagram's and Messenger's are.
pub(super) const PAGES_PATH: &str = "/ig_messaging_cdn/";

/// How long an address of WhatsApp lives.
const WHATSAPP_LIFE: TimeDelta = TimeDelta::minutes(5);
/// How long an address of the others lives.
const PAGES_LIFE: TimeDelta = TimeDelta::hours(24);

/// How long a story lives.
const STORY_LIFE: TimeDelta = TimeDelta::hours(24);

/// How large the pieces are in which a body is sent that goes wrong.
const PIECE: usize = 16 * 1024;

/// How many requests of files are remembered; the oldest go first.
const REQUESTS_MAX: usize = 10_000;

/// A file that a simulated person has.
#[derive(Clone)]
pub struct Upload {
    kind: MediaKind,
    mime: String,
    filename: Option<String>,
    bytes: Bytes,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({} bytes)", self.bytes.len())
    }
}

impl Upload {
    /// A file of a kind and MIME type.
    #[must_use]
    pub fn new(kind: MediaKind, mime: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { kind, mime: mime.to_owned(), filename: None, bytes: bytes.into().into() }
    }

    /// Gives it a name, which WhatsApp tells of documents.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.filename = Some(name.to_owned());
        self
    }
}

/// A file that the platform holds, as it stands in a webhook now.
#[derive(Debug, Clone)]
pub struct Hosted {
    upload: Upload,
    id: String,
    url: String,
}

impl Hosted {
    /// Returns the platform's id of it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) const fn kind(&self) -> MediaKind {
        self.upload.kind
    }

    /// The object of a message of WhatsApp.
    pub(super) fn webhook(&self) -> Value {
        let mut media = json!({
            "id": self.id,
            "mime_type": self.upload.mime,
            "sha256": BASE64_STANDARD.encode(sha256(&self.upload.bytes)),
            "url": self.url,
        });
        if let Some(name) = &self.upload.filename {
            set(&mut media, "filename", name.as_str());
        }
        media
    }

    /// What a message of Instagram tells of a story.
    pub(super) fn story(&self) -> Value {
        json!({ "url": self.url, "id": self.id })
    }

    /// An attachment of a message of Instagram or Messenger.
    pub(super) fn attachment(&self) -> Value {
        let kind = match self.upload.kind {
            MediaKind::Audio => "audio",
            MediaKind::Document => "file",
            MediaKind::Video => "video",
            _ => "image",
        };
        json!({ "type": kind, "payload": { "url": self.url } })
    }
}

/// What happens to a request of a file, or of its address, instead of an answer as usual. What happens to a body waits for
/// a request of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileFault {
    /// It is refused with this HTTP status.
    Refuse {
        /// The HTTP status.
        status: u16,
    },
    /// The business lacks the permission.
    NoPermission,
    /// The bytes are others, as many.
    WrongBytes,
    /// The body ends too early, as if it were whole.
    Short,
    /// The connection breaks in the middle of the body.
    Truncated,
    /// The body says no size and never ends.
    Endless,
    /// The body stops half-way for so long.
    Slow(Duration),
    /// No answer ever comes.
    NoAnswer,
    /// It is redirected.
    Redirect {
        /// To where.
        to: String,
    },
}

/// A request of a file, or of its address, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRequest {
    /// The path, without the query.
    pub path: String,
    /// Whether it carried a token.
    pub authorized: bool,
}

/// A file that is there.
#[derive(Clone)]
struct There {
    channel: ChannelKind,
    upload: Upload,
    /// When it ends, if it is a story.
    until: Option<DateTime<Utc>>,
}

impl Files {
    /// Lets a fault wait for the next request.
    pub(super) fn put_back(&mut self, fault: FileFault) {
        self.faults.push_front(fault);
    }

    /// Removes a file: no address of it leads anywhere, and nobody is told a new one.
    pub(super) fn remove(&mut self, id: &str) {
        self.there.remove(id);
    }
}

/// The files that are there, and what goes wrong with them. They live as long as the simulator.
#[derive(Default)]
pub(super) struct Files {
    there: BTreeMap<String, There>,
    pub(super) threads: BTreeMap<(AccountId, String), Thread>,
    faults: VecDeque<FileFault>,
    requests: VecDeque<FileRequest>,
}

impl Simulator {
    /// Puts a file onto the platform, for [`Say::File`](super::Say::File). Its address lives five minutes on WhatsApp.
    pub fn upload(&self, account: &Account, upload: Upload) -> Hosted {
        self.put(account, upload, None)
    }

    /// Posts a picture or a video as a story of Instagram, for [`Say::StoryMention`](super::Say::StoryMention) and
    /// [`Say::StoryReply`](super::Say::StoryReply). It is over after a day.
    pub fn upload_story(&self, account: &Account, upload: Upload) -> Hosted {
        self.put(account, upload, Some(self.core.clock.now() + STORY_LIFE))
    }

    /// Takes a file or a story down, as its owner may at any time.
    pub fn take_down(&self, file: &Hosted) {
        self.core.world().files.remove(&file.id);
    }

    fn put(&self, account: &Account, upload: Upload, until: Option<DateTime<Utc>>) -> Hosted {
        let mut world = self.core.world();
        let number = world.state.mint().iter().take(7).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        let id = number.to_string();
        let there = There { channel: account.channel.clone(), upload: upload.clone(), until };
        let url = self.core.file_url(&there, &id);
        world.files.there.insert(id.clone(), there);
        Hosted { upload, id, url }
    }

    /// Makes the next `count` requests of files, or of their addresses, go wrong, after those that were asked for before.
    pub fn fail_next_file(&self, count: usize, fault: FileFault) {
        self.core.world().files.faults.extend(std::iter::repeat_n(fault, count));
    }

    /// Returns all requests of files and of their addresses, the last 10,000 of them.
    #[must_use]
    pub fn file_requests(&self) -> Vec<FileRequest> {
        self.core.world().files.requests.iter().cloned().collect()
    }
}

impl Core {
    fn file_url(&self, file: &There, id: &str) -> String {
        let (path, life) = match file.channel {
            ChannelKind::WhatsApp => (WHATSAPP_PATH, WHATSAPP_LIFE),
            _ => (PAGES_PATH, PAGES_LIFE),
        };
        let ends = self.clock.now() + life;
        let ends = file.until.map_or(ends, |until| until.min(ends)).timestamp();
        format!("http://{}{path}?mid={id}&ext={ends}&hash={}", self.address, self.mac(id, ends))
    }

    fn mac(&self, id: &str, ends: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.app_secret.expose_secret().as_bytes());
        hex(hmac::sign(&key, format!("{id}|{ends}").as_bytes()).as_ref())
    }

    /// Records a request; returns what is to go wrong with it.
    pub(super) fn note(&self, path: &str, headers: &HeaderMap) -> Option<FileFault> {
        let mut world = self.world();
        if world.files.requests.len() >= REQUESTS_MAX {
            world.files.requests.pop_front();
        }
        let authorized = headers.contains_key(header::AUTHORIZATION);
        world.files.requests.push_back(FileRequest { path: path.to_owned(), authorized });
        world.files.faults.pop_front()
    }
}

/// What is told of a file of WhatsApp.
pub(super) fn told(core: &Core, id: &str) -> Option<Value> {
    let world = core.world();
    let file = world.files.there.get(id)?;
    Some(json!({
        "messaging_product": "whatsapp",
        "url": core.file_url(file, id),
        "mime_type": file.upload.mime,
        "sha256": hex(&sha256(&file.upload.bytes)),
        // Meta writes it as a string here and as a number there.
        "file_size": file.upload.bytes.len().to_string(),
        "id": id,
    }))
}

/// What a message of Instagram or Messenger tells of a file.
pub(super) fn attachment(core: &Core, files: &Files, id: &str) -> Option<Value> {
    let url = address(core, files, id)?;
    let upload = &files.there.get(id)?.upload;
    let mut told = json!({ "id": id, "mime_type": upload.mime, "size": upload.bytes.len() });
    match upload.kind {
        MediaKind::Video => set(&mut told, "video_data", json!({ "width": 1, "height": 1, "url": url })),
        MediaKind::Audio | MediaKind::Document => set(&mut told, "file_url", url),
        _ => set(&mut told, "image_data", json!({ "width": 1, "height": 1, "url": url })),
    }
    Some(told)
}

/// An address of this moment; none of a story that is over.
pub(super) fn address(core: &Core, files: &Files, id: &str) -> Option<String> {
    let file = files.there.get(id)?;
    file.until.is_none_or(|until| until > core.clock.now()).then(|| core.file_url(file, id))
}

/// Hands a file over.
pub(super) async fn file(
    Shared(core): Shared<Arc<Core>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if core.is_closed() {
        return cut(&scissors);
    }
    let fault = core.note(uri.path(), &headers);
    let (id, ends) = (query.get("mid").cloned().unwrap_or_default(), query.get("ext").and_then(|at| at.parse().ok()));
    let ends: i64 = ends.unwrap_or_default();
    let there = core.world().files.there.get(&id).cloned();
    let Some(There { channel, upload, .. }) = there else { return StatusCode::NOT_FOUND.into_response() };
    if ends <= core.clock.now().timestamp() || query.get("hash") != Some(&core.mac(&id, ends)) {
        let whatsapp = channel == ChannelKind::WhatsApp;
        // Meta's delivery network says "URL signature expired" with this status.
        return if whatsapp { StatusCode::NOT_FOUND } else { StatusCode::FORBIDDEN }.into_response();
    }
    let known = bearer(&headers).and_then(|token| core.account_of(token)).is_some();
    if channel == ChannelKind::WhatsApp && !known {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut bytes = upload.bytes;
    let half = bytes.len() / 2;
    let size = bytes.len();
    let body = match fault {
        None => Body::from(bytes),
        Some(FileFault::Refuse { status }) => {
            return StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST).into_response();
        }
        Some(FileFault::NoPermission) => return StatusCode::FORBIDDEN.into_response(),
        Some(FileFault::Redirect { to }) => return (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Some(FileFault::NoAnswer) => return std::future::pending().await,
        Some(FileFault::WrongBytes) => Body::from(bytes.iter().map(|byte| !byte).collect::<Vec<_>>()),
        Some(FileFault::Short) => Body::from(bytes.split_to(half)),
        Some(FileFault::Truncated) => {
            let broken = Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            let body = Body::from_stream(stream::iter([Ok(bytes.split_to(half)), broken]));
            return ([(header::CONTENT_LENGTH, size.to_string())], body).into_response();
        }
        Some(FileFault::Endless) => {
            let zeros = Bytes::from_static(&[0; PIECE]);
            Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(zeros.clone())))
        }
        Some(FileFault::Slow(wait)) => {
            let first = bytes.split_to(half);
            Body::from_stream(stream::unfold(vec![bytes, first], move |mut left| async move {
                if left.len() == 1 {
                    tokio::time::sleep(wait).await;
                }
                left.pop().map(|piece| (Ok::<_, std::io::Error>(piece), left))
            }))
        }
    };
    ([(header::CONTENT_TYPE, upload.mime)], body).into_response()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}
