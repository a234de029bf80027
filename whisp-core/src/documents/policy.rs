//! The notices that were published, and what changes from one to the next (promises P63 to P65).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Keep, KeptData, NoticeFacts, PrivacyNotice, Receiver, Use};
use crate::privacy::{Categories, DataCategory, Ground, Purpose, Region, SubjectKind};

/// A notice that was published. It is never changed: what people were told stays what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PolicyVersion {
    /// Which one, counted from 1.
    pub number: u64,
    /// What people know it by, for example `2026-12`.
    pub label: String,
    /// When it was published.
    pub published_at: DateTime<Utc>,
    /// Whether people have to be told before it holds (promise P64): where one of the [`changes`](Self::changes) says so, for
    /// the first one, and where the business wants it so.
    pub significant: bool,
    /// What becomes other than the one before said, to somebody's disadvantage.
    pub changes: Vec<PolicyChange>,
    /// What it says, and from which day on, by UTC.
    pub notice: PrivacyNotice,
}

/// What becomes other from one notice to the next so that people have to be told. What is not here (an address of an
/// authority, one use less) makes another version, and nobody has to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PolicyChange {
    /// Somebody else is responsible.
    Controller,
    /// Data are used for something that they were not used for.
    NewUse {
        /// About whom.
        about: SubjectKind,
        /// For what.
        purpose: Purpose,
    },
    /// More data are used for something.
    MoreData {
        /// About whom.
        about: SubjectKind,
        /// For what.
        purpose: Purpose,
        /// Which.
        categories: Categories,
    },
    /// Data are used on another ground.
    OtherGround {
        /// About whom.
        about: SubjectKind,
        /// For what.
        purpose: Purpose,
        /// The one before.
        before: Ground,
        /// The one from now on. It may be of the same kind, such as another law.
        after: Ground,
    },
    /// Somebody else gets data.
    NewReceiver {
        /// The firm.
        name: String,
    },
    /// Somebody else gets more data, or for more.
    ReceiverGetsMore {
        /// The firm.
        name: String,
    },
    /// Data go to a country where they did not go.
    NewRegion {
        /// The firm that they go to.
        name: String,
        /// Where.
        region: Region,
    },
    /// Data are kept longer.
    KeptLonger {
        /// Which.
        data: KeptData,
    },
}

impl PolicyChange {
    /// Returns for what, and about whom, more is done than before. Where a person may say no to that, it waits for their yes.
    #[must_use]
    pub const fn widens(&self) -> Option<(SubjectKind, Purpose)> {
        match self {
            Self::NewUse { about, purpose }
            | Self::MoreData { about, purpose, .. }
            | Self::OtherGround { about, purpose, .. } => Some((*about, *purpose)),
            Self::Controller
            | Self::NewReceiver { .. }
            | Self::ReceiverGetsMore { .. }
            | Self::NewRegion { .. }
            | Self::KeptLonger { .. } => None,
        }
    }

    /// Lists what becomes other from one notice to the next.
    #[must_use]
    pub fn between(before: &NoticeFacts, after: &NoticeFacts) -> Vec<Self> {
        let mut changes = Vec::new();
        if before.controller.name != after.controller.name {
            changes.push(Self::Controller);
        }
        for each in &after.uses {
            let known = before.uses.iter().find(|use_| use_.is_of(each.about, each.purpose));
            changes.extend(each.changes(known));
        }
        for each in &after.receivers {
            receiver(&mut changes, before.receivers.iter().find(|known| known.name == each.name), each);
        }
        for each in &after.kept {
            let known = before.kept.iter().find(|known| known.data == each.data);
            if known.is_none_or(|known| is_longer(known.keep, each.keep)) {
                changes.push(Self::KeptLonger { data: each.data });
            }
        }
        changes
    }
}

impl Use {
    /// Returns whether it is this one.
    pub(crate) fn is_of(&self, about: SubjectKind, purpose: Purpose) -> bool {
        (self.about, self.purpose) == (about, purpose)
    }

    /// Lists what goes beyond what was said before. Consent as a new ground is not among it: it asks each person itself.
    pub(crate) fn changes(&self, before: Option<&Self>) -> Vec<PolicyChange> {
        let (about, purpose) = (self.about, self.purpose);
        let Some(before) = before else { return vec![PolicyChange::NewUse { about, purpose }] };
        let more = more(before.categories, self.categories);
        let (was, is) = (before.basis, self.basis);
        let other = (was, &before.basis_detail) != (is, &self.basis_detail) && is != Ground::Consent;
        let data = (!more.is_empty()).then_some(PolicyChange::MoreData { about, purpose, categories: more });
        let ground = other.then_some(PolicyChange::OtherGround { about, purpose, before: was, after: is });
        data.into_iter().chain(ground).collect()
    }
}

/// What is in the second and was not in the first.
fn more(before: Categories, after: Categories) -> Categories {
    let new: Vec<DataCategory> = after.iter().filter(|category| !before.contains(*category)).collect();
    Categories::of(&new)
}

fn receiver(changes: &mut Vec<PolicyChange>, before: Option<&Receiver>, after: &Receiver) {
    let name = || after.name.clone();
    let Some(before) = before else {
        changes.push(PolicyChange::NewReceiver { name: name() });
        return;
    };
    let longer = before.retention_days < after.retention_days;
    let others = after.sub_processors.iter().any(|firm| !before.sub_processors.contains(firm));
    let for_more = !after.purposes.is_subset(&before.purposes);
    if longer || others || for_more || !more(before.categories, after.categories).is_empty() {
        changes.push(PolicyChange::ReceiverGetsMore { name: name() });
    }
    for region in after.regions.difference(&before.regions) {
        changes.push(PolicyChange::NewRegion { name: name(), region: region.clone() });
    }
}

/// Where neither is surely the shorter one, it is longer: rather one notice too many.
const fn is_longer(before: Keep, after: Keep) -> bool {
    match (before, after) {
        (Keep::Hours(before), Keep::Hours(after))
        | (Keep::HoursAfterLastContact(before), Keep::HoursAfterLastContact(after)) => after > before,
        (Keep::WhileConnected, Keep::WhileConnected)
        | (Keep::WhileServed, Keep::WhileServed)
        | (Keep::WhileOnTeam, Keep::WhileOnTeam)
        | (Keep::WhileServed, _) => false,
        _ => true,
    }
}
