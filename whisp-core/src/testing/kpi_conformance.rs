//! Proves that a KPI keeps the contracts of [`Kpi`]. Run it against your own.
//!
//! Each function here checks the contract of its number, [`CASES`] lists them and [`check_all`] runs all. Cases may be added
//! in a minor release: pin the version.
//!
//! # Examples
//! ```
//! use whisp_core::kpi::Volumes;
//! use whisp_core::testing::kpi_conformance::check_all;
//!
//! check_all(&Volumes)?;
//! # Ok::<(), whisp_core::testing::Violation>(())
//! ```

use std::mem::discriminant;

use chrono::{DateTime, TimeDelta, Utc};

use crate::id::{ConnectionId, ConversationId, FactId, InquiryId, MemberId, SubjectId};
use crate::kpi::{Actor, Fact, FactKind, Kpi, KpiValue, KpiWindow};
use crate::testing::case::{Case, Violation, cases, ensure};

/// Runs a case.
pub type Run = fn(&dyn Kpi) -> Result<(), Violation>;

/// All cases, in the order of the contract.
pub const CASES: &[Case<Run>] = cases![
    1 the_same_facts_have_the_same_value,
    2 what_began_later_is_not_measured,
    3 what_is_not_known_is_absent,
    4 its_name_and_its_kind_stay,
];

/// Checks all contracts, in the order of their numbers.
///
/// # Errors
/// The first [`Violation`].
pub fn check_all(kpi: &dyn Kpi) -> Result<(), Violation> {
    CASES.iter().try_for_each(|case| (case.run)(kpi))
}

/// Contract 1: one fold after another, and two at a time, of the same facts come to the same.
///
/// # Errors
/// [`Violation`].
pub fn the_same_facts_have_the_same_value(kpi: &dyn Kpi) -> Result<(), Violation> {
    let facts = facts();
    let value = fold(kpi, &facts);
    let (mut one, mut other) = (kpi.start(&window()), kpi.start(&window()));
    for fact in &facts {
        one.push(fact);
        other.push(fact);
    }
    for again in [one.finish(), other.finish(), fold(kpi, &facts)] {
        ensure(1, again == value, || format!("the same facts came to {again:?}, not {value:?}"))?;
    }
    Ok(())
}

/// Contract 2: facts from the end of the window on come to what no facts come to.
///
/// # Errors
/// [`Violation`].
pub fn what_began_later_is_not_measured(kpi: &dyn Kpi) -> Result<(), Violation> {
    let later: Vec<Fact> = facts().into_iter().filter(|fact| fact.at >= window().until).collect();
    let (value, nothing) = (fold(kpi, &later), fold(kpi, &[]));
    ensure(2, value == nothing, || format!("what began after the window came to {value:?}, not {nothing:?}"))
}

/// Contract 3: of nothing there is no rate and no time, and no part is larger than its whole, however far the facts go.
///
/// # Errors
/// [`Violation`].
pub fn what_is_not_known_is_absent(kpi: &dyn Kpi) -> Result<(), Violation> {
    let facts = facts();
    for len in 0..=facts.len() {
        let value = fold(kpi, facts.get(..len).unwrap_or_default());
        let right = match &value {
            KpiValue::Rate { part, whole } => part <= whole && (len > 0 || *whole == 0),
            KpiValue::Durations(times) => {
                times.n > 0 || [times.mean_ms, times.p50_ms, times.p90_ms, times.max_ms] == [None; 4]
            }
            KpiValue::Count(_) | KpiValue::Counts(_) => true,
        };
        ensure(3, right, || format!("{len} facts came to {value:?}"))?;
    }
    Ok(())
}

/// Contract 4: the name is one, the version counts from 1, and both and the kind of the value stay as they are.
///
/// # Errors
/// [`Violation`].
pub fn its_name_and_its_kind_stay(kpi: &dyn Kpi) -> Result<(), Violation> {
    let (id, version) = (kpi.id().to_owned(), kpi.version());
    let named = !id.is_empty() && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    ensure(4, named, || format!("{id:?} is no name"))?;
    ensure(4, version >= 1, || format!("its version is {version}"))?;
    let (nothing, value) = (fold(kpi, &[]), fold(kpi, &facts()));
    let same_kind = discriminant(&nothing) == discriminant(&value);
    ensure(4, same_kind, || format!("nothing came to {nothing:?}, and something to {value:?}"))?;
    let is_same = kpi.id() == id && kpi.version() == version;
    ensure(4, is_same, || format!("{id:?} {version} became {:?} {}", kpi.id(), kpi.version()))
}

fn fold(kpi: &dyn Kpi, facts: &[Fact]) -> KpiValue {
    let mut fold = kpi.start(&window());
    facts.iter().for_each(|fact| fold.push(fact));
    fold.finish()
}

fn at(hours: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::hours(hours)
}

/// Ten days, as they stand ten days later.
fn window() -> KpiWindow {
    KpiWindow { from: at(0), until: at(240), as_of: at(480) }
}

/// Inquiries that began in the window and after it, in the order of time: answered by an engine, a member, on the phone, by
/// nobody; some handed over, resolved, opened again. The first facts are of inquiries that began before the window.
fn facts() -> Vec<Fact> {
    use FactKind::{
        Delivered, HandedBack, HandedOff, InquiryOpened, InquiryReopened, InquiryResolved, MessageIn, MessageOut, Read,
        SendFailed, Suggested,
    };
    let dana = Actor::Member(Some(MemberId(SubjectId::from_bytes([7; 16]))));
    let mut facts = Vec::new();
    let actors = [Actor::Engine, dana, Actor::Member(None), Actor::System];
    for (n, actor) in (0..40_u8).zip(actors.into_iter().cycle()) {
        let began = i64::from(n) * 12 - 24;
        let all = [
            (0, InquiryOpened, Actor::Contact),
            (0, MessageIn, Actor::Contact),
            (1, Suggested, Actor::Engine),
            (1, MessageOut, Actor::System),
            (2, HandedOff, Actor::System),
            (3, MessageOut, actor),
            (4, Delivered, actor),
            (5, Read, actor),
            (6, HandedBack, dana),
            (7, InquiryResolved, dana),
            (8, InquiryReopened, Actor::Contact),
            (9, SendFailed, actor),
        ];
        // Each goes less far than the one before, until one goes all the way again.
        let far = all.len() - usize::from(n) % all.len();
        facts.extend(all.into_iter().take(far).map(|(hours, kind, actor)| Fact {
            id: FactId::from_bytes([0; 16]),
            at: at(began + hours),
            kind,
            actor,
            connection: ConnectionId::from_bytes([1; 16]),
            conversation: ConversationId::from_bytes([n; 16]),
            // As the pipeline writes it: what a contact says belongs to no inquiry yet.
            inquiry: (kind != MessageIn).then(|| InquiryId::from_bytes([n; 16])),
        }));
    }
    let window = window();
    facts.retain(|fact| window.from <= fact.at && fact.at < window.as_of);
    facts.sort_by_key(|fact| fact.at);
    facts.iter_mut().zip(0_u128..).for_each(|(fact, n)| fact.id = FactId::from_bytes(n.to_be_bytes()));
    facts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::kpi::{Durations, KpiFold, built_in};
    use crate::testing::case::assert_complete;

    /// What a KPI does wrong.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        Nothing,
        GoesOnCounting,
        ForgetsTheWindow,
        TakesNothingForZero,
        PartBeyondWhole,
        SpacesInItsName,
        VersionZero,
        ChangesItsKind,
    }

    /// How many messages there were, or how fast the first one was.
    #[derive(Debug)]
    struct Broken {
        fault: Fault,
        before: Arc<AtomicU64>,
    }

    impl Kpi for Broken {
        fn id(&self) -> &'static str {
            if self.fault == Fault::SpacesInItsName { "My KPI" } else { "mine" }
        }

        fn version(&self) -> u32 {
            u32::from(self.fault != Fault::VersionZero)
        }

        fn start(&self, window: &KpiWindow) -> Box<dyn KpiFold> {
            Box::new(BrokenFold { fault: self.fault, window: *window, before: Arc::clone(&self.before), n: 0 })
        }
    }

    #[derive(Debug)]
    struct BrokenFold {
        fault: Fault,
        window: KpiWindow,
        before: Arc<AtomicU64>,
        n: u64,
    }

    impl KpiFold for BrokenFold {
        fn push(&mut self, fact: &Fact) {
            let counts = self.window.holds(fact.at) || self.fault == Fault::ForgetsTheWindow;
            self.n += u64::from(counts && fact.kind == FactKind::MessageIn);
        }

        fn finish(self: Box<Self>) -> KpiValue {
            match self.fault {
                Fault::GoesOnCounting => KpiValue::Count(self.before.fetch_add(self.n, Ordering::Relaxed)),
                Fault::TakesNothingForZero => {
                    KpiValue::Durations(Durations { p50_ms: Some(0), ..Durations::of(Vec::new(), 0) })
                }
                Fault::PartBeyondWhole => KpiValue::Rate { part: self.n, whole: self.n / 2 },
                Fault::ChangesItsKind if self.n == 0 => KpiValue::Rate { part: 0, whole: 0 },
                _ => KpiValue::Count(self.n),
            }
        }
    }

    fn check(fault: Fault) -> Result<(), Violation> {
        check_all(&Broken { fault, before: Arc::default() })
    }

    #[test]
    fn the_kpis_that_come_with_whisp_pass() {
        for kpi in built_in() {
            check_all(&*kpi).unwrap_or_else(|violation| panic!("{}: {violation}", kpi.id()));
        }
        check(Fault::Nothing).unwrap();
    }

    #[test]
    fn the_facts_of_the_suite_come_to_something_in_each_kpi() {
        for kpi in built_in() {
            assert_ne!(fold(&*kpi, &facts()), fold(&*kpi, &[]), "{}", kpi.id());
        }
    }

    #[test]
    fn each_broken_contract_is_found() {
        let faults = [
            (Fault::GoesOnCounting, 1),
            (Fault::ForgetsTheWindow, 2),
            (Fault::TakesNothingForZero, 3),
            (Fault::PartBeyondWhole, 3),
            (Fault::SpacesInItsName, 4),
            (Fault::VersionZero, 4),
            (Fault::ChangesItsKind, 4),
        ];
        for (fault, contract) in faults {
            assert_eq!(check(fault).unwrap_err().contract, contract, "{fault:?}");
        }
        let found = faults.map(|(_, contract)| contract);
        assert_complete(CASES, include_str!("../kpi/fold.rs"), "Kpi", &found);
    }
}
