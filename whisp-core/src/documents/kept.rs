//! How long what is kept.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::assistant::{LATE_MAX, Retention};
use crate::privacy::{DataCategory, Processors};

/// How long some data are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Kept {
    /// Which data.
    pub data: KeptData,
    /// Of which kinds they are.
    pub categories: Vec<DataCategory>,
    /// How long.
    pub keep: Keep,
}

/// Data that are kept equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeptData {
    /// What more is known of an event of the audit log.
    AuditDetails,
    /// The events of the audit log: who did what when, under ids alone, and digests of receipts.
    AuditLog,
    /// The tokens of connected accounts, and who connected them.
    Connections,
    /// That data went to a processor.
    Disclosures,
    /// What is counted of messages and inquiries: when, over which account, by which member. Then only
    /// [figures](crate::kpi::Figures) about groups of people are left.
    Facts,
    /// Files that came with messages.
    Files,
    /// Keyed marks of ids, and of what came in, so that nothing comes twice or after an erasure.
    Marks,
    /// Messages.
    Messages,
    /// Names, ids and what was said about the use of the data.
    People,
    /// Receipts of erasures: of whom under an id that leads nowhere any more, when, and how much of what.
    Receipts,
    /// Requests about data, holds, breaches, and what was handed to authorities, once they have ended.
    Requests,
    /// Messages, and their files, that tell of special categories.
    Special,
    /// Answers that an engine proposed and nobody used.
    Suggestions,
    /// What people gave when they asked for help.
    Support,
    /// The members of the team.
    Team,
    /// What could not be done.
    Undone,
    /// What a webhook held that could not be read.
    Unreadable,
    /// What was noted of the use of the product.
    Usage,
}

impl KeptData {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::AuditDetails => "audit_details",
            Self::AuditLog => "audit_log",
            Self::Connections => "connections",
            Self::Disclosures => "disclosures",
            Self::Facts => "facts",
            Self::Files => "files",
            Self::Marks => "marks",
            Self::Messages => "messages",
            Self::People => "people",
            Self::Receipts => "receipts",
            Self::Requests => "requests",
            Self::Special => "special",
            Self::Suggestions => "suggestions",
            Self::Support => "support",
            Self::Team => "team",
            Self::Undone => "undone",
            Self::Unreadable => "unreadable",
            Self::Usage => "usage",
        }
    }
}

/// How long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Keep {
    /// So many hours from when it came, or ended; a part of one counts as one.
    Hours(i64),
    /// So many hours from when somebody was in touch with the person last.
    HoursAfterLastContact(i64),
    /// As long as the account is connected.
    WhileConnected,
    /// As long as the business is served.
    WhileServed,
    /// As long as the person is on the team.
    WhileOnTeam,
}

fn hours(time: TimeDelta) -> i64 {
    let whole = time.num_hours();
    if TimeDelta::hours(whole) < time { whole + 1 } else { whole }
}

/// Lists what is kept how long.
pub(super) fn all(retention: &Retention, processors: &Processors) -> Vec<Kept> {
    use DataCategory::{Audit, Credential, Identity, Media, MessageContent, Raw, Support, Usage};
    // Each field by its name: whoever adds one decides here what people are told of it.
    let Retention {
        messages,
        files,
        special,
        suggestions,
        raw,
        dead_letters,
        disclosures,
        audit_details,
        requests,
        support,
        usage,
        contacts,
        facts,
    } = *retention;
    let longest = processors.list().iter().map(|each| TimeDelta::days(each.retention_days.into())).max();
    let disclosures = longest.map_or(disclosures, |longest| longest.max(disclosures));
    let facts = facts.map_or(Keep::WhileServed, |time| Keep::Hours(hours(time)));
    let people = contacts.map_or(Keep::WhileServed, |silent| Keep::HoursAfterLastContact(hours(silent)));
    let rule = |data, categories: &[DataCategory], keep| Kept { data, categories: categories.to_vec(), keep };
    let timed = |data, categories, time| rule(data, categories, Keep::Hours(hours(time)));
    vec![
        timed(KeptData::Messages, &[MessageContent], messages),
        timed(KeptData::Files, &[Media], files.min(messages)),
        timed(KeptData::Special, &[MessageContent, Media], special.min(messages)),
        timed(KeptData::Suggestions, &[MessageContent], suggestions),
        timed(KeptData::Unreadable, &[Raw], raw),
        timed(KeptData::Undone, &[Identity], dead_letters),
        timed(KeptData::Marks, &[Identity], LATE_MAX),
        rule(KeptData::People, &[Identity], people),
        timed(KeptData::Disclosures, &[Identity], disclosures),
        timed(KeptData::Requests, &[Identity], requests),
        timed(KeptData::Support, &[Support], support),
        timed(KeptData::Usage, &[Usage], usage),
        timed(KeptData::AuditDetails, &[Audit], audit_details),
        rule(KeptData::AuditLog, &[Audit], Keep::WhileServed),
        rule(KeptData::Receipts, &[Audit], Keep::WhileServed),
        rule(KeptData::Facts, &[Identity], facts),
        rule(KeptData::Team, &[Identity], Keep::WhileOnTeam),
        rule(KeptData::Connections, &[Credential, Identity], Keep::WhileConnected),
    ]
}
