//! One way to write a text, so that two people who mean the same word write the same characters.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// No more characters of a question are looked at: longer ones are not one question.
pub const TEXT_CHARS_MAX: usize = 2_000;

/// Brings a text into the form that is compared: NFKC, lower case, accents of Latin letters dropped (people leave them
/// out on a phone), ё as е, Arabic letters in their plain form, digits in ASCII, three or more equal letters as two.
/// Marks of other scripts stay: Hindi is unreadable without them.
pub(crate) fn normalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(TEXT_CHARS_MAX * 4));
    let mut latin = false;
    let mut run = (char::MAX, 0);
    for c in text.chars().take(TEXT_CHARS_MAX).nfkd().flat_map(char::to_lowercase) {
        if is_dropped(c) {
            continue;
        }
        if matches!(c, '\u{300}'..='\u{36f}') {
            if latin {
                continue;
            }
        } else {
            latin = c.is_ascii_alphabetic() || c == 'ı';
        }
        let c = plain(c);
        run = if run.0 == c { (c, run.1 + 1) } else { (c, 1) };
        if run.1 <= 2 || !c.is_alphabetic() {
            out.push(c);
        }
    }
    // Composed again, so that й is one letter; ё has become one here and loses its dots.
    out.nfc().map(|c| if c == 'ё' { 'е' } else { c }).collect()
}

/// Soft hyphens, zero-width spaces, direction controls, the Arabic vowel signs and the tatweel.
fn is_dropped(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{feff}' | '\u{640}' | '\u{64b}'..='\u{655}' | '\u{670}')
}

fn plain(c: char) -> char {
    match c {
        'ı' => 'i',
        'ß' => 's',
        'ى' | 'ی' => 'ي',
        'ة' => 'ه',
        'ک' => 'ك',
        'ٱ' => 'ا',
        '\u{660}'..='\u{669}' => ascii_digit(c, 0x660),
        '\u{6f0}'..='\u{6f9}' => ascii_digit(c, 0x6f0),
        '\u{966}'..='\u{96f}' => ascii_digit(c, 0x966),
        _ => c,
    }
}

fn ascii_digit(c: char, zero: u32) -> char {
    char::from_digit(u32::from(c).saturating_sub(zero), 10).unwrap_or(c)
}

/// Returns whether a character is part of a word: a letter, a digit, a mark on one, or a joiner inside one.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c) || matches!(c, '\u{200c}' | '\u{200d}')
}

/// Splits a normalized text into its words. Apostrophes inside a word are skipped: `don't` is `dont`.
pub(crate) fn words(normalized: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in normalized.chars() {
        if is_word(c) {
            word.push(c);
        } else if !matches!(c, '\'' | '’' | 'ʼ') && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Returns the words of a text, one space between them: two texts with the same key say the same.
pub(crate) fn key(text: &str) -> String {
    words(&normalize(text)).join(" ")
}

/// Returns the numbers in a text, each written one way: `1,500`, `1 500` and `1,50,000` (as in India) without what separates
/// their thousands, `1,5` as 1.5 and never as 15, `4.00` as 4. `1.500` may be either and is taken for 1500. The parts of a date
/// stay apart: `12.05.2026`.
pub(crate) fn numbers(text: &str) -> Vec<String> {
    let chars: Vec<char> = normalize(text).chars().collect();
    let mut numbers = Vec::new();
    let mut number = String::new();
    let digit = |i: usize| chars.get(i).is_some_and(char::is_ascii_digit);
    // `1 500`: what separates thousands is dropped where exactly three digits follow it, or, after a comma, pairs before them.
    let thousands = |mut i: usize| {
        while chars.get(i) == Some(&',') && digit(i + 1) && digit(i + 2) && chars.get(i + 3) == Some(&',') {
            i += 3;
        }
        digit(i + 1) && digit(i + 2) && digit(i + 3) && !digit(i + 4)
    };
    for (i, &c) in chars.iter().enumerate() {
        if c.is_ascii_digit() {
            number.push(c);
        } else if number.is_empty()
            // There are no thousands after a point.
            || (matches!(c, '.' | ',' | '\'' | '’' | ' ') && thousands(i) && !number.contains('.'))
        {
            // Inside a number, or nowhere near one.
        } else if matches!(c, '.' | ',') && digit(i + 1) {
            number.push('.');
        } else {
            numbers.push(shortest(&std::mem::take(&mut number)));
        }
    }
    if !number.is_empty() {
        numbers.push(shortest(&number));
    }
    numbers
}

/// Drops a fraction of nothing: 4.00 is 4. Not the zero of 4.50, which may be the one of 1.10, a day of October.
fn shortest(number: &str) -> String {
    match number.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        _ => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn people_who_type_differently_write_the_same_words() {
        for (one, other) in [
            ("¿Cuánto cuesta?", "cuanto cuesta"),
            ("Ещё", "еще"),
            ("İSTANBUL", "istanbul"),
            ("don't", "don’t"),
            ("ＨＥＬＬＯ", "hello"),
            ("heeeeello", "heello"),
            ("أين", "اين"),
            ("१२", "12"),
        ] {
            assert_eq!(key(one), key(other), "{one}");
        }
    }

    #[test]
    fn the_marks_of_hindi_and_the_breve_of_russian_stay() {
        assert_eq!(words(&normalize("कीमत क्या है?")), ["कीमत", "क्या", "है"]);
        assert_eq!(key("Мой"), "мой");
    }

    #[test]
    fn numbers_lose_what_separates_their_thousands_and_keep_their_point() {
        assert_eq!(numbers("1,500.50 or 1 500 or 24/7, ٣٠"), ["1500.50", "1500", "24", "7", "30"]);
        assert_eq!(numbers("1.500,55, 1'500.55; 1.500 and 1,234,567"), ["1500.55", "1500.55", "1500", "1234567"]);
        assert_eq!(numbers("1,5 is 1.5, 4.00 is 4."), ["1.5", "1.5", "4", "4"]);
        assert_eq!(numbers("1,50,000 is 150000, 12,34,56,789"), ["150000", "150000", "123456789"]);
        assert_eq!(numbers("12.05.2026, 10:00, 5'10, 1.5 500"), ["12.05.2026", "10", "00", "5", "10", "1.5", "500"]);
        assert_eq!(numbers("7 (701) 123-45-67"), ["7", "701", "123", "45", "67"]);
        assert_eq!(numbers("no number"), Vec::<String>::new());
    }

    #[test]
    fn what_only_looks_like_another_number_is_not_that_number() {
        for (one, other) in
            [("1.5", "15"), ("4.50", "450"), ("12.05.2026", "12052026"), ("1.10", "1.1"), ("1.2.345", "1.2345")]
        {
            assert_ne!(numbers(one), numbers(other), "{one}");
        }
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(text in "[^'’ʼ]{0,60}") {
            let once = key(&text);
            prop_assert_eq!(key(&once), once);
        }
    }
}
