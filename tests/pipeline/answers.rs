//! What is answered, once, and what never is.

use std::sync::{Arc, Mutex};

use whisp::assistant::{AssistantError, NewConnection, NewTenant};
use whisp::id::TenantId;
use whisp::model::{AccountId, Author, AutomationMode, ChannelKind, DeliveryStep, HandOffReason, Provenance};
use whisp::reply::{Decision, Proposal, TURNS_MAX};
use whisp::testing::ScriptedEngine;
use whisp::webhook::{Event, Item};

use crate::world::{DANA, World, incoming, parrot};

#[tokio::test]
async fn i39_a_question_is_answered_once_with_a_disclosure() {
    let world = World::new().await;
    assert_eq!(world.says("m1", "Do you deliver?").await.stored, 1);
    world.settle().await;
    let texts = world.channel.texts();
    assert_eq!(texts.len(), 1);
    assert!(texts[0].starts_with("This is an automatic answer."), "{}", texts[0]);
    assert!(texts[0].ends_with("Answer: Do you deliver?"), "{}", texts[0]);
    world.later(10);
    world.says("m2", "And on Sunday?").await;
    world.settle().await;
    assert_eq!(world.channel.texts()[1], "Answer: And on Sunday?", "disclosed once an inquiry");
    let messages = world.messages().await;
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[1].delivery.as_ref().unwrap().step, DeliveryStep::Sent);
    assert!(matches!(messages[1].author, Author::Engine { .. }));
}

#[tokio::test]
async fn a_burst_of_short_messages_gets_one_answer() {
    let world = World::new().await;
    for (n, text) in ["Hi", "I have", "a question"].into_iter().enumerate() {
        world.says(&format!("m{n}"), text).await;
        world.later(1);
        assert_eq!(world.step().await.lanes, 0, "the burst is not over");
    }
    world.settle().await;
    let texts = world.channel.texts();
    assert_eq!(texts.len(), 1);
    assert!(texts[0].ends_with("Answer: Hi\nI have\na question"), "{}", texts[0]);
}

#[tokio::test]
async fn a_contact_who_never_pauses_is_answered_after_the_longest_burst() {
    let world = World::new().await;
    let mut waited = 0;
    for n in 0..30 {
        world.says(&format!("m{n}"), "more").await;
        world.later(1);
        waited += 1;
        if world.step().await.queued > 0 {
            break;
        }
    }
    assert!((15..=17).contains(&waited), "answered after {waited} s");
}

#[tokio::test]
async fn duplicates_and_redeliveries_are_harmless() {
    let world = World::new().await;
    let item = world.message("m1", "Hello");
    let both = world.ingest(vec![item.clone(), item.clone()]).await;
    assert_eq!((both.stored, both.duplicates), (1, 1));
    assert_eq!(world.ingest(vec![item.clone()]).await.duplicates, 1);
    world.settle().await;
    world.later(86_400);
    assert_eq!(world.ingest(vec![item]).await.duplicates, 1);
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1);
    assert_eq!(world.messages().await.len(), 2);
}

#[tokio::test]
async fn a_batch_with_an_old_item_keeps_its_new_ones() {
    let world = World::new().await;
    let old = world.message("m1", "one");
    world.ingest(vec![old.clone()]).await;
    let report = world.ingest(vec![old, world.message("m2", "two"), world.message("m3", "three")]).await;
    assert_eq!((report.stored, report.duplicates), (2, 1));
    assert_eq!(world.messages().await.len(), 3);
}

#[tokio::test]
async fn history_and_standby_are_kept_and_never_answered() {
    let world = World::new().await;
    for (id, provenance) in [("h1", Provenance::History), ("s1", Provenance::Standby)] {
        let message = incoming(id, whisp::model::Content::text("old question"));
        let item = world.event(id, provenance, Event::Message(message));
        assert_eq!(world.ingest(vec![item]).await.stored, 1);
    }
    world.settle().await;
    assert_eq!(world.messages().await.len(), 2);
    assert!(world.channel.sent().is_empty());
}

#[tokio::test]
async fn nothing_automatic_happens_until_the_tenant_turns_it_on() {
    let world = World::new().await;
    world.assistant.set_automation(world.tenant, false).await.unwrap();
    world.says("m1", "Hello?").await;
    world.settle().await;
    assert!(world.channel.sent().is_empty());
    assert!(world.assistant.desk(world.tenant).suggestions(world.conversation().await).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_suggesting_connection_sends_only_what_a_member_approves() {
    let world = World::with(parrot(), AutomationMode::Suggest).await;
    world.says("m1", "Price?").await;
    world.settle().await;
    assert!(world.channel.sent().is_empty());
    let desk = world.assistant.desk(world.tenant);
    let id = world.conversation().await;
    let suggestions = desk.suggestions(id).await.unwrap();
    assert_eq!(suggestions.len(), 1);
    desk.by(DANA).approve(id, suggestions[0].id, None).await.unwrap();
    assert!(desk.by(DANA).approve(id, suggestions[0].id, None).await.is_err(), "a suggestion is used once");
    world.settle().await;
    assert_eq!(world.channel.texts(), ["Answer: Price?"]);
    assert!(desk.conversation(id).await.unwrap().engine_handles());
}

/// Else the contact is answered twice: by the member, and by whoever finds the suggestion afterwards.
#[tokio::test]
async fn a_suggestion_is_overtaken_by_what_a_member_writes_on_the_phone() {
    let world = World::with(parrot(), AutomationMode::Suggest).await;
    world.says("m1", "Price?").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant).by(DANA);
    let id = world.conversation().await;
    let open = desk.suggestions(id).await.unwrap();
    assert_eq!(open.len(), 1);
    // One step looks at both.
    world.ingest(vec![world.echo("p1", "Ten dollars", None), world.echo("p2", "A kilo", None)]).await;
    world.settle().await;
    assert!(desk.suggestions(id).await.unwrap().is_empty());
    let late = desk.approve(id, open[0].id, None).await;
    assert!(matches!(late, Err(AssistantError::NotFound(_))), "{late:?}");
    world.settle().await;
    assert!(world.channel.sent().is_empty());
}

#[tokio::test]
async fn what_a_member_wrote_on_the_phone_before_overtakes_no_later_suggestion() {
    let world = World::with(parrot(), AutomationMode::Suggest).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let late = world.echo("p1", "Good morning", None);
    world.later(60);
    world.says("m2", "Price?").await;
    world.settle().await;
    world.ingest(vec![late]).await;
    world.settle().await;
    let open = world.assistant.desk(world.tenant).suggestions(world.conversation().await).await.unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
}

#[tokio::test]
async fn messages_of_one_second_keep_the_order_in_which_they_came() {
    let world = World::new().await;
    let items = (0..20).map(|n| world.message(&format!("m{n}"), &format!("{n}"))).collect();
    world.ingest(items).await;
    let texts: Vec<String> =
        world.messages().await.iter().map(|message| message.content.readable().unwrap().to_owned()).collect();
    assert_eq!(texts, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_larger_than_a_record_is_kept_as_unsupported_and_spares_its_siblings() {
    let world = World::new().await;
    let huge = "x".repeat(whisp::store::RECORD_MAX + 1);
    let raw = Event::Unknown { kind: Some("huge".to_owned()), contact: None, raw: huge.as_str().into() };
    let items = vec![
        world.message("m1", "one"),
        world.message("m2", &huge),
        world.event("x1", Provenance::Live, raw),
        world.message("m3", "three"),
    ];
    let report = world.ingest(items).await;
    assert_eq!((report.stored, report.ignored), (3, 1));
    let messages = world.messages().await;
    assert_eq!(messages[1].content.kind(), whisp::model::ContentKind::Unsupported);
    assert_eq!(messages[2].content.readable(), Some("three"));
}

/// What nobody looks at is not even opened (promise P25).
#[tokio::test]
async fn p25_an_engine_is_shown_no_more_turns_than_it_looks_at() {
    for looks_back in [0, 3, TURNS_MAX] {
        let seen: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
        let shown = Arc::clone(&seen);
        let engine = ScriptedEngine::new(move |request| {
            let turns = request.turns()?.iter().filter_map(|turn| turn.content.readable().map(str::to_owned));
            shown.lock().unwrap().push(turns.collect());
            Ok(Decision::Reply(Proposal::new(&format!("to {}", request.question()?.replace('\n', "+")))))
        });
        let world = World::with(Arc::new(engine.looking_back(looks_back)), AutomationMode::Automatic).await;
        for day in 1..=4 {
            world.says(&format!("m{day}"), &format!("q{day}")).await;
            world.says(&format!("n{day}"), &format!("r{day}")).await;
            world.settle().await;
            world.later(60);
        }
        let last = seen.lock().unwrap().pop().unwrap();
        let all = ["q1", "r1", "to q1+r1", "q2", "r2", "to q2+r2", "q3", "r3", "to q3+r3", "q4", "r4"];
        let wanted = &all[9 - looks_back.min(9)..];
        assert_eq!(last.len(), wanted.len(), "{looks_back}: {last:?}");
        for (turn, wanted) in last.iter().zip(wanted) {
            assert!(turn.ends_with(wanted), "{looks_back}: {last:?}");
        }
    }
}

/// The law wants people to be told that a machine speaks, also where it only says that a person will.
#[tokio::test]
async fn i39_what_an_engine_says_with_a_hand_off_is_said_to_be_automatic() {
    for (notice, said) in [
        (Some("Dana knows this best, she is back at two."), "Dana knows this best, she is back at two."),
        (None, "Thank you. A person from our team will answer you here."),
    ] {
        let engine = ScriptedEngine::new(move |_| {
            Ok(Decision::HandOff { reason: HandOffReason::NoAnswer, notice: notice.map(Into::into) })
        });
        let world = World::with(Arc::new(engine), AutomationMode::Automatic).await;
        world.says("m1", "Hello").await;
        world.settle().await;
        let texts = world.channel.texts().concat();
        assert!(texts.ends_with(said), "{texts}");
        assert_eq!(texts.contains("automatic"), notice.is_some(), "{texts}");
    }
    // A notice that is too long is no reason to say nothing.
    let engine = ScriptedEngine::new(|_| {
        Ok(Decision::HandOff { reason: HandOffReason::NoAnswer, notice: Some("long ".repeat(2_000).as_str().into()) })
    });
    let world = World::with(Arc::new(engine), AutomationMode::Automatic).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    assert_eq!(world.channel.texts(), ["Thank you. A person from our team will answer you here."]);
}

/// A business that has turned nothing on gets no machine, whatever its accounts are set to (promises P10 and P50).
#[tokio::test]
async fn p10_a_new_business_has_no_automation_until_it_turns_it_on() {
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let engine = ScriptedEngine::new(move |_| {
        *count.lock().unwrap() += 1;
        Ok(Decision::Reply(Proposal::new("Yes")))
    });
    let world = World::with(Arc::new(engine), AutomationMode::Automatic).await;
    let new = TenantId::from_uuid(uuid::Uuid::from_u128(77));
    world.assistant.create_tenant(NewTenant::new(new, "Tea & Co", "UTC")).await.unwrap();
    assert!(!world.assistant.tenant(new).await.unwrap().automation);
    let account = NewConnection {
        channel: ChannelKind::WhatsApp,
        account: AccountId::new("2077"),
        token: "token".into(),
        scopes: vec!["whatsapp_business_messaging".to_owned()],
        mode: AutomationMode::Automatic,
    };
    world.assistant.connect(new, account).await.unwrap();
    for (id, turned_on) in [("m1", false), ("m2", true)] {
        world.assistant.set_automation(new, turned_on).await.unwrap();
        let item = Item { account: Some(AccountId::new("2077")), ..world.message(id, "Do you deliver?") };
        world.ingest(vec![item]).await;
        world.settle().await;
        assert_eq!((*asked.lock().unwrap() > 0, world.channel.sent().is_empty()), (turned_on, !turned_on), "{id}");
        world.later(5);
    }
}
