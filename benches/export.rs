//! The copy of everything that is kept about a person, as JSON Lines, beside nothing but the reading of the same rows, and
//! what the process has in memory meanwhile: it should stay as it is.
//!
//! The bare side reads every column of the person's rows, one statement a kind, and looks at none of the bytes. Ours opens
//! what is sealed in them and writes each as a line.
//!
//! `cargo bench -p whisp-benches --bench export`; after `--`, a number sets the messages, 1000000 unless told.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench prints, and stops if its ground is missing")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};
use whisp::assistant::{PackagePart, PackagePiece};
use whisp::id::ContactId;
use whisp::store::Kind;
use whisp_benches::archive::Archive;
use whisp_benches::arguments::Arguments;
use whisp_benches::world::TENANT;
use whisp_benches::{Goal, compare, process};

const MESSAGES_DEFAULT: usize = 1_000_000;
const ROUNDS: usize = 3;

/// DESIGN.md, section 12.
const GOAL: Goal = Goal::SpeedAtLeast(0.4);

/// What an allocator and a database's cache may differ by, and memory still be flat.
const NOISE: f64 = 1.05;

fn main() {
    let messages = Arguments::read().messages(MESSAGES_DEFAULT);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder for the databases");
        let archive = Archive::fill(folder.path(), 1, messages).await;
        let contact = *archive.contacts.first().expect("somebody has written");
        archive.settle().await;
        let bare = connect(archive.path());
        let (mut lines_turns, mut package_turns, mut halves) = (Vec::new(), Vec::new(), [0.0_f64; 2]);
        let mut rows = 0;
        for _ in 0..ROUNDS {
            let began = Instant::now();
            rows = scan(&bare, contact);
            let alone = began.elapsed().as_secs_f64();
            let began = Instant::now();
            let lines = lines(&archive, contact, rows, &mut halves).await;
            lines_turns.push((began.elapsed().as_secs_f64(), alone));
            assert_eq!(lines, rows, "everything is in it, once");
            let began = Instant::now();
            package(&archive, contact).await;
            package_turns.push((began.elapsed().as_secs_f64(), alone));
        }
        compare(&format!("export of {rows} records / reading the same rows alone"), lines_turns, GOAL);
        compare(&format!("export of {rows} records as a package / reading the same rows alone"), package_turns, GOAL);
        let [first, second] = halves;
        let (growth, mib) = (second / first, f64::from(1 << 20));
        let verdict = if growth <= NOISE { "met" } else { "MISSED" };
        println!(
            "ratio memory at most, second half of an export of {rows} records / first half: {growth:.3}x, goal no growth (at \
             most {NOISE}x): {verdict} ({:.1} MiB against {:.1} MiB)",
            second / mib,
            first / mib
        );
    });
}

/// Exports all of it as lines, of which only the last page is in memory; returns how many there were, and notes what the
/// process had in memory at most in each half.
async fn lines(archive: &Archive, contact: ContactId, rows: usize, halves: &mut [f64; 2]) -> usize {
    let (mut lines, mut after, mut page_of_lines) = (0, None, Vec::new());
    loop {
        let page = archive.assistant.export(TENANT, contact, after).await.expect("the person may have it");
        page_of_lines.clear();
        for entry in &page.entries {
            serde_json::to_writer(&mut page_of_lines, entry).expect("it is plain data");
            page_of_lines.push(b'\n');
        }
        black_box(&page_of_lines);
        let [first, second] = halves;
        let half = if lines < rows / 2 { first } else { second };
        *half = half.max(process::resident());
        lines += page.entries.len();
        after = page.next;
        if after.is_none() {
            return lines;
        }
    }
}

/// The same as files, with their digests.
async fn package(archive: &Archive, contact: ContactId) {
    let mut package = archive.assistant.package(TENANT, contact, PackagePart::Whole);
    while let Some(piece) = package.next().await.expect("the person may have it") {
        if let PackagePiece::Bytes(bytes) = piece {
            black_box(&bytes);
        }
    }
}

/// A connection that reads, with as large a cache as the readers of ours have.
fn connect(path: &Path) -> Connection {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the file is there");
    db.execute_batch("PRAGMA cache_size = -2048").expect("the setting is known");
    db
}

/// Reads a person's rows; returns how many there are.
fn scan(db: &Connection, contact: ContactId) -> usize {
    let mut read = 0;
    for kind in Kind::ALL.iter().filter(|kind| kind.paths().owned) {
        let sql = "SELECT r.id, r.version, r.parent, r.position, r.expires_at, r.lookups, r.subjects, r.clear, r.sealed \
             FROM subject s CROSS JOIN record_{kind} r ON r.tenant = s.tenant AND r.id = s.id \
             WHERE s.tenant = ?1 AND s.subject = ?2 AND s.kind = '{kind}' ORDER BY s.id";
        let mut select = db.prepare(&sql.replace("{kind}", kind.name())).expect("the schema is ours");
        let mut rows = select.query((TENANT.into_bytes(), contact.0.into_bytes())).expect("it begins");
        while let Some(row) = rows.next().expect("it is read") {
            for column in 0..9 {
                black_box(row.get_ref(column).expect("there are so many"));
            }
            read += 1;
        }
    }
    read
}
