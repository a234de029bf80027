//! Database files that are not ours to open.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use whisp::error::Retry;
use whisp::store::{StoreError, StoreErrorKind};
use whisp::stores::SqliteStore;

use crate::discreet::said;

/// Where SQLite's header has the number of the schema (<https://www.sqlite.org/fileformat2.html>, 1.3).
const USER_VERSION_AT: usize = 60;

/// Where SQLite's header has the number of the program.
const APPLICATION_ID_AT: usize = 68;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whisp.db");
    (folder, file)
}

/// A database of ours with other bytes in its header.
fn forged(file: &Path, at: usize, bytes: [u8; 4]) -> Vec<u8> {
    drop(SqliteStore::open(file).unwrap());
    let mut all = fs::read(file).unwrap();
    all[at..at + 4].copy_from_slice(&bytes);
    fs::write(file, &all).unwrap();
    all
}

#[track_caller]
fn refused(file: &Path, kind: StoreErrorKind, advice: &str) -> StoreError {
    let error = SqliteStore::open(file).unwrap_err();
    assert_eq!(error.kind(), kind);
    let said = said(&error);
    assert!(said.contains(advice), "{said}");
    error
}

#[test]
fn a_file_of_a_newer_schema_is_refused_and_left_as_it_is() {
    let (_folder, file) = folder();
    let before = forged(&file, USER_VERSION_AT, 9_999_u32.to_be_bytes());
    let error = refused(&file, StoreErrorKind::Newer, "open the file with the version of whisp that wrote it");
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn the_database_of_another_program_is_refused_and_left_as_it_is() {
    let (_folder, file) = folder();
    let before = forged(&file, APPLICATION_ID_AT, *b"diar");
    refused(&file, StoreErrorKind::Corrupt, "the file belongs to another program: check the path");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let (_folder, file) = folder();
    let diary = "Dear diary, today nobody wrote.\n".repeat(500);
    fs::write(&file, &diary).unwrap();
    refused(&file, StoreErrorKind::Corrupt, "check the path");
    assert_eq!(fs::read_to_string(&file).unwrap(), diary);
}

#[test]
fn a_database_that_is_open_already_is_locked_and_the_first_goes_on() {
    let (_folder, file) = folder();
    let first = SqliteStore::open(&file).unwrap();
    refused(&file, StoreErrorKind::Locked, "close the store in the other process, or give this one its own file");
    drop(first);
    SqliteStore::open(&file).unwrap();
}
