//! What decides something significant about a person is decided by one (promise P9).

use std::sync::Arc;

use whisp::assistant::{AssistantError, Desk};
use whisp::audit::{AuditAction, AuditEvent, Outcome};
use whisp::model::{Author, AutomationMode, HandOffReason, Handling, Suggestion};
use whisp::reply::{Decision, Proposal};
use whisp::stores::MemoryStore;
use whisp::testing::ScriptedEngine;

use crate::world::{DANA, World};

const REFUSAL: &str = "We do not deliver to you on account any more.";

/// A world whose engine decides who may buy on account.
async fn world(mode: AutomationMode) -> World {
    let engine = Arc::new(ScriptedEngine::new(|_| Ok(Decision::Decide(Proposal::new(REFUSAL)))));
    let world = World::over(Arc::new(MemoryStore::new()), engine, mode).await;
    world.says("m1", "May I pay next month?").await;
    world.settle().await;
    world
}

async fn proposed(world: &World, desk: &Desk) -> Suggestion {
    let mut open = desk.suggestions(world.conversation().await).await.unwrap();
    assert_eq!(open.len(), 1);
    open.remove(0)
}

async fn decided(world: &World) -> Vec<AuditEvent> {
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    let (entries, _) = world.assistant.audit(world.tenant).events(None, 1_000).await.unwrap();
    let events = entries.into_iter().map(|entry| entry.event);
    events.filter(|event| event.action == AuditAction::Decided).collect()
}

#[tokio::test]
async fn p9_no_machine_sends_what_decides_about_a_person_however_sure_it_is() {
    for mode in [AutomationMode::Automatic, AutomationMode::Suggest] {
        let world = world(mode).await;
        let desk = world.assistant.desk(world.tenant);
        assert!(!world.channel.texts().iter().any(|text| text.contains(REFUSAL)), "{mode:?}");
        let conversation = desk.conversation(world.conversation().await).await.unwrap();
        let waits = matches!(conversation.handling, Handling::Member { reason: HandOffReason::Decision, .. });
        assert!(waits, "{:?}", conversation.handling);
        assert!(proposed(&world, &desk).await.decides);
        assert_eq!(decided(&world).await, [], "nobody has");
    }
}

#[tokio::test]
async fn p9_a_member_who_is_named_decides_and_the_log_says_so() {
    let world = world(AutomationMode::Automatic).await;
    let (host, id) = (world.assistant.desk(world.tenant), world.conversation().await);
    let suggestion = proposed(&world, &host).await;
    // The host itself is nobody.
    for refused in [host.approve(id, suggestion.id, None).await.map(drop), host.reject(id, suggestion.id).await] {
        assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{refused:?}");
    }
    let dana = world.assistant.desk(world.tenant).by(DANA);
    dana.approve(id, suggestion.id, None).await.unwrap();
    world.settle().await;
    assert!(world.channel.texts().iter().any(|text| text == REFUSAL));
    let written =
        world.messages().await.into_iter().find(|message| message.content.readable() == Some(REFUSAL)).unwrap();
    assert_eq!(written.author, Author::Member { member: Some(DANA) });
    let log = decided(&world).await;
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].outcome, Outcome::Done);
    assert!(dana.approve(id, suggestion.id, None).await.is_err(), "once");
}

#[tokio::test]
async fn p9_who_decides_against_it_is_in_the_log_too() {
    let world = world(AutomationMode::Suggest).await;
    let dana = world.assistant.desk(world.tenant).by(DANA);
    let suggestion = proposed(&world, &dana).await;
    dana.reject(world.conversation().await, suggestion.id).await.unwrap();
    world.settle().await;
    assert!(world.channel.sent().is_empty());
    let log = decided(&world).await;
    assert_eq!(log.iter().map(|event| event.outcome).collect::<Vec<_>>(), [Outcome::Denied]);
}
