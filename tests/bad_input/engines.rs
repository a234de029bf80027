//! Knowledge that is not there or has a mistake, and a language model that can't be reached.

use std::fs;
use std::sync::Arc;

use whisp::ai::{Fallback, Knowledge, LoadErrorKind, OpenAiConfig, OpenAiEngine};
use whisp::model::{Author, AutomationMode, Content, HandOffReason, Handling};
use whisp::reply::ReplyEngine;
use whisp::testing::{ManualClock, SeqIds};

use crate::discreet::{MODEL_KEY, TEXT, hides_canaries, said};
use crate::world::World;

#[test]
fn a_knowledge_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Knowledge::load(folder.path().join("faq.yaml")).unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::Missing);
    let said = said(&error);
    assert!(said.contains("faq.yaml") && said.contains("check the path"), "{said}");
}

#[test]
fn a_mistake_in_a_knowledge_file_is_named_with_its_entry_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faq.yaml");
    let right = "entries:\n  - id: hours\n    questions: {en: [When are you open?]}\n    answers: {en: From nine.}\n";
    for (wrong, kind, named) in [
        (right.replace("answers", "anwsers"), LoadErrorKind::UnknownKey, "entry `hours`"),
        (right.replace("From nine.", "''"), LoadErrorKind::NoAnswer, "write the answer"),
        (right.replace("[When are you open?]", "[]"), LoadErrorKind::NoQuestion, "add under `questions`"),
        (right.replace("entries:", "entries: ]"), LoadErrorKind::Syntax, "faq.yaml"),
    ] {
        fs::write(&file, &wrong).unwrap();
        let error = Knowledge::load(&file).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let said = said(&error);
        assert!(said.contains("faq.yaml") && said.contains(named), "{said}");
    }
    fs::write(&file, right).unwrap();
    assert_eq!(Knowledge::load(&file).unwrap().entries().len(), 1);
}

/// A language model on a port of this machine where nobody listens.
async fn unreachable() -> (OpenAiEngine, Arc<ManualClock>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut config = OpenAiConfig::new(&format!("http://{address}/v1"), "test-model");
    config.key = Some(MODEL_KEY.into());
    config.danger_allow_http_loopback = true;
    let clock = Arc::new(ManualClock::default());
    (OpenAiEngine::new(config, Arc::clone(&clock) as _, Arc::new(SeqIds::new(1))).unwrap(), clock)
}

#[tokio::test]
async fn a_model_that_cannot_be_reached_leaves_the_question_to_a_member_with_a_notice() {
    let (model, clock) = unreachable().await;
    let engine: Arc<dyn ReplyEngine> = Arc::new(Fallback::new(vec![Arc::new(model)], clock));
    let world = World::with(engine, AutomationMode::Automatic).await;
    world.says("m1", TEXT).await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let conversation = desk.conversation(world.conversation().await).await.unwrap();
    let Handling::Member { member, reason, .. } = conversation.handling else { panic!("an engine has it") };
    assert_eq!((member, reason), (None, HandOffReason::EngineFailed));
    let texts = world.channel.texts();
    assert_eq!(texts, ["Thank you. A person from our team will answer you here."]);
    let messages = world.messages().await;
    assert_eq!(messages.len(), 2);
    assert_eq!(
        (&messages[0].author, &messages[0].content),
        (&Author::Contact, &Content::text(TEXT)),
        "nothing is lost"
    );
    assert_eq!(messages[1].author, Author::System);
    // The contact goes on writing: a person has it, so the model is not asked and nothing is said twice.
    world.says("m2", "Hello?").await;
    world.settle().await;
    assert_eq!(world.channel.texts().len(), 1);
    assert_eq!(world.messages().await.len(), 3);
}

#[tokio::test]
async fn what_a_model_that_cannot_be_reached_reports_gives_nothing_away() {
    let (model, _) = unreachable().await;
    let world = World::with(Arc::new(model), AutomationMode::Automatic).await;
    world.says("m1", TEXT).await;
    let mut reported = 0;
    // Asked again later, a few times; then a person has it.
    for _ in 0..20 {
        world.later(10);
        let (step, delivery) = (world.step().await, world.deliver().await);
        hides_canaries(&format!("{step:?} {delivery:?}"));
        for error in step.errors.iter().chain(&delivery.errors) {
            assert!(said(error).contains("the provider can't be reached"), "{error}");
            reported += 1;
        }
    }
    assert!((1..=5).contains(&reported), "{reported} reports");
    let desk = world.assistant.desk(world.tenant);
    let handling = desk.conversation(world.conversation().await).await.unwrap().handling;
    assert!(matches!(handling, Handling::Member { reason: HandOffReason::EngineFailed, .. }), "{handling:?}");
    assert_eq!(world.channel.texts().len(), 1, "the notice, once");
}
