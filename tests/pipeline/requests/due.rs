//! Each date of a request is told as it comes closer: that it arrived, and what came of it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use whisp::assistant::{AssistantError, Config, DueWhat, Runner};
use whisp::audit::AuditAction;
use whisp::model::AutomationMode;
use whisp::privacy::{Law, ProfileId, RequestEvent, RequestKind, SubjectRequest, Urgency};
use whisp::stores::MemoryStore;

use super::Asked;
use crate::world::{World, parrot};

/// Somebody asks for a copy under a law that says how soon they are told that it arrived.
async fn waiting() -> (Asked, SubjectRequest) {
    let mut config = Config::default();
    config.profiles = vec![ProfileId::new("us-ca")];
    let store = Arc::new(MemoryStore::new());
    let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.config(config)).await;
    let asked = Asked::over(world, "Hello").await;
    let request = asked.requests().take_in(asked.contact, RequestKind::Access).await.unwrap();
    (asked, request)
}

/// Goes to a time; returns what a sweep tells then.
async fn told(asked: &Asked, at: DateTime<Utc>) -> Vec<(DueWhat, Urgency)> {
    asked.world.clock.set(at);
    asked.world.assistant.trust_clock().await.unwrap();
    let due = asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().due;
    due.iter().map(|each| (each.what, each.urgency)).collect()
}

#[tokio::test]
async fn p55_each_time_that_the_date_to_say_that_a_request_arrived_comes_closer_is_told_once() {
    let (asked, request) = waiting().await;
    let due = request.acknowledge_due(&Law::built_in()).unwrap().unwrap();
    assert!(told(&asked, asked.world.now()).await.is_empty(), "not yet");
    let what = DueWhat::Acknowledgement { request: request.id(), kind: request.kind() };
    for urgency in [Urgency::Half, Urgency::Most, Urgency::Overdue] {
        let at = due.reaches(urgency);
        assert_eq!(told(&asked, at).await, [(what, urgency)]);
        assert!(told(&asked, at).await.is_empty(), "told already");
    }
    // The date of the answer is another one, and is told for itself.
    let answer = request.due(&Law::built_in(), asked.world.now()).unwrap();
    let what = DueWhat::Request { request: request.id(), kind: request.kind() };
    assert_eq!(told(&asked, answer.reaches(Urgency::Half)).await, [(what, Urgency::Half)]);
    assert_eq!(asked.logged().await.iter().filter(|action| **action == AuditAction::RequestDue).count(), 4);
}

#[tokio::test]
async fn who_was_told_that_their_request_arrived_need_not_be_told_again() {
    let (asked, request) = waiting().await;
    let due = request.acknowledge_due(&Law::built_in()).unwrap().unwrap();
    assert_eq!(told(&asked, due.reaches(Urgency::Half)).await.len(), 1);
    asked.requests().apply(request.id(), RequestEvent::Acknowledge).await.unwrap();
    for urgency in [Urgency::Most, Urgency::Overdue] {
        assert!(told(&asked, due.reaches(urgency)).await.is_empty(), "{urgency:?}");
    }
}

#[tokio::test]
async fn a_deadline_is_told_by_the_first_sweep_that_ends_well() {
    let asked = Asked::with("delete my data").await;
    let due = asked.only().await.due(&Law::built_in(), asked.world.now()).unwrap();
    asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    asked.world.clock.set(due.reaches(Urgency::Overdue) + TimeDelta::days(30));
    assert!(matches!(asked.world.assistant.sweep(1_000).await, Err(AssistantError::Clock { .. })), "nobody is told");
    asked.world.assistant.trust_clock().await.unwrap();
    let told = asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().due;
    assert_eq!(told.iter().map(|each| each.urgency).collect::<Vec<_>>(), [Urgency::Overdue]);
}

#[tokio::test]
async fn a_runner_tells_its_host_of_a_deadline() {
    let asked = Asked::with("delete my data").await;
    let request = asked.only().await;
    let due = request.due(&Law::built_in(), asked.world.now()).unwrap();
    asked.world.clock.set(due.reaches(Urgency::Most));
    asked.world.assistant.trust_clock().await.unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let running = Runner::new(asked.world.assistant.clone())
        .on_due(move |due| tell.send((due.what, due.urgency)).unwrap())
        .start();
    let what = DueWhat::Request { request: request.id(), kind: request.kind() };
    assert_eq!(told.recv().await, Some((what, Urgency::Most)));
    running.stop().await.unwrap();
}
