//! What every [`KeyTable`] and [`KeyProvider`] must do: a case for each number of their contracts.
//!
//! A case is a plain function that panics where the contract is broken; the macros make a test of each. Cases may be
//! added in minor versions.
//!
//! # Examples
//! ```
//! use std::sync::Arc;
//! use whisp_core::vault::KeyTable;
//! use whisp_store::keys::conformance::Open;
//!
//! struct MyTable(Arc<whisp_store::MemoryKeyTable>);
//!
//! #[async_trait::async_trait]
//! impl Open<dyn KeyTable> for MyTable {
//!     async fn open(&self) -> Arc<dyn KeyTable> {
//!         Arc::<whisp_store::MemoryKeyTable>::clone(&self.0)
//!     }
//! }
//!
//! // In a module of its own, under `tests/`:
//! whisp_store::key_table_conformance! { test: tokio::test, open: MyTable(Arc::default()) }
//! # fn main() {}
//! ```

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a case fails by a panic that says why")]

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::vault::{
    KeyContext, KeyProvider, KeyTable, SecretKey, SubjectKey, SubjectKeyState, TenantKey, VaultErrorKind, WrappedKey,
};
use zeroize::Zeroizing;

/// Opens what is under test: empty at the first call, and at each later one, which comes after what the earlier one
/// returned was dropped, as the earlier one left it, like after a restart.
#[async_trait]
pub trait Open<T: ?Sized + Send + Sync>: Send + Sync {
    /// Opens it.
    async fn open(&self) -> Arc<T>;
}

/// The cases for a [`KeyTable`], each with the number of the contract.
pub const TABLE_CASES: &[(u32, &str)] = &[
    (1, "what_is_there_is_not_written_again"),
    (1, "an_answer_is_given_for_each_subject_in_order"),
    (1, "what_was_put_is_there_after_a_restart"),
    (2, "an_erased_key_is_gone_for_good"),
    (2, "an_erasure_leaves_a_mark_where_no_key_was"),
    (2, "the_first_mark_of_an_erasure_stays"),
    (3, "concurrent_writers_agree_on_one_key"),
    (4, "key_tables_of_tenants_never_meet"),
];

/// Makes a test of each case for a [`KeyTable`]. `test` is the attribute of an async test, `open` makes an [`Open`] of
/// a fresh table.
#[macro_export]
macro_rules! key_table_conformance {
    (test: $test:meta, open: $open:expr $(,)?) => {
        use $crate::keys::conformance as key_table_suite;
        $crate::conformance_tests! { $test, $open, key_table_suite, TABLE_CASES:
            what_is_there_is_not_written_again
            an_answer_is_given_for_each_subject_in_order
            what_was_put_is_there_after_a_restart
            an_erased_key_is_gone_for_good
            an_erasure_leaves_a_mark_where_no_key_was
            the_first_mark_of_an_erasure_stays
            concurrent_writers_agree_on_one_key
            key_tables_of_tenants_never_meet
        }
    };
}

/// The cases for a [`KeyProvider`], each with the number of the contract.
pub const PROVIDER_CASES: &[(u32, &str)] = &[
    (1, "what_is_wrapped_is_unwrapped_also_after_a_restart"),
    (2, "another_context_does_not_unwrap"),
    (2, "a_changed_byte_does_not_unwrap"),
    (3, "key_bytes_are_not_shown"),
];

/// Makes a test of each case for a [`KeyProvider`]. `test` is the attribute of an async test, `open` makes an [`Open`]
/// of a fresh provider.
#[macro_export]
macro_rules! key_provider_conformance {
    (test: $test:meta, open: $open:expr $(,)?) => {
        use $crate::keys::conformance as key_provider_suite;
        $crate::conformance_tests! { $test, $open, key_provider_suite, PROVIDER_CASES:
            what_is_wrapped_is_unwrapped_also_after_a_restart
            another_context_does_not_unwrap
            a_changed_byte_does_not_unwrap
            key_bytes_are_not_shown
        }
    };
}

/// A test of each case of a suite, and one that says whether a case is missing.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($test:meta, $open:expr, $suite:ident, $cases:ident: $($case:ident)*) => {
        $(
            #[$test]
            async fn $case() {
                let open = $open;
                $suite::$case(&open).await;
            }
        )*

        #[test]
        fn the_suite_is_complete() {
            let names: Vec<&str> = $suite::$cases.iter().map(|(_, name)| *name).collect();
            assert_eq!(names, [$(stringify!($case)),*]);
        }
    };
}

/// What is there, erased keys included, stays (contract 1).
pub async fn what_is_there_is_not_written_again(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    assert_eq!(table.tenant(tenant(1)).await.expect("reads"), None);
    assert_eq!(table.put_tenant(tenant(1), tenant_key(1)).await.expect("writes"), tenant_key(1));
    assert_eq!(table.put_tenant(tenant(1), tenant_key(2)).await.expect("answers"), tenant_key(1));
    assert_eq!(table.tenant(tenant(1)).await.expect("reads"), Some(tenant_key(1)));

    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Absent);
    assert_eq!(put(&*table, 1, 1, key(1)).await, SubjectKeyState::Live(key(1)));
    assert_eq!(put(&*table, 1, 1, key(2)).await, SubjectKeyState::Live(key(1)));
    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Live(key(1)));
}

/// `put_subjects` answers in the order given, also for the erased and for those named twice (contract 1).
pub async fn an_answer_is_given_for_each_subject_in_order(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    put(&*table, 1, 3, key(3)).await;
    table.erase(tenant(1), subject(2), at(0)).await.expect("erases");
    let keys = [4, 2, 3, 1, 4].map(|n| (subject(n), key(n + 10))).to_vec();
    let states = table.put_subjects(tenant(1), keys).await.expect("writes");
    let live = |n| SubjectKeyState::Live(key(n));
    assert_eq!(states, [live(14), SubjectKeyState::Erased(at(0)), live(3), live(11), live(14)]);
    assert_eq!(table.put_subjects(tenant(1), Vec::new()).await.expect("takes nothing"), []);
}

/// Writes are durable when they return (contract 1).
pub async fn what_was_put_is_there_after_a_restart(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    table.put_tenant(tenant(1), tenant_key(1)).await.expect("writes");
    put(&*table, 1, 1, key(1)).await;
    drop(table);
    let table = open.open().await;
    assert_eq!(table.tenant(tenant(1)).await.expect("reads"), Some(tenant_key(1)));
    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Live(key(1)));
}

/// An erased key never comes back: not by another write, not by a restart (contract 2).
pub async fn an_erased_key_is_gone_for_good(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    put(&*table, 1, 1, key(1)).await;
    put(&*table, 1, 2, key(2)).await;
    assert_eq!(table.erase(tenant(1), subject(1), at(5)).await.expect("erases"), SubjectKeyState::Live(key(1)));
    assert_eq!(put(&*table, 1, 1, key(1)).await, SubjectKeyState::Erased(at(5)));
    drop(table);
    let table = open.open().await;
    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Erased(at(5)));
    assert_eq!(put(&*table, 1, 1, key(3)).await, SubjectKeyState::Erased(at(5)));
    assert_eq!(table.subject(tenant(1), subject(2)).await.expect("reads"), SubjectKeyState::Live(key(2)));
}

/// Who was erased before there was a key gets none later (contract 2).
pub async fn an_erasure_leaves_a_mark_where_no_key_was(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    assert_eq!(table.erase(tenant(1), subject(1), at(5)).await.expect("erases"), SubjectKeyState::Absent);
    assert_eq!(put(&*table, 1, 1, key(1)).await, SubjectKeyState::Erased(at(5)));
}

/// A second erasure changes nothing (contract 2).
pub async fn the_first_mark_of_an_erasure_stays(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    put(&*table, 1, 1, key(1)).await;
    table.erase(tenant(1), subject(1), at(5)).await.expect("erases");
    assert_eq!(table.erase(tenant(1), subject(1), at(9)).await.expect("erases"), SubjectKeyState::Erased(at(5)));
    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Erased(at(5)));
}

/// Of writers at the same time one wins, and all hear which (contract 3).
pub async fn concurrent_writers_agree_on_one_key(open: &dyn Open<dyn KeyTable>) {
    const WRITERS: u8 = 20;
    let table = open.open().await;
    let tenants = join_all((0..WRITERS).map(|n| table.put_tenant(tenant(1), tenant_key(n)))).await;
    let there = table.tenant(tenant(1)).await.expect("reads").expect("is there");
    assert!(tenants.into_iter().all(|key| key.expect("writes") == there));
    let states = join_all((0..WRITERS).map(|n| put(&*table, 1, 1, key(n)))).await;
    let there = table.subject(tenant(1), subject(1)).await.expect("reads");
    assert!(matches!(there, SubjectKeyState::Live(_)));
    assert!(states.into_iter().all(|state| state == there));
}

/// No method returns or changes a key of another tenant (contract 4).
pub async fn key_tables_of_tenants_never_meet(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    for n in 1..=2 {
        table.put_tenant(tenant(n), tenant_key(n)).await.expect("writes");
        put(&*table, n, 7, key(n)).await;
    }
    table.erase(tenant(1), subject(7), at(0)).await.expect("erases");
    assert_eq!(table.subject(tenant(2), subject(7)).await.expect("reads"), SubjectKeyState::Live(key(2)));
    assert_eq!(table.tenant(tenant(2)).await.expect("reads"), Some(tenant_key(2)));
    assert_eq!(table.tenant(tenant(3)).await.expect("reads"), None);
    assert_eq!(table.subject(tenant(3), subject(7)).await.expect("reads"), SubjectKeyState::Absent);
}

/// What was wrapped comes back, and two wraps of one key differ or not as they like (contract 1).
pub async fn what_is_wrapped_is_unwrapped_also_after_a_restart(open: &dyn Open<dyn KeyProvider>) {
    let provider = open.open().await;
    let wrapped = provider.wrap(&context(1, 1), &secret(9)).await.expect("wraps");
    assert_eq!(provider.unwrap(&context(1, 1), &wrapped).await.expect("unwraps").expose(), secret(9).expose());
    drop(provider);
    let provider = open.open().await;
    assert_eq!(provider.unwrap(&context(1, 1), &wrapped).await.expect("unwraps").expose(), secret(9).expose());
}

/// Another tenant and another epoch are refused (contract 2).
pub async fn another_context_does_not_unwrap(open: &dyn Open<dyn KeyProvider>) {
    let provider = open.open().await;
    let wrapped = provider.wrap(&context(1, 1), &secret(9)).await.expect("wraps");
    for other in [context(2, 1), context(1, 2)] {
        let error = provider.unwrap(&other, &wrapped).await.expect_err("refuses");
        assert_eq!(error.kind(), VaultErrorKind::WrongKey);
    }
}

/// Every changed byte and every other length is refused (contract 2).
pub async fn a_changed_byte_does_not_unwrap(open: &dyn Open<dyn KeyProvider>) {
    let provider = open.open().await;
    let WrappedKey(wrapped) = provider.wrap(&context(1, 1), &secret(9)).await.expect("wraps");
    let mut others: Vec<Vec<u8>> = (0..wrapped.len()).map(|len| wrapped.iter().copied().take(len).collect()).collect();
    for place in 0..wrapped.len() {
        let change = |(at, byte): (usize, &u8)| if at == place { byte ^ 1 } else { *byte };
        others.push(wrapped.iter().enumerate().map(change).collect());
    }
    for other in others {
        let error = provider.unwrap(&context(1, 1), &WrappedKey(other)).await.expect_err("refuses");
        assert_eq!(error.kind(), VaultErrorKind::WrongKey);
    }
}

/// Neither the provider nor its errors show key bytes (contract 3).
pub async fn key_bytes_are_not_shown(open: &dyn Open<dyn KeyProvider>) {
    let provider = open.open().await;
    let wrapped = provider.wrap(&context(1, 1), &secret(0xc7)).await.expect("wraps");
    let error = provider.unwrap(&context(2, 1), &wrapped).await.expect_err("refuses");
    let unwrapped = provider.unwrap(&context(1, 1), &wrapped).await.expect("unwraps");
    let shown = format!("{provider:?} {wrapped:?} {unwrapped:?} {error:?} {error}").to_lowercase();
    for canary in ["c7c7", "c7, c7", "199, 199"] {
        assert!(!shown.contains(canary), "key bytes are shown: {shown}");
    }
}

async fn put(table: &dyn KeyTable, owner: u8, of: u8, key: SubjectKey) -> SubjectKeyState {
    let mut states = table.put_subjects(tenant(owner), vec![(subject(of), key)]).await.expect("writes");
    let state = states.pop().expect("one answer for one subject");
    assert!(states.is_empty());
    state
}

const fn tenant(n: u8) -> TenantId {
    TenantId::from_bytes([n; 16])
}

const fn subject(n: u8) -> SubjectId {
    SubjectId::from_bytes([n; 16])
}

fn tenant_key(n: u8) -> TenantKey {
    TenantKey { epoch: u32::from(n), wrapped: WrappedKey(vec![n; 62]), index: WrappedKey(vec![n ^ 0xff; 61]) }
}

fn key(n: u8) -> SubjectKey {
    SubjectKey { version: u32::from(n), epoch: 1, wrapped: WrappedKey(vec![n; 61]) }
}

fn at(seconds: i64) -> DateTime<Utc> {
    // With microseconds, which must come back too.
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds) + TimeDelta::microseconds(123_456)
}

const fn context(owner: u8, epoch: u32) -> KeyContext {
    KeyContext { tenant: tenant(owner), epoch }
}

fn secret(n: u8) -> SecretKey {
    SecretKey::new(Zeroizing::new([n; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contract_has_a_case_and_every_case_is_listed() {
        let cases = include_str!("conformance.rs").matches("\npub async fn ").count();
        assert_eq!(cases, TABLE_CASES.len() + PROVIDER_CASES.len());
        assert!((1..=4).all(|number| TABLE_CASES.iter().any(|(of, _)| *of == number)));
        assert!((1..=3).all(|number| PROVIDER_CASES.iter().any(|(of, _)| *of == number)));
    }
}
