//! I-17: an erasure is done when every store has done its part, those of the host too, and says what each did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::TimeDelta;
use whisp::assistant::{Assistant, AssistantError, BuildError, ErasureReceipt};
use whisp::error::Retry;
use whisp::id::{ContactId, SubjectId, TenantId};
use whisp::model::AutomationMode;
use whisp::privacy::{DataCategory, RefusalReason, RequestEvent, RequestOutcome, RequestState, Withheld};
use whisp::store::{ErasableStore, Erased, StoreError, StoreErrorKind};
use whisp::stores::MemoryStore;
use whisp::testing::cancel_after;
use whisp::testing::erasable_conformance::{ErasableHarness, check_all};

use crate::requests::Asked;
use crate::world::{World, parrot};
use crate::yielding::{Yielding, pause};

/// A CRM of the host's own, which can be down, and has to keep invoices.
#[derive(Debug)]
struct Crm {
    name: &'static str,
    notes: Mutex<BTreeMap<(TenantId, SubjectId), u64>>,
    down: Mutex<bool>,
    withholds: bool,
}

impl Crm {
    fn named(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, notes: Mutex::default(), down: Mutex::new(false), withholds: false })
    }

    fn note(&self, tenant: TenantId, subject: SubjectId) {
        *self.notes.lock().unwrap().entry((tenant, subject)).or_default() += 1;
    }

    fn count(&self, tenant: TenantId, subject: SubjectId) -> u64 {
        self.notes.lock().unwrap().get(&(tenant, subject)).copied().unwrap_or_default()
    }

    fn set_down(&self, down: bool) {
        *self.down.lock().unwrap() = down;
    }

    async fn reach(&self) -> Result<(), StoreError> {
        pause().await;
        if *self.down.lock().unwrap() {
            return Err(StoreError::new("erase", StoreErrorKind::Unavailable, Retry::After(None)));
        }
        Ok(())
    }
}

#[async_trait]
impl ErasableStore for Crm {
    fn name(&self) -> &str {
        self.name
    }

    async fn erase(&self, tenant: TenantId, subject: SubjectId) -> Result<Erased, StoreError> {
        self.reach().await?;
        let pieces = self.notes.lock().unwrap().remove(&(tenant, subject)).unwrap_or_default();
        let invoices = Withheld::new(DataCategory::Identity, RefusalReason::LegallyRequired);
        Ok(Erased { pieces, withheld: self.withholds.then_some(invoices) })
    }

    async fn clear(&self, tenant: TenantId) -> Result<u64, StoreError> {
        self.reach().await?;
        let mut notes = self.notes.lock().unwrap();
        let pieces = notes.iter().filter(|((of, _), _)| *of == tenant).map(|(_, pieces)| pieces).sum();
        notes.retain(|(of, _), _| *of != tenant);
        Ok(pieces)
    }
}

/// The CRM as the suite plants in it; its copies are another one, which a careless host forgets.
struct Planted {
    crm: Arc<Crm>,
    copies: Option<Mutex<u64>>,
}

impl ErasableHarness for Planted {
    fn store(&self) -> &dyn ErasableStore {
        &*self.crm
    }

    async fn plant(&self, tenant: TenantId, subject: SubjectId) {
        self.crm.note(tenant, subject);
        if let Some(copies) = &self.copies {
            *copies.lock().unwrap() += 1;
        }
    }

    async fn count(&self, tenant: TenantId, subject: SubjectId) -> u64 {
        self.crm.count(tenant, subject) + self.copies.as_ref().map_or(0, |copies| *copies.lock().unwrap())
    }
}

/// A contact who has written, and of whom two stores of the host know something.
async fn known_elsewhere(stores: &[&Arc<Crm>]) -> (World, ContactId) {
    let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
    let world = World::equipped(store, parrot(), AutomationMode::Automatic, |mut builder| {
        for store in stores {
            builder = builder.erases(Arc::clone(store) as _);
        }
        builder
    })
    .await;
    world.says("m1", "Forget me").await;
    world.settle().await;
    let contact = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact;
    for store in stores {
        store.note(world.tenant, contact.0);
        store.note(world.tenant, SubjectId::from_bytes([77; 16]));
    }
    (world, contact)
}

fn told(receipt: &ErasureReceipt) -> Vec<(&str, u64)> {
    receipt.elsewhere.iter().map(|each| (each.store.as_str(), each.erased.pieces)).collect()
}

#[tokio::test]
async fn i17_an_erasure_ends_when_every_store_has_done_its_part() {
    let (crm, search) = (Crm::named("crm"), Crm::named("search"));
    let (world, contact) = known_elsewhere(&[&crm, &search]).await;
    crm.set_down(true);
    for _ in 0..3 {
        let failed = world.assistant.erase(world.tenant, contact).await;
        assert!(matches!(failed, Err(AssistantError::Store(_))), "{failed:?}");
        assert!(world.assistant.receipts(world.tenant).await.unwrap().is_empty(), "nobody is told that it is done");
    }
    assert_eq!(search.count(world.tenant, contact.0), 0, "trouble with one keeps no other from it");
    assert_eq!(crm.count(world.tenant, contact.0), 1);
    crm.set_down(false);
    assert_eq!(world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().erasures, 1);
    let receipt = world.assistant.receipts(world.tenant).await.unwrap().remove(0);
    assert_eq!(told(&receipt), [("search", 1), ("crm", 1)]);
    for store in [&crm, &search] {
        assert_eq!(store.count(world.tenant, contact.0), 0);
        assert_eq!(store.count(world.tenant, SubjectId::from_bytes([77; 16])), 1, "somebody else's stays");
    }
    let again = world.assistant.receipt(world.tenant, receipt.id).await.unwrap();
    assert_eq!(told(&again), told(&receipt));
}

#[tokio::test]
async fn i17_an_erasure_cut_short_anywhere_reaches_every_store() {
    let mut ended = 0;
    for polls in 0..400 {
        let (crm, search) = (Crm::named("crm"), Crm::named("search"));
        let (world, contact) = known_elsewhere(&[&crm, &search]).await;
        let done = cancel_after(polls, world.assistant.erase(world.tenant, contact)).await;
        let begun =
            world.assistant.export(world.tenant, contact, None).await.map_or(true, |page| page.entries.is_empty());
        world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
        if begun {
            let receipts = world.assistant.receipts(world.tenant).await.unwrap();
            assert_eq!(receipts.len(), 1, "after {polls} polls");
            assert_eq!(receipts[0].elsewhere.len(), 2);
            assert_eq!((crm.count(world.tenant, contact.0), search.count(world.tenant, contact.0)), (0, 0));
        }
        if done.is_some() {
            ended += 1;
            break;
        }
    }
    assert_eq!(ended, 1);
}

#[tokio::test]
async fn what_a_store_must_keep_is_told_to_the_person() {
    let crm = Arc::new(Crm { withholds: true, ..Arc::into_inner(Crm::named("crm")).unwrap() });
    let world = World::equipped(Arc::new(MemoryStore::new()), parrot(), AutomationMode::Automatic, |builder| {
        builder.erases(Arc::clone(&crm) as _)
    })
    .await;
    let asked = Asked::over(world, "delete my data").await;
    let request = asked.granted().await;
    let receipt = asked.requests().erase(request.id()).await.unwrap();
    let kept = Withheld::new(DataCategory::Identity, RefusalReason::LegallyRequired);
    assert_eq!(receipt.elsewhere[0].erased.withheld, Some(kept.clone()));
    let answered = asked.requests().answer(request.id(), 0).await.unwrap();
    let partly = RequestState::Answered { outcome: RequestOutcome::Partial { withheld: kept } };
    assert_eq!(*answered.state(), partly);
    let closed = asked.requests().apply(request.id(), RequestEvent::Close).await.unwrap();
    assert!(matches!(closed.state(), RequestState::Closed { .. }));
}

#[tokio::test]
async fn p30_a_closing_ends_when_every_store_is_cleared() {
    let crm = Crm::named("crm");
    let (world, contact) = known_elsewhere(&[&crm]).await;
    let other = TenantId::from_bytes([9; 16]);
    crm.note(other, contact.0);
    world.assistant.desk(world.tenant).close(TimeDelta::zero()).await.unwrap();
    crm.set_down(true);
    assert!(world.assistant.sweep(1_000).await.unwrap().into_result().is_err());
    assert!(world.assistant.closed(world.tenant).await.unwrap().is_none());
    assert_eq!(world.store.clear(world.tenant, 1).await.unwrap(), 0, "ours is gone already");
    crm.set_down(false);
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    let receipt = world.assistant.closed(world.tenant).await.unwrap().unwrap();
    assert_eq!(receipt.elsewhere, BTreeMap::from([("crm".to_owned(), 2)]));
    assert!(receipt.removed > 0, "and is counted once: {receipt:?}");
    assert_eq!(crm.count(other, contact.0), 1, "another business's stays");
}

#[tokio::test]
async fn two_stores_of_one_name_could_not_be_told_apart() {
    let world = World::new().await;
    let built = Assistant::builder()
        .store(Arc::clone(&world.store))
        .vault(Arc::clone(&world.vault) as _)
        .clock(Arc::clone(&world.clock) as _)
        .ids(Arc::new(whisp::testing::SeqIds::new(9)))
        .erases(Crm::named("crm"))
        .erases(Crm::named("search"))
        .erases(Crm::named("crm"))
        .build();
    assert_eq!(built.err(), Some(BuildError::Twice("crm".to_owned())));
}

#[tokio::test]
async fn the_suite_for_stores_of_the_hosts_own_tells_a_good_one_from_a_careless_one() {
    check_all(&Planted { crm: Crm::named("crm"), copies: None }).await;
    let careless = Planted { crm: Crm::named("careless"), copies: Some(Mutex::default()) };
    let panic = tokio::spawn(async move { check_all(&careless).await }).await.unwrap_err().into_panic();
    let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(why.contains("contract 2: nothing is left"), "{why}");
}
