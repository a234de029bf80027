//! Proves that a store of the host's own keeps the contracts of [`ErasableStore`]. Run it against yours.
#![expect(clippy::panic, reason = "a contract that is broken fails by panicking")]

use std::future::Future;

use uuid::Uuid;

use crate::id::{SubjectId, TenantId};
use crate::store::ErasableStore;

/// A store with the ways to put something about somebody into it and to count that.
pub trait ErasableHarness: Send + Sync {
    /// Returns the store, with nothing in it.
    fn store(&self) -> &dyn ErasableStore;

    /// Puts some pieces about a person into it, and wherever it copies them to.
    fn plant(&self, tenant: TenantId, subject: SubjectId) -> impl Future<Output = ()> + Send;

    /// Counts the pieces about a person, in every copy.
    fn count(&self, tenant: TenantId, subject: SubjectId) -> impl Future<Output = u64> + Send;
}

const fn tenant(n: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(n))
}

const fn subject(n: u8) -> SubjectId {
    SubjectId::from_bytes([n; 16])
}

/// Checks every contract that can be seen from outside. A store that withholds something is tried with data that it need not.
///
/// # Panics
/// If the store breaks one.
pub async fn check_all(harness: &impl ErasableHarness) {
    let store = harness.store();
    let (ours, theirs) = (tenant(1), tenant(2));
    let name = store.name().to_owned();
    assert!(!name.trim().is_empty(), "contract 1: it has a name");
    for (tenant, subject) in [(ours, subject(1)), (ours, subject(2)), (theirs, subject(1))] {
        harness.plant(tenant, subject).await;
        assert!(harness.count(tenant, subject).await > 0, "the harness plants something that it counts");
    }
    let others = async || (harness.count(ours, subject(2)).await, harness.count(theirs, subject(1)).await);
    let before = others().await;
    let planted = harness.count(ours, subject(1)).await;

    let erased = store.erase(ours, subject(1)).await;
    let pieces = match erased {
        Ok(erased) if erased.withheld.is_none() => erased.pieces,
        other => panic!("contract 2: {other:?}"),
    };
    assert!(pieces > 0 && pieces <= planted, "contract 2: it says how many: {pieces} of {planted}");
    assert_eq!(harness.count(ours, subject(1)).await, 0, "contract 2: nothing is left");
    assert_eq!(others().await, before, "contract 6: nobody else's is touched");

    let again = store.erase(ours, subject(1)).await;
    assert!(again.as_ref().is_ok_and(|erased| erased.pieces == 0), "contract 3: {again:?}");
    harness.plant(ours, subject(1)).await;
    let back = store.erase(ours, subject(1)).await;
    assert!(back.as_ref().is_ok_and(|erased| erased.pieces > 0), "contract 3: what came since goes too: {back:?}");
    assert_eq!(store.name(), name, "contract 1: it stays the same");

    let cleared = store.clear(ours).await;
    assert!(cleared.as_ref().is_ok_and(|pieces| *pieces > 0), "contract 5: {cleared:?}");
    assert_eq!(harness.count(ours, subject(2)).await, 0, "contract 5: nothing of the tenant is left");
    assert_eq!(harness.count(theirs, subject(1)).await, before.1, "contract 6: another tenant's is not touched");
    let again = store.clear(ours).await;
    assert!(again.as_ref().is_ok_and(|pieces| *pieces == 0), "contracts 3 and 5: {again:?}");
}
