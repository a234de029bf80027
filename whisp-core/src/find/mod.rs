//! What in a text says who somebody is, or is nobody's business: numbers and addresses of people, special categories.
//!
//! No list of names and no model: digits with their check digits, shapes, and words. It knows the numbers of Kazakhstan and
//! Russia, cards, IBANs, and E.164; it does not know postal addresses, numbers written in words, and names that nobody told it.

mod checks;
mod digits;
mod name;
mod special;
mod tokens;

use std::ops::Range;

pub use name::find_name;
pub use special::{SpecialKind, special};

/// What a piece of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// The number of a payment card: 13 to 19 digits with the check digit of ISO/IEC 7812-1.
    Card,
    /// The number of a passport or an identity card.
    Document,
    /// An e-mail address.
    Email,
    /// An account: an IBAN with the check digits of ISO 13616, and whatever has the shape of a Kazakh one.
    Iban,
    /// The name of somebody whose name is known: [`find_name`] finds it, [`find`] does not.
    Name,
    /// An individual or business identification number of Kazakhstan (IIN, BIN).
    NationalId,
    /// A number of 9 digits or more that is nothing else here: an account, an order, a number with a typing error.
    Number,
    /// A phone number.
    Phone,
    /// A Russian insurance number (SNILS).
    SocialId,
    /// A Russian taxpayer's number (INN).
    TaxId,
}

impl FindingKind {
    /// Returns its name in capitals, as in the marks that stand for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Card => "CARD",
            Self::Document => "DOCUMENT",
            Self::Email => "EMAIL",
            Self::Iban => "IBAN",
            Self::Name => "NAME",
            Self::NationalId => "ID",
            Self::Number => "NUMBER",
            Self::Phone => "PHONE",
            Self::SocialId => "SNILS",
            Self::TaxId => "TAX",
        }
    }

    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Card,
        Self::Document,
        Self::Email,
        Self::Iban,
        Self::Name,
        Self::NationalId,
        Self::Number,
        Self::Phone,
        Self::SocialId,
        Self::TaxId,
    ];
}

/// A piece of a text that says who somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// Where, in bytes.
    pub range: Range<usize>,
}

/// Stands between two messages of one person: numbers are found across it, words and addresses are not.
pub const BETWEEN_MESSAGES: char = '\u{1f}';

/// Finds what says who somebody is, in the order of the text, without overlaps. It takes time by the length of the text.
///
/// Digits are read in whatever script, full width too, with zero-width characters and separators between them, and with
/// letters that look like digits among them (`8 7O1 ...`), but nowhere else.
///
/// # Examples
/// ```
/// use whisp_core::find::{FindingKind, find};
/// let text = "Позвоните: 8 (701) 234-56-78, стол на 4";
/// let found = find(text);
/// assert_eq!((found.len(), found[0].kind), (1, FindingKind::Phone));
/// assert_eq!(&text[found[0].range.clone()], "8 (701) 234-56-78");
/// ```
#[must_use]
pub fn find(text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    tokens::emails(text, &mut found);
    let tokens = tokens::with_digits(text);
    if !tokens.is_empty() {
        tokens::ibans(text, &tokens, &mut found);
        digits::numbers(text, &tokens, &mut found);
    }
    if found.len() > 1 {
        // The longer of two that overlap; of two as long, the one found first: it has more to go by.
        found.sort_by_key(|finding| (finding.range.start, std::cmp::Reverse(finding.range.end)));
        let mut end = 0;
        found.retain(|finding| {
            let apart = finding.range.start >= end;
            end = end.max(finding.range.end);
            apart
        });
    }
    found
}

/// Returns a text as digits and letters alone, so that one number is one however it is written. Of a phone number the last
/// ten digits count.
pub(crate) fn plain(kind: FindingKind, text: &str) -> String {
    let mut plain: String = text.chars().filter(|c| c.is_alphanumeric() || *c == '@' || *c == '.').collect();
    if !matches!(kind, FindingKind::Email) {
        let fold = |c: char| tokens::digit(c).or_else(|| tokens::look_alike(c).filter(|_| kind != FindingKind::Iban));
        plain =
            plain.chars().filter(|c| *c != '.').map(|c| fold(c).map_or(c, |digit| char::from(b'0' + digit))).collect();
    }
    if kind == FindingKind::Phone && plain.len() > 10 && plain.is_ascii() {
        plain.drain(..plain.len() - 10);
    }
    plain.to_lowercase()
}

#[cfg(test)]
mod tests;
