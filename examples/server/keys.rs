//! What the keys are wrapped by: a key file, its cells, or a key service; and the move from one to another.

use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::Deserialize;
use whisp::error::BoxError;
use whisp::id::TenantId;
use whisp::stores::keys::transit::{Snapshots, TransitConfig};
use whisp::stores::{CellKeyProvider, FolderCells, LocalKeyProvider, MovingKeyProvider, TransitKeyProvider};
use whisp::system::SystemClock;
use whisp::vault::{KeyProvider, KeyTable};

use crate::config::secret;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeysConfig {
    transit: Option<Transit>,
    moving_from: Option<Old>,
}

/// The Transit engine of a Vault.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Transit {
    address: String,
    mount: Option<String>,
    namespace: Option<String>,
    snapshots_kept_days: Option<i64>,
}

/// How the key table was begun.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Old {
    RootKey,
    Cells,
}

/// What of it is in files, as the store's part of the configuration names them.
pub(crate) struct Files<'a> {
    pub(crate) root_key: &'a Path,
    pub(crate) cells: Option<&'a Path>,
}

impl KeysConfig {
    #[expect(clippy::print_stderr, reason = "a word to whoever starts it")]
    pub(crate) async fn provider(
        &self,
        folder: &Path,
        files: &Files<'_>,
        table: &Arc<dyn KeyTable>,
        tenant: TenantId,
    ) -> Result<Arc<dyn KeyProvider>, BoxError> {
        // A key file that nobody asks for is not made.
        let root_key = || LocalKeyProvider::open_or_create(folder.join(files.root_key)).map(Arc::new);
        let cells = |cells: &Path| -> Result<Arc<dyn KeyProvider>, BoxError> {
            Ok(Arc::new(CellKeyProvider::new(root_key()?, Arc::new(FolderCells::open(folder.join(cells))?))))
        };
        let to: Arc<dyn KeyProvider> = match (&self.transit, files.cells) {
            (Some(transit), _) => Arc::new(transit.provider()?),
            (None, Some(folder)) => cells(folder)?,
            // The runner says at its start what that means.
            (None, None) => root_key()?,
        };
        let from: Arc<dyn KeyProvider> = match (self.moving_from, files.cells) {
            (None, _) => return Ok(to),
            (Some(Old::RootKey), _) => root_key()?,
            (Some(Old::Cells), Some(folder)) => cells(folder)?,
            (Some(Old::Cells), None) => return Err("moving_from says that there were cells: name their folder".into()),
        };
        let moving = Arc::new(MovingKeyProvider::new(from, to));
        let mut moved = true;
        for tenant in [TenantId::DIRECTORY, tenant] {
            moved &= moving.is_moved(&**table, tenant).await?;
        }
        if moved {
            eprintln!("the keys have moved: take moving_from out of the configuration");
        }
        Ok(moving)
    }
}

impl Transit {
    fn provider(&self) -> Result<TransitKeyProvider, BoxError> {
        let snapshots = match self.snapshots_kept_days {
            None => Snapshots::Unknown,
            Some(0) => Snapshots::Never,
            Some(days) => {
                Snapshots::KeptFor(TimeDelta::try_days(days).ok_or("snapshots are not kept for so many days")?)
            }
        };
        let mut config = TransitConfig::new(&self.address, secret("VAULT_TOKEN")?, snapshots)
            // A Vault Proxy on this machine.
            .danger_allow_plain_http_to_loopback();
        if let Some(mount) = &self.mount {
            config = config.with_mount(mount);
        }
        if let Some(namespace) = &self.namespace {
            config = config.with_namespace(namespace);
        }
        Ok(TransitKeyProvider::new(&config, Arc::new(SystemClock))?)
    }
}
