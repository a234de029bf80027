//! Where a person stands: the fold of what was said.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use whisp_core::id::{MemberId, MessageId, PurposeId, RecordId, SubjectId};
use whisp_core::privacy::{
    Act, AgeSignal, Assessment, ConsentState, DeniedReason, LawfulBasis, Notice, Purpose, RestrictionGround, Standing,
    Statement, StatementEvent,
};

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;
const TOMORROW: DateTime<Utc> = DateTime::from_timestamp(86_400, 0).unwrap();
const MEMBER: MemberId = MemberId(SubjectId::from_bytes([8; 16]));
const OWN: Purpose = Purpose::Custom(PurposeId::from_bytes([7; 16]));

const OPTIONAL: [Purpose; 6] = [
    Purpose::Analytics,
    Purpose::AutomatedReplies,
    OWN,
    Purpose::DirectMarketing,
    Purpose::Improvement,
    Purpose::Support,
];
const FIRM: [Purpose; 6] = [
    Purpose::IdentityVerification,
    Purpose::LegalCompliance,
    Purpose::Rights,
    Purpose::Security,
    Purpose::ServiceProvision,
    Purpose::Storage,
];

fn by(act: Act, statement: Statement) -> StatementEvent {
    StatementEvent {
        id: RecordId::from_bytes([1; 16]),
        subject: SubjectId::from_bytes([9; 16]),
        statement,
        act,
        at: NOW,
    }
}

/// The person says it.
fn said(statement: Statement) -> StatementEvent {
    by(Act::InChat { message: MessageId::from_bytes([2; 16]) }, statement)
}

fn notice() -> Option<Notice> {
    Some(Notice { version: "3".into(), language: "kk".into(), evidence: None })
}

pub(crate) fn interest(expires_at: DateTime<Utc>) -> LawfulBasis {
    LawfulBasis::LegitimateInterest(Assessment {
        interest: "to see which answers help".into(),
        necessity: "nothing else tells".into(),
        balance: "nobody is named".into(),
        safeguards: "counts only".into(),
        reviewed_at: NOW,
        expires_at,
    })
}

#[track_caller]
fn check(log: &[StatementEvent], purpose: Purpose, basis: &LawfulBasis, expected: Result<(), DeniedReason>) {
    assert_eq!(Standing::fold(log.iter().cloned()).check(purpose, basis, NOW), expected, "{purpose} on {basis}");
}

#[test]
fn for_each_purpose_the_last_yes_or_no_holds() {
    use Purpose::{AutomatedReplies, DirectMarketing};
    let mut log = vec![
        said(Statement::withdrawn(AutomatedReplies)),
        said(Statement::withdrawn(DirectMarketing)),
        said(Statement::given(AutomatedReplies, None)),
    ];
    check(&log, AutomatedReplies, &LawfulBasis::Contract, Ok(()));
    check(&log, DirectMarketing, &LawfulBasis::Contract, Err(DeniedReason::Withdrawn));
    log.push(said(Statement::withdrawn(AutomatedReplies)));
    check(&log, AutomatedReplies, &LawfulBasis::Contract, Err(DeniedReason::Withdrawn));
    assert_eq!(Standing::fold(log).refused().collect::<Vec<_>>(), [AutomatedReplies, DirectMarketing]);
    assert_eq!(Standing::fold([]), Standing::default());
}

/// Invariant I-12, promise P13: only a person who was told, and who did something, consents.
#[test]
fn i12_consent_is_what_the_person_did_after_they_were_told() {
    let yes = |act, notice| [by(act, Statement::given(OWN, notice))];
    let basis = LawfulBasis::Consent;
    check(&[], OWN, &basis, Err(DeniedReason::NoConsent));
    check(&yes(Act::Host, notice()), OWN, &basis, Ok(()));
    check(&yes(Act::Platform, notice()), OWN, &basis, Ok(()));
    check(&yes(Act::Host, None), OWN, &basis, Err(DeniedReason::NoConsent));
    check(&yes(Act::Asserted { by: MEMBER }, notice()), OWN, &basis, Err(DeniedReason::NoConsent));
    check(&yes(Act::Member { member: MEMBER }, notice()), OWN, &basis, Err(DeniedReason::NoConsent));
    check(&yes(Act::Asserted { by: MEMBER }, None), OWN, &LawfulBasis::Contract, Ok(()));
    for state in [ConsentState::Refused, ConsentState::Invalidated, ConsentState::Withdrawn] {
        let no = Statement::Consent { purpose: OWN, state, notice: None, until: None };
        check(&[said(Statement::given(OWN, notice())), said(no)], OWN, &basis, Err(DeniedReason::Withdrawn));
    }
}

#[test]
fn a_yes_runs_out() {
    let until = |until| {
        let statement = Statement::Consent { purpose: OWN, state: ConsentState::Given, notice: notice(), until };
        [by(Act::Host, statement)]
    };
    check(&until(Some(NOW + TimeDelta::seconds(1))), OWN, &LawfulBasis::Consent, Ok(()));
    check(&until(Some(NOW)), OWN, &LawfulBasis::Consent, Err(DeniedReason::NoConsent));
}

#[test]
fn an_objection_stands_until_the_person_takes_it_back() {
    use Purpose::Improvement;
    let objection = |stands| said(Statement::Objection { purpose: Improvement, stands });
    let denied = Err(DeniedReason::Objected);
    check(&[objection(true)], Improvement, &interest(TOMORROW), denied);
    check(&[objection(true)], Purpose::AutomatedReplies, &interest(TOMORROW), Ok(()));
    check(&[objection(true), objection(false)], Improvement, &interest(TOMORROW), Ok(()));
    check(&[objection(true), said(Statement::given(Improvement, None))], Improvement, &interest(TOMORROW), Ok(()));
    let by_business = by(Act::Asserted { by: MEMBER }, Statement::given(Improvement, None));
    check(&[objection(true), by_business], Improvement, &interest(TOMORROW), denied);
}

#[test]
fn under_restriction_only_storage_claims_and_rights_go_on() {
    let ground = |ground, stands| said(Statement::Restriction { ground, stands });
    let (contested, claim) = (RestrictionGround::AccuracyContested, RestrictionGround::Claim);
    let log = [ground(contested, true), ground(claim, true), ground(contested, false)];
    for purpose in OPTIONAL.into_iter().chain(FIRM) {
        let goes_on = matches!(
            purpose,
            Purpose::IdentityVerification | Purpose::LegalCompliance | Purpose::Rights | Purpose::Storage
        );
        check(&log, purpose, &LawfulBasis::Contract, if goes_on { Ok(()) } else { Err(DeniedReason::Restricted) });
    }
    let lifted: Vec<_> = log.into_iter().chain([ground(claim, false)]).collect();
    check(&lifted, Purpose::ServiceProvision, &LawfulBasis::Contract, Ok(()));
}

/// Promise P5.
#[test]
fn about_a_minor_nothing_optional_goes_on() {
    let age = |signal| by(Act::Member { member: MEMBER }, Statement::Age { signal });
    for signal in [AgeSignal::Declared, AgeSignal::Detected, AgeSignal::Flagged] {
        let log = [said(Statement::given(OWN, notice())), age(signal)];
        for purpose in OPTIONAL {
            check(&log, purpose, &LawfulBasis::Consent, Err(DeniedReason::Minor));
        }
        for purpose in FIRM {
            check(&log, purpose, &LawfulBasis::Contract, Ok(()));
        }
        for cleared in [AgeSignal::Mistaken, AgeSignal::OfAge] {
            let log: Vec<_> = log.iter().cloned().chain([age(cleared)]).collect();
            check(&log, OWN, &LawfulBasis::Consent, Ok(()));
        }
    }
}

#[test]
fn entries_about_different_things_do_not_replace_one_another() {
    let all = [
        Statement::given(OWN, None),
        Statement::given(Purpose::Support, None),
        Statement::Objection { purpose: OWN, stands: true },
        Statement::Restriction { ground: RestrictionGround::Claim, stands: true },
        Statement::Restriction { ground: RestrictionGround::Unlawful, stands: true },
        Statement::Age { signal: AgeSignal::Flagged },
    ];
    for (i, one) in all.iter().enumerate() {
        for (j, other) in all.iter().enumerate() {
            assert_eq!(one.is_about_the_same(other), i == j, "{one:?}, {other:?}");
        }
    }
    assert!(all[0].is_about_the_same(&Statement::withdrawn(OWN)));
}

fn statement() -> impl Strategy<Value = Statement> {
    let purpose = proptest::sample::select(OPTIONAL.to_vec());
    let state = prop_oneof![Just(ConsentState::Given), Just(ConsentState::Withdrawn), Just(ConsentState::Refused)];
    prop_oneof![
        (purpose.clone(), state, any::<bool>()).prop_map(|(purpose, state, told)| Statement::Consent {
            purpose,
            state,
            notice: told.then(notice).flatten(),
            until: None,
        }),
        (purpose, any::<bool>()).prop_map(|(purpose, stands)| Statement::Objection { purpose, stands }),
        any::<bool>().prop_map(|stands| Statement::Restriction { ground: RestrictionGround::Claim, stands }),
        prop_oneof![Just(AgeSignal::Flagged), Just(AgeSignal::Mistaken)].prop_map(|signal| Statement::Age { signal }),
    ]
}

proptest! {
    /// Where a person stands is the fold of the entries in their order: however many are folded at once, and read back from
    /// their stored form.
    #[test]
    fn i11_the_fold_goes_entry_by_entry(statements in prop::collection::vec(statement(), 0..24), cut in 0_usize..24) {
        let log: Vec<_> = statements.iter().cloned().map(said).collect();
        let whole = Standing::fold(log.clone());
        let cut = cut.min(log.len());
        let mut parts = Standing::fold(log[..cut].iter().cloned());
        log[cut..].iter().for_each(|event| parts.add(event));
        prop_assert_eq!(&whole, &parts);
        for statement in statements {
            let text = serde_json::to_string(&statement).unwrap();
            prop_assert_eq!(serde_json::from_str::<Statement>(&text).unwrap(), statement);
        }
    }

    /// A last entry that closes closes, whatever came before.
    #[test]
    fn what_closes_last_is_closed(statements in prop::collection::vec(statement(), 0..24), last in statement()) {
        prop_assume!(last.closes());
        let log = statements.into_iter().chain([last.clone()]).map(said);
        let standing = Standing::fold(log);
        let purpose = last.purpose().unwrap_or(Purpose::AutomatedReplies);
        prop_assert!(standing.check(purpose, &interest(TOMORROW), NOW).is_err());
    }
}

proptest! {
    /// What was said elsewhere opens nothing: whatever is allowed with it is allowed without it.
    #[test]
    fn what_was_said_elsewhere_opens_nothing(entries in prop::collection::vec((statement(), any::<bool>()), 0..24)) {
        let event = |(statement, elsewhere): (Statement, bool)| {
            if elsewhere { by(Act::Imported, statement) } else { said(statement) }
        };
        let log: Vec<StatementEvent> = entries.into_iter().map(event).collect();
        let here = Standing::fold(log.iter().filter(|event| event.act != Act::Imported).cloned());
        let both = Standing::fold(log);
        for purpose in OPTIONAL.into_iter().chain(FIRM) {
            for basis in [LawfulBasis::Consent, LawfulBasis::Contract, interest(TOMORROW)] {
                if both.check(purpose, &basis, NOW).is_ok() {
                    prop_assert!(here.check(purpose, &basis, NOW).is_ok(), "{purpose} on {basis}");
                }
            }
        }
    }
}

#[test]
fn a_refusal_from_elsewhere_holds_until_it_is_taken_back_here_or_there() {
    let elsewhere = |statement| by(Act::Imported, statement);
    let (no, yes) =
        (Statement::withdrawn(Purpose::AutomatedReplies), Statement::given(Purpose::AutomatedReplies, notice()));
    let check = |log: Vec<StatementEvent>, basis: LawfulBasis| {
        Standing::fold(log).check(Purpose::AutomatedReplies, &basis, NOW)
    };
    let withdrawn = Err(DeniedReason::Withdrawn);
    assert_eq!(check(vec![elsewhere(no.clone())], LawfulBasis::Contract), withdrawn);
    let there = vec![elsewhere(no.clone()), elsewhere(yes.clone())];
    assert_eq!(check(there.clone(), LawfulBasis::Contract), Ok(()), "as if nothing had been said");
    assert_eq!(check(there, LawfulBasis::Consent), Err(DeniedReason::NoConsent), "and not as if yes had been");
    assert_eq!(check(vec![elsewhere(no.clone()), said(yes.clone())], LawfulBasis::Consent), Ok(()));
    for log in [[said(no.clone()), elsewhere(yes.clone())], [elsewhere(yes.clone()), said(no.clone())]] {
        assert_eq!(check(log.to_vec(), LawfulBasis::Contract), withdrawn, "what is refused here is taken back here");
    }
    let log = vec![said(no.clone()), elsewhere(no), elsewhere(yes)];
    assert_eq!(check(log, LawfulBasis::Contract), withdrawn);
}
