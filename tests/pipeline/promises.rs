//! Sealed, erased, forgotten in time; and nothing personal where it could be read.

use std::sync::Arc;

use whisp::assistant::Budget;
use whisp::kpi::{KpiValue, KpiWindow, built_in};
use whisp::model::{AutomationMode, Content, ContentKind, PlatformMessageId, Provenance};
use whisp::store::{Kind, SubjectQuery};
use whisp::stores::MemoryStore;
use whisp::webhook::Event;

use crate::world::{PHONE, TOKEN, World, contact};

#[tokio::test]
async fn the_store_never_sees_a_text_a_number_or_a_token() {
    let world = World::new().await;
    world.says("wamid.canary", "my secret question").await;
    world.settle().await;
    let stored = format!("{:?}", world.store);
    // `Debug` of a store prints no content, so look at the records themselves.
    let id = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact;
    let query = SubjectQuery { tenant: world.tenant, subject: id.0, after: None, limit: 1_000 };
    let records = world.store.of_subject(&query).await.unwrap().records;
    let kinds: std::collections::BTreeSet<Kind> = records.iter().map(|record| record.kind).collect();
    for kind in [Kind::ALIAS, Kind::CONTACT, Kind::CONVERSATION, Kind::INQUIRY, Kind::MESSAGE] {
        assert!(kinds.contains(&kind), "{kind} is found by its subject");
    }
    let mut bytes = stored.into_bytes();
    for record in &records {
        bytes.extend(record.clear.0.as_bytes());
        bytes.extend(&record.sealed.0);
    }
    for canary in ["my secret question", "wamid.canary", PHONE, TOKEN, "Aigerim", "Answer:"] {
        assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary} is stored in clear");
    }
}

/// The token is used, and is in no byte of the store: not when it is there, nor when it is replaced or gone.
#[tokio::test]
async fn p20_no_byte_of_the_store_tells_a_token() {
    let store = Arc::new(MemoryStore::new());
    let world = World::over(Arc::clone(&store) as _, crate::world::parrot(), AutomationMode::Automatic).await;
    let clear = || {
        let bytes = store.bytes();
        [TOKEN, "canary-token"].iter().any(|canary| bytes.windows(canary.len()).any(|w| w == canary.as_bytes()))
    };
    world.says("m1", "Hello").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1, "it was opened and used");
    assert!(!clear());
    world.connect().await;
    assert!(!clear());
    world.assistant.disconnect(world.tenant, world.connection).await.unwrap();
    assert!(!clear());
}

#[tokio::test]
async fn an_erased_person_is_gone_and_comes_back_as_somebody_new() {
    let world = World::new().await;
    world.says("m1", "Forget me").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let old = desk.conversation(world.conversation().await).await.unwrap();
    world.says("m2", "and this too").await;
    let receipt = world.assistant.erase(world.tenant, old.contact).await.unwrap();
    assert!(receipt.key_destroyed_at.is_some());
    assert!(receipt.deleted.iter().any(|(kind, count)| kind == "message" && *count == 3), "{receipt:?}");
    let query = SubjectQuery { tenant: world.tenant, subject: old.contact.0, after: None, limit: 10 };
    assert!(world.store.of_subject(&query).await.unwrap().records.is_empty());
    assert!(desk.messages(old.id, None, 10).await.is_err());
    world.settle().await;
    world.says("m3", "Hello, it is me").await;
    world.settle().await;
    let new = desk.conversation(world.conversation().await).await.unwrap();
    assert_ne!(new.contact, old.contact);
    let window = KpiWindow { from: world.now() - chrono::TimeDelta::days(1), until: world.now(), as_of: world.now() };
    let values = world.assistant.measure(world.tenant, &window, &built_in()).await.unwrap();
    let inquiries = values.iter().find(|(id, _)| id == "inquiries").unwrap();
    assert!(matches!(&inquiries.1, KpiValue::Counts(counts) if counts["opened"] == 2), "{inquiries:?}");
}

#[tokio::test]
async fn a_message_taken_back_is_gone_and_an_edited_one_is_new() {
    let world = World::new().await;
    world.says("m1", "The card is 4000 1234").await;
    world.settle().await;
    let target = PlatformMessageId::new("m1");
    let edited = Event::Edited {
        contact: Some(contact()),
        target: target.clone(),
        content: Some(Content::text("The card is none of your business")),
    };
    world.ingest(vec![world.event("e1", Provenance::Live, edited)]).await;
    world.settle().await;
    let message = &world.messages().await[0];
    assert_eq!(message.content.readable(), Some("The card is none of your business"));
    assert_eq!(message.revision, 1);
    let unsent = || Event::Unsent { contact: None, target: target.clone() };
    world.ingest(vec![world.event("u1", Provenance::Live, unsent())]).await;
    world.settle().await;
    assert_eq!(world.messages().await[0].content, Content::Unsent);
    world.ingest(vec![world.event("u2", Provenance::Live, unsent())]).await;
    world.settle().await;
    assert_eq!(world.messages().await[0].content.kind(), ContentKind::Unsent);
}

#[tokio::test]
async fn an_unsend_that_comes_before_its_message_still_takes_it_back() {
    let world = World::new().await;
    world.says("m0", "Hello").await;
    world.settle().await;
    let unsent = Event::Unsent { contact: Some(contact()), target: PlatformMessageId::new("m1") };
    world.ingest(vec![world.event("u1", Provenance::Live, unsent)]).await;
    world.settle().await;
    world.says("m1", "I should not have said this").await;
    for _ in 0..4 {
        world.later(30);
        world.settle().await;
    }
    assert!(world.messages().await.iter().any(|message| message.content == Content::Unsent));
    assert!(
        world.messages().await.iter().all(|message| message.content.readable() != Some("I should not have said this"))
    );
}

#[tokio::test]
async fn what_is_past_its_time_is_swept() {
    let world = World::new().await;
    let unknown =
        Event::Unknown { kind: Some("hologram".to_owned()), contact: Some(contact()), raw: "{\"x\":1}".into() };
    world.says("m1", "Hello").await;
    world.settle().await;
    world.ingest(vec![world.event("x1", Provenance::Live, unknown)]).await;
    assert_eq!(world.assistant.sweep(100).await.unwrap().into_result().unwrap().deleted, 0);
    world.later(73 * 3_600);
    assert_eq!(
        world.assistant.sweep(100).await.unwrap().into_result().unwrap().deleted,
        2,
        "the raw item, and the worker of then"
    );
    world.later(366 * 24 * 3_600);
    world.assistant.trust_clock().await.unwrap();
    let first = world.assistant.sweep(1).await.unwrap().into_result().unwrap();
    assert!(first.more, "a budget is kept");
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    assert!(world.messages().await.is_empty());
}

#[tokio::test]
async fn two_workers_share_the_buckets_and_never_answer_twice() {
    let world = World::new().await;
    let other = world.second(crate::world::parrot());
    for n in 0..40 {
        let mut message = crate::world::incoming(&format!("m{n}"), Content::text("Hello"));
        message.contact.handles =
            vec![whisp::model::Handle::new(whisp::model::HandleKind::Phone, &format!("7701000{n:04}"))];
        let event = Event::Message(message);
        world.ingest(vec![world.event(&format!("m{n}"), Provenance::Live, event)]).await;
    }
    world.later(4);
    let budget = Budget { lanes: 3, concurrency: 2 };
    for _ in 0..60 {
        let (mine, theirs) = futures(world.assistant.step(&budget), other.step(&budget)).await;
        mine.unwrap();
        theirs.unwrap();
        let (mine, theirs) = futures(world.assistant.deliver(&budget), other.deliver(&budget)).await;
        mine.unwrap();
        theirs.unwrap();
        world.later(2);
    }
    assert_eq!(world.channel.sent().len(), 40);
}

async fn futures<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    tokio::join!(a, b)
}

#[tokio::test]
async fn an_item_of_an_account_that_nobody_connected_is_not_kept() {
    let world = World::new().await;
    let mut item = world.message("m1", "Hello");
    item.account = Some(whisp::model::AccountId::new("0"));
    assert_eq!(world.ingest(vec![item]).await.unrouted, 1);
    world.assistant.disconnect(world.tenant, world.connection).await.unwrap();
    assert_eq!(world.says("m2", "Hello").await.unrouted, 1);
}
