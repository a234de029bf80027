//! Epoch keys in cells, so that any key provider can destroy.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use whisp_core::vault::{
    CellName, Destroyed, Destruction, ErasableCell, KeyContext, KeyProvider, SecretKey, VaultError, VaultErrorKind,
    WrappedKey,
};

use super::{Canonical, Wrapper, failed, random_key};

/// A [`KeyProvider`] that keeps a random key for each tenant and epoch in a cell, wrapped by another provider, and destroys
/// an epoch by destroying its cell: as surely as the cells do.
///
/// Whoever copies a cell before it is destroyed, and has the inner provider too, can open a copy of the key table from that
/// epoch. So the cells must stay outside every backup; that is all that is left to trust.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use whisp_core::vault::{Destruction, KeyProvider};
/// use whisp_store::{CellKeyProvider, FolderCells, LocalKeyProvider};
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let root_key = LocalKeyProvider::open_or_create(folder.join("root.key"))?;
/// assert_eq!(root_key.destruction(), Destruction::Unverifiable);
/// let keys = CellKeyProvider::new(Arc::new(root_key), Arc::new(FolderCells::open(folder.join("cells"))?));
/// assert_eq!(keys.destruction(), Destruction::AtOnce);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct CellKeyProvider {
    inner: Arc<dyn KeyProvider>,
    cells: Arc<dyn ErasableCell>,
}

impl CellKeyProvider {
    /// Keeps epoch keys in `cells`, wrapped by `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn KeyProvider>, cells: Arc<dyn ErasableCell>) -> Self {
        Self { inner, cells }
    }

    async fn epoch_key(&self, context: &KeyContext, value: &[u8]) -> Result<Wrapper, VaultError> {
        Wrapper::new(&self.inner.unwrap(context, &WrappedKey(value.to_vec())).await?)
    }
}

#[async_trait]
impl KeyProvider for CellKeyProvider {
    async fn wrap(&self, context: &KeyContext, key: &SecretKey) -> Result<WrappedKey, VaultError> {
        let name = CellName::of(context);
        let value = match self.cells.read(&name).await? {
            Some(value) => value,
            None => {
                let WrappedKey(new) = self.inner.wrap(context, &random_key()?).await?;
                // Somebody else may have been faster: what is there now is the one.
                let there = self.cells.compare_and_put(&name, None, &new).await?;
                there.ok_or_else(|| failed("wrap a tenant's key", VaultErrorKind::Destroyed))?
            }
        };
        self.epoch_key(context, &value).await?.wrap(&place(context), key)
    }

    async fn unwrap(&self, context: &KeyContext, wrapped: &WrappedKey) -> Result<SecretKey, VaultError> {
        let Some(value) = self.cells.read(&CellName::of(context)).await? else {
            return Err(failed("unwrap a tenant's key", VaultErrorKind::Destroyed).with_advice(
                "the cell of its epoch is not there: an old copy of the key table never opens again, use the current one; \
                 if that is the one, bring back the folder or service of the cells; what was begun without cells moves by MovingKeyProvider",
            ));
        };
        self.epoch_key(context, &value).await?.unwrap(&place(context), &wrapped.0)
    }

    async fn destroy(&self, context: &KeyContext) -> Result<Destroyed, VaultError> {
        self.cells.destroy(&CellName::of(context)).await
    }

    fn destruction(&self) -> Destruction {
        self.cells.destruction()
    }
}

impl fmt::Debug for CellKeyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CellKeyProvider").field("inner", &self.inner).field("cells", &self.cells).finish()
    }
}

fn place(context: &KeyContext) -> Canonical {
    Canonical::new("whisp/epoch/v1").part(&context.tenant.into_bytes()).number(context.epoch)
}
