use std::collections::BTreeMap;

use super::*;
use crate::id::{ConnectionId, FactId};
use crate::kpi::{Actor, Durations};

const KEEP: TimeDelta = TimeDelta::days(100);

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Somebody writes.
fn wrote(person: u8, at: DateTime<Utc>) -> Fact {
    Fact {
        id: FactId::from_bytes([person; 16]),
        at,
        kind: FactKind::MessageIn,
        actor: Actor::Contact,
        connection: ConnectionId::from_bytes([1; 16]),
        conversation: ConversationId::from_bytes([person; 16]),
        inquiry: None,
    }
}

/// What becomes of facts at a time.
fn period(facts: &[Fact], now: &str) -> Option<Period> {
    let ages = Ages::of(KEEP, at(now)).unwrap();
    let mut gathering = Gathering::default();
    let past = facts.iter().take_while(|fact| fact.at < ages.past);
    past.map(|fact| gathering.push(fact)).find(Option::is_some).flatten().or_else(|| gathering.finish(&ages))
}

fn told(from: &str, until: &str) -> Period {
    Period { from: at(from), until: at(until), is_told: true }
}

#[test]
fn enough_people_on_one_day_are_a_period_of_one_day() {
    let noon = at("2026-03-29T12:00:00Z");
    let facts: Vec<Fact> = (0..40).map(|person| wrote(person, noon + TimeDelta::minutes(person.into()))).collect();
    let day = told("2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z");
    assert_eq!(period(&facts, "2026-12-01T00:00:00Z"), Some(day));
    assert_eq!(period(&facts[..11], "2026-12-01T00:00:00Z"), Some(day), "just enough");
    assert_eq!(period(&facts[..11], "2026-07-08T00:00:00Z"), Some(day), "as soon as the day is past its time");
    assert_eq!(period(&facts[..11], "2026-07-07T23:59:59Z"), None, "and not before, though the first facts are");
}

#[test]
fn days_are_added_until_enough_people_wrote() {
    let first = at("2026-03-28T23:59:59.999999Z");
    // On the second day nobody writes, on the third one is told twice of an old message, on the fourth the eleventh writes.
    let mut facts: Vec<Fact> = (0..10).map(|person| wrote(person, first)).collect();
    facts.extend([2, 2].map(|days| Fact { kind: FactKind::Read, ..wrote(77, first + TimeDelta::days(days)) }));
    facts.push(wrote(3, first + TimeDelta::days(3)));
    facts.push(wrote(10, first + TimeDelta::days(3)));
    facts.push(wrote(11, first + TimeDelta::days(4)));
    let four = told("2026-03-28T00:00:00Z", "2026-04-01T00:00:00Z");
    assert_eq!(period(&facts, "2026-10-01T00:00:00Z"), Some(four), "UTC knows no summer time that begins on 29 March");
    assert_eq!(period(&facts[..13], "2026-10-13T23:59:59Z"), None, "ten wait for others");
    assert_eq!(period(&facts[..13], "2026-10-14T00:00:00Z").map(|period| period.is_told), Some(false));
    assert_eq!(period(&[], "2026-12-01T00:00:00Z"), None);
}

#[test]
fn who_stays_among_too_few_goes_without_figures_after_as_long_again() {
    let facts = [wrote(1, at("2026-01-01T15:00:00Z")), wrote(2, at("2026-02-01T09:00:00Z"))];
    // 200 days later.
    assert_eq!(period(&facts, "2026-07-19T23:59:59Z"), None);
    let gone = Period { from: at("2026-01-01T00:00:00Z"), until: at("2026-04-11T00:00:00Z"), is_told: false };
    assert_eq!(period(&facts, "2026-07-20T00:00:00Z"), Some(gone), "with all that waits");
}

#[test]
fn a_period_is_looked_at_when_all_of_it_has_been() {
    for (keep, settled) in [(100, 31), (31, 31), (7, 7), (0, 0), (-5, 0)] {
        let now = at("2026-12-01T18:00:00Z");
        let ages = Ages::of(TimeDelta::days(keep), now).unwrap();
        let period = Period { from: ages.past - TimeDelta::days(1), until: ages.past, is_told: true };
        let window = period.window(&ages);
        assert_eq!(window.as_of - window.until, TimeDelta::days(settled));
        assert!(window.as_of <= now);
    }
    assert_eq!(Ages::of(TimeDelta::MAX, at("2026-12-01T18:00:00Z")), None, "nothing is so old");
}

#[test]
fn what_is_about_too_few_is_left_out() {
    let counts = |counts: &[(&str, u64)]| {
        KpiValue::Counts(counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<BTreeMap<_, _>>())
    };
    assert_eq!(KpiValue::Count(0).coarse(11), Some(KpiValue::Count(0)));
    assert_eq!([1, 10].map(|count| KpiValue::Count(count).coarse(11)), [None, None]);
    let all = counts(&[("none", 0), ("one", 1), ("ten", 10), ("eleven", 11)]);
    assert_eq!(all.coarse(11), Some(counts(&[("none", 0), ("eleven", 11)])));
    for (part, whole, is_told) in
        [(0, 0, true), (0, 11, true), (11, 11, true), (11, 22, true), (0, 10, false), (10, 30, false), (11, 21, false)]
    {
        assert_eq!(KpiValue::Rate { part, whole }.coarse(11).is_some(), is_told, "{part} of {whole}");
    }
}

#[test]
fn the_longest_time_is_never_told() {
    let of = |n: i64, pending| Durations::of((1..=n).map(TimeDelta::seconds).collect(), pending);
    let coarse = |durations: Durations| KpiValue::Durations(durations).coarse(11);
    let told =
        |durations: Durations, pending| Some(KpiValue::Durations(Durations { pending, max_ms: None, ..durations }));
    assert_eq!(coarse(of(11, 11)), told(of(11, 11), 11));
    assert_eq!(coarse(of(20, 3)), told(of(20, 3), 10), "at most so many");
    assert_eq!(coarse(of(0, 12)), told(of(0, 12), 12));
    assert_eq!(coarse(of(10, 12)), None);
}
