//! The suites of what keeps keys and files are the contracts of their traits, number by number, as the traits' docs state them.

use crate::keys::conformance::{CELL_CASES, PROVIDER_CASES, TABLE_CASES};
use crate::vault;

const CELL: &str = include_str!("../../whisp-core/src/vault/cell.rs");
const KEYS: &str = include_str!("../../whisp-core/src/vault/keys.rs");
const VAULT: &str = include_str!("../../whisp-core/src/vault.rs");

/// Returns the numbers in the contract of a trait, as `source` states it.
fn stated(source: &str, name: &str) -> Vec<u32> {
    let (before, _) = source.split_once(&format!("pub trait {name}:")).expect("the trait is there");
    let (_, docs) = before.rsplit_once("/// # Contract").expect("the trait has a contract");
    docs.lines().filter_map(|line| line.strip_prefix("/// ")?.split_once(". ")?.0.parse().ok()).collect()
}

/// Asserts that the functions of a suite are its cases, in their order, and that they prove every number and no other.
#[track_caller]
fn assert_proved(cases: &[(u32, &str)], suite: &str, source: &str, name: &str) {
    let functions = suite.lines().filter_map(|line| Some(line.strip_prefix("pub async fn ")?.split_once('(')?.0));
    assert_eq!(Vec::from_iter(functions), Vec::from_iter(cases.iter().map(|(_, case)| *case)), "the suite of {name}");
    let mut proved = Vec::from_iter(cases.iter().map(|(number, _)| *number));
    proved.dedup();
    assert_eq!(proved, stated(source, name), "the contract of {name}");
}

#[test]
fn a_vault_is_asked_for_everything_that_it_promises() {
    assert_proved(vault::conformance::CASES, include_str!("vault/conformance.rs"), VAULT, "Vault");
}

#[test]
fn what_keeps_keys_is_asked_for_everything_that_it_promises() {
    assert_proved(PROVIDER_CASES, include_str!("keys/conformance/provider.rs"), KEYS, "KeyProvider");
    assert_proved(TABLE_CASES, include_str!("keys/conformance/table.rs"), KEYS, "KeyTable");
    assert_proved(CELL_CASES, include_str!("keys/conformance/cell.rs"), CELL, "ErasableCell");
}

#[cfg(feature = "media")]
#[test]
fn a_media_store_is_asked_for_everything_that_it_promises() {
    let media = include_str!("../../whisp-core/src/media.rs");
    assert_proved(crate::media::conformance::CASES, include_str!("media/conformance.rs"), media, "MediaStore");
}
