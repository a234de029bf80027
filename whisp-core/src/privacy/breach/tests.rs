//! Each step of a breach and each one that is refused; dates computed by hand.

use super::*;
use crate::privacy::DataCategory;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A Thursday.
const NOON: &str = "2026-11-26T12:00:00Z";

fn under(profiles: &str) -> Breach {
    let new = NewBreach {
        origin: BreachOrigin::Ours,
        nature: BreachNature::Disclosed,
        from: at("2026-11-25T00:00:00Z"),
        until: None,
    };
    let profiles = profiles.split_whitespace().map(ProfileId::new).collect();
    Breach::new(BreachId::from_bytes([1; 16]), new, profiles, &Law::built_in(), at(NOON)).unwrap()
}

fn everywhere() -> Breach {
    under("policy-2025-08-12 eu-gdpr kz meta-platform")
}

fn then(breach: &Breach, event: BreachEvent) -> Breach {
    breach.apply(event, &Law::built_in(), at(NOON)).unwrap()
}

#[track_caller]
fn refused(breach: &Breach, event: BreachEvent) -> BreachError {
    breach.apply(event, &Law::built_in(), at(NOON)).unwrap_err()
}

fn confirm() -> BreachEvent {
    BreachEvent::Confirm { aware_at: at("2026-11-26T10:00:00Z") }
}

fn assess(risk: BreachRisk, exposure: Exposure) -> BreachEvent {
    let categories = Categories::of(&[DataCategory::MessageContent]);
    BreachEvent::Assess(BreachAssessment { risk, categories, people: 3, records: 9, exposure })
}

fn unlikely() -> BreachEvent {
    assess(BreachRisk::Unlikely { reason: "a drill went wrong".into() }, Exposure::Sealed)
}

fn tell(audience: Audience) -> BreachEvent {
    BreachEvent::Tell { audience, at: at(NOON) }
}

/// Who has to be told, by when and by whose word.
type Date = (Audience, Option<(DateTime<Utc>, String)>);

fn dates(breach: &Breach) -> Vec<Date> {
    let each = |duty: BreachDuty| {
        let deadline = duty.deadline.map(|deadline| (deadline.at, deadline.profile.as_str().to_owned()));
        (duty.audience, deadline)
    };
    breach.duties(&Law::built_in()).unwrap().into_iter().map(each).collect()
}

fn date(audience: Audience, by: &str, profile: &str) -> Date {
    (audience, Some((at(by), profile.to_owned())))
}

#[test]
fn the_times_of_all_laws_run_side_by_side_from_when_somebody_was_aware() {
    assert!(dates(&everywhere()).is_empty(), "of a suspicion nobody is told");
    // Thursday 10:00: a working day in Kazakhstan is Friday 10:00; 72 hours are Sunday; 24 hours are Friday.
    let breach = then(&everywhere(), confirm());
    let platform = date(Audience::Platform, "2026-11-27T10:00:00Z", "meta-platform");
    assert_eq!(dates(&breach), [date(Audience::Authority, "2026-11-27T10:00:00Z", "kz"), platform]);
    let breach = then(&under("eu-gdpr"), confirm());
    assert_eq!(dates(&breach), [date(Audience::Authority, "2026-11-29T10:00:00Z", "eu-gdpr")]);
    let breach = then(&under("us-ca"), confirm());
    let authority = date(Audience::Authority, "2026-12-11T10:00:00Z", "us-ca");
    assert_eq!(dates(&breach), [authority, date(Audience::Subjects, "2026-12-26T10:00:00Z", "us-ca")]);
    assert!(dates(&then(&under("policy-2025-08-12"), confirm())).is_empty(), "nothing is invented");
    // Friday evening over a weekend in Kazakhstan: Monday evening, after which 72 hours are over.
    let friday = BreachEvent::Confirm { aware_at: at("2026-11-20T10:00:00Z") };
    let breach = then(&under("kz eu-gdpr"), friday);
    assert_eq!(dates(&breach), [date(Audience::Authority, "2026-11-23T10:00:00Z", "kz")]);
}

#[test]
fn the_time_of_awareness_is_not_in_the_future_and_is_never_moved_later() {
    let late = BreachEvent::Confirm { aware_at: at("2026-11-26T12:00:01Z") };
    assert_eq!(refused(&everywhere(), late), BreachError::InFuture);
    let breach = then(&everywhere(), confirm());
    let later = BreachEvent::Confirm { aware_at: at("2026-11-26T10:00:01Z") };
    assert_eq!(refused(&breach, later), BreachError::MovedLater { aware_at: at("2026-11-26T10:00:00Z") });
    let earlier = BreachEvent::Confirm { aware_at: at("2026-11-25T10:00:00Z") };
    for state in [breach.clone(), then(&breach, unlikely())] {
        let moved = then(&state, earlier.clone());
        assert_eq!((moved.aware_at, &moved.state), (Some(at("2026-11-25T10:00:00Z")), &state.state));
    }
}

#[test]
fn what_is_unlikely_to_be_a_risk_needs_a_reason_and_is_told_to_nobody_by_the_law_that_says_so() {
    let breach = then(&everywhere(), confirm());
    let silent = assess(BreachRisk::Unlikely { reason: " ".into() }, Exposure::Sealed);
    assert_eq!(refused(&breach, silent), BreachError::NoReason);
    let eu = then(&then(&under("eu-gdpr"), confirm()), unlikely());
    assert!(dates(&eu).is_empty());
    assert_eq!(then(&eu, BreachEvent::Close).state, BreachState::Closed, "and stays in the register");
    // Where no law says that it spares anybody, nobody is spared.
    let both = then(&then(&under("eu-gdpr kz meta-platform"), confirm()), unlikely());
    let platform = date(Audience::Platform, "2026-11-27T10:00:00Z", "meta-platform");
    assert_eq!(dates(&both), [date(Audience::Authority, "2026-11-27T10:00:00Z", "kz"), platform]);
    // A leniency that nobody has confirmed is none.
    let law = Law::built_in();
    let mut doubtful = law.profile(&ProfileId::new("eu-gdpr")).unwrap().clone();
    doubtful
        .limits
        .iter_mut()
        .filter_map(|limit| limit.unless_unlikely.as_mut())
        .for_each(|cited| cited.confirmed = false);
    assert_eq!(eu.duties(&law.with_profile(doubtful).unwrap()).unwrap().len(), 1);
}

#[test]
fn people_are_told_where_the_risk_is_high_unless_what_was_taken_is_sealed_and_no_key_was_out() {
    let breach = then(&under("eu-gdpr"), confirm());
    for (risk, exposure, told) in [
        (BreachRisk::Risk, Exposure::Readable, false),
        (BreachRisk::High, Exposure::Readable, true),
        (BreachRisk::High, Exposure::SealedWithKeys, true),
        (BreachRisk::High, Exposure::Unknown, true),
        (BreachRisk::High, Exposure::Sealed, false),
    ] {
        let breach = then(&breach, assess(risk.clone(), exposure));
        let subjects = dates(&breach).into_iter().find(|(audience, _)| *audience == Audience::Subjects);
        assert_eq!(subjects, told.then_some((Audience::Subjects, None)), "{risk:?} {exposure:?}: without a date");
    }
    // A law that gives a date asks for it before anything is known, and spares what is sealed too.
    let breach = then(&under("us-ca"), confirm());
    assert_eq!(dates(&breach).len(), 2);
    assert_eq!(dates(&then(&breach, assess(BreachRisk::High, Exposure::Sealed))).len(), 1);
}

#[test]
fn it_is_closed_when_everybody_was_told_and_nothing_is_contained() {
    let breach = then(&then(&under("eu-gdpr meta-platform"), confirm()), assess(BreachRisk::High, Exposure::Readable));
    let mut breach = then(&breach, BreachEvent::Contain);
    assert_eq!(refused(&breach, BreachEvent::Close), BreachError::StillContained);
    breach = then(&breach, BreachEvent::Lift);
    for audience in [Audience::Authority, Audience::Platform, Audience::Subjects] {
        assert_eq!(refused(&breach, BreachEvent::Close), BreachError::NotTold(audience));
        breach = then(&breach, tell(audience));
        assert_eq!(refused(&breach, tell(audience)), BreachError::AlreadyTold(audience));
    }
    let late = BreachEvent::Tell { audience: Audience::Processors, at: at("2026-11-26T12:00:01Z") };
    assert_eq!(refused(&breach, late), BreachError::InFuture);
    assert!(breach.untold(&Law::built_in()).unwrap().is_empty());
    assert_eq!(then(&breach, BreachEvent::Close).state, BreachState::Closed);
}

#[test]
fn containing_goes_beside_everything_that_is_open() {
    let suspected = everywhere();
    assert_eq!(refused(&suspected, BreachEvent::Lift), BreachError::NotContained);
    let contained = then(&suspected, BreachEvent::Contain);
    assert!(contained.is_contained());
    assert_eq!(then(&contained, BreachEvent::Contain), contained, "twice is once");
    let dismiss = BreachEvent::Dismiss { reason: "a drill".into() };
    assert_eq!(refused(&contained, dismiss.clone()), BreachError::StillContained);
    let lifted = then(&contained, BreachEvent::Lift);
    assert!(!lifted.is_contained());
    assert_eq!(refused(&lifted, BreachEvent::Lift), BreachError::NotContained);
    assert!(then(&lifted, BreachEvent::Contain).is_contained(), "and again");
    assert_eq!(refused(&lifted, BreachEvent::Dismiss { reason: String::new() }), BreachError::NoReason);
    assert!(!then(&lifted, dismiss).state.is_open());
}

#[test]
fn what_does_not_happen_in_a_state_is_refused() {
    let suspected = everywhere();
    let confirmed = then(&suspected, confirm());
    let assessed = then(&then(&under("eu-gdpr"), confirm()), unlikely());
    let closed = then(&assessed, BreachEvent::Close);
    let dismiss = || BreachEvent::Dismiss { reason: "a drill".into() };
    let dismissed = then(&suspected, dismiss());
    let end = || BreachEvent::End { until: at("2026-11-26T11:00:00Z") };
    for (breach, events) in [
        (&suspected, vec![unlikely(), tell(Audience::Authority), BreachEvent::Close]),
        (&confirmed, vec![dismiss(), BreachEvent::Close]),
        (&assessed, vec![dismiss()]),
        (&closed, vec![confirm(), dismiss(), BreachEvent::Contain, unlikely(), tell(Audience::Authority), end()]),
        (&dismissed, vec![confirm(), dismiss(), BreachEvent::Contain, unlikely(), BreachEvent::Close, end()]),
    ] {
        for event in events {
            let error = refused(breach, event.clone());
            let state = breach.state.as_str();
            assert_eq!(error, BreachError::WrongState { event: event.as_str(), state }, "{state}");
        }
    }
}

#[test]
fn a_window_is_over_before_now_and_after_it_began() {
    let breach = everywhere();
    assert_eq!(then(&breach, BreachEvent::End { until: at(NOON) }).until, Some(at(NOON)));
    let early = BreachEvent::End { until: at("2026-11-24T23:59:59Z") };
    assert_eq!(refused(&breach, early), BreachError::Window);
    assert_eq!(refused(&breach, BreachEvent::End { until: at("2026-11-26T12:00:01Z") }), BreachError::InFuture);
    let new = |from: &str, until: Option<&str>| NewBreach {
        origin: BreachOrigin::Ours,
        nature: BreachNature::Lost,
        from: at(from),
        until: until.map(at),
    };
    let made = |new, profile: &str| {
        Breach::new(BreachId::from_bytes([1; 16]), new, vec![ProfileId::new(profile)], &Law::built_in(), at(NOON))
    };
    let tomorrow = "2026-11-27T00:00:00Z";
    assert_eq!(made(new(tomorrow, None), "kz"), Err(BreachError::InFuture));
    assert_eq!(made(new(NOON, Some(tomorrow)), "kz"), Err(BreachError::InFuture));
    assert_eq!(made(new(NOON, Some("2026-11-26T11:00:00Z")), "kz"), Err(BreachError::Window));
    assert!(matches!(made(new(NOON, None), "mars"), Err(BreachError::Law(LawError::UnknownProfile(_)))));
}
