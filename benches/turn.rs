//! The turn of an epoch: so many people's keys, wrapped anew under the next key of their tenant, beside the bare primitives,
//! and on SQLite beside the bare updates of the same rows.
//!
//! `cargo bench -p whisp-benches --bench turn`; after `--`, a number sets the people, 100000 unless told.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and stops where its set-up fails")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use chrono::{DateTime, Utc};
use rusqlite::Connection;
use tokio::runtime::Runtime;
use whisp::id::{SubjectId, TenantId};
use whisp::stores::{CellKeyProvider, EnvelopeVault, LocalKeyProvider, MemoryCells, MemoryKeyTable, SqliteKeyTable};
use whisp::vault::{EpochDue, KeyTable, Turn, Vault};
use whisp_benches::arguments::Arguments;
use whisp_benches::{Goal, compare, process};

const PEOPLE_DEFAULT: usize = 100_000;
const TENANT: TenantId = TenantId::from_bytes([1; 16]);

/// Reference: privacy.md 3.15, for 100,000 people.
const CPU_GOAL: f64 = 0.5;

const ROUNDS: u32 = 5;

/// As many keys as one transaction of the turn writes.
const BATCH: usize = 1_000;

fn main() {
    let people = Arguments::read().messages(PEOPLE_DEFAULT);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let bare = Bare::new();

    let memory = Turning::new(&runtime, Arc::new(MemoryKeyTable::new()), people);
    let rounds = (0..ROUNDS).map(|_| (memory.turn(&runtime), timed(|| bare.rewrap(people))));
    compare(&format!("turn of {people}, in memory / unwrapping and wrapping alone"), rounds, Goal::TimesAtMost(2.0));
    memory.report(&runtime, "in memory");

    let folder = tempfile::tempdir().expect("a folder");
    let table = SqliteKeyTable::open(folder.path().join("keys.db")).expect("a new file opens");
    let sqlite = Turning::new(&runtime, Arc::new(table), people);
    let mut updates = Updates::new(&folder.path().join("bare.db"), people);
    let rounds = (0..ROUNDS).map(|_| (sqlite.turn(&runtime), timed(|| updates.run())));
    compare(&format!("turn of {people}, SQLite / updating the same rows alone"), rounds, Goal::TimesAtMost(2.0));
    sqlite.report(&runtime, "SQLite");
}

fn timed(run: impl FnOnce()) -> f64 {
    let started = Instant::now();
    run();
    started.elapsed().as_secs_f64()
}

/// A vault whose tenant has so many people.
struct Turning {
    vault: EnvelopeVault,
    people: usize,
}

impl Turning {
    fn new(runtime: &Runtime, table: Arc<dyn KeyTable>, people: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = LocalKeyProvider::create(folder.path().join("root.key")).expect("a key");
        let provider = CellKeyProvider::new(Arc::new(root), Arc::new(MemoryCells::new()));
        let vault = runtime.block_on(async {
            let vault = EnvelopeVault::open(Arc::new(provider), table).await.expect("opens");
            let people: Vec<SubjectId> = (0..people).map(subject).collect();
            vault.provision(TENANT, &people).await.expect("provisions");
            vault
        });
        Self { vault, people }
    }

    /// Turns the epoch once; returns the seconds that it took.
    fn turn(&self, runtime: &Runtime) -> f64 {
        let far = DateTime::<Utc>::MAX_UTC;
        let due = EpochDue { now: DateTime::UNIX_EPOCH, begun_before: far };
        timed(|| {
            let turned = runtime.block_on(self.vault.turn(TENANT, &due, usize::MAX)).expect("turns");
            let Turn::Destroyed { epoch, rewrapped, .. } = turned else { unreachable!("{turned:?}") };
            assert_eq!(rewrapped, self.people);
            runtime.block_on(self.vault.end_turn(TENANT, epoch)).expect("ends");
        })
    }

    /// Prints what the processors work for one turn.
    fn report(&self, runtime: &Runtime, name: &str) {
        let before = process::busy();
        for _ in 0..ROUNDS {
            self.turn(runtime);
        }
        let cpu = (process::busy() - before) / f64::from(ROUNDS);
        let verdict = if cpu <= CPU_GOAL { "met" } else { "MISSED" };
        println!("turn of {}, {name}: {cpu:.2} s of a processor, goal at most {CPU_GOAL} s: {verdict}", self.people);
    }
}

fn subject(n: usize) -> SubjectId {
    // In an order like random ids have.
    let scattered = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    SubjectId::from_bytes((u128::from(scattered) << 64 | n as u128).to_be_bytes())
}

/// One key unwrapped and wrapped, without anything around it.
struct Bare {
    key: LessSafeKey,
    wrapped: Vec<u8>,
}

impl Bare {
    fn new() -> Self {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &[7; 32]).expect("a key"));
        let mut wrapped = vec![9; 32];
        let nonce = Nonce::assume_unique_for_key([1; 12]);
        key.seal_in_place_append_tag(nonce, Aad::from([3_u8; 80]), &mut wrapped).expect("wraps");
        Self { key, wrapped }
    }

    fn rewrap(&self, keys: usize) {
        for _ in 0..keys {
            let mut buffer = self.wrapped.clone();
            let nonce = Nonce::assume_unique_for_key([1; 12]);
            let plain = self.key.open_in_place(nonce, Aad::from([3_u8; 80]), &mut buffer).expect("unwraps");
            let mut again = plain.to_vec();
            let mut nonce = [0; 12];
            aws_lc_rs::rand::fill(&mut nonce).expect("random bytes");
            let nonce = Nonce::assume_unique_for_key(nonce);
            self.key.seal_in_place_append_tag(nonce, Aad::from([3_u8; 80]), &mut again).expect("wraps");
            black_box(again);
        }
    }
}

/// The same rows, found and written in the same transactions by nothing but SQLite.
struct Updates {
    db: Connection,
    epoch: u32,
}

impl Updates {
    fn new(path: &Path, people: usize) -> Self {
        let db = Connection::open(path).expect("a new file opens");
        let sql = "PRAGMA secure_delete = ON; PRAGMA synchronous = FULL; PRAGMA journal_mode = TRUNCATE;
            CREATE TABLE k (id INTEGER PRIMARY KEY, tenant BLOB, subject BLOB, epoch BLOB, wrapped BLOB, \
            UNIQUE (tenant, subject)) STRICT; CREATE INDEX e ON k (tenant, epoch); BEGIN";
        db.execute_batch(sql).expect("a table");
        for n in 0..people {
            let row = (TENANT.into_bytes(), subject(n).into_bytes(), 1_u32.to_be_bytes(), [7_u8; 61]);
            let insert = "INSERT INTO k (tenant, subject, epoch, wrapped) VALUES (?1, ?2, ?3, ?4)";
            db.prepare_cached(insert).and_then(|mut insert| insert.execute(row)).expect("inserts");
        }
        db.execute_batch("COMMIT").expect("commits");
        Self { db, epoch: 1 }
    }

    fn run(&mut self) {
        let (from, to) = (self.epoch.to_be_bytes(), (self.epoch + 1).to_be_bytes());
        self.epoch += 1;
        loop {
            let select = "SELECT subject, wrapped FROM k WHERE tenant = ?1 AND epoch = ?2 LIMIT ?3";
            let mut select = self.db.prepare_cached(select).expect("prepares");
            let rows = select.query_map((TENANT.into_bytes(), from, BATCH as i64), |row| {
                Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, Vec<u8>>(1)?))
            });
            let rows: Vec<_> = rows.expect("reads").collect::<Result<_, _>>().expect("reads");
            if rows.is_empty() {
                return;
            }
            self.db.execute_batch("BEGIN").expect("begins");
            for (subject, wrapped) in rows {
                let update = "UPDATE k SET epoch = ?3, wrapped = ?4 WHERE tenant = ?1 AND subject = ?2";
                let mut update = self.db.prepare_cached(update).expect("prepares");
                update.execute((TENANT.into_bytes(), subject, to, wrapped)).expect("updates");
            }
            self.db.execute_batch("COMMIT").expect("commits");
        }
    }
}
