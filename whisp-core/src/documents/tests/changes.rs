//! Whatever changes in the configuration changes the documents, and they say nothing that the program does not do.

use std::collections::BTreeMap;

use super::*;

type Change = fn(&mut Parts);

fn changes() -> Vec<(&'static str, Change)> {
    fn controller(parts: &mut Parts) -> &mut Controller {
        parts.config.controller.as_mut().unwrap()
    }
    fn processor(parts: &mut Parts, change: impl FnOnce(&mut Processor)) {
        let mut processor = model();
        change(&mut processor);
        parts.config.processors =
            Processors::default().with(processor).allowing(Region::new("IE")).allowing(Region::new("US"));
    }
    vec![
        ("controller.name", |p| controller(p).name.push('x')),
        ("controller.address", |p| controller(p).address.push('x')),
        ("controller.contact", |p| controller(p).contact.push('x')),
        ("controller.representative", |p| controller(p).representative = Some("Rep, Vilnius".into())),
        ("controller.data_protection_officer", |p| controller(p).data_protection_officer = Some("dpo@x".into())),
        ("served", |p| p.config.served = vec![Controller::new("Tea", "Almaty", "tea@x")]),
        ("register: one less", |p| {
            p.config.register = Register::standard().without(Purpose::AutomatedReplies, SubjectKind::Contact);
        }),
        ("register: another ground", |p| {
            let categories = Categories::of(&[DataCategory::Identity, DataCategory::MessageContent]);
            let (purpose, about) = (Purpose::AutomatedReplies, SubjectKind::Contact);
            let activity = ProcessingActivity::new(purpose, about, LawfulBasis::Consent, categories);
            p.config.register = Register::standard().without(purpose, about).with(activity).unwrap();
        }),
        ("register: more data", |p| {
            let categories =
                Categories::of(&[DataCategory::Identity, DataCategory::MessageContent, DataCategory::Media]);
            let (purpose, about) = (Purpose::AutomatedReplies, SubjectKind::Contact);
            let activity = ProcessingActivity::new(purpose, about, LawfulBasis::Contract, categories);
            p.config.register = Register::standard().without(purpose, about).with(activity).unwrap();
        }),
        ("retention.messages", |p| p.config.retention.messages += TimeDelta::days(1)),
        ("retention.files", |p| p.config.retention.files -= TimeDelta::days(1)),
        ("retention.special", |p| p.config.retention.special += TimeDelta::days(1)),
        ("retention.suggestions", |p| p.config.retention.suggestions += TimeDelta::days(1)),
        ("retention.raw", |p| p.config.retention.raw += TimeDelta::minutes(1)),
        ("retention.dead_letters", |p| p.config.retention.dead_letters += TimeDelta::days(1)),
        ("retention.disclosures", |p| p.config.retention.disclosures += TimeDelta::days(1)),
        ("retention.audit_details", |p| p.config.retention.audit_details += TimeDelta::days(1)),
        ("retention.requests", |p| p.config.retention.requests += TimeDelta::days(1)),
        ("retention.contacts", |p| p.config.retention.contacts = None),
        ("retention.facts", |p| p.config.retention.facts = None),
        ("processor: another firm", |p| processor(p, |each| each.name.push('x'))),
        ("processor: another region", |p| processor(p, |each| each.regions = [Region::new("US")].into())),
        ("processor: another safeguard", |p| processor(p, |each| each.safeguard = None)),
        ("processor: keeps longer", |p| processor(p, |each| each.retention_days = 31)),
        ("processor: takes in another", |p| processor(p, |each| each.sub_processors.push("Other".into()))),
        ("processor: another role", |p| processor(p, |each| each.role = ProcessorRole::Hosting)),
        ("processor: gets nothing", |p| processor(p, |each| each.contract = None)),
        ("profiles: one less", |p| p.config.profiles.retain(|id| id.as_str() != "kz")),
        ("law: another authority", |p| {
            let authority = Authority { name: "DPC".into(), contact: "dataprotection.ie".into(), general: false };
            let (source, read_at) = ("counsel".into(), day("2026-11-26"));
            let cited = Cited { value: authority, since: None, source, read_at, confirmed: true };
            p.config.law = Law::built_in().with_authority(&ProfileId::new("eu-gdpr"), cited).unwrap();
        }),
        ("horizon", |p| p.horizon = Ok(TimeDelta::days(9))),
        ("no horizon", |p| p.horizon = Err(Unbounded::KeyProvider)),
        ("channels", |p| p.channels.extend([ChannelKind::Messenger])),
        ("texts.disclosure", |p| p.config.texts.disclosure = None),
    ]
}

#[test]
fn each_change_of_the_configuration_is_another_version_of_the_notice() {
    let standard = Parts::standard();
    let before = standard.notice();
    assert_eq!(before, Parts::standard().notice(), "the same makes the same");
    let mut versions = BTreeSet::from([before.version.clone()]);
    for (what, change) in changes() {
        let mut parts = Parts::standard();
        change(&mut parts);
        let after = parts.notice();
        assert!(versions.insert(after.version.clone()), "{what} makes no version of its own");
        for language in Language::ALL {
            let version = |notice: &PrivacyNotice| notice.to_markdown(language).replace(&notice.version, "");
            assert_ne!(version(&before), version(&after), "{what} is not told in {}", language.tag());
        }
    }
}

#[test]
fn each_change_of_what_is_recorded_is_in_the_record() {
    // What the record of Art. 30 does not hold.
    let not_in_it = ["profiles: one less", "law: another authority", "texts.disclosure"];
    let mut before = Parts::standard();
    // WhatsApp and Instagram are one recipient: that Messenger is another channel of it does not show.
    before.channels.clear();
    let standard = before.ropa();
    for (what, change) in changes().into_iter().filter(|(what, _)| !not_in_it.contains(what)) {
        let mut parts = Parts::standard();
        parts.channels.clear();
        change(&mut parts);
        assert_ne!(standard, parts.ropa(), "{what}");
        assert_ne!(standard.to_markdown(Language::English), parts.ropa().to_markdown(Language::English), "{what}");
    }
}

#[test]
fn a_version_is_of_what_is_said_and_not_of_the_day() {
    let parts = Parts::standard();
    let on = |text: &str| PrivacyNotice::of(&parts.source(), day(text)).unwrap();
    assert_eq!(on("2026-11-26").version, on("2026-12-26").version);
    // Before the AI Act another law asked for another disclosure.
    assert_ne!(on("2025-11-26").version, on("2026-11-26").version);
}

/// The notice names a model as a recipient exactly where the check of the egress lets it have something.
#[test]
fn who_is_refused_at_the_egress_is_in_no_notice() {
    let variants: [fn(&mut Processor); 6] = [
        |_| {},
        |each| each.contract = Some("  ".into()),
        |each| each.trains_on_data = true,
        |each| each.regions = [Region::new("XX")].into(),
        |each| each.purposes = [Purpose::Support].into(),
        |each| each.categories = Categories::of(&[DataCategory::Credential]),
    ];
    for (number, change) in variants.into_iter().enumerate() {
        let mut processor = model();
        change(&mut processor);
        let mut parts = Parts::standard();
        parts.config.processors = Processors::default().with(processor).allowing(Region::new("IE"));
        let text = Categories::of(&[DataCategory::MessageContent]);
        let may = parts.config.processors.check(&model().id, Purpose::AutomatedReplies, text).is_ok();
        assert_eq!(may, number == 0);
        let told = parts.notice().facts.receivers.iter().any(|receiver| receiver.name == "Model Ltd.");
        assert_eq!(told, may, "variant {number}");
        let recorded =
            parts.ropa().activities.iter().flat_map(|entry| &entry.receivers).any(|each| each.name == "Model Ltd.");
        assert_eq!(recorded, may, "variant {number}");
    }
}

#[test]
fn the_data_of_a_model_abroad_are_told_as_a_transfer() {
    let mut parts = Parts::standard();
    let transfers = &parts.notice().facts.receivers.last().unwrap().transfers.clone();
    assert_eq!(transfers.len(), 1);
    assert_eq!((transfers[0].region.as_str(), &transfers[0].by[..]), ("IE", &[ProfileId::new("kz")][..]));
    parts.config.profiles = vec![ProfileId::new("eu-gdpr")];
    assert!(parts.notice().facts.receivers.last().unwrap().transfers.is_empty(), "Ireland is not abroad for the EU");
}

/// Of what changes to people's disadvantage they are told, and of nothing else.
#[test]
fn each_change_to_somebodys_disadvantage_is_named() {
    let replies = (SubjectKind::Contact, Purpose::AutomatedReplies);
    let region = |name: &str| PolicyChange::NewRegion { name: "Model Ltd.".into(), region: Region::new(name) };
    let more = PolicyChange::ReceiverGetsMore { name: "Model Ltd.".into() };
    let kept = |data| PolicyChange::KeptLonger { data };
    let named: BTreeMap<&str, Vec<PolicyChange>> = BTreeMap::from([
        ("controller.name", vec![PolicyChange::Controller]),
        (
            "register: more data",
            vec![PolicyChange::MoreData {
                about: replies.0,
                purpose: replies.1,
                categories: Categories::of(&[DataCategory::Media]),
            }],
        ),
        ("retention.messages", vec![kept(KeptData::Messages)]),
        ("retention.special", vec![kept(KeptData::Special)]),
        ("retention.suggestions", vec![kept(KeptData::Suggestions)]),
        ("retention.raw", vec![kept(KeptData::Unreadable)]),
        ("retention.dead_letters", vec![kept(KeptData::Undone)]),
        ("retention.disclosures", vec![kept(KeptData::Disclosures)]),
        ("retention.audit_details", vec![kept(KeptData::AuditDetails)]),
        ("retention.requests", vec![kept(KeptData::Requests)]),
        ("retention.contacts", vec![kept(KeptData::People)]),
        ("retention.facts", vec![kept(KeptData::Facts)]),
        ("processor: another firm", vec![PolicyChange::NewReceiver { name: "Model Ltd.x".into() }]),
        ("processor: another region", vec![region("US")]),
        ("processor: keeps longer", vec![more.clone()]),
        ("processor: takes in another", vec![more]),
    ]);
    let standard = Parts::standard().notice();
    let mut seen = BTreeSet::new();
    for (what, change) in changes() {
        let mut parts = Parts::standard();
        change(&mut parts);
        let after = parts.notice();
        let found = PolicyChange::between(&standard.facts, &after.facts);
        assert_eq!(found, named.get(what).cloned().unwrap_or_default(), "{what}");
        seen.insert(what);
        // The way back takes nothing from anybody, but for one firm that takes the place of another.
        let back = PolicyChange::between(&after.facts, &standard.facts);
        let widens: Vec<_> = back.iter().filter_map(PolicyChange::widens).collect();
        let expected: &[_] = match what {
            "register: one less" | "register: another ground" => &[replies],
            _ => &[],
        };
        assert_eq!(widens, expected, "{what}");
    }
    assert!(named.keys().all(|what| seen.contains(what)));
}

#[test]
fn a_published_notice_is_read_as_it_was_written() {
    let notice = Parts::standard().notice();
    let published = PolicyVersion {
        number: 2,
        label: "2026-12".to_owned(),
        published_at: "2026-11-26T09:00:00Z".parse().unwrap(),
        significant: true,
        changes: vec![
            PolicyChange::Controller,
            PolicyChange::NewUse { about: SubjectKind::Contact, purpose: Purpose::Analytics },
            PolicyChange::KeptLonger { data: KeptData::Files },
        ],
        notice,
    };
    let json = serde_json::to_string(&published).unwrap();
    let read: PolicyVersion = serde_json::from_str(&json).unwrap();
    assert_eq!(read, published);
    assert_eq!(digest(&read.notice.facts), read.notice.version, "what was kept is what the version is of");
}
