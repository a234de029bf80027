//! The documents of the standard configuration, as they stand; and that nothing changes in the configuration without them.

use std::path::Path;

use super::*;
use crate::assistant::{Config, LocalText};
use crate::privacy::{
    Assessment, Authority, Categories, Cited, DataCategory, Deletion, LawfulBasis, ProcessingActivity, Processor,
    ProcessorId, ProcessorRole, Purpose, Region, SubjectKind,
};

mod breach;
mod changes;
mod found;
mod texts;

/// What documents are made of, owned.
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) horizon: Result<TimeDelta, Unbounded>,
    pub(super) channels: BTreeSet<ChannelKind>,
    pub(super) measures: BTreeSet<Measure>,
    pub(super) at: DateTime<Utc>,
}

impl Parts {
    /// The standard configuration of a business that has one model elsewhere.
    pub(super) fn standard() -> Self {
        let controller = Controller::new("Coffee & Co", "1 Abay Avenue, Almaty, Kazakhstan", "privacy@coffee.example");
        let config = Config {
            controller: Some(controller),
            processors: Processors::default().with(model()).allowing(Region::new("IE")),
            ..Config::default()
        };
        Self {
            config,
            horizon: Ok(TimeDelta::days(8)),
            channels: [ChannelKind::Instagram, ChannelKind::WhatsApp].into(),
            measures: Measure::ALWAYS.into_iter().chain([Measure::EpochsDestroyed, Measure::Masking]).collect(),
            at: "2026-11-26T09:00:00Z".parse().unwrap(),
        }
    }

    pub(super) fn source(&self) -> Source<'_> {
        Source {
            controller: self.config.controller.as_ref(),
            served: &self.config.served,
            register: &self.config.register,
            retention: &self.config.retention,
            processors: &self.config.processors,
            law: &self.config.law,
            profiles: &self.config.profiles,
            horizon: self.horizon,
            channels: self.channels.clone(),
            disclosure: self.config.texts.disclosure.as_ref(),
            measures: self.measures.clone(),
            at: self.at,
        }
    }

    pub(super) fn notice(&self) -> PrivacyNotice {
        PrivacyNotice::of(&self.source(), self.at.date_naive()).unwrap()
    }

    pub(super) fn ropa(&self) -> Ropa {
        Ropa::of(&self.source()).unwrap()
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        Stale::of(&self.source()).findings
    }
}

pub(super) fn day(text: &str) -> chrono::NaiveDate {
    text.parse().unwrap()
}

pub(super) fn model() -> Processor {
    Processor {
        id: ProcessorId::new("model.example"),
        name: "Model Ltd.".into(),
        role: ProcessorRole::LanguageModel,
        purposes: [Purpose::AutomatedReplies].into(),
        categories: Categories::of(&[DataCategory::MessageContent]),
        regions: [Region::new("IE")].into(),
        contract: Some("DPA 17".into()),
        safeguard: Some("standard contractual clauses".into()),
        retention_days: 30,
        trains_on_data: false,
        deletion: Deletion::ByRetention,
        sub_processors: vec!["Machines Ltd.".into()],
        reviewed_at: day("2026-11-01"),
    }
}

#[test]
fn the_notice_of_the_standard_configuration() {
    let notice = Parts::standard().notice();
    insta::assert_snapshot!("notice_en", notice.to_markdown(Language::English));
    insta::assert_snapshot!("notice_ru", notice.to_markdown(Language::Russian));
    insta::assert_snapshot!("notice_kk", notice.to_markdown(Language::Kazakh));
    insta::assert_json_snapshot!("notice", notice);
}

#[test]
fn the_record_of_the_standard_configuration() {
    let ropa = Parts::standard().ropa();
    insta::assert_snapshot!("ropa_en", ropa.to_markdown(Language::English));
    insta::assert_json_snapshot!("ropa", ropa);
}

/// Art. 30(1) and (2): who runs the assistant for others is a processor of what their contacts write.
#[test]
fn the_record_tells_what_is_done_for_others_apart() {
    let mut parts = Parts::standard();
    assert!(parts.ropa().activities_for_served.is_empty());
    parts.config.served = vec![Controller::new("Tea & Co", "2 Abay Avenue, Almaty", "privacy@tea.example")];
    let ropa = parts.ropa();
    assert!(!ropa.activities.is_empty() && !ropa.activities_for_served.is_empty());
    assert!(ropa.activities.iter().all(|entry| entry.about == SubjectKind::AccountHolder));
    assert!(ropa.activities_for_served.iter().all(|entry| entry.about != SubjectKind::AccountHolder));
    let all = ropa.activities.len() + ropa.activities_for_served.len();
    assert_eq!(all, parts.config.register.activities().len(), "each activity is in it");
    for text in [ropa.to_markdown(Language::English), parts.notice().to_markdown(Language::English)] {
        assert!(text.contains("Tea &amp; Co") && text.contains("privacy@tea.example"), "{text}");
    }
}

#[test]
fn what_is_stale_in_the_standard_configuration() {
    let parts = Parts::standard();
    let stale = Stale::of(&parts.source());
    insta::assert_snapshot!("stale", stale.to_markdown());
    insta::assert_json_snapshot!("stale_json", stale);
}

#[test]
fn without_somebody_responsible_there_is_no_document() {
    for controller in [None, Some(Controller::new("Coffee & Co", " ", "privacy@coffee.example"))] {
        let mut parts = Parts::standard();
        parts.config.controller = controller;
        assert_eq!(Ropa::of(&parts.source()), Err(NoController));
        assert_eq!(PrivacyNotice::of(&parts.source(), parts.at.date_naive()), Err(NoController));
        assert_eq!(parts.findings()[0], Finding::NoController);
    }
}

#[test]
fn what_a_host_writes_is_no_markup() {
    let mut parts = Parts::standard();
    let hostile = "<img src=x onerror=alert(1)> [a](javascript:b) | c\n# d";
    parts.config.controller = Some(Controller::new(hostile, hostile, hostile));
    parts.config.texts.disclosure = Some(LocalText::new(&[("en", hostile)]));
    let mut processor = Processor { name: hostile.into(), sub_processors: vec![hostile.into()], ..model() };
    processor.safeguard = Some(hostile.into());
    processor.regions = [Region::new("IE"), Region::new("US<b>")].into();
    parts.config.processors =
        Processors::default().with(processor).allowing(Region::new("IE")).allowing(Region::new("US<b>"));
    let activity = ProcessingActivity::new(
        Purpose::Security,
        SubjectKind::Contact,
        LawfulBasis::LegalObligation { law: hostile.into() },
        Categories::of(&[DataCategory::Identity]),
    );
    parts.config.register = Register::standard().with(activity).unwrap();
    let (notice, ropa) = (parts.notice(), parts.ropa());
    for language in Language::ALL {
        for text in [notice.to_markdown(language), ropa.to_markdown(language)] {
            assert!(text.contains("onerror"), "it is in it");
            assert!(!text.contains("<img") && !text.contains("US<b>") && !text.contains("[a]("), "{text}");
            assert!(!text.lines().any(|line| line.starts_with("# d")), "{text}");
        }
    }
}

/// The table of what the library asks permits for is what its code asks permits for.
#[test]
fn what_is_said_to_be_asked_is_what_the_code_asks() {
    fn permits(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                permits(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.extend(
                    text.split("permit::<").skip(1).filter_map(|rest| Some(rest.split_once(">(")?.0.to_owned())),
                );
            }
        }
    }
    let mut found = BTreeSet::new();
    permits(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/assistant"), &mut found);
    let said: BTreeSet<String> = stale::ASKED.iter().map(|(purpose, _)| format!("{purpose:?}")).collect();
    assert_eq!(found, said);
}
