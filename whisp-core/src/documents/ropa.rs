//! The record of processing activities (Art. 30 GDPR).

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;

use super::receiver::{self, Receiver};
use super::{Kept, KeptData, Measure, NoController, Source, kept};
use crate::assistant::Unbounded;
use crate::model::ChannelKind;
use crate::privacy::{Categories, Controller, Ground, ProcessingActivity, Purpose, SubjectKind};

/// The record of processing activities: Art. 30(1) GDPR for what the controller does for itself, Art. 30(2) for what it does
/// for the businesses that it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Ropa {
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// Who is responsible, or works for those who are.
    pub controller: Controller,
    /// What the controller does for itself.
    pub activities: Vec<RopaEntry>,
    /// For whom it works, if for others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub served: Vec<Controller>,
    /// What it does for each of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub activities_for_served: Vec<RopaEntry>,
    /// What protects the data.
    pub measures: Vec<Measure>,
    /// After how many hours an erasure is final for copies of the key table too; absent if never.
    pub horizon_hours: Option<i64>,
}

/// One activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RopaEntry {
    /// For what.
    pub purpose: Purpose,
    /// About whom.
    pub about: SubjectKind,
    /// On what ground.
    pub basis: Ground,
    /// Which law, or whose interest, where the ground is one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basis_detail: Option<String>,
    /// Which data.
    pub categories: Categories,
    /// On which channels, where that matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<ChannelKind>>,
    /// Who else gets them, with what goes abroad.
    pub receivers: Vec<Receiver>,
    /// How long they are kept.
    pub kept: Vec<Kept>,
    /// When somebody looked last whether all of this is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reviewed_at: Option<NaiveDate>,
}

impl Ropa {
    /// Writes the record.
    ///
    /// # Errors
    /// [`NoController`].
    pub fn of(source: &Source<'_>) -> Result<Self, NoController> {
        let controller = source.responsible()?.clone();
        let for_itself =
            |each: &&ProcessingActivity| source.served.is_empty() || each.about == SubjectKind::AccountHolder;
        let (own, others): (Vec<_>, Vec<_>) = source.register.activities().iter().partition(for_itself);
        let entries = |all: Vec<&ProcessingActivity>| all.into_iter().map(|each| entry(source, each)).collect();
        Ok(Self {
            made_at: source.at,
            controller,
            activities: entries(own),
            served: source.served.to_vec(),
            activities_for_served: entries(others),
            measures: source.measures.iter().copied().collect(),
            horizon_hours: horizon_hours(source.horizon),
        })
    }
}

pub(super) fn horizon_hours(horizon: Result<TimeDelta, Unbounded>) -> Option<i64> {
    horizon.ok().map(|time| time.num_hours())
}

/// Which data of some kinds are kept about whom.
fn kept_of(source: &Source<'_>, about: SubjectKind, categories: Categories) -> Vec<Kept> {
    use SubjectKind::{AccountHolder, Contact, Member};
    let is_theirs = |kept: &Kept| match kept.data {
        KeptData::AuditDetails | KeptData::AuditLog | KeptData::Receipts => true,
        KeptData::Connections => about == AccountHolder,
        KeptData::Team => about == Member,
        // An event of an account that is about nobody in particular.
        KeptData::Unreadable => about != Member,
        KeptData::Requests => about != AccountHolder,
        // By what the activity is for.
        KeptData::Support | KeptData::Usage => true,
        // Of who writes and of who answers.
        KeptData::Facts => matches!(about, Contact | Member),
        // Who is mentioned is in what others wrote.
        KeptData::Disclosures
        | KeptData::Files
        | KeptData::Marks
        | KeptData::Messages
        | KeptData::Special
        | KeptData::People
        | KeptData::Suggestions
        | KeptData::Undone => !matches!(about, AccountHolder | Member),
    };
    let used = |kept: &Kept| kept.categories.iter().any(|category| categories.contains(*category));
    kept::all(source.retention, source.processors).into_iter().filter(|kept| used(kept) && is_theirs(kept)).collect()
}

fn entry(source: &Source<'_>, activity: &ProcessingActivity) -> RopaEntry {
    let ProcessingActivity { purpose, about, basis, categories, channels, reviewed_at } = activity;
    RopaEntry {
        purpose: *purpose,
        about: *about,
        basis: basis.ground(),
        basis_detail: basis.detail().map(ToOwned::to_owned),
        categories: *categories,
        channels: channels.clone(),
        receivers: receiver::all(source, &[(*about, *purpose, *categories)]),
        kept: kept_of(source, *about, *categories),
        reviewed_at: *reviewed_at,
    }
}
