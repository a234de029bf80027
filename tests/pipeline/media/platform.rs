//! Over real HTTP, real files and a real database: what comes in is kept, and nothing of it can be read on the disk.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;
use whisp::assistant::Budget;
use whisp::meta::simulator::{Account, FileFault, Persona, Say, Simulator, SimulatorConfig, Upload};
use whisp::meta::webhook::MetaDecoder;
use whisp::meta::{GraphClient, WhatsApp};
use whisp::model::{AutomationMode, MediaKind, MediaState};
use whisp::stores::{ObjectMedia, SqliteStore};
use whisp::testing::{ManualClock, SeqIds};
use whisp::webhook::{WebhookDecoder as _, WebhookRequest};

use crate::world::{ACCOUNT, PHONE, TOKEN, World, parrot};

/// Hands the simulator's webhooks to the assistant, signed as Meta signs them.
pub(super) async fn deliver(world: &World, simulator: &Simulator) {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"secret");
    for body in simulator.waiting_bodies() {
        let body = body.to_string().into_bytes();
        let tag: String =
            aws_lc_rs::hmac::sign(&key, &body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let request = WebhookRequest { signature: Some(format!("sha256={tag}")), body, received_at: world.now() };
        let delivery = MetaDecoder::new(&["secret".into()]).decode(&request).unwrap();
        world.assistant.ingest(&delivery).await.unwrap();
    }
}

fn scan(folder: &Path, canaries: &[&[u8]]) -> usize {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            seen += scan(&path, canaries);
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(path.to_string_lossy().as_bytes());
        for canary in canaries {
            let found = bytes.windows(canary.len()).any(|window| window == *canary);
            assert!(!found, "{} is in {}", String::from_utf8_lossy(canary), path.display());
        }
        seen += 1;
    }
    seen
}

#[tokio::test]
async fn nothing_of_a_file_can_be_read_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let account = Account::whatsapp(ACCOUNT, "102290129340398", "15550783881", SecretString::from(TOKEN));
    let config = SimulatorConfig::new(Arc::clone(&clock) as _, Arc::new(SeqIds::new(1)), SecretString::from("secret"));
    let simulator = Simulator::start(config.with_account(&account)).await.unwrap();
    let source = WhatsApp::new(GraphClient::new(&simulator.graph()).unwrap(), clock);
    let media = ObjectMedia::folder(folder.path().join("media")).unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("whisp.db")).unwrap());
    let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| {
        builder.media(Arc::new(media)).media_source(Arc::new(source))
    })
    .await;
    let content = "the canary sings in the mine ".repeat(9_000);
    let upload = Upload::new(MediaKind::Document, "application/canary", content.clone()).named("canary-scan.pdf");
    let file = simulator.upload(&account, upload);
    let id = file.id().to_owned();
    simulator.contact_says(&account, &Persona::new(PHONE), &Say::File { file, caption: Some("canary caption".into()) });
    deliver(&world, &simulator).await;
    simulator.fail_next_file(1, FileFault::WrongBytes);
    assert_eq!(world.assistant.fetch(&Budget::default()).await.unwrap().errors.len(), 1, "others' bytes are refused");
    world.later(3);
    assert_eq!(world.assistant.fetch(&Budget::default()).await.unwrap().fetched, 1);
    let desk = world.assistant.desk(world.tenant);
    let files = desk.media(world.messages().await[0].id).await.unwrap();
    assert_eq!((files[0].state, files[0].size), (MediaState::Kept, Some(content.len() as u64)));
    let mut open = desk.open_media(files[0].id).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = open.next().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(bytes, content.as_bytes());
    let canaries = [&b"canary"[..], id.as_bytes(), PHONE.as_bytes(), TOKEN.as_bytes(), b"lookaside"];
    assert!(scan(folder.path(), &canaries) >= 2, "a file and a database were looked at");
}
