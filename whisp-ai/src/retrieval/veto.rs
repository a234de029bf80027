//! What speaks against sending an answer that was found, however like the questions are.

use crate::knowledge::Entry;
use crate::text;

/// A question needs so many words beside the commonest for its likeness to mean something.
const CONTENT_WORDS_MIN: usize = 2;
/// A word this short is hardly ever what a question is about.
const CONTENT_WORD_CHARS_MIN: usize = 3;

/// Why an answer is only suggested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Veto {
    /// One of the two says no.
    Negation,
    /// The question names a number that neither the answer nor the likest question holds.
    Number,
    /// Several questions at once.
    Several,
    /// Too few words.
    Short,
}

pub(super) fn find(question: &str, entry: &Entry, likest: &str) -> Option<Veto> {
    let words = text::words(&text::normalize(question));
    if several(question) {
        return Some(Veto::Several);
    }
    let content = words.iter().filter(|word| word.chars().count() >= CONTENT_WORD_CHARS_MIN).count();
    if content < CONTENT_WORDS_MIN {
        return Some(Veto::Short);
    }
    let known: Vec<String> =
        entry.answers.values().map(String::as_str).chain([likest]).flat_map(text::numbers).collect();
    if text::numbers(question).iter().any(|number| !known.contains(number)) {
        return Some(Veto::Number);
    }
    (negated(&words) != negated(&text::words(&text::normalize(likest)))).then_some(Veto::Negation)
}

/// Two sentences that end in a question mark.
fn several(question: &str) -> bool {
    let mark = |c: char| matches!(c, '?' | '？' | '؟');
    let parts = question.split(mark).filter(|part| part.chars().any(char::is_alphanumeric)).count();
    parts > 1 && question.matches(mark).count() > 1
}

fn negated(words: &[String]) -> bool {
    words.iter().any(|word| NEGATIONS.contains(&word.as_str()))
}

/// Words that turn a question round, in normalized form. Turkish and many others do it inside words, which this misses.
const NEGATIONS: &[&str] = &[
    "not",
    "no",
    "never",
    "without",
    "cannot",
    "cant",
    "dont",
    "doesnt",
    "didnt",
    "isnt",
    "wont",
    "havent",
    "hasnt",
    "не",
    "нет",
    "без",
    "никогда",
    "емес",
    "жок",
    "жоқ",
    "болмайды",
    "nunca",
    "sin",
    "nao",
    "não",
    "sem",
    "tidak",
    "bukan",
    "jangan",
    "belum",
    "tanpa",
    "degil",
    "yok",
    "nicht",
    "kein",
    "keine",
    "ohne",
    "pas",
    "jamais",
    "sans",
    "non",
    "senza",
    "لا",
    "ليس",
    "नहीं",
];
