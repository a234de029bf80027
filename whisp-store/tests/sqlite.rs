//! The SQLite store passes the suite.

mod support;

whisp_store::conformance! {
    test: tokio::test(flavor = "multi_thread"),
    store: support::TempStore::new(),
}
