//! The webhook endpoint over real HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use reqwest::header::SET_COOKIE;
use reqwest::{Client, StatusCode};
use whisp_core::error::BoxError;
use whisp_core::testing::ManualClock;
use whisp_core::webhook::Delivery;
use whisp_meta::router::{WebhookSink, WebhookState, webhook_router};
use whisp_meta::webhook::{BODY_BYTES_MAX, MetaDecoder};

const SECRET: &str = "app-secret";
const BODY: &str = r#"{"object":"page","entry":[{"id":"1","messaging":[{"sender":{"id":"2"},"recipient":{"id":"1"},"timestamp":1750000000000,"message":{"mid":"m","text":"hi"}}]}]}"#;

#[derive(Debug, Default)]
struct Inbox {
    kept: Mutex<Vec<Delivery>>,
    full: bool,
}

#[async_trait]
impl WebhookSink for Inbox {
    async fn take(&self, delivery: &Delivery) -> Result<(), BoxError> {
        if self.full {
            return Err("full".into());
        }
        self.kept.lock().unwrap().push(delivery.clone());
        Ok(())
    }
}

/// Serves the endpoint on a free port and returns its address.
async fn serve(sink: Arc<Inbox>) -> String {
    let state = WebhookState {
        decoder: Arc::new(MetaDecoder::new(&["old".into(), SECRET.into()])),
        verify_token: "token".into(),
        sink,
        clock: Arc::new(ManualClock::default()),
    };
    let app = axum::Router::new().nest("/webhooks/meta", webhook_router(state, |_| ()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/webhooks/meta")
}

fn sign(body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body);
    tag.as_ref().iter().fold("sha256=".to_owned(), |mut header, byte| {
        write!(header, "{byte:02x}").unwrap();
        header
    })
}

async fn post(url: &str, body: Vec<u8>, signature: Option<String>) -> StatusCode {
    let mut request = Client::new().post(url).body(body);
    if let Some(signature) = signature {
        request = request.header("X-Hub-Signature-256", signature);
    }
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn a_signed_delivery_is_kept_and_then_acknowledged() {
    let inbox = Arc::new(Inbox::default());
    let url = serve(Arc::clone(&inbox)).await;
    assert_eq!(post(&url, BODY.into(), Some(sign(BODY.as_bytes()))).await, StatusCode::OK);
    let kept = inbox.kept.lock().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].items[0].dedup.expose(), "m");
}

#[tokio::test]
async fn what_is_refused_never_reaches_the_sink() {
    let inbox = Arc::new(Inbox::default());
    let url = serve(Arc::clone(&inbox)).await;
    assert_eq!(post(&url, BODY.into(), None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(&url, BODY.into(), Some("sha256=00".into())).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(&url, BODY.into(), Some(sign(b"another"))).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(&url, b"[]".to_vec(), Some(sign(b"[]"))).await, StatusCode::BAD_REQUEST);
    let large = vec![b' '; BODY_BYTES_MAX + 1];
    let signature = sign(&large);
    assert_eq!(post(&url, large, Some(signature)).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(inbox.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_of_the_largest_size_is_read() {
    let url = serve(Arc::default()).await;
    let mut body = BODY.as_bytes().to_vec();
    body.resize(BODY_BYTES_MAX, b' ');
    let signature = sign(&body);
    assert_eq!(post(&url, body, Some(signature)).await, StatusCode::OK);
}

#[tokio::test]
async fn a_delivery_that_the_sink_refuses_is_to_come_again() {
    let url = serve(Arc::new(Inbox { full: true, ..Inbox::default() })).await;
    assert_eq!(post(&url, BODY.into(), Some(sign(BODY.as_bytes()))).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_handshake_returns_the_bare_challenge() {
    let url = serve(Arc::default()).await;
    let ask = async |query: &str| {
        let answer = reqwest::get(format!("{url}?{query}")).await.unwrap();
        assert!(answer.headers().get(SET_COOKIE).is_none());
        (answer.status(), answer.text().await.unwrap())
    };
    let right = ask("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=token").await;
    assert_eq!(right, (StatusCode::OK, "1158201444".into()));
    for query in [
        "hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=wrong",
        "hub.mode=subscribe&hub.challenge=1158201444",
        "hub.challenge=1158201444&hub.verify_token=token",
        "hub.mode=subscribe&hub.verify_token=token",
        "hub_mode=subscribe&hub_challenge=1158201444&hub_verify_token=token",
        "hub.mode=subscribe&hub.mode=subscribe&hub.challenge=1&hub.verify_token=token",
        "",
    ] {
        assert_eq!(ask(query).await, (StatusCode::FORBIDDEN, String::new()), "{query}");
    }
}
