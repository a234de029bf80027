//! Whom a breach is about is counted from what is in clear.

use chrono::TimeDelta;
use whisp::assistant::{Assistant, Radius, RadiusPage};
use whisp::id::BreachId;
use whisp::privacy::{DataCategory, NewBreach, SubjectKind};

use super::{breaches, contact, new};
use crate::world::World;

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
    world.later(10);
    world.says("m2", "Hello again").await;
    world.settle().await;
    let person = contact(&world).await;
    // Somebody looks, and is logged once in a view; in the log, and before it is there.
    world.messages().await;
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
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
    let later = breaches(&world).suspect(NewBreach { from: world.now(), ..new(&world) }).await.unwrap();
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
            world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
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
