//! The commands of a developer: `cargo xtask test`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod postgres;
mod run;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
The commands of a Whisp developer.

Usage: cargo xtask test [--fast]

  test      Formatting, lints, docs, doctests, examples, benches (quick), dependencies, and last all tests
  --fast    Formatting, lints and tests only";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["test"] => test::test(false),
        ["test", "--fast"] => test::test(true),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("error: {failed}");
            ExitCode::FAILURE
        }
    }
}
