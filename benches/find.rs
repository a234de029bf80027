//! What it costs to look for what says who somebody is, in messages of 300 characters, beside one Aho-Corasick pass over as
//! many words as the lists of special categories have: `cargo bench -p whisp-benches --bench find`.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that can't run must stop")]

use std::hint::black_box;
use std::time::Instant;

use aho_corasick::AhoCorasick;
use criterion::{Criterion, criterion_group, criterion_main};
use whisp::find::{find, special};
use whisp_benches::{Goal, ratio};

/// The goal for 300 characters, in microseconds (`detect_300_chars`).
const GOAL_MICROS: f64 = 10.0;

/// Messages of 300 characters: without a number, with some, with nothing else.
fn messages() -> [(&'static str, String); 4] {
    let of = |text: &str| text.chars().cycle().take(300).collect();
    [
        ("russian", of("Здравствуйте! Подскажите, пожалуйста, сколько стоит доставка и можно ли забрать завтра? ")),
        ("english", of("Hello, could you tell me whether the blue one is in stock and when I can pick it up? ")),
        (
            "kazakh with numbers",
            of("Сәлеметсіз бе, нөмірім 8 (701) 234-56-78, ертең сағат 19:30-да 4 орын, ЖСН 900512300120. "),
        ),
        ("digits alone", of("8701234567841111111111111111 12 34 56 78 90 ")),
    ]
}

fn bench(criterion: &mut Criterion) {
    // 300 words that occur in none of the messages, and no filter in front, so that the whole of a message is read.
    let words: Vec<String> = (0..300).map(|n| format!("сөз{n}болезнь")).collect();
    let automaton = AhoCorasick::builder().prefilter(false).build(&words).expect("an automaton");
    for (name, text) in messages() {
        let look = || {
            black_box(find(black_box(&text)));
            black_box(special(black_box(&text)));
        };
        look();
        const TIMES: u32 = 20_000;
        let mut best = f64::MAX;
        for _ in 0..15 {
            let start = Instant::now();
            (0..TIMES / 15).for_each(|_| look());
            best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES / 15));
        }
        let verdict = if best <= GOAL_MICROS { "met" } else { "MISSED" };
        println!("time find, {name}: {best:.2} us for 300 characters, goal at most {GOAL_MICROS} us: {verdict}");
        let pass = || {
            black_box(automaton.find_iter(black_box(&text)).count());
        };
        ratio(&format!("find, {name}, beside one Aho-Corasick pass"), look, pass, Goal::TimesAtMost(10.0));
        criterion.bench_function(&format!("find/{name}"), |bencher| bencher.iter(look));
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
