//! Whatever is to be sent, it is refused before the call or is something that the platform takes.

use std::sync::Arc;

use proptest::prelude::*;
use whisp_core::Sensitive;
use whisp_core::channel::{ChannelErrorKind as Kind, Choice, ListSection, OutboundBody};
use whisp_core::model::{Media, MediaKind, PlatformMessageId};
use whisp_core::testing::ManualClock;
use whisp_meta::simulator::{Limits, Say};

use crate::world::{CHANNELS, World, config};

const CASES: u32 = 100;

fn text(around: usize) -> impl Strategy<Value = Sensitive> {
    let long = (around.saturating_sub(2)..around + 3, prop_oneof![Just("x"), Just("я"), Just("👩‍👧")])
        .prop_map(|(count, piece)| piece.repeat(count));
    prop_oneof![any::<String>(), Just(String::new()), Just(" ".to_owned()), long].prop_map(Sensitive::from)
}

fn choice() -> impl Strategy<Value = Choice> {
    (text(200), text(20), prop::option::of(text(72))).prop_map(|(id, title, description)| Choice {
        id,
        title,
        description,
    })
}

fn section() -> impl Strategy<Value = ListSection> {
    (prop::option::of(text(24)), prop::collection::vec(choice(), 0..7))
        .prop_map(|(title, rows)| ListSection { title, rows })
}

fn media() -> impl Strategy<Value = OutboundBody> {
    let kinds = [MediaKind::Audio, MediaKind::Document, MediaKind::Image, MediaKind::Sticker, MediaKind::Video];
    let url = prop::option::of(prop_oneof![Just("https://example.test/1"), Just("http://example.test/1"), Just("")]);
    (prop::sample::select(kinds.to_vec()), url, prop::option::of(text(1_024))).prop_map(|(kind, url, caption)| {
        OutboundBody::Media { media: Media { url: url.map(Into::into), ..Media::new(kind) }, caption }
    })
}

fn body() -> impl Strategy<Value = OutboundBody> {
    let target = || PlatformMessageId::new("wamid.HBgL");
    prop_oneof![
        prop_oneof![text(1_000), text(2_000), text(4_096)].prop_map(|text| OutboundBody::Text { text }),
        media(),
        (text(1_024), prop::collection::vec(choice(), 0..15))
            .prop_map(|(text, buttons)| OutboundBody::Buttons { text, buttons }),
        (text(4_096), text(20), prop::collection::vec(section(), 0..4)).prop_map(|(text, button, sections)| {
            OutboundBody::List { text, button: button.into_inner().into(), sections }
        }),
        prop::option::of(any::<String>())
            .prop_map(move |emoji| OutboundBody::Reaction { target: target(), emoji: emoji.map(Sensitive::from) }),
        any::<bool>().prop_map(move |typing| OutboundBody::Seen { target: target(), typing }),
    ]
}

#[test]
fn what_passes_our_checks_the_platform_takes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for kind in CHANNELS {
        let clock = Arc::new(ManualClock::default());
        let limits = Limits { per_second: u32::MAX, pair_burst: u32::MAX, ..Limits::default() };
        let config = config(&kind, &clock).with_limits(limits);
        let world = runtime.block_on(World::with(&kind, clock, config));
        world.simulator.contact_says(&world.account, &world.persona, &Say::text("hello"));
        proptest!(ProptestConfig::with_cases(CASES), |(body in body())| {
            let before = world.simulator.requests().len();
            let outcome = runtime.block_on(world.send(&world.outbound(body)));
            if let Err(error) = outcome {
                prop_assert!(matches!(error.kind(), Kind::Invalid | Kind::Unsupported), "{}", error);
                prop_assert_eq!(world.simulator.requests().len(), before, "{}", error);
            }
        });
    }
}
