//! Several workers over one store: they share the buckets, take over from one another, and rest when nothing waits.

use chrono::TimeDelta;
use whisp::assistant::{Assistant, Budget, Config};
use whisp::id::TenantId;
use whisp::model::{AutomationMode, Content, Handle, HandleKind, PlatformMessageId, Provenance};
use whisp::store::{Kind, ListOrder, ListQuery, Record};
use whisp::webhook::{ContactRef, Event, MessageEvent};

use crate::tap::Tap;
use crate::world::{World, parrot};

const CONTACTS: usize = 24;

impl World {
    /// Each of many contacts writes.
    async fn all_say(&self, round: usize) {
        let items = (0..CONTACTS).map(|contact| {
            let handles = vec![Handle::new(HandleKind::Phone, &format!("7701000{contact:04}"))];
            let id = format!("wamid.{round}.{contact}");
            let contact = ContactRef { handles, name: None };
            let message = MessageEvent::new(Some(PlatformMessageId::new(&id)), contact, Content::text("Hello?"));
            self.event(&id, Provenance::Live, Event::Message(message))
        });
        self.ingest(items.collect()).await;
    }

    /// The workers that have said that they hold buckets.
    async fn workers(&self) -> Vec<Record> {
        let query = ListQuery {
            tenant: TenantId::DIRECTORY,
            kind: Kind::WORKER,
            parent: TenantId::DIRECTORY.into(),
            order: ListOrder::Ascending,
            after: None,
            limit: 10,
        };
        self.store.list(&query).await.unwrap().records
    }

    /// Both work for some seconds; returns how many lanes each had.
    async fn both_work(&self, workers: [&Assistant; 2], seconds: usize) -> [usize; 2] {
        let mut lanes = [0, 0];
        for _ in 0..seconds {
            for (worker, lanes) in workers.iter().zip(&mut lanes) {
                for report in
                    [worker.step(&Budget::default()).await.unwrap(), worker.deliver(&Budget::default()).await.unwrap()]
                {
                    assert!(report.errors.is_empty(), "{report:?}");
                    *lanes += report.lanes;
                }
            }
            self.later(1);
        }
        lanes
    }
}

/// Two workers that share the buckets, and something new to do in all of them.
async fn two_that_share() -> (World, Assistant) {
    let world = World::new().await;
    let second = world.second(parrot());
    for round in 0..4 {
        world.all_say(round).await;
        world.both_work([&world.assistant, &second], 12).await;
    }
    world.all_say(4).await;
    (world, second)
}

#[tokio::test]
async fn a_worker_that_comes_later_gets_its_share() {
    let world = World::new().await;
    let second = world.second(parrot());
    let mut lanes = Vec::new();
    for round in 0..8 {
        world.all_say(round).await;
        lanes.push(world.both_work([&world.assistant, &second], 12).await);
    }
    let [first, ..] = lanes.as_slice() else { panic!("there were rounds") };
    assert_eq!(first[1], 0, "who came first holds all: {lanes:?}");
    let shares: Vec<bool> = lanes.iter().skip(4).map(|[one, other]| *one > 0 && *other > 0).collect();
    assert_eq!(shares, [true; 4], "both have work: {lanes:?}");
    assert_eq!(world.channel.sent().len(), 8 * CONTACTS, "each question is answered once");
}

#[tokio::test]
async fn what_a_dead_worker_held_goes_to_the_other() {
    let (world, second) = two_that_share().await;
    // The first one is gone without a word.
    world.both_work([&second, &second], 75).await;
    assert_eq!(world.channel.sent().len(), 5 * CONTACTS);
    let workers = world.workers().await;
    assert!(workers.len() <= 1, "the dead one is forgotten: {workers:?}");
}

#[tokio::test]
async fn what_a_dead_worker_held_goes_to_the_other_when_its_leases_end() {
    let (world, second) = two_that_share().await;
    // The first one is gone without a word, the second goes by what it is told is due next, and by nothing else.
    let killed = world.now();
    while world.channel.sent().len() < 5 * CONTACTS {
        let reports =
            [second.step(&Budget::default()).await.unwrap(), second.deliver(&Budget::default()).await.unwrap()];
        if reports.iter().all(|report| report.lanes == 0) {
            let due = reports.iter().filter_map(|report| report.next_due).min();
            let due = due.expect("it knows when the other one's leases end");
            world.clock.set(due.max(world.now() + TimeDelta::milliseconds(5)));
        }
    }
    let took = world.now() - killed;
    let lease = Config::default().lease;
    assert!(took <= lease, "within {took}, where leases last {lease}");
    assert!(took > lease / 2, "leases that are held are not taken: {took}");
}

#[tokio::test]
async fn a_worker_without_work_holds_nothing_and_writes_nothing() {
    let world = World::new().await;
    world.all_say(0).await;
    world.settle().await;
    let idle = async || {
        world.later(1);
        let reports = [world.step().await, world.deliver().await];
        assert_eq!(reports.map(|report| report.lanes), [0, 0]);
    };
    for _ in 0..120 {
        idle().await;
    }
    let before: Vec<u64> = world.workers().await.iter().map(|worker| worker.version).collect();
    for _ in 0..120 {
        idle().await;
    }
    let after: Vec<u64> = world.workers().await.iter().map(|worker| worker.version).collect();
    assert_eq!(before, after, "it writes no more about itself");
    // What comes then is found as soon as ever.
    world.all_say(1).await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 2 * CONTACTS);
}

#[tokio::test]
async fn leases_that_can_not_be_given_back_keep_no_other_from_being_renewed() {
    let tap = Tap::new();
    let world = World::equipped(tap.store(), parrot(), AutomationMode::Automatic, |builder| builder).await;
    world.all_say(0).await;
    world.settle().await;
    world.later(Config::default().lease.num_seconds() / 2 + 1);
    // Something waits in one bucket and nothing in the others, whose leases go back.
    world.says("m1", "Do you have cake?").await;
    tap.keep_leases();
    let before = tap.renewed();
    world.assistant.step(&Budget::default()).await.expect_err("they can't be given back");
    assert_eq!(tap.renewed() - before, 1);
}
