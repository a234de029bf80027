//! What people and authorities are told is what the running assistant does.

use std::sync::Arc;

use chrono::TimeDelta;
use whisp::assistant::{AssistantError, Config, ExportedData};
use whisp::documents::{Finding, KeptData, Language, Measure};
use whisp::id::ContactId;
use whisp::model::AutomationMode;
use whisp::privacy::{
    Act, Controller, HoldGround, HoldScope, NewHold, Processors, Proof, ProofStrength, Purpose, RefusalReason, Region,
    RequestEvent, RequestKind, RestrictionGround, Statement, SubjectKind,
};
use whisp::stores::MemoryStore;

use crate::holds::register;
use crate::processors::{Elsewhere, contact, model, world};
use crate::world::{DANA, World, parrot};

fn named() -> Config {
    let mut config = Config::default();
    config.controller = Some(Controller::new("Coffee & Co", "1 Abay Avenue, Almaty", "privacy@coffee.example"));
    config
}

async fn over(config: Config) -> World {
    let store = Arc::new(MemoryStore::new());
    World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.config(config)).await
}

async fn somebody(world: &World) -> ContactId {
    world.says("m1", "canary-question").await;
    world.settle().await;
    contact(world).await
}

#[tokio::test]
async fn the_notice_and_the_program_change_together() {
    let mut without = named();
    without.register = without.register.without(Purpose::AutomatedReplies, SubjectKind::Contact);
    for (config, answers) in [(named(), true), (without, false)] {
        let world = over(config).await;
        somebody(&world).await;
        let notice = world.assistant.notice(world.now().date_naive()).unwrap();
        assert_eq!(notice.facts.automation.is_some(), answers);
        assert_eq!(world.channel.texts().iter().any(|text| text.contains("Answer: canary")), answers);
        let channels: Vec<String> = notice.facts.channels.iter().map(ToString::to_string).collect();
        assert_eq!(channels, ["whatsapp"], "what is connected");
    }
}

#[tokio::test]
async fn what_the_notice_says_of_messages_is_when_they_go() {
    let mut config = named();
    config.retention.messages = TimeDelta::days(90);
    let world = over(config).await;
    let contact = somebody(&world).await;
    let notice = world.assistant.notice(world.now().date_naive()).unwrap();
    let told = notice.facts.kept.iter().find(|kept| kept.data == KeptData::Messages).unwrap();
    assert_eq!(serde_json::to_value(told.keep).unwrap(), serde_json::json!({"hours": 90 * 24}));
    let mut seen = 0;
    for entry in world.assistant.export(world.tenant, contact, None).await.unwrap().entries {
        if let ExportedData::Message { at, .. } = entry.data {
            // From when it came to us, which is a moment after the platform's time.
            let kept = entry.kept_until.unwrap() - at;
            assert!((TimeDelta::days(90)..TimeDelta::days(90) + TimeDelta::minutes(1)).contains(&kept), "{kept}");
            seen += 1;
        }
    }
    assert!(seen >= 2, "{seen}");
}

#[tokio::test]
async fn a_vault_that_destroys_nothing_is_told_as_one() {
    let world = over(named()).await;
    assert!(world.assistant.erasure_horizon().is_err());
    let (notice, ropa) = (world.assistant.notice(world.now().date_naive()).unwrap(), world.assistant.ropa().unwrap());
    assert_eq!((notice.facts.horizon_hours, ropa.horizon_hours), (None, None));
    assert!(!ropa.measures.contains(&Measure::EpochsDestroyed) && ropa.measures.contains(&Measure::ErasureByKey));
    let found = world.assistant.stale().findings;
    assert!(found.iter().any(|finding| matches!(finding, Finding::HorizonUnbounded { .. })), "{found:?}");
}

/// Promises P42 and P54.
#[tokio::test]
async fn a_summary_tells_how_much_who_got_it_and_where_to_complain_in_the_persons_language() {
    let mut config = named();
    config.processors = Processors::default().with(model()).allowing(Region::new("EU"));
    let world = world(Elsewhere::new(|question| Ok(format!("Answer: {question}"))), config).await;
    let person = somebody(&world).await;
    let desk = world.assistant.desk(world.tenant);
    let restriction = Statement::Restriction { ground: RestrictionGround::Claim, stands: true };
    desk.declare(person, restriction, Act::Host).await.unwrap();
    let entries = world.assistant.export(world.tenant, person, None).await.unwrap().entries;
    let messages = entries.iter().filter(|entry| matches!(entry.data, ExportedData::Message { .. })).count();
    for (language, title, told) in [
        (Language::English, "Your data, in short", format!("messages, yours and the answers: {messages}")),
        (Language::Russian, "Ваши данные, кратко", format!("сообщения, ваши и ответы: {messages}")),
        (Language::Kazakh, "Деректеріңіз, қысқаша", format!("хабарламалар, сіздікі және жауаптар: {messages}")),
    ] {
        let text = world.assistant.summary(world.tenant, person, language).await.unwrap();
        assert!(text.contains(title) && text.contains(&told), "{text}");
        let parts = ["**Model Ltd.**", "privacy@coffee.example", "cppa.ca.gov", "Coffee &amp; Co"];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        assert!(!text.contains("canary"), "it explains the copy and holds nothing of it");
    }
    let text = world.assistant.summary(world.tenant, person, Language::English).await.unwrap();
    assert!(text.contains("contents of messages; 1 ×"), "{text}");
    assert!(!text.contains("members of the team |"), "it is about people who write");
}

/// Promise P57.
#[tokio::test]
async fn the_text_of_an_answer_is_of_what_was_decided_and_names_the_authorities() {
    let world = over(named()).await;
    let person = somebody(&world).await;
    let requests = world.assistant.desk(world.tenant).by(DANA).requests();
    let request = requests.take_in(person, RequestKind::Erasure).await.unwrap();
    let too_early = requests.answer_text(request.id(), Language::English).await;
    assert!(matches!(too_early, Err(AssistantError::Invalid(_))), "{too_early:?}");
    let proof = Proof { strength: ProofStrength::Confirmed, at: world.now() };
    for event in
        [RequestEvent::Prove(proof), RequestEvent::Assess, RequestEvent::Refuse(RefusalReason::LegallyRequired)]
    {
        requests.apply(request.id(), event).await.unwrap();
    }
    let text = requests.answer_text(request.id(), Language::of_tag("ru-KZ")).await.unwrap();
    assert!(text.contains("Мы не можем этого сделать, потому что закон требует это хранить."), "{text}");
    assert!(text.contains("Coffee & Co, privacy@coffee.example"), "{text}");
    for authority in world.assistant.explain(SubjectKind::Contact).authorities {
        assert!(text.contains(&authority.contact), "{text}");
    }
}

#[tokio::test]
async fn without_somebody_responsible_nothing_is_written_to_anybody() {
    let world = World::new().await;
    let person = somebody(&world).await;
    assert!(world.assistant.notice(world.now().date_naive()).is_err() && world.assistant.ropa().is_err());
    let summary = world.assistant.summary(world.tenant, person, Language::English).await;
    assert!(matches!(summary, Err(AssistantError::Invalid(_))), "{summary:?}");
    assert!(world.assistant.stale().findings.contains(&Finding::NoController));
    assert!(world.assistant.explain(SubjectKind::Contact).controller.is_none());
}

#[tokio::test]
async fn a_hold_that_nobody_looked_at_is_found() {
    let mut config = named();
    config.register = register();
    let world = over(config).await;
    let person = somebody(&world).await;
    let holds = world.assistant.desk(world.tenant).holds();
    let mut placed = Vec::new();
    for days in [10, 20] {
        let new = NewHold {
            scope: HoldScope::default(),
            ground: HoldGround::LegalClaim,
            authority: "a court".into(),
            review_by: world.now() + TimeDelta::days(days),
        };
        placed.push(holds.place(person, new).await.unwrap());
    }
    let overdue = async || {
        let findings = world.assistant.stale_in(world.tenant).await.unwrap().findings;
        let hold = |finding: Finding| match finding {
            Finding::HoldReviewOver { hold, .. } => Some(hold),
            _ => None,
        };
        findings.into_iter().filter_map(hold).collect::<Vec<_>>()
    };
    assert_eq!(overdue().await, []);
    world.later(10 * 86_400);
    assert_eq!(overdue().await, [placed[0].id]);
    holds.review(placed[0].id, world.now() + TimeDelta::days(100)).await.unwrap();
    assert_eq!(overdue().await, []);
}
