//! Reads the lines of a copy: all of them before anything is done with one.

use std::collections::BTreeMap;
use std::fmt;
use std::io::BufRead;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::id::RecordId;
use crate::model::{Author, ChannelKind, Content, Delivery, Handle, PlatformMessageId, StoryRef};
use crate::privacy::Statement;
use crate::sensitive::Sensitive;
use crate::store::RECORD_MAX;

/// A copy of what is kept about somebody, read and checked line by line. It holds personal data in clear.
///
/// # Examples
/// ```
/// use whisp_core::assistant::{CopyFault, PortableCopy};
///
/// let copy = r#"{"id":"00000000-0000-0000-0000-000000000001","kind":"contact","name":"Aigerim","handles":[]}"#;
/// assert_eq!(PortableCopy::read(copy.as_bytes())?.lines(), 1);
/// let error = PortableCopy::read("{\"kind\":\"hologram\"}\n".as_bytes()).unwrap_err();
/// assert_eq!((error.line, error.fault), (1, CopyFault::UnknownKind));
/// # Ok::<(), whisp_core::assistant::CopyError>(())
/// ```
pub struct PortableCopy {
    pub(super) contact: CopiedContact,
    pub(super) conversations: Vec<CopiedConversation>,
    pub(super) messages: Vec<CopiedMessage>,
    pub(super) statements: Vec<CopiedStatement>,
    /// What stays with whoever wrote the copy: how many lines of each kind.
    pub(super) left: BTreeMap<String, u64>,
}

impl fmt::Debug for PortableCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortableCopy({} lines)", self.lines())
    }
}

#[derive(Deserialize)]
pub(super) struct CopiedContact {
    pub(super) id: RecordId,
    pub(super) name: Option<Sensitive>,
    pub(super) handles: Vec<Handle>,
}

#[derive(Deserialize)]
pub(super) struct CopiedConversation {
    pub(super) channel: ChannelKind,
    pub(super) created_at: DateTime<Utc>,
    pub(super) active_at: DateTime<Utc>,
    pub(super) engines_answer: bool,
}

#[derive(Deserialize)]
pub(super) struct CopiedMessage {
    pub(super) id: RecordId,
    #[serde(flatten)]
    pub(super) author: Author,
    pub(super) content: Content,
    pub(super) at: DateTime<Utc>,
    #[serde(default)]
    pub(super) platform_id: Option<PlatformMessageId>,
    #[serde(default)]
    pub(super) reply_to: Option<PlatformMessageId>,
    #[serde(default)]
    pub(super) story: Option<StoryRef>,
    #[serde(default)]
    pub(super) note: Option<Sensitive>,
    #[serde(default)]
    pub(super) delivery: Option<Delivery>,
}

#[derive(Deserialize)]
pub(super) struct CopiedStatement {
    pub(super) id: RecordId,
    #[serde(flatten)]
    pub(super) statement: Statement,
    pub(super) at: DateTime<Utc>,
}

/// A line of a copy can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
#[non_exhaustive]
pub struct CopyError {
    /// Which, counted from 1. For what the copy as a whole lacks, the line after the last one.
    pub line: usize,
    /// What is wrong with it. It quotes nothing.
    pub fault: CopyFault,
}

/// What is wrong with a line of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CopyFault {
    /// The source of the lines failed, or what it gave is not UTF-8.
    #[error("it can't be read")]
    Unread,
    /// It is longer than [`PortableCopy::LINE_MAX`].
    #[error("it is too long")]
    TooLong,
    /// There are more than [`PortableCopy::LINES_MAX`] lines.
    #[error("there are too many lines")]
    TooMany,
    /// It is not JSON.
    #[error("it is not JSON")]
    NotJson,
    /// It is of no kind that this version knows.
    #[error("it is of no kind that is known")]
    UnknownKind,
    /// A field of its kind is missing or is something else.
    #[error("it does not have the fields of its kind")]
    Shape,
    /// It is about another contact than a line before it.
    #[error("it is about a second contact")]
    SecondContact,
    /// No line says who the contact is.
    #[error("no line says who the contact is")]
    NoContact,
    /// It says the same as a line before it: the ids are equal.
    #[error("its id is that of a line before it")]
    Twice,
}

/// Kinds that stay with whoever wrote the copy: what they did with the data, and what the person gave to them alone, as words
/// to their support and the use of their product.
const LEFT: &[&str] = &[
    "business",
    "disclosure",
    "file",
    "index",
    "inquiry",
    "logged",
    "look",
    "member",
    "other",
    "raw",
    "suggestion",
    "support",
    "undone",
    "usage",
];

impl PortableCopy {
    /// The most bytes of a line: a record as large as a store takes, with every byte escaped.
    pub const LINE_MAX: usize = 6 * RECORD_MAX;

    /// The most lines.
    pub const LINES_MAX: usize = 1_000_000;

    /// Reads the lines of a copy, in whatever order; empty ones are none. All of it is in memory then.
    ///
    /// # Errors
    /// [`CopyError`] about the first line that is wrong.
    pub fn read(mut lines: impl BufRead) -> Result<Self, CopyError> {
        let mut reading = Reading::default();
        loop {
            let mut bytes = Zeroizing::new(Vec::new());
            reading.line += 1;
            let limit = Self::LINE_MAX as u64 + 1;
            let read = std::io::Read::take(&mut lines, limit).read_until(b'\n', &mut bytes);
            if read.map_err(|_| reading.wrong(CopyFault::Unread))? == 0 {
                return reading.end();
            }
            if bytes.len() > Self::LINE_MAX {
                return Err(reading.wrong(CopyFault::TooLong));
            }
            if reading.line > Self::LINES_MAX {
                return Err(reading.wrong(CopyFault::TooMany));
            }
            let text = std::str::from_utf8(&bytes).map_err(|_| reading.wrong(CopyFault::Unread))?;
            if !text.trim().is_empty() {
                reading.take(text)?;
            }
        }
    }

    /// Returns how many lines it has.
    #[must_use]
    pub fn lines(&self) -> usize {
        let left: u64 = self.left.values().sum();
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        1 + self.conversations.len() + self.messages.len() + self.statements.len() + left
    }
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    line: usize,
    contact: Option<CopiedContact>,
    conversations: Vec<CopiedConversation>,
    messages: Vec<CopiedMessage>,
    statements: Vec<CopiedStatement>,
    left: BTreeMap<String, u64>,
    ids: std::collections::BTreeSet<(&'static str, RecordId)>,
}

impl Reading {
    const fn wrong(&self, fault: CopyFault) -> CopyError {
        CopyError { line: self.line, fault }
    }

    fn take(&mut self, text: &str) -> Result<(), CopyError> {
        // What is wrong in it is not told in the words of the parser, which quote it.
        let value: Value = serde_json::from_str(text).map_err(|_| self.wrong(CopyFault::NotJson))?;
        let kind = value.get("kind").and_then(Value::as_str).ok_or_else(|| self.wrong(CopyFault::Shape))?;
        match kind {
            "contact" => {
                let contact: CopiedContact = self.read(&value)?;
                if self.contact.is_some() {
                    return Err(self.wrong(CopyFault::SecondContact));
                }
                self.contact = Some(contact);
            }
            "conversation" => {
                let conversation = self.read(&value)?;
                self.conversations.push(conversation);
            }
            "message" => {
                let message: CopiedMessage = self.read(&value)?;
                self.once("message", message.id)?;
                self.messages.push(message);
            }
            "statement" => {
                let statement: CopiedStatement = self.read(&value)?;
                self.once("statement", statement.id)?;
                self.statements.push(statement);
            }
            kind if LEFT.contains(&kind) => *self.left.entry(kind.to_owned()).or_default() += 1,
            _ => return Err(self.wrong(CopyFault::UnknownKind)),
        }
        Ok(())
    }

    fn read<T: serde::de::DeserializeOwned>(&self, value: &Value) -> Result<T, CopyError> {
        T::deserialize(value).map_err(|_| self.wrong(CopyFault::Shape))
    }

    fn once(&mut self, kind: &'static str, id: RecordId) -> Result<(), CopyError> {
        if self.ids.insert((kind, id)) { Ok(()) } else { Err(self.wrong(CopyFault::Twice)) }
    }

    fn end(self) -> Result<PortableCopy, CopyError> {
        let missing = self.wrong(CopyFault::NoContact);
        let Self { contact, conversations, mut messages, mut statements, left, .. } = self;
        messages.sort_by_key(|message| (message.at, message.id));
        statements.sort_by_key(|statement| (statement.at, statement.id));
        Ok(PortableCopy { contact: contact.ok_or(missing)?, conversations, messages, statements, left })
    }
}
