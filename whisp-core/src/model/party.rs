//! Who talks: channels, accounts and contacts as the platforms name them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::ContactId;
use crate::sensitive::Sensitive;

/// A messaging channel.
///
/// # Examples
/// A channel of your own has a name of your own:
/// ```
/// use whisp_core::model::ChannelKind;
/// let sms = ChannelKind::custom("sms");
/// assert_eq!(sms.as_str(), "sms");
/// assert_eq!(ChannelKind::from_name("whatsapp"), ChannelKind::WhatsApp);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Arc<str>", into = "Arc<str>")]
#[non_exhaustive]
pub enum ChannelKind {
    /// Instagram Direct.
    Instagram,
    /// Facebook Messenger.
    Messenger,
    /// WhatsApp Cloud API.
    WhatsApp,
    /// A channel that the host product plugs in.
    Custom(Arc<str>),
}

impl ChannelKind {
    /// Names a channel of the host's own.
    #[must_use]
    pub fn custom(name: &str) -> Self {
        Self::from_name(name)
    }

    /// Reads a channel from its name.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "instagram" => Self::Instagram,
            "messenger" => Self::Messenger,
            "whatsapp" => Self::WhatsApp,
            other => Self::Custom(other.into()),
        }
    }

    /// Returns the name: `instagram`, `messenger`, `whatsapp`, or the host's own.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Instagram => "instagram",
            Self::Messenger => "messenger",
            Self::WhatsApp => "whatsapp",
            Self::Custom(name) => name,
        }
    }
}

impl From<Arc<str>> for ChannelKind {
    fn from(name: Arc<str>) -> Self {
        Self::from_name(&name)
    }
}

impl From<ChannelKind> for Arc<str> {
    fn from(kind: ChannelKind) -> Self {
        match kind {
            ChannelKind::Custom(name) => name,
            other => other.as_str().into(),
        }
    }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The platform's id of a business account, by which its webhooks are routed: WhatsApp's `phone_number_id`, the
/// Instagram professional account id (`1784...`), the Facebook Page id. What concerns a whole WhatsApp business account
/// and none of its numbers (a template, a violation, a partner that left) carries the id of that account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub Arc<str>);

impl AccountId {
    /// Wraps the platform's id, as it came.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// Returns the platform's id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The platform's id of a message: a `wamid`, a `mid`. A `wamid` holds the contact's phone number, so this is personal
/// data: it is sealed, and found again through a keyed index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlatformMessageId(Sensitive);

impl PlatformMessageId {
    /// Wraps the platform's id, as it came.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// Reads the id. Keep it out of logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl From<Sensitive> for PlatformMessageId {
    fn from(id: Sensitive) -> Self {
        Self(id)
    }
}

/// What kind of id a [`Handle`] is. An id is opaque: it is kept as it came, never cut, cased or normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HandleKind {
    /// WhatsApp's business-scoped user id, `CC.` and up to 128 letters and digits. It changes when the person changes
    /// the number.
    Bsuid,
    /// A channel of the host's own.
    Custom,
    /// The Instagram-scoped id of a person.
    InstagramScoped,
    /// The Page-scoped id of a person on Messenger.
    PageScoped,
    /// The BSUID that several portfolios of one business share.
    ParentBsuid,
    /// A phone number as WhatsApp writes it, without `+`.
    Phone,
}

impl HandleKind {
    /// Returns the name under which indexes are keyed. Stable for ever.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bsuid => "bsuid",
            Self::Custom => "custom",
            Self::InstagramScoped => "igsid",
            Self::PageScoped => "psid",
            Self::ParentBsuid => "parent_bsuid",
            Self::Phone => "phone",
        }
    }
}

/// One id by which a platform knows a person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Handle {
    /// What kind of id.
    pub kind: HandleKind,
    /// The id itself, as it came.
    pub value: Sensitive,
}

impl Handle {
    /// Makes a handle.
    #[must_use]
    pub fn new(kind: HandleKind, value: &str) -> Self {
        Self { kind, value: value.into() }
    }
}

/// The client who writes, as one connection knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Who. Also the owner of the key under which everything about them is sealed.
    pub id: ContactId,
    /// All the ids of the person on this connection, the preferred one for sending first: a BSUID before a phone
    /// number.
    pub handles: Vec<Handle>,
    /// The name in the person's own profile, if the platform told it.
    pub name: Option<Sensitive>,
}
