//! Rules as a person writes them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::hours::HoursSpec;
use crate::load::{self, Format, LoadError};

/// A set of rules, from a file or from code.
///
/// A file of it, in YAML (TOML has the same keys):
/// ```yaml
/// business_hours:                  # optional
///   zone: Asia/Almaty
///   week: {mon: [09:00-13:00, 14:00-18:00], fri: ["18:00-02:00"]}
///   exceptions: {"2027-01-01": []}
/// variables:                       # optional: the business's own
///   address: 12 Abay Avenue
/// rules:
///   - id: where
///     phrases:                     # words in this order anywhere in the message
///       en: [where are you, your address]
///       ru: [где вы находитесь, какой адрес]
///     reply:
///       en: "We are at {{address}}."
///       ru: "Мы находимся по адресу {{address}}."
///   - id: complaint
///     priority: 10                 # higher is looked at first; 0 if left out
///     patterns: {en: ['\b(refund|broken|complain)']}     # regular expressions, in any case
///     hand_off: {en: "I am sorry. A colleague will write to you."}
///   - id: closed
///     when: closed                 # open, closed; always if left out
///     any: true                    # matches every message
///     suggest: {en: "We are back at {{opens_at|our usual hours}}, {{contact_name|dear client}}."}
/// ```
/// A rule has one of `reply`, `suggest` and `hand_off` (the text of a hand-off may be left out: `hand_off: {}`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// When the business is open. Rules with `when` need it.
    #[serde(default)]
    pub business_hours: Option<HoursSpec>,
    /// The business's own variables for its texts.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// One rule: what it matches and what it does. Texts and what they match are by language tag.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its id: what citations name. Unique in the set.
    pub id: String,
    /// Which rules are looked at first: the higher. Equal ones are looked at in the order of the file.
    #[serde(default)]
    pub priority: i32,
    /// When it holds.
    #[serde(default)]
    pub when: When,
    /// Words in this order anywhere in the message, in any case and punctuation.
    #[serde(default)]
    pub phrases: BTreeMap<String, Vec<String>>,
    /// Regular expressions (without look-around or back-references), in any case.
    #[serde(default)]
    pub patterns: BTreeMap<String, Vec<String>>,
    /// Matches every message.
    #[serde(default)]
    pub any: bool,
    /// What to answer.
    #[serde(default)]
    pub reply: Option<BTreeMap<String, String>>,
    /// What to suggest to a member.
    #[serde(default)]
    pub suggest: Option<BTreeMap<String, String>>,
    /// Hands off to a person, with this notice to the contact; without a text the assistant's own.
    #[serde(default)]
    pub hand_off: Option<BTreeMap<String, String>>,
}

/// When a rule holds, by the business hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum When {
    /// At any time.
    #[default]
    Always,
    /// While the business is closed.
    Closed,
    /// While the business is open.
    Open,
}

impl RuleSet {
    /// Reads rules out of YAML or TOML. `name` is what errors call the text.
    ///
    /// # Errors
    /// By [`LoadErrorKind`](crate::LoadErrorKind), with the rule that is wrong.
    pub fn parse(text: &str, format: Format, name: &str) -> Result<Self, LoadError> {
        Self::from_text(text, format).map_err(|error| error.in_file(name))
    }

    /// Reads rules from a file, `.yaml`, `.yml` or `.toml`. Blocks while it reads.
    ///
    /// # Errors
    /// By [`LoadErrorKind`](crate::LoadErrorKind), with the file and the rule that is wrong.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let (text, format) = load::read(path)?;
        Self::parse(&text, format, &path.display().to_string())
    }

    fn from_text(text: &str, format: Format) -> Result<Self, LoadError> {
        let mut file = load::parse(text, format)?;
        // Each rule is read on its own, so that an error names it.
        let rules = file.insert("rules".to_owned(), serde_json::Value::Array(Vec::new()));
        let Some(serde_json::Value::Array(rules)) = rules else {
            return Err(LoadError::new(
                crate::LoadErrorKind::Invalid,
                "it has no list of `rules`",
                "begin it with `rules:` and a list below",
            ));
        };
        let mut set: Self = load::shaped(serde_json::Value::Object(file))?;
        let read = |(place, value)| load::entry(value, "rule", place);
        set.rules = rules.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(set)
    }
}
