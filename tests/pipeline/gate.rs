//! I-9: what the gate can't read, and what it has read too long ago, is denied or read anew; it never decides by a guess.

use std::sync::Arc;

use chrono::TimeDelta;
use whisp::assistant::{AssistantError, Budget};
use whisp::model::AutomationMode;
use whisp::privacy::{
    Act, DeniedReason, PERMIT_LIFE, POLICY_LIFE, Purpose, STANDING_LIFE, ServiceProvision, Statement,
};
use whisp::store::Kind;

use crate::tap::Tap;
use crate::world::{World, parrot};

async fn world() -> (Arc<Tap>, World) {
    let tap = Tap::new();
    let world = World::over(tap.store(), parrot(), AutomationMode::Automatic).await;
    (tap, world)
}

#[tokio::test]
async fn i9_what_can_not_be_read_denies_every_use_and_is_tried_again() {
    // Of each input of a decision: whether reading what was said depends on it, or only what a person can say no to.
    for (input, all) in [(Kind::CONSENT, true), (Kind::POLICY, false), (Kind::TENANT, true)] {
        let (tap, world) = world().await;
        world.says("m1", "canary").await;
        let conversation = world.conversation().await;
        let desk = world.assistant.desk(world.tenant);
        world.later(POLICY_LIFE.num_seconds() + 1);
        tap.lose(Some(input));
        for _ in 0..3 {
            world.assistant.step(&Budget::default()).await.unwrap();
            world.assistant.deliver(&Budget::default()).await.unwrap();
            world.later(1);
        }
        assert!(world.channel.sent().is_empty(), "{input}");
        let read = desk.messages(conversation, None, 10).await;
        assert_eq!(read.is_err(), all, "{input}: {read:?}");
        let copied = world.assistant.export(world.tenant, desk_contact(&world, &tap, input).await, None).await;
        assert_eq!(copied.is_err(), all, "{input}: {copied:?}");
        if let Err(error) = read {
            assert!(!matches!(error, AssistantError::NotFound(_)), "{input}: {error:?}");
        }
        tap.lose(None);
        world.later(600);
        world.settle().await;
        assert!(world.channel.texts().iter().any(|text| text.contains("Answer: canary")), "{input}: nothing was lost");
    }
}

/// Whose conversation it is, which the one who asks knows.
async fn desk_contact(world: &World, tap: &Tap, lost: Kind) -> whisp::id::ContactId {
    tap.lose(None);
    let contact = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact;
    world.later(STANDING_LIFE.num_seconds());
    tap.lose(Some(lost));
    contact
}

#[tokio::test]
async fn i9_what_was_read_is_trusted_for_seconds_and_not_at_all_by_a_clock_that_went_back() {
    for (moves, trusted) in [(1, true), (STANDING_LIFE.num_seconds(), false), (-1, false)] {
        let (_, world) = world().await;
        world.says("m1", "one").await;
        world.settle().await;
        let contact =
            world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact;
        // This process reads where the person stands; then another one takes a no down.
        world.assistant.export(world.tenant, contact, None).await.unwrap();
        let elsewhere = world.second(parrot());
        elsewhere
            .desk(world.tenant)
            .declare(
                contact,
                Statement::Restriction { ground: whisp::privacy::RestrictionGround::Unlawful, stands: true },
                Act::Host,
            )
            .await
            .unwrap();
        world.later(moves);
        let read = world.assistant.desk(world.tenant).messages(world.conversation().await, None, 10).await;
        assert_eq!(read.is_ok(), trusted, "{moves} s later: {read:?}");
    }
}

#[tokio::test]
async fn i9_a_permit_holds_for_a_minute_from_when_it_was_read_where_the_person_stands() {
    let (_, world) = world().await;
    world.says("m1", "one").await;
    let contact = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact;
    let tenant = world.assistant.tenant(world.tenant).await.unwrap();
    let gate = world.assistant.gate_for_tests();
    // What was read before is trusted no more.
    world.later(STANDING_LIFE.num_seconds());
    let read_at = world.now();
    let later = read_at + STANDING_LIFE - TimeDelta::seconds(1);
    let ends = read_at + PERMIT_LIFE;
    for now in [read_at, later] {
        let permit = gate.permit::<ServiceProvision>(&tenant, contact, now).await.unwrap();
        assert_eq!(permit.grant().granted_at(), now);
        permit.grant().recheck(ends - TimeDelta::milliseconds(1)).unwrap();
        assert_eq!(permit.grant().recheck(ends).unwrap_err().reason, DeniedReason::Expired, "asked for at {now}");
    }
}

#[tokio::test]
async fn i14_an_objection_to_one_purpose_closes_that_one_alone() {
    let (_, world) = world().await;
    world.says("m1", "one").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let conversation = world.conversation().await;
    let contact = desk.conversation(conversation).await.unwrap().contact;
    let objection = Statement::Objection { purpose: Purpose::Improvement, stands: true };
    desk.declare(contact, objection, Act::Host).await.unwrap();
    world.says("m2", "two").await;
    world.settle().await;
    assert!(world.channel.texts().iter().any(|text| text.contains("Answer: two")), "the service goes on");
    assert!(desk.messages(conversation, None, 10).await.is_ok());
    let standing = desk.standing(contact).await.unwrap();
    assert_eq!(standing.objections().collect::<Vec<_>>(), [Purpose::Improvement]);
}
