//! Tiles: the hashes of the tree in blocks of 256, as in C2SP's [tlog-tiles](https://c2sp.org/tlog-tiles), so that a proof
//! reads a few records and an append changes a few.
//!
//! A tile of level 0 holds the hashes of 256 leaves one after another. A tile of a higher level holds the roots of 256
//! whole tiles of the level below. The last tile of each level may be shorter. What lies between two levels is hashed
//! again whenever it is needed.

use crate::audit::tree::{Node, TreeHash, root_of};

/// How many hashes a whole tile has.
pub(crate) const TILE: usize = 1 << HEIGHT;

/// How many levels of the tree a tile spans.
const HEIGHT: u32 = 8;

/// How many bytes a hash has.
const HASH: usize = 32;

/// Which tile: of what level, and the how-many-eth there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TileKey {
    pub(crate) level: u8,
    pub(crate) index: u64,
}

impl TileKey {
    /// Returns the tile that holds the hash of a place of a level, and where in it.
    pub(crate) const fn of(level: u8, place: u64) -> (Self, usize) {
        (Self { level, index: place >> HEIGHT }, (place & (TILE as u64 - 1)) as usize)
    }

    /// Returns the sixteen bytes by which the tile is known.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.level) << 64 | u128::from(self.index)).to_be_bytes()
    }

    /// Returns how many hashes the tile has in a tree of `size` leaves.
    pub(crate) fn width(self, size: u64) -> usize {
        let hashes = size.checked_shr(HEIGHT * u32::from(self.level)).unwrap_or(0);
        let before = self.index.saturating_mul(TILE as u64);
        usize::try_from(hashes.saturating_sub(before)).unwrap_or(TILE).min(TILE)
    }
}

/// The hashes of a tile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tile(pub(crate) Vec<TreeHash>);

impl Tile {
    /// Reads a tile; `None` where the bytes are none.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<HASH>();
        (rest.is_empty() && hashes.len() <= TILE).then(|| Self(hashes.iter().copied().map(TreeHash).collect()))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.0).collect()
    }

    /// Returns the root of a whole tile; `None` where more hashes are to come.
    pub(crate) fn root(&self) -> Option<TreeHash> {
        (self.0.len() == TILE).then(|| whole(&self.0))
    }

    /// Returns the hash of a whole subtree that is within the tile; `None` where it is not there yet.
    pub(crate) fn node(&self, node: Node) -> Option<TreeHash> {
        let (from, width) = Self::place(node);
        self.0.get(from..from + width).map(whole)
    }

    /// Returns in which tile the hash of a whole subtree is.
    pub(crate) const fn holding(node: Node) -> TileKey {
        TileKey { level: (node.level / HEIGHT) as u8, index: node.index >> (HEIGHT - node.level % HEIGHT) }
    }

    /// Returns where in its tile the hashes of a whole subtree begin, and how many they are.
    const fn place(node: Node) -> (usize, usize) {
        let inner = node.level % HEIGHT;
        (((node.index << inner) & (TILE as u64 - 1)) as usize, 1 << inner)
    }
}

/// Hashes a power of two of hashes to their root.
fn whole(hashes: &[TreeHash]) -> TreeHash {
    match hashes {
        [] | [_] => root_of(hashes),
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            TreeHash::of_pair(whole(left), whole(right))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::audit::tree::Leaves;

    /// The tiles of a tree, built hash by hash.
    fn tiles(leaves: &[TreeHash]) -> BTreeMap<TileKey, Tile> {
        let mut tiles: BTreeMap<TileKey, Tile> = BTreeMap::new();
        for (place, leaf) in (0_u64..).zip(leaves) {
            let (mut level, mut place, mut hash) = (0, place, *leaf);
            loop {
                let (key, at) = TileKey::of(level, place);
                let tile = tiles.entry(key).or_default();
                assert_eq!(tile.0.len(), at);
                tile.0.push(hash);
                match tile.root() {
                    Some(root) => (level, place, hash) = (level + 1, key.index, root),
                    None => break,
                }
            }
        }
        tiles
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn the_tiles_hold_every_whole_subtree(size in 1_u64..70_000, level in 0_u32..17, index: u64) {
            let leaves: Vec<TreeHash> = (0..size).map(|n| TreeHash::of_leaf(&n.to_be_bytes())).collect();
            let tiles = tiles(&leaves);
            for (key, tile) in &tiles {
                prop_assert_eq!(key.width(size), tile.0.len(), "{:?}", key);
            }
            let hash = |node: Node| tiles.get(&Tile::holding(node)).and_then(|tile| tile.node(node));
            let there = size >> level;
            let node = Node { level, index: if there == 0 { 0 } else { index % there } };
            let from = usize::try_from(node.index << level).unwrap();
            let expected = leaves.get(from..from + (1 << level)).map(whole);
            prop_assert_eq!(hash(node), expected);
            let root: Vec<_> = Leaves { from: 0, until: size }.nodes().into_iter().map(|node| hash(node).unwrap()).collect();
            prop_assert_eq!(root_of(&root), naive(&leaves));
        }
    }

    fn naive(leaves: &[TreeHash]) -> TreeHash {
        match leaves {
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                TreeHash::of_pair(naive(left), naive(right))
            }
        }
    }

    #[test]
    fn a_tile_is_its_hashes_and_its_name_is_level_and_index() {
        let tile = Tile(vec![TreeHash([1; 32]), TreeHash([2; 32])]);
        assert_eq!(tile.to_bytes(), [[1; 32], [2; 32]].concat());
        assert_eq!(Tile::from_bytes(&tile.to_bytes()), Some(tile));
        assert_eq!(Tile::from_bytes(&[0; 31]), None);
        assert_eq!(Tile::from_bytes(&[0; 257 * 32]), None);
        let name = TileKey { level: 2, index: 0x0102 }.to_bytes();
        assert_eq!(name, [0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(TileKey { level: 200, index: 9 }.width(u64::MAX), 0);
    }
}
