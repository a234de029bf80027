//! The business and its team.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{BreachId, MemberId, SubjectId, TenantId};
use crate::privacy::Role;
use crate::sensitive::Sensitive;

/// A business that embeds or uses the assistant. Its name is sealed, and read apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Which.
    pub id: TenantId,
    /// The account holder: the subject under whose key the tenant's own secrets are sealed.
    pub account_holder: SubjectId,
    /// Whether anything automatic may happen at all. Off until the business turns it on (promise P10).
    pub automation: bool,
    /// The IANA time zone of the business, for example `Asia/Almaty`.
    pub zone: String,
    /// Into how many buckets its conversations hash, 1 to [`Tenant::BUCKETS_MAX`]: how many workers can share it.
    /// Fixed once the tenant exists.
    pub buckets: u16,
    /// What becomes of messages that tell of special categories.
    #[serde(default, skip_serializing_if = "SensitivePolicy::is_default")]
    pub sensitive: SensitivePolicy,
    /// How long it keeps what people write, where that is shorter than the host's.
    #[serde(default, skip_serializing_if = "TenantRetention::is_default")]
    pub retention: TenantRetention,
    /// How often its name was given anew: the names before can't be read any more.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub renamed: u32,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Whether its account is to be closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<Closing>,
    /// Whether nothing leaves, since a breach is being contained.
    #[serde(default, skip_serializing_if = "Containment::is_default")]
    pub containment: Containment,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// For which breaches nothing leaves of a business.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Containment {
    /// How often that has changed.
    pub changes: u32,
    /// Which they are, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub breaches: BTreeMap<BreachId, DateTime<Utc>>,
}

impl Containment {
    /// How many breaches are contained at a time at most.
    pub const BREACHES_MAX: usize = 100;

    /// Returns whether nothing leaves.
    #[must_use]
    pub fn stands(&self) -> bool {
        !self.breaches.is_empty()
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// An account that is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// When that was asked for.
    pub asked_at: DateTime<Utc>,
    /// From when on everything is destroyed.
    pub at: DateTime<Utc>,
}

/// What becomes of messages in which somebody tells of their health, their beliefs and the like
/// ([`SpecialKind`](crate::find::SpecialKind); promise P4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SensitivePolicy {
    /// No engine is asked: a person answers.
    #[default]
    HandOff,
    /// Engines are asked about contacts who agreed to automatic answers themselves, after a notice (Art. 9(2)(a) GDPR). For
    /// a business whose trade it is, such as a pharmacy.
    WithConsent,
}

/// How long a business keeps what people write, in days from when it came: its own rule where that is shorter than the host's
/// [`Retention`](crate::assistant::Retention), which nobody exceeds because the notice tells people so. `None` goes by the
/// host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantRetention {
    /// Messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<u16>,
    /// The files that came with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u16>,
    /// Messages, and their files, that tell of special categories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub special: Option<u16>,
    /// Suggestions that nobody used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestions: Option<u16>,
    /// People with whom nobody has spoken, and all that is left of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contacts: Option<u16>,
}

impl TenantRetention {
    /// Returns whether each is at least a day: less would take a message away from who is to answer it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let Self { messages, files, special, suggestions, contacts } = *self;
        [messages, files, special, suggestions, contacts].iter().all(|days| *days != Some(0))
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl SensitivePolicy {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Tenant {
    /// The most buckets that a tenant can have.
    pub const BUCKETS_MAX: u16 = 1_024;
    /// How many buckets a tenant has unless told otherwise.
    pub const BUCKETS_DEFAULT: u16 = 4;
}

/// A person of the tenant's team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub id: MemberId,
    /// The name that colleagues see.
    pub name: Sensitive,
    /// What they are there for.
    pub role: Role,
    /// Since when.
    pub joined_at: DateTime<Utc>,
}
