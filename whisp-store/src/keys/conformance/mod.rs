//! What every [`KeyTable`](whisp_core::vault::KeyTable), [`KeyProvider`](whisp_core::vault::KeyProvider) and
//! [`ErasableCell`](whisp_core::vault::ErasableCell) must do: a case for each number of their contracts.
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

mod cell;
mod provider;
mod table;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::vault::KeyContext;

pub use self::cell::*;
pub use self::provider::*;
pub use self::table::*;

/// Opens what is under test: empty at the first call, and at each later one, which comes after what the earlier one
/// returned was dropped, as the earlier one left it, like after a restart.
#[async_trait]
pub trait Open<T: ?Sized + Send + Sync>: Send + Sync {
    /// Opens it.
    async fn open(&self) -> Arc<T>;
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

const fn tenant(n: u8) -> TenantId {
    TenantId::from_bytes([n; 16])
}

const fn subject(n: u8) -> SubjectId {
    SubjectId::from_bytes([n; 16])
}

fn at(seconds: i64) -> DateTime<Utc> {
    // With microseconds, which must come back too.
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds) + TimeDelta::microseconds(123_456)
}

const fn context(owner: u8, epoch: u32) -> KeyContext {
    KeyContext { tenant: tenant(owner), epoch }
}
