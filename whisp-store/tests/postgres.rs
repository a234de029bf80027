//! The PostgreSQL store passes the suite: on plain tables, and on tables that are cut into partitions by tenant.

#![allow(clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "support/postgres.rs"]
mod support;

use support::TempStore;

mod plain {
    use super::*;

    whisp_store::conformance! {
        test: tokio::test(flavor = "multi_thread"),
        store: match TempStore::new().await { Some(store) => store, None => return },
    }
}

mod partitioned {
    use super::*;

    whisp_store::conformance! {
        test: tokio::test(flavor = "multi_thread"),
        store: match TempStore::with(|options| options.partitions(5)).await { Some(store) => store, None => return },
    }
}
