//! A business passes to a new owner (promise P38): who, from when on, that the keys went along is looked at and not believed,
//! and people are told.

use std::sync::Arc;

use chrono::TimeDelta;
use whisp::assistant::{AssistantError, Transfers};
use whisp::audit::AuditAction;
use whisp::id::{MemberId, SubjectId};
use whisp::model::AutomationMode;
use whisp::privacy::{Controller, Role};
use whisp::store::Kind;
use whisp::stores::keys::MoveCheck;
use whisp::stores::{
    CellKeyProvider, EnvelopeVault, LocalKeyProvider, MemoryCells, MemoryKeyTable, MemoryStore, MovingKeyProvider,
};
use whisp::testing::ManualClock;
use whisp::vault::KeyProvider;

use crate::tap::{Tap, puts};
use crate::world::{World, join, parrot};

fn new_owner() -> Controller {
    Controller::new("Canary & Daughters", "2 Abay Avenue, Almaty", "privacy@canary.example")
}

fn transfers(world: &World) -> Transfers {
    world.assistant.desk(world.tenant).transfers()
}

/// A key service of one owner: it can destroy.
fn service() -> Arc<dyn KeyProvider> {
    let folder = tempfile::tempdir().unwrap();
    let root = Arc::new(LocalKeyProvider::create(folder.path().join("root.key")).unwrap());
    Arc::new(CellKeyProvider::new(root, Arc::new(MemoryCells::new())))
}

#[tokio::test]
async fn p38_control_has_passed_when_the_keys_are_with_the_new_owner_s_service_alone() {
    let (old, new) = (service(), service());
    let (table, clock) = (Arc::new(MemoryKeyTable::new()), Arc::new(ManualClock::default()));
    let moving = Arc::new(MovingKeyProvider::new(Arc::clone(&old), new));
    let its = Arc::<MovingKeyProvider>::clone(&moving);
    // What was there before the move is the old owner's.
    drop(EnvelopeVault::open(old, Arc::<MemoryKeyTable>::clone(&table)).await.unwrap());
    let vault = Arc::new(EnvelopeVault::open(its, Arc::<MemoryKeyTable>::clone(&table)).await.unwrap());
    let world = World::equipped(Arc::new(MemoryStore::new()), parrot(), AutomationMode::Automatic, |builder| {
        builder.vault(vault).clock(Arc::clone(&clock) as _)
    })
    .await;
    let check = MoveCheck::new(moving, table);
    let invalid = |result: Result<_, AssistantError>| matches!(result, Err(AssistantError::Invalid(_)));
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    let from = world.assistant.now() + TimeDelta::days(30);
    let begun = transfers(&world).begin(new_owner(), from).await.unwrap();
    assert_eq!((&begun.to, begun.from, begun.completed_at, begun.keys), (&new_owner(), from, None, None));
    assert!(invalid(transfers(&world).begin(new_owner(), from).await), "one at a time");
    assert!(invalid(transfers(&world).complete(begun.id, Some(&check)).await), "not before its time");
    clock.set(from);
    world.assistant.trust_clock().await.unwrap();
    assert!(invalid(transfers(&world).complete(begun.id, Some(&check)).await), "no epoch has turned since");
    assert_eq!(transfers(&world).list().await.unwrap()[0].completed_at, None);
    for _ in 0..3 {
        world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    }
    let done = transfers(&world).complete(begun.id, Some(&check)).await.unwrap();
    let keys = done.keys.unwrap();
    assert!(keys.begun_at > begun.noted_at && keys.old_gone_at.is_some(), "{keys:?}");
    assert!(invalid(transfers(&world).complete(begun.id, None).await), "once");
    assert!(invalid(transfers(&world).told(begun.id, from + TimeDelta::seconds(1)).await), "not in the future");
    let told = transfers(&world).told(begun.id, from).await.unwrap();
    assert_eq!(transfers(&world).list().await.unwrap(), [told]);
    assert!(invalid(transfers(&world).told(begun.id, from).await));

    let audit = world.assistant.audit(world.tenant);
    while audit.sequence(1_000).await.unwrap() > 0 {}
    let (events, _) = audit.events(None, 1_000).await.unwrap();
    let steps = [AuditAction::TransferBegun, AuditAction::TransferCompleted, AuditAction::TransferTold];
    let logged = events.iter().map(|entry| entry.event.action).filter(|action| steps.contains(action));
    assert_eq!(logged.collect::<Vec<_>>(), steps);
}

/// Says that nothing has moved.
#[derive(Debug)]
struct Nothing;

#[async_trait::async_trait]
impl whisp::vault::MovedKeys for Nothing {
    async fn is_moved(&self, _tenant: whisp::id::TenantId) -> Result<bool, whisp::vault::VaultError> {
        Ok(false)
    }
}

#[tokio::test]
async fn keys_that_only_turned_have_not_moved_and_a_host_that_serves_both_moves_none() {
    let tap = Tap::new();
    let world = World::over(tap.store(), parrot(), AutomationMode::Automatic).await;
    let incomplete = Controller { contact: String::new(), ..new_owner() };
    assert!(matches!(transfers(&world).begin(incomplete, world.now()).await, Err(AssistantError::Invalid(_))));
    let begun = transfers(&world).begin(new_owner(), world.now()).await.unwrap();
    world.later(8 * 86_400);
    world.assistant.trust_clock().await.unwrap();
    assert!(world.assistant.sweep(100).await.unwrap().into_result().unwrap().turned > 0);
    let refused = transfers(&world).complete(begun.id, Some(&Nothing)).await;
    assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{refused:?}");
    assert_eq!(transfers(&world).complete(begun.id, None).await.unwrap().keys, None);
    // A name of a new owner may be a person's.
    for batch in tap.done() {
        for record in puts(&batch, Kind::TRANSFER) {
            assert!(!record.clear.0.contains("Canary") && !record.sealed.0.is_empty());
        }
    }
}

#[tokio::test]
async fn to_pass_a_business_on_is_its_owner_s() {
    let world = World::new().await;
    for (number, role, may) in [(11, Role::Owner, true), (12, Role::Admin, false), (13, Role::Auditor, false)] {
        let member = MemberId(SubjectId::from_bytes([number; 16]));
        join(&world.assistant, world.tenant, member, role).await;
        let listed = world.assistant.desk(world.tenant).by(member).transfers().list().await;
        assert_eq!(listed.is_ok(), may, "{role:?}");
    }
}
