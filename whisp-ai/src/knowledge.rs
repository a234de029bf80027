//! What a business knows: questions that people ask, and its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::language::primary;
use crate::load::{self, Format, LoadError, LoadErrorKind};

/// The most entries of a knowledge base.
pub const ENTRIES_MAX: usize = 200_000;
/// The most questions of an entry, over all languages.
pub const QUESTIONS_MAX: usize = 1_000;
/// The most characters of an answer: no channel sends more in one message (WhatsApp: 4,096).
pub const ANSWER_CHARS_MAX: usize = 4_096;

/// A knowledge base: what [`RetrievalEngine`](crate::RetrievalEngine) answers from and
/// [`OpenAiEngine`](crate::OpenAiEngine) grounds its answers on.
///
/// A file of it, in YAML (TOML has the same keys):
/// ```yaml
/// entries:
///   - id: delivery
///     questions:                   # as people ask, several ways a language
///       en: [How much is delivery?, Do you deliver?]
///       ru: [Сколько стоит доставка?, Есть доставка?]
///     answers:                     # one a language
///       en: Delivery in the city is 1500 tenge.
///       ru: Доставка по городу 1500 тенге.
///     tags: [delivery]             # optional: for the business's own order
///     valid_from: "2026-01-01"     # optional: the first day, by the business's own clock
///     valid_until: "2026-12-31"    # optional: the last day
///     suggest_only: false          # optional: true has a member look at every such answer
/// ```
///
/// # Examples
/// ```
/// use whisp_ai::{Format, Knowledge};
/// let text = "entries: [{id: hours, questions: {en: [When are you open?]}, answers: {en: From nine to six.}}]";
/// let knowledge = Knowledge::parse(text, Format::Yaml, "inline")?;
/// assert_eq!(knowledge.entries()[0].id, "hours");
/// # Ok::<(), whisp_ai::LoadError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Knowledge {
    entries: Vec<Entry>,
}

/// One thing that the business knows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its id: what citations name. Unique in the knowledge base.
    pub id: String,
    /// The ways people ask for it, by language tag.
    #[serde(default)]
    pub questions: BTreeMap<String, Vec<String>>,
    /// The answer, by language tag.
    #[serde(default)]
    pub answers: BTreeMap<String, String>,
    /// The business's own keywords.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The first day on which the answer holds, by the business's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<NaiveDate>,
    /// The last day on which the answer holds, by the business's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<NaiveDate>,
    /// Whether a member looks at every such answer before it goes out.
    #[serde(default)]
    pub suggest_only: bool,
}

impl Entry {
    /// Returns whether the answer holds on that day.
    #[must_use]
    pub fn is_valid_on(&self, day: NaiveDate) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_until.is_none_or(|until| day <= until)
    }

    /// Returns the answer in a language (`pt` finds `pt-BR` too).
    #[must_use]
    pub fn answer_in(&self, language: &str) -> Option<&str> {
        self.answers.get(language).or_else(|| by_primary(&self.answers, language)).map(String::as_str)
    }

    fn check(&self) -> Result<(), LoadError> {
        let invalid = |problem: &str, advice: &str| Err(LoadError::new(LoadErrorKind::Invalid, problem, advice));
        if self.id.trim().is_empty() {
            return invalid("the id is empty", "give it a short name of its own, such as `delivery`");
        }
        if self.questions.values().flatten().all(|question| question.trim().is_empty()) {
            return Err(LoadError::new(
                LoadErrorKind::NoQuestion,
                "it has no question",
                "add under `questions` at least one way in which people ask, such as `en: [When are you open?]`",
            ));
        }
        if self.answers.is_empty() || self.answers.values().any(|answer| answer.trim().is_empty()) {
            return Err(LoadError::new(
                LoadErrorKind::NoAnswer,
                "it has no answer, or an empty one",
                "write the answer under `answers`, such as `en: From nine to six.`",
            ));
        }
        if self.answers.values().any(|answer| answer.chars().count() > ANSWER_CHARS_MAX) {
            return Err(LoadError::new(
                LoadErrorKind::TooLarge,
                format!("an answer has more than {ANSWER_CHARS_MAX} characters"),
                "shorten it: no channel sends more in one message",
            ));
        }
        if self.questions.values().map(Vec::len).sum::<usize>() > QUESTIONS_MAX {
            return Err(LoadError::new(
                LoadErrorKind::TooLarge,
                format!("it has more than {QUESTIONS_MAX} questions"),
                "keep the ones that differ most",
            ));
        }
        if self.valid_from.zip(self.valid_until).is_some_and(|(from, until)| until < from) {
            return invalid("`valid_until` is before `valid_from`", "mend one of the dates");
        }
        Ok(())
    }
}

impl Knowledge {
    /// Takes over entries made in code.
    ///
    /// # Errors
    /// By [`LoadErrorKind`], as for a file.
    pub fn new(entries: Vec<Entry>) -> Result<Self, LoadError> {
        if entries.len() > ENTRIES_MAX {
            return Err(LoadError::new(
                LoadErrorKind::TooLarge,
                format!("there are more than {ENTRIES_MAX} entries"),
                "split the knowledge base",
            ));
        }
        let mut seen = BTreeSet::new();
        for entry in &entries {
            entry.check().map_err(|error| error.in_entry("entry", &entry.id))?;
            if !seen.insert(entry.id.as_str()) {
                return Err(LoadError::new(
                    LoadErrorKind::DuplicateId,
                    "another entry has the same id",
                    "give one of them another id, or merge them",
                )
                .in_entry("entry", &entry.id));
            }
        }
        Ok(Self { entries })
    }

    /// Reads a knowledge base out of YAML or TOML. `name` is what errors call the text.
    ///
    /// # Errors
    /// By [`LoadErrorKind`], with the entry that is wrong.
    pub fn parse(text: &str, format: Format, name: &str) -> Result<Self, LoadError> {
        Self::from_text(text, format).map_err(|error| error.in_file(name))
    }

    /// Reads a knowledge base from a file, `.yaml`, `.yml` or `.toml`. Blocks while it reads.
    ///
    /// # Errors
    /// By [`LoadErrorKind`], with the file and the entry that is wrong.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let (text, format) = load::read(path)?;
        Self::parse(&text, format, &path.display().to_string())
    }

    /// Returns the entries, in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn from_text(text: &str, format: Format) -> Result<Self, LoadError> {
        let mut file = load::parse(text, format)?;
        let Some(Value::Array(entries)) = file.remove("entries") else {
            return Err(LoadError::new(
                LoadErrorKind::Invalid,
                "it has no list of `entries`",
                "begin it with `entries:` and a list below",
            ));
        };
        if let Some(key) = file.keys().next() {
            return Err(LoadError::new(
                LoadErrorKind::UnknownKey,
                format!("unknown key `{key}` beside `entries`"),
                "take it out, or move it into an entry",
            ));
        }
        let read = |(place, value)| load::entry(value, "entry", place);
        Self::new(entries.into_iter().enumerate().map(read).collect::<Result<_, _>>()?)
    }
}

/// Finds what is kept under a tag of the same language: `pt` under `pt-BR`, `en-GB` under `en`.
pub(crate) fn by_primary<'a, T>(map: &'a BTreeMap<String, T>, language: &str) -> Option<&'a T> {
    let wanted = primary(language);
    map.iter().find(|(tag, _)| primary(tag) == wanted).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str, format: Format) -> LoadError {
        Knowledge::parse(text, format, "faq.yaml").unwrap_err()
    }

    #[test]
    fn yaml_and_toml_hold_the_same() {
        let yaml = "entries:\n  - id: a\n    questions: {en: ['Why?']}\n    answers: {en: Because.}\n    valid_from: 2026-01-01\n";
        let toml =
            "[[entries]]\nid = \"a\"\nquestions.en = [\"Why?\"]\nanswers.en = \"Because.\"\nvalid_from = 2026-01-01\n";
        let yaml = Knowledge::parse(yaml, Format::Yaml, "a.yaml").unwrap();
        assert_eq!(yaml, Knowledge::parse(toml, Format::Toml, "a.toml").unwrap());
        assert_eq!(yaml.entries()[0].valid_from, NaiveDate::from_ymd_opt(2026, 1, 1));
    }

    #[test]
    fn each_mistake_is_named_with_its_file_entry_and_remedy() {
        let entry = "id: a, questions: {en: [Why?]}, answers: {en: Because.}";
        for (text, kind, said) in [
            ("entries: [".to_owned(), LoadErrorKind::Syntax, "it is not YAML"),
            ("- a".to_owned(), LoadErrorKind::Invalid, "holds no keys"),
            ("entrys: []".to_owned(), LoadErrorKind::Invalid, "no list of `entries`"),
            (format!("entries: [{{{entry}}}]\nversion: 2"), LoadErrorKind::UnknownKey, "`version`"),
            (format!("entries: [{{{entry}, answer: x}}]"), LoadErrorKind::UnknownKey, "entry `a`: unknown field"),
            (format!("entries: [{{{entry}}}, {{{entry}}}]"), LoadErrorKind::DuplicateId, "entry `a`: another entry"),
            ("entries: [{id: a, questions: {en: [Why?]}}]".into(), LoadErrorKind::NoAnswer, "write the answer"),
            ("entries: [{id: a, answers: {en: Because.}}]".into(), LoadErrorKind::NoQuestion, "it has no question"),
            (
                "entries: [{questions: {en: [Why?]}, answers: {en: x}}]".into(),
                LoadErrorKind::Invalid,
                "entry `number 1`: missing field `id`",
            ),
            (
                format!("entries: [{{{entry}, valid_from: '2026-02-01', valid_until: '2026-01-01'}}]"),
                LoadErrorKind::Invalid,
                "is before",
            ),
            (format!("entries: [{{{entry}, valid_from: soon}}]"), LoadErrorKind::Invalid, "entry `a`"),
        ] {
            let error = error(&text, Format::Yaml);
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(said) && error.to_string().starts_with("faq.yaml"), "{error}");
        }
    }

    #[test]
    fn a_missing_file_and_an_unknown_format_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Knowledge::load(folder.path().join("faq.yaml")).unwrap_err();
        assert_eq!(missing.kind(), LoadErrorKind::Missing);
        assert!(missing.to_string().contains("faq.yaml: there is no such file; check the path"), "{missing}");
        assert_eq!(Knowledge::load("faq.json").unwrap_err().kind(), LoadErrorKind::Invalid);
    }

    #[test]
    fn an_answer_is_found_under_any_tag_of_its_language() {
        let entry = Entry { answers: [("pt-BR".to_owned(), "Oi".to_owned())].into(), ..Entry::default() };
        assert_eq!(entry.answer_in("pt"), Some("Oi"));
        assert_eq!(entry.answer_in("es"), None);
    }
}
