//! `whisp-core/PROMISES.md` names every promise and every invariant, and only tests that exist.

use std::path::Path;

const TABLE: &str = include_str!("../../whisp-core/PROMISES.md");

/// How many promises the policy makes.
const PROMISES: usize = 67;

/// How many invariants they rest on.
const INVARIANTS: usize = 40;

/// The rows whose number begins so.
fn rows(begin: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = TABLE.lines().filter(move |line| line.starts_with(&format!("| {begin}")));
    lines.map(|line| line.split('|').map(str::trim).collect())
}

/// The tests that a cell names.
fn tests(cell: &str) -> impl Iterator<Item = (&str, &str)> {
    cell.split('`').filter_map(|name| name.split_once('#'))
}

#[test]
fn each_promise_has_a_row_and_says_how_far_it_is_kept() {
    let numbers: Vec<String> = rows("P").map(|row| row[1].to_owned()).collect();
    let expected: Vec<String> = (1..=PROMISES).map(|number| format!("P{number}")).collect();
    assert_eq!(numbers, expected);
    for row in rows("P") {
        let [_, number, _, far, _, tried, _] = row[..] else { panic!("not five cells: {row:?}") };
        let word = ["kept", "in part", "not yet", "organisation"].iter().find(|word| far.starts_with(**word));
        assert!(word.is_some(), "{number}: {far}");
        assert!(!far.starts_with("kept") || tests(tried).next().is_some(), "{number} is kept, says no test");
    }
}

#[test]
fn each_invariant_has_a_row_and_a_test_of_its_number() {
    let numbers: Vec<String> = rows("I-").map(|row| row[1].to_owned()).collect();
    let expected: Vec<String> = (1..=INVARIANTS).map(|number| format!("I-{number}")).collect();
    assert_eq!(numbers, expected);
    for row in rows("I-") {
        let [_, number, _, tried, _] = row[..] else { panic!("not three cells: {row:?}") };
        let begin = format!("i{}_", number.trim_start_matches("I-"));
        assert!(tests(tried).any(|(_, test)| test.starts_with(&begin)), "{number} has no test named {begin}..");
    }
}

#[test]
fn each_test_that_the_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut checked = 0;
    for row in rows("P").chain(rows("I-")) {
        for (file, test) in row.iter().flat_map(|cell| tests(cell)) {
            let source = std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            let place = source.find(&format!("fn {test}(")).unwrap_or_else(|| panic!("{file} has no test {test}"));
            let before = source[..place].trim_end_matches("async ").trim_end();
            // A case of a suite is run by its macro, and listed by a test of its own.
            let is_case = file.contains("conformance") && before.ends_with("pub");
            let is_test = before.ends_with(']') || before.ends_with("*/") || is_case;
            assert!(is_test, "{file}: {test} is not a test");
            checked += 1;
        }
    }
    assert!(checked > 120, "{checked} tests");
}
