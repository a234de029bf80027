//! Reads groups of digits as the numbers that they may be.

use std::cell::LazyCell;
use std::ops::Deref;

use super::tokens::{Token, digit, has_letters, is_invisible, look_alike};
use super::{BETWEEN_MESSAGES, Finding, FindingKind, checks};

/// The most digits that a number here has: a card's.
const DIGITS_MAX: usize = 19;

/// The fewest: a phone's in a town.
const DIGITS_MIN: usize = 6;

/// So many digits in a row are somebody's number, whatever it is.
const NUMBER_MIN: usize = 9;

/// So many visible characters may stand between two groups of one number: `) - `.
const GAP_MAX: usize = 4;

/// How many bytes before a short number are searched for a word that makes it a phone's.
const CUE_BYTES: usize = 48;

/// Words after which six or seven digits are a phone number, in small letters.
const PHONE_CUES: &[&str] = &[
    "тел",
    "звон",
    "позвон",
    "whatsapp",
    "ватсап",
    "вацап",
    "вотсап",
    "қоңырау",
    "хабарлас",
    "нөмірім",
    "номерім",
    "мой номер",
    "phone",
    "call me",
    "my number",
];

/// A group of digits.
#[derive(Debug, Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
    /// Where its first digit is among those of the run.
    first: usize,
    /// Whether a plus stands before it.
    plus: bool,
    /// The letters that stand right before it, in the same word.
    letters: usize,
}

/// Groups that may belong to one number, with their digits.
#[derive(Debug)]
struct Run {
    groups: Vec<Group>,
    /// How many digits each group has.
    sizes: Vec<usize>,
    digits: Vec<u8>,
}

/// Finds numbers.
pub(super) fn numbers(text: &str, tokens: &[Token], found: &mut Vec<Finding>) {
    let mut run = Run::of(tokens.len());
    let mut last = 0;
    for token in tokens {
        let word = text.get(token.start..token.end).unwrap_or_default();
        let gap = text.get(last..token.start).unwrap_or_default();
        if !is_joint(gap) || gap.trim_end().ends_with('+') {
            run.read(text, found);
        }
        let plus = gap.trim_end_matches(is_invisible).trim_end_matches(['(', ' ']).ends_with('+');
        if token.letters == 0 && token.digits > token.look_alikes {
            run.push(token.start, word, plus, 0, true);
            last = token.end;
            continue;
        }
        // Letters break a number, but what is glued to them may be one.
        run.read(text, found);
        let mut rest = word;
        while let Some(at) = rest.find(|c| digit(c).is_some()) {
            let (letters, from) = rest.split_at(at);
            let length = from.find(|c| digit(c).is_none()).unwrap_or(from.len());
            let (digits, after) = from.split_at(length);
            let start = token.end - from.len();
            let is_first = start - letters.len() == token.start;
            run.push(
                start,
                digits,
                plus && start == token.start,
                if is_first { letters.chars().count() } else { 9 },
                false,
            );
            if !after.is_empty() {
                run.read(text, found);
            }
            rest = after;
        }
        last = token.end;
    }
    run.read(text, found);
}

/// Returns whether what stands between two groups may stand inside of a number.
fn is_joint(gap: &str) -> bool {
    let mut seen = 0;
    for c in gap.chars() {
        let joins = c.is_whitespace()
            || matches!(c, '-' | '.' | '(' | ')' | '+' | '_' | '\u{2010}'..='\u{2015}' | '\u{2212}' | BETWEEN_MESSAGES);
        if !is_invisible(c) {
            seen += 1;
        }
        if !(joins || is_invisible(c)) || seen > GAP_MAX {
            return false;
        }
    }
    true
}

impl Run {
    /// An empty one with room for so many groups.
    fn of(groups: usize) -> Self {
        let (sizes, digits) = (Vec::with_capacity(groups), Vec::with_capacity(groups * DIGITS_MIN));
        Self { groups: Vec::with_capacity(groups), sizes, digits }
    }

    fn push(&mut self, start: usize, word: &str, plus: bool, letters: usize, fold: bool) {
        let first = self.digits.len();
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            self.digits.extend(word.bytes().map(|byte| byte - b'0'));
        } else {
            self.digits.extend(word.chars().filter_map(|c| digit(c).or_else(|| look_alike(c).filter(|_| fold))));
        }
        self.sizes.push(self.digits.len() - first);
        self.groups.push(Group { start, end: start + word.len(), first, plus, letters });
    }

    /// Finds the numbers in the run, the longest from each group on, and empties it.
    fn read(&mut self, text: &str, found: &mut Vec<Finding>) {
        let mut at = 0;
        while let (Some(first), Some(size)) = (self.groups.get(at), self.sizes.get(at)) {
            let cue = LazyCell::new(|| is_cued(text, first));
            let ends = self.groups.iter().zip(&self.sizes).skip(at).map(|(group, size)| group.first + size);
            let fitting = ends.take_while(|end| end - first.first <= DIGITS_MAX).count();
            // Most numbers are as long as their run, so that nothing shorter is looked at.
            let longest = (at..at + fitting).rev().find_map(|place| {
                let last = self.groups.get(place)?;
                let digits = self.digits.get(first.first..last.first + self.sizes.get(place)?)?;
                let kind = classify(text, digits, self.groups.get(at..=place)?, self.sizes.get(at..=place)?, &cue)?;
                Some((kind, place, last.end))
            });
            let (kind, place, end) = match longest {
                Some(longest) => longest,
                None if *size >= NUMBER_MIN => (FindingKind::Number, at, first.end),
                None => {
                    at += 1;
                    continue;
                }
            };
            let letters = if kind == FindingKind::Document { first.letters } else { 0 };
            found.push(Finding { kind, range: back(text, first, letters)..end });
            at = place + 1;
        }
        self.sizes.clear();
        self.groups.clear();
        self.digits.clear();
    }
}

/// Returns where a number begins: with its plus, and the letters of a document.
fn back(text: &str, first: &Group, letters: usize) -> usize {
    let before = text.get(..first.start).unwrap_or_default();
    if letters > 0 {
        return before.char_indices().rev().take(letters).last().map_or(first.start, |(at, _)| at);
    }
    if first.plus { before.rfind('+').unwrap_or(first.start) } else { first.start }
}

/// Says what the digits of some groups are, if anything.
fn classify(
    text: &str,
    digits: &[u8],
    groups: &[Group],
    shape: &[usize],
    is_cued: &impl Deref<Target = bool>,
) -> Option<FindingKind> {
    let first = groups.first().filter(|_| digits.len() >= DIGITS_MIN)?;
    if matches!(first.letters, 1 | 2) && groups.len() == 1 && (DIGITS_MIN..=9).contains(&digits.len()) {
        return Some(FindingKind::Document);
    }
    if digits.len() == 11 && checks::snils(digits) && (shape == [3, 3, 3, 2] || !is_phone(digits, shape, first.plus)) {
        return Some(FindingKind::SocialId);
    }
    if is_phone(digits, shape, first.plus) {
        return Some(FindingKind::Phone);
    }
    match digits.len() {
        6 | 7 if shape == [3, 2, 2] && is_dashed(text, groups) || **is_cued => Some(FindingKind::Phone),
        10 if shape == [4, 6] || shape == [2, 2, 6] => Some(FindingKind::Document),
        10 if groups.len() == 1 && checks::russian_tax_id(digits) => Some(FindingKind::TaxId),
        12 if checks::kazakh_id(digits) => Some(FindingKind::NationalId),
        12 if checks::russian_tax_id(digits) => Some(FindingKind::TaxId),
        13..=DIGITS_MAX if checks::luhn(digits) => Some(FindingKind::Card),
        // Written as a card's or an IIN's is, with a typing error.
        16 if shape == [4, 4, 4, 4] => Some(FindingKind::Card),
        12 if shape == [6, 6] || shape == [6, 3, 3] => Some(FindingKind::Number),
        _ => None,
    }
}

/// Returns whether the digits are a phone number: E.164 after a plus or two zeros, else one of Kazakhstan, Russia or Ukraine.
fn is_phone(digits: &[u8], shape: &[usize], plus: bool) -> bool {
    // A sum of money: `7 000 000 000`.
    let is_sum = shape.len() > 2 && shape.iter().skip(1).all(|group| *group == 3) && shape.first() != Some(&3);
    match digits {
        [7, ..] if plus => digits.len() == 11,
        _ if plus => (8..=15).contains(&digits.len()),
        _ if is_sum => false,
        [7 | 8, 3..=9, ..] if digits.len() == 11 => true,
        // National: mobile and city codes of Kazakhstan, mobile ones of Russia, all of Ukraine.
        [7, 0 | 1 | 2 | 4 | 7, ..] | [9, ..] | [0, 3..=9, ..] if digits.len() == 10 => {
            shape.first().is_some_and(|group| *group == 3 || *group == 10)
        }
        [3, 8, 0, ..] | [9, 9, 2 | 3 | 4 | 5 | 6 | 8, ..] => digits.len() == 12,
        [0, 0, 1..=9, ..] => (11..=17).contains(&digits.len()),
        [8, 1, 0, 1..=9, ..] => (12..=17).contains(&digits.len()),
        _ => false,
    }
}

/// Returns whether the groups have dashes between them: `234-56-78`.
fn is_dashed(text: &str, groups: &[Group]) -> bool {
    groups.windows(2).all(|pair| match pair {
        [one, other] => text.get(one.end..other.start).is_some_and(|gap| gap == "-"),
        _ => false,
    })
}

/// Returns whether a word before the number says that one can call it.
fn is_cued(text: &str, first: &Group) -> bool {
    let before = text.get(..first.start).unwrap_or_default();
    let mut from = before.len().saturating_sub(CUE_BYTES);
    while !before.is_char_boundary(from) {
        from += 1;
    }
    let before = before.get(from..).unwrap_or_default();
    if !has_letters(before) {
        return false;
    }
    let before = before.to_lowercase();
    PHONE_CUES.iter().any(|cue| before.contains(cue))
}
