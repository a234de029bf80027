//! Runs commands, each under a line that names it.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs a command of the step `name` and prints how long it took.
pub(crate) fn step(name: &str, command: &mut Command) -> Result<(), Failed> {
    let started = Instant::now();
    last_step(name, command)?;
    println!("=== {name}: {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a command after which nothing is printed, so that the output ends in its own.
pub(crate) fn last_step(name: &str, command: &mut Command) -> Result<(), Failed> {
    println!("=== {name}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failed { command: shown(command), why: status.to_string() }),
        Err(error) => Err(Failed { command: shown(command), why: error.to_string() }),
    }
}

/// Says that a step is left out, and why.
pub(crate) fn left_out(name: &str, why: &str) {
    println!("=== {name}: left out, {why}");
}

/// Returns a `cargo` command that runs in the workspace's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root());
    command
}

/// Returns whether cargo has a subcommand.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    let found = cargo(&[subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// Returns the workspace's root.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// A command did not succeed.
#[derive(Debug)]
pub(crate) struct Failed {
    command: String,
    why: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed: {}", self.command, self.why)
    }
}

/// Shows a command as one would type it, with the variables that were set for it.
fn shown(command: &Command) -> String {
    let mut words: Vec<String> = Vec::new();
    for (name, value) in command.get_envs() {
        words.push(format!("{}={}", name.display(), value.unwrap_or_default().display()));
    }
    words.push(command.get_program().display().to_string());
    words.extend(command.get_args().map(|argument| argument.display().to_string()));
    words.join(" ")
}
