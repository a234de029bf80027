//! What must be noticed before any engine thinks: stop, go on, a person please, my data.

use std::collections::HashMap;
use std::fmt;

use crate::privacy::RequestKind;

/// What a contact's words ask for, before they are a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// No automatic messages any more.
    Stop,
    /// Automatic messages are welcome again.
    Resume,
    /// A person, please.
    Person,
    /// A right of the person: a copy of the data, its erasure. It is taken down as a request, and a member handles it.
    Rights(RequestKind),
}

/// Notices signals in a text.
///
/// # Contract
/// 1. It is a pure function of the text.
/// 2. It takes time in proportion to the text, and looks at no more than [`TEXT_MAX`] characters.
/// 3. When unsure it returns `None`: an engine or a person still reads the text.
/// 4. No text makes it panic: it sees whatever people write, before anything else does.
///
/// [`testing::detector_conformance`](crate::testing::detector_conformance) proves one.
pub trait Detector: fmt::Debug + Send + Sync + 'static {
    /// Returns the signal in `text`, the strongest if there are several: stop before rights before person.
    fn detect(&self, text: &str) -> Option<Signal>;
}

/// A detector looks at no more characters than this: an order to stop is short.
pub const TEXT_MAX: usize = 200;

/// Notices a signal where the whole message is one of a list of phrases, whatever its case, accents of punctuation and
/// spaces: `STOP!`, `стоп`, `тоқтат`. Part of a longer sentence is left to the engines ("don't stop the order" is not a
/// stop), but for phrases about a person and rights, which count anywhere in a message.
#[derive(Debug, Clone)]
pub struct PhraseDetector {
    /// What a whole message is.
    whole: HashMap<String, Signal>,
    /// What counts anywhere in a message, by its first word, so that a look takes time by the text and not by the list.
    within: HashMap<String, Vec<(Signal, String)>>,
}

/// The phrases of [`PhraseDetector::default`], in English, Russian, Kazakh, Spanish, Portuguese, Turkish, Indonesian.
/// `STOP`, `STOPALL`, `UNSUBSCRIBE`, `CANCEL`, `END`, `QUIT` are the opt-out keywords of the CTIA's Messaging Principles
/// (2023), 5.1.3; `CANCEL`, `END` and `QUIT` are left out, because in a chat with a shop they mean the order.
pub const PHRASES: &[(Signal, &[&str])] = &[
    (
        Signal::Stop,
        &[
            "stop",
            "stopall",
            "stop all",
            "unsubscribe",
            "opt out",
            "optout",
            "stop messages",
            "stop messaging me",
            "no bot",
            "стоп",
            "отписаться",
            "отпишите меня",
            "отписка",
            "не пишите мне",
            "хватит писать",
            "тоқта",
            "тоқтат",
            "тоқтатыңыз",
            "жазбаңыз",
            "маған жазбаңыз",
            "parar",
            "baja",
            "darme de baja",
            "cancelar suscripcion",
            "sair",
            "descadastrar",
            "dur",
            "durdur",
            "berhenti",
            "hentikan",
        ],
    ),
    (
        Signal::Resume,
        &[
            "start",
            "unstop",
            "resume",
            "subscribe",
            "старт",
            "начать",
            "подписаться",
            "баста",
            "бастау",
            "iniciar",
            "mulai",
            "başla",
        ],
    ),
    (
        Signal::Rights(RequestKind::Access),
        &[
            "what data do you have about me",
            "copy of my data",
            "какие данные обо мне",
            "копию моих данных",
            "копия моих данных",
        ],
    ),
    (Signal::Rights(RequestKind::Rectification), &["correct my data", "исправьте мои данные"]),
    (
        Signal::Rights(RequestKind::Restriction),
        &["stop using my data", "do not process my data", "не обрабатывайте мои данные"],
    ),
    (
        Signal::Rights(RequestKind::Erasure),
        &[
            "delete my data",
            "erase my data",
            "remove my data",
            "delete all my data",
            "удалите мои данные",
            "удалить мои данные",
            "сотрите мои данные",
            "деректерімді жойыңыз",
            "деректерімді өшіріңіз",
            "мәліметтерімді өшіріңіз",
            "borren mis datos",
            "eliminar mis datos",
            "apaguem meus dados",
            "excluir meus dados",
            "verilerimi silin",
            "hapus data saya",
        ],
    ),
    (
        Signal::Person,
        &[
            "human",
            "agent",
            "operator",
            "talk to a person",
            "talk to a human",
            "speak to a person",
            "speak to a human",
            "real person",
            "live agent",
            "human please",
            "оператор",
            "оператора",
            "позовите оператора",
            "позовите человека",
            "поговорить с человеком",
            "живой человек",
            "нужен человек",
            "соедините с человеком",
            "позовите менеджера",
            "операторды шақырыңыз",
            "адаммен сөйлескім келеді",
            "адам керек",
            "тірі адам",
            "менеджерді шақырыңыз",
            "hablar con una persona",
            "hablar con un humano",
            "agente humano",
            "falar com uma pessoa",
            "falar com um atendente",
            "atendente",
            "insanla gorusmek istiyorum",
            "temsilci",
            "bicara dengan orang",
            "bicara dengan manusia",
        ],
    ),
];

impl Default for PhraseDetector {
    fn default() -> Self {
        Self::new(PHRASES.iter().flat_map(|(signal, phrases)| phrases.iter().map(|phrase| (*signal, *phrase))))
    }
}

impl PhraseDetector {
    /// Makes a detector of these phrases.
    pub fn new<'a>(phrases: impl IntoIterator<Item = (Signal, &'a str)>) -> Self {
        let empty = Self { whole: HashMap::new(), within: HashMap::new() };
        phrases.into_iter().fold(empty, |detector, (signal, phrase)| detector.with(signal, phrase))
    }

    /// Adds a phrase.
    #[must_use]
    pub fn with(mut self, signal: Signal, phrase: &str) -> Self {
        let phrase = plain(phrase);
        if phrase.is_empty() {
            return self;
        }
        if let (Signal::Person | Signal::Rights(_), Some((first, _))) = (signal, phrase.split_once(' ')) {
            self.within.entry(first.to_owned()).or_default().push((signal, phrase.clone()));
        }
        let known = self.whole.entry(phrase).or_insert(signal);
        *known = stronger(*known, signal);
        self
    }
}

/// Stop before rights before person before going on.
const fn strength(signal: Signal) -> u8 {
    match signal {
        Signal::Stop => 3,
        Signal::Rights(_) => 2,
        Signal::Person => 1,
        Signal::Resume => 0,
    }
}

/// Returns the stronger of two signals: a stop wins over everything, and a right is never lost to a wish for a person.
pub(crate) const fn stronger(one: Signal, other: Signal) -> Signal {
    if strength(other) > strength(one) { other } else { one }
}

/// Letters and digits in lower case, words with one space between them.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(TEXT_MAX * 4));
    for c in text.chars().take(TEXT_MAX) {
        // Combining marks belong to the letter before them; drop the variation selectors and joiners of emoji.
        if c.is_alphanumeric() || matches!(c, '\u{300}'..='\u{36f}' | '\u{900}'..='\u{97f}') {
            out.extend(c.to_lowercase());
        } else if !matches!(c, '\'' | '’' | '\u{200b}'..='\u{200f}' | '\u{fe0f}')
            && !out.is_empty()
            && !out.ends_with(' ')
        {
            out.push(' ');
        }
    }
    out.truncate(out.trim_end().len());
    out
}

impl Detector for PhraseDetector {
    fn detect(&self, text: &str) -> Option<Signal> {
        let text = plain(text);
        let mut found = self.whole.get(&text).copied();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (word, next) = rest.split_once(' ').unwrap_or((rest, ""));
            for (signal, phrase) in self.within.get(word).into_iter().flatten() {
                let is_here =
                    rest.strip_prefix(phrase.as_str()).is_some_and(|after| after.is_empty() || after.starts_with(' '));
                if is_here {
                    found = Some(found.map_or(*signal, |found| stronger(found, *signal)));
                }
            }
            rest = next;
        }
        found
    }
}

/// Guesses the language of a text by its letters alone: `kk` where a letter is one that only Kazakh has, `ru` for other
/// Cyrillic, `en` for Latin, `None` for the rest. Enough to choose between a few fixed texts; engines look closer.
///
/// # Examples
/// ```
/// use whisp_core::detect::script_language;
/// assert_eq!(script_language("Сәлеметсіз бе?"), Some("kk"));
/// assert_eq!(script_language("Здравствуйте"), Some("ru"));
/// assert_eq!(script_language("Hello"), Some("en"));
/// assert_eq!(script_language("123"), None);
/// ```
#[must_use]
pub fn script_language(text: &str) -> Option<&'static str> {
    let mut guess = None;
    for c in text.chars().take(TEXT_MAX).flat_map(char::to_lowercase) {
        match c {
            'ә' | 'ғ' | 'қ' | 'ң' | 'ө' | 'ұ' | 'ү' | 'һ' | 'і' => return Some("kk"),
            '\u{400}'..='\u{4ff}' => guess = Some("ru"),
            'a'..='z' if guess.is_none() => guess = Some("en"),
            _ => {}
        }
    }
    guess
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_noticed_in_any_case_and_punctuation_but_not_inside_a_sentence() {
        let detector = PhraseDetector::default();
        for text in ["STOP", " stop! ", "Стоп.", "СТОП", "тоқтат", "Unsubscribe", "stop\u{fe0f}"] {
            assert_eq!(detector.detect(text), Some(Signal::Stop), "{text}");
        }
        for text in ["don't stop the order", "the bus stop", "", "...", "🛑"] {
            assert_eq!(detector.detect(text), None, "{text}");
        }
    }

    #[test]
    fn a_person_and_rights_are_noticed_inside_a_sentence() {
        let detector = PhraseDetector::default();
        assert_eq!(detector.detect("Hi, can I talk to a person please?"), Some(Signal::Person));
        assert_eq!(detector.detect("Оператор"), Some(Signal::Person));
        assert_eq!(detector.detect("Пожалуйста, удалите мои данные!"), Some(Signal::Rights(RequestKind::Erasure)));
        assert_eq!(detector.detect("I want a copy of my data."), Some(Signal::Rights(RequestKind::Access)));
        assert_eq!(detector.detect("is the travel agent in?"), None);
        assert_eq!(detector.detect("I was told to talk to a personable man"), None);
        assert_eq!(detector.detect("talk to a talk to a person"), Some(Signal::Person));
        let erasure = Some(Signal::Rights(RequestKind::Erasure));
        assert_eq!(detector.detect("First a real person, then delete my data"), erasure);
    }

    #[test]
    fn of_several_meanings_of_a_phrase_the_strongest_holds() {
        for order in [[Signal::Resume, Signal::Stop], [Signal::Stop, Signal::Resume]] {
            let detector = PhraseDetector::new(order.map(|signal| (signal, "Go!")));
            assert_eq!(detector.detect("go"), Some(Signal::Stop));
        }
    }

    #[test]
    fn only_the_beginning_of_a_long_text_is_read() {
        let long = "a".repeat(10 * TEXT_MAX) + " delete my data";
        assert_eq!(PhraseDetector::default().detect(&long), None);
    }
}
