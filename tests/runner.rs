//! The runner in real time, over the simulator, on the three channels.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use whisp::assistant::{Assistant, Config, NewConnection, NewTenant, Runner, Unbounded};
use whisp::clock::Clock;
use whisp::id::{ConnectionId, TenantId, WorkerId};
use whisp::meta::router::{WebhookState, webhook_router};
use whisp::meta::simulator::{Account, FileFault, Persona, Posting, Say, Simulator, SimulatorConfig, Upload};
use whisp::meta::webhook::MetaDecoder;
use whisp::meta::{GraphClient, Instagram, Messenger, WhatsApp};
use whisp::model::{AutomationMode, MediaKind, MediaState};
use whisp::store::{Bucket, OwnRequest, Store};
use whisp::stores::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable, MemoryStore, ObjectMedia};
use whisp::system::SystemClock;
use whisp::testing::{ScriptedEngine, SeqIds};

const APP_SECRET: &str = "app-secret";
const TENANT: TenantId = TenantId::from_bytes([1; 16]);

/// Far longer than an answer takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

struct Shop {
    assistant: Assistant,
    store: Arc<dyn Store>,
    simulator: Simulator,
    accounts: [Account; 3],
    _keys: tempfile::TempDir,
}

impl Shop {
    /// Returns the buckets that another worker can own, so long from now.
    async fn buckets_at(&self, worker: u8, later: TimeDelta) -> Vec<Bucket> {
        let now = self.assistant.now() + later;
        let until = now + TimeDelta::seconds(60);
        // What is left is for later: inquiries that may go idle.
        let due_by = now + TimeDelta::days(30);
        let request = OwnRequest { worker: WorkerId::from_bytes([worker; 16]), limit: 100, now, due_by, until };
        let leases = self.store.own(&request).await.unwrap();
        let mut buckets: Vec<Bucket> = leases.iter().map(|lease| lease.bucket).collect();
        buckets.sort_unstable();
        buckets
    }
}

async fn open_shop() -> Shop {
    let accounts = [
        Account::whatsapp("106540352242922", "102290129340398", "77272500000", "whatsapp-token".into()),
        Account::instagram("17841400455970028", "instagram-token".into()),
        Account::messenger("104061432244412", "messenger-token".into()),
    ];
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut config = SimulatorConfig::new(Arc::clone(&clock), Arc::new(SeqIds::new(1)), APP_SECRET.into())
        .with_posting(Posting::Immediately);
    for account in &accounts {
        config = config.with_account(account);
    }
    let simulator = Simulator::start(config).await.unwrap();
    let keys = tempfile::tempdir().unwrap();
    let provider = Arc::new(LocalKeyProvider::create(keys.path().join("root.key")).unwrap());
    let vault = EnvelopeVault::open(provider, Arc::new(MemoryKeyTable::new())).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let graph = GraphClient::new(&simulator.graph()).unwrap();
    let mut config = Config::default();
    config.burst_quiet = TimeDelta::milliseconds(50);
    config.texts.disclosure = None;
    let assistant = Assistant::builder()
        .store(Arc::clone(&store))
        .vault(Arc::new(vault))
        .system()
        .channel(Arc::new(WhatsApp::new(graph.clone(), Arc::clone(&clock))))
        .channel(Arc::new(Instagram::new(graph.clone(), Arc::clone(&clock))))
        .channel(Arc::new(Messenger::new(graph.clone(), Arc::clone(&clock))))
        .media(Arc::new(ObjectMedia::in_memory()))
        .media_source(Arc::new(WhatsApp::new(graph.clone(), Arc::clone(&clock))))
        .media_source(Arc::new(Instagram::new(graph.clone(), Arc::clone(&clock))))
        .media_source(Arc::new(Messenger::new(graph, Arc::clone(&clock))))
        .engine(Arc::new(ScriptedEngine::replying(|question| format!("Answer: {question}"))))
        .config(config)
        .build()
        .unwrap();
    assistant.create_tenant(NewTenant::new(TENANT, "Coffee", "Asia/Almaty")).await.unwrap();
    assistant.set_automation(TENANT, true).await.unwrap();
    for account in &accounts {
        let whisp::model::Connection { channel, account, token, scopes, .. } =
            account.connection(ConnectionId::from_bytes([0; 16]), TENANT, assistant.now());
        let mode = AutomationMode::Automatic;
        assistant.connect(TENANT, NewConnection { channel, account, token, scopes, mode }).await.unwrap();
    }
    simulator.set_webhook(&serve(&assistant, clock).await);
    Shop { assistant, store, simulator, accounts, _keys: keys }
}

async fn serve(assistant: &Assistant, clock: Arc<dyn Clock>) -> String {
    let router = webhook_router(
        WebhookState {
            decoder: Arc::new(MetaDecoder::new(&[APP_SECRET.into()])),
            verify_token: "verify".into(),
            sink: Arc::new(assistant.clone()),
            clock,
        },
        |_| (),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Looks again and again until it is so.
async fn until(is_so: impl Fn() -> bool + Sync) -> bool {
    let look = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_answers_on_each_channel_and_gives_its_leases_back_when_it_stops() {
    let shop = open_shop().await;
    let log = Arc::new(Mutex::new(Vec::new()));
    let logged = Arc::clone(&log);
    let running =
        Runner::new(shop.assistant.clone()).on_error(move |line| logged.lock().unwrap().push(line.to_owned())).start();
    let [whatsapp, instagram, messenger] = &shop.accounts;
    // The second three find a runner that has nothing to do.
    let rounds = [
        [(whatsapp, "77011234567"), (instagram, "5678901234567890"), (messenger, "1254477777772919")],
        [(whatsapp, "77019876543"), (instagram, "5678901234567891"), (messenger, "1254477777772920")],
    ];
    let people: Vec<_> = rounds.iter().flatten().collect();
    for (round, three) in (1..).zip(rounds) {
        for (account, id) in three {
            shop.simulator.contact_says(account, &Persona::new(id), &Say::text(&format!("Question of {id}?")));
        }
        let answered = until(|| shop.simulator.accepted().len() >= 3 * round).await;
        assert!(answered, "answered {} in round {round}: {:?}", shop.simulator.accepted().len(), log.lock().unwrap());
    }
    let answers: Vec<String> = shop.simulator.accepted().iter().map(|taken| taken.body.expose().to_string()).collect();
    for (_, id) in &people {
        let answer = format!("Answer: Question of {id}?");
        assert_eq!(answers.iter().filter(|body| body.contains(&answer)).count(), 1, "{answers:?}");
    }
    assert!(until(|| shop.simulator.waiting() == 0).await, "every receipt is taken in");
    tokio::time::timeout(PATIENCE, running.stop()).await.expect("it stops soon").unwrap();
    // The keys of this test are without cells: that is told at the start, and nothing else.
    assert_eq!(*log.lock().unwrap(), [Unbounded::KeyProvider.to_string()]);

    // Whoever comes next owns every bucket at once, without waiting for a lease to end.
    for (account, id) in &people {
        shop.simulator.contact_says(account, &Persona::new(id), &Say::text("And today?"));
    }
    assert!(until(|| shop.simulator.waiting() == 0).await, "messages are taken in all the same");
    let next = shop.buckets_at(7, TimeDelta::seconds(1)).await;
    let after_every_lease = shop.buckets_at(8, TimeDelta::hours(1)).await;
    assert!(!next.is_empty());
    assert_eq!(next, after_every_lease);
    assert_eq!(shop.simulator.accepted().len(), people.len(), "nothing was sent twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_fetches_files_beside_the_answers_and_stops_in_the_middle_of_one() {
    let shop = open_shop().await;
    let running = Runner::new(shop.assistant.clone()).start();
    let [whatsapp, instagram, messenger] = &shop.accounts;
    let person = Persona::new("77011234567");
    let picture = || Upload::new(MediaKind::Image, "image/jpeg", vec![7; 100_000]);
    let sends = |account: &Account, person: &Persona| {
        let file = shop.simulator.upload(account, picture());
        shop.simulator.contact_says(account, person, &Say::File { file, caption: None });
    };
    for (account, id) in [(instagram, "5678901234567890"), (messenger, "1254477777772919")] {
        sends(account, &Persona::new(id));
    }
    let kept =
        tokio::time::timeout(PATIENCE, async { while files(&shop.assistant, MediaState::Kept).await < 2 {} }).await;
    assert!(kept.is_ok(), "both files are kept");
    shop.simulator.fail_next_file(1, FileFault::NoAnswer);
    sends(whatsapp, &person);
    assert!(until(|| shop.simulator.file_requests().len() == 3).await, "the third is being fetched");
    shop.simulator.contact_says(instagram, &Persona::new("5678901234567891"), &Say::text("Are you open?"));
    let answered = || shop.simulator.accepted().iter().any(|sent| sent.body.expose().to_string().contains("open"));
    assert!(until(answered).await, "nobody waits for it");
    tokio::time::timeout(PATIENCE, running.stop()).await.expect("it stops soon").unwrap();
    assert_eq!(files(&shop.assistant, MediaState::Pending).await, 1, "it is fetched the next time");
}

/// Counts the files of all conversations that are in a state.
async fn files(assistant: &Assistant, state: MediaState) -> usize {
    let desk = assistant.desk(TENANT);
    let mut count = 0;
    for conversation in desk.inbox(None, 10).await.unwrap().conversations {
        for message in desk.messages(conversation.id, None, 10).await.unwrap().0 {
            count += desk.media(message.id).await.unwrap().iter().filter(|file| file.state == state).count();
        }
    }
    tokio::task::yield_now().await;
    count
}
