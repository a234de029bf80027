//! The memory store passes the suite.

whisp_store::conformance! {
    test: tokio::test,
    store: whisp_store::MemoryStore::new(),
}
