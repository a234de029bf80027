//! Somebody leaves WhatsApp's contact book.

use std::sync::Arc;

use serde_json::Value;
use whisp_core::channel::{ChannelError, ChannelErrorKind as Kind, OutboundBody};
use whisp_core::error::{ErrorChain, Retry};
use whisp_core::model::{ChannelKind, ConnectionState, Handle, HandleKind};
use whisp_meta::GraphClient;
use whisp_meta::simulator::{Fault, Persona, Say};

use crate::world::{BSUID, CHANNELS, PHONE, TOKEN, World, channel, config, fixture, fixtures, shape};

/// A contact of WhatsApp's who has just written, whose BSUID it told.
async fn world(inside: bool) -> World {
    let clock = Arc::new(whisp_core::testing::ManualClock::default());
    let config = config(&ChannelKind::WhatsApp, &clock).requiring_proof();
    let mut world = World::with(&ChannelKind::WhatsApp, clock, config).await;
    world.persona = Persona::new(PHONE).with_bsuid(BSUID);
    let graph = world.simulator.graph().with_app_secret("app-secret".to_owned().into());
    let client = if inside { world.simulator.client() } else { GraphClient::new(&graph).unwrap() };
    world.channel = channel(&ChannelKind::WhatsApp, client, Arc::clone(&world.clock) as _);
    world.simulator.contact_says(&world.account, &world.persona, &Say::text("hello"));
    world
}

async fn forget(world: &World, kind: HandleKind, value: &str) -> Result<(), ChannelError> {
    world.channel.forget(&world.connection, &Handle::new(kind, value)).await
}

#[tokio::test]
async fn it_is_asked_for_once_by_the_bsuid_and_may_be_asked_for_again() {
    for inside in [false, true] {
        let world = world(inside).await;
        assert!(world.simulator.is_in_contact_book(&world.account, &world.persona));
        for _ in 0..2 {
            let before = world.simulator.requests().len();
            forget(&world, HandleKind::Bsuid, BSUID).await.unwrap();
            let requests = world.simulator.requests();
            assert_eq!(requests.len(), before + 1);
            assert_eq!(requests[before].path, "/v25.0/106540352242922/contact_book");
            assert_eq!(*requests[before].body.expose(), Value::Null);
            assert!(!world.simulator.is_in_contact_book(&world.account, &world.persona));
        }
        // Whoever is written to by their number comes in again, and by the BSUID they don't.
        for (kind, value, comes_in) in [(HandleKind::Bsuid, BSUID, false), (HandleKind::Phone, PHONE, true)] {
            let mut outbound = world.outbound(OutboundBody::text("hi"));
            outbound.to = Handle::new(kind, value);
            world.send(&outbound).await.unwrap();
            assert_eq!(world.simulator.is_in_contact_book(&world.account, &world.persona), comes_in, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn only_the_portfolios_own_bsuid_is_asked_by_and_only_on_whatsapp() {
    let world = world(false).await;
    for (kind, value) in [(HandleKind::Phone, PHONE), (HandleKind::ParentBsuid, "KZ.ENT.1")] {
        let error = forget(&world, kind, value).await.unwrap_err();
        assert_eq!((error.kind(), error.retry()), (Kind::Unsupported, Retry::Never), "{kind:?}");
    }
    assert!(world.simulator.requests().is_empty());
    for wrong in ["KZ.ENT.1", "1", ""] {
        let error = forget(&world, HandleKind::Bsuid, wrong).await.unwrap_err();
        assert_eq!((error.kind(), error.retry(), error.code()), (Kind::Invalid, Retry::Never, Some(100)), "{wrong:?}");
    }
    for kind in CHANNELS {
        let world = World::open(&kind).await;
        let book = world.channel.capabilities().contact_book;
        assert_eq!(book, (kind == ChannelKind::WhatsApp).then_some(HandleKind::Bsuid), "{kind}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_told_with_what_to_do_and_without_whom_it_is_about() {
    let refuse = |status, code| Fault::Refuse { status, code, subcode: None };
    let cases = [
        (refuse(500, 131_000), Kind::Unavailable, Retry::After(None)),
        (refuse(429, 99), Kind::RateLimited, Retry::After(None)),
        (refuse(401, 190), Kind::Auth, Retry::Never),
        (refuse(403, 10), Kind::Auth, Retry::Never),
        (refuse(400, 33), Kind::Blocked, Retry::Never),
        (Fault::Cut { accepted: false }, Kind::Unknown, Retry::OutcomeUnknown),
        (Fault::Cut { accepted: true }, Kind::Unknown, Retry::OutcomeUnknown),
        (Fault::Garbled { status: 200 }, Kind::Malformed, Retry::OutcomeUnknown),
    ];
    for inside in [false, true] {
        let world = world(inside).await;
        for (fault, kind, retry) in cases.clone() {
            world.simulator.fail_next(1, fault.clone());
            let error = forget(&world, HandleKind::Bsuid, BSUID).await.unwrap_err();
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{fault:?}, without a socket: {inside}");
            let printed = format!("{error} {error:?} {}", ErrorChain(&error));
            assert!(printed.starts_with("forget: "), "{printed}");
            assert!(!printed.contains(BSUID) && !printed.contains(TOKEN), "{printed}");
        }
        forget(&world, HandleKind::Bsuid, BSUID).await.expect("the faults are over");
    }
}

#[tokio::test]
async fn a_connection_that_cant_be_used_asks_nobody() {
    let mut world = world(false).await;
    world.connection.scopes.clear();
    assert_eq!(forget(&world, HandleKind::Bsuid, BSUID).await.unwrap_err().kind(), Kind::Auth);
    world.connection.state = ConnectionState::Disconnected;
    assert_eq!(forget(&world, HandleKind::Bsuid, BSUID).await.unwrap_err().kind(), Kind::Blocked);
    assert!(world.simulator.requests().is_empty());
}

#[tokio::test]
async fn the_simulator_answers_as_it_is_documented() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    world.simulator.contact_says(&world.account, &Persona::new(PHONE).with_bsuid(BSUID), &Say::text("hello"));
    let url = format!("{}/v25.0/{}/contact_book", world.simulator.url(), world.account.id().as_str());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = |query: Vec<(&'static str, &'static str)>| {
        let url = reqwest::Url::parse_with_params(&url, &query).unwrap();
        let request = http.delete(url).bearer_auth(TOKEN);
        async move {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.json::<Value>().await.unwrap())
        }
    };
    for deleted in [true, false] {
        let (status, answer) = call(vec![("messaging_product", "whatsapp"), ("bsuid", BSUID)]).await;
        assert_eq!((status, &answer["success"], &answer["deleted"]), (200, &true.into(), &deleted.into()));
        if let Some(folder) = fixtures() {
            assert_eq!(shape(&answer), shape(&fixture(&folder, "graph-responses/contact-book-delete--docs.json")));
        }
    }
    for query in [vec![("bsuid", BSUID)], vec![("messaging_product", "whatsapp")]] {
        let (status, answer) = call(query).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &100.into()), "{answer}");
    }
}
