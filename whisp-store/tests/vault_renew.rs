//! A subject gets new keys: whatever happens in between, what was sealed opens, and an erasure leaves none of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "support/epochs.rs"]
mod epochs;
#[path = "support/faulty_keys.rs"]
mod faulty_keys;
#[path = "support/memory_keys.rs"]
mod memory_keys;

use std::sync::Arc;

use epochs::{TENANT, day, due, opens, place, subject, turn};
use faulty_keys::Faults;
use memory_keys::Keys;
use whisp_core::store::Sealed;
use whisp_core::vault::{KeyErasure, KeyTable, Vault, VaultErrorKind};
use whisp_store::EnvelopeVault;
use whisp_store::vault::VERSIONS_MAX;

/// Whose key it is.
const ONE: u8 = 1;

/// How many keys the tenant's subjects have, whoever's they are.
async fn live(keys: &Keys) -> usize {
    let epoch = keys.table.tenant(TENANT).await.unwrap().unwrap().epoch;
    keys.table.of_epoch(TENANT, epoch, 100).await.unwrap().len()
}

async fn seal(vault: &EnvelopeVault) -> Sealed {
    vault.seal(&place(ONE), &[ONE]).await.unwrap()
}

/// Of which version the key is that sealed it.
fn version(Sealed(sealed): &Sealed) -> u32 {
    u32::from_be_bytes(sealed.get(4..8).unwrap().try_into().unwrap())
}

#[tokio::test]
async fn each_renewal_makes_another_key_up_to_the_last() {
    let keys = Keys::new();
    let vault = keys.vault().await;
    vault.provision(TENANT, &[subject(ONE)]).await.unwrap();
    let mut sealed = vec![seal(&vault).await];
    for number in 2..=VERSIONS_MAX {
        assert_eq!(vault.renew(TENANT, subject(ONE)).await.unwrap(), number);
        sealed.push(seal(&vault).await);
    }
    assert!(sealed.iter().map(version).eq(1..=VERSIONS_MAX));
    assert_eq!(vault.renew(TENANT, subject(ONE)).await.unwrap_err().kind(), VaultErrorKind::Exhausted);
    turn(&vault, TENANT, &due(1)).await;
    for sealed in &sealed {
        opens(&keys.vault().await, ONE, sealed).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_has_the_older_keys_in_memory_opens_what_another_sealed_under_the_newest() {
    let keys = Keys::new();
    let (here, there) = (keys.vault().await, keys.vault().await);
    here.provision(TENANT, &[subject(ONE)]).await.unwrap();
    opens(&there, ONE, &seal(&here).await).await.unwrap();
    here.renew(TENANT, subject(ONE)).await.unwrap();
    let new = seal(&here).await;
    opens(&there, ONE, &new).await.unwrap();
    assert_eq!((version(&new), version(&seal(&there).await)), (2, 2));
}

/// With the call lost before it did anything, or only its answer; at every call of both.
#[tokio::test]
async fn a_renewal_or_an_erasure_that_is_cut_short_anywhere_is_ended_by_whoever_comes_next() {
    for lost_after in [false, true] {
        let mut faulted = 0;
        for at in 0.. {
            let keys = Keys::new();
            let vault = keys.vault().await;
            vault.provision(TENANT, &[subject(ONE), subject(2)]).await.unwrap();
            let mut sealed = vec![seal(&vault).await];
            vault.renew(TENANT, subject(ONE)).await.unwrap();
            sealed.push(seal(&vault).await);
            drop(vault);
            let faults = Arc::new(Faults::default());
            let vault = keys.faulty(&faults).await.unwrap();
            faults.fail_at(at, lost_after);
            if vault.renew(TENANT, subject(ONE)).await.is_ok() {
                vault.erase(TENANT, subject(ONE), day(1)).await.ok();
            } else {
                let other = keys.vault().await;
                sealed.push(seal(&other).await);
                other.renew(TENANT, subject(ONE)).await.unwrap();
                sealed.push(seal(&other).await);
                for sealed in &sealed {
                    opens(&keys.vault().await, ONE, sealed).await.unwrap_or_else(|kind| panic!("call {at}: {kind:?}"));
                }
            }
            drop(vault);
            // This process has crashed, or its answer was lost: another one goes on.
            let ended = keys.vault().await.erase(TENANT, subject(ONE), day(2)).await.unwrap();
            assert!(matches!(ended, KeyErasure::Destroyed(_)), "{ended:?}");
            assert_eq!(live(&keys).await, 1, "only the other person's, after call {at}");
            for sealed in &sealed {
                assert_eq!(opens(&keys.vault().await, ONE, sealed).await, Err(VaultErrorKind::Erased), "call {at}");
            }
            if !faults.is_spent() {
                break;
            }
            faulted += 1;
        }
        assert!(faulted > 8, "{faulted} calls");
    }
}

/// The mark never says that the keys were gone earlier than they were.
#[tokio::test]
async fn an_erasure_that_is_cut_short_is_no_older_than_its_last_key() {
    let keys = Keys::new();
    let vault = keys.vault().await;
    vault.provision(TENANT, &[subject(ONE)]).await.unwrap();
    vault.renew(TENANT, subject(ONE)).await.unwrap();
    let sealed = seal(&vault).await;
    let faults = Arc::new(Faults::default());
    let faulty = keys.faulty(&faults).await.unwrap();
    // After the later key is gone, before the first.
    faults.fail_at(2, false);
    faulty.erase(TENANT, subject(ONE), day(1)).await.unwrap_err();
    assert_eq!(opens(&keys.vault().await, ONE, &sealed).await, Err(VaultErrorKind::Erased), "already");
    assert_eq!(live(&keys).await, 1);
    let ended = keys.vault().await.erase(TENANT, subject(ONE), day(3)).await.unwrap();
    assert_eq!((ended, live(&keys).await), (KeyErasure::Destroyed(day(3)), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewals_and_an_erasure_at_once_leave_no_key() {
    for round in 0..200 {
        let keys = Keys::new();
        let first = keys.vault().await;
        first.provision(TENANT, &[subject(ONE)]).await.unwrap();
        let sealed = seal(&first).await;
        let renewals = [Arc::new(first), Arc::new(keys.vault().await)].map(|vault| {
            tokio::spawn(async move {
                for _ in 0..3 {
                    match vault.renew(TENANT, subject(ONE)).await {
                        Ok(_) => tokio::task::yield_now().await,
                        Err(error) => {
                            assert!(
                                matches!(error.kind(), VaultErrorKind::Erased | VaultErrorKind::Turned),
                                "{error:?}"
                            );
                        }
                    }
                }
            })
        });
        let vault = keys.vault().await;
        (0..round % 7).for_each(|_| std::thread::yield_now());
        vault.erase(TENANT, subject(ONE), day(1)).await.unwrap();
        for renewal in renewals {
            renewal.await.unwrap();
        }
        assert_eq!(live(&keys).await, 0, "round {round}");
        assert_eq!(opens(&keys.vault().await, ONE, &sealed).await, Err(VaultErrorKind::Erased));
    }
}
