use std::sync::Mutex;
use std::thread;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn now() -> DateTime<Utc> {
    "2026-11-25T09:00:00Z".parse().unwrap()
}

fn request(n: u128) -> RequestId {
    RequestId::from_uuid(Uuid::from_u128(n))
}

fn conversation(n: u128) -> ConversationId {
    ConversationId::from_uuid(Uuid::from_u128(n))
}

/// Stands for the vault's keyed digest: no two inputs of these tests have the same.
fn digest(code: &str) -> Digest {
    let bytes = Code::parse(code).unwrap().bound_to(request(1), conversation(2));
    let mut digest = [7_u8; 32];
    for (at, byte) in bytes.iter().enumerate() {
        digest[at % 32] = digest[at % 32].wrapping_mul(31) ^ byte;
    }
    Digest(digest)
}

fn challenge() -> Challenge {
    Challenge::new(request(1), conversation(2), digest("12345678"), now())
}

fn attempt(challenge: &Challenge, code: &str, now: DateTime<Utc>) -> (Challenge, Verdict) {
    challenge.attempt(request(1), conversation(2), digest(code), now)
}

#[test]
fn the_right_code_proves_once() {
    let (used, verdict) = attempt(&challenge(), "12345678", now());
    assert_eq!(verdict, Verdict::Proven(Proof { strength: ProofStrength::Confirmed, at: now() }));
    assert_eq!(attempt(&used, "12345678", now()), (used, Verdict::Closed));
}

#[test]
fn attempts_are_counted_and_end() {
    let mut challenge = challenge();
    for left in (0..Challenge::ATTEMPTS_MAX).rev() {
        let (next, verdict) = attempt(&challenge, "00000000", now());
        assert_eq!(verdict, if left == 0 { Verdict::Closed } else { Verdict::Wrong { left } });
        challenge = next;
    }
    assert_eq!(attempt(&challenge, "12345678", now()), (challenge, Verdict::Closed), "the right one comes too late");
}

#[test]
fn a_code_ends() {
    let last = challenge().expires_at() - TimeDelta::microseconds(1);
    assert!(matches!(attempt(&challenge(), "12345678", last).1, Verdict::Proven(_)));
    assert_eq!(attempt(&challenge(), "12345678", challenge().expires_at()), (challenge(), Verdict::Closed));
}

#[test]
fn a_code_counts_for_its_request_over_its_conversation_and_a_stranger_uses_nothing_up() {
    for (of, over) in [(request(9), conversation(2)), (request(1), conversation(9))] {
        assert_eq!(challenge().attempt(of, over, digest("12345678"), now()), (challenge(), Verdict::Elsewhere));
    }
    // The digest itself is bound to both too.
    let code = Code::parse("12345678").unwrap();
    let bound = code.bound_to(request(1), conversation(2));
    assert_ne!(bound, code.bound_to(request(9), conversation(2)));
    assert_ne!(bound, code.bound_to(request(1), conversation(9)));
}

/// Invariant I-31: the record's version decides who was first, as `Expect::Version` does in a store.
#[test]
fn sixty_four_at_once_make_five_comparisons_and_at_most_one_proof() {
    for right_ones in [0, 64] {
        let record = Mutex::new((0_u64, challenge()));
        let results: Vec<Verdict> = thread::scope(|scope| {
            let tries: Vec<_> = (0..64)
                .map(|n| {
                    let (record, code) = (&record, if n < right_ones { "12345678" } else { "00000000" });
                    scope.spawn(move || {
                        loop {
                            let (version, read) = record.lock().unwrap().clone();
                            let (next, verdict) = attempt(&read, code, now());
                            let mut kept = record.lock().unwrap();
                            if kept.0 == version {
                                *kept = (version + 1, next);
                                break verdict;
                            }
                        }
                    })
                })
                .collect();
            tries.into_iter().map(|handle| handle.join().unwrap()).collect()
        });
        let proven = results.iter().filter(|verdict| matches!(verdict, Verdict::Proven(_))).count();
        let wrong = results.iter().filter(|verdict| matches!(verdict, Verdict::Wrong { .. })).count();
        if right_ones == 0 {
            assert_eq!((proven, wrong), (0, usize::from(Challenge::ATTEMPTS_MAX) - 1), "the fifth closes it");
        } else {
            assert_eq!((proven, wrong), (1, 0));
        }
    }
}

#[test]
fn it_is_kept_like_this_and_prints_no_secret() {
    let kept = concat!(
        r#"{"request":"00000000-0000-0000-0000-000000000001","conversation":"00000000-0000-0000-0000-000000000002","#,
        r#""digest":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8=","#,
        r#""expires_at":"2026-11-25T09:15:00Z","attempts":0,"used":false}"#
    );
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
    bytes[31] = 0xff;
    let challenge = Challenge::new(request(1), conversation(2), Digest(bytes), now());
    assert_eq!(serde_json::to_string(&challenge).unwrap(), kept);
    assert_eq!(serde_json::from_str::<Challenge>(kept).unwrap(), challenge);
    for wrong in [kept.replace("AAECAw", "!AECAw"), kept.replace("AAECAw", "AA"), kept.replace("used", "spent")] {
        assert!(serde_json::from_str::<Challenge>(&wrong).is_err(), "{wrong}");
    }
    assert!(!format!("{challenge:?}").contains("AAECAw"));
    assert_eq!(format!("{:?}", Code::parse("12345678").unwrap()), "Code(..)");
}

#[test]
fn the_strengths_are_in_order() {
    assert!(ProofStrength::Channel < ProofStrength::Confirmed && ProofStrength::Confirmed < ProofStrength::Reviewed);
}

proptest! {
    #[test]
    fn every_code_is_read_back_as_a_person_types_it(bytes: [u8; 8], spaces in prop::collection::vec(0..9_usize, 0..4)) {
        let code = Code::from_random(Zeroizing::new(bytes));
        let mut typed = code.expose().to_owned();
        for at in spaces {
            typed.insert(at, if at % 2 == 0 { ' ' } else { '-' });
        }
        let read = Code::parse(&typed).unwrap();
        prop_assert_eq!(read.expose(), code.expose());
        prop_assert_eq!(read.expose().len(), 8);
    }

    #[test]
    fn a_digest_proves_only_when_every_byte_is_the_same(a: [u8; 32], at in 0..32_usize, flip in 1..=255_u8) {
        let challenge = Challenge::new(request(1), conversation(2), Digest(a), now());
        let verdict = |bytes| challenge.attempt(request(1), conversation(2), Digest(bytes), now()).1;
        prop_assert!(matches!(verdict(a), Verdict::Proven(_)));
        let mut b = a;
        b[at] ^= flip;
        prop_assert_eq!(verdict(b), Verdict::Wrong { left: Challenge::ATTEMPTS_MAX - 1 });
    }

    #[test]
    fn what_is_no_code_is_no_attempt(text in "\\PC{0,20}") {
        let digits = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<String>();
        let is_code = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
        prop_assert_eq!(Code::parse(&text).is_some(), is_code);
    }
}
