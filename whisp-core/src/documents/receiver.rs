//! Who else gets data, and which of that goes abroad.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Source;
use crate::model::ChannelKind;
use crate::privacy::{Categories, DataCategory, Processor, ProcessorRole, ProfileId, Purpose, Region, SubjectKind};

/// Somebody else who gets data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receiver {
    /// The firm.
    pub name: String,
    /// What it does.
    pub role: ReceiverRole,
    /// For what it gets data.
    pub purposes: BTreeSet<Purpose>,
    /// Which data.
    pub categories: Categories,
    /// Where it processes them; empty where it says so itself.
    pub regions: BTreeSet<Region>,
    /// Which of that is abroad.
    pub transfers: Vec<Transfer>,
    /// For how many days it keeps them; absent where it says so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u16>,
    /// Whom it takes in itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sub_processors: Vec<String>,
}

/// What somebody else who gets data does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReceiverRole {
    /// Carries the messages, by terms of its own.
    Platform,
    /// Works on our instruction.
    #[serde(untagged)]
    Processor(ProcessorRole),
}

/// That data go abroad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Transfer {
    /// Where.
    pub region: Region,
    /// By which laws that is abroad.
    pub by: Vec<ProfileId>,
    /// What makes it lawful; absent if nobody has said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safeguard: Option<String>,
}

/// What an activity uses: about whom, for what, which data.
pub(super) type Wanted = (SubjectKind, Purpose, Categories);

/// Whether a processor gets data of a kind for a purpose: by the check that an engine passes, and for whoever runs machines or
/// keeps data, which no check stands before, by what they are registered for.
fn gets(source: &Source<'_>, processor: &Processor, purpose: Purpose, category: DataCategory) -> bool {
    let data = Categories::of(&[category]);
    if processor.role == ProcessorRole::LanguageModel {
        return source.processors.check(&processor.id, purpose, data).is_ok();
    }
    processor.purposes.contains(&purpose) && processor.categories.contains(category)
}

/// Lists who else gets data that these activities use.
pub(super) fn all(source: &Source<'_>, wanted: &[Wanted]) -> Vec<Receiver> {
    let platforms = of_platforms(source, wanted);
    let processors = source.processors.list().iter().filter_map(|each| of_processor(source, each, wanted));
    platforms.into_iter().chain(processors).collect()
}

/// Lists who runs the channels: Meta all of its own, of another kind of channel somebody of its name.
fn of_platforms(source: &Source<'_>, wanted: &[Wanted]) -> Vec<Receiver> {
    // What goes out over a channel: answers, what members write, codes and notices about rights; and, for the account
    // itself, its token.
    let is_sent = |about: SubjectKind, purpose: Purpose| match purpose {
        Purpose::AutomatedReplies | Purpose::Rights => about == SubjectKind::Contact,
        Purpose::ServiceProvision => matches!(about, SubjectKind::AccountHolder | SubjectKind::Contact),
        _ => false,
    };
    let carried = [DataCategory::Identity, DataCategory::Media, DataCategory::MessageContent];
    let (mut purposes, mut categories) = (BTreeSet::new(), Categories::NONE);
    for (_, purpose, data) in wanted.iter().filter(|(about, purpose, _)| is_sent(*about, *purpose)) {
        for category in carried.into_iter().filter(|category| data.contains(*category)) {
            purposes.insert(*purpose);
            categories = categories.and(Categories::of(&[category]));
        }
    }
    let names: BTreeSet<&str> = source.channels.iter().map(operator).collect();
    let names = names.into_iter().filter(|_| !purposes.is_empty());
    let receiver = |name: &str| Receiver {
        name: name.to_owned(),
        role: ReceiverRole::Platform,
        purposes: purposes.clone(),
        categories,
        regions: BTreeSet::new(),
        transfers: Vec::new(),
        retention_days: None,
        sub_processors: Vec::new(),
    };
    names.map(receiver).collect()
}

/// Who runs a channel. Of one that is not Meta's its name alone is known here.
fn operator(channel: &ChannelKind) -> &str {
    match channel {
        ChannelKind::Instagram | ChannelKind::Messenger | ChannelKind::WhatsApp => "Meta Platforms",
        other => other.as_str(),
    }
}

fn of_processor(source: &Source<'_>, processor: &Processor, wanted: &[Wanted]) -> Option<Receiver> {
    let (mut purposes, mut categories) = (BTreeSet::new(), Categories::NONE);
    for (_, purpose, data) in wanted {
        for category in data.iter().filter(|category| gets(source, processor, *purpose, *category)) {
            purposes.insert(*purpose);
            categories = categories.and(Categories::of(&[category]));
        }
    }
    (!purposes.is_empty()).then(|| Receiver {
        name: processor.name.clone(),
        role: ReceiverRole::Processor(processor.role),
        purposes,
        categories,
        regions: processor.regions.clone(),
        transfers: transfers(source, processor),
        retention_days: Some(processor.retention_days),
        sub_processors: processor.sub_processors.clone(),
    })
}

/// Lists which of the regions of a processor are abroad by a law that applies.
pub(super) fn transfers(source: &Source<'_>, processor: &Processor) -> Vec<Transfer> {
    let abroad = |region: &Region| -> Vec<ProfileId> {
        source.laws().filter(|law| law.is_abroad(region)).map(|law| law.id.clone()).collect()
    };
    let of_region = |region: &Region| Transfer {
        region: region.clone(),
        by: abroad(region),
        safeguard: processor.safeguard.clone(),
    };
    processor.regions.iter().map(of_region).filter(|transfer| !transfer.by.is_empty()).collect()
}
