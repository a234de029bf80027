//! The lines of `custom_engine --json` are public: their fields and the names of the decisions stay.

use std::path::Path;
use std::process::Command;

#[test]
fn each_turn_is_one_line_with_what_the_engine_decided() {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples").join("custom_engine");
    assert!(program.exists(), "build it first: cargo build -p whisp-examples --example custom_engine");
    let output = Command::new(&program).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let wanted = [
        r#"{"answer":"What is the number of your order?","decision":"reply","text":"Hi! Where is my order?"}"#,
        r#"{"answer":"Order 1042: baked, leaves at 15:00.","decision":"reply","text":"Order 1042, sorry"}"#,
        r#"{"answer":null,"decision":"hand_off","text":"And order 7?"}"#,
        r#"{"answer":null,"decision":"abstain","text":"Do you have rye bread?"}"#,
    ];
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), wanted);
    assert_eq!(Command::new(&program).arg("--unknown").output().unwrap().status.code(), Some(2));
}
