//! What is erased, taken back, past its time or closed is gone, and what is not is there.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use whisp_core::assistant::{AssistantError, ErasureReceipt, Retention};
use whisp_core::id::{ContactId, ConversationId, MessageId, TenantId};
use whisp_core::kpi::{GROUP_MIN, KpiWindow, built_in};
use whisp_core::model::{Content, PlatformMessageId, Provenance};
use whisp_core::store::{Commit, FactQuery, Kind, PAGE_MAX, Record, WriteBatch, WriteOp};
use whisp_core::testing::{Yielding, cancel_after};
use whisp_core::vault::{IndexField, SubjectKeyState, Vault, VaultErrorKind};
use whisp_core::webhook::Event;

use super::Parts;
use super::doors::{Person, hold, needles, plant};
use super::raw::Needle;
use super::world::{Business, World};

/// Everything of somebody, so that it can be looked for when it is to be gone.
struct Trace {
    records: Vec<Record>,
    needles: Vec<Needle>,
}

/// Bytes of something sealed that are nowhere else: its salt, and a part of what follows.
const TELLING: std::ops::Range<usize> = 8..40;

impl Trace {
    /// Takes it, by the person and by everything else that leads there.
    async fn of(world: &World<'_>, tenant: TenantId, (contact, conversation): (ContactId, ConversationId)) -> Self {
        let mut records = world.listed(tenant, contact.0, conversation).await;
        for (kind, id) in [(Kind::CONTACT, contact.into()), (Kind::CONVERSATION, conversation.into())] {
            records.push(world.store.get(tenant, kind, id).await.expect("reads").expect("it is there"));
        }
        let owned = world.owned(tenant, contact.0).await;
        let is_owned = |record: &Record| owned.iter().any(|own| (own.kind, own.id) == (record.kind, record.id));
        let lost = records.iter().find(|record| !is_owned(record));
        assert!(lost.is_none(), "the store does not tell that this is theirs: {lost:?}");
        let mut needles: Vec<Needle> = owned.iter().filter_map(sealed).collect();
        match world.parts.keys().subject(tenant, contact.0).await.expect("reads a key") {
            SubjectKeyState::Live(key) => needles.push(Needle::bytes("their wrapped key", &key.wrapped.0)),
            other => panic!("they have a key: {other:?}"),
        }
        for id in world.kept_files(tenant).await {
            if owned.iter().any(|record| record.id == id.into()) {
                let bytes = world.parts.media().read(tenant, id, 0, TELLING.end).await.expect("reads a file");
                let bytes = bytes.expect("it is there");
                needles.extend(bytes.get(TELLING).map(|part| Needle::bytes("a file of theirs", part)));
            }
        }
        Self { records: owned, needles }
    }

    /// Panics if something of it is left, in the store or in the bytes behind it.
    async fn is_gone(&self, world: &World<'_>, tenant: TenantId) {
        for record in &self.records {
            // Of a handle it is kept for some days that whoever had it is gone.
            if record.kind != Kind::FORMER_ALIAS {
                let left = world.store.get(tenant, record.kind, record.id).await.expect("reads");
                assert_eq!(left, None, "it is there still");
            }
        }
        world.wiped(&self.needles).await;
    }
}

fn sealed(record: &Record) -> Option<Needle> {
    let part = record.sealed.0.get(TELLING)?;
    Some(Needle::bytes(format!("what was sealed in a record of kind {}", record.kind), part))
}

/// Once an erasure is through, nothing of the person is left in any kind of record, under any parent, in any file, nor in the
/// bytes behind them; a copy of their records from before does not open; the receipt names nobody, and what is counted
/// stays (I-18, I-27).
pub async fn i18_whoever_is_erased_is_gone_everywhere(parts: &dyn Parts) {
    let world = World::new(parts).await;
    let business = world.business("north").await;
    let mut anna = Person::new("anna", 1);
    let (contact, conversation) = plant(&world, &business, &mut anna).await;
    let tenant = business.tenant;
    let trace = Trace::of(&world, tenant, (contact, conversation)).await;
    let counted = numbers(&world, tenant).await;
    let receipt = world.assistant.erase(tenant, contact).await.expect("erases");
    assert!(receipt.key_destroyed_at.is_some() && receipt.withheld.is_empty(), "{receipt:?}");
    assert_eq!(receipt.deleted.iter().map(|(_, count)| count).sum::<u64>(), trace.records.len() as u64);
    assert!(world.owned(tenant, contact.0).await.is_empty(), "nothing is theirs");
    assert!(world.listed(tenant, contact.0, conversation).await.is_empty(), "and nothing is listed");
    assert!(world.kept_files(tenant).await.is_empty(), "nor is a file there");
    world.sweep().await;
    trace.is_gone(&world, tenant).await;
    world.nowhere(&needles(&[&anna])).await;
    assert_eq!(numbers(&world, tenant).await, counted, "the numbers are as they were");
    let told = serde_json::to_string(&receipt).expect("it is JSON");
    assert!(!told.contains(&contact.0.to_string()), "the receipt names nobody");
    // Out of a backup of the data.
    let message = trace.records.iter().find(|record| record.kind == Kind::MESSAGE).expect("they wrote");
    let restored = WriteBatch::new(tenant).op(WriteOp::Put(Record { version: 1, ..message.clone() }));
    assert_eq!(world.store.commit(restored).await.expect("commits"), Commit::Done);
    for world in [&world, &world.again(8).await] {
        match world.copy(tenant, contact).await {
            Err(AssistantError::Vault(error)) if error.kind() == VaultErrorKind::Erased => {}
            other => panic!("a copy from before opens: {other:?}"),
        }
    }
}

async fn numbers(world: &World<'_>, tenant: TenantId) -> String {
    let (from, until) = (world.now() - TimeDelta::days(30), world.now() + TimeDelta::days(30));
    let window = KpiWindow { from, until, as_of: until };
    format!("{:?}", world.assistant.measure(tenant, &window, &built_in()).await.expect("measures"))
}

/// An erasure that is dropped at any of its awaits is not begun, or ends with the next sweep of whoever goes on, and tells the
/// same (I-17, I-19).
pub async fn i19_an_erasure_cut_short_anywhere_ends_the_same(parts: &dyn Parts) {
    /// More awaits than an erasure has here.
    const AWAITS_MAX: usize = 400;
    let world = World::over(parts, Arc::new(Yielding(parts.store()))).await;
    let business = world.business("north").await;
    let (mut begun, mut receipts) = (0, 0);
    for polls in 0..AWAITS_MAX {
        let person = Person::new(&format!("person-{polls}"), 0);
        world.later(TimeDelta::minutes(1));
        person.writes(&world, &business, "hello", "Forget me").await;
        let (contact, conversation) = world.last(&business).await;
        let trace = Trace::of(&world, business.tenant, (contact, conversation)).await;
        let done = cancel_after(polls, world.assistant.erase(business.tenant, contact)).await;
        let other = world.again(1_000 + polls as u64).await;
        let resumed = other.assistant.sweep(10_000).await.expect("sweeps").into_result().expect("sweeps").erasures;
        let told = other.assistant.receipts(business.tenant).await.expect("lists receipts");
        if told.len() == receipts {
            assert!(done.is_none(), "it says that it is done, and there is no receipt");
            let kept = world.owned(business.tenant, contact.0).await;
            assert_eq!(kept, trace.records, "not begun, nothing done: {polls} polls");
            // So that the number is free for the next one.
            other.assistant.erase(business.tenant, contact).await.expect("erases");
            receipts += 1;
            continue;
        }
        receipts += 1;
        begun += resumed;
        assert_eq!(told.len(), receipts, "one receipt for each");
        assert!(world.owned(business.tenant, contact.0).await.is_empty(), "after {polls} polls");
        assert!(world.listed(business.tenant, contact.0, conversation).await.is_empty());
        let late = other.vault.provision(business.tenant, &[contact.0]).await;
        assert_eq!(late.expect_err("makes no new key").kind(), VaultErrorKind::Erased);
        check(told.first().expect("the last one"), &trace);
        if let Some(done) = done {
            check(&done.expect("erases"), &trace);
            assert!(begun > 3, "it was cut short {begun} times");
            return;
        }
    }
    panic!("an erasure comes to no end");
}

fn check(receipt: &ErasureReceipt, trace: &Trace) {
    let deleted = receipt.deleted.iter().map(|(_, count)| count).sum::<u64>();
    assert_eq!(deleted, trace.records.len() as u64, "each record is counted once: {receipt:?}");
    assert!(receipt.key_destroyed_at.is_some());
}

/// What somebody wrote before their erasure and comes late, or again, brings nobody back; what they write later is somebody
/// new, with nothing that leads to the one before (I-20).
pub async fn i20_nobody_comes_back_by_what_comes_late(parts: &dyn Parts) {
    let world = World::new(parts).await;
    let business = world.business("north").await;
    let mut anna = Person::new("anna", 1);
    let (contact, _) = plant(&world, &business, &mut anna).await;
    let live = |id: &str, text: &str| {
        let event = Event::Message(anna.message(id, Content::text(text)));
        world.item(&business, &anna.id(id), Provenance::Live, event)
    };
    let (late, again) = (live("late", "On its way"), live("hello", "Again"));
    world.later(TimeDelta::minutes(2));
    let before = world.owned(business.tenant, contact.0).await;
    world.assistant.erase(business.tenant, contact).await.expect("erases");
    for world in [&world, &world.again(8).await] {
        let taken = world.ingest(vec![late.clone(), again.clone()]).await;
        assert_eq!((taken.stored, taken.ignored + taken.duplicates), (0, 2), "{taken:?}");
    }
    assert!(world.owned(business.tenant, contact.0).await.is_empty());
    let inbox = world.assistant.desk(business.tenant).inbox(None, 10).await.expect("lists");
    assert!(inbox.conversations.is_empty(), "nobody is there");
    let late = world.vault.provision(business.tenant, &[contact.0]).await;
    assert_eq!(late.expect_err("makes no new key").kind(), VaultErrorKind::Erased);
    world.later(TimeDelta::minutes(2));
    anna.writes(&world, &business, "new", "It is me").await;
    let (new, _) = world.last(&business).await;
    assert_ne!(new, contact);
    let now = world.owned(business.tenant, new.0).await;
    assert!(now.iter().all(|record| record.subjects == [new.0]));
    let same = now.iter().find(|record| record.kind != Kind::ALIAS && before.iter().any(|old| old.id == record.id));
    assert!(same.is_none(), "it was there before: {same:?}");
}

/// Erasing one leaves the records, the files and the copy of another as they were, byte by byte, though they sent the same
/// file (I-22).
pub async fn i22_erasing_one_leaves_another_byte_by_byte(parts: &dyn Parts) {
    let world = World::new(parts).await;
    let business = world.business("north").await;
    let (mut anna, mut berik) = (Person::new("anna", 1), Person::new("berik", 2));
    let (gone, _) = plant(&world, &business, &mut anna).await;
    let (left, _) = plant(&world, &business, &mut berik).await;
    let records = world.owned(business.tenant, left.0).await;
    let files = files_of(&world, &business, &records).await;
    assert!(!files.is_empty(), "they sent a file");
    let copy = world.lines(business.tenant, left).await;
    world.assistant.erase(business.tenant, gone).await.expect("erases");
    world.sweep().await;
    assert_eq!(world.owned(business.tenant, left.0).await, records);
    assert_eq!(files_of(&world, &business, &records).await, files);
    assert_eq!(world.lines(business.tenant, left).await, copy);
}

async fn files_of(
    world: &World<'_>,
    business: &Business,
    records: &[Record],
) -> Vec<(whisp_core::id::MediaId, Vec<u8>)> {
    let mut files = Vec::new();
    for record in records.iter().filter(|record| record.kind == Kind::MESSAGE) {
        files.extend(world.files(business.tenant, MessageId::from_uuid(record.id.as_uuid())).await);
    }
    files
}

/// Of somebody who is erased under a hold nothing is left but what the hold keeps, which is theirs no more, opens for the claim
/// alone and goes with the release (I-23).
pub async fn i23_what_is_held_is_all_that_is_kept(parts: &dyn Parts) {
    let world = World::new(parts).await;
    let business = world.business("north").await;
    let mut anna = Person::new("anna", 1);
    let (contact, conversation) = plant(&world, &business, &mut anna).await;
    let tenant = business.tenant;
    let hold = hold(&world, &business, contact).await;
    let trace = Trace::of(&world, tenant, (contact, conversation)).await;
    let receipt = world.assistant.erase(tenant, contact).await.expect("erases");
    assert!(!receipt.withheld.is_empty(), "{receipt:?}");
    assert!(world.owned(tenant, contact.0).await.is_empty());
    assert!(world.listed(tenant, contact.0, conversation).await.is_empty());
    trace.is_gone(&world, tenant).await;
    let holds = world.assistant.desk(tenant).holds();
    let held = holds.read(hold, None, 1_000).await.expect("reads for the claim").held;
    let text: String = held.iter().map(|held| held.value.expose().as_str()).collect();
    assert!(anna.kept().filter(|canary| canary.contains("caption")).all(|canary| text.contains(canary)));
    let keeper = holds.on(contact).await.expect("lists holds").first().expect("it is there").keeper;
    let copies = world.owned(tenant, keeper).await;
    let shown = |record: &&Record| {
        held.iter().any(|held| held.id == record.id || held.file.is_some_and(|file| record.id == file.into()))
    };
    let others: Vec<_> = copies.iter().filter(|record| !shown(record)).collect();
    assert!(others.is_empty(), "the hold keeps more than it shows: {others:?}");
    holds.release(hold).await.expect("releases");
    assert!(world.owned(tenant, keeper).await.is_empty());
    assert!(world.kept_files(tenant).await.is_empty());
    world.wiped(&copies.iter().filter_map(sealed).collect::<Vec<_>>()).await;
}

/// What is past its time is read by nobody, in the moment in which it is, and is gone with the next sweep, from the bytes behind
/// the store too (I-26).
pub async fn i26_nobody_reads_what_is_past_its_time(parts: &dyn Parts) {
    let world = World::new(parts).await;
    let business = world.business("north").await;
    let mut anna = Person::new("anna", 1);
    let (contact, conversation) = plant(&world, &business, &mut anna).await;
    let desk = world.assistant.desk(business.tenant);
    world.sweep().await;
    let records = world.owned(business.tenant, contact.0).await;
    let last = records.iter().filter_map(|record| record.expires_at).max().expect("something goes with its age");
    let wait = last - world.now() - TimeDelta::microseconds(1);
    world.later(wait);
    assert!(!desk.messages(conversation, None, 100).await.expect("reads").0.is_empty(), "its time has not come");
    world.later(TimeDelta::microseconds(1));
    assert!(desk.messages(conversation, None, 100).await.expect("reads").0.is_empty(), "before any sweep");
    let copy = world.copy(business.tenant, contact).await.expect("copies");
    let past = |record: &&Record| record.expires_at.is_some();
    assert!(!records.iter().filter(past).any(|record| copy.iter().any(|entry| entry.id == record.id)));
    world.assistant.trust_clock().await.expect("believes the clock");
    world.sweep().await;
    for record in records.iter().filter(past) {
        assert_eq!(world.store.get(business.tenant, record.kind, record.id).await.expect("reads"), None);
    }
    assert!(world.kept_files(business.tenant).await.is_empty());
    world.wiped(&records.iter().filter(past).filter_map(sealed).collect::<Vec<_>>()).await;
    assert!(desk.contact(contact).await.is_ok(), "who they are is not past its time");
}

/// Facts go once they are past their time, from the bytes behind the store too. What enough people did is told by figures,
/// which no erasure changes (I-27).
pub async fn i27_facts_past_their_time_become_figures(parts: &dyn Parts) {
    let world = World::new(parts).await;
    let business = world.business("north").await;
    let tenant = business.tenant;
    for number in (0..).take(GROUP_MIN) {
        let person = Person::new(&format!("person-{number}"), number);
        person.writes(&world, &business, "hello", "Are you open?").await;
    }
    let (contact, _) = world.last(&business).await;
    let began = world.now();
    let facts = async || {
        let (from, until) = (DateTime::<Utc>::MIN_UTC, world.now());
        let query = FactQuery { tenant, from, until, after: None, limit: PAGE_MAX };
        world.store.scan(&query).await.expect("scans").facts
    };
    let figures = async || world.assistant.figures(tenant, DateTime::<Utc>::MIN_UTC, world.now()).await.expect("reads");
    let before = facts().await;
    assert!(before.len() >= GROUP_MIN, "each wrote");
    world.later(Retention::default().facts.expect("facts have their time") + TimeDelta::days(1));
    world.assistant.trust_clock().await.expect("believes the clock");
    world.sweep().await;
    assert_eq!(facts().await, []);
    let needles: Vec<Needle> = before.iter().map(|fact| Needle::bytes("a fact", &fact.to_bytes())).collect();
    world.wiped(&needles).await;
    let told = figures().await;
    assert!(told.iter().any(|figures| figures.until >= began && figures.values.is_some()), "{told:?}");
    world.assistant.erase(tenant, contact).await.expect("erases");
    world.sweep().await;
    assert_eq!(figures().await, told);
}

/// A message that is taken back is gone with its file and with all that followed from it, and a late edit brings nothing
/// back (I-28).
pub async fn i28_what_is_taken_back_is_gone(parts: &dyn Parts) {
    let world = World::new(parts).await;
    let business = world.business("north").await;
    let mut anna = Person::new("anna", 1);
    let (contact, conversation) = plant(&world, &business, &mut anna).await;
    let tenant = business.tenant;
    // The first one of the contents is the file.
    let (target, tenant_desk) = (PlatformMessageId::new(&anna.id("content-0")), world.assistant.desk(tenant));
    let records = world.owned(tenant, contact.0).await;
    let (messages, _) = tenant_desk.messages(conversation, None, 100).await.expect("reads");
    let message = messages.iter().find(|message| message.platform_id.as_ref() == Some(&target)).expect("it is there");
    let of_it = |record: &&Record| record.id == message.id.into() || record.parent == Some(message.id.into());
    let needles: Vec<Needle> = records.iter().filter(of_it).filter_map(sealed).collect();
    assert!(needles.len() > 1 && !world.kept_files(tenant).await.is_empty(), "a message and its file");
    let tell = async |id: &str, event: Event| {
        world.ingest(vec![world.item(&business, id, Provenance::Live, event)]).await;
        world.settle().await;
        world.settle().await;
    };
    tell("unsend", Event::Unsent { contact: Some(anna.contact()), target: target.clone() }).await;
    let content = Some(Content::text("I did not say this"));
    tell("late", Event::Edited { contact: Some(anna.contact()), target, content }).await;
    world.sweep().await;
    let (messages, _) = tenant_desk.messages(conversation, None, 100).await.expect("reads");
    let left = messages.iter().find(|left| left.id == message.id).expect("that there was something is told");
    assert_eq!(left.content, Content::Unsent);
    assert!(world.kept_files(tenant).await.is_empty());
    let copy = world.lines(tenant, contact).await;
    for gone in ["caption", "filename", "file-id", "I did not say this"] {
        assert!(!copy.contains(gone), "{gone} is there still");
    }
    world.wiped(&needles).await;
}

/// Of a business that was closed nothing is left and nothing opens; another one's is as it was (P30).
pub async fn of_a_closed_business_nothing_is_left(parts: &dyn Parts) {
    let world = World::new(parts).await;
    let (north, south) = (world.business("north").await, world.business("south").await);
    let (mut anna, mut berik) = (Person::new("anna", 1), Person::new("berik", 2));
    let gone = plant(&world, &north, &mut anna).await;
    let (left, _) = plant(&world, &south, &mut berik).await;
    let trace = Trace::of(&world, north.tenant, gone).await;
    let before = world.owned(south.tenant, left.0).await;
    world.assistant.desk(north.tenant).close(TimeDelta::zero()).await.expect("closes");
    world.sweep().await;
    world.sweep().await;
    assert!(world.assistant.closed(north.tenant).await.expect("reads").is_some(), "there is a receipt");
    assert!(matches!(world.assistant.tenant(north.tenant).await, Err(AssistantError::NotFound(_))));
    assert_eq!(world.store.clear(north.tenant, 1).await.expect("clears"), 0, "nothing is left to clear");
    assert!(world.kept_files(north.tenant).await.is_empty());
    let index = world.vault.index(north.tenant, IndexField::Handle, b"77").await;
    assert_eq!(index.expect_err("has no key").kind(), VaultErrorKind::Erased);
    trace.is_gone(&world, north.tenant).await;
    world.nowhere(&needles(&[&anna, &berik])).await;
    assert_eq!(world.owned(south.tenant, left.0).await, before);
    let copy = world.lines(south.tenant, left).await;
    assert!(berik.kept().all(|canary| copy.contains(canary)));
}
