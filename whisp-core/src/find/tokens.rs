//! Cuts a text into words that hold digits, and reads what has a shape of its own: e-mail addresses and accounts.

use super::{BETWEEN_MESSAGES, Finding, FindingKind, checks};

/// A word with a digit in it: letters and digits without anything between them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) start: usize,
    pub(super) end: usize,
    /// How many digits it has.
    pub(super) digits: usize,
    /// How many letters that look like digits.
    pub(super) look_alikes: usize,
    /// How many other letters.
    pub(super) letters: usize,
}

/// Reads a digit of whatever script people type in.
pub(super) const fn digit(c: char) -> Option<u8> {
    let zero = match c {
        '0'..='9' => '0',
        // Arabic, Persian, Devanagari, Bengali, Thai, full width.
        '\u{660}'..='\u{669}' => '\u{660}',
        '\u{6f0}'..='\u{6f9}' => '\u{6f0}',
        '\u{966}'..='\u{96f}' => '\u{966}',
        '\u{9e6}'..='\u{9ef}' => '\u{9e6}',
        '\u{e50}'..='\u{e59}' => '\u{e50}',
        '\u{ff10}'..='\u{ff19}' => '\u{ff10}',
        // Bold, outlined and other digits of mathematics, ten by ten.
        '\u{1d7ce}'..='\u{1d7ff}' => return Some(((c as u32 - 0x1d7ce) % 10) as u8),
        _ => return None,
    };
    Some((c as u32 - zero as u32) as u8)
}

/// Reads a letter that looks like a digit, Latin, Cyrillic or Greek.
pub(super) const fn look_alike(c: char) -> Option<u8> {
    Some(match c {
        'O' | 'o' | 'О' | 'о' | 'Ο' | 'ο' => 0,
        'I' | 'l' | 'І' | 'і' | 'Ι' => 1,
        'З' | 'з' => 3,
        'Ч' | 'ч' => 4,
        'S' => 5,
        'Б' | 'б' => 6,
        'B' | 'В' => 8,
        _ => return None,
    })
}

/// Returns whether it is a letter or a digit; soon for those that are met most.
fn is_word(c: char) -> bool {
    match c {
        '\0'..='\u{7f}' => c.is_ascii_alphanumeric(),
        '\u{400}'..='\u{481}' | '\u{48a}'..='\u{52f}' => true,
        _ => c.is_alphanumeric(),
    }
}

/// Returns whether there may be a letter. It does not stop at the first, so that it looks at many bytes at a time: a text
/// without letters is what it is there for, and the others are short.
pub(super) fn has_letters(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | byte.is_ascii_alphabetic() | !byte.is_ascii())
}

/// Returns the words that hold a digit.
pub(super) fn with_digits(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    // The first bytes of every digit that `digit` reads; those of Cyrillic letters are others.
    if !text.bytes().any(|byte| matches!(byte, b'0'..=b'9' | 0xd9 | 0xdb | 0xe0 | 0xef | 0xf0)) {
        return tokens;
    }
    let none = Token { start: 0, end: 0, digits: 0, look_alikes: 0, letters: 0 };
    let mut token = none;
    let mut inside = false;
    for (at, c) in text.char_indices() {
        if !is_word(c) {
            if inside && token.digits > 0 {
                tokens.push(token);
            }
            inside = false;
            continue;
        }
        if !inside {
            token = Token { start: at, ..none };
            inside = true;
        }
        token.end = at + c.len_utf8();
        // Most letters are Cyrillic or Latin, and none of those is a digit.
        if c.is_ascii_digit() || c > '\u{52f}' && digit(c).is_some() {
            token.digits += 1;
        } else if look_alike(c).is_some() {
            token.look_alikes += 1;
        } else {
            token.letters += 1;
        }
    }
    if inside && token.digits > 0 {
        tokens.push(token);
    }
    tokens
}

/// Finds e-mail addresses.
pub(super) fn emails(text: &str, found: &mut Vec<Finding>) {
    let mut from = 0;
    let sign = |rest: &str| rest.find('@').into_iter().chain(rest.find('＠')).min();
    while let Some(at) = text.get(from..).and_then(sign).map(|at| from + at) {
        let (before, after) = text.split_at(at);
        let sign = after.chars().next().map_or(1, char::len_utf8);
        from = at + sign;
        let is_name = |c: char| is_word(c) || matches!(c, '.' | '_' | '%' | '+' | '-');
        let is_host = |c: char| is_word(c) || matches!(c, '.' | '-');
        let name = before.len() - before.trim_end_matches(is_name).len();
        let rest = after.get(sign..).unwrap_or_default();
        let host = rest.get(..rest.len() - rest.trim_start_matches(is_host).len()).unwrap_or_default();
        let host = host.trim_end_matches(['.', '-']);
        let top = host.rsplit('.').next().map_or(0, |top| top.chars().count());
        if name > 0 && host.contains('.') && top >= 2 {
            from += host.len();
            found.push(Finding { kind: FindingKind::Email, range: at - name..from });
        }
    }
}

/// The longest account number (ISO 13616).
const IBAN_MAX: usize = 34;

/// How long the accounts of some countries are (the IBAN registry of SWIFT): a number that goes on after the
/// account ends there. Those of others are as long as their check digits hold.
const IBAN_LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AE", 23),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BY", 28),
    (b"CH", 21),
    (b"DE", 22),
    (b"ES", 24),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"IT", 27),
    (b"KZ", 20),
    (b"LT", 20),
    (b"LV", 21),
    (b"NL", 18),
    (b"PL", 28),
    (b"TR", 26),
    (b"UA", 29),
];

/// Finds accounts: two letters, two check digits, and what follows, in groups or not.
pub(super) fn ibans(text: &str, tokens: &[Token], found: &mut Vec<Finding>) {
    let mut end = 0;
    for token in tokens.iter().filter(|token| token.letters + token.look_alikes >= 2 && token.digits >= 2) {
        if token.start < end {
            continue;
        }
        if let Some(to) = iban_at(text, token.start) {
            end = to;
            found.push(Finding { kind: FindingKind::Iban, range: token.start..to });
        }
    }
}

/// Returns where the account ends that begins here.
fn iban_at(text: &str, start: usize) -> Option<usize> {
    let mut characters = Vec::with_capacity(IBAN_MAX);
    let mut gap = 0;
    let mut end = None;
    for (at, c) in text.get(start..)?.char_indices() {
        let Some(read) = capital(c) else {
            gap += 1;
            let between = matches!(c, ' ' | '-' | '\u{a0}' | BETWEEN_MESSAGES) || is_invisible(c);
            if gap > 2 || !between {
                break;
            }
            continue;
        };
        gap = 0;
        characters.push(read);
        let place = characters.len();
        let fits = match place {
            1 | 2 => read.is_ascii_uppercase(),
            3 | 4 => read.is_ascii_digit(),
            _ => true,
        };
        if !fits || place > IBAN_MAX {
            break;
        }
        let country = characters.get(..2).unwrap_or_default();
        let length = IBAN_LENGTHS.iter().find(|(known, _)| country == *known).map(|(_, length)| *length);
        // A Kazakh account with a typing error is one all the same: its bank has three digits.
        let is_kazakh =
            country == b"KZ" && characters.get(4..7).is_some_and(|bank| bank.iter().all(u8::is_ascii_digit));
        let is_whole = length.map_or(place >= 15, |length| place == length);
        if is_whole && (is_kazakh || checks::iban(&characters)) {
            end = Some(start + at + c.len_utf8());
        }
        if length.is_some_and(|length| place >= length) {
            break;
        }
    }
    end
}

/// Reads a character of an account number, whose letters may be Cyrillic ones that look the same.
fn capital(c: char) -> Option<u8> {
    if let Some(digit) = digit(c) {
        return Some(b'0' + digit);
    }
    Some(match c {
        'a'..='z' | 'A'..='Z' => c.to_ascii_uppercase() as u8,
        'А' | 'а' => b'A',
        'В' => b'B',
        'Е' | 'е' => b'E',
        'К' | 'к' => b'K',
        'М' => b'M',
        'Н' => b'H',
        'О' | 'о' => b'O',
        'Р' | 'р' => b'P',
        'С' | 'с' => b'C',
        'Т' => b'T',
        'Х' | 'х' => b'X',
        _ => return None,
    })
}

/// Characters that nobody sees: zero-width ones, soft hyphens, variation selectors, the frame of a key.
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{fe0e}' | '\u{fe0f}' | '\u{20e3}')
}
