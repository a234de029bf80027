//! From one key provider to another.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use whisp_core::id::TenantId;
use whisp_core::vault::{
    Destroyed, Destruction, KeyContext, KeyProvider, KeyTable, MovedKeys, SecretKey, VaultError, VaultErrorKind,
    WrappedKey,
};

/// A [`KeyProvider`] for the time in which a key table moves from one provider to another: from a bare
/// [`LocalKeyProvider`](crate::LocalKeyProvider) to one with cells, from cells to a key service, from the key service
/// of a business's old owner to that of its new one.
///
/// It wraps with the new one and unwraps with whichever fits. So the next turn of a tenant's epoch wraps the tenant's
/// key under the new one, and everyone's under that, and destroys the epoch in both. Nothing else is to be done, and
/// nothing to be written down: a crash anywhere leaves a turn that goes on.
///
/// # How to move
/// 1. Open the vault with it in every process that uses the key table, before any turns an epoch so.
/// 2. Let the sweeps turn the epochs, each tenant's and that of the directory
///    ([`TenantId::DIRECTORY`](whisp_core::id::TenantId::DIRECTORY)), which takes a week and a day unless told
///    otherwise. Or [`turn`](whisp_core::vault::Vault::turn) them at once, and leave it to the sweeps to note that and
///    to end it.
/// 3. When [`is_moved`](Self::is_moved) says so of each of them, open the vault with the new provider alone, and take
///    the old one down.
///
/// Never leave the old one out before: what it wrapped could not be read, and nothing would be destroyed in it.
///
/// # What remains true
/// After the turn the old provider opens nothing of the table as it is, nor of any later one. What it wrapped before,
/// in an old copy of the table, is as far gone as it destroys: one with cells, or a key service that deletes, has
/// destroyed the epoch; a bare `LocalKeyProvider` can't, and an old copy of the table and the key file together open
/// what the copy holds, the erased among it, and what was sealed since for those in it, until the last copy of that
/// file is gone. The receipts say so: while it takes part, nothing is destroyed better than the worse of the two does.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use whisp_core::id::TenantId;
/// use whisp_store::keys::MovingKeyProvider;
/// use whisp_store::{CellKeyProvider, EnvelopeVault, FolderCells, LocalKeyProvider, MemoryKeyTable};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// # let table = Arc::new(MemoryKeyTable::new());
/// // As it began: nothing is ever destroyed for sure.
/// let root_key = Arc::new(LocalKeyProvider::open_or_create(folder.join("root.key"))?);
/// # EnvelopeVault::open(root_key.clone(), table.clone()).await?;
/// // From now on epochs are in cells.
/// let cells = Arc::new(CellKeyProvider::new(root_key.clone(), Arc::new(FolderCells::open(folder.join("cells"))?)));
/// let moving = Arc::new(MovingKeyProvider::new(root_key, cells));
/// let vault = EnvelopeVault::open(moving.clone(), table.clone()).await?;
/// # use whisp_core::vault::{EpochDue, Turn, Vault};
/// # use chrono::DateTime;
/// # assert!(!moving.is_moved(&*table, TenantId::DIRECTORY).await?);
/// // The sweeps turn it.
/// # let due = EpochDue { now: DateTime::UNIX_EPOCH, begun_before: DateTime::UNIX_EPOCH };
/// # assert!(matches!(vault.turn(TenantId::DIRECTORY, &due, 100).await?, Turn::Destroyed { epoch: 2, .. }));
/// # vault.end_turn(TenantId::DIRECTORY, 2).await?;
/// assert!(moving.is_moved(&*table, TenantId::DIRECTORY).await?);
/// # Ok(())
/// # }
/// ```
pub struct MovingKeyProvider {
    from: Arc<dyn KeyProvider>,
    to: Arc<dyn KeyProvider>,
}

impl MovingKeyProvider {
    /// Moves from one provider to another.
    #[must_use]
    pub fn new(from: Arc<dyn KeyProvider>, to: Arc<dyn KeyProvider>) -> Self {
        Self { from, to }
    }

    /// Returns whether a tenant needs the old provider no more: its key is wrapped by the new one, and no turn is under
    /// way. A tenant without a key never needed it, nor does one that is closed.
    ///
    /// # Errors
    /// By [`VaultErrorKind`], where the table or the new provider can't be asked.
    ///
    /// # Cancellation
    /// Dropping it has no effect.
    pub async fn is_moved(&self, table: &dyn KeyTable, tenant: TenantId) -> Result<bool, VaultError> {
        let key = table.tenant(tenant).await?.filter(|key| key.erased_at().is_none());
        let Some(key) = key else { return Ok(true) };
        if key.previous.is_some() {
            return Ok(false);
        }
        match self.to.unwrap(&KeyContext { tenant, epoch: key.epoch }, &key.wrapped).await {
            Ok(_) => Ok(true),
            Err(error) if is_final(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl KeyProvider for MovingKeyProvider {
    async fn wrap(&self, context: &KeyContext, key: &SecretKey) -> Result<WrappedKey, VaultError> {
        self.to.wrap(context, key).await
    }

    /// What neither opens is what the new one says it is, unless the old one can't tell now.
    async fn unwrap(&self, context: &KeyContext, wrapped: &WrappedKey) -> Result<SecretKey, VaultError> {
        let refused = match self.to.unwrap(context, wrapped).await {
            Ok(key) => return Ok(key),
            Err(refused) => refused,
        };
        match self.from.unwrap(context, wrapped).await {
            Err(error) if is_final(&error) => Err(refused),
            unwrapped => unwrapped,
        }
    }

    async fn destroy(&self, context: &KeyContext) -> Result<Destroyed, VaultError> {
        let from = self.from.destroy(context).await?;
        Ok(from.worse(self.to.destroy(context).await?))
    }

    fn destruction(&self) -> Destruction {
        self.from.destruction().worse(self.to.destruction())
    }
}

impl fmt::Debug for MovingKeyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MovingKeyProvider").field("from", &self.from).field("to", &self.to).finish()
    }
}

/// Tells the assistant whether a tenant's keys have moved: [`MovingKeyProvider::is_moved`] over the table that they are in.
#[derive(Debug)]
pub struct MoveCheck {
    provider: Arc<MovingKeyProvider>,
    table: Arc<dyn KeyTable>,
}

impl MoveCheck {
    /// Looks at a table.
    #[must_use]
    pub fn new(provider: Arc<MovingKeyProvider>, table: Arc<dyn KeyTable>) -> Self {
        Self { provider, table }
    }
}

#[async_trait]
impl MovedKeys for MoveCheck {
    async fn is_moved(&self, tenant: TenantId) -> Result<bool, VaultError> {
        self.provider.is_moved(&*self.table, tenant).await
    }
}

fn is_final(error: &VaultError) -> bool {
    matches!(error.kind(), VaultErrorKind::Destroyed | VaultErrorKind::WrongKey)
}
