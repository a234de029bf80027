//! A fixed text in the language of the contact.

use whisp_core::assistant::{Config, LocalText};

#[test]
fn a_text_is_chosen_by_the_letters_of_what_the_contact_wrote() {
    let text = LocalText::new(&[("en", "Hello"), ("ru", "Здравствуйте"), ("kk", "Сәлем")]);
    for (sample, expected) in [
        ("When are you open?", "Hello"),
        ("Когда вы открыты?", "Здравствуйте"),
        ("Қашан ашасыз?", "Сәлем"),
        ("ok, қазір", "Сәлем"),
        ("营业时间？", "Hello"),
        ("", "Hello"),
        ("👍 123", "Hello"),
    ] {
        assert_eq!(text.like(sample), expected, "{sample}");
    }
}

#[test]
fn the_first_language_stands_in_for_one_that_is_missing() {
    let text = LocalText::new(&[("ru", "Здравствуйте"), ("kk", "Сәлем")]);
    assert_eq!(text.like("Hello"), "Здравствуйте");
    assert_eq!(LocalText::new(&[]).like("Hello"), "", "a text of no language says nothing");
}

#[test]
fn what_the_assistant_says_by_itself_is_there_in_each_language_that_is_told_apart() {
    let texts = Config::default().texts;
    for text in [texts.disclosure.unwrap(), texts.hand_off.unwrap()] {
        let mut said = ["Hello", "Привет", "Сәлем"].map(|sample| text.like(sample));
        said.sort_unstable();
        assert!(said.windows(2).all(|pair| pair[0] != pair[1]) && !said[0].is_empty(), "{said:?}");
    }
}
