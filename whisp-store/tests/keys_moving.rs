//! From one key provider to another: whatever happens in between nobody's data is lost, nobody comes back, and at the
//! end the old provider opens nothing (promises P38 and P47).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by a panic")]

#[path = "support/epochs.rs"]
mod epochs;
#[path = "support/faulty_keys.rs"]
mod faulty_keys;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use epochs::{TENANT, day, due, opens, people, place, subject, turn};
use faulty_keys::{Faults, FaultyKeys, FaultyProvider};
use whisp_core::id::TenantId;
use whisp_core::system::SystemClock;
use whisp_core::vault::{
    Destroyed, Destruction, EpochDue, IndexField, KeyContext, KeyProvider, KeyTable, SecretKey, Turn, Vault,
    VaultError, VaultErrorKind, WrappedKey,
};
use whisp_store::keys::conformance::Open;
use whisp_store::keys::transit::Snapshots;
use whisp_store::keys::transit::simulator::{Snapshot, TransitSimulator};
use whisp_store::{
    CellKeyProvider, EnvelopeVault, LocalKeyProvider, MemoryCells, MemoryKeyTable, MovingKeyProvider, SqliteKeyTable,
    TransitKeyProvider,
};

const OWNERS: [TenantId; 2] = [TENANT, TenantId::DIRECTORY];

fn local() -> Arc<dyn KeyProvider> {
    let folder = tempfile::tempdir().unwrap();
    Arc::new(LocalKeyProvider::create(folder.path().join("root.key")).unwrap())
}

fn in_cells(inner: Arc<dyn KeyProvider>) -> Arc<dyn KeyProvider> {
    Arc::new(CellKeyProvider::new(inner, Arc::new(MemoryCells::new())))
}

fn in_vault(simulator: &TransitSimulator, snapshots: Snapshots) -> Arc<dyn KeyProvider> {
    Arc::new(TransitKeyProvider::new(&simulator.config(snapshots), Arc::new(SystemClock)).unwrap())
}

/// Two key services, and the way to each.
struct Services {
    simulators: [TransitSimulator; 2],
    providers: [Arc<dyn KeyProvider>; 2],
    empty: Snapshot,
}

impl Services {
    async fn start() -> Self {
        let simulators = [TransitSimulator::start().await.unwrap(), TransitSimulator::start().await.unwrap()];
        let providers = [&simulators[0], &simulators[1]].map(|simulator| in_vault(simulator, Snapshots::Never));
        let empty = simulators[0].snapshot();
        Self { simulators, providers, empty }
    }
}

/// An old provider and a new one.
struct Pair {
    name: &'static str,
    from: Arc<dyn KeyProvider>,
    to: Arc<dyn KeyProvider>,
}

/// In how many ways anybody has a reason to move.
const WAYS: usize = 5;

impl Pair {
    /// One of the ways, with nothing wrapped yet.
    fn of(way: usize, services: &Services) -> Self {
        for simulator in &services.simulators {
            simulator.restore(&services.empty);
        }
        let [one, two] = services.providers.each_ref().map(Arc::clone);
        let root = local();
        let (name, from, to) = match way {
            0 => ("a key file gets cells", Arc::clone(&root), in_cells(root)),
            1 => ("a key file to a service", root, one),
            2 => ("cells to a service", in_cells(root), one),
            3 => ("a service to another", one, two),
            _ => ("a service to cells", one, in_cells(root)),
        };
        Self { name, from, to }
    }

    fn moving(&self) -> MovingKeyProvider {
        MovingKeyProvider::new(Arc::clone(&self.from), Arc::clone(&self.to))
    }
}

async fn vault(provider: Arc<dyn KeyProvider>, table: &Arc<MemoryKeyTable>) -> Result<EnvelopeVault, VaultError> {
    EnvelopeVault::open(provider, Arc::<MemoryKeyTable>::clone(table)).await
}

#[tokio::test]
async fn the_next_turn_moves_a_tenant_and_the_old_provider_opens_nothing_after_it() {
    let services = Services::start().await;
    for pair in (0..WAYS).map(|way| Pair::of(way, &services)) {
        let name = pair.name;
        let table = Arc::new(MemoryKeyTable::new());
        let before = vault(Arc::clone(&pair.from), &table).await.unwrap();
        let sealed = people(&before, 5).await;
        let index = before.index(TENANT, IndexField::Handle, b"x").await.unwrap();
        before.erase(TENANT, subject(4), day(0)).await.unwrap();
        drop(before);

        let moving = Arc::new(pair.moving());
        let vault_moving = vault(Arc::<MovingKeyProvider>::clone(&moving), &table).await.unwrap();
        for tenant in OWNERS {
            assert!(!moving.is_moved(&*table, tenant).await.unwrap(), "{name}");
        }
        for (n, sealed) in (0..4).zip(&sealed) {
            opens(&vault_moving, n, sealed).await.unwrap();
        }
        // It is moved only when the turn has ended.
        assert!(matches!(vault_moving.turn(TENANT, &due(1), 1).await.unwrap(), Turn::UnderWay { .. }));
        assert!(!moving.is_moved(&*table, TENANT).await.unwrap(), "{name}");
        for tenant in OWNERS {
            let worst = if pair.from.destruction() == Destruction::Unverifiable {
                Destroyed::Unverifiable
            } else {
                Destroyed::Now
            };
            let turned = turn(&vault_moving, tenant, &due(1)).await;
            assert!(
                matches!(turned, Turn::Destroyed { epoch: 2, before, .. } if before == worst),
                "{name}: {turned:?}"
            );
            assert!(moving.is_moved(&*table, tenant).await.unwrap(), "{name}");
        }
        assert!(
            moving.is_moved(&*table, TenantId::from_bytes([9; 16])).await.unwrap(),
            "who has no key needs no provider"
        );
        // Of a business that ends nothing is left to move.
        let closed = TenantId::from_bytes([8; 16]);
        vault_moving.provision(closed, &[subject(1)]).await.unwrap();
        vault_moving.close(closed, day(1), 10).await.unwrap();
        assert!(moving.is_moved(&*table, closed).await.unwrap(), "{name}");
        drop(vault_moving);

        let after = vault(Arc::clone(&pair.to), &table).await.unwrap();
        assert_eq!(after.destruction(), Destruction::AtOnce, "{name}");
        for (n, sealed) in (0..).zip(&sealed) {
            let expected = if n == 4 { Err(VaultErrorKind::Erased) } else { Ok(()) };
            assert_eq!(opens(&after, n, sealed).await, expected, "{name}: {n}");
        }
        assert_eq!(after.index(TENANT, IndexField::Handle, b"x").await.unwrap(), index, "what was indexed is found");
        assert!(
            matches!(turn(&after, TENANT, &due(2)).await, Turn::Destroyed { before: Destroyed::Now, .. }),
            "{name}"
        );
        for tenant in OWNERS {
            let key = table.tenant(tenant).await.unwrap().unwrap();
            let refused = pair.from.unwrap(&KeyContext { tenant, epoch: key.epoch }, &key.wrapped).await.unwrap_err();
            assert!(
                matches!(refused.kind(), VaultErrorKind::Destroyed | VaultErrorKind::WrongKey),
                "{name}: {refused:?}"
            );
        }
        vault(Arc::clone(&pair.from), &table).await.unwrap_err();
    }
}

/// Every call of the table and of the moving provider is lost once, before it has done anything and after.
#[tokio::test]
async fn a_move_that_is_cut_short_anywhere_is_ended_by_whoever_comes_next() {
    const PEOPLE: u8 = 4;
    let services = Services::start().await;
    for way in 0..WAYS {
        for lost_after in [false, true] {
            let mut faulted = 0;
            for at in 0.. {
                let pair = Pair::of(way, &services);
                let what = format!("{}, call {at}", pair.name);
                let table = Arc::new(MemoryKeyTable::new());
                let before = vault(Arc::clone(&pair.from), &table).await.unwrap();
                let sealed = people(&before, PEOPLE).await;
                before.erase(TENANT, subject(1), day(0)).await.unwrap();
                drop(before);

                // Each of the two providers fails for itself.
                let faults = Arc::new(Faults::default());
                let faulty = |inner: &Arc<dyn KeyProvider>| -> Arc<dyn KeyProvider> {
                    Arc::new(FaultyProvider { faults: Arc::clone(&faults), inner: Arc::clone(inner) })
                };
                let provider = Arc::new(MovingKeyProvider::new(faulty(&pair.from), faulty(&pair.to)));
                let inner = Arc::<MemoryKeyTable>::clone(&table);
                let keys = Arc::new(FaultyKeys { faults: Arc::clone(&faults), inner });
                faults.fail_at(at, lost_after);
                if let Ok(vault) = EnvelopeVault::open(provider, keys).await {
                    go_on(&vault).await;
                }

                // That process has crashed, or its answer was lost: another one goes on.
                let moving = Arc::new(pair.moving());
                let other = vault(Arc::<MovingKeyProvider>::clone(&moving), &table).await.unwrap();
                for (n, sealed) in (0..).zip(&sealed).filter(|(n, _)| *n != 1) {
                    opens(&other, n, sealed).await.unwrap_or_else(|error| panic!("{what}: {n}: {error:?}"));
                }
                for tenant in OWNERS {
                    turn(&other, tenant, &due(1)).await;
                    assert!(moving.is_moved(&*table, tenant).await.unwrap(), "{what}");
                    let key = table.tenant(tenant).await.unwrap().unwrap();
                    assert_eq!((key.epoch, key.previous), (2, None), "{what}");
                }
                let after = vault(Arc::clone(&pair.to), &table).await.unwrap();
                for (n, sealed) in (0..).zip(&sealed) {
                    let expected = if n == 1 { Err(VaultErrorKind::Erased) } else { Ok(()) };
                    assert_eq!(opens(&after, n, sealed).await, expected, "{what}: {n}");
                }
                if !faults.is_spent() {
                    break;
                }
                faulted += 1;
            }
            assert!(faulted > 20, "{faulted} calls");
        }
    }
}

/// Turns both epochs as far as it goes.
async fn go_on(vault: &EnvelopeVault) {
    for tenant in OWNERS {
        for _ in 0..8 {
            match vault.turn(tenant, &due(1), 3).await {
                Err(_) => return,
                Ok(Turn::Destroyed { epoch, .. }) => {
                    if vault.end_turn(tenant, epoch).await.is_err() {
                        return;
                    }
                    break;
                }
                Ok(_) => {}
            }
        }
    }
}

/// A process that slept over the move has the old keys in memory.
#[tokio::test]
async fn whoever_slept_over_a_move_reads_and_writes_as_before() {
    let services = Services::start().await;
    for pair in (0..WAYS).map(|way| Pair::of(way, &services)) {
        let table = Arc::new(MemoryKeyTable::new());
        let sealed = people(&vault(Arc::clone(&pair.from), &table).await.unwrap(), 2).await;
        let open = async || vault(Arc::new(pair.moving()), &table).await.unwrap();
        let (slow, quick) = (open().await, open().await);
        opens(&slow, 0, &sealed[0]).await.unwrap();
        for round in 1..=3 {
            turn(&quick, TENANT, &due(round)).await;
        }
        slow.provision(TENANT, &[subject(9)]).await.unwrap();
        let told = slow.seal(&place(9), &[9]).await.unwrap();
        opens(&quick, 9, &told).await.unwrap();
        for (n, sealed) in (0..).zip(&sealed) {
            opens(&slow, n, sealed).await.unwrap_or_else(|error| panic!("{}: {error:?}", pair.name));
        }
    }
}

/// Nothing is told to be destroyed that the old provider could not be asked to destroy.
#[tokio::test]
async fn a_move_waits_for_the_old_provider_and_works_meanwhile() {
    let (old, new) = (TransitSimulator::start().await.unwrap(), TransitSimulator::start().await.unwrap());
    let (from, to) = (in_vault(&old, Snapshots::Never), in_vault(&new, Snapshots::Never));
    let table = Arc::new(MemoryKeyTable::new());
    let sealed = people(&vault(Arc::clone(&from), &table).await.unwrap(), 3).await;
    let moving = Arc::new(MovingKeyProvider::new(from, Arc::clone(&to)));
    let vault_moving = vault(Arc::<MovingKeyProvider>::clone(&moving), &table).await.unwrap();
    assert!(matches!(vault_moving.turn(TENANT, &due(1), 2).await.unwrap(), Turn::UnderWay { .. }));

    old.seal(true);
    let error = vault_moving.turn(TENANT, &due(1), 9).await.unwrap_err();
    assert_eq!(error.kind(), VaultErrorKind::Unavailable);
    for (n, sealed) in (0..).zip(&sealed) {
        opens(&vault_moving, n, sealed).await.unwrap();
    }
    assert!(!moving.is_moved(&*table, TENANT).await.unwrap());
    // Whoever must ask the old one is told to come again, not that the key is gone.
    let refused = vault(Arc::<MovingKeyProvider>::clone(&moving), &table).await.unwrap_err();
    assert_eq!(refused.kind(), VaultErrorKind::Unavailable);

    old.seal(false);
    assert!(matches!(turn(&vault_moving, TENANT, &due(1)).await, Turn::Destroyed { before: Destroyed::Now, .. }));
    new.seal(true);
    assert_eq!(moving.is_moved(&*table, TENANT).await.unwrap_err().kind(), VaultErrorKind::Unavailable);
    new.seal(false);
    assert!(moving.is_moved(&*table, TENANT).await.unwrap());
}

#[tokio::test]
async fn whoever_leaves_the_old_provider_out_too_early_is_told_before_anything_is_changed() {
    let services = Services::start().await;
    for pair in (0..WAYS).map(|way| Pair::of(way, &services)) {
        let table = Arc::new(MemoryKeyTable::new());
        drop(vault(Arc::clone(&pair.from), &table).await.unwrap());
        let key = table.tenant(TenantId::DIRECTORY).await.unwrap();
        let refused = vault(Arc::clone(&pair.to), &table).await.unwrap_err();
        assert!(matches!(refused.kind(), VaultErrorKind::Destroyed | VaultErrorKind::WrongKey), "{}", pair.name);
        assert_eq!(table.tenant(TenantId::DIRECTORY).await.unwrap(), key);
        vault(Arc::clone(&pair.from), &table).await.unwrap();
    }
}

#[tokio::test]
async fn a_move_destroys_as_surely_as_the_worse_of_the_two() {
    let simulator = TransitSimulator::start().await.unwrap();
    let kept = |days| in_vault(&simulator, Snapshots::KeptFor(TimeDelta::days(days)));
    let within = |days| Destruction::Within(TimeDelta::days(days));
    let now = || in_vault(&simulator, Snapshots::Never);
    for (from, to, told) in [
        (now(), now(), Destruction::AtOnce),
        (kept(3), now(), within(3)),
        (now(), kept(3), within(3)),
        (kept(3), kept(7), within(7)),
        (local(), kept(7), Destruction::Unverifiable),
        (now(), local(), Destruction::Unverifiable),
    ] {
        let moving = MovingKeyProvider::new(from, to);
        assert_eq!(moving.destruction(), told);
        let done = moving.destroy(&KeyContext { tenant: TENANT, epoch: 1 }).await.unwrap();
        let fits = match told {
            Destruction::AtOnce => done == Destroyed::Now,
            Destruction::Within(_) => matches!(done, Destroyed::Scheduled(_)),
            _ => done == Destroyed::Unverifiable,
        };
        assert!(fits, "{told:?}: {done:?}");
    }
}

async fn on_file(provider: &Arc<dyn KeyProvider>, file: &Path) -> Result<EnvelopeVault, VaultError> {
    EnvelopeVault::open(Arc::clone(provider), Arc::new(SqliteKeyTable::open(file)?)).await
}

/// A business is sold: its key table goes to the new owner's key service.
#[tokio::test]
async fn p38_the_key_service_of_the_old_owner_unwraps_nothing_after_the_transfer() {
    let folder = tempfile::tempdir().unwrap();
    let (table, copy) = (folder.path().join("keys.db"), folder.path().join("copy.db"));
    let services = (TransitSimulator::start().await.unwrap(), TransitSimulator::start().await.unwrap());
    let old_owner = in_vault(&services.0, Snapshots::Never);
    let new_owner = in_vault(&services.1, Snapshots::Never);
    let vault = on_file(&old_owner, &table).await.unwrap();
    let sealed = people(&vault, 3).await;
    drop(vault);
    // The old owner keeps a copy.
    fs::copy(&table, &copy).unwrap();

    let moving: Arc<dyn KeyProvider> = Arc::new(MovingKeyProvider::new(Arc::clone(&old_owner), Arc::clone(&new_owner)));
    let vault = on_file(&moving, &table).await.unwrap();
    vault.erase(TENANT, subject(0), day(0)).await.unwrap();
    for tenant in OWNERS {
        let turned = turn(&vault, tenant, &due(1)).await;
        assert!(matches!(turned, Turn::Destroyed { before: Destroyed::Now, .. }), "{turned:?}");
    }
    drop(vault);
    assert!(services.0.keys().is_empty(), "nothing is left in the old owner's service");

    let vault = on_file(&new_owner, &table).await.unwrap();
    vault.provision(TENANT, &[subject(9)]).await.unwrap();
    let later = vault.seal(&place(9), &[9]).await.unwrap();
    for (n, sealed) in [(1, &sealed[1]), (2, &sealed[2]), (9, &later)] {
        opens(&vault, n, sealed).await.unwrap();
    }
    assert_eq!(opens(&vault, 0, &sealed[0]).await, Err(VaultErrorKind::Erased));
    drop(vault);
    // Neither the table as it is now nor the copy from before.
    for file in [&table, &copy] {
        assert_eq!(on_file(&old_owner, file).await.unwrap_err().kind(), VaultErrorKind::Destroyed);
        let keys = SqliteKeyTable::open(file).unwrap();
        for tenant in OWNERS {
            let key = keys.tenant(tenant).await.unwrap().unwrap();
            let context = KeyContext { tenant, epoch: key.epoch };
            assert_eq!(old_owner.unwrap(&context, &key.wrapped).await.unwrap_err().kind(), VaultErrorKind::Destroyed);
        }
    }
}

/// What remains true of a key file that had no cells: it opens old copies of the table, and nothing of the new one.
#[tokio::test]
async fn what_a_bare_key_file_wrapped_stays_open_to_it_in_old_copies_and_receipts_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let (table, copy) = (folder.path().join("keys.db"), folder.path().join("copy.db"));
    let file = local();
    let cells = in_cells(Arc::clone(&file));
    let vault = on_file(&file, &table).await.unwrap();
    let sealed = people(&vault, 2).await;
    drop(vault);
    fs::copy(&table, &copy).unwrap();

    let moving: Arc<dyn KeyProvider> = Arc::new(MovingKeyProvider::new(Arc::clone(&file), Arc::clone(&cells)));
    let vault = on_file(&moving, &table).await.unwrap();
    vault.erase(TENANT, subject(0), day(0)).await.unwrap();
    for tenant in OWNERS {
        let turned = turn(&vault, tenant, &due(1)).await;
        assert!(matches!(turned, Turn::Destroyed { before: Destroyed::Unverifiable, .. }), "{turned:?}");
    }
    drop(vault);
    let old = on_file(&file, &copy).await.unwrap();
    assert_eq!(opens(&old, 0, &sealed[0]).await, Ok(()), "the erased too");
    drop(old);
    assert_eq!(on_file(&file, &table).await.unwrap_err().kind(), VaultErrorKind::WrongKey);

    // From now on it is as with any cells.
    let vault = on_file(&cells, &table).await.unwrap();
    drop(vault);
    fs::copy(&table, &copy).unwrap();
    let vault = on_file(&cells, &table).await.unwrap();
    vault.erase(TENANT, subject(1), day(1)).await.unwrap();
    for tenant in OWNERS {
        let due = EpochDue { now: day(2), begun_before: day(2) };
        assert!(matches!(turn(&vault, tenant, &due).await, Turn::Destroyed { before: Destroyed::Now, .. }));
    }
    drop(vault);
    for provider in [&file, &cells, &moving] {
        on_file(provider, &copy).await.unwrap_err();
    }
}

/// A provider in a move keeps the contract of any other.
mod conformance {
    use super::*;

    struct Moving(Pair, #[expect(dead_code, reason = "the services end with it")] Services);

    async fn moving(way: usize) -> Moving {
        let services = Services::start().await;
        Moving(Pair::of(way, &services), services)
    }

    #[async_trait]
    impl Open<dyn KeyProvider> for Moving {
        async fn open(&self) -> Arc<dyn KeyProvider> {
            Arc::new(self.0.moving())
        }
    }

    mod a_key_file_gets_cells {
        use super::*;
        whisp_store::key_provider_conformance! { test: tokio::test, open: moving(0).await }
    }

    mod cells_to_a_service {
        use super::*;
        whisp_store::key_provider_conformance! { test: tokio::test, open: moving(2).await }
    }

    mod a_service_to_another {
        use super::*;
        whisp_store::key_provider_conformance! { test: tokio::test, open: moving(3).await }
    }
}

/// Each tenant with a provider of its own, as a host may write one.
#[derive(Debug)]
struct ByTenant {
    one: (TenantId, Arc<dyn KeyProvider>),
    others: Arc<dyn KeyProvider>,
}

impl ByTenant {
    fn of(&self, context: &KeyContext) -> &Arc<dyn KeyProvider> {
        if context.tenant == self.one.0 { &self.one.1 } else { &self.others }
    }
}

#[async_trait]
impl KeyProvider for ByTenant {
    async fn wrap(&self, context: &KeyContext, key: &SecretKey) -> Result<WrappedKey, VaultError> {
        self.of(context).wrap(context, key).await
    }

    async fn unwrap(&self, context: &KeyContext, wrapped: &WrappedKey) -> Result<SecretKey, VaultError> {
        self.of(context).unwrap(context, wrapped).await
    }

    async fn destroy(&self, context: &KeyContext) -> Result<Destroyed, VaultError> {
        self.of(context).destroy(context).await
    }

    fn destruction(&self) -> Destruction {
        Destruction::AtOnce
    }
}

/// One business of many goes to a key service of its own; the others stay where they are.
#[tokio::test]
async fn p38_one_business_of_many_is_transferred_and_the_others_stay() {
    let service = TransitSimulator::start().await.unwrap();
    let (ours, theirs) = (in_cells(local()), in_vault(&service, Snapshots::Never));
    let other = TenantId::from_bytes([2; 16]);
    let table = Arc::new(MemoryKeyTable::new());
    let before = vault(Arc::clone(&ours), &table).await.unwrap();
    let sealed = people(&before, 3).await;
    before.provision(other, &[subject(7)]).await.unwrap();
    drop(before);

    let moving = Arc::new(MovingKeyProvider::new(Arc::clone(&ours), Arc::clone(&theirs)));
    let split = ByTenant { one: (TENANT, Arc::<MovingKeyProvider>::clone(&moving)), others: Arc::clone(&ours) };
    let during = vault(Arc::new(split), &table).await.unwrap();
    assert!(matches!(turn(&during, TENANT, &due(1)).await, Turn::Destroyed { before: Destroyed::Now, .. }));
    assert!(moving.is_moved(&*table, TENANT).await.unwrap());
    assert_eq!(service.keys().len(), 1, "of that business alone");

    let key = table.tenant(TENANT).await.unwrap().unwrap();
    let context = KeyContext { tenant: TENANT, epoch: key.epoch };
    assert_eq!(ours.unwrap(&context, &key.wrapped).await.unwrap_err().kind(), VaultErrorKind::Destroyed);
    let split = ByTenant { one: (TENANT, theirs), others: ours };
    let after = vault(Arc::new(split), &table).await.unwrap();
    for (n, sealed) in (0..).zip(&sealed) {
        opens(&after, n, sealed).await.unwrap();
    }
    after.provision(other, &[subject(8)]).await.unwrap();
    turn(&after, other, &due(2)).await;
    assert_eq!(service.keys().len(), 1);
}
