//! What keeps everything in files passes the suite of privacy: the database and its log, the keys and their cells, the files.

#![allow(clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

mod support {
    pub(crate) mod parts;
}

whisp_store::privacy_conformance! {
    test: tokio::test(flavor = "multi_thread"),
    parts: support::parts::InFiles::new(),
}
