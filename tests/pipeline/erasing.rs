//! An erasure ends as it would have, wherever it is cut short (invariant I-19).

use std::collections::BTreeMap;
use std::sync::Arc;

use whisp::assistant::{Assistant, AssistantError, ErasureReceipt, NewTenant};
use whisp::id::{ContactId, SubjectId, TenantId};
use whisp::model::{AutomationMode, PlatformMessageId, Provenance};
use whisp::store::{Kind, ListOrder, ListQuery, Record, Store, SubjectQuery};
use whisp::stores::MemoryStore;
use whisp::testing::cancel_after;
use whisp::webhook::Event;

use crate::world::{World, parrot};
use crate::yielding::Yielding;

/// More awaits than an erasure has here.
const AWAITS_MAX: usize = 400;

/// Somebody has written twice and got answers.
async fn world() -> (World, ContactId) {
    let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
    let world = World::over(store, parrot(), AutomationMode::Automatic).await;
    for id in ["m1", "m2"] {
        world.says(id, "Forget me").await;
        world.settle().await;
    }
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(world.conversation().await).await.unwrap().contact;
    (world, contact)
}

async fn of(world: &World, contact: ContactId) -> Vec<Record> {
    let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 1_000 };
    world.store.of_subject(&query).await.unwrap().records
}

async fn all(store: &Arc<dyn Store>, tenant: TenantId, kind: Kind) -> Vec<Record> {
    let query =
        ListQuery { tenant, kind, parent: tenant.into(), order: ListOrder::Ascending, after: None, limit: 1_000 };
    store.list(&query).await.unwrap().records
}

fn counted(records: &[Record]) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    records.iter().for_each(|record| *counts.entry(record.kind.name().to_owned()).or_default() += 1);
    counts.into_iter().collect()
}

#[tokio::test]
async fn an_erasure_cut_short_anywhere_ends_with_the_next_sweep_and_tells_the_same() {
    let (mut begun, mut ended) = (0, 0);
    for polls in 0..AWAITS_MAX {
        let (world, contact) = world().await;
        let before = counted(&of(&world, contact).await);
        let done = cancel_after(polls, world.assistant.erase(world.tenant, contact)).await;
        let under_way = all(&world.store, world.tenant, Kind::ERASURE).await.len();
        if under_way == 0 && done.is_none() && all(&world.store, world.tenant, Kind::RECEIPT).await.is_empty() {
            assert_eq!(counted(&of(&world, contact).await), before, "not begun, nothing done: {polls} polls");
            continue;
        }
        // Another process goes on: this one has crashed.
        let other = world.second(parrot());
        assert_eq!(other.sweep(1_000).await.unwrap().into_result().unwrap().erasures, under_way);
        assert!(of(&world, contact).await.is_empty(), "after {polls} polls");
        assert!(all(&world.store, world.tenant, Kind::ERASURE).await.is_empty());
        let receipts = all(&world.store, world.tenant, Kind::RECEIPT).await;
        assert_eq!(receipts.len(), 1);
        let receipt: ErasureReceipt = serde_json::from_str(&receipts[0].clear.0).unwrap();
        assert_eq!(receipt.deleted, before, "each record is counted once: {polls} polls");
        assert!(receipt.key_destroyed_at.is_some());
        assert_eq!(other.sweep(1_000).await.unwrap().into_result().unwrap().erasures, 0);
        begun += under_way;
        if let Some(done) = done {
            assert_eq!(done.unwrap(), receipt);
            ended += 1;
            break;
        }
    }
    assert!(begun > 5 && ended == 1, "{begun} {ended}");
}

#[tokio::test]
async fn two_who_erase_the_same_person_at_once_get_the_same_receipt() {
    let (world, contact) = world().await;
    let other = world.second(parrot());
    let erase = |assistant: &Assistant| {
        let (assistant, tenant) = (assistant.clone(), world.tenant);
        async move { assistant.erase(tenant, contact).await }
    };
    let (one, two): (Result<_, AssistantError>, _) = tokio::join!(erase(&world.assistant), erase(&other));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(all(&world.store, world.tenant, Kind::RECEIPT).await.len(), 1);
    assert!(of(&world, contact).await.is_empty());
}

/// An unsend overtakes its message, the person is erased, and then the message comes.
#[tokio::test]
async fn what_was_taken_back_before_an_erasure_stays_so_when_it_comes_after() {
    for settled in [false, true] {
        let (world, contact) = world().await;
        let late = world.message("late", "I should not have said this");
        let target = PlatformMessageId::new("late");
        let unsent = Event::Unsent { contact: Some(crate::world::contact()), target };
        world.ingest(vec![world.event("u1", Provenance::Live, unsent)]).await;
        world.assistant.erase(world.tenant, contact).await.unwrap();
        if settled {
            // What waited for the message is dropped with the conversation before it comes.
            for _ in 0..4 {
                world.later(3_600);
                world.settle().await;
            }
        }
        world.ingest(vec![late]).await;
        for _ in 0..6 {
            world.later(3_600);
            world.settle().await;
        }
        let desk = world.assistant.desk(world.tenant);
        for conversation in desk.inbox(None, 10).await.unwrap().conversations {
            for message in desk.messages(conversation.id, None, 10).await.unwrap().0 {
                assert_ne!(message.content.readable(), Some("I should not have said this"), "settled {settled}");
            }
        }
    }
}

/// What is past its time may be more than one sweep deletes; nobody's erasure waits for that.
#[tokio::test]
async fn an_erasure_that_was_cut_short_does_not_wait_for_what_others_have_past_its_time() {
    let (world, _) = world().await;
    let other = TenantId::from_bytes([9; 16]);
    world.assistant.create_tenant(NewTenant::new(other, "Tea & Co", "Asia/Almaty")).await.unwrap();
    let nobody = ContactId(SubjectId::from_bytes([8; 16]));
    let mut polls = 0;
    while all(&world.store, other, Kind::ERASURE).await.is_empty() {
        polls += 1;
        assert!(cancel_after(polls, world.assistant.erase(other, nobody)).await.is_none(), "after {polls} polls");
    }
    world.later(366 * 24 * 3_600);
    world.assistant.trust_clock().await.unwrap();
    let report = world.assistant.sweep(1).await.unwrap().into_result().unwrap();
    assert_eq!((report.deleted, report.more, report.erasures), (1, true, 1), "{report:?}");
    assert_eq!(all(&world.store, other, Kind::RECEIPT).await.len(), 1);
}
