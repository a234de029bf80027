//! Proves that an access policy keeps the contracts of [`AccessPolicy`]. Run it against your own.
//!
//! Each function here checks the contract of its number, [`CASES`] lists them and [`check_all`] runs all. Cases may be added
//! in a minor release: pin the version. Who may do what is the policy's own affair.
//!
//! # Examples
//! ```
//! use whisp_core::privacy::RolePolicy;
//! use whisp_core::testing::access_conformance::check_all;
//!
//! check_all(&RolePolicy::default())?;
//! # Ok::<(), whisp_core::testing::Violation>(())
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::id::{MemberId, SubjectId, TenantId};
use crate::privacy::{Access, AccessAction, AccessPolicy, AccessRequest, Relation, Role};
use crate::testing::case::{Case, Violation, cases, ensure};

/// Runs a case.
pub type Run = fn(&dyn AccessPolicy) -> Result<(), Violation>;

/// All cases, in the order of the contract.
pub const CASES: &[Case<Run>] = cases![
    1 the_same_request_is_decided_the_same_way,
    2 every_request_is_decided_or_an_error,
];

/// Checks all contracts, in the order of their numbers.
///
/// # Errors
/// The first [`Violation`].
pub fn check_all(policy: &dyn AccessPolicy) -> Result<(), Violation> {
    CASES.iter().try_for_each(|case| (case.run)(policy))
}

/// Contract 1: whatever was asked since, a request is decided as it was.
///
/// # Errors
/// [`Violation`].
pub fn the_same_request_is_decided_the_same_way(policy: &dyn AccessPolicy) -> Result<(), Violation> {
    let first: Vec<_> = requests().map(|request| (decided(policy, &request), request)).collect();
    // At once, and the other way round, so that each comes after others than before.
    for (before, request) in first.into_iter().rev() {
        let before = before?;
        for again in [decided(policy, &request)?, decided(policy, &request)?] {
            ensure(1, again == before, || format!("{request:?} was {before:?} and is {again:?}"))?;
        }
    }
    Ok(())
}

/// Contract 2: no request makes it panic, and it can decide some.
///
/// # Errors
/// [`Violation`].
pub fn every_request_is_decided_or_an_error(policy: &dyn AccessPolicy) -> Result<(), Violation> {
    let mut can = false;
    for request in requests() {
        can |= decided(policy, &request)?.is_some();
    }
    ensure(2, can, || "it decides nothing".to_owned())
}

/// What it decided; `None` for an error. A panic is neither.
fn decided(policy: &dyn AccessPolicy, request: &AccessRequest) -> Result<Option<Access>, Violation> {
    let decided = catch_unwind(AssertUnwindSafe(|| policy.decide(request)));
    decided.map(Result::ok).map_err(|_| Violation::new(2, format!("it panicked on {request:?}")))
}

/// Everything that each role may want to do, to each conversation.
fn requests() -> impl Iterator<Item = AccessRequest> {
    let roles = [Role::Owner, Role::Admin, Role::Member, Role::Auditor, Role::Integration];
    let relations = [Relation::Assigned, Relation::Colleague, Relation::Engine, Relation::Waiting];
    let relations = move || std::iter::once(None).chain(relations.map(Some));
    let asks = move |role, action| {
        relations().flat_map(move |relation| {
            [false, true].map(|glass_broken| AccessRequest {
                tenant: TenantId::from_bytes([1; 16]),
                member: MemberId(SubjectId::from_bytes([2; 16])),
                role,
                action,
                relation,
                glass_broken,
            })
        })
    };
    roles.into_iter().flat_map(move |role| AccessAction::ALL.into_iter().flat_map(move |action| asks(role, action)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::privacy::{AccessPolicyError, RolePolicy};
    use crate::testing::case::assert_complete;

    /// What a policy does wrong.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        /// A few requests are allowed, then none.
        LosesPatience,
        /// It takes for granted what only some requests have.
        NeedsARelation,
        /// Its engine is never there.
        AlwaysFails,
    }

    #[derive(Debug)]
    struct Broken {
        fault: Fault,
        asked: AtomicUsize,
    }

    impl AccessPolicy for Broken {
        fn decide(&self, request: &AccessRequest) -> Result<Access, AccessPolicyError> {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            match self.fault {
                Fault::LosesPatience if asked > 200 => Ok(Access::Deny),
                Fault::NeedsARelation => Ok(match request.relation.unwrap() {
                    Relation::Assigned => Access::Allow,
                    _ => Access::Deny,
                }),
                Fault::AlwaysFails => Err(AccessPolicyError::new("no engine")),
                _ => Ok(Access::Allow),
            }
        }
    }

    #[test]
    fn the_policy_by_roles_passes() {
        check_all(&RolePolicy::default()).unwrap();
        check_all(&RolePolicy::default().shared_inbox()).unwrap();
    }

    #[test]
    fn each_broken_contract_is_found() {
        let faults = [(Fault::LosesPatience, 1), (Fault::NeedsARelation, 2), (Fault::AlwaysFails, 2)];
        for (fault, contract) in faults {
            let violation = check_all(&Broken { fault, asked: AtomicUsize::new(0) }).unwrap_err();
            assert_eq!(violation.contract, contract, "{fault:?}");
        }
        let found = faults.map(|(_, contract)| contract);
        assert_complete(CASES, include_str!("../privacy/access.rs"), "AccessPolicy", &found);
    }
}
