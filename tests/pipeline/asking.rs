//! Questions with choices: buttons, lists, numbers, and what is answered to them.

use std::sync::{Arc, Mutex};

use whisp::assistant::{AssistantError, Budget};
use whisp::channel::{Choice, OutboundBody};
use whisp::clock::Clock;
use whisp::model::{AutomationMode, ChannelKind, Content, HandOffReason, Handling, Provenance};
use whisp::reply::{Decision, Ground, Proposal};
use whisp::testing::{RecordingChannel, ScriptedEngine};
use whisp::webhook::Event;

use crate::world::{World, incoming};

/// Asks which of these is meant, until something is pressed or chosen by number.
fn asks(titles: &'static [&'static str], text: String, seen: Arc<Mutex<Vec<Content>>>) -> ScriptedEngine {
    ScriptedEngine::new(move |request| {
        let open = request.open_turns()?.to_vec();
        let last = open.into_iter().next_back().map(|turn| turn.content);
        seen.lock().unwrap().extend(last.clone());
        Ok(match last {
            Some(Content::Button { payload: id, .. } | Content::List { id, .. }) => {
                Decision::Reply(Proposal::new(&format!("You chose {}", id.expose())))
            }
            _ => Decision::Ask {
                text: text.as_str().into(),
                choices: titles
                    .iter()
                    .enumerate()
                    .map(|(n, title)| Choice {
                        id: format!("id{n}").as_str().into(),
                        title: (*title).into(),
                        description: None,
                    })
                    .collect(),
                ground: Ground::default(),
            },
        })
    })
}

/// A world with buttons of 20 characters, whose engine asks so; and what the engine sees.
async fn asked(titles: &'static [&'static str], text: &str) -> (World, Arc<Mutex<Vec<Content>>>) {
    let seen = Arc::default();
    let engine = Arc::new(asks(titles, text.to_owned(), Arc::clone(&seen)));
    (World::with(engine, AutomationMode::Automatic).await, seen)
}

#[tokio::test]
async fn short_choices_are_buttons() {
    let (world, _) = asked(&["Hours", "Prices"], "Which?").await;
    world.says("m1", "Hm").await;
    world.settle().await;
    let sent = world.channel.sent();
    assert!(matches!(&sent.last().unwrap().body, OutboundBody::Buttons { buttons, .. } if buttons.len() == 2));
    // A number is no answer to buttons: it may be how many.
    world.says("m2", "2").await;
    world.settle().await;
    assert!(matches!(world.channel.sent().last().unwrap().body, OutboundBody::Buttons { .. }), "asked again");
}

#[tokio::test]
async fn long_choices_are_numbered_and_the_number_is_understood() {
    const TITLES: [&str; 2] = ["How much is delivery in Almaty?", "How long does delivery take?"];
    let (world, seen) = asked(&TITLES, "Which of these do you mean?").await;
    world.says("m1", "Delivery").await;
    world.settle().await;
    assert_eq!(
        world.channel.texts().last().unwrap(),
        "Which of these do you mean?\n1. How much is delivery in Almaty?\n2. How long does delivery take?"
    );
    for (id, answer) in [("m2", "3"), ("m3", "0"), ("m4", "two")] {
        world.says(id, answer).await;
        world.settle().await;
        assert!(world.channel.texts().last().unwrap().starts_with("Which"), "{answer} is none of them");
    }
    world.says("m5", " 2. ").await;
    world.settle().await;
    assert_eq!(world.channel.texts().last().unwrap(), "You chose id1");
    let chosen = Content::Button { payload: "id1".into(), title: Some(TITLES[1].into()) };
    assert_eq!(seen.lock().unwrap().last(), Some(&chosen));
    let kept = world.messages().await;
    assert!(kept.iter().any(|message| message.content == Content::text(" 2. ")), "what was written stays as it was");
}

#[tokio::test]
async fn many_choices_are_a_list_where_the_channel_has_one() {
    const TITLES: [&str; 4] = ["Hours", "How much is delivery in Almaty?", "Returns", "Payment"];
    let engine = Arc::new(asks(&TITLES, "Which?".to_owned(), Arc::default()));
    let world = World::with(Arc::clone(&engine) as _, AutomationMode::Automatic).await;
    let channel = RecordingChannel::new(ChannelKind::WhatsApp, Arc::clone(&world.clock) as Arc<dyn Clock>);
    let channel = Arc::new(channel.with_lists(10));
    let listing = world.another(engine, 9, |builder| builder.channel(Arc::clone(&channel) as _));
    world.says("m1", "Hm").await;
    world.later(4);
    assert_eq!(listing.step(&Budget::default()).await.unwrap().queued, 1);
    // The disclosure first.
    while listing.deliver(&Budget::default()).await.unwrap().sent > 0 {}
    let sent = channel.sent();
    let OutboundBody::List { button, sections, .. } = &sent.last().unwrap().body else { panic!("{sent:?}") };
    assert_eq!(button, "Choose");
    let row = |row: &Choice| (row.title.expose().to_string(), row.description.is_some());
    let rows: Vec<_> = sections[0].rows.iter().map(row).collect();
    let expected = [("Hours", false), ("How much is delivery…", true), ("Returns", false), ("Payment", false)];
    assert_eq!(rows, expected.map(|(title, whole_below)| (title.to_owned(), whole_below)));
    assert_eq!(sections[0].rows[1].description, Some(TITLES[1].into()));
}

#[tokio::test]
async fn a_question_that_no_message_holds_goes_to_a_person() {
    const TITLES: [&str; 2] = ["How much is delivery in Almaty?", "How long does delivery take?"];
    let long = "Which? ".repeat(140);
    let (world, _) = asked(&TITLES, &long).await;
    world.says("m1", "Delivery").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let id = world.conversation().await;
    let handling = desk.conversation(id).await.unwrap().handling;
    assert!(matches!(handling, Handling::Member { reason: HandOffReason::NoAnswer, .. }), "{handling:?}");
    let [suggestion] = &desk.suggestions(id).await.unwrap()[..] else { panic!("one suggestion") };
    assert!(matches!(&suggestion.content, Content::Interactive { choices, .. } if choices.len() == 2));
    let approved = desk.approve(id, suggestion.id, None).await;
    assert!(matches!(approved, Err(AssistantError::Invalid(_))), "{approved:?}");
    assert!(world.channel.sent().iter().all(|sent| !matches!(sent.body, OutboundBody::Buttons { .. })));
}

#[tokio::test]
async fn a_question_that_a_member_uses_keeps_its_choices() {
    let engine = asks(&["Hours", "Prices"], "Which?".to_owned(), Arc::default());
    let world = World::with(Arc::new(engine), AutomationMode::Suggest).await;
    world.says("m1", "Hm").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant).by(crate::world::DANA);
    let id = world.conversation().await;
    let [suggestion] = &desk.suggestions(id).await.unwrap()[..] else { panic!("one suggestion") };
    desk.approve(id, suggestion.id, None).await.unwrap();
    world.settle().await;
    assert!(matches!(&world.channel.sent()[0].body, OutboundBody::Buttons { buttons, .. } if buttons.len() == 2));
}

#[tokio::test]
async fn a_question_that_a_member_uses_is_a_list_where_it_has_no_room_on_buttons() {
    const TITLES: [&str; 2] = ["How much is delivery in Almaty?", "How long does delivery take?"];
    let seen: Arc<Mutex<Vec<Content>>> = Arc::default();
    let engine = Arc::new(asks(&TITLES, "Что из этого?".to_owned(), Arc::clone(&seen)));
    let world = World::with(Arc::clone(&engine) as _, AutomationMode::Suggest).await;
    let channel = RecordingChannel::new(ChannelKind::WhatsApp, Arc::clone(&world.clock) as Arc<dyn Clock>);
    let channel = Arc::new(channel.with_lists(10));
    let listing = world.another(engine, 9, |builder| builder.channel(Arc::clone(&channel) as _));
    world.says("m1", "Hm").await;
    world.later(4);
    assert_eq!(listing.step(&Budget::default()).await.unwrap().suggested, 1);
    let desk = listing.desk(world.tenant).by(crate::world::DANA);
    let id = world.conversation().await;
    let [suggestion] = &desk.suggestions(id).await.unwrap()[..] else { panic!("one suggestion") };
    desk.approve(id, suggestion.id, None).await.unwrap();
    listing.deliver(&Budget::default()).await.unwrap();
    let sent = channel.sent();
    let [question] = &sent[..] else { panic!("{sent:?}") };
    let OutboundBody::List { button, sections, .. } = &question.body else { panic!("{sent:?}") };
    assert_eq!((button.as_str(), sections[0].rows.len()), ("Выбрать", 2));
    assert_eq!(sections[0].rows[1].description, Some(TITLES[1].into()), "below the title that is cut");

    let row = Content::List { id: "id1".into(), title: "How long does delivery…".into(), description: None };
    let pressed = Event::Message(incoming("m3", row.clone()));
    // Nobody saw a number in the list; the row says which is meant.
    for (answer, understood) in
        [(world.message("m2", "2"), Content::text("2")), (world.event("m3", Provenance::Live, pressed), row)]
    {
        world.ingest(vec![answer]).await;
        world.later(4);
        listing.step(&Budget::default()).await.unwrap();
        assert_eq!(seen.lock().unwrap().last(), Some(&understood));
    }
    let open = desk.suggestions(id).await.unwrap();
    assert!(open.iter().any(|suggestion| suggestion.content.readable() == Some("You chose id1")));
}

#[tokio::test]
async fn a_question_that_a_member_uses_is_answered_by_number_where_there_are_no_lists() {
    const TITLES: [&str; 2] = ["How much is delivery in Almaty?", "How long does delivery take?"];
    let seen: Arc<Mutex<Vec<Content>>> = Arc::default();
    let engine = asks(&TITLES, "Which?".to_owned(), Arc::clone(&seen));
    let world = World::with(Arc::new(engine), AutomationMode::Suggest).await;
    world.says("m1", "Hm").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant).by(crate::world::DANA);
    let id = world.conversation().await;
    let [suggestion] = &desk.suggestions(id).await.unwrap()[..] else { panic!("one suggestion") };
    desk.approve(id, suggestion.id, None).await.unwrap();
    world.settle().await;
    assert!(world.channel.texts()[0].ends_with("\n2. How long does delivery take?"));
    world.says("m2", "2").await;
    world.settle().await;
    let chosen = Content::Button { payload: "id1".into(), title: Some(TITLES[1].into()) };
    assert_eq!(seen.lock().unwrap().last(), Some(&chosen));
}
