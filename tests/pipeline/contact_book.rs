//! Somebody who is erased leaves the contact book that the platform keeps for the business (promise P46).

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use whisp::assistant::{AssistantError, ErasureReceipt, NewConnection};
use whisp::channel::{ChannelError, ChannelErrorKind};
use whisp::error::Retry;
use whisp::id::ContactId;
use whisp::model::{AccountId, AutomationMode, ChannelKind, Content, Handle, HandleKind, Provenance};
use whisp::privacy::RequestState;
use whisp::store::{Kind, ListOrder, ListQuery, Record, SubjectQuery};
use whisp::stores::MemoryStore;
use whisp::testing::{RecordingChannel, SeqIds, cancel_after};
use whisp::webhook::{ContactRef, Event};

use crate::requests::Asked;
use crate::world::{ACCOUNT, PHONE, TOKEN, World, incoming, parrot};
use crate::yielding::Yielding;

const BSUID: &str = "KZ.13491208655302741918";
const BOOK: &str = "contact book on whatsapp";

/// Somebody has written, whom WhatsApp knows by a number and, maybe, a BSUID.
async fn written(bsuid: bool) -> (World, Arc<RecordingChannel>, ContactId) {
    let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
    let world = World::over(store, parrot(), AutomationMode::Suggest).await;
    let book = Arc::clone(&world.channel);
    let mut message = incoming("m1", Content::text("Forget me"));
    let phone = Handle::new(HandleKind::Phone, PHONE);
    let ids = bsuid.then(|| Handle::new(HandleKind::Bsuid, BSUID)).into_iter().chain([phone]);
    message.contact = ContactRef { handles: ids.collect(), name: Some("Aigerim".into()) };
    world.ingest(vec![world.event("m1", Provenance::Live, Event::Message(message))]).await;
    world.settle().await;
    let contact = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact;
    (world, book, contact)
}

fn failure(kind: ChannelErrorKind, retry: Retry) -> ChannelError {
    ChannelError::new("forget", kind, retry)
}

fn down() -> ChannelError {
    failure(ChannelErrorKind::Unavailable, Retry::After(None))
}

fn remains(receipt: &ErasureReceipt) -> bool {
    receipt.remaining.iter().any(|left| left.contains(BOOK))
}

async fn under_way(world: &World) -> Vec<Record> {
    let (tenant, kind, order) = (world.tenant, Kind::ERASURE, ListOrder::Ascending);
    let query = ListQuery { tenant, kind, parent: tenant.into(), order, after: None, limit: 10 };
    world.store.list(&query).await.unwrap().records
}

async fn of(world: &World, contact: ContactId) -> usize {
    let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 1_000 };
    world.store.of_subject(&query).await.unwrap().records.len()
}

#[tokio::test]
async fn p46_the_platform_is_asked_by_the_handle_that_its_book_goes_by_and_the_receipt_says_so() {
    let (world, book, contact) = written(true).await;
    let receipt = world.assistant.erase(world.tenant, contact).await.unwrap();
    assert_eq!(book.forgotten(), [Handle::new(HandleKind::Bsuid, BSUID)]);
    assert_eq!(receipt.book_entry_deleted_at, Some(world.now()));
    assert!(!remains(&receipt), "{:?}", receipt.remaining);
    assert!(under_way(&world).await.is_empty());
    assert_eq!(world.assistant.receipt(world.tenant, receipt.id).await.unwrap().remaining, receipt.remaining);
}

#[tokio::test]
async fn p46_what_the_platform_cant_delete_is_said_in_the_receipt() {
    // Nobody is asked about somebody whom the book does not go by.
    let (world, book, contact) = written(false).await;
    let receipt = world.assistant.erase(world.tenant, contact).await.unwrap();
    assert!(remains(&receipt) && receipt.book_entry_deleted_at.is_none(), "{receipt:?}");
    assert!(book.forgotten().is_empty());
    // Nor through an account that the business took away.
    let (world, book, contact) = written(true).await;
    world.assistant.disconnect(world.tenant, world.connection).await.unwrap();
    let receipt = world.assistant.erase(world.tenant, contact).await.unwrap();
    assert!(remains(&receipt) && book.forgotten().is_empty(), "{receipt:?}");
    // A refusal for good is the end of it.
    let (world, book, contact) = written(true).await;
    book.fail_next(failure(ChannelErrorKind::Invalid, Retry::Never));
    let receipt = world.assistant.erase(world.tenant, contact).await.unwrap();
    assert!(remains(&receipt) && receipt.book_entry_deleted_at.is_none(), "{receipt:?}");
    assert!(under_way(&world).await.is_empty());
    // Nor by a process that was not given the channel, though it may end what another one began.
    let without = |world: &World| {
        whisp::assistant::Assistant::builder()
            .store(Arc::clone(&world.store))
            .vault(Arc::clone(&world.vault) as _)
            .clock(Arc::clone(&world.clock) as _)
            .ids(Arc::new(SeqIds::new(9)))
            .build()
            .unwrap()
    };
    let (world, book, contact) = written(true).await;
    let receipt = without(&world).erase(world.tenant, contact).await.unwrap();
    assert!(remains(&receipt) && book.forgotten().is_empty(), "{receipt:?}");
    let (world, book, contact) = written(true).await;
    book.fail_next(down());
    assert!(world.assistant.erase(world.tenant, contact).await.is_err());
    assert_eq!(
        without(&world).sweep(1_000).await.unwrap().into_result().unwrap().waiting,
        1,
        "it is left to one that has the channel"
    );
    world.later(60);
    assert_eq!(world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().erasures, 1);
    assert_eq!(book.forgotten().len(), 1);
    // A channel without a book has nothing to say.
    let (world, book, contact) = written(true).await;
    let plain = Arc::new(RecordingChannel::new(ChannelKind::WhatsApp, Arc::clone(&world.clock) as _));
    let other = world.another(parrot(), 8, |builder| builder.channel(plain as _));
    let receipt = other.erase(world.tenant, contact).await.unwrap();
    assert!(!remains(&receipt) && receipt.book_entry_deleted_at.is_none(), "{receipt:?}");
    assert!(book.forgotten().is_empty());
}

#[tokio::test]
async fn p46_while_the_platform_is_down_everything_of_ours_is_gone_and_the_sweeps_go_on_asking() {
    let (world, book, contact) = written(true).await;
    book.fail_next(down());
    let waits = world.assistant.erase(world.tenant, contact).await.unwrap_err();
    assert!(matches!(&waits, AssistantError::Channel(ChannelKind::WhatsApp, _)), "{waits:?}");
    assert_eq!(waits.retry(), Retry::After(None));
    assert_eq!(of(&world, contact).await, 0);
    assert!(world.assistant.receipts(world.tenant).await.unwrap().is_empty(), "nobody is told that it is done");
    let record = under_way(&world).await.remove(0);
    let kept = format!("{}{}", record.clear.0, String::from_utf8_lossy(&record.sealed.0));
    assert!(!record.sealed.0.is_empty() && !kept.contains(BSUID) && !kept.contains(PHONE), "{kept}");
    // Not at every sweep, lest the platform says that it is too much.
    let sweep = world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    assert_eq!((sweep.erasures, sweep.waiting), (0, 1), "{sweep:?}");
    assert!(book.forgotten().is_empty());
    let again = world.assistant.erase(world.tenant, contact).await.unwrap_err();
    assert_eq!(again.retry(), Retry::After(Some(Duration::from_secs(60))), "{again:?}");
    world.later(60);
    book.fail_next(failure(ChannelErrorKind::RateLimited, Retry::After(Some(Duration::from_secs(1_800)))));
    assert_eq!(world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().waiting, 1);
    world.later(1_799);
    assert_eq!(world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().waiting, 1);
    assert!(book.forgotten().is_empty(), "not before the platform said");
    world.later(1);
    // An answer that is lost: it is asked once more, which does no harm.
    book.fail_next(failure(ChannelErrorKind::Unknown, Retry::OutcomeUnknown));
    assert_eq!(world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().waiting, 1);
    world.later(300);
    let sweep = world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    assert_eq!((sweep.erasures, sweep.waiting), (1, 0), "{sweep:?}");
    assert_eq!(book.forgotten(), [Handle::new(HandleKind::Bsuid, BSUID), Handle::new(HandleKind::Bsuid, BSUID)]);
    let receipt = world.assistant.receipts(world.tenant).await.unwrap().remove(0);
    assert_eq!(receipt.book_entry_deleted_at, Some(world.now()));
    assert!(receipt.key_destroyed_at.unwrap() < world.now());
}

#[tokio::test]
async fn p46_a_token_that_is_refused_is_waited_for_but_not_for_ever() {
    for connects in [true, false] {
        let (world, book, contact) = written(true).await;
        let refused = || failure(ChannelErrorKind::Auth, Retry::Never);
        book.fail_next(refused());
        assert!(world.assistant.erase(world.tenant, contact).await.is_err());
        world.later(24 * 3_600);
        book.fail_next(refused());
        assert_eq!(world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().waiting, 1);
        if connects {
            let new = NewConnection {
                channel: ChannelKind::WhatsApp,
                account: AccountId::new(ACCOUNT),
                token: TOKEN.to_owned().into(),
                scopes: vec!["whatsapp_business_messaging".to_owned()],
                mode: AutomationMode::Off,
            };
            world.assistant.connect(world.tenant, new).await.unwrap();
            world.later(3_600);
        } else {
            world.later(48 * 3_600);
            book.fail_next(refused());
        }
        assert_eq!(world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().erasures, 1);
        let receipt = world.assistant.receipts(world.tenant).await.unwrap().remove(0);
        assert_eq!(receipt.book_entry_deleted_at.is_some(), connects, "{receipt:?}");
        assert_eq!(remains(&receipt), !connects);
        assert_eq!(book.forgotten().len(), usize::from(connects));
    }
}

#[tokio::test]
async fn p46_an_erasure_cut_short_anywhere_reaches_the_book_or_has_not_begun() {
    let (mut begun, mut ended) = (0, false);
    for polls in 0..400 {
        let (world, book, contact) = written(true).await;
        let done = cancel_after(polls, world.assistant.erase(world.tenant, contact)).await;
        // Another process goes on: this one has crashed.
        let other = world.second(parrot());
        let cut_short = under_way(&world).await.len();
        assert_eq!(other.sweep(1_000).await.unwrap().into_result().unwrap().erasures, cut_short, "after {polls} polls");
        begun += cut_short;
        let receipts = other.receipts(world.tenant).await.unwrap();
        let entry = Handle::new(HandleKind::Bsuid, BSUID);
        assert!(book.forgotten().iter().all(|handle| *handle == entry));
        match receipts.as_slice() {
            [] => assert!(book.forgotten().is_empty(), "not begun, nothing done: {polls} polls"),
            [receipt] => {
                assert!((1..=2).contains(&book.forgotten().len()), "after {polls} polls: {:?}", book.forgotten());
                assert_eq!(receipt.book_entry_deleted_at, Some(world.now()), "after {polls} polls");
            }
            _ => panic!("one erasure, one receipt"),
        }
        if done.is_some() {
            ended = true;
            break;
        }
    }
    assert!(begun > 5 && ended, "{begun} {ended}");
}

#[tokio::test]
async fn p46_a_request_is_answered_when_the_platform_has_answered() {
    let (world, book, _) = written(true).await;
    let asked = Asked::over(world, "delete my data").await;
    let request = asked.granted().await;
    book.fail_next(down());
    let waits = asked.requests().erase(request.id()).await.unwrap_err();
    assert!(matches!(waits, AssistantError::Channel(..)), "{waits:?}");
    let open = asked.only().await;
    assert!(matches!(open.state(), RequestState::Executing { .. }), "{open:?}");
    asked.world.later(60);
    let receipt = asked.requests().erase(request.id()).await.unwrap();
    assert!(receipt.book_entry_deleted_at.is_some());
    let answered = asked.requests().answer(request.id(), 0).await.unwrap();
    assert!(matches!(answered.state(), RequestState::Answered { .. }), "{answered:?}");
}

/// Somebody asks again while a sweep ends it: nothing is begun anew that could never end.
#[tokio::test]
async fn p46_a_request_that_a_sweep_ends_meanwhile_is_not_begun_anew() {
    let (mut conflicts, mut ended) = (0, 0);
    for polls in 0..60 {
        let (world, book, _) = written(true).await;
        let asked = Asked::over(world, "delete my data").await;
        let request = asked.granted().await;
        book.fail_next(down());
        assert!(asked.requests().erase(request.id()).await.is_err());
        asked.world.later(60);
        let other = asked.world.second(parrot());
        let requests = asked.requests();
        let mut again = Box::pin(requests.erase(request.id()));
        let mut done = None;
        for _ in 0..polls {
            if let Poll::Ready(outcome) = again.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                done = Some(outcome);
                break;
            }
        }
        other.sweep(1_000).await.unwrap().into_result().unwrap();
        let outcome = match done {
            Some(outcome) => outcome,
            None => again.await,
        };
        match outcome {
            Ok(receipt) => assert!(receipt.book_entry_deleted_at.is_some(), "after {polls} polls: {receipt:?}"),
            Err(AssistantError::Conflict(_)) => conflicts += 1,
            // It has read the request after its end.
            Err(AssistantError::Invalid(_) | AssistantError::Request(_)) => ended += 1,
            Err(error) => panic!("after {polls} polls: {error:?}"),
        }
        assert!(under_way(&asked.world).await.is_empty(), "after {polls} polls");
        other.sweep(1_000).await.unwrap().into_result().unwrap();
        assert_eq!(other.receipts(asked.world.tenant).await.unwrap().len(), 1, "after {polls} polls");
    }
    assert!(conflicts > 0 && ended > 0, "{conflicts} {ended}");
}

/// Whoever was silent for too long is erased by a sweep; it does not fail where the platform does.
#[tokio::test]
async fn p46_the_silent_leave_the_book_too() {
    let (world, book, contact) = written(true).await;
    world.later(4 * 366 * 24 * 3_600);
    world.assistant.trust_clock().await.unwrap();
    book.fail_next(down());
    let sweep = world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    assert_eq!((sweep.silent, sweep.waiting), (1, 1), "{sweep:?}");
    assert_eq!(of(&world, contact).await, 0);
    world.later(60);
    let sweep = world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    assert_eq!((sweep.silent, sweep.erasures, sweep.waiting), (0, 1, 0), "{sweep:?}");
    assert_eq!(book.forgotten().len(), 1);
}
