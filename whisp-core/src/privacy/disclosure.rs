//! That data of somebody went to somebody else: who, why, what, how much, until when. What they said is not in it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::privacy::{Categories, ProcessorId, Purpose};

/// Why data may leave: one of the five cases of promise P34, and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisclosureGround {
    /// The business passes to somebody else.
    BusinessTransfer,
    /// The person agreed to it expressly.
    ExplicitConsent,
    /// A law or an authority asks for it.
    LegalRequirement,
    /// Meta needs it to carry the messages.
    MetaIntegration,
    /// A processor works on our instruction.
    Processor,
}

/// That data of a person went to somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosure {
    /// To whom.
    pub processor: ProcessorId,
    /// Why that is allowed.
    pub ground: DisclosureGround,
    /// For what.
    pub purpose: Purpose,
    /// Which kinds of data.
    pub categories: Categories,
    /// How many bytes of the person's.
    pub bytes: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when they keep it, as the register has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_until: Option<DateTime<Utc>>,
    /// From when on the person may be told; `None` at once. Before it, it is in no copy and no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_from: Option<DateTime<Utc>>,
}

impl Disclosure {
    /// Returns whether the person may be told.
    #[must_use]
    pub fn is_told(&self, now: DateTime<Utc>) -> bool {
        self.told_from.is_none_or(|from| from <= now)
    }
}

/// What one recipient was given of a person's data, in sum: what the person may ask for (Art. 15(1)(c) GDPR; CJEU,
/// C-154/21: the recipients themselves, not their kinds).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Recipient {
    /// Who.
    pub processor: ProcessorId,
    /// Who that is, by the register of today; `None` where it is no longer in it.
    pub name: Option<String>,
    /// Why that was allowed.
    pub ground: DisclosureGround,
    /// For what.
    pub purpose: Purpose,
    /// Which kinds of data.
    pub categories: Categories,
    /// How often.
    pub times: u64,
    /// How many bytes.
    pub bytes: u64,
    /// When first.
    pub first_at: DateTime<Utc>,
    /// When last.
    pub last_at: DateTime<Utc>,
    /// Until when they keep the last of it.
    pub retained_until: Option<DateTime<Utc>>,
}

impl Recipient {
    /// Sums disclosures up, for each recipient, ground and purpose.
    pub(crate) fn sum(
        disclosures: impl IntoIterator<Item = Disclosure>,
        name: impl Fn(&ProcessorId) -> Option<String>,
    ) -> Vec<Self> {
        let mut all: BTreeMap<(ProcessorId, DisclosureGround, Purpose), Self> = BTreeMap::new();
        for one in disclosures {
            let key = (one.processor.clone(), one.ground, one.purpose);
            let sum = all.entry(key).or_insert_with(|| Self {
                name: name(&one.processor),
                processor: one.processor,
                ground: one.ground,
                purpose: one.purpose,
                categories: Categories::NONE,
                times: 0,
                bytes: 0,
                first_at: one.at,
                last_at: one.at,
                retained_until: None,
            });
            sum.categories = sum.categories.and(one.categories);
            sum.times += 1;
            sum.bytes += one.bytes;
            sum.first_at = sum.first_at.min(one.at);
            sum.last_at = sum.last_at.max(one.at);
            sum.retained_until = sum.retained_until.max(one.retained_until);
        }
        all.into_values().collect()
    }
}
