//! How long a search in a knowledge base takes, and how long one takes to build: `cargo bench -p whisp-benches --bench
//! retrieval`; with `--quick` after `--`, a small one alone.
//!
//! The entries are made up: words of syllables, as frequent as those of a language are (Zipf), four questions an entry. What
//! is asked is one of the questions with a word less, a word more and a typing error.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a bench stops where its set-up fails")]
#![expect(clippy::print_stdout, reason = "the figures are what the bench is for")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use chrono::NaiveDate;
use whisp::ai::{Entry, Knowledge, KnowledgeIndex};
use whisp_benches::arguments::Arguments;

/// How many entries; DESIGN.md, section 12: the 99th percentile of a search in ms, and the building in seconds where it has
/// a goal.
const SIZES: [(usize, f64, Option<f64>); 2] = [(10_000, 1.0, Some(2.0)), (100_000, 10.0, None)];
const SIZE_QUICK: (usize, f64, Option<f64>) = (1_000, 1.0, None);

const QUESTIONS: usize = 4;
const QUERIES: usize = 2_000;
const QUERIES_QUICK: usize = 100;
/// How often each is asked. All of it counts; the best of each, beside it, shows what others on the machine add.
const TIMES: usize = 5;
/// How many entries are asked for, as the engine does.
const HITS: usize = 5;

const WORDS: usize = 20_000;

fn main() {
    let quick = Arguments::read().say("--quick");
    let (sizes, queries) = if quick { (&[SIZE_QUICK][..], QUERIES_QUICK) } else { (&SIZES[..], QUERIES) };
    for (entries, p99_goal, build_goal) in sizes {
        measure(*entries, queries, *p99_goal, *build_goal);
    }
}

fn measure(entries: usize, queries: usize, p99_goal: f64, build_goal: Option<f64>) {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let words: Vec<String> = (0..WORDS).map(|_| word(&mut chance)).collect();
    let questions: Vec<Vec<String>> =
        (0..entries).map(|_| (0..QUESTIONS).map(|_| sentence(&words, &mut chance)).collect()).collect();
    let entry = |(number, questions): (usize, &Vec<String>)| Entry {
        id: number.to_string(),
        questions: BTreeMap::from([("ru".to_owned(), questions.clone())]),
        answers: BTreeMap::from([("ru".to_owned(), format!("{} {}", questions[0], questions[1]))]),
        ..Entry::default()
    };
    let knowledge = Knowledge::new(questions.iter().enumerate().map(entry).collect()).expect("it is in order");
    let asked: Vec<String> = (0..queries)
        .map(|_| {
            let known = &questions[chance.below(entries)];
            variant(&known[chance.below(QUESTIONS)], &words, &mut chance)
        })
        .collect();

    let start = Instant::now();
    let index = KnowledgeIndex::new(knowledge);
    let seconds = start.elapsed().as_secs_f64();
    match build_goal {
        Some(goal) => {
            println!(
                "time build, {entries} entries: {seconds:.2} s, goal at most {goal} s: {}",
                verdict(seconds, goal)
            );
        }
        None => println!("time build, {entries} entries: {seconds:.2} s"),
    }

    let day = NaiveDate::from_ymd_opt(2026, 11, 27).expect("a day");
    let mut best = vec![f64::MAX; asked.len()];
    let mut all = Vec::with_capacity(asked.len() * TIMES);
    for _ in 0..TIMES {
        for (question, best) in asked.iter().zip(&mut best) {
            let start = Instant::now();
            black_box(index.search(black_box(question), day, HITS));
            let millis = start.elapsed().as_secs_f64() * 1e3;
            *best = best.min(millis);
            all.push(millis);
        }
    }
    let (p50, p99) = (percentile(&mut all, 50), percentile(&mut all, 99));
    println!(
        "time search, {entries} entries: p50 {p50:.3} ms, p99 {p99:.3} ms, goal at most {p99_goal} ms: {} (the best of \
         {TIMES} for each question: p50 {:.3} ms, p99 {:.3} ms)",
        verdict(p99, p99_goal),
        percentile(&mut best, 50),
        percentile(&mut best, 99),
    );
}

const fn verdict(value: f64, goal: f64) -> &'static str {
    if value <= goal { "met" } else { "MISSED" }
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent / 100).min(values.len() - 1)]
}

fn word(chance: &mut Chance) -> String {
    const SYLLABLES: [&str; 24] = [
        "ба", "ве", "го", "да", "жи", "за", "ка", "ле", "ми", "но", "пра", "ро", "сто", "та", "ку", "хо", "чи", "ша",
        "дос", "вка", "ния", "тел", "ный", "ть",
    ];
    (0..2 + chance.below(3)).map(|_| SYLLABLES[chance.below(SYLLABLES.len())]).collect()
}

/// Four to ten words.
fn sentence(words: &[String], chance: &mut Chance) -> String {
    (0..4 + chance.below(7)).map(|_| common(words, chance)).collect::<Vec<_>>().join(" ")
}

fn common<'w>(words: &'w [String], chance: &mut Chance) -> &'w str {
    &words[chance.zipf(words.len())]
}

fn variant(question: &str, words: &[String], chance: &mut Chance) -> String {
    let mut asked: Vec<String> = question.split(' ').map(str::to_owned).collect();
    asked.remove(chance.below(asked.len()));
    let place = chance.below(asked.len());
    let mut letters: Vec<char> = asked[place].chars().collect();
    letters.swap(0, 1);
    asked[place] = letters.into_iter().collect();
    asked.push(common(words, chance).to_owned());
    asked.join(" ")
}

/// Numbers that look random and are the same in each run (splitmix64, Steele and others 2014).
struct Chance(u64);

impl Chance {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    #[expect(clippy::cast_possible_truncation, reason = "it is below a length")]
    const fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A place below `end`: the n-th about 1/n as often as the first.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
    fn zipf(&mut self, end: usize) -> usize {
        let share = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        ((end as f64).powf(share) as usize - 1).min(end - 1)
    }
}
