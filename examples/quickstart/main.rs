//! The main job, end to end, on this machine alone: a Graph API simulator, signed webhooks over HTTP, a SQLite file, an
//! offline engine, a member who takes over, KPIs, a look into the database's raw bytes, an erasure with its receipt.
//!
//! ```text
//! cargo run --example quickstart [-- --store memory|sqlite:FILE|postgres:URL] [--keep DIR] [--seed N] [--json]
//! ```
//! With `--store postgres:URL` (`postgres://user@host/database`, or `postgres:host=/run/postgresql user=me dbname=mine`)
//! messages are kept in a schema that is dropped at the end, unless it is kept; the keys stay in the folder.
//!
//! `--keep DIR` keeps everything in a folder. A run that was killed goes on when started again over the same folder:
//! nothing is lost, nothing is sent twice.
//!
//! With `--json` each line on standard output is one object; its fields are stable:
//! `{"event":"message","channel","contact","author","at","content","text","delivery"}`,
//! `{"event":"kpi","id","value"}`, `{"event":"proof","file","bytes","searched","found"}`,
//! `{"event":"erasure","key_destroyed_at","horizon","deleted","book_entry_deleted_at","remaining"}`,
//! `{"event":"summary","said","kept","sent","twice","in_doubt","person"}`.
#![allow(clippy::print_stdout, reason = "a program that shows something")]

mod business;
mod database;
mod proof;
mod script;
mod transcript;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use business::{Business, Options};

/// How long the whole run may take before it gives up.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match tokio::time::timeout(PATIENCE, run(&options)).await {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => fail(&error.to_string()),
        Err(_) => fail("gave up: not everything was settled in time"),
    }
}

#[expect(clippy::print_stderr, reason = "a program's error goes to standard error")]
fn fail(error: &str) -> ExitCode {
    eprintln!("quickstart: {error}");
    ExitCode::FAILURE
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let business = Business::open(options).await?;
    script::play(&business).await?;
    transcript::conversations(&business).await?;
    transcript::kpis(&business).await?;
    proof::scan(&business).await?;
    let summary = proof::reconcile(&business).await?;
    proof::erase(&business).await?;
    business.close().await?;
    summary.check()
}
