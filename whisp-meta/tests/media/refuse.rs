//! What is not the file, or must not be asked for.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use chrono::TimeDelta;
use whisp_core::error::{ErrorChain, Retry};
use whisp_core::media::{MediaError, MediaErrorKind};
use whisp_core::model::{ChannelKind, ConnectionState, Media, MediaKind};
use whisp_meta::simulator::{FileFault, Upload};

use crate::world::{CHANNELS, TOKEN, World, alone, picture};

const SOON: Retry = Retry::After(None);

fn is(error: &MediaError, kind: MediaErrorKind, retry: Retry) {
    assert_eq!((error.kind(), error.retry()), (kind, retry), "{error}");
    let printed = format!("{error} {error:?} {}", ErrorChain(error));
    for secret in [TOKEN, "mid=", "hash=", "127.0.0.1"] {
        assert!(!printed.contains(secret), "{secret} is in {printed}");
    }
}

#[tokio::test]
async fn what_came_otherwise_than_it_was_told_is_damaged() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    let media = world.sends_image();
    for fault in [FileFault::WrongBytes, FileFault::Short] {
        world.simulator.fail_next_file(1, fault);
        is(&world.fetch(&media).await.unwrap_err(), MediaErrorKind::Damaged, SOON);
    }
    // Without a hash in the webhook, the size that the id's answer tells is compared.
    let by_id = alone(Media { url: None, sha256: None, ..media.media.clone() });
    let mut other = world.sends(Upload::new(MediaKind::Image, "image/jpeg", picture(999)));
    other.media.sha256 = media.media.sha256;
    is(&world.fetch(&other).await.unwrap_err(), MediaErrorKind::Damaged, SOON);
    assert_eq!(world.fetch(&by_id).await.unwrap(), picture(1_000));
}

#[tokio::test]
async fn a_body_that_breaks_off_or_stands_still_comes_again() {
    for kind in CHANNELS {
        let world = World::open(&kind).await;
        let media = world.sends(Upload::new(MediaKind::Video, "video/mp4", picture(300_000)));
        for fault in [FileFault::Truncated, FileFault::Slow(Duration::from_secs(60)), FileFault::NoAnswer] {
            world.simulator.fail_next_file(1, fault);
            is(&world.fetch(&media).await.unwrap_err(), MediaErrorKind::Unavailable, SOON);
        }
        assert_eq!(world.fetch(&media).await.unwrap(), picture(300_000));
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_at_the_limit() {
    let world = World::open(&ChannelKind::Instagram).await;
    let media = world.sends_image();
    world.simulator.fail_next_file(1, FileFault::Endless);
    is(&world.fetch(&media).await.unwrap_err(), MediaErrorKind::TooLarge, Retry::Never);
    let large = world.sends(Upload::new(MediaKind::Image, "image/png", vec![0; 32_000_001]));
    is(&world.open_file(&large).await.unwrap_err(), MediaErrorKind::TooLarge, Retry::Never);
}

#[tokio::test]
async fn what_is_gone_is_told_from_what_may_come_back() {
    for kind in CHANNELS {
        let world = World::open(&kind).await;
        let media = world.sends_image();
        let refused = |status| FileFault::Refuse { status };
        for status in [500, 503, 408] {
            world.simulator.fail_next_file(1, refused(status));
            is(&world.fetch(&media).await.unwrap_err(), MediaErrorKind::Unavailable, SOON);
        }
        world.simulator.fail_next_file(1, refused(429));
        is(&world.fetch(&media).await.unwrap_err(), MediaErrorKind::RateLimited, SOON);
        if kind == ChannelKind::WhatsApp {
            // Refused at its address, and what is known of it is asked for: the token is no good.
            let mut stranger = world.connection.clone();
            stranger.token = "EAAother".to_owned().into();
            let error = world.source.open(&stranger, &media).await.unwrap_err();
            is(&error, MediaErrorKind::Auth, Retry::Never);
            let unknown = alone(Media { id: Some("4711".into()), url: None, ..media.media.clone() });
            is(&world.fetch(&unknown).await.unwrap_err(), MediaErrorKind::Gone, Retry::Never);
            world.clock.advance(TimeDelta::minutes(6));
            let no_id = alone(Media { id: None, ..media.media });
            is(&world.fetch(&no_id).await.unwrap_err(), MediaErrorKind::Gone, Retry::Never);
        } else {
            let media = alone(media.media);
            for status in [400, 401, 403, 404, 410] {
                world.simulator.fail_next_file(1, refused(status));
                is(&world.fetch(&media).await.unwrap_err(), MediaErrorKind::Gone, Retry::Never);
            }
            world.clock.advance(TimeDelta::hours(25));
            is(&world.fetch(&media).await.unwrap_err(), MediaErrorKind::Gone, Retry::Never);
        }
    }
}

/// Nobody may call here.
fn stranger() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}/file", listener.local_addr().unwrap());
    (listener, address)
}

#[tokio::test]
async fn no_address_and_no_redirect_leads_off_the_platform() {
    for kind in CHANNELS {
        let world = World::open(&kind).await;
        let (listener, elsewhere) = stranger();
        let media = world.sends_image();
        world.simulator.fail_next_file(1, FileFault::Redirect { to: elsewhere.clone() });
        is(&world.fetch(&media).await.unwrap_err(), MediaErrorKind::Refused, Retry::Never);
        for address in
            [&elsewhere, "http://169.254.169.254/latest/meta-data/", "https://example.test/x", "file:///etc/passwd"]
        {
            let told = Media::link(MediaKind::Image, address);
            is(&world.fetch(&alone(told)).await.unwrap_err(), MediaErrorKind::Refused, Retry::Never);
        }
        is(
            &world.fetch(&alone(Media::new(MediaKind::Image))).await.unwrap_err(),
            MediaErrorKind::Refused,
            Retry::Never,
        );
        // Had anybody called, the connection would wait here.
        let called = listener.accept().map_err(|error| error.kind());
        assert!(matches!(called, Err(ErrorKind::WouldBlock)), "{kind}: somebody was called");
    }
}

#[tokio::test]
async fn a_connection_that_can_not_be_used_calls_nobody() {
    for kind in CHANNELS {
        let world = World::open(&kind).await;
        let media = world.sends_image();
        let mut left = world.connection.clone();
        left.state = ConnectionState::Disconnected;
        is(&world.source.open(&left, &media).await.unwrap_err(), MediaErrorKind::Refused, Retry::Never);
        let mut unscoped = world.connection.clone();
        unscoped.scopes.clear();
        is(&world.source.open(&unscoped, &media).await.unwrap_err(), MediaErrorKind::Auth, Retry::Never);
        assert_eq!(world.simulator.file_requests(), []);
    }
}

#[tokio::test]
async fn nothing_of_a_file_is_printed() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    let media = world.sends(Upload::new(MediaKind::Document, "text/plain", b"canary".to_vec()).named("canary.txt"));
    let mut body = world.open_file(&media).await.unwrap();
    body.next().await.unwrap();
    assert!(!format!("{body:?} {:?} {media:?}", world.source).contains("canary"));
}
