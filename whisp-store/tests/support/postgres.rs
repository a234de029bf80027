//! A PostgreSQL server for the tests, where there is one, and stores in schemas that go away with them.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::ops::Deref;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
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
    pub(crate) async fn client(&self) -> Client {
        client(&self.url).await
    }
}

pub(crate) async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server answers");
    // It ends with the client; what went wrong the client hears.
    tokio::spawn(async move { drop(connection.await) });
    client
}

/// Sees every row of the golden scripts, whose tenant this is: the tests' user is behind the wall.
const AS_TENANT: &str = "SET whisp.tenant = '00000000-0000-0000-0000-000000000000'";

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

/// Makes the tables of a golden script in a schema.
pub(crate) async fn make(schema: &TempSchema, script: &str) -> Client {
    let client = schema.client().await;
    client.batch_execute(AS_TENANT).await.expect("anything can be set");
    client.batch_execute(&script.replace("{schema}", &schema.name)).await.expect("the script makes the tables");
    client
}

/// Columns, keys, indexes, walls and rows, one a line, without the name of the schema.
pub(crate) async fn dump(client: &Client, schema: &TempSchema) -> BTreeSet<String> {
    let name = &schema.name;
    let shape = format!(
        "SELECT concat_ws(' ', 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, \
         a.attstorage, a.attcollation::regcollation) \
         FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid \
         WHERE c.relnamespace = '{name}'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 \
         UNION ALL SELECT concat_ws(' ', 'index', indexdef) FROM pg_indexes WHERE schemaname = '{name}' \
         UNION ALL SELECT concat_ws(' ', 'key', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint \
         WHERE connamespace = '{name}'::regnamespace \
         UNION ALL SELECT concat_ws(' ', 'wall', tablename, policyname, permissive, roles, cmd, qual, with_check) \
         FROM pg_policies WHERE schemaname = '{name}' \
         UNION ALL SELECT concat_ws(' ', 'table', relname, relrowsecurity, relforcerowsecurity) FROM pg_class \
         WHERE relnamespace = '{name}'::regnamespace AND relkind = 'r'"
    );
    let mut lines = texts(client, &shape).await;
    let tables = format!("SELECT tablename FROM pg_tables WHERE schemaname = '{name}'");
    for table in texts(client, &tables).await {
        let rows = texts(client, &format!("SELECT t::text FROM {name}.{table} AS t")).await;
        lines.extend(rows.into_iter().map(|row| format!("row {table} {row}")));
    }
    lines.into_iter().map(|line| line.replace(name.as_str(), "{schema}")).collect()
}

/// Counts the policies of a schema. None may hold a query of its own: Citus takes no table with such a policy.
pub(crate) async fn walls_without_queries(client: &Client, schema: &TempSchema) -> usize {
    let walls =
        format!("SELECT concat_ws(' ', qual, with_check) FROM pg_policies WHERE schemaname = '{}'", schema.name);
    let mut count = 0;
    for row in client.query(&walls, &[]).await.expect("it can be asked") {
        let wall: String = row.get(0);
        assert!(wall.contains("current_setting") && !wall.to_uppercase().contains("SELECT"), "{wall}");
        count += 1;
    }
    count
}

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(&format!("{AS_TENANT}; {sql}")).await.expect("it can be asked");
    let text = |message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    messages.into_iter().filter_map(text).collect()
}
