//! What data may be used for. A purpose that is not here does not exist.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::PurposeId;

/// What data is used for. The names of the [Data Privacy Vocabulary](https://w3id.org/dpv) stand in brackets. There is
/// no variant for advertising, sale or training: promise P8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// Reports about how well the team does (`ServiceUsageAnalytics`).
    Analytics,
    /// An engine answers, or proposes an answer (`CommunicationForCustomerCare`).
    AutomatedReplies,
    /// Something that this list does not have. It needs consent or a law of its own (promise P7).
    Custom(PurposeId),
    /// The business's own offers to its own clients, which a person can stop in the platform's settings
    /// (`DirectMarketing`). Recorded, and never permitted: Whisp sends no marketing.
    DirectMarketing,
    /// To find out whether somebody is who they say (`IdentityVerification`).
    IdentityVerification,
    /// To make the product better (`ImproveExistingProductsAndServices`).
    Improvement,
    /// Because a law or a claim asks for it (`LegalCompliance`).
    LegalCompliance,
    /// A person uses a right: access, erasure (`RightsFulfilment`).
    Rights,
    /// To find misuse and attacks (`EnforceSecurity`).
    Security,
    /// The service that the business signed up for: show messages to members, send what members write
    /// (`RequestedServiceProvision`).
    ServiceProvision,
    /// To keep what came and what became of it, and nothing else: what goes on where everything else is restricted
    /// (`Store`; Art. 18(2) GDPR).
    Storage,
    /// To help the business and its members with the product (`CustomerCare`).
    Support,
}

impl Purpose {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Analytics => "analytics",
            Self::AutomatedReplies => "automated_replies",
            Self::Custom(_) => "custom",
            Self::DirectMarketing => "direct_marketing",
            Self::IdentityVerification => "identity_verification",
            Self::Improvement => "improvement",
            Self::LegalCompliance => "legal_compliance",
            Self::Rights => "rights",
            Self::Security => "security",
            Self::ServiceProvision => "service_provision",
            Self::Storage => "storage",
            Self::Support => "support",
        }
    }

    /// Returns whether a person may say yes or no to it, at any time. What is not optional ends by leaving: an account
    /// holder disconnects, anybody asks for erasure or restriction.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        match self {
            Self::Analytics
            | Self::AutomatedReplies
            | Self::Custom(_)
            | Self::DirectMarketing
            | Self::Improvement
            | Self::Support => true,
            Self::IdentityVerification
            | Self::LegalCompliance
            | Self::Rights
            | Self::Security
            | Self::ServiceProvision
            | Self::Storage => false,
        }
    }

    /// Returns whether it goes on about somebody who restricted the use of their data: storage, claims, and what they ask
    /// for themselves (Art. 18(2) GDPR).
    #[must_use]
    pub const fn survives_restriction(self) -> bool {
        matches!(self, Self::IdentityVerification | Self::LegalCompliance | Self::Rights | Self::Storage)
    }

    /// Returns whether it is closed about somebody who seems to be a minor (promise P5): whatever is done by machines, and
    /// whatever is not for the conversation itself.
    #[must_use]
    pub const fn is_closed_to_minors(self) -> bool {
        self.is_optional()
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
purposes!(
    Analytics,
    AutomatedReplies,
    IdentityVerification,
    Improvement,
    LegalCompliance,
    Rights,
    Security,
    ServiceProvision,
    Storage,
    Support
);
