//! The conformance suite: proves that a store keeps the numbered contracts of [`Records`](whisp_core::store::Records),
//! [`Work`](whisp_core::store::Work) and [`Facts`](whisp_core::store::Facts).
//!
//! [`conformance!`](crate::conformance!) makes a test of each case. A case is also a plain function that panics if the
//! store breaks the contract, so that it can be called by hand; [`CASES`] lists them all and [`run_all`] runs them.
//!
//! It tries each method; [`privacy`] tries whole journeys through the assistant, and looks at the bytes behind the store.
//!
//! Cases may be added in minor releases: pin the version of this crate if a new test must not break a build.
//!
//! # Examples
//! The suite on a store of one's own, with any attribute that makes a test of an async function:
//! ```
//! mod suite {
//!     whisp_store::conformance! {
//!         test: tokio::test,
//!         store: whisp_store::MemoryStore::new(), // a fresh, empty one for each case
//!     }
//! }
//! # fn main() {}
//! ```
//! One case by hand:
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let store = whisp_store::MemoryStore::new();
//! whisp_store::conformance::a_put_needs_the_version_before(&store).await;
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a case fails by panicking"
)]

mod by_hand;
mod cancel;
mod commit;
mod dice;
mod erasure;
mod facts;
mod histories;
mod kit;
mod methods;
mod pages;
pub mod privacy;
mod reads;
mod tenants;
mod values;
mod work;

use std::collections::BTreeSet;
use std::fmt;

use futures_util::future::BoxFuture;
use whisp_core::store::Store;

pub use by_hand::run_all;
pub use cancel::*;
pub use commit::*;
pub use erasure::*;
pub use facts::*;
pub use methods::Method;
pub use pages::*;
pub use reads::*;
pub use tenants::*;
pub use values::*;
pub use work::*;

/// One of the three traits whose contracts the suite proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contract {
    /// The sentence of this number in the contract of [`Facts`](whisp_core::store::Facts).
    Facts(u8),
    /// The sentence of this number in the contract of [`Records`](whisp_core::store::Records).
    Records(u8),
    /// The sentence of this number in the contract of [`Work`](whisp_core::store::Work).
    Work(u8),
}

/// How many numbered sentences each contract has.
pub const CONTRACTS: [Contract; 3] = [Contract::Facts(3), Contract::Records(16), Contract::Work(9)];

/// A case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    /// What holds if the case passes, with underscores for spaces: the name of the function.
    pub name: &'static str,
    /// What it proves.
    pub proves: &'static [Contract],
    /// Runs it against a fresh store. Panics if the store breaks the contract.
    pub run: for<'a> fn(&'a dyn Store) -> BoxFuture<'a, ()>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("proves", &self.proves).finish_non_exhaustive()
    }
}

/// Every case. [`conformance!`](crate::conformance!) makes its tests from the same list.
pub const CASES: &[Case] = crate::__conformance_cases!(__conformance_table);

/// Lends whatever dereferences to a store as one; used by [`conformance!`](crate::conformance!).
#[doc(hidden)]
pub trait AsStore {
    fn as_store(&self) -> &dyn Store;
}

impl<T: Store> AsStore for T {
    fn as_store(&self) -> &dyn Store {
        self
    }
}

/// Panics unless `emitted` are the names of all cases, and the cases prove every sentence of the contracts.
#[doc(hidden)]
pub fn assert_complete(emitted: &[&str]) {
    let names: Vec<_> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(emitted, names, "the tests are not the cases of the suite");
    let proved: BTreeSet<_> = CASES.iter().flat_map(|case| case.proves.iter().copied()).collect();
    let promised: BTreeSet<_> = CONTRACTS.into_iter().flat_map(sentences).collect();
    assert_eq!(proved, promised, "the cases do not prove the contracts, sentence by sentence");
}

fn sentences(last: Contract) -> Vec<Contract> {
    match last {
        Contract::Facts(last) => (1..=last).map(Contract::Facts).collect(),
        Contract::Records(last) => (1..=last).map(Contract::Records).collect(),
        Contract::Work(last) => (1..=last).map(Contract::Work).collect(),
    }
}

/// Makes a test of each case of the [suite](mod@crate::conformance), and one that none is missing.
///
/// `test` is the attribute that makes a test of an async function, `store` an expression that makes a fresh, empty
/// store, or something that dereferences to one, for each case.
#[macro_export]
macro_rules! conformance {
    (test: $test:meta, store: $store:expr $(,)?) => {
        $crate::__conformance_cases!(__conformance_tests[$test][$store]);
    };
}

/// The one list of the suite: what each case proves.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($then:ident $($args:tt)*) => {
        $crate::$then! { $($args)*
            a_batch_is_written_whole: Records(1);
            a_refused_batch_changes_nothing: Records(1) Records(2);
            every_refusal_is_named: Records(2);
            operations_take_effect_in_their_order: Records(2);
            a_put_needs_the_version_before: Records(3);
            a_delete_needs_the_stored_version: Records(4);
            a_deleted_record_is_on_no_path: Records(4);
            a_log_only_grows: Records(3) Records(9);
            an_erasure_goes_on_where_it_was_broken_off: Records(4) Records(11);
            a_key_is_remembered_until_its_time: Records(5);
            the_whole_key_is_compared: Records(5);
            equal_keys_in_one_batch_are_one: Records(5);
            of_contradicting_batches_one_is_done: Records(6);
            concurrent_changes_come_one_after_another: Records(6);
            batches_that_rest_on_each_other_come_one_after_another: Records(6);
            a_read_sees_what_was_done_before_it: Records(7);
            a_read_sees_no_part_of_a_batch: Records(7);
            a_dropped_commit_is_whole_or_nothing: Records(1);
            a_dropped_call_has_no_effect_or_the_whole: Records(1) Records(7) Work(1) Work(3) Work(4);
            dropped_calls_hold_nothing: Records(1) Records(7) Work(1) Work(3) Work(4);
            tenants_do_not_read_each_other: Records(8);
            tenants_do_not_change_each_other: Records(8);
            each_tenant_is_answered_as_if_it_were_alone: Records(8);
            a_list_is_in_order_both_ways: Records(9);
            pages_neither_skip_nor_repeat: Records(9);
            pages_are_whole_beside_a_writer: Records(9) Records(11) Work(6) Facts(1);
            a_page_is_no_longer_than_its_limit: Records(9) Records(10) Records(11) Records(12) Work(6) Facts(1);
            a_lookup_finds_in_the_order_of_ids: Records(10);
            a_person_has_every_record_of_every_kind_once: Records(11);
            the_expired_come_in_the_order_of_their_expiry: Records(12);
            the_expired_are_told_without_some_people: Records(12);
            a_record_comes_back_as_it_was_put: Records(13);
            times_are_kept_to_the_microsecond: Records(13);
            keys_are_kept_at_their_bounds: Records(5) Records(9) Records(10) Records(11) Work(6) Facts(1);
            text_comes_back_letter_by_letter: Records(13) Work(6);
            the_largest_values_are_taken: Records(14);
            what_is_too_large_is_invalid: Records(14);
            a_put_replaces_every_path: Records(15);
            what_is_kept_of_a_tenant_goes_piece_by_piece: Records(8) Records(16);
            the_longest_waiting_bucket_is_leased_first: Work(1);
            a_bucket_without_due_work_is_leased_to_nobody: Work(1);
            a_leased_bucket_is_leased_to_nobody_else: Work(1);
            a_fence_is_higher_than_every_earlier_one: Work(1);
            a_lease_ends_at_its_time: Work(2);
            a_renewal_keeps_the_fence: Work(3);
            a_lease_that_ended_is_not_renewed: Work(3);
            a_release_frees_only_what_still_holds: Work(4);
            only_the_owner_of_a_bucket_commits: Work(5);
            a_late_completion_is_refused: Work(5) Work(7);
            pending_work_is_in_order: Work(6);
            work_comes_back_as_it_was_put: Work(6);
            work_is_completed_once: Work(7);
            work_is_enqueued_where_its_key_is_free: Work(7);
            the_name_of_a_worker_proves_nothing: Work(8);
            waiting_takes_nothing_and_may_be_dropped: Work(9);
            facts_are_in_the_order_of_time: Facts(1);
            facts_come_back_as_they_were_appended: Facts(1);
            a_fact_is_counted_once: Facts(2);
            facts_before_a_time_go_oldest_first: Facts(3);
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ([$test:meta] [$store:expr] $($case:ident: $($contract:ident($number:literal))+;)*) => {
        $(
            #[$test]
            async fn $case() {
                use $crate::conformance::AsStore as _;
                let store = $store;
                $crate::conformance::$case(store.as_store()).await;
            }
        )*

        #[test]
        fn the_suite_is_complete() {
            $crate::conformance::assert_complete(&[$(stringify!($case)),*]);
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_table {
    ($($case:ident: $($contract:ident($number:literal))+;)*) => {
        &[$($crate::conformance::Case {
            name: stringify!($case),
            proves: &[$($crate::conformance::Contract::$contract($number)),+],
            run: |store| Box::pin($crate::conformance::$case(store)),
        }),*]
    };
}
