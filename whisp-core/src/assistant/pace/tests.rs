use chrono::TimeDelta;

use super::*;
use crate::testing::SeqIds;

const FLOW: (TenantId, ConnectionId) = (TenantId::from_bytes([1; 16]), ConnectionId::from_bytes([2; 16]));

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_795_338_000_000 + millis).unwrap()
}

fn lane(n: u8) -> ConversationId {
    ConversationId::from_bytes([n; 16])
}

fn ask(n: u8, pace: Pace, now: DateTime<Utc>) -> Ask {
    Ask { flow: FLOW, lane: lane(n), pace, media: false, now }
}

fn pace(connection: Option<Rate>, pair: Option<Rate>) -> Pace {
    Pace { connection, media: None, pair }
}

fn per_second(count: u32) -> Option<Rate> {
    Some(Rate::within(count, TimeDelta::seconds(1)))
}

fn limited(told: Option<u64>) -> Outcome {
    Outcome::Failed(ChannelErrorKind::RateLimited, told.map(Duration::from_secs))
}

#[test]
fn no_second_has_more_than_the_rate_and_little_is_left_unused() {
    let mut paces = Paces::default();
    let mut taken = Vec::new();
    for millis in 0..5_000 {
        while paces.take(&ask(1, pace(per_second(80), None), at(millis))).is_ok() {
            taken.push(millis);
        }
    }
    for begin in 0..4_000 {
        let count = taken.iter().filter(|millis| (begin..begin + 1_000).contains(*millis)).count();
        assert!(count <= 80, "{count} from {begin} on");
    }
    assert!(taken.len() >= 16 + 64 * 5 - 8, "{}", taken.len());
}

#[test]
fn a_message_takes_all_its_tokens_or_none_and_says_when() {
    let mut paces = Paces::default();
    let pace = pace(Some(Rate::new(3, TimeDelta::seconds(1))), Some(Rate::new(1, TimeDelta::seconds(6))));
    paces.take(&ask(1, pace, at(0))).unwrap();
    for _ in 0..10 {
        assert_eq!(paces.take(&ask(1, pace, at(0))), Err(at(6_000)), "the person");
    }
    assert_eq!(paces.waits((FLOW.0, lane(1)), at(1)), Some(at(6_000)));
    assert_eq!(paces.waits((FLOW.0, lane(1)), at(6_000)), None);
    // The ten that were held up for the person cost the connection nothing.
    assert_eq!(paces.room(FLOW, at(0)), Ok(2));
    paces.take(&ask(2, pace, at(0))).unwrap();
    paces.take(&ask(3, pace, at(0))).unwrap();
    assert_eq!(paces.take(&ask(4, pace, at(0))), Err(at(1_000)), "the connection");
    assert_eq!(paces.room(FLOW, at(999)), Err(at(1_000)));
    assert_eq!(paces.room(FLOW, at(1_000)), Ok(1));
    paces.take(&ask(4, pace, at(1_000))).unwrap();
}

#[test]
fn media_have_a_rate_of_their_own_and_count_for_the_connection() {
    let mut paces = Paces::default();
    let second = TimeDelta::seconds(1);
    let pace = Pace { connection: Some(Rate::new(3, second)), media: Some(Rate::new(1, second)), pair: None };
    let media = |n| Ask { media: true, ..ask(n, pace, at(0)) };
    paces.take(&media(1)).unwrap();
    assert_eq!(paces.take(&media(2)), Err(at(1_000)));
    paces.take(&ask(3, pace, at(0))).unwrap();
    assert_eq!(paces.room(FLOW, at(0)), Ok(1));
}

#[test]
fn a_clock_that_goes_back_makes_no_wait_that_never_ends() {
    let mut paces = Paces::default();
    let pace = pace(Some(Rate::new(2, TimeDelta::seconds(1))), Some(Rate::new(1, TimeDelta::seconds(6))));
    paces.take(&ask(1, pace, at(0))).unwrap();
    paces.take(&ask(2, pace, at(0))).unwrap();
    let day_before = at(-86_400_000);
    let until = paces.take(&ask(1, pace, day_before)).unwrap_err();
    assert!(until - day_before <= TimeDelta::seconds(6), "{until}");
    // A rest ends with the jump, and the platform decides again.
    let asked = ask(3, Pace::UNLIMITED, at(10_000));
    paces.note(&asked, limited(Some(3_600)), at(10_000), &SeqIds::new(1));
    assert!(paces.room(FLOW, at(10_001)).is_err());
    // But for its tokens, of which it has half as many now.
    assert!(paces.room(FLOW, day_before).unwrap_err() <= day_before + TimeDelta::seconds(2));
}

#[test]
fn workers_together_have_the_rate_of_one() {
    for workers in [1, 2, 3, 8] {
        let mut all: Vec<Paces> = (0..workers).map(|_| Paces::default()).collect();
        let mut taken = 0;
        for paces in &mut all {
            paces.share_between(workers);
            for millis in 0..1_000 {
                while paces.take(&ask(1, pace(per_second(80), None), at(millis))).is_ok() {
                    taken += 1;
                }
            }
        }
        assert!((64..=80).contains(&taken), "{workers} workers: {taken}");
    }
}

#[test]
fn a_refusal_rests_the_connection_longer_each_time_and_success_brings_it_back() {
    let ids = SeqIds::new(1);
    let mut paces = Paces::default();
    let mut now = at(0);
    let mut rests = Vec::new();
    for _ in 0..12 {
        let asked = ask(1, pace(per_second(80), None), now);
        paces.take(&asked).unwrap();
        // Several were under way; together they are one refusal.
        for _ in 0..5 {
            assert!(paces.note(&asked, limited(None), now, &ids).is_some());
        }
        let until = paces.room(FLOW, now).unwrap_err();
        assert_eq!(paces.take(&asked), Err(until), "nothing goes meanwhile");
        rests.push((until - now).num_milliseconds());
        now = until;
    }
    for (times, rest) in rests.iter().enumerate() {
        let own = 1_000 << times.min(8);
        assert!((own..=own + own / 4).contains(rest), "{times}: {rest}");
    }
    assert!(paces.one_at_a_time(FLOW));
    assert!(paces.room(FLOW, now).unwrap() <= 1, "it begins slowly");
    for _ in 0..9 {
        assert!(paces.one_at_a_time(FLOW));
        let asked = ask(1, pace(per_second(80), None), now);
        paces.note(&asked, Outcome::Taken(None), now, &ids);
    }
    assert!(!paces.one_at_a_time(FLOW));
    now += TimeDelta::seconds(10);
    assert_eq!(paces.room(FLOW, now), Ok(16), "as ever");
}

#[test]
fn the_platforms_own_word_is_the_least_that_is_waited() {
    let ids = SeqIds::new(1);
    let mut paces = Paces::default();
    let asked = ask(1, Pace::UNLIMITED, at(0));
    let wait = paces.note(&asked, limited(Some(1_140)), at(0), &ids).unwrap();
    assert!(wait >= TimeDelta::minutes(19) && wait < TimeDelta::minutes(20), "{wait}");
    let mad = paces.note(&ask(1, Pace::UNLIMITED, at(1)), limited(Some(u64::MAX)), at(1), &ids).unwrap();
    assert!(mad <= TimeDelta::hours(24));
}

#[test]
fn the_same_seed_gives_the_same_waits_and_others_scatter() {
    let wait = |seed| {
        let mut paces = Paces::default();
        paces.note(&ask(1, Pace::UNLIMITED, at(0)), limited(None), at(0), &SeqIds::new(seed))
    };
    assert_eq!(wait(1), wait(1));
    let waits: std::collections::BTreeSet<_> = (0..20).map(wait).collect();
    assert!(waits.len() > 15);
}

#[test]
fn a_refused_pair_waits_alone_four_times_as_long_each_time() {
    let ids = SeqIds::new(1);
    let mut paces = Paces::default();
    let asked = ask(1, Pace::UNLIMITED, at(0));
    let refused = Outcome::Failed(ChannelErrorKind::PairLimited, Some(Duration::from_secs(6)));
    let waits: Vec<i64> = (0..7).map(|_| paces.note(&asked, refused, at(0), &ids).unwrap().num_seconds()).collect();
    for (wait, least) in waits.iter().zip([6, 6, 16, 64, 256, 1_024, 1_024]) {
        assert!((least..=least + least / 4 + 1).contains(wait), "{waits:?}");
    }
    assert!(paces.waits((FLOW.0, lane(1)), at(1)).is_some());
    paces.take(&ask(2, Pace::UNLIMITED, at(1))).unwrap();
}

#[test]
fn what_is_wrong_with_one_message_rests_nobody() {
    let ids = SeqIds::new(1);
    let mut paces = Paces::default();
    let asked = ask(1, Pace::UNLIMITED, at(0));
    use ChannelErrorKind as Kind;
    for kind in [
        Kind::Blocked,
        Kind::Denied,
        Kind::Invalid,
        Kind::OptedOut,
        Kind::Recipient,
        Kind::Unsupported,
        Kind::WindowClosed,
    ] {
        assert_eq!(paces.note(&asked, Outcome::Failed(kind, None), at(0), &ids), None, "{kind:?}");
        assert!(paces.take(&asked).is_ok(), "{kind:?}");
    }
    for kind in [Kind::Auth, Kind::Malformed, Kind::RateLimited, Kind::Unavailable, Kind::Unknown] {
        let mut paces = Paces::default();
        assert!(paces.note(&asked, Outcome::Failed(kind, None), at(0), &ids).is_some(), "{kind:?}");
        assert!(paces.take(&asked).is_err(), "{kind:?}");
        paces.forget(FLOW);
        assert!(paces.take(&asked).is_ok(), "connected again");
    }
}

#[test]
fn sending_slows_down_before_the_platforms_budget_is_used_up() {
    let ids = SeqIds::new(1);
    for (percent, least, most) in [(0, 16, 16), (74, 16, 16), (75, 8, 8), (85, 4, 4), (95, 2, 2)] {
        let mut paces = Paces::default();
        let asked = ask(1, pace(per_second(80), None), at(0));
        paces.take(&asked).unwrap();
        paces.note(&asked, Outcome::Taken(Some(Usage { percent, regain: None })), at(0), &ids);
        let room = paces.room(FLOW, at(5_000)).unwrap();
        assert!((least..=most).contains(&room), "{percent} %: {room}");
        assert_eq!(paces.room(FLOW, at(301_000)), Ok(16), "what was said long ago counts no more");
    }
    for (usage, least) in [
        (Usage { percent: 100, regain: None }, 60),
        (Usage { percent: 3, regain: Some(Duration::from_secs(1_140)) }, 1_140),
    ] {
        let mut paces = Paces::default();
        paces.note(&ask(1, Pace::UNLIMITED, at(0)), Outcome::Taken(Some(usage)), at(0), &ids);
        let until = paces.room(FLOW, at(1)).unwrap_err();
        assert!(until >= at(least * 1_000) && until < at(least * 1_000 + 1_000), "{usage:?}: {until}");
    }
}

#[test]
fn it_remembers_so_many_and_no_more() {
    let mut paces = Paces::default();
    for n in 0..u32::try_from(PAIRS_MAX + 100).unwrap() {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        let flow = (FLOW.0, ConnectionId::from_bytes(bytes));
        paces.take(&Ask { flow, lane: ConversationId::from_bytes(bytes), ..ask(1, Pace::UNLIMITED, at(0)) }).unwrap();
    }
    assert_eq!((paces.flows.len(), paces.pairs.len()), (FLOWS_MAX, PAIRS_MAX));
}

#[test]
fn tokens_that_were_given_back_may_be_taken_again_and_once() {
    let mut paces = Paces::default();
    let pace = pace(Some(Rate::new(3, TimeDelta::seconds(1))), Some(Rate::new(1, TimeDelta::seconds(6))));
    let message = ask(1, pace, at(0));
    paces.take(&message).unwrap();
    paces.give_back(&message);
    assert_eq!(paces.room(FLOW, at(0)), Ok(3));
    paces.take(&message).unwrap();
    assert_eq!(paces.take(&message), Err(at(6_000)));
    assert_eq!(paces.room(FLOW, at(0)), Ok(2));
}
