//! What becomes of a message on its way out: receipts, failures, doubt, windows.

use std::sync::Arc;
use std::time::Duration;

use whisp::assistant::Budget;
use whisp::channel::{ChannelError, ChannelErrorKind, OutboundBody};
use whisp::error::Retry;
use whisp::model::{
    AutomationMode, ConnectionState, DeliveryStep, FailureCode, HandOffReason, Handling, PlatformMessageId,
};
use whisp::store::Kind;
use whisp::stores::MemoryStore;
use whisp::testing::cancel_after;

use crate::tap::{Fate, Tap, puts};
use crate::world::{DANA, World, parrot};
use crate::yielding::Yielding;

async fn step_of(world: &World, message: usize) -> DeliveryStep {
    world.messages().await[message].delivery.as_ref().unwrap().step
}

async fn reason(world: &World) -> Option<HandOffReason> {
    match world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().handling {
        Handling::Member { reason, .. } => Some(reason),
        Handling::Engine => None,
    }
}

#[tokio::test]
async fn receipts_move_forward_only_in_any_order() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let id = world.channel.sent()[0].id.expose().to_owned();
    for (receipt, expected) in [
        (DeliveryStep::Read, DeliveryStep::Read),
        (DeliveryStep::Delivered, DeliveryStep::Read),
        (DeliveryStep::Sent, DeliveryStep::Read),
        (DeliveryStep::Failed, DeliveryStep::Read),
    ] {
        world.ingest(vec![world.receipt(&id, receipt, None, None)]).await;
        world.settle().await;
        assert_eq!(step_of(&world, 1).await, expected, "after {receipt:?}");
    }
}

#[tokio::test]
async fn a_failure_that_is_told_later_is_surfaced_to_a_member() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let id = world.channel.sent()[0].id.expose().to_owned();
    world.ingest(vec![world.receipt(&id, DeliveryStep::Failed, None, Some(131_047))]).await;
    world.settle().await;
    let delivery = world.messages().await[1].delivery.clone().unwrap();
    assert_eq!((delivery.step, delivery.failure), (DeliveryStep::Failed, Some(FailureCode(131_047))));
    assert_eq!(reason(&world).await, Some(HandOffReason::SendFailed));
}

#[tokio::test]
async fn a_refusal_that_may_pass_is_tried_again_in_order_and_a_final_one_is_not() {
    let world = World::new().await;
    let limited = || {
        ChannelError::new("send", ChannelErrorKind::RateLimited, Retry::After(Some(Duration::from_secs(30))))
            .with_code(130_429)
    };
    world.channel.fail_next(limited());
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    assert_eq!(world.deliver().await.errors.len(), 1);
    let desk = world.assistant.desk(world.tenant);
    assert_eq!(step_of(&world, 1).await, DeliveryStep::Queued);
    world.later(31);
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1);
    let id = world.conversation().await;
    world.channel.fail_next(limited());
    for text in ["one", "two"] {
        desk.by(DANA).send(id, OutboundBody::text(text)).await.unwrap();
        world.deliver().await;
    }
    world.later(31);
    world.settle().await;
    assert_eq!(world.channel.texts()[1..], ["one", "two"], "the second did not overtake the first");
    let last = ChannelError::new("send", ChannelErrorKind::Recipient, Retry::Never).with_code(131_026);
    world.channel.fail_next(last);
    desk.by(DANA).send(id, OutboundBody::text("three")).await.unwrap();
    world.deliver().await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 3);
    assert_eq!(step_of(&world, 4).await, DeliveryStep::Failed);
}

#[tokio::test]
async fn a_lost_answer_leaves_doubt_that_a_receipt_settles_without_a_second_send() {
    let world = World::new().await;
    world.channel.fail_next(ChannelError::new("send", ChannelErrorKind::Unknown, Retry::OutcomeUnknown));
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    world.deliver().await;
    assert_eq!(step_of(&world, 1).await, DeliveryStep::InDoubt);
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1, "never sent again blindly");
    let tag = world.channel.sent()[0].tag.clone();
    world.ingest(vec![world.receipt("wamid.unknown", DeliveryStep::Delivered, Some(&tag), None)]).await;
    world.settle().await;
    assert_eq!(step_of(&world, 1).await, DeliveryStep::Delivered);
    assert_eq!(reason(&world).await, None);
    world.later(600);
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1);
    assert_eq!(reason(&world).await, None, "settled, so nobody need look");
}

#[tokio::test]
async fn doubt_that_nothing_settles_goes_to_a_member() {
    let world = World::new().await;
    world.channel.fail_next(ChannelError::new("send", ChannelErrorKind::Unknown, Retry::OutcomeUnknown));
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    world.deliver().await;
    world.later(301);
    world.settle().await;
    assert_eq!(reason(&world).await, Some(HandOffReason::InDoubt));
    assert_eq!(world.channel.sent().len(), 1);
}

#[tokio::test]
async fn a_worker_that_died_while_sending_leaves_doubt_for_the_next() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    // Drop the delivery at each of its awaits, as a crash does; then another worker takes over after the lease.
    let other = world.second(parrot());
    for polls in 0..200 {
        let budget = Budget::default();
        if cancel_after(polls, world.assistant.deliver(&budget)).await.is_some() {
            break;
        }
        if !world.channel.sent().is_empty() {
            break;
        }
    }
    world.later(120);
    for _ in 0..5 {
        other.step(&Budget::default()).await.unwrap();
        other.deliver(&Budget::default()).await.unwrap();
        world.later(301);
    }
    assert_eq!(world.channel.sent().len(), 1, "sent once, whoever did it");
}

#[tokio::test]
async fn outside_the_window_a_machine_is_silent_and_a_member_is_tagged() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    world.later(25 * 3_600);
    world.settle().await;
    assert!(world.channel.sent().is_empty());
    assert_eq!(step_of(&world, 1).await, DeliveryStep::Failed);
    assert_eq!(reason(&world).await, Some(HandOffReason::SendFailed));
    let desk = world.assistant.desk(world.tenant);
    let id = world.conversation().await;
    desk.by(DANA).send(id, OutboundBody::text("Sorry for the delay")).await.unwrap();
    world.settle().await;
    assert!(world.channel.sent()[0].outside_window);
    world.later(7 * 24 * 3_600);
    desk.by(DANA).send(id, OutboundBody::text("Too late")).await.unwrap();
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1);
}

#[tokio::test]
async fn a_refused_token_keeps_messages_until_the_business_connects_again() {
    let world = World::with(parrot(), AutomationMode::Automatic).await;
    world.channel.fail_next(ChannelError::new("send", ChannelErrorKind::Auth, Retry::Never).with_code(190));
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    world.deliver().await;
    let state = |world: &World| {
        let assistant = world.assistant.clone();
        let tenant = world.tenant;
        async move { assistant.connections(tenant).await.unwrap()[0].3 }
    };
    assert_eq!(state(&world).await, ConnectionState::Reauthorize);
    assert_eq!(world.says("m2", "Still there?").await.stored, 1, "messages come in all the same");
    world.later(601);
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 2, "nothing was lost");
}

#[tokio::test]
async fn an_echo_without_a_tag_settles_the_doubt_that_says_the_same_and_nothing_else() {
    let world = World::new().await;
    world.channel.fail_next(ChannelError::new("send", ChannelErrorKind::Unknown, Retry::OutcomeUnknown));
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    world.deliver().await;
    let text = world.channel.texts()[0].clone();
    world.ingest(vec![world.echo("mid.1", &text, None)]).await;
    world.settle().await;
    assert_eq!(step_of(&world, 1).await, DeliveryStep::Sent);
    assert_eq!(world.messages().await.len(), 2, "the copy is gone");
    assert_eq!(reason(&world).await, None);
    world.ingest(vec![world.receipt("mid.1", DeliveryStep::Read, None, None)]).await;
    world.settle().await;
    assert_eq!(step_of(&world, 1).await, DeliveryStep::Read, "known by the echo's id from now on");
    world.ingest(vec![world.echo("mid.2", &text, None)]).await;
    world.later(30);
    world.settle().await;
    assert_eq!(reason(&world).await, Some(HandOffReason::MemberWrote), "the same words, typed by a member");
}

/// The platform has taken the call, and the process ends before it can write that down. The echo comes first.
#[tokio::test]
async fn an_echo_settles_what_was_being_sent_when_a_process_ended() {
    let mut met = 0;
    for polls in 0..2_000 {
        let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
        let world = World::over(store, parrot(), AutomationMode::Automatic).await;
        world.says("m1", "Hello").await;
        world.later(4);
        world.step().await;
        let ended = cancel_after(polls, world.assistant.deliver(&Budget::default())).await.is_some();
        if ended {
            assert!(met > 0, "it was never cut short during the call");
            return;
        }
        if world.channel.texts().is_empty() || step_of(&world, 1).await != DeliveryStep::Sending {
            continue;
        }
        met += 1;
        world.ingest(vec![world.echo("mid.1", &world.channel.texts()[0], None)]).await;
        // Its lease has ended, and so has the time for which an echo waits.
        world.later(61);
        let other = world.second(parrot());
        other.step(&Budget::default()).await.unwrap();
        assert_eq!(step_of(&world, 1).await, DeliveryStep::Sent, "after {polls} polls");
        assert_eq!((world.messages().await.len(), reason(&world).await), (2, None), "nobody wrote on the phone");
    }
    panic!("a delivery comes to no end");
}

/// The store takes nothing while a platform answers, or takes it and does not say so: what was answered is written by the next
/// round, and no message stands in doubt of which the answer is known.
#[tokio::test]
async fn what_a_platform_has_answered_is_written_once_the_store_takes_it() {
    for (fate, refused) in [(Fate::Lost, false), (Fate::Mute, false), (Fate::Lost, true), (Fate::Mute, true)] {
        let tap = Tap::new();
        let world = World::over(tap.store(), parrot(), AutomationMode::Automatic).await;
        if refused {
            let limited = ChannelError::new("send", ChannelErrorKind::RateLimited, Retry::After(None));
            world.channel.fail_next(limited);
        }
        world.says("m1", "Hello").await;
        world.later(4);
        world.step().await;
        let mut is_intent = true;
        tap.ask(move |batch| {
            let of_message = puts(batch, Kind::MESSAGE).next().is_some();
            if of_message && !std::mem::take(&mut is_intent) { fate } else { Fate::Done }
        });
        let report = world.assistant.deliver(&Budget::default()).await.unwrap();
        assert!(!report.errors.is_empty(), "it is told: {report:?}");
        tap.heal();
        world.later(61);
        world.deliver().await;
        world.later(61);
        world.deliver().await;
        let sent = world.channel.sent();
        assert_eq!((sent.len(), step_of(&world, 1).await), (1, DeliveryStep::Sent), "{fate:?}, refused: {refused}");
        assert_eq!(reason(&world).await, None);
        world.ingest(vec![world.receipt(sent[0].id.expose(), DeliveryStep::Read, None, None)]).await;
        world.settle().await;
        assert_eq!(step_of(&world, 1).await, DeliveryStep::Read, "it is known by its id");
    }
}

/// The store takes the intent and does not say so. Nothing was sent, and this process knows it: the message is not in doubt.
#[tokio::test]
async fn a_message_whose_intent_nobody_heard_of_goes_out_once() {
    let tap = Tap::new();
    let world = World::over(tap.store(), parrot(), AutomationMode::Automatic).await;
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    tap.ask(|batch| if puts(batch, Kind::MESSAGE).next().is_some() { Fate::Mute } else { Fate::Done });
    let report = world.assistant.deliver(&Budget::default()).await.unwrap();
    assert!(!report.errors.is_empty(), "it is told: {report:?}");
    assert_eq!((world.channel.sent().len(), step_of(&world, 1).await), (0, DeliveryStep::Sending));
    tap.heal();
    for _ in 0..2 {
        world.later(61);
        world.deliver().await;
    }
    let messages = world.messages().await;
    let delivery = messages[1].delivery.as_ref().unwrap();
    assert_eq!((world.channel.sent().len(), delivery.step), (1, DeliveryStep::Sent));
    assert_eq!((delivery.attempts, reason(&world).await), (1, None), "it was called once, and engines go on");
}

/// A channel of the host's own may pass on whatever its platform says.
#[tokio::test]
async fn an_absurd_wait_is_a_long_one() {
    let world = World::new().await;
    let absurd = Retry::After(Some(Duration::from_secs(10_000_000_000_000)));
    world.channel.fail_next(ChannelError::new("send", ChannelErrorKind::Unavailable, absurd));
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    assert_eq!(world.deliver().await.errors.len(), 1);
    assert_eq!(step_of(&world, 1).await, DeliveryStep::Queued);
    world.later(24 * 3_600 - 60);
    world.deliver().await;
    assert!(world.channel.sent().is_empty(), "it is believed as far as a day");
}

/// It is no message, and how late one may go the channel knows: WhatsApp takes it for 30 days.
#[tokio::test]
async fn a_read_mark_goes_after_the_window_too() {
    let world = World::over(Arc::new(MemoryStore::new()), parrot(), AutomationMode::Off).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    world.later(8 * 24 * 3_600);
    let desk = world.assistant.desk(world.tenant).by(DANA);
    let mark = OutboundBody::Seen { target: PlatformMessageId::new("m1"), typing: false };
    desk.send(world.conversation().await, mark.clone()).await.unwrap();
    world.settle().await;
    let sent = world.channel.sent();
    assert_eq!((&sent[0].body, sent[0].outside_window), (&mark, true));
}

/// Rights are put right by somebody, who finds what waits as it was: no answer is given up for them, and none is buried.
#[tokio::test]
async fn a_store_that_refuses_for_a_while_costs_no_message() {
    let tap = Tap::new();
    let world = World::over(tap.store(), parrot(), AutomationMode::Automatic).await;
    world.says("m1", "Hello").await;
    world.later(4);
    // Once alone: whatever would give the work up after it would be written.
    let refuse_once = |kind: Kind| {
        let mut is_first = true;
        tap.ask(move |batch| {
            let is_of_kind = puts(batch, kind).next().is_some();
            if is_of_kind && std::mem::take(&mut is_first) { Fate::Refused } else { Fate::Done }
        });
    };
    refuse_once(Kind::INQUIRY);
    let report = world.assistant.step(&Budget::default()).await.unwrap();
    assert!(!report.errors.is_empty(), "it is told: {report:?}");
    tap.heal();
    world.later(61);
    world.step().await;
    refuse_once(Kind::MESSAGE);
    let report = world.assistant.deliver(&Budget::default()).await.unwrap();
    assert!(!report.errors.is_empty(), "it is told: {report:?}");
    tap.heal();
    world.later(61);
    world.deliver().await;
    assert_eq!((world.channel.sent().len(), step_of(&world, 1).await), (1, DeliveryStep::Sent));
    assert_eq!(reason(&world).await, None, "nobody had to be called");
}

/// The contact has read everything up to a time.
fn read_up_to(world: &World, time: chrono::DateTime<chrono::Utc>, name: &str) -> whisp::webhook::Item {
    let receipt = whisp::webhook::Receipt {
        target: whisp::webhook::ReceiptTarget::UpTo(time),
        contact: Some(crate::world::contact()),
        step: DeliveryStep::Read,
        failure: None,
        opted_out: false,
        tag: None,
        pricing: None,
    };
    world.event(name, whisp::model::Provenance::Live, whisp::webhook::Event::Receipt(receipt))
}

#[tokio::test]
async fn a_receipt_up_to_a_time_is_about_what_was_called_by_then() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let first = world.now();
    world.later(60);
    world.says("m2", "Hello again").await;
    world.settle().await;
    world.ingest(vec![read_up_to(&world, first, "r1")]).await;
    world.settle().await;
    assert_eq!((step_of(&world, 1).await, step_of(&world, 3).await), (DeliveryStep::Read, DeliveryStep::Sent));
}

/// Found by the simulation: it counted as read, though the platform never got it.
#[tokio::test]
async fn a_receipt_up_to_a_time_is_not_about_what_was_cancelled() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    world.channel.fail_next(ChannelError::new("send", ChannelErrorKind::Denied, Retry::Never));
    world.deliver().await;
    assert_eq!(step_of(&world, 1).await, DeliveryStep::Queued, "it was called, and waits");
    world.assistant.desk(world.tenant).by(DANA).take_over(world.conversation().await).await.unwrap();
    world.later(60);
    world.ingest(vec![read_up_to(&world, world.now(), "r1")]).await;
    world.settle().await;
    assert_eq!(step_of(&world, 1).await, DeliveryStep::Cancelled);
}
