//! Connections: how the server is reached, and how each connection behaves.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use whisp_core::error::Retry;
use whisp_core::store::StoreErrorKind;

use super::error::Failure;

/// How long a new connection may take unless the URL says otherwise (`connect_timeout`), and how long is waited for a free
/// one.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// After how long without a word the other machine is asked whether it is there, how often it is asked again, and how many
/// times: whoever is gone without a reset is taken for gone after a minute. The system's own default is two hours.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMES: u32 = 3;

/// How long what was sent may stay without a receipt: as long as the questions take together, which Linux asks only within
/// this time (<https://blog.cloudflare.com/when-tcp-sockets-refuse-to-die/>).
const RECEIPT_WAIT: Duration = Duration::from_secs(60);

/// What is set in each connection. Every statement goes by a key: a planner that takes a table for small, because it was
/// when the statement was prepared, must not read the whole of it when it has grown. So pages come out of the index that
/// has their order, not out of any with a sort, and rows whose places are known are fetched from there: an index costs
/// more than that, however few rows are believed to be in it. A transaction that its process left behind must not keep a
/// tenant's row.
const SETTINGS: &str = "\
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_sort = off; \
    SET cpu_index_tuple_cost = 100; SET jit = off; \
    SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '10s'; SET search_path = pg_catalog";

/// How long a server is waited for that has taken what it is to do, and does not answer: it stands still, or whatever is
/// between it and this process does. TCP can't tell, for that answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience(pub(crate) Duration);

impl Patience {
    /// Waits for something that can be done again. What is late is dropped with its connection, which must not go back to
    /// the pool: its next user would wait for the same.
    pub(crate) async fn read<T>(self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::time::timeout(self.0, work).await.unwrap_or_else(|_| Err(Failure::silence()))
    }

    /// Waits for a transaction that writes. Whether it was done is not known.
    pub(super) async fn write<T>(self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::time::timeout(self.0, work).await.unwrap_or_else(|_| Err(Failure::silence().outcome_unknown()))
    }
}

/// What a connection with TLS goes through.
type Encrypted = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// How the server is reached.
#[derive(Clone)]
pub(crate) struct Address {
    config: Config,
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
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(RECEIPT_WAIT);
        }
        // Who names none gets the default, which can't be told from the same time named.
        if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
            config.keepalives_idle(KEEPALIVE_IDLE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(KEEPALIVE_EVERY);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(KEEPALIVE_TIMES);
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

    /// How long a new connection may take, all in all.
    fn connect_wait(&self) -> Duration {
        self.config.get_connect_timeout().copied().unwrap_or(CONNECT_WAIT)
    }

    /// Opens a connection beside the pool.
    pub(super) async fn connect(&self) -> Result<(Client, Connection<Socket, Encrypted>), Failure> {
        let connected = async { Ok(self.config.connect(self.tls.clone()).await?) };
        Patience(self.connect_wait()).read(connected).await
    }

    /// Makes a pool; connections are opened when they are needed.
    pub(crate) fn pool(&self, size: usize, statement_timeout: Duration) -> Result<Pool, Failure> {
        // Nothing is left in a connection that would have to be cleared: see `call.rs`.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), recycling);
        let (settings, wait) = (settings(statement_timeout), self.connect_wait());
        let set = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            let settings = settings.clone();
            Box::pin(async move {
                let set = tokio::time::timeout(wait, client.batch_execute(&settings)).await;
                set.map_err(|_| HookError::message("the server is silent"))?.map_err(HookError::Backend)
            })
        });
        let builder = Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1).post_create(set);
        let builder = builder.wait_timeout(Some(CONNECT_WAIT)).create_timeout(Some(wait));
        builder.build().map_err(|_| Failure::stopped())
    }
}

fn settings(statement_timeout: Duration) -> String {
    format!("{SETTINGS}; SET statement_timeout = {}", statement_timeout.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_gone_is_noticed_unless_the_url_says_otherwise() {
        let read = |url: &str| Address::new(url, &RootCertStore::empty()).unwrap().config;
        let seconds = Duration::from_secs;
        let config = read("host=a");
        assert_eq!(
            (config.get_connect_timeout(), config.get_tcp_user_timeout()),
            (Some(&seconds(10)), Some(&seconds(60)))
        );
        assert!(config.get_keepalives());
        assert_eq!((config.get_keepalives_idle(), config.get_keepalives_interval()), (seconds(30), Some(seconds(10))));
        assert_eq!(config.get_keepalives_retries(), Some(3));
        let own = "connect_timeout=1 tcp_user_timeout=2 keepalives_idle=3 keepalives_interval=4 keepalives_retries=5";
        let config = read(&format!("host=a {own}"));
        assert_eq!(
            (config.get_connect_timeout(), config.get_tcp_user_timeout()),
            (Some(&seconds(1)), Some(&seconds(2)))
        );
        assert_eq!((config.get_keepalives_idle(), config.get_keepalives_interval()), (seconds(3), Some(seconds(4))));
        assert_eq!(config.get_keepalives_retries(), Some(5));
    }
}
