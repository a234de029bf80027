//! A breach is contained, measured and told (promise P27): nothing leaves from the commit on, wherever that falls, nothing is
//! lost, and each date is told once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use whisp::assistant::{
    Assistant, AssistantError, Breaches, Budget, Config, Due, DueWhat, NewConnection, Radius, RadiusPage,
};
use whisp::audit::AuditAction;
use whisp::channel::{
    Capabilities, Channel, ChannelError, ChannelErrorKind, Outbound, OutboundBody, SendReceipt, TextLimit,
};
use whisp::clock::Clock;
use whisp::documents::Language;
use whisp::error::Retry;
use whisp::id::{BreachId, ContactId, MemberId, SubjectId};
use whisp::model::{
    AccountId, AutomationMode, ChannelKind, Connection, ConnectionState, DeliveryStep, PlatformMessageId,
};
use whisp::privacy::{
    Audience, Breach, BreachAssessment, BreachError, BreachEvent, BreachNature, BreachOrigin, BreachRisk, BreachState,
    Categories, Controller, DataCategory, DeniedReason, Exposure, NewBreach, ProcessorId, ProfileId, RequestKind, Role,
    SubjectKind, Urgency,
};
use whisp::reply::ReplyEngine;
use whisp::store::{Kind, Store};
use whisp::stores::MemoryStore;
use whisp::testing::{ManualClock, ScriptedEngine, cancel_after};

use crate::tap::{Fate, Tap, puts};
use crate::world::{ACCOUNT, TOKEN, World, join, parrot};
use crate::yielding::{Yielding, pause};

fn breaches(world: &World) -> Breaches {
    world.assistant.desk(world.tenant).breaches()
}

fn new(world: &World) -> NewBreach {
    NewBreach {
        origin: BreachOrigin::Ours,
        nature: BreachNature::Disclosed,
        from: world.now() - TimeDelta::hours(2),
        until: None,
    }
}

async fn suspected(world: &World) -> BreachId {
    breaches(world).suspect(new(world)).await.unwrap().id
}

/// The same account, with another token.
async fn connect_anew(world: &World) {
    let account = NewConnection {
        channel: ChannelKind::WhatsApp,
        account: AccountId::new(ACCOUNT),
        token: SecretString::from("EAAG-new"),
        scopes: Vec::new(),
        mode: AutomationMode::Automatic,
    };
    assert_eq!(world.assistant.connect(world.tenant, account).await.unwrap(), world.connection);
}

async fn contact(world: &World) -> ContactId {
    world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact
}

async fn state(world: &World) -> ConnectionState {
    world.assistant.connections(world.tenant).await.unwrap()[0].3
}

/// What the audit log says, in its order.
async fn logged(world: &World) -> Vec<AuditAction> {
    let audit = world.assistant.audit(world.tenant);
    while audit.sequence(1_000).await.unwrap() > 0 {}
    let (events, _) = audit.events(None, 1_000).await.unwrap();
    events.into_iter().map(|entry| entry.event.action).collect()
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
    assert_eq!(world.channel.texts(), ["Answer: Hello"]);
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
            assert!(waited > 20 && sent > 1, "{waited} {sent}");
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
                other.sweep(1_000).await.unwrap();
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

/// Sweeps, and returns what was told.
async fn told(world: &World, at: &str) -> Vec<(Audience, Urgency)> {
    let at: DateTime<Utc> = at.parse().unwrap();
    world.clock.set(at);
    let due = world.assistant.sweep(1_000).await.unwrap().due;
    let each = |due: &Due| match due.what {
        DueWhat::Breach { audience, .. } => Some((audience, due.urgency)),
        _ => None,
    };
    due.iter().filter_map(each).collect()
}

#[tokio::test]
async fn p27_each_date_is_told_once_each_time_that_it_comes_closer_and_when_it_is_missed() {
    let mut config = Config::default();
    config.profiles = ["eu-gdpr", "kz", "meta-platform"].map(ProfileId::new).to_vec();
    config.controller = Some(Controller::new("Coffee & Co", "Almaty", "privacy@coffee.example"));
    let world = World::equipped(Arc::new(MemoryStore::new()), parrot(), AutomationMode::Automatic, |builder| {
        builder.config(config)
    })
    .await;
    // A Thursday: by Friday 10:00 the authority of Kazakhstan and the platform, by Sunday that of the EU.
    let aware = "2026-11-26T10:00:00Z";
    world.clock.set(aware.parse().unwrap());
    world.assistant.sweep(1_000).await.ok();
    world.assistant.trust_clock().await.unwrap();
    let id = suspected(&world).await;
    let register = breaches(&world);
    register.apply(id, BreachEvent::Confirm { aware_at: world.now() }).await.unwrap();
    let (authority, platform) = (Audience::Authority, Audience::Platform);
    assert!(told(&world, aware).await.is_empty());
    let half = told(&world, "2026-11-26T22:00:00Z").await;
    assert_eq!(half, [(authority, Urgency::Half), (platform, Urgency::Half)]);
    assert!(told(&world, "2026-11-26T23:00:00Z").await.is_empty(), "once");
    register.apply(id, BreachEvent::Tell { audience: platform, at: world.now() }).await.unwrap();
    assert_eq!(told(&world, "2026-11-27T09:00:00Z").await, [(authority, Urgency::Most)]);
    assert_eq!(told(&world, "2026-11-27T10:00:00Z").await, [(authority, Urgency::Overdue)]);
    assert!(told(&world, "2026-11-28T10:00:00Z").await.is_empty());
    assert_eq!(logged(&world).await.iter().filter(|action| **action == AuditAction::BreachDue).count(), 3);
    let text = register.authority_text(id, Language::Russian).await.unwrap();
    assert!(text.contains("Coffee & Co") && text.contains("2026-11-26 10:00 UTC"), "{text}");
}

#[tokio::test]
async fn the_register_goes_from_the_suspicion_to_the_end_with_an_event_for_each_step() {
    let mut config = Config::default();
    config.profiles = vec![ProfileId::new("eu-gdpr")];
    let world = World::equipped(Arc::new(MemoryStore::new()), parrot(), AutomationMode::Automatic, |builder| {
        builder.config(config)
    })
    .await;
    let register = breaches(&world);
    let stranger = NewBreach { origin: BreachOrigin::Processor(ProcessorId::new("nobody")), ..new(&world) };
    assert!(matches!(register.suspect(stranger).await, Err(AssistantError::Invalid(_))));
    let id = suspected(&world).await;
    assert!(matches!(register.authority_text(id, Language::English).await, Err(AssistantError::Invalid(_))));
    for event in [BreachEvent::Contain, BreachEvent::Lift] {
        assert!(matches!(register.apply(id, event).await, Err(AssistantError::Invalid(_))));
    }
    let early = register.apply(id, BreachEvent::Close).await;
    assert!(matches!(early, Err(AssistantError::Breach(BreachError::WrongState { .. }))), "{early:?}");
    register.apply(id, BreachEvent::Confirm { aware_at: world.now() }).await.unwrap();
    let assessment = BreachAssessment {
        risk: BreachRisk::Risk,
        categories: Categories::of(&[DataCategory::MessageContent]),
        people: 1,
        records: 2,
        exposure: Exposure::Readable,
    };
    register.apply(id, BreachEvent::Assess(assessment)).await.unwrap();
    assert_eq!(register.duties(id).await.unwrap().len(), 1);
    register.apply(id, BreachEvent::Tell { audience: Audience::Authority, at: world.now() }).await.unwrap();
    assert!(register.people_text(id, Language::English).await.is_err(), "nobody is named who is responsible");
    assert_eq!(register.open(None, 10).await.unwrap().breaches.len(), 1);
    let closed: Breach = register.apply(id, BreachEvent::Close).await.unwrap();
    assert_eq!(closed.state, BreachState::Closed);
    assert!(register.open(None, 10).await.unwrap().breaches.is_empty());
    assert_eq!(register.ended(None, 10).await.unwrap().breaches, [closed]);
    let contain = register.contain(id).await;
    assert!(matches!(contain, Err(AssistantError::Breach(BreachError::WrongState { .. }))), "{contain:?}");
    let steps = [
        AuditAction::BreachSuspected,
        AuditAction::BreachConfirmed,
        AuditAction::BreachAssessed,
        AuditAction::BreachTold,
        AuditAction::BreachClosed,
    ];
    let logged = logged(&world).await;
    assert!(logged.ends_with(&steps), "{logged:?}");
    // It stays for its time, and no longer.
    let days = Config::default().retention.requests.num_days();
    world.clock.advance(TimeDelta::days(days + 1));
    world.assistant.trust_clock().await.unwrap();
    world.assistant.sweep(1_000).await.unwrap();
    assert!(matches!(register.get(id).await, Err(AssistantError::NotFound("breach"))));
}

async fn radius(assistant: &Assistant, world: &World, id: BreachId) -> Radius {
    let register = assistant.desk(world.tenant).breaches();
    let (mut radius, mut after) = (Radius::default(), None);
    loop {
        let page: RadiusPage = register.radius(id, after).await.unwrap();
        after = page.next;
        radius.add(page);
        if after.is_none() {
            return radius;
        }
    }
}

#[tokio::test]
async fn p27_the_radius_is_counted_without_a_key() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    world.later(7_200);
    let from = world.now();
    world.says("m2", "Hello again").await;
    world.settle().await;
    let person = contact(&world).await;
    // Somebody looks, and is logged once in a view; in the log, and before it is there.
    world.messages().await;
    world.assistant.sweep(1_000).await.unwrap();
    world.later(7_200);
    world.messages().await;
    let until = world.now();
    world.later(3_600);
    world.messages().await;
    let breach = breaches(&world).suspect(NewBreach { from, until: Some(until), ..new(&world) }).await.unwrap();
    // A process without the keys of anybody: it has the store, and the key by which the log names people.
    let all = radius(&world.assistant, &world, breach.id).await;
    let there = &all.people[&person.0];
    assert_eq!(there.records[&DataCategory::MessageContent], 2, "question and answer of the window, not those before");
    assert_eq!((there.kind, there.more), (SubjectKind::Contact, false));
    let looks: Vec<_> = all.looked_at().map(|(who, times)| (who.subject, times)).collect();
    assert_eq!(looks, [(person.0, 2)]);
    assert_eq!(all.of(DataCategory::MessageContent), (1, 2));
    let kinds: Vec<_> = all.people.values().map(|who| who.kind).collect();
    assert!(kinds.contains(&SubjectKind::Member) && kinds.contains(&SubjectKind::AccountHolder), "{kinds:?}");
    assert_eq!((all.erased.before, all.erased.within, all.erased.after), (0, 0, 0));

    world.assistant.erase(world.tenant, person).await.unwrap();
    let after = radius(&world.assistant, &world, breach.id).await;
    assert!(!after.people.contains_key(&person.0));
    assert_eq!(after.erased.after, 1, "who that was nobody knows");
    let now = world.now();
    let later = breaches(&world).suspect(NewBreach { from: now + TimeDelta::zero(), until: None, ..new(&world) });
    world.later(1);
    let later = later.await.unwrap();
    let before = radius(&world.assistant, &world, later.id).await;
    assert_eq!((before.erased.before, before.erased.within), (0, 1), "in the very moment");
}

#[tokio::test]
async fn the_radius_finds_the_window_in_a_long_log_and_leaves_out_who_came_later() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let person = contact(&world).await;
    for day in 0..40 {
        world.messages().await;
        world.later(86_400);
        if day % 7 == 0 {
            world.assistant.sweep(1_000).await.unwrap();
        }
    }
    let from = world.now() - TimeDelta::days(20) - TimeDelta::hours(1);
    let until = from + TimeDelta::days(3);
    let breach = breaches(&world).suspect(NewBreach { from, until: Some(until), ..new(&world) }).await.unwrap();
    let all = radius(&world.assistant, &world, breach.id).await;
    assert_eq!(all.looked_at().map(|(who, times)| (who.subject, times)).collect::<Vec<_>>(), [(person.0, 3)]);
    let early = world.now() - TimeDelta::days(50);
    let breach = breaches(&world).suspect(NewBreach { from: early, until: Some(early), ..new(&world) }).await.unwrap();
    let all = radius(&world.assistant, &world, breach.id).await;
    assert!(!all.people.contains_key(&person.0), "they were not there yet");
    assert!(all.looks.is_empty());
}

#[tokio::test]
async fn who_may_work_on_breaches_does_and_an_auditor_reads() {
    let world = World::new().await;
    let member = |number: u8| MemberId(SubjectId::from_bytes([number; 16]));
    for (number, role) in [(21, Role::Owner), (22, Role::Admin), (23, Role::Auditor), (24, Role::Member)] {
        join(&world.assistant, world.tenant, member(number), role).await;
    }
    let id = suspected(&world).await;
    let may = async |number: u8| {
        let register = world.assistant.desk(world.tenant).by(member(number)).breaches();
        let writes = register.suspect(new(&world)).await;
        let reads = [register.get(id).await.is_ok(), register.radius(id, None).await.is_ok()];
        if writes.is_err() {
            assert!(matches!(writes, Err(AssistantError::Forbidden(_))), "{writes:?}");
            assert!(matches!(register.contain(id).await, Err(AssistantError::Forbidden(_))));
            assert!(matches!(register.lift(id).await, Err(AssistantError::Forbidden(_))));
        }
        (writes.is_ok(), reads)
    };
    assert_eq!(may(21).await, (true, [true, true]));
    assert_eq!(may(22).await, (true, [true, true]));
    assert_eq!(may(23).await, (false, [true, true]));
    assert_eq!(may(24).await, (false, [false, false]));
}

#[tokio::test]
async fn the_register_of_breaches_names_nobody_and_holds_no_secret() {
    let store = Arc::new(MemoryStore::new());
    let world = World::over(Arc::<MemoryStore>::clone(&store), parrot(), AutomationMode::Automatic).await;
    world.says("m1", "canary-text").await;
    world.settle().await;
    let id = suspected(&world).await;
    breaches(&world).contain(id).await.unwrap();
    let record = store.get(world.tenant, Kind::BREACH, id.into()).await.unwrap().unwrap();
    assert!(record.subjects.is_empty() && record.sealed.0.is_empty());
    for canary in ["canary-text", "Aigerim", TOKEN] {
        assert!(!record.clear.0.contains(canary), "{}", record.clear.0);
    }
}
