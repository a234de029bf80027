//! Nothing leaves from the commit on, wherever that falls, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::TimeDelta;
use secrecy::ExposeSecret;
use whisp::assistant::{Assistant, AssistantError, Budget, Config, PackagePart};
use whisp::audit::AuditAction;
use whisp::channel::{
    Capabilities, Channel, ChannelError, ChannelErrorKind, Outbound, OutboundBody, SendReceipt, TextLimit,
};
use whisp::clock::Clock;
use whisp::documents::Language;
use whisp::error::Retry;
use whisp::model::{
    AutomationMode, ChannelKind, Connection, ConnectionState, Content, DeliveryStep, Handle, HandleKind,
    PlatformMessageId, Provenance,
};
use whisp::privacy::{BreachError, DeniedReason, NewBreach, RequestKind};
use whisp::reply::ReplyEngine;
use whisp::store::Kind;
use whisp::stores::{MemoryStore, SqliteStore};
use whisp::testing::{ManualClock, ScriptedEngine, SeqIds, cancel_after};
use whisp::webhook::{ContactRef, Event};

use super::{breaches, connect_anew, contact, logged, new, suspected};
use crate::tap::{Fate, Tap, puts};
use crate::world::{World, incoming, parrot};
use crate::yielding::{Yielding, pause};

async fn state(world: &World) -> ConnectionState {
    world.assistant.connections(world.tenant).await.unwrap()[0].3
}

fn is_contained<T>(result: Result<T, AssistantError>) -> bool {
    matches!(result, Err(AssistantError::Denied(denied)) if denied.reason == DeniedReason::Contained)
}

/// Steps and delivers for a while. What rests comes again.
async fn goes_on(world: &World) {
    for _ in 0..5 {
        world.later(3);
        world.step().await;
        world.deliver().await;
    }
}

#[tokio::test]
async fn p27_what_is_contained_lets_nothing_out_loses_nothing_and_goes_on_afterwards() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.later(4);
    assert_eq!(world.step().await.queued, 1);
    let contact = contact(&world).await;
    let id = suspected(&world).await;
    let packaged = || world.assistant.package(world.tenant, contact, PackagePart::Whole);
    let mut half = packaged();
    assert!(half.next().await.unwrap().is_some(), "a package on its way out");
    let contained = breaches(&world).contain(id).await.unwrap();
    assert_eq!((contained.tokens, contained.turned), (1, 1));
    assert!(contained.breach.is_contained());
    let again = breaches(&world).contain(id).await.unwrap();
    assert_eq!((again.tokens, again.turned, again.breach), (0, 0, contained.breach));

    // Taken in as always, read as always, and nobody answers.
    assert_eq!(world.says("m2", "Anybody?").await.stored, 1);
    world.assistant.desk(world.tenant).send(world.conversation().await, OutboundBody::text("I am here")).await.unwrap();
    goes_on(&world).await;
    assert!(world.channel.sent().is_empty());
    let waits = |message: &whisp::model::Message| {
        message
            .delivery
            .as_ref()
            .is_some_and(|delivery| delivery.step == DeliveryStep::Queued && delivery.attempts == 0)
    };
    let messages = world.messages().await;
    assert_eq!(messages.len(), 4, "both of theirs, the engine's and the member's");
    assert!(waits(&messages[3]), "{messages:?}");
    // Nothing is handed out.
    assert!(is_contained(world.assistant.export(world.tenant, contact, None).await));
    assert!(is_contained(world.assistant.recipients(world.tenant, contact).await));
    assert!(is_contained(world.assistant.summary(world.tenant, contact, Language::English).await));
    assert!(is_contained(half.next().await));
    let mut new = packaged();
    // The name of its first file is no data.
    assert!(new.next().await.is_ok() && is_contained(new.next().await));
    assert_eq!(state(&world).await, ConnectionState::Reauthorize);

    breaches(&world).lift(id).await.unwrap();
    assert!(!world.assistant.export(world.tenant, contact, None).await.unwrap().entries.is_empty());
    goes_on(&world).await;
    assert!(world.channel.sent().is_empty(), "without a token nothing is called");
    connect_anew(&world).await;
    goes_on(&world).await;
    assert!(world.channel.texts().contains(&"I am here".to_owned()), "{:?}", world.channel.texts());
    world.says("m3", "And now?").await;
    assert_eq!(logged(&world).await.iter().filter(|action| **action == AuditAction::TokenDestroyed).count(), 1);
}

#[tokio::test]
async fn p27_an_erasure_asks_the_platform_when_it_is_over() {
    let world = World::new().await;
    let bsuid = Handle::new(HandleKind::Bsuid, "KZ.1");
    let mut message = incoming("m1", Content::text("Hello"));
    message.contact = ContactRef { handles: vec![bsuid.clone()], name: None };
    world.ingest(vec![world.event("m1", Provenance::Live, Event::Message(message))]).await;
    world.settle().await;
    let contact = contact(&world).await;
    let id = suspected(&world).await;
    breaches(&world).contain(id).await.unwrap();
    let waits = world.assistant.erase(world.tenant, contact).await.unwrap_err();
    assert!(matches!(waits, AssistantError::Channel(..)), "{waits:?}");
    assert_eq!(world.assistant.sweep(100).await.unwrap().into_result().unwrap().waiting, 1);
    breaches(&world).lift(id).await.unwrap();
    assert_eq!(world.assistant.sweep(100).await.unwrap().into_result().unwrap().waiting, 1, "the token was destroyed");
    assert!(world.channel.forgotten().is_empty());
    connect_anew(&world).await;
    assert_eq!(world.assistant.sweep(100).await.unwrap().into_result().unwrap().erasures, 1);
    assert_eq!(world.channel.forgotten(), [bsuid]);
}

#[tokio::test]
async fn an_engine_s_reply_waits_for_the_end_and_is_sent_then() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    let id = suspected(&world).await;
    breaches(&world).contain(id).await.unwrap();
    goes_on(&world).await;
    assert!(world.channel.sent().is_empty());
    connect_anew(&world).await;
    goes_on(&world).await;
    assert!(world.channel.sent().is_empty(), "a new token changes nothing");
    breaches(&world).contain(id).await.unwrap();
    assert_eq!(state(&world).await, ConnectionState::Live, "and is not destroyed by a repeated call");
    breaches(&world).lift(id).await.unwrap();
    goes_on(&world).await;
    let texts = world.channel.texts();
    assert!(texts.len() == 1 && texts[0].ends_with("Answer: Hello"), "{texts:?}");
}

#[tokio::test]
async fn no_engine_is_asked_while_a_breach_is_contained() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let engine: Arc<dyn ReplyEngine> = Arc::new(ScriptedEngine::replying(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        "Yes".to_owned()
    }));
    let world = World::with(engine, AutomationMode::Automatic).await;
    let id = suspected(&world).await;
    breaches(&world).contain(id).await.unwrap();
    world.says("m1", "Hello").await;
    goes_on(&world).await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    // A stop counts all the same, and so does a wish about data.
    world.says("m2", "delete my data").await;
    goes_on(&world).await;
    let requests = world.assistant.desk(world.tenant).requests().open(None, 10).await.unwrap().requests;
    assert_eq!(requests.iter().map(|request| request.kind()).collect::<Vec<_>>(), [RequestKind::Erasure]);
    assert_eq!(world.channel.sent().len(), 0);
}

#[tokio::test]
async fn what_a_file_says_is_contained_is_so_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.db");
    let world = World::over(Arc::new(SqliteStore::open(&path).unwrap()), parrot(), AutomationMode::Automatic).await;
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    let id = suspected(&world).await;
    breaches(&world).contain(id).await.unwrap();
    connect_anew(&world).await;
    world.assistant.release().await.unwrap();
    let World { clock, vault, tenant, channel, keys, store, assistant, .. } = world;
    drop((store, assistant));
    let next = Assistant::builder()
        .store(Arc::new(SqliteStore::open(&path).unwrap()))
        .vault(vault)
        .clock(Arc::clone(&clock) as _)
        .ids(Arc::new(SeqIds::new(9)))
        .channel(Arc::clone(&channel) as _)
        .engine(parrot())
        .build()
        .unwrap();
    assert_eq!(next.deliver(&Budget::default()).await.unwrap().sent, 0);
    let register = next.desk(tenant).breaches();
    assert_eq!(register.open(None, 10).await.unwrap().breaches[0].id, id);
    register.lift(id).await.unwrap();
    clock.advance(TimeDelta::seconds(4));
    assert_eq!(next.deliver(&Budget::default()).await.unwrap().sent, 1);
    drop(keys);
}

#[tokio::test]
async fn two_breaches_are_contained_until_both_are_lifted_and_other_businesses_go_on() {
    let world = World::new().await;
    let (one, two) = (suspected(&world).await, suspected(&world).await);
    breaches(&world).contain(one).await.unwrap();
    let second = breaches(&world).contain(two).await.unwrap();
    assert_eq!(second.tokens, 0, "there was none left");
    connect_anew(&world).await;
    world.says("m1", "Hello").await;
    breaches(&world).lift(one).await.unwrap();
    assert_eq!(
        world.assistant.tenant(world.tenant).await.unwrap().containment.breaches.keys().collect::<Vec<_>>(),
        [&two]
    );
    goes_on(&world).await;
    assert!(world.channel.sent().is_empty());
    breaches(&world).lift(two).await.unwrap();
    match breaches(&world).lift(two).await {
        Err(AssistantError::Breach(BreachError::NotContained)) => {}
        other => panic!("{other:?}"),
    }
    world.says("m2", "Hello?").await;
    goes_on(&world).await;
    assert_eq!(world.channel.sent().len(), 1);
}

#[tokio::test]
async fn another_process_notices_within_a_second_and_one_that_lifts_is_heard_here() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    world.assistant.release().await.unwrap();
    let other = world.second(parrot());
    let id = suspected(&world).await;
    breaches(&world).contain(id).await.unwrap();
    connect_anew(&world).await;
    world.later(61);
    assert_eq!(other.deliver(&Budget::default()).await.unwrap().sent, 0);
    other.desk(world.tenant).breaches().lift(id).await.unwrap();
    other.release().await.unwrap();
    world.later(61);
    assert_eq!(world.deliver().await.sent, 1, "what was stopped here is believed to go on");
}

/// What the test sees of the inside: whether the stop is durable.
#[derive(Debug, Default)]
struct Seen {
    stopped: AtomicBool,
    before: AtomicUsize,
    after: AtomicUsize,
}

/// A channel that takes its time before it opens the message, and notes when it leaves.
#[derive(Debug)]
struct Slow(Arc<ManualClock>, Arc<Seen>);

#[async_trait]
impl Channel for Slow {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::text_only(TextLimit::Chars(1_000))
    }
    async fn send(&self, connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        for _ in 0..3 {
            pause().await;
        }
        message
            .release(self.0.now())
            .map_err(|denied| ChannelError::new("send", ChannelErrorKind::Denied, Retry::Never).with_source(denied))?;
        assert!(!connection.token.expose_secret().is_empty());
        let count = if self.1.stopped.load(Ordering::Relaxed) { &self.1.after } else { &self.1.before };
        count.fetch_add(1, Ordering::Relaxed);
        pause().await;
        Ok(SendReceipt::new(Some(PlatformMessageId::new(&message.tag))))
    }
}

/// A delivery is polled so often, then a breach is contained to the end, then the delivery goes on: nothing leaves after
/// the commit, and the message waits or was sent, at each of the awaits.
#[tokio::test]
async fn p27_nothing_leaves_after_the_commit_at_whichever_await_of_a_delivery_it_falls() {
    let (mut sent, mut waited) = (0, 0);
    for polls in 0..400 {
        let (tap, seen) = (Tap::new(), Arc::new(Seen::default()));
        let noted = Arc::clone(&seen);
        tap.tell(move |batch| {
            let stops = |record: &whisp::store::Record| record.clear.0.contains(r#""breaches":{"#);
            if puts(batch, Kind::TENANT).any(stops) {
                noted.stopped.store(true, Ordering::Relaxed);
            }
        });
        let clock = Arc::new(ManualClock::default());
        let world = World::equipped(Arc::new(Yielding(tap.store())), parrot(), AutomationMode::Automatic, |builder| {
            let slow = Slow(Arc::clone(&clock), Arc::clone(&seen));
            builder.clock(Arc::clone(&clock) as _).channel(Arc::new(slow))
        })
        .await;
        let later = |seconds| clock.advance(TimeDelta::seconds(seconds));
        let delivery = whisp::webhook::Delivery { received_at: clock.now(), items: vec![world.message("m1", "Hello")] };
        world.assistant.ingest(&delivery).await.unwrap();
        later(4);
        world.step().await;
        let id = breaches(&world).suspect(NewBreach { from: clock.now(), ..new(&world) }).await.unwrap().id;
        // It is time to look for other workers too.
        later(Config::default().lease.num_seconds() / 6);
        let budget = Budget::default();
        let mut deliver = Box::pin(world.assistant.deliver(&budget));
        let done = cancel_after(polls, &mut deliver).await;
        breaches(&world).contain(id).await.unwrap();
        let ended = done.is_some();
        if !ended {
            deliver.await.unwrap();
        }
        for _ in 0..3 {
            later(61);
            world.step().await;
            world.deliver().await;
        }
        assert_eq!(seen.after.load(Ordering::Relaxed), 0, "contained after {polls} polls");
        let step = world.messages().await[1].delivery.clone().unwrap().step;
        match (seen.before.load(Ordering::Relaxed), step) {
            (1, DeliveryStep::Sent) => sent += 1,
            (0, DeliveryStep::Queued) => waited += 1,
            other => panic!("{other:?} after {polls} polls"),
        }
        if ended {
            assert!(waited > 10 && sent > 1, "{waited} {sent}");
            return;
        }
    }
    panic!("a delivery has more awaits");
}

#[tokio::test]
async fn p27_a_containment_that_is_cut_short_anywhere_is_ended_by_the_next_call_or_sweep() {
    for by_sweep in [false, true] {
        let mut ended = false;
        for polls in (1..600).step_by(3) {
            let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
            let world = World::over(store, parrot(), AutomationMode::Automatic).await;
            let id = suspected(&world).await;
            let done = cancel_after(polls, breaches(&world).contain(id)).await;
            let stands = world.assistant.tenant(world.tenant).await.unwrap().containment.stands();
            // Another process, which knows nothing but what is written.
            let other = world.second(parrot());
            if by_sweep && stands {
                other.sweep(1_000).await.unwrap().into_result().unwrap();
            } else {
                other.desk(world.tenant).breaches().contain(id).await.unwrap();
            }
            assert!(breaches(&world).get(id).await.unwrap().is_contained(), "cut short after {polls} polls");
            assert_eq!(state(&world).await, ConnectionState::Reauthorize);
            let logged = logged(&world).await;
            let once = [AuditAction::EgressStopped, AuditAction::TokenDestroyed, AuditAction::BreachContained];
            for action in once {
                assert_eq!(
                    logged.iter().filter(|there| **there == action).count(),
                    1,
                    "{action:?} after {polls} polls"
                );
            }
            if done.is_some() {
                ended = true;
                break;
            }
        }
        assert!(ended);
    }
}

#[tokio::test]
async fn while_it_can_not_be_written_that_a_breach_is_contained_nothing_leaves_here_and_lifting_ends_that() {
    let tap = Tap::new();
    let world = World::over(tap.store(), parrot(), AutomationMode::Automatic).await;
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    let id = suspected(&world).await;
    tap.ask(|batch| if puts(batch, Kind::TENANT).next().is_some() { Fate::Lost } else { Fate::Done });
    assert!(breaches(&world).contain(id).await.is_err());
    goes_on(&world).await;
    assert!(world.channel.sent().is_empty(), "unknown means deny");
    tap.heal();
    breaches(&world).lift(id).await.unwrap();
    goes_on(&world).await;
    assert_eq!(world.channel.sent().len(), 1);
}

#[tokio::test]
async fn the_epoch_turns_so_that_a_copy_of_the_keys_from_before_is_of_an_earlier_one() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let (one, two) = (suspected(&world).await, suspected(&world).await);
    assert_eq!(breaches(&world).contain(one).await.unwrap().turned, 1);
    world.later(60);
    assert_eq!(breaches(&world).contain(two).await.unwrap().turned, 1, "for each breach anew");
    assert_eq!(world.messages().await.len(), 2, "and everything is read as before");
}
