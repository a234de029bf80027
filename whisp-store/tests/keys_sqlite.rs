//! The key table in a SQLite file: what it refuses, and what is left of an erased key.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by a panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::DateTime;
use tempfile::TempDir;
use whisp_core::error::ErrorChain;
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::vault::{KeyTable, Rewrap, SubjectKey, SubjectKeyState, TenantKey, VaultErrorKind, WrappedKey};
use whisp_store::SqliteKeyTable;

const TENANT: TenantId = TenantId::from_bytes([1; 16]);

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.db");
    (folder, path)
}

/// Subjects in an order like random ids have, so that the index of the table splits and shifts.
fn subject(n: u64) -> SubjectId {
    let scattered = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    SubjectId::from_bytes((u128::from(scattered) << 64 | u128::from(n)).to_be_bytes())
}

/// Sixty-one bytes that occur nowhere else.
fn wrapped(n: u64) -> WrappedKey {
    let mut word = n ^ 0x5bd1_e995_7b79_1f0d;
    let bytes = std::iter::repeat_with(|| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u8::try_from(word >> 56).unwrap()
    });
    WrappedKey(bytes.take(61).collect())
}

fn tenant_key() -> TenantKey {
    TenantKey {
        epoch: 1,
        begun_at: None,
        wrapped: WrappedKey(vec![0xaa; 2]),
        previous: None,
        index: WrappedKey(vec![0xbb; 2]),
    }
}

/// Opens a table in which the tenant has a key.
async fn open(path: &Path) -> SqliteKeyTable {
    let table = SqliteKeyTable::open(path).unwrap();
    table.put_tenant(TENANT, tenant_key()).await.unwrap();
    table
}

fn key(n: u64) -> SubjectKey {
    SubjectKey { version: 1, epoch: 1, wrapped: wrapped(n) }
}

/// Every byte of every file in a folder: the table, its journal, whatever else there may be.
fn raw(folder: &Path) -> Vec<u8> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| fs::read(file).unwrap()).collect()
}

/// Which of the keys occur in the bytes, whole or half.
fn found(raw: &[u8], keys: impl Iterator<Item = u64>) -> Vec<u64> {
    const HALF: usize = 24;
    let wanted: std::collections::HashMap<Vec<u8>, u64> = keys
        .flat_map(|n| {
            let WrappedKey(bytes) = wrapped(n);
            [(bytes[..HALF].to_vec(), n), (bytes[bytes.len() - HALF..].to_vec(), n)]
        })
        .collect();
    let mut found: Vec<u64> = raw.windows(HALF).filter_map(|window| wanted.get(window).copied()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[tokio::test]
async fn nothing_of_an_erased_key_is_left_in_any_file_while_the_others_stay() {
    const PEOPLE: u64 = 900;
    let erased = |n: &u64| n.is_multiple_of(3);
    let (folder, path) = folder();
    let table = open(&path).await;
    // Writes and erasures take turns, so that pages split while there are erased rows in them.
    for chunk in 0..PEOPLE / 100 {
        let people = chunk * 100..(chunk + 1) * 100;
        let keys = people.clone().map(|n| (subject(n), key(n))).collect();
        table.put_subjects(TENANT, keys).await.unwrap();
        for n in people.filter(erased).filter(|n| n.is_multiple_of(2)) {
            table.erase(TENANT, subject(n), DateTime::UNIX_EPOCH).await.unwrap();
        }
    }
    for n in (0..PEOPLE).filter(erased) {
        let before = table.erase(TENANT, subject(n), DateTime::UNIX_EPOCH).await.unwrap();
        assert_eq!(matches!(before, SubjectKeyState::Live(_)), n % 2 == 1);
    }
    // While it runs, and after it was closed.
    let running = raw(folder.path());
    drop(table);
    for bytes in [running, raw(folder.path())] {
        assert_eq!(found(&bytes, (0..PEOPLE).filter(erased)), [0; 0]);
        assert_eq!(found(&bytes, (0..PEOPLE).filter(|n| !erased(n))).len(), 600, "the scan finds what is there");
    }
}

#[tokio::test]
async fn one_erasure_among_few_leaves_nothing_either() {
    let (folder, path) = folder();
    let table = open(&path).await;
    table.put_subjects(TENANT, vec![(subject(1), key(1)), (subject(2), key(2))]).await.unwrap();
    assert_eq!(found(&raw(folder.path()), 1..3), [1, 2]);
    table.erase(TENANT, subject(1), DateTime::UNIX_EPOCH).await.unwrap();
    assert_eq!(found(&raw(folder.path()), 1..3), [2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_and_erasures_on_many_threads_end_in_one_state() {
    let (_folder, path) = folder();
    let table = Arc::new(open(&path).await);
    let tasks: Vec<_> = (0..200_u64)
        .map(|n| {
            let table = Arc::clone(&table);
            tokio::spawn(async move {
                let who = subject(n % 20);
                if n % 10 == 9 {
                    table.erase(TENANT, who, DateTime::UNIX_EPOCH).await.unwrap();
                } else {
                    table.put_subjects(TENANT, vec![(who, key(n))]).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for n in 0..20 {
        let state = table.subject(TENANT, subject(n)).await.unwrap();
        assert_eq!(matches!(state, SubjectKeyState::Erased(_)), n % 10 == 9, "{n}");
    }
}

#[tokio::test]
async fn a_dropped_call_is_done_or_not_done_and_harms_nothing() {
    let (_folder, path) = folder();
    let table = open(&path).await;
    {
        let mut put = std::pin::pin!(table.put_subjects(TENANT, vec![(subject(1), key(1))]));
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(put.as_mut().poll(context))).await;
        assert!(polled.is_pending() || polled.is_ready());
    }
    drop(table);
    let table = SqliteKeyTable::open(&path).unwrap();
    let state = table.put_subjects(TENANT, vec![(subject(1), key(1))]).await.unwrap();
    assert_eq!(state, [SubjectKeyState::Live(key(1))]);
}

#[test]
fn only_one_holds_the_file() {
    let (_folder, path) = folder();
    let table = SqliteKeyTable::open(&path).unwrap();
    for _ in 0..2 {
        let error = SqliteKeyTable::open(&path).unwrap_err();
        assert_eq!(error.kind(), VaultErrorKind::Locked);
        assert!(error.to_string().contains("stop the other process"), "{error}");
    }
    drop(table);
    SqliteKeyTable::open(&path).unwrap();
}

#[test]
fn files_of_others_are_refused_and_not_changed() {
    let (_folder, path) = folder();
    let foreign = |path: &Path, sql: &str| {
        let db = rusqlite::Connection::open(path).unwrap();
        db.execute_batch(sql).unwrap();
        db.close().unwrap();
        restrict(path);
    };
    foreign(&path, "PRAGMA journal_mode = WAL; CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1);");
    expect_refused(&path, VaultErrorKind::WrongKey);
    fs::write(
        &path,
        b"not a database at all, but longer than the hundred bytes of a header of SQLite's: really, longer",
    )
    .unwrap();
    expect_refused(&path, VaultErrorKind::WrongKey);
    fs::write(&path, b"").unwrap();
    expect_refused(&path, VaultErrorKind::WrongKey);
}

#[test]
fn a_newer_file_is_refused_and_not_changed() {
    let (_folder, path) = folder();
    drop(SqliteKeyTable::open(&path).unwrap());
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA user_version = 3").unwrap();
    db.close().unwrap();
    expect_refused(&path, VaultErrorKind::Newer);
}

/// Each makes a file of a schema version, with one of everything. None is ever changed: a new schema version gets a script of
/// its own, and the others must go on opening.
const SCRIPTS: [&str; 2] = [include_str!("golden/keys_v1.sql"), include_str!("golden/keys_v2.sql")];

#[tokio::test]
async fn a_file_of_each_schema_version_opens_with_everything_in_it_and_is_written_the_same_today() {
    let id = |byte| SubjectId::from_bytes([byte; 16]);
    let at = DateTime::from_timestamp_micros(1_795_338_000_000_000).unwrap();
    let live = SubjectKey { version: 1, epoch: 1, wrapped: WrappedKey(vec![0xcc; 2]) };
    let (_new, new) = folder();
    let table = open(&new).await;
    table.put_subjects(TENANT, vec![(id(2), live.clone()), (id(3), live.clone())]).await.unwrap();
    table.erase(TENANT, id(3), at).await.unwrap();
    drop(table);
    for script in SCRIPTS {
        let (_old, old) = folder();
        rusqlite::Connection::open(&old).unwrap().execute_batch(script).unwrap();
        restrict(&old);
        let table = SqliteKeyTable::open(&old).unwrap();
        assert_eq!(table.tenant(TENANT).await.unwrap(), Some(tenant_key()));
        assert_eq!(table.subject(TENANT, id(2)).await.unwrap(), SubjectKeyState::Live(live.clone()));
        assert_eq!(table.subject(TENANT, id(3)).await.unwrap(), SubjectKeyState::Erased(at));
        assert_eq!(table.of_epoch(TENANT, 1, 10).await.unwrap(), [(id(2), live.clone())]);
        drop(table);
        assert_eq!(dump(&new), dump(&old));
    }
}

#[tokio::test]
async fn nothing_of_a_key_is_left_where_it_was_before_an_upgrade() {
    let (folder, path) = folder();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(SCRIPTS[0]).unwrap();
    for n in 0..500 {
        let sql = "INSERT INTO subject_key (tenant, subject, version, epoch, wrapped) VALUES (?1, ?2, 1, 1, ?3)";
        db.execute(sql, (TENANT.into_bytes(), subject(n).into_bytes(), wrapped(n).0)).unwrap();
    }
    drop(db);
    restrict(&path);
    let table = SqliteKeyTable::open(&path).unwrap();
    for n in 0..500 {
        table.erase(TENANT, subject(n), DateTime::UNIX_EPOCH).await.unwrap();
    }
    assert_eq!(found(&raw(folder.path()), 0..500), [0; 0]);
}

/// Also where epochs of other lengths, as numbers, take turns.
#[tokio::test]
async fn nothing_of_a_key_is_left_after_it_was_wrapped_anew() {
    const PEOPLE: u64 = 300;
    let (folder, path) = folder();
    let table = open(&path).await;
    let mut there = table.tenant(TENANT).await.unwrap().unwrap();
    let mut keys: Vec<_> = (0..PEOPLE).map(|n| (subject(n), key(n))).collect();
    table.put_subjects(TENANT, keys.clone()).await.unwrap();
    for (round, epoch) in [2, 127, 128, 32_768].into_iter().enumerate() {
        let to = TenantKey { epoch, ..there.clone() };
        there = table.swap_tenant(TENANT, &there, to).await.unwrap().unwrap();
        let first = (round as u64 + 1) * PEOPLE;
        let anew: Vec<_> = (first..)
            .zip(&keys)
            .map(|(n, (subject, from))| {
                let to = SubjectKey { version: 1, epoch, wrapped: wrapped(n) };
                Rewrap { subject: *subject, from: from.clone(), to }
            })
            .collect();
        keys = anew.iter().map(|key| (key.subject, key.to.clone())).collect();
        assert_eq!(table.rewrap(TENANT, anew).await.unwrap(), 300);
        let left = raw(folder.path());
        assert_eq!(found(&left, 0..first), [0; 0], "epoch {epoch}");
        assert_eq!(found(&left, first..first + PEOPLE).len(), 300, "the scan finds what is there");
    }
}

/// The header, the schema and every row, as text.
fn dump(path: &Path) -> Vec<String> {
    let db = rusqlite::Connection::open(path).unwrap();
    let queries = [
        "SELECT application_id || ' ' || user_version FROM pragma_application_id, pragma_user_version",
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name",
        "SELECT concat_ws(' ', hex(tenant), epoch, begun_at, hex(wrapped), hex(index_key), hex(previous)) FROM tenant_key",
        "SELECT concat_ws(' ', id, hex(tenant), hex(subject), version, hex(epoch), hex(wrapped)) FROM subject_key",
        "SELECT concat_ws(' ', hex(tenant), hex(subject), at) FROM erasure",
    ];
    let rows = |query| -> Vec<String> {
        db.prepare(query).unwrap().query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    queries.into_iter().flat_map(rows).collect()
}

#[cfg(unix)]
#[test]
fn the_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = folder();
    drop(SqliteKeyTable::open(&path).unwrap());
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    expect_refused(&path, VaultErrorKind::Permissions);
}

#[test]
fn errors_name_no_path() {
    let folder = tempfile::Builder::new().prefix("aigerim-canary").tempdir().unwrap();
    let path = folder.path().join("keys.db");
    let table = SqliteKeyTable::open(&path).unwrap();
    let errors = [
        SqliteKeyTable::open(&path).unwrap_err(),
        SqliteKeyTable::open(folder.path()).unwrap_err(),
        SqliteKeyTable::open(folder.path().join("missing").join("keys.db")).unwrap_err(),
    ];
    for error in errors {
        let shown = format!("{table:?} {error:?} {error} {}", ErrorChain(&error));
        assert!(!shown.contains("canary"), "{shown}");
    }
}

fn expect_refused(path: &Path, kind: VaultErrorKind) {
    let before = fs::read(path).unwrap();
    assert_eq!(SqliteKeyTable::open(path).unwrap_err().kind(), kind);
    assert_eq!(fs::read(path).unwrap(), before, "a refused file is not changed");
}

fn restrict(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = path;
}
