//! The register of processing activities: what it takes in, and what it denies.

use chrono::{DateTime, TimeDelta, Utc};
use whisp_core::id::PurposeId;
use whisp_core::model::ChannelKind;
use whisp_core::privacy::{
    Categories, DataCategory, LawfulBasis, ProcessingActivity, Purpose, Register, RegisterError, SubjectKind,
};

use crate::standing::interest;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;
const OWN: Purpose = Purpose::Custom(PurposeId::from_bytes([7; 16]));

fn activity(purpose: Purpose, basis: LawfulBasis) -> ProcessingActivity {
    ProcessingActivity::new(purpose, SubjectKind::Contact, basis, Categories::of(&[DataCategory::Identity]))
}

#[test]
fn a_purpose_of_ones_own_needs_consent_or_a_law() {
    for basis in [LawfulBasis::Contract, interest(NOW + TimeDelta::days(1))] {
        assert_eq!(Register::standard().with(activity(OWN, basis)).unwrap_err(), RegisterError::NoBasis);
    }
    for basis in [LawfulBasis::Consent, LawfulBasis::LegalObligation { law: "a law, Art. 1".into() }] {
        assert!(Register::standard().with(activity(OWN, basis)).is_ok());
    }
}

#[test]
fn there_is_no_ground_for_marketing() {
    for basis in [LawfulBasis::Consent, LawfulBasis::Contract, interest(NOW)] {
        let refused = Register::standard().with(activity(Purpose::DirectMarketing, basis)).unwrap_err();
        assert_eq!(refused, RegisterError::Marketing);
    }
}

#[test]
fn a_use_has_one_ground() {
    let again = activity(Purpose::ServiceProvision, LawfulBasis::Consent);
    assert_eq!(Register::standard().with(again.clone()).unwrap_err(), RegisterError::Twice);
    let without = Register::standard().without(Purpose::ServiceProvision, SubjectKind::Contact);
    assert!(without.with(again).is_ok());
}

#[test]
fn data_that_came_over_whatsapp_improves_nothing() {
    let mut improvement = activity(Purpose::Improvement, LawfulBasis::Consent);
    let refused = Register::standard().with(improvement.clone()).unwrap_err();
    assert_eq!(refused, RegisterError::WhatsAppImprovement);
    improvement.channels = Some(vec![ChannelKind::Instagram, ChannelKind::WhatsApp]);
    let refused = Register::standard().with(improvement.clone()).unwrap_err();
    assert_eq!(refused, RegisterError::WhatsAppImprovement);
    improvement.channels = Some(vec![ChannelKind::Instagram]);
    assert!(Register::standard().with(improvement).is_ok());
}

#[test]
fn credentials_are_the_account_holders_and_something_must_be_used() {
    let mut bad = activity(Purpose::Support, LawfulBasis::Contract);
    bad.categories = Categories::of(&[DataCategory::Credential]);
    assert_eq!(Register::standard().with(bad.clone()).unwrap_err(), RegisterError::Credential);
    bad.categories = Categories::NONE;
    assert_eq!(Register::standard().with(bad).unwrap_err(), RegisterError::NoData);
}

#[test]
fn p11_security_looks_at_no_content() {
    for category in DataCategory::ALL {
        let mut security = activity(Purpose::Security, LawfulBasis::LegalObligation { law: "a law, Art. 1".into() });
        security.about = SubjectKind::AccountHolder;
        security.categories = Categories::of(&[DataCategory::Identity, category]);
        let added = Register::standard().with(security).map(drop);
        let content = [DataCategory::MessageContent, DataCategory::Media, DataCategory::Raw].contains(&category);
        assert_eq!(added, if content { Err(RegisterError::SecurityContent) } else { Ok(()) }, "{category:?}");
    }
}
