//! What people write around a question: a greeting, a thank-you. It is no question of its own, and must not make one
//! unclear.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::text;

/// What a line is where it is nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SmallTalk {
    Greeting,
    /// Or anything else that asks nothing.
    Thanks,
}

/// What is asked, without the small talk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The lines that are more than small talk, one space between them; empty if none is.
    pub(crate) question: String,
    /// The small talk and its language, where there is nothing else.
    pub(crate) small_talk: Option<(SmallTalk, &'static str)>,
}

/// Takes the small talk out of what was written, a line each.
pub(crate) fn asked(written: &str) -> Asked {
    let mut small_talk = None;
    let mut question = String::with_capacity(written.len());
    for line in written.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let key = text::key(line);
        match PHRASES.get(&key) {
            // A greeting wants an answer, a thank-you does not.
            Some(talk) if small_talk.is_none_or(|(kind, _)| kind == SmallTalk::Thanks) => small_talk = Some(*talk),
            Some(_) => {}
            // An emoji, a row of dots.
            None if key.is_empty() => {
                small_talk.get_or_insert((SmallTalk::Thanks, "en"));
            }
            None => {
                if !question.is_empty() {
                    question.push(' ');
                }
                question.push_str(line);
            }
        }
    }
    Asked { small_talk: small_talk.filter(|_| question.is_empty()), question }
}

/// Returns the answer to a greeting.
pub(crate) fn greeting(language: &str) -> Option<&'static str> {
    GREETINGS.iter().find(|(tag, _)| *tag == language).map(|(_, answer)| *answer)
}

const GREETINGS: &[(&str, &str)] = &[
    ("en", "Hello! How can we help you?"),
    ("es", "¡Hola! ¿En qué podemos ayudarle?"),
    ("id", "Halo! Ada yang bisa kami bantu?"),
    ("kk", "Сәлеметсіз бе! Сізге қалай көмектесе аламыз?"),
    ("pt", "Olá! Como podemos ajudar?"),
    ("ru", "Здравствуйте! Чем можем помочь?"),
    ("tr", "Merhaba! Size nasıl yardımcı olabiliriz?"),
];

static PHRASES: LazyLock<BTreeMap<String, (SmallTalk, &'static str)>> = LazyLock::new(|| {
    let with = |kind, all: &'static [(&'static str, &'static [&'static str])]| {
        all.iter().flat_map(move |(language, phrases)| {
            phrases.iter().map(move |phrase| (text::key(phrase), (kind, *language)))
        })
    };
    with(SmallTalk::Greeting, HELLO).chain(with(SmallTalk::Thanks, THANKS)).collect()
});

const HELLO: &[(&str, &[&str])] = &[
    (
        "en",
        &[
            "hi",
            "hello",
            "hey",
            "hi there",
            "hello there",
            "good morning",
            "good afternoon",
            "good evening",
            "good day",
        ],
    ),
    ("es", &["hola", "buenos dias", "buenas tardes", "buenas noches", "buenas"]),
    ("id", &["halo", "hai", "selamat pagi", "selamat siang", "selamat sore", "selamat malam"]),
    (
        "kk",
        &[
            "сәлем",
            "сәлеметсіз бе",
            "салеметсиз бе",
            "салем",
            "ассалаумағалейкум",
            "армысыз",
            "қайырлы күн",
            "қайырлы таң",
            "қайырлы кеш",
        ],
    ),
    ("pt", &["ola", "oi", "bom dia", "boa tarde", "boa noite"]),
    (
        "ru",
        &[
            "привет",
            "здравствуйте",
            "здравствуй",
            "добрый день",
            "добрый вечер",
            "доброе утро",
            "здрасте",
            "приветствую",
        ],
    ),
    ("tr", &["merhaba", "selam", "merhabalar", "gunaydin", "iyi gunler", "iyi aksamlar"]),
];

const THANKS: &[(&str, &[&str])] = &[
    (
        "en",
        &[
            "thanks",
            "thank you",
            "thank you very much",
            "thanks a lot",
            "thx",
            "ok",
            "okay",
            "ok thanks",
            "great thanks",
            "great thank you",
            "got it",
        ],
    ),
    ("es", &["gracias", "muchas gracias", "vale", "vale gracias"]),
    ("id", &["terima kasih", "makasih", "oke"]),
    ("kk", &["рахмет", "рақмет", "көп рақмет", "жақсы"]),
    ("pt", &["obrigado", "obrigada", "muito obrigado", "valeu"]),
    (
        "ru",
        &[
            "спасибо",
            "большое спасибо",
            "спасибо большое",
            "благодарю",
            "ок",
            "хорошо",
            "понятно",
            "хорошо спасибо",
            "спс",
        ],
    ),
    ("tr", &["tesekkurler", "tesekkur ederim", "sagol", "tamam"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_before_a_question_is_left_out() {
        let asked = asked("Сәлеметсіз бе!\nЖеткізу қанша тұрады?");
        assert_eq!(asked, Asked { question: "Жеткізу қанша тұрады?".to_owned(), small_talk: None });
    }

    #[test]
    fn small_talk_alone_is_known_with_its_language() {
        assert_eq!(asked("Добрый день!").small_talk, Some((SmallTalk::Greeting, "ru")));
        assert_eq!(asked("Thanks\nHello").small_talk, Some((SmallTalk::Greeting, "en")));
        assert_eq!(asked("Рақмет").small_talk, Some((SmallTalk::Thanks, "kk")));
        assert_eq!(asked("👍").small_talk, Some((SmallTalk::Thanks, "en")));
        assert_eq!(asked("Hello world").small_talk, None);
        assert!(HELLO.iter().all(|(language, _)| greeting(language).is_some()));
    }

    #[test]
    fn a_question_in_pieces_is_put_together() {
        assert_eq!(asked("hi\nhow much\nis delivery?").question, "how much is delivery?");
    }
}
