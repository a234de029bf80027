//! A simulator with one account, and a way to fetch what is uploaded to it.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use whisp_core::clock::Clock;
use whisp_core::id::{ConnectionId, TenantId};
use whisp_core::media::{MediaBody, MediaError, MediaSource, PIECE_BYTES_MAX};
use whisp_core::model::{ChannelKind, Connection, Media, MediaKind};
use whisp_core::testing::{ManualClock, SeqIds};
use whisp_core::webhook::{WebhookDecoder as _, WebhookRequest};
use whisp_meta::simulator::{Account, Persona, Say, Simulator, SimulatorConfig, Upload};
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

    /// Somebody sends a file; returns the reference that the decoder makes of the webhook.
    pub(crate) fn sends(&self, upload: Upload) -> Media {
        let file = self.simulator.upload(&self.account, upload);
        let say = Say::File { file, caption: None };
        self.simulator.contact_says(&self.account, &Persona::new("77011234567"), &say);
        let body = self.simulator.waiting_bodies().pop().unwrap().to_string().into_bytes();
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"app-secret");
        let tag = aws_lc_rs::hmac::sign(&key, &body);
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let request = WebhookRequest { signature: Some(format!("sha256={hex}")), body, received_at: self.clock.now() };
        let delivery = MetaDecoder::new(&["app-secret".into()]).decode(&request).unwrap();
        delivery.items[0].media()[0].clone()
    }

    /// Sends an image of a thousand bytes.
    pub(crate) fn sends_image(&self) -> Media {
        self.sends(Upload::new(MediaKind::Image, "image/jpeg", picture(1_000)))
    }

    pub(crate) async fn open_file(&self, media: &Media) -> Result<Box<dyn MediaBody>, MediaError> {
        self.source.open(&self.connection, media).await
    }

    /// Fetches a file to its end.
    pub(crate) async fn fetch(&self, media: &Media) -> Result<Vec<u8>, MediaError> {
        let mut body = self.open_file(media).await?;
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

/// Bytes of which no two places look alike.
pub(crate) fn picture(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
