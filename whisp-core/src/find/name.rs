//! Finds a name that is known, such as that of a contact's profile, also with the endings of Russian and Kazakh.

use super::{Finding, FindingKind};

/// A name of fewer letters is too often another word.
const NAME_MIN: usize = 3;

/// From so many letters on the last vowel of a name may change: `Марина`, `Марины`.
const BENDS_MIN: usize = 5;

/// So many letters may follow: `Айгерімнің` has three.
const ENDING_MAX: usize = 3;

/// Finds the words of a name in a text, whatever their case.
///
/// # Examples
/// ```
/// use whisp_core::find::find_name;
/// let text = "это Айгерим, заказ для Айгерим К.";
/// assert_eq!(find_name(text, "Айгерим 🌸").len(), 2);
/// assert!(find_name("это она", "О").is_empty());
/// ```
#[must_use]
pub fn find_name(text: &str, name: &str) -> Vec<Finding> {
    let stems: Vec<(String, usize)> =
        words(name).map(|(_, word)| stem(word)).filter(|(_, length)| *length >= NAME_MIN).collect();
    if stems.is_empty() {
        return Vec::new();
    }
    let is_name = |word: &str| {
        let word = word.to_lowercase();
        let length = word.chars().count();
        stems.iter().any(|(stem, name)| length <= name + ENDING_MAX && word.starts_with(stem.as_str()))
    };
    words(text)
        .filter(|(_, word)| is_name(word))
        .map(|(start, word)| Finding { kind: FindingKind::Name, range: start..start + word.len() })
        .collect()
}

/// Returns the words of a text, and where they begin.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    text.split(|c: char| !c.is_alphabetic()).filter_map(move |word| {
        let start = from;
        from += word.len();
        from += text.get(from..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        (!word.is_empty()).then_some((start, word))
    })
}

/// Returns the part of a name that does not change, in small letters, and how many letters the whole has.
fn stem(word: &str) -> (String, usize) {
    let mut word = word.to_lowercase();
    let length = word.chars().count();
    if length >= BENDS_MIN && word.ends_with(['а', 'я', 'о', 'е', 'и', 'й', 'ь', 'a', 'e', 'o', 'i', 'y']) {
        word.pop();
    }
    (word, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_with_its_endings_and_not_in_other_words() {
        let found = |text: &str, name| -> Vec<String> {
            find_name(text, name).into_iter().map(|finding| text[finding.range].to_owned()).collect()
        };
        assert_eq!(found("Марины нет, Марине звоните, МАРИНА", "Марина К"), ["Марины", "Марине", "МАРИНА"]);
        assert_eq!(found("Айгерімнің тапсырысы, айгерімге", "Айгерім"), ["Айгерімнің", "айгерімге"]);
        assert_eq!(found("Dana's order, for dana", "Dana Smith"), ["Dana", "dana"]);
        assert_eq!(found("Мои данные и дань", "Дана"), Vec::<String>::new());
        assert_eq!(found("What is it?", "~ A. *"), Vec::<String>::new());
        assert_eq!(found("", "Dana"), Vec::<String>::new());
    }
}
