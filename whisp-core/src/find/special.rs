//! Special categories of data (Art. 9 and 10 GDPR): words by which somebody tells of their health, beliefs and the like.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::tokens::{has_letters, is_invisible};

/// Which special category a text tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SpecialKind {
    /// What somebody believes.
    Belief,
    /// Convictions and offences (Art. 10).
    Crime,
    /// From whom somebody comes.
    Ethnicity,
    /// Health, a body's measures and genes.
    Health,
    /// Whom somebody votes for, and whether they are in a union.
    Politics,
    /// Whom somebody loves, and how.
    Sexuality,
}

/// Words, in small letters, that tell of a category; our own list. One that ends in `*` is the beginning of a word, so that
/// the endings of Russian and Kazakh need no list of their own. Left out on purpose is what people write to a shop or a cafe
/// every day: `halal`, the names of languages, `church` as a place on the way.
const WORDS: &[(SpecialKind, &[&str])] = &[
    (
        SpecialKind::Health,
        &[
            // English.
            "abortion*",
            "aids",
            "allergi*",
            "allergy",
            "antidepressant*",
            "asthma*",
            "blood pressure",
            "blood test*",
            "blood type",
            "cancer",
            "chemotherap*",
            "chronic illness*",
            "chronic pain*",
            "depressed",
            "depression",
            "diabet*",
            "diagnos*",
            "disabilit*",
            "disabled person*",
            "epilep*",
            "genetic test*",
            "heart attack*",
            "hepatitis*",
            "hiv",
            "insulin*",
            "medical condition*",
            "medical history",
            "mental health",
            "migraine*",
            "miscarriage*",
            "my doctor",
            "my medication*",
            "oncolog*",
            "overdose*",
            "panic attack*",
            "pregnan*",
            "prescription*",
            "psychiatr*",
            "psychotherap*",
            "schizophren*",
            "suicid*",
            "surgery",
            "symptom*",
            "tuberculosis",
            "tumor*",
            "tumour*",
            "vaccinat*",
            // Russian.
            "аборт*",
            "аллерги*",
            "анализ крови",
            "анализы крови",
            "анализов крови",
            "антидепрессант*",
            "астм*",
            "беремен*",
            "болею*",
            "больничный лист*",
            "больничном",
            "бронхит*",
            "вакцин*",
            "вич",
            "врач сказал*",
            "врач прописал*",
            "выкидыш*",
            "гепатит*",
            "гипертон*",
            "группа крови",
            "давление скачет",
            "депресси*",
            "диабет*",
            "диагноз*",
            "заболевани*",
            "импотенци*",
            "инвалид*",
            "инсулин*",
            "инсульт*",
            "инфаркт*",
            "история болезни",
            "лекарств*",
            "лейкоз*",
            "мигрен*",
            "наркозависим*",
            "онколог*",
            "операцию на",
            "опухол*",
            "панические атак*",
            "психиатр*",
            "психотерап*",
            "рак груди",
            "рак легких",
            "рак кожи",
            "рецепт от врача",
            "сахарный диабет",
            "симптом*",
            "спид",
            "суицид*",
            "температура 38",
            "температура 39",
            "туберкулез*",
            "у меня рак",
            "химиотерап*",
            "хроническая болезнь",
            "хронические болезни",
            "шизофрен*",
            "эпилепс*",
            // Kazakh.
            "аурумын",
            "ауруым*",
            "ауырып тұр*",
            "ауырамын",
            "ауырып қал*",
            "аурухана*",
            "диагнозы*",
            "дәрігер айтты",
            "дәрігер жазып*",
            "дәрі ішемін",
            "дәрі ішіп*",
            "екіқабат*",
            "жүкті",
            "жүктілік*",
            "жүктімін",
            "инсульті*",
            "инфаркті*",
            "қант диабеті*",
            "қан қысымы*",
            "қан тобы*",
            "қатерлі ісік*",
            "мүгедек*",
            "мүгедектік*",
            "ота жасат*",
            "операция жасат*",
            "психикалық*",
            "туберкулезбен*",
            "тұмау*",
            "ісік ауруы*",
            "жүрек ауруы*",
        ],
    ),
    (
        SpecialKind::Belief,
        &[
            "atheist*",
            "i am a christian",
            "i am a muslim",
            "i am jewish",
            "i am muslim",
            "my faith",
            "my religio*",
            "religious belief*",
            "converted to",
            "атеист*",
            "вероисповедани*",
            "я верующ*",
            "я мусульман*",
            "я христиан*",
            "я православн*",
            "я католи*",
            "я буддист*",
            "я иудей",
            "моя вера",
            "моя религия",
            "принял ислам",
            "приняла ислам",
            "свидетель иеговы",
            "свидетели иеговы",
            "діни сенім*",
            "мен мұсылман*",
            "мен христиан*",
            "дінім*",
            "атеистпін",
            "намаз оқимын",
            "исламды қабылда*",
        ],
    ),
    (
        SpecialKind::Politics,
        &[
            "i voted for",
            "my political view*",
            "political opinion*",
            "party member*",
            "trade union member*",
            "union member*",
            "голосовал за",
            "голосовала за",
            "политические взгляд*",
            "политических взгляд*",
            "член партии",
            "член профсоюза",
            "в профсоюзе",
            "оппозицион*",
            "саяси көзқарас*",
            "партия мүшесі*",
            "кәсіподақ мүшесі*",
            "дауыс бердім",
        ],
    ),
    (
        SpecialKind::Ethnicity,
        &[
            "ethnic origin*",
            "ethnicity",
            "my ethnic*",
            "my nationality is",
            "my race",
            "racial origin*",
            "по национальности",
            "моя национальность",
            "этническ*",
            "расовая принадлежность",
            "ұлтым*",
            "менің ұлтым",
            "этникалық*",
        ],
    ),
    (
        SpecialKind::Sexuality,
        &[
            "bisexual*",
            "coming out",
            "gay",
            "gender transition",
            "homosexual*",
            "lesbian*",
            "sexual orientation",
            "sex life",
            "transgender*",
            "бисексуал*",
            "гей",
            "гомосексуал*",
            "интимная жизнь",
            "лесбиян*",
            "сексуальная ориентация",
            "трансгендер*",
            "половая жизнь",
            "жыныстық бағдар*",
            "жыныстық өмір*",
        ],
    ),
    (
        SpecialKind::Crime,
        &[
            "convicted of",
            "criminal record*",
            "ex convict",
            "i was arrested",
            "on probation",
            "судим*",
            "был осужден",
            "была осуждена",
            "отбывал срок",
            "отбывала срок",
            "уголовное дело",
            "условный срок",
            "меня арестовали",
            "сотталған*",
            "соттылығ*",
            "қылмыстық іс*",
        ],
    ),
];

/// The words, ready to be looked for.
struct Lexicon {
    /// In the order of the alphabet, none the beginning of another.
    sorted: Vec<(String, SpecialKind)>,
    /// Which digests the first bytes of a word have, a bit each: most words of a text end here.
    begins: [u64; 64],
}

impl Lexicon {
    /// Where the bit of the first four bytes is; every word of the lists has as many.
    fn place(word: &str) -> Option<(usize, u64)> {
        let head: [u8; 4] = word.as_bytes().get(..4)?.try_into().ok()?;
        // Multiplicative hashing (Knuth, 6.4): the upper 12 bits choose among 4,096.
        let digest = u32::from_le_bytes(head).wrapping_mul(0x9e37_79b1) >> 20;
        Some(((digest / 64) as usize, 1 << (digest % 64)))
    }

    fn of(sorted: Vec<(String, SpecialKind)>) -> Self {
        let mut begins = [0; 64];
        for (word, _) in &sorted {
            if let Some((cell, bit)) = Self::place(word)
                && let Some(cell) = begins.get_mut(cell)
            {
                *cell |= bit;
            }
        }
        Self { sorted, begins }
    }

    /// Returns of what the word tells with which a text goes on.
    fn at(&self, text: &str) -> Option<SpecialKind> {
        let (cell, bit) = Self::place(text)?;
        if self.begins.get(cell)? & bit == 0 {
            return None;
        }
        // None is the beginning of another, so only the last that is not after it can be the beginning of what is left.
        let after = self.sorted.partition_point(|(word, _)| word.as_str() <= text);
        let (word, kind) = self.sorted.get(after.checked_sub(1)?)?;
        text.starts_with(word.as_str()).then_some(*kind)
    }
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let entry = |kind, word: &str| match word.strip_suffix('*') {
        Some(stem) => (plain(stem).trim_end().to_owned(), kind),
        None => (plain(word), kind),
    };
    let mut all: Vec<(String, SpecialKind)> =
        WORDS.iter().flat_map(|(kind, words)| words.iter().map(move |word| entry(*kind, word))).collect();
    all.sort();
    all.dedup_by(|later, earlier| later.0.starts_with(earlier.0.as_str()));
    Lexicon::of(all)
});

/// Returns the words in small letters with one space between them and after each; `е` for `ё`.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    let mut is_between = true;
    for c in text.chars() {
        let was_between = std::mem::take(&mut is_between);
        match c {
            'a'..='z' | 'а'..='я' | '0'..='9' | 'ә' | 'ғ' | 'қ' | 'ң' | 'ө' | 'ұ' | 'ү' | 'һ' | 'і' => {
                out.push(c);
            }
            'A'..='Z' => out.push(c.to_ascii_lowercase()),
            'А'..='Я' => out.extend(char::from_u32(u32::from(c) + 0x20)),
            'ё' | 'Ё' => out.push('е'),
            _ if c > '\u{7f}' && c.is_alphanumeric() => out.extend(c.to_lowercase()),
            _ if is_invisible(c) || matches!(c, '\u{300}'..='\u{36f}' | '\'' | '’') => is_between = was_between,
            _ => {
                is_between = true;
                if !was_between {
                    out.push(' ');
                }
            }
        }
    }
    if !is_between {
        out.push(' ');
    }
    out
}

/// Returns of which special category a text tells, if of one. When unsure it says that it does: a person then answers.
///
/// # Examples
/// ```
/// use whisp_core::find::{SpecialKind, special};
/// assert_eq!(special("У меня диабет, что можно без сахара?"), Some(SpecialKind::Health));
/// assert_eq!(special("What do you have without sugar?"), None);
/// ```
#[must_use]
pub fn special(text: &str) -> Option<SpecialKind> {
    if !has_letters(text) {
        return None;
    }
    let text = plain(text);
    let mut rest = text.as_str();
    while let Some((_, next)) = rest.split_once(' ') {
        if let Some(kind) = LEXICON.at(rest) {
            return Some(kind);
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_the_beginning_of_another_and_each_is_found() {
        for pair in LEXICON.sorted.windows(2) {
            assert!(pair[0].0 < pair[1].0 && !pair[1].0.starts_with(&pair[0].0), "{pair:?}");
        }
        assert!(LEXICON.sorted.iter().all(|(word, _)| word.len() >= 4), "four bytes decide where it is looked for");
        for (_, words) in WORDS {
            for word in *words {
                let text = format!("Hello, {}!", word.trim_end_matches('*').to_uppercase());
                assert!(special(&text).is_some(), "{word}");
            }
        }
    }

    #[test]
    fn a_category_is_told_by_words_and_not_by_pieces_of_them() {
        for (text, kind) in [
            ("I'm pregnant, can I eat this?", SpecialKind::Health),
            ("я беременна", SpecialKind::Health),
            ("Мне поставили ДИАГНОЗ", SpecialKind::Health),
            ("мен жүктімін", SpecialKind::Health),
            ("қант диабетімен ауырамын", SpecialKind::Health),
            ("бере\u{ad}менна", SpecialKind::Health),
            ("туберкулёз", SpecialKind::Health),
            ("я мусульманка", SpecialKind::Belief),
            ("I have a criminal record", SpecialKind::Crime),
            ("я по национальности уйгур", SpecialKind::Ethnicity),
            ("кәсіподақ мүшесімін", SpecialKind::Politics),
        ] {
            assert_eq!(special(text), Some(kind), "{text}");
        }
        for text in [
            "",
            "...",
            "Сколько стоит капучино?",
            "Is it halal?",
            "Вы рядом с церковью?",
            "Есть меню на русском языке?",
            "I need a table for the elderly, aidside",
            "Можно ли вегетарианское?",
            "Қазақ тілінде жауап беріңіз",
            "Спидометр не работает",
            "Геймпад есть?",
            "Тараканы на кухне",
        ] {
            assert_eq!(special(text), None, "{text}");
        }
    }
}
