//! Where the business keeps its messages, and what of it lies on a disk.

use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_postgres::{Client, NoTls};
use whisp::id::{IdSource, TenantId};
use whisp::store::Store;
use whisp::stores::{MemoryStore, PostgresOptions, SqliteStore};
use whisp::system::RandomIds;

/// The schema of a run that keeps everything.
const SCHEMA: &str = "whisp_quickstart";

/// Where messages are kept.
pub(crate) enum Database {
    Memory,
    File(PathBuf),
    Postgres { url: String, schema: String, temporary: bool },
}

impl Database {
    /// Reads `memory`, `sqlite:FILE` or `postgres:URL`; a file in the folder unless told.
    pub(crate) fn new(store: Option<&str>, folder: &Path, temporary: bool) -> Result<Self, Box<dyn Error>> {
        let Some(text) = store else { return Ok(Self::File(folder.join("whisp.db"))) };
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if let Some(file) = text.strip_prefix("sqlite:") {
            return Ok(Self::File(PathBuf::from(file)));
        }
        let Some(rest) = text.strip_prefix("postgres:") else {
            return Err(format!("--store {text}: expected `memory`, `sqlite:FILE` or `postgres:URL`").into());
        };
        // `postgres://...` is a URL as it stands; `postgres:host=...` holds pairs.
        let url = if rest.starts_with("//") { text.to_owned() } else { rest.to_owned() };
        let own = || format!("{SCHEMA}_{}", RandomIds::default().random().simple()).chars().take(40).collect();
        Ok(Self::Postgres { url, schema: if temporary { own() } else { SCHEMA.to_owned() }, temporary })
    }

    pub(crate) async fn open(&self) -> Result<Arc<dyn Store>, Box<dyn Error>> {
        Ok(match self {
            Self::Memory => Arc::new(MemoryStore::new()),
            Self::File(file) => Arc::new(SqliteStore::open(file)?),
            Self::Postgres { url, schema, .. } => {
                Arc::new(PostgresOptions::new(url.clone()).schema(schema.clone()).open().await?)
            }
        })
    }

    /// Returns what lies on a disk, by name: the files of SQLite, the rows of PostgreSQL.
    pub(crate) async fn contents(&self, tenant: TenantId) -> Result<Vec<(String, Vec<u8>)>, Box<dyn Error>> {
        match self {
            Self::Memory => Ok(Vec::new()),
            Self::File(file) => {
                let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", file.display()));
                let name = |file: &Path| file.file_name().map(|name| name.to_string_lossy().into_owned());
                let mut contents = Vec::new();
                for file in [file.clone(), beside("-wal")] {
                    // The log goes when the last connection does. Anything else that can't be read would prove nothing.
                    match std::fs::read(&file) {
                        Ok(bytes) => contents.extend(name(&file).map(|name| (name, bytes))),
                        Err(error) if error.kind() == ErrorKind::NotFound && !contents.is_empty() => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Ok(contents)
            }
            Self::Postgres { url, schema, .. } => {
                let client = connect(url).await?;
                let sql = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1";
                let mut bytes = Vec::new();
                for table in client.query(sql, &[schema]).await? {
                    let table: &str = table.get(0);
                    for tenant in [tenant, TenantId::DIRECTORY] {
                        client.batch_execute(&format!("SET whisp.tenant = '{tenant}'")).await?;
                        // Bytes come out as they are, not in hexadecimal, so that a text among them would be seen.
                        client.batch_execute("SET bytea_output = escape").await?;
                        for row in client.query(&format!("SELECT t::text FROM {schema}.{table} AS t"), &[]).await? {
                            bytes.extend(row.get::<_, &str>(0).as_bytes());
                        }
                    }
                }
                Ok(vec![(format!("schema {schema}"), bytes)])
            }
        }
    }

    /// Removes what was made for one run.
    pub(crate) async fn remove(&self) -> Result<(), Box<dyn Error>> {
        if let Self::Postgres { url, schema, temporary: true } = self {
            let drop = format!("SET client_min_messages = error; DROP SCHEMA {schema} CASCADE");
            let client = connect(url).await?;
            client.batch_execute(&drop).await?;
        }
        Ok(())
    }
}

/// A bare connection, for what no store does.
async fn connect(url: &str) -> Result<Client, Box<dyn Error>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with the client, who hears what went wrong.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}
