//! A file is fetched at once, beside the answers, and again until the platform no longer has it.

use chrono::TimeDelta;
use whisp::assistant::Budget;
use whisp::error::Retry;
use whisp::media::{CHUNK_BYTES, FILES_MAX, MediaErrorKind};
use whisp::model::{AutomationMode, MediaLoss, MediaState};
use whisp::stores::{MemoryStore, ObjectMedia};

use super::kit::{Album, Next, picture};
use crate::world::{World, parrot};

const SOON: Retry = Retry::After(None);

#[tokio::test]
async fn a_file_is_kept_and_read_as_it_came() {
    for size in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 700_001] {
        let album = Album::new().await;
        album.platform.then(Next::File(picture(size)));
        album.sends("m1", 1).await;
        let waiting = album.files().await;
        assert_eq!((waiting.len(), waiting[0].state, waiting[0].size), (1, MediaState::Pending, None));
        assert!(album.read(waiting[0].id).await.is_err(), "it is not there yet");
        let report = album.fetch().await;
        assert_eq!((report.fetched, report.lost, report.errors.len()), (1, 0, 0), "{report:?}");
        let file = &album.files().await[0];
        assert_eq!((file.state, file.size), (MediaState::Kept, Some(size as u64)));
        assert_eq!(file.mime.as_deref(), Some("canary/mime"), "as the message told it");
        assert_eq!(file.filename.as_ref().map(|name| name.expose().as_str()), Some("canary-name.pdf"));
        assert_eq!(album.read(file.id).await.unwrap(), picture(size));
        assert_eq!(album.fetch().await.lanes, 0, "nothing is left to do");
        assert_eq!(album.platform.calls(), 1);
    }
}

#[tokio::test]
async fn the_files_of_a_message_keep_their_order_up_to_a_bound() {
    let album = Album::new().await;
    for n in 0..FILES_MAX {
        album.platform.then(Next::File(picture(n + 1)));
    }
    album.sends("m1", FILES_MAX + 3).await;
    assert_eq!(album.fetch().await.fetched, FILES_MAX);
    let sizes: Vec<Option<u64>> = album.files().await.iter().map(|file| file.size).collect();
    assert_eq!(sizes, (1..=FILES_MAX as u64).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_answer_waits_for_a_file() {
    let album = Album::new().await;
    album.platform.then(Next::Hang);
    album.sends("m1", 1).await;
    let budget = Budget::default();
    let fetching = album.world.assistant.fetch(&budget);
    let answering = async {
        while album.platform.calls() == 0 {
            tokio::task::yield_now().await;
        }
        album.world.settle().await;
        assert_eq!(album.world.channel.sent().len(), 1, "the caption was answered");
    };
    tokio::select! {
        report = fetching => panic!("the platform never answers: {report:?}"),
        () = answering => {}
    }
    assert_eq!(album.platform.calls(), 1, "the fetch was under way");
    assert_eq!(album.fetch().await.fetched, 1, "a fetch that was dropped begins again");
}

#[tokio::test]
async fn many_files_of_a_conversation_hide_no_answer_in_it() {
    let album = Album::new().await;
    for n in 0..30 {
        album.sends(&format!("m{n}"), FILES_MAX).await;
    }
    album.world.says("text", "And are you open?").await;
    album.world.later(20);
    for _ in 0..3 {
        album.world.step().await;
        album.world.deliver().await;
    }
    assert!(album.world.channel.texts().iter().any(|text| text.contains("are you open")), "no answer");
    assert_eq!(album.platform.calls(), 0);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_until_the_platform_no_longer_has_it() {
    let album = Album::new().await;
    album.platform.then(Next::Refuse(MediaErrorKind::Unavailable, SOON));
    album.platform.then(Next::BreakOff(picture(200_000)));
    album.sends("m1", 1).await;
    for wait in [2, 4] {
        let report = album.fetch().await;
        assert_eq!((report.fetched, report.lost, report.errors.len()), (0, 0, 1));
        assert_eq!(album.fetch().await.lanes, 0, "it rests");
        assert_eq!(album.kept().await, [], "what came in half is not there");
        album.world.later(wait);
    }
    assert_eq!(album.fetch().await.fetched, 1);

    album.sends("m2", 1).await;
    let mut tries = 0;
    while album.files().await[0].state == MediaState::Pending {
        album.platform.then(Next::Refuse(MediaErrorKind::Unavailable, SOON));
        album.fetch().await;
        album.world.later(3_600);
        tries += 1;
        assert!(tries < 24 * 8, "it never gives up");
    }
    assert!(tries > 24, "it gave up after {tries} hours");
    assert_eq!(album.files().await[0].state, MediaState::Lost { reason: MediaLoss::Unreachable });
    assert!(album.platform.calls() < 60, "{} calls", album.platform.calls());
}

#[tokio::test]
async fn a_message_tells_why_it_stays_without_its_file() {
    for (kind, retry, tries, reason) in [
        (MediaErrorKind::Gone, Retry::Never, 1, MediaLoss::Gone),
        (MediaErrorKind::TooLarge, Retry::Never, 1, MediaLoss::TooLarge),
        (MediaErrorKind::Refused, Retry::Never, 1, MediaLoss::Refused),
        (MediaErrorKind::Damaged, SOON, 5, MediaLoss::Damaged),
    ] {
        let album = Album::new().await;
        album.sends("m1", 1).await;
        for n in 1..=tries {
            album.platform.then(Next::Refuse(kind, retry));
            let report = album.fetch().await;
            assert_eq!(report.lost, usize::from(n == tries), "{kind:?}");
            album.world.later(60);
        }
        assert_eq!(album.files().await[0].state, MediaState::Lost { reason });
        assert_eq!((album.fetch().await.lanes, album.kept().await.len()), (0, 0));
    }
}

#[tokio::test]
async fn a_file_waits_while_the_token_is_no_good() {
    let album = Album::new().await;
    album.platform.then(Next::Refuse(MediaErrorKind::Auth, Retry::Never));
    album.sends("m1", 1).await;
    assert_eq!(album.fetch().await.lost, 0);
    album.world.later(599);
    assert_eq!(album.fetch().await.lanes, 0);
    album.world.later(2);
    assert_eq!(album.fetch().await.fetched, 1);
}

#[tokio::test]
async fn without_a_media_store_a_message_keeps_its_reference() {
    let album = Album::new().await;
    let item = album.item("m1", 1);
    let world = World::with(parrot(), AutomationMode::Automatic).await;
    world.ingest(vec![item]).await;
    assert_eq!(world.assistant.fetch(&Budget::default()).await.unwrap().lanes, 0);
    let message = &world.messages().await[0];
    assert!(matches!(&message.content, whisp::model::Content::Media { items, .. } if items[0].id.is_some()));
    assert_eq!(world.assistant.desk(world.tenant).media(message.id).await.unwrap(), []);
    // A place to keep them, and nobody to fetch them.
    let store = std::sync::Arc::new(MemoryStore::new());
    let media = std::sync::Arc::new(ObjectMedia::in_memory());
    let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.media(media)).await;
    world.ingest(vec![album.item("m1", 1)]).await;
    assert_eq!(world.assistant.desk(world.tenant).media(world.messages().await[0].id).await.unwrap(), []);
}

#[tokio::test]
async fn a_long_download_keeps_its_lease() {
    let album = Album::new().await;
    let clock = std::sync::Arc::clone(&album.world.clock);
    album.platform.then(Next::Slow(picture(500_000), clock, TimeDelta::seconds(25)));
    album.sends("m1", 1).await;
    let before = album.world.now();
    assert_eq!(album.fetch().await.fetched, 1);
    assert!(album.world.now() - before > TimeDelta::seconds(200), "it took many times the half of a lease");
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_writes_nothing_and_the_next_one_does() {
    let album = Album::new().await;
    album.sends("m1", 1).await;
    let clock = std::sync::Arc::clone(&album.world.clock);
    album.platform.then(Next::Slow(picture(500_000), clock, TimeDelta::seconds(61)));
    let report = album.fetch().await;
    assert_eq!((report.fetched, report.conflicts), (0, 1), "its lease ended between two pieces");
    assert_eq!(album.kept().await, []);
    album.world.later(2);
    assert_eq!(album.fetch().await.fetched, 1);
}
