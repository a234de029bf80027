//! A server that asks for a password, as those on a network do: who has none or a wrong one is told so.
//!
//! The server is one of the test's own: the one that the other tests share asks nobody.

#![cfg(unix)]
#![allow(clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "support/server.rs"]
mod server;

use std::io::Write as _;
use std::process::{Command, Stdio};

use whisp_core::error::Retry;
use whisp_core::store::StoreErrorKind;
use whisp_core::vault::VaultErrorKind;
use whisp_store::{PostgresKeyTable, PostgresOptions};

use server::{AS_USER, Server, is_root, programs};

/// Whether there can be a server of the test's own; if not, it says why.
fn can_be() -> bool {
    let [unshare, options @ ..] = AS_USER;
    let is_somebody = || {
        let status = Command::new(unshare).args(options).arg("true").stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let why = if programs().is_none() {
        "there is no PostgreSQL server on this machine that pg_config knows"
    } else if is_root() && !is_somebody() {
        "no server runs as root, and root can be nobody else here"
    } else {
        return true;
    };
    // Past the test runner, which keeps what a passing test prints to itself.
    let line = format!("{why}: the test of passwords is left out\n");
    std::io::stderr().write_all(line.as_bytes()).expect("there is a standard error");
    false
}

#[tokio::test]
async fn who_has_no_password_or_a_wrong_one_is_told_what_to_do() {
    if !can_be() {
        return;
    }
    let folder = tempfile::tempdir().expect("there is room");
    let server = Server::make(folder.path(), "asks", &[]);
    let make = "CREATE ROLE keeper LOGIN PASSWORD 'canary-7f3a'; GRANT CREATE ON DATABASE postgres TO keeper";
    server.client().await.batch_execute(make).await.expect("a superuser may");
    server.ask("keeper");
    let url = |password: &str| format!("{} user=keeper {password}", server.address());

    let cases = [("", "give the URL a password"), ("password=canary-8e2b", "the password of the URL (SQLSTATE 28P01)")];
    for (password, advice) in cases {
        let error = PostgresOptions::new(url(password)).open().await.expect_err("it asks");
        assert_eq!((error.kind(), error.retry()), (StoreErrorKind::PermissionDenied, Retry::Never), "{error}");
        let error = error.to_string();
        assert!(error.contains(advice) && !error.contains("canary"), "{error}");
        let error = PostgresKeyTable::open(url(password), "keys").await.expect_err("it asks");
        assert_eq!(error.kind(), VaultErrorKind::Permissions, "{error}");
        assert!(error.to_string().contains(advice), "{error}");
    }
    // There is a superuser here, for whom row-level security does not hold: that is told.
    let store = PostgresOptions::new(url("password=canary-7f3a")).open().await.expect("it is the right one");
    let table = PostgresKeyTable::open(url("password=canary-7f3a"), "keys").await.expect("it is the right one");
    assert!(store.is_walled() && table.is_walled(), "for a plain user");
    let store = PostgresOptions::new(server.url()).open().await.expect("nobody asks");
    let table = PostgresKeyTable::open(server.url(), "keys").await.expect("nobody asks");
    assert!(!store.is_walled() && !table.is_walled(), "for a superuser");
}
