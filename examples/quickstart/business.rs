//! A coffee shop with three accounts: how an assistant is put together.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Parser;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use whisp::ai::{Fallback, Format, Knowledge, KnowledgeIndex, RetrievalEngine};
use whisp::assistant::{Assistant, Budget, Config, NewConnection, NewMember, NewTenant};
use whisp::clock::Clock;
use whisp::id::{IdSource, MemberId, SubjectId, TenantId};
use whisp::meta::router::{WebhookState, webhook_router};
use whisp::meta::simulator::{Account, Receipts, Shape, Simulator, SimulatorConfig};
use whisp::meta::webhook::MetaDecoder;
use whisp::meta::{GraphClient, Instagram, Messenger, WhatsApp};
use whisp::model::{AutomationMode, ChannelKind};
use whisp::privacy::{Controller, Role};
use whisp::stores::{CellKeyProvider, EnvelopeVault, FolderCells, LocalKeyProvider, SqliteKeyTable};
use whisp::system::{RandomIds, SystemClock};
use whisp::testing::SeqIds;
use whisp::vault::Vault;

use crate::database::Database;

const APP_SECRET: &str = "quickstart-app-secret";
const VERIFY_TOKEN: &str = "quickstart-verify-token";
const TENANT: TenantId = TenantId::from_uuid(uuid::Uuid::from_u128(0x0c0f_fee0));
const DANA: MemberId = MemberId(SubjectId::from_uuid(uuid::Uuid::from_u128(0xda7a)));

/// The main job of Whisp, end to end, on this machine alone.
#[derive(Debug, Parser)]
#[command(name = "quickstart")]
pub(crate) struct Options {
    /// Where to keep messages: `memory`, `sqlite:FILE` or `postgres:URL`; a file in a temporary folder unless told.
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// Keeps everything in this folder, and goes on with what is there.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Makes the simulator's ids from this number.
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Prints one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Everything that runs.
pub(crate) struct Business {
    pub(crate) assistant: Assistant,
    pub(crate) simulator: Simulator,
    pub(crate) whatsapp: Account,
    pub(crate) instagram: Account,
    pub(crate) messenger: Account,
    pub(crate) json: bool,
    pub(crate) database: Database,
    server: JoinHandle<std::io::Result<()>>,
    folder: PathBuf,
    temporary: bool,
}

impl Business {
    pub(crate) async fn open(options: &Options) -> Result<Self, Box<dyn Error>> {
        let temporary = options.keep.is_none();
        let folder = match &options.keep {
            Some(folder) => folder.clone(),
            None => std::env::temp_dir().join(format!("whisp-quickstart-{}", RandomIds::default().random().simple())),
        };
        std::fs::create_dir_all(&folder)?;
        let database = Database::new(options.store.as_deref(), &folder, temporary)?;
        let store = database.open().await?;
        let vault = open_vault(&folder).await?;

        let whatsapp = Account::whatsapp("106540352242922", "102290129340398", "77272500000", "EAAG-whatsapp".into());
        let instagram = Account::instagram("17841400455970028", "IGAA-instagram".into());
        let messenger = Account::messenger("104061432244412", "EAAG-messenger".into());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut config =
            SimulatorConfig::new(Arc::clone(&clock), Arc::new(SeqIds::new(options.seed)), APP_SECRET.into())
                .with_receipts(Receipts::Read);
        for account in [&whatsapp, &instagram, &messenger] {
            config = config.with_account(account);
        }
        if !temporary {
            config = config.with_file(folder.join("platform.json"));
        }
        let simulator = Simulator::start(config).await?;

        let graph = GraphClient::new(&simulator.graph())?;
        let knowledge = Knowledge::parse(include_str!("knowledge.yaml"), Format::Yaml, "knowledge.yaml")?;
        let retrieval = RetrievalEngine::new(Arc::new(KnowledgeIndex::new(knowledge)));
        let assistant = Assistant::builder()
            .store(store)
            .vault(vault)
            .clock(Arc::clone(&clock))
            .ids(Arc::new(RandomIds::default()))
            .channel(Arc::new(WhatsApp::new(graph.clone(), Arc::clone(&clock))))
            .channel(Arc::new(Instagram::new(graph.clone(), Arc::clone(&clock))))
            .channel(Arc::new(Messenger::new(graph, Arc::clone(&clock))))
            // What it does not know goes to a person.
            .engine(Arc::new(Fallback::new(vec![Arc::new(retrieval)], Arc::clone(&clock))))
            .config(hurried())
            .build()?;
        enroll(&assistant, &[&whatsapp, &instagram, &messenger]).await?;
        let (address, server) = serve(&assistant, clock).await?;
        simulator.set_webhook(&address);
        // Meta delivers some webhooks twice and several in one body: so does the simulator.
        simulator.set_shape(Shape { duplicates: 1, batch: 3, shuffled: false });
        let json = options.json;
        Ok(Self { assistant, simulator, whatsapp, instagram, messenger, json, database, server, folder, temporary })
    }

    pub(crate) const fn tenant(&self) -> TenantId {
        TENANT
    }

    /// The member on duty.
    pub(crate) const fn dana(&self) -> MemberId {
        DANA
    }

    /// Posts the webhooks that wait, steps and delivers, until nothing is left to do. A service leaves this to `Runner`.
    pub(crate) async fn settle(&self) -> Result<(), Box<dyn Error>> {
        loop {
            let posted = self.simulator.deliver().await;
            let step = self.assistant.step(&Budget::default()).await?;
            let delivery = self.assistant.deliver(&Budget::default()).await?;
            if let Some(error) = step.errors.into_iter().chain(delivery.errors).next() {
                return Err(error.into());
            }
            if posted.answered + posted.unanswered + step.lanes + delivery.lanes > 0 {
                continue;
            }
            let soon = self.assistant.now() + TimeDelta::seconds(5);
            match step.next_due.filter(|due| *due < soon) {
                Some(due) => tokio::time::sleep((due - self.assistant.now()).to_std().unwrap_or_default()).await,
                None if self.simulator.waiting() == 0 => return Ok(()),
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Does what a run that was killed left behind, once its leases have ended.
    pub(crate) async fn catch_up(&self) -> Result<(), Box<dyn Error>> {
        // A worker asks for free buckets once a second.
        let ended = self.assistant.now() + LEASE + TimeDelta::milliseconds(1_200);
        while self.assistant.now() <= ended {
            self.settle().await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.settle().await
    }

    /// Stops serving, and removes a temporary folder.
    pub(crate) async fn close(self) -> Result<(), Box<dyn Error>> {
        self.assistant.release().await?;
        self.server.abort();
        let Self { assistant, database, folder, temporary, .. } = self;
        drop(assistant);
        database.remove().await?;
        if temporary {
            std::fs::remove_dir_all(folder)?;
        }
        Ok(())
    }
}

/// The root key in a file of its own, the wrapped keys in another: apart from the data, because their backups must be. The
/// cells are in no backup at all: what is destroyed there is what makes an erasure final.
async fn open_vault(folder: &Path) -> Result<Arc<dyn Vault>, Box<dyn Error>> {
    let root_key = Arc::new(LocalKeyProvider::open_or_create(folder.join("root.key"))?);
    let keys = CellKeyProvider::new(root_key, Arc::new(FolderCells::open(folder.join("cells"))?));
    let table = Arc::new(SqliteKeyTable::open(folder.join("keys.db"))?);
    Ok(Arc::new(EnvelopeVault::open(Arc::new(keys), table).await?))
}

/// How long a worker's lease lasts here: so long a run that was killed keeps the next one waiting.
const LEASE: TimeDelta = TimeDelta::milliseconds(1_500);

/// A chat answers within seconds; a demonstration should not wait for them.
fn hurried() -> Config {
    let mut config = Config::default();
    config.lease = LEASE;
    config.settle_after = TimeDelta::seconds(2);
    config.reply_deadline = TimeDelta::seconds(1);
    config.burst_quiet = TimeDelta::milliseconds(150);
    config.burst_max = TimeDelta::milliseconds(800);
    // Without it there is no privacy notice, and nobody is told whom to ask.
    config.controller =
        Some(Controller::new("Coffee on the Corner", "1 Abay Avenue, Almaty, Kazakhstan", "privacy@coffee.example"));
    config
}

/// Takes the business on and connects its accounts; what is there already stays.
async fn enroll(assistant: &Assistant, accounts: &[&Account]) -> Result<(), Box<dyn Error>> {
    if assistant.tenant(TENANT).await.is_err() {
        assistant.create_tenant(NewTenant::new(TENANT, "Coffee on the Corner", "Asia/Almaty")).await?;
        assistant.desk(TENANT).team().add(NewMember { id: DANA, name: "Dana".into(), role: Role::Member }).await?;
        // Nothing automatic happens until the business says so.
        assistant.set_automation(TENANT, true).await?;
    }
    for account in accounts {
        let connection = account.connection(whisp::id::ConnectionId::from_bytes([0; 16]), TENANT, assistant.now());
        let new = NewConnection {
            channel: connection.channel,
            account: connection.account,
            token: connection.token,
            scopes: connection.scopes,
            mode: AutomationMode::Automatic,
        };
        assistant.connect(TENANT, new).await?;
    }
    Ok(())
}

/// Serves the webhook endpoint on loopback.
#[expect(clippy::print_stderr, reason = "an example has no log: whoever runs it sees what was refused")]
async fn serve(
    assistant: &Assistant,
    clock: Arc<dyn Clock>,
) -> Result<(String, JoinHandle<std::io::Result<()>>), Box<dyn Error>> {
    let router = webhook_router(
        WebhookState {
            decoder: Arc::new(MetaDecoder::new(&[APP_SECRET.into()])),
            verify_token: VERIFY_TOKEN.into(),
            sink: Arc::new(assistant.clone()),
            clock,
        },
        |line| eprintln!("{line}"),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}/webhooks/meta", listener.local_addr()?);
    let app = axum::Router::new().nest("/webhooks/meta", router);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((address, server))
}

/// The name of a channel as people write it.
pub(crate) const fn channel_name(channel: &ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Instagram => "Instagram",
        ChannelKind::Messenger => "Messenger",
        ChannelKind::WhatsApp => "WhatsApp",
        _ => "another channel",
    }
}
