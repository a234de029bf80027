//! Which language a contact writes: by its letters first, then by its commonest words.

use crate::text;

/// Returns the language of a text as its two-letter code (ISO 639-1), or `None` where neither letters nor words tell.
///
/// Letters decide for Kazakh (әғқңөұүһі), Ukrainian (їєґ), Arabic, Persian and Hindi. Other Cyrillic is Russian unless
/// its words are Kazakh ones typed with Russian letters. Latin text goes to the language most of whose commonest words
/// occur, if one leads: of a single word such as `ok` nobody can tell.
///
/// # Examples
/// ```
/// use whisp_ai::detect_language;
/// assert_eq!(detect_language("Сізде жеткізу бар ма?"), Some("kk"));
/// assert_eq!(detect_language("У вас есть доставка?"), Some("ru"));
/// assert_eq!(detect_language("Você tem entrega para São Paulo?"), Some("pt"));
/// assert_eq!(detect_language("ok"), None);
/// ```
#[must_use]
pub fn detect_language(text: &str) -> Option<&'static str> {
    let mut scripts = Scripts::default();
    for c in text.chars().take(text::TEXT_CHARS_MAX).flat_map(char::to_lowercase) {
        scripts.see(c);
    }
    let words = text::words(&text::normalize(text));
    let top = scripts.cyrillic.max(scripts.latin).max(scripts.arabic).max(scripts.devanagari);
    if top == 0 {
        None
    } else if scripts.cyrillic == top {
        Some(cyrillic(&scripts, &words))
    } else if scripts.arabic == top {
        Some(if scripts.persian > 0 { "fa" } else { "ar" })
    } else if scripts.devanagari == top {
        Some("hi")
    } else {
        latin(&words)
    }
}

/// Returns the first part of a language tag in lower case: `pt` of `pt-BR`.
pub(crate) fn primary(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or(tag).to_ascii_lowercase()
}

#[derive(Default)]
struct Scripts {
    arabic: usize,
    cyrillic: usize,
    devanagari: usize,
    latin: usize,
    kazakh: usize,
    persian: usize,
    ukrainian: usize,
}

impl Scripts {
    fn see(&mut self, c: char) {
        match c {
            '\u{400}'..='\u{52f}' => {
                self.cyrillic += 1;
                self.kazakh += usize::from("әғқңөұүһі".contains(c));
                self.ukrainian += usize::from("їєґ".contains(c));
            }
            '\u{600}'..='\u{6ff}' => {
                self.arabic += 1;
                self.persian += usize::from("پچژگ".contains(c));
            }
            '\u{900}'..='\u{97f}' => self.devanagari += 1,
            _ if c.is_alphabetic() && c < '\u{250}' => self.latin += 1,
            _ => {}
        }
    }
}

fn cyrillic(scripts: &Scripts, words: &[String]) -> &'static str {
    if scripts.ukrainian > 0 {
        "uk"
    } else if scripts.kazakh > 0 || words.iter().any(|word| KAZAKH_IN_RUSSIAN_LETTERS.contains(&word.as_str())) {
        "kk"
    } else {
        "ru"
    }
}

fn latin(words: &[String]) -> Option<&'static str> {
    let votes = |common: &[&str]| words.iter().filter(|word| common.contains(&word.as_str())).count();
    let mut counts: Vec<(usize, &'static str)> =
        COMMON.iter().map(|(language, common)| (votes(common), *language)).collect();
    counts.sort_by_key(|(votes, _)| std::cmp::Reverse(*votes));
    match (counts.first(), counts.get(1)) {
        (Some(&(first, language)), second) if first > second.map_or(0, |(votes, _)| *votes) => Some(language),
        _ => None,
    }
}

/// Commonest Kazakh words that are no Russian words, as they look when typed with a Russian keyboard.
const KAZAKH_IN_RUSSIAN_LETTERS: &[&str] = &[
    "бар",
    "калай",
    "кайда",
    "канша",
    "кашан",
    "керек",
    "жок",
    "салем",
    "рахмет",
    "сиздерде",
    "болады",
    "баасы",
    "багасы",
    "маган",
    "турады",
];

/// The commonest words of each language in normalized form: pronouns, question words, prepositions, greetings.
#[rustfmt::skip]
const COMMON: &[(&str, &[&str])] = &[
    ("en", &["the", "is", "are", "do", "does", "you", "your", "my", "i", "to", "of", "and", "what", "how", "when",
        "where", "which", "can", "have", "has", "it", "in", "for", "with", "there", "this", "would", "much", "not",
        "hello", "hi", "thanks", "thank", "please", "be", "we", "on", "im", "was", "at", "why", "who", "dont", "need"]),
    ("es", &["el", "los", "las", "que", "de", "en", "un", "una", "es", "son", "esta", "como", "cuando", "donde",
        "cuanto", "cual", "cuesta", "tienen", "tiene", "hay", "puedo", "mi", "para", "con", "por", "y", "hola",
        "gracias", "quiero", "su", "del", "al", "lo", "yo", "usted", "hacen", "abren", "la", "se", "fue"]),
    ("pt", &["o", "os", "as", "que", "de", "em", "um", "uma", "e", "sao", "esta", "como", "quando", "onde", "quanto",
        "qual", "custa", "voce", "voces", "tem", "posso", "meu", "minha", "para", "com", "por", "ola", "oi",
        "obrigado", "obrigada", "quero", "do", "da", "dos", "das", "no", "na", "nao", "eu", "fazem", "foi", "ao"]),
    ("id", &["yang", "di", "ke", "dari", "dan", "ini", "itu", "apa", "apakah", "berapa", "kapan", "dimana", "mana",
        "bagaimana", "bisa", "saya", "anda", "kamu", "ada", "untuk", "dengan", "tidak", "halo", "terima", "kasih",
        "mau", "sudah", "belum", "kak", "harga", "buka", "pada", "adalah", "jam"]),
    ("tr", &["bir", "ve", "bu", "ne", "nasil", "nerede", "kac", "var", "mi", "mu", "icin", "ile", "ben", "siz",
        "merhaba", "selam", "tesekkurler", "zaman", "hangi", "degil", "yok", "kadar", "fiyat", "istiyorum", "nedir",
        "musunuz", "misiniz", "saat", "hangisi", "neden", "olarak", "benim"]),
    ("fr", &["le", "les", "des", "une", "est", "sont", "vous", "je", "et", "dans", "pour", "avec", "quel", "quelle",
        "combien", "comment", "quand", "ou", "bonjour", "merci", "votre", "mon", "pas", "avez", "puis", "du", "sur"]),
    ("de", &["der", "die", "das", "ist", "sind", "und", "ich", "sie", "wie", "was", "wann", "wo", "wieviel", "ein",
        "eine", "haben", "kann", "mein", "ihre", "fur", "mit", "nicht", "hallo", "danke", "bitte", "auf", "zu", "es"]),
    ("it", &["il", "gli", "che", "di", "un", "una", "sono", "come", "quando", "dove", "quanto", "quale", "costa",
        "avete", "posso", "mio", "mia", "per", "con", "ciao", "grazie", "non", "della", "del", "buongiorno", "siete"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_common_words_tell_the_language() {
        for (text, language) in [
            ("Жұмыс уақыты қандай?", Some("kk")),
            ("Жеткизу канша турады", Some("kk")),
            ("Сколько стоит доставка?", Some("ru")),
            ("Скільки коштує доставка? Є їжа?", Some("uk")),
            ("كم سعر التوصيل؟", Some("ar")),
            ("डिलीवरी कितने की है?", Some("hi")),
            ("How much is the delivery?", Some("en")),
            ("¿Cuánto cuesta el envío?", Some("es")),
            ("Quanto custa a entrega? Vocês abrem no domingo?", Some("pt")),
            ("Berapa harga ongkir ke Bandung?", Some("id")),
            ("Kargo ücreti ne kadar?", Some("tr")),
            ("👍", None),
            ("", None),
        ] {
            assert_eq!(detect_language(text), language, "{text}");
        }
    }
}
