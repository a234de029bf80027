//! What Meta gets back.

use serde_json::{Value, json};
use whisp_meta::callback::{ConfirmationCode, StatusAddress, StatusAddressError};

fn code(byte: u8) -> ConfirmationCode {
    ConfirmationCode::from_random([byte; 16])
}

#[test]
fn the_answer_is_an_address_and_a_code() {
    for base in ["https://example.com/meta/deletion", "https://example.com/meta/deletion/"] {
        let answer = serde_json::to_value(StatusAddress::new(base).unwrap().answer(&code(0xab))).unwrap();
        let digits = "ab".repeat(16);
        let expected: Value =
            json!({"url": format!("https://example.com/meta/deletion/{digits}"), "confirmation_code": digits});
        assert_eq!(answer, expected);
    }
    let root = StatusAddress::new("https://example.com").unwrap().answer(&code(1));
    assert_eq!(root.url, format!("https://example.com/{}", "01".repeat(16)));
}

#[test]
fn an_address_that_is_not_bare_https_is_refused() {
    for (base, expected) in [
        ("http://example.com/deletion", StatusAddressError::NotHttps),
        ("javascript:alert(1)", StatusAddressError::NotHttps),
        ("https://example.com/deletion?code=", StatusAddressError::NotBare),
        ("https://example.com/deletion#", StatusAddressError::NotBare),
        ("https://me@example.com/deletion", StatusAddressError::NotBare),
        ("https://:secret@example.com/deletion", StatusAddressError::NotBare),
        ("example.com/deletion", StatusAddressError::Url),
        ("https://", StatusAddressError::Url),
        ("", StatusAddressError::Url),
    ] {
        assert_eq!(StatusAddress::new(base).unwrap_err(), expected, "{base}");
    }
}

#[test]
fn a_code_reads_as_it_was_written_and_nothing_else_is_one() {
    assert_eq!(ConfirmationCode::parse(code(0x0f).expose()), Some(code(0x0f)));
    let digits = "ab".repeat(16);
    for text in ["", &digits[1..], &format!("{digits}0"), &digits.to_uppercase(), &"é".repeat(16), &"/.".repeat(16)] {
        assert_eq!(ConfirmationCode::parse(text), None, "{text}");
    }
}

#[test]
fn a_code_is_not_printed() {
    let answer = StatusAddress::new("https://example.com").unwrap().answer(&code(0xcd));
    let printed = format!("{:?} {answer:?}", code(0xcd));
    assert!(!printed.contains("cdcd"), "{printed}");
}
