//! However large a file is, little of it is in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::TimeDelta;
use secrecy::SecretString;
use whisp::assistant::Budget;
use whisp::id::{MediaId, TenantId};
use whisp::media::{
    CHUNK_BYTES, MediaBody, MediaError, MediaPart, MediaRequest, MediaSource, MediaStore, MediaWriter, PIECE_BYTES_MAX,
};
use whisp::meta::simulator::{Account, Persona, Say, Simulator, SimulatorConfig, Upload};
use whisp::meta::{GraphClient, WhatsApp};
use whisp::model::{AutomationMode, ChannelKind, Connection, MediaKind};
use whisp::store::{Sealed, StoreError};
use whisp::stores::vault::OVERHEAD;
use whisp::stores::{MemoryStore, ObjectMedia};
use whisp::testing::{ManualClock, SeqIds};

use super::kit::picture;
use crate::world::{ACCOUNT, PHONE, TOKEN, World, parrot};

/// Counts the bytes that came in and have not gone out.
#[derive(Debug, Default)]
struct Flight {
    now: AtomicUsize,
    most: AtomicUsize,
    pieces: AtomicUsize,
}

impl Flight {
    fn take_in(&self, bytes: usize) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Counting<T>(T, Arc<Flight>);

#[async_trait]
impl MediaSource for Counting<WhatsApp> {
    fn kind(&self) -> ChannelKind {
        self.0.kind_of()
    }
    fn keeps_for(&self, part: MediaPart) -> TimeDelta {
        self.0.keeps_for(part)
    }
    async fn open(&self, connection: &Connection, request: &MediaRequest) -> Result<Box<dyn MediaBody>, MediaError> {
        Ok(Box::new(Counting(self.0.open(connection, request).await?, Arc::clone(&self.1))))
    }
}

trait KindOf {
    fn kind_of(&self) -> ChannelKind;
}

impl<T: MediaSource> KindOf for T {
    fn kind_of(&self) -> ChannelKind {
        self.kind()
    }
}

#[async_trait]
impl MediaBody for Counting<Box<dyn MediaBody>> {
    fn mime(&self) -> Option<String> {
        self.0.mime()
    }
    async fn next(&mut self) -> Result<Option<Vec<u8>>, MediaError> {
        let piece = self.0.next().await?;
        self.1.take_in(piece.as_ref().map_or(0, Vec::len));
        Ok(piece)
    }
}

#[async_trait]
impl MediaStore for Counting<ObjectMedia> {
    async fn write(&self, tenant: TenantId, id: MediaId) -> Result<Box<dyn MediaWriter>, StoreError> {
        Ok(Box::new(Counting(self.0.write(tenant, id).await?, Arc::clone(&self.1))))
    }
    async fn read(&self, tenant: TenantId, id: MediaId, at: u64, len: usize) -> Result<Option<Vec<u8>>, StoreError> {
        assert!(len <= CHUNK_BYTES + OVERHEAD + 1, "{len} bytes are read at once");
        self.0.read(tenant, id, at, len).await
    }
    async fn delete(&self, tenant: TenantId, id: MediaId) -> Result<(), StoreError> {
        self.0.delete(tenant, id).await
    }
    async fn list(&self, tenant: TenantId, after: Option<MediaId>, limit: usize) -> Result<Vec<MediaId>, StoreError> {
        self.0.list(tenant, after, limit).await
    }
}

#[async_trait]
impl MediaWriter for Counting<Box<dyn MediaWriter>> {
    async fn append(&mut self, chunk: Sealed) -> Result<(), StoreError> {
        self.1.now.fetch_sub(chunk.0.len() - OVERHEAD, Ordering::Relaxed);
        self.0.append(chunk).await
    }
    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        self.0.finish().await
    }
    async fn abandon(self: Box<Self>) {
        self.0.abandon().await;
    }
}

#[tokio::test]
async fn of_a_file_of_64_mib_over_http_little_is_in_memory() {
    const SIZE: usize = 64 * 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let account = Account::whatsapp(ACCOUNT, "102290129340398", "15550783881", SecretString::from(TOKEN));
    let config = SimulatorConfig::new(Arc::clone(&clock) as _, Arc::new(SeqIds::new(1)), SecretString::from("secret"));
    let simulator = Simulator::start(config.with_account(&account)).await.unwrap();
    let client = GraphClient::new(&simulator.graph()).unwrap();
    let flight = Arc::new(Flight::default());
    let source = Counting(WhatsApp::new(client, clock), Arc::clone(&flight));
    let media = Counting(ObjectMedia::folder(folder.path()).unwrap(), Arc::clone(&flight));
    let world = World::equipped(Arc::new(MemoryStore::new()), parrot(), AutomationMode::Automatic, |builder| {
        builder.media(Arc::new(media)).media_source(Arc::new(source))
    })
    .await;
    let whole = picture(SIZE);
    let file = simulator.upload(&account, Upload::new(MediaKind::Video, "video/mp4", whole.clone()));
    simulator.contact_says(&account, &Persona::new(PHONE), &Say::File { file, caption: None });
    super::platform::deliver(&world, &simulator).await;
    let report = world.assistant.fetch(&Budget::default()).await.unwrap();
    assert_eq!((report.fetched, report.errors.len()), (1, 0), "{report:?}");
    let (most, pieces) = (flight.most.load(Ordering::Relaxed), flight.pieces.load(Ordering::Relaxed));
    assert!(most <= PIECE_BYTES_MAX + CHUNK_BYTES, "{most} bytes were in flight");
    assert!(pieces > SIZE / PIECE_BYTES_MAX);
    let desk = world.assistant.desk(world.tenant);
    let files = desk.media(world.messages().await[0].id).await.unwrap();
    let mut open = desk.open_media(files[0].id).await.unwrap();
    let mut at = 0;
    while let Some(chunk) = open.next().await.unwrap() {
        assert!(chunk.len() <= CHUNK_BYTES && whole[at..].starts_with(&chunk));
        at += chunk.len();
    }
    assert_eq!(at, SIZE);
}
