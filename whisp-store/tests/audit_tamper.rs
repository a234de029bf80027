//! The audit log in a real file: whatever is changed in it shows, and where.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;
use secrecy::SecretString;
use tempfile::TempDir;
use whisp_core::assistant::{Assistant, AssistantError, AuditFault, EventProof, Inclusion, NewConnection, NewTenant};
use whisp_core::audit::{
    AnchorErrorKind, AuditAction, Checkpoint, CheckpointSink, ProofError, SignedNote, TreeHash, goes_on,
};
use whisp_core::id::{ConnectionId, RecordId, TenantId};
use whisp_core::model::{AccountId, AutomationMode, ChannelKind};
use whisp_core::testing::{ManualClock, SeqIds};
use whisp_store::audit::{FolderSink, LocalSigner, verify_checkpoint, verify_proof};
use whisp_store::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable, SqliteStore};

/// More than one tile of events.
const EVENTS: u64 = 300;

/// A log in a file, anchored in a folder.
struct Log {
    folder: TempDir,
    vault: Arc<EnvelopeVault>,
    clock: Arc<ManualClock>,
    tenant: TenantId,
    connection: ConnectionId,
    /// What was anchored when the log was whole.
    anchored: Checkpoint,
    note: SignedNote,
}

impl Log {
    /// A log of [`EVENTS`] events.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let provider = Arc::new(LocalKeyProvider::create(folder.path().join("root.key")).unwrap());
        let vault = Arc::new(EnvelopeVault::open(provider, Arc::new(MemoryKeyTable::new())).await.unwrap());
        let clock = Arc::new(ManualClock::default());
        let tenant = TenantId::from_uuid(uuid::Uuid::from_u128(1));
        let assistant = open(&folder, &vault, &clock, 1);
        assistant.create_tenant(NewTenant::new(tenant, "Coffee & Co", "Asia/Almaty")).await.unwrap();
        let new = NewConnection {
            channel: ChannelKind::WhatsApp,
            account: AccountId::new("1060"),
            token: SecretString::from("token"),
            scopes: Vec::new(),
            mode: AutomationMode::Off,
        };
        let connection = assistant.connect(tenant, new).await.unwrap();
        // That the tenant is there, that it connected, and what was granted by that.
        for _ in 3..EVENTS {
            assistant.set_mode(tenant, connection, AutomationMode::Suggest).await.unwrap();
        }
        assert_eq!(assistant.sweep(10).await.unwrap().into_result().unwrap().logged, usize::try_from(EVENTS).unwrap());
        let audit = assistant.audit(tenant);
        let note = sink(&folder).latest(&audit.origin()).await.unwrap().unwrap();
        let anchored = verify_checkpoint(&note.to_string(), &audit.verifier_key().unwrap()).unwrap();
        assert_eq!(anchored.size, EVENTS);
        Self { folder, vault, clock, tenant, connection, anchored, note }
    }

    fn open(&self) -> Assistant {
        open(&self.folder, &self.vault, &self.clock, 2)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("whisp.db")
    }

    /// Does something to the file behind the store's back, says what a verification finds, and puts the file back.
    async fn faults(&self, sql: &str) -> Vec<AuditFault> {
        let sql = sql.replace("LOG", "parent = X'00000000000000000000000000000001' AND position");
        self.faults_after(|conn| conn.execute_batch(&sql).unwrap()).await
    }

    async fn faults_after(&self, change: impl FnOnce(&Connection)) -> Vec<AuditFault> {
        let whole = std::fs::read(self.file()).unwrap();
        let conn = Connection::open(self.file()).unwrap();
        change(&conn);
        conn.pragma_update(None, "wal_checkpoint", "truncate").ok();
        drop(conn);
        let audit = self.open().audit(self.tenant);
        let check = audit.verify(Some(&self.anchored)).await.unwrap();
        drop(audit);
        std::fs::write(self.file(), whole).unwrap();
        check.faults
    }
}

fn open(folder: &TempDir, vault: &Arc<EnvelopeVault>, clock: &Arc<ManualClock>, seed: u64) -> Assistant {
    Assistant::builder()
        .store(Arc::new(SqliteStore::open(folder.path().join("whisp.db")).unwrap()))
        .vault(Arc::clone(vault) as _)
        .clock(Arc::clone(clock) as _)
        .ids(Arc::new(SeqIds::new(seed)))
        .signer(Arc::new(LocalSigner::open_or_create(folder.path().join("audit.key")).unwrap()))
        .anchor(Arc::new(sink(folder)))
        .build()
        .unwrap()
}

fn sink(folder: &TempDir) -> FolderSink {
    FolderSink::open(folder.path().join("anchor")).unwrap()
}

/// The file as its only file, so that it can be copied.
fn whole_file(log: &Log) {
    let conn = Connection::open(log.file()).unwrap();
    let (busy, _, _): (i64, i64, i64) = conn
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    assert_eq!(busy, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn i32_an_edit_a_drop_a_move_and_an_addition_are_found_where_they_are() {
    let log = Log::new().await;
    whole_file(&log);
    assert_eq!(log.faults("").await, []);
    let edit = "UPDATE record_audit SET clear = replace(clear, 'mode_set', 'connected') WHERE LOG = 5";
    assert_eq!(log.faults(edit).await, [AuditFault::Changed { index: 5 }]);
    let one_letter = "UPDATE record_audit SET clear = clear || ' ' WHERE LOG = 299";
    assert_eq!(log.faults(one_letter).await, [AuditFault::Changed { index: 299 }]);
    assert_eq!(log.faults("DELETE FROM record_audit WHERE LOG = 7").await, [AuditFault::Missing { index: 7 }]);
    let all: Vec<_> = (250..260).map(|index| AuditFault::Missing { index }).collect();
    assert_eq!(log.faults("DELETE FROM record_audit WHERE LOG BETWEEN 250 AND 259").await, all);
    let swap = "UPDATE record_audit SET position = CASE position WHEN 3 THEN 4 ELSE 3 END WHERE LOG IN (3, 4)";
    assert_eq!(log.faults(swap).await, [AuditFault::Changed { index: 3 }, AuditFault::Changed { index: 4 }]);
    let again = |position: i64| {
        format!(
            "INSERT INTO record_audit (tenant, id, version, parent, position, lookups, subjects, clear, sealed)
             SELECT tenant, X'ffffffffffffffffffffffffffffff{:02x}', 2, parent, {position}, lookups, subjects, clear, sealed
             FROM record_audit WHERE LOG = 9",
            position.rem_euclid(256)
        )
    };
    for position in [-1, 9, 200, 300, 5_000] {
        assert_eq!(log.faults(&again(position)).await, [AuditFault::Extra { position }]);
    }
    // What was put elsewhere is missing where it was.
    let moved = "UPDATE record_audit SET position = 400 WHERE LOG = 11";
    assert_eq!(log.faults(moved).await, [AuditFault::Missing { index: 11 }, AuditFault::Extra { position: 400 }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_that_were_changed_are_told_from_events_that_were() {
    let log = Log::new().await;
    whole_file(&log);
    let tile = |level: u8, index: u8| format!("X'00000000000000{level:02x}00000000000000{index:02x}'");
    let flip = |level, index| {
        let id = tile(level, index);
        log.faults_after(move |conn| {
            let select = format!("SELECT sealed FROM record_audit_tile WHERE id = {id}");
            let mut hashes: Vec<u8> = conn.query_row(&select, [], |row| row.get(0)).unwrap();
            hashes[0] ^= 1;
            let update = format!("UPDATE record_audit_tile SET sealed = ?1 WHERE id = {id}");
            assert_eq!(conn.execute(&update, [hashes]).unwrap(), 1);
        })
    };
    // The first hash of each.
    let first = AuditFault::Tile { level: 0, index: 0 };
    assert_eq!(flip(0, 0).await, [first]);
    assert_eq!(flip(0, 1).await, [AuditFault::Tile { level: 0, index: 1 }]);
    assert_eq!(flip(1, 0).await, [first], "what is above says something else of it");
    for level in [0, 1] {
        let gone = format!("DELETE FROM record_audit_tile WHERE id = {}", tile(level, 0));
        assert_eq!(log.faults(&gone).await, [AuditFault::Tile { level, index: 0 }]);
    }
    let short = format!("UPDATE record_audit_tile SET sealed = substr(sealed, 1, 100) WHERE id = {}", tile(0, 0));
    assert_eq!(log.faults(&short).await, [first]);
    let head = "UPDATE record_audit_head SET clear = replace(clear, '\"root\":\"', '\"root\":\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\",\"was\":\"')";
    assert_eq!(log.faults(head).await, [AuditFault::Head]);
    let smaller = "UPDATE record_audit_head SET clear = replace(clear, '300', '299')";
    let faults = log.faults(smaller).await;
    assert_eq!(faults, [AuditFault::Extra { position: 299 }, AuditFault::Head, AuditFault::Shorter { size: 299 }]);
    let larger = "UPDATE record_audit_head SET clear = replace(clear, '300', '18446744073709551615')";
    let faults = log.faults(larger).await;
    assert!(faults.contains(&AuditFault::Head) && faults.len() <= 1_000, "{faults:?}");
    // Event, hash and head changed together, as far as one file reaches.
    let both = log
        .faults_after(|conn| {
            let place = "parent = X'00000000000000000000000000000001' AND position = 0";
            let edit = format!("UPDATE record_audit SET clear = clear || ' ' WHERE {place}");
            assert_eq!(conn.execute(&edit, []).unwrap(), 1);
            let leaf: String =
                conn.query_row(&format!("SELECT clear FROM record_audit WHERE {place}"), [], |row| row.get(0)).unwrap();
            let id = tile(0, 0);
            let select = format!("SELECT sealed FROM record_audit_tile WHERE id = {id}");
            let mut hashes: Vec<u8> = conn.query_row(&select, [], |row| row.get(0)).unwrap();
            hashes[..32].copy_from_slice(&TreeHash::of_leaf(leaf.as_bytes()).0);
            let update = format!("UPDATE record_audit_tile SET sealed = ?1 WHERE id = {id}");
            assert_eq!(conn.execute(&update, [hashes]).unwrap(), 1);
        })
        .await;
    assert_eq!(both, [first, AuditFault::Head, AuditFault::Fork { size: EVENTS }], "somewhere in the first 256");
    let everything = "DELETE FROM record_audit; DELETE FROM record_audit_tile; DELETE FROM record_audit_head";
    assert_eq!(log.faults(everything).await, [AuditFault::Shorter { size: 0 }]);
}

/// Whoever has the store and the program can write the whole log anew; only the anchor knows better.
#[tokio::test(flavor = "multi_thread")]
async fn i32_a_log_that_was_written_anew_is_whole_by_itself_and_a_fork_of_its_anchor() {
    let log = Log::new().await;
    let rewrite = |change: &str| {
        let conn = Connection::open(log.file()).unwrap();
        conn.execute_batch(&format!(
            "{change}; DELETE FROM record_audit_tile; DELETE FROM record_audit_head;
             UPDATE record_audit SET parent = zeroblob(16), version = 1 WHERE parent <> zeroblob(16)"
        ))
        .unwrap();
    };
    rewrite("UPDATE record_audit SET clear = replace(clear, 'mode_set', 'connected') WHERE position = 5");
    let assistant = log.open();
    let audit = assistant.audit(log.tenant);
    assert_eq!(audit.sequence(1_000).await.unwrap(), 300);
    assert_eq!(audit.verify(None).await.unwrap().faults, []);
    assert_eq!(audit.verify(Some(&log.anchored)).await.unwrap().faults, [AuditFault::Fork { size: EVENTS }]);
    for forked in [audit.checkpoint().await.unwrap_err(), assistant.sweep(10).await.unwrap().into_result().unwrap_err()]
    {
        let AssistantError::Anchor(error) = forked else { panic!("{forked:?}") };
        assert_eq!(error.kind(), AnchorErrorKind::Fork, "nothing of it is signed");
    }
    drop((audit, assistant));

    rewrite("DELETE FROM record_audit WHERE position = 299");
    let assistant = log.open();
    let audit = assistant.audit(log.tenant);
    assert_eq!(audit.sequence(1_000).await.unwrap(), 299);
    assert_eq!(audit.verify(None).await.unwrap().faults, []);
    assert_eq!(audit.verify(Some(&log.anchored)).await.unwrap().faults, [AuditFault::Shorter { size: 299 }]);
    let AssistantError::Anchor(error) = audit.checkpoint().await.unwrap_err() else { panic!("no anchor") };
    assert_eq!(error.kind(), AnchorErrorKind::Back);
    assert_eq!(sink(&log.folder).latest(&audit.origin()).await.unwrap(), Some(log.note.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_outlives_the_store_and_nothing_is_proved_of_what_was_changed() {
    let log = Log::new().await;
    let assistant = log.open();
    let audit = assistant.audit(log.tenant);
    let key = audit.verifier_key().unwrap();
    let (events, _) = audit.events(None, 400).await.unwrap();
    assert_eq!(events.len(), 300);
    let proof = |id: RecordId| {
        let audit = audit.clone();
        async move {
            let Inclusion::Logged(proof) = audit.prove(id).await.unwrap() else { panic!("it waits") };
            proof
        }
    };
    for entry in [&events[0], &events[5], &events[255], &events[256], &events[299]] {
        let EventProof { leaf, proof } = proof(entry.event.id).await;
        let verified = verify_proof(&leaf, &proof, &key).unwrap();
        assert_eq!((&verified.event, Some(verified.index)), (&entry.event, entry.index));
        assert_eq!(verified.checkpoint, log.anchored);
        let changed = leaf.replace("host", "contact");
        assert_eq!(verify_proof(&changed, &proof, &key), Err(ProofError::NotIncluded));
    }
    let EventProof { leaf, proof: text } = proof(events[5].event.id).await;
    let smaller = text.replace("\n300\n", "\n299\n");
    assert_eq!(verify_proof(&leaf, &smaller, &key), Err(ProofError::BadSignature));
    let other: String = text.replace("\u{2014} whisp/audit", "\u{2014} other/audit");
    assert_eq!(verify_proof(&leaf, &other, &key), Err(ProofError::UnknownKey));
    let stranger = whisp_core::audit::VerifierKey::new(key.name(), [9; 32]).unwrap();
    assert_eq!(verify_proof(&leaf, &text, &stranger), Err(ProofError::UnknownKey));
    let elsewhere = text.replace("index 5", "index 6");
    assert_eq!(verify_proof(&leaf, &elsewhere, &key), Err(ProofError::NotIncluded));

    // The log goes on; what was proved stays proved, and the new checkpoint goes on from the old one.
    assistant.set_mode(log.tenant, log.connection, AutomationMode::Automatic).await.unwrap();
    let waiting = audit.waiting().await.unwrap();
    assert_eq!((waiting.len(), waiting[0].index, waiting[0].event.action), (1, None, AuditAction::ModeSet));
    assert_eq!(audit.prove(waiting[0].event.id).await.unwrap(), Inclusion::Waiting);
    assistant.sweep(10).await.unwrap().into_result().unwrap();
    let note = audit.checkpoint().await.unwrap();
    let now = verify_checkpoint(&note.to_string(), &key).unwrap();
    assert_eq!(now.size, 301);
    let path = audit.consistency(300, 301).await.unwrap();
    assert!(goes_on((300, log.anchored.root), (301, now.root), &path));
    assert!(audit.consistency(301, 300).await.is_err() && audit.consistency(1, 302).await.is_err());
    assert!(verify_proof(&leaf, &text, &key).is_ok());
    drop((audit, assistant));

    let conn = Connection::open(log.file()).unwrap();
    conn.execute_batch("UPDATE record_audit SET clear = replace(clear, 'host', 'system') WHERE position = 5").unwrap();
    drop(conn);
    let audit = log.open().audit(log.tenant);
    let AssistantError::Store(error) = audit.prove(events[5].event.id).await.unwrap_err() else { panic!("proved") };
    assert_eq!(error.kind(), whisp_core::store::StoreErrorKind::Corrupt);
    assert!(verify_proof(&leaf, &text, &key).is_ok(), "what was given out before says what was");
}

/// Each puts what it finds into the tree while events come in: every event is there once, and the log is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_sequencers_at_once_put_each_event_once() {
    let log = Log::new().await;
    let store: Arc<dyn whisp_core::store::Store> = Arc::new(SqliteStore::open(log.file()).unwrap());
    let assistants: Vec<Assistant> = (3..6)
        .map(|seed| {
            Assistant::builder()
                .store(Arc::clone(&store))
                .vault(Arc::clone(&log.vault) as _)
                .clock(Arc::clone(&log.clock) as _)
                .ids(Arc::new(SeqIds::new(seed)))
                .build()
                .unwrap()
        })
        .collect();
    let (tenant, connection) = (log.tenant, log.connection);
    let writer = {
        let assistant = assistants[0].clone();
        tokio::spawn(async move {
            for round in 0..150 {
                assistant.set_mode(tenant, connection, AutomationMode::Suggest).await.unwrap();
                if round % 10 == 0 {
                    assistant.set_automation(tenant, true).await.unwrap();
                }
            }
        })
    };
    let sequencers: Vec<_> = assistants[1..]
        .iter()
        .map(|assistant| {
            let audit = assistant.audit(tenant);
            tokio::spawn(async move {
                let mut put = 0;
                while audit.head().await.unwrap().size < EVENTS + 165 {
                    put += audit.sequence(3).await.unwrap();
                    tokio::task::yield_now().await;
                }
                put
            })
        })
        .collect();
    writer.await.unwrap();
    let mut put = 0;
    for sequencer in sequencers {
        put += sequencer.await.unwrap();
    }
    assert_eq!(put, 165);
    let audit = assistants[0].audit(tenant);
    assert_eq!(audit.waiting().await.unwrap(), []);
    let check = audit.verify(Some(&log.anchored)).await.unwrap();
    assert_eq!((check.size, check.faults), (EVENTS + 165, Vec::new()));
    let (events, _) = audit.events(None, 1_000).await.unwrap();
    let ids: std::collections::BTreeSet<_> = events.iter().map(|entry| entry.event.id).collect();
    assert_eq!(ids.len(), events.len());
}
