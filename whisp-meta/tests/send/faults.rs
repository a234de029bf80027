//! Everything that goes wrong becomes the right error with the right advice for a retry.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use whisp_core::channel::{ChannelError, ChannelErrorKind as Kind, OutboundBody};
use whisp_core::error::Retry;
use whisp_core::model::ChannelKind;
use whisp_meta::simulator::{Fault, Limits, Say};
use whisp_meta::{ANSWER_BYTES_MAX, GraphClient};

use crate::world::{CHANNELS, World, channel, config};

#[tokio::test]
async fn each_fault_has_its_kind_its_retry_and_its_trace_on_the_other_side() {
    let refuse = |status, code| Fault::Refuse { status, code, subcode: None };
    let minutes = |minutes: u64| Retry::After(Some(Duration::from_secs(minutes * 60)));
    let unknown = Retry::OutcomeUnknown;
    let cases = [
        (refuse(500, 131_000), Kind::Unavailable, Retry::After(None), 0),
        (refuse(503, 2), Kind::Unavailable, Retry::After(None), 0),
        (refuse(500, 1), Kind::Unavailable, unknown, 0),
        (Fault::Refuse { status: 400, code: 1, subcode: Some(1_357_046) }, Kind::Unknown, unknown, 0),
        (refuse(500, 99), Kind::Unknown, unknown, 0),
        (refuse(429, 99), Kind::RateLimited, Retry::After(None), 0),
        (refuse(401, 190), Kind::Auth, Retry::Never, 0),
        (Fault::Limited { regain_minutes: 19 }, Kind::RateLimited, minutes(19), 0),
        (Fault::NoAnswer { accepted: false }, Kind::Unknown, unknown, 0),
        (Fault::NoAnswer { accepted: true }, Kind::Unknown, unknown, 1),
        (Fault::Cut { accepted: false }, Kind::Unknown, unknown, 0),
        (Fault::Cut { accepted: true }, Kind::Unknown, unknown, 1),
        (Fault::Garbled { status: 200 }, Kind::Malformed, unknown, 1),
        (Fault::Garbled { status: 502 }, Kind::Unknown, unknown, 1),
    ];
    for (channel_kind, inside) in CHANNELS.into_iter().flat_map(|kind| [(kind.clone(), false), (kind, true)]) {
        let mut world = World::open(&channel_kind).await;
        let impatient = world.simulator.graph().with_answer_timeout(Duration::from_millis(300));
        let client = if inside { world.simulator.client() } else { GraphClient::new(&impatient).unwrap() };
        world.channel = channel(&channel_kind, client, Arc::clone(&world.clock) as _);
        for (fault, kind, retry, accepted) in cases.clone() {
            let what = format!("{channel_kind} {fault:?}, without a socket: {inside}");
            let (requests_before, accepted_before) = counts(&world);
            world.simulator.fail_next(1, fault);
            let error = world.send_text("x").await.unwrap_err();
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{what}");
            assert_eq!(counts(&world), (requests_before + 1, accepted_before + accepted), "one attempt: {what}");
        }
        world.send_text("x").await.expect("the faults are over");
    }
}

fn counts(world: &World) -> (usize, usize) {
    (world.simulator.requests().len(), world.simulator.accepted().len())
}

#[tokio::test]
async fn a_slow_answer_is_an_answer() {
    let world = World::open(&ChannelKind::Messenger).await;
    world.simulator.fail_next(1, Fault::Slow(Duration::from_millis(50)));
    world.send_text("x").await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_took_nothing() {
    let mut world = World::open(&ChannelKind::WhatsApp).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let config = world.simulator.graph().with_hosts(&gone, &gone);
    world.channel = channel(&ChannelKind::WhatsApp, GraphClient::new(&config).unwrap(), Arc::clone(&world.clock) as _);
    let error = world.send_text("x").await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::Unavailable, Retry::After(None)));
}

/// Sends a text to a server that answers everything with `answer`.
async fn sent_to(world: &mut World, answer: impl IntoResponse + Clone + Send + Sync + 'static) -> ChannelError {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(move || async move { answer });
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let config = world.simulator.graph().with_hosts(&url, &url);
    world.channel = channel(&ChannelKind::WhatsApp, GraphClient::new(&config).unwrap(), Arc::clone(&world.clock) as _);
    let error = world.send_text("x").await.unwrap_err();
    serving.abort();
    error
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut world = World::open(&ChannelKind::WhatsApp).await;
    let to = format!("{}/v25.0/106540352242922/messages", world.simulator.url());
    let error = sent_to(&mut world, (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)])).await;
    assert_eq!((error.kind(), error.retry()), (Kind::Malformed, Retry::OutcomeUnknown));
    assert!(world.simulator.requests().is_empty());
}

#[tokio::test]
async fn an_answer_is_read_up_to_a_bound() {
    let mut world = World::open(&ChannelKind::WhatsApp).await;
    let error = sent_to(&mut world, " ".repeat(ANSWER_BYTES_MAX + 1)).await;
    assert_eq!((error.kind(), error.retry()), (Kind::Malformed, Retry::OutcomeUnknown));
}

#[tokio::test]
async fn a_success_without_an_id_is_no_answer() {
    let mut world = World::open(&ChannelKind::WhatsApp).await;
    for body in ["{}", "[]", "null", r#"{"messages":[]}"#, r#"{"error":{"code":1}}"#] {
        let error = sent_to(&mut world, body).await;
        assert_eq!((error.kind(), error.retry()), (Kind::Malformed, Retry::OutcomeUnknown), "{body}");
    }
}

#[tokio::test]
async fn a_wrong_token_must_be_connected_again() {
    for kind in CHANNELS {
        let mut world = World::open(&kind).await;
        world.connection.token = "another".to_owned().into();
        let error = world.send_text("x").await.unwrap_err();
        assert_eq!((error.kind(), error.retry(), error.code()), (Kind::Auth, Retry::Never, Some(190)));
    }
}

#[tokio::test]
async fn rates_are_told_apart() {
    let clock = Arc::new(whisp_core::testing::ManualClock::default());
    let kind = ChannelKind::WhatsApp;
    let limits = Limits { per_second: 3, pair_burst: 2, calls_per_hour: 6, ..Limits::default() };
    let world = World::with(&kind, Arc::clone(&clock), config(&kind, &clock).with_limits(limits)).await;
    world.simulator.contact_says(&world.account, &world.persona, &Say::text("hi"));
    world.send_text("1").await.unwrap();
    world.send_text("2").await.unwrap();
    let pair = world.send_text("3").await.unwrap_err();
    assert_eq!(pair.kind(), Kind::PairLimited);
    assert_eq!((pair.code(), pair.retry()), (Some(131_056), Retry::After(Some(Duration::from_secs(6)))));
    assert_eq!(world.send_text("4").await.unwrap_err().code(), Some(130_429));
    clock.advance(chrono::TimeDelta::seconds(6));
    world.send_text("5").await.unwrap();
    clock.advance(chrono::TimeDelta::seconds(6));
    world.send_text("6").await.unwrap();
    let hour = world.send_text("7").await.unwrap_err();
    assert_eq!((hour.code(), hour.retry()), (Some(80_007), Retry::After(Some(Duration::from_secs(3_600)))));
}

#[tokio::test]
async fn a_closed_window_and_an_unknown_person_are_refused_on_instagram_and_messenger() {
    for kind in [ChannelKind::Instagram, ChannelKind::Messenger] {
        let world = World::open(&kind).await;
        world.clock.advance(chrono::TimeDelta::hours(25));
        // The caller's own clock may be wrong: the platform's word decides.
        let error = world.send_text("x").await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::WindowClosed, Some(10)));
        let mut outbound = world.outbound(OutboundBody::text("x"));
        outbound.to.value = "999".into();
        let error = world.send(&outbound).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Recipient, Some(100)));
        assert!(world.simulator.accepted().is_empty());
    }
}
