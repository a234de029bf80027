//! Who has long been silent goes; what would go is told before.

use chrono::TimeDelta;
use whisp::assistant::Retention;
use whisp::id::ContactId;
use whisp::model::{Content, Handle, HandleKind, PlatformMessageId, Provenance};
use whisp::privacy::{HoldGround, HoldScope, NewHold, RequestKind};
use whisp::webhook::{ContactRef, Event, MessageEvent};

use crate::world::World;

const DAY: i64 = 86_400;

async fn two() -> (World, ContactId, ContactId) {
    let mut config = whisp::assistant::Config::default();
    config.register = crate::holds::register();
    let store = std::sync::Arc::new(whisp::stores::MemoryStore::new());
    let mode = whisp::model::AutomationMode::Automatic;
    let world = World::equipped(store, crate::world::parrot(), mode, |builder| builder.config(config)).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let first = desk.inbox(None, 1).await.unwrap().conversations[0].contact;
    world.later(DAY);
    let other = ContactRef { handles: vec![Handle::new(HandleKind::Phone, "77770000000")], name: None };
    let message = MessageEvent::new(Some(PlatformMessageId::new("o1")), other, Content::text("Hello too"));
    world.ingest(vec![world.event("o1", Provenance::Live, Event::Message(message))]).await;
    world.settle().await;
    let second = desk.inbox(None, 1).await.unwrap().conversations[0].contact;
    assert_ne!(first, second);
    (world, first, second)
}

/// Lets time go by to when the first one has been silent for too long, and the second has not.
async fn years_pass(world: &World) {
    let keep = Retention::default().contacts.unwrap();
    world.clock.set(world.now() + keep - TimeDelta::hours(12));
    world.assistant.trust_clock().await.unwrap();
}

#[tokio::test]
async fn who_has_been_silent_for_too_long_is_erased_and_nobody_else_is() {
    let (world, first, second) = two().await;
    let before = world.assistant.sweep(10_000).await.unwrap().into_result().unwrap();
    assert_eq!((before.silent, world.assistant.retention_plan(world.tenant).await.unwrap().silent.len()), (0, 0));
    years_pass(&world).await;
    let plan = world.assistant.retention_plan(world.tenant).await.unwrap();
    assert_eq!(plan.silent, [first]);
    assert_eq!(plan.past.get("message"), Some(&4), "two questions and two answers: {plan:?}");
    let desk = world.assistant.desk(world.tenant);
    assert!(desk.contact(first).await.is_ok(), "a plan changes nothing");
    let swept = world.assistant.sweep(10_000).await.unwrap().into_result().unwrap();
    assert_eq!(swept.silent, 1);
    assert!(desk.contact(first).await.is_err() && desk.contact(second).await.is_ok());
    assert_eq!(world.assistant.receipts(world.tenant).await.unwrap().len(), 1, "with a receipt, as if they had asked");
    let plan = world.assistant.retention_plan(world.tenant).await.unwrap();
    assert!(plan.silent.is_empty() && plan.past.is_empty(), "{plan:?}");
}

#[tokio::test]
async fn nobody_goes_for_their_silence_while_their_data_must_stay() {
    for held in [true, false] {
        let (world, first, _) = two().await;
        let desk = world.assistant.desk(world.tenant);
        let hold = if held {
            let new = NewHold {
                scope: HoldScope::default(),
                ground: HoldGround::LegalClaim,
                authority: "a court".to_owned(),
                review_by: world.now() + TimeDelta::days(300),
            };
            Some(desk.holds().place(first, new).await.unwrap())
        } else {
            desk.requests().take_in(first, RequestKind::Access).await.unwrap();
            None
        };
        years_pass(&world).await;
        let plan = world.assistant.retention_plan(world.tenant).await.unwrap();
        assert!(plan.silent.is_empty() && plan.kept == [first.0], "{plan:?}");
        assert_eq!(plan.past.get("message"), Some(&2), "of the other one");
        assert_eq!(world.assistant.sweep(10_000).await.unwrap().into_result().unwrap().silent, 0);
        assert!(desk.contact(first).await.is_ok());
        if let Some(hold) = hold {
            desk.holds().release(hold.id).await.unwrap();
            assert_eq!(world.assistant.sweep(10_000).await.unwrap().into_result().unwrap().silent, 1, "then they do");
        }
    }
}

#[tokio::test]
async fn who_has_just_written_is_not_silent_though_nobody_has_looked_yet() {
    let (world, first, _) = two().await;
    years_pass(&world).await;
    world.says("m2", "Are you still there?").await;
    assert!(world.assistant.retention_plan(world.tenant).await.unwrap().silent.is_empty());
    assert_eq!(world.assistant.sweep(10_000).await.unwrap().into_result().unwrap().silent, 0);
    world.settle().await;
    assert!(world.assistant.desk(world.tenant).contact(first).await.is_ok());
}
