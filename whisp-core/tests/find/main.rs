//! How well people's numbers and addresses are found, on a corpus of our own: `corpus.txt`. Prints precision, recall and F2,
//! in which what was missed counts four times what was found too much.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::collections::BTreeMap;
use std::ops::Range;

use whisp_core::find::find;

/// A message without its marks, and what is where in it.
fn unmarked(line: &str) -> (String, Vec<(String, Range<usize>)>) {
    let (mut text, mut marks, mut rest) = (String::new(), Vec::new(), line);
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (kind, after) = after.split_once(':').unwrap();
        let (value, after) = after.split_once('}').unwrap();
        marks.push((kind.to_owned(), text.len()..text.len() + value.len()));
        text.push_str(value);
        rest = after;
    }
    (text + rest, marks)
}

#[derive(Debug, Default)]
struct Score {
    right: u32,
    missed: u32,
    too_much: u32,
    other_kind: u32,
}

impl Score {
    /// Weighs recall twice as much as precision.
    fn f2(&self) -> f64 {
        5.0 * f64::from(self.right) / f64::from(5 * self.right + 4 * self.missed + self.too_much)
    }
}

#[test]
fn what_says_who_somebody_is_is_found_and_little_else() {
    let mut scores: BTreeMap<&str, Score> = BTreeMap::new();
    for line in include_str!("corpus.txt").lines().filter(|line| !line.starts_with('#')) {
        let (language, line) = line.split_once(' ').unwrap();
        let (text, marks) = unmarked(line);
        let found = find(&text);
        let score = scores.entry(language).or_default();
        for (kind, range) in &marks {
            // Found is what is hidden whole; a character too many hides nothing that is needed.
            match found.iter().find(|one| one.range.start <= range.start && one.range.end >= range.end) {
                Some(one) => {
                    score.right += 1;
                    score.other_kind += u32::from(one.kind.as_str() != kind);
                }
                None => {
                    score.missed += 1;
                    println!("missed: {text}: {:?}", &text[range.clone()]);
                }
            }
        }
        for one in &found {
            if !marks.iter().any(|(_, range)| range.start < one.range.end && one.range.start < range.end) {
                score.too_much += 1;
                println!("too much: {text}: {one:?}");
            }
        }
    }
    let mut all = Score::default();
    for (language, score) in &scores {
        println!("{language}: F2 {:.3} {score:?}", score.f2());
        assert!(score.right > 15 && score.f2() >= 0.95, "{language}: {score:?}");
        all.right += score.right;
        all.missed += score.missed;
        all.too_much += score.too_much;
        all.other_kind += score.other_kind;
    }
    println!("all: F2 {:.3} {all:?}", all.f2());
    assert!(all.other_kind * 20 <= all.right, "nearly all of them are called what they are");
}
