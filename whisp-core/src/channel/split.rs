//! Cuts a long text into parts that each fit a channel.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use super::TextLimit;

impl TextLimit {
    /// Returns how long `text` is in the unit of this limit.
    #[must_use]
    pub fn measure(self, text: &str) -> usize {
        match self {
            Self::Bytes(_) => text.len(),
            Self::Chars(_) => text.chars().count(),
        }
    }

    /// Returns the limit as a number of its unit.
    #[must_use]
    pub const fn max(self) -> usize {
        match self {
            Self::Bytes(max) | Self::Chars(max) => max,
        }
    }

    /// Returns whether `text` can be sent as one message.
    ///
    /// # Examples
    /// ```
    /// use whisp_core::channel::TextLimit;
    /// assert!(TextLimit::Chars(2).fits("да"));
    /// assert!(!TextLimit::Bytes(2).fits("да"));
    /// ```
    #[must_use]
    pub fn fits(self, text: &str) -> bool {
        self.measure(text) <= self.max()
    }

    /// Cuts `text` into parts that fit, at the last border of a paragraph, else of a sentence, else of a word, else of
    /// a grapheme. The parts put together are `text` again, character for character, and no grapheme is cut: one that
    /// alone is longer than the limit stands in a part of its own, which a channel then refuses.
    ///
    /// An empty text has no parts.
    ///
    /// # Examples
    /// ```
    /// use whisp_core::channel::TextLimit;
    /// let parts = TextLimit::Chars(20).split("We open at nine. On Sunday we are closed.");
    /// assert_eq!(parts, ["We open at nine. ", "On Sunday we are ", "closed."]);
    /// ```
    #[must_use]
    pub fn split(self, text: &str) -> Vec<String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !self.fits(rest) {
            let (part, after) = rest.split_at(self.cut(rest));
            parts.push(part.to_owned());
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(rest.to_owned());
        }
        parts
    }

    /// Returns where to cut a text that does not fit: a border of graphemes, after the start.
    fn cut(self, text: &str) -> usize {
        let longest = self.longest(text);
        paragraph(text, longest).or_else(|| sentence(text, longest)).or_else(|| word(text, longest)).unwrap_or(longest)
    }

    /// Returns the end of the longest run of whole graphemes that fits, at least of the first one.
    fn longest(self, text: &str) -> usize {
        let mut used = 0;
        let mut end = 0;
        for grapheme in text.graphemes(true) {
            used += self.measure(grapheme);
            if used > self.max() && end > 0 {
                break;
            }
            end += grapheme.len();
            if used > self.max() {
                break;
            }
        }
        end
    }
}

fn paragraph(text: &str, longest: usize) -> Option<usize> {
    let borders = text.match_indices("\n\n").map(|(at, border)| at + border.len());
    last(text, longest, borders)
}

fn sentence(text: &str, longest: usize) -> Option<usize> {
    last(text, longest, text.split_sentence_bound_indices().map(|(at, _)| at))
}

/// A border beside white space; where the script puts none between words, any border of words.
fn word(text: &str, longest: usize) -> Option<usize> {
    let borders = || text.split_word_bound_indices().map(|(at, _)| at);
    let spaced = borders().filter(|&at| {
        let (before, after) = text.split_at(at);
        before.ends_with(char::is_whitespace) || after.starts_with(char::is_whitespace)
    });
    last(text, longest, spaced).or_else(|| last(text, longest, borders()))
}

/// Returns the last border up to `longest` that cuts no grapheme and leaves something to read before it.
fn last(text: &str, longest: usize, borders: impl Iterator<Item = usize>) -> Option<usize> {
    let first_word = text.len() - text.trim_start().len();
    borders
        .take_while(|&at| at <= longest)
        .filter(|&at| at > first_word)
        .filter(|&at| GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0).unwrap_or(false))
        .last()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation;

    use super::TextLimit;

    #[test]
    fn paragraphs_are_cut_before_sentences_and_words() {
        let text = "One. Two.\n\nThree and four.";
        assert_eq!(TextLimit::Chars(20).split(text), ["One. Two.\n\n", "Three and four."]);
        assert_eq!(TextLimit::Chars(7).split(text), ["One. ", "Two.\n\n", "Three ", "and ", "four."]);
    }

    #[test]
    fn a_word_longer_than_the_limit_is_cut_between_graphemes() {
        assert_eq!(TextLimit::Bytes(4).split("кот👩‍👩‍👧"), ["ко", "т", "👩‍👩‍👧"]);
    }

    #[test]
    fn what_fits_is_one_part_and_nothing_is_none() {
        assert_eq!(TextLimit::Chars(5).split("hello"), ["hello"]);
        assert!(TextLimit::Chars(5).split("").is_empty());
    }

    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\n\n".to_owned()),
            Just(" ".to_owned()),
            Just(". ".to_owned()),
            Just("👨‍👩‍👧‍👦".to_owned()),
            Just("क्षि".to_owned()),
            Just("\u{600}1".to_owned()),
            "[a-zà-öа-я一-丂]{1,12}",
            any::<String>(),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn parts_fit_lose_nothing_and_cut_no_grapheme(text in text(), max in 1_usize..60, bytes: bool) {
            let limit = if bytes { TextLimit::Bytes(max) } else { TextLimit::Chars(max) };
            let parts = limit.split(&text);
            prop_assert_eq!(parts.concat(), text.as_str());
            let borders: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
            let mut at = 0;
            for part in &parts {
                prop_assert!(limit.fits(part) || part.graphemes(true).count() == 1);
                prop_assert!(borders.binary_search(&at).is_ok());
                at += part.len();
            }
        }
    }
}
