//! Addresses that have expired on Instagram and Messenger are asked for anew, and what can't be had ends in a state that
//! says so.

use chrono::TimeDelta;
use whisp::meta::simulator::{FileFault, Say};
use whisp::model::{ChannelKind, MediaLoss, MediaState};

use super::gallery::{CHANNELS, Gallery};
use super::kit::picture;

#[tokio::test]
async fn a_file_whose_address_has_expired_is_kept_all_the_same_and_once() {
    for channel in CHANNELS {
        for refused in [None, Some(403), Some(410)] {
            let gallery = Gallery::open(&channel).await;
            let message = gallery.sends().await;
            match refused {
                Some(status) => gallery.simulator.fail_next_file(1, FileFault::Refuse { status }),
                None => gallery.later(TimeDelta::hours(25)),
            }
            let report = gallery.fetch().await;
            assert_eq!((report.fetched, report.lost, report.errors.len()), (1, 0, 0), "{channel}: {report:?}");
            let files = gallery.files(&message).await;
            assert_eq!((files.len(), files[0].state), (1, MediaState::Kept));
            assert_eq!(gallery.read(files[0].id).await, picture(100_000));
            assert_eq!(gallery.fetch().await.lanes, 0, "nothing is left to do");
            assert_eq!(gallery.kept().await, [files[0].id]);
            assert_eq!(gallery.asked(), 3, "the old address, the message, the new address");
        }
    }
}

#[tokio::test]
async fn a_file_outlives_days_without_the_platform() {
    let gallery = Gallery::open(&ChannelKind::Messenger).await;
    let message = gallery.sends().await;
    // At first its address does not answer, then it has expired and its message does not.
    for requests in [1, 2, 2] {
        gallery.simulator.fail_next_file(requests, FileFault::Refuse { status: 503 });
        assert_eq!(gallery.fetch().await.errors.len(), 1);
        gallery.later(TimeDelta::days(1));
    }
    assert_eq!(gallery.fetch().await.fetched, 1);
    assert_eq!(gallery.read(gallery.files(&message).await[0].id).await, picture(100_000));
}

#[tokio::test]
async fn a_picture_taken_back_where_nobody_is_told_is_gone() {
    let gallery = Gallery::open(&ChannelKind::Messenger).await;
    let message = gallery.sends().await;
    let target = message.platform_id.clone().unwrap();
    gallery.tells(&Say::Unsend { target }).await;
    let report = gallery.fetch().await;
    assert_eq!((report.fetched, report.lost), (0, 1));
    let told = whisp::error::ErrorChain(&report.errors[0]).to_string();
    assert!(told.contains("it was taken back"), "{told}");
    assert_eq!(gallery.files(&message).await[0].state, MediaState::Lost { reason: MediaLoss::Gone });
    assert_eq!((gallery.fetch().await.lanes, gallery.kept().await.len()), (0, 0), "it is not asked for again");
}

#[tokio::test]
async fn a_file_that_may_not_be_read_waits_for_the_permission_and_ends_as_refused() {
    let gallery = Gallery::open(&ChannelKind::Instagram).await;
    let granted = gallery.sends().await;
    gallery.simulator.fail_next_file(2, FileFault::NoPermission);
    let report = gallery.fetch().await;
    assert_eq!((report.lost, report.errors.len()), (0, 1), "the business may yet grant it");
    gallery.later(TimeDelta::minutes(11));
    assert_eq!(gallery.fetch().await.fetched, 1);
    assert_eq!(gallery.files(&granted).await[0].state, MediaState::Kept);

    let never = gallery.sends().await;
    let mut days = 0;
    while gallery.files(&never).await[0].state == MediaState::Pending {
        gallery.simulator.fail_next_file(2, FileFault::NoPermission);
        gallery.fetch().await;
        gallery.later(TimeDelta::days(1));
        days += 1;
        assert!(days < 10, "it never gives up");
    }
    assert!(days > 5, "it gave up after {days} days");
    assert_eq!(gallery.files(&never).await[0].state, MediaState::Lost { reason: MediaLoss::Refused });
}
