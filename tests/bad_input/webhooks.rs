//! Webhooks that are not what they should be, over real HTTP on loopback.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use reqwest::{Client, StatusCode};
use whisp::clock::Clock;
use whisp::meta::router::{WebhookState, webhook_router};
use whisp::meta::webhook::{BODY_BYTES_MAX, MetaDecoder};
use whisp::model::AutomationMode;

use crate::discreet::{APP_SECRET, TEXT, hides_canaries};
use crate::tap::{Fate, Tap};
use crate::world::{ACCOUNT, PHONE, World, parrot};

/// A world that takes webhooks on a port of its own.
struct Served {
    world: World,
    store: Arc<Tap>,
    url: String,
    http: Client,
    /// What the host was told.
    told: Arc<Mutex<Vec<String>>>,
}

async fn serve() -> Served {
    let store = Tap::new();
    let world = World::over(Arc::clone(&store) as _, parrot(), AutomationMode::Automatic).await;
    let state = WebhookState {
        decoder: Arc::new(MetaDecoder::new(&[APP_SECRET.into()])),
        verify_token: "verify".into(),
        sink: Arc::new(world.assistant.clone()),
        clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
    };
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let telling = Arc::clone(&told);
    let router = webhook_router(state, move |line| telling.lock().unwrap().push(line.to_owned()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = Client::builder().no_proxy().build().unwrap();
    Served { world, store, url, http, told }
}

impl Served {
    /// Posts a body; the answer gives nothing of it away, and the host is told if it is refused.
    async fn post(&self, body: &[u8], signature: Option<&str>) -> StatusCode {
        let mut request = self.http.post(&self.url).body(body.to_vec());
        if let Some(signature) = signature {
            request = request.header("X-Hub-Signature-256", signature);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        hides_canaries(&answer.text().await.unwrap());
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        assert_eq!(told.len(), usize::from(!status.is_success()), "{told:?}");
        for line in told {
            assert!(line.contains(status.as_str()), "{line}");
            hides_canaries(&line);
        }
        status
    }

    async fn post_signed(&self, body: &[u8]) -> StatusCode {
        self.post(body, Some(&sign(APP_SECRET, body))).await
    }

    async fn nothing_is_stored(&self) {
        let inbox = self.world.assistant.desk(self.world.tenant).inbox(None, 10).await.unwrap();
        assert_eq!(inbox.conversations, []);
    }

    /// The message is stored once, answered once, and a redelivery changes nothing.
    async fn stored_once(&self, body: &[u8]) {
        assert_eq!(self.post_signed(body).await, StatusCode::OK, "Meta delivers twice now and then");
        assert_eq!(self.world.messages().await.len(), 1);
        self.world.settle().await;
        assert_eq!(self.world.channel.sent().len(), 1);
        assert_eq!(self.world.messages().await.len(), 2);
    }
}

fn sign(secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    tag.as_ref().iter().fold("sha256=".to_owned(), |mut header, byte| {
        write!(header, "{byte:02x}").unwrap();
        header
    })
}

/// A message of the contact, as WhatsApp posts it.
fn message(world: &World) -> Vec<u8> {
    let at = world.now().timestamp();
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{
        "messaging_product":"whatsapp","metadata":{{"display_phone_number":"77272500000","phone_number_id":"{ACCOUNT}"}},
        "contacts":[{{"profile":{{"name":"Aigerim"}},"wa_id":"{PHONE}"}}],
        "messages":[{{"from":"{PHONE}","id":"wamid.1","timestamp":"{at}","type":"text","text":{{"body":"{TEXT}"}}}}]
        }}}}]}}]}}"#
    )
    .into_bytes()
}

#[tokio::test]
async fn a_wrong_or_missing_signature_is_401_and_the_right_one_works() {
    let served = serve().await;
    let body = message(&served.world);
    let right = sign(APP_SECRET, &body);
    let of_another_body = sign(APP_SECRET, b"{}");
    for wrong in [
        None,
        Some(""),
        Some("sha256="),
        Some("sha1=0123456789012345678901234567890123456789"),
        Some(right.trim_start_matches("sha256=")),
        Some(sign("another-app", &body).as_str()),
        Some(of_another_body.as_str()),
        Some(&right[..right.len() - 2]),
    ] {
        assert_eq!(served.post(&body, wrong).await, StatusCode::UNAUTHORIZED, "{wrong:?}");
    }
    let mut changed = body.clone();
    *changed.last_mut().unwrap() = b' ';
    assert_eq!(served.post(&changed, Some(&right)).await, StatusCode::UNAUTHORIZED, "one byte of the body changed");
    served.nothing_is_stored().await;
    assert_eq!(served.post(&body, Some(&right)).await, StatusCode::OK);
    served.stored_once(&body).await;
}

#[tokio::test]
async fn an_oversized_body_is_413_signed_or_not() {
    let served = serve().await;
    let body = vec![b' '; BODY_BYTES_MAX + 1];
    assert_eq!(served.post_signed(&body).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(served.post(&body, None).await, StatusCode::PAYLOAD_TOO_LARGE);
    served.nothing_is_stored().await;
    let body = message(&served.world);
    assert_eq!(served.post_signed(&body).await, StatusCode::OK, "the endpoint goes on");
    served.stored_once(&body).await;
}

#[tokio::test]
async fn a_signed_body_that_is_no_webhook_is_400() {
    let served = serve().await;
    let whole = message(&served.world);
    let cut = &whole[..whole.len() / 2];
    for body in [&b""[..], b"[]", b"null", b"{}", b"\xff\xfe", br#"{"object":"page"}"#, TEXT.as_bytes(), cut] {
        assert_eq!(served.post_signed(body).await, StatusCode::BAD_REQUEST, "{:?}", String::from_utf8_lossy(body));
    }
    served.nothing_is_stored().await;
    assert_eq!(served.post_signed(&whole).await, StatusCode::OK);
    served.stored_once(&whole).await;
}

#[tokio::test]
async fn a_webhook_while_the_store_is_down_is_503_and_stored_once_when_it_comes_again() {
    let served = serve().await;
    let body = message(&served.world);
    served.store.ask(|_| Fate::Lost);
    for _ in 0..3 {
        assert_eq!(served.post_signed(&body).await, StatusCode::SERVICE_UNAVAILABLE);
    }
    served.nothing_is_stored().await;
    served.store.heal();
    assert_eq!(served.post_signed(&body).await, StatusCode::OK);
    served.stored_once(&body).await;
}

#[tokio::test]
async fn a_webhook_whose_commit_was_not_heard_of_is_503_and_stored_once_all_the_same() {
    let served = serve().await;
    let body = message(&served.world);
    served.store.ask(|_| Fate::Mute);
    assert_eq!(served.post_signed(&body).await, StatusCode::SERVICE_UNAVAILABLE);
    served.store.heal();
    served.stored_once(&body).await;
}
