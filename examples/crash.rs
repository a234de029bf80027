//! A server process is killed again and again, at any moment of its life, while people write; then the platform's books
//! and the store's are compared: nothing is lost, nothing is sent twice.
//!
//! `WHISP_KILLS` sets how often each of the two is killed under load, when it has taken in or sent something in that life;
//! 100 times unless told, so 200 times a run. Those that die before, while they start, are killed besides.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test")]

mod running;
#[path = "../whisp-store/tests/support/postgres.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use whisp::assistant::Assistant;
use whisp::clock::Clock;
use whisp::id::{IdSource, TenantId};
use whisp::meta::simulator::{Account, Persona, Say, Simulator, SimulatorConfig};
use whisp::model::{Author, DeliveryStep, Handling, Provenance};
use whisp::store::Store;
use whisp::stores::{CellKeyProvider, EnvelopeVault, FolderCells, LocalKeyProvider, SqliteKeyTable, SqliteStore};
use whisp::system::SystemClock;
use whisp::testing::SeqIds;
use whisp::vault::KeyTable;

use running::Server;

/// How often each server is killed, unless told otherwise.
const KILLS_DEFAULT: usize = 100;

/// The longest life of a server, from its start or from when it listens: from before it has opened its files to long after
/// it has answered.
const LIFE_MAX: Duration = Duration::from_millis(700);

/// How many lives there may be for each that ends under load: on a machine where more end before, they are too short.
const LIVES_PER_LOADED: usize = 6;

/// How many people write in each of its lives, twice each.
const PEOPLE: usize = 4;

/// How long everything may take to settle at the end.
const PATIENCE: Duration = Duration::from_secs(180);

/// After how long without news everything is settled, where everybody has an answer.
const QUIET: Duration = Duration::from_secs(6);

/// The same where somebody has none.
const QUIET_IN_DOUBT: Duration = Duration::from_secs(20);

const TENANT: &str = "0c0ffee0-0000-4000-8000-000000000001";

/// The platform, which outlives every server.
struct Platform {
    simulator: Arc<Simulator>,
    accounts: [Account; 3],
    /// By the account and the person, how many messages they wrote.
    said: BTreeMap<(usize, String), usize>,
}

impl Platform {
    async fn start() -> Self {
        let accounts = [
            Account::whatsapp("106540352242922", "102290129340398", "77272500000", "whatsapp-token".into()),
            Account::instagram("17841400455970028", "instagram-token".into()),
            Account::messenger("104061432244412", "messenger-token".into()),
        ];
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut config = SimulatorConfig::new(clock, Arc::new(SeqIds::new(1)), "app-secret".into());
        for account in &accounts {
            config = config.with_account(account);
        }
        Self { simulator: Arc::new(Simulator::start(config).await.unwrap()), accounts, said: BTreeMap::new() }
    }

    /// Posts what waits, again and again, until it is aborted: no longer than a server listens, or a webhook would be given up
    /// that was never taken.
    fn post(&self, address: &str) -> JoinHandle<()> {
        self.simulator.set_webhook(address);
        let simulator = Arc::clone(&self.simulator);
        tokio::spawn(async move {
            loop {
                let _delivered = simulator.deliver().await;
                tokio::time::timeout(Duration::from_millis(5), std::future::pending::<()>()).await.unwrap_err();
            }
        })
    }

    /// New people write, each a burst of two messages.
    fn people_write(&mut self, life: usize) {
        for person in 0..PEOPLE {
            let place = (life + person) % self.accounts.len();
            let id = format!("7701{:07}", life * PEOPLE + person);
            let (account, persona) = (&self.accounts[place], Persona::new(&id));
            for text in ["Hello!", "When are you open?"] {
                self.simulator.contact_says(account, &persona, &Say::text(text));
            }
            self.said.insert((place, id), 2);
        }
    }
}

/// How often a server was killed.
#[derive(Debug, Clone, Copy, Default)]
struct Kills {
    all: usize,
    /// So often it had taken in or sent something in that life.
    under_load: usize,
}

/// Kills a server at random moments, lets the last one settle everything, and stops it.
async fn kill_again_and_again(platform: &mut Platform, config: &Path, url: &str, seed: u64) -> Kills {
    let ids = SeqIds::new(seed);
    let (wanted, mut kills) = (kills(), Kills::default());
    while kills.under_load < wanted {
        let server = Server::start(config, url);
        platform.people_write(kills.all);
        let (waiting, sent) = (platform.simulator.waiting(), platform.simulator.accepted().len());
        let random = ids.random().as_u128();
        let life = Duration::from_millis(u64::try_from(random % LIFE_MAX.as_millis()).unwrap());
        // Every second one may die while it starts; the time of the others begins when they listen.
        let mut began = Instant::now();
        let listens = if kills.all.is_multiple_of(2) {
            server.webhooks_within(life)
        } else {
            let address = server.webhooks();
            began = Instant::now();
            address
        };
        let posting = listens.map(|address| platform.post(&address));
        if posting.is_some() {
            let rest = (began + life).saturating_duration_since(Instant::now());
            tokio::time::timeout(rest, std::future::pending::<()>()).await.unwrap_err();
        }
        drop(server);
        posting.inspect(JoinHandle::abort);
        kills.all += 1;
        let has_worked = platform.simulator.waiting() < waiting || platform.simulator.accepted().len() > sent;
        kills.under_load += usize::from(has_worked);
        assert!(kills.all <= LIVES_PER_LOADED * wanted, "most die before they have done anything: {kills:?}");
    }
    let server = Server::start(config, url);
    let posting = platform.post(&server.webhooks().expect("it listens"));
    let began = Instant::now();
    let (mut quiet_since, mut accepted) = (Instant::now(), 0);
    loop {
        let taken = platform.simulator.accepted();
        if taken.len() != accepted || platform.simulator.waiting() > 0 {
            (accepted, quiet_since) = (taken.len(), Instant::now());
        }
        let answered: BTreeSet<&str> = taken.iter().map(|message| message.to.expose().as_str()).collect();
        // Who has no answer may have one in doubt, which nobody sends again.
        let all = platform.said.keys().all(|(_, person)| answered.contains(person.as_str()));
        if quiet_since.elapsed() > if all { QUIET } else { QUIET_IN_DOUBT } {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "it does not settle: {} webhooks wait", platform.simulator.waiting());
        tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await.unwrap_err();
    }
    posting.abort();
    server.stop();
    kills
}

#[expect(clippy::disallowed_methods, reason = "how long the test runs is for whoever runs it")]
fn kills() -> usize {
    std::env::var("WHISP_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS_DEFAULT)
}

/// What the two sides say.
#[derive(Debug, Default)]
struct Books {
    people: usize,
    kept: usize,
    lost: usize,
    doubled: usize,
    sent: usize,
    sent_twice: usize,
    sent_unknown: usize,
    unanswered: usize,
    with_a_person: usize,
}

/// Compares the platform's books with the store's.
async fn reconcile(platform: &Platform, store: Arc<dyn Store>, table: Arc<dyn KeyTable>, folder: &Path) -> Books {
    let root_key = Arc::new(LocalKeyProvider::open(folder.join("root.key")).unwrap());
    let cells = Arc::new(FolderCells::open(folder.join("cells")).unwrap());
    let provider = Arc::new(CellKeyProvider::new(root_key, cells));
    let vault = Arc::new(EnvelopeVault::open(provider, table).await.unwrap());
    let assistant = Assistant::builder().store(store).vault(vault).system().build().unwrap();
    let desk = assistant.desk(TENANT.parse::<TenantId>().unwrap());
    let mut books = Books { people: platform.said.len(), ..Books::default() };
    let mut kept: BTreeMap<String, usize> = BTreeMap::new();
    let mut answered: BTreeMap<String, bool> = BTreeMap::new();
    let (mut sent, mut looked_after) = (BTreeSet::new(), BTreeSet::new());
    let mut settled: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = desk.inbox(after, 100).await.unwrap();
        for conversation in &page.conversations {
            let contact = desk.contact(conversation.contact).await.unwrap();
            let person = contact.handles.first().unwrap().value.expose().to_string();
            let messages = desk.messages(conversation.id, None, 100).await.unwrap().0;
            let ids: BTreeSet<_> = messages.iter().filter_map(|message| message.platform_id.clone()).collect();
            let theirs = messages.iter().filter(|message| message.author == Author::Contact).count();
            *kept.entry(person.clone()).or_default() += theirs;
            books.doubled += messages.iter().filter(|message| message.platform_id.is_some()).count() - ids.len();
            let is_with_a_person = matches!(conversation.handling, Handling::Member { .. });
            books.with_a_person += usize::from(is_with_a_person);
            looked_after.extend(is_with_a_person.then(|| person.clone()));
            let mut is_answered = is_with_a_person;
            for message in messages.iter().filter(|message| message.provenance == Provenance::Sent) {
                let step = message.delivery.as_ref().unwrap().step;
                // Whoever sent it died; nobody knows whether it went out until a receipt or a person settles it.
                if matches!(step, DeliveryStep::InDoubt | DeliveryStep::Sending) {
                    looked_after.insert(person.clone());
                }
                if step.rank() >= DeliveryStep::Sent.rank() && step != DeliveryStep::Cancelled {
                    is_answered = true;
                    match (&message.platform_id, message.content.readable()) {
                        (Some(id), _) => drop(sent.insert(id.clone())),
                        // A receipt that named our tag settled it; the id itself died with the answer to the call.
                        (None, Some(text)) => *settled.entry((person.clone(), text.to_owned())).or_default() += 1,
                        (None, None) => {}
                    }
                }
            }
            *answered.entry(person).or_default() |= is_answered;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    for ((_, person), said) in &platform.said {
        let there = kept.get(person).copied().unwrap_or(0);
        books.kept += there;
        books.lost += said.saturating_sub(there);
        books.doubled += there.saturating_sub(*said);
        books.unanswered += usize::from(!answered.get(person).copied().unwrap_or(false));
    }
    let accepted = platform.simulator.accepted();
    books.sent = accepted.len();
    // Each message that we send has a tag of its own where the channel takes one; on Instagram the text and the person
    // tell, since nobody was to be told anything twice.
    let mut told = BTreeSet::new();
    for message in &accepted {
        let what =
            message.tag.clone().unwrap_or_else(|| format!("{}:{:?}", message.to.expose(), message.body.expose()));
        books.sent_twice += usize::from(!told.insert(what));
        // What nobody here knows to have gone out is in doubt, or with a person who settles it.
        let to = message.to.expose().to_string();
        let text = message.text.as_ref().map(|text| text.expose().to_string()).unwrap_or_default();
        let is_known = sent.contains(&message.id)
            || looked_after.contains(&to)
            || settled.get_mut(&(to, text)).is_some_and(|left| left.checked_sub(1).map(|less| *left = less).is_some());
        books.sent_unknown += usize::from(!is_known);
    }
    books
}

fn settle(name: &str, kills: Kills, seed: u64, books: &Books) {
    let Kills { all, under_load } = kills;
    let line = format!("{name}: {all} kills, {under_load} of them under load (seed {seed}), {books:?}\n");
    // Past the test runner, which keeps what a passing test prints to itself.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    let Books { people, kept, lost, doubled, sent_twice, sent_unknown, unanswered, with_a_person, .. } = books;
    assert_eq!((*lost, *doubled, *sent_twice, *sent_unknown, *unanswered), (0, 0, 0, 0, 0), "{line}");
    assert_eq!(*kept, people * 2, "{line}");
    assert!(with_a_person * 2 < *people, "most were answered: {line}");
}

/// A new seed for each run, printed with the figures.
fn seed() -> u64 {
    u64::from(std::process::id())
}

const BEHAVIOUR: &str = "lease_milliseconds = 800, burst_quiet_milliseconds = 50, settle_after_milliseconds = 1500";

const ACCOUNTS: [(&str, &str, &str); 3] = [
    ("whatsapp", "106540352242922", "whatsapp_business_messaging"),
    ("instagram", "17841400455970028", "instagram_business_manage_messages"),
    ("messenger", "104061432244412", "pages_messaging"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_sqlite_that_is_killed_loses_nothing_and_sends_nothing_twice() {
    let (mut platform, folder) = (Platform::start().await, tempfile::tempdir().unwrap());
    let kept = r#"kind = "sqlite", file = "whisp.db", keys = "keys.db""#;
    let config = running::config(&platform.simulator.url(), kept, BEHAVIOUR, &ACCOUNTS);
    let config = running::write(folder.path(), &config);
    let kills = kill_again_and_again(&mut platform, &config, "", seed()).await;
    let store = Arc::new(SqliteStore::open(folder.path().join("whisp.db")).unwrap());
    let table = Arc::new(SqliteKeyTable::open(folder.path().join("keys.db")).unwrap());
    let books = reconcile(&platform, store, table, folder.path()).await;
    settle("SQLite", kills, seed(), &books);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_postgres_that_is_killed_loses_nothing_and_sends_nothing_twice() {
    let Some(schema) = support::TempSchema::new() else { return };
    let keys = schema.named(&format!("{}_keys", schema.name));
    let (mut platform, folder) = (Platform::start().await, tempfile::tempdir().unwrap());
    let kept = format!(r#"kind = "postgres", schema = "{}", keys_schema = "{}""#, schema.name, keys.name);
    let config = running::config(&platform.simulator.url(), &kept, BEHAVIOUR, &ACCOUNTS);
    let config = running::write(folder.path(), &config);
    let kills = kill_again_and_again(&mut platform, &config, &schema.url, seed()).await;
    let store = Arc::new(schema.options().open().await.unwrap());
    let table = Arc::new(keys.keys().await);
    let books = reconcile(&platform, store, table, folder.path()).await;
    settle("PostgreSQL", kills, seed(), &books);
}
