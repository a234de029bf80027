//! The register, its dates, and who may work on it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use whisp::assistant::{AssistantError, Config, Due, DueWhat};
use whisp::audit::AuditAction;
use whisp::documents::Language;
use whisp::id::{MemberId, SubjectId};
use whisp::model::AutomationMode;
use whisp::privacy::{
    Audience, Breach, BreachAssessment, BreachError, BreachEvent, BreachOrigin, BreachRisk, BreachState, Categories,
    Controller, DataCategory, Exposure, NewBreach, ProcessorId, ProfileId, Role, Urgency,
};
use whisp::store::{Kind, Records};
use whisp::stores::MemoryStore;

use super::{breaches, logged, new, suspected};
use crate::world::{TOKEN, World, join, parrot};

/// Sweeps, and returns what was told.
async fn told(world: &World, at: &str) -> Vec<(Audience, Urgency)> {
    let at: DateTime<Utc> = at.parse().unwrap();
    world.clock.set(at);
    let due = world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().due;
    let each = |due: &Due| match due.what {
        DueWhat::Breach { audience, .. } => Some((audience, due.urgency)),
        _ => None,
    };
    due.iter().filter_map(each).collect()
}

#[tokio::test]
async fn p27_each_date_is_told_once_each_time_that_it_comes_closer_and_when_it_is_missed() {
    let mut config = Config::default();
    config.profiles = ["eu-gdpr", "kz", "meta-platform"].map(ProfileId::new).to_vec();
    config.controller = Some(Controller::new("Coffee & Co", "Almaty", "privacy@coffee.example"));
    let world = World::equipped(Arc::new(MemoryStore::new()), parrot(), AutomationMode::Automatic, |builder| {
        builder.config(config)
    })
    .await;
    // A Thursday: by Friday 10:00 the authority of Kazakhstan and the platform, by Sunday that of the EU.
    let aware = "2026-11-26T10:00:00Z";
    world.clock.set(aware.parse().unwrap());
    world.assistant.sweep(1_000).await.ok();
    world.assistant.trust_clock().await.unwrap();
    let id = suspected(&world).await;
    let register = breaches(&world);
    register.apply(id, BreachEvent::Confirm { aware_at: world.now() }).await.unwrap();
    let (authority, platform) = (Audience::Authority, Audience::Platform);
    assert!(told(&world, aware).await.is_empty());
    let half = told(&world, "2026-11-26T22:00:00Z").await;
    assert_eq!(half, [(authority, Urgency::Half), (platform, Urgency::Half)]);
    assert!(told(&world, "2026-11-26T23:00:00Z").await.is_empty(), "once");
    register.apply(id, BreachEvent::Tell { audience: platform, at: world.now() }).await.unwrap();
    assert_eq!(told(&world, "2026-11-27T09:00:00Z").await, [(authority, Urgency::Most)]);
    assert_eq!(told(&world, "2026-11-27T10:00:00Z").await, [(authority, Urgency::Overdue)]);
    assert!(told(&world, "2026-11-28T10:00:00Z").await.is_empty());
    assert_eq!(logged(&world).await.iter().filter(|action| **action == AuditAction::BreachDue).count(), 3);
    let text = register.authority_text(id, Language::Russian).await.unwrap();
    assert!(text.contains("Coffee & Co") && text.contains("2026-11-26 10:00 UTC"), "{text}");
}

#[tokio::test]
async fn the_register_goes_from_the_suspicion_to_the_end_with_an_event_for_each_step() {
    let mut config = Config::default();
    config.profiles = vec![ProfileId::new("eu-gdpr")];
    let world = World::equipped(Arc::new(MemoryStore::new()), parrot(), AutomationMode::Automatic, |builder| {
        builder.config(config)
    })
    .await;
    let register = breaches(&world);
    let stranger = NewBreach { origin: BreachOrigin::Processor(ProcessorId::new("nobody")), ..new(&world) };
    assert!(matches!(register.suspect(stranger).await, Err(AssistantError::Invalid(_))));
    let id = suspected(&world).await;
    assert!(matches!(register.authority_text(id, Language::English).await, Err(AssistantError::Invalid(_))));
    for event in [BreachEvent::Contain, BreachEvent::Lift] {
        assert!(matches!(register.apply(id, event).await, Err(AssistantError::Invalid(_))));
    }
    let early = register.apply(id, BreachEvent::Close).await;
    assert!(matches!(early, Err(AssistantError::Breach(BreachError::WrongState { .. }))), "{early:?}");
    register.apply(id, BreachEvent::Confirm { aware_at: world.now() }).await.unwrap();
    let assessment = BreachAssessment {
        risk: BreachRisk::Risk,
        categories: Categories::of(&[DataCategory::MessageContent]),
        people: 1,
        records: 2,
        exposure: Exposure::Readable,
    };
    register.apply(id, BreachEvent::Assess(assessment)).await.unwrap();
    assert_eq!(register.duties(id).await.unwrap().len(), 1);
    register.apply(id, BreachEvent::Tell { audience: Audience::Authority, at: world.now() }).await.unwrap();
    assert!(register.people_text(id, Language::English).await.is_err(), "nobody is named who is responsible");
    assert_eq!(register.open(None, 10).await.unwrap().breaches.len(), 1);
    let closed: Breach = register.apply(id, BreachEvent::Close).await.unwrap();
    assert_eq!(closed.state, BreachState::Closed);
    assert!(register.open(None, 10).await.unwrap().breaches.is_empty());
    assert_eq!(register.ended(None, 10).await.unwrap().breaches, [closed]);
    let contain = register.contain(id).await;
    assert!(matches!(contain, Err(AssistantError::Breach(BreachError::WrongState { .. }))), "{contain:?}");
    let steps = [
        AuditAction::BreachSuspected,
        AuditAction::BreachConfirmed,
        AuditAction::BreachAssessed,
        AuditAction::BreachTold,
        AuditAction::BreachClosed,
    ];
    let logged = logged(&world).await;
    assert!(logged.ends_with(&steps), "{logged:?}");
    // It stays for its time, and no longer.
    let days = Config::default().retention.requests.num_days();
    world.clock.advance(TimeDelta::days(days + 1));
    world.assistant.trust_clock().await.unwrap();
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    assert!(matches!(register.get(id).await, Err(AssistantError::NotFound("breach"))));
}

#[tokio::test]
async fn who_may_work_on_breaches_does_and_an_auditor_reads() {
    let world = World::new().await;
    let member = |number: u8| MemberId(SubjectId::from_bytes([number; 16]));
    for (number, role) in [(21, Role::Owner), (22, Role::Admin), (23, Role::Auditor), (24, Role::Member)] {
        join(&world.assistant, world.tenant, member(number), role).await;
    }
    let id = suspected(&world).await;
    let may = async |number: u8| {
        let register = world.assistant.desk(world.tenant).by(member(number)).breaches();
        let writes = register.suspect(new(&world)).await;
        let reads = [register.get(id).await.is_ok(), register.radius(id, None).await.is_ok()];
        if writes.is_err() {
            assert!(matches!(writes, Err(AssistantError::Forbidden(_))), "{writes:?}");
            assert!(matches!(register.contain(id).await, Err(AssistantError::Forbidden(_))));
            assert!(matches!(register.lift(id).await, Err(AssistantError::Forbidden(_))));
        }
        (writes.is_ok(), reads)
    };
    assert_eq!(may(21).await, (true, [true, true]));
    assert_eq!(may(22).await, (true, [true, true]));
    assert_eq!(may(23).await, (false, [true, true]));
    assert_eq!(may(24).await, (false, [false, false]));
}

#[tokio::test]
async fn the_register_of_breaches_names_nobody_and_holds_no_secret() {
    let store = Arc::new(MemoryStore::new());
    let world = World::over(Arc::<MemoryStore>::clone(&store), parrot(), AutomationMode::Automatic).await;
    world.says("m1", "canary-text").await;
    world.settle().await;
    let id = suspected(&world).await;
    breaches(&world).contain(id).await.unwrap();
    let record = store.get(world.tenant, Kind::BREACH, id.into()).await.unwrap().unwrap();
    assert!(record.subjects.is_empty() && record.sealed.0.is_empty());
    for canary in ["canary-text", "Aigerim", TOKEN] {
        assert!(!record.clear.0.contains(canary), "{}", record.clear.0);
    }
}
