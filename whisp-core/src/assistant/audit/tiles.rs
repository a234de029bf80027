//! The tree as far as something needs it: tiles, read once and written together.

use std::collections::BTreeMap;

use crate::audit::TreeHash;
use crate::audit::tile::{Tile, TileKey};
use crate::audit::tree::{Leaves, root_of};
use crate::entity::{Entities, damaged};
use crate::id::TenantId;
use crate::store::{StoreError, WriteOp};

/// The tiles of a tenant's tree that were read.
pub(super) struct Tiles<'a> {
    entities: &'a Entities,
    tenant: TenantId,
    held: BTreeMap<TileKey, Held>,
}

struct Held {
    tile: Tile,
    /// As it is stored; 0 where it is not.
    version: u64,
    changed: bool,
}

impl<'a> Tiles<'a> {
    pub(super) const fn new(entities: &'a Entities, tenant: TenantId) -> Self {
        Self { entities, tenant, held: BTreeMap::new() }
    }

    async fn held(&mut self, key: TileKey) -> Result<&mut Held, StoreError> {
        if !self.held.contains_key(&key) {
            let (tile, version) = self.entities.tile(self.tenant, key).await?.unwrap_or((Some(Tile::default()), 0));
            let tile = tile.ok_or_else(damaged)?;
            self.held.insert(key, Held { tile, version, changed: false });
        }
        self.held.get_mut(&key).ok_or_else(damaged)
    }

    /// Returns the hash over some leaves.
    pub(super) async fn hash(&mut self, leaves: Leaves) -> Result<TreeHash, StoreError> {
        let mut hashes = Vec::new();
        for node in leaves.nodes() {
            hashes.push(self.held(Tile::holding(node)).await?.tile.node(node).ok_or_else(damaged)?);
        }
        Ok(root_of(&hashes))
    }

    /// Returns the hashes over several stretches of leaves: a proof.
    pub(super) async fn path(&mut self, path: &[Leaves]) -> Result<Vec<TreeHash>, StoreError> {
        let mut hashes = Vec::with_capacity(path.len());
        for leaves in path {
            hashes.push(self.hash(*leaves).await?);
        }
        Ok(hashes)
    }

    /// Adds a leaf to a tree of `size` leaves.
    pub(super) async fn push(&mut self, size: u64, leaf: TreeHash) -> Result<(), StoreError> {
        let (mut level, mut place, mut hash) = (0, size, leaf);
        loop {
            let (key, at) = TileKey::of(level, place);
            let held = self.held(key).await?;
            if held.tile.0.len() != at {
                return Err(damaged());
            }
            held.tile.0.push(hash);
            held.changed = true;
            let Some(root) = held.tile.root() else { return Ok(()) };
            (level, place, hash) = (level + 1, key.index, root);
        }
    }

    /// Returns what writes the tiles that were changed.
    pub(super) fn ops(&self) -> impl Iterator<Item = WriteOp> {
        let changed = self.held.iter().filter(|(_, held)| held.changed);
        changed.map(|(key, held)| WriteOp::Put(Entities::put_tile(*key, &held.tile, held.version + 1)))
    }
}
