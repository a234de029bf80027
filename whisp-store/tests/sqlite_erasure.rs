//! What is deleted is gone from every byte of the files, and the room is given back.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use support::wal::Dice;
use support::{TENANT, db, done, folder, message};
use tempfile::TempDir;
use whisp_core::id::SubjectId;
use whisp_core::store::{Commit, Record, Records, Sealed, SubjectQuery, WriteBatch, WriteOp};
use whisp_store::SqliteStore;

/// How many bytes of a sealed value are nowhere else.
const CANARY: usize = 32;
const HERS: SubjectId = SubjectId::from_bytes([0xaa; 16]);
const HIS: SubjectId = SubjectId::from_bytes([0xbb; 16]);

/// Sealed values of many lengths, and the canaries that were written with them.
struct Values {
    dice: Dice,
    written: Vec<[u8; CANARY]>,
}

impl Values {
    fn next(&mut self) -> Sealed {
        let canary: [u8; CANARY] = std::array::from_fn(|_| u8::try_from(self.dice.roll(256)).expect("a byte"));
        self.written.push(canary);
        // Some fill a good part of a page, some several.
        let length = if self.dice.roll(20) == 0 { 9_000 } else { 40 + self.dice.roll(1_400) };
        Sealed(canary.iter().copied().cycle().take(length).collect())
    }
}

fn log(folder: &TempDir) -> PathBuf {
    folder.path().join("whisp.db-wal")
}

/// How many of the canaries occur anywhere in a file.
fn found(path: &PathBuf, canaries: &[[u8; CANARY]]) -> usize {
    let bytes = fs::read(path).unwrap_or_default();
    let wanted: HashSet<&[u8]> = canaries.iter().map(<[u8; CANARY]>::as_slice).collect();
    // Most places are told apart by two bytes.
    let begins = |window: &[u8]| usize::from(u16::from_le_bytes([window[0], window[1]]));
    let mut is_begin = vec![false; 1 << 16];
    canaries.iter().for_each(|canary| is_begin[begins(canary)] = true);
    let places = bytes.windows(CANARY).filter(|window| is_begin[begins(window)]);
    places.filter(|window| wanted.contains(window)).collect::<HashSet<_>>().len()
}

/// Messages of two people, written and changed in turns. Returns the canaries of what is hers and his.
async fn fill(store: &SqliteStore, count: u64) -> [Values; 2] {
    let mut values = [3, 5].map(|seed| Values { dice: Dice(seed), written: Vec::new() });
    let mut dice = Dice(1);
    let mut records = Vec::new();
    for number in 0..count {
        let owner = dice.roll(2);
        let record = Record { subjects: vec![[HERS, HIS][owner]], sealed: values[owner].next(), ..message(number) };
        records.push((owner, record));
    }
    let puts = records.iter().map(|(_, record)| WriteBatch::new(TENANT).op(WriteOp::Put(record.clone())));
    join_all(puts.map(|batch| done(store, batch))).await;
    for _ in 0..2 {
        let chosen = records.iter_mut().filter(|_| dice.roll(4) == 0);
        let changes = chosen.map(|(owner, record)| {
            record.version += 1;
            record.sealed = values[*owner].next();
            WriteBatch::new(TENANT).op(WriteOp::Put(record.clone()))
        });
        join_all(changes.collect::<Vec<_>>().into_iter().map(|batch| done(store, batch))).await;
    }
    values
}

async fn delete_all_of(store: &SqliteStore, subject: SubjectId) -> u64 {
    let mut deleted = 0;
    loop {
        let query = SubjectQuery { tenant: TENANT, subject, after: None, limit: 100 };
        let page = store.of_subject(&query).await.expect("the store works").records;
        if page.is_empty() {
            return deleted;
        }
        deleted += u64::try_from(page.len()).expect("a page");
        let delete =
            |batch: WriteBatch, record: Record| batch.op(WriteOp::Delete(record.kind, record.id, record.version));
        done(store, page.into_iter().fold(WriteBatch::new(TENANT), delete)).await;
    }
}

#[tokio::test]
async fn nothing_of_an_erased_person_is_left_in_any_file() {
    const COUNT: u64 = 2_000;
    let folder = folder();
    let store = SqliteStore::open(db(&folder)).expect("a new file opens");
    let [hers, his] = fill(&store, COUNT).await;
    assert!(found(&db(&folder), &hers.written) + found(&log(&folder), &hers.written) > 500, "they are there first");
    let deleted = delete_all_of(&store, HERS).await;

    // Step by step: nothing is left in the log, and next to nothing in the file.
    while store.compact().await.expect("the store works") > 0 {}
    assert_eq!(found(&log(&folder), &hers.written), 0);
    let left = found(&db(&folder), &hers.written);
    assert!(left < hers.written.len() / 100, "{left} of {} are left", hers.written.len());

    // Whole: nothing at all, while the store is open and after it was closed.
    store.rewrite().await.expect("the store works");
    assert_eq!([db(&folder), log(&folder)].map(|path| found(&path, &hers.written)), [0, 0]);
    assert_eq!(store.check().await.expect("it can be read"), Vec::<String>::new());
    drop(store);
    assert_eq!([db(&folder), log(&folder)].map(|path| found(&path, &hers.written)), [0, 0]);

    // Of him, everything that was not replaced is there.
    assert_eq!(u64::try_from(found(&db(&folder), &his.written)).expect("few"), COUNT - deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn free_pages_are_given_back_step_by_step_beside_the_load() {
    const STEP_BYTES: u64 = 1 << 20;
    let folder = folder();
    let store = Arc::new(SqliteStore::open(db(&folder)).expect("a new file opens"));
    let large = |number| Record { subjects: vec![HERS], sealed: Sealed(vec![0xa5; 100_000]), ..message(number) };
    for number in 0..120 {
        done(&store, WriteBatch::new(TENANT).op(WriteOp::Put(large(number)))).await;
    }
    delete_all_of(&store, HERS).await;
    let length = || fs::metadata(db(&folder)).expect("it is there").len();
    let mut free = store.compact().await.expect("the store works");
    let before = length();
    assert!(free > 4 * STEP_BYTES, "{free} bytes are free");
    // Dropping a step does no harm.
    let dropped = whisp_core::testing::cancel_after(1, store.compact()).await;
    assert!(dropped.is_none_or(|outcome| outcome.is_ok()));
    let (mut number, mut first) = (10_000, 0);
    while free > STEP_BYTES {
        // Who writes while a step is made does not wait for the whole of it.
        let is_made = AtomicBool::new(false);
        let step = async {
            let left = store.compact().await.expect("the store works");
            is_made.store(true, Ordering::Relaxed);
            left
        };
        let load = async {
            assert_eq!(store.commit(support::pair(number)).await.expect("the store works"), Commit::Done);
            u64::from(!is_made.load(Ordering::Relaxed))
        };
        let (left, is_first) = tokio::join!(step, load);
        first += is_first;
        assert!(left <= free && free - left <= 3 * STEP_BYTES, "a step gave {} bytes back", free - left);
        (free, number) = (left, number + 1);
    }
    let steps = number - 10_000;
    assert!(first > steps / 2, "in {first} of {steps} steps the batch came first");
    assert!(length() + 3 * STEP_BYTES < before, "{} bytes of {before} are left", length());
    assert_eq!(store.check().await.expect("it can be read"), Vec::<String>::new());
    drop(store);
    support::assert_holds(&db(&folder), 10_000..number).await;
}
