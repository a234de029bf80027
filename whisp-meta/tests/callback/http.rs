//! The callbacks and the page over real HTTP, called by the simulator.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::TimeDelta;
use reqwest::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, SET_COOKIE};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use whisp_core::clock::Clock;
use whisp_core::error::BoxError;
use whisp_core::id::IdSource as _;
use whisp_core::testing::{ManualClock, SeqIds};
use whisp_meta::callback::{ConfirmationCode, SIGNED_REQUEST_BYTES_MAX, SignedRequest, StatusAddress};
use whisp_meta::router::{CALLBACK_BODY_BYTES_MAX, CallbackSink, CallbackState, DeletionStatus, callback_router};
use whisp_meta::simulator::{Simulator, SimulatorConfig};

use crate::{PERSON, SECRET, signed};

/// A host that keeps what it is told.
#[derive(Debug, Default)]
struct Desk {
    left: Mutex<Vec<SignedRequest>>,
    deletions: Mutex<Vec<(SignedRequest, ConfirmationCode)>>,
    /// What it says of every code that it gave.
    says: Mutex<Option<DeletionStatus>>,
    asked: Mutex<usize>,
    down: bool,
}

impl Desk {
    fn check(&self) -> Result<(), BoxError> {
        if self.down { Err("down".into()) } else { Ok(()) }
    }
}

#[async_trait]
impl CallbackSink for Desk {
    async fn deauthorize(&self, request: &SignedRequest) -> Result<(), BoxError> {
        self.check()?;
        self.left.lock().unwrap().push(request.clone());
        Ok(())
    }

    async fn delete(&self, request: &SignedRequest, code: ConfirmationCode) -> Result<ConfirmationCode, BoxError> {
        self.check()?;
        let mut deletions = self.deletions.lock().unwrap();
        if let Some((_, first)) = deletions.iter().find(|(kept, _)| kept.digest == request.digest) {
            return Ok(first.clone());
        }
        deletions.push((request.clone(), code.clone()));
        Ok(code)
    }

    async fn status(&self, code: &ConfirmationCode) -> Result<DeletionStatus, BoxError> {
        self.check()?;
        *self.asked.lock().unwrap() += 1;
        let known = self.deletions.lock().unwrap().iter().any(|(_, kept)| kept == code);
        let says = self.says.lock().unwrap().clone();
        Ok(if known { says.unwrap_or(DeletionStatus::Received) } else { DeletionStatus::Unknown })
    }
}

struct World {
    desk: Arc<Desk>,
    clock: Arc<ManualClock>,
    simulator: Simulator,
    url: String,
    /// What the host is told of requests that are refused.
    told: Arc<Mutex<Vec<String>>>,
}

impl World {
    async fn open(desk: Desk) -> Self {
        let desk = Arc::new(desk);
        let clock = Arc::new(ManualClock::default());
        let told = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&told);
        let state = CallbackState {
            secrets: crate::secrets(),
            status: StatusAddress::new("https://assistant.example/meta/deletion").unwrap(),
            sink: Arc::clone(&desk) as Arc<dyn CallbackSink>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ids: Arc::new(SeqIds::new(3)),
        };
        let app = axum::Router::new()
            .nest("/meta", callback_router(state, move |line| log.lock().unwrap().push(line.to_owned())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/meta", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = SimulatorConfig::new(
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::new(SeqIds::new(7)),
            SECRET.to_owned().into(),
        );
        let simulator = Simulator::start(config).await.unwrap();
        Self { desk, clock, simulator, url, told }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Asks for the deletion; returns the answer.
    async fn deletion(&self) -> (u16, Value) {
        let answer = self.simulator.call_back(&self.at("/deletion"), PERSON).await.unwrap();
        (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
    }

    async fn page(&self, code: &str) -> (StatusCode, String) {
        let response = reqwest::get(self.at(&format!("/deletion/{code}"))).await.unwrap();
        check_page_headers(&response);
        (response.status(), response.text().await.unwrap())
    }

    /// Posts a form of one's own to both callbacks, which answer the same.
    async fn post(&self, body: &str) -> StatusCode {
        let mut statuses = Vec::new();
        for path in ["/deauthorize", "/deletion"] {
            let request = Client::new().post(self.at(path)).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            let response = request.body(body.to_owned()).send().await.unwrap();
            statuses.push(response.status());
            assert!(response.status().is_success() || response.bytes().await.unwrap().is_empty());
        }
        assert_eq!(statuses[0], statuses[1]);
        statuses[0]
    }
}

fn check_page_headers(response: &Response) {
    let headers = response.headers();
    let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(headers.get(SET_COOKIE).is_none());
}

#[tokio::test]
async fn a_deauthorization_is_kept_and_then_acknowledged() {
    let world = World::open(Desk::default()).await;
    let answer = world.simulator.call_back(&world.at("/deauthorize"), PERSON).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    let left = world.desk.left.lock().unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].user_id.expose().as_str(), left[0].issued_at), (PERSON, world.clock.now()));
    assert!(world.desk.deletions.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_deletion_is_answered_with_an_address_that_leads_to_its_page() {
    let world = World::open(Desk::default()).await;
    let (status, answer) = world.deletion().await;
    assert_eq!(status, 200);
    let code = answer["confirmation_code"].as_str().unwrap();
    assert_eq!(answer["url"], format!("https://assistant.example/meta/deletion/{code}"));
    let mut bytes = [0; 16];
    SeqIds::new(3).fill(&mut bytes);
    assert_eq!(code, ConfirmationCode::from_random(bytes).expose(), "the code is of the given source");
    let (status, page) = world.page(code).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("Request received") && !page.contains(PERSON) && !page.contains(code), "{page}");
}

#[tokio::test]
async fn a_deletion_that_comes_again_has_the_code_of_the_first_time() {
    let world = World::open(Desk::default()).await;
    let first = world.deletion().await;
    assert_eq!(world.deletion().await, first);
    world.clock.advance(TimeDelta::seconds(1));
    assert_ne!(world.deletion().await.1, first.1, "another request has another code");
    assert_eq!(world.desk.deletions.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_page_says_how_far_it_has_come_and_escapes_what_the_host_says() {
    let world = World::open(Desk::default()).await;
    let code = world.deletion().await.1["confirmation_code"].as_str().unwrap().to_owned();
    let say = |status| *world.desk.says.lock().unwrap() = Some(status);

    say(DeletionStatus::Done);
    let (status, page) = world.page(&code).await;
    assert!(status == StatusCode::OK && page.contains("your data was deleted"), "{page}");

    say(DeletionStatus::Refused { reason: "<script src=\"//x\">'&'</script>".to_owned() });
    let (status, page) = world.page(&code).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("The reason: &lt;script src=&quot;//x&quot;&gt;&#39;&amp;&#39;&lt;/script&gt;"), "{page}");
    assert!(!page.contains("<script"), "{page}");

    say(DeletionStatus::Refused { reason: "é".repeat(100_000) });
    assert_eq!(world.page(&code).await.1.matches('é').count(), 2_000);
}

#[tokio::test]
async fn a_code_that_nobody_was_given_has_one_page_whatever_it_looks_like() {
    let world = World::open(Desk::default()).await;
    world.deletion().await;
    let unknown = world.page(&"0".repeat(32)).await;
    assert_eq!(unknown.0, StatusCode::NOT_FOUND);
    let asked = *world.desk.asked.lock().unwrap();
    for code in ["0", "%3Cscript%3E", "..%2f..", &"0".repeat(4_000)] {
        assert_eq!(world.page(code).await, unknown, "{code}");
    }
    assert_eq!(*world.desk.asked.lock().unwrap(), asked, "what can't be a code does not reach the host");
}

#[tokio::test]
async fn what_is_refused_never_reaches_the_host() {
    let world = World::open(Desk::default()).await;
    let now = world.clock.now();
    let right = world.simulator.signed_request(PERSON, now);
    let forged = signed("another", b"{}");
    let old = world.simulator.signed_request(PERSON, now - TimeDelta::days(2));
    let future = world.simulator.signed_request(PERSON, now + TimeDelta::days(2));
    for (body, expected) in [
        (String::new(), StatusCode::UNAUTHORIZED),
        ("another=1".to_owned(), StatusCode::UNAUTHORIZED),
        ("signed_request=".to_owned(), StatusCode::UNAUTHORIZED),
        (format!("signed_request={forged}"), StatusCode::UNAUTHORIZED),
        (format!("signed_request={right}x"), StatusCode::UNAUTHORIZED),
        (format!("signed_request={old}"), StatusCode::UNAUTHORIZED),
        (format!("signed_request={future}"), StatusCode::UNAUTHORIZED),
        (format!("signed_request={}", signed(SECRET, br#"{"algorithm":"none"}"#)), StatusCode::UNAUTHORIZED),
        (format!("signed_request={}", signed(SECRET, b"[")), StatusCode::BAD_REQUEST),
        (format!("signed_request={right}&signed_request={right}"), StatusCode::BAD_REQUEST),
        (format!("signed_request={}", "A".repeat(SIGNED_REQUEST_BYTES_MAX + 1)), StatusCode::PAYLOAD_TOO_LARGE),
        (format!("x={}", "A".repeat(CALLBACK_BODY_BYTES_MAX)), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!(world.post(&body).await, expected, "{}", &body[..body.len().min(60)]);
    }
    let json = Client::new().post(world.at("/deletion")).header(CONTENT_TYPE, "application/json");
    let status = json.body(format!(r#"{{"signed_request":"{right}"}}"#)).send().await.unwrap().status();
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let get = reqwest::get(world.at(&format!("/deletion?signed_request={right}"))).await.unwrap();
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(world.desk.left.lock().unwrap().is_empty() && world.desk.deletions.lock().unwrap().is_empty());
    let told = std::mem::take(&mut *world.told.lock().unwrap());
    assert!(told.iter().all(|line| line.starts_with("a callback is refused with 4")), "{told:?}");
    assert!(told.len() > 3 && !told.concat().contains(&right), "{told:?}");

    // The same form, with more fields beside it, is taken.
    assert_eq!(world.post(&format!("signed_request={right}&more=1")).await, StatusCode::OK);
}

#[tokio::test]
async fn what_the_host_can_not_keep_is_not_acknowledged() {
    let world = World::open(Desk { down: true, ..Desk::default() }).await;
    for path in ["/deauthorize", "/deletion"] {
        let answer = world.simulator.call_back(&world.at(path), PERSON).await.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, ""), "{path}");
        let line = world.told.lock().unwrap().pop().unwrap();
        assert!(line.starts_with("a callback is refused with 503"), "the host is told why: {line}");
        assert!(line.contains("down") && !line.contains(PERSON), "{line}");
    }
    let page = reqwest::get(world.at(&format!("/deletion/{}", "0".repeat(32)))).await.unwrap();
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.text().await.unwrap(), "");
}

#[tokio::test]
async fn nothing_of_a_callback_is_printed() {
    let world = World::open(Desk::default()).await;
    let answer = world.simulator.call_back(&world.at("/deletion"), PERSON).await.unwrap();
    let json: Value = serde_json::from_str(&answer.body).unwrap();
    let printed = format!("{answer:?} {:?} {:?}", world.desk, world.simulator);
    for canary in [PERSON, SECRET, json["confirmation_code"].as_str().unwrap()] {
        assert!(!printed.contains(canary), "{printed}");
    }
}

#[tokio::test]
async fn a_simulator_without_a_socket_posts_nothing() {
    let config =
        SimulatorConfig::new(Arc::new(ManualClock::default()), Arc::new(SeqIds::new(7)), SECRET.to_owned().into());
    let simulator = Simulator::inside(config).unwrap();
    let refused = simulator.call_back("http://127.0.0.1:1/deletion", PERSON).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported);
}
