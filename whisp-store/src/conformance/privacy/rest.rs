//! Data at rest: nothing in clear, and nothing of one business in another.

use chrono::TimeDelta;
use whisp_core::assistant::AssistantError;
use whisp_core::id::{MediaId, RecordId, TenantId};
use whisp_core::privacy::{Act, Notice, Purpose, Statement};
use whisp_core::store::{Commit, Kind, Record, Sealed, WriteBatch, WriteOp};
use whisp_core::vault::{TenantKey, WrappedKey};

use super::doors::{Person, ask, needles, plant};
use super::raw::Needle;
use super::world::World;
use super::{Parts, Raw};

/// What is planted in clear on purpose is found, in the bytes of the store, of the key table and of the media store: else what
/// the other cases do not find says nothing.
pub async fn the_scan_finds_what_is_in_clear(parts: &dyn Parts) {
    let world = World::new(parts).await;
    let business = world.business("north").await;
    let mut anna = Person::new("anna", 1);
    let (contact, _) = plant(&world, &business, &mut anna).await;
    let mark = |of: &str| format!("in-clear-on-purpose-4e9a-{of}");
    // A version of a notice is no personal data, and is kept in clear.
    let notice = Notice { version: mark("notice"), language: "en".to_owned(), evidence: None };
    let given = Statement::given(Purpose::AutomatedReplies, Some(notice));
    world.assistant.desk(business.tenant).declare(contact, given, Act::Host).await.expect("takes a statement down");
    // Past the assistant, which would have sealed them.
    let mut record = Record::new(Kind::AUDIT_TILE, RecordId::from_bytes([0xAB; 16]));
    record.sealed = Sealed(mark("sealed").into_bytes());
    let batch = WriteBatch::new(business.tenant).op(WriteOp::Put(record));
    assert_eq!(world.store.commit(batch).await.expect("commits"), Commit::Done);
    let key = |of: &str| WrappedKey(mark(of).into_bytes());
    let key = TenantKey { epoch: 1, begun_at: None, wrapped: key("key"), previous: None, index: key("index") };
    parts.keys().put_tenant(TenantId::from_bytes([0xAB; 16]), key).await.expect("keeps a key");
    let (media, id) = (parts.media(), MediaId::from_bytes([0xAB; 16]));
    let mut writer = media.write(business.tenant, id).await.expect("begins a file");
    writer.append(Sealed(mark("file").into_bytes())).await.expect("appends");
    writer.finish().await.expect("finishes a file");
    match parts.raw().await {
        Raw::Bytes(bytes) => {
            for of in ["notice", "sealed", "key", "index", "file"] {
                let found = bytes.find(&[Needle::text(&mark(of))]);
                assert!(found.is_some(), "the hook does not show where {of} is kept: {bytes:?}");
            }
        }
        Raw::Nothing(why) => super::left_out("at the bytes", why),
    }
}

/// Nothing that is planted through any door is in the bytes behind the parts: texts, names, numbers, platform ids, files,
/// tokens, and what a platform said about a failure (I-1, I-37).
pub async fn i1_nothing_personal_is_in_clear(parts: &dyn Parts) {
    let world = World::new(parts).await;
    let business = world.business("north").await;
    let (mut anna, mut berik) = (Person::new("anna", 1), Person::new("berik", 2));
    let first = plant(&world, &business, &mut anna).await;
    plant(&world, &business, &mut berik).await;
    assert!(!world.kept_files(business.tenant).await.is_empty(), "files are kept");
    world.nowhere(&needles(&[&anna, &berik])).await;
    ask(&world, &business, first).await;
    world.assistant.sweep(10_000).await.expect("sweeps").into_result().expect("sweeps");
    world.nowhere(&needles(&[&anna, &berik])).await;
    // Nor in what is left of the three.
    world.assistant.erase(business.tenant, first.0).await.expect("erases");
    world.assistant.disconnect(business.tenant, business.connection).await.expect("disconnects");
    world.nowhere(&needles(&[&anna, &berik])).await;
}

/// Two businesses to whom the same people write, with the same platform ids, never meet: neither reads, copies, changes or
/// erases what is the other's (I-15).
pub async fn i15_journeys_of_two_businesses_never_meet(parts: &dyn Parts) {
    let world = World::new(parts).await;
    let (north, south) = (world.business("north").await, world.business("south").await);
    let mut of_north = Person::with_ids("north", "anna", 1);
    let mut of_south = Person::with_ids("south", "anna", 1);
    let (contact, conversation) = plant(&world, &north, &mut of_north).await;
    let (other, over_there) = plant(&world, &south, &mut of_south).await;
    assert_ne!(contact, other, "the same number at another business is another contact");
    let before = world.owned(south.tenant, other.0).await;
    for (business, about, own, others) in
        [(&north, contact, &of_north, &of_south), (&south, other, &of_south, &of_north)]
    {
        let copy = world.lines(business.tenant, about).await;
        assert!(own.kept().all(|canary| copy.contains(canary)), "what is theirs is there");
        assert!(!others.planted().any(|canary| copy.contains(canary)), "and nothing of the other business");
        let inbox = world.assistant.desk(business.tenant).inbox(None, 10).await.expect("lists");
        assert_eq!(inbox.conversations.len(), 1);
    }
    let desk = world.assistant.desk(north.tenant);
    let elsewhere = desk.messages(over_there, None, 10).await;
    assert!(matches!(elsewhere, Err(AssistantError::NotFound(_))), "{elsewhere:?}");
    assert!(world.owned(north.tenant, other.0).await.is_empty());
    assert!(world.copy(north.tenant, other).await.expect("copies nothing").is_empty());
    let files = world.kept_files(south.tenant).await;
    desk.resolve(conversation).await.expect("ends the inquiry");
    world.assistant.erase(north.tenant, contact).await.expect("erases");
    // Of somebody whom they do not know, they erase nothing.
    world.assistant.erase(north.tenant, other).await.expect("erases nobody");
    world.later(TimeDelta::hours(1));
    world.sweep().await;
    assert_eq!(world.owned(south.tenant, other.0).await, before, "the other's is as it was, byte by byte");
    assert_eq!(world.kept_files(south.tenant).await, files);
    let copy = world.lines(south.tenant, other).await;
    assert!(of_south.kept().all(|canary| copy.contains(canary)), "and is read still");
}
