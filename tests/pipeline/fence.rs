//! I-20: what somebody wrote before they were erased and comes late brings nobody back; who writes later is somebody new.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use whisp::id::{ContactId, ConversationId};
use whisp::model::{AutomationMode, Content, Handle, HandleKind, Provenance};
use whisp::store::{Kind, SubjectQuery};
use whisp::stores::MemoryStore;
use whisp::testing::cancel_after;
use whisp::webhook::{ContactRef, Event, Item};

use crate::world::{World, incoming, parrot};
use crate::yielding::Yielding;

/// A live message as it was written at a time, over a handle.
fn written(world: &World, id: &str, handle: &Handle, at: DateTime<Utc>) -> Item {
    let mut message = incoming(id, Content::text(&format!("text of {id}")));
    message.contact.handles = vec![handle.clone()];
    Item { at, ..world.event(id, Provenance::Live, Event::Message(message)) }
}

fn who(handle: &Handle) -> ContactRef {
    ContactRef { handles: vec![handle.clone()], name: None }
}

fn phone(number: &str) -> Handle {
    Handle::new(HandleKind::Phone, number)
}

/// The conversations and their contacts.
async fn inbox(world: &World) -> Vec<(ConversationId, ContactId)> {
    let page = world.assistant.desk(world.tenant).inbox(None, 100).await.unwrap();
    page.conversations.into_iter().map(|conversation| (conversation.id, conversation.contact)).collect()
}

#[tokio::test]
async fn i20_what_was_written_before_an_erasure_and_comes_late_is_dropped() {
    let world = World::new().await;
    let own = phone("77010000001");
    let before = world.now();
    world.ingest(vec![written(&world, "m1", &own, before)]).await;
    world.settle().await;
    let [(_, contact)] = inbox(&world).await[..] else { panic!() };
    let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 100 };
    let theirs = world.store.of_subject(&query).await.unwrap().records;
    let alias = theirs.iter().find(|record| record.kind == Kind::ALIAS).unwrap().id;
    world.later(60);
    world.assistant.erase(world.tenant, contact).await.unwrap();
    let erased_at = world.now();
    // The one that was taken in, again, and one that was never taken in.
    for (id, at) in [("m1", before), ("m2", before + TimeDelta::seconds(30))] {
        let report = world.ingest(vec![written(&world, id, &own, at)]).await;
        assert_eq!((report.stored, report.duplicates + report.ignored), (0, 1), "{id}");
    }
    let raw = Event::Unknown { kind: Some("hologram".to_owned()), contact: Some(who(&own)), raw: "{\"x\":1}".into() };
    let raw = Item { at: before, ..world.event("x1", Provenance::Live, raw) };
    assert_eq!(world.ingest(vec![raw]).await.stored, 0, "nor is it kept as somebody else's");
    assert_eq!(inbox(&world).await, []);
    // It comes every day, as the platform delivers again.
    for day in 1..=8 {
        world.later(24 * 3_600);
        world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
        let late = written(&world, "m2", &own, before + TimeDelta::seconds(30));
        assert_eq!(world.ingest(vec![late]).await.stored, 0, "day {day}");
    }
    let other = written(&world, "o1", &phone("77010000002"), before);
    assert_eq!(world.ingest(vec![other]).await.stored, 1, "somebody else's is not late");
    // Who writes afterwards is new, and nothing leads back.
    world.ingest(vec![written(&world, "m3", &own, erased_at + TimeDelta::seconds(1))]).await;
    world.settle().await;
    let all = inbox(&world).await;
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|(_, new)| *new != contact));
    assert_eq!(
        world.ingest(vec![written(&world, "m2", &own, before)]).await.stored,
        0,
        "nor is it late for the new one"
    );
    // A fence names nobody, and stands no longer than it is needed.
    let fence = async || world.store.get(world.tenant, Kind::FORMER_ALIAS, alias).await.unwrap();
    assert!(fence().await.is_some_and(|fence| fence.subjects.is_empty() && !fence.clear.0.contains("contact")));
    world.later(24 * 3_600);
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    assert_eq!(fence().await, None);
}

#[tokio::test]
async fn i20_no_moment_of_an_erasure_lets_a_late_message_through() {
    let mut tried = 0;
    for polls in 0..400 {
        let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
        let world = World::over(store, parrot(), AutomationMode::Automatic).await;
        let own = phone("77010000001");
        let before = world.now();
        world.ingest(vec![written(&world, "m1", &own, before)]).await;
        let [(_, contact)] = inbox(&world).await[..] else { panic!() };
        world.later(60);
        let done = cancel_after(polls, world.assistant.erase(world.tenant, contact)).await;
        let begun = world.store.get(world.tenant, Kind::ERASURE, contact.0.into()).await.unwrap().is_some();
        if !begun && done.is_none() {
            continue;
        }
        // While it is under way: a late one, and a new one in which the person is new.
        let late = written(&world, "m2", &own, before + TimeDelta::seconds(1));
        let new = written(&world, "m3", &own, world.now());
        world.ingest(vec![late.clone(), new]).await;
        world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
        world.ingest(vec![late]).await;
        let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 10 };
        assert_eq!(world.store.of_subject(&query).await.unwrap().records, [], "after {polls} polls");
        // What came before the key was gone went with it; what came after began anew.
        let all = inbox(&world).await;
        assert!(all.len() <= 1 && all.iter().all(|(_, who)| *who != contact), "{all:?} after {polls} polls");
        for (id, _) in all {
            let (messages, _) = world.assistant.desk(world.tenant).messages(id, None, 10).await.unwrap();
            let texts: Vec<_> = messages.iter().filter_map(|message| message.content.readable()).collect();
            assert_eq!(texts, ["text of m3"], "after {polls} polls");
        }
        tried += 1;
        if done.is_some() {
            break;
        }
    }
    assert!(tried > 5, "{tried}");
}

#[tokio::test]
async fn i20_a_handle_that_is_new_leads_nothing_late_to_the_new_person() {
    let world = World::new().await;
    let (bsuid, phone) = (Handle::new(HandleKind::Bsuid, "KZ.100"), phone("77010000001"));
    let before = world.now();
    world.ingest(vec![written(&world, "m1", &phone, before)]).await;
    world.settle().await;
    let [(_, contact)] = inbox(&world).await[..] else { panic!() };
    world.later(60);
    world.assistant.erase(world.tenant, contact).await.unwrap();
    world.later(1);
    // The same person again, of whom only the number was known: from now on with another id.
    let with_both = |id: &str, at| {
        let mut message = incoming(id, Content::text("again"));
        message.contact.handles = vec![bsuid.clone(), phone.clone()];
        Item { at, ..world.event(id, Provenance::Live, Event::Message(message)) }
    };
    world.ingest(vec![with_both("m2", world.now())]).await;
    let [(id, new)] = inbox(&world).await[..] else { panic!() };
    assert_ne!(new, contact);
    assert_eq!(world.ingest(vec![with_both("m3", before)]).await.stored, 0, "the number tells that it is late");
    let (messages, _) = world.assistant.desk(world.tenant).messages(id, None, 10).await.unwrap();
    assert_eq!(messages.len(), 1);
}

#[tokio::test]
async fn i20_a_clock_that_goes_back_between_two_erasures_opens_no_fence() {
    let world = World::new().await;
    let own = phone("77010000001");
    let began = world.now();
    world.ingest(vec![written(&world, "m1", &own, began)]).await;
    let [(_, first)] = inbox(&world).await[..] else { panic!() };
    world.later(60);
    world.assistant.erase(world.tenant, first).await.unwrap();
    world.later(20);
    world.ingest(vec![written(&world, "m2", &own, world.now())]).await;
    let [(_, second)] = inbox(&world).await[..] else { panic!() };
    world.later(-70);
    world.assistant.erase(world.tenant, second).await.unwrap();
    let late = written(&world, "m3", &own, began + TimeDelta::seconds(40));
    assert_eq!(world.ingest(vec![late]).await.stored, 0, "it was written before the first erasure");
}
