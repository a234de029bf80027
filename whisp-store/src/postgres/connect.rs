//! Connections: how the server is reached, and how each connection behaves.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;
use whisp_core::error::Retry;
use whisp_core::store::StoreErrorKind;

use super::error::Failure;

/// How long a new connection may take, and how long is waited for a free one.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// What is set in each connection. Every statement goes by a key: a planner that takes a table for small, because it was
/// when the statement was prepared, must not read the whole of it when it has grown. So pages come out of the index that
/// has their order, not out of any with a sort, and rows whose places are known are fetched from there: an index costs
/// more than that, however few rows are believed to be in it. A transaction that its process left behind must not keep a
/// tenant's row.
const SETTINGS: &str = "\
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_sort = off; \
    SET cpu_index_tuple_cost = 100; SET jit = off; \
    SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '10s'; SET search_path = pg_catalog";

/// How the server is reached.
#[derive(Clone)]
pub(crate) struct Address {
    pub(super) config: Config,
    tls: MakeRustlsConnect,
}

impl Address {
    /// Reads a URL, or a string of `key=value` pairs. `roots` are trusted beside the certificates of the system.
    pub(crate) fn new(url: &str, roots: &RootCertStore) -> Result<Self, Failure> {
        let parsed: Option<Config> = url.parse().ok();
        let Some(mut config) = parsed.filter(|config| !config.get_hosts().is_empty()) else {
            let advice = "the URL is none: write it like postgres://user:password@host:5432/database";
            return Err(Failure::new(StoreErrorKind::Invalid, Retry::Never, advice));
        };
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_WAIT);
        }
        if config.get_application_name().is_none() {
            config.application_name("whisp");
        }
        let mut trusted = roots.clone();
        // What the system holds beside the readable ones is no reason to fail: the server's certificate decides.
        trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| Failure::new(StoreErrorKind::Unavailable, Retry::Never, "TLS can't be set up"))?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        Ok(Self { config, tls: MakeRustlsConnect::new(tls) })
    }

    pub(super) fn tls(&self) -> MakeRustlsConnect {
        self.tls.clone()
    }

    /// Makes a pool; connections are opened when they are needed.
    pub(crate) fn pool(&self, size: usize, statement_timeout: Duration) -> Result<Pool, Failure> {
        // Nothing is left in a connection that would have to be cleared: see `call.rs`.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls(), recycling);
        let settings = settings(statement_timeout);
        let set = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            let settings = settings.clone();
            Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
        });
        let builder = Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1).post_create(set);
        let builder = builder.wait_timeout(Some(CONNECT_WAIT)).create_timeout(Some(CONNECT_WAIT));
        builder.build().map_err(|_| Failure::stopped())
    }
}

fn settings(statement_timeout: Duration) -> String {
    format!("{SETTINGS}; SET statement_timeout = {}", statement_timeout.as_millis())
}
