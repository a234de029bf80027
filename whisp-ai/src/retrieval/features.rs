//! What of a text is compared: its words, pairs of words, and pieces of words.

use crate::text;

/// Shortest and longest piece of a word, in characters with the borders of the word.
const PIECE: std::ops::RangeInclusive<usize> = 3..=5;
/// The length of the pieces by which answers are found.
pub(super) const ANSWER_PIECE: usize = 4;

/// A feature as the FNV-1a hash of its kind and characters: the same on every platform and in every version.
pub(super) type Feature = u64;

/// The features of one text, each once, in two blocks that weigh the same.
#[derive(Debug, Default)]
pub(super) struct Features {
    pub(super) words: Vec<Feature>,
    pub(super) pieces: Vec<Feature>,
}

impl Features {
    pub(super) fn of(words: &[String]) -> Self {
        let mut features = Self::default();
        for (i, word) in words.iter().enumerate() {
            features.words.push(Fnv::new(b'w').text(word).0);
            if let Some(next) = words.get(i + 1) {
                features.words.push(Fnv::new(b'p').text(word).text(" ").text(next).0);
            }
            pieces(word, &PIECE, &mut features.pieces);
        }
        for block in [&mut features.words, &mut features.pieces] {
            block.sort_unstable();
            block.dedup();
        }
        features
    }
}

/// The pieces by which an answer is found, each as often as it occurs. They are features of questions too.
pub(super) fn answer_pieces(text: &str) -> Vec<Feature> {
    let mut out = Vec::new();
    for word in text::words(&text::normalize(text)) {
        pieces(&word, &(ANSWER_PIECE..=ANSWER_PIECE), &mut out);
    }
    out.sort_unstable();
    out
}

fn pieces(word: &str, lengths: &std::ops::RangeInclusive<usize>, out: &mut Vec<Feature>) {
    let chars: Vec<char> = std::iter::once(' ').chain(word.chars()).chain(std::iter::once(' ')).collect();
    for start in 0..chars.len() {
        let mut hash = Fnv::new(b'c');
        for (length, c) in (1..=*lengths.end()).zip(chars.iter().skip(start)) {
            hash = hash.char(*c);
            if lengths.contains(&length) {
                out.push(hash.0);
            }
        }
    }
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo).
#[derive(Clone, Copy)]
struct Fnv(u64);

impl Fnv {
    const fn new(kind: u8) -> Self {
        Self(0xcbf2_9ce4_8422_2325).byte(kind)
    }

    const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3))
    }

    fn char(self, c: char) -> Self {
        u32::from(c).to_le_bytes().into_iter().take(3).fold(self, Self::byte)
    }

    fn text(self, text: &str) -> Self {
        text.chars().fold(self, Self::char)
    }
}
