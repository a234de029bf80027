//! The lines of `custom_keys --json` are public: their fields and their steps stay.

use std::path::Path;
use std::process::Command;

#[test]
fn each_step_is_one_line_and_all_are_done() {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples").join("custom_keys");
    assert!(program.exists(), "build it first: cargo build -p whisp-examples --example custom_keys");
    let output = Command::new(&program).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let steps = [
        "the provider keeps the contract",
        "the business has moved into a key service of its own",
        "that service holds one key, of its current epoch",
        "its keys are in the cells no more",
        "the business has moved to its new owner's key service",
        "the old owner's key service has no key of it",
    ];
    let wanted = steps.map(|step| format!(r#"{{"done":true,"step":"{step}"}}"#));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), wanted);
    assert_eq!(Command::new(&program).arg("--unknown").output().unwrap().status.code(), Some(2));
}
