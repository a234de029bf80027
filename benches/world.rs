//! A whole assistant for the benches: one tenant, one account, a thousand people who write.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a bench stops if its ground is missing")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Semaphore;
use whisp::assistant::{Assistant, Budget, Config, NewConnection, NewTenant, Runner, RunnerHandle};
use whisp::channel::{Capabilities, Channel, ChannelError, ChannelErrorKind, Outbound, SendReceipt, TextLimit};
use whisp::clock::Clock;
use whisp::error::Retry;
use whisp::id::TenantId;
use whisp::model::{
    AccountId, AutomationMode, ChannelKind, Connection, Content, Handle, HandleKind, PlatformMessageId, Provenance,
};
use whisp::store::Store;
use whisp::stores::{
    CellKeyProvider, EnvelopeVault, LocalKeyProvider, MemoryCells, PostgresKeyTable, PostgresOptions, SqliteKeyTable,
    SqliteStore,
};
use whisp::system::SystemClock;
use whisp::testing::ScriptedEngine;
use whisp::vault::KeyTable;
use whisp::webhook::{ContactRef, Delivery, Event, Item, MessageEvent};

use crate::ingest::{PRODUCERS, produce};
use crate::server::drop_schema;
use crate::watched::Watched;

/// How many people write. Each has one conversation.
pub const PEOPLE: usize = 1_024;

/// Into how many buckets the conversations hash.
const BUCKETS: u16 = 16;

/// How much the runner does in one round.
const BUDGET: Budget = Budget { lanes: 512, concurrency: 64 };

/// A bench in which nobody gets an answer for this time stops.
const STUCK: Duration = Duration::from_secs(120);

const ACCOUNT: &str = "1060";

/// The tenant of every world.
pub const TENANT: TenantId = TenantId::from_bytes([1; 16]);

/// What each message says: as long as messages are.
pub const QUESTION: &str = "Good evening! I would like to know how much the delivery to Almaty costs, whether it is possible \
                        to pay by card when it comes, and until what time you work on Saturdays. Number";

/// A whole assistant over a store.
#[derive(Debug)]
pub struct World {
    assistant: Assistant,
    store: Arc<Watched>,
    phones: Arc<Phones>,
    messages: AtomicUsize,
    failures: Arc<Mutex<Vec<String>>>,
}

impl World {
    /// Makes one over SQLite files in this folder, `synchronous=FULL`.
    ///
    /// # Panics
    /// If anything fails.
    pub async fn on_sqlite(folder: &Path) -> Arc<Self> {
        let store = SqliteStore::open(folder.join("data.db")).expect("a new file opens");
        let keys = SqliteKeyTable::open(folder.join("keys.db")).expect("a new file opens");
        Self::over(Arc::new(store), Arc::new(keys)).await
    }

    /// Makes one over a PostgreSQL database, in two schemas of its own, this one and one for the keys:
    /// [`drop_postgres`](Self::drop_postgres) drops them.
    ///
    /// # Panics
    /// If anything fails.
    pub async fn on_postgres(url: &str, schema: &str) -> Arc<Self> {
        let store = PostgresOptions::new(url).schema(schema).open().await.expect("the server answers");
        let keys = PostgresKeyTable::open(url, &keys_of(schema)).await.expect("the server answers");
        Self::over(Arc::new(store), Arc::new(keys)).await
    }

    /// Drops what [`on_postgres`](Self::on_postgres) made.
    ///
    /// # Panics
    /// If it can't be dropped.
    pub async fn drop_postgres(self: Arc<Self>, url: &str, schema: &str) {
        drop(self);
        drop_schema(url, schema).await;
        drop_schema(url, &keys_of(schema)).await;
    }

    /// Takes one tenant on, whose people have all written once and got their answer.
    async fn over(store: Arc<dyn Store>, keys: Arc<dyn KeyTable>) -> Arc<Self> {
        let store = Arc::new(Watched::new(store));
        let phones = Arc::new(Phones((0..PEOPLE).map(|_| Semaphore::new(1)).collect()));
        let channel = Arc::clone(&phones) as _;
        let assistant = assistant(Arc::clone(&store) as _, keys, channel, AutomationMode::Automatic).await;
        let world =
            Arc::new(Self { assistant, store, phones, messages: AtomicUsize::new(0), failures: Arc::default() });
        world.cycle(PEOPLE).await;
        world.store.take();
        world
    }

    /// Returns the store, to ask it what it was asked.
    #[must_use]
    pub fn store(&self) -> &Watched {
        &self.store
    }

    /// Takes messages in, from all producers; nobody answers. Returns how many seconds one took.
    ///
    /// # Panics
    /// If anything fails.
    pub async fn ingest(self: &Arc<Self>, messages: usize) -> f64 {
        let began = Instant::now();
        let world = Arc::clone(self);
        produce(messages, move || {
            let world = Arc::clone(&world);
            async move { world.message(world.next()).await }
        })
        .await;
        crate::ingest::seconds_each(messages, began)
    }

    /// Takes messages in, from all producers, and has each answered: in order, since nobody writes again before the answer
    /// has come. Ends when each answer is noted as sent. Returns how many seconds one message took.
    ///
    /// # Panics
    /// If anything fails.
    pub async fn cycle(self: &Arc<Self>, messages: usize) -> f64 {
        let (mut answered, mut progress) = (self.store.answered(), self.store.answered());
        let goal = *answered.borrow() + messages / PRODUCERS * PRODUCERS;
        let runner = self.run();
        let began = Instant::now();
        let world = Arc::clone(self);
        let writing = produce(messages, move || {
            let world = Arc::clone(&world);
            async move {
                let number = world.next();
                world.phones.0[number % PEOPLE].acquire().await.expect("it is never closed").forget();
                world.message(number).await;
            }
        });
        let all = async {
            writing.await;
            answered.wait_for(|answered| *answered >= goal).await.expect("the store is there").to_owned()
        };
        let stuck = async { while let Ok(Ok(())) = tokio::time::timeout(STUCK, progress.changed()).await {} };
        let outcome = tokio::select! {
            answers = all => Some(answers),
            () = stuck => None,
        };
        let seconds = crate::ingest::seconds_each(messages, began);
        runner.stop().await.expect("the runner stops");
        let failures = std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner));
        assert_eq!(outcome, Some(goal), "one answer to each message, soon; failed: {failures:?}");
        assert!(failures.is_empty(), "{failures:?}");
        seconds
    }

    fn run(&self) -> RunnerHandle {
        let failures = Arc::clone(&self.failures);
        let note = move |line: &str| failures.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        Runner::new(self.assistant.clone()).budget(BUDGET).on_error(note).start()
    }

    fn next(&self) -> usize {
        self.messages.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes one message in.
    async fn message(&self, number: usize) {
        let now = SystemClock.now();
        let item = item(number, number % PEOPLE, Provenance::Live, now);
        let delivery = Delivery { received_at: now, items: vec![item] };
        let ingested = self.assistant.ingest(&delivery).await.expect("it is taken in");
        assert_eq!(ingested.stored, 1);
    }
}

/// Puts an assistant together that has one tenant with one account, on which an engine goes so far.
///
/// # Panics
/// If anything fails.
pub async fn assistant(
    store: Arc<dyn Store>,
    keys: Arc<dyn KeyTable>,
    channel: Arc<dyn Channel>,
    mode: AutomationMode,
) -> Assistant {
    let root = tempfile::tempdir().expect("a folder for the key");
    let root_key = LocalKeyProvider::create(root.path().join("root.key")).expect("a new key");
    let provider = CellKeyProvider::new(Arc::new(root_key), Arc::new(MemoryCells::new()));
    let vault = EnvelopeVault::open(Arc::new(provider), keys).await.expect("a new vault");
    let mut config = Config::default();
    (config.burst_quiet, config.burst_max) = (TimeDelta::zero(), TimeDelta::zero());
    let assistant = Assistant::builder()
        .store(store)
        .vault(Arc::new(vault))
        .system()
        .channel(channel)
        .engine(Arc::new(ScriptedEngine::replying(|question| format!("You asked: {question}"))))
        .config(config)
        .build()
        .expect("nothing is missing");
    let mut tenant = NewTenant::new(TENANT, "Coffee & Co", "Asia/Almaty");
    tenant.buckets = BUCKETS;
    assistant.create_tenant(tenant).await.expect("a new tenant");
    assistant.set_automation(TENANT, true).await.expect("the tenant is there");
    let account = NewConnection {
        channel: ChannelKind::WhatsApp,
        account: AccountId::new(ACCOUNT),
        token: "a token".to_owned().into(),
        scopes: Vec::new(),
        mode,
    };
    assistant.connect(TENANT, account).await.expect("a new account");
    assistant
}

/// Returns a message of a person on that account, or to them.
///
/// # Panics
/// With a time that is out of range.
#[must_use]
pub fn item(number: usize, person: usize, provenance: Provenance, at: DateTime<Utc>) -> Item {
    let id = format!("wamid.{number}");
    let phone = Handle::new(HandleKind::Phone, &phone(person));
    let contact = ContactRef { handles: vec![phone], name: Some("Aigerim".into()) };
    let content = Content::text(&format!("{QUESTION} {number}"));
    Item {
        channel: ChannelKind::WhatsApp,
        account: Some(AccountId::new(ACCOUNT)),
        provenance,
        at: DateTime::from_timestamp(at.timestamp(), 0).expect("times of our days"),
        dedup: id.as_str().into(),
        event: Event::Message(MessageEvent::new(Some(PlatformMessageId::new(&id)), contact, content)),
    }
}

/// The keys are apart from the data.
fn keys_of(schema: &str) -> String {
    format!("{schema}_keys")
}

fn phone(person: usize) -> String {
    format!("7701{person:07}")
}

/// The people's phones, which take every message at once. A person may write when there is a permit.
#[derive(Debug)]
struct Phones(Vec<Semaphore>);

#[async_trait]
impl Channel for Phones {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::text_only(TextLimit::Chars(4_096));
        capabilities.window = Some(TimeDelta::hours(24));
        capabilities
    }

    async fn send(&self, _connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        message
            .release(SystemClock.now())
            .map_err(|denied| ChannelError::new("send", ChannelErrorKind::Denied, Retry::Never).with_source(denied))?;
        let person: usize = message.to.value.expose().get(4..).and_then(|digits| digits.parse().ok()).expect("a phone");
        self.0[person].add_permits(1);
        Ok(SendReceipt::new(Some(PlatformMessageId::new(&format!("wamid.out.{}", message.tag)))))
    }
}
