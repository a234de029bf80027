//! What happened, in order: a hash of all of it, the last lines to read, and how often each thing was done.

use std::collections::{BTreeMap, VecDeque};

/// How many of the last lines a failure shows.
const LINES_MAX: usize = 60;

#[derive(Debug, Default)]
pub(crate) struct Trace {
    hash: u64,
    lines: VecDeque<String>,
    whole: bool,
    pub(crate) figures: Figures,
}

/// How often each thing was done.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Figures(pub(crate) BTreeMap<&'static str, u64>);

impl Trace {
    /// `whole` keeps every line, to read a seed from its beginning.
    pub(crate) fn new(whole: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, whole, ..Self::default() }
    }

    pub(crate) fn note(&mut self, line: String) {
        // FNV-1a (Fowler, Noll, Vo).
        for byte in line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if !self.whole && self.lines.len() >= LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

impl Figures {
    pub(crate) fn count(&mut self, what: &'static str) {
        self.more(what, 1);
    }

    pub(crate) fn more(&mut self, what: &'static str, by: u64) {
        *self.0.entry(what).or_default() += by;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            self.more(what, *count);
        }
    }
}
