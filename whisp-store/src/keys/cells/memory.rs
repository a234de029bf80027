//! Cells in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use whisp_core::vault::{CellName, Destroyed, Destruction, ErasableCell, VaultError};
use zeroize::Zeroizing;

/// [`ErasableCell`]s in memory, for tests: what they hold is "durable" until they are dropped.
#[derive(Default)]
pub struct MemoryCells(Mutex<BTreeMap<CellName, Zeroizing<Vec<u8>>>>);

impl MemoryCells {
    /// Makes empty cells.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn cells(&self) -> MutexGuard<'_, BTreeMap<CellName, Zeroizing<Vec<u8>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ErasableCell for MemoryCells {
    async fn read(&self, name: &CellName) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        Ok(self.cells().get(name).cloned())
    }

    async fn compare_and_put(
        &self,
        name: &CellName,
        there: Option<&[u8]>,
        value: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let mut cells = self.cells();
        if cells.get(name).map(|value| value.as_slice()) == there {
            cells.insert(name.clone(), Zeroizing::new(value.to_vec()));
        }
        Ok(cells.get(name).cloned())
    }

    async fn destroy(&self, name: &CellName) -> Result<Destroyed, VaultError> {
        self.cells().remove(name);
        Ok(Destroyed::Now)
    }

    fn destruction(&self) -> Destruction {
        Destruction::AtOnce
    }
}

impl fmt::Debug for MemoryCells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryCells({})", self.cells().len())
    }
}
