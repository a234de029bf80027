//! The queue can be looked at, and what could not be done is done again, or not, because somebody says so. All of it is
//! still there after a restart.

use std::path::Path;
use std::sync::Arc;

use whisp::assistant::{Assistant, AssistantError, Budget};
use whisp::channel::{ChannelError, ChannelErrorKind, OutboundBody};
use whisp::error::Retry;
use whisp::id::DeadLetterId;
use whisp::model::{AttemptEnd, Author, AutomationMode, DeliveryStep, DiscardReason, LetterState};
use whisp::store::{Commit, Kind, Store, WriteBatch, WriteOp};
use whisp::stores::SqliteStore;
use whisp::testing::SeqIds;

use crate::world::DANA;
use crate::world::{World, parrot};

pub(crate) async fn world(folder: &Path) -> World {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder.join("whisp.db")).unwrap());
    World::over(store, parrot(), AutomationMode::Automatic).await
}

/// Closes the store and opens it again, as a process that starts anew does; what was in memory is gone.
pub(crate) async fn restart(world: World, folder: &Path) -> World {
    let World { clock, store, vault, channel, assistant, tenant, connection, keys } = world;
    drop((assistant, store));
    // The file is free once its threads have ended.
    let mut opened = SqliteStore::open(folder.join("whisp.db"));
    for _ in 0..100_000 {
        if opened.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
        opened = SqliteStore::open(folder.join("whisp.db"));
    }
    let store: Arc<dyn Store> = Arc::new(opened.unwrap());
    let assistant = Assistant::builder()
        .store(Arc::clone(&store))
        .vault(Arc::clone(&vault) as _)
        .clock(Arc::clone(&clock) as _)
        .ids(Arc::new(SeqIds::new(99)))
        .channel(Arc::clone(&channel) as _)
        .engine(parrot())
        .build()
        .unwrap();
    let world = World { clock, store, vault, channel, assistant, tenant, connection, keys };
    // The leases of the process that is gone.
    world.later(61);
    world
}

/// Breaks the seal of a message, or mends it.
async fn flip(world: &World, message: usize) {
    let id = world.messages_raw().await[message];
    let mut record = world.store.get(world.tenant, Kind::MESSAGE, id.into()).await.unwrap().unwrap();
    record.version += 1;
    *record.sealed.0.last_mut().unwrap() ^= 1;
    let batch = WriteBatch::new(world.tenant).op(WriteOp::Put(record));
    assert_eq!(world.store.commit(batch).await.unwrap(), Commit::Done);
}

/// A conversation whose second outgoing message became a dead letter.
async fn with_a_letter(folder: &Path) -> (World, DeadLetterId) {
    let world = world(folder).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    desk.by(DANA).send(world.conversation().await, OutboundBody::text("Your order is ready")).await.unwrap();
    flip(&world, 2).await;
    assert_eq!(world.deliver().await.errors.len(), 1);
    let (letters, next) = desk.dead_letters(None, 10).await.unwrap();
    assert_eq!((letters.len(), next), (1, None));
    (world, letters[0].id)
}

#[tokio::test]
async fn a_letter_tells_what_why_and_when_and_is_retried_once_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (world, id) = with_a_letter(folder.path()).await;
    let world = restart(world, folder.path()).await;
    let desk = world.assistant.desk(world.tenant);
    let letter = desk.dead_letter(id).await.unwrap();
    assert_eq!((letter.what.as_deref(), letter.state), (Some("send"), LetterState::Open));
    assert_eq!(letter.message, Some(world.messages_raw().await[2]));
    assert!(letter.reason.contains("open"), "{}", letter.reason);
    assert!(!format!("{letter:?}").contains("order"), "{letter:?}");

    flip(&world, 2).await;
    desk.by(DANA).retry(id).await.unwrap();
    let again = desk.by(DANA).retry(id).await;
    assert!(matches!(again, Err(AssistantError::NotFound("open dead letter"))), "{again:?}");
    let late = desk.by(DANA).discard(id, DiscardReason::Late).await;
    assert!(matches!(late, Err(AssistantError::NotFound("open dead letter"))), "{late:?}");
    let retried = desk.dead_letter(id).await.unwrap().state;
    assert_eq!(retried, LetterState::Retried { by: Some(DANA), at: world.now() });

    drop(desk);
    let world = restart(world, folder.path()).await;
    world.settle().await;
    assert_eq!(world.channel.texts().last().unwrap(), "Your order is ready");
    assert_eq!(world.channel.sent().len(), 2, "sent once");
    let message = world.messages().await[2].clone();
    assert_eq!(message.delivery.unwrap().step, DeliveryStep::Sent);
    assert_eq!(message.author, Author::Member { member: Some(DANA) });
}

#[tokio::test]
async fn work_that_fails_again_is_another_letter() {
    let folder = tempfile::tempdir().unwrap();
    let (world, id) = with_a_letter(folder.path()).await;
    let desk = world.assistant.desk(world.tenant);
    desk.by(DANA).retry(id).await.unwrap();
    assert_eq!(world.deliver().await.errors.len(), 1);
    let (letters, _) = desk.dead_letters(None, 10).await.unwrap();
    let open: Vec<DeadLetterId> = letters.iter().filter(|l| l.state == LetterState::Open).map(|l| l.id).collect();
    assert_eq!((letters.len(), open.len()), (2, 1));
    assert_ne!(open[0], id);
    // Page by page it is the same.
    let (first, next) = desk.dead_letters(None, 1).await.unwrap();
    let (second, end) = desk.dead_letters(next, 1).await.unwrap();
    assert_eq!([first, second].concat(), letters);
    assert!(end.is_none() || desk.dead_letters(end, 1).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn a_letter_is_discarded_with_who_and_why_and_that_survives() {
    let folder = tempfile::tempdir().unwrap();
    let (world, id) = with_a_letter(folder.path()).await;
    let desk = world.assistant.desk(world.tenant);
    desk.by(DANA).discard(id, DiscardReason::Done).await.unwrap();
    let at = world.now();
    drop(desk);
    let world = restart(world, folder.path()).await;
    let desk = world.assistant.desk(world.tenant);
    let state = desk.dead_letter(id).await.unwrap().state;
    assert_eq!(state, LetterState::Discarded { by: Some(DANA), at, why: DiscardReason::Done });
    assert!(matches!(desk.by(DANA).retry(id).await, Err(AssistantError::NotFound(_))));
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1);
}

#[tokio::test]
async fn a_retry_is_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let (world, id) = with_a_letter(folder.path()).await;
    flip(&world, 2).await;
    let desk = world.assistant.desk(world.tenant);
    for polls in 0.. {
        if whisp::testing::cancel_after(polls, desk.by(DANA).retry(id)).await.is_some() {
            break;
        }
        // The store may still be at what was dropped; this comes after it.
        world.assistant.set_automation(world.tenant, true).await.unwrap();
        let state = desk.dead_letter(id).await.unwrap().state;
        let outbox = desk.conversation(world.conversation().await).await.unwrap().outbox.len();
        let queued =
            desk.queue(None, 100).await.unwrap().waiting.iter().filter(|w| w.what.as_deref() == Some("send")).count();
        assert_eq!((outbox, queued), if state == LetterState::Open { (0, 0) } else { (1, 1) }, "dropped at {polls}");
    }
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 2);
}

#[tokio::test]
async fn a_letter_whose_message_went_out_after_all_is_not_retried() {
    let folder = tempfile::tempdir().unwrap();
    let (world, id) = with_a_letter(folder.path()).await;
    flip(&world, 2).await;
    let desk = world.assistant.desk(world.tenant);
    let message = desk.dead_letter(id).await.unwrap().message.unwrap();
    desk.by(DANA).resend(world.conversation().await, message).await.unwrap();
    world.settle().await;
    let refused = desk.by(DANA).retry(id).await;
    assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{refused:?}");
    assert_eq!(desk.dead_letter(id).await.unwrap().state, LetterState::Open);
    assert_eq!(world.channel.sent().len(), 2);
}

#[tokio::test]
async fn a_message_in_doubt_goes_again_only_when_a_member_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path()).await;
    world.channel.fail_next(ChannelError::new("send", ChannelErrorKind::Unknown, Retry::OutcomeUnknown));
    world.says("m1", "Hello").await;
    world.settle_with_errors().await;
    let world = restart(world, folder.path()).await;
    world.later(301);
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1, "by itself it never goes again");
    let desk = world.assistant.desk(world.tenant);
    let (conversation, message) = (world.conversation().await, world.messages().await[1].id);
    desk.by(DANA).resend(conversation, message).await.unwrap();
    let twice = desk.by(DANA).resend(conversation, message).await;
    assert!(matches!(twice, Err(AssistantError::Invalid(_))), "{twice:?}");
    drop(desk);
    let world = restart(world, folder.path()).await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 2);
    let delivery = world.messages().await[1].delivery.clone().unwrap();
    assert_eq!((delivery.step, delivery.attempts), (DeliveryStep::Sent, 2));
    let ends: Vec<AttemptEnd> = delivery.log.iter().map(|attempt| attempt.end).collect();
    assert_eq!(ends, [AttemptEnd::InDoubt, AttemptEnd::Taken]);
    assert_eq!(delivery.log[0].error, Some(ChannelErrorKind::Unknown));
}

#[tokio::test]
async fn a_receipt_that_comes_before_the_second_call_settles_the_doubt() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path()).await;
    world.channel.fail_next(ChannelError::new("send", ChannelErrorKind::Unknown, Retry::OutcomeUnknown));
    world.says("m1", "Hello").await;
    world.settle_with_errors().await;
    let desk = world.assistant.desk(world.tenant);
    let (conversation, message) = (world.conversation().await, world.messages().await[1].id);
    desk.by(DANA).resend(conversation, message).await.unwrap();
    let tag = world.channel.sent()[0].tag.clone();
    world.ingest(vec![world.receipt("wamid.late", DeliveryStep::Delivered, Some(&tag), None)]).await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1);
    assert_eq!(world.messages().await[1].delivery.as_ref().unwrap().step, DeliveryStep::Delivered);
    assert!(desk.conversation(conversation).await.unwrap().outbox.is_empty());
}

#[tokio::test]
async fn the_queue_is_shown_as_it_waits_page_by_page() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path()).await;
    world.says("m1", "Hello").await;
    world.says("m2", "Are you open?").await;
    let desk = world.assistant.desk(world.tenant);
    let all = desk.queue(None, 100).await.unwrap();
    let messages = world.messages_raw().await;
    let shown: Vec<_> = all.waiting.iter().map(|waiting| (waiting.what.as_deref(), waiting.message)).collect();
    assert_eq!(shown, [(Some("turn"), Some(messages[0])), (Some("turn"), Some(messages[1]))]);
    assert!(all.waiting.iter().all(|waiting| waiting.due > world.now() && waiting.attempts == 0));
    let first = desk.queue(None, 1).await.unwrap();
    let second = desk.queue(first.next, 1).await.unwrap();
    assert_eq!([first.waiting, second.waiting].concat(), all.waiting);
    assert!(desk.queue(second.next, 1).await.unwrap().waiting.is_empty());
    // A message that waits for another try is there too, with its tries.
    world.later(4);
    world.step().await;
    world.channel.fail_next(ChannelError::new("send", ChannelErrorKind::Unavailable, Retry::After(None)));
    world.deliver().await;
    let queue = desk.queue(None, 100).await.unwrap().waiting;
    let send = queue.iter().find(|waiting| waiting.what.as_deref() == Some("send")).unwrap();
    assert_eq!(send.attempts, 1);
    assert!(send.due > world.now());
}

#[tokio::test]
async fn a_log_of_calls_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path()).await;
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    for _ in 0..40 {
        world
            .channel
            .fail_next(ChannelError::new("send", ChannelErrorKind::RateLimited, Retry::After(None)).with_code(130_429));
        world.later(400);
        world.assistant.deliver(&Budget::default()).await.unwrap();
    }
    let delivery = world.messages().await[1].delivery.clone().unwrap();
    assert_eq!((delivery.step, delivery.attempts), (DeliveryStep::Queued, 40));
    assert_eq!(delivery.log.len(), whisp::model::Delivery::LOG_MAX);
    assert!(delivery.log.windows(2).all(|pair| pair[0].at < pair[1].at));
    world.later(400);
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1, "forty refusals cost it nothing");
}
