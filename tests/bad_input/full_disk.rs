//! A disk that is full while messages come in.

use std::path::Path;
use std::sync::Arc;

use whisp::assistant::{Assistant, AssistantError};
use whisp::error::Retry;
use whisp::model::AutomationMode;
use whisp::store::{FactQuery, Store, StoreErrorKind};
use whisp::stores::{SqliteOptions, SqliteStore};
use whisp::testing::SeqIds;
use whisp::webhook::{Delivery, Item};

use crate::discreet::{TEXT, said};
use crate::world::{World, parrot};

/// An empty file takes about half of it.
const DISK_BYTES: u64 = 768 * 1_024;

fn open(file: &Path, bytes: u64) -> Arc<SqliteStore> {
    Arc::new(SqliteOptions::new().bytes_max(bytes).open(file).unwrap())
}

/// A webhook with two messages that are long enough for a small disk.
fn delivery(world: &World, number: usize) -> Delivery {
    let text = TEXT.repeat(200);
    let item = |part: usize| -> Item { world.message(&format!("m{number}.{part}"), &text) };
    Delivery { received_at: world.now(), items: vec![item(0), item(1)] }
}

async fn facts(store: &dyn Store, world: &World) -> usize {
    let (from, until) = (world.now() - chrono::TimeDelta::days(1), world.now() + chrono::TimeDelta::days(1));
    store.scan(&FactQuery { tenant: world.tenant, from, until, after: None, limit: 1_000 }).await.unwrap().facts.len()
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_a_redelivery_is_stored_once_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whisp.db");
    let world = World::over(open(&file, DISK_BYTES), parrot(), AutomationMode::Automatic).await;
    let mut stored = 0;
    let (refused, error) = loop {
        let delivery = delivery(&world, stored);
        match world.assistant.ingest(&delivery).await {
            Ok(report) => {
                assert_eq!(report.stored, 2);
                stored += 1;
            }
            Err(error) => break (delivery, error),
        }
        assert!(stored < 1_000, "the disk is never full");
    };
    assert!(stored > 3, "{stored} webhooks fit");
    let AssistantError::Store(cause) = &error else { panic!("{error:?}") };
    assert_eq!((cause.kind(), error.retry()), (StoreErrorKind::Full, Retry::After(None)));
    assert!(said(&error).contains("make room on the disk, or raise the limit"), "{error}");
    world.assistant.ingest(&refused).await.expect_err("it is still full");

    // What came before can be read, and of what was refused nothing is there: no message, no fact.
    assert_eq!(world.messages().await.len(), 2 * stored);
    assert_eq!(facts(world.store.as_ref(), &world).await, 2 * stored, "one for each message");

    let World { clock, vault, channel, tenant, .. } = &world;
    let (clock, vault, channel, tenant) = (Arc::clone(clock), Arc::clone(vault), Arc::clone(channel), *tenant);
    let again: Vec<Delivery> = (0..=stored).map(|number| delivery(&world, number)).collect();
    drop(world);
    let assistant = Assistant::builder()
        .store(open(&file, 64 * DISK_BYTES))
        .vault(vault)
        .clock(clock)
        .ids(Arc::new(SeqIds::new(11)))
        .channel(channel)
        .engine(parrot())
        .build()
        .unwrap();
    let mut report = (0, 0);
    for delivery in again.iter().chain([&refused]) {
        let taken = assistant.ingest(delivery).await.unwrap();
        report = (report.0 + taken.stored, report.1 + taken.duplicates);
    }
    assert_eq!(report, (2, 2 * stored + 2), "what was refused is stored once, everything else was there");
    let desk = assistant.desk(tenant);
    let inbox = desk.inbox(None, 10).await.unwrap();
    assert_eq!(inbox.conversations.len(), 1);
    let (messages, _) = desk.messages(inbox.conversations[0].id, None, 1_000).await.unwrap();
    assert_eq!(messages.len(), 2 * stored + 2);
}
