//! Values about a person, which must not reach a log.

use std::fmt;

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
pub struct Sensitive<T = String>(T);

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

impl From<&str> for Sensitive<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}
