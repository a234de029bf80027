//! `cargo xtask test`: everything that must hold before a change is taken in.

use std::fs;
use std::path::Path;

use crate::run::{Failed, cargo, has_cargo, last_step, left_out, root, step};

/// The crates that are published. Each must also build alone and without a feature.
const LIBRARIES: &[&str] = &["whisp", "whisp-core", "whisp-meta", "whisp-ai", "whisp-store"];

/// The examples that need no network and end by themselves: the name, its arguments, and the file or folder without
/// which it is left out.
const OFFLINE_EXAMPLES: &[(&str, &[&str], Option<&str>)] = &[
    ("quickstart", &[], None),
    ("replay", &["--bodies", "examples/data/bodies"], Some("examples/data/bodies")),
    ("custom_engine", &[], None),
    ("custom_channel", &[], None),
    ("custom_store", &[], None),
];

const EXAMPLES: &str = "whisp-examples";
const BENCHES: &str = "whisp-benches";

/// Runs all steps, or only the ones that find most; the tests come last, so that the output ends in their summary.
pub(crate) fn test(fast: bool) -> Result<(), Failed> {
    step("formatting", &mut cargo(&["fmt", "--all", "--check"]))?;
    lints()?;
    if !fast {
        let mut docs = cargo(&["doc", "--workspace", "--all-features", "--no-deps"]);
        step("docs", docs.env("RUSTDOCFLAGS", "-Dwarnings"))?;
        step("doctests", &mut cargo(&["test", "--workspace", "--all-features", "--doc"]))?;
        examples()?;
        benches()?;
        dependencies()?;
    }
    tests()
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

fn examples() -> Result<(), Failed> {
    let there = programs("examples")?;
    // Whether they are written down as binaries or as examples of their package.
    let manifest = read(&root().join("examples/Cargo.toml"))?;
    let target = if manifest.contains("[[example]]") { "--example" } else { "--bin" };
    for (name, arguments, needs) in OFFLINE_EXAMPLES {
        let title = format!("example {name}");
        if !there.iter().any(|program| program == name) {
            left_out(&title, "it does not exist yet");
        } else if let Some(missing) = needs.filter(|path| !root().join(path).exists()) {
            left_out(&title, &format!("there is no {missing}"));
        } else {
            let run = ["run", "--quiet", "--package", EXAMPLES, target, name, "--"];
            step(&title, &mut cargo(&[&run, *arguments].concat()))?;
        }
    }
    Ok(())
}

/// The ratios inform; a bench fails the run only where it does not work.
fn benches() -> Result<(), Failed> {
    let there = programs("benches")?;
    if there.is_empty() {
        left_out("benches", "there are none yet");
        return Ok(());
    }
    let mut arguments = vec!["bench", "--package", BENCHES];
    arguments.extend(there.iter().flat_map(|name| ["--bench", name]));
    arguments.extend(["--", "--quick"]);
    step("benches", &mut cargo(&arguments))
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

fn tests() -> Result<(), Failed> {
    if has_cargo("nextest") {
        last_step("tests", &mut cargo(&["nextest", "run", "--workspace", "--all-features"]))
    } else {
        last_step("tests", &mut cargo(&["test", "--workspace", "--all-features", "--all-targets"]))
    }
}

/// Returns the names of the programs in a folder of the workspace, in order.
fn programs(folder: &str) -> Result<Vec<String>, Failed> {
    let failed = |error: std::io::Error| Failed::new(format!("list {folder}"), error);
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join(folder)).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if let (Some(name), Some("rs")) =
            (path.file_stem().and_then(|name| name.to_str()), path.extension().and_then(|end| end.to_str()))
            && name != "lib"
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<String, Failed> {
    fs::read_to_string(path).map_err(|error| Failed::new(format!("read {}", path.display()), error))
}
