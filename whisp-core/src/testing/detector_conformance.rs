//! Proves that a detector keeps the contracts of [`Detector`]. Run it against your own.
//!
//! Each function here checks the contract of its number, [`CASES`] lists them and [`check_all`] runs all. Cases may be added
//! in a minor release: pin the version.
//!
//! # Examples
//! ```
//! use whisp_core::detect::{PhraseDetector, Signal};
//! use whisp_core::testing::detector_conformance::check_all;
//!
//! let texts = [("stop", Some(Signal::Stop)), ("don't stop the order", None)];
//! check_all(&PhraseDetector::default(), &texts)?;
//! # Ok::<(), whisp_core::testing::Violation>(())
//! ```

use std::iter::repeat_n;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::detect::{Detector, Signal, TEXT_MAX};
use crate::testing::case::{Case, Violation, cases, ensure};

/// Texts, each with the signal in it; `None` for one that only sounds as if it had one. There must be one of both.
pub type Texts<'a> = [(&'a str, Option<Signal>)];

/// Runs a case.
pub type Run = fn(&dyn Detector, &Texts<'_>) -> Result<(), Violation>;

/// All cases, in the order of the contract.
pub const CASES: &[Case<Run>] = cases![
    1 the_same_text_has_the_same_signal,
    2 only_the_beginning_is_looked_at,
    3 when_unsure_there_is_no_signal,
    4 no_text_makes_it_panic,
];

/// Checks all contracts, in the order of their numbers.
///
/// # Errors
/// The first [`Violation`].
pub fn check_all(detector: &dyn Detector, texts: &Texts<'_>) -> Result<(), Violation> {
    CASES.iter().try_for_each(|case| (case.run)(detector, texts))
}

/// Contract 1: whatever else it saw, the same text has the same signal.
///
/// # Errors
/// [`Violation`].
pub fn the_same_text_has_the_same_signal(detector: &dyn Detector, texts: &Texts<'_>) -> Result<(), Violation> {
    ensure(1, texts.iter().any(|(_, signal)| signal.is_some()), || "no text with a signal was given".to_owned())?;
    let told = texts.iter().filter(|(_, signal)| signal.is_some());
    // There and back, so that each text comes after others than before.
    for (text, signal) in told.clone().chain(told.clone().rev()).chain(told) {
        let found = detector.detect(text);
        ensure(1, found == *signal, || format!("in {text:?} it found {found:?}, not {signal:?}"))?;
    }
    Ok(())
}

/// Contract 2: what comes after the first [`TEXT_MAX`] characters changes nothing.
///
/// # Errors
/// [`Violation`].
pub fn only_the_beginning_is_looked_at(detector: &dyn Detector, texts: &Texts<'_>) -> Result<(), Violation> {
    let pad =
        |text: &str, filler| -> String { text.chars().chain(repeat_n(filler, TEXT_MAX)).take(TEXT_MAX).collect() };
    for (text, _) in [("", None)].iter().chain(texts) {
        for beginning in [pad(text, ' '), pad(text, 'x'), pad(text, 'ы')] {
            let found = detector.detect(&beginning);
            for (later, _) in texts {
                let whole = detector.detect(&format!("{beginning} {later}"));
                ensure(2, whole == found, || format!("{later:?} at the end made {whole:?} of {found:?}"))?;
            }
        }
    }
    Ok(())
}

/// Contract 3: neither a text without a word nor one that only sounds as if it had a signal has one.
///
/// # Errors
/// [`Violation`].
pub fn when_unsure_there_is_no_signal(detector: &dyn Detector, texts: &Texts<'_>) -> Result<(), Violation> {
    let unsure = texts.iter().filter(|(_, signal)| signal.is_none()).map(|(text, _)| *text);
    ensure(3, unsure.clone().next().is_some(), || "no text without a signal was given".to_owned())?;
    for text in ["", " \n\t", "?!", "...", "\0\u{1}", "\u{200b}\u{fe0f}"].into_iter().chain(unsure) {
        let found = detector.detect(text);
        ensure(3, found.is_none(), || format!("in {text:?} it found {found:?}"))?;
    }
    Ok(())
}

/// Contract 4: it panics on no text, however odd, long, or cut.
///
/// # Errors
/// [`Violation`].
pub fn no_text_makes_it_panic(detector: &dyn Detector, texts: &Texts<'_>) -> Result<(), Violation> {
    let odd = ["\0", "\u{301}", "\u{202e}\u{200f}", "İ", "ß", "ﬁ", "👩‍👩‍👧‍👦🇰🇿", "{{name}} %s (?:[ \\"];
    let long = [" ", "x", "ы", "👩‍👩‍👧"].map(|piece| piece.repeat(2 * TEXT_MAX));
    let cut = texts.iter().flat_map(|(text, _)| {
        text.char_indices().flat_map(|(at, _)| [text.split_at(at).0.to_owned(), text.split_at(at).1.to_owned()])
    });
    for text in odd.map(str::to_owned).into_iter().chain(long).chain(cut) {
        let seen = catch_unwind(AssertUnwindSafe(|| detector.detect(&text)));
        ensure(4, seen.is_ok(), || format!("it panicked on {text:?}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::PhraseDetector;
    use crate::privacy::RequestKind;
    use crate::testing::case::assert_complete;

    const TEXTS: &Texts<'static> = &[
        ("STOP!", Some(Signal::Stop)),
        ("тоқтат", Some(Signal::Stop)),
        ("Первый раз пишу, позовите оператора", Some(Signal::Person)),
        ("Please delete my data, and let me talk to a person", Some(Signal::Rights(RequestKind::Erasure))),
        ("don't stop the order", None),
    ];

    /// What a detector does wrong.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        Nothing,
        Alternates,
        LooksEverywhere,
        Guesses,
        Panics,
    }

    #[derive(Debug)]
    struct Broken {
        fault: Fault,
        right: PhraseDetector,
        seen: std::sync::atomic::AtomicBool,
    }

    impl Detector for Broken {
        fn detect(&self, text: &str) -> Option<Signal> {
            match self.fault {
                Fault::Alternates if self.seen.fetch_not(std::sync::atomic::Ordering::Relaxed) => None,
                Fault::LooksEverywhere if text.contains("delete my data") => Some(Signal::Rights(RequestKind::Erasure)),
                Fault::Guesses if text.starts_with("don't stop") => Some(Signal::Stop),
                Fault::Panics if text.contains("{{") => panic!("a template"),
                _ => self.right.detect(text),
            }
        }
    }

    fn broken(fault: Fault) -> Broken {
        Broken { fault, right: PhraseDetector::default(), seen: false.into() }
    }

    #[test]
    fn the_detector_of_phrases_passes() {
        check_all(&PhraseDetector::default(), TEXTS).unwrap();
        check_all(&broken(Fault::Nothing), TEXTS).unwrap();
    }

    #[test]
    fn each_broken_contract_is_found() {
        let faults = [(Fault::Alternates, 1), (Fault::LooksEverywhere, 2), (Fault::Guesses, 3), (Fault::Panics, 4)];
        for (fault, contract) in faults {
            assert_eq!(check_all(&broken(fault), TEXTS).unwrap_err().contract, contract, "{fault:?}");
        }
        let found = faults.map(|(_, contract)| contract);
        assert_complete(CASES, include_str!("../detect.rs"), "Detector", &found);
    }
}
