//! A person gets a new key: everything of theirs reads as before, under the new one, and goes with them.

use std::sync::Arc;

use whisp::assistant::AssistantError;
use whisp::audit::AuditAction;
use whisp::id::ContactId;
use whisp::store::{Kind, Record, SubjectQuery};
use whisp::stores::{MemoryStore, ObjectMedia};
use whisp::testing::cancel_after;
use whisp::vault::{Vault, VaultErrorKind};

use crate::media::kit::{Album, Next, picture};
use crate::world::World;
use crate::yielding::Yielding;

/// What is sealed under a person's key, and of which version the key is.
async fn sealed(world: &World, contact: ContactId) -> Vec<(Record, u32)> {
    let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 1_000 };
    let records = world.store.of_subject(&query).await.unwrap().records;
    let version =
        |record: &Record| record.sealed.0.get(4..8).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()));
    records.into_iter().filter_map(|record| version(&record).map(|version| (record, version))).collect()
}

/// Those that are under an earlier key than this one.
fn under_older(sealed: &[(Record, u32)], version: u32) -> Vec<Kind> {
    let older = sealed.iter().filter(|(record, under)| *under < version && record.kind != Kind::AUDIT);
    older.map(|(record, _)| record.kind).collect()
}

async fn who(world: &World) -> ContactId {
    world.assistant.desk(world.tenant).inbox(None, 1).await.unwrap().conversations[0].contact
}

#[tokio::test]
async fn everything_of_a_person_reads_as_before_under_the_new_key_and_goes_with_them() {
    let album = Album::new().await;
    let world = &album.world;
    album.platform.then(Next::File(picture(200_000)));
    album.sends("m1", 1).await;
    assert_eq!(album.fetch().await.fetched, 1);
    world.says("m2", "Is the blue one in stock?").await;
    world.settle().await;
    let contact = who(world).await;
    let (messages, files) = (world.messages().await, album.files().await);
    let before = sealed(world, contact).await;
    assert!(before.iter().all(|(_, version)| *version == 1) && before.len() >= 5, "{}", before.len());

    let renewal = world.assistant.renew_key(world.tenant, contact).await.unwrap();
    let after = sealed(world, contact).await;
    assert_eq!((renewal.version, under_older(&after, 2)), (2, vec![]));
    let anew = after.iter().filter(|(_, version)| *version == 2).count();
    assert_eq!(usize::try_from(renewal.resealed).unwrap(), anew);
    assert!([Kind::CONTACT, Kind::MEDIA, Kind::MESSAGE].iter().all(|kind| after.iter().any(|(r, _)| r.kind == *kind)));
    for ((old, _), (new, version)) in before.iter().zip(&after).filter(|(_, (_, version))| *version == 2) {
        assert!(old.id == new.id && old.sealed != new.sealed && new.version == old.version + 1, "{version}");
        assert_eq!((&old.clear, old.parent, old.expires_at), (&new.clear, new.parent, new.expires_at));
    }

    assert_eq!(world.messages().await, messages);
    assert_eq!(album.files().await, files);
    assert_eq!(album.read(files[0].id).await.unwrap(), picture(200_000), "under the key that it was sealed with");
    let answers = world.channel.sent().len();
    world.says("m3", "And the red one?").await;
    world.settle().await;
    assert_eq!((world.channel.sent().len(), under_older(&sealed(world, contact).await, 2)), (answers + 1, vec![]));

    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    let audit = world.assistant.audit(world.tenant);
    let (events, _) = audit.events(None, 1_000).await.unwrap();
    assert_eq!(events.iter().filter(|entry| entry.event.action == AuditAction::KeyRenewed).count(), 1);
    world.assistant.erase(world.tenant, contact).await.unwrap();
    for (record, _) in before.iter().chain(&after) {
        let grant =
            whisp::privacy::Grant::for_tests(world.tenant, contact.0, whisp::privacy::Purpose::Rights, world.now());
        let place = whisp::vault::SealContext {
            tenant: world.tenant,
            subject: contact.0,
            kind: record.kind,
            record: record.id,
            field: "message",
            category: whisp::privacy::DataCategory::MessageContent,
            revision: 0,
        };
        let opened = world.vault.open(&grant, &place, &record.sealed).await;
        assert_eq!(opened.unwrap_err().kind(), VaultErrorKind::Erased);
    }
    match world.assistant.renew_key(world.tenant, contact).await {
        Err(AssistantError::NotFound("contact")) => {}
        other => panic!("{other:?}"),
    }
}

/// Whoever writes while it goes on loses nothing, and is sealed anew or under the new key already.
#[tokio::test]
async fn a_renewal_that_is_cut_short_anywhere_loses_nothing() {
    for polls in 1.. {
        let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
        let album = Album::over(store, Arc::new(ObjectMedia::in_memory())).await;
        let world = &album.world;
        world.says("m1", "Is the blue one in stock?").await;
        world.settle().await;
        let contact = who(world).await;
        let messages = world.messages().await;
        let mut renewing = Box::pin(world.assistant.renew_key(world.tenant, contact));
        let ended = cancel_after(polls, renewing.as_mut()).await.is_some();
        drop(renewing);
        assert_eq!(world.messages().await, messages, "after {polls} polls");
        let again = world.assistant.renew_key(world.tenant, contact).await.unwrap();
        assert_eq!(under_older(&sealed(world, contact).await, again.version), []);
        assert_eq!(world.messages().await, messages);
        if ended {
            assert!(polls > 3, "{polls} polls");
            break;
        }
    }
}

#[tokio::test]
async fn nobody_is_given_a_key_who_is_no_contact() {
    let world = World::new().await;
    let nobody = ContactId(whisp::id::SubjectId::from_bytes([9; 16]));
    match world.assistant.renew_key(world.tenant, nobody).await {
        Err(AssistantError::NotFound("contact")) => {}
        other => panic!("{other:?}"),
    }
}
