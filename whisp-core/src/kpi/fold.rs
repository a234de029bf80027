//! What a KPI is, and what it comes to.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::kpi::Fact;

/// A KPI: a definition that can be folded over facts. They are pushed in the order of (time, id), each once, from the
/// window's `from` until its `as_of`.
///
/// # Contract
/// 1. The fold is a pure function of the window and of the facts pushed: the same ones, in the same order, give the same
///    value.
/// 2. It measures what began in the window. What happens from `until` on only tells what became of that: alone, it comes to
///    what no facts come to.
/// 3. A value that can't be known is absent, never 0: no replies have no median. A part is no larger than its whole, and of
///    nothing both are 0.
/// 4. Its [`id`](Kpi::id) is of lower-case letters, digits and underscores, its [`version`](Kpi::version) counts from 1.
///    Neither changes while it lives, and the kind of its value never does.
///
/// [`testing::kpi_conformance`](crate::testing::kpi_conformance) proves one.
pub trait Kpi: fmt::Debug + Send + Sync + 'static {
    /// Returns its name: figures are kept under it.
    fn id(&self) -> &str;

    /// Returns the version of its definition. A change of the definition is a new one.
    fn version(&self) -> u32;

    /// Begins a fold.
    fn start(&self, window: &KpiWindow) -> Box<dyn KpiFold>;
}

/// A KPI being folded.
pub trait KpiFold: fmt::Debug + Send {
    /// Takes a fact in.
    fn push(&mut self, fact: &Fact);

    /// Returns what it comes to.
    fn finish(self: Box<Self>) -> KpiValue;
}

/// What is measured: the inquiries that began, and the messages that were written, from `from` until `until`, as they
/// stand at `as_of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KpiWindow {
    /// From when, inclusive.
    pub from: DateTime<Utc>,
    /// Until when, exclusive.
    pub until: DateTime<Utc>,
    /// Until when what became of them is looked at, exclusive; `until` or later.
    pub as_of: DateTime<Utc>,
}

impl KpiWindow {
    /// Returns whether a time falls into the window.
    #[must_use]
    pub fn holds(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && at < self.until
    }
}

/// What a KPI came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KpiValue {
    /// A number.
    Count(u64),
    /// Numbers with names.
    Counts(BTreeMap<String, u64>),
    /// A part of a whole; `None` of nothing.
    Rate {
        /// The part.
        part: u64,
        /// The whole.
        whole: u64,
    },
    /// A distribution of times.
    Durations(Durations),
}

/// A distribution of times, exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durations {
    /// How many are known.
    pub n: u64,
    /// How many are not, because what they wait for has not happened: ignoring people does not make this better.
    pub pending: u64,
    /// The arithmetic mean, in milliseconds.
    pub mean_ms: Option<i64>,
    /// Half took at most so long, in milliseconds.
    pub p50_ms: Option<i64>,
    /// Nine of ten took at most so long, in milliseconds.
    pub p90_ms: Option<i64>,
    /// The longest, in milliseconds.
    pub max_ms: Option<i64>,
}

impl Durations {
    /// Makes the distribution of `known` times. A percentile is the nearest rank: the smallest time that at least so
    /// many of a hundred do not exceed.
    ///
    /// # Examples
    /// ```
    /// use chrono::TimeDelta;
    /// use whisp_core::kpi::Durations;
    /// let times = Durations::of([3, 1, 2].map(TimeDelta::seconds).to_vec(), 1);
    /// assert_eq!((times.n, times.pending), (3, 1));
    /// assert_eq!((times.p50_ms, times.p90_ms), (Some(2_000), Some(3_000)));
    /// assert_eq!(Durations::of(Vec::new(), 0).p50_ms, None);
    /// ```
    #[must_use]
    pub fn of(known: Vec<TimeDelta>, pending: u64) -> Self {
        let mut ms: Vec<i64> = known.into_iter().map(|time| time.num_milliseconds()).collect();
        ms.sort_unstable();
        let rank = |percent: usize| {
            let place = (ms.len() * percent).div_ceil(100).checked_sub(1)?;
            ms.get(place).copied()
        };
        let sum: i128 = ms.iter().map(|ms| i128::from(*ms)).sum();
        Self {
            n: ms.len() as u64,
            pending,
            mean_ms: sum.checked_div(ms.len() as i128).and_then(|mean| i64::try_from(mean).ok()),
            p50_ms: rank(50),
            p90_ms: rank(90),
            max_ms: ms.last().copied(),
        }
    }
}
