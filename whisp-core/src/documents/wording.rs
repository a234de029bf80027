//! What documents say, as data: a file a language, with the same names in each.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::detect::script_language;

/// A language in which documents and answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Kazakh.
    #[serde(rename = "kk")]
    Kazakh,
    /// Russian.
    #[serde(rename = "ru")]
    Russian,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 3] = [Self::English, Self::Kazakh, Self::Russian];

    /// Returns the language of a BCP 47 tag such as `kk` or `ru-KZ`, English if there is no other.
    #[must_use]
    pub fn of_tag(tag: &str) -> Self {
        match tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "kk" => Self::Kazakh,
            "ru" => Self::Russian,
            _ => Self::English,
        }
    }

    /// Returns the language that a person seems to write, as the assistant's other texts are chosen.
    ///
    /// # Examples
    /// ```
    /// use whisp_core::documents::Language;
    /// assert_eq!(Language::like("Деректерімді жіберіңізші"), Language::Kazakh);
    /// assert_eq!(Language::like("42"), Language::English);
    /// ```
    #[must_use]
    pub fn like(sample: &str) -> Self {
        script_language(sample).map_or(Self::English, Self::of_tag)
    }

    /// Returns the tag.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Kazakh => "kk",
            Self::Russian => "ru",
        }
    }

    pub(super) fn wording(self) -> &'static Wording {
        match self {
            Self::English => &ENGLISH,
            Self::Kazakh => &KAZAKH,
            Self::Russian => &RUSSIAN,
        }
    }
}

/// The texts of one language: groups of named texts, in which `{name}` stands for something.
#[derive(Debug)]
pub(super) struct Wording {
    pub(super) language: Language,
    pub(super) texts: BTreeMap<String, BTreeMap<String, String>>,
}

static ENGLISH: LazyLock<Wording> = LazyLock::new(|| parse(Language::English, include_str!("texts/en.json")));
static KAZAKH: LazyLock<Wording> = LazyLock::new(|| parse(Language::Kazakh, include_str!("texts/kk.json")));
static RUSSIAN: LazyLock<Wording> = LazyLock::new(|| parse(Language::Russian, include_str!("texts/ru.json")));

#[expect(clippy::expect_used, reason = "the files are part of the program, and a test reads them")]
fn parse(language: Language, json: &str) -> Wording {
    Wording { language, texts: serde_json::from_str(json).expect("the texts of a language") }
}

impl Wording {
    /// Returns a text; the name itself where there is none, so that a new one is seen and nothing is left out.
    pub(super) fn say<'a>(&'a self, group: &str, name: &'a str) -> &'a str {
        self.texts.get(group).and_then(|texts| texts.get(name)).map_or(name, String::as_str)
    }

    /// Returns a text with something in each place that it keeps for it. What is put in is not looked at again.
    pub(super) fn fill(&self, group: &str, name: &str, places: &[(&str, &str)]) -> String {
        let mut rest = self.say(group, name);
        let mut out = String::with_capacity(rest.len());
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let Some((place, after)) = after.split_once('}') else {
                rest = after;
                break;
            };
            out.push_str(places.iter().find(|(known, _)| *known == place).map_or("", |(_, with)| with));
            rest = after;
        }
        out + rest
    }

    /// Returns the texts of several names, one after another; a text may have commas of its own.
    pub(super) fn join<'a>(&'a self, group: &str, names: impl IntoIterator<Item = &'a str>) -> String {
        names.into_iter().map(|name| self.say(group, name)).collect::<Vec<_>>().join("; ")
    }

    /// Says so many hours, as days where they are whole ones.
    pub(super) fn hours(&self, hours: i64) -> String {
        if hours % 24 == 0 && hours >= 24 { self.count("day", hours / 24) } else { self.count("hour", hours) }
    }

    /// Says so many of a unit of time.
    pub(super) fn count(&self, unit: &str, number: i64) -> String {
        let name = if number == 1 { Cow::Borrowed(unit) } else { Cow::Owned(format!("{unit}s")) };
        self.fill("time", &name, &[("n", &number.to_string())])
    }
}
