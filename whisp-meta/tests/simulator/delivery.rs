//! How webhooks come: signed, and twice, late, together, out of order on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::body::Bytes;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use whisp_core::clock::Clock as _;
use whisp_core::model::ChannelKind;
use whisp_core::testing::ManualClock;
use whisp_core::webhook::{Event, WebhookDecoder as _};
use whisp_meta::simulator::{ATTEMPTS_MAX, Persona, Posting, Say, Shape, Simulator};
use whisp_meta::webhook::MetaDecoder;

use crate::world::{PHONE, World, account, config};

/// A host's endpoint that checks the signature and keeps what came.
#[derive(Clone)]
struct Endpoint {
    url: String,
    came: Arc<Mutex<Vec<Value>>>,
    status: Arc<Mutex<StatusCode>>,
    /// Told at each webhook.
    news: Arc<tokio::sync::Notify>,
}

impl Endpoint {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let endpoint =
            Self { url, came: Arc::default(), status: Arc::new(Mutex::new(StatusCode::OK)), news: Arc::default() };
        let state = endpoint.clone();
        let handler = move |headers: HeaderMap, body: Bytes| async move {
            check_signature(&headers, &body);
            let status = *state.status.lock().unwrap();
            if status.is_success() {
                state.came.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            }
            state.news.notify_one();
            status
        };
        let app = axum::Router::new().route("/webhook", axum::routing::post(handler));
        tokio::spawn(async move { axum::serve(listener, app).await });
        endpoint
    }

    fn came(&self) -> Vec<Value> {
        std::mem::take(&mut *self.came.lock().unwrap())
    }

    fn answer_with(&self, status: StatusCode) {
        *self.status.lock().unwrap() = status;
    }
}

fn check_signature(headers: &HeaderMap, body: &[u8]) {
    assert!(body.is_ascii(), "Meta signs and sends escaped unicode");
    let header = headers["x-hub-signature-256"].to_str().unwrap().strip_prefix("sha256=").unwrap();
    let tag: Vec<u8> =
        (0..header.len()).step_by(2).map(|at| u8::from_str_radix(&header[at..at + 2], 16).unwrap()).collect();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, b"app-secret"), body, &tag).expect("the signature is right");
}

async fn three_messages() -> (World, Endpoint) {
    let world = World::open(&ChannelKind::Instagram).await;
    for text in ["дa", "ä/b <@>"] {
        world.simulator.contact_says(&world.account, &world.persona, &Say::text(text));
    }
    let endpoint = Endpoint::open().await;
    world.simulator.set_webhook(&endpoint.url);
    (world, endpoint)
}

fn texts(bodies: &[Value]) -> Vec<String> {
    let entries = bodies.iter().flat_map(|body| body["entry"].as_array().unwrap());
    entries.map(|entry| entry["messaging"][0]["message"]["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_comes_once_in_order_and_signed() {
    let (world, endpoint) = three_messages().await;
    let outcome = world.simulator.deliver().await;
    assert_eq!((outcome.answered, outcome.unanswered, world.simulator.waiting()), (3, 0, 0));
    assert_eq!(texts(&endpoint.came()), ["hello", "дa", "ä/b <@>"]);
    assert_eq!(world.simulator.deliver().await.answered, 0);
}

#[tokio::test]
async fn they_come_twice_together_and_shuffled_on_demand() {
    let (world, endpoint) = three_messages().await;
    world.simulator.set_shape(Shape { duplicates: 1, batch: 1000, shuffled: true });
    assert_eq!(world.simulator.deliver().await.answered, 2);
    let came = endpoint.came();
    assert_eq!(came.len(), 2);
    assert_eq!(came[0], came[1]);
    let all: BTreeSet<String> = texts(&came[..1]).into_iter().collect();
    assert_eq!(all.len(), 3);
}

#[tokio::test]
async fn what_is_not_answered_comes_again_until_it_is_given_up() {
    let (world, endpoint) = three_messages().await;
    endpoint.answer_with(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(world.simulator.deliver().await.unanswered, 3);
    assert_eq!(world.simulator.waiting(), 3);
    endpoint.answer_with(StatusCode::OK);
    assert_eq!(world.simulator.deliver().await.answered, 3);
    assert_eq!(texts(&endpoint.came()).len(), 3);
    endpoint.answer_with(StatusCode::IM_A_TEAPOT);
    world.simulator.contact_says(&world.account, &world.persona, &Say::text("lost"));
    for _ in 1..ATTEMPTS_MAX {
        assert_eq!(world.simulator.deliver().await.given_up, 0);
    }
    assert_eq!(world.simulator.deliver().await.given_up, 1);
    assert_eq!(world.simulator.waiting(), 0);
}

#[tokio::test]
async fn a_simulator_that_posts_immediately_needs_no_call() {
    let kind = ChannelKind::Messenger;
    let clock = Arc::new(ManualClock::default());
    let endpoint = Endpoint::open().await;
    let config = config(&kind, &clock).with_posting(Posting::Immediately).with_webhook(&endpoint.url);
    let world = World::with(&kind, clock, config).await;
    world.simulator.contact_says(&world.account, &world.persona, &Say::text("hi"));
    endpoint.news.notified().await;
    assert_eq!(texts(&endpoint.came()), ["hi"]);
}

#[tokio::test]
async fn an_endpoint_proves_itself_by_the_challenge() {
    let world = World::open(&ChannelKind::Messenger).await;
    assert!(!world.simulator.handshake("right").await, "there is no endpoint yet");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let handler = |Query(query): Query<BTreeMap<String, String>>| async move {
        let right = query["hub.mode"] == "subscribe" && query["hub.verify_token"] == "right";
        if right { Ok(query["hub.challenge"].clone()) } else { Err(StatusCode::FORBIDDEN) }
    };
    let app = axum::Router::new().route("/webhook", axum::routing::get(handler));
    tokio::spawn(async move { axum::serve(listener, app).await });
    world.simulator.set_webhook(&url);
    assert!(world.simulator.handshake("right").await);
    assert!(!world.simulator.handshake("wrong").await);
}

#[test]
fn without_a_socket_webhooks_are_handed_over_as_they_would_be_posted() {
    let clock = Arc::new(ManualClock::default());
    let kind = ChannelKind::WhatsApp;
    let simulator = Simulator::inside(config(&kind, &clock)).unwrap();
    let (account, persona) = (account(&kind), Persona::new(PHONE));
    let id = simulator.contact_says(&account, &persona, &Say::text("hello"));
    let bodies = simulator.take_waiting();
    assert_eq!((bodies.len(), simulator.waiting()), (1, 0));
    let decoder = MetaDecoder::new(&["app-secret".to_owned().into()]);
    let delivery = decoder.decode(&simulator.request(&bodies[0], clock.now())).unwrap();
    let Event::Message(message) = &delivery.items[0].event else { panic!("{delivery:?}") };
    assert_eq!(message.id.as_ref(), Some(&id));
}
