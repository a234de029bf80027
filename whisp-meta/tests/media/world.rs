//! A simulator with one account, and a way to fetch what is uploaded to it.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use whisp_core::clock::Clock;
use whisp_core::id::{ConnectionId, TenantId};
use whisp_core::media::{MediaBody, MediaError, MediaPart, MediaRequest, MediaSource, PIECE_BYTES_MAX};
use whisp_core::model::{ChannelKind, Connection, Content, Media, MediaKind};
use whisp_core::testing::{ManualClock, SeqIds};
use whisp_core::webhook::{Event, MessageEvent, WebhookDecoder as _, WebhookRequest};
use whisp_meta::simulator::{Account, Hosted, Persona, Say, Simulator, SimulatorConfig, Upload};
use whisp_meta::webhook::MetaDecoder;
use whisp_meta::{GraphClient, Instagram, Messenger, WhatsApp};

pub(crate) const CHANNELS: [ChannelKind; 3] = [ChannelKind::WhatsApp, ChannelKind::Instagram, ChannelKind::Messenger];
pub(crate) const TOKEN: &str = "EAAcanarytoken0123";

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) simulator: Simulator,
    pub(crate) account: Account,
    pub(crate) source: Box<dyn MediaSource>,
    pub(crate) connection: Connection,
}

impl World {
    pub(crate) async fn open(kind: &ChannelKind) -> Self {
        let clock = Arc::new(ManualClock::default());
        let token = TOKEN.to_owned().into();
        let account = match kind {
            ChannelKind::Instagram => Account::instagram("17841400000000001", token),
            ChannelKind::Messenger => Account::messenger("1234567890001", token),
            _ => Account::whatsapp("106540352242922", "102290129340398", "15550783881", token),
        };
        let ids = Arc::new(SeqIds::new(7));
        let config = SimulatorConfig::new(Arc::clone(&clock) as _, ids, "app-secret".to_owned().into());
        let simulator = Simulator::start(config.with_account(&account)).await.unwrap();
        let graph = simulator.graph().with_answer_timeout(Duration::from_millis(500));
        let client = GraphClient::new(&graph).unwrap();
        let source: Box<dyn MediaSource> = match kind {
            ChannelKind::Instagram => Box::new(Instagram::new(client, Arc::clone(&clock) as _)),
            ChannelKind::Messenger => Box::new(Messenger::new(client, Arc::clone(&clock) as _)),
            _ => Box::new(WhatsApp::new(client, Arc::clone(&clock) as _)),
        };
        let (id, tenant) = (ConnectionId::from_uuid(Uuid::from_u128(1)), TenantId::from_uuid(Uuid::from_u128(2)));
        let connection = account.connection(id, tenant, clock.now());
        Self { clock, simulator, account, source, connection }
    }

    /// Somebody sends a file; returns what is asked for after the decoder has read the webhook.
    pub(crate) fn sends(&self, upload: Upload) -> MediaRequest {
        let file = self.simulator.upload(&self.account, upload);
        self.files(&Say::File { file, caption: None }).remove(0)
    }

    /// Somebody sends several files in one message.
    pub(crate) fn sends_all(&self, uploads: Vec<Upload>) -> Vec<MediaRequest> {
        let files = uploads.into_iter().map(|upload| self.simulator.upload(&self.account, upload)).collect();
        self.files(&Say::Files(files))
    }

    fn files(&self, say: &Say) -> Vec<MediaRequest> {
        let event = self.says(say);
        let Content::Media { items, .. } = event.content else { panic!("no files: {:?}", event.content) };
        let request = |(place, media)| MediaRequest { media, message: event.id.clone(), part: MediaPart::File(place) };
        items.into_iter().enumerate().map(request).collect()
    }

    /// Somebody mentions the business in a story, or answers one of its own; returns what is asked for.
    pub(crate) fn story(&self, story: Hosted, answered: bool) -> MediaRequest {
        let event = match answered {
            true => self.says(&Say::StoryReply { story, text: "Lovely".into() }),
            false => self.says(&Say::StoryMention { story }),
        };
        match (&event.content, &event.extras.story) {
            (Content::StoryMention(story), None) | (Content::Text { .. }, Some(story)) => {
                MediaRequest::story(story, event.id.clone())
            }
            other => panic!("no story: {other:?}"),
        }
    }

    /// Somebody says something; returns what the decoder makes of the webhook.
    pub(crate) fn says(&self, say: &Say) -> MessageEvent {
        self.simulator.contact_says(&self.account, &persona(), say);
        let body = self.simulator.waiting_bodies().pop().unwrap().to_string().into_bytes();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"app-secret");
        let tag = aws_lc_rs::hmac::sign(&key, &body);
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let request = WebhookRequest { signature: Some(format!("sha256={hex}")), body, received_at: self.clock.now() };
        let delivery = MetaDecoder::new(&["app-secret".into()]).decode(&request).unwrap();
        match &delivery.items[0].event {
            Event::Message(event) => MessageEvent::clone(event),
            other => panic!("no message: {other:?}"),
        }
    }

    /// Sends an image of a thousand bytes.
    pub(crate) fn sends_image(&self) -> MediaRequest {
        self.sends(Upload::new(MediaKind::Image, "image/jpeg", picture(1_000)))
    }

    pub(crate) async fn open_file(&self, request: &MediaRequest) -> Result<Box<dyn MediaBody>, MediaError> {
        self.source.open(&self.connection, request).await
    }

    /// Fetches a file to its end.
    pub(crate) async fn fetch(&self, request: &MediaRequest) -> Result<Vec<u8>, MediaError> {
        let mut body = self.open_file(request).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await? {
            assert!(piece.len() <= PIECE_BYTES_MAX);
            bytes.extend(piece);
        }
        Ok(bytes)
    }

    pub(crate) fn authorized(&self) -> Vec<(String, bool)> {
        self.simulator.file_requests().into_iter().map(|request| (request.path, request.authorized)).collect()
    }
}

/// Asks for a file of which nothing but this is known.
pub(crate) const fn alone(media: Media) -> MediaRequest {
    MediaRequest { media, message: None, part: MediaPart::File(0) }
}

pub(crate) fn persona() -> Persona {
    Persona::new("77011234567")
}

/// Bytes of which no two places look alike.
pub(crate) fn picture(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
