//! A store of one's own, proved by the suites: `store.rs` is the whole of it.
//!
//! `cargo run -p whisp-examples --example custom_store` runs each case of the conformance suite and then each of the suite of
//! privacy on a fresh file, prints a line for it, and exits with 1 if one fails. With `--json` a line is
//! `{"case": name, "passed": bool}`.

#![expect(clippy::print_stdout, reason = "it is a program")]

mod store;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Parser;
use whisp::media::MediaStore;
use whisp::store::Store;
use whisp::stores::conformance::privacy::{self, Raw, RawBytes};
use whisp::stores::conformance::{CASES, Case, run_all};
use whisp::stores::{LocalKeyProvider, ObjectMedia, SqliteKeyTable};
use whisp::vault::{KeyProvider, KeyTable};

use crate::store::RedbStore;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What the suite of privacy runs on: the store, and beside it keys and files as Whisp keeps them, all in one folder.
struct Parts {
    store: Arc<RedbStore>,
    keys: Arc<SqliteKeyTable>,
    folder: PathBuf,
}

impl Parts {
    fn open(folder: PathBuf) -> Result<Self, Failed> {
        std::fs::create_dir(&folder)?;
        let store = Arc::new(RedbStore::open(&folder.join("whisp.redb"))?);
        Ok(Self { store, keys: Arc::new(SqliteKeyTable::open(folder.join("keys.db"))?), folder })
    }
}

#[async_trait]
#[expect(clippy::expect_used, reason = "a case fails by panicking")]
impl privacy::Parts for Parts {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as _
    }

    fn keys(&self) -> Arc<dyn KeyTable> {
        Arc::clone(&self.keys) as _
    }

    fn provider(&self) -> Arc<dyn KeyProvider> {
        Arc::new(LocalKeyProvider::open_or_create(self.folder.join("root.key")).expect("a key file"))
    }

    fn media(&self) -> Arc<dyn MediaStore> {
        Arc::new(ObjectMedia::folder(self.folder.join("media")).expect("a folder for files"))
    }

    async fn raw(&self) -> Raw {
        Raw::Bytes(RawBytes::new().files(&self.folder).expect("the files are read"))
    }

    async fn wipe(&self) -> Result<(), &'static str> {
        Err("redb keeps what was deleted until `compact`, which needs the file for itself")
    }
}

/// Runs the conformance suites on a store over `redb`.
#[derive(Parser)]
struct Options {
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Failed> {
    let (options, folder) = (Options::parse(), tempfile::tempdir()?);
    let report = |name: &str, passed: bool| {
        if options.json {
            println!("{}", serde_json::json!({ "case": name, "passed": passed }));
        } else {
            println!("{} {}", if passed { "ok    " } else { "FAILED" }, name.replace('_', " "));
        }
    };
    let open = |case: &Case| std::future::ready(RedbStore::open(&folder.path().join(case.name)));
    let failed = run_all(open, |case, outcome| report(case.name, outcome.is_ok())).await?;
    let open = |case: &privacy::Case| std::future::ready(Parts::open(folder.path().join(case.name)));
    let failed = failed + privacy::run_all(open, |case, outcome| report(case.name, outcome.is_ok())).await?;
    if !options.json {
        let cases = CASES.len() + privacy::CASES.len();
        println!("{} of {cases} cases passed", cases - failed);
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
