//! Statuses that come before the id of their message is saved: they are parked, applied when it is, and given up when it
//! never is.

use chrono::TimeDelta;
use whisp::model::{DeliveryStep, FailureCode, PlatformMessageId, Provenance};
use whisp::privacy::{Act, Purpose, Statement};
use whisp::webhook::{ContactRef, Event, Item, Receipt, ReceiptTarget};

use crate::letters::{restart, world};
use crate::world::{World, contact};

/// What the platform tells of messages to the contact.
fn status(world: &World, ids: &[&str], step: DeliveryStep) -> Item {
    let target = ReceiptTarget::Messages(ids.iter().map(|id| PlatformMessageId::new(id)).collect());
    let contact = Some(contact());
    let receipt = Receipt { target, contact, step, failure: None, opted_out: false, tag: None, pricing: None };
    world.event(&format!("{ids:?}:{step:?}"), Provenance::Live, Event::Receipt(receipt))
}

/// Has the contact asked and the answer queued; returns the id that the platform will give it.
async fn queue_an_answer(world: &World, question: &str) -> String {
    world.says(question, "Hello").await;
    world.later(4);
    world.step().await;
    let id = world.channel.sent()[0].id.expose().to_owned();
    let (channel, _) = id.rsplit_once('.').unwrap();
    format!("{channel}.{}", world.channel.sent().len() + 1)
}

/// A world in a file, in which one answer went out.
async fn answered(folder: &std::path::Path) -> World {
    let world = world(folder).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1);
    world
}

async fn steps(world: &World) -> Vec<DeliveryStep> {
    world.messages().await.iter().filter_map(|message| Some(message.delivery.as_ref()?.step)).collect()
}

/// How many receipts wait.
async fn parked(world: &World) -> usize {
    let page = world.assistant.desk(world.tenant).queue(None, 100).await.unwrap();
    page.waiting.iter().filter(|waiting| waiting.what.as_deref() == Some("receipt")).count()
}

#[tokio::test]
async fn a_status_that_comes_before_its_id_is_parked_and_applied() {
    let folder = tempfile::tempdir().unwrap();
    let world = answered(folder.path()).await;
    let id = queue_an_answer(&world, "m2").await;
    // Both are there before the call returns, the later one first.
    world
        .ingest(vec![status(&world, &[&id], DeliveryStep::Read), status(&world, &[&id], DeliveryStep::Delivered)])
        .await;
    world.step().await;
    assert_eq!(parked(&world).await, 2);
    world.deliver().await;
    assert_eq!(world.channel.sent()[1].id.expose(), id);
    assert_eq!(steps(&world).await, [DeliveryStep::Sent, DeliveryStep::Sent], "it waits for its next look");
    world.later(60);
    world.settle().await;
    assert_eq!(steps(&world).await, [DeliveryStep::Sent, DeliveryStep::Read]);
    assert_eq!(parked(&world).await, 0);
}

#[tokio::test]
async fn a_parked_status_is_applied_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let world = answered(folder.path()).await;
    let id = queue_an_answer(&world, "m2").await;
    world.ingest(vec![status(&world, &[&id], DeliveryStep::Delivered)]).await;
    world.step().await;
    assert_eq!(parked(&world).await, 1);
    // Once before the message goes out, and once after.
    let world = restart(world, folder.path()).await;
    assert_eq!(parked(&world).await, 1);
    world.step().await;
    world.deliver().await;
    assert_eq!(world.channel.sent()[1].id.expose(), id);
    let world = restart(world, folder.path()).await;
    assert_eq!(steps(&world).await, [DeliveryStep::Sent, DeliveryStep::Sent]);
    world.later(60);
    world.settle().await;
    assert_eq!(steps(&world).await, [DeliveryStep::Sent, DeliveryStep::Delivered]);
    assert_eq!(parked(&world).await, 0);
}

/// Messenger tells of several messages at once.
#[tokio::test]
async fn of_a_status_about_several_messages_what_is_known_is_applied_and_the_rest_is_parked() {
    let folder = tempfile::tempdir().unwrap();
    let world = answered(folder.path()).await;
    let known = world.channel.sent()[0].id.expose().to_owned();
    let id = queue_an_answer(&world, "m2").await;
    world.ingest(vec![status(&world, &[&known, &id], DeliveryStep::Delivered)]).await;
    world.step().await;
    assert_eq!(steps(&world).await, [DeliveryStep::Delivered, DeliveryStep::Queued]);
    assert_eq!(parked(&world).await, 1);
    world.deliver().await;
    world.later(60);
    world.settle().await;
    assert_eq!(steps(&world).await, [DeliveryStep::Delivered, DeliveryStep::Delivered]);
    assert_eq!(parked(&world).await, 0);
}

#[tokio::test]
async fn a_status_of_a_message_that_nobody_sent_is_given_up_after_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let world = answered(folder.path()).await;
    world.ingest(vec![status(&world, &["somebody.else"], DeliveryStep::Failed)]).await;
    world.settle().await;
    let began = world.now();
    let mut looks = 0;
    while parked(&world).await > 0 {
        let before = world.assistant.desk(world.tenant).queue(None, 100).await.unwrap();
        let due = before.waiting.iter().find(|waiting| waiting.what.as_deref() == Some("receipt")).unwrap().due;
        world.later((due - world.now()).num_seconds().max(0) + 1);
        world.settle().await;
        looks += 1;
        assert!(looks < 30, "it is looked at less and less often");
    }
    let waited = world.now() - began;
    assert!(waited > TimeDelta::hours(20) && waited < TimeDelta::hours(50), "{waited}");
    assert_eq!(steps(&world).await, [DeliveryStep::Sent], "it was about nothing of ours");
    let (letters, _) = world.assistant.desk(world.tenant).dead_letters(None, 10).await.unwrap();
    assert!(letters.is_empty(), "nobody has to look");
}

/// The webhook that should have told it may have been lost.
#[tokio::test]
async fn a_status_that_failed_because_its_reader_stopped_marketing_is_a_no_to_it_once() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let reader = desk.conversation(world.conversation().await).await.unwrap().contact;
    let said = || async {
        let all = desk.statements(reader).await.unwrap();
        all.into_iter().map(|event| event.statement).collect::<Vec<_>>()
    };
    let refused = |id: &str, contact: Option<ContactRef>| {
        let mut item = status(&world, &[id], DeliveryStep::Failed);
        if let Event::Receipt(receipt) = &mut item.event {
            (receipt.contact, receipt.failure, receipt.opted_out) = (contact, Some(FailureCode(131_050)), true);
        }
        item
    };
    let sent = world.channel.sent()[0].id.expose().to_owned();
    // The platform does not always say to whom, nor is every message ours.
    world.ingest(vec![refused(&sent, None), refused("somebody.else", Some(contact()))]).await;
    let no = Statement::withdrawn(Purpose::DirectMarketing);
    assert_eq!(said().await, std::slice::from_ref(&no), "before anybody works");
    world.settle().await;
    assert_eq!(steps(&world).await, [DeliveryStep::Failed]);
    world.later(60);
    world.ingest(vec![refused("another", Some(contact()))]).await;
    assert_eq!(said().await.len(), 1, "it is known");
    let yes = Statement::given(Purpose::DirectMarketing, None);
    let late = refused("late", Some(contact()));
    world.later(60);
    desk.declare(reader, yes.clone(), Act::Host).await.unwrap();
    world.ingest(vec![late]).await;
    assert_eq!(said().await, [no.clone(), yes.clone()], "it is from before the yes");
    world.later(60);
    world.ingest(vec![refused("yet another", Some(contact()))]).await;
    assert_eq!(said().await, [no.clone(), yes, no], "and stopped again");
}
