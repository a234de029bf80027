//! The configuration: a TOML file, and secrets from the environment.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::SecretString;
use serde::Deserialize;
use whisp::ai::{Fallback, Knowledge, KnowledgeIndex, RetrievalEngine};
use whisp::clock::Clock;
use whisp::error::BoxError;
use whisp::id::TenantId;
use whisp::model::{AutomationMode, ChannelKind, Tenant};
use whisp::privacy::Controller;
use whisp::reply::ReplyEngine;
use whisp::store::Store;
use whisp::stores::{EnvelopeVault, PostgresKeyTable, PostgresOptions, SqliteKeyTable, SqliteStore};
use whisp::vault::{KeyTable, Vault};

use crate::keys::{Files, KeysConfig};

/// The file. See `whisp.toml` beside this example for what each field means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    /// Another Graph API, on this machine.
    pub(crate) graph: Option<String>,
    /// The public address of this service, where Meta calls back.
    pub(crate) public: Option<String>,
    knowledge: PathBuf,
    store: StoreConfig,
    #[serde(default)]
    keys: KeysConfig,
    #[serde(default)]
    behaviour: Behaviour,
    /// Who is responsible for the data: a service that people write to has somebody.
    controller: Controller,
    pub(crate) tenant: TenantConfig,
    pub(crate) account: Vec<AccountConfig>,
    /// Relative paths are meant from here.
    #[serde(skip)]
    folder: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
enum StoreConfig {
    Sqlite {
        file: PathBuf,
        keys: PathBuf,
        root_key: PathBuf,
        cells: Option<PathBuf>,
    },
    Postgres {
        schema: String,
        keys_schema: String,
        root_key: PathBuf,
        cells: Option<PathBuf>,
        connections: Option<usize>,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Behaviour {
    lease_milliseconds: Option<i64>,
    burst_quiet_milliseconds: Option<i64>,
    settle_after_milliseconds: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantConfig {
    pub(crate) id: TenantId,
    pub(crate) name: String,
    pub(crate) zone: String,
    #[serde(default)]
    pub(crate) automation: bool,
    #[serde(default = "buckets")]
    pub(crate) buckets: u16,
}

const fn buckets() -> u16 {
    Tenant::BUCKETS_DEFAULT
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountConfig {
    pub(crate) channel: ChannelKind,
    pub(crate) id: String,
    /// The name of the environment variable that holds the access token.
    pub(crate) token: String,
    /// What the business granted the app.
    pub(crate) scopes: Vec<String>,
    pub(crate) mode: AutomationMode,
    /// The name of the environment variable that holds the app-scoped id of whoever connected it.
    pub(crate) authorizer: Option<String>,
}

/// Reads a secret from the environment.
#[expect(clippy::disallowed_methods, reason = "a program, not the library")]
pub(crate) fn secret(name: &str) -> Result<SecretString, BoxError> {
    let value = std::env::var(name).map_err(|_| format!("the environment has no {name}"))?;
    Ok(value.into())
}

impl Config {
    pub(crate) fn load(file: &Path) -> Result<Self, BoxError> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut config: Self = toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        config.folder = file.parent().map(Path::to_owned).unwrap_or_default();
        Ok(config)
    }

    #[expect(clippy::print_stderr, reason = "a word to whoever starts it")]
    pub(crate) async fn store(&self) -> Result<Arc<dyn Store>, BoxError> {
        Ok(match &self.store {
            StoreConfig::Sqlite { file, .. } => Arc::new(SqliteStore::open(self.folder.join(file))?),
            StoreConfig::Postgres { schema, connections, .. } => {
                let mut options = PostgresOptions::new(secret("WHISP_DATABASE_URL")?).schema(schema);
                if let Some(connections) = connections {
                    options = options.connections(*connections);
                }
                let store = options.open().await?;
                if !store.is_walled() {
                    eprintln!("row-level security does not hold for the user of WHISP_DATABASE_URL: name a plain one");
                }
                Arc::new(store)
            }
        })
    }

    pub(crate) async fn vault(&self) -> Result<Arc<dyn Vault>, BoxError> {
        let (files, table): (_, Arc<dyn KeyTable>) = match &self.store {
            StoreConfig::Sqlite { keys, root_key, cells, .. } => {
                (Files { root_key, cells: cells.as_deref() }, Arc::new(SqliteKeyTable::open(self.folder.join(keys))?))
            }
            StoreConfig::Postgres { keys_schema, root_key, cells, .. } => {
                let url = secret("WHISP_KEYS_DATABASE_URL")?;
                let table = PostgresKeyTable::open(url, keys_schema).await?;
                (Files { root_key, cells: cells.as_deref() }, Arc::new(table))
            }
        };
        let provider = self.keys.provider(&self.folder, &files, &table, self.tenant.id).await?;
        Ok(Arc::new(EnvelopeVault::open(provider, table).await?))
    }

    /// Answers from the knowledge file; what it does not know goes to a person.
    pub(crate) fn engine(&self, clock: Arc<dyn Clock>) -> Result<Arc<dyn ReplyEngine>, BoxError> {
        let index = KnowledgeIndex::new(Knowledge::load(self.folder.join(&self.knowledge))?);
        Ok(Arc::new(Fallback::new(vec![Arc::new(RetrievalEngine::new(Arc::new(index)))], clock)))
    }

    pub(crate) fn behaviour(&self) -> whisp::assistant::Config {
        let mut config = whisp::assistant::Config::default();
        config.controller = Some(self.controller.clone());
        let set = |field: &mut TimeDelta, value: Option<i64>| {
            *field = value.map_or(*field, TimeDelta::milliseconds);
        };
        set(&mut config.lease, self.behaviour.lease_milliseconds);
        set(&mut config.burst_quiet, self.behaviour.burst_quiet_milliseconds);
        set(&mut config.settle_after, self.behaviour.settle_after_milliseconds);
        config.reply_deadline = config.reply_deadline.min(config.lease / 2);
        config
    }
}
