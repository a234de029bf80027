//! What people say about the use of their data, and what happens then: consent, objection, restriction, minors.

use std::sync::Arc;

use whisp::assistant::{AssistantError, Config};
use whisp::channel::OutboundBody;
use whisp::id::{ContactId, SubjectId};
use whisp::model::{AutomationMode, DeliveryStep, HandOffReason, Handling, Provenance};
use whisp::privacy::{
    Act, AgeSignal, Categories, DataCategory, DeniedReason, LawfulBasis, Notice, ProcessingActivity, Purpose, Register,
    RestrictionGround, Statement, SubjectKind,
};
use whisp::stores::MemoryStore;
use whisp::webhook::Event;

use crate::world::{DANA, World, parrot};

const RESTRICTED: Statement = Statement::Restriction { ground: RestrictionGround::AccuracyContested, stands: true };
const LIFTED: Statement = Statement::Restriction { ground: RestrictionGround::AccuracyContested, stands: false };

async fn contact(world: &World) -> ContactId {
    world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact
}

async fn declare(world: &World, statement: Statement, act: Act) {
    world.assistant.desk(world.tenant).declare(contact(world).await, statement, act).await.unwrap();
}

async fn handled_because(world: &World) -> Option<HandOffReason> {
    let id = world.conversation().await;
    match world.assistant.desk(world.tenant).conversation(id).await.unwrap().handling {
        Handling::Engine => None,
        Handling::Member { reason, .. } => Some(reason),
    }
}

/// A world whose business asks for consent before an engine answers.
async fn asking_first() -> World {
    let about = (Purpose::AutomatedReplies, SubjectKind::Contact);
    let activity = ProcessingActivity::new(
        about.0,
        about.1,
        LawfulBasis::Consent,
        Categories::of(&[DataCategory::Identity, DataCategory::MessageContent]),
    );
    let mut config = Config::default();
    config.register = Register::standard().without(about.0, about.1).with(activity).unwrap();
    let store = Arc::new(MemoryStore::new());
    World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.config(config)).await
}

#[tokio::test]
async fn where_consent_is_the_ground_no_engine_answers_before_it() {
    let world = asking_first().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    assert!(world.channel.sent().is_empty());
    assert_eq!(handled_because(&world).await, Some(HandOffReason::OptedOut));
    let notice = Notice { version: "2".into(), language: "en".into(), evidence: None };
    let yes = Statement::given(Purpose::AutomatedReplies, Some(notice));
    declare(&world, yes.clone(), Act::Asserted { by: DANA }).await;
    let desk = world.assistant.desk(world.tenant);
    desk.by(DANA).hand_back(world.conversation().await).await.unwrap();
    world.says("m2", "Hello?").await;
    world.settle().await;
    assert!(world.channel.sent().is_empty(), "that the business says so is no consent");
    declare(&world, yes, Act::Host).await;
    desk.by(DANA).hand_back(world.conversation().await).await.unwrap();
    world.says("m3", "Hello!").await;
    world.settle().await;
    assert!(world.channel.texts().last().unwrap().ends_with("Answer: Hello!"));
}

#[tokio::test]
async fn an_objection_ends_automatic_answers_and_nothing_else() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let before = world.channel.sent().len();
    declare(&world, Statement::Objection { purpose: Purpose::AutomatedReplies, stands: true }, Act::Host).await;
    world.says("m2", "Anybody there?").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), before);
    assert_eq!(handled_because(&world).await, Some(HandOffReason::OptedOut));
    let desk = world.assistant.desk(world.tenant);
    desk.by(DANA).send(world.conversation().await, OutboundBody::text("I am.")).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.sent().len(), before + 1, "a member still answers");
}

#[tokio::test]
async fn about_a_minor_no_engine_answers_until_somebody_has_looked() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let before = world.channel.sent().len();
    declare(&world, Statement::Age { signal: AgeSignal::Flagged }, Act::Member { member: DANA }).await;
    world.says("m2", "My teacher says hello too").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), before);
    assert_eq!(handled_because(&world).await, Some(HandOffReason::Minor));
    declare(&world, Statement::Age { signal: AgeSignal::Mistaken }, Act::Member { member: DANA }).await;
    world.assistant.desk(world.tenant).by(DANA).hand_back(world.conversation().await).await.unwrap();
    world.says("m3", "I teach").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), before + 1);
}

#[tokio::test]
async fn what_is_restricted_is_kept_and_neither_read_nor_answered() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let before = world.channel.sent().len();
    let id = world.conversation().await;
    declare(&world, RESTRICTED, Act::Host).await;
    assert_eq!(world.says("m2", "My name is spelled wrong").await.stored, 1);
    world.settle().await;
    assert_eq!(world.channel.sent().len(), before);
    assert_eq!(handled_because(&world).await, Some(HandOffReason::Restricted));
    let desk = world.assistant.desk(world.tenant);
    let refused = desk.messages(id, None, 10).await.unwrap_err();
    assert!(
        matches!(&refused, AssistantError::Denied(denied) if denied.reason == DeniedReason::Restricted),
        "{refused:?}"
    );
    declare(&world, LIFTED, Act::Member { member: DANA }).await;
    assert_eq!(world.messages().await.len(), before + 2, "nothing of it was lost");
    assert!(desk.standing(contact(&world).await).await.unwrap().restrictions().next().is_none());
}

#[tokio::test]
async fn a_reply_that_waits_does_not_go_once_its_reader_restricted_it() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.later(4);
    assert_eq!(world.step().await.queued, 1);
    declare(&world, RESTRICTED, Act::Host).await;
    world.settle().await;
    assert!(world.channel.sent().is_empty());
    declare(&world, LIFTED, Act::Host).await;
    assert_eq!(world.messages().await[1].delivery.as_ref().unwrap().step, DeliveryStep::Cancelled);
}

/// What came of a send is written down, whatever the person said while it was on its way.
#[tokio::test]
async fn a_receipt_about_what_is_restricted_by_now_is_still_noted() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let sent = world.channel.sent()[0].clone();
    declare(&world, RESTRICTED, Act::Host).await;
    let receipt = world.receipt(sent.id.expose(), DeliveryStep::Read, None, None);
    world.ingest(vec![receipt]).await;
    world.settle().await;
    declare(&world, LIFTED, Act::Host).await;
    assert_eq!(world.messages().await[1].delivery.as_ref().unwrap().step, DeliveryStep::Read);
}

#[tokio::test]
async fn a_no_is_taken_about_anybody_and_a_yes_only_of_whom_we_know() {
    let world = World::new().await;
    let desk = world.assistant.desk(world.tenant);
    let nobody = ContactId(SubjectId::from_bytes([77; 16]));
    desk.declare(nobody, Statement::withdrawn(Purpose::AutomatedReplies), Act::Host).await.unwrap();
    let yes = desk.declare(nobody, Statement::given(Purpose::AutomatedReplies, None), Act::Host).await;
    assert!(matches!(yes, Err(AssistantError::NotFound("contact"))), "{yes:?}");
    assert_eq!(desk.statements(nobody).await.unwrap().len(), 1);
    let no_question = desk.declare(nobody, Statement::withdrawn(Purpose::ServiceProvision), Act::Host).await;
    assert!(matches!(no_question, Err(AssistantError::Invalid(_))), "{no_question:?}");
}

/// Promise P29: what is past its time is not read, whether it was swept or not.
#[tokio::test]
async fn i26_nothing_is_read_past_its_time_not_even_before_the_sweep() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let raw = world.messages_raw().await;
    assert_eq!((world.messages().await.len(), raw.len()), (2, 2));
    world.later(365 * 24 * 3_600 - 60);
    assert_eq!(world.messages().await.len(), 2, "a minute before");
    world.later(60);
    assert_eq!(world.messages().await, []);
    assert_eq!(world.messages_raw().await, raw, "nobody has swept");
    world.says("m2", "Hello again").await;
    world.settle().await;
    let texts = world.channel.texts();
    assert_eq!(texts.last().map(String::as_str), Some("Answer: Hello again"));
    assert_eq!(world.messages().await.len(), 2, "only what is new");
}

/// What was done while it was allowed stays what it was (promise P16, Art. 7(3) GDPR).
#[tokio::test]
async fn p16_a_withdrawal_undoes_nothing_that_was_done_before_it() {
    let world = World::new().await;
    world.says("m1", "Do you deliver?").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let id = world.conversation().await;
    let contact = desk.conversation(id).await.unwrap().contact;
    let yes = Statement::given(Purpose::DirectMarketing, None);
    desk.declare(contact, yes, Act::Host).await.unwrap();
    let (messages, said, facts) =
        (world.messages().await, desk.statements(contact).await.unwrap(), world.facts().await);
    assert!(messages.len() == 2 && said.len() == 1 && !facts.is_empty());
    world.later(60);
    for purpose in [Purpose::AutomatedReplies, Purpose::DirectMarketing] {
        desk.declare(contact, Statement::withdrawn(purpose), Act::Host).await.unwrap();
    }
    world.settle().await;
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    assert_eq!(world.messages().await, messages, "the answer of then is there, and was sent");
    assert_eq!(world.facts().await[..facts.len()], facts, "and counts");
    let now = desk.statements(contact).await.unwrap();
    assert_eq!(now[..1], said, "that they had said yes is not rewritten");
    assert_eq!(now.len(), 3);
}

/// A no holds of somebody of whom nothing else is known yet (promise P15); a yes of nobody is nothing.
#[tokio::test]
async fn p15_who_stops_marketing_before_they_ever_wrote_has_stopped_it() {
    let world = World::new().await;
    let preference = |wanted| Event::Preference {
        contact: crate::world::contact(),
        category: "marketing_messages".to_owned(),
        wanted,
    };
    assert_eq!(world.ingest(vec![world.event("p1", Provenance::Live, preference(true))]).await.ignored, 1);
    assert_eq!(world.ingest(vec![world.event("p2", Provenance::Live, preference(false))]).await.stored, 1);
    let who = contact(&world).await;
    world.later(60);
    world.says("m1", "Hello").await;
    world.settle().await;
    assert_eq!(contact(&world).await, who, "whoever writes is the same one");
    let said = world.assistant.desk(world.tenant).statements(who).await.unwrap();
    assert_eq!(said[0].statement, Statement::withdrawn(Purpose::DirectMarketing));
}
