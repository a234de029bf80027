//! The commands of a developer: `cargo xtask test`, `cargo xtask simulate`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod postgres;
mod run;
mod simulate;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
The commands of a Whisp developer.

Usage: cargo xtask test [--fast]
       cargo xtask simulate [--seeds N] [--from S]

  test      Formatting, lints, docs, doctests, examples, benches (quick), dependencies, simulation, and last all tests
  --fast    Formatting, lints and tests only

  simulate  A seeded world where everything goes wrong; ends with the first seed that breaks an invariant
  --seeds   How many seeds (2000)
  --from    The first seed (0)";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["simulate", seeds @ ..] => match simulate::Seeds::read(seeds) {
            Some(seeds) => simulate::simulate(seeds),
            None => {
                eprintln!("{HELP}");
                return ExitCode::from(2);
            }
        },
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
