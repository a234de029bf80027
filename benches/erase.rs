//! The erasure of a person with 10,000 records, beside nothing but the deletion of the same rows in one transaction, of a
//! copy of the same file, `synchronous=FULL` and `secure_delete` on both sides. And how many durable writes it takes until
//! the person's key is gone.
//!
//! The bare side looks the person's rows up, as ours does. Ours counts what it deletes, notes how far it has come with each
//! step, and ends with a receipt and its event in the audit log. Each round erases somebody else, who has as much; the logs
//! of both files are empty before. Ours writes a part of its log back while it erases, the bare side when it is done: so both
//! are timed until the answer, and until the log with the deleted bytes is cut.
//!
//! `cargo bench -p whisp-benches --bench erase`; after `--`, a number sets the records, `calls` prints what the store was
//! asked.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and stops if its ground is missing")]

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;
use whisp::id::ContactId;
use whisp::store::Kind;
use whisp_benches::archive::Archive;
use whisp_benches::arguments::Arguments;
use whisp_benches::world::TENANT;
use whisp_benches::{Goal, compare};

const MESSAGES_DEFAULT: usize = 10_000;
const ROUNDS: usize = 7;

/// DESIGN.md, section 12: so many durable writes until the key is gone.
const WRITES_GOAL: usize = 2;

fn main() {
    let arguments = Arguments::read();
    let messages = arguments.messages(MESSAGES_DEFAULT);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder for the databases");
        let archive = Archive::fill(folder.path(), ROUNDS, messages).await;
        let copy = folder.path().join("copy.db");
        archive.copy(&copy).await;
        let mut bare = Bare::open(&copy);
        let (mut turns, mut gone, mut writes, mut records) = (Vec::new(), Vec::new(), 0, 0);
        for (round, contact) in archive.contacts.iter().enumerate() {
            archive.settle().await;
            archive.store.take();
            archive.keys.take();
            let began = Instant::now();
            let receipt = archive.assistant.erase(TENANT, *contact).await.expect("the store works");
            let ours = began.elapsed().as_secs_f64();
            archive.settle().await;
            let ours_gone = began.elapsed().as_secs_f64();
            let began = Instant::now();
            let same = bare.erase(*contact);
            let bares = began.elapsed().as_secs_f64();
            bare.settle();
            turns.push((ours, bares));
            gone.push((ours_gone, began.elapsed().as_secs_f64()));
            let deleted = receipt.deleted.iter().map(|(_, count)| count).sum::<u64>();
            assert_eq!(deleted, same, "both files hold the same");
            (writes, records) = (writes.max(archive.keys.take()), deleted);
            if round == 0 && arguments.say("calls") {
                for (call, tally) in archive.store.take() {
                    let waited = tally.waited.as_secs_f64() * 1e3;
                    println!("  {call:<30}{:>9} calls{:>9} rows{waited:>9.2} ms", tally.calls, tally.rows);
                }
            }
        }
        let what = format!("erasing a person with {records} records / deleting the same rows alone");
        compare(&what, turns, Goal::SpeedAtLeast(0.7));
        compare(&format!("{what}, until they are gone from the log too"), gone, Goal::SpeedAtLeast(0.7));
        let verdict = if writes <= WRITES_GOAL { "met" } else { "MISSED" };
        println!("durable writes until the key is gone: {writes}, goal at most {WRITES_GOAL}: {verdict}");
    });
}

/// Nothing but SQLite.
struct Bare(Connection);

impl Bare {
    fn open(path: &Path) -> Self {
        let db = Connection::open(path).expect("the copy opens");
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; \
             PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 0;",
        )
        .expect("the settings are known");
        db.set_prepared_statement_cache_capacity(256);
        Self(db)
    }

    /// Deletes a person's rows, whatever their kind; returns how many records that were.
    fn erase(&mut self, contact: ContactId) -> u64 {
        let who = (TENANT.into_bytes(), contact.0.into_bytes());
        let transaction = self.0.transaction().expect("it begins");
        let mut records = 0;
        for kind in Kind::ALL.iter().filter(|kind| kind.paths().owned) {
            let prepare = |sql: &str| {
                transaction.prepare_cached(&sql.replace("{kind}", kind.name())).expect("the schema is ours")
            };
            let mut select = prepare(
                "SELECT r.row, r.id, r.lookups FROM subject s CROSS JOIN record_{kind} r ON r.tenant = s.tenant AND r.id = s.id \
                 WHERE s.tenant = ?1 AND s.subject = ?2 AND s.kind = '{kind}'",
            );
            let rows = select
                .query_map(who, |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 16]>(1)?, row.get::<_, Vec<u8>>(2)?))
                })
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .expect("the rows are read");
            let mut delete = prepare("DELETE FROM record_{kind} WHERE row = ?1");
            let mut path = kind
                .paths()
                .found
                .then(|| prepare("DELETE FROM lookup_{kind} WHERE tenant = ?1 AND lookup = ?2 AND id = ?3"));
            for (row, id, lookups) in &rows {
                records += delete.execute([row]).expect("it is deleted") as u64;
                for lookup in lookups.as_chunks::<16>().0 {
                    let path = path.as_mut().expect("what has lookups is found by them");
                    path.execute((who.0, lookup, id)).expect("it is deleted");
                }
            }
        }
        let paths = "DELETE FROM subject WHERE tenant = ?1 AND subject = ?2";
        transaction.prepare_cached(paths).and_then(|mut paths| paths.execute(who)).expect("they are deleted");
        transaction.commit().expect("it is durable");
        records
    }

    /// Empties the log.
    fn settle(&self) {
        self.0.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("it is written back");
    }
}
