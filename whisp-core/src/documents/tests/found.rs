//! Whatever is stale or missing is found, and nothing else.

use super::*;

/// A configuration in which nothing is stale: everything was looked at, and the laws were confirmed.
fn clean() -> Parts {
    let mut parts = Parts::standard();
    let register = Register::standard().reviewed(day("2026-11-01"));
    let claims = ProcessingActivity {
        reviewed_at: Some(day("2026-11-01")),
        ..ProcessingActivity::new(
            Purpose::LegalCompliance,
            SubjectKind::Contact,
            LawfulBasis::LegalObligation { law: "GDPR, Art. 17(3)(e)".into() },
            Categories::of(&[DataCategory::Identity]),
        )
    };
    parts.config.register = register.with(claims).unwrap();
    parts.config.profiles = vec![ProfileId::new("policy-2025-08-12")];
    parts
}

fn with_processor(parts: &mut Parts, change: impl FnOnce(&mut Processor)) {
    let mut processor = model();
    change(&mut processor);
    parts.config.processors = Processors::default().with(processor).allowing(Region::new("IE"));
}

fn weighed(parts: &mut Parts, until: &str) {
    let assessment = Assessment {
        interest: "to see misuse".into(),
        necessity: String::new(),
        balance: String::new(),
        safeguards: String::new(),
        reviewed_at: parts.at,
        expires_at: until.parse().unwrap(),
    };
    let (purpose, about) = (Purpose::AutomatedReplies, SubjectKind::Contact);
    let basis = LawfulBasis::LegitimateInterest(assessment);
    let categories = Categories::of(&[DataCategory::MessageContent]);
    let activity = ProcessingActivity {
        reviewed_at: Some(day("2026-11-01")),
        ..ProcessingActivity::new(purpose, about, basis, categories)
    };
    parts.config.register = parts.config.register.clone().without(purpose, about).with(activity).unwrap();
}

fn name(finding: &Finding) -> String {
    serde_json::to_value(finding).unwrap()["finding"].as_str().unwrap().to_owned()
}

#[test]
fn where_nothing_is_stale_nothing_is_found() {
    assert_eq!(clean().findings(), []);
    let told = Stale::of(&clean().source()).to_markdown();
    assert!(told.ends_with("Nothing.\n"), "{told}");
}

#[test]
fn each_seeded_fault_is_found_and_alone() {
    type Fault = (&'static str, fn(&mut Parts));
    let faults: [Fault; 20] = [
        ("no_controller", |p| p.config.controller = None),
        ("horizon_unbounded", |p| p.horizon = Err(Unbounded::KeyProvider)),
        ("people_kept", |p| p.config.retention.contacts = None),
        ("activity_never_reviewed", |p| {
            let categories = Categories::of(&[DataCategory::Identity]);
            let purpose = Purpose::Custom(crate::id::PurposeId::from_bytes([1; 16]));
            let activity = ProcessingActivity::new(purpose, SubjectKind::Member, LawfulBasis::Consent, categories);
            p.config.register = p.config.register.clone().with(activity).unwrap();
        }),
        ("activity_review_old", |p| p.config.register = p.config.register.clone().reviewed(day("2025-11-25"))),
        ("assessment_ends", |p| weighed(p, "2026-12-20T00:00:00Z")),
        ("never_asked", |p| {
            let categories = Categories::of(&[DataCategory::Identity]);
            let activity = ProcessingActivity {
                reviewed_at: Some(day("2026-11-01")),
                ..ProcessingActivity::new(Purpose::Support, SubjectKind::Mentioned, LawfulBasis::Contract, categories)
            };
            p.config.register = p.config.register.clone().with(activity).unwrap();
        }),
        ("unregistered", |p| {
            p.config.register = p.config.register.clone().without(Purpose::Storage, SubjectKind::Member);
        }),
        ("processor", |p| with_processor(p, |each| each.contract = None)),
        ("processor", |p| with_processor(p, |each| each.trains_on_data = true)),
        ("processor", |p| with_processor(p, |each| each.regions.clear())),
        ("processor", |p| with_processor(p, |each| each.regions = [Region::new("US")].into())),
        ("processor_review_old", |p| with_processor(p, |each| each.reviewed_at = day("2025-11-25"))),
        ("unused_processor_purpose", |p| {
            with_processor(p, |each| each.purposes.extend([Purpose::Analytics]));
        }),
        ("law_unknown", |p| p.config.profiles.push(ProfileId::new("atlantis"))),
        ("transfer_unsafe", |p| {
            abroad(p);
            with_processor(p, |each| each.safeguard = None);
        }),
        ("authority_general", |p| profile(p, |law| law.authority = Some(cited(general())))),
        ("law_unconfirmed", |p| {
            profile(p, |law| law.localisation = Some(Cited { confirmed: false, ..cited("KZ".to_owned()) }));
        }),
        ("law_old", |p| {
            profile(p, |law| law.localisation = Some(Cited { read_at: day("2025-11-25"), ..cited("KZ".to_owned()) }));
        }),
        ("disclosure_off", |p| {
            profile(p, |law| law.ai_disclosure = Some(cited(crate::privacy::AiDisclosure::Visible)));
            p.config.texts.disclosure = None;
        }),
    ];
    for (number, (expected, fault)) in faults.into_iter().enumerate() {
        let mut parts = clean();
        fault(&mut parts);
        let found: BTreeSet<String> = parts.findings().iter().map(name).collect();
        assert_eq!(found, [expected.to_owned()].into(), "fault {number}");
        for finding in parts.findings() {
            assert!(finding.to_string().len() > 20, "it says what to do: {finding}");
        }
    }
}

fn general() -> Authority {
    Authority { name: "one of them".into(), contact: "a list".into(), general: true }
}

fn cited<T>(value: T) -> Cited<T> {
    Cited { value, since: None, source: "a text".into(), read_at: day("2026-11-01"), confirmed: true }
}

fn profile(parts: &mut Parts, change: impl FnOnce(&mut JurisdictionProfile)) {
    let id = ProfileId::new("policy-2025-08-12");
    let mut law = parts.config.law.profile(&id).unwrap().clone();
    change(&mut law);
    parts.config.law = parts.config.law.clone().with_profile(law).unwrap();
}

fn abroad(parts: &mut Parts) {
    profile(parts, |law| law.territory = Some(cited([Region::new("KZ")].into())));
}

#[test]
fn an_assessment_is_told_a_month_before_it_ends_and_after() {
    for (until, over) in [("2026-11-26T09:00:00Z", Some(true)), ("2026-12-26T09:00:00Z", Some(false))] {
        let mut parts = clean();
        weighed(&mut parts, until);
        let [Finding::AssessmentEnds { over: told, .. }] = parts.findings()[..] else { panic!("{until}") };
        assert_eq!(Some(told), over);
    }
    let mut parts = clean();
    weighed(&mut parts, "2026-12-26T09:00:01Z");
    assert_eq!(parts.findings(), []);
}
