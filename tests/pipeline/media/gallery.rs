//! A business with an account of a simulated Instagram or Messenger, over real HTTP.

use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::SecretString;
use whisp::assistant::{Budget, NewConnection, StepReport};
use whisp::clock::Clock as _;
use whisp::id::MediaId;
use whisp::media::{MediaSource, MediaStore};
use whisp::meta::simulator::{Account, Persona, Say, Simulator, SimulatorConfig, Upload};
use whisp::meta::{GraphClient, Instagram, Messenger};
use whisp::model::{AutomationMode, ChannelKind, MediaFile, MediaKind, Message};
use whisp::stores::{MemoryStore, ObjectMedia};
use whisp::testing::{ManualClock, SeqIds};

use super::kit::picture;
use super::platform::deliver;
use crate::world::{TOKEN, World, parrot};

pub(crate) const CHANNELS: [ChannelKind; 2] = [ChannelKind::Instagram, ChannelKind::Messenger];

pub(crate) struct Gallery {
    pub(crate) world: World,
    pub(crate) simulator: Simulator,
    pub(crate) account: Account,
    media: Arc<dyn MediaStore>,
    clock: Arc<ManualClock>,
}

impl Gallery {
    pub(crate) async fn open(channel: &ChannelKind) -> Self {
        let clock = Arc::new(ManualClock::default());
        let token = SecretString::from(TOKEN);
        let account = match channel {
            ChannelKind::Instagram => Account::instagram("17841400000000001", token),
            _ => Account::messenger("1234567890001", token),
        };
        let ids = Arc::new(SeqIds::new(3));
        let config = SimulatorConfig::new(Arc::clone(&clock) as _, ids, SecretString::from("secret"));
        let simulator = Simulator::start(config.with_account(&account)).await.unwrap();
        let client = GraphClient::new(&simulator.graph()).unwrap();
        let source: Arc<dyn MediaSource> = match channel {
            ChannelKind::Instagram => Arc::new(Instagram::new(client, Arc::clone(&clock) as _)),
            _ => Arc::new(Messenger::new(client, Arc::clone(&clock) as _)),
        };
        let media: Arc<dyn MediaStore> = Arc::new(ObjectMedia::in_memory());
        let kept = Arc::clone(&media);
        let world = World::equipped(Arc::new(MemoryStore::new()), parrot(), AutomationMode::Automatic, |builder| {
            builder.media(kept).media_source(source)
        })
        .await;
        let connected = account.connection(world.connection, world.tenant, clock.now());
        let new = NewConnection {
            channel: connected.channel,
            account: connected.account,
            token: connected.token,
            scopes: connected.scopes,
            mode: AutomationMode::Automatic,
        };
        world.assistant.connect(world.tenant, new).await.unwrap();
        Self { world, simulator, account, media, clock }
    }

    /// Somebody says something, and the assistant takes it in; returns the message.
    pub(crate) async fn says(&self, say: &Say) -> Message {
        self.tells(say).await;
        self.world.messages().await.pop().unwrap()
    }

    /// Somebody says something, and the assistant takes in what the platform tells of it.
    pub(crate) async fn tells(&self, say: &Say) {
        self.simulator.contact_says(&self.account, &Persona::new("1254477777772919"), say);
        deliver(&self.world, &self.simulator).await;
        let taken = self.simulator.take_waiting();
        assert!(taken.len() <= 1, "each webhook is taken in once");
    }

    /// Somebody sends a picture of 100,000 bytes.
    pub(crate) async fn sends(&self) -> Message {
        let upload = Upload::new(MediaKind::Image, "image/jpeg", picture(100_000));
        let file = self.simulator.upload(&self.account, upload);
        self.says(&Say::File { file, caption: None }).await
    }

    pub(crate) fn later(&self, time: TimeDelta) {
        self.clock.advance(time);
        self.world.clock.advance(time);
    }

    pub(crate) async fn fetch(&self) -> StepReport {
        self.world.assistant.fetch(&Budget::default()).await.unwrap()
    }

    pub(crate) async fn files(&self, message: &Message) -> Vec<MediaFile> {
        self.world.assistant.desk(self.world.tenant).media(message.id).await.unwrap()
    }

    pub(crate) async fn read(&self, id: MediaId) -> Vec<u8> {
        let mut file = self.world.assistant.desk(self.world.tenant).open_media(id).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(chunk) = file.next().await.unwrap() {
            bytes.extend_from_slice(&chunk);
        }
        bytes
    }

    /// Everything that the media store holds of the tenant.
    pub(crate) async fn kept(&self) -> Vec<MediaId> {
        self.media.list(self.world.tenant, None, 100).await.unwrap()
    }

    /// How often the platform was asked for a file, or for the address of one.
    pub(crate) fn asked(&self) -> usize {
        self.simulator.file_requests().len()
    }
}
