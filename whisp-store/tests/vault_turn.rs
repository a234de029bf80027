//! The epoch of a tenant's key turns: whatever happens in between, what was sealed opens, and a copy of the keys from
//! before does not (invariants I-19, I-21).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by a panic")]

#[path = "support/epochs.rs"]
mod epochs;
#[path = "support/faulty_keys.rs"]
mod faulty_keys;
#[path = "support/memory_keys.rs"]
mod memory_keys;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use epochs::{TENANT, day, due, opens, people, place, subject, turn};
use faulty_keys::Faults;
use memory_keys::Keys;
use whisp_core::id::TenantId;
use whisp_core::system::SystemClock;
use whisp_core::vault::{
    CellName, Destroyed, Destruction, EpochDue, ErasableCell, IndexField, KeyContext, KeyTable, Turn, Vault,
    VaultError, VaultErrorKind,
};
use whisp_store::keys::transit::Snapshots;
use whisp_store::keys::transit::simulator::TransitSimulator;
use whisp_store::{
    CellKeyProvider, EnvelopeVault, FolderCells, LocalKeyProvider, MemoryKeyTable, SqliteKeyTable, TransitKeyProvider,
};

/// Whether the key of an epoch is in its cell.
async fn has_cell(keys: &Keys, epoch: u32) -> bool {
    keys.cells.read(&CellName::of(&KeyContext { tenant: TENANT, epoch })).await.unwrap().is_some()
}

#[tokio::test]
async fn an_epoch_turns_when_it_is_due_and_not_before() {
    let keys = Keys::new();
    let vault = keys.vault().await;
    assert_eq!(vault.turn(TENANT, &due(0), 100).await.unwrap(), Turn::NotDue, "there is no key yet");
    let sealed = people(&vault, 10).await;
    let index = vault.index(TENANT, IndexField::Handle, b"x").await.unwrap();
    // When the first one began nobody knows: it is due.
    let Turn::Destroyed { epoch: 2, begun_at, before: Destroyed::Now, .. } = turn(&vault, TENANT, &due(0)).await else {
        panic!("it turns")
    };
    assert_eq!(begun_at, day(0));
    let week = |n| EpochDue { now: day(n), begun_before: day(n - 7) };
    assert_eq!(vault.turn(TENANT, &week(7), 100).await.unwrap(), Turn::NotDue);
    assert!(matches!(turn(&vault, TENANT, &week(8)).await, Turn::Destroyed { epoch: 3, .. }));
    assert_eq!((has_cell(&keys, 1).await, has_cell(&keys, 2).await, has_cell(&keys, 3).await), (false, false, true));
    for vault in [vault, keys.vault().await] {
        for (n, sealed) in (0..).zip(&sealed) {
            opens(&vault, n, sealed).await.unwrap();
        }
        assert_eq!(vault.index(TENANT, IndexField::Handle, b"x").await.unwrap(), index, "what was indexed is found");
    }
}

/// Every call of the table and of the provider is lost once, before it has done anything and after.
#[tokio::test]
async fn a_turn_that_is_cut_short_anywhere_is_ended_by_whoever_comes_next() {
    const PEOPLE: u8 = 8;
    for lost_after in [false, true] {
        let mut faulted = 0;
        for at in 0.. {
            let keys = Keys::new();
            let sealed = people(&keys.vault().await, PEOPLE).await;
            let (erased, faults) = (3, Arc::new(Faults::default()));
            keys.vault().await.erase(TENANT, subject(erased), day(0)).await.unwrap();
            let vault = keys.faulty(&faults).await.unwrap();
            faults.fail_at(at, lost_after);
            let mut done = false;
            for _ in 0..8 {
                match vault.turn(TENANT, &due(1), 3).await {
                    Err(_) => break,
                    Ok(Turn::Destroyed { epoch, .. }) => {
                        done = vault.end_turn(TENANT, epoch).await.is_ok();
                        break;
                    }
                    Ok(_) => {}
                }
            }
            drop(vault);
            // This process has crashed, or its answer was lost: another one goes on.
            let other = keys.vault().await;
            for (n, sealed) in (0..).zip(&sealed).filter(|(n, _)| *n != erased) {
                opens(&other, n, sealed).await.unwrap_or_else(|error| panic!("{n} after call {at}: {error:?}"));
            }
            let ended = turn(&other, TENANT, &EpochDue { now: day(1), begun_before: day(1) }).await;
            assert!(done || matches!(ended, Turn::Destroyed { epoch: 2, .. } | Turn::NotDue), "{ended:?}");
            let key = keys.table.tenant(TENANT).await.unwrap().unwrap();
            assert_eq!((key.epoch, key.begun_at, key.previous), (2, Some(day(1)), None), "after call {at}");
            assert_eq!((has_cell(&keys, 1).await, has_cell(&keys, 2).await), (false, true), "after call {at}");
            assert!(keys.table.of_epoch(TENANT, 1, 10).await.unwrap().is_empty());
            let fresh = keys.vault().await;
            for (n, sealed) in (0..).zip(&sealed) {
                let expected = if n == erased { Err(VaultErrorKind::Erased) } else { Ok(()) };
                assert_eq!(opens(&fresh, n, sealed).await, expected, "{n} after call {at}");
            }
            if !faults.is_spent() {
                break;
            }
            faulted += 1;
        }
        assert!(faulted > 10, "{faulted} calls");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_processes_that_turn_write_and_read_at_once_end_in_one_state() {
    let keys = Arc::new(Keys::new());
    let sealed = Arc::new(people(&keys.vault().await, 60).await);
    let mut tasks = Vec::new();
    for process in 0..4_u8 {
        let (keys, sealed) = (Arc::clone(&keys), Arc::clone(&sealed));
        tasks.push(tokio::spawn(async move {
            let vault = keys.vault().await;
            for round in 1..=3 {
                turn(&vault, TENANT, &due(round)).await;
                let new = 100 + process * 10 + u8::try_from(round).unwrap();
                vault.provision(TENANT, &[subject(new)]).await.unwrap();
                let told = vault.seal(&place(new), &[new]).await.unwrap();
                // Nothing in memory: every reader meets the turn in the table.
                let reader = keys.vault().await;
                opens(&reader, new, &told).await.unwrap();
                for (n, sealed) in (0..).zip(&*sealed) {
                    match opens(&reader, n, sealed).await {
                        Ok(()) => {}
                        Err(VaultErrorKind::Erased) if n % 10 == 9 => {}
                        Err(error) => panic!("{n}: {error:?}"),
                    }
                }
                vault.erase(TENANT, subject(process * 10 + 9), day(0)).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let vault = keys.vault().await;
    turn(&vault, TENANT, &due(9)).await;
    let key = keys.table.tenant(TENANT).await.unwrap().unwrap();
    assert_eq!(key.previous, None);
    for epoch in 0..key.epoch {
        assert!(!has_cell(&keys, epoch).await, "epoch {epoch}");
        assert!(keys.table.of_epoch(TENANT, epoch, 1).await.unwrap().is_empty());
    }
    for (n, sealed) in (0..).zip(&*sealed) {
        let erased = n < 40 && n % 10 == 9;
        assert_eq!(opens(&vault, n, sealed).await, if erased { Err(VaultErrorKind::Erased) } else { Ok(()) }, "{n}");
    }
}

/// A process that slept over a turn has the old key in memory.
#[tokio::test]
async fn whoever_slept_over_a_turn_reads_and_writes_as_before() {
    let keys = Keys::new();
    let (slow, quick) = (keys.vault().await, keys.vault().await);
    let sealed = people(&slow, 2).await;
    for round in 1..=3 {
        turn(&quick, TENANT, &due(round)).await;
    }
    let new = 9;
    slow.provision(TENANT, &[subject(new)]).await.unwrap();
    let told = slow.seal(&place(new), &[new]).await.unwrap();
    opens(&quick, new, &told).await.unwrap();
    let slept = keys.vault().await;
    turn(&quick, TENANT, &due(4)).await;
    for (n, sealed) in (0..).zip(&sealed) {
        opens(&slept, n, sealed).await.unwrap();
    }
}

#[tokio::test]
async fn a_turn_that_is_told_to_have_ended_too_early_loses_nobody() {
    let keys = Keys::new();
    let vault = keys.vault().await;
    let sealed = people(&vault, 5).await;
    assert!(matches!(vault.turn(TENANT, &due(1), 2).await.unwrap(), Turn::UnderWay { rewrapped: 2 }));
    for epoch in [0, 1, 2, 3, u32::MAX] {
        vault.end_turn(TENANT, epoch).await.unwrap();
    }
    let other = keys.vault().await;
    for (n, sealed) in (0..).zip(&sealed) {
        opens(&other, n, sealed).await.unwrap();
    }
    assert!(matches!(turn(&other, TENANT, &due(1)).await, Turn::Destroyed { epoch: 2, .. }));
}

#[tokio::test]
async fn without_cells_it_says_that_nothing_is_destroyed_for_sure() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Arc::new(LocalKeyProvider::create(folder.path().join("root.key")).unwrap());
    let vault = EnvelopeVault::open(provider, Arc::new(MemoryKeyTable::new())).await.unwrap();
    assert_eq!(vault.destruction(), Destruction::Unverifiable);
    let sealed = people(&vault, 1).await;
    let turned = turn(&vault, TENANT, &due(1)).await;
    assert!(matches!(turned, Turn::Destroyed { before: Destroyed::Unverifiable, .. }), "{turned:?}");
    opens(&vault, 0, &sealed[0]).await.unwrap();
}

async fn on_files(folder: &Path) -> Result<EnvelopeVault, VaultError> {
    let root = LocalKeyProvider::open_or_create(folder.join("root.key"))?;
    let provider = CellKeyProvider::new(Arc::new(root), Arc::new(FolderCells::open(folder.join("cells"))?));
    EnvelopeVault::open(Arc::new(provider), Arc::new(SqliteKeyTable::open(folder.join("keys.db"))?)).await
}

#[tokio::test]
async fn i21_a_copy_of_the_key_table_from_before_the_turn_opens_nothing_after_it() {
    let folder = tempfile::tempdir().unwrap();
    is_useless_after_the_turn(folder.path(), async || on_files(folder.path()).await).await;
}

#[tokio::test]
async fn i21_with_a_key_service_a_copy_of_the_key_table_opens_nothing_after_the_turn() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = TransitSimulator::start().await.unwrap();
    let open = async || {
        let provider = TransitKeyProvider::new(&simulator.config(Snapshots::Never), Arc::new(SystemClock)).unwrap();
        let table = SqliteKeyTable::open(folder.path().join("keys.db"))?;
        EnvelopeVault::open(Arc::new(provider), Arc::new(table)).await
    };
    is_useless_after_the_turn(folder.path(), open).await;
    assert_eq!(simulator.keys().len(), 2, "one key for each, the directory and the tenant: {:?}", simulator.keys());
}

#[tokio::test]
async fn a_turn_asks_the_key_service_as_often_for_many_people_as_for_one() {
    // It wraps the next key and unwraps both, allows to delete and deletes, and is told at the end that it is gone.
    const CALLS: usize = 6;
    let mut calls = Vec::new();
    for count in [1, 200] {
        let simulator = TransitSimulator::start().await.unwrap();
        let provider = TransitKeyProvider::new(&simulator.config(Snapshots::Never), Arc::new(SystemClock)).unwrap();
        let vault = EnvelopeVault::open(Arc::new(provider), Arc::new(MemoryKeyTable::new())).await.unwrap();
        let sealed = people(&vault, count).await;
        let before = simulator.requests().len();
        turn(&vault, TENANT, &due(1)).await;
        opens(&vault, 0, &sealed[0]).await.unwrap();
        calls.push(simulator.requests().len() - before);
    }
    assert_eq!(calls, [CALLS; 2]);
}

/// The key table's own backup, restored: before the turn it brings the erased back, which is why there is a horizon;
/// after it, it opens nothing. Each vault is opened as after a restart, over `keys.db` in the folder.
async fn is_useless_after_the_turn(folder: &Path, open: impl AsyncFn() -> Result<EnvelopeVault, VaultError>) {
    let (table, copy, now) = ["keys.db", "copy.db", "now.db"].map(|name| folder.join(name)).into();
    let vault = open().await.unwrap();
    let sealed = people(&vault, 2).await;
    drop(vault);
    fs::copy(&table, &copy).unwrap();

    let vault = open().await.unwrap();
    vault.erase(TENANT, subject(0), day(0)).await.unwrap();
    assert_eq!(opens(&vault, 0, &sealed[0]).await, Err(VaultErrorKind::Erased));
    drop(vault);
    fs::copy(&table, &now).unwrap();
    fs::copy(&copy, &table).unwrap();
    let restored = open().await.unwrap();
    assert_eq!(opens(&restored, 0, &sealed[0]).await, Ok(()), "that is what the horizon is for");
    drop(restored);
    fs::copy(&now, &table).unwrap();

    // The tenant's epoch turns, the directory's does not: the copy opens as a table, and nobody in it does.
    let vault = open().await.unwrap();
    assert!(matches!(turn(&vault, TENANT, &due(1)).await, Turn::Destroyed { before: Destroyed::Now, .. }));
    drop(vault);
    fs::copy(&table, &now).unwrap();
    fs::copy(&copy, &table).unwrap();
    let restored = open().await.unwrap();
    for (n, sealed) in (0..).zip(&sealed) {
        assert_eq!(opens(&restored, n, sealed).await, Err(VaultErrorKind::Destroyed));
    }
    drop(restored);

    // The survivor's data, which are as old as the copy, open with the current table.
    fs::copy(&now, &table).unwrap();
    let vault = open().await.unwrap();
    assert_eq!(opens(&vault, 1, &sealed[1]).await, Ok(()));
    assert_eq!(opens(&vault, 0, &sealed[0]).await, Err(VaultErrorKind::Erased));

    // The directory's epoch has turned too: the copy is refused when it is opened, before anything is written.
    turn(&vault, TenantId::DIRECTORY, &due(1)).await;
    drop(vault);
    fs::copy(&copy, &table).unwrap();
    let refused = open().await.unwrap_err();
    assert_eq!(refused.kind(), VaultErrorKind::Destroyed);
    assert!(refused.to_string().contains("the current one"), "{refused}");
    assert_eq!(fs::read(&table).unwrap(), fs::read(&copy).unwrap());
}
