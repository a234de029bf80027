//! A key service that is not always there, and of which snapshots are kept: nothing is lost by the one, and a receipt
//! tells the other (invariant I-40).

use std::sync::Arc;

use chrono::TimeDelta;
use whisp::assistant::{ErasureHorizon, Unbounded};
use whisp::model::AutomationMode;
use whisp::stores::keys::transit::simulator::TransitSimulator;
use whisp::stores::keys::transit::{Snapshots, TransitKeyProvider};
use whisp::stores::{EnvelopeVault, MemoryKeyTable, MemoryStore};
use whisp::testing::ManualClock;

use crate::world::{World, parrot};

const DAY: i64 = 24 * 3_600;

/// A world whose keys are wrapped by the service, the provider, and the table.
async fn world(
    simulator: &TransitSimulator,
    snapshots: Snapshots,
) -> (World, Arc<TransitKeyProvider>, Arc<MemoryKeyTable>) {
    let (clock, table) = (Arc::new(ManualClock::default()), Arc::new(MemoryKeyTable::new()));
    let time = Arc::<ManualClock>::clone(&clock);
    let provider = Arc::new(TransitKeyProvider::new(&simulator.config(snapshots), time).unwrap());
    let vault = vault(&provider, &table).await;
    let (its, time) = (Arc::<EnvelopeVault>::clone(&vault), Arc::<ManualClock>::clone(&clock));
    let store = Arc::new(MemoryStore::new());
    let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.vault(its).clock(time));
    (World { clock, vault, ..world.await }, provider, table)
}

/// A vault with nothing in memory.
async fn vault(provider: &Arc<TransitKeyProvider>, table: &Arc<MemoryKeyTable>) -> Arc<EnvelopeVault> {
    let (provider, table) = (Arc::<TransitKeyProvider>::clone(provider), Arc::<MemoryKeyTable>::clone(table));
    Arc::new(EnvelopeVault::open(provider, table).await.unwrap())
}

#[tokio::test]
async fn i40_the_horizon_is_as_much_further_away_as_snapshots_of_the_key_service_are_kept() {
    let simulator = TransitSimulator::start().await.unwrap();
    let kept = TimeDelta::days(3);
    let (world, ..) = world(&simulator, Snapshots::KeptFor(kept)).await;
    let bound = world.assistant.erasure_horizon().unwrap();
    assert_eq!(bound, TimeDelta::days(8) + kept, "an epoch, a day for its turn, and the snapshots");
    world.says("m1", "Forget me").await;
    world.settle().await;
    let contact = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact;
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    world.later(DAY);
    let given = world.assistant.erase(world.tenant, contact).await.unwrap();
    let promised = given.key_destroyed_at.unwrap() + bound;
    assert_eq!(given.horizon, Some(ErasureHorizon::Until(promised)));
    let mut nearer = None;
    for _ in 0..20 {
        world.later(DAY);
        let turned = world.assistant.sweep(100).await.unwrap().into_result().unwrap().turned > 0;
        match world.assistant.receipt(world.tenant, given.id).await.unwrap().horizon_now.unwrap() {
            ErasureHorizon::Until(at) if turned && nearer.is_none() => {
                assert_eq!(at, world.now() + kept, "the snapshot of the moment before");
                nearer = Some(at);
            }
            ErasureHorizon::Until(at) => assert_eq!(at, nearer.unwrap_or(promised)),
            ErasureHorizon::Since(at) => {
                assert_eq!(Some(at), nearer);
                assert!(at <= promised && at <= world.now());
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("it never comes true");
}

#[tokio::test]
async fn i40_snapshots_of_which_nobody_knows_leave_erasures_without_a_horizon() {
    let simulator = TransitSimulator::start().await.unwrap();
    let (world, ..) = world(&simulator, Snapshots::Unknown).await;
    assert_eq!(world.assistant.erasure_horizon(), Err(Unbounded::KeyProvider));
}

/// A token runs out, Vault is sealed: what came in waits, and is answered when the keys can be had again.
#[tokio::test]
async fn a_key_service_that_refuses_for_a_while_loses_no_message() {
    for sealed in [false, true] {
        let simulator = TransitSimulator::start().await.unwrap();
        let (world, provider, table) = world(&simulator, Snapshots::Never).await;
        world.says("m1", "Are you open?").await;
        // Another process goes on, which has no tenant's key in memory yet.
        let world = World { vault: vault(&provider, &table).await, ..world };
        let world = World { assistant: world.second(parrot()), ..world };
        if sealed {
            simulator.seal(true);
        } else {
            simulator.take_token("hvs.next");
        }
        for _ in 0..5 {
            world.later(3_600);
            let report = world.step().await;
            assert!(!report.errors.is_empty(), "{report:?}");
        }
        assert!(world.channel.sent().is_empty());
        if sealed {
            simulator.seal(false);
        } else {
            provider.set_token("hvs.next".to_owned().into()).unwrap();
        }
        world.later(3_600);
        world.settle().await;
        assert_eq!(world.channel.sent().len(), 1);
        let (letters, _) = world.assistant.desk(world.tenant).dead_letters(None, 10).await.unwrap();
        assert!(letters.is_empty(), "{letters:?}");
    }
}
