//! What data may be used for. A purpose that is not here does not exist.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What data is used for. The names of the [Data Privacy Vocabulary](https://w3id.org/dpv) stand in brackets. There is
/// no variant for advertising, sale or training: promise P8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// An engine answers, or proposes an answer (`CommunicationForCustomerCare`).
    AutomatedReplies,
    /// The business's own offers to its own clients, which a person can stop in the platform's settings
    /// (`DirectMarketing`). Recorded, and never permitted: Whisp sends no marketing.
    DirectMarketing,
    /// A person uses a right: access, erasure (`RightsFulfilment`).
    Rights,
    /// The service that the business signed up for: keep messages, show them to members, send what members write
    /// (`RequestedServiceProvision`).
    ServiceProvision,
}

impl Purpose {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AutomatedReplies => "automated_replies",
            Self::DirectMarketing => "direct_marketing",
            Self::Rights => "rights",
            Self::ServiceProvision => "service_provision",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "that nobody else can name it is what seals `PurposeKind`")]
    pub trait Sealed {}
}

/// A purpose as a type, so that a permit for one can't be used for another. Not implemented outside this crate.
pub trait PurposeKind: sealed::Sealed + fmt::Debug + Send + Sync + 'static {
    /// Which purpose.
    const PURPOSE: Purpose;
}

macro_rules! purposes {
    ($($name:ident),*) => {$(
        #[doc = concat!("[`Purpose::", stringify!($name), "`] as a type.")]
        #[derive(Debug, Clone, Copy)]
        pub struct $name;
        impl sealed::Sealed for $name {}
        impl PurposeKind for $name {
            const PURPOSE: Purpose = Purpose::$name;
        }
    )*};
}
purposes!(AutomatedReplies, Rights, ServiceProvision);

/// What kind of data it is. Bound into every seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DataCategory {
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
}

impl DataCategory {
    /// Returns the name that is bound into seals. Stable for ever.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Identity => "identity",
            Self::Media => "media",
            Self::MessageContent => "message_content",
            Self::Raw => "raw",
        }
    }
}
