//! Power cuts: whatever part of the last writes reached the disk, the file opens with everything that was acknowledged, and
//! of the batch that was not, with all or nothing.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use support::wal::{Dice, boundaries, write_image};
use support::{TENANT, db, done, folder, message, pair};
use tempfile::TempDir;
use whisp_core::store::{Commit, Expect, Kind, Record, Records, Sealed, WriteBatch, WriteOp};
use whisp_store::SqliteStore;

/// The files after a batch was acknowledged, which has both of them synced.
struct State {
    file: Vec<u8>,
    log: Vec<u8>,
    acknowledged: usize,
}

fn state(folder: &TempDir, acknowledged: usize) -> State {
    let read = |name: &str| fs::read(folder.path().join(name)).expect("it is there");
    State { file: read("whisp.db"), log: read("whisp.db-wal"), acknowledged }
}

/// A store that has no reason to write its log back.
async fn settled(folder: &TempDir) -> SqliteStore {
    let store = SqliteStore::open(db(folder)).expect("a new file opens");
    // By then the writer has looked after what an earlier process may have deleted.
    for _ in 0..20 {
        done(&store, WriteBatch::new(TENANT)).await;
    }
    store
}

/// Two records, one of them larger than a page.
fn large_pair(number: usize) -> WriteBatch {
    let number = u64::try_from(number).expect("not so many");
    let large = Record { sealed: Sealed(vec![0x5a; 6_000]), ..message(number) };
    let mut batch = pair(number);
    batch.ops[0] = WriteOp::Put(large);
    batch
}

async fn refused(store: &SqliteStore, number: u64) {
    let batch = pair(number).expect(Expect::Version(Kind::MESSAGE, message(0).id, 9));
    assert_ne!(store.commit(batch).await.expect("the store works"), Commit::Done);
}

/// Opens an image with SQLite alone and returns how many pairs it holds: the first ones, each whole.
fn holds(path: &Path) -> usize {
    let conn = Connection::open(path).expect("the image opens");
    let check: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it can be checked");
    assert_eq!(check, "ok");
    let places = |table: &str| -> Vec<i64> {
        let mut statement = conn.prepare(&format!("SELECT position FROM {table} ORDER BY position")).expect("a table");
        let places = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect);
        places.expect("the rows can be read")
    };
    let messages = places("record_message");
    assert_eq!(messages, places("record_suggestion"), "half a batch is there");
    assert!(messages.iter().copied().eq(0..i64::try_from(messages.len()).expect("few")), "{messages:?} has a gap");
    messages.len()
}

/// Opens an image and panics unless it holds so many pairs, or one more if that was on its way.
fn assert_image(file: &[u8], log: &[u8], acknowledged: usize, on_its_way: usize) {
    let image = folder();
    write_image(&db(&image), file, log);
    let held = holds(&db(&image));
    assert!((acknowledged..=acknowledged + on_its_way).contains(&held), "{held} of {acknowledged} are there");
}

#[tokio::test]
async fn a_cut_between_two_acknowledgements_keeps_the_first_and_all_or_nothing_of_the_second() {
    const BATCHES: usize = 10;
    const CUTS: usize = 12;
    let folder = folder();
    let store = settled(&folder).await;
    let mut states = vec![state(&folder, 0)];
    for number in 0..BATCHES {
        done(&store, large_pair(number)).await;
        refused(&store, 1_000).await;
        states.push(state(&folder, number + 1));
    }
    assert!(states.windows(2).all(|pair| pair[0].file == pair[1].file), "only the log was written");
    let mut dice = Dice(7);
    for pair in states.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        for _ in 0..CUTS {
            assert_image(&before.file, &dice.cut(&before.log, &after.log), before.acknowledged, 1);
        }
        assert_image(&after.file, &after.log, after.acknowledged, 0);
    }
    // Cut at every frame, and somewhere in each: what is held grows from nothing to everything.
    let log = &states[BATCHES].log;
    let ends: Vec<usize> = states.iter().map(|state| state.log.len()).collect();
    for bounds in boundaries(log).windows(2) {
        for cut in [bounds[0], bounds[0] + dice.roll(bounds[1] - bounds[0])] {
            let certain = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
            assert_image(&states[BATCHES].file, &log[..cut], certain, 0);
        }
    }
}

#[tokio::test]
async fn a_cut_while_the_log_is_written_back_loses_nothing() {
    const BATCHES: usize = 40;
    const CUTS: usize = 60;
    let folder = folder();
    let store = settled(&folder).await;
    for number in 0..BATCHES {
        done(&store, large_pair(number)).await;
    }
    let before = state(&folder, BATCHES);
    drop(store);
    // It was written back when the store was closed; until that was synced, the log was whole.
    let file = fs::read(db(&folder)).expect("it is there");
    assert_ne!(before.file, file);
    let mut dice = Dice(11);
    for _ in 0..CUTS {
        assert_image(&dice.cut(&before.file, &file), &before.log, BATCHES, 0);
    }
    assert_image(&file, &before.log, BATCHES, 0);
    assert_image(&file, &[], BATCHES, 0);
}

#[tokio::test]
async fn a_cut_while_the_log_begins_anew_over_its_old_frames_loses_nothing() {
    const BATCHES: usize = 20;
    const CUTS: usize = 12;
    let folder = folder();
    let store = settled(&folder).await;
    for number in 0..BATCHES {
        done(&store, large_pair(number)).await;
    }
    // As the writer does with a long log: all is written back, and the next frames go over the old ones.
    let tool = Connection::open(db(&folder)).expect("the file opens");
    let is_busy: i64 = tool.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get(0)).expect("it is ours");
    assert_eq!(is_busy, 0);
    let mut before = state(&folder, BATCHES);
    let mut dice = Dice(13);
    for number in BATCHES..BATCHES + 6 {
        done(&store, large_pair(number)).await;
        let after = state(&folder, number + 1);
        assert_eq!(before.log.len(), after.log.len(), "the old frames are behind the new ones");
        for _ in 0..CUTS {
            assert_image(&before.file, &dice.cut(&before.log, &after.log), before.acknowledged, 1);
        }
        assert_image(&after.file, &after.log, after.acknowledged, 0);
        before = after;
    }
}

#[tokio::test]
async fn an_image_of_a_cut_opens_as_a_store_and_goes_on() {
    let (folder, image) = (folder(), folder());
    let store = settled(&folder).await;
    done(&store, large_pair(0)).await;
    let before = state(&folder, 1);
    done(&store, large_pair(1)).await;
    let after = state(&folder, 2);
    let torn = &after.log[..before.log.len() + 100];
    write_image(&db(&image), &after.file, torn);
    let again = SqliteStore::open(db(&image)).expect("the image opens");
    assert_eq!(again.check().await.expect("it can be read"), Vec::<String>::new());
    done(&again, large_pair(1)).await;
    done(&again, large_pair(2)).await;
    drop(again);
    assert_eq!(holds(&db(&image)), 3);
}
