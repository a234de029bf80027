//! What an event of the log says. It names nobody.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::audit::TreeHash;
use crate::id::RecordId;
use crate::model::{AutomationMode, ChannelKind, HandOffReason};
use crate::privacy::{EgressRefusal, GlassReason, ProcessorId, Purpose};

/// One event, as it stands in the log for ever.
///
/// Its leaf in the tree is its JSON as it was written, byte for byte. A field that a later version adds is left out where
/// it says nothing, so that what was logged before is still read; nothing is ever hashed anew from what was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditEvent {
    /// Which. Ids are in the order of time.
    pub id: RecordId,
    /// When, by our clock.
    pub at: DateTime<Utc>,
    /// What was done.
    pub action: AuditAction,
    /// About which purpose, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// By whom.
    pub actor: Actor,
    /// About whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Tag>,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    /// What came of it.
    pub outcome: Outcome,
    /// The commitment to what more is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<TreeHash>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditAction {
    /// A member wanted to do what they may not.
    AccessDenied,
    /// A person turned out to be of age, or the doubt to be a mistake.
    AgeCleared,
    /// There was a sign that a person may be a minor.
    AgeDoubted,
    /// Automation was turned off for the tenant.
    AutomationOff,
    /// Automation was turned on for the tenant.
    AutomationOn,
    /// It is known what a breach was.
    BreachAssessed,
    /// Nothing is left to do for a breach.
    BreachClosed,
    /// A breach did happen.
    BreachConfirmed,
    /// A breach is contained: nothing leaves, tokens are destroyed, the key has turned.
    BreachContained,
    /// A breach had not happened.
    BreachDismissed,
    /// The time in which somebody has to be told of a breach comes to its end, or is over.
    BreachDue,
    /// It is known how long a breach lasted.
    BreachEnded,
    /// A breach is contained no more.
    BreachLifted,
    /// A breach is suspected.
    BreachSuspected,
    /// Somebody was told of a breach.
    BreachTold,
    /// A business began to close its account.
    ClosingBegun,
    /// It keeps it open.
    ClosingStopped,
    /// An account was connected, or connected again.
    Connected,
    /// A person agreed to a purpose, or agreed again.
    ConsentGiven,
    /// What had been taken for a yes was none.
    ConsentInvalidated,
    /// A person was asked and did not agree.
    ConsentRefused,
    /// A person withdrew from a purpose.
    ConsentWithdrawn,
    /// Somebody began to look at what a person wrote, or who they are.
    ContentRead,
    /// A member decided something significant about a person that an engine had proposed: so, or, denied, not so.
    Decided,
    /// An account was disconnected.
    Disconnected,
    /// Things leave again.
    EgressResumed,
    /// Nothing leaves from here on, since a breach is contained.
    EgressStopped,
    /// An engine was not asked, because whom it sends data to may not have them.
    EgressRefused,
    /// The erasure of a person began: from here on their key may be gone.
    ErasureBegun,
    /// The erasure of a person ended. The detail is that of its receipt.
    ErasureDone,
    /// A member said why they look at a conversation that is not theirs.
    GlassBroken,
    /// A conversation was given back to the engines.
    HandedBack,
    /// A conversation was given to the team.
    HandedOff,
    /// The handles of a connection's contacts are found by a new key, from here on.
    HandleKeyRenewed,
    /// Something of a person's data must be kept from here on.
    HoldPlaced,
    /// It must be kept no longer.
    HoldReleased,
    /// Somebody looked, and it must be kept still.
    HoldReviewed,
    /// A copy that somebody brought from elsewhere was taken in.
    Imported,
    /// A person gets a new key, from here on.
    KeyRenewed,
    /// Somebody else of the team agreed that data of a person are handed to an authority.
    LegalApproved,
    /// Somebody of the team took down that an authority asks for data of a person.
    LegalAsked,
    /// A person may be told now that data of theirs were handed to an authority.
    LegalGagEnded,
    /// Data of a person were handed to an authority.
    LegalHandedOut,
    /// Somebody else of the team refused to hand data of a person to an authority.
    LegalRefused,
    /// Somebody joined the team.
    MemberAdded,
    /// How far the assistant may go on a connection was set.
    ModeSet,
    /// A person objected to a purpose.
    Objected,
    /// An objection holds no longer.
    ObjectionEnded,
    /// A person accepted a notice.
    PolicyAccepted,
    /// A person did not accept a notice.
    PolicyDeclined,
    /// A person was told of a notice.
    PolicyTold,
    /// What is kept of a person was corrected.
    Rectified,
    /// What somebody wrote was taken out, because of whom they wrote about.
    Redacted,
    /// What is kept of a person may not be used.
    Restricted,
    /// A person was told that their request arrived.
    RequestAcknowledged,
    /// A person was told what came of their request.
    RequestAnswered,
    /// Somebody began to look at what can be done for a request.
    RequestAssessed,
    /// What was asked began to be done.
    RequestBegun,
    /// Nothing is left to do for a request.
    RequestClosed,
    /// The time in which a request has to be answered comes to its end, or is over.
    RequestDue,
    /// The answer to a request was put off.
    RequestExtended,
    /// A request is to be fulfilled, wholly or in part.
    RequestGranted,
    /// What was asked is done here; processors have been told.
    RequestHandedOn,
    /// A request is answered together with an earlier one.
    RequestMerged,
    /// A person was asked to prove that a request is theirs.
    RequestProofAsked,
    /// They did not, or not in time.
    RequestProofFailed,
    /// They did.
    RequestProven,
    /// A person asked something about their data.
    RequestReceived,
    /// Nothing is done for a request.
    RequestRefused,
    /// A step of what was asked was tried.
    RequestStep,
    /// A person took their request back.
    RequestTakenBack,
    /// A restriction holds no longer.
    RestrictionEnded,
    /// How long a business keeps what people write was set.
    RetentionSet,
    /// What a member is there for was set.
    RoleSet,
    /// A member took a conversation over.
    TakenOver,
    /// What becomes of messages that tell of special categories was set.
    SensitiveSet,
    /// A business was taken on.
    TenantCreated,
    /// The token of a connected account was destroyed.
    TokenDestroyed,
    /// It was taken down that control of the business passes to a new owner.
    TransferBegun,
    /// Control of the business has passed to a new owner.
    TransferCompleted,
    /// People were told of the new owner.
    TransferTold,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The gate, or the access policy, denied it.
    Denied,
    /// It was done.
    Done,
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Actor {
    /// The program that embeds the assistant.
    Host,
    /// A member of the team, where it is known who.
    Member {
        /// Who.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<Tag>,
    },
    /// The person whom it is about.
    Subject,
    /// The assistant by itself: an engine, a rule, a deadline.
    System,
}

/// To what something was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The name of its kind of record.
    pub kind: String,
    /// Which.
    pub tag: Tag,
}

/// Stands for a person or a record: a keyed digest of the id, by a key that is apart from the data. The same one has the
/// same tag in all events of a tenant, as actor and as subject. Its text is 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub [u8; 16]);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).simple().fmt(f)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({self})")
    }
}

impl Serialize for Tag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Uuid::try_parse(&text).map(|id| Self(id.into_bytes())).map_err(serde::de::Error::custom)
    }
}

/// What more is known of an event. It is sealed under the key of the person whom it is about, in a record of theirs, and
/// goes with them; the log has only a commitment to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditDetail {
    /// Why a member looks at a conversation that is not theirs.
    BrokenGlass {
        /// Why.
        reason: GlassReason,
    },
    /// How an account was connected.
    Connection {
        /// On which channel.
        channel: ChannelKind,
        /// How far the assistant may go.
        mode: AutomationMode,
        /// What the business granted.
        scopes: Vec<String>,
    },
    /// Why a processor got nothing.
    Egress {
        /// Which.
        processor: ProcessorId,
        /// Why.
        refusal: EgressRefusal,
    },
    /// Why a conversation was given to the team.
    HandOff {
        /// Why.
        reason: HandOffReason,
    },
    /// How far the assistant may go on a connection.
    Mode {
        /// How far.
        mode: AutomationMode,
    },
}

/// A detail with the random bytes that keep its commitment from being guessed.
#[derive(Serialize, Deserialize)]
pub(crate) struct SaltedDetail {
    salt: TreeHash,
    /// The JSON of it, as it was hashed.
    detail: String,
}

impl SaltedDetail {
    pub(crate) fn new(salt: [u8; 32], detail: &AuditDetail) -> Result<Self, serde_json::Error> {
        Ok(Self { salt: TreeHash(salt), detail: serde_json::to_string(detail)? })
    }

    /// Returns the commitment.
    pub(crate) fn commitment(&self) -> TreeHash {
        TreeHash::of(&[&self.salt.0, self.detail.as_bytes()])
    }

    /// Reads the detail.
    pub(crate) fn detail(&self) -> Result<AuditDetail, serde_json::Error> {
        serde_json::from_str(&self.detail)
    }
}
