//! An erasure is final for copies of the key table too, from a date on that its receipt tells (invariants I-21 and I-40).

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;
use whisp::assistant::{Assistant, AssistantError, ErasureHorizon, ErasureReceipt, NewTenant, Unbounded};
use whisp::clock::Clock;
use whisp::id::{ContactId, ConversationId, RecordId, TenantId};
use whisp::model::{AutomationMode, Content, Handle, HandleKind, PlatformMessageId, Provenance};
use whisp::privacy::{HoldGround, HoldScope, NewHold};
use whisp::store::{Clear, Commit, Kind, ListOrder, ListQuery, Record, Store, WriteBatch, WriteOp};
use whisp::stores::{
    CellKeyProvider, EnvelopeVault, FolderCells, LocalKeyProvider, MemoryKeyTable, MemoryStore, SqliteKeyTable,
    SqliteStore,
};
use whisp::testing::{ManualClock, SeqIds, cancel_after};
use whisp::vault::{KeyTable, Vault, VaultError, VaultErrorKind};
use whisp::webhook::{ContactRef, Event, MessageEvent};

use crate::world::{World, parrot};
use crate::yielding::Yielding;

const DAY: i64 = 24 * 3_600;

/// More awaits than a sweep has here.
const AWAITS_MAX: usize = 400;

async fn vault(folder: &Path, table: Arc<dyn KeyTable>) -> Result<Arc<dyn Vault>, VaultError> {
    let root = Arc::new(LocalKeyProvider::open_or_create(folder.join("root.key"))?);
    let cells = Arc::new(FolderCells::open(folder.join("cells"))?);
    Ok(Arc::new(EnvelopeVault::open(Arc::new(CellKeyProvider::new(root, cells)), table).await?))
}

/// A world whose epochs are in cells.
async fn world(store: Arc<dyn Store>, keys: &Path) -> World {
    let vault = vault(keys, Arc::new(MemoryKeyTable::new())).await.unwrap();
    World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.vault(vault)).await
}

async fn contact(world: &World) -> ContactId {
    world.says("m1", "Forget me").await;
    world.settle().await;
    world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact
}

async fn epochs(world: &World) -> Vec<Record> {
    let (tenant, order) = (world.tenant, ListOrder::Ascending);
    let query = ListQuery { tenant, kind: Kind::EPOCH, parent: tenant.into(), order, after: None, limit: 100 };
    world.store.list(&query).await.unwrap().records
}

#[tokio::test]
async fn i40_the_horizon_of_a_receipt_is_the_computed_one_and_comes_true() {
    let keys = tempfile::tempdir().unwrap();
    let world = world(Arc::new(MemoryStore::new()), keys.path()).await;
    let bound = world.assistant.erasure_horizon().unwrap();
    assert_eq!(bound, TimeDelta::days(8), "an epoch, and a day for its turn");
    let contact = contact(&world).await;
    // The first epoch, of which nobody knows when it began, has turned by then.
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    world.later(DAY);
    let given = world.assistant.erase(world.tenant, contact).await.unwrap();
    let promised = given.key_destroyed_at.unwrap() + bound;
    assert_eq!((given.horizon, given.horizon_now), (Some(ErasureHorizon::Until(promised)), None));
    assert!(!given.remaining.iter().any(|text| text.contains("key table")), "{:?}", given.remaining);
    let (mut since, mut waited) = (None, 0);
    for day in 0..20 {
        let asked = world.assistant.receipt(world.tenant, given.id).await.unwrap();
        assert_eq!(asked.horizon, given.horizon, "what was promised stays");
        assert_eq!(asked.commitment().unwrap(), given.commitment().unwrap(), "what is added is not what was logged");
        match asked.horizon_now.unwrap() {
            ErasureHorizon::Until(at) => {
                assert_eq!((at, since), (promised, None));
                waited = day;
            }
            ErasureHorizon::Since(at) => {
                assert!(at <= promised && at <= world.now());
                assert_eq!(*since.get_or_insert(at), at, "later turns change nothing");
            }
            other => panic!("{other:?}"),
        }
        world.later(DAY);
        world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    }
    assert!(since.is_some() && (5..8).contains(&waited), "{waited} days");
}

/// Nobody knows from the receipt alone that the horizon is further away than they think.
#[tokio::test]
async fn i40_a_configuration_without_a_horizon_says_so_at_the_start_and_in_each_receipt() {
    let world = World::new().await;
    assert_eq!(world.assistant.erasure_horizon(), Err(Unbounded::KeyProvider));
    assert!(Unbounded::KeyProvider.to_string().contains("CellKeyProvider"), "it says what to do");
    let contact = contact(&world).await;
    let given = world.assistant.erase(world.tenant, contact).await.unwrap();
    assert_eq!(given.horizon, Some(ErasureHorizon::Unbounded(Unbounded::KeyProvider)));
    // A turn destroys nothing for sure there.
    let mut turned = 0;
    for _ in 0..4 {
        world.later(4 * DAY);
        turned += world.assistant.sweep(100).await.unwrap().into_result().unwrap().turned;
    }
    assert_eq!(turned, 4, "the tenant's and the directory's, twice");
    let asked = world.assistant.receipt(world.tenant, given.id).await.unwrap();
    assert_eq!(asked.horizon_now, Some(ErasureHorizon::Unbounded(Unbounded::EarlierEpoch)));
}

#[tokio::test]
async fn a_turn_that_nobody_makes_is_overdue() {
    let keys = tempfile::tempdir().unwrap();
    let world = world(Arc::new(MemoryStore::new()), keys.path()).await;
    let contact = contact(&world).await;
    let given = world.assistant.erase(world.tenant, contact).await.unwrap();
    world.later(9 * DAY);
    let now = async || world.assistant.receipt(world.tenant, given.id).await.unwrap().horizon_now.unwrap();
    assert_eq!(now().await, ErasureHorizon::Unbounded(Unbounded::Overdue));
    world.assistant.trust_clock().await.unwrap();
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    assert_eq!(now().await, ErasureHorizon::Since(world.now()));
}

/// An epoch that began a moment after the erasure by one machine's clock may have begun before it by another's.
#[tokio::test]
async fn a_turn_within_the_difference_of_clocks_does_not_count() {
    let keys = tempfile::tempdir().unwrap();
    let world = world(Arc::new(MemoryStore::new()), keys.path()).await;
    let contact = contact(&world).await;
    let given = world.assistant.erase(world.tenant, contact).await.unwrap();
    world.later(60);
    assert_eq!(world.assistant.sweep(100).await.unwrap().into_result().unwrap().turned, 2);
    let asked = world.assistant.receipt(world.tenant, given.id).await.unwrap();
    assert!(matches!(asked.horizon_now, Some(ErasureHorizon::Until(_))), "{asked:?}");
}

#[tokio::test]
async fn a_receipt_of_an_earlier_version_is_told_its_horizon_too_and_keeps_its_commitment() {
    let keys = tempfile::tempdir().unwrap();
    let world = world(Arc::new(MemoryStore::new()), keys.path()).await;
    contact(&world).await;
    let (id, at) = (RecordId::from_bytes([9; 16]), world.now().to_rfc3339());
    let text = format!(
        r#"{{"id":"{id}","key_destroyed_at":"{at}","deleted":[["contact",1]],"completed_at":"{at}","remaining":["the key table's own backups"]}}"#
    );
    let old: ErasureReceipt = serde_json::from_str(&text).unwrap();
    let mut record = Record::new(Kind::RECEIPT, id);
    record.parent = Some(world.tenant.into());
    record.clear = Clear(text);
    let batch = WriteBatch::new(world.tenant).op(WriteOp::Put(record));
    assert_eq!(world.store.commit(batch).await.unwrap(), Commit::Done);
    for days in [0, 1] {
        world.later(days * DAY);
        let asked = world.assistant.receipt(world.tenant, id).await.unwrap();
        assert_eq!(asked.commitment().unwrap(), old.commitment().unwrap());
        let is_right = match asked.horizon_now.unwrap() {
            ErasureHorizon::Until(until) => days == 0 && until > world.now(),
            ErasureHorizon::Since(since) => days == 1 && since <= world.now(),
            _ => false,
        };
        assert!(is_right, "{asked:?}");
        world.later(DAY);
        world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    }
}

#[tokio::test]
async fn a_sweep_turns_the_epoch_of_each_tenant_and_of_the_directory_when_it_is_due() {
    let keys = tempfile::tempdir().unwrap();
    let world = world(Arc::new(MemoryStore::new()), keys.path()).await;
    let other = TenantId::from_bytes([9; 16]);
    world.assistant.create_tenant(NewTenant::new(other, "Tea & Co", "Asia/Almaty")).await.unwrap();
    contact(&world).await;
    let turned = async || world.assistant.sweep(100).await.unwrap().into_result().unwrap().turned;
    assert_eq!(turned().await, 3, "nobody knows when the first began");
    let mut turns = Vec::new();
    for _ in 0..16 {
        world.later(DAY);
        turns.push(turned().await);
    }
    assert_eq!(turns, [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 3], "older than seven days, at the first sweep");
    assert_eq!(epochs(&world).await.len(), 3);
    assert_eq!(fs::read_dir(keys.path().join("cells")).unwrap().count(), 3 + 1, "a cell for each, and the lock");
    world.says("m2", "Still there?").await;
    world.settle().await;
    assert_eq!(world.messages().await.len(), 4);
}

/// Wherever a sweep is cut short, the next one ends the turn, and writes it down once.
#[tokio::test]
async fn i19_a_sweep_cut_short_while_an_epoch_turns_is_gone_on_with() {
    let mut under_way = 0;
    for polls in 0..AWAITS_MAX {
        let keys = tempfile::tempdir().unwrap();
        let world = world(Arc::new(Yielding(Arc::new(MemoryStore::new()))), keys.path()).await;
        contact(&world).await;
        let done = cancel_after(polls, world.assistant.sweep(100)).await;
        let written = epochs(&world).await.len();
        world.assistant.sweep(100).await.unwrap().into_result().unwrap();
        assert_eq!(world.assistant.sweep(100).await.unwrap().into_result().unwrap().turned, 0, "after {polls} polls");
        assert_eq!(epochs(&world).await.len(), 1, "after {polls} polls");
        assert_eq!(world.messages().await.len(), 2);
        under_way += usize::from(done.is_none() && written == 1);
        if let Some(done) = done {
            assert_eq!(done.unwrap().turned, 2);
            assert!(under_way > 1);
            return;
        }
    }
    panic!("a sweep never ends");
}

/// A business on real files: `whisp.db`, `keys.db`, `root.key`, `cells`.
async fn open(folder: &Path, clock: &Arc<ManualClock>) -> Result<Assistant, VaultError> {
    let vault = vault(folder, Arc::new(SqliteKeyTable::open(folder.join("keys.db"))?)).await?;
    let store = Arc::new(SqliteStore::open(folder.join("whisp.db")).unwrap());
    // What this process makes has other ids than what one before it made.
    static PROCESSES: AtomicU64 = AtomicU64::new(100);
    let ids = Arc::new(SeqIds::new(PROCESSES.fetch_add(1, Ordering::Relaxed)));
    let builder = Assistant::builder().store(store).vault(vault).clock(Arc::clone(clock) as Arc<dyn Clock>);
    Ok(builder.ids(ids).build().unwrap())
}

async fn reads(assistant: &Assistant, tenant: TenantId, conversation: ConversationId) -> bool {
    match assistant.desk(tenant).messages(conversation, None, 10).await {
        Ok((messages, _)) => {
            let canary = |text: &str| text.contains("canary");
            assert!(messages.iter().all(|message| message.content.readable().is_some()));
            messages.iter().any(|message| message.content.readable().is_some_and(canary))
        }
        Err(AssistantError::NotFound("conversation")) => false,
        Err(AssistantError::Vault(error)) if error.kind() == VaultErrorKind::Erased => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// The proof by restoring: both backups from before an erasure bring the person back as long as the epoch lasts, and not a day
/// longer; whoever was not erased is read out of the old data with the keys of now.
#[tokio::test]
async fn i21_restoring_the_backups_from_before_an_erasure_brings_nobody_back_once_the_epoch_has_turned() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let at = |name: &str| here.join(name);
    let copy = |from: &str, to: &str| {
        for beside in ["-wal", "-shm"] {
            assert!(!at(&format!("{from}{beside}")).exists(), "closed, it is one file");
        }
        fs::copy(at(from), at(to)).unwrap();
    };
    let store = Arc::new(SqliteStore::open(at("whisp.db")).unwrap());
    let table = Arc::new(SqliteKeyTable::open(at("keys.db")).unwrap());
    let vault = vault(here, table).await.unwrap();
    let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.vault(vault)).await;
    let (tenant, clock) = (world.tenant, Arc::clone(&world.clock));
    world.says("m1", "canary of the erased").await;
    world.settle().await;
    let erased = world.conversation().await;
    let other = ContactRef { handles: vec![Handle::new(HandleKind::Phone, "77019999999")], name: None };
    let message = MessageEvent::new(Some(PlatformMessageId::new("m2")), other, Content::text("canary of another"));
    world.ingest(vec![world.event("m2", Provenance::Live, Event::Message(message))]).await;
    world.settle().await;
    let desk = world.assistant.desk(tenant);
    let contact = desk.conversation(erased).await.unwrap().contact;
    let inbox = desk.inbox(None, 10).await.unwrap().conversations;
    let survivor = inbox.iter().map(|conversation| conversation.id).find(|id| *id != erased).unwrap();
    drop((desk, world));
    copy("whisp.db", "data.backup");
    copy("keys.db", "keys.backup");

    let assistant = open(here, &clock).await.unwrap();
    clock.advance(TimeDelta::hours(1));
    let receipt = assistant.erase(tenant, contact).await.unwrap();
    assert!(!reads(&assistant, tenant, erased).await && reads(&assistant, tenant, survivor).await);
    drop(assistant);
    copy("whisp.db", "data.now");
    copy("keys.db", "keys.now");

    // Both copies from before: there they are again. That is why there is a horizon.
    copy("data.backup", "whisp.db");
    copy("keys.backup", "keys.db");
    let assistant = open(here, &clock).await.unwrap();
    assert!(reads(&assistant, tenant, erased).await && reads(&assistant, tenant, survivor).await);
    drop(assistant);
    // The data alone bring nobody back.
    copy("keys.now", "keys.db");
    let assistant = open(here, &clock).await.unwrap();
    assert!(!reads(&assistant, tenant, erased).await && reads(&assistant, tenant, survivor).await);
    drop(assistant);

    copy("data.now", "whisp.db");
    let assistant = open(here, &clock).await.unwrap();
    clock.advance(TimeDelta::days(1));
    assert_eq!(assistant.sweep(100).await.unwrap().into_result().unwrap().turned, 2);
    let asked = assistant.receipt(tenant, receipt.id).await.unwrap();
    assert_eq!(asked.horizon_now, Some(ErasureHorizon::Since(clock.now())));
    drop(assistant);
    copy("keys.db", "keys.now");

    // Both copies from before: nothing opens them any more.
    copy("data.backup", "whisp.db");
    copy("keys.backup", "keys.db");
    assert_eq!(open(here, &clock).await.unwrap_err().kind(), VaultErrorKind::Destroyed);
    // The old data with the keys of now: the survivor, and nobody else.
    copy("keys.now", "keys.db");
    let assistant = open(here, &clock).await.unwrap();
    assert!(!reads(&assistant, tenant, erased).await && reads(&assistant, tenant, survivor).await);
}

/// A hold, an erasure and a turn of the epoch at the same moment, cut short anywhere: what is held is read for the claim, the
/// rest by nobody, and after the release and one more turn nothing opens the held copy either.
#[tokio::test]
async fn i23_what_a_hold_keeps_outlives_the_turns_of_the_epoch_and_goes_for_good_with_its_release() {
    let mut turned_between = 0;
    for polls in (0..AWAITS_MAX).step_by(9) {
        let keys = tempfile::tempdir().unwrap();
        let vault = vault(keys.path(), Arc::new(MemoryKeyTable::new())).await.unwrap();
        let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
        let mut config = whisp::assistant::Config::default();
        config.register = crate::holds::register();
        let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| {
            builder.vault(Arc::clone(&vault)).config(config)
        })
        .await;
        let contact = contact(&world).await;
        let conversation = world.conversation().await;
        let holds = world.assistant.desk(world.tenant).holds();
        let new = NewHold {
            scope: HoldScope::default(),
            ground: HoldGround::LegalClaim,
            authority: "a court".to_owned(),
            review_by: world.now() + TimeDelta::days(90),
        };
        let hold = holds.place(contact, new).await.unwrap();
        // Both are under way at once, and both crash.
        let both = async { tokio::join!(world.assistant.erase(world.tenant, contact), world.assistant.sweep(100)) };
        let ended = cancel_after(polls, both).await;
        turned_between += usize::from(ended.is_none() && epochs(&world).await.len() == 1);
        if let Some((erased, swept)) = &ended {
            assert!(
                erased.is_ok() && swept.as_ref().is_ok_and(|report| report.errors.is_empty()),
                "{erased:?} {swept:?}"
            );
        }
        let erased = world.assistant.erase(world.tenant, contact).await.unwrap();
        for day in 0..9 {
            world.assistant.sweep(100).await.unwrap().into_result().unwrap();
            let held = holds.read(hold.id, None, 100).await.unwrap().held;
            let said = held.iter().filter(|held| held.value.expose().contains("Forget me")).count();
            assert_eq!(said, 2, "question and answer, after {polls} polls and {day} days");
            assert!(!reads_any(&world, conversation).await, "the person is gone, after {polls} polls");
            world.later(DAY);
        }
        let known = world.assistant.receipt(world.tenant, erased.id).await.unwrap().horizon_now;
        assert!(matches!(known, None | Some(ErasureHorizon::Since(_))), "{known:?}");
        let released = holds.release(hold.id).await.unwrap();
        for _ in 0..9 {
            world.later(DAY);
            world.assistant.sweep(100).await.unwrap().into_result().unwrap();
        }
        let known = world.assistant.receipt(world.tenant, released.id).await.unwrap().horizon_now;
        assert!(matches!(known, Some(ErasureHorizon::Since(_))), "{known:?}");
        if ended.is_some() {
            assert!(turned_between > 0, "a turn ended while the erasure was under way");
            return;
        }
    }
    panic!("an erasure beside a sweep never ends");
}

async fn reads_any(world: &World, conversation: ConversationId) -> bool {
    world.assistant.desk(world.tenant).messages(conversation, None, 10).await.is_ok()
}
