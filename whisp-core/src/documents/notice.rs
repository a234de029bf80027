//! The privacy notice (Art. 13 and 14 GDPR, and what other laws add).

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::receiver::{self, Receiver, Wanted};
use super::ropa::horizon_hours;
use super::{Kept, NoController, Source, digest, kept};
use crate::assistant::LocalText;
use crate::model::ChannelKind;
use crate::privacy::{
    AiDisclosure, Authority, Categories, Controller, Duty, Ground, NoticeItem, Period, ProcessingActivity, ProfileId,
    Purpose, RequestKind, Right, SubjectKind,
};

/// A privacy notice: what people are told, and which version of it that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PrivacyNotice {
    /// The SHA-256 digest of [`facts`](Self::facts), in hexadecimal digits. Whatever changes in them makes another.
    pub version: String,
    /// From which day on it holds.
    pub effective: NaiveDate,
    /// What people are told.
    pub facts: NoticeFacts,
}

/// What people are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NoticeFacts {
    /// Who is responsible.
    pub controller: Controller,
    /// For whom the controller works, if for others: each is responsible for the data of who writes to it.
    pub served: Vec<Controller>,
    /// On which channels.
    pub channels: BTreeSet<ChannelKind>,
    /// What data are used for.
    pub uses: Vec<Use>,
    /// Who else gets data.
    pub receivers: Vec<Receiver>,
    /// In which countries a law wants them to be kept.
    pub kept_in: BTreeSet<String>,
    /// How long they are kept.
    pub kept: Vec<Kept>,
    /// After how many hours an erasure is final for copies of the key table too; absent if never.
    pub horizon_hours: Option<i64>,
    /// What machines do by themselves; absent if nothing.
    pub automation: Option<Automation>,
    /// How soon somebody who asks is answered, by each law.
    pub answers: Vec<AnswerTime>,
    /// To whom people may complain.
    pub authorities: Vec<LawAuthority>,
    /// What laws want to be said besides.
    pub items: BTreeSet<NoticeItem>,
    /// From which age a person decides for themselves: the highest of the laws.
    pub min_age: Option<u8>,
}

/// One use of data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Use {
    /// About whom.
    pub about: SubjectKind,
    /// For what.
    pub purpose: Purpose,
    /// On what ground.
    pub basis: Ground,
    /// Which law, or whose interest, where the ground is one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis_detail: Option<String>,
    /// Which data.
    pub categories: Categories,
    /// Which rights follow from the ground, beside the one to complain.
    pub rights: Vec<Right>,
    /// Whether a person may say no to it at any time.
    pub optional: bool,
}

impl Use {
    /// What the register says of it.
    pub(crate) fn of(activity: &ProcessingActivity) -> Self {
        Self {
            about: activity.about,
            purpose: activity.purpose,
            basis: activity.basis.ground(),
            basis_detail: activity.basis.detail().map(ToOwned::to_owned),
            categories: activity.categories,
            rights: activity.basis.rights().to_vec(),
            optional: activity.purpose.is_optional(),
        }
    }
}

/// What machines do by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Automation {
    /// What has to be told of what a machine wrote, on the day from which the notice holds.
    pub disclosure: Option<AiDisclosure>,
    /// Which laws want that.
    pub by: Vec<ProfileId>,
    /// What is said before the first automatic answer; absent where the host says it in another way.
    pub said: Option<LocalText>,
}

/// How soon somebody who asks is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AnswerTime {
    /// The name of the law.
    pub law: String,
    /// What they ask for.
    pub requests: Vec<RequestKind>,
    /// How soon.
    pub within: Period,
    /// By how much that may be put off, once, if they are told why.
    pub extension: Option<Period>,
}

/// To whom people may complain by a law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LawAuthority {
    /// The name of the law.
    pub law: String,
    /// To whom.
    pub authority: Authority,
}

impl PrivacyNotice {
    /// Writes the notice that holds from a day on.
    ///
    /// # Errors
    /// [`NoController`].
    pub fn of(source: &Source<'_>, effective: NaiveDate) -> Result<Self, NoController> {
        let facts = NoticeFacts {
            controller: source.responsible()?.clone(),
            served: source.served.to_vec(),
            channels: source.channels.clone(),
            uses: uses(source),
            receivers: receiver::all(source, &wanted(source)),
            kept_in: source
                .laws()
                .filter_map(|law| law.localisation.as_ref())
                .map(|cited| cited.value.clone())
                .collect(),
            kept: kept_by(source),
            horizon_hours: horizon_hours(source.horizon),
            automation: automation(source, effective),
            answers: answers(source, effective),
            authorities: source
                .laws()
                .filter_map(|law| {
                    let authority = law.authority.as_ref()?.value.clone();
                    Some(LawAuthority { law: law.name.clone(), authority })
                })
                .collect(),
            items: source.laws().filter_map(|law| law.notice.as_ref()).flat_map(|cited| cited.value.clone()).collect(),
            min_age: source.laws().filter_map(|law| law.min_age.as_ref()).map(|cited| cited.value).max(),
        };
        Ok(Self { version: digest(&facts), effective, facts })
    }
}

/// What is kept of the data that some activity uses.
fn kept_by(source: &Source<'_>) -> Vec<Kept> {
    let used = |category| source.register.activities().iter().any(|each| each.categories.contains(category));
    let mut all = kept::all(source.retention, source.processors);
    all.retain(|kept| kept.categories.iter().any(|category| used(*category)));
    all
}

fn wanted(source: &Source<'_>) -> Vec<Wanted> {
    source.register.activities().iter().map(|each| (each.about, each.purpose, each.categories)).collect()
}

fn uses(source: &Source<'_>) -> Vec<Use> {
    let mut uses: Vec<Use> = source.register.activities().iter().map(Use::of).collect();
    // Those who write first: it is they who read it.
    let rank = |about: SubjectKind| match about {
        SubjectKind::Contact => 0,
        SubjectKind::Mentioned => 1,
        SubjectKind::Member => 2,
        SubjectKind::AccountHolder => 3,
    };
    uses.sort_by_key(|each| (rank(each.about), each.purpose));
    uses
}

fn automation(source: &Source<'_>, day: NaiveDate) -> Option<Automation> {
    source.register.activities().iter().find(|activity| activity.purpose == Purpose::AutomatedReplies)?;
    let asking = source.laws().filter(|law| law.ai_disclosure_on(day).is_some());
    let by: Vec<_> = asking.map(|law| law.id.clone()).collect();
    let disclosure = source.laws().filter_map(|law| law.ai_disclosure_on(day)).max();
    Some(Automation { disclosure, by, said: source.disclosure.cloned() })
}

fn answers(source: &Source<'_>, day: NaiveDate) -> Vec<AnswerTime> {
    let mut all = Vec::new();
    for law in source.laws() {
        for limit in law.limits.iter().filter(|limit| limit.within.holds(day)) {
            let requests: Vec<RequestKind> = limit
                .duties
                .iter()
                .filter_map(|duty| match duty {
                    Duty::Answer(kind) => Some(*kind),
                    _ => None,
                })
                .collect();
            if !requests.is_empty() {
                let extension = limit.extension.as_ref().filter(|cited| cited.confirmed && cited.holds(day));
                let extension = extension.map(|cited| cited.value);
                all.push(AnswerTime { law: law.name.clone(), requests, within: limit.within.value, extension });
            }
        }
    }
    all
}
