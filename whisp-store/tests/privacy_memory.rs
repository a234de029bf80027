//! What keeps everything in memory passes the suite of privacy.

#![allow(clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

mod support {
    pub(crate) mod parts;
}

whisp_store::privacy_conformance! {
    test: tokio::test,
    parts: support::parts::InMemory::new(),
}
