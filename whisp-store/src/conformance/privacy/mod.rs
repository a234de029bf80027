//! The suite of privacy: proves that a store, a key table and a media store keep the promises *through the assistant*, over
//! whole journeys of people, and in the bytes that lie behind them.
//!
//! The [suite of contracts](super) tries each method of a store; this one plants something in every field that a person's data
//! comes in by, at businesses that share them, and looks for it where it must be and where it must not be. Run both.
//!
//! [`privacy_conformance!`](crate::privacy_conformance!) makes a test of each case; [`run_all`] runs them by hand. The parts
//! show their bytes through [`Parts::raw`]; a case of its own plants something in clear and fails where the hook does not show
//! it. Cases may be added in minor versions.
//!
//! # What it proves
//! | invariant | what it says | proved by |
//! |---|---|---|
//! | I-1 | nothing personal is at rest in clear | [`i1_nothing_personal_is_in_clear`] |
//! | I-2, I-3, I-4 | what is sealed opens in its place alone, whole, and no two seals are alike | [`vault::conformance`](crate::vault::conformance) |
//! | I-5 | keys and tokens are not printed | types: `SecretKey`, `SecretString`; a token at rest is in I-1 |
//! | I-6, I-7 | the cache of keys is bounded; the seals of earlier versions open | tests of [`EnvelopeVault`](crate::EnvelopeVault) |
//! | I-8 to I-14, I-16 | permits, consent, grounds, objections, access | types and tests of the assistant: no store takes part |
//! | I-15 | businesses never meet | [`i15_journeys_of_two_businesses_never_meet`], and generated histories in the suite of contracts |
//! | I-17, I-19 | an erasure is complete when everything is done, wherever it is cut short | [`i19_an_erasure_cut_short_anywhere_ends_the_same`]; stores of the host's own: `erasable_conformance` in `whisp_core::testing` |
//! | I-18 | then nothing is left, and what is counted stays | [`i18_whoever_is_erased_is_gone_everywhere`] |
//! | I-20 | nobody comes back | [`i20_nobody_comes_back_by_what_comes_late`] |
//! | I-21, I-40 | nor by a backup from before the horizon | key providers: [`keys::conformance`](crate::keys::conformance), and tests of the assistant |
//! | I-22 | everybody else is as before | [`i22_erasing_one_leaves_another_byte_by_byte`] |
//! | I-23 | what is held is all that is kept | [`i23_what_is_held_is_all_that_is_kept`] |
//! | I-24, I-25 | holds and requests keep data from going | `Records`, contracts 10 and 12, in the suite of contracts |
//! | I-26 | nothing is read past its time | [`i26_nobody_reads_what_is_past_its_time`] |
//! | I-27 | what is counted is about enough people, and stays | [`i27_facts_past_their_time_become_figures`], [`i18_whoever_is_erased_is_gone_everywhere`] |
//! | I-28 | what is taken back is gone | [`i28_what_is_taken_back_is_gone`] |
//! | I-29 | a copy is whole, and nobody else's | [`i29_a_copy_is_whole_and_nobody_elses`] |
//! | I-30, I-31, I-34 to I-36, I-38, I-39 | deadlines, codes, egress, masks, notices, files of a copy | tests of the assistant: no store takes part |
//! | I-32, I-33 | the log shows what was changed, and no change goes without it | `Records`, contract 1, and tests of the assistant |
//! | I-37 | no raw id in logs and keys | [`i1_nothing_personal_is_in_clear`] for what is at rest |
//! | P30 | of a business that leaves nothing is left | [`of_a_closed_business_nothing_is_left`] |
//!
//! # What is in clear
//! Random ids, times, kinds, states and counts; and, because they name nobody, the texts that a host gives for the version and
//! the evidence of a notice, the authority of a hold and the scopes of a connection. Keep names out of those.
//!
//! # Examples
//! ```
//! use std::sync::Arc;
//! use async_trait::async_trait;
//! use whisp_core::{media::MediaStore, store::Store, vault::{KeyProvider, KeyTable}};
//! use whisp_store::conformance::privacy::{Parts, Raw, RawBytes};
//! use whisp_store::{LocalKeyProvider, MemoryKeyTable, MemoryStore, ObjectMedia};
//!
//! struct Mine {
//!     store: Arc<MemoryStore>, // a store of one's own
//!     keys: Arc<MemoryKeyTable>,
//!     folder: tempfile::TempDir,
//! }
//!
//! impl Mine {
//!     fn new() -> Self {
//!         Self { store: Arc::default(), keys: Arc::default(), folder: tempfile::tempdir().unwrap() }
//!     }
//! }
//!
//! #[async_trait]
//! impl Parts for Mine {
//!     fn store(&self) -> Arc<dyn Store> {
//!         Arc::clone(&self.store) as _
//!     }
//!
//!     fn keys(&self) -> Arc<dyn KeyTable> {
//!         Arc::clone(&self.keys) as _
//!     }
//!
//!     fn provider(&self) -> Arc<dyn KeyProvider> {
//!         Arc::new(LocalKeyProvider::open_or_create(self.folder.path().join("root.key")).unwrap())
//!     }
//!
//!     fn media(&self) -> Arc<dyn MediaStore> {
//!         Arc::new(ObjectMedia::folder(self.folder.path().join("media")).unwrap())
//!     }
//!
//!     async fn raw(&self) -> Raw {
//!         let bytes = RawBytes::new().files(self.folder.path()).unwrap();
//!         Raw::Bytes(bytes.piece("store", self.store.bytes()).piece("keys", self.keys.bytes()))
//!     }
//!
//!     async fn wipe(&self) -> Result<(), &'static str> {
//!         Ok(()) // in memory what is deleted is gone
//!     }
//! }
//!
//! mod suite {
//!     whisp_store::privacy_conformance! {
//!         test: tokio::test,
//!         parts: super::Mine::new(), // fresh ones for each case
//!     }
//! }
//! # fn main() {}
//! ```

mod copies;
mod doors;
mod gone;
mod raw;
mod rest;
mod world;

use std::fmt;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use whisp_core::media::MediaStore;
use whisp_core::store::Store;
use whisp_core::vault::{KeyProvider, KeyTable};

pub use copies::*;
pub use gone::*;
pub use raw::{Raw, RawBytes};
pub use rest::*;

use super::by_hand::message;

/// What is under test: fresh and empty at the beginning of a case.
///
/// Whoever has a store of their own alone takes the others from this crate.
#[async_trait]
pub trait Parts: Send + Sync {
    /// Returns the store, the same one at each call.
    fn store(&self) -> Arc<dyn Store>;

    /// Returns the key table, the same one at each call.
    fn keys(&self) -> Arc<dyn KeyTable>;

    /// Returns the key provider of that key table.
    fn provider(&self) -> Arc<dyn KeyProvider>;

    /// Returns the media store, the same one at each call, or another one over the same files.
    fn media(&self) -> Arc<dyn MediaStore>;

    /// Returns all the bytes that lie behind the parts at this moment, as they are: files, logs beside them, a dump.
    async fn raw(&self) -> Raw;

    /// Sees to it that what was deleted is gone from those bytes, where it is not so already: `VACUUM`, a checkpoint.
    ///
    /// # Errors
    /// Why that is not possible. What was deleted is then not looked for.
    async fn wipe(&self) -> Result<(), &'static str>;
}

/// A case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    /// What holds if the case passes, with underscores for spaces: the name of the function.
    pub name: &'static str,
    /// Which invariants and promises it proves. Empty for the case of the hook.
    pub proves: &'static [&'static str],
    /// Runs it on fresh parts. Panics if they break it.
    pub run: for<'a> fn(&'a dyn Parts) -> BoxFuture<'a, ()>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("proves", &self.proves).finish_non_exhaustive()
    }
}

/// Every case. [`privacy_conformance!`](crate::privacy_conformance!) makes its tests from the same list.
pub const CASES: &[Case] = crate::__privacy_cases!(__privacy_table);

/// Runs every case, each on parts of its own that `open` makes for it, and tells `report` about each at once, as
/// [`run_all`](super::run_all) of the suite of contracts does. Returns how many failed.
///
/// # Errors
/// The error of `open`; the cases after it have not run.
///
/// # Cancellation
/// Dropped, it runs no further case.
pub async fn run_all<P, E, F>(
    mut open: impl FnMut(&'static Case) -> F + Send,
    mut report: impl FnMut(&'static Case, Result<(), &str>) + Send,
) -> Result<usize, E>
where
    P: Parts,
    F: Future<Output = Result<P, E>> + Send,
{
    let mut failed = 0;
    for case in CASES {
        let parts = open(case).await?;
        let outcome = AssertUnwindSafe((case.run)(&parts)).catch_unwind().await;
        failed += usize::from(outcome.is_err());
        report(case, outcome.as_ref().copied().map_err(|panic| message(&**panic)));
    }
    Ok(failed)
}

/// Says that something is not proved, past the test runner, which keeps what a passing test prints to itself.
fn left_out(what: &str, why: &str) {
    let line = format!("the suite of privacy did not look {what}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).expect("there is a standard error");
}

/// Lends whatever dereferences to parts as such; used by [`privacy_conformance!`](crate::privacy_conformance!).
#[doc(hidden)]
pub trait AsParts {
    fn as_parts(&self) -> &dyn Parts;
}

impl<T: Parts> AsParts for T {
    fn as_parts(&self) -> &dyn Parts {
        self
    }
}

/// Panics unless `emitted` are the names of all cases.
#[doc(hidden)]
pub fn assert_complete(emitted: &[&str]) {
    let names: Vec<_> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(emitted, names, "the tests are not the cases of the suite");
}

/// Makes a test of each case of the [suite of privacy](mod@crate::conformance::privacy), and one that none is missing.
///
/// `test` is the attribute that makes a test of an async function, `parts` an expression that makes fresh
/// [`Parts`](crate::conformance::privacy::Parts), or something that dereferences to them, for each case.
#[macro_export]
macro_rules! privacy_conformance {
    (test: $test:meta, parts: $parts:expr $(,)?) => {
        $crate::__privacy_cases!(__privacy_tests[$test][$parts]);
    };
}

/// The one list of the suite: what each case proves.
#[doc(hidden)]
#[macro_export]
macro_rules! __privacy_cases {
    ($then:ident $($args:tt)*) => {
        $crate::$then! { $($args)*
            the_scan_finds_what_is_in_clear: ;
            i1_nothing_personal_is_in_clear: "I-1" "I-37" "P20";
            i15_journeys_of_two_businesses_never_meet: "I-15";
            i18_whoever_is_erased_is_gone_everywhere: "I-18" "I-27" "P32" "P46";
            i19_an_erasure_cut_short_anywhere_ends_the_same: "I-17" "I-19";
            i20_nobody_comes_back_by_what_comes_late: "I-20";
            i22_erasing_one_leaves_another_byte_by_byte: "I-22";
            i23_what_is_held_is_all_that_is_kept: "I-23";
            i26_nobody_reads_what_is_past_its_time: "I-26";
            i27_facts_past_their_time_become_figures: "I-27" "P29";
            i28_what_is_taken_back_is_gone: "I-28";
            i29_a_copy_is_whole_and_nobody_elses: "I-29";
            of_a_closed_business_nothing_is_left: "P30";
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __privacy_tests {
    ([$test:meta] [$parts:expr] $($case:ident: $($proves:literal)*;)*) => {
        $(
            #[$test]
            async fn $case() {
                use $crate::conformance::privacy::AsParts as _;
                let parts = $parts;
                $crate::conformance::privacy::$case(parts.as_parts()).await;
            }
        )*

        #[test]
        fn the_suite_is_complete() {
            $crate::conformance::privacy::assert_complete(&[$(stringify!($case)),*]);
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __privacy_table {
    ($($case:ident: $($proves:literal)*;)*) => {
        &[$($crate::conformance::privacy::Case {
            name: stringify!($case),
            proves: &[$($proves),*],
            run: |parts| Box::pin($crate::conformance::privacy::$case(parts)),
        }),*]
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many invariants there are.
    const INVARIANTS: u8 = 40;

    /// The rows of the table above: which invariants, and by what.
    fn rows() -> Vec<(Vec<String>, &'static str)> {
        let rows = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
        let cells = rows.filter_map(|row| row.split_once(" | ")).filter(|(first, _)| first.starts_with(['I', 'P']));
        cells.map(|(first, rest)| (first.split(", ").flat_map(each).collect(), rest)).collect()
    }

    fn each(part: &str) -> Vec<String> {
        let number = |text: &str| text.trim_start_matches("I-").parse::<u8>().expect("a number");
        match part.split_once(" to ") {
            Some((from, to)) => (number(from)..=number(to)).map(|number| format!("I-{number}")).collect(),
            None => vec![part.to_owned()],
        }
    }

    #[test]
    fn each_invariant_is_in_the_table_once_and_with_its_cases() {
        let rows = rows();
        let mut told: Vec<&String> = rows.iter().flat_map(|(all, _)| all).filter(|one| one.starts_with('I')).collect();
        told.sort();
        let mut all: Vec<String> = (1..=INVARIANTS).map(|number| format!("I-{number}")).collect();
        all.sort();
        assert_eq!(told, all.iter().collect::<Vec<_>>());
        for case in CASES {
            for proved in case.proves.iter().filter(|proved| proved.starts_with('I')) {
                let row = rows.iter().find(|(all, _)| all.iter().any(|one| one == proved));
                assert!(row.is_some_and(|(_, by)| by.contains(case.name)), "{proved} says nothing of {}", case.name);
            }
        }
    }
}
