//! Why something is refused, withheld or put off: closed lists, each with its name in the
//! [Data Privacy Vocabulary](https://w3id.org/dpv), so that an answer can be read by machines.

use serde::{Deserialize, Serialize};

use crate::privacy::DataCategory;

/// Why something is refused or withheld (promise P57).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusalReason {
    /// Needed for a contract, or an obligation of the person's that is not fulfilled yet.
    ContractNecessity,
    /// Needed for the freedom of expression and information.
    FreedomOfExpression,
    /// It can't be done, as with what lies only with the platform.
    FulfilmentImpossible,
    /// The person did not prove who they are.
    IdentityFailure,
    /// Needed to raise, exercise or defend legal claims.
    LegalClaims,
    /// A law exempts it.
    LegallyExempted,
    /// A law requires that it is kept.
    LegallyRequired,
    /// Asked again and again.
    ManifestlyExcessive,
    /// Asked without any ground.
    ManifestlyUnfounded,
    /// It would harm the rights of somebody else.
    ThirdPartyRights,
}

impl RefusalReason {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContractNecessity => "contract_necessity",
            Self::FreedomOfExpression => "freedom_of_expression",
            Self::FulfilmentImpossible => "fulfilment_impossible",
            Self::IdentityFailure => "identity_failure",
            Self::LegalClaims => "legal_claims",
            Self::LegallyExempted => "legally_exempted",
            Self::LegallyRequired => "legally_required",
            Self::ManifestlyExcessive => "manifestly_excessive",
            Self::ManifestlyUnfounded => "manifestly_unfounded",
            Self::ThirdPartyRights => "third_party_rights",
        }
    }

    /// Returns the term of the vocabulary (2.1) with its usual prefix.
    #[must_use]
    pub const fn dpv(self) -> &'static str {
        match self {
            Self::ContractNecessity => "justifications:ContractPerformanceNecessity",
            Self::FreedomOfExpression => "eu-gdpr:JustificationA17FreedomOfExpression",
            Self::FulfilmentImpossible => "justifications:FulfilmentImpossible",
            Self::IdentityFailure => "eu-gdpr:JustificationA12IdentityFailure",
            Self::LegalClaims => "eu-gdpr:JustificationA17LegalClaims",
            Self::LegallyExempted => "justifications:LegallyExempted",
            Self::LegallyRequired => "eu-gdpr:JustificationA17LegallyRequired",
            Self::ManifestlyExcessive => "eu-gdpr:JustificationA12ManifestlyExcessive",
            Self::ManifestlyUnfounded => "eu-gdpr:JustificationA12ManifestlyUnfounded",
            Self::ThirdPartyRights => "justifications:ThirdPartyRightsImpaired",
        }
    }
}

/// Why an answer is put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DelayReason {
    /// It is complicated.
    Complexity,
    /// There are many requests.
    HighVolume,
}

impl DelayReason {
    /// Returns the term of the vocabulary (2.1) with its usual prefix.
    #[must_use]
    pub const fn dpv(self) -> &'static str {
        match self {
            Self::Complexity => "eu-gdpr:JustificationA12Complexity",
            Self::HighVolume => "eu-gdpr:JustificationA12HighVolume",
        }
    }
}

/// One group of data that is withheld, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithheldGroup {
    /// Which data.
    pub what: DataCategory,
    /// Why.
    pub reason: RefusalReason,
}

/// What is withheld: at least one group.
///
/// There is none without a group and its reason:
/// ```compile_fail
/// let nothing = whisp_core::privacy::Withheld(Vec::new());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<WithheldGroup>", into = "Vec<WithheldGroup>")]
pub struct Withheld(Vec<WithheldGroup>);

impl Withheld {
    /// Withholds one group.
    #[must_use]
    pub fn new(what: DataCategory, reason: RefusalReason) -> Self {
        Self(vec![WithheldGroup { what, reason }])
    }

    /// Withholds another group too.
    #[must_use]
    pub fn and(self, what: DataCategory, reason: RefusalReason) -> Self {
        self.with(&Self::new(what, reason))
    }

    /// Returns every group, each once.
    #[must_use]
    pub fn groups(&self) -> &[WithheldGroup] {
        &self.0
    }

    pub(crate) fn with(mut self, other: &Self) -> Self {
        self.0.extend_from_slice(&other.0);
        self.0.sort_unstable();
        self.0.dedup();
        self
    }
}

impl TryFrom<Vec<WithheldGroup>> for Withheld {
    type Error = &'static str;

    fn try_from(groups: Vec<WithheldGroup>) -> Result<Self, Self::Error> {
        if groups.is_empty() { Err("withheld without a group and a reason") } else { Ok(Self(groups)) }
    }
}

impl From<Withheld> for Vec<WithheldGroup> {
    fn from(withheld: Withheld) -> Self {
        withheld.0
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// Everything was done.
    Approved,
    /// It was done, but for what is withheld.
    Partial {
        /// What, and why.
        withheld: Withheld,
    },
    /// Nothing was done.
    Refused {
        /// Why.
        reason: RefusalReason,
    },
}
