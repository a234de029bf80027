//! What a host notes of the use of its product, and what people give to support: as little as it serves, for its own purpose
//! alone, for a short time (promises P1, P3 and P58).

use std::sync::Arc;

use chrono::TimeDelta;
use whisp::Sensitive;
use whisp::assistant::{Assistant, AssistantError, Config, ExportedData, NewUsage, RETENTION_SETTLES, UsageNoted};
use whisp::model::AutomationMode;
use whisp::privacy::{
    About, Act, Categories, DataCategory, DeniedReason, Device, LawfulBasis, ProcessingActivity, Purpose, Statement,
    SubjectKind,
};
use whisp::store::{Kind, SubjectQuery};
use whisp::stores::MemoryStore;

use crate::world::{DANA, World, parrot};

const AGENT: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148 Safari/604.1";

/// A host notes uses, and takes what people give to support.
fn config() -> Config {
    let activity = |purpose, about, category| {
        ProcessingActivity::new(purpose, about, LawfulBasis::Contract, Categories::of(&[category]))
    };
    let mut config = Config::default();
    for (purpose, about, category) in [
        (Purpose::Security, SubjectKind::Member, DataCategory::Usage),
        (Purpose::Analytics, SubjectKind::Member, DataCategory::Usage),
        (Purpose::Support, SubjectKind::Member, DataCategory::Support),
        (Purpose::Support, SubjectKind::Contact, DataCategory::Support),
        (Purpose::Support, SubjectKind::AccountHolder, DataCategory::Support),
    ] {
        config.register = config.register.with(activity(purpose, about, category)).unwrap();
    }
    config
}

async fn world() -> World {
    let store = Arc::new(MemoryStore::new());
    World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.config(config())).await
}

fn new(feature: &str) -> NewUsage<'_> {
    NewUsage { feature, address: Some([203, 0, 113, 77].into()), agent: Some(AGENT), gpc: false }
}

#[track_caller]
fn denied<T: std::fmt::Debug>(result: Result<T, AssistantError>, reason: DeniedReason) {
    match result {
        Err(AssistantError::Denied(denied)) => assert_eq!(denied.reason, reason),
        other => panic!("{other:?}"),
    }
}

async fn stored(world: &World, about: &About, kind: Kind) -> usize {
    let query = SubjectQuery { tenant: world.tenant, subject: about.subject, after: None, limit: 1_000 };
    let records = world.store.of_subject(&query).await.unwrap().records;
    records.iter().filter(|record| record.kind == kind).count()
}

#[tokio::test]
async fn p29_a_shorter_rule_of_the_host_takes_hold_of_uses_and_of_what_support_was_given() {
    let world = world().await;
    world.says("m1", "Hello").await;
    let conversation = world.conversation().await;
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(conversation).await.unwrap().contact;
    desk.usage().note(DANA, Purpose::Security, new("inbox")).await.unwrap();
    let holder = About::holder(&world.assistant.tenant(world.tenant).await.unwrap());
    for about in [About::from(DANA), About::from(contact), holder.clone()] {
        desk.support().take(about, &Sensitive::from("it does not work")).await.unwrap();
    }
    let settled = async |assistant: &Assistant| {
        assistant.sweep(1_000).await.unwrap().into_result().unwrap();
        world.clock.set(world.now() + RETENTION_SETTLES);
        assistant.sweep(1_000).await.unwrap().into_result().unwrap().redated
    };
    assert_eq!(settled(&world.assistant).await, 0, "all is dated by the rules as they are");
    let mut config = config();
    config.retention.usage = TimeDelta::days(2);
    config.retention.support = TimeDelta::days(3);
    let stricter = world.another(parrot(), 9, |builder| builder.config(config));
    assert_eq!(settled(&stricter).await, 4);
    world.later(TimeDelta::days(2).num_seconds());
    assert_eq!(desk.usage().of(DANA, Purpose::Security, None, 10).await.unwrap().0, []);
    assert_eq!(desk.support().of(contact, None, 10).await.unwrap().0.len(), 1);
    world.later(TimeDelta::days(1).num_seconds());
    for about in [About::from(DANA), About::from(contact), holder] {
        assert!(desk.support().of(about, None, 10).await.unwrap().0.is_empty());
    }
}

#[tokio::test]
async fn p1_of_a_use_the_network_the_device_and_the_minute_are_kept_for_a_short_time() {
    let world = world().await;
    let log = world.assistant.desk(world.tenant).usage();
    world.later(37);
    let noted = log.note(DANA, Purpose::Security, new(" inbox ")).await.unwrap();
    assert_eq!(noted, UsageNoted::Kept);
    let (entries, next) = log.of(DANA, Purpose::Security, None, 10).await.unwrap();
    assert_eq!((entries.len(), next), (1, None));
    let entry = &entries[0];
    assert_eq!((entry.feature.as_str(), entry.device), ("inbox", Some(Device::Phone)));
    assert_eq!(entry.network.unwrap().to_string(), "203.0.113.0/24");
    assert_eq!((entry.at.timestamp() % 60, entry.at <= world.now()), (0, true));
    // For another purpose it was not noted.
    assert_eq!(log.of(DANA, Purpose::Analytics, None, 10).await.unwrap().0, []);
    denied(log.of(DANA, Purpose::Support, None, 10).await, DeniedReason::Unregistered);

    world.later(TimeDelta::days(30).num_seconds());
    world.assistant.trust_clock().await.unwrap();
    assert_eq!(log.of(DANA, Purpose::Security, None, 10).await.unwrap().0, [], "not even before the sweep");
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    assert_eq!(stored(&world, &DANA.into(), Kind::USAGE).await, 0);
}

#[tokio::test]
async fn what_is_not_in_the_register_is_not_noted_and_what_names_nothing_neither() {
    let world = world().await;
    let desk = world.assistant.desk(world.tenant);
    denied(desk.usage().note(DANA, Purpose::Improvement, new("inbox")).await, DeniedReason::Unregistered);
    let holder = About::holder(&world.assistant.tenant(world.tenant).await.unwrap());
    denied(desk.usage().note(holder, Purpose::Security, new("inbox")).await, DeniedReason::Unregistered);
    for (purpose, feature) in
        [(Purpose::Support, "inbox"), (Purpose::Security, "  "), (Purpose::Security, &"x".repeat(101))]
    {
        let refused = desk.usage().note(DANA, purpose, new(feature)).await;
        assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{purpose} {feature}: {refused:?}");
    }
    let nobody = About::from(whisp::id::MemberId(whisp::id::SubjectId::from_bytes([99; 16])));
    let refused = desk.usage().note(nobody, Purpose::Security, new("inbox")).await;
    assert!(matches!(refused, Err(AssistantError::NotFound(_))), "{refused:?}");
    // The standard register permits neither.
    let standard = World::new().await;
    let desk = standard.assistant.desk(standard.tenant);
    denied(desk.usage().note(DANA, Purpose::Security, new("inbox")).await, DeniedReason::Unregistered);
    denied(desk.support().take(DANA, &"It is slow".into()).await, DeniedReason::Unregistered);
}

#[tokio::test]
async fn p58_a_browser_that_says_no_is_an_objection_and_nothing_optional_is_kept() {
    let world = world().await;
    let desk = world.assistant.desk(world.tenant);
    let gpc = || NewUsage { gpc: true, ..new("inbox") };
    assert_eq!(desk.usage().note(DANA, Purpose::Analytics, gpc()).await.unwrap(), UsageNoted::NotWanted);
    assert_eq!(stored(&world, &DANA.into(), Kind::USAGE).await, 0);
    let standing = desk.standing(DANA).await.unwrap();
    assert_eq!(standing.objections().collect::<Vec<_>>(), [Purpose::Analytics, Purpose::Improvement]);
    // It holds without the header too, and the next one says nothing new.
    denied(desk.usage().note(DANA, Purpose::Analytics, new("inbox")).await, DeniedReason::Objected);
    assert_eq!(desk.usage().note(DANA, Purpose::Security, gpc()).await.unwrap(), UsageNoted::Kept);
    assert_eq!(desk.statements(DANA).await.unwrap().len(), 2);
    let again = Statement::Objection { purpose: Purpose::Analytics, stands: false };
    desk.declare(DANA, again, Act::Host).await.unwrap();
    assert_eq!(desk.usage().note(DANA, Purpose::Analytics, new("inbox")).await.unwrap(), UsageNoted::Kept);
}

#[tokio::test]
async fn p3_what_is_given_to_support_is_opened_for_support_alone_told_in_the_copy_and_erased() {
    let world = world().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(world.conversation().await).await.unwrap().contact;
    let said = Sensitive::from("canary: the shop does not answer me");
    for refused in [Sensitive::from(" "), Sensitive::from("x".repeat(64 * 1_024 + 1).as_str())] {
        let result = desk.support().take(contact, &refused).await;
        assert!(matches!(result, Err(AssistantError::Invalid(_))), "{result:?}");
    }
    let id = desk.support().take(contact, &said).await.unwrap();
    let (entries, _) = desk.support().of(contact, None, 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| (entry.id, entry.text.clone())).collect::<Vec<_>>(), [(id, said)]);
    denied(desk.usage().of(contact, Purpose::Analytics, None, 10).await, DeniedReason::Unregistered);
    // In the store it is sealed.
    let record = world.store.get(world.tenant, Kind::SUPPORT, id).await.unwrap().unwrap();
    assert!(!record.clear.0.contains("canary") && !record.sealed.0.windows(6).any(|bytes| bytes == b"canary"));
    // No engine sees it.
    world.says("m2", "Are you open?").await;
    world.settle().await;
    assert!(!world.channel.texts().iter().any(|text| text.contains("canary")));

    let copy = world.assistant.export(world.tenant, contact, None).await.unwrap().entries;
    let told = copy.iter().find(|entry| matches!(entry.data, ExportedData::Support { .. })).unwrap();
    assert!(told.is_portable() && told.kept_until.is_some());
    // Who wants no help any more is not asked again, and what they gave is theirs still.
    let no = Statement::withdrawn(Purpose::Support);
    desk.declare(contact, no, Act::Host).await.unwrap();
    denied(desk.support().take(contact, &"more".into()).await, DeniedReason::Withdrawn);
    denied(desk.support().of(contact, None, 10).await, DeniedReason::Withdrawn);
    world.assistant.erase(world.tenant, contact).await.unwrap();
    assert_eq!(stored(&world, &contact.into(), Kind::SUPPORT).await, 0);
    let gone = desk.support().take(contact, &"too late".into()).await;
    assert!(matches!(gone, Err(AssistantError::NotFound(_))), "{gone:?}");
}

#[tokio::test]
async fn a_member_notes_their_own_use_and_an_owner_reads_it() {
    let world = world().await;
    let desk = world.assistant.desk(world.tenant);
    let (own, other) = (desk.by(DANA), whisp::id::MemberId(whisp::id::SubjectId::from_bytes([6; 16])));
    crate::world::join(&world.assistant, world.tenant, other, whisp::privacy::Role::Member).await;
    assert_eq!(own.usage().note(DANA, Purpose::Security, new("inbox")).await.unwrap(), UsageNoted::Kept);
    let theirs = desk.by(other).usage();
    assert_eq!(theirs.note(other, Purpose::Security, new("inbox")).await.unwrap(), UsageNoted::Kept);
    let refused = theirs.of(DANA, Purpose::Security, None, 10).await;
    assert!(matches!(refused, Err(AssistantError::Forbidden(_))), "{refused:?}");
    assert_eq!(own.usage().of(other, Purpose::Security, None, 10).await.unwrap().0.len(), 1, "an admin serves rights");
}
