//! Two server processes over one PostgreSQL database split the work; when one is killed, the other takes over what it
//! held within the time of a lease, and nothing is lost or sent twice.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod running;
#[path = "../whisp-store/tests/support/postgres.rs"]
mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use whisp::clock::Clock;
use whisp::id::TenantId;
use whisp::meta::simulator::{Account, Persona, Posting, Say, Simulator, SimulatorConfig};
use whisp::store::{Kind, ListOrder, ListQuery, Records};
use whisp::system::SystemClock;
use whisp::testing::SeqIds;

use running::Server;

/// Far longer than anything here takes; only a failure waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a lease lasts in these processes.
const LEASE: Duration = Duration::from_secs(3);

/// Within what time the other server has done what a killed one held: its leases end, the other asks for them at that moment,
/// and what waits is answered, on a machine that does other things as well. Alone on it, it is about a lease.
const HAND_OVER: Duration = Duration::from_secs(LEASE.as_secs() * 2);

const CONTACTS: usize = 40;

/// The platform, and who writes there.
struct Platform {
    simulator: Simulator,
    account: Account,
}

impl Platform {
    async fn start() -> Self {
        let account = Account::whatsapp("106540352242922", "102290129340398", "77272500000", "whatsapp-token".into());
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

    /// Waits until the platform has taken so many answers.
    async fn answers(&self, count: usize) {
        let began = Instant::now();
        while self.simulator.accepted().len() < count {
            let there = self.simulator.accepted().len();
            assert!(began.elapsed() < PATIENCE, "{there} of {count} answers came");
            tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await.unwrap_err();
        }
    }
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
    let kept = format!(r#"kind = "postgres", schema = "{0}", keys_schema = "{0}_keys""#, schema.name);
    let behaviour = format!("lease_milliseconds = {}, burst_quiet_milliseconds = 50", LEASE.as_millis());
    let accounts = [("whatsapp", "106540352242922", "whatsapp_business_messaging")];
    let config = running::config(&platform.simulator.url(), &kept, &behaviour, &accounts);
    let config = running::write(folder.path(), &config);
    let servers = [(); 2].map(|()| Server::start(&config, &schema.url));
    let webhooks = servers.each_ref().map(|server| server.webhooks().expect("it listens"));
    let [first, _second] = servers;
    let store = schema.options().open().await.unwrap();

    let mut asked = 0;
    let began = Instant::now();
    loop {
        // Webhooks come in through either.
        platform.simulator.set_webhook(&webhooks[asked % 2]);
        platform.all_ask();
        asked += 1;
        platform.answers(asked * CONTACTS).await;
        let shares = shares(&store).await;
        if shares.len() == 2 && shares.iter().all(|held| *held >= 2) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "they do not split the work: {shares:?}");
    }

    platform.simulator.set_webhook(&webhooks[1]);
    platform.all_ask();
    asked += 1;
    let killed = Instant::now();
    drop(first);
    // What the dead one was sending at that very moment is in doubt, and a person decides; all else is answered.
    platform.answers(asked * CONTACTS - 16).await;
    let took = killed.elapsed();
    let line = format!("a killed server's work was taken over and done after {took:?}, leases last {LEASE:?}\n");
    // Past the test runner, which keeps what a passing test prints to itself.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert!(took < HAND_OVER, "{line}");

    platform.all_ask();
    platform.answers((asked + 1) * CONTACTS - 2 * 16).await;
    let accepted = platform.simulator.accepted();
    let tags: BTreeSet<_> = accepted.iter().map(|message| message.tag.clone()).collect();
    assert_eq!(tags.len(), accepted.len(), "nothing is sent twice");
}
