//! What every [`ErasableCell`] must do.

use futures_util::future::join_all;
use whisp_core::vault::{CellName, Destroyed, Destruction, ErasableCell};

use super::{Open, context};

/// The cases for an [`ErasableCell`], each with the number of the contract.
pub const CELL_CASES: &[(u32, &str)] = &[
    (1, "what_was_put_last_is_read_also_after_a_restart"),
    (2, "a_value_is_written_only_over_what_was_expected"),
    (3, "what_was_destroyed_is_gone_also_after_a_restart"),
    (3, "destroying_again_or_nothing_is_harmless"),
    (4, "of_writers_at_the_same_time_one_wins"),
    (5, "cells_never_meet_and_show_nothing"),
    (6, "a_cell_is_destroyed_no_worse_than_was_told"),
];

/// Makes a test of each case for an [`ErasableCell`]. `test` is the attribute of an async test, `open` makes an [`Open`] of
/// fresh cells.
#[macro_export]
macro_rules! erasable_cell_conformance {
    (test: $test:meta, open: $open:expr $(,)?) => {
        use $crate::keys::conformance as erasable_cell_suite;
        $crate::conformance_tests! { $test, $open, erasable_cell_suite, CELL_CASES:
            what_was_put_last_is_read_also_after_a_restart
            a_value_is_written_only_over_what_was_expected
            what_was_destroyed_is_gone_also_after_a_restart
            destroying_again_or_nothing_is_harmless
            of_writers_at_the_same_time_one_wins
            cells_never_meet_and_show_nothing
            a_cell_is_destroyed_no_worse_than_was_told
        }
    };
}

/// The last value is read, empty and long ones too (contract 1).
pub async fn what_was_put_last_is_read_also_after_a_restart(open: &dyn Open<dyn ErasableCell>) {
    let cells = open.open().await;
    assert_eq!(read(&*cells, 1).await, None);
    let long = vec![7; CellName::VALUE_MAX];
    let mut there: Option<&[u8]> = None;
    for value in [b"one".as_slice(), b"", b"three", &long, b"x"] {
        assert_eq!(put(&*cells, 1, there, value).await.as_deref(), Some(value));
        assert_eq!(read(&*cells, 1).await.as_deref(), Some(value));
        there = Some(value);
    }
    drop(cells);
    assert_eq!(read(&*open.open().await, 1).await.as_deref(), Some(b"x".as_slice()));
    let too_long = vec![7; CellName::VALUE_MAX + 1];
    let cells = open.open().await;
    if cells.compare_and_put(&name(1), Some(b"x"), &too_long).await.is_err() {
        assert_eq!(read(&*cells, 1).await.as_deref(), Some(b"x".as_slice()));
    }
}

/// Only where what is there is what was expected (contract 2).
pub async fn a_value_is_written_only_over_what_was_expected(open: &dyn Open<dyn ErasableCell>) {
    let cells = open.open().await;
    assert_eq!(put(&*cells, 1, Some(b"old"), b"new").await, None, "nothing is there");
    assert_eq!(put(&*cells, 1, None, b"one").await.as_deref(), Some(b"one".as_slice()));
    for there in [None, Some(b"on".as_slice()), Some(b"")] {
        assert_eq!(put(&*cells, 1, there, b"two").await.as_deref(), Some(b"one".as_slice()));
    }
    assert_eq!(put(&*cells, 1, Some(b"one"), b"two").await.as_deref(), Some(b"two".as_slice()));
    assert_eq!(put(&*cells, 1, Some(b"two"), b"two").await.as_deref(), Some(b"two".as_slice()));
}

/// After it was destroyed there is nothing, and a new value is a new one (contract 3).
pub async fn what_was_destroyed_is_gone_also_after_a_restart(open: &dyn Open<dyn ErasableCell>) {
    let cells = open.open().await;
    put(&*cells, 1, None, b"one").await;
    put(&*cells, 1, Some(b"one"), b"two").await;
    cells.destroy(&name(1)).await.expect("destroys");
    assert_eq!(read(&*cells, 1).await, None);
    assert_eq!(put(&*cells, 1, Some(b"two"), b"three").await, None);
    drop(cells);
    let cells = open.open().await;
    assert_eq!(read(&*cells, 1).await, None);
    assert_eq!(put(&*cells, 1, None, b"four").await.as_deref(), Some(b"four".as_slice()));
}

/// A second time, several at once, and where nothing is (contract 3).
pub async fn destroying_again_or_nothing_is_harmless(open: &dyn Open<dyn ErasableCell>) {
    let cells = open.open().await;
    cells.destroy(&name(1)).await.expect("destroys nothing");
    put(&*cells, 1, None, b"one").await;
    put(&*cells, 2, None, b"two").await;
    for destroyed in join_all((0..5).map(async |_| cells.destroy(&name(1)).await)).await {
        destroyed.expect("destroys");
    }
    assert_eq!(read(&*cells, 1).await, None);
    assert_eq!(read(&*cells, 2).await.as_deref(), Some(b"two".as_slice()));
}

/// Of writers at the same time one wins, and all hear which (contract 4).
pub async fn of_writers_at_the_same_time_one_wins(open: &dyn Open<dyn ErasableCell>) {
    let cells = open.open().await;
    for there in [None, Some([0xff])] {
        let writers = (0..10).map(async |n| put(&*cells, 1, there.as_ref().map(<[u8; 1]>::as_slice), &[n]).await);
        let heard = join_all(writers).await;
        let now = read(&*cells, 1).await.expect("one wins");
        assert!(heard.iter().all(|heard| heard.as_ref() == Some(&now)));
        put(&*cells, 1, Some(&now), &[0xff]).await;
    }
}

/// Another tenant and another epoch have other cells; no value is shown (contract 5).
pub async fn cells_never_meet_and_show_nothing(open: &dyn Open<dyn ErasableCell>) {
    let cells = open.open().await;
    let names =
        [context(1, 1), context(1, 2), context(2, 1), context(1, 11), context(1, u32::MAX)].map(|of| CellName::of(&of));
    for (at, name) in (0..).zip(&names) {
        cells.compare_and_put(name, None, &[0xc7, 0xc7, at]).await.expect("writes");
    }
    for (at, name) in (0..).zip(&names) {
        let value = cells.read(name).await.expect("reads").expect("is there");
        assert_eq!(value.as_slice(), [0xc7, 0xc7, at]);
    }
    let shown = format!("{cells:?}").to_lowercase();
    assert!(["c7c7", "c7, c7", "199, 199"].iter().all(|canary| !shown.contains(canary)), "{shown}");
}

/// What is told before is the worst that happens (contract 6).
pub async fn a_cell_is_destroyed_no_worse_than_was_told(open: &dyn Open<dyn ErasableCell>) {
    let cells = open.open().await;
    put(&*cells, 1, None, b"one").await;
    let destroyed = cells.destroy(&name(1)).await.expect("destroys");
    let is_kept = match cells.destruction() {
        Destruction::AtOnce => destroyed == Destroyed::Now,
        Destruction::Within(_) => destroyed != Destroyed::Unverifiable,
        _ => true,
    };
    assert!(is_kept, "told {:?}, done {destroyed:?}", cells.destruction());
}

fn name(n: u8) -> CellName {
    CellName::of(&context(n, 1))
}

async fn read(cells: &dyn ErasableCell, n: u8) -> Option<Vec<u8>> {
    cells.read(&name(n)).await.expect("reads").map(|value| value.to_vec())
}

async fn put(cells: &dyn ErasableCell, n: u8, there: Option<&[u8]>, value: &[u8]) -> Option<Vec<u8>> {
    let there = cells.compare_and_put(&name(n), there, value).await.expect("answers");
    there.map(|value| value.to_vec())
}
