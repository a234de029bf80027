//! The Graph API in this process: an HTTP server on loopback that answers sends like Meta, and people who write.
//!
//! It is what the tests and the examples run against. It keeps the messaging window of each contact, the limits and
//! the rates, gives ids of Meta's form, pushes signed webhooks for what was sent and for what its people say, and goes
//! wrong on demand. Each message that it takes is on [`Simulator::accepted`] once for each time that it was taken, so
//! a test proves that nothing was sent twice.
//!
//! Time comes from a [`Clock`] and ids from an [`IdSource`](whisp_core::id::IdSource): the same seed gives the same
//! ids.
//!
//! # Examples
//! A person writes, and the webhook of it waits to be posted:
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use std::sync::Arc;
//! use whisp_core::system::{RandomIds, SystemClock};
//! use whisp_meta::simulator::{Account, Persona, Say, Simulator, SimulatorConfig};
//!
//! let page = Account::messenger("1234567890001", "page-token".to_owned().into());
//! let config = SimulatorConfig::new(Arc::new(SystemClock), Arc::new(RandomIds::default()), "app-secret".to_owned().into());
//! let simulator = Simulator::start(config.with_account(&page)).await?;
//! simulator.contact_says(&page, &Persona::new("1254477777772919"), &Say::text("Are you open?"));
//! assert_eq!(simulator.waiting(), 1);
//! # Ok(())
//! # }
//! ```

mod book;
mod callback;
mod config;
mod fault;
mod file;
mod graph;
mod hooks_pages;
mod hooks_whatsapp;
mod node;
mod post;
mod refusal;
mod say;
mod state;
mod take_pages;
mod take_whatsapp;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use whisp_core::clock::Clock;
use whisp_core::model::{ChannelKind, PlatformMessageId};
use whisp_core::webhook::WebhookRequest;

use crate::client::{GraphClient, GraphConfig};
pub use callback::CallbackAnswer;
pub use config::{Account, ApprovedTemplate, Limits, Persona, Posting, Receipts, SimulatorConfig};
pub use fault::Fault;
pub use file::{FileFault, FileRequest, Hosted, Upload};
use hooks_pages::List;
use hooks_whatsapp::Status;
pub use post::{ATTEMPTS_MAX, Delivered, Shape};
pub use say::{HistoryLine, Say};
pub use state::{ACCEPTED_MAX, Accepted, QUEUE_MAX, REQUESTS_MAX, RecordedRequest, State};

/// How long a webhook's receiver may take; Meta gives 5 seconds
/// (<https://developers.facebook.com/docs/messenger-platform/webhooks>).
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the simulator waits before it posts again what was not answered.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// What the server and the simulator share.
pub(crate) struct Core {
    clock: Arc<dyn Clock>,
    app_secret: SecretString,
    accounts: Vec<Account>,
    templates: Vec<ApprovedTemplate>,
    limits: Limits,
    receipts: Receipts,
    require_proof: bool,
    /// By which webhooks are posted; `None` where none are.
    http: Option<reqwest::Client>,
    world: Mutex<World>,
    file: Option<PathBuf>,
    delivering: tokio::sync::Mutex<()>,
    posted: Notify,
    closed: AtomicBool,
    address: SocketAddr,
}

/// What changes.
struct World {
    state: State,
    faults: VecDeque<Fault>,
    shape: Shape,
    webhook: Option<String>,
    files: file::Files,
}

impl Core {
    fn new(config: SimulatorConfig, address: SocketAddr, http: Option<reqwest::Client>) -> io::Result<Self> {
        let kept = match &config.file {
            Some(file) => State::load(file)?,
            None => None,
        };
        let state = kept.or(config.state).unwrap_or_else(|| {
            let mut seed = [0; 16];
            config.ids.fill(&mut seed);
            State::seeded(seed)
        });
        let world = World {
            state,
            faults: VecDeque::new(),
            shape: Shape::default(),
            webhook: config.webhook,
            files: file::Files::default(),
        };
        Ok(Self {
            clock: config.clock,
            app_secret: config.app_secret,
            accounts: config.accounts,
            templates: config.templates,
            limits: config.limits,
            receipts: config.receipts,
            require_proof: config.require_proof,
            http,
            world: Mutex::new(world),
            file: config.file,
            delivering: tokio::sync::Mutex::new(()),
            posted: Notify::new(),
            closed: AtomicBool::new(false),
            address,
        })
    }

    fn world(&self) -> WorldGuard<'_> {
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        WorldGuard { world, file: self.file.as_deref(), changed: false }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// The world, in use. What changes is in the file, if there is one, before anybody else sees it.
struct WorldGuard<'a> {
    world: MutexGuard<'a, World>,
    file: Option<&'a Path>,
    changed: bool,
}

impl Deref for WorldGuard<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl DerefMut for WorldGuard<'_> {
    fn deref_mut(&mut self) -> &mut World {
        self.changed = true;
        &mut self.world
    }
}

impl Drop for WorldGuard<'_> {
    #[expect(clippy::panic, reason = "a platform that forgets what it took proves nothing: better to stop")]
    fn drop(&mut self) {
        if let Some(file) = self.file.filter(|_| self.changed)
            && let Err(error) = self.world.state.save(file)
        {
            panic!("the simulator can't write its state to {}: {error}", file.display());
        }
    }
}

/// A running simulator. Dropping it stops it.
pub struct Simulator {
    core: Arc<Core>,
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Simulator({})", self.address)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.core.closed.store(true, Ordering::Release);
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Simulator {
    /// Starts one on a free loopback port, on the tokio runtime that it is called in.
    ///
    /// # Errors
    /// When no port can be opened or no HTTP client built.
    ///
    /// # Cancellation
    /// Dropping it starts nothing.
    pub async fn start(config: SimulatorConfig) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let http = reqwest::Client::builder().no_proxy().timeout(WEBHOOK_TIMEOUT).build().map_err(io::Error::other)?;
        let posting = config.posting;
        let core = Arc::new(Core::new(config, address, Some(http))?);
        let service = graph::router(Arc::clone(&core)).into_make_service_with_connect_info::<fault::Scissors>();
        let serving = axum::serve(fault::CuttableListener(listener), service);
        let mut tasks = vec![tokio::spawn(async move {
            // Serving ends only with the task.
            drop(serving.await);
        })];
        if posting == Posting::Immediately {
            tasks.push(tokio::spawn(post_immediately(Arc::clone(&core))));
        }
        Ok(Self { core, address, tasks })
    }

    /// Makes one that listens nowhere and posts nothing: [`client`](Self::client) reaches it and
    /// [`take_waiting`](Self::take_waiting) hands its webhooks over, without a socket and without a runtime. For tests
    /// that run many of them.
    ///
    /// # Errors
    /// When the file of [`with_file`](SimulatorConfig::with_file) can't be read.
    pub fn inside(config: SimulatorConfig) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let core = Arc::new(Core::new(config, address, None)?);
        Ok(Self { core, address, tasks: Vec::new() })
    }

    /// Returns where it listens: `http://127.0.0.1:49152`; the port is 0 where it does not.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns how a [`GraphClient`] reaches it.
    #[must_use]
    pub fn graph(&self) -> GraphConfig {
        GraphConfig::default().with_hosts(&self.url(), &self.url()).danger_allow_plain_http_to_loopback()
    }

    /// Returns a client that reaches it without a socket.
    #[must_use]
    pub fn client(&self) -> GraphClient {
        GraphClient::inside(Arc::clone(&self.core), self.core.app_secret.clone())
    }

    /// Sets where webhooks are posted to.
    pub fn set_webhook(&self, url: &str) {
        self.core.world().webhook = Some(url.to_owned());
        self.core.posted.notify_one();
    }

    /// Returns whether the endpoint that webhooks are posted to proves itself with this token, as Meta asks it to when
    /// it is saved.
    ///
    /// # Cancellation
    /// Dropping it has no effect.
    pub async fn handshake(&self, verify_token: &str) -> bool {
        post::handshake(&self.core, verify_token).await
    }

    /// Sets how webhooks come from now on.
    pub fn set_shape(&self, shape: Shape) {
        self.core.world().shape = shape;
    }

    /// Makes the next `count` calls go wrong that send or forget, after those that were asked for before.
    pub fn fail_next(&self, count: usize, fault: Fault) {
        self.core.world().faults.extend(std::iter::repeat_n(fault, count));
    }

    /// Makes a person known who has not written yet: a template reaches them.
    pub fn meet(&self, account: &Account, persona: &Persona) {
        self.core.world().state.person(&account.id, persona);
    }

    /// Plays a contact. Returns the id of what they said; a reaction, an edit and an unsend have one on WhatsApp only.
    pub fn contact_says(&self, account: &Account, persona: &Persona, say: &Say) -> PlatformMessageId {
        self.say(account, persona, say, false)
    }

    /// Plays a contact whose thread another app or Meta's own agent holds.
    pub fn contact_says_on_standby(&self, account: &Account, persona: &Persona, say: &Say) -> PlatformMessageId {
        self.say(account, persona, say, true)
    }

    fn say(&self, account: &Account, persona: &Persona, say: &Say, standby: bool) -> PlatformMessageId {
        let now = self.core.clock.now();
        let mut world = self.core.world();
        world.state.said += 1;
        let person = world.state.person(&account.id, persona);
        if say.opens_window() {
            // A clock that goes back closes no window.
            person.wrote_at = person.wrote_at.max(Some(now));
        }
        let id = world.state.message_id(account, &persona.id, false);
        let body = if account.channel == ChannelKind::WhatsApp {
            let field = if standby { "standby" } else { "messages" };
            world.state.books.note(account, persona);
            let answered = world.state.last_to(&account.id, &persona.id).map(|last| last.id.clone());
            let answered = answered.as_ref().map(PlatformMessageId::expose);
            Some(hooks_whatsapp::message(account, persona, field, &id, now, say, answered))
        } else {
            world.files.said(&account.id, &persona.id, &id, say);
            let list = if standby { List::Standby } else { List::Messaging };
            hooks_pages::message(account, list, persona, &id, now, say)
        };
        self.enqueue(world, body);
        PlatformMessageId::new(&id)
    }

    /// Plays a member who answers in the channel's own app. Returns the id of the message.
    pub fn member_types(&self, account: &Account, persona: &Persona, text: &str) -> PlatformMessageId {
        let now = self.core.clock.now();
        let mut world = self.core.world();
        world.state.said += 1;
        let id = world.state.message_id(account, &persona.id, true);
        world.files.sent(&account.id, &persona.id, &id);
        let body = if account.channel == ChannelKind::WhatsApp {
            hooks_whatsapp::echo(account, persona, &id, now, text)
        } else {
            hooks_pages::echo_of_member(account, &persona.id, &id, now, text)
        };
        self.enqueue(world, Some(body));
        PlatformMessageId::new(&id)
    }

    /// Plays a contact who opens the chat and reads everything.
    pub fn contact_reads(&self, account: &Account, persona: &Persona) {
        let now = self.core.clock.now();
        let mut world = self.core.world();
        let all: Vec<Accepted> = world.state.all_to(&account.id, &persona.id).cloned().collect();
        if account.channel == ChannelKind::WhatsApp {
            for accepted in &all {
                let kind = accepted.body.expose().get("type").and_then(Value::as_str).unwrap_or("text");
                let word = Status {
                    id: accepted.id.expose(),
                    step: "read",
                    at: now,
                    tag: accepted.tag.as_deref(),
                    category: take_whatsapp::category(kind),
                    failure: None,
                };
                world.state.enqueue(hooks_whatsapp::status(account, Ok(persona), &word));
            }
        } else if let Some(last) = all.last() {
            world.state.enqueue(hooks_pages::read(account, persona, last.id.expose(), now));
        }
        drop(world);
        self.core.posted.notify_one();
    }

    /// Imports a thread from the WhatsApp Business app's history. Returns the ids of its lines.
    pub fn import_history(
        &self,
        account: &Account,
        persona: &Persona,
        lines: &[HistoryLine],
    ) -> Vec<PlatformMessageId> {
        let mut world = self.core.world();
        let ids: Vec<String> =
            lines.iter().map(|line| world.state.message_id(account, &persona.id, line.outgoing)).collect();
        self.enqueue(world, Some(hooks_whatsapp::history(account, persona, lines, &ids)));
        ids.iter().map(|id| PlatformMessageId::new(id)).collect()
    }

    /// Pushes a webhook of your own.
    pub fn push(&self, body: Value) {
        self.enqueue(self.core.world(), Some(body));
    }

    fn enqueue(&self, mut world: WorldGuard<'_>, body: Option<Value>) {
        body.into_iter().for_each(|body| world.state.enqueue(body));
        drop(world);
        self.core.posted.notify_one();
    }

    /// Posts all webhooks that wait, each once (or as [`set_shape`](Self::set_shape) says). What is not answered with
    /// a success waits for the next time.
    ///
    /// # Cancellation
    /// The webhook that was being posted is posted again the next time.
    pub async fn deliver(&self) -> Delivered {
        post::deliver(&self.core).await
    }

    /// Returns how many webhooks wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.core.world().state.queue.len()
    }

    /// Returns the bodies of the webhooks that wait, in order.
    #[must_use]
    pub fn waiting_bodies(&self) -> Vec<Value> {
        self.core.world().state.queue.iter().map(|webhook| webhook.body.clone()).collect()
    }

    /// Takes the webhooks that wait out of the queue, in order, to bring them on a way of one's own.
    #[must_use]
    pub fn take_waiting(&self) -> Vec<Value> {
        std::mem::take(&mut self.core.world().state.queue).into_iter().map(|webhook| webhook.body).collect()
    }

    /// Returns a webhook as it is posted: as Meta writes it, signed.
    #[must_use]
    pub fn request(&self, body: &Value, received_at: DateTime<Utc>) -> WebhookRequest {
        let body = post::wire(body).into_bytes();
        WebhookRequest { signature: Some(post::sign(&self.core.app_secret, &body)), body, received_at }
    }

    /// Returns all calls that came to send or to forget, the last [`REQUESTS_MAX`] of them.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.core.world().state.requests.iter().cloned().collect()
    }

    /// Returns all messages that were taken, one for each time.
    #[must_use]
    pub fn accepted(&self) -> Vec<Accepted> {
        self.core.world().state.accepted.clone()
    }

    /// Returns how many things its people have said, done or typed so far, earlier runs over the same file included: a
    /// script that was cut short knows by it where to go on.
    #[must_use]
    pub fn said(&self) -> u64 {
        self.core.world().state.said
    }

    /// Returns everything that it remembers, to go on with later: see
    /// [`SimulatorConfig::with_state`].
    #[must_use]
    pub fn state(&self) -> State {
        self.core.world().state.clone()
    }

    /// Goes on where another simulator was.
    pub fn restore(&self, state: State) {
        self.core.world().state = state;
    }
}

async fn post_immediately(core: Arc<Core>) {
    loop {
        core.posted.notified().await;
        while post::deliver(&core).await.unanswered > 0 {
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }
}
