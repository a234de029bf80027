//! What a hostile reviewer tried: each test is one way in which something was once lost, doubled or stuck.

use whisp::model::{Content, Provenance};
use whisp::webhook::{Delivery, Event};

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
