//! What is told of a breach: what is known of it, and nobody's name.

use super::*;
use crate::id::BreachId;
use crate::privacy::{
    Audience, Breach, BreachAssessment, BreachEvent, BreachNature, BreachOrigin, BreachRisk, Exposure, NewBreach,
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A breach at a processor, confirmed, contained and lifted.
fn confirmed(until: Option<&str>) -> Breach {
    let (law, now) = (Law::built_in(), at("2026-11-26T10:00:00Z"));
    let new = NewBreach {
        origin: BreachOrigin::Processor(ProcessorId::new("model.example")),
        nature: BreachNature::Disclosed,
        from: at("2026-11-25T08:00:00Z"),
        until: until.map(at),
    };
    let breach = Breach::new(BreachId::from_bytes([1; 16]), new, vec![ProfileId::new("eu-gdpr")], &law, now).unwrap();
    assert_eq!(BreachNotice::of(&breach), None);
    let breach = breach.apply(BreachEvent::Confirm { aware_at: at("2026-11-26T09:00:00Z") }, &law, now).unwrap();
    breach.apply(BreachEvent::Contain, &law, now).unwrap()
}

fn assessed(risk: BreachRisk, exposure: Exposure) -> Breach {
    let categories = Categories::of(&[DataCategory::Identity, DataCategory::MessageContent]);
    let assessment = BreachAssessment { risk, categories, people: 12, records: 345, exposure };
    let (law, now) = (Law::built_in(), at("2026-11-26T11:00:00Z"));
    let breach = confirmed(Some("2026-11-25T09:00:00Z"));
    let breach = breach.apply(BreachEvent::Assess(assessment), &law, now).unwrap();
    breach.apply(BreachEvent::Tell { audience: Audience::Authority, at: now }, &law, now).unwrap()
}

fn controller() -> Controller {
    Controller::new("Coffee & Co", "1 Abay Avenue, Almaty", "privacy@coffee.example")
}

#[test]
fn what_is_told_of_a_breach() {
    let breach = assessed(BreachRisk::High, Exposure::SealedWithKeys);
    let notice = BreachNotice::of(&breach).unwrap();
    let authority = Authority { name: "The Authority".into(), contact: "https://a.example".into(), general: false };
    let all = Language::ALL.map(|language| {
        let people = notice.to_people(language, &controller(), std::slice::from_ref(&authority));
        format!("{}\n\n{people}", notice.to_authority(language, &controller()))
    });
    insta::assert_snapshot!("breach_en", all[0]);
    insta::assert_snapshot!("breach_kk", all[1]);
    insta::assert_snapshot!("breach_ru", all[2]);
}

#[test]
fn what_is_not_known_yet_is_told_as_such_and_a_reason_only_to_the_authority() {
    let early = confirmed(None);
    let texts = &Language::English.wording().texts;
    let notice = BreachNotice::of(&early).unwrap();
    for text in
        [notice.to_authority(Language::English, &controller()), notice.to_people(Language::English, &controller(), &[])]
    {
        assert!(
            text.contains(&texts["breach"]["not_assessed"]) && text.contains("whether it is over is not known"),
            "{text}"
        );
        assert!(!text.contains('{'), "{text}");
    }
    let small = assessed(BreachRisk::Unlikely { reason: "The disk was wiped.".into() }, Exposure::Sealed);
    let notice = BreachNotice::of(&small).unwrap();
    assert!(notice.to_authority(Language::English, &controller()).contains("The disk was wiped."));
    assert!(!notice.to_people(Language::English, &controller(), &[]).contains("The disk was wiped."));
}
