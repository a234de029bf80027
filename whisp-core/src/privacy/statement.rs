//! What a person said about the use of their data, and what was decided for them: a log that only grows.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ConnectionId, MemberId, MessageId, RecordId, SubjectId};
use crate::privacy::Purpose;

/// One entry of the log about a person. Entries are only added; where the person stands is the fold of all of them
/// ([`Standing`](crate::privacy::Standing)), so what was done before an entry stays as lawful as it was (promise P16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementEvent {
    /// Which.
    pub id: RecordId,
    /// About whom.
    pub subject: SubjectId,
    /// What it says.
    pub statement: Statement,
    /// Who did what to say it.
    pub act: Act,
    /// When we learned of it, by our own clock: the order of the log.
    pub at: DateTime<Utc>,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Statement {
    /// Yes or no to an optional purpose.
    Consent {
        /// To what.
        purpose: Purpose,
        /// Yes or no.
        state: ConsentState,
        /// What the person had been told. A yes without it is none where consent is the ground (promise P13).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notice: Option<Notice>,
        /// Until when a yes holds; `None` until it is taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    },
    /// The person objects to a purpose, or no longer does (promise P49). An objection outlives a later yes of anybody but
    /// the person.
    Objection {
        /// To what.
        #[serde(rename = "objection")]
        purpose: Purpose,
        /// Whether it holds from here on.
        stands: bool,
    },
    /// What is kept may not be used, or may again (Art. 18 GDPR).
    Restriction {
        /// Why.
        #[serde(rename = "restriction")]
        ground: RestrictionGround,
        /// Whether it holds from here on.
        stands: bool,
    },
    /// The person seems to be a minor, or turned out to be none (promise P5).
    Age {
        /// What was seen.
        #[serde(rename = "age")]
        signal: AgeSignal,
    },
    /// The person was told of a notice, or answered to it (promises P64 and P65). It is no consent to anything.
    Policy {
        /// What became of it.
        #[serde(rename = "policy")]
        answer: PolicyAnswer,
        /// Which notice, in which language.
        notice: Notice,
    },
    /// The account holder let the business's account on a platform be used, within what the platform granted, or took that back
    /// (promise P14). [`Assistant::connect`](crate::assistant::Assistant::connect) and
    /// [`disconnect`](crate::assistant::Assistant::disconnect) write it.
    Account {
        /// Which.
        #[serde(rename = "account")]
        connection: ConnectionId,
        /// For what: the platform's names of the scopes. Nothing else is done with it, even if the token allows more.
        scopes: Vec<String>,
        /// Whether it holds from here on.
        stands: bool,
    },
}

impl Statement {
    /// A yes.
    #[must_use]
    pub const fn given(purpose: Purpose, notice: Option<Notice>) -> Self {
        Self::Consent { purpose, state: ConsentState::Given, notice, until: None }
    }

    /// A no after a yes.
    #[must_use]
    pub const fn withdrawn(purpose: Purpose) -> Self {
        Self::Consent { purpose, state: ConsentState::Withdrawn, notice: None, until: None }
    }

    /// Returns about which purpose it is, `None` if about all.
    #[must_use]
    pub const fn purpose(&self) -> Option<Purpose> {
        match self {
            Self::Consent { purpose, .. } | Self::Objection { purpose, .. } => Some(*purpose),
            Self::Restriction { .. } | Self::Age { .. } | Self::Policy { .. } | Self::Account { .. } => None,
        }
    }

    /// Returns whether the later of the two replaces the earlier one.
    #[must_use]
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Consent { purpose, .. }, Self::Consent { purpose: other, .. })
            | (Self::Objection { purpose, .. }, Self::Objection { purpose: other, .. }) => purpose == other,
            (Self::Restriction { ground, .. }, Self::Restriction { ground: other, .. }) => ground == other,
            (Self::Age { .. }, Self::Age { .. }) => true,
            (Self::Account { connection, .. }, Self::Account { connection: other, .. }) => connection == other,
            (Self::Policy { notice, .. }, Self::Policy { notice: other, .. }) => notice.version == other.version,
            _ => false,
        }
    }

    /// Returns whether it closes something that was open: such an entry is taken from everybody, also about somebody who is
    /// not known or was erased; one that opens is not.
    #[must_use]
    pub const fn closes(&self) -> bool {
        match self {
            Self::Consent { state, .. } => !matches!(state, ConsentState::Given),
            Self::Objection { stands, .. } | Self::Restriction { stands, .. } => *stands,
            Self::Age { signal } => signal.suspects(),
            Self::Policy { answer, .. } => matches!(answer, PolicyAnswer::Declined),
            Self::Account { stands, .. } => !*stands,
        }
    }
}

/// What an entry says about a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConsentState {
    /// The person agreed, or agreed again.
    Given,
    /// What had been taken for a yes was none.
    Invalidated,
    /// The person was asked and did not agree.
    Refused,
    /// The person withdrew.
    Withdrawn,
}

/// What became of a notice with a person. There is nothing for going on to use the service: whoever does has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PolicyAnswer {
    /// They accept it.
    Accepted,
    /// They do not, and want to leave: close the account ([`Desk::close`](crate::assistant::Desk::close)), or erase the
    /// person. By itself this ends nothing.
    Declined,
    /// They were told, and have not answered.
    Told,
}

/// What a person was told before they agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Which version of the notice: of a published one its [`version`](crate::documents::PrivacyNotice::version).
    pub version: String,
    /// In which language: a BCP 47 tag, for example `kk`.
    pub language: String,
    /// A SHA-256 digest of what the host keeps as evidence, in hexadecimal digits: the page, the form, the recording.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// What somebody did. There is no variant for going on to use the service: that is not consent (promise P13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Act {
    /// The business says that the person did. It counts where a contract is the ground, and not where consent is.
    Asserted {
        /// Who says so.
        by: MemberId,
    },
    /// The person did it in the host product, which keeps the evidence.
    Host,
    /// It was said to somebody else, in a copy that the person brought from there. What it refuses, objects to or restricts holds
    /// here too, until that was taken back, here or there; what it allows is history and allows nothing here.
    Imported,
    /// The person wrote it in the chat.
    InChat {
        /// The message.
        message: MessageId,
    },
    /// The person edited it into a message that had not come yet.
    InEdit,
    /// A member decided it.
    Member {
        /// Who.
        member: MemberId,
    },
    /// The person chose it in the platform's own settings, or granted it there.
    Platform,
}

impl Act {
    /// Returns whether the person did it, so that it can be consent.
    #[must_use]
    pub const fn is_the_persons(&self) -> bool {
        match self {
            Self::Host | Self::InChat { .. } | Self::InEdit | Self::Platform => true,
            Self::Asserted { .. } | Self::Imported | Self::Member { .. } => false,
        }
    }
}

/// Why the use of data is restricted (Art. 18(1) GDPR).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RestrictionGround {
    /// The person says that it is not right, and that is looked into.
    AccuracyContested,
    /// The person needs it for a claim of their own.
    Claim,
    /// The person asked to be erased, and that is under way.
    ErasureUnderWay,
    /// The person objected, and whose interest weighs more is looked into.
    ObjectionPending,
    /// It is unlawful, and the person does not want it erased.
    Unlawful,
}

/// A sign of somebody's age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AgeSignal {
    /// The person says that they are not of age.
    Declared,
    /// Something that the person wrote looks like it.
    Detected,
    /// The business says so.
    Flagged,
    /// It was a mistake: a member looked.
    Mistaken,
    /// The person turned out to be of age.
    OfAge,
}

impl AgeSignal {
    /// Returns whether it says that the person may be a minor.
    #[must_use]
    pub const fn suspects(self) -> bool {
        matches!(self, Self::Declared | Self::Detected | Self::Flagged)
    }
}
