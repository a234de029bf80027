//! Two server processes over one PostgreSQL database split the work; when one is killed, the other takes over what it
//! held within the time of a lease, and nothing is lost or sent twice.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, reason = "a test")]

#[path = "../whisp-store/tests/support/postgres.rs"]
mod support;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use whisp::clock::Clock;
use whisp::id::TenantId;
use whisp::meta::simulator::{Account, Persona, Posting, Say, Simulator, SimulatorConfig};
use whisp::store::{Kind, ListOrder, ListQuery, Records};
use whisp::system::SystemClock;
use whisp::testing::SeqIds;

/// Far longer than anything here takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a lease lasts in these processes, in seconds.
const LEASE: u64 = 3;

const CONTACTS: usize = 40;

/// A server process, killed when it is dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts the example that cargo built beside this test, and waits until it listens.
    fn start(config: &Path, url: &str) -> Self {
        let test = std::env::current_exe().unwrap();
        let program = test.parent().and_then(Path::parent).unwrap().join("examples").join("server");
        assert!(program.exists(), "build it first: cargo build -p whisp-examples --example server");
        let mut child = Command::new(program)
            .args(["--json", "--config"])
            .arg(config)
            .envs([("META_APP_SECRET", "app-secret"), ("META_VERIFY_TOKEN", "verify"), ("WHATSAPP_TOKEN", "token")])
            .envs([("WHISP_DATABASE_URL", url), ("WHISP_KEYS_DATABASE_URL", url)])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().expect("it says where it listens").unwrap()).unwrap();
        let address = format!("http://{}/webhooks/meta", first["address"].as_str().expect("an address"));
        // What it prints later nobody reads, but it must not block on it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been killed already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The platform, and who writes there.
struct Platform {
    simulator: Simulator,
    account: Account,
}

impl Platform {
    async fn start() -> Self {
        let account = Account::whatsapp("106540352242922", "102290129340398", "77272500000", "token".into());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = SimulatorConfig::new(clock, Arc::new(SeqIds::new(1)), "app-secret".into())
            .with_posting(Posting::Immediately)
            .with_account(&account);
        Self { simulator: Simulator::start(config).await.unwrap(), account }
    }

    fn all_ask(&self) {
        for contact in 0..CONTACTS {
            let persona = Persona::new(&format!("7701000{contact:04}"));
            self.simulator.contact_says(&self.account, &persona, &Say::text("When are you open?"));
        }
    }

    /// Waits until the platform has taken so many answers; returns how long that took.
    async fn answers(&self, count: usize) -> Duration {
        let began = Instant::now();
        while self.simulator.accepted().len() < count {
            let there = self.simulator.accepted().len();
            assert!(began.elapsed() < PATIENCE, "{there} of {count} answers came");
            tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await.unwrap_err();
        }
        began.elapsed()
    }
}

fn write_config(folder: &Path, schema: &str, graph: &str) -> PathBuf {
    let knowledge = concat!(env!("CARGO_MANIFEST_DIR"), "/quickstart/knowledge.yaml");
    let text = format!(
        r#"
        listen = "127.0.0.1:0"
        graph = "{graph}"
        knowledge = "{knowledge}"
        store = {{ kind = "postgres", schema = "{schema}", keys_schema = "{schema}_keys", root_key = "root.key" }}
        behaviour = {{ lease_seconds = {LEASE}, burst_quiet_milliseconds = 50 }}
        [tenant]
        id = "0c0ffee0-0000-4000-8000-000000000001"
        name = "Coffee on the Corner"
        zone = "Asia/Almaty"
        automation = true
        buckets = 8
        [[account]]
        channel = "whatsapp"
        id = "106540352242922"
        token = "WHATSAPP_TOKEN"
        scopes = ["whatsapp_business_messaging"]
        mode = "automatic"
        "#
    );
    let file = folder.join("whisp.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// How many buckets each worker says that it holds.
async fn shares(store: &impl Records) -> Vec<u64> {
    let query = ListQuery {
        tenant: TenantId::DIRECTORY,
        kind: Kind::WORKER,
        parent: TenantId::DIRECTORY.into(),
        order: ListOrder::Ascending,
        after: None,
        limit: 10,
    };
    let workers = store.list(&query).await.unwrap().records;
    let held = |clear: &str| serde_json::from_str::<Value>(clear).unwrap()["held"].as_u64().unwrap();
    workers.iter().map(|worker| held(&worker.clear.0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_split_the_work_and_a_killed_one_loses_nothing() {
    let Some(schema) = support::TempSchema::new() else { return };
    let _keys = schema.named(&format!("{}_keys", schema.name));
    let platform = Platform::start().await;
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), &schema.name, &platform.simulator.url());
    let first = Server::start(&config, &schema.url);
    let second = Server::start(&config, &schema.url);
    let store = schema.options().open().await.unwrap();

    let mut asked = 0;
    let began = Instant::now();
    loop {
        // Webhooks come in through either.
        platform.simulator.set_webhook(if asked % 2 == 0 { &first.address } else { &second.address });
        platform.all_ask();
        asked += 1;
        platform.answers(asked * CONTACTS).await;
        let shares = shares(&store).await;
        if shares.len() == 2 && shares.iter().all(|held| *held >= 2) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "they do not split the work: {shares:?}");
    }

    platform.simulator.set_webhook(&second.address);
    platform.all_ask();
    asked += 1;
    drop(first);
    let took = platform.answers(asked * CONTACTS - CONTACTS).await;
    assert!(took < PATIENCE);
    // What the dead one was sending at that very moment is in doubt, and a person decides; all else is answered.
    let took = platform.answers(asked * CONTACTS - 16).await;
    let limit = Duration::from_secs(LEASE * 4);
    assert!(took < limit, "taken over after {took:?}, later than {limit:?}");

    platform.all_ask();
    platform.answers((asked + 1) * CONTACTS - 2 * 16).await;
    let accepted = platform.simulator.accepted();
    let tags: BTreeSet<_> = accepted.iter().map(|message| message.tag.clone()).collect();
    assert_eq!(tags.len(), accepted.len(), "nothing is sent twice");
}
