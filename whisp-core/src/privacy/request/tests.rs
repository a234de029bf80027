use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::privacy::DataCategory;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn received() -> DateTime<Utc> {
    at("2026-11-25T09:00:00Z")
}

fn id(n: u128) -> RequestId {
    RequestId::from_uuid(Uuid::from_u128(n))
}

fn subject(n: u128) -> SubjectId {
    SubjectId::from_uuid(Uuid::from_u128(n))
}

fn law() -> Law {
    Law::built_in()
}

fn asked_for(kind: RequestKind, profiles: &[&str]) -> SubjectRequest {
    let profiles = profiles.iter().copied().map(ProfileId::new).collect();
    SubjectRequest::new(id(1), (subject(2), kind), profiles, &law(), received()).unwrap()
}

fn erasure() -> SubjectRequest {
    asked_for(RequestKind::Erasure, &["policy-2025-08-12", "eu-gdpr"])
}

fn proof(strength: ProofStrength) -> Proof {
    Proof { strength, at: received() }
}

fn ask() -> RequestEvent {
    RequestEvent::AskProof { needed: ProofStrength::Confirmed }
}

fn prove() -> RequestEvent {
    RequestEvent::Prove(proof(ProofStrength::Confirmed))
}

fn steps(names: &[&str]) -> RequestEvent {
    RequestEvent::Execute(names.iter().copied().map(str::to_owned).collect())
}

fn report(step: &str, outcome: StepOutcome) -> RequestEvent {
    RequestEvent::Report { step: step.to_owned(), outcome }
}

fn withheld() -> Withheld {
    Withheld::new(DataCategory::MessageContent, RefusalReason::LegalClaims)
}

/// Applies events one after another, each a second later.
#[track_caller]
fn after(mut request: SubjectRequest, events: impl IntoIterator<Item = RequestEvent>) -> SubjectRequest {
    for (event, seconds) in events.into_iter().zip(1..) {
        let now = received() + TimeDelta::seconds(seconds);
        request = request.apply(event.clone(), &law(), now).unwrap_or_else(|error| panic!("{event:?}: {error}"));
    }
    request
}

#[track_caller]
fn refused(request: &SubjectRequest, event: RequestEvent) -> RequestError {
    request.apply(event, &law(), received() + TimeDelta::minutes(1)).unwrap_err()
}

#[test]
fn an_erasure_goes_its_way() {
    use RequestEvent as E;
    let until = at("2026-12-20T00:00:00Z");
    let events =
        [E::Acknowledge, ask(), prove(), E::Assess, E::Approve, steps(&["records", "media"])].into_iter().chain([
            report("media", StepOutcome::Failed { attempts: 9 }),
            report("records", StepOutcome::Done { records: 12 }),
            report("media", StepOutcome::Failed { attempts: 9 }),
        ]);
    let begun = after(erasure(), events);
    assert_eq!(
        begun.steps_left().collect::<Vec<_>>(),
        [&RequestStep { name: "media".to_owned(), outcome: StepOutcome::Failed { attempts: 2 } }]
    );
    assert_eq!(refused(&begun, E::Answer), RequestError::StepsLeft { left: 1 });
    assert_eq!(refused(&begun, E::AwaitProcessors { until }), RequestError::StepsLeft { left: 1 });
    assert_eq!(refused(&begun, report("keys", StepOutcome::Pending)), RequestError::UnknownStep);

    let done = after(begun, [report("media", StepOutcome::Done { records: 3 }), E::AwaitProcessors { until }]);
    assert_eq!(*done.state(), RequestState::AwaitingProcessors { outcome: RequestOutcome::Approved, until });
    let closed = after(done, [E::Answer, E::Close]);
    assert_eq!(*closed.state(), RequestState::Closed { outcome: RequestOutcome::Approved });
    assert!(!closed.state().is_open() && closed.acknowledged_at().is_some());
}

/// The whole table: which events do something in which state.
#[test]
fn nothing_happens_but_what_the_states_allow() {
    use RequestEvent as E;
    let verified = after(erasure(), [prove()]);
    let assessing = after(verified.clone(), [E::Assess]);
    let approved = after(assessing.clone(), [E::Approve]);
    let partial = after(assessing.clone(), [E::ApprovePartly(withheld())]);
    let executing = after(approved.clone(), [steps(&["records"])]);
    let done = after(executing.clone(), [report("records", StepOutcome::Done { records: 1 })]);
    let waiting = after(done.clone(), [E::AwaitProcessors { until: received() }]);
    let answered = after(done.clone(), [E::Answer]);
    let merged = verified.merge(&SubjectRequest { id: id(9), ..verified.clone() }, &law(), received()).unwrap();
    let told = E::Extend { reason: DelayReason::Complexity, notified_at: received() };
    let events = [
        E::Acknowledge,
        ask(),
        E::FailProof,
        prove(),
        E::Assess,
        E::Approve,
        E::ApprovePartly(withheld()),
        E::Refuse(RefusalReason::IdentityFailure),
        E::Refuse(RefusalReason::LegalClaims),
        steps(&["records"]),
        report("records", StepOutcome::Done { records: 1 }),
        E::AwaitProcessors { until: received() },
        E::Answer,
        E::Close,
        told,
        E::Withdraw(proof(ProofStrength::Confirmed)),
    ];
    //                                 ack ask fail prove assess approve partly refuse-id refuse execute report await answer close extend withdraw
    for (request, row) in [
        (erasure(), "x x . x . . . . . . . . . . x x"),
        (after(erasure(), [ask()]), "x x x x . . . x . . . . . . x x"),
        (after(erasure(), [ask(), E::FailProof]), "x x . x . . . x . . . . . . x x"),
        (verified, "x . . . x . . . . . . . . . x x"),
        (assessing.clone(), "x . . . . x x x x . . . . . x x"),
        (approved, "x . . . . . . . . x . . . . x x"),
        (partial, "x . . . . . . . . x . . . . x x"),
        (executing, "x . . . . . . . . . x . . . x ."),
        (done, "x . . . . . . . . . x x x . x ."),
        (waiting, "x . . . . . . . . . . . x . x ."),
        (after(assessing, [E::Refuse(RefusalReason::LegalClaims)]), "x . . . . . . . . . . . x . x ."),
        (answered.clone(), ". . . . . . . . . . . . . x . ."),
        (after(answered, [E::Close]), ". . . . . . . . . . . . . . . ."),
        (after(erasure(), [E::Withdraw(proof(ProofStrength::Channel))]), ". . . . . . . . . . . . . . . ."),
        (merged, ". . . . . . . . . . . . . . . ."),
    ] {
        for (event, cell) in events.iter().zip(row.split(' ')) {
            let result = request.apply(event.clone(), &law(), received() + TimeDelta::minutes(1));
            assert_eq!(result.is_ok(), cell == "x", "{event:?} while {}: {result:?}", request.state().as_str());
        }
    }
}

#[test]
fn a_proof_must_be_strong_enough_for_what_is_asked() {
    use ProofStrength::{Channel, Confirmed, Reviewed};
    for (kind, needed) in [
        (RequestKind::Access, Confirmed),
        (RequestKind::Portability, Confirmed),
        (RequestKind::Rectification, Confirmed),
        (RequestKind::Erasure, Confirmed),
        (RequestKind::Restriction, Channel),
        (RequestKind::Objection, Channel),
        (RequestKind::Withdrawal, Channel),
        (RequestKind::Complaint, Channel),
    ] {
        let request = asked_for(kind, &["policy-2025-08-12"]);
        for given in [Channel, Confirmed, Reviewed] {
            let result = request.apply(RequestEvent::Prove(proof(given)), &law(), received());
            assert_eq!(
                result.map(|next| next.state().as_str()),
                match given < needed {
                    true => Err(RequestError::WeakProof { needed }),
                    false => Ok("verified"),
                }
            );
        }
    }
    // A member wants to look at it: from then on a code alone is not enough, whatever is asked for next.
    let asked = after(erasure(), [RequestEvent::AskProof { needed: Reviewed }, RequestEvent::FailProof, ask()]);
    assert_eq!(refused(&asked, prove()), RequestError::WeakProof { needed: Reviewed });
}

#[test]
fn a_person_is_asked_so_often_and_no_more() {
    let often = (0..SubjectRequest::CHALLENGES_MAX).flat_map(|_| [ask(), RequestEvent::FailProof]);
    let tired = after(erasure(), often);
    assert_eq!(refused(&tired, ask()), RequestError::TooManyChallenges);
    let refused = after(tired, [RequestEvent::Refuse(RefusalReason::IdentityFailure), RequestEvent::Answer]);
    let outcome = RequestOutcome::Refused { reason: RefusalReason::IdentityFailure };
    assert_eq!(*refused.state(), RequestState::Answered { outcome });
}

#[test]
fn a_stranger_does_not_take_back_what_the_person_has_proven() {
    let verified = after(erasure(), [prove()]);
    let stranger = RequestEvent::Withdraw(proof(ProofStrength::Channel));
    assert_eq!(refused(&verified, stranger), RequestError::WeakProof { needed: ProofStrength::Confirmed });
}

#[test]
fn an_execution_has_steps_and_each_has_a_name_of_its_own() {
    let approved = after(erasure(), [prove(), RequestEvent::Assess, RequestEvent::Approve]);
    let many: Vec<String> = (0..=SubjectRequest::STEPS_MAX).map(|n| n.to_string()).collect();
    for event in [steps(&[]), steps(&["records", "media", "records"]), RequestEvent::Execute(many)] {
        assert_eq!(refused(&approved, event), RequestError::Steps);
    }
}

#[test]
fn what_a_step_withheld_is_in_the_answer() {
    let executing =
        [prove(), RequestEvent::Assess, RequestEvent::ApprovePartly(withheld()), steps(&["records", "media"])];
    let media = Withheld::new(DataCategory::Media, RefusalReason::LegallyRequired);
    let answered = after(
        erasure(),
        executing.into_iter().chain([
            report("records", StepOutcome::Withheld { withheld: withheld() }),
            report("media", StepOutcome::Withheld { withheld: media }),
            // A slower worker says the contrary of what is settled.
            report("media", StepOutcome::Done { records: 1 }),
            RequestEvent::Answer,
        ]),
    );
    let both = withheld().and(DataCategory::Media, RefusalReason::LegallyRequired);
    assert_eq!(both.groups().len(), 2);
    let RequestState::Answered { outcome: RequestOutcome::Partial { withheld } } = answered.state() else {
        panic!("{answered:?}")
    };
    assert_eq!(withheld.groups().len(), 2, "each group once");
    assert!(both.groups().iter().all(|group| withheld.groups().contains(group)));
}

#[test]
fn it_is_put_off_once_with_a_reason_while_the_first_period_runs() {
    let told = |notified_at| RequestEvent::Extend { reason: DelayReason::Complexity, notified_at };
    let request = erasure();
    assert_eq!(request.due(&law(), received()).unwrap().at, at("2026-12-25T09:00:00Z"));

    let last = at("2026-12-25T08:59:59Z");
    let extended = request.apply(told(last), &law(), last).unwrap();
    assert_eq!(extended.due(&law(), last).unwrap().at, at("2027-02-25T09:00:00Z"));
    assert_eq!(extended.apply(told(last), &law(), last).unwrap_err(), RequestError::AlreadyExtended);

    let due = at("2026-12-25T09:00:00Z");
    assert_eq!(request.apply(told(last), &law(), due).unwrap_err(), RequestError::TooLate { due });
    for early in [received() - TimeDelta::seconds(1), last + TimeDelta::seconds(1)] {
        assert_eq!(request.apply(told(early), &law(), last).unwrap_err(), RequestError::NotTold);
    }
    // Kazakhstan has the earliest date and lets nobody put it off.
    let kz = asked_for(RequestKind::Erasure, &["eu-gdpr", "kz"]);
    let error = kz.apply(told(received()), &law(), received()).unwrap_err();
    assert_eq!(error, RequestError::NoExtension(ProfileId::new("kz")));
}

#[test]
fn the_time_stands_still_while_the_person_is_asked_and_no_longer() {
    let day = |n| received() + TimeDelta::days(n);
    let due = |request: &SubjectRequest, now| request.due(&law(), now).unwrap().at;
    let request = asked_for(RequestKind::Erasure, &["policy-2025-08-12"]);
    let asked = request.apply(ask(), &law(), day(1)).unwrap();
    assert_eq!([due(&asked, day(1)), due(&asked, day(5))], [day(30), day(34)]);
    // Asked again on the fourth day, failed on the sixth, asked on the tenth, proven on the twelfth.
    let again = asked.apply(ask(), &law(), day(4)).unwrap();
    let failed = again.apply(RequestEvent::FailProof, &law(), day(6)).unwrap();
    assert_eq!([due(&failed, day(6)), due(&failed, day(9))], [day(35), day(35)]);
    let proven = failed.apply(ask(), &law(), day(10)).unwrap().apply(prove(), &law(), day(12)).unwrap();
    assert_eq!(due(&proven, day(100)), day(37));
    // A clock that jumped back takes nothing away.
    assert_eq!(due(&asked, day(0)), day(30));

    let california = asked_for(RequestKind::Erasure, &["us-ca"]);
    let asked = california.apply(ask(), &law(), day(1)).unwrap();
    assert_eq!(due(&asked, day(5)), due(&california, day(5)));
}

#[test]
fn a_duplicate_is_merged_with_its_own_proof_into_one_that_has_one_and_is_due_no_later() {
    let first = after(erasure(), [prove()]);
    let second = SubjectRequest { id: id(3), received_at: received() + TimeDelta::days(2), ..erasure() };
    let merge =
        |one: &SubjectRequest, other: &SubjectRequest| one.merge(other, &law(), received() + TimeDelta::days(3));

    let unproven = merge(&second, &first).unwrap_err();
    assert_eq!(unproven, RequestError::WrongState { event: "merge", state: "received" });
    let second = after(second, [prove()]);
    let merged = merge(&second, &first).unwrap();
    assert_eq!(*merged.state(), RequestState::Merged { into: id(1) });
    assert!(merged.proof().is_some());

    let executing = after(first.clone(), [RequestEvent::Assess, RequestEvent::Approve, steps(&["records"])]);
    for (why, other) in [
        ("itself", second.clone()),
        ("no proof", erasure()),
        ("somebody else", SubjectRequest { subject: subject(9), ..first.clone() }),
        ("something else", SubjectRequest { kind: RequestKind::Access, ..first.clone() }),
        ("due later", SubjectRequest { received_at: received() + TimeDelta::days(3), ..first.clone() }),
        ("too far on", executing),
    ] {
        assert_eq!(merge(&second, &other).unwrap_err(), RequestError::NotADuplicate, "{why}");
    }
}

#[test]
fn what_somebody_waits_for_a_copy_of_does_not_age() {
    let access = asked_for(RequestKind::Access, &["eu-gdpr"]);
    assert!(access.freezes_retention() && !erasure().freezes_retention());
    let withdrawn = after(access, [RequestEvent::Withdraw(proof(ProofStrength::Channel))]);
    assert!(!withdrawn.freezes_retention());
}

#[test]
fn a_request_needs_a_profile_that_says_how_soon() {
    for (profiles, error) in [
        (vec![], LawError::NoLimit(Duty::Answer(RequestKind::Access))),
        (vec![ProfileId::new("meta-platform")], LawError::NoLimit(Duty::Answer(RequestKind::Access))),
        (vec![ProfileId::new("mars")], LawError::UnknownProfile(ProfileId::new("mars"))),
    ] {
        let made = SubjectRequest::new(id(1), (subject(2), RequestKind::Access), profiles, &law(), received());
        assert_eq!(made.unwrap_err(), RequestError::Law(error));
    }
    let california = asked_for(RequestKind::Access, &["us-ca"]);
    assert_eq!(california.acknowledge_due(&law()).unwrap().unwrap().at, at("2026-12-08T09:00:00Z"));
    assert_eq!(erasure().acknowledge_due(&law()), Ok(None));
}

const NEW: &str = concat!(
    r#"{"v":1,"id":"00000000-0000-0000-0000-000000000001","subject":"00000000-0000-0000-0000-000000000002","#,
    r#""kind":"erasure","received_at":"2026-11-25T09:00:00Z","profiles":["policy-2025-08-12","eu-gdpr"],"#,
    r#""proof_needed":"confirmed","challenges":0,"stopped_seconds":0,"state":{"at":"received"},"#,
    r#""changed_at":"2026-11-25T09:00:00Z"}"#
);
const EXECUTING: &str = concat!(
    r#"{"v":1,"id":"00000000-0000-0000-0000-000000000001","subject":"00000000-0000-0000-0000-000000000002","#,
    r#""kind":"erasure","received_at":"2026-11-25T09:00:00Z","acknowledged_at":"2026-11-25T09:00:01Z","#,
    r#""profiles":["policy-2025-08-12","eu-gdpr"],"proof_needed":"confirmed","#,
    r#""proof":{"strength":"confirmed","at":"2026-11-25T09:00:00Z"},"challenges":1,"stopped_seconds":1,"#,
    r#""extension":{"reason":"complexity","notified_at":"2026-11-25T09:00:00Z"},"#,
    r#""steps":[{"name":"records","outcome":{"is":"done","records":12}},"#,
    r#"{"name":"media","outcome":{"is":"withheld","withheld":[{"what":"media","reason":"legally_required"}]}},"#,
    r#"{"name":"keys","outcome":{"is":"failed","attempts":1}},{"name":"index","outcome":{"is":"pending"}}],"#,
    r#""state":{"at":"executing","withheld":[{"what":"message_content","reason":"legal_claims"}]},"#,
    r#""changed_at":"2026-11-25T09:00:07Z"}"#
);

fn far() -> SubjectRequest {
    after(
        erasure(),
        [
            RequestEvent::Acknowledge,
            ask(),
            prove(),
            RequestEvent::Extend { reason: DelayReason::Complexity, notified_at: received() },
            RequestEvent::Assess,
            RequestEvent::ApprovePartly(withheld()),
            steps(&["records", "media", "keys", "index"]),
            report("records", StepOutcome::Done { records: 12 }),
            report(
                "media",
                StepOutcome::Withheld { withheld: Withheld::new(DataCategory::Media, RefusalReason::LegallyRequired) },
            ),
            report("keys", StepOutcome::Failed { attempts: 1 }),
        ],
    )
}

/// What is here was stored once, so it must be read for ever.
#[test]
fn a_request_is_kept_like_this() {
    for (request, kept) in [(erasure(), NEW), (far(), EXECUTING)] {
        assert_eq!(serde_json::to_string(&request).unwrap(), kept);
        assert_eq!(serde_json::from_str::<SubjectRequest>(kept).unwrap(), request);
    }
    for (state, kept) in [
        (
            RequestState::AwaitingProof { since: received() },
            r#"{"at":"awaiting_proof","since":"2026-11-25T09:00:00Z"}"#,
        ),
        (RequestState::ProofFailed, r#"{"at":"proof_failed"}"#),
        (RequestState::Verified, r#"{"at":"verified"}"#),
        (RequestState::Assessing, r#"{"at":"assessing"}"#),
        (RequestState::Approved, r#"{"at":"approved"}"#),
        (
            RequestState::Partial { withheld: withheld() },
            r#"{"at":"partial","withheld":[{"what":"message_content","reason":"legal_claims"}]}"#,
        ),
        (
            RequestState::Refused { reason: RefusalReason::ManifestlyExcessive },
            r#"{"at":"refused","reason":"manifestly_excessive"}"#,
        ),
        (RequestState::Executing { withheld: None }, r#"{"at":"executing"}"#),
        (
            RequestState::AwaitingProcessors { outcome: RequestOutcome::Approved, until: received() },
            r#"{"at":"awaiting_processors","outcome":{"is":"approved"},"until":"2026-11-25T09:00:00Z"}"#,
        ),
        (
            RequestState::Answered { outcome: RequestOutcome::Refused { reason: RefusalReason::IdentityFailure } },
            r#"{"at":"answered","outcome":{"is":"refused","reason":"identity_failure"}}"#,
        ),
        (
            RequestState::Closed { outcome: RequestOutcome::Partial { withheld: withheld() } },
            r#"{"at":"closed","outcome":{"is":"partial","withheld":[{"what":"message_content","reason":"legal_claims"}]}}"#,
        ),
        (RequestState::WithdrawnBySubject, r#"{"at":"withdrawn_by_subject"}"#),
        (RequestState::Merged { into: id(3) }, r#"{"at":"merged","into":"00000000-0000-0000-0000-000000000003"}"#),
    ] {
        assert_eq!(serde_json::to_string(&state).unwrap(), kept);
        assert_eq!(serde_json::from_str::<RequestState>(kept).unwrap(), state);
        assert!(kept.contains(&format!("\"{}\"", state.as_str())));
    }
}

#[test]
fn what_a_newer_version_wrote_is_an_error_that_says_so() {
    for kept in [
        NEW.replace(r#""v":1"#, r#""v":2"#),
        NEW.replace(r#""challenges""#, r#""priority":"high","challenges""#),
        EXECUTING.replace(r#""challenges""#, r#""priority":["high"],"challenges""#),
        // A newer one with the version last.
        NEW.replace(r#"{"v":1,"#, "{").replace(r#"00Z"}"#, r#"00Z","v":2,"priority":1}"#),
    ] {
        let error = serde_json::from_str::<SubjectRequest>(&kept).unwrap_err().to_string();
        assert!(error.starts_with("written by a newer version of this library"), "{error}");
    }
    let inside = EXECUTING.replace(r#""attempts":1"#, r#""attempts":1,"blame":"disk""#);
    assert!(serde_json::from_str::<SubjectRequest>(&inside).is_err());
}

#[test]
fn what_no_event_leads_to_is_not_read() {
    for (from, to, why) in [
        (r#""proof":{"strength":"confirmed","at":"2026-11-25T09:00:00Z"},"#, "", "executed without a proof"),
        (r#""strength":"confirmed""#, r#""strength":"channel""#, "a proof that is too weak"),
        (r#""proof_needed":"confirmed""#, r#""proof_needed":"channel""#, "less than the kind needs"),
        (r#""policy-2025-08-12","eu-gdpr""#, "", "no profile"),
        (r#"[{"what":"message_content","reason":"legal_claims"}]"#, "[]", "withheld without a reason"),
        (r#"{"what":"media","reason":"legally_required"}"#, r#"{"what":"media"}"#, "a group without a reason"),
        (r#"{"at":"executing","#, r#"{"at":"partial","#, "steps before the execution"),
        (
            r#""state":{"at":"executing","withheld":[{"what":"message_content","reason":"legal_claims"}]}"#,
            r#""state":{"at":"answered","outcome":{"is":"approved"}}"#,
            "answered with steps left",
        ),
        (
            r#""state":{"at":"executing","withheld":[{"what":"message_content","reason":"legal_claims"}]}"#,
            r#""state":{"at":"refused"}"#,
            "refused without a reason",
        ),
        (r#""v":1"#, r#""v":0"#, "no version"),
    ] {
        let kept = EXECUTING.replace(from, to);
        assert_ne!(kept, EXECUTING, "{why}");
        assert!(serde_json::from_str::<SubjectRequest>(&kept).is_err(), "{why}");
    }
}

fn event() -> impl Strategy<Value = RequestEvent> {
    use RequestEvent as E;
    let strength =
        || prop::sample::select(vec![ProofStrength::Channel, ProofStrength::Confirmed, ProofStrength::Reviewed]);
    let step = prop::sample::select(vec!["records", "media"]);
    let outcome = prop_oneof![
        Just(StepOutcome::Done { records: 1 }),
        Just(StepOutcome::Failed { attempts: 1 }),
        Just(StepOutcome::Withheld { withheld: withheld() }),
    ];
    prop_oneof![
        Just(E::Acknowledge),
        strength().prop_map(|needed| E::AskProof { needed }),
        Just(E::FailProof),
        strength().prop_map(|given| E::Prove(proof(given))),
        Just(E::Assess),
        Just(E::Approve),
        Just(E::ApprovePartly(withheld())),
        prop::sample::select(vec![RefusalReason::IdentityFailure, RefusalReason::LegalClaims]).prop_map(E::Refuse),
        Just(steps(&["records", "media"])),
        (step, outcome).prop_map(|(step, outcome)| report(step, outcome)),
        Just(E::AwaitProcessors { until: received() }),
        Just(E::Answer),
        Just(E::Close),
        Just(E::Extend { reason: DelayReason::HighVolume, notified_at: received() }),
        strength().prop_map(|given| E::Withdraw(proof(given))),
    ]
}

proptest! {
    /// Whatever happens: what comes of it can be kept and read, and reading checks what the states promise; whoever was
    /// answered or is being served has proven who they are; the date moves back for nobody.
    #[test]
    fn any_history_keeps_the_promises(events in prop::collection::vec((event(), 0..200_000_i64), 0..60)) {
        let (mut request, mut now) = (erasure(), received());
        let mut ends = 0;
        for (event, later) in events {
            now += TimeDelta::seconds(later);
            let before = request.clone();
            let Ok(next) = request.apply(event, &law(), now) else { continue };
            let kept = serde_json::to_string(&next).unwrap();
            prop_assert_eq!(&serde_json::from_str::<SubjectRequest>(&kept).unwrap(), &next);
            if matches!(next.state(), RequestState::Executing { .. }) {
                prop_assert!(next.proof().is_some_and(|proof| proof.strength >= ProofStrength::Confirmed));
            }
            prop_assert!(next.due(&law(), now).unwrap().at >= before.due(&law(), now).unwrap().at);
            ends += usize::from(before.state().is_open() && !next.state().is_open());
            request = next;
        }
        prop_assert!(ends <= 1);
    }
}
