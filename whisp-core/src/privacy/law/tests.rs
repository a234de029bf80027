//! Dates computed by hand beside those of the program (invariant I-30), and what holds for any date.

use chrono::{Days, NaiveDate, TimeDelta, Timelike};
use chrono_tz::{Asia, Europe, Pacific, Tz};
use proptest::prelude::*;

use super::*;
use crate::privacy::RequestKind;

const ACCESS: Duty = Duty::Answer(RequestKind::Access);
const ERASURE: Duty = Duty::Answer(RequestKind::Erasure);
const RECTIFICATION: Duty = Duty::Answer(RequestKind::Rectification);

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn ids(names: &str) -> Vec<ProfileId> {
    names.split_whitespace().map(ProfileId::new).collect()
}

#[track_caller]
fn due(profiles: &str, duty: Duty, from: &str) -> Deadline {
    Law::built_in().deadline(&ids(profiles), duty, &Timing::since(at(from))).unwrap()
}

#[test]
fn i30_dates_are_those_computed_by_hand() {
    use Duty::{Acknowledge, BreachAuthority, BreachPlatform, BreachSubjects};
    let (policy, both) = ("policy-2025-08-12", "policy-2025-08-12 eu-gdpr");
    for (why, profiles, duty, from, to, asks) in [
        ("the end of a month", "eu-gdpr", ACCESS, "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z", "eu-gdpr"),
        ("of a leap year", "eu-gdpr", ACCESS, "2028-01-31T10:00:00Z", "2028-02-29T10:00:00Z", "eu-gdpr"),
        (
            "the leap day, into summer time",
            "eu-gdpr",
            ACCESS,
            "2028-02-29T10:00:00Z",
            "2028-03-29T09:00:00Z",
            "eu-gdpr",
        ),
        ("into winter time", "eu-gdpr", ACCESS, "2026-10-01T10:00:00Z", "2026-11-01T11:00:00Z", "eu-gdpr"),
        ("thirty days", policy, ACCESS, "2026-02-01T00:00:00Z", "2026-03-03T00:00:00Z", policy),
        ("a month is 29 days", both, ACCESS, "2026-01-30T09:00:00Z", "2026-02-28T09:00:00Z", "eu-gdpr"),
        ("a month is 31 days", both, ACCESS, "2026-07-01T09:00:00Z", "2026-07-31T09:00:00Z", policy),
        (
            "a month is 30 days: who is named first",
            both,
            ACCESS,
            "2026-04-01T09:00:00Z",
            "2026-05-01T09:00:00Z",
            policy,
        ),
        (
            "72 hours, through a change",
            "eu-gdpr",
            BreachAuthority,
            "2026-03-28T00:00:00Z",
            "2026-03-31T00:00:00Z",
            "eu-gdpr",
        ),
        ("over Nauryz", "kz", BreachAuthority, "2026-03-20T10:00:00Z", "2026-03-26T10:00:00Z", "kz"),
        (
            "then 72 hours are less",
            "kz eu-gdpr",
            BreachAuthority,
            "2026-03-20T10:00:00Z",
            "2026-03-23T10:00:00Z",
            "eu-gdpr",
        ),
        (
            "on other days they are more",
            "kz eu-gdpr",
            BreachAuthority,
            "2026-11-19T10:00:00Z",
            "2026-11-20T10:00:00Z",
            "kz",
        ),
        ("fifteen days", "policy-2025-08-12 eu-gdpr kz", ERASURE, "2026-11-25T06:00:00Z", "2026-12-10T06:00:00Z", "kz"),
        ("over 1 May and a weekend", "kz", ACCESS, "2026-04-29T05:00:00Z", "2026-05-05T05:00:00Z", "kz"),
        ("30 August is no holiday any more", "kz", RECTIFICATION, "2026-08-28T05:00:00Z", "2026-08-31T05:00:00Z", "kz"),
        ("Saturday there, Friday in UTC", "kz", RECTIFICATION, "2026-11-20T20:00:00Z", "2026-11-22T20:00:00Z", "kz"),
        (
            "over Thanksgiving, Saturdays count",
            "us-ca",
            Acknowledge,
            "2026-11-16T20:00:00Z",
            "2026-11-28T20:00:00Z",
            "us-ca",
        ),
        ("45 days", "us-ca", ACCESS, "2026-10-01T16:00:00Z", "2026-11-15T17:00:00Z", "us-ca"),
        (
            "the first day of a law, there",
            "us-ca",
            BreachSubjects,
            "2026-01-01T08:00:00Z",
            "2026-01-31T08:00:00Z",
            "us-ca",
        ),
        ("24 hours", "meta-platform", BreachPlatform, "2026-12-31T12:00:00Z", "2027-01-01T12:00:00Z", "meta-platform"),
    ] {
        let deadline = due(profiles, duty, from);
        assert_eq!((deadline.at, deadline.profile.as_str()), (at(to), asks), "{why}");
        assert!(deadline.calendar_known, "{why}");
    }
}

#[test]
fn after_the_last_year_of_a_calendar_every_day_counts_and_the_deadline_says_so() {
    // New Year's Day and the Saturday after it are working days as far as anybody knows.
    let deadline = due("kz", ACCESS, "2026-12-30T05:00:00Z");
    assert_eq!((deadline.at, deadline.calendar_known), (at("2027-01-02T05:00:00Z"), false));
}

#[test]
fn a_law_that_was_not_in_force_asks_for_nothing() {
    let eve = Timing::since(at("2026-01-01T07:59:59Z"));
    let none = Law::built_in().deadline(&ids("us-ca"), Duty::BreachSubjects, &eve);
    assert_eq!(none, Err(LawError::NoLimit(Duty::BreachSubjects)));
}

#[test]
fn a_profile_that_is_not_known_is_not_left_out() {
    let timing = Timing::since(at("2026-01-01T00:00:00Z"));
    let wrong = Law::built_in().deadline(&ids("policy-2025-08-12 mars"), ACCESS, &timing);
    assert_eq!(wrong, Err(LawError::UnknownProfile(ProfileId::new("mars"))));
}

#[test]
fn an_extension_goes_on_from_the_end_of_the_first_period() {
    for (profile, from, to) in [
        ("eu-gdpr", "2026-01-31T10:00:00Z", "2026-04-28T09:00:00Z"),
        ("us-ca", "2026-10-01T16:00:00Z", "2026-12-30T17:00:00Z"),
        // It has none.
        ("kz", "2026-11-25T06:00:00Z", "2026-12-10T06:00:00Z"),
    ] {
        let timing = Timing { extended: true, ..Timing::since(at(from)) };
        assert_eq!(Law::built_in().deadline(&ids(profile), ERASURE, &timing).unwrap().at, at(to), "{profile}");
    }
    // Nothing but an answer is put off.
    let timing = Timing { extended: true, ..Timing::since(at("2026-11-16T20:00:00Z")) };
    let deadline = Law::built_in().deadline(&ids("us-ca"), Duty::Acknowledge, &timing).unwrap();
    assert_eq!(deadline.at, at("2026-11-28T20:00:00Z"));
}

#[test]
fn time_stands_still_only_where_somebody_confirmed_that_it_does() {
    let timing = Timing { stopped: TimeDelta::days(3), ..Timing::since(at("2026-02-01T00:00:00Z")) };
    let of = |law: &Law, profile| law.deadline(&ids(profile), ACCESS, &timing).unwrap().at;
    let law = Law::built_in();
    assert_eq!(of(&law, "policy-2025-08-12"), at("2026-03-06T00:00:00Z"));
    assert_eq!(of(&law, "us-ca"), at("2026-03-17T23:00:00Z"), "45 days, and summer time");
    assert_eq!(of(&law, "eu-gdpr"), at("2026-03-01T00:00:00Z"), "from memory: not used");

    let mut counsel = law.profile(&ProfileId::new("eu-gdpr")).unwrap().clone();
    counsel.identity_pause.confirmed = true;
    assert_eq!(of(&law.with_profile(counsel).unwrap(), "eu-gdpr"), at("2026-03-04T00:00:00Z"));
}

#[test]
fn a_host_replaces_a_profile_and_needs_a_calendar_for_working_days() {
    let mut own = Law::built_in().profile(&ProfileId::new("kz")).unwrap().clone();
    own.calendar = None;
    assert_eq!(Law::built_in().with_profile(own.clone()).unwrap_err(), LawError::UnknownCalendar(ProfileId::new("kz")));
    own.calendar = Some(CalendarId::new("mine"));
    assert!(Law::built_in().with_profile(own.clone()).is_err());
    let doubtful = Calendar { id: CalendarId::new("mine"), ..Law::built_in().calendars()[0].clone() };
    let calendar = Calendar { confirmed: true, ..doubtful.clone() };
    let law = Law::built_in().with_calendar(calendar).with_profile(own).unwrap();
    assert_eq!(law.profiles().len(), 5);
    // Without Nauryz; and if nobody has confirmed it, without Saturday and Sunday.
    let timing = Timing::since(at("2026-03-20T10:00:00Z"));
    let due = |law: &Law| law.deadline(&ids("kz"), Duty::BreachAuthority, &timing).unwrap().at;
    assert_eq!(due(&law), at("2026-03-23T10:00:00Z"));
    assert_eq!(due(&law.with_calendar(doubtful)), at("2026-03-21T10:00:00Z"));
}

#[test]
fn what_is_not_confirmed_is_told() {
    let law = Law::built_in();
    let told: Vec<_> = law.unconfirmed().map(|citation| (citation.of, citation.what)).collect();
    // Section 3.19 of the reference, and what it marks as from memory.
    for known in [("kz", "erasure"), ("kz", "access"), ("kz", "rectification"), ("eu-gdpr", "identity_pause")] {
        assert!(told.contains(&known), "{known:?}");
    }
    assert!(!told.contains(&("eu-gdpr", "access")));
    assert!(!due("kz", ERASURE, "2026-11-25T06:00:00Z").confirmed);
    assert!(due("eu-gdpr", ERASURE, "2026-11-25T06:00:00Z").confirmed);
}

#[test]
fn the_data_is_written_as_it_is_read() {
    for text in PROFILES {
        let profile = JurisdictionProfile::parse(text).unwrap();
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(&profile).unwrap(), value, "{}", profile.id);
    }
    for text in CALENDARS {
        let calendar = Calendar::parse(text).unwrap();
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(&calendar).unwrap(), value, "{}", calendar.id);
        assert!(calendar.holidays.keys().all(|day| calendar.is_working(*day) == Some(false)), "{}", calendar.id);
    }
    assert!(matches!(Calendar::parse("{}"), Err(LawError::Malformed(_))));
}

#[test]
fn what_a_machine_wrote_is_disclosed_from_the_day_of_the_law() {
    let law = Law::built_in();
    let eu = law.profile(&ProfileId::new("eu-gdpr")).unwrap();
    let day = |text: &str| text.parse().unwrap();
    assert_eq!(eu.ai_disclosure_on(day("2026-08-01")), None);
    assert_eq!(eu.ai_disclosure_on(day("2026-08-02")), Some(AiDisclosure::VisibleAndMarked));
}

/// A wall's time that is skipped is the moment of the change; one that is there twice is the first.
#[test]
fn a_period_ends_once_on_a_day_on_which_the_clock_is_changed() {
    for (period, zone, from, to) in [
        // 29 March, 2:30 in Brussels: from 2 to 3 at once.
        (Period::Days(29), Europe::Brussels, "2026-02-28T01:30:00Z", "2026-03-29T01:00:00Z"),
        // 25 October, 2:30 in Brussels, twice.
        (Period::Days(30), Europe::Brussels, "2026-09-25T00:30:00Z", "2026-10-25T00:30:00Z"),
        // 1 March 2024 in Almaty began an hour later: from 0:00 back to 23:00.
        (Period::Days(1), Asia::Almaty, "2024-02-28T17:30:00Z", "2024-02-29T17:30:00Z"),
        // 30 December 2011 was no day in Samoa.
        (Period::Days(10), Pacific::Apia, "2011-12-20T20:00:00Z", "2011-12-30T10:00:00Z"),
    ] {
        assert_eq!(period.end(at(from), zone, None), Some((at(to), true)), "{from} in {zone}");
    }
}

#[test]
fn time_out_of_range_is_an_error() {
    for start in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, at("1969-12-31T23:59:59Z")] {
        let error = Law::built_in().deadline(&ids("eu-gdpr"), ACCESS, &Timing::since(start)).unwrap_err();
        assert_eq!(error, LawError::OutOfRange(start));
    }
    let stopped = Timing { stopped: TimeDelta::MAX, ..Timing::since(at("2026-01-01T00:00:00Z")) };
    assert!(Law::built_in().deadline(&ids("policy-2025-08-12"), ACCESS, &stopped).is_err());
}

#[test]
fn a_deadline_warns_at_half_at_four_fifths_and_when_it_is_over() {
    let deadline = due("policy-2025-08-12", ACCESS, "2026-03-01T00:00:00Z");
    for (now, urgency, next) in [
        ("2026-03-15T23:59:59Z", Urgency::Calm, Some("2026-03-16T00:00:00Z")),
        ("2026-03-16T00:00:00Z", Urgency::Half, Some("2026-03-25T00:00:00Z")),
        ("2026-03-25T00:00:00Z", Urgency::Most, Some("2026-03-31T00:00:00Z")),
        ("2026-03-30T23:59:59Z", Urgency::Most, Some("2026-03-31T00:00:00Z")),
        ("2026-03-31T00:00:00Z", Urgency::Overdue, None),
        // A clock that jumped back before the request.
        ("2020-01-01T00:00:00Z", Urgency::Calm, Some("2026-03-16T00:00:00Z")),
    ] {
        assert_eq!((deadline.urgency(at(now)), deadline.next_look(at(now))), (urgency, next.map(at)), "{now}");
    }
}

fn start() -> impl Strategy<Value = DateTime<Utc>> {
    // To 2100.
    (0..4_102_444_800_i64).prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
}

fn zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(vec![
        Europe::Brussels,
        Asia::Almaty,
        chrono_tz::America::Los_Angeles,
        chrono_tz::Australia::Lord_Howe,
        Asia::Kathmandu,
    ])
}

fn period() -> impl Strategy<Value = Period> {
    prop_oneof![
        (1..400_u16).prop_map(Period::Hours),
        (1..400_u16).prop_map(Period::Days),
        (1..60_u16).prop_map(Period::WorkingDays),
        (1..24_u8).prop_map(Period::Months),
    ]
}

proptest! {
    #[test]
    fn the_deadline_is_the_earliest_of_all_and_no_profile_more_makes_it_later(
        start in start(),
        chosen in prop::sample::subsequence(vec!["policy-2025-08-12", "eu-gdpr", "kz", "us-ca", "meta-platform"], 1..=5),
        extended: bool,
    ) {
        let law = Law::built_in();
        let timing = Timing { extended, ..Timing::since(start) };
        for duty in [ACCESS, ERASURE, RECTIFICATION, Duty::BreachAuthority] {
            let alone = |name| law.deadline(&ids(name), duty, &timing).ok().map(|deadline: Deadline| deadline.at);
            let together = law.deadline(&ids(&chosen.join(" ")), duty, &timing).ok();
            prop_assert_eq!(together.as_ref().map(|d| d.at), chosen.iter().filter_map(|name| alone(name)).min());
            if let Some(deadline) = together {
                prop_assert_eq!(Some(deadline.at), alone(deadline.profile.as_str()));
                prop_assert!(deadline.at > start);
            }
        }
    }

    #[test]
    fn days_and_months_end_on_the_day_and_at_the_time_that_a_person_would_say(
        start in start(), zone in zone(), days in 1..400_u16, months in 1..24_u8,
    ) {
        let wall = |time: DateTime<Utc>| time.with_timezone(&zone).naive_local();
        let from = wall(start);
        let (end, _) = Period::Days(days).end(start, zone, None).unwrap();
        let expected = from + Days::new(days.into());
        // Unless the clock skips it, by an hour at most in these zones.
        prop_assert!(wall(end) == expected || (expected..=expected + TimeDelta::hours(1)).contains(&wall(end)));

        let end = wall(Period::Months(months).end(start, zone, None).unwrap().0).date();
        let whole = from.date().checked_add_months(chrono::Months::new(months.into())).unwrap();
        prop_assert_eq!(end, whole);
    }

    /// The day is what a law counts; within it, the time at which it was asked may be earlier.
    #[test]
    fn who_asks_on_a_later_day_is_due_on_no_earlier_day(
        start in start(), later in 0..1_000_000_i64, zone in zone(), period in period(),
    ) {
        let calendar = &Law::built_in().calendars[1];
        let end = |from| period.end(from, zone, Some(calendar)).unwrap().0.with_timezone(&zone).date_naive();
        prop_assert!(end(start + TimeDelta::seconds(later)) >= end(start));
    }

    #[test]
    fn a_calendar_that_knows_less_makes_no_date_later(
        day in 0..3_000_u64,
        days in 1..40_u16,
        dropped in prop::collection::btree_set(0..30_usize, 0..10),
        last_year in 2024..2029_i32,
    ) {
        let calendar = Law::built_in().calendars()[2].clone();
        let mut poorer = Calendar { last_year, ..calendar.clone() };
        let mut index = 0;
        poorer.holidays.retain(|_, _| {
            index += 1;
            !dropped.contains(&(index - 1))
        });
        let calendar = Calendar { last_year: last_year.max(calendar.last_year), ..calendar };
        let from = (NaiveDate::from_ymd_opt(2023, 1, 1).unwrap() + Days::new(day)).and_hms_opt(12, 0, 0).unwrap().and_utc();
        let end = |calendar| Period::WorkingDays(days).end(from, Tz::UTC, Some(calendar)).unwrap();
        prop_assert!(end(&poorer).0 <= end(&calendar).0);
        prop_assert_eq!(end(&calendar).0.hour(), 12);
        // And no calendar at all makes the earliest.
        let without = Period::WorkingDays(days).end(from, Tz::UTC, None).unwrap();
        prop_assert_eq!(without, (from + Days::new(days.into()), false));
    }
}
