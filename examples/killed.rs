//! A quickstart that is killed goes on when started again: nothing is lost, nothing is sent twice.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long one run may take: many times what it needs.
const PATIENCE: Duration = Duration::from_secs(100);

/// The example that cargo built beside this test.
fn quickstart() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples").join("quickstart");
    assert!(program.exists(), "build it first: cargo build -p whisp-examples --example quickstart");
    program
}

fn start(folder: &Path) -> Child {
    Command::new(quickstart())
        .args(["--json", "--keep"])
        .arg(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// How many messages the platform has taken so far.
fn accepted(folder: &Path) -> usize {
    let state = std::fs::read(folder.join("platform.json")).ok();
    let state: Option<Value> = state.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    state.and_then(|state| Some(state["accepted"].as_array()?.len())).unwrap_or(0)
}

/// Runs it until the platform has taken `count` messages, and kills it at that very moment: the answer to the call, the
/// commit of its result and the webhooks about it are all still to come. Returns its output if it was done before.
fn run_and_kill(folder: &Path, count: usize) -> Option<Output> {
    let mut child = start(folder);
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "it hangs");
        if child.try_wait().unwrap().is_some() {
            return Some(child.wait_with_output().unwrap());
        }
        if accepted(folder) >= count {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_quickstart_goes_on_and_loses_nothing_and_sends_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut kills = 0;
    // Killed while a request was on its way that the platform never took, a message stays in doubt and is not sent: then
    // there are fewer to wait for, and a run comes to its end.
    let output = loop {
        // At the next message that it takes, whatever a slow machine has let it take since the last kill.
        match run_and_kill(folder.path(), accepted(folder.path()) + 1) {
            Some(output) => break output,
            None => kills += 1,
        }
    };
    assert!(kills >= 4, "killed only {kills} times");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "after {kills} kills: {errors}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.iter().find(|line| line["event"] == "summary").expect("a summary");
    assert_eq!(summary["kept"], summary["said"], "{summary}");
    assert_eq!(summary["twice"], 0, "{summary}");
    assert!(lines.iter().any(|line| line["event"] == "erasure"), "it went on to the end");
    // And once more over what is there: nothing new is said, nothing sent.
    let sent = accepted(folder.path());
    assert!(start(folder.path()).wait_with_output().unwrap().status.success());
    assert_eq!(accepted(folder.path()), sent);
}
