//! The KPIs that come with Whisp.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::id::InquiryId;
use crate::kpi::{Actor, Durations, Fact, FactKind, Kpi, KpiFold, KpiValue, KpiWindow};

/// Returns every KPI that comes with Whisp.
#[must_use]
pub fn built_in() -> Vec<Box<dyn Kpi>> {
    vec![
        Box::new(Inquiries),
        Box::new(FirstReply::ANYONE),
        Box::new(FirstReply::MEMBER),
        Box::new(ResponseRate::default()),
        Box::new(Volumes),
    ]
}

/// Inquiries: how many began in the window, and of those how many are resolved, went to a person, were opened again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inquiries;

impl Kpi for Inquiries {
    fn id(&self) -> &'static str {
        "inquiries"
    }

    fn version(&self) -> u32 {
        1
    }

    fn start(&self, window: &KpiWindow) -> Box<dyn KpiFold> {
        Box::new(InquiriesFold { window: *window, open: BTreeMap::new() })
    }
}

#[derive(Debug, Default)]
struct Fate {
    resolved: bool,
    reopened: bool,
    handed_off: bool,
}

#[derive(Debug)]
struct InquiriesFold {
    window: KpiWindow,
    open: BTreeMap<InquiryId, Fate>,
}

impl KpiFold for InquiriesFold {
    fn push(&mut self, fact: &Fact) {
        let Some(inquiry) = fact.inquiry else { return };
        if fact.kind == FactKind::InquiryOpened && self.window.holds(fact.at) {
            self.open.entry(inquiry).or_default();
        }
        let Some(fate) = self.open.get_mut(&inquiry) else { return };
        match fact.kind {
            FactKind::InquiryResolved => fate.resolved = true,
            FactKind::InquiryReopened => {
                fate.resolved = false;
                fate.reopened = true;
            }
            FactKind::HandedOff => fate.handed_off = true,
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> KpiValue {
        let count = |is: fn(&Fate) -> bool| self.open.values().filter(|fate| is(fate)).count() as u64;
        KpiValue::Counts(BTreeMap::from([
            ("opened".to_owned(), self.open.len() as u64),
            ("resolved".to_owned(), count(|fate| fate.resolved)),
            ("reopened".to_owned(), count(|fate| fate.reopened)),
            ("handed_off".to_owned(), count(|fate| fate.handed_off)),
        ]))
    }
}

/// The time from the contact's first message of an inquiry to the first reply, of the inquiries that began in the
/// window. Whisp's own notices are no replies.
#[derive(Debug, Clone, Copy)]
pub struct FirstReply {
    member_only: bool,
}

impl FirstReply {
    /// To the first reply of anyone, engine or member.
    pub const ANYONE: Self = Self { member_only: false };
    /// To the first reply of a member, one on the phone too.
    pub const MEMBER: Self = Self { member_only: true };
}

impl Kpi for FirstReply {
    fn id(&self) -> &'static str {
        if self.member_only { "first_reply_member" } else { "first_reply_anyone" }
    }

    fn version(&self) -> u32 {
        1
    }

    fn start(&self, window: &KpiWindow) -> Box<dyn KpiFold> {
        Box::new(FirstReplyFold::new(window, self.member_only))
    }
}

#[derive(Debug)]
struct FirstReplyFold {
    window: KpiWindow,
    member_only: bool,
    inquiries: BTreeMap<InquiryId, Asked>,
}

/// When an inquiry began, if it did in the window, and when it was first answered. Which of the two comes first is up to
/// two clocks, the platform's and ours.
#[derive(Debug, Default)]
struct Asked {
    opened_at: Option<DateTime<Utc>>,
    replied_at: Option<DateTime<Utc>>,
}

impl KpiFold for FirstReplyFold {
    fn push(&mut self, fact: &Fact) {
        let Some(inquiry) = fact.inquiry else { return };
        match (fact.kind, fact.actor) {
            (FactKind::InquiryOpened, _) if self.window.holds(fact.at) => {
                self.inquiries.entry(inquiry).or_default().opened_at.get_or_insert(fact.at);
            }
            (FactKind::MessageOut, Actor::Member(_)) => self.reply(inquiry, fact.at),
            (FactKind::MessageOut, Actor::Engine) if !self.member_only => self.reply(inquiry, fact.at),
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> KpiValue {
        let (mut known, mut pending) = (Vec::new(), 0);
        for (_, reply) in self.asked() {
            match reply {
                Some(time) => known.push(time),
                None => pending += 1,
            }
        }
        KpiValue::Durations(Durations::of(known, pending))
    }
}

impl FirstReplyFold {
    fn new(window: &KpiWindow, member_only: bool) -> Self {
        Self { window: *window, member_only, inquiries: BTreeMap::new() }
    }

    fn reply(&mut self, inquiry: InquiryId, at: DateTime<Utc>) {
        self.inquiries.entry(inquiry).or_default().replied_at.get_or_insert(at);
    }

    /// Returns when each inquiry of the window began, and how long its first reply took.
    fn asked(&self) -> impl Iterator<Item = (DateTime<Utc>, Option<TimeDelta>)> {
        self.inquiries.values().filter_map(|asked| {
            let opened_at = asked.opened_at?;
            // No reply comes before its question, whatever the clocks say.
            Some((opened_at, asked.replied_at.map(|at| (at - opened_at).max(TimeDelta::zero()))))
        })
    }
}

/// Which part of the inquiries that began in the window, and are old enough to expect it, were answered by anyone within
/// a time. Inquiries younger than that at `as_of` are not counted yet.
#[derive(Debug, Clone, Copy)]
pub struct ResponseRate {
    within: TimeDelta,
}

impl Default for ResponseRate {
    /// Within 24 hours.
    fn default() -> Self {
        Self::within(TimeDelta::hours(24))
    }
}

impl ResponseRate {
    /// Within this time.
    #[must_use]
    pub const fn within(within: TimeDelta) -> Self {
        Self { within }
    }
}

impl Kpi for ResponseRate {
    fn id(&self) -> &'static str {
        "response_rate"
    }

    fn version(&self) -> u32 {
        1
    }

    fn start(&self, window: &KpiWindow) -> Box<dyn KpiFold> {
        Box::new(ResponseRateFold {
            within: self.within,
            as_of: window.as_of,
            replies: FirstReplyFold::new(window, false),
        })
    }
}

#[derive(Debug)]
struct ResponseRateFold {
    within: TimeDelta,
    as_of: DateTime<Utc>,
    replies: FirstReplyFold,
}

impl KpiFold for ResponseRateFold {
    fn push(&mut self, fact: &Fact) {
        self.replies.push(fact);
    }

    fn finish(self: Box<Self>) -> KpiValue {
        let (mut part, mut whole) = (0, 0);
        for (opened_at, reply) in self.replies.asked() {
            let answered = reply.is_some_and(|time| time <= self.within);
            // Answered in time counts at once; unanswered only once the time is over.
            if answered || opened_at + self.within <= self.as_of {
                whole += 1;
                part += u64::from(answered);
            }
        }
        KpiValue::Rate { part, whole }
    }
}

/// Messages of the window by who wrote them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Volumes;

impl Kpi for Volumes {
    fn id(&self) -> &'static str {
        "volumes"
    }

    fn version(&self) -> u32 {
        1
    }

    fn start(&self, window: &KpiWindow) -> Box<dyn KpiFold> {
        Box::new(VolumesFold { window: *window, counts: BTreeMap::new() })
    }
}

#[derive(Debug)]
struct VolumesFold {
    window: KpiWindow,
    counts: BTreeMap<&'static str, u64>,
}

impl KpiFold for VolumesFold {
    fn push(&mut self, fact: &Fact) {
        if !self.window.holds(fact.at) || !matches!(fact.kind, FactKind::MessageIn | FactKind::MessageOut) {
            return;
        }
        let who = match fact.actor {
            Actor::Contact => "contact",
            Actor::Engine => "engine",
            Actor::Member(_) => "member",
            Actor::System => "system",
        };
        *self.counts.entry(who).or_default() += 1;
    }

    fn finish(self: Box<Self>) -> KpiValue {
        KpiValue::Counts(self.counts.into_iter().map(|(who, count)| (who.to_owned(), count)).collect())
    }
}
