//! What the author changed or took back, in whatever order the platform tells it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use whisp::assistant::{Assistant, Budget};
use whisp::channel::{Capabilities, Channel, ChannelError, Outbound, SendReceipt, TextLimit};
use whisp::model::{
    AutomationMode, ChannelKind, Connection, Content, ContentKind, DeliveryStep, HandOffReason, Handling,
    PlatformMessageId, Provenance,
};
use whisp::reply::Decision;
use whisp::store::{Kind, SubjectQuery};
use whisp::testing::{ScriptedEngine, SeqIds};
use whisp::webhook::{Event, Item};

use crate::world::{DANA, World, contact, incoming, parrot};

fn edit(world: &World, id: &str, text: &str, at: DateTime<Utc>) -> Item {
    let target = PlatformMessageId::new("m1");
    let event = Event::Edited { contact: Some(contact()), target, content: Some(Content::text(text)) };
    Item { at, ..world.event(id, Provenance::Live, event) }
}

fn unsent(world: &World, id: &str, target: &str) -> Item {
    let event = Event::Unsent { contact: Some(contact()), target: PlatformMessageId::new(target) };
    world.event(id, Provenance::Live, event)
}

fn told(world: &World, target: &str, content: Content, provenance: Provenance) -> Item {
    world.event(&format!("again:{target}"), provenance, Event::Message(incoming(target, content)))
}

/// Lets everything that is parked be looked at again.
async fn wait(world: &World) {
    for _ in 0..6 {
        world.later(60);
        world.settle().await;
    }
}

/// The texts that the contact wrote, with the number of changes of each.
async fn texts(world: &World) -> Vec<(Option<String>, u32)> {
    let messages = world.messages().await;
    let theirs = messages.iter().filter(|message| message.author == whisp::model::Author::Contact);
    theirs.map(|message| (message.content.readable().map(str::to_owned), message.revision)).collect()
}

#[tokio::test]
async fn of_two_edits_the_later_one_holds_in_whatever_order_they_come() {
    let world = World::new().await;
    world.says("m1", "one").await;
    world.settle().await;
    let began = world.now();
    let at = |second| began + TimeDelta::seconds(second);
    for (id, text, second, expected) in
        [("e3", "three", 3, "three"), ("e2", "two", 2, "three"), ("e4", "four", 4, "four"), ("e1", "one", 1, "four")]
    {
        world.ingest(vec![edit(&world, id, text, at(second))]).await;
        world.settle().await;
        assert_eq!(texts(&world).await[0].0.as_deref(), Some(expected), "after {id}");
    }
    assert_eq!(texts(&world).await[0].1, 2, "what came too late is no revision");
    // And all in one delivery.
    let all = vec![edit(&world, "e6", "six", at(6)), edit(&world, "e5", "five", at(5))];
    world.ingest(all).await;
    world.settle().await;
    assert_eq!(texts(&world).await[0].0.as_deref(), Some("six"));
}

#[tokio::test]
async fn of_two_edits_that_came_before_their_message_the_later_one_holds() {
    for seconds in [[20, 10], [10, 20]] {
        let world = World::new().await;
        world.says("m0", "Hello").await;
        world.settle().await;
        let began = world.now();
        // The one that comes second waits from a later moment on, so it is looked at in another order.
        for (id, second) in ["e1", "e2"].into_iter().zip(seconds) {
            let text = format!("edited after {second} s");
            world.ingest(vec![edit(&world, id, &text, began + TimeDelta::seconds(second))]).await;
            world.settle().await;
            world.later(7);
            world.settle().await;
        }
        world.says("m1", "as written").await;
        wait(&world).await;
        let texts = texts(&world).await;
        assert!(texts.iter().any(|(text, _)| text.as_deref() == Some("edited after 20 s")), "{seconds:?}: {texts:?}");
    }
}

#[tokio::test]
async fn nothing_brings_back_what_was_taken_back() {
    let world = World::new().await;
    world.says("m1", "my secret").await;
    world.settle().await;
    world.ingest(vec![unsent(&world, "u1", "m1")]).await;
    world.settle().await;
    // An edit from before or after it, and the whole history of the account once more.
    world.ingest(vec![edit(&world, "e1", "my other secret", world.now() + TimeDelta::hours(1))]).await;
    world.ingest(vec![told(&world, "m1", Content::text("my secret"), Provenance::History)]).await;
    wait(&world).await;
    assert_eq!(texts(&world).await, [(None, 1)]);
    assert_eq!(world.messages().await[0].content, Content::Unsent);
}

#[tokio::test]
async fn a_placeholder_that_was_taken_back_stays_empty_when_its_media_come() {
    let world = World::new().await;
    world.ingest(vec![told(&world, "m1", Content::Placeholder, Provenance::History)]).await;
    let media =
        |id: &str| Item { dedup: id.into(), ..told(&world, "m1", Content::text("a picture"), Provenance::History) };
    assert_eq!(world.ingest(vec![media("first")]).await.stored, 1, "media follow under the placeholder's id");
    assert_eq!(world.ingest(vec![media("second")]).await.duplicates, 1, "once");
    world.ingest(vec![told(&world, "m2", Content::Placeholder, Provenance::History)]).await;
    world.ingest(vec![unsent(&world, "u2", "m2")]).await;
    world.settle().await;
    let late = Item { dedup: "third".into(), ..told(&world, "m2", Content::text("my secret"), Provenance::History) };
    assert_eq!(world.ingest(vec![late]).await.duplicates, 1);
    let messages = world.messages().await;
    assert!(messages.iter().all(|message| message.content.readable() != Some("my secret")));
    assert_eq!(messages.iter().filter(|message| message.content.kind() == ContentKind::Unsent).count(), 1);
}

#[tokio::test]
async fn history_that_is_told_again_is_not_stored_again() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    // The account was connected again after weeks: the keys by which an item is known are long forgotten.
    world.later(20 * 24 * 3_600);
    let again = told(&world, "m1", Content::text("Hello"), Provenance::History);
    assert_eq!(world.ingest(vec![again]).await.duplicates, 1);
    assert_eq!(texts(&world).await.len(), 1);
}

#[tokio::test]
async fn a_message_that_comes_days_after_it_was_taken_back_is_taken_back() {
    let world = World::new().await;
    world.says("m0", "Hello").await;
    world.settle().await;
    world.ingest(vec![unsent(&world, "u1", "m1")]).await;
    // Meta delivers again for up to seven days.
    for _ in 0..6 * 24 {
        world.later(3_600);
        world.settle().await;
    }
    world.ingest(vec![told(&world, "m1", Content::text("my secret"), Provenance::Live)]).await;
    for _ in 0..2 {
        world.later(3_600);
        world.settle().await;
    }
    let messages = world.messages().await;
    assert!(messages.iter().all(|message| message.content.readable() != Some("my secret")), "{messages:?}");
}

#[tokio::test]
async fn a_stop_that_is_edited_into_a_message_which_is_not_here_yet_is_a_stop() {
    let world = World::new().await;
    world.says("m0", "Hello").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1);
    world.ingest(vec![edit(&world, "e1", "stop", world.now())]).await;
    world.says("m1", "What do you charge?").await;
    wait(&world).await;
    assert_eq!(world.channel.sent().len(), 1, "the answer from before");
    let conversation = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap();
    assert!(matches!(conversation.handling, Handling::Member { reason: HandOffReason::OptedOut, .. }));
}

/// A channel that answers when it is told to.
#[derive(Debug)]
struct Slow {
    called: Notify,
    answer: Notify,
}

#[async_trait]
impl Channel for Slow {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::text_only(TextLimit::Chars(1_000))
    }
    async fn send(&self, _to: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        self.called.notify_one();
        self.answer.notified().await;
        Ok(SendReceipt::new(Some(PlatformMessageId::new(&format!("wamid.{}", message.tag)))))
    }
}

#[tokio::test]
async fn a_reply_that_is_taken_back_before_its_call_returns_stays_empty_and_blocks_nothing() {
    let world = World::new().await;
    let channel = Arc::new(Slow { called: Notify::new(), answer: Notify::new() });
    let worker = Assistant::builder()
        .store(Arc::clone(&world.store))
        .vault(Arc::clone(&world.vault) as _)
        .clock(Arc::clone(&world.clock) as _)
        .ids(Arc::new(SeqIds::new(9)))
        .channel(Arc::clone(&channel) as _)
        .engine(parrot())
        .build()
        .unwrap();
    world.says("m1", "Hello").await;
    world.later(4);
    worker.step(&Budget::default()).await.unwrap();
    let tag = {
        let reply = world.messages().await[1].id;
        let record = world.store.get(world.tenant, Kind::MESSAGE, reply.into()).await.unwrap().unwrap();
        serde_json::from_str::<serde_json::Value>(&record.clear.0).unwrap()["tag"].as_str().unwrap().to_owned()
    };
    let wamid = format!("wamid.{tag}");
    let meanwhile = async {
        channel.called.notified().await;
        // The echo tells the id, and somebody takes the message back on the phone: both before the call returns.
        world.ingest(vec![world.echo(&wamid, "Answer: Hello", Some(&tag))]).await;
        world.ingest(vec![unsent(&world, "u1", &wamid)]).await;
        // The worker is busy with the conversation; another one is not, once the lease has ended.
        world.later(61);
        world.settle().await;
        channel.answer.notify_one();
    };
    let budget = Budget::default();
    let (report, ()) = tokio::join!(worker.deliver(&budget), meanwhile);
    let report = report.unwrap();
    assert!(report.errors.is_empty(), "{report:?}");
    let desk = world.assistant.desk(world.tenant);
    desk.by(DANA).send(world.conversation().await, whisp::channel::OutboundBody::text("Dana here")).await.unwrap();
    world.later(61);
    world.settle().await;
    let messages = world.messages().await;
    assert_eq!(messages[1].content, Content::Unsent);
    assert_eq!(messages[2].delivery.as_ref().unwrap().step, DeliveryStep::Sent);
}

/// Found by the simulation: nobody was known by it yet, so the unsend was dropped and the message stayed.
#[tokio::test]
async fn an_unsend_that_overtakes_the_first_message_of_a_contact_keeps_it_out() {
    let world = World::new().await;
    let taken = world.ingest(vec![unsent(&world, "u1", "m1")]).await;
    assert_eq!((taken.stored, taken.ignored), (1, 0), "it is remembered");
    let inbox = world.assistant.desk(world.tenant).inbox(None, 10).await.unwrap();
    assert!(inbox.conversations.is_empty(), "nothing is written about a person for it");
    world.later(24 * 3_600);
    assert_eq!(world.says("m1", "Forget this").await.duplicates, 1);
    world.says("m2", "Hello").await;
    world.settle().await;
    assert_eq!(texts(&world).await, [(Some("Hello".to_owned()), 0)]);
}

#[tokio::test]
async fn an_unsend_that_comes_with_the_first_message_of_a_contact_takes_it_back() {
    for unsend_first in [true, false] {
        let world = World::new().await;
        let mut items = vec![world.message("m1", "Forget this"), unsent(&world, "u1", "m1")];
        if unsend_first {
            items.reverse();
        }
        items.push(world.message("m2", "Hello"));
        world.ingest(items).await;
        world.settle().await;
        let left: Vec<_> = texts(&world).await.into_iter().filter_map(|(text, _)| text).collect();
        assert_eq!(left, ["Hello"], "the unsend first: {unsend_first}");
    }
}

/// Found by the simulation: the engine was shown what the same step took back.
#[tokio::test]
async fn an_engine_is_not_shown_what_was_taken_back_this_moment() {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&shown);
    let engine = ScriptedEngine::new(move |request| {
        let texts = request.turns()?.iter().filter_map(|turn| turn.content.readable().map(str::to_owned));
        seen.lock().unwrap().push(texts.collect::<Vec<_>>());
        Ok(Decision::Silence)
    });
    let world = World::with(Arc::new(engine), AutomationMode::Automatic).await;
    world.says("m1", "My number is 12345").await;
    world.settle().await;
    world.later(10);
    world.ingest(vec![unsent(&world, "u1", "m1"), world.message("m2", "Are you open?")]).await;
    // One step does both.
    world.later(4);
    world.step().await;
    assert_eq!(shown.lock().unwrap().last().unwrap(), &["Are you open?"]);
}

/// Found by the simulation, seed 1495: an edit was kept for three days only, and nobody worked for longer.
#[tokio::test]
async fn an_edit_waits_for_whoever_works_next_however_long_that_takes() {
    let world = World::new().await;
    world.says("m1", "one").await;
    world.settle().await;
    world.ingest(vec![edit(&world, "e1", "two", world.now())]).await;
    world.later(5 * 24 * 3_600);
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    world.settle().await;
    assert_eq!(texts(&world).await, [(Some("two".to_owned()), 1)]);
    assert_eq!(
        world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().deleted,
        0,
        "and nothing is left of it"
    );
}

#[tokio::test]
async fn of_an_edit_whose_message_never_comes_nothing_is_left() {
    let world = World::new().await;
    world.says("m1", "one").await;
    world.settle().await;
    let contact = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact;
    let kept = async || {
        let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 1_000 };
        let records = world.store.of_subject(&query).await.unwrap().records;
        records.iter().filter(|record| record.kind == Kind::RAW).count()
    };
    let target = PlatformMessageId::new("never");
    let event = Event::Edited { contact: Some(self::contact()), target, content: Some(Content::text("two")) };
    world.ingest(vec![world.event("e1", Provenance::Live, event)]).await;
    world.settle().await;
    assert_eq!(kept().await, 1, "its message may come late");
    // It is looked for at longer and longer intervals.
    for _ in 0..60 {
        world.later(3_600);
        world.settle().await;
    }
    assert_eq!(kept().await, 0);
}
