//! `cargo xtask test`: everything that must hold before a change is taken in.

use std::process::Command;

use crate::postgres::Server;
use crate::run::{Failed, cargo, has_cargo, last_step, left_out, step};
use crate::simulate;

/// The crates that are published. Each must also build alone and without a feature.
const LIBRARIES: &[&str] = &["whisp", "whisp-core", "whisp-meta", "whisp-ai", "whisp-store"];

/// The examples that need no network and end by themselves, with their arguments.
const OFFLINE_EXAMPLES: &[(&str, &[&str])] = &[
    ("quickstart", &[]),
    ("replay", &["--bodies", "examples/bodies"]),
    ("reply", &["--knowledge", "examples/knowledge.yaml", "--evaluate"]),
    ("custom_engine", &[]),
    ("custom_channel", &[]),
    ("custom_kpi", &[]),
    ("custom_store", &[]),
    ("custom_keys", &[]),
];

const EXAMPLES: &str = "whisp-examples";
const BENCHES: &str = "whisp-benches";

/// Runs all steps, or only the ones that find most; the tests come last, so that the output ends in their summary.
pub(crate) fn test(fast: bool) -> Result<(), Failed> {
    step("formatting", &mut cargo(&["fmt", "--all", "--check"]))?;
    lints()?;
    let server = Server::start()?;
    if server.is_none() {
        left_out("PostgreSQL", "none is installed: what needs it is left out");
    }
    if !fast {
        let mut docs = cargo(&["doc", "--workspace", "--all-features", "--no-deps"]);
        step("docs", docs.env("RUSTDOCFLAGS", "-Dwarnings"))?;
        step("doctests", &mut cargo(&["test", "--workspace", "--all-features", "--doc"]))?;
        examples(server.as_ref())?;
        benches(server.as_ref())?;
        dependencies()?;
        simulate::fixed_and_new()?;
    }
    tests(server.as_ref())
}

fn lints() -> Result<(), Failed> {
    const DENY: &[&str] = &["--", "-D", "warnings"];
    let everything = ["clippy", "--workspace", "--all-targets", "--all-features"];
    step("lints", &mut cargo(&[&everything, DENY].concat()))?;
    for library in LIBRARIES {
        let alone = ["clippy", "--package", library, "--no-default-features"];
        step(&format!("lints of {library} without features"), &mut cargo(&[&alone, DENY].concat()))?;
    }
    Ok(())
}

fn examples(server: Option<&Server>) -> Result<(), Failed> {
    for (name, arguments) in OFFLINE_EXAMPLES {
        let run = ["run", "--quiet", "--package", EXAMPLES, "--example", name, "--"];
        step(&format!("example {name}"), &mut cargo(&[&run, *arguments].concat()))?;
    }
    if let Some(server) = server {
        let run = ["run", "--quiet", "--package", EXAMPLES, "--example", "quickstart", "--", "--store"];
        step("example quickstart on PostgreSQL", cargo(&run).arg(format!("postgres:{}", server.url())))?;
    }
    Ok(())
}

/// The ratios inform; a bench fails the run only where it does not work.
fn benches(server: Option<&Server>) -> Result<(), Failed> {
    let mut benches = cargo(&["bench", "--package", BENCHES, "--benches", "--", "--quick"]);
    step("benches", lend(server, &mut benches))
}

/// Lets a command use the server, if there is one.
fn lend<'c>(server: Option<&Server>, command: &'c mut Command) -> &'c mut Command {
    match server {
        Some(server) => server.lend(command),
        None => command,
    }
}

fn dependencies() -> Result<(), Failed> {
    const NAME: &str = "dependencies";
    if has_cargo("deny") {
        step(NAME, &mut cargo(&["deny", "--all-features", "check"]))
    } else {
        left_out(NAME, "cargo-deny is not installed");
        Ok(())
    }
}

fn tests(server: Option<&Server>) -> Result<(), Failed> {
    let mut tests = if has_cargo("nextest") {
        cargo(&["nextest", "run", "--workspace", "--all-features"])
    } else {
        cargo(&["test", "--workspace", "--all-features", "--all-targets"])
    };
    last_step("tests", lend(server, &mut tests))
}
