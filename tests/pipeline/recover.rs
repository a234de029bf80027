//! An older copy of the data store is put back beside the keys of now (invariant I-21).

use std::sync::Arc;

use chrono::TimeDelta;
use whisp::assistant::{Assistant, AssistantBuilder, Budget, Config};
use whisp::channel::OutboundBody;
use whisp::id::{ContactId, ConversationId};
use whisp::kpi::FactKind;
use whisp::model::{
    AutomationMode, Content, DeliveryStep, HandOffReason, Handle, HandleKind, Handling, PlatformMessageId, Provenance,
};
use whisp::privacy::{HoldGround, HoldScope, NewHold, Role};
use whisp::store::{Records, SubjectQuery};
use whisp::stores::SqliteStore;
use whisp::testing::SeqIds;
use whisp::webhook::{ContactRef, Event, MessageEvent};

use crate::world::{DANA, World, join, parrot};

/// Somebody else who writes, and whose message is answered.
async fn writes(world: &World, phone: &str) -> (ConversationId, ContactId) {
    let before = world.assistant.desk(world.tenant).inbox(None, 10).await.unwrap().conversations;
    let who = ContactRef { handles: vec![Handle::new(HandleKind::Phone, phone)], name: None };
    let message = MessageEvent::new(Some(PlatformMessageId::new(phone)), who, Content::text("Hello"));
    world.ingest(vec![world.event(phone, Provenance::Live, Event::Message(message))]).await;
    world.settle().await;
    let now = world.assistant.desk(world.tenant).inbox(None, 10).await.unwrap().conversations;
    let new = now.iter().find(|one| before.iter().all(|other| other.id != one.id)).unwrap();
    (new.id, new.contact)
}

#[tokio::test]
async fn i21_a_copy_that_was_put_back_brings_nobody_back_and_sends_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("whisp.db")).unwrap());
    let config = || {
        let mut config = Config::default();
        config.register = crate::holds::register();
        config
    };
    let equip = |builder: AssistantBuilder| builder.config(config());
    let world = World::equipped(Arc::clone(&store) as _, parrot(), AutomationMode::Automatic, equip).await;
    let (_, gone) = writes(&world, "77010000001").await;
    let (waits, stays) = writes(&world, "77010000002").await;
    let (_, held) = writes(&world, "77010000003").await;
    let left = whisp::id::MemberId(whisp::id::SubjectId::from_bytes([6; 16]));
    join(&world.assistant, world.tenant, left, Role::Member).await;
    let desk = world.assistant.desk(world.tenant);
    desk.by(DANA).send(waits, OutboundBody::text("It is on its way")).await.unwrap();
    let copy = folder.path().join("copy.db");
    store.backup(&copy).await.unwrap();

    // What the copy does not know.
    world.deliver().await;
    let sent = world.channel.sent().len();
    let first = world.assistant.erase(world.tenant, gone).await.unwrap();
    world.assistant.erase(world.tenant, held).await.unwrap();
    desk.team().remove(left).await.unwrap();
    world.later(60);

    let restored = Arc::new(SqliteStore::open(&copy).unwrap());
    let open = |ids| {
        let builder = Assistant::builder()
            .store(Arc::clone(&restored) as _)
            .vault(Arc::clone(&world.vault) as _)
            .clock(Arc::clone(&world.clock) as _)
            .ids(Arc::new(SeqIds::new(ids)))
            .channel(Arc::clone(&world.channel) as _)
            .engine(parrot())
            .config(config());
        builder.build().unwrap()
    };
    let assistant = open(9);
    // In the copy somebody puts a hold on what nobody can read any more: it keeps nothing, and stops nothing.
    let hold = NewHold {
        scope: HoldScope::default(),
        ground: HoldGround::LegalObligation,
        authority: "Tax office, 1/2026".to_owned(),
        review_by: world.now() + TimeDelta::days(90),
    };
    assistant.desk(world.tenant).holds().place(held, hold).await.unwrap();
    let (mut erased, mut stopped, mut after) = (Vec::new(), 0, None);
    loop {
        let part = assistant.recover(world.tenant, after, 1).await.unwrap();
        erased.extend(part.erased);
        stopped += part.stopped;
        match part.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let of = |subject| SubjectQuery { tenant: world.tenant, subject, after: None, limit: 100 };
    for subject in [gone.0, held.0, left.0] {
        assert!(restored.of_subject(&of(subject)).await.unwrap().records.is_empty(), "erased once more");
    }
    assert_eq!((erased.len(), stopped), (3, 1));
    assert!(erased.iter().all(|receipt| receipt.id != first.id));
    assert!(!restored.of_subject(&of(stays.0)).await.unwrap().records.is_empty(), "nobody else");

    // Nothing goes out by itself, nor what waited in the copy.
    assert!(!assistant.tenant(world.tenant).await.unwrap().automation);
    assistant.deliver(&Budget::default()).await.unwrap();
    assert_eq!(world.channel.sent().len(), sent, "sent once");
    let desk = assistant.desk(world.tenant);
    let conversation = desk.conversation(waits).await.unwrap();
    assert!(conversation.outbox.is_empty());
    assert!(matches!(conversation.handling, Handling::Member { .. }), "{:?}", conversation.handling);
    let (messages, _) = desk.messages(waits, None, 1).await.unwrap();
    assert_eq!(messages[0].delivery.as_ref().unwrap().step, DeliveryStep::Cancelled);

    // Once more changes nothing.
    let again = open(10).recover(world.tenant, None, 100).await.unwrap();
    assert_eq!((again.erased.len(), again.stopped, again.next), (0, 0, None));
}

/// An engine's answer that waited in the copy is a person's matter now.
#[tokio::test]
async fn i21_what_an_engine_had_ready_in_the_copy_goes_to_a_person() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    let id = world.conversation().await;
    assert_eq!(world.assistant.recover(world.tenant, None, 10).await.unwrap().stopped, 1);
    let handling = world.assistant.desk(world.tenant).conversation(id).await.unwrap().handling;
    assert!(matches!(handling, Handling::Member { reason: HandOffReason::InDoubt, .. }), "{handling:?}");
    let facts = world.facts().await;
    let handed: Vec<_> = facts.iter().filter(|fact| fact.kind == FactKind::HandedOff).collect();
    assert!(handed.len() == 1 && handed[0].inquiry.is_some(), "{handed:?}");
    world.deliver().await;
    assert_eq!(world.channel.sent(), []);
}
