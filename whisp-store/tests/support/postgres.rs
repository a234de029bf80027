//! A PostgreSQL server for the tests, where there is one, and stores in schemas that go away with them.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::Write as _;
use std::ops::Deref;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::NoTls;
use whisp_store::{PostgresKeyTable, PostgresOptions, PostgresStore};

/// Returns how to reach the server; without one it says that the tests are left out.
#[expect(clippy::disallowed_methods, reason = "the server lies outside the project")]
pub(crate) fn url() -> Option<String> {
    static SAID: Once = Once::new();
    let url = std::env::var("WHISP_TEST_POSTGRES_URL").ok();
    if url.is_none() {
        // Past the test runner, which keeps what a passing test prints to itself.
        let line = b"WHISP_TEST_POSTGRES_URL is not set: the tests on PostgreSQL are left out\n";
        SAID.call_once(|| std::io::stderr().write_all(line).expect("there is a standard error"));
    }
    url
}

/// The name of a schema that no other test has.
pub(crate) fn schema() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A fresh store.
pub(crate) struct TempStore {
    store: PostgresStore,
    _schema: TempSchema,
}

impl TempStore {
    /// Opens one in a schema of its own; `None` without a server.
    pub(crate) async fn new() -> Option<Self> {
        Self::with(|options| options).await
    }

    pub(crate) async fn with(change: impl FnOnce(PostgresOptions) -> PostgresOptions) -> Option<Self> {
        let schema = TempSchema::new()?;
        let store = change(schema.options()).open().await.expect("the server opens a new schema");
        Some(Self { store, _schema: schema })
    }
}

impl Deref for TempStore {
    type Target = PostgresStore;

    fn deref(&self) -> &PostgresStore {
        &self.store
    }
}

/// The name of a schema that is dropped with this.
pub(crate) struct TempSchema {
    pub(crate) url: String,
    pub(crate) name: String,
}

impl TempSchema {
    pub(crate) fn new() -> Option<Self> {
        Some(Self { url: url()?, name: schema() })
    }

    /// Another schema that is dropped as well.
    pub(crate) fn named(&self, name: &str) -> Self {
        Self { url: self.url.clone(), name: name.to_owned() }
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions::new(self.url.clone()).schema(self.name.clone()).connections(4)
    }

    /// A table of keys in the schema.
    pub(crate) async fn keys(&self) -> PostgresKeyTable {
        PostgresKeyTable::open(self.url.clone(), &self.name).await.expect("the server opens a new schema")
    }

    /// A bare connection to the server.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        client(&self.url).await
    }
}

pub(crate) async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server answers");
    // It ends with the client; what went wrong the client hears.
    tokio::spawn(async move { drop(connection.await) });
    client
}

impl Drop for TempSchema {
    fn drop(&mut self) {
        let (url, name) = (self.url.clone(), self.name.clone());
        // A test's own runtime can't wait for it here.
        let drop_schema = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                // A test that failed may hold a row, which it can't give back while it waits here.
                let settings = "SET client_min_messages = error; SET lock_timeout = '10s'";
                let drop = format!("{settings}; DROP SCHEMA IF EXISTS {name} CASCADE");
                client(&url).await.batch_execute(&drop).await
            })
        };
        let dropped = std::thread::spawn(drop_schema).join();
        if !std::thread::panicking() {
            dropped.expect("the thread ends").expect("the schema is dropped");
        }
    }
}
