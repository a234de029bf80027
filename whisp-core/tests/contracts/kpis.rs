//! Golden values of every KPI that comes with Whisp, over a list of facts made by hand.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::{Strategy, proptest};
use proptest::prop_assert_eq;
use whisp_core::id::{ConnectionId, ConversationId, FactId, InquiryId, MemberId, SubjectId};
use whisp_core::kpi::{Actor, Durations, Fact, FactKind, FirstReply, Kpi, KpiValue, KpiWindow, ResponseRate, built_in};

const DANA: Actor = Actor::Member(Some(MemberId(SubjectId::from_bytes([7; 16]))));
const PHONE: Actor = Actor::Member(None);
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_338_000, 0).unwrap() + TimeDelta::seconds(seconds)
}

/// A day, as it stands 22 hours later.
fn window() -> KpiWindow {
    KpiWindow { from: at(0), until: at(DAY), as_of: at(46 * HOUR) }
}

/// A fact; inquiry 0 is none.
fn fact(seconds: i64, kind: FactKind, actor: Actor, inquiry: u8) -> Fact {
    Fact {
        id: FactId::from_bytes([0; 16]),
        at: at(seconds),
        kind,
        actor,
        connection: ConnectionId::from_bytes([1; 16]),
        conversation: ConversationId::from_bytes([2; 16]),
        inquiry: (inquiry > 0).then(|| InquiryId::from_bytes([inquiry; 16])),
    }
}

fn opened(seconds: i64, inquiry: u8) -> [Fact; 2] {
    let opened = fact(seconds, FactKind::InquiryOpened, Actor::Contact, inquiry);
    [opened, fact(seconds, FactKind::MessageIn, Actor::Contact, inquiry)]
}

fn wrote(seconds: i64, actor: Actor, inquiry: u8) -> Fact {
    fact(seconds, FactKind::MessageOut, actor, inquiry)
}

fn in_order(mut facts: Vec<Fact>) -> Vec<Fact> {
    facts.sort_by_key(|fact| fact.at);
    facts.iter_mut().zip(0_u128..).for_each(|(fact, n)| fact.id = FactId::from_bytes(n.to_be_bytes()));
    facts
}

fn facts() -> Vec<Fact> {
    use FactKind::{HandedOff, InquiryReopened, InquiryResolved};
    let mut facts = vec![
        // 1: a notice, the engine after ten seconds, Dana after ten minutes; ended, opened again, ended.
        wrote(1, Actor::System, 1),
        wrote(10, Actor::Engine, 1),
        wrote(600, DANA, 1),
        fact(HOUR, InquiryResolved, DANA, 1),
        fact(20 * HOUR, InquiryReopened, Actor::Contact, 1),
        fact(30 * HOUR, InquiryResolved, Actor::System, 1),
        // 2: a person answers on the phone, twice.
        fact(2 * HOUR + 30, HandedOff, Actor::System, 2),
        wrote(2 * HOUR + 60, PHONE, 2),
        wrote(2 * HOUR + 90, PHONE, 2),
        // 3: only a notice. 4: nothing, but too young to say so. 5: young, and answered.
        wrote(3 * HOUR + 5, Actor::System, 3),
        wrote(23 * HOUR + 1_805, Actor::Engine, 5),
        // 6: answered too late; ended, and opened again.
        wrote(29 * HOUR, Actor::Engine, 6),
        fact(30 * HOUR, InquiryResolved, Actor::System, 6),
        fact(31 * HOUR, InquiryReopened, Actor::Contact, 6),
        // 7 began before the window, 8 as it ended; a message belongs to no inquiry.
        wrote(4 * HOUR, DANA, 7),
        fact(5 * HOUR, HandedOff, DANA, 7),
        wrote(DAY + 5, Actor::Engine, 8),
        fact(5 * HOUR, FactKind::MessageIn, Actor::Contact, 0),
        // What none of them counts.
        fact(6 * HOUR, FactKind::Delivered, Actor::Contact, 1),
        fact(6 * HOUR, FactKind::Suggested, Actor::Engine, 2),
        fact(6 * HOUR, FactKind::SendFailed, Actor::Engine, 3),
    ];
    for (seconds, inquiry) in
        [(0, 1), (2 * HOUR, 2), (3 * HOUR, 3), (23 * HOUR, 4), (23 * HOUR + 1_800, 5), (4 * HOUR, 6), (DAY, 8)]
    {
        facts.extend(opened(seconds, inquiry));
    }
    in_order(facts)
}

fn fold<'a>(kpi: &dyn Kpi, facts: impl IntoIterator<Item = &'a Fact>) -> KpiValue {
    let mut fold = kpi.start(&window());
    facts.into_iter().for_each(|fact| fold.push(fact));
    fold.finish()
}

fn all(facts: &[Fact]) -> BTreeMap<String, KpiValue> {
    built_in().iter().map(|kpi| (kpi.id().to_owned(), fold(kpi.as_ref(), facts))).collect()
}

fn counts(counts: &[(&str, u64)]) -> KpiValue {
    KpiValue::Counts(counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect())
}

#[test]
fn every_kpi_has_its_golden_value() {
    let anyone = Durations {
        n: 4,
        pending: 2,
        mean_ms: Some(22_518_750),
        p50_ms: Some(10_000),
        p90_ms: Some(90_000_000),
        max_ms: Some(90_000_000),
    };
    let member = Durations {
        n: 2,
        pending: 4,
        mean_ms: Some(330_000),
        p50_ms: Some(60_000),
        p90_ms: Some(600_000),
        max_ms: Some(600_000),
    };
    let expected = [
        ("inquiries", counts(&[("opened", 6), ("resolved", 1), ("reopened", 2), ("handed_off", 1)])),
        ("first_reply_anyone", KpiValue::Durations(anyone)),
        ("first_reply_member", KpiValue::Durations(member)),
        ("response_rate", KpiValue::Rate { part: 3, whole: 5 }),
        ("volumes", counts(&[("contact", 7), ("engine", 2), ("member", 4), ("system", 2)])),
    ];
    assert_eq!(all(&facts()), expected.map(|(id, value)| (id.to_owned(), value)).into());
}

#[test]
fn an_empty_window_has_no_times_and_a_part_of_nothing() {
    let none = KpiValue::Durations(Durations::of(Vec::new(), 0));
    let expected = [
        ("inquiries", counts(&[("opened", 0), ("resolved", 0), ("reopened", 0), ("handed_off", 0)])),
        ("first_reply_anyone", none.clone()),
        ("first_reply_member", none),
        ("response_rate", KpiValue::Rate { part: 0, whole: 0 }),
        ("volumes", counts(&[])),
    ];
    assert_eq!(all(&[]), expected.map(|(id, value)| (id.to_owned(), value)).into());
    let outside = in_order([opened(-1, 1), opened(DAY, 2)].concat());
    assert_eq!(all(&outside), all(&[]), "what is outside the window is not in it");
}

#[test]
fn each_kpi_has_a_name_of_its_own_and_a_version() {
    let kpis = built_in();
    let names: std::collections::BTreeSet<&str> = kpis.iter().map(|kpi| kpi.id()).collect();
    assert_eq!(names.len(), kpis.len());
    assert!(kpis.iter().all(|kpi| kpi.version() == 1));
}

#[test]
fn an_inquiry_too_young_to_be_answered_counts_once_it_is_answered_or_old_enough() {
    let rate = ResponseRate::within(TimeDelta::hours(46));
    let young = in_order([opened(1, 1), opened(0, 2)].concat());
    assert_eq!(fold(&rate, &young), KpiValue::Rate { part: 0, whole: 1 }, "one was a second too young");
    let answered = in_order([young, vec![wrote(2, Actor::Engine, 1)]].concat());
    assert_eq!(fold(&rate, &answered), KpiValue::Rate { part: 1, whole: 2 });
}

#[test]
fn an_answer_exactly_in_time_is_in_time() {
    let rate = ResponseRate::within(TimeDelta::minutes(5));
    let facts =
        in_order([&opened(0, 1)[..], &[wrote(300, DANA, 1)], &opened(HOUR, 2), &[wrote(HOUR + 301, DANA, 2)]].concat());
    assert_eq!(fold(&rate, &facts), KpiValue::Rate { part: 1, whole: 2 });
}

#[test]
fn a_reply_that_the_clocks_place_before_its_question_took_no_time() {
    let facts = in_order([&[wrote(9, Actor::Engine, 1)][..], &opened(10, 1), &[wrote(HOUR, DANA, 1)]].concat());
    let expected = |ms| KpiValue::Durations(Durations::of(vec![TimeDelta::milliseconds(ms)], 0));
    assert_eq!(fold(&FirstReply::ANYONE, &facts), expected(0));
    assert_eq!(fold(&FirstReply::MEMBER, &facts), expected((HOUR - 10) * 1_000));
}

proptest! {
    #[test]
    fn times_are_the_same_in_whatever_order_they_are_given(
        (times, shuffled) in proptest::collection::vec(0..1_000_000_i64, 0..50)
            .prop_flat_map(|times| (proptest::strategy::Just(times.clone()), proptest::strategy::Just(times).prop_shuffle()))
    ) {
        let of = |times: Vec<i64>| Durations::of(times.into_iter().map(TimeDelta::milliseconds).collect(), 3);
        let (one, other) = (of(times.clone()), of(shuffled));
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(one.n, times.len() as u64);
        prop_assert_eq!(one.max_ms, times.iter().max().copied());
    }

    #[test]
    fn facts_of_one_moment_count_the_same_in_whatever_order_their_ids_put_them(
        shuffled in proptest::strategy::Just(facts()).prop_shuffle()
    ) {
        let mut sorted = shuffled;
        sorted.sort_by_key(|fact| fact.at);
        prop_assert_eq!(all(&sorted), all(&facts()));
    }
}
