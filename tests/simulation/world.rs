//! One world: a few businesses with their accounts and people, the platform, the workers over one store and key table.

use std::sync::{Arc, OnceLock};

use chrono::TimeDelta;
use secrecy::SecretString;
use whisp::assistant::{Assistant, Config, NewConnection, NewMember, NewTenant};
use whisp::clock::Clock;
use whisp::id::TenantId;
use whisp::meta::simulator::{Account, Persona, Receipts, Simulator, SimulatorConfig};
use whisp::meta::webhook::MetaDecoder;
use whisp::meta::{Instagram, Messenger, WhatsApp};
use whisp::model::{AutomationMode, ChannelKind};
use whisp::privacy::Role;
use whisp::store::Store;
use whisp::stores::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable, MemoryStore, SqliteStore};
use whisp::testing::{ManualClock, SeqIds};
use whisp::vault::{KeyProvider, KeyTable};

use crate::acts::member;
use crate::channel::Line;
use crate::engine::Oracle;
use crate::executor::{Executor, block_on};
use crate::keys::FaultyKeys;
use crate::model::{Person, Shop, Tenant, Topic};
use crate::mutation::Mutation;
use crate::rng::Rng;
use crate::sim::{Sim, Skewed};
use crate::store::Faulty;
use crate::trace::Trace;

const APP_SECRET: &str = "app-secret";

/// One world in so many keeps its data in a real file.
const ON_DISK: usize = 24;

/// How many processes there are at most.
const WORKERS_MAX: usize = 3;

/// A place where a process runs, and runs again after a crash.
pub(crate) struct Worker {
    /// Which run of a process it is; none while it is down.
    pub(crate) process: Option<(usize, Assistant)>,
    skew: TimeDelta,
}

pub(crate) struct World {
    pub(crate) sim: Arc<Sim>,
    pub(crate) dice: Rng,
    pub(crate) tasks: Executor,
    pub(crate) workers: Vec<Worker>,
    /// The store without faults.
    pub(crate) store: Arc<dyn Store>,
    /// An assistant over it that only looks.
    pub(crate) observer: Assistant,
    pub(crate) counter: usize,
    seed: u64,
    config: Config,
    keys: Arc<MemoryKeyTable>,
    processes: usize,
    _file: Option<tempfile::TempDir>,
}

/// The root key of all worlds: it decides nothing that can be seen.
fn provider() -> Arc<dyn KeyProvider> {
    static PROVIDER: OnceLock<(tempfile::TempDir, Arc<LocalKeyProvider>)> = OnceLock::new();
    let (_, provider) = PROVIDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let provider = Arc::new(LocalKeyProvider::create(folder.path().join("root.key")).unwrap());
        (folder, provider)
    });
    Arc::clone(provider) as _
}

impl World {
    pub(crate) fn new(seed: u64, whole_trace: bool, mutation: Option<Mutation>) -> Self {
        let mut dice = Rng(seed ^ 0x5eed);
        let clock = Arc::new(ManualClock::default());
        let accounts = accounts(&mut dice);
        let secret = SecretString::from(APP_SECRET);
        let receipts = *dice.pick(&[Receipts::Sent, Receipts::Delivered, Receipts::Read]).unwrap();
        let ids = Arc::new(SeqIds::new(seed));
        let platform = SimulatorConfig::new(Arc::clone(&clock) as _, ids, secret.clone()).with_receipts(receipts);
        let platform = accounts.iter().fold(platform, |platform, (_, account, _)| platform.with_account(account));
        let platform = Simulator::inside(platform).unwrap();
        let decoder = MetaDecoder::new(&[secret]);
        let slow = dice.one_in(4);
        let faults = Rng(seed.wrapping_mul(3) ^ 0xfa17);
        let sim = Arc::new(Sim::new(clock, platform, decoder, faults, Trace::new(whole_trace), slow, mutation));
        let mut config = Config::default();
        if dice.one_in(2) {
            // Nothing goes idle while the world lasts, so that a member keeps what they took.
            config.inquiry_idle = TimeDelta::days(400);
        }
        if dice.one_in(3) {
            // The keys by which people are found are replaced all the time.
            config.handle_key = TimeDelta::minutes(10);
        }
        let file = dice.one_in(ON_DISK).then(|| tempfile::tempdir().unwrap());
        let store: Arc<dyn Store> = match &file {
            Some(folder) => Arc::new(SqliteStore::open(folder.path().join("whisp.db")).unwrap()),
            None => Arc::new(MemoryStore::new()),
        };
        let keys = Arc::new(MemoryKeyTable::new());
        let observer = observer(&sim, &store, &keys, seed, &config);
        let workers = (0..1 + dice.below(WORKERS_MAX))
            .map(|_| Worker { process: None, skew: TimeDelta::milliseconds(dice.between(-3_000, 3_000)) })
            .collect();
        let mut world = Self {
            sim,
            dice,
            tasks: Executor::default(),
            workers,
            store,
            observer,
            counter: 0,
            seed,
            config,
            keys,
            processes: 0,
            _file: file,
        };
        world.populate(accounts);
        for place in 0..world.workers.len() {
            world.start(place);
        }
        world.sim.set_calm(false);
        world
    }

    /// Lets the businesses connect and the people be born.
    fn populate(&mut self, accounts: Vec<(usize, Account, ChannelKind)>) {
        let sim = Arc::clone(&self.sim);
        let tenants = accounts.iter().map(|(tenant, ..)| tenant + 1).max().unwrap_or(0);
        sim.model().idle_from = sim.now() + self.config.inquiry_idle;
        for tenant in 0..tenants {
            let id = TenantId::from_uuid(uuid::Uuid::from_u128(tenant as u128 + 1));
            let mut new = NewTenant::new(id, &format!("Shop {tenant}"), "Asia/Almaty");
            new.buckets = [1, 2, 4][self.dice.below(3)];
            let buckets = new.buckets;
            block_on(self.observer.create_tenant(new)).unwrap();
            let dana = NewMember { id: member(), name: "Dana".into(), role: Role::Admin };
            block_on(self.observer.desk(id).team().add(dana)).unwrap();
            block_on(self.observer.set_automation(id, true)).unwrap();
            let automation = self.said_now(true);
            sim.model().tenants.push(Tenant { id, buckets, automation: Topic(vec![automation]) });
        }
        for (tenant, account, channel) in accounts {
            let connected = self.said_now(true);
            let automatic = !self.dice.one_in(8);
            let connected = Topic(vec![connected]);
            sim.model().accounts.push(Shop { tenant, channel, account, automatic, connected });
            let shop = sim.model().accounts.len() - 1;
            let (tenant, connection) = self.connection(shop);
            // One after another: those of one moment are listed by ids that the vault makes with keys of its own.
            self.sim.clock.advance(TimeDelta::milliseconds(1));
            block_on(self.observer.connect(tenant, connection)).unwrap();
            for _ in 0..1 + self.dice.below(3) {
                let person = self.person(shop);
                sim.model().people.push(person);
            }
        }
    }

    /// A claim that is true from the beginning.
    fn said_now(&self, value: bool) -> usize {
        let mut model = self.sim.model();
        let claim = model.claim(value);
        model.begin(claim, &self.sim, usize::MAX);
        model.end(claim, &self.sim, true);
        self.sim.next_tick();
        claim
    }

    fn person(&mut self, shop: usize) -> Person {
        let number = self.sim.model().people.len();
        let channel = self.sim.model().accounts[shop].channel.clone();
        let id = match channel {
            ChannelKind::WhatsApp => format!("7701{number:07}"),
            _ => format!("99{shop:03}{number:09}"),
        };
        let mut persona = Persona::new(&id);
        let mut ids = vec![id.clone()];
        if self.dice.one_in(2) {
            persona = persona.named(&format!("Person {number}"));
        }
        if channel == ChannelKind::WhatsApp && self.dice.one_in(2) {
            let bsuid = format!("KZ.{number}00");
            persona = persona.with_bsuid(&bsuid);
            ids.push(bsuid);
            if self.dice.one_in(3) {
                persona = persona.hiding_phone_behind(&format!("user{number}"));
            }
        }
        Person {
            shop,
            persona,
            id,
            ids,
            wrote_at: None,
            held: Topic::default(),
            silent: Topic::default(),
            erasures: Vec::new(),
        }
    }

    /// What a tenant connects an account with.
    pub(crate) fn connection(&self, shop: usize) -> (TenantId, NewConnection) {
        let model = self.sim.model();
        let shop = &model.accounts[shop];
        let tenant = model.tenants[shop.tenant].id;
        let id = whisp::id::ConnectionId::from_uuid(uuid::Uuid::nil());
        let like = shop.account.connection(id, tenant, self.sim.now());
        let mode = if shop.automatic { AutomationMode::Automatic } else { AutomationMode::Suggest };
        let new = NewConnection {
            channel: like.channel,
            account: like.account,
            token: like.token,
            scopes: like.scopes,
            mode,
        };
        (tenant, new)
    }

    /// Starts a process.
    pub(crate) fn start(&mut self, place: usize) {
        self.processes += 1;
        let process = self.processes;
        let clock: Arc<dyn Clock> =
            Arc::new(Skewed { clock: Arc::clone(&self.sim.clock), by: self.workers[place].skew });
        let sim = &self.sim;
        let keys: Arc<dyn KeyTable> =
            Arc::new(FaultyKeys { sim: Arc::clone(sim), inner: Arc::clone(&self.keys) as Arc<dyn KeyTable> });
        let vault = loop {
            // A process that can't open its keys is started again.
            if let Ok(vault) = block_on(EnvelopeVault::open(provider(), Arc::clone(&keys))) {
                break Arc::new(vault);
            }
        };
        let line = |inner| Arc::new(Line { sim: Arc::clone(sim), inner, clock: Arc::clone(&clock) });
        let client = sim.platform.client();
        let assistant = Assistant::builder()
            .store(Arc::new(Faulty { sim: Arc::clone(sim), inner: Arc::clone(&self.store) }))
            .vault(vault)
            .clock(Arc::clone(&clock))
            // The lowest two bytes must differ for ids of one time never to meet.
            .ids(Arc::new(SeqIds::new((self.seed << 16) + process as u64)))
            .channel(line(Arc::new(WhatsApp::new(client.clone(), Arc::clone(&clock)))))
            .channel(line(Arc::new(Instagram::new(client.clone(), Arc::clone(&clock)))))
            .channel(line(Arc::new(Messenger::new(client, Arc::clone(&clock)))))
            .engine(Arc::new(Oracle::new(sim)))
            .config(self.config.clone())
            .build()
            .unwrap();
        sim.note(|| format!("{process} starts"));
        self.workers[place].process = Some((process, assistant));
    }

    /// Stops a process where it stands.
    pub(crate) fn crash(&mut self, place: usize) {
        if let Some((process, assistant)) = self.workers[place].process.take() {
            let dropped = self.tasks.kill(process);
            self.sim.note(|| format!("{process} crashes in {dropped} tasks"));
            self.sim.count("crashes");
            drop(assistant);
        }
    }

    /// A process that is up.
    pub(crate) fn worker(&mut self) -> Option<(usize, Assistant)> {
        let up: Vec<(usize, Assistant)> = self.workers.iter().filter_map(|worker| worker.process.clone()).collect();
        self.dice.pick(&up).cloned()
    }
}

/// One to three businesses, each with an account on one to three channels.
fn accounts(dice: &mut Rng) -> Vec<(usize, Account, ChannelKind)> {
    let mut accounts = Vec::new();
    for tenant in 0..1 + dice.below(3) {
        let first = dice.below(3);
        for place in 0..1 + dice.below(3) {
            let id = format!("10{tenant}{place}");
            let token = SecretString::from(format!("token-{id}"));
            let (account, channel) = match (first + place) % 3 {
                0 => (Account::whatsapp(&id, &format!("55{id}"), &format!("7800{id}"), token), ChannelKind::WhatsApp),
                1 => (Account::instagram(&id, token), ChannelKind::Instagram),
                _ => (Account::messenger(&id, token), ChannelKind::Messenger),
            };
            accounts.push((tenant, account, channel));
        }
    }
    accounts
}

fn observer(
    sim: &Arc<Sim>,
    store: &Arc<dyn Store>,
    keys: &Arc<MemoryKeyTable>,
    seed: u64,
    config: &Config,
) -> Assistant {
    let vault = block_on(EnvelopeVault::open(provider(), Arc::clone(keys) as Arc<dyn KeyTable>)).unwrap();
    Assistant::builder()
        .store(Arc::clone(store))
        .vault(Arc::new(vault))
        .clock(Arc::clone(&sim.clock) as _)
        .ids(Arc::new(SeqIds::new(seed << 16)))
        .config(config.clone())
        .build()
        .unwrap()
}
