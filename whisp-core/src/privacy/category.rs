//! What kinds of data there are, and sets of them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What kind of data it is. Bound into every seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DataCategory {
    /// What more is known of an event of the audit log.
    Audit,
    /// Tokens and secrets.
    Credential,
    /// Ids, names, phone numbers.
    Identity,
    /// The bytes of files that came with messages, their names and types.
    Media,
    /// What messages say.
    MessageContent,
    /// What a webhook held that we could not read.
    Raw,
    /// What somebody gave when they asked for help, or said what they think of the product.
    Support,
    /// What somebody used of the host's product, when, from which network and on what kind of device.
    Usage,
}

impl DataCategory {
    /// Every category.
    pub const ALL: [Self; 8] = [
        Self::Audit,
        Self::Credential,
        Self::Identity,
        Self::Media,
        Self::MessageContent,
        Self::Raw,
        Self::Support,
        Self::Usage,
    ];

    /// Returns the name that is bound into seals. Stable for ever.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Credential => "credential",
            Self::Identity => "identity",
            Self::Media => "media",
            Self::MessageContent => "message_content",
            Self::Raw => "raw",
            Self::Support => "support",
            Self::Usage => "usage",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of categories.
///
/// # Examples
/// ```
/// use whisp_core::privacy::{Categories, DataCategory};
/// let some = Categories::of(&[DataCategory::Identity, DataCategory::Media]);
/// assert!(some.contains(DataCategory::Media) && !some.contains(DataCategory::Credential));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Categories(u16);

impl Categories {
    /// No category.
    pub const NONE: Self = Self(0);

    /// Makes a set.
    #[must_use]
    pub const fn of(categories: &[DataCategory]) -> Self {
        let (mut bits, mut rest) = (0, categories);
        while let [first, others @ ..] = rest {
            bits |= first.bit();
            rest = others;
        }
        Self(bits)
    }

    /// Returns whether a category is in it.
    #[must_use]
    pub const fn contains(self, category: DataCategory) -> bool {
        self.0 & category.bit() != 0
    }

    /// Returns whether there is none in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns what is in one of the two.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Lists those in it.
    pub fn iter(self) -> impl Iterator<Item = DataCategory> {
        DataCategory::ALL.into_iter().filter(move |category| self.contains(*category))
    }
}

impl fmt::Debug for Categories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// As a list of their names.
impl Serialize for Categories {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Categories {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(&Vec::<DataCategory>::deserialize(deserializer)?))
    }
}
