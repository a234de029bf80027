//! Messages of which nobody can read the content: of a type that is new, or malformed. A person waits for an answer.

use whisp::model::{Content, ContentKind, HandOffReason, Handling, Provenance};
use whisp::store::{Kind, SubjectQuery};
use whisp::webhook::Event;

use crate::world::{World, contact, incoming};

fn hologram(id: &str) -> Event {
    let mut message = incoming(id, Content::Unsupported { kind: Some("hologram".to_owned()), code: None });
    message.extras.raw = Some("{\"type\":\"hologram\"}".into());
    Event::Message(message)
}

#[tokio::test]
async fn a_live_message_of_an_unknown_type_goes_to_a_person_and_is_kept_raw_under_their_key() {
    let world = World::new().await;
    world.ingest(vec![world.event("m1", Provenance::Live, hologram("m1"))]).await;
    world.settle().await;
    let messages = world.messages().await;
    assert_eq!(messages[0].content.kind(), ContentKind::Unsupported);
    let desk = world.assistant.desk(world.tenant);
    let conversation = desk.conversation(world.conversation().await).await.unwrap();
    assert!(matches!(conversation.handling, Handling::Member { reason: HandOffReason::Unreadable, .. }));
    assert!(desk.inquiry(conversation.id).await.unwrap().is_some(), "somebody waits");
    let of_subject = |after| SubjectQuery { tenant: world.tenant, subject: conversation.contact.0, after, limit: 100 };
    let theirs = world.store.of_subject(&of_subject(None)).await.unwrap().records;
    assert_eq!(theirs.iter().filter(|record| record.kind == Kind::RAW).count(), 1);
    // The raw item goes soon, the message stays.
    world.later(73 * 3_600);
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    let left = world.store.of_subject(&of_subject(None)).await.unwrap().records;
    assert_eq!(left.iter().filter(|record| record.kind == Kind::RAW).count(), 0);
    assert_eq!(world.messages().await[0].content.kind(), ContentKind::Unsupported);
}

#[tokio::test]
async fn what_is_no_message_and_of_somebody_new_is_sealed_under_a_key_of_their_own() {
    let world = World::new().await;
    let event = Event::Unknown { kind: Some("wink".to_owned()), contact: Some(contact()), raw: "{\"x\":1}".into() };
    world.ingest(vec![world.event("x1", Provenance::Live, event)]).await;
    let conversation = world.conversation().await;
    let contact = world.assistant.desk(world.tenant).conversation(conversation).await.unwrap().contact;
    let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 100 };
    let theirs = world.store.of_subject(&query).await.unwrap().records;
    let raw = theirs.iter().find(|record| record.kind == Kind::RAW).unwrap().id;
    world.assistant.erase(world.tenant, contact).await.unwrap();
    assert!(world.store.get(world.tenant, Kind::RAW, raw).await.unwrap().is_none(), "it went with them");
}
