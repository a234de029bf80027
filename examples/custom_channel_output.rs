//! The lines of `custom_channel --json` are public: their fields, their order and the names of the cases stay.

use std::path::Path;
use std::process::Command;

#[test]
fn each_case_is_one_line_and_all_contracts_are_kept() {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples").join("custom_channel");
    assert!(program.exists(), "build it first: cargo build -p whisp-examples --example custom_channel");
    let output = Command::new(&program).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = [
        "one attempt a send",
        "no permit no egress",
        "an unseen answer is unknown",
        "a refusal carries its code",
        "capabilities hold",
        "nothing is printed",
        "a message is not the connection",
        "the contact book forgets",
    ];
    let line = |(contract, name)| format!(r#"{{"contract":{contract},"kept":true,"name":"{name}","violation":null}}"#);
    let wanted: Vec<String> = (1..).zip(names).map(line).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), wanted);
    assert_eq!(Command::new(&program).arg("--unknown").output().unwrap().status.code(), Some(2));
}
