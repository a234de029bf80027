//! People come first: members who write, contacts who say stop.

use std::sync::Arc;

use whisp::assistant::AssistantError;
use whisp::channel::{ChannelError, ChannelErrorKind, OutboundBody};
use whisp::error::Retry;
use whisp::id::MessageId;
use whisp::kpi::FactKind;
use whisp::model::{Author, AutomationMode, DeliveryStep, HandOffReason, Handling};
use whisp::privacy::{Purpose, Statement};

use crate::world::{DANA, World, contact, incoming};
use whisp::model::{Content, PlatformMessageId, Provenance};
use whisp::testing::ScriptedEngine;
use whisp::webhook::Event;

fn reason(handling: &Handling) -> Option<HandOffReason> {
    match handling {
        Handling::Member { reason, .. } => Some(*reason),
        Handling::Engine => None,
    }
}

#[tokio::test]
async fn engines_fall_silent_when_a_member_writes_and_speak_again_when_handed_back() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let id = world.conversation().await;
    desk.by(DANA).send(id, OutboundBody::text("I am Dana, how can I help?")).await.unwrap();
    world.settle().await;
    world.says("m2", "Where is my order?").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 2, "the answer to m1 and Dana's own");
    desk.by(DANA).hand_back(id).await.unwrap();
    world.says("m3", "Thanks. And when do you close?").await;
    world.settle().await;
    assert_eq!(world.channel.texts()[2], "Answer: Thanks. And when do you close?");
}

#[tokio::test]
async fn a_member_who_writes_on_the_phone_silences_the_engines_too() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.ingest(vec![world.echo("phone1", "I will call you", None)]).await;
    world.settle().await;
    assert!(world.channel.sent().is_empty(), "the member was first");
    let conversation = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap();
    assert_eq!(reason(&conversation.handling), Some(HandOffReason::MemberWrote));
    let inquiry = world.assistant.desk(world.tenant).inquiry(conversation.id).await.unwrap().unwrap();
    assert!(inquiry.first_member_reply_at.is_some());
}

#[tokio::test]
async fn the_echo_of_our_own_reply_is_no_second_message_and_no_takeover() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let sent = world.channel.sent()[0].clone();
    let text = sent.body.content().readable().unwrap().to_owned();
    world.ingest(vec![world.echo(sent.id.expose(), &text, None)]).await;
    world.settle().await;
    assert_eq!(world.messages().await.len(), 2);
    let conversation = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap();
    assert!(conversation.engine_handles());
}

#[tokio::test]
async fn a_member_who_takes_over_stops_the_reply_that_waits_to_be_sent() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.later(4);
    assert_eq!(world.step().await.queued, 1);
    let desk = world.assistant.desk(world.tenant);
    let id = world.conversation().await;
    desk.by(DANA).take_over(id).await.unwrap();
    world.settle().await;
    assert!(world.channel.sent().is_empty());
    assert_eq!(world.messages().await[1].delivery.as_ref().unwrap().step, DeliveryStep::Cancelled);
}

#[tokio::test]
async fn a_stop_is_honored_before_anything_else_even_for_a_reply_on_its_way() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.later(4);
    assert_eq!(world.step().await.queued, 1);
    world.says("m2", "СТОП").await;
    assert_eq!(world.deliver().await.sent, 0, "withdrawn when the message was taken in");
    world.settle().await;
    assert!(world.channel.sent().is_empty());
    let conversation = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap();
    assert_eq!(reason(&conversation.handling), Some(HandOffReason::OptedOut));
    assert_eq!(world.assistant.desk(world.tenant).statements(conversation.contact).await.unwrap().len(), 1);
    world.assistant.desk(world.tenant).by(DANA).hand_back(conversation.id).await.unwrap();
    world.says("m3", "Hello again").await;
    world.settle().await;
    assert!(world.channel.sent().is_empty(), "handing back is not consent");
    world.says("m4", "start").await;
    world.settle().await;
    world.says("m5", "Hello again").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1);
}

#[tokio::test]
async fn who_asks_for_a_person_gets_one_and_is_told_so_once() {
    let world = World::new().await;
    world.says("m1", "Позовите оператора, пожалуйста").await;
    world.settle().await;
    assert_eq!(world.channel.texts(), ["Спасибо. Вам ответит сотрудник нашей команды."]);
    assert_eq!(world.messages().await[1].author, Author::System);
    world.says("m2", "оператор").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1);
}

#[tokio::test]
async fn what_an_engine_cannot_read_goes_to_a_person() {
    let world = World::new().await;
    let photo = Content::Media { items: Vec::new(), caption: None };
    let item = world.event("p1", Provenance::Live, Event::Message(incoming("p1", photo)));
    world.ingest(vec![item]).await;
    world.settle().await;
    let conversation = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap();
    assert_eq!(reason(&conversation.handling), Some(HandOffReason::Unreadable));
}

#[tokio::test]
async fn a_resolved_inquiry_is_reopened_within_its_window_and_a_new_one_begins_after() {
    let world = World::new().await;
    let desk = world.assistant.desk(world.tenant);
    world.says("m1", "Hello").await;
    world.settle().await;
    let id = world.conversation().await;
    let first = desk.inquiry(id).await.unwrap().unwrap();
    desk.by(DANA).resolve(id).await.unwrap();
    world.later(3_600);
    world.says("m2", "One more thing").await;
    world.settle().await;
    let again = desk.inquiry(id).await.unwrap().unwrap();
    assert_eq!((again.id, again.resolved), (first.id, None));
    desk.by(DANA).resolve(id).await.unwrap();
    world.later(25 * 3_600);
    world.says("m3", "A new matter").await;
    world.settle().await;
    assert_ne!(desk.inquiry(id).await.unwrap().unwrap().id, first.id);
}

#[tokio::test]
async fn an_answered_inquiry_that_lies_still_is_resolved_and_an_unanswered_one_is_not() {
    let world = World::new().await;
    let desk = world.assistant.desk(world.tenant);
    world.says("m1", "Hello").await;
    world.settle().await;
    let id = world.conversation().await;
    world.later(25 * 3_600);
    world.settle().await;
    assert!(desk.inquiry(id).await.unwrap().unwrap().resolved.is_some());
    world.later(48 * 3_600);
    world.assistant.set_automation(world.tenant, false).await.unwrap();
    world.says("m2", "Hello?").await;
    world.settle().await;
    world.later(50 * 3_600);
    world.settle().await;
    assert_eq!(desk.inquiry(id).await.unwrap().unwrap().resolved, None, "nobody answered");
}

#[tokio::test]
async fn a_reply_that_waited_when_a_member_took_over_stays_unsent_when_handed_back() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.later(4);
    assert_eq!(world.step().await.queued, 1);
    let desk = world.assistant.desk(world.tenant);
    let id = world.conversation().await;
    desk.by(DANA).take_over(id).await.unwrap();
    desk.by(DANA).hand_back(id).await.unwrap();
    world.settle().await;
    assert!(world.channel.sent().is_empty(), "it answered a question that the member has dealt with");
}

/// Found by the simulation: the answer that should have said it was cancelled, and no later one said it.
#[tokio::test]
async fn a_disclosure_that_did_not_go_out_is_made_by_the_next_answer() {
    let world = World::new().await;
    world.says("m1", "Hello?").await;
    world.later(4);
    assert_eq!(world.step().await.queued, 1);
    let desk = world.assistant.desk(world.tenant);
    let id = world.conversation().await;
    desk.by(DANA).take_over(id).await.unwrap();
    desk.by(DANA).hand_back(id).await.unwrap();
    world.settle().await;
    assert!(world.channel.texts().is_empty(), "it was cancelled");
    world.says("m2", "Anybody?").await;
    world.later(4);
    // Refused by the platform, and handed to a person.
    world.channel.fail_next(ChannelError::new("send", ChannelErrorKind::Recipient, Retry::Never));
    world.step().await;
    world.deliver().await;
    world.settle().await;
    desk.by(DANA).hand_back(id).await.unwrap();
    world.says("m3", "Hello again").await;
    world.settle().await;
    let texts = world.channel.texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].starts_with("This is an automatic answer."), "{}", texts[0]);
}

/// Found by the simulation: of an answer in several messages the first one was cancelled, and the rest went out.
#[tokio::test]
async fn the_rest_of_an_answer_does_not_go_out_without_its_beginning() {
    let long = Arc::new(ScriptedEngine::replying(|question| format!("{question} {}", "and so on ".repeat(150))));
    let world = World::with(long, AutomationMode::Automatic).await;
    world.says("m1", "Hello?").await;
    world.later(4);
    assert_eq!(world.step().await.queued, 1);
    let parts = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().outbox;
    assert!(parts.len() > 1, "{parts:?}");
    world.assistant.set_automation(world.tenant, false).await.unwrap();
    assert_eq!(world.deliver().await.unsent, parts.len());
    world.assistant.set_automation(world.tenant, true).await.unwrap();
    world.settle().await;
    assert!(world.channel.texts().is_empty(), "{:?}", world.channel.texts());
    for message in world.messages().await.iter().skip(1) {
        assert_eq!(message.delivery.as_ref().unwrap().step, DeliveryStep::Cancelled);
    }
}

/// Found by the simulation: a second answer waited behind the one that should have said that it is automatic.
#[tokio::test]
async fn an_answer_that_waits_behind_a_disclosure_that_is_cancelled_goes_with_it() {
    let world = World::new().await;
    for id in ["m1", "m2"] {
        world.says(id, "Hello?").await;
        world.later(4);
        assert_eq!(world.step().await.queued, 1);
    }
    world.assistant.set_automation(world.tenant, false).await.unwrap();
    world.deliver().await;
    world.assistant.set_automation(world.tenant, true).await.unwrap();
    world.settle().await;
    assert!(world.channel.texts().is_empty(), "{:?}", world.channel.texts());
    world.says("m3", "Anybody?").await;
    world.settle().await;
    let texts = world.channel.texts();
    assert!(texts[0].starts_with("This is an automatic answer."), "{texts:?}");
}

/// Else the fact belongs to no inquiry, and the inquiry that the burst begins waits for an answer for ever.
#[tokio::test]
async fn a_reply_from_the_desk_during_a_burst_answers_the_inquiry_that_the_burst_begins() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    let id = world.conversation().await;
    let desk = world.assistant.desk(world.tenant);
    desk.by(DANA).send(id, OutboundBody::text("I am Dana")).await.unwrap();
    // The burst is not over.
    assert_eq!(world.deliver().await.sent, 1);
    world.settle().await;
    assert_eq!(world.channel.texts(), ["I am Dana"], "the engine stays silent");
    let inquiry = desk.inquiry(id).await.unwrap().unwrap();
    assert!(inquiry.first_member_reply_at.is_some() && inquiry.first_reply_at.is_some());
    let sent = world.messages().await.into_iter().find(|message| message.delivery.is_some()).unwrap();
    assert_eq!(sent.inquiry, Some(inquiry.id));
    let facts = world.facts().await;
    let of = |kind| facts.iter().filter(|fact| fact.kind == kind).map(|fact| fact.inquiry).collect::<Vec<_>>();
    assert_eq!(of(FactKind::InquiryOpened), [Some(inquiry.id)], "once");
    assert_eq!(of(FactKind::MessageOut), [Some(inquiry.id)]);
    world.later(48 * 3_600);
    world.settle().await;
    assert!(desk.inquiry(id).await.unwrap().unwrap().resolved.is_some(), "it ends");
}

#[tokio::test]
async fn read_marks_and_reactions_say_nothing_and_take_nothing_over() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    let id = world.conversation().await;
    let desk = world.assistant.desk(world.tenant);
    let target = || PlatformMessageId::new("m1");
    desk.by(DANA).send(id, OutboundBody::Seen { target: target(), typing: true }).await.unwrap();
    desk.by(DANA).send(id, OutboundBody::Reaction { target: target(), emoji: Some("👍".into()) }).await.unwrap();
    assert_eq!(world.deliver().await.sent + world.deliver().await.sent, 2);
    // A reaction on the phone.
    let content = Content::Reaction { target: target(), emoji: Some("👍".into()) };
    let mut reaction = incoming("r1", content);
    reaction.outgoing = true;
    world.ingest(vec![world.event("echo:r1", Provenance::Echo, Event::Message(reaction))]).await;
    world.settle().await;
    let texts = world.channel.texts();
    assert!(matches!(&texts[..], [text] if text.ends_with("Answer: Hello")), "the engine answers: {texts:?}");
    let facts = world.facts().await;
    assert_eq!(facts.iter().filter(|fact| fact.kind == FactKind::MessageOut).count(), 1, "the answer alone");
    assert!(desk.inquiry(id).await.unwrap().unwrap().first_member_reply_at.is_none());
    // Nor do they hold anything up or call anybody when nobody knows what became of them.
    let lost = ChannelError::new("send", ChannelErrorKind::Unavailable, Retry::OutcomeUnknown);
    world.channel.fail_next(lost);
    desk.by(DANA).send(id, OutboundBody::Seen { target: target(), typing: false }).await.unwrap();
    world.deliver().await;
    assert!(desk.conversation(id).await.unwrap().outbox.is_empty());
    assert!(desk.conversation(id).await.unwrap().engine_handles());
}

#[tokio::test]
async fn a_reply_quotes_the_message_that_it_answers() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let id = world.conversation().await;
    let desk = world.assistant.desk(world.tenant).by(DANA);
    let asked = world.messages().await[0].id;
    desk.reply(id, asked, OutboundBody::text("Good morning")).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.sent().last().unwrap().reply_to, Some(PlatformMessageId::new("m1")));
    assert!(!desk.conversation(id).await.unwrap().engine_handles());
    let unknown = MessageId::from_uuid(uuid::Uuid::from_u128(77));
    let wrong = desk.reply(id, unknown, OutboundBody::text("?")).await;
    assert!(matches!(wrong, Err(AssistantError::NotFound("message"))), "{wrong:?}");
}

/// The webhook that told it may have been lost.
#[tokio::test]
async fn whom_the_platform_says_to_have_stopped_marketing_is_asked_no_more() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let id = world.conversation().await;
    let desk = world.assistant.desk(world.tenant).by(DANA);
    let contact = desk.conversation(id).await.unwrap().contact;
    let said = || async {
        let all = desk.statements(contact).await.unwrap();
        all.into_iter().filter(|event| event.statement == Statement::withdrawn(Purpose::DirectMarketing)).count()
    };
    for n in 1..=2 {
        let stopped = ChannelError::new("send", ChannelErrorKind::OptedOut, Retry::Never);
        world.channel.fail_next(stopped);
        desk.send(id, OutboundBody::text(&format!("Our sale, {n}"))).await.unwrap();
        world.deliver().await;
        assert_eq!(said().await, 1, "once");
    }
    let last = world.messages().await.pop().unwrap();
    assert_eq!(last.delivery.unwrap().step, DeliveryStep::Failed);
}

#[tokio::test]
async fn a_question_beside_a_start_is_answered_and_a_start_alone_is_not() {
    let world = World::new().await;
    world.says("m1", "stop").await;
    world.settle().await;
    world.says("m2", "start").await;
    world.settle().await;
    assert!(world.channel.texts().is_empty(), "who goes on is told nothing");
    world.says("m3", "stop").await;
    world.settle().await;
    world.says("m4", "Do you have bread today?").await;
    world.says("m5", "START").await;
    world.settle().await;
    let texts = world.channel.texts();
    assert!(matches!(&texts[..], [text] if text.ends_with("Answer: Do you have bread today?")), "{texts:?}");
}

#[tokio::test]
async fn what_a_member_has_answered_on_the_phone_beside_a_start_is_not_answered_again() {
    let world = World::new().await;
    world.says("m1", "stop").await;
    world.settle().await;
    let items =
        vec![world.message("m2", "Do you have bread?"), world.message("m3", "START"), world.echo("p1", "We do", None)];
    world.ingest(items).await;
    world.settle().await;
    assert!(world.channel.texts().is_empty());
}

#[tokio::test]
async fn a_start_of_somebody_who_never_stopped_is_a_text_like_any_other() {
    let world = World::new().await;
    world.says("m1", "Start").await;
    world.settle().await;
    let texts = world.channel.texts();
    assert!(matches!(&texts[..], [text] if text.ends_with("Answer: Start")), "{texts:?}");
    // Where a member has the conversation it is theirs to read.
    let desk = world.assistant.desk(world.tenant).by(DANA);
    let id = world.conversation().await;
    desk.take_over(id).await.unwrap();
    world.later(10);
    world.says("m2", "start").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1);
    let conversation = desk.conversation(id).await.unwrap();
    assert_eq!(reason(&conversation.handling), Some(HandOffReason::Assigned));
}

#[tokio::test]
async fn what_a_member_does_after_an_inquiry_has_ended_is_no_part_of_it() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant).by(DANA);
    let id = world.conversation().await;
    let inquiry = desk.inquiry(id).await.unwrap().unwrap().id;
    desk.take_over(id).await.unwrap();
    world.later(1);
    desk.resolve(id).await.unwrap();
    world.later(1);
    desk.send(id, OutboundBody::text("One more thing")).await.unwrap();
    world.later(1);
    desk.hand_back(id).await.unwrap();
    world.later(1);
    desk.take_over(id).await.unwrap();
    world.settle().await;
    let facts = world.facts().await;
    let of = |kind| facts.iter().filter(|fact| fact.kind == kind).map(|fact| fact.inquiry).collect::<Vec<_>>();
    assert_eq!(of(FactKind::HandedOff), [Some(inquiry), None, None]);
    assert_eq!(of(FactKind::HandedBack), [None]);
    assert_eq!(of(FactKind::InquiryResolved), [Some(inquiry)]);
}

#[tokio::test]
async fn a_take_of_the_thread_that_comes_after_the_pass_that_followed_it_changes_nothing() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let thread = |name: &str, ours| {
        let event = Event::Thread { contact: Some(contact()), ours };
        world.event(name, Provenance::Live, event)
    };
    let take = thread("t1", false);
    world.later(30);
    world.ingest(vec![thread("t2", true)]).await;
    world.settle().await;
    world.ingest(vec![take]).await;
    world.settle().await;
    world.says("m2", "And tea?").await;
    world.settle().await;
    assert_eq!(world.channel.texts().last().map(String::as_str), Some("Answer: And tea?"));
    // What comes in order still counts.
    world.later(30);
    world.ingest(vec![thread("t3", false)]).await;
    world.settle().await;
    world.says("m3", "Hello?").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 2);
    let conversation = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap();
    assert_eq!(reason(&conversation.handling), Some(HandOffReason::OtherApp));
}
