//! Trouble of one business, or with one thing, keeps nothing else from being done by a sweep.

use chrono::TimeDelta;
use secrecy::SecretString;
use whisp::assistant::{AssistantError, Config, NewConnection, NewTenant};
use whisp::id::TenantId;
use whisp::model::{AccountId, AutomationMode, ChannelKind};
use whisp::privacy::{Law, Urgency};
use whisp::store::{Kind, SubjectQuery, WriteOp};

use crate::requests::Asked;
use crate::tap::{Fate, Tap};
use crate::world::{World, parrot};

const OTHER: TenantId = TenantId::from_bytes([9; 16]);
const THEIR_ACCOUNT: &str = "2060";

#[tokio::test]
async fn p29_what_of_one_business_can_not_be_deleted_keeps_nothing_of_another() {
    let tap = Tap::new();
    let mut config = Config::default();
    config.retention.messages = TimeDelta::days(2);
    let world =
        World::equipped(tap.store(), parrot(), AutomationMode::Automatic, |builder| builder.config(config)).await;
    world.assistant.create_tenant(NewTenant::new(OTHER, "Tea & Co", "UTC")).await.unwrap();
    let theirs = NewConnection {
        channel: ChannelKind::WhatsApp,
        account: AccountId::new(THEIR_ACCOUNT),
        token: SecretString::from("another token"),
        scopes: Vec::new(),
        mode: AutomationMode::Off,
    };
    world.assistant.connect(OTHER, theirs).await.unwrap();
    world.says("m1", "Do you have cake?").await;
    let mut item = world.message("m2", "Do you have tea?");
    item.account = Some(AccountId::new(THEIR_ACCOUNT));
    world.ingest(vec![item]).await;
    world.settle().await;
    let kept = async |tenant| {
        let contact = world.assistant.desk(tenant).inbox(None, 1).await.unwrap().conversations[0].contact;
        let query = SubjectQuery { tenant, subject: contact.0, after: None, limit: 100 };
        let records = world.store.of_subject(&query).await.unwrap().records;
        records.iter().filter(|record| record.kind == Kind::MESSAGE).count()
    };
    assert!(kept(world.tenant).await > 0 && kept(OTHER).await > 0);
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    world.later(3 * 24 * 3_600);
    let first = world.tenant;
    tap.ask(move |batch| {
        let deletes = |op: &WriteOp| matches!(op, WriteOp::Delete(kind, ..) if *kind == Kind::MESSAGE);
        if batch.tenant == first && batch.ops.iter().any(deletes) { Fate::Lost } else { Fate::Done }
    });
    let report = world.assistant.sweep(1_000).await.unwrap();
    assert!(matches!(report.errors[..], [AssistantError::Store(_)]), "{report:?}");
    assert!(kept(world.tenant).await > 0, "the disk took nothing");
    assert_eq!(kept(OTHER).await, 0, "the other one's are gone all the same");
    tap.heal();
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    assert_eq!(kept(world.tenant).await, 0, "and the next sweep tries again");
}

#[tokio::test]
async fn p55_a_deadline_is_told_though_something_else_is_in_trouble() {
    let tap = Tap::new();
    let asked =
        Asked::over(World::over(tap.store(), parrot(), AutomationMode::Automatic).await, "delete my data").await;
    let due = asked.only().await.due(&Law::built_in(), asked.world.now()).unwrap();
    asked.world.clock.set(due.reaches(Urgency::Half));
    asked.world.assistant.trust_clock().await.unwrap();
    tap.lose(Some(Kind::ERASURE));
    let report = asked.world.assistant.sweep(1_000).await.unwrap();
    assert!(!report.errors.is_empty(), "{report:?}");
    assert_eq!(report.due.iter().map(|each| each.urgency).collect::<Vec<_>>(), [Urgency::Half]);
    assert!(report.into_result().is_err());
    tap.lose(None);
    let report = asked.world.assistant.sweep(1_000).await.unwrap();
    assert!(report.due.is_empty() && report.errors.is_empty(), "it is told once: {report:?}");
}
