//! What the suites are made of.

/// A contract that an implementation breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("contract {contract}: {what}")]
pub struct Violation {
    /// The number of the contract, as the trait counts them.
    pub contract: u8,
    /// What the implementation did.
    pub what: String,
}

impl Violation {
    pub(super) const fn new(contract: u8, what: String) -> Self {
        Self { contract, what }
    }
}

/// A case of a suite; `F` is the function that runs it.
#[derive(Debug, Clone, Copy)]
pub struct Case<F> {
    /// The number of the contract that it proves.
    pub contract: u8,
    /// What holds where it passes, with underscores for spaces: the name of the function.
    pub name: &'static str,
    /// Runs it.
    pub run: F,
}

/// Lists the cases of a suite, each after the number of its contract.
macro_rules! cases {
    ($($contract:literal $case:ident),+ $(,)?) => {
        &[$($crate::testing::Case { contract: $contract, name: stringify!($case), run: $case }),+]
    };
    (async $($contract:literal $case:ident),+ $(,)?) => {
        &[$($crate::testing::Case {
            contract: $contract,
            name: stringify!($case),
            run: |subject| Box::pin($case(subject)),
        }),+]
    };
}
pub(super) use cases;

pub(super) fn ensure(contract: u8, holds: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation::new(contract, what())) }
}

/// Panics unless the cases are one for each number in the contract of a trait, as `source` states it, and each of these
/// was `found` broken where it was.
#[cfg(test)]
pub(super) fn assert_complete<F>(cases: &[Case<F>], source: &str, name: &str, found: &[u8]) {
    let (before, _) = source.split_once(&format!("pub trait {name}:")).expect("the trait is there");
    let (_, docs) = before.rsplit_once("/// # Contract").expect("the trait has a contract");
    let stated = docs.lines().filter_map(|line| line.strip_prefix("/// ")?.split_once(". ")?.0.parse().ok());
    let stated: Vec<u8> = stated.collect();
    let proved: Vec<u8> = cases.iter().map(|case| case.contract).collect();
    assert_eq!(proved, stated, "the cases are not the contract of {name}, number by number");
    let found = std::collections::BTreeSet::from_iter(found.iter().copied());
    assert_eq!(Vec::from_iter(found), stated, "some case was never seen to fail");
}
