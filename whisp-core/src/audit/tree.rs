//! The hash tree of RFC 6962: hashes, roots and proofs, without any store. All of it is arithmetic over ranges of leaves.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A SHA-256 hash in the tree of a log. Its text is base64, as in the formats of C2SP.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHash(pub [u8; 32]);

impl TreeHash {
    /// The root of a tree without leaves: the hash of nothing.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// Hashes parts one after another, as they are.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// Hashes a leaf.
    #[must_use]
    pub fn of_leaf(leaf: &[u8]) -> Self {
        Self::of(&[&[0], leaf])
    }

    /// Hashes two nodes that stand beside one another.
    #[must_use]
    pub fn of_pair(left: Self, right: Self) -> Self {
        Self::of(&[&[1], &left.0, &right.0])
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreeHash({self})")
    }
}

/// The text is not the base64 of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the base64 of a SHA-256 hash")]
pub struct InvalidHash;

impl FromStr for TreeHash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let bytes = STANDARD.decode(text).map_err(|_| InvalidHash)?;
        bytes.try_into().map(Self).map_err(|_| InvalidHash)
    }
}

impl Serialize for TreeHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TreeHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The leaves of a whole subtree: `2^level` of them, from `index * 2^level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) level: u32,
    pub(crate) index: u64,
}

/// The leaves `from..until`. Those that occur begin where a subtree of theirs may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leaves {
    pub(crate) from: u64,
    pub(crate) until: u64,
}

impl Leaves {
    /// Returns the whole subtrees that make up the leaves, from left to right: one for each bit of their number.
    pub(crate) fn nodes(self) -> Vec<Node> {
        let (mut at, mut nodes) = (self.from, Vec::new());
        while let Some(level) = (self.until - at).checked_ilog2() {
            nodes.push(Node { level, index: at >> level });
            at += 1 << level;
        }
        nodes
    }

    /// Splits more than one leaf as the tree does: the left part is the largest power of two that leaves something over.
    const fn split(self) -> (Self, Self) {
        let middle = self.from + (1 << (self.until - self.from - 1).ilog2());
        (Self { until: middle, ..self }, Self { from: middle, ..self })
    }
}

/// Returns the root over whole subtrees that stand beside one another, from left to right.
pub(crate) fn root_of(hashes: &[TreeHash]) -> TreeHash {
    hashes.iter().rev().copied().reduce(|right, left| TreeHash::of_pair(left, right)).unwrap_or(TreeHash::EMPTY)
}

/// Returns of which leaves the hashes are that prove a leaf to be in a tree, from the leaf's sibling up.
pub(crate) fn inclusion(index: u64, size: u64) -> Vec<Leaves> {
    let (mut leaves, mut path) = (Leaves { from: 0, until: size }, Vec::new());
    while index < size && leaves.until - leaves.from > 1 {
        let (left, right) = leaves.split();
        let within = if index < right.from { left } else { right };
        path.push(if index < right.from { right } else { left });
        leaves = within;
    }
    path.reverse();
    path
}

/// Returns of which leaves the hashes are that prove that the tree of `new` leaves goes on from the one of `old`.
pub(crate) fn consistency(old: u64, new: u64) -> Vec<Leaves> {
    if old == 0 || old >= new {
        return Vec::new();
    }
    let (mut leaves, mut path) = (Leaves { from: 0, until: new }, Vec::new());
    while leaves.until != old {
        let (left, right) = leaves.split();
        path.push(if old <= right.from { right } else { left });
        leaves = if old <= right.from { left } else { right };
    }
    // What is left is a subtree of both; where it is all of the old tree its hash is known.
    if leaves.from != 0 {
        path.push(leaves);
    }
    path.reverse();
    path
}

/// Checks that a leaf is at a place in a tree (RFC 9162, 2.1.3.2).
///
/// # Examples
/// ```
/// use whisp_core::audit::{TreeHash, includes};
/// let (a, b) = (TreeHash::of_leaf(b"a"), TreeHash::of_leaf(b"b"));
/// assert!(includes(TreeHash::of_pair(a, b), 2, 1, b, &[a]));
/// assert!(!includes(TreeHash::of_pair(a, b), 2, 0, b, &[a]));
/// ```
#[must_use]
pub fn includes(root: TreeHash, size: u64, index: u64, leaf: TreeHash, path: &[TreeHash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = TreeHash::of_pair(*sibling, hash);
            climb(&mut node, &mut last);
        } else {
            hash = TreeHash::of_pair(hash, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == root
}

/// Checks that a tree goes on from an older one: every leaf of the old one is where it was (RFC 9162, 2.1.4.2).
#[must_use]
pub fn goes_on(old: (u64, TreeHash), new: (u64, TreeHash), path: &[TreeHash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == new_size || old_size == 0 {
        return path.is_empty() && (old_size == 0 || old_root == new_root);
    }
    if old_size > new_size {
        return false;
    }
    // A whole old tree is a node of the new one, and its hash is known.
    let known = old_size.is_power_of_two().then_some(old_root);
    let mut path = known.iter().chain(path);
    let Some(first) = path.next() else { return false };
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut was, mut is) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            was = TreeHash::of_pair(*sibling, was);
            is = TreeHash::of_pair(*sibling, is);
            climb(&mut node, &mut last);
        } else {
            is = TreeHash::of_pair(is, *sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && was == old_root && is == new_root
}

/// Goes up to where a node is a right child, past the levels on which it has no sibling.
const fn climb(node: &mut u64, last: &mut u64) {
    while *node & 1 == 0 && *node != 0 {
        *node >>= 1;
        *last >>= 1;
    }
}

#[cfg(test)]
mod tests;
