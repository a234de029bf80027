//! Reading the files that a business writes: typed errors that say which file, which entry, and what to do.

use std::fmt;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use whisp_core::error::BoxError;

/// A file of rules or knowledge may be this long. 100,000 entries of a few hundred characters fit.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// In which language a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// TOML 1.0.
    Toml,
    /// YAML 1.2, as a business writes it by hand.
    Yaml,
}

impl Format {
    /// Tells the format by the end of a file's name: `.yaml`, `.yml`, `.toml`.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// A pattern is not a regular expression.
    BadPattern,
    /// Two entries or rules have the same id.
    DuplicateId,
    /// A value is of the wrong type, out of range or contradicts another.
    Invalid,
    /// The file is not there.
    Missing,
    /// An entry has no answer, or a rule nothing to do.
    NoAnswer,
    /// An entry has no question, or a rule nothing that it matches.
    NoQuestion,
    /// The text is not YAML or TOML.
    Syntax,
    /// The file is larger than [`FILE_BYTES_MAX`], or holds more than a limit allows.
    TooLarge,
    /// A key that nobody reads: probably a typing error.
    UnknownKey,
    /// A template names a variable that does not exist.
    UnknownVariable,
    /// The file can't be read.
    Unreadable,
}

/// A file of rules or knowledge that can't be used. `Display` says which file and entry, what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}{problem}; {advice}", place(file.as_deref(), entry.as_deref()))]
pub struct LoadError {
    kind: LoadErrorKind,
    file: Option<String>,
    entry: Option<String>,
    problem: String,
    advice: String,
    source: Option<BoxError>,
}

impl LoadError {
    pub(crate) fn new(kind: LoadErrorKind, problem: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self { kind, file: None, entry: None, problem: problem.to_string(), advice: advice.to_string(), source: None }
    }

    pub(crate) fn in_file(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    pub(crate) fn in_entry(mut self, what: &str, id: &str) -> Self {
        self.entry = Some(format!("{what} `{id}`"));
        self
    }

    fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns what is wrong.
    #[must_use]
    pub const fn kind(&self) -> LoadErrorKind {
        self.kind
    }

    /// Returns the file's name, as it was given, if it is about a file.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Returns the entry or rule that is wrong, if one is: ``entry `delivery` ``.
    #[must_use]
    pub fn entry(&self) -> Option<&str> {
        self.entry.as_deref()
    }
}

fn place(file: Option<&str>, entry: Option<&str>) -> String {
    match (file, entry) {
        (Some(file), Some(entry)) => format!("{file}, {entry}: "),
        (Some(one), None) | (None, Some(one)) => format!("{one}: "),
        (None, None) => String::new(),
    }
}

/// Reads a file and tells its format.
pub(crate) fn read(path: &Path) -> Result<(String, Format), LoadError> {
    let file = path.display().to_string();
    let format = Format::of(path).ok_or_else(|| {
        LoadError::new(LoadErrorKind::Invalid, "its format is unknown", "name it `.yaml`, `.yml` or `.toml`")
            .in_file(&file)
    })?;
    let unreadable = |error: std::io::Error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let (kind, problem, advice) = if missing {
            (LoadErrorKind::Missing, "there is no such file", "check the path")
        } else {
            (LoadErrorKind::Unreadable, "the file can't be read", "check that it is a file, in UTF-8, with read access")
        };
        LoadError::new(kind, problem, advice).in_file(&file).because(error)
    };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(LoadError::new(
            LoadErrorKind::TooLarge,
            format!("it has {length} bytes, the most is {FILE_BYTES_MAX}"),
            "split it by business or topic",
        )
        .in_file(&file));
    }
    Ok((std::fs::read_to_string(path).map_err(unreadable)?, format))
}

/// Reads YAML or TOML into one tree.
pub(crate) fn parse(text: &str, format: Format) -> Result<Map<String, Value>, LoadError> {
    let value = match format {
        Format::Yaml => yaml(text)?,
        Format::Toml => json(text.parse::<toml::Table>().map(toml::Value::Table).map_err(|error| {
            LoadError::new(LoadErrorKind::Syntax, format!("it is not TOML ({})", one_line(&error)), "mend that line")
        })?),
    };
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(LoadError::new(
            LoadErrorKind::Invalid,
            "the file holds no keys",
            "write the keys at the top level, as in the example of the documentation",
        )),
    }
}

fn yaml(text: &str) -> Result<Value, LoadError> {
    let syntax = |error: &dyn fmt::Display| {
        LoadError::new(
            LoadErrorKind::Syntax,
            format!("it is not YAML ({})", one_line(error)),
            "mend that line; a text with `: ` or `#` in it needs quotes",
        )
    };
    // By way of YAML's own tree, which refuses a key that is written twice.
    let value: serde_yaml_ng::Value = serde_yaml_ng::from_str(text).map_err(|error| syntax(&error))?;
    serde_json::to_value(value).map_err(|error| syntax(&error))
}

fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(yes) => yes.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, json(value))).collect(),
    }
}

/// Reads one entry out of the tree.
pub(crate) fn entry<T: DeserializeOwned>(value: Value, what: &str, place: usize) -> Result<T, LoadError> {
    let id = value.get("id").and_then(Value::as_str).map_or_else(|| format!("number {}", place + 1), str::to_owned);
    shaped(value).map_err(|error: LoadError| error.in_entry(what, &id))
}

/// Reads a typed value out of the tree. Its type must refuse unknown keys.
pub(crate) fn shaped<T: DeserializeOwned>(value: Value) -> Result<T, LoadError> {
    serde_json::from_value(value).map_err(|error| {
        let problem = one_line(&error);
        if problem.starts_with("unknown field") {
            LoadError::new(LoadErrorKind::UnknownKey, problem, "correct the key or take it out")
        } else {
            LoadError::new(LoadErrorKind::Invalid, problem, "correct the value")
        }
    })
}

fn one_line(error: &dyn fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
