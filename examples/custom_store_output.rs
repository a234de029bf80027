//! The lines of `custom_store --json` are public: their fields, their order and the names of the cases stay.

use std::path::Path;
use std::process::Command;

use whisp::stores::conformance::{CASES, privacy};

#[test]
fn each_case_is_one_line_with_its_name_and_whether_it_passed() {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples").join("custom_store");
    assert!(program.exists(), "build it first: cargo build -p whisp-examples --example custom_store");
    let output = Command::new(&program).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = CASES.iter().map(|case| case.name).chain(privacy::CASES.iter().map(|case| case.name));
    let wanted: Vec<_> = names.map(|name| format!(r#"{{"case":"{name}","passed":true}}"#)).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), wanted);
    assert_eq!(Command::new(&program).arg("--unknown").output().unwrap().status.code(), Some(2));
}
