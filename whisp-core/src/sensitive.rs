//! Values about a person, which must not reach a log.

use std::fmt;
use std::ops::Deref;

use arcstr::Substr;
use serde::{Deserialize, Serialize};

/// A value about a person: a text, a name, a phone number, a platform's id of a person or a message.
///
/// `Debug` prints only that there is one, there is no `Display`; [`expose`](Sensitive::expose) reads it. Structs that
/// hold such values may therefore derive `Debug`.
///
/// # Examples
/// ```
/// use whisp_core::Sensitive;
/// let name: Sensitive = "Aigerim".into();
/// assert_eq!(format!("{name:?}"), "Sensitive(..)");
/// assert_eq!(name.expose(), "Aigerim");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sensitive<T = Text>(T);

impl<T> Sensitive<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Reads the value. Keep what it returns out of logs, errors and metrics.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(..)")
    }
}

impl From<&str> for Sensitive {
    fn from(value: &str) -> Self {
        Self(value.into())
    }
}

impl From<String> for Sensitive {
    fn from(value: String) -> Self {
        Self(value.into())
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

/// The text in a [`Sensitive`]: a `str` that does not change, or a part of one.
///
/// Clones and parts share its memory, so they cost no copy, and each keeps the whole of it: a name out of a webhook keeps
/// the webhook's body, of up to 3 MB. To keep one in memory for long, copy it: `Text::from(text.as_str())`.
///
/// It reads as a `str`. `Display` writes it; `Debug`, which structs derive, does not.
///
/// # Examples
/// ```
/// use whisp_core::Text;
/// let body = Text::from("id=17");
/// let id = body.part(&body[3..]);
/// assert_eq!(id, "17");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(Substr);

impl Text {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `part` as a text of its own: without a copy where it is borrowed from this text.
    #[inline]
    #[must_use]
    pub fn part(&self, part: &str) -> Self {
        // `arcstr` has a function for this, which is not inlined: what it returns is then written twice.
        let from = part.as_ptr().addr().wrapping_sub(self.as_ptr().addr());
        match from.checked_add(part.len()) {
            Some(to) if to <= self.len() && !part.is_empty() => Self(self.0.substr(from..to)),
            _ => part.into(),
        }
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().to_owned()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_part_lies_in_the_text_that_it_was_taken_from_and_outlives_it() {
        let body = Text::from("from=7701 text=hello");
        let place = body[5..9].as_ptr();
        let number = body.part(&body[5..9]);
        let half = number.part(&number[2..]);
        drop(body);
        assert_eq!(number, "7701");
        assert_eq!(number.as_ptr(), place);
        assert_eq!(half, "01");
    }

    #[test]
    fn what_is_not_of_the_text_is_copied() {
        let body = Text::from("hello");
        for other in ["hello", "hello, and more", ""] {
            let copied = body.part(other);
            assert_eq!(copied, other);
            assert!(other.is_empty() || copied.as_ptr() != body.as_ptr());
        }
    }

    #[test]
    fn in_json_it_is_a_string_and_in_debug_it_is_nothing() {
        let body = Text::from("a \"quoted\" word");
        let part = Sensitive::new(body.part(&body[2..10]));
        let json = serde_json::to_string(&part).unwrap();
        assert_eq!(json, r#""\"quoted\"""#);
        assert_eq!(serde_json::from_str::<Sensitive>(&json).unwrap(), part);
        assert_eq!(format!("{part:?} {:?}", part.expose()), "Sensitive(..) Text(..)");
        assert_eq!(format!("{:>10}|{}", part.expose(), part.expose()), r#"  "quoted"|"quoted""#);
    }
}
