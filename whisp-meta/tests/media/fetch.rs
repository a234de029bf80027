//! A file comes whole, from the address of the webhook or from a new one.

use chrono::TimeDelta;
use whisp_core::media::MediaErrorKind;
use whisp_core::model::{ChannelKind, MediaKind};
use whisp_meta::simulator::{FileFault, Upload};

use crate::world::{CHANNELS, World, picture};

#[tokio::test]
async fn a_file_comes_as_it_was_sent_on_each_channel() {
    for kind in CHANNELS {
        let world = World::open(&kind).await;
        for bytes in [0, 1, 1_000, 3_000_000] {
            let media =
                world.sends(Upload::new(MediaKind::Document, "application/pdf", picture(bytes)).named("menu.pdf"));
            assert_eq!(world.fetch(&media).await.unwrap(), picture(bytes), "{kind} {bytes}");
        }
    }
}

#[tokio::test]
async fn the_token_goes_along_on_whatsapp_alone() {
    for kind in CHANNELS {
        let world = World::open(&kind).await;
        world.fetch(&world.sends_image()).await.unwrap();
        let expected = match kind {
            ChannelKind::WhatsApp => ("/whatsapp_business/attachments/".to_owned(), true),
            _ => ("/ig_messaging_cdn/".to_owned(), false),
        };
        assert_eq!(world.authorized(), [expected], "{kind}");
    }
}

#[tokio::test]
async fn an_address_of_whatsapp_that_has_expired_is_asked_for_again() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    let media = world.sends_image();
    world.clock.advance(TimeDelta::minutes(6));
    assert_eq!(world.fetch(&media).await.unwrap(), picture(1_000));
    let paths: Vec<String> = world.authorized().into_iter().map(|(path, _)| path).collect();
    let node = format!("/v25.0/{}", media.media.id.as_ref().unwrap().expose());
    assert_eq!(paths, ["/whatsapp_business/attachments/", &node, "/whatsapp_business/attachments/"]);
}

#[tokio::test]
async fn a_webhook_without_an_address_is_enough_on_whatsapp() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    let mut media = world.sends_image();
    media.media.url = None;
    // The hash of the answer about the id is checked where the webhook told none.
    media.media.sha256 = None;
    assert_eq!(world.fetch(&media).await.unwrap(), picture(1_000));
    world.simulator.fail_next_file(1, FileFault::Refuse { status: 503 });
    assert_eq!(world.fetch(&media).await.unwrap_err().kind(), MediaErrorKind::Unavailable);
}

#[tokio::test]
async fn a_mime_type_comes_with_the_body() {
    let world = World::open(&ChannelKind::Instagram).await;
    let media = world.sends_image();
    assert_eq!(media.media.mime, None);
    assert_eq!(world.open_file(&media).await.unwrap().mime().as_deref(), Some("image/jpeg"));
}

#[tokio::test]
async fn a_redirect_within_the_platform_is_followed() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    let media = world.sends_image();
    let to = media.media.url.as_ref().unwrap().expose().to_string();
    world.simulator.fail_next_file(1, FileFault::Redirect { to: to.clone() });
    assert_eq!(world.fetch(&media).await.unwrap(), picture(1_000));
    let relative = to.strip_prefix(&world.simulator.url()).unwrap().to_owned();
    world.simulator.fail_next_file(1, FileFault::Redirect { to: relative });
    assert_eq!(world.fetch(&media).await.unwrap(), picture(1_000));
    world.simulator.fail_next_file(9, FileFault::Redirect { to });
    assert_eq!(world.fetch(&media).await.unwrap_err().kind(), MediaErrorKind::Refused);
}
