//! What a hostile reviewer tried: each test is one way in which something was once lost, doubled or stuck.

use whisp::id::{MemberId, SubjectId};
use whisp::model::{Content, Handle, HandleKind, Provenance};
use whisp::webhook::{Delivery, Event, Item};

use crate::world::{World, incoming};

#[tokio::test]
async fn a_message_received_in_the_second_in_which_it_was_written_is_a_duplicate_when_it_comes_again() {
    let world = World::new().await;
    let mut item = world.message("m1", "Hello");
    // The platform tells seconds, and so may the host's clock.
    item.at = world.now();
    let mut delivery = Delivery { received_at: world.now(), items: vec![item] };
    assert_eq!(world.assistant.ingest(&delivery).await.unwrap().stored, 1);
    delivery.received_at += chrono::TimeDelta::seconds(30);
    assert_eq!(world.assistant.ingest(&delivery).await.unwrap().duplicates, 1);
    // And where the platform told no time, the time of receipt stands in for it, another one each time.
    let event = || Event::Message(Box::new(incoming("m2", Content::text("Hello"))));
    for expected in [1, 0] {
        let mut item = world.event("m2", Provenance::Live, event());
        item.at = world.now();
        assert_eq!(world.ingest(vec![item]).await.stored, expected);
        world.later(30);
    }
}

/// A message from the usual number that tells another handle too.
fn known_as(world: &World, id: &str, kind: HandleKind, handle: &str) -> Item {
    let mut message = incoming(id, Content::text("Hello"));
    message.contact.handles.push(Handle::new(kind, handle));
    world.event(id, Provenance::Live, Event::Message(Box::new(message)))
}

#[tokio::test]
async fn a_batch_that_tells_two_new_handles_of_a_contact_is_taken_in() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    let more = vec![
        known_as(&world, "m2", HandleKind::Bsuid, "KZ.1"),
        known_as(&world, "m3", HandleKind::ParentBsuid, "KZ.ENT.1"),
    ];
    assert_eq!(world.ingest(more).await.stored, 2);
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(world.conversation().await).await.unwrap().contact;
    assert_eq!(desk.contact(contact).await.unwrap().handles.len(), 3);
}

#[tokio::test]
async fn what_a_person_said_last_holds_whatever_the_clock_and_the_batch() {
    for (words, answers) in [(["start", "stop"], 0), (["stop", "start"], 1)] {
        for seconds_back in [0, 3] {
            let world = World::new().await;
            if seconds_back == 0 {
                world.ingest(vec![world.message("m1", words[0]), world.message("m2", words[1])]).await;
            } else {
                world.says("m1", words[0]).await;
                world.later(-seconds_back);
                world.says("m2", words[1]).await;
            }
            let desk = world.assistant.desk(world.tenant);
            world.settle().await;
            desk.hand_back(world.conversation().await, member()).await.unwrap();
            world.says("m3", "Hello").await;
            world.settle().await;
            assert_eq!(world.channel.sent().len(), answers, "{words:?}, {seconds_back} s back");
        }
    }
}

fn member() -> MemberId {
    MemberId(SubjectId::from_uuid(uuid::Uuid::from_u128(42)))
}
