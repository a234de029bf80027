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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::panic::AssertUnwindSafe;
    use std::sync::Mutex;

    use async_trait::async_trait;
    use futures_util::FutureExt as _;

    use super::*;
    use crate::error::Retry;
    use crate::store::{Erased, StoreError, StoreErrorKind};

    /// What a store does wrong.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        Nothing,
        HasNoName,
        LeavesACopy,
        SaysNothingOfIt,
        FailsTheSecondTime,
        RemembersWhatIsDone,
        ClearsNothing,
        ErasesTheTenant,
        ErasesInEachTenant,
        ClearsAllTenants,
    }

    #[derive(Debug)]
    struct Memory {
        fault: Fault,
        pieces: Mutex<BTreeMap<(TenantId, SubjectId), u64>>,
        erased: Mutex<Vec<(TenantId, SubjectId)>>,
    }

    impl Memory {
        /// Removes what is chosen; returns how many pieces.
        fn remove(&self, is_chosen: impl Fn(TenantId, SubjectId) -> bool) -> u64 {
            let mut pieces = self.pieces.lock().unwrap();
            pieces.extract_if(.., |(tenant, subject), _| is_chosen(*tenant, *subject)).map(|(_, count)| count).sum()
        }
    }

    #[async_trait]
    impl ErasableStore for Memory {
        fn name(&self) -> &'static str {
            if self.fault == Fault::HasNoName { " " } else { "memory" }
        }

        async fn erase(&self, tenant: TenantId, subject: SubjectId) -> Result<Erased, StoreError> {
            let again = self.erased.lock().unwrap().contains(&(tenant, subject));
            self.erased.lock().unwrap().push((tenant, subject));
            let pieces = match self.fault {
                Fault::FailsTheSecondTime if again => {
                    return Err(StoreError::new("erase", StoreErrorKind::Invalid, Retry::Never));
                }
                Fault::RemembersWhatIsDone if again => 0,
                Fault::LeavesACopy => {
                    let mut pieces = self.pieces.lock().unwrap();
                    pieces.get_mut(&(tenant, subject)).map_or(0, |count| std::mem::replace(count, 1) - 1)
                }
                Fault::ErasesTheTenant => self.remove(|of, _| of == tenant).min(3),
                Fault::ErasesInEachTenant => self.remove(|_, about| about == subject).min(3),
                _ => self.remove(|of, about| (of, about) == (tenant, subject)),
            };
            Ok(Erased { pieces: if self.fault == Fault::SaysNothingOfIt { 0 } else { pieces }, withheld: None })
        }

        async fn clear(&self, tenant: TenantId) -> Result<u64, StoreError> {
            Ok(match self.fault {
                Fault::ClearsNothing => 0,
                Fault::ClearsAllTenants => self.remove(|_, _| true),
                _ => self.remove(|of, _| of == tenant),
            })
        }
    }

    impl ErasableHarness for Memory {
        fn store(&self) -> &dyn ErasableStore {
            self
        }

        async fn plant(&self, tenant: TenantId, subject: SubjectId) {
            *self.pieces.lock().unwrap().entry((tenant, subject)).or_default() += 3;
        }

        async fn count(&self, tenant: TenantId, subject: SubjectId) -> u64 {
            self.pieces.lock().unwrap().get(&(tenant, subject)).copied().unwrap_or_default()
        }
    }

    /// What the suite says of a store; `None` where it passes.
    async fn check(fault: Fault) -> Option<String> {
        let store = Memory { fault, pieces: Mutex::default(), erased: Mutex::default() };
        let panic = AssertUnwindSafe(check_all(&store)).catch_unwind().await.err()?;
        let said = panic.downcast_ref::<String>().cloned();
        said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()))
    }

    #[tokio::test]
    async fn each_broken_contract_is_found() {
        assert_eq!(check(Fault::Nothing).await, None);
        for (fault, contract) in [
            (Fault::HasNoName, 1),
            (Fault::LeavesACopy, 2),
            (Fault::SaysNothingOfIt, 2),
            (Fault::FailsTheSecondTime, 3),
            (Fault::RemembersWhatIsDone, 3),
            (Fault::ClearsNothing, 5),
            (Fault::ErasesTheTenant, 6),
            (Fault::ErasesInEachTenant, 6),
            (Fault::ClearsAllTenants, 6),
        ] {
            let said = check(fault).await.expect("it is found");
            assert!(said.contains(&format!("contract {contract}:")), "{fault:?}: {said}");
        }
    }
}
