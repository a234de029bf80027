//! Each line that can be written keeps to the published schema, and nothing else does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use whisp::assistant::{Exported, ExportedData, NewMember, PackagePart, PortableCopy};
use whisp::audit::{AuditAction, AuditDetail};
use whisp::id::{ConnectionId, ConversationId, InquiryId, MemberId, MessageId, RecordId, SubjectId};
use whisp::model::{
    Attempt, AttemptEnd, Author, ChannelKind, Content, Delivery, DeliveryStep, FailureCode, FlowReply, Handle,
    HandleKind, Location, Media, MediaKind, OrderItem, PlatformMessageId, Provenance, Share, ShareKind, SharedContact,
    StoryRef,
};
use whisp::privacy::{
    Act, AgeSignal, Categories, ConsentState, DataCategory, Device, Disclosure, DisclosureGround, GlassReason, Network,
    Notice, PolicyAnswer, ProcessorId, Purpose, RestrictionGround, Role, Statement,
};
use whisp::reply::EngineId;

use super::kit::{Files, keeps_to, line_schema, manifest_schema};
use crate::world::{DANA, World};

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 123_456_000).unwrap()
}

fn contents() -> Vec<Content> {
    let full = Media {
        id: Some("1".into()),
        url: Some("https://a.example/b".into()),
        mime: Some("image/jpeg".to_owned()),
        sha256: Some("abc=".to_owned()),
        filename: Some("menu.pdf".into()),
        live: true,
        ..Media::new(MediaKind::Document)
    };
    let own = Some(Handle::new(HandleKind::Phone, "77010000000"));
    let card = |own| SharedContact { name: Some("Dana".into()), phones: vec!["+7".into()], own };
    let item = |price: Option<&str>| OrderItem {
        product: "1".into(),
        quantity: "2".to_owned(),
        price: price.map(str::to_owned),
        currency: price.map(|_| "KZT".to_owned()),
    };
    let (latitude, longitude) = (43.25.into(), (-76.95).into());
    vec![
        Content::text("Сәлем \"you\"\n"),
        Content::Media { items: vec![full, Media::new(MediaKind::Sticker)], caption: None },
        Content::Location(Location { latitude, longitude, name: Some("Here".into()), address: None }),
        Content::Contacts { cards: vec![card(own), card(None)] },
        Content::Button { payload: "yes".into(), title: None },
        Content::List { id: "1".into(), title: "One".into(), description: None },
        Content::Postback { payload: None, title: Some("Menu".into()) },
        Content::Flow(FlowReply { name: "survey".to_owned(), response: "[1]".into() }),
        Content::Order { catalog: None, items: vec![item(Some("5")), item(None)], text: None },
        Content::Reaction { target: PlatformMessageId::new("m1"), emoji: None },
        Content::Share(Share { kind: ShareKind::Reel, id: None, url: Some("https://a.example".into()), title: None }),
        Content::StoryMention(StoryRef { id: Some("1".into()), url: None }),
        Content::Template { name: "hello".to_owned(), language: "kk".to_owned(), parameters: vec!["Dana".into()] },
        Content::Interactive { text: "Which?".into(), choices: vec![("1".into(), "One".into())] },
        Content::Welcome,
        Content::Placeholder,
        Content::Unsupported { kind: None, code: Some(131_051) },
        Content::Unsent,
    ]
}

fn messages() -> Vec<ExportedData> {
    let attempt = Attempt { at: at(), end: AttemptEnd::Refused, error: None, code: Some(FailureCode(1)) };
    let mut delivery = Delivery::queued(at());
    delivery.called_at = Some(at());
    delivery.log = vec![attempt, Attempt { code: None, ..attempt }];
    let authors = [
        Author::Contact,
        Author::Member { member: Some(DANA) },
        Author::Member { member: None },
        Author::Engine { engine: EngineId::new("rules") },
        Author::System,
    ];
    let rich = |author| ExportedData::Message {
        conversation: ConversationId::from_bytes([1; 16]),
        author,
        provenance: Provenance::Imported,
        content: Content::text("Hello"),
        at: at(),
        platform_id: Some(PlatformMessageId::new("m2")),
        reply_to: Some(PlatformMessageId::new("m1")),
        story: Some(StoryRef { id: None, url: Some("https://a.example".into()) }),
        note: Some("It was two, not three".into()),
        inquiry: Some(InquiryId::from_bytes([2; 16])),
        delivery: Some(delivery.clone()),
    };
    let bare = |content| ExportedData::Message {
        conversation: ConversationId::from_bytes([1; 16]),
        author: Author::Contact,
        provenance: Provenance::Live,
        content,
        at: at(),
        platform_id: None,
        reply_to: None,
        story: None,
        note: None,
        inquiry: None,
        delivery: Some(Delivery::queued(at())).filter(|delivery| delivery.step != DeliveryStep::Queued),
    };
    authors.into_iter().map(rich).chain(contents().into_iter().map(bare)).collect()
}

fn statements() -> Vec<ExportedData> {
    let notice = |evidence: Option<&str>| Notice {
        version: "1".to_owned(),
        language: "kk".to_owned(),
        evidence: evidence.map(str::to_owned),
    };
    let said = [
        Statement::given(Purpose::AutomatedReplies, Some(notice(Some("00ff")))),
        Statement::Consent {
            purpose: Purpose::Improvement,
            state: ConsentState::Refused,
            notice: Some(notice(None)),
            until: Some(at()),
        },
        Statement::Objection { purpose: Purpose::Analytics, stands: true },
        Statement::Restriction { ground: RestrictionGround::Claim, stands: false },
        Statement::Age { signal: AgeSignal::OfAge },
        Statement::Policy { answer: PolicyAnswer::Told, notice: notice(None) },
        Statement::Account {
            connection: ConnectionId::from_bytes([4; 16]),
            scopes: vec!["instagram_manage_messages".to_owned()],
            stands: true,
        },
    ];
    let acts = [
        Act::Asserted { by: DANA },
        Act::Host,
        Act::Imported,
        Act::InChat { message: MessageId::from_bytes([3; 16]) },
        Act::InEdit,
        Act::Member { member: DANA },
        Act::Platform,
    ];
    let all = said.iter().flat_map(|statement| acts.map(|act| (statement.clone(), act)));
    all.map(|(statement, act)| ExportedData::Statement { statement, act, at: at() }).collect()
}

/// Something of each kind, with everything in it and with nothing.
fn everything() -> Vec<ExportedData> {
    let conversation = ConversationId::from_bytes([1; 16]);
    let disclosure = |retained_until| Disclosure {
        processor: ProcessorId::new("openai"),
        ground: DisclosureGround::Processor,
        purpose: Purpose::AutomatedReplies,
        categories: Categories::of(&[DataCategory::MessageContent]),
        bytes: 17,
        at: at(),
        retained_until,
        told_from: retained_until,
    };
    let file = |theirs, size: Option<u64>| ExportedData::File {
        message: MessageId::from_bytes([3; 16]),
        theirs,
        mime: None,
        filename: Some("menu.pdf".into()),
        size,
    };
    let mut all = vec![
        ExportedData::Contact { name: None, handles: vec![Handle::new(HandleKind::ParentBsuid, "KZ.1")] },
        ExportedData::Contact { name: Some("Dana".into()), handles: Vec::new() },
        ExportedData::Conversation {
            channel: ChannelKind::custom("My SMS"),
            created_at: at(),
            active_at: at(),
            engines_answer: false,
        },
        ExportedData::Disclosure { disclosure: disclosure(None) },
        ExportedData::Disclosure { disclosure: disclosure(Some(at())) },
        ExportedData::Logged {
            action: AuditAction::GlassBroken,
            at: at(),
            detail: AuditDetail::BrokenGlass { reason: GlassReason::Cover },
        },
        ExportedData::Look { reason: GlassReason::Review, at: at() },
        ExportedData::Business { name: "Coffee & Co".into(), zone: "Asia/Almaty".to_owned(), created_at: at() },
        ExportedData::Member { name: "Dana".into(), role: Role::Admin, joined_at: at() },
        ExportedData::Inquiry { conversation, opened_at: at(), first_reply_at: None, resolved_at: Some(at()) },
        file(None, None),
        file(Some(true), Some(0)),
        ExportedData::Suggestion {
            conversation,
            engine: "rules".to_owned(),
            content: Content::text("Yes"),
            at: at(),
            decides: false,
        },
        ExportedData::Suggestion {
            conversation,
            engine: "rules".to_owned(),
            content: Content::text("No"),
            at: at(),
            decides: true,
        },
        ExportedData::Support { text: "It is slow".into(), at: at() },
        ExportedData::Usage {
            purpose: Purpose::Security,
            feature: "inbox".to_owned(),
            network: None,
            device: None,
            at: at(),
        },
        ExportedData::Usage {
            purpose: Purpose::Security,
            feature: "inbox".to_owned(),
            network: Some(Network::of([203, 0, 113, 7].into())),
            device: Some(Device::Tablet),
            at: at(),
        },
        ExportedData::Raw { value: json!([null, {"x": "y"}]) },
        ExportedData::Undone { reason: "the channel failed".to_owned(), at: at() },
        ExportedData::Index {},
        ExportedData::Other { name: "visit".to_owned(), clear: json!({"door": 1}) },
    ];
    all.extend(messages());
    all.extend(statements());
    all
}

fn lines() -> Vec<Value> {
    let entry = |(n, data)| Exported { id: RecordId::from_bytes([9; 16]), kept_until: (n % 2 == 0).then(at), data };
    everything().into_iter().enumerate().map(entry).map(|entry| serde_json::to_value(entry).unwrap()).collect()
}

#[test]
fn i29_every_line_that_can_be_written_keeps_to_the_schema() {
    let schema = line_schema();
    let lines = lines();
    lines.iter().for_each(|line| keeps_to(&schema, line));
    let kinds: BTreeSet<&str> = everything().iter().map(ExportedData::kind).collect();
    let told: BTreeSet<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!((told.len(), told), (18, kinds), "the name of each kind is that in JSON");
    let document: Value = serde_json::from_str(whisp::assistant::EXPORT_SCHEMA_JSON).unwrap();
    let described = document["oneOf"].as_array().unwrap().iter();
    let described: BTreeSet<&str> = described.map(|kind| kind["title"].as_str().unwrap()).collect();
    assert_eq!(described, lines.iter().map(|line| line["kind"].as_str().unwrap()).collect());
}

/// Whatever a copy may hold, somebody can bring it along.
#[test]
fn i29_a_line_of_every_kind_is_read() {
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    for line in lines() {
        kinds.insert(line["kind"].as_str().unwrap().to_owned(), line.to_string());
    }
    let copy: Vec<String> = kinds.values().cloned().collect();
    let read = PortableCopy::read(copy.join("\n").as_bytes()).unwrap();
    assert_eq!(read.lines(), kinds.len());
}

/// Fields that may be missing, of each kind.
fn optional() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("disclosure", &["retained_until", "told_from"][..]),
        ("file", &["theirs"]),
        ("message", &["platform_id", "reply_to", "story", "note", "inquiry", "delivery"]),
        ("statement", &["notice", "until"]),
        ("suggestion", &["decides"]),
        ("usage", &["network", "device"]),
    ])
}

#[test]
fn i29_a_line_without_a_field_with_another_or_of_another_kind_does_not_keep_to_it() {
    let (schema, optional) = (line_schema(), optional());
    for line in lines() {
        let kind = line["kind"].as_str().unwrap().to_owned();
        for field in line.as_object().unwrap().keys() {
            let told = field == "notice" && line.get("policy").is_some();
            let may = optional.get(&*kind).is_some_and(|all| all.contains(&&**field)) && !told || field == "kept_until";
            let mut without = line.clone();
            without.as_object_mut().unwrap().remove(field);
            assert_eq!(schema.is_valid(&without), may, "without {field}: {without}");
            let mut changed = line.clone();
            changed[field] = json!({"no": "such thing"});
            let is_anything = ["value", "clear"].contains(&&**field);
            assert_eq!(schema.is_valid(&changed), is_anything, "another {field}: {changed}");
        }
        let mut more = line.clone();
        more["more"] = json!(1);
        assert!(!schema.is_valid(&more), "{more}");
        let mut other = line.clone();
        other["kind"] = json!("hologram");
        assert!(!schema.is_valid(&other), "{other}");
    }
}

#[tokio::test]
async fn a_members_package_keeps_to_the_schemas_too() {
    let world = World::new().await;
    let new = NewMember { id: MemberId(SubjectId::from_bytes([6; 16])), name: "Berik".into(), role: Role::Auditor };
    let berik = new.id;
    world.assistant.desk(world.tenant).team().add(new).await.unwrap();
    world.later(TimeDelta::hours(1).num_seconds());
    let files = Files::of(world.assistant.package(world.tenant, berik, PackagePart::Whole)).await;
    files.lines().iter().for_each(|line| keeps_to(&line_schema(), line));
    keeps_to(&manifest_schema(), &serde_json::from_slice(files.get("manifest.json")).unwrap());
    assert_eq!((files.manifest().about.as_str(), files.manifest().counts["member"]), ("member", 1));
}
