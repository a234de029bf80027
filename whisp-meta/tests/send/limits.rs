//! Every limit is checked before the call, in its own unit, and the advice names it.

use whisp_core::channel::{ChannelErrorKind, OutboundBody};
use whisp_core::model::{ChannelKind, Media, MediaKind};

use crate::requests::{buttons, choice, list, media, reaction, template};
use crate::world::{CHANNELS, World};

async fn refused(world: &World, body: OutboundBody, kind: ChannelErrorKind, says: &str) {
    let error = world.send(&world.outbound(body)).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(says), "{error} does not say {says}");
    assert!(world.simulator.requests().is_empty(), "nothing is called");
}

#[tokio::test]
async fn a_text_is_counted_in_the_channels_own_unit() {
    for (kind, fits, over, says) in [
        (ChannelKind::WhatsApp, "я".repeat(4_096), "я".repeat(4_097), "4097 characters, the limit is 4096"),
        (ChannelKind::Messenger, "я".repeat(2_000), "я".repeat(2_001), "2001 characters, the limit is 2000"),
        (ChannelKind::Instagram, "я".repeat(500), "я".repeat(501), "1002 bytes of UTF-8, the limit is 1000"),
    ] {
        let world = World::open(&kind).await;
        refused(&world, OutboundBody::text(&over), ChannelErrorKind::Invalid, says).await;
        refused(&world, OutboundBody::text(" \n"), ChannelErrorKind::Invalid, "empty").await;
        world.send_text(&fits).await.unwrap();
        for part in world.channel.capabilities().text.split(&over) {
            world.send_text(&part).await.unwrap();
        }
    }
}

#[tokio::test]
async fn buttons_rows_titles_and_captions_have_limits() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    let invalid = ChannelErrorKind::Invalid;
    let with = |text: &str, all: Vec<_>| OutboundBody::Buttons { text: text.into(), buttons: all };
    let four = (0..4).map(|at| choice(&at.to_string(), "t")).collect();
    refused(&world, with("x", four), invalid, "4 buttons, the limit is 3").await;
    refused(&world, with("x", vec![]), invalid, "no buttons").await;
    let long = choice("1", &"t".repeat(21));
    refused(&world, with("x", vec![long]), invalid, "a button's title has 21").await;
    let long_id = choice(&"i".repeat(257), "t");
    refused(&world, with("x", vec![long_id]), invalid, "a button's id has 257").await;
    refused(&world, with(&"x".repeat(1_025), vec![choice("1", "t")]), invalid, "limit is 1024").await;
    refused(&world, media(MediaKind::Image, Some(&"c".repeat(1_025))), invalid, "the caption has 1025").await;
    refused(&world, media(MediaKind::Audio, Some("c")), ChannelErrorKind::Unsupported, "caption").await;
    let OutboundBody::List { text, button, mut sections } = list() else { unreachable!() };
    sections[0].rows = (0..10).map(|at| choice(&at.to_string(), "t")).collect();
    let eleven = OutboundBody::List { text: text.clone(), button: button.clone(), sections: sections.clone() };
    refused(&world, eleven, invalid, "11 rows, the limit is 10").await;
    sections[0].rows.truncate(2);
    sections[1].title = None;
    let untitled = OutboundBody::List { text, button, sections };
    refused(&world, untitled, invalid, "each of several sections needs a title").await;
    let plain = OutboundBody::Media { media: Media::link(MediaKind::Image, "http://example.test/1"), caption: None };
    refused(&world, plain, invalid, "https").await;
    let nothing = OutboundBody::Media { media: Media::new(MediaKind::Image), caption: None };
    refused(&world, nothing, invalid, "neither a link nor an id").await;
    let mut long_tag = world.outbound(OutboundBody::text("x"));
    long_tag.tag = "t".repeat(513);
    assert_eq!(world.send(&long_tag).await.unwrap_err().kind(), invalid);
}

#[tokio::test]
async fn what_the_capabilities_do_not_list_is_unsupported() {
    for kind in [ChannelKind::Instagram, ChannelKind::Messenger] {
        let world = World::open(&kind).await;
        let unsupported = ChannelErrorKind::Unsupported;
        refused(&world, list(), unsupported, "no lists").await;
        refused(&world, template(), unsupported, "no approved templates").await;
        refused(&world, media(MediaKind::Image, Some("c")), unsupported, "caption").await;
        refused(&world, media(MediaKind::Sticker, None), unsupported, "by link").await;
        refused(&world, reaction(Some("🦀")), unsupported, "reaction").await;
        let many = (0..14).map(|at| choice(&at.to_string(), "t")).collect();
        let many = OutboundBody::Buttons { text: "x".into(), buttons: many };
        refused(&world, many, ChannelErrorKind::Invalid, "14 buttons, the limit is 13").await;
    }
}

#[tokio::test]
async fn a_connection_without_the_scope_or_of_another_channel_is_not_used() {
    for kind in CHANNELS {
        let mut world = World::open(&kind).await;
        let scopes = std::mem::take(&mut world.connection.scopes);
        let error = world.send(&world.outbound(buttons())).await.unwrap_err();
        assert_eq!(error.kind(), ChannelErrorKind::Auth);
        world.connection.scopes = scopes;
        world.connection.state = whisp_core::model::ConnectionState::Disconnected;
        assert_eq!(world.send_text("x").await.unwrap_err().kind(), ChannelErrorKind::Blocked);
        world.connection.state = whisp_core::model::ConnectionState::Live;
        world.connection.channel = ChannelKind::custom("sms");
        assert_eq!(world.send_text("x").await.unwrap_err().kind(), ChannelErrorKind::Invalid);
        assert!(world.simulator.requests().is_empty());
    }
}
