//! A PostgreSQL server with records and keys passes the suite of privacy. What lies behind it is seen through `pg_dump`,
//! where that is installed, after `VACUUM FULL`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "support/parts.rs"]
mod parts;
#[path = "support/postgres.rs"]
mod support;

use std::io::ErrorKind;
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use parts::Folder;
use support::TempSchema;
use tokio_postgres::SimpleQueryMessage;
use whisp_core::media::MediaStore;
use whisp_core::store::Store;
use whisp_core::vault::{KeyProvider, KeyTable};
use whisp_store::conformance::privacy::{Parts, Raw};
use whisp_store::{PostgresKeyTable, PostgresStore};

/// Records and keys on a server, files in a folder.
struct OnServer {
    store: Arc<PostgresStore>,
    keys: Arc<PostgresKeyTable>,
    folder: Folder,
    /// Of the records, and of the keys.
    schemas: [TempSchema; 2],
}

impl OnServer {
    async fn new() -> Option<Self> {
        let (records, keys) = (TempSchema::new()?, TempSchema::new()?);
        let store = Arc::new(records.options().open().await.expect("the server opens a new schema"));
        let table = Arc::new(keys.keys().await);
        Some(Self { store, keys: table, folder: Folder::new(), schemas: [records, keys] })
    }

    /// Does something with each table, as its owner.
    async fn with_each_table(&self, statement: &str) {
        for schema in &self.schemas {
            let client = schema.client().await;
            let tables = format!("SELECT tablename FROM pg_tables WHERE schemaname = '{}'", schema.name);
            for row in client.simple_query(&tables).await.expect("lists tables") {
                let SimpleQueryMessage::Row(row) = row else { continue };
                let table = format!("{}.{}", schema.name, row.get(0).expect("a table has a name"));
                client.batch_execute(&statement.replace("{table}", &table)).await.expect("the table is ours");
            }
        }
    }
}

#[async_trait]
impl Parts for OnServer {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as _
    }

    fn keys(&self) -> Arc<dyn KeyTable> {
        Arc::clone(&self.keys) as _
    }

    fn provider(&self) -> Arc<dyn KeyProvider> {
        self.folder.provider()
    }

    fn media(&self) -> Arc<dyn MediaStore> {
        self.folder.media()
    }

    async fn raw(&self) -> Raw {
        // The wall between tenants holds for the owner of the tables too, and would hide everything.
        self.with_each_table("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY").await;
        let mut dump = Command::new("pg_dump");
        for schema in &self.schemas {
            dump.arg("--schema").arg(&schema.name);
        }
        let dumped = dump.arg("--data-only").arg("--dbname").arg(&self.schemas[0].url).output();
        self.with_each_table("ALTER TABLE {table} FORCE ROW LEVEL SECURITY").await;
        match dumped {
            Ok(dumped) => {
                assert!(dumped.status.success(), "{}", String::from_utf8_lossy(&dumped.stderr));
                Raw::Bytes(self.folder.bytes().piece("pg_dump", dumped.stdout))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Raw::Nothing("pg_dump is not installed"),
            Err(error) => panic!("pg_dump can't be run: {error}"),
        }
    }

    async fn wipe(&self) -> Result<(), &'static str> {
        self.with_each_table("VACUUM FULL {table}").await;
        Ok(())
    }
}

whisp_store::privacy_conformance! {
    test: tokio::test(flavor = "multi_thread"),
    parts: match OnServer::new().await { Some(parts) => parts, None => return },
}
