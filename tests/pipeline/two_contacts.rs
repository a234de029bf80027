//! One person who is two contacts (invariant I-24): what is asked for the one is done for both, and a hold on one is on both.

use std::sync::Arc;

use chrono::TimeDelta;
use whisp::id::ContactId;
use whisp::model::AutomationMode;
use whisp::privacy::{HoldGround, HoldScope, NewHold};
use whisp::store::{Commit, Kind, SubjectQuery, WriteBatch, WriteOp};
use whisp::stores::SqliteStore;
use whisp::testing::cancel_after;

use crate::identity::{NEW, OLD, change, contact, phone, with, writes};
use crate::world::{World, parrot};
use crate::yielding::Yielding;

/// Somebody who wrote from the new number before the change was told.
async fn told_late(world: &World) -> (ContactId, ContactId) {
    writes(world, "m1", &[phone(OLD)], "Hello").await;
    world.settle().await;
    world.later(60);
    let notice = change(world, "c1", &[phone(OLD)], &[phone(NEW)]);
    world.later(60);
    writes(world, "m2", &[phone(NEW)], "It is still me").await;
    world.settle().await;
    let other = [phone("77019999999")];
    writes(world, "m3", &other, "I am somebody else").await;
    assert_eq!(world.ingest(vec![notice]).await.stored, 1);
    world.settle().await;
    let of = async |text| contact(world, with(world, text).await).await;
    (of("Hello").await, of("It is still me").await)
}

#[tokio::test]
async fn i24_whoever_is_erased_is_erased_as_all_the_contacts_that_they_are() {
    for first in [true, false] {
        let files = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(files.path().join("whisp.db")).unwrap());
        let world = World::over(store, parrot(), AutomationMode::Automatic).await;
        let (before, after) = told_late(&world).await;
        let desk = world.assistant.desk(world.tenant);
        assert_ne!(before, after);
        assert_eq!(desk.known_as(before).await.unwrap(), [after]);
        assert_eq!(desk.known_as(after).await.unwrap(), [before]);
        let asked = if first { before } else { after };
        world.assistant.erase(world.tenant, asked).await.unwrap();
        for contact in [before, after] {
            let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 10 };
            assert!(world.store.of_subject(&query).await.unwrap().records.is_empty());
        }
        let other = contact(&world, with(&world, "I am somebody else").await).await;
        assert_eq!(desk.known_as(other).await.unwrap(), [], "nobody else");
        // Once more, after a crash in between, changes nothing.
        world.assistant.erase(world.tenant, asked).await.unwrap();
    }
}

/// Whoever cuts it short has begun nothing, or all of it: the sweeps end the rest.
#[tokio::test]
async fn i24_an_erasure_of_a_person_that_is_cut_short_anywhere_ends_as_all_the_contacts_that_they_are() {
    let mut begun = 0;
    for polls in 0.. {
        let store = Arc::new(Yielding(Arc::new(whisp::stores::MemoryStore::new())));
        let world = World::over(store, parrot(), AutomationMode::Automatic).await;
        let (before, after) = told_late(&world).await;
        let left = async || {
            let mut left = Vec::new();
            for contact in [before, after] {
                let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 100 };
                left.push(world.store.of_subject(&query).await.unwrap().records.len());
            }
            left
        };
        let there = left().await;
        let asked = if polls % 2 == 0 { before } else { after };
        let ended = cancel_after(polls, world.assistant.erase(world.tenant, asked)).await;
        // Another process goes on: this one has crashed.
        let other = world.second(parrot());
        let mut swept = 0;
        for _ in 0..2 {
            swept += other.sweep(1_000).await.unwrap().into_result().unwrap().erasures;
        }
        if ended.is_some() {
            assert_eq!((left().await, swept), (vec![0, 0], 0));
            break;
        }
        match left().await[..] {
            [0, 0] => begun += 1,
            ref untouched => assert_eq!((untouched, swept), (&there[..], 0), "after {polls} polls"),
        }
    }
    assert!(begun > 20, "{begun}");
}

fn hold(world: &World) -> NewHold {
    NewHold {
        scope: HoldScope::default(),
        ground: HoldGround::LegalClaim,
        authority: "a court".to_owned(),
        review_by: world.now() + TimeDelta::days(300),
    }
}

async fn with_holds() -> World {
    let mut config = whisp::assistant::Config::default();
    config.register = crate::holds::register();
    let store = Arc::new(whisp::stores::MemoryStore::new());
    World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.config(config)).await
}

/// Everything that a hold keeps, as text.
async fn kept(world: &World, id: whisp::id::HoldId) -> String {
    let page = world.assistant.desk(world.tenant).holds().read(id, None, 100).await.unwrap();
    page.held.iter().map(|held| held.value.expose().to_string()).collect()
}

#[tokio::test]
async fn i24_a_hold_on_one_contact_of_a_person_is_on_the_others_too() {
    for (on_first, asked_of_first) in [(false, false), (true, false), (false, true), (true, true)] {
        let world = with_holds().await;
        let (before, after) = told_late(&world).await;
        let (on, asked) = (if on_first { before } else { after }, if asked_of_first { before } else { after });
        let hold = world.assistant.desk(world.tenant).holds().place(on, hold(&world)).await.unwrap();
        // Past its time nothing of the person goes, as whichever contact.
        world.later(370 * 24 * 3_600);
        world.assistant.trust_clock().await.unwrap();
        world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
        let erased = world.assistant.erase(world.tenant, asked).await.unwrap();
        assert!(!erased.withheld.is_empty(), "the receipt says so");
        let held = kept(&world, hold.id).await;
        for text in ["Hello", "It is still me"] {
            assert!(held.contains(text), "{text} is kept, on the first {on_first}, asked of it {asked_of_first}");
        }
        for contact in [before, after] {
            let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 10 };
            assert!(world.store.of_subject(&query).await.unwrap().records.is_empty());
        }
    }
}

#[tokio::test]
async fn i24_a_hold_from_before_the_change_was_told_is_on_what_came_from_the_new_number() {
    let world = with_holds().await;
    writes(&world, "m1", &[phone(OLD)], "Hello").await;
    let before = contact(&world, with(&world, "Hello").await).await;
    let hold = world.assistant.desk(world.tenant).holds().place(before, hold(&world)).await.unwrap();
    world.later(60);
    let notice = change(&world, "c1", &[phone(OLD)], &[phone(NEW)]);
    world.later(60);
    writes(&world, "m2", &[phone(NEW)], "It is still me").await;
    let after = contact(&world, with(&world, "It is still me").await).await;
    assert_eq!(world.ingest(vec![notice]).await.stored, 1);
    world.assistant.erase(world.tenant, after).await.unwrap();
    assert!(kept(&world, hold.id).await.contains("It is still me"));
}

/// As where the hold was placed in the very moment in which the change was told: each has read before the other wrote.
#[tokio::test]
async fn i24_a_hold_that_missed_the_change_is_on_all_of_the_person_when_they_are_erased() {
    for asked_of_first in [false, true] {
        let world = with_holds().await;
        let (before, after) = told_late(&world).await;
        let hold = world.assistant.desk(world.tenant).holds().place(before, hold(&world)).await.unwrap();
        let mut record = world.store.get(world.tenant, Kind::HOLD, hold.id.into()).await.unwrap().unwrap();
        let lookups = record.lookups.len();
        record.lookups.retain(|lookup| lookup.0 != after.0.into_bytes());
        assert_eq!(record.lookups.len(), lookups - 1);
        record.version += 1;
        let written = world.store.commit(WriteBatch::new(world.tenant).op(WriteOp::Put(record))).await.unwrap();
        assert_eq!(written, Commit::Done);
        world.assistant.erase(world.tenant, if asked_of_first { before } else { after }).await.unwrap();
        let held = kept(&world, hold.id).await;
        assert!(
            ["Hello", "It is still me"].iter().all(|text| held.contains(text)),
            "asked of the first {asked_of_first}"
        );
    }
}
