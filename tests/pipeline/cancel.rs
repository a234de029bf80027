//! Each call may be dropped at each of its awaits: what comes after goes on from there.

use std::sync::Arc;

use whisp::assistant::{Budget, Config};
use whisp::model::{AutomationMode, DeliveryStep};
use whisp::stores::MemoryStore;
use whisp::testing::cancel_after;
use whisp::webhook::Delivery;

use crate::world::{World, parrot};
use crate::yielding::Yielding;

/// More awaits than any of the calls has.
const AWAITS_MAX: usize = 400;

async fn world() -> World {
    let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
    World::over(store, parrot(), AutomationMode::Automatic).await
}

#[tokio::test]
async fn ingest_dropped_anywhere_and_delivered_again_stores_each_message_once() {
    for polls in 0..AWAITS_MAX {
        let world = world().await;
        let delivery =
            Delivery { received_at: world.now(), items: vec![world.message("m1", "one"), world.message("m2", "two")] };
        let done = cancel_after(polls, world.assistant.ingest(&delivery)).await.is_some();
        world.assistant.ingest(&delivery).await.unwrap();
        assert_eq!(world.messages().await.len(), 2, "dropped after {polls} polls");
        world.settle().await;
        assert_eq!(world.channel.sent().len(), 1);
        if done {
            assert!(polls > 10, "dropped at {polls} awaits");
            return;
        }
    }
    panic!("ingest has more than {AWAITS_MAX} awaits");
}

#[tokio::test]
async fn a_step_dropped_anywhere_answers_once() {
    for polls in 0..AWAITS_MAX {
        let world = world().await;
        world.says("m1", "Hello").await;
        world.later(4);
        let done = cancel_after(polls, world.assistant.step(&Budget::default())).await.is_some();
        // What the dropped step leased ends by itself.
        world.later(61);
        world.settle().await;
        assert_eq!(world.channel.sent().len(), 1, "dropped after {polls} polls");
        assert_eq!(world.messages().await.len(), 2);
        if done {
            assert!(polls > 20, "dropped at {polls} awaits");
            return;
        }
    }
    panic!("step has more than {AWAITS_MAX} awaits");
}

#[tokio::test]
async fn a_delivery_dropped_anywhere_sends_at_most_once_and_knows_when_it_does_not_know() {
    let mut doubts = 0;
    for polls in 0..AWAITS_MAX {
        let world = world().await;
        world.says("m1", "Hello").await;
        world.later(4);
        world.step().await;
        // It is time to look for other workers too.
        world.later(Config::default().lease.num_seconds() / 6);
        let done = cancel_after(polls, world.assistant.deliver(&Budget::default())).await.is_some();
        world.later(61);
        world.settle().await;
        let delivery = world.messages().await[1].delivery.clone().unwrap();
        match delivery.step {
            DeliveryStep::Sent => assert_eq!(world.channel.sent().len(), 1, "dropped after {polls} polls"),
            DeliveryStep::InDoubt => {
                assert!(world.channel.sent().len() <= 1);
                doubts += 1;
            }
            other => panic!("{other:?} after {polls} polls"),
        }
        if done {
            assert!(polls > 10 && doubts > 0, "dropped at {polls} awaits, {doubts} doubts");
            return;
        }
    }
    panic!("deliver has more than {AWAITS_MAX} awaits");
}
