//! What of all this has become stale, or is missing (promise P26).

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde::Serialize;

use super::receiver::transfers;
use super::{PolicyVersion, PrivacyNotice, Source};
use crate::assistant::Unbounded;
use crate::id::{HoldId, SubjectId};
use crate::privacy::{
    EgressRefusal, Hold, LawfulBasis, Processor, ProcessorId, ProfileId, Purpose, Region, SubjectKind,
};

/// How long before something runs out it is told.
pub const SOON: TimeDelta = TimeDelta::days(30);

/// After how many days what somebody looked at has to be looked at again.
const REVIEW_DAYS: u64 = 365;

/// What this library asks permits for. What is registered besides is the host's own business, or a mistake.
pub(crate) const ASKED: &[(Purpose, &[SubjectKind])] = &[
    (Purpose::AutomatedReplies, &[SubjectKind::Contact]),
    // What comes back over a conversation to which a code was sent is read.
    (Purpose::IdentityVerification, &[SubjectKind::Contact]),
    // A copy is read and an answer sent as a right of whoever asks.
    (Purpose::Rights, &[SubjectKind::AccountHolder, SubjectKind::Contact, SubjectKind::Member, SubjectKind::Mentioned]),
    (Purpose::ServiceProvision, &[SubjectKind::AccountHolder, SubjectKind::Contact, SubjectKind::Member]),
    (Purpose::Storage, &[SubjectKind::AccountHolder, SubjectKind::Contact, SubjectKind::Member]),
    // For holds.
    (Purpose::LegalCompliance, &[SubjectKind::Contact]),
];

/// What this library does for a host that wants it, and for nobody else.
const OFFERED: &[(Purpose, &[SubjectKind])] = &[
    (Purpose::Analytics, &[SubjectKind::AccountHolder, SubjectKind::Member]),
    (Purpose::Improvement, &[SubjectKind::AccountHolder, SubjectKind::Member]),
    (Purpose::Security, &[SubjectKind::AccountHolder, SubjectKind::Member]),
    (Purpose::Support, &[SubjectKind::AccountHolder, SubjectKind::Contact, SubjectKind::Member]),
];

/// What has become stale, or is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stale {
    /// When somebody looked.
    pub at: DateTime<Utc>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// One thing that has become stale, or is missing. As text it says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// An activity was never looked at.
    #[error("nobody has looked at the activity {purpose} about {about}: look at it, and set `reviewed_at`")]
    ActivityNeverReviewed {
        /// For what.
        purpose: Purpose,
        /// About whom.
        about: SubjectKind,
    },
    /// An activity was looked at more than a year ago.
    #[error("the activity {purpose} about {about} was looked at last on {reviewed_at}: look again")]
    ActivityReviewOld {
        /// For what.
        purpose: Purpose,
        /// About whom.
        about: SubjectKind,
        /// When.
        reviewed_at: NaiveDate,
    },
    /// An interest has to be weighed again: everything on this ground is denied, or soon will be.
    #[error("the interest in {purpose} about {about} counts until {expires_at} only: weigh it again")]
    AssessmentEnds {
        /// For what.
        purpose: Purpose,
        /// About whom.
        about: SubjectKind,
        /// Until when it counts.
        expires_at: DateTime<Utc>,
        /// Whether that is over.
        over: bool,
    },
    /// People are only led to the authority that they may complain to.
    #[error(
        "no authority is named that leads for you under {law}: ask counsel, and name it with `Law::with_authority`"
    )]
    AuthorityGeneral {
        /// By which law.
        law: ProfileId,
    },
    /// A law wants people to be told before a machine answers, and nothing is told.
    #[error("{law} wants people to be told that a machine answers, and `Texts::disclosure` is off: say it elsewhere")]
    DisclosureOff {
        /// Which law.
        law: ProfileId,
    },
    /// A hold was to be looked at by now.
    #[error("the hold {hold} was to be looked at by {review_by}: review it, or release it")]
    HoldReviewOver {
        /// Which.
        hold: HoldId,
        /// On whom: their random id.
        subject: SubjectId,
        /// By when.
        review_by: DateTime<Utc>,
    },
    /// An erasure is never final for copies of the key table.
    #[error("{why}")]
    HorizonUnbounded {
        /// Why.
        #[serde(rename = "why")]
        why: Unbounded,
    },
    /// What is known of a law was read more than a year ago.
    #[error("what {law} says about {what} was read on {read_at}: read it again")]
    LawOld {
        /// The profile or calendar.
        law: String,
        /// About what.
        what: &'static str,
        /// When it was read.
        read_at: NaiveDate,
    },
    /// Nobody has confirmed what is known of a law.
    #[error("nobody has confirmed what {law} says about {what}: ask counsel, and give a profile of your own")]
    LawUnconfirmed {
        /// The profile or calendar.
        law: String,
        /// About what.
        what: &'static str,
    },
    /// A profile that is said to apply is not there.
    #[error("there is no profile {law}, and it is said to apply: add it to `Config::law`")]
    LawUnknown {
        /// Which.
        law: ProfileId,
    },
    /// The library never asks for an activity.
    #[error("nothing in the library uses {purpose} about {about}: unless you do, take it out of the register")]
    NeverAsked {
        /// For what.
        purpose: Purpose,
        /// About whom.
        about: SubjectKind,
    },
    /// Nobody says who is responsible.
    #[error("{}", super::NoController)]
    NoController,
    /// No notice was ever published.
    #[error("no notice was ever published: show it to people, and `Assistant::publish` it")]
    NoticeNeverPublished,
    /// The program does not do what the published notice says.
    #[error("the notice {label} is not what the program does now: publish another, or change the configuration back")]
    NoticeUnpublished {
        /// The one that was published last.
        label: String,
    },
    /// People who are silent are kept as long as the business is served.
    #[error("people with whom nobody speaks any more are kept for ever: set `Retention::contacts`")]
    PeopleKept,
    /// A processor has no contract, trains on data, or works where data may not go.
    #[error("{processor} gets nothing: {lack}")]
    Processor {
        /// Which.
        processor: ProcessorId,
        /// What it lacks.
        lack: EgressRefusal,
    },
    /// A processor was looked at more than a year ago.
    #[error("{processor} was looked at last on {reviewed_at}: look again")]
    ProcessorReviewOld {
        /// Which.
        processor: ProcessorId,
        /// When.
        reviewed_at: NaiveDate,
    },
    /// Data go abroad, and nothing makes it lawful.
    #[error("data go to {processor} in {region}, which is abroad by {law}: name the safeguard")]
    TransferUnsafe {
        /// To whom.
        processor: ProcessorId,
        /// Where.
        region: Region,
        /// By which law.
        law: ProfileId,
    },
    /// The library asks for something that is in no activity: it is denied.
    #[error("{purpose} about {about} is in no activity, so the library is denied it: add it if you want it")]
    Unregistered {
        /// For what.
        purpose: Purpose,
        /// About whom.
        about: SubjectKind,
    },
    /// A processor is registered for something that no activity is for.
    #[error("{processor} is registered for {purpose}, which is in no activity")]
    UnusedProcessorPurpose {
        /// Which.
        processor: ProcessorId,
        /// For what.
        purpose: Purpose,
    },
}

impl Stale {
    /// Looks at the configuration.
    #[must_use]
    pub fn of(source: &Source<'_>) -> Self {
        let mut findings = Vec::new();
        if source.responsible().is_err() {
            findings.push(Finding::NoController);
        }
        if let Err(why) = source.horizon {
            findings.push(Finding::HorizonUnbounded { why });
        }
        if source.retention.contacts.is_none() {
            findings.push(Finding::PeopleKept);
        }
        activities(source, &mut findings);
        for processor in source.processors.list() {
            of_processor(source, processor, &mut findings);
        }
        laws(source, &mut findings);
        Self { at: source.at, findings }
    }

    /// Adds whether what was published last is what the program does.
    #[must_use]
    pub fn with_policy(mut self, last: Option<&PolicyVersion>, notice: &PrivacyNotice) -> Self {
        match last {
            None => self.findings.push(Finding::NoticeNeverPublished),
            Some(last) if last.notice.version != notice.version => {
                self.findings.push(Finding::NoticeUnpublished { label: last.label.clone() });
            }
            Some(_) => {}
        }
        self
    }

    /// Adds the holds of a tenant that were to be looked at by now.
    #[must_use]
    pub fn with_holds<'h>(mut self, holds: impl IntoIterator<Item = &'h Hold>) -> Self {
        let over = holds.into_iter().filter(|hold| hold.released_at.is_none() && hold.review_by <= self.at);
        self.findings.extend(over.map(|hold| Finding::HoldReviewOver {
            hold: hold.id,
            subject: hold.subject,
            review_by: hold.review_by,
        }));
        self
    }
}

/// Whether something has to be looked at again.
fn is_old(looked_at: NaiveDate, source: &Source<'_>) -> bool {
    looked_at.checked_add_days(Days::new(REVIEW_DAYS)).is_some_and(|until| until < source.at.date_naive())
}

fn activities(source: &Source<'_>, findings: &mut Vec<Finding>) {
    let asked =
        |purpose, about| ASKED.iter().chain(OFFERED).any(|(known, whom)| *known == purpose && whom.contains(&about));
    for activity in source.register.activities() {
        let (purpose, about) = (activity.purpose, activity.about);
        match activity.reviewed_at {
            None => findings.push(Finding::ActivityNeverReviewed { purpose, about }),
            Some(at) if is_old(at, source) => {
                findings.push(Finding::ActivityReviewOld { purpose, about, reviewed_at: at });
            }
            Some(_) => {}
        }
        if let LawfulBasis::LegitimateInterest(assessment) = &activity.basis
            && assessment.expires_at <= source.at + SOON
        {
            let (expires_at, over) = (assessment.expires_at, assessment.expires_at <= source.at);
            findings.push(Finding::AssessmentEnds { purpose, about, expires_at, over });
        }
        if !asked(purpose, about) && !matches!(purpose, Purpose::Custom(_)) {
            findings.push(Finding::NeverAsked { purpose, about });
        }
    }
    let registered: BTreeSet<(Purpose, SubjectKind)> =
        source.register.activities().iter().map(|each| (each.purpose, each.about)).collect();
    for (purpose, whom) in ASKED {
        let missing = whom.iter().filter(|about| !registered.contains(&(*purpose, **about)));
        findings.extend(missing.map(|about| Finding::Unregistered { purpose: *purpose, about: *about }));
    }
}

fn of_processor(source: &Source<'_>, processor: &Processor, findings: &mut Vec<Finding>) {
    let id = &processor.id;
    let lacks = source.processors.lacks(processor);
    findings.extend(lacks.map(|lack| Finding::Processor { processor: id.clone(), lack }));
    if is_old(processor.reviewed_at, source) {
        let reviewed_at = processor.reviewed_at;
        findings.push(Finding::ProcessorReviewOld { processor: id.clone(), reviewed_at });
    }
    for transfer in transfers(source, processor).into_iter().filter(|transfer| transfer.safeguard.is_none()) {
        let region = &transfer.region;
        findings.extend(transfer.by.into_iter().map(|law| Finding::TransferUnsafe {
            processor: id.clone(),
            region: region.clone(),
            law,
        }));
    }
    let used: BTreeSet<Purpose> = source.register.activities().iter().map(|each| each.purpose).collect();
    findings.extend(
        processor
            .purposes
            .difference(&used)
            .map(|purpose| Finding::UnusedProcessorPurpose { processor: id.clone(), purpose: *purpose }),
    );
}

fn laws(source: &Source<'_>, findings: &mut Vec<Finding>) {
    let unknown = source.profiles.iter().filter(|id| source.law.profile(id).is_err());
    findings.extend(unknown.map(|law| Finding::LawUnknown { law: law.clone() }));
    let automatic = source.register.activities().iter().any(|each| each.purpose == Purpose::AutomatedReplies);
    let today = source.at.date_naive();
    for law in source.laws() {
        if law.authority.as_ref().is_some_and(|cited| cited.value.general) {
            findings.push(Finding::AuthorityGeneral { law: law.id.clone() });
        }
        if automatic && source.disclosure.is_none() && law.ai_disclosure_on(today).is_some() {
            findings.push(Finding::DisclosureOff { law: law.id.clone() });
        }
    }
    let applying: BTreeSet<&str> = source
        .laws()
        .flat_map(|law| [Some(law.id.as_str()), law.calendar.as_ref().map(|id| id.as_str())])
        .flatten()
        .collect();
    for citation in source.law.citations().filter(|citation| applying.contains(citation.of)) {
        let (law, what) = (citation.of.to_owned(), citation.what);
        if !citation.confirmed {
            findings.push(Finding::LawUnconfirmed { law: law.clone(), what });
        }
        if is_old(citation.read_at, source) {
            findings.push(Finding::LawOld { law, what, read_at: citation.read_at });
        }
    }
}
