//! What becomes of files: with their message, with their person, in time, and after a crash.

use std::sync::Arc;

use whisp::assistant::{AssistantError, Budget};
use whisp::model::{Content, MediaState, PlatformMessageId, Provenance};
use whisp::store::{Kind, Sealed, SubjectQuery};
use whisp::stores::{MemoryStore, ObjectMedia};
use whisp::testing::cancel_after;
use whisp::vault::VaultErrorKind;
use whisp::webhook::Event;

use super::kit::{Album, Next, picture};
use crate::world::contact;
use crate::yielding::Yielding;

#[tokio::test]
async fn an_erased_persons_files_are_unreadable_and_gone() {
    let album = Album::new().await;
    album.platform.then(Next::File(picture(200_000)));
    album.sends("m1", 2).await;
    assert_eq!(album.fetch().await.fetched, 2);
    let kept = album.kept().await;
    let backup = album.sealed(kept[0]).await.unwrap();
    let record = album.world.store.get(album.world.tenant, Kind::MEDIA, kept[0].into()).await.unwrap().unwrap();
    let subject = record.subjects[0];
    let receipt = album.world.assistant.erase(album.world.tenant, whisp::id::ContactId(subject)).await.unwrap();
    assert!(receipt.deleted.contains(&("media".to_owned(), 2)), "{receipt:?}");
    assert_eq!(album.kept().await, [], "the files are gone");
    let query = SubjectQuery { tenant: album.world.tenant, subject, after: None, limit: 10 };
    assert!(album.world.store.of_subject(&query).await.unwrap().records.is_empty());
    // From a backup of the data and of the files.
    let restored = whisp::store::WriteBatch::new(album.world.tenant)
        .op(whisp::store::WriteOp::Put(whisp::store::Record { version: 1, ..record }));
    assert_eq!(album.world.store.commit(restored).await.unwrap(), whisp::store::Commit::Done);
    let mut writer = album.media.write(album.world.tenant, kept[0]).await.unwrap();
    writer.append(Sealed(backup)).await.unwrap();
    writer.finish().await.unwrap();
    match album.read(kept[0]).await {
        Err(AssistantError::Vault(error)) => assert_eq!(error.kind(), VaultErrorKind::Erased),
        other => panic!("a copy opens: {other:?}"),
    }
}

#[tokio::test]
async fn an_erasure_in_the_middle_of_a_fetch_leaves_nothing() {
    for polls in 1.. {
        let album = Album::new().await;
        album.platform.then(Next::File(picture(400_000)));
        album.sends("m1", 1).await;
        let contact =
            album.world.assistant.desk(album.world.tenant).inbox(None, 1).await.unwrap().conversations[0].contact;
        let budget = Budget::default();
        let mut fetching = Box::pin(album.world.assistant.fetch(&budget));
        let ended = cancel_after(polls, fetching.as_mut()).await.is_some();
        album.world.assistant.erase(album.world.tenant, contact).await.unwrap();
        if !ended {
            fetching.await.unwrap();
        }
        assert_eq!(album.kept().await, [], "after {polls} polls");
        album.fetch().await;
        assert_eq!(album.fetch().await.lanes, 0, "nothing waits for ever");
        if ended {
            assert!(polls > 5, "{polls}");
            return;
        }
    }
}

#[tokio::test]
async fn i28_a_message_taken_back_takes_its_files_along() {
    for fetched_before in [true, false] {
        let album = Album::new().await;
        album.sends("m1", 2).await;
        if fetched_before {
            assert_eq!(album.fetch().await.fetched, 2);
        }
        album.world.settle().await;
        let target = PlatformMessageId::new("m1");
        let unsent = Event::Unsent { contact: Some(contact()), target };
        album.world.ingest(vec![album.world.event("u1", Provenance::Live, unsent)]).await;
        album.world.settle().await;
        let message = &album.world.messages().await[0];
        assert_eq!(message.content, Content::Unsent);
        assert_eq!(album.world.assistant.desk(album.world.tenant).media(message.id).await.unwrap(), []);
        album.fetch().await;
        assert_eq!(album.kept().await, []);
        assert_eq!(album.fetch().await.lanes, 0);
        assert_eq!(album.platform.calls(), if fetched_before { 2 } else { 0 }, "nothing is fetched for nobody");
    }
}

#[tokio::test]
async fn a_file_goes_with_its_message_in_time() {
    let album = Album::new().await;
    album.sends("m1", 1).await;
    album.fetch().await;
    album.world.settle().await;
    album.world.later(364 * 24 * 3_600);
    album.world.assistant.trust_clock().await.unwrap();
    album.world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    assert_eq!(album.kept().await.len(), 1);
    album.world.later(2 * 24 * 3_600);
    // One record at a time: the file goes before its record, and each sweep goes on.
    while album.world.assistant.sweep(1).await.unwrap().into_result().unwrap().more {}
    assert_eq!(album.kept().await, []);
}

#[tokio::test]
async fn what_a_crash_left_without_a_record_is_found() {
    let album = Album::new().await;
    album.sends("m1", 1).await;
    album.fetch().await;
    for n in 1..=3 {
        let stray = whisp::id::MediaId::from_bytes([n; 16]);
        let mut writer = album.media.write(album.world.tenant, stray).await.unwrap();
        writer.append(Sealed(b"left behind".to_vec())).await.unwrap();
        writer.finish().await.unwrap();
    }
    let kept = album.kept().await.len();
    let orphans = album.world.assistant.sweep(100).await.unwrap().into_result().unwrap().orphans;
    assert_eq!((kept, orphans, album.kept().await.len()), (4, 3, 1));
    // The round goes on, and begins anew at its end.
    for n in [0, 3_601, 3_601] {
        let stray = whisp::id::MediaId::from_bytes([9; 16]);
        album.media.write(album.world.tenant, stray).await.unwrap().finish().await.unwrap();
        album.world.later(n);
        let orphans = album.world.assistant.sweep(100).await.unwrap().into_result().unwrap().orphans;
        assert_eq!(orphans, usize::from(n > 0), "once an hour");
    }
    assert_eq!(album.read(album.kept().await[0]).await.unwrap(), b"a picture");
}

/// A copy for a hold is there before its record: the round of another process must not take it for rubbish.
#[tokio::test]
async fn a_young_file_without_a_record_may_be_a_copy_that_is_being_made() {
    let album = Album::new().await;
    let copy = whisp::id::MediaId::from_uuid(whisp::id::uuid_v7(album.world.now(), [7; 10]));
    album.media.write(album.world.tenant, copy).await.unwrap().finish().await.unwrap();
    let orphans = || async { album.world.assistant.sweep(100).await.unwrap().into_result().unwrap().orphans };
    assert_eq!((orphans().await, album.kept().await), (0, vec![copy]));
    album.world.later(23 * 3_600);
    assert_eq!(orphans().await, 0);
    album.world.later(2 * 3_600);
    assert_eq!((orphans().await, album.kept().await), (1, vec![]));
}

#[tokio::test]
async fn a_fetch_dropped_anywhere_keeps_the_file_once_in_the_end() {
    for polls in 1..400 {
        let album =
            Album::over(Arc::new(Yielding(Arc::new(MemoryStore::new()))), Arc::new(ObjectMedia::in_memory())).await;
        album.platform.then(Next::File(picture(150_000)));
        album.platform.then(Next::File(picture(150_000)));
        album.sends("m1", 1).await;
        let done = cancel_after(polls, album.world.assistant.fetch(&Budget::default())).await.is_some();
        // What the dropped fetch leased ends by itself.
        album.world.later(61);
        album.fetch().await;
        let files = album.files().await;
        assert_eq!(files[0].state, MediaState::Kept, "dropped after {polls} polls");
        assert_eq!(album.read(files[0].id).await.unwrap(), picture(150_000));
        assert_eq!(album.kept().await, [files[0].id]);
        if done {
            assert!(polls > 10, "dropped at {polls} awaits");
            return;
        }
    }
    panic!("fetch has more than 400 awaits");
}

#[tokio::test]
async fn i23_a_file_that_is_held_is_read_for_the_claim_alone_after_its_person_is_gone() {
    let album = Album::new().await;
    let bytes = picture(200_000);
    album.platform.then(Next::File(bytes.clone()));
    album.sends("m1", 1).await;
    assert_eq!(album.fetch().await.fetched, 1);
    let old = album.kept().await[0];
    let world = &album.world;
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(world.conversation().await).await.unwrap().contact;
    let new = whisp::privacy::NewHold {
        scope: whisp::privacy::HoldScope::default(),
        ground: whisp::privacy::HoldGround::LegalObligation,
        authority: "Tax Code, Art. 48".to_owned(),
        review_by: world.now() + chrono::TimeDelta::days(90),
    };
    let hold = desk.holds().place(contact, new).await.unwrap();
    world.assistant.erase(world.tenant, contact).await.unwrap();
    let kept = album.kept().await;
    assert!(kept.len() == 1 && kept[0] != old, "one file, sealed anew");
    assert!(album.read(kept[0]).await.is_err(), "the desk does not open it");
    let page = desk.holds().read(hold.id, None, 100).await.unwrap();
    let file = page.held.iter().find_map(|held| held.file).unwrap();
    let (mut read, mut chunk) = (Vec::new(), 0);
    while let Some(piece) = desk.holds().read_file(hold.id, file, chunk).await.unwrap() {
        read.extend_from_slice(&piece);
        chunk += 1;
    }
    assert_eq!(read, bytes);
    desk.holds().release(hold.id).await.unwrap();
    assert_eq!(album.kept().await, [], "gone with the release");
}
