//! What the simulator remembers and repeats.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use whisp_core::channel::OutboundBody;
use whisp_core::model::ChannelKind;
use whisp_core::testing::ManualClock;
use whisp_meta::simulator::{Fault, Say, State};

use crate::world::{CHANNELS, PHONE, World, config};

async fn a_story(kind: &ChannelKind) -> World {
    let world = World::open(kind).await;
    world.send_text("one").await.unwrap();
    world.simulator.contact_says(&world.account, &world.persona, &Say::text("two"));
    world.simulator.member_types(&world.account, &world.persona, "three");
    world.send_text("four").await.unwrap();
    world
}

#[tokio::test]
async fn the_same_seed_gives_the_same_ids_and_webhooks() {
    for kind in CHANNELS {
        let (first, second) = (a_story(&kind).await, a_story(&kind).await);
        assert_eq!(first.simulator.waiting_bodies(), second.simulator.waiting_bodies());
        let ids = |world: &World| world.simulator.accepted().into_iter().map(|one| one.id).collect::<Vec<_>>();
        assert_eq!(ids(&first), ids(&second));
    }
}

#[tokio::test]
async fn a_saved_state_goes_on_without_repeating_an_id() {
    for kind in CHANNELS {
        let world = a_story(&kind).await;
        let saved = serde_json::to_string(&world.simulator.state()).unwrap();
        let waiting = world.simulator.waiting_bodies();
        drop(world);
        let state: State = serde_json::from_str(&saved).unwrap();
        let clock = Arc::new(ManualClock::default());
        let config = config(&kind, &clock).with_state(state);
        let world = World::with(&kind, clock, config).await;
        assert_eq!(world.simulator.waiting_bodies(), waiting);
        world.send_text("five").await.expect("the window is still open");
        let ids: BTreeSet<_> = world.simulator.accepted().into_iter().map(|one| one.id).collect();
        assert_eq!(ids.len(), 3);
    }
}

#[tokio::test]
async fn a_wamid_holds_the_phone_number_as_metas_do() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    let receipt = world.send_text("x").await.unwrap();
    let id = receipt.id.unwrap();
    let bytes = BASE64_STANDARD.decode(id.expose().strip_prefix("wamid.").unwrap()).unwrap();
    assert!(bytes.windows(PHONE.len()).any(|window| window == PHONE.as_bytes()));
}

#[tokio::test]
async fn what_was_taken_without_an_answer_is_proved_by_its_tag() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    world.simulator.fail_next(1, Fault::Cut { accepted: true });
    world.send_text("x").await.unwrap_err();
    let accepted = world.simulator.accepted();
    assert_eq!(accepted.len(), 1);
    assert_eq!(accepted[0].tag.as_deref(), Some("tag-1"));
    let tags: Vec<Value> = world
        .simulator
        .waiting_bodies()
        .iter()
        .filter_map(|body| body.pointer("/entry/0/changes/0/value/statuses/0/biz_opaque_callback_data").cloned())
        .collect();
    assert_eq!(tags, ["tag-1", "tag-1", "tag-1"], "sent, delivered and read settle it");
}

#[tokio::test]
async fn a_message_to_nobody_is_taken_and_fails_later_on_whatsapp() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    let mut outbound = world.outbound(OutboundBody::text("x"));
    outbound.to.value = "19990000000".into();
    world.send(&outbound).await.unwrap();
    assert_eq!(world.simulator.accepted()[0].failed, Some(131_026));
    let status = world.simulator.waiting_bodies().pop().unwrap();
    assert_eq!(status.pointer("/entry/0/changes/0/value/statuses/0/status"), Some(&"failed".into()));
}

#[tokio::test]
async fn a_contact_who_reads_tells_so() {
    for (kind, word) in [
        (ChannelKind::WhatsApp, "/entry/0/changes/0/value/statuses/0/status"),
        (ChannelKind::Instagram, "/entry/0/messaging/0/read/mid"),
        (ChannelKind::Messenger, "/entry/0/messaging/0/read/watermark"),
    ] {
        let world = World::open(&kind).await;
        world.send_text("x").await.unwrap();
        world.simulator.contact_reads(&world.account, &world.persona);
        assert!(world.simulator.waiting_bodies().pop().unwrap().pointer(word).is_some(), "{kind}");
    }
}

#[tokio::test]
async fn a_reaction_and_history_open_no_window() {
    let kind = ChannelKind::Instagram;
    let world = World::open(&kind).await;
    world.clock.advance(chrono::TimeDelta::hours(25));
    let target = whisp_core::model::PlatformMessageId::new("m");
    let reaction = Say::Reaction { target, emoji: Some("❤".into()) };
    world.simulator.contact_says(&world.account, &world.persona, &reaction);
    world.send_text("x").await.unwrap_err();
    world.simulator.contact_says(&world.account, &world.persona, &Say::Voice);
    world.send_text("x").await.unwrap();
}
