//! On what ground data may be used, and which rights follow from it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The ground on which data is used (Art. 6(1) GDPR). Each activity has exactly one (promise P12).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LawfulBasis {
    /// The person agreed, after they were told (point a).
    Consent,
    /// It is needed for what the person, or the business that they write to, has agreed on (point b).
    Contract,
    /// A law asks for it (point c).
    LegalObligation {
        /// Which: its short name and article.
        law: String,
    },
    /// Somebody's interest weighs more than the person's (point f), as was written down and is looked at again.
    LegitimateInterest(Assessment),
}

/// The kinds of grounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ground {
    /// [`LawfulBasis::Consent`].
    Consent,
    /// [`LawfulBasis::Contract`].
    Contract,
    /// [`LawfulBasis::LegalObligation`].
    LegalObligation,
    /// [`LawfulBasis::LegitimateInterest`].
    LegitimateInterest,
}

impl Ground {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Contract => "contract",
            Self::LegalObligation => "legal_obligation",
            Self::LegitimateInterest => "legitimate_interest",
        }
    }
}

impl LawfulBasis {
    /// Returns which kind of ground it is.
    #[must_use]
    pub const fn ground(&self) -> Ground {
        match self {
            Self::Consent => Ground::Consent,
            Self::Contract => Ground::Contract,
            Self::LegalObligation { .. } => Ground::LegalObligation,
            Self::LegitimateInterest(_) => Ground::LegitimateInterest,
        }
    }

    /// Returns which law it is, or whose interest in what, where it is one of these.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Consent | Self::Contract => None,
            Self::LegalObligation { law } => Some(law),
            Self::LegitimateInterest(assessment) => Some(&assessment.interest),
        }
    }

    /// Returns the rights that a person has about what is used on this ground, beside the right to complain: the mapping
    /// `legal_basis_rights` of the [Data Privacy Vocabulary](https://w3id.org/dpv) 2.3.
    #[must_use]
    pub const fn rights(&self) -> &'static [Right] {
        use Right::{Access, Erasure, Objection, Portability, Rectification, Restriction, Withdrawal};
        match self {
            Self::Consent => &[Access, Rectification, Erasure, Restriction, Portability, Withdrawal],
            Self::Contract => &[Access, Rectification, Erasure, Restriction, Portability],
            Self::LegalObligation { .. } => &[Access, Rectification, Restriction],
            Self::LegitimateInterest(_) => &[Access, Rectification, Erasure, Restriction, Objection],
        }
    }
}

impl fmt::Display for LawfulBasis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consent => f.write_str("consent"),
            Self::Contract => f.write_str("contract"),
            Self::LegalObligation { law } => write!(f, "legal obligation ({law})"),
            Self::LegitimateInterest(assessment) => write!(f, "legitimate interest ({})", assessment.interest),
        }
    }
}

/// Why an interest outweighs the person's (promise P17): the three steps of the test, and until when it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// Whose interest in what.
    pub interest: String,
    /// Why it can't be had with less.
    pub necessity: String,
    /// Why the person's rights weigh less, and what they would expect.
    pub balance: String,
    /// What is done so that little harm can come of it.
    pub safeguards: String,
    /// When somebody looked at it last.
    pub reviewed_at: DateTime<Utc>,
    /// Until when it counts. Later everything on this ground is denied.
    pub expires_at: DateTime<Utc>,
}

/// A right over one's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Right {
    /// To have a copy (Art. 15).
    Access,
    /// To have it corrected (Art. 16).
    Rectification,
    /// To have it erased (Art. 17).
    Erasure,
    /// To have it kept and not used (Art. 18).
    Restriction,
    /// To take it elsewhere (Art. 20).
    Portability,
    /// To say no (Art. 21).
    Objection,
    /// To take a yes back (Art. 7(3)).
    Withdrawal,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise P18, invariant I-13.
    #[test]
    fn i13_the_rights_of_each_ground_are_those_of_the_vocabulary() {
        use Right::{Access, Erasure, Objection, Portability, Rectification, Restriction, Withdrawal};
        let columns = [Access, Rectification, Erasure, Restriction, Portability, Objection, Withdrawal];
        let assessment = Assessment {
            interest: String::new(),
            necessity: String::new(),
            balance: String::new(),
            safeguards: String::new(),
            reviewed_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH,
        };
        let table = [
            (LawfulBasis::Consent, [true, true, true, true, true, false, true]),
            (LawfulBasis::Contract, [true, true, true, true, true, false, false]),
            (LawfulBasis::LegalObligation { law: String::new() }, [true, true, false, true, false, false, false]),
            (LawfulBasis::LegitimateInterest(assessment), [true, true, true, true, false, true, false]),
        ];
        for (basis, row) in table {
            assert_eq!(columns.map(|right| basis.rights().contains(&right)), row, "{basis}");
        }
    }
}
