//! Addresses of Instagram and Messenger that have expired: the message tells another, and it is the same file.

use chrono::TimeDelta;
use whisp_core::error::{ErrorChain, Retry};
use whisp_core::media::{MediaError, MediaErrorKind, MediaRequest};
use whisp_core::model::{ChannelKind, MediaKind};
use whisp_meta::simulator::{FileFault, Say, Upload};

use crate::world::{TOKEN, World, persona, picture};

const CHANNELS: [ChannelKind; 2] = [ChannelKind::Instagram, ChannelKind::Messenger];
const KINDS: [(MediaKind, &str); 4] = [
    (MediaKind::Image, "image/jpeg"),
    (MediaKind::Video, "video/mp4"),
    (MediaKind::Audio, "audio/mpeg"),
    (MediaKind::Document, "application/pdf"),
];
const ADDRESS: &str = "/ig_messaging_cdn/";

fn node(request: &MediaRequest) -> String {
    format!("/v25.0/{}", request.message.as_ref().unwrap().expose())
}

/// Checks an error: its kind, that nothing repeats it, that it says what to do and nothing secret.
fn is(error: &MediaError, kind: MediaErrorKind, advice: &str, request: &MediaRequest) {
    assert_eq!((error.kind(), error.retry()), (kind, Retry::Never), "{error}");
    let printed = format!("{error} {error:?} {}", ErrorChain(error));
    assert!(printed.contains(advice), "{printed}");
    for secret in [TOKEN, request.message.as_ref().unwrap().expose(), "mid=", "127.0.0.1"] {
        assert!(!printed.contains(secret), "{secret} is in {printed}");
    }
}

#[tokio::test]
async fn an_expired_address_is_asked_for_again_and_leads_to_the_same_bytes() {
    for channel in CHANNELS {
        for (kind, mime) in KINDS {
            let world = World::open(&channel).await;
            let request = world.sends(Upload::new(kind, mime, picture(70_000)));
            world.clock.advance(TimeDelta::hours(25));
            assert_eq!(world.fetch(&request).await.unwrap(), picture(70_000), "{channel} {kind:?}");
            let expected = [(ADDRESS.to_owned(), false), (node(&request), true), (ADDRESS.to_owned(), false)];
            assert_eq!(world.authorized(), expected, "the token goes to the Graph API alone, and each is asked once");
        }
    }
}

#[tokio::test]
async fn whatever_the_old_address_answers_the_message_is_asked_once() {
    for channel in CHANNELS {
        for status in [400, 401, 403, 404, 410] {
            let world = World::open(&channel).await;
            let request = world.sends_image();
            world.simulator.fail_next_file(1, FileFault::Refuse { status });
            assert_eq!(world.fetch(&request).await.unwrap(), picture(1_000), "{channel} {status}");
            assert_eq!(world.authorized().len(), 3);
        }
        let world = World::open(&channel).await;
        let request = world.sends_image();
        world.simulator.fail_next_file(1, FileFault::Refuse { status: 503 });
        assert_eq!(world.fetch(&request).await.unwrap_err().kind(), MediaErrorKind::Unavailable);
        assert_eq!(world.authorized().len(), 1, "a host that fails says nothing about its address");
    }
}

#[tokio::test]
async fn each_of_several_files_is_found_by_its_place_and_kind() {
    for channel in CHANNELS {
        let world = World::open(&channel).await;
        let uploads = KINDS.iter().zip(1..).map(|((kind, mime), n)| Upload::new(*kind, mime, picture(n * 1_000)));
        let requests = world.sends_all(uploads.collect());
        assert_eq!(requests.len(), KINDS.len());
        world.clock.advance(TimeDelta::hours(25));
        for (request, n) in requests.iter().zip(1..) {
            assert_eq!(world.fetch(request).await.unwrap(), picture(n * 1_000), "{channel} {n}");
        }
        // Another kind at the same place is another file.
        let mut other = requests[0].clone();
        other.part = requests[1].part;
        is(&world.fetch(&other).await.unwrap_err(), MediaErrorKind::Gone, "no such file", &other);
    }
}

#[tokio::test]
async fn what_was_taken_back_or_is_too_old_is_gone_and_says_so() {
    let world = World::open(&ChannelKind::Instagram).await;
    let request = world.sends_image();
    let target = request.message.clone().unwrap();
    world.simulator.contact_says(&world.account, &persona(), &Say::Unsend { target });
    is(&world.fetch(&request).await.unwrap_err(), MediaErrorKind::Gone, "taken back", &request);

    for channel in CHANNELS {
        let world = World::open(&channel).await;
        let request = world.sends_image();
        world.clock.advance(TimeDelta::hours(25));
        for _ in 0..19 {
            world.simulator.contact_says(&world.account, &persona(), &Say::text("And?"));
        }
        assert_eq!(world.fetch(&request).await.unwrap(), picture(1_000), "it is the twentieth");
        world.simulator.member_types(&world.account, &persona(), "Yes?");
        is(&world.fetch(&request).await.unwrap_err(), MediaErrorKind::Gone, "last twenty", &request);
    }
}

#[tokio::test]
async fn what_the_business_may_not_read_says_which_way_out() {
    for channel in CHANNELS {
        let world = World::open(&channel).await;
        let request = world.sends_image();
        world.simulator.fail_next_file(2, FileFault::NoPermission);
        is(&world.fetch(&request).await.unwrap_err(), MediaErrorKind::Auth, "grant the permission", &request);
        // Somebody else's token sees nothing of it.
        world.clock.advance(TimeDelta::hours(25));
        let mut stranger = world.connection.clone();
        stranger.token = "EAAother".to_owned().into();
        let error = world.source.open(&stranger, &request).await.unwrap_err();
        is(&error, MediaErrorKind::Auth, "connect", &request);
    }
}

#[tokio::test]
async fn what_fails_on_the_way_may_come_later() {
    for channel in CHANNELS {
        let world = World::open(&channel).await;
        let request = world.sends_image();
        world.clock.advance(TimeDelta::hours(25));
        for fault in [FileFault::Refuse { status: 503 }, FileFault::Truncated, FileFault::NoAnswer] {
            world.simulator.fail_next_file(1, FileFault::Refuse { status: 403 });
            world.simulator.fail_next_file(1, fault);
            let error = world.fetch(&request).await.unwrap_err();
            assert_eq!((error.kind(), error.retry()), (MediaErrorKind::Unavailable, Retry::After(None)), "{error}");
        }
        // The very bytes of a document are told: one that is cut short does not pass.
        let request = world.sends(Upload::new(MediaKind::Document, "application/pdf", picture(1_000)));
        world.clock.advance(TimeDelta::hours(25));
        world.simulator.fail_next_file(1, FileFault::Refuse { status: 403 });
        world.simulator.fail_next_file(1, FileFault::Short);
        assert_eq!(world.fetch(&request).await.unwrap_err().kind(), MediaErrorKind::Damaged);
        assert_eq!(world.fetch(&request).await.unwrap(), picture(1_000));
    }
}
