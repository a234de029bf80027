//! A platform that hands files over as a test says, and a world that fetches from it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::TimeDelta;
use whisp::assistant::{AssistantError, Budget, StepReport};
use whisp::error::Retry;
use whisp::id::MediaId;
use whisp::media::{MediaBody, MediaError, MediaErrorKind, MediaPart, MediaRequest, MediaSource, MediaStore};
use whisp::model::{
    AutomationMode, ChannelKind, Connection, Content, Media, MediaFile, MediaKind, PlatformMessageId, Provenance,
};
use whisp::store::Store;
use whisp::stores::{MemoryStore, ObjectMedia};
use whisp::testing::ManualClock;
use whisp::webhook::{Event, Item, MessageEvent};

use crate::world::{World, contact, parrot};
use crate::yielding::pause;

/// What the platform does with the next request.
pub(crate) enum Next {
    File(Vec<u8>),
    Refuse(MediaErrorKind, Retry),
    /// It hands over half of it.
    BreakOff(Vec<u8>),
    /// Each piece of it takes so long.
    Slow(Vec<u8>, Arc<ManualClock>, TimeDelta),
    /// It never answers.
    Hang,
}

/// A platform of the test's own.
#[derive(Default)]
pub(crate) struct Platform {
    next: Mutex<VecDeque<Next>>,
    calls: AtomicUsize,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Platform")
    }
}

impl Platform {
    pub(crate) fn then(&self, next: Next) {
        self.next.lock().unwrap().push_back(next);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

pub(crate) fn failed(kind: MediaErrorKind, retry: Retry) -> MediaError {
    MediaError::new("fetch a file", kind, retry)
}

#[derive(Debug)]
struct Body {
    pieces: VecDeque<Vec<u8>>,
    breaks: bool,
    slow: Option<(Arc<ManualClock>, TimeDelta)>,
}

#[async_trait]
impl MediaBody for Body {
    fn mime(&self) -> Option<String> {
        Some("image/jpeg".to_owned())
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, MediaError> {
        pause().await;
        if let Some((clock, time)) = &self.slow {
            clock.advance(*time);
        }
        match self.pieces.pop_front() {
            Some(piece) => Ok(Some(piece)),
            None if self.breaks => Err(failed(MediaErrorKind::Unavailable, Retry::After(None))),
            None => Ok(None),
        }
    }
}

#[async_trait]
impl MediaSource for Platform {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }

    fn keeps_for(&self, _part: MediaPart) -> TimeDelta {
        TimeDelta::days(7)
    }

    async fn open(&self, connection: &Connection, request: &MediaRequest) -> Result<Box<dyn MediaBody>, MediaError> {
        assert!(request.media.id.is_some() && request.message.is_some() && connection.channel == ChannelKind::WhatsApp);
        pause().await;
        self.calls.fetch_add(1, Ordering::Relaxed);
        let next = self.next.lock().unwrap().pop_front();
        let (bytes, breaks, slow) = match next {
            None => (b"a picture".to_vec(), false, None),
            Some(Next::File(bytes)) => (bytes, false, None),
            Some(Next::BreakOff(bytes)) => (bytes, true, None),
            Some(Next::Slow(bytes, clock, time)) => (bytes, false, Some((clock, time))),
            Some(Next::Refuse(kind, retry)) => return Err(failed(kind, retry)),
            Some(Next::Hang) => std::future::pending().await,
        };
        // In pieces that fit no chunk.
        Ok(Box::new(Body { pieces: bytes.chunks(50_021).map(<[u8]>::to_vec).collect(), breaks, slow }))
    }
}

pub(crate) struct Album {
    pub(crate) world: World,
    pub(crate) platform: Arc<Platform>,
    pub(crate) media: Arc<dyn MediaStore>,
}

impl Album {
    pub(crate) async fn new() -> Self {
        Self::over(Arc::new(MemoryStore::new()), Arc::new(ObjectMedia::in_memory())).await
    }

    pub(crate) async fn over(store: Arc<dyn Store>, media: Arc<dyn MediaStore>) -> Self {
        let platform = Arc::new(Platform::default());
        let (kept, source) = (Arc::clone(&media), Arc::clone(&platform));
        let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| {
            let mut config = whisp::assistant::Config::default();
            config.register = crate::holds::register();
            builder.media(kept).media_source(source).config(config)
        })
        .await;
        Self { world, platform, media }
    }

    /// The contact sends files.
    pub(crate) fn item(&self, id: &str, files: usize) -> Item {
        let items = (0..files).map(|n| Media {
            id: Some(format!("canary-id-{id}-{n}").as_str().into()),
            mime: Some("canary/mime".to_owned()),
            filename: Some("canary-name.pdf".into()),
            ..Media::new(MediaKind::Document)
        });
        let content = Content::Media { items: items.collect(), caption: Some("Look".into()) };
        let message = MessageEvent::new(Some(PlatformMessageId::new(id)), contact(), content);
        self.world.event(id, Provenance::Live, Event::Message(message))
    }

    pub(crate) async fn sends(&self, id: &str, files: usize) {
        assert_eq!(self.world.ingest(vec![self.item(id, files)]).await.stored, 1);
    }

    pub(crate) async fn fetch(&self) -> StepReport {
        self.world.assistant.fetch(&Budget::default()).await.unwrap()
    }

    /// The files of the message that came last.
    pub(crate) async fn files(&self) -> Vec<MediaFile> {
        let messages = self.world.messages().await;
        let last = messages.iter().rev().find(|message| matches!(message.content, Content::Media { .. })).unwrap();
        self.world.assistant.desk(self.world.tenant).media(last.id).await.unwrap()
    }

    pub(crate) async fn read(&self, id: MediaId) -> Result<Vec<u8>, AssistantError> {
        let mut file = self.world.assistant.desk(self.world.tenant).open_media(id).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = file.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        assert_eq!(file.file().size, Some(bytes.len() as u64));
        Ok(bytes)
    }

    /// Everything that the media store holds of the tenant.
    pub(crate) async fn kept(&self) -> Vec<MediaId> {
        self.media.list(self.world.tenant, None, 100).await.unwrap()
    }

    pub(crate) async fn sealed(&self, id: MediaId) -> Option<Vec<u8>> {
        self.media.read(self.world.tenant, id, 0, 1 << 30).await.unwrap()
    }
}

/// Bytes of which no two places look alike.
pub(crate) fn picture(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
