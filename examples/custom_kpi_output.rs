//! The line of `custom_kpi --json` is public: its fields stay.

use std::path::Path;
use std::process::Command;

#[test]
fn what_was_answered_without_a_person_is_one_line() {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples").join("custom_kpi");
    assert!(program.exists(), "build it first: cargo build -p whisp-examples --example custom_kpi");
    let output = Command::new(&program).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let wanted = r#"{"kpi":"answered_alone","part":1,"version":1,"whole":4}"#;
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), wanted);
    assert_eq!(Command::new(&program).arg("--unknown").output().unwrap().status.code(), Some(2));
}
