//! Figures: what facts came to, once the facts themselves are past their time.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::id::ConversationId;
use crate::kpi::{Fact, FactKind, KpiValue, KpiWindow};

/// About how many people figures are at least: "no cell [..] containing a value of 1 to 10 can be reported", and zero may be,
/// say the Centers for Medicare & Medicaid Services in their
/// [cell size suppression policy](https://www.hhs.gov/guidance/document/cms-cell-suppression-policy).
pub const GROUP_MIN: usize = 11;

/// For how long after the end of a period what became of its inquiries is looked at, or for as long as facts are kept if that
/// is shorter: as a month's report is looked at when the next month is over.
pub const SETTLED_AFTER: TimeDelta = TimeDelta::days(31);

/// What the facts of a period came to. They are frozen: written once, when the facts are past their time, and never changed,
/// so that nobody is found by comparing what was published before an erasure with what was published after it.
///
/// Periods are whole days (UTC), disjoint, in order, and as short as they can be with at least [`GROUP_MIN`] people who wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figures {
    /// From when, inclusive.
    pub from: DateTime<Utc>,
    /// Until when, exclusive.
    pub until: DateTime<Utc>,
    /// Until when what became of the period's inquiries was looked at, exclusive.
    pub as_of: DateTime<Utc>,
    /// What each KPI came to; `None` where too few people wrote, so that the facts went and nothing is left of them.
    pub values: Option<Vec<Figure>>,
}

/// What a KPI came to in a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figure {
    /// The KPI's [id](crate::kpi::Kpi::id).
    pub kpi: String,
    /// The version of its definition.
    pub version: u32,
    /// What it came to, made [coarse](KpiValue::coarse); `None` if nothing of it is left.
    pub value: Option<KpiValue>,
}

impl KpiValue {
    /// Leaves out what is about fewer than `group_min`, but not about nobody: so few may be known to whoever looks, who then
    /// learns the rest about them. Zeros stay, they are about nobody.
    ///
    /// - A count that is too small is left out, of several alone.
    /// - A rate is left out if the part, or what is left of the whole, is too small: one follows from the other.
    /// - Times are left out if they are of too few. The longest always is: it is one person's. A `pending` that is too small is
    ///   told as `group_min - 1`, which looks no better than it was.
    ///
    /// A value may count other things than people, such as inquiries: that the whole is about enough people, its period sees
    /// to. The difference of two counts, or of two KPIs, may be small: which of them is a part of which is not known here.
    ///
    /// # Examples
    /// ```
    /// use whisp_core::kpi::KpiValue;
    /// assert_eq!(KpiValue::Count(11).coarse(11), Some(KpiValue::Count(11)));
    /// assert_eq!(KpiValue::Count(10).coarse(11), None);
    /// assert_eq!(KpiValue::Rate { part: 19, whole: 20 }.coarse(11), None, "one is known to be left");
    /// ```
    #[must_use]
    pub fn coarse(self, group_min: u64) -> Option<Self> {
        let is_few = |count: u64| (1..group_min).contains(&count);
        match self {
            Self::Count(count) => (!is_few(count)).then_some(self),
            Self::Counts(mut counts) => {
                counts.retain(|_, count| !is_few(*count));
                Some(Self::Counts(counts))
            }
            Self::Rate { part, whole } => {
                let is_told = !is_few(part) && !is_few(whole.saturating_sub(part));
                is_told.then_some(self)
            }
            Self::Durations(mut durations) => {
                durations.max_ms = None;
                if is_few(durations.pending) {
                    durations.pending = group_min - 1;
                }
                (!is_few(durations.n)).then_some(Self::Durations(durations))
            }
        }
    }
}

/// How old facts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ages {
    /// What is before this midnight is past its time.
    pub(crate) past: DateTime<Utc>,
    /// What is before the end of this day has waited for other people for as long again, and waits no longer.
    waited: Option<DateTime<Utc>>,
    /// For how long after its end a period is looked at.
    settled_after: TimeDelta,
}

impl Ages {
    /// Of facts that are kept for so long, at this time; `None` if nothing can be so old.
    pub(crate) fn of(keep: TimeDelta, now: DateTime<Utc>) -> Option<Self> {
        let keep = keep.max(TimeDelta::zero());
        let past = now.checked_sub_signed(keep)?;
        let waited = past.checked_sub_signed(keep).map(midnight);
        Some(Self { past: midnight(past), waited, settled_after: keep.min(SETTLED_AFTER) })
    }
}

/// A period whose facts go: from a midnight until another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) from: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
    /// Whether enough people wrote in it.
    pub(crate) is_told: bool,
}

impl Period {
    /// What its figures are folded over. All of it has been: what is past its time is older than it is looked at afterwards.
    pub(crate) fn window(&self, ages: &Ages) -> KpiWindow {
        KpiWindow { from: self.from, until: self.until, as_of: self.until + ages.settled_after }
    }
}

/// Gathers days until enough people wrote in them.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    from: Option<DateTime<Utc>>,
    /// The conversations in which somebody wrote; a person has one.
    wrote: BTreeSet<ConversationId>,
}

impl Gathering {
    /// Takes a fact in, in the order of time, that is past its time; returns the period that ends with its day, if it makes
    /// enough people.
    pub(crate) fn push(&mut self, fact: &Fact) -> Option<Period> {
        let day = midnight(fact.at);
        let from = *self.from.get_or_insert(day);
        if fact.kind == FactKind::MessageIn {
            self.wrote.insert(fact.conversation);
        }
        (self.wrote.len() >= GROUP_MIN).then(|| Period { from, until: day + TimeDelta::days(1), is_told: true })
    }

    /// Returns what goes when no more facts are past their time: all of it once the first has waited for too long.
    pub(crate) fn finish(self, ages: &Ages) -> Option<Period> {
        let from = self.from.filter(|from| ages.waited.is_some_and(|waited| *from <= waited))?;
        Some(Period { from, until: ages.past, is_told: false })
    }
}

/// The beginning of a time's day.
fn midnight(at: DateTime<Utc>) -> DateTime<Utc> {
    at.date_naive().and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests;
