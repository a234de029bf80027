//! Vault's Transit engine in this process: an HTTP server on loopback with its paths, JSON, errors and status codes,
//! which really encrypts, and goes wrong on demand.
//!
//! Written after Vault's documentation and source (`builtin/logical/transit`, `sdk/helper/keysutil`, `http/`), as far
//! as [`TransitKeyProvider`](super::TransitKeyProvider) and those who run Vault use it: encrypting, which makes a key,
//! decrypting, reading, configuring, rotating and deleting keys.
//!
//! # Examples
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use whisp_core::system::SystemClock;
//! use whisp_store::keys::transit::simulator::{Fault, TransitSimulator};
//! use whisp_store::keys::transit::{Snapshots, TransitKeyProvider};
//! use whisp_store::{EnvelopeVault, MemoryKeyTable};
//!
//! let simulator = TransitSimulator::start().await?;
//! let keys = Arc::new(TransitKeyProvider::new(&simulator.config(Snapshots::Never), Arc::new(SystemClock))?);
//! simulator.next_goes(Fault::Status(503));
//! EnvelopeVault::open(keys, Arc::new(MemoryKeyTable::new())).await?;
//! assert_eq!(simulator.keys().len(), 1);
//! # Ok(())
//! # }
//! ```

mod answer;
mod engine;

use std::collections::VecDeque;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::answer::Answer;
use self::engine::Engine;
pub use self::engine::Snapshot;
use super::{Snapshots, TransitConfig};

/// Where the engine is mounted.
const MOUNT: &str = "whisp";

/// The token that is taken first.
const TOKEN: &str = "hvs.simulated-token";

/// How many requests are remembered.
const REQUESTS_MAX: usize = 10_000;

/// What happens to a request instead of an answer as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is refused with this HTTP status; nothing is done.
    Status(u16),
    /// It is refused for a quota, which is to be asked again after so many seconds.
    Limited(u64),
    /// The connection breaks before an answer.
    Cut {
        /// Whether what was asked for is done all the same.
        done: bool,
    },
    /// No answer ever comes.
    NoAnswer {
        /// Whether what was asked for is done all the same.
        done: bool,
    },
    /// The answer is an HTML page with this status, as a proxy writes one.
    Page(u16),
    /// The answer is longer than anybody should read.
    Endless,
    /// The answer points to another address.
    Redirect,
    /// It is refused with this HTTP status, in words that repeat the request and the token.
    Echo(u16),
}

/// A request that came in.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// The HTTP method.
    pub method: String,
    /// The path with the query.
    pub uri: String,
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.uri)
    }
}

/// A running simulator. Dropping it stops it.
pub struct TransitSimulator {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    server: JoinHandle<()>,
}

struct World {
    engine: Engine,
    token: String,
    namespace: Option<String>,
    sealed: bool,
    makes_keys: bool,
    faults: VecDeque<Fault>,
    requests: VecDeque<RecordedRequest>,
}

impl TransitSimulator {
    /// Starts a Vault without keys, with an engine mounted at `whisp`, on a free port.
    ///
    /// # Errors
    /// What binding the port says.
    ///
    /// # Cancellation
    /// Dropping it starts none.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let world = Arc::new(Mutex::new(World {
            engine: Engine::default(),
            token: TOKEN.to_owned(),
            namespace: None,
            sealed: false,
            makes_keys: true,
            faults: VecDeque::new(),
            requests: VecDeque::new(),
        }));
        let router = Router::new().fallback(serve).with_state(Arc::clone(&world));
        let server = tokio::spawn(async move {
            // It ends with the listener, and nobody is left to be told.
            drop(axum::serve(listener, router).await);
        });
        Ok(Self { address, world, server })
    }

    /// Returns where it is: `http://127.0.0.1:...`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the token that it takes.
    #[must_use]
    pub fn token(&self) -> SecretString {
        self.world().token.clone().into()
    }

    /// Returns how to reach it.
    #[must_use]
    pub fn config(&self, snapshots: Snapshots) -> TransitConfig {
        TransitConfig::new(&self.address(), self.token(), snapshots)
            .with_mount(MOUNT)
            .danger_allow_plain_http_to_loopback()
    }

    /// Lets the next request that has no fault yet go wrong.
    pub fn next_goes(&self, fault: Fault) {
        self.world().faults.push_back(fault);
    }

    /// Takes this token and no other from now on.
    pub fn take_token(&self, token: &str) {
        token.clone_into(&mut self.world().token);
    }

    /// Has the engine in this namespace and nowhere else from now on.
    pub fn move_into_namespace(&self, namespace: &str) {
        self.world().namespace = Some(namespace.to_owned());
    }

    /// Seals or unseals it.
    pub fn seal(&self, sealed: bool) {
        self.world().sealed = sealed;
    }

    /// Gives the token the right to make keys by encrypting, or takes it.
    pub fn let_make_keys(&self, makes_keys: bool) {
        self.world().makes_keys = makes_keys;
    }

    /// Returns the names of the keys, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.world().engine.names()
    }

    /// Makes a snapshot of the storage.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.world().engine.snapshot()
    }

    /// Brings the storage back to what it was.
    pub fn restore(&self, snapshot: &Snapshot) {
        self.world().engine.restore(snapshot);
    }

    /// Returns the last requests that came in, at most 10,000.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.world().requests.iter().cloned().collect()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TransitSimulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl fmt::Debug for TransitSimulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransitSimulator({})", self.address)
    }
}

async fn serve(
    State(world): State<Arc<Mutex<World>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (answer, fault) = {
        let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
        if world.requests.len() == REQUESTS_MAX {
            world.requests.pop_front();
        }
        world.requests.push_back(RecordedRequest { method: method.to_string(), uri: uri.to_string() });
        let fault = world.faults.pop_front();
        let is_done = matches!(fault, None | Some(Fault::Cut { done: true } | Fault::NoAnswer { done: true }));
        (if is_done { world.answer(&method, &uri, &headers, &body) } else { Answer::done() }, fault)
    };
    match fault {
        None => answer.response(),
        Some(Fault::Echo(status)) => {
            let token = headers.get("x-vault-token").map(|token| String::from_utf8_lossy(token.as_bytes()));
            let words = format!("{} {}", token.unwrap_or_default(), String::from_utf8_lossy(&body));
            Answer::refused(status, &words).response()
        }
        Some(Fault::NoAnswer { .. }) => pending().await,
        Some(fault) => answer::faulty(fault),
    }
}

impl World {
    fn answer(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Answer {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if self.sealed {
            return Answer::refused(503, "Vault is sealed");
        }
        if text("x-vault-token") != Some(&self.token) {
            return Answer::refused(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
        }
        let Some(path) = uri.path().strip_prefix("/v1/") else { return Answer::refused(404, "unsupported path") };
        let is_here = text("x-vault-namespace").map(|name| name.trim_matches('/')) == self.namespace.as_deref();
        let Some(path) = path.strip_prefix(MOUNT).and_then(|path| path.strip_prefix('/')).filter(|_| is_here) else {
            return Answer::refused(404, &format!("no handler for route {path:?}. route entry not found."));
        };
        let json = if body.is_empty() { Ok(serde_json::Value::Null) } else { serde_json::from_slice(body) };
        let Ok(json) = json else { return Answer::refused(400, "error parsing JSON") };
        let segments: Vec<&str> = path.split('/').collect();
        // PUT means the same as POST.
        let method = if method == Method::PUT { "POST" } else { method.as_str() };
        match (method, segments.as_slice()) {
            ("POST", ["encrypt", name]) if self.makes_keys || self.engine.has(name) => self.engine.encrypt(name, &json),
            ("POST", ["encrypt", _]) => Answer::refused(403, "1 error occurred:\n\t* permission denied\n\n"),
            ("POST", ["decrypt", name]) => self.engine.decrypt(name, &json),
            ("POST", ["keys", name]) => self.engine.make(name, &json),
            ("GET", ["keys", name]) => self.engine.read(name),
            ("DELETE", ["keys", name]) => self.engine.delete(name),
            ("POST", ["keys", name, "config"]) => self.engine.configure(name, &json),
            ("POST", ["keys", name, "rotate"]) => self.engine.rotate(name),
            (_, ["encrypt" | "decrypt", _] | ["keys", _] | ["keys", _, "config" | "rotate"]) => {
                Answer::refused(405, "unsupported operation")
            }
            _ => Answer::refused(404, "unsupported path"),
        }
    }
}

/// A body that breaks off.
fn broken() -> Body {
    let cut = futures_util::stream::once(async { Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset)) });
    Body::from_stream(cut)
}
