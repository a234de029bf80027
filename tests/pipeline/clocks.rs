//! What is deleted by age by a wrong clock does not come back: a clock that jumps deletes nothing (invariant I-26).

use whisp::assistant::{AssistantError, SweepReport};

use crate::world::World;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

async fn swept(world: &World) -> Result<usize, AssistantError> {
    world.assistant.sweep(100).await.and_then(SweepReport::into_result).map(|report| report.deleted)
}

#[tokio::test]
async fn i26_a_clock_that_jumps_ahead_deletes_nothing_until_somebody_has_looked() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    assert_eq!(swept(&world).await.unwrap(), 0);
    world.later(400 * DAY);
    for _ in 0..3 {
        let doubt = swept(&world).await.unwrap_err();
        assert!(matches!(doubt, AssistantError::Clock { .. }), "{doubt:?}");
        assert!(doubt.to_string().contains("trust_clock"), "{doubt}");
    }
    assert_eq!(world.messages_raw().await.len(), 2, "all is there");
    assert!(world.messages().await.is_empty(), "and nobody reads it");
    // It was wrong, and is set right: nothing is lost.
    world.later(-400 * DAY);
    assert_eq!(swept(&world).await.unwrap(), 0);
    assert_eq!(world.messages().await.len(), 2);
    // This time it is right: the machine stood still for a year.
    world.later(400 * DAY);
    assert!(swept(&world).await.is_err());
    world.assistant.trust_clock().await.unwrap();
    assert_eq!(swept(&world).await.unwrap(), 4, "two messages, how the account was connected, and the worker of then");
}

#[tokio::test]
async fn a_clock_that_goes_back_deletes_nothing_and_a_little_is_no_jump() {
    let world = World::new().await;
    assert_eq!(swept(&world).await.unwrap(), 0);
    world.later(-4 * 60);
    assert_eq!(swept(&world).await.unwrap(), 0, "machines differ");
    world.later(-2 * 60);
    let doubt = swept(&world).await.unwrap_err();
    assert!(matches!(doubt, AssistantError::Clock { last, now } if now < last), "{doubt:?}");
}

/// What is watched is the time since the last sweep of anybody, whoever sweeps now.
#[tokio::test]
async fn a_clock_that_goes_as_clocks_do_is_believed_over_restarts() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let mut deleted = 0;
    for week in 0..60 {
        world.later(7 * DAY - 1);
        let process = world.another(crate::world::parrot(), 100 + week, |builder| builder);
        deleted += process
            .sweep(100)
            .await
            .and_then(SweepReport::into_result)
            .unwrap_or_else(|error| panic!("week {week}: {error}"))
            .deleted;
    }
    assert_eq!(deleted, 4, "two messages, how the account was connected, and the worker of then");
}

/// An erasure does not go by age.
#[tokio::test]
async fn a_doubtful_clock_does_not_keep_anybody_from_being_erased() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(world.conversation().await).await.unwrap().contact;
    assert_eq!(swept(&world).await.unwrap(), 0);
    // Cut short before anything but its beginning was written down.
    drop(whisp::testing::cancel_after(1, world.assistant.erase(world.tenant, contact)).await);
    world.later(30 * DAY);
    world.assistant.erase(world.tenant, contact).await.unwrap();
    assert!(swept(&world).await.is_err());
    let left = whisp::store::SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 10 };
    assert!(world.store.of_subject(&left).await.unwrap().records.is_empty());
}
