//! What the platform tells of those who connected an account, over real HTTP, signed, up to what becomes of it.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::Value;
use whisp::assistant::AssistantError;
use whisp::clock::Clock;
use whisp::id::TenantId;
use whisp::meta::callback::StatusAddress;
use whisp::meta::router::{CallbackState, callback_router};
use whisp::meta::simulator::{Simulator, SimulatorConfig};
use whisp::meta::webhook::AppSecrets;
use whisp::model::ConnectionState;
use whisp::privacy::{RefusalReason, RequestEvent, RequestKind, RequestState, SubjectRequest};
use whisp::testing::SeqIds;

use crate::world::World;

const SECRET: &str = "app-secret";
const OWNER: &str = "218471000000001";

struct Called {
    world: World,
    simulator: Simulator,
    url: String,
}

impl Called {
    async fn new() -> Self {
        let world = World::new().await;
        let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
        let state = CallbackState {
            secrets: AppSecrets::new(&[SECRET.into()]),
            status: StatusAddress::new("https://assistant.example/meta/deletion").unwrap(),
            sink: Arc::new(world.assistant.clone()),
            clock: Arc::clone(&clock),
            ids: Arc::new(SeqIds::new(3)),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/meta", listener.local_addr().unwrap());
        let app = axum::Router::new().nest("/meta", callback_router(state, |_| {}));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = SimulatorConfig::new(clock, Arc::new(SeqIds::new(7)), SECRET.to_owned().into());
        world.assistant.set_authorizer(world.tenant, world.connection, OWNER).await.unwrap();
        Self { simulator: Simulator::start(config).await.unwrap(), world, url }
    }

    async fn calls(&self, path: &str, user: &str) -> Value {
        let answer = self.simulator.call_back(&format!("{}{path}", self.url), user).await.unwrap();
        assert_eq!(answer.status, 200);
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    async fn wants_deletion(&self, user: &str) -> String {
        self.calls("/deletion", user).await["confirmation_code"].as_str().unwrap().to_owned()
    }

    async fn page(&self, code: &str) -> String {
        let page = reqwest::get(format!("{}/deletion/{code}", self.url)).await.unwrap();
        page.text().await.unwrap()
    }

    async fn state(&self) -> ConnectionState {
        self.world.assistant.connections(self.world.tenant).await.unwrap()[0].3
    }

    async fn requests(&self) -> Vec<SubjectRequest> {
        let requests = self.world.assistant.desk(self.world.tenant).requests();
        requests.open(None, 10).await.unwrap().requests
    }
}

#[tokio::test]
async fn who_takes_the_leave_back_is_disconnected_and_the_same_word_does_it_once() {
    let called = Called::new().await;
    called.calls("/deauthorize", "somebody-else").await;
    assert_eq!(called.state().await, ConnectionState::Live);
    called.calls("/deauthorize", OWNER).await;
    assert_eq!(called.state().await, ConnectionState::Disconnected);
    called.world.says("m1", "Hello").await;
    assert!(called.world.assistant.desk(called.world.tenant).inbox(None, 1).await.unwrap().conversations.is_empty());

    let world = &called.world;
    let new = whisp::assistant::NewConnection {
        channel: whisp::model::ChannelKind::WhatsApp,
        account: whisp::model::AccountId::new(crate::world::ACCOUNT),
        token: secrecy::SecretString::from("EAAG-another"),
        scopes: Vec::new(),
        mode: whisp::model::AutomationMode::Suggest,
    };
    assert_eq!(world.assistant.connect(world.tenant, new).await.unwrap(), world.connection);
    called.calls("/deauthorize", OWNER).await;
    assert_eq!(called.state().await, ConnectionState::Live, "the word of before does not undo what came after it");
    called.world.later(5);
    called.calls("/deauthorize", OWNER).await;
    assert_eq!(called.state().await, ConnectionState::Disconnected, "a new one does");
}

#[tokio::test]
async fn a_wish_to_delete_is_a_request_that_is_proven_and_its_page_says_how_far_it_is() {
    let called = Called::new().await;
    let code = called.wants_deletion(OWNER).await;
    assert_eq!(called.wants_deletion(OWNER).await, code, "the same word has the same code");
    assert_eq!(called.state().await, ConnectionState::Disconnected, "nothing goes on meanwhile");
    let requests = called.requests().await;
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].kind(), requests[0].state()), (RequestKind::Erasure, &RequestState::Verified));
    assert!(called.page(&code).await.contains("Request received"));

    called.world.later(5);
    let again = called.wants_deletion(OWNER).await;
    assert_ne!(again, code, "another word has another code");
    assert_eq!(called.requests().await.len(), 1, "and leads to the request that waits");

    let desk = called.world.assistant.desk(called.world.tenant).requests();
    let id = requests[0].id();
    assert!(matches!(desk.erase(id).await, Err(AssistantError::Invalid(_))), "it goes with the account");
    desk.apply(id, RequestEvent::Assess).await.unwrap();
    desk.apply(id, RequestEvent::Refuse(RefusalReason::LegallyRequired)).await.unwrap();
    assert!(called.page(&code).await.contains("Request received"), "decided, and not told yet");
    desk.answer(id, 0).await.unwrap();
    assert!(called.page(&again).await.contains("kept"));
    let page = called.page(&code).await;
    assert!(page.contains("kept") && !page.contains(OWNER), "{page}");
}

#[tokio::test]
async fn whom_nobody_knows_is_answered_too_and_a_code_that_nobody_was_given_leads_nowhere() {
    let called = Called::new().await;
    let code = called.wants_deletion("nobody-we-know").await;
    assert!(called.page(&code).await.contains("Request received"));
    assert!(called.requests().await.is_empty());
    assert_eq!(called.state().await, ConnectionState::Live);
    let other: String = code.chars().rev().collect();
    assert!(!called.page(&other).await.contains("Request received"));
    called.world.clock.advance(whisp::assistant::Retention::default().requests + TimeDelta::seconds(1));
    assert!(!called.page(&code).await.contains("Request received"), "kept no longer");
    called.world.assistant.trust_clock().await.unwrap();
    assert!(called.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().deleted > 0);
    let swept = called.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    assert_eq!(swept.deleted, 0, "the sweep before took it out of the directory");
}

/// Somebody has to find out who is meant, and then it goes its way as if the user had been known.
#[tokio::test]
async fn a_wish_of_somebody_unknown_is_listed_until_it_is_matched() {
    let called = Called::new().await;
    let assistant = &called.world.assistant;
    called.wants_deletion(OWNER).await;
    let code = called.wants_deletion("nobody-we-know").await;
    let at = called.world.now();
    called.world.later(60);
    let [wish] = assistant.unmatched(None, 10).await.unwrap().wishes[..] else { panic!("one wish") };
    assert_eq!(wish.at, at);
    let nobody = assistant.match_deletion(wish.id, TenantId::from_uuid(uuid::Uuid::from_u128(99))).await;
    assert!(matches!(nobody, Err(AssistantError::NotFound(_))), "{nobody:?}");
    let request = assistant.match_deletion(wish.id, called.world.tenant).await.unwrap();
    assert!(called.requests().await.iter().any(|open| open.id() == request));
    assert_eq!(assistant.unmatched(None, 10).await.unwrap().wishes, []);
    let again = assistant.match_deletion(wish.id, called.world.tenant).await;
    assert!(matches!(again, Err(AssistantError::NotFound(_))), "{again:?}");
    let desk = assistant.desk(called.world.tenant).requests();
    desk.apply(request, RequestEvent::Assess).await.unwrap();
    desk.apply(request, RequestEvent::Refuse(RefusalReason::LegallyRequired)).await.unwrap();
    desk.answer(request, 0).await.unwrap();
    assert!(called.page(&code).await.contains("kept"), "the page of then tells what came of it");
}
