//! Who a handle leads to, and when: people change their numbers, and numbers change their people.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use whisp::channel::OutboundBody;
use whisp::id::{ContactId, ConversationId};
use whisp::model::{
    AutomationMode, Content, DeliveryStep, HandOffReason, Handle, HandleKind, Handling, PlatformMessageId, Provenance,
};
use whisp::store::{Kind, SubjectQuery};
use whisp::stores::SqliteStore;
use whisp::webhook::{ContactRef, Event, Item, MessageEvent, Receipt, ReceiptTarget};

use crate::rng::Rng;
use crate::world::{DANA, World, parrot};

pub(crate) const OLD: &str = "77010000001";
pub(crate) const NEW: &str = "77010000002";

pub(crate) fn phone(number: &str) -> Handle {
    Handle::new(HandleKind::Phone, number)
}

fn bsuid(id: &str) -> Handle {
    Handle::new(HandleKind::Bsuid, id)
}

fn who(handles: &[Handle]) -> ContactRef {
    ContactRef { handles: handles.to_vec(), name: None }
}

fn at(world: &World) -> DateTime<Utc> {
    DateTime::from_timestamp(world.now().timestamp(), 0).unwrap()
}

/// A message of whoever has the handles, written at a time by the platform's clock.
fn written(world: &World, id: &str, handles: &[Handle], text: &str, at: DateTime<Utc>) -> Item {
    let message = MessageEvent::new(Some(PlatformMessageId::new(id)), who(handles), Content::text(text));
    Item { at, ..world.event(id, Provenance::Live, Event::Message(message)) }
}

pub(crate) async fn writes(world: &World, id: &str, handles: &[Handle], text: &str) {
    assert_eq!(world.ingest(vec![written(world, id, handles, text, at(world))]).await.stored, 1, "{text}");
}

pub(crate) fn change(world: &World, id: &str, old: &[Handle], new: &[Handle]) -> Item {
    let event = Event::IdentityChanged { old: old.to_vec(), new: new.to_vec() };
    Item { at: at(world), ..world.event(id, Provenance::Live, event) }
}

async fn changes(world: &World, id: &str, old: &[Handle], new: &[Handle]) {
    assert_eq!(world.ingest(vec![change(world, id, old, new)]).await.stored, 1);
}

/// The conversation in which a text stands.
pub(crate) async fn with(world: &World, text: &str) -> ConversationId {
    let desk = world.assistant.desk(world.tenant);
    let mut found = Vec::new();
    for conversation in desk.inbox(None, 100).await.unwrap().conversations {
        let (messages, _) = desk.messages(conversation.id, None, 100).await.unwrap();
        if messages.iter().any(|message| message.content.readable() == Some(text)) {
            found.push(conversation.id);
        }
    }
    assert_eq!(found.len(), 1, "{text:?} stands in one conversation");
    found[0]
}

async fn conversations(world: &World) -> usize {
    world.assistant.desk(world.tenant).inbox(None, 100).await.unwrap().conversations.len()
}

pub(crate) async fn contact(world: &World, conversation: ConversationId) -> ContactId {
    world.assistant.desk(world.tenant).conversation(conversation).await.unwrap().contact
}

async fn handles(world: &World, text: &str) -> Vec<Handle> {
    let contact = contact(world, with(world, text).await).await;
    world.assistant.desk(world.tenant).contact(contact).await.unwrap().handles
}

#[tokio::test]
async fn a_number_that_was_given_up_leads_to_whoever_has_it_now() {
    let files = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(files.path().join("whisp.db")).unwrap());
    let world = World::over(store, parrot(), AutomationMode::Automatic).await;
    writes(&world, "m1", &[phone(OLD)], "Hello").await;
    world.later(60);
    changes(&world, "c1", &[phone(OLD)], &[phone(NEW)]).await;
    assert_eq!(handles(&world, "Hello").await, [phone(NEW)]);
    world.later(60);
    writes(&world, "m2", &[phone(NEW)], "It is still me").await;
    writes(&world, "m3", &[phone(OLD)], "I am somebody else").await;
    assert_eq!(with(&world, "It is still me").await, with(&world, "Hello").await);
    assert_ne!(with(&world, "I am somebody else").await, with(&world, "Hello").await);
    assert_eq!(handles(&world, "I am somebody else").await, [phone(OLD)]);
}

#[tokio::test]
async fn what_was_written_under_the_old_number_and_comes_late_finds_its_person() {
    let world = World::new().await;
    writes(&world, "m1", &[phone(OLD)], "Hello").await;
    let before = at(&world);
    world.later(60);
    changes(&world, "c1", &[phone(OLD)], &[phone(NEW)]).await;
    world.later(60);
    world.ingest(vec![written(&world, "m2", &[phone(OLD)], "I was late", before)]).await;
    assert_eq!(with(&world, "I was late").await, with(&world, "Hello").await);
    assert_eq!(handles(&world, "Hello").await, [phone(NEW)], "the old number does not come back with it");
    // Also when somebody else has the number by then, and in one delivery with it.
    let late = written(&world, "m4", &[phone(OLD)], "I was even later", before);
    let other = written(&world, "m3", &[phone(OLD)], "I am somebody else", at(&world));
    world.ingest(vec![other, late]).await;
    world.ingest(vec![written(&world, "m5", &[phone(OLD)], "I was the last", before)]).await;
    assert_eq!(with(&world, "I was even later").await, with(&world, "Hello").await);
    assert_eq!(with(&world, "I was the last").await, with(&world, "Hello").await);
    assert_ne!(with(&world, "I am somebody else").await, with(&world, "Hello").await);
    assert_eq!(conversations(&world).await, 2);
}

#[tokio::test]
async fn a_bsuid_that_stays_keeps_leading_and_one_that_went_does_not() {
    let world = World::new().await;
    writes(&world, "m1", &[bsuid("KZ.1"), phone(OLD)], "Hello").await;
    world.later(60);
    changes(&world, "c1", &[phone(OLD)], &[bsuid("KZ.1"), phone(NEW)]).await;
    assert_eq!(handles(&world, "Hello").await, [bsuid("KZ.1"), phone(NEW)]);
    world.later(60);
    writes(&world, "m2", &[bsuid("KZ.1")], "By my id").await;
    assert_eq!(with(&world, "By my id").await, with(&world, "Hello").await);
    world.later(60);
    changes(&world, "c2", &[bsuid("KZ.1")], &[bsuid("KZ.2")]).await;
    assert_eq!(handles(&world, "Hello").await, [bsuid("KZ.2"), phone(NEW)], "the number stays");
    world.later(60);
    writes(&world, "m3", &[bsuid("KZ.1")], "I am somebody else").await;
    assert_ne!(with(&world, "I am somebody else").await, with(&world, "Hello").await);
}

#[tokio::test]
async fn every_spelling_of_the_old_number_goes() {
    let world = World::new().await;
    // In Brazil the number that writes and the account's differ by a digit.
    writes(&world, "m1", &[phone("5511912345678"), phone("551112345678")], "Olá").await;
    world.later(60);
    changes(&world, "c1", &[phone("5511912345678")], &[phone(NEW)]).await;
    assert_eq!(handles(&world, "Olá").await, [phone(NEW)]);
}

#[tokio::test]
async fn a_change_that_comes_again_changes_nothing() {
    let world = World::new().await;
    writes(&world, "m1", &[phone(OLD)], "Hello").await;
    world.later(60);
    let first = change(&world, "c1", &[phone(OLD)], &[phone(NEW)]);
    assert_eq!(world.ingest(vec![first.clone()]).await.stored, 1);
    assert_eq!(world.ingest(vec![first.clone()]).await.stored, 0);
    // Meta documented two forms of one change: not the same item, but the same news.
    let other_form = |id: &str| Item { dedup: id.into(), ..first.clone() };
    assert_eq!(world.ingest(vec![other_form("c2")]).await.ignored, 1);
    world.later(60);
    writes(&world, "m2", &[phone(OLD)], "I am somebody else").await;
    assert_eq!(world.ingest(vec![other_form("c3")]).await.ignored, 1);
    assert_eq!(handles(&world, "I am somebody else").await, [phone(OLD)]);
    assert_eq!(handles(&world, "Hello").await, [phone(NEW)]);
    // They change back: the other one has left the number by then.
    world.later(60);
    changes(&world, "c4", &[phone(NEW)], &[phone(OLD)]).await;
    assert_eq!(handles(&world, "Hello").await, [phone(OLD)]);
    assert!(handles(&world, "I am somebody else").await.is_empty());
    assert_eq!(world.ingest(vec![other_form("c5")]).await.ignored, 1, "the first change is long over");
    world.later(60);
    writes(&world, "m3", &[phone(OLD)], "Back again").await;
    assert_eq!(with(&world, "Back again").await, with(&world, "Hello").await);
}

#[tokio::test]
async fn of_a_change_of_somebody_we_do_not_know_only_the_end_is_remembered() {
    let world = World::new().await;
    let before = at(&world);
    world.later(60);
    changes(&world, "c1", &[phone(OLD)], &[phone(NEW)]).await;
    world.later(60);
    writes(&world, "m1", &[phone(OLD)], "Hello").await;
    writes(&world, "m2", &[phone(NEW)], "Hello from another").await;
    assert_eq!(conversations(&world).await, 2);
    // Their word from before comes late: it is not the new owner's, and no reply to it goes to the new owner.
    world.ingest(vec![written(&world, "m3", &[phone(OLD)], "I was first", before)]).await;
    assert_eq!(conversations(&world).await, 3);
    assert!(handles(&world, "I was first").await.is_empty());
}

#[tokio::test]
async fn of_two_changes_the_later_one_holds_in_whatever_order_they_come() {
    let world = World::new().await;
    writes(&world, "m1", &[phone(OLD)], "Hello").await;
    world.later(60);
    let first = change(&world, "c1", &[phone(OLD)], &[phone(NEW)]);
    world.later(60);
    changes(&world, "c2", &[phone(NEW)], &[phone("77010000003")]).await;
    assert_eq!(world.ingest(vec![first]).await.stored, 1);
    assert!(handles(&world, "Hello").await.is_empty(), "the number that was left again is no way to them");
    world.later(60);
    writes(&world, "m2", &[phone(NEW)], "I am somebody else").await;
    writes(&world, "m3", &[phone(OLD)], "I am a third one").await;
    assert_eq!(conversations(&world).await, 3);
}

#[tokio::test]
async fn a_number_that_an_unknown_person_moves_to_no_longer_leads_to_whoever_had_it() {
    let world = World::new().await;
    writes(&world, "m1", &[phone(NEW)], "I had it first").await;
    world.later(3_600);
    changes(&world, "c1", &[phone(OLD)], &[phone(NEW)]).await;
    world.later(60);
    writes(&world, "m2", &[phone(NEW)], "Now it is mine").await;
    assert_ne!(with(&world, "Now it is mine").await, with(&world, "I had it first").await);
}

#[tokio::test]
async fn a_message_that_overtakes_the_change_leaves_two_contacts_and_loses_nothing() {
    let world = World::new().await;
    writes(&world, "m1", &[phone(OLD)], "stop").await;
    world.settle().await;
    world.later(60);
    let notice = change(&world, "c1", &[phone(OLD)], &[phone(NEW)]);
    world.later(10);
    writes(&world, "m2", &[phone(NEW)], "I was faster").await;
    let desk = world.assistant.desk(world.tenant);
    let before = with(&world, "stop").await;
    desk.by(DANA).send(before, OutboundBody::text("We will miss you")).await.unwrap();
    assert_eq!(world.ingest(vec![notice]).await.stored, 1);
    world.settle().await;
    // The new contact goes on, and what was said before holds for it too.
    assert_ne!(with(&world, "I was faster").await, before);
    assert_eq!(handles(&world, "I was faster").await, [phone(NEW)]);
    assert!(world.channel.sent().is_empty(), "{:?}", world.channel.texts());
    // The old one can't be answered any more, and a person sees it.
    assert!(handles(&world, "stop").await.is_empty());
    let (messages, _) = desk.messages(before, None, 10).await.unwrap();
    assert_eq!(messages[0].delivery.as_ref().unwrap().step, DeliveryStep::Failed);
    world.later(60);
    writes(&world, "m3", &[phone(OLD)], "I am somebody else").await;
    writes(&world, "m4", &[phone(NEW)], "Once more").await;
    assert_eq!(with(&world, "Once more").await, with(&world, "I was faster").await);
    assert_eq!(conversations(&world).await, 3);
}

#[tokio::test]
async fn a_reply_goes_to_the_number_that_the_person_has_now() {
    let world = World::new().await;
    writes(&world, "m1", &[phone(OLD)], "Hello").await;
    world.later(4);
    world.step().await;
    changes(&world, "c1", &[phone(OLD)], &[phone(NEW)]).await;
    world.settle().await;
    let sent = world.channel.sent();
    assert_eq!(sent.iter().map(|sent| sent.to.clone()).collect::<Vec<_>>(), [phone(NEW)]);
}

#[tokio::test]
async fn a_change_of_an_erased_person_brings_nobody_back() {
    let world = World::new().await;
    writes(&world, "m1", &[phone(OLD)], "Forget me").await;
    let erased = contact(&world, with(&world, "Forget me").await).await;
    world.later(60);
    changes(&world, "c1", &[phone(OLD)], &[phone(NEW)]).await;
    world.assistant.erase(world.tenant, erased).await.unwrap();
    let query = SubjectQuery { tenant: world.tenant, subject: erased.0, after: None, limit: 10 };
    assert!(world.store.of_subject(&query).await.unwrap().records.is_empty(), "no alias is left, old or new");
    world.later(60);
    changes(&world, "c2", &[phone(OLD)], &[phone(NEW)]).await;
    assert_eq!(conversations(&world).await, 0);
    // And where the erasure was cut short after the key was destroyed.
    writes(&world, "m2", &[phone(OLD)], "And me").await;
    let cut = contact(&world, with(&world, "And me").await).await;
    whisp::vault::Vault::erase(&*world.vault, world.tenant, cut.0, world.now()).await.unwrap();
    world.later(60);
    changes(&world, "c3", &[phone(OLD)], &[phone(NEW)]).await;
    world.assistant.erase(world.tenant, cut).await.unwrap();
    writes(&world, "m3", &[phone(NEW)], "Hello").await;
    assert_eq!(conversations(&world).await, 1);
}

#[tokio::test]
async fn who_had_a_number_is_forgotten_when_nothing_can_come_late_any_more() {
    let world = World::new().await;
    writes(&world, "m1", &[phone(OLD)], "Hello").await;
    world.later(60);
    changes(&world, "c1", &[phone(OLD)], &[phone(NEW)]).await;
    let contact = contact(&world, with(&world, "Hello").await).await;
    let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 100 };
    let formers = || async {
        let records = world.store.of_subject(&query).await.unwrap().records;
        records.iter().filter(|record| record.kind == Kind::FORMER_ALIAS).count()
    };
    assert_eq!(formers().await, 1);
    world.later(9 * 24 * 3_600 + 1);
    assert_eq!(world.assistant.sweep(100).await.unwrap().into_result().unwrap().deleted, 1);
    assert_eq!(formers().await, 0);
}

#[tokio::test]
async fn a_known_number_under_another_bsuid_is_another_person() {
    let world = World::new().await;
    writes(&world, "m1", &[bsuid("KZ.1"), phone(OLD)], "Hello").await;
    world.later(3_600);
    // No change was told: the number lapsed and was given to somebody else.
    writes(&world, "m2", &[bsuid("KZ.2"), phone(OLD)], "I am somebody else").await;
    assert_ne!(with(&world, "I am somebody else").await, with(&world, "Hello").await);
    assert_eq!(handles(&world, "I am somebody else").await, [bsuid("KZ.2"), phone(OLD)]);
    assert_eq!(handles(&world, "Hello").await, [bsuid("KZ.1")]);
    // A contact from before there were BSUIDs learns its own.
    writes(&world, "m3", &[phone(NEW)], "An old client").await;
    writes(&world, "m4", &[bsuid("KZ.3"), phone(NEW)], "The same client").await;
    assert_eq!(with(&world, "The same client").await, with(&world, "An old client").await);
}

#[tokio::test]
async fn a_number_told_with_a_known_bsuid_belongs_to_it() {
    let world = World::new().await;
    writes(&world, "m1", &[phone(OLD)], "By number").await;
    writes(&world, "m2", &[bsuid("KZ.1")], "By id").await;
    world.later(60);
    writes(&world, "m3", &[bsuid("KZ.1"), phone(OLD)], "By both").await;
    world.later(60);
    writes(&world, "m4", &[phone(OLD)], "By number again").await;
    assert_eq!(with(&world, "By both").await, with(&world, "By id").await);
    assert_eq!(with(&world, "By number again").await, with(&world, "By id").await);
    assert!(handles(&world, "By number").await.is_empty());
}

#[tokio::test]
async fn what_happens_to_a_message_is_told_to_its_conversation_whoever_has_the_number() {
    let world = World::new().await;
    writes(&world, "m1", &[phone(OLD)], "Hello").await;
    world.settle().await;
    world.later(60);
    changes(&world, "c1", &[phone(OLD)], &[phone(NEW)]).await;
    world.later(60);
    writes(&world, "m2", &[phone(OLD)], "I am somebody else").await;
    // Both name the number that they were sent under.
    let id = world.channel.sent()[0].id.clone();
    let receipt = Event::Receipt(Receipt {
        target: ReceiptTarget::Messages(vec![id]),
        contact: Some(who(&[phone(OLD)])),
        step: DeliveryStep::Read,
        failure: None,
        opted_out: false,
        tag: None,
        pricing: None,
    });
    let unsent = Event::Unsent { contact: Some(who(&[phone(OLD)])), target: PlatformMessageId::new("m1") };
    let before = with(&world, "Hello").await;
    world.ingest(vec![world.event("r1", Provenance::Live, receipt), world.event("u1", Provenance::Live, unsent)]).await;
    world.settle().await;
    let (messages, _) = world.assistant.desk(world.tenant).messages(before, None, 10).await.unwrap();
    assert_eq!(messages[0].delivery.as_ref().unwrap().step, DeliveryStep::Read);
    assert_eq!(messages[1].content, Content::Unsent);
}

#[tokio::test]
async fn a_member_learns_that_a_reply_has_nowhere_to_go() {
    let world = World::new().await;
    writes(&world, "m1", &[phone(OLD)], "By number").await;
    writes(&world, "m2", &[bsuid("KZ.1")], "By id").await;
    world.later(1);
    writes(&world, "m3", &[bsuid("KZ.1"), phone(OLD)], "By both").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let handling = desk.conversation(with(&world, "By number").await).await.unwrap().handling;
    assert!(matches!(handling, Handling::Member { reason: HandOffReason::SendFailed, .. }), "{handling:?}");
    assert_eq!(world.channel.sent().len(), 1, "only the one that can be reached");
}

/// A person of the history below.
struct Someone {
    number: Option<usize>,
    /// How often they changed their number: a BSUID is made anew each time.
    moves: usize,
}

/// What happened, in its true order, to be told in any order: people write, move to a free number, and numbers that
/// were left long ago are given to others.
fn history(world: &World, rng: &mut Rng, bsuids: bool) -> Vec<Item> {
    const NUMBERS: usize = 4;
    const DAY: i64 = 24 * 3_600;
    let mut people = vec![Someone { number: Some(0), moves: 0 }, Someone { number: Some(1), moves: 0 }];
    let mut free: Vec<(usize, i64)> = (2..NUMBERS).map(|number| (number, i64::MIN)).collect();
    let mut items = Vec::new();
    let mut second = -60 * DAY;
    for event in 0..40 {
        second += [1, 60, 3_600, DAY, 3 * DAY][rng.below(5)];
        let at = at(world) + TimeDelta::seconds(second);
        let person = rng.below(people.len());
        let handles = |people: &[Someone]| {
            let Someone { number, moves } = &people[person];
            let number = number.map(|number| phone(&format!("7701000000{number}")));
            let id = bsuids.then(|| bsuid(&format!("KZ.{person}.{moves}")));
            id.into_iter().chain(number).collect::<Vec<_>>()
        };
        // Where nothing but the number tells people apart it must have been free for as long as anything comes late.
        let rests = if bsuids { 0 } else { 8 * DAY };
        let ready = free.iter().position(|(_, since)| second.saturating_sub(*since) > rests);
        match (rng.below(4), ready) {
            (0, Some(ready)) if people[person].number.is_some() => {
                let old = handles(&people);
                let number = people[person].number.replace(free.remove(ready).0).unwrap();
                people[person].moves += 1;
                free.push((number, second));
                items.push(Item { at, ..change(world, &format!("c{event}"), &old, &handles(&people)) });
            }
            // A number lapses: nobody is told, so only a BSUID can show that it has another owner.
            (1, Some(ready)) if bsuids => {
                let number = free.remove(ready).0;
                if people.len() < 6 {
                    people.push(Someone { number: Some(number), moves: 0 });
                } else {
                    free.push((number, second));
                }
            }
            _ if people[person].number.is_some() => {
                items.push(written(world, &format!("m{event}"), &handles(&people), &format!("person {person}"), at));
            }
            _ => {}
        }
    }
    items
}

#[tokio::test]
async fn whatever_order_it_is_told_in_no_conversation_holds_the_words_of_two_people() {
    for seed in 0..200 {
        let world = World::new().await;
        let mut rng = Rng(seed);
        let items = history(&world, &mut rng, seed % 2 == 0);
        let messages = items.iter().filter(|item| matches!(item.event, Event::Message(_))).count();
        // Each comes up to seven days late, and some come twice.
        let mut told: Vec<(DateTime<Utc>, Item)> = Vec::new();
        for item in items {
            for _ in 0..=rng.below(2) {
                let late = [0, 5, 3_600, 7 * 24 * 3_600][rng.below(4)];
                told.push((item.at + TimeDelta::seconds(late), item.clone()));
            }
        }
        told.sort_by_key(|(when, _)| *when);
        let now = world.now();
        for (when, item) in told {
            world.clock.set(when);
            world.ingest(vec![item]).await;
        }
        world.clock.set(now);
        let desk = world.assistant.desk(world.tenant);
        let mut stored = 0;
        for conversation in desk.inbox(None, 100).await.unwrap().conversations {
            let (all, _) = desk.messages(conversation.id, None, 100).await.unwrap();
            let texts: BTreeSet<_> = all.iter().filter_map(|message| message.content.readable()).collect();
            assert_eq!(texts.len(), 1, "seed {seed}: {texts:?}");
            stored += all.len();
        }
        assert_eq!(stored, messages, "seed {seed}");
    }
}
