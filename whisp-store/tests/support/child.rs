//! Other processes: a test starts its own binary again as a child, which finds its part in the environment.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What the child does.
const PART: &str = "WHISP_TEST_PART";
/// To which file.
const FILE: &str = "WHISP_TEST_FILE";

/// Prepares a program to run the test `the_part_of_the_child`, and nothing else.
pub(crate) fn with_part(command: &mut Command, part: &str, file: &Path) {
    command.args(["--exact", "the_part_of_the_child", "--nocapture"]);
    command.env(PART, part).env(FILE, file).stdout(Stdio::piped());
}

pub(crate) fn start(part: &str, file: &Path) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut command = Command::new(std::env::current_exe().expect("this program is a file"));
    with_part(&mut command, part, file);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    // The harness prints lines of its own; the child's begin with a mark.
    let lines = output.lines().map_while(Result::ok);
    (child, lines.filter_map(|line| line.split_once("~ ").map(|(_, line)| line.to_owned())))
}

/// The part of this process and its file, if it is a child.
#[expect(clippy::disallowed_methods, reason = "a child process gets its part from the test that starts it")]
pub(crate) fn part() -> Option<(String, String)> {
    Some((std::env::var(PART).ok()?, std::env::var(FILE).ok()?))
}

/// Says something to the parent.
pub(crate) fn say(line: &str) {
    // Past the harness, which holds `println!` back; one write is one line.
    let mut output = std::io::stdout().lock();
    output.write_all(format!("~ {line}\n").as_bytes()).and_then(|()| output.flush()).expect("the parent listens");
}

/// Waits until the parent says something, or ends.
pub(crate) fn wait_for_parent() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("it can be read");
}
