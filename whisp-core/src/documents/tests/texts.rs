//! Each language says everything, and says it with the same places.

use super::*;
use crate::documents::wording::Wording;
use crate::privacy::{BreachNature, BreachRisk, Exposure, RefusalReason, RequestKind, RequestOutcome, Right, Withheld};

fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
}

#[test]
fn each_language_has_the_same_texts_with_the_same_places() {
    let english = Language::English.wording();
    for language in Language::ALL {
        let wording: &Wording = language.wording();
        assert!(wording.texts.keys().eq(english.texts.keys()), "{}", language.tag());
        for (group, texts) in &english.texts {
            let there = &wording.texts[group];
            assert!(there.keys().eq(texts.keys()), "{} {group}", language.tag());
            for (name, text) in texts {
                assert_eq!(places(&there[name]), places(text), "{} {group}.{name}", language.tag());
                assert!(!there[name].trim().is_empty(), "{} {group}.{name}", language.tag());
                let same = there[name] == *text && name != "times" && name != "withheld";
                assert!(language == Language::English || !same, "{} {group}.{name} is English", language.tag());
            }
        }
    }
}

#[test]
fn how_many_people_figures_are_about_is_told_as_it_is() {
    for language in Language::ALL {
        assert!(language.wording().texts["kept"]["facts"].contains(&format!(" {} ", crate::kpi::GROUP_MIN)));
    }
}

#[test]
fn each_value_has_a_text() {
    let has = |group: &str, name: &str| {
        assert!(Language::English.wording().texts[group].contains_key(name), "{group}.{name}");
    };
    let purposes = [
        Purpose::Analytics,
        Purpose::AutomatedReplies,
        Purpose::DirectMarketing,
        Purpose::IdentityVerification,
        Purpose::Improvement,
        Purpose::LegalCompliance,
        Purpose::Rights,
        Purpose::Security,
        Purpose::ServiceProvision,
        Purpose::Storage,
        Purpose::Support,
    ];
    purposes.iter().for_each(|purpose| has("purpose", purpose.as_str()));
    DataCategory::ALL.iter().for_each(|category| has("category", category.as_str()));
    for kept in kept::all(&Retention::default(), &Processors::default()) {
        has("kept", kept.data.as_str());
    }
    for right in [
        Right::Access,
        Right::Rectification,
        Right::Erasure,
        Right::Restriction,
        Right::Portability,
        Right::Objection,
        Right::Withdrawal,
    ] {
        has("right", render::right_name(right));
        has("right_means", render::right_name(right));
    }
    for kind in KINDS {
        has("request", kind.as_str());
        has("done", kind.as_str());
    }
    REASONS.iter().for_each(|reason| has("reason", reason.as_str()));
    let more = [
        Measure::EpochsDestroyed,
        Measure::AuditSigned,
        Measure::AuditAnchored,
        Measure::SealedFiles,
        Measure::Masking,
    ];
    Measure::ALWAYS.iter().chain(&more).for_each(|measure| has("measure", measure.as_str()));
    BreachNature::ALL.iter().for_each(|nature| has("breach_nature", nature.as_str()));
    Exposure::ALL.iter().for_each(|exposure| has("breach_exposure", exposure.as_str()));
    for risk in [BreachRisk::Unlikely { reason: String::new() }, BreachRisk::Risk, BreachRisk::High] {
        has("breach_risk", risk.as_str());
    }
    for kind in crate::store::Kind::ALL.iter().filter(|kind| kind.paths().owned) {
        // What is a tenant's, or under a hold, is in nobody's copy.
        if !["challenge", "connection", "held", "tenant", "transfer"].contains(&kind.name()) {
            has("record", kind.name());
        }
    }
}

const KINDS: [RequestKind; 8] = [
    RequestKind::Access,
    RequestKind::Portability,
    RequestKind::Rectification,
    RequestKind::Restriction,
    RequestKind::Objection,
    RequestKind::Erasure,
    RequestKind::Withdrawal,
    RequestKind::Complaint,
];

const REASONS: [RefusalReason; 10] = [
    RefusalReason::ContractNecessity,
    RefusalReason::FreedomOfExpression,
    RefusalReason::FulfilmentImpossible,
    RefusalReason::IdentityFailure,
    RefusalReason::LegalClaims,
    RefusalReason::LegallyExempted,
    RefusalReason::LegallyRequired,
    RefusalReason::ManifestlyExcessive,
    RefusalReason::ManifestlyUnfounded,
    RefusalReason::ThirdPartyRights,
];

/// Promises P54 and P57.
#[test]
fn an_answer_says_what_was_done_what_was_not_and_why_and_where_to_complain() {
    let controller = Controller::new("Coffee & Co", "Almaty", "privacy@coffee.example");
    let authority = Authority { name: "The Authority".into(), contact: "https://a.example".into(), general: false };
    for language in Language::ALL {
        let texts = &language.wording().texts;
        for kind in KINDS {
            let tell = |outcome| {
                let answer = Answer { kind, outcome, others_done_by: None };
                answer.to_text(language, &controller, std::slice::from_ref(&authority))
            };
            for reason in REASONS {
                let refused = tell(RequestOutcome::Refused { reason });
                let withheld = Withheld::new(DataCategory::MessageContent, reason);
                let partial = tell(RequestOutcome::Partial { withheld });
                for text in [&refused, &partial] {
                    assert!(text.contains(&texts["reason"][reason.as_str()]), "{text}");
                }
                assert!(partial.contains(&texts["done"][kind.as_str()]), "{partial}");
                assert!(partial.contains(&texts["category"]["message_content"]), "{partial}");
                assert!(!refused.contains(&texts["done"][kind.as_str()]), "{refused}");
            }
            let approved = tell(RequestOutcome::Approved);
            assert!(approved.contains(&texts["done"][kind.as_str()]), "{approved}");
            for needed in ["Coffee & Co", "privacy@coffee.example", "The Authority", "https://a.example"] {
                assert!(approved.contains(needed), "{approved}");
            }
            assert!(!approved.contains('{'), "every place is filled: {approved}");
        }
    }
}
