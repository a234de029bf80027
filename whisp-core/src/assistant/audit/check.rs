//! Verifies a whole log: every event against the tiles, the tiles against one another, and all of it against a checkpoint.

use std::collections::BTreeMap;

use crate::assistant::AssistantError;
use crate::assistant::audit::Audit;
use crate::audit::tile::{TILE, Tile, TileKey};
use crate::audit::tree::root_of;
use crate::audit::{Checkpoint, TreeHash};
use crate::entity::{LogHead, leaf_of};

/// The most faults that are told.
const FAULTS_MAX: usize = 1_000;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditCheck {
    /// How many events the log has by its head, or where the head says too much, by its events.
    pub size: u64,
    /// The root over the events as they are stored.
    pub root: TreeHash,
    /// What is wrong, in the order of the log; nothing where it is whole. The first 1,000.
    pub faults: Vec<AuditFault>,
}

/// What is wrong with a log, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AuditFault {
    /// The event at this place is not the one that was logged: it was edited, or stands where another one stood.
    Changed {
        /// The place.
        index: u64,
    },
    /// There is no event at this place.
    Missing {
        /// The place.
        index: u64,
    },
    /// There is an event where none belongs: a second one at a place, or one before the first or after the last.
    Extra {
        /// The place.
        position: i64,
    },
    /// The hashes of a tile are not those of the tree: of what is below it, or of what is above.
    Tile {
        /// The level of the tile; 0 holds the hashes of events.
        level: u8,
        /// Which of that level.
        index: u64,
    },
    /// The head does not fit the events and the hashes.
    Head,
    /// The log is shorter than the checkpoint that it is held against: events were dropped from its end, or it was set
    /// back.
    Shorter {
        /// How many events there are.
        size: u64,
    },
    /// The log has a root of its own where the checkpoint has another one: it was written anew, hashes and all.
    Fork {
        /// For how many events the roots differ.
        size: u64,
    },
}

/// A root that grows leaf by leaf.
#[derive(Debug, Default)]
struct Growing {
    size: u64,
    /// The whole subtrees so far, from left to right.
    nodes: Vec<TreeHash>,
}

impl Growing {
    fn push(&mut self, leaf: TreeHash) {
        self.size += 1;
        let mut hash = leaf;
        for _ in 0..self.size.trailing_zeros() {
            if let Some(left) = self.nodes.pop() {
                hash = TreeHash::of_pair(left, hash);
            }
        }
        self.nodes.push(hash);
    }

    fn root(&self) -> TreeHash {
        root_of(&self.nodes)
    }
}

/// What a walk over the log gathers.
#[derive(Default)]
struct Walk {
    /// Over the events as they are.
    events: Growing,
    /// Over the hashes that the tiles have of them.
    tiles: Growing,
    /// The two roots at the size of the checkpoint.
    marked: Option<(TreeHash, TreeHash)>,
    /// Where an event and its hash differ.
    differing: Vec<u64>,
    faults: Vec<AuditFault>,
}

impl Walk {
    fn fault(&mut self, fault: AuditFault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    /// Goes on by one place. What is missing on one side is taken from the other, so that what follows can be told.
    fn step(&mut self, index: u64, event: Option<TreeHash>, hash: Option<TreeHash>) {
        if event.is_none() {
            self.fault(AuditFault::Missing { index });
        }
        if event.is_some() && hash.is_some() && event != hash && self.differing.len() < FAULTS_MAX {
            self.differing.push(index);
        }
        self.events.push(event.or(hash).unwrap_or(TreeHash::EMPTY));
        self.tiles.push(hash.or(event).unwrap_or(TreeHash::EMPTY));
    }

    fn mark(&mut self, size: u64) {
        if self.events.size == size {
            self.marked = Some((self.events.root(), self.tiles.root()));
        }
    }
}

impl Audit {
    /// Verifies the whole log: that each event is the one that was hashed, that none is missing, added or moved, that the
    /// hashes make the root, and, where a checkpoint is given, that the log goes on from it. Verify the checkpoint's
    /// signature first (`whisp_store::audit::verify_checkpoint`), and take one that somebody else has kept: without one,
    /// or with one of our own, whoever writes the whole log anew is not noticed.
    ///
    /// Details that went with their people leave no trace here. Memory stays the same however long the log is, but for 32
    /// bytes of each 256 events.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if the checkpoint is of another log; by the store. What is wrong with the log is no
    /// error but in the answer.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn verify(&self, trusted: Option<&Checkpoint>) -> Result<AuditCheck, AssistantError> {
        if trusted.is_some_and(|checkpoint| checkpoint.origin != self.origin()) {
            return Err(AssistantError::Invalid("the checkpoint is of another log"));
        }
        let entities = &self.assistant.inner.entities;
        let (mut head, _) = entities.log_head(self.tenant).await?;
        // A head that somebody made too large must not keep us for ever.
        let last = entities.audit_places(self.tenant).await?.saturating_add(FAULTS_MAX as u64);
        let mut walk = Walk::default();
        if head.size > last {
            walk.fault(AuditFault::Head);
            head.size = last;
        }
        let mark = trusted.map(|checkpoint| (checkpoint.size, checkpoint.root));
        walk.mark(mark.map_or(0, |(size, _)| size));
        let mut roots = Vec::new();
        let blocks = head.size.div_ceil(TILE as u64);
        for block in 0..blocks {
            roots.push(self.walk_block(&mut walk, &head, block, mark.map(|(size, _)| size)).await?);
        }
        self.check_above(&mut walk, head.size, roots).await?;
        self.check_end(&mut walk, head.size).await?;
        Ok(conclude(walk, &head, mark))
    }

    /// Holds 256 events against their tile; returns the tile's root where it is whole.
    async fn walk_block(
        &self,
        walk: &mut Walk,
        head: &LogHead,
        block: u64,
        mark: Option<u64>,
    ) -> Result<Option<TreeHash>, AssistantError> {
        let key = TileKey { level: 0, index: block };
        let from = block * TILE as u64;
        let width = key.width(head.size);
        let tile = self.read_tile(walk, key, width).await?;
        let (events, extra) = self.block(block, from, from + width as u64).await?;
        for position in extra {
            walk.fault(AuditFault::Extra { position });
        }
        for (place, index) in (0..width).zip(from..) {
            let hash = tile.as_ref().and_then(|tile| tile.0.get(place)).copied();
            walk.step(index, events.get(&index).copied(), hash);
            if let Some(mark) = mark {
                walk.mark(mark);
            }
        }
        Ok(tile.as_ref().and_then(Tile::root))
    }

    /// Reads the hashes of the events at some places, and the positions of what does not belong there.
    async fn block(
        &self,
        block: u64,
        from: u64,
        until: u64,
    ) -> Result<(BTreeMap<u64, TreeHash>, Vec<i64>), AssistantError> {
        let entities = &self.assistant.inner.entities;
        let (mut events, mut extra) = (BTreeMap::new(), Vec::new());
        // Before the first one there may be some that belong nowhere.
        let first = if block == 0 { i64::MIN } else { position(from) };
        let mut page = entities.audit_from(self.tenant, first, TILE).await?;
        loop {
            for record in &page.records {
                if record.position >= position(until) {
                    return Ok((events, extra));
                }
                match u64::try_from(record.position).ok().filter(|index| !events.contains_key(index)) {
                    Some(index) => drop(events.insert(index, leaf_of(record))),
                    None if extra.len() < FAULTS_MAX => extra.push(record.position),
                    None => {}
                }
            }
            let Some(next) = page.next else { return Ok((events, extra)) };
            page = entities.audit_after(self.tenant, Some(next), TILE).await?;
        }
    }

    /// Holds the tiles of each higher level against those below.
    async fn check_above(
        &self,
        walk: &mut Walk,
        size: u64,
        mut below: Vec<Option<TreeHash>>,
    ) -> Result<(), AssistantError> {
        for level in 1_u8.. {
            let mut roots = Vec::new();
            for (index, children) in (0_u64..).zip(below.chunks(TILE)) {
                let key = TileKey { level, index };
                let width = key.width(size);
                if width == 0 {
                    continue;
                }
                let tile = self.read_tile(walk, key, width).await?;
                for (child, (root, place)) in (index * TILE as u64..).zip(children.iter().take(width).zip(0..)) {
                    let said = tile.as_ref().and_then(|tile| tile.0.get(place));
                    if root.is_some() && said.is_some() && said != root.as_ref() {
                        walk.fault(AuditFault::Tile { level: level - 1, index: child });
                    }
                }
                roots.push(tile.as_ref().and_then(Tile::root));
            }
            if roots.is_empty() {
                break;
            }
            below = roots;
        }
        Ok(())
    }

    /// Reads a tile as it was for a tree of the size; notes it where it is not whole.
    async fn read_tile(&self, walk: &mut Walk, key: TileKey, width: usize) -> Result<Option<Tile>, AssistantError> {
        let stored = self.assistant.inner.entities.tile(self.tenant, key).await?;
        let mut tile = stored.and_then(|(tile, _)| tile).filter(|tile| tile.0.len() >= width);
        match &mut tile {
            // The log may have grown since.
            Some(tile) => tile.0.truncate(width),
            None => walk.fault(AuditFault::Tile { level: key.level, index: key.index }),
        }
        Ok(tile)
    }

    /// Looks for what stands after the end.
    async fn check_end(&self, walk: &mut Walk, size: u64) -> Result<(), AssistantError> {
        let entities = &self.assistant.inner.entities;
        let after = entities.audit_from(self.tenant, position(size), 1).await?;
        let Some(record) = after.records.first() else { return Ok(()) };
        // The log may have grown since.
        let (head, _) = entities.log_head(self.tenant).await?;
        if record.position >= position(head.size) || head.size == size {
            walk.fault(AuditFault::Extra { position: record.position });
        }
        Ok(())
    }
}

/// Decides who is right where events and hashes differ: whoever makes the root that is trusted.
fn conclude(mut walk: Walk, head: &LogHead, mark: Option<(u64, TreeHash)>) -> AuditCheck {
    let (events, tiles) = (walk.events.root(), walk.tiles.root());
    let mut hashes_are_right = tiles == head.root;
    if !hashes_are_right && events != head.root {
        walk.fault(AuditFault::Head);
    }
    let events_are_right = events == head.root && !hashes_are_right;
    if let Some((size, root)) = mark {
        match walk.marked {
            None => walk.fault(AuditFault::Shorter { size: head.size }),
            Some((_, tiles)) if tiles == root => hashes_are_right = true,
            Some((events, _)) if events == root => {}
            Some(_) => walk.fault(AuditFault::Fork { size }),
        }
    }
    for index in std::mem::take(&mut walk.differing) {
        if events_are_right && !hashes_are_right {
            walk.fault(AuditFault::Tile { level: 0, index: index / TILE as u64 });
        } else {
            walk.fault(AuditFault::Changed { index });
        }
    }
    walk.faults.sort_unstable();
    walk.faults.dedup();
    AuditCheck { size: head.size, root: events, faults: walk.faults }
}

/// Returns the position of a place in its list.
fn position(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}
