//! What is believed of a signed request, and what is not.

use chrono::TimeDelta;
use serde_json::{Value, json};
use whisp_core::error::ErrorChain;
use whisp_meta::callback::{AGE_MAX, CallbackErrorKind as Kind, SIGNED_REQUEST_BYTES_MAX, SKEW_MAX, SignedRequest};
use whisp_meta::webhook::AppSecrets;

use crate::{PERSON, SECRET, decode, field, kind, now, payload, secrets, signed};

/// The payload with one field set, or taken out.
fn with(name: &str, value: Option<Value>) -> String {
    let mut payload = payload(60);
    let fields = payload.as_object_mut().unwrap();
    match value {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
    field(&payload)
}

#[test]
fn a_request_of_meta_is_read() {
    let request = decode(&field(&payload(60))).unwrap();
    assert_eq!(request.user_id.expose(), PERSON);
    assert_eq!(request.issued_at, now() - TimeDelta::seconds(60));
    assert_eq!(request.expires_at(), request.issued_at + AGE_MAX);
}

#[test]
fn any_of_the_secrets_signs_and_no_other() {
    let payload = payload(0).to_string();
    for (secret, expected) in
        [(SECRET, None), ("old-secret", None), ("another", Some(Kind::BadSignature)), ("", Some(Kind::BadSignature))]
    {
        assert_eq!(kind(&signed(secret, payload.as_bytes())), expected, "{secret}");
    }
    // Nobody signs for an app without a secret.
    let none = SignedRequest::decode(&signed("", payload.as_bytes()), &AppSecrets::new(&["".into()]), now());
    assert_eq!(none.unwrap_err().kind(), Kind::BadSignature);
}

#[test]
fn every_changed_bit_is_refused() {
    let whole = field(&payload(60));
    let dot = whole.find('.').unwrap();
    for at in 0..whole.len() {
        for bit in 0..7 {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            let refused = kind(&changed).unwrap_or_else(|| panic!("taken with bit {bit} of byte {at} changed"));
            if at > dot {
                assert_eq!(refused, Kind::BadSignature, "byte {at}, bit {bit}");
            } else {
                assert!(matches!(refused, Kind::BadSignature | Kind::Unsigned), "byte {at}, bit {bit}: {refused}");
            }
        }
    }
}

#[test]
fn every_cut_is_refused() {
    let whole = field(&payload(60));
    for end in 0..whole.len() {
        let refused = kind(&whole[..end]).unwrap_or_else(|| panic!("taken with {end} bytes"));
        assert!(matches!(refused, Kind::BadSignature | Kind::Unsigned), "{end} bytes: {refused}");
    }
    for start in 1..whole.len() {
        assert!(kind(&whole[start..]).is_some(), "taken from byte {start}");
    }
}

#[test]
fn what_is_no_signature_and_payload_is_unsigned() {
    let whole = field(&payload(60));
    let (tag, rest) = whole.split_once('.').unwrap();
    let long = format!("{tag}AAAA.{rest}");
    let double = format!("{tag}==.{rest}");
    for text in ["", ".", "..", "é.é", rest, &format!(".{rest}"), &format!(" {whole}"), &long, &double] {
        assert_eq!(kind(text), Some(Kind::Unsigned), "{text:?}");
    }
    assert_eq!(kind(&format!("{whole}.{rest}")), Some(Kind::BadSignature));
}

#[test]
fn a_padded_signature_is_the_same_signature() {
    let whole = field(&payload(60));
    let (tag, rest) = whole.split_once('.').unwrap();
    assert_eq!(decode(&format!("{tag}=.{rest}")).unwrap(), decode(&whole).unwrap());
}

#[test]
fn the_size_is_bounded() {
    let fill = |length: usize| {
        let empty = with("more", Some(json!(""))).len();
        // Four characters stand for three bytes.
        with("more", Some(json!("x".repeat((length - empty) / 4 * 3))))
    };
    let (small, large) = (fill(SIGNED_REQUEST_BYTES_MAX), fill(SIGNED_REQUEST_BYTES_MAX + 8));
    assert!(small.len() <= SIGNED_REQUEST_BYTES_MAX && large.len() > SIGNED_REQUEST_BYTES_MAX);
    assert_eq!(kind(&small), None);
    assert_eq!(kind(&large), Some(Kind::TooLarge));
}

#[test]
fn only_the_one_algorithm_is_taken() {
    assert_eq!(kind(&with("algorithm", Some(json!("hmac-sha256")))), None);
    for algorithm in [json!("none"), json!("HMAC-SHA1"), json!(""), json!(256), json!(["HMAC-SHA256"]), Value::Null] {
        assert_eq!(kind(&with("algorithm", Some(algorithm.clone()))), Some(Kind::Algorithm), "{algorithm}");
    }
    assert_eq!(kind(&with("algorithm", None)), Some(Kind::Algorithm));
}

#[test]
fn a_request_is_taken_for_a_day() {
    let (day, skew) = (AGE_MAX.num_seconds(), SKEW_MAX.num_seconds());
    for (age, expected) in [
        (day, None),
        (day + 1, Some(Kind::Stale)),
        (400 * day, Some(Kind::Stale)),
        (0, None),
        (-skew, None),
        (-skew - 1, Some(Kind::Future)),
        (-400 * day, Some(Kind::Future)),
    ] {
        assert_eq!(kind(&field(&payload(age))), expected, "{age} seconds old");
    }
}

#[test]
fn a_date_may_be_written_as_text_and_has_to_be_there() {
    let seconds = now().timestamp();
    for (date, expected) in [
        (json!(seconds.to_string()), None),
        (json!(0), Some(Kind::Undated)),
        (json!("0"), Some(Kind::Undated)),
        (Value::Null, Some(Kind::Undated)),
        (json!(i64::MAX), Some(Kind::Malformed)),
        (json!(i64::MIN), Some(Kind::Malformed)),
        (json!(u64::MAX), Some(Kind::Malformed)),
        (json!(1.5), Some(Kind::Malformed)),
        (json!("soon"), Some(Kind::Malformed)),
        (json!([seconds]), Some(Kind::Malformed)),
    ] {
        assert_eq!(kind(&with("issued_at", Some(date.clone()))), expected, "{date}");
    }
    assert_eq!(kind(&with("issued_at", None)), Some(Kind::Undated));
}

#[test]
fn a_person_is_named_by_text_or_number() {
    let number: u64 = PERSON.parse().unwrap();
    assert_eq!(decode(&with("user_id", Some(json!(number)))).unwrap().user_id.expose(), PERSON);
    assert_eq!(kind(&with("user_id", Some(json!("1".repeat(64))))), None);
    for id in
        [json!(""), json!("1".repeat(65)), json!("1 2"), json!("1\n"), json!("é"), json!(-1), json!({}), json!(true)]
    {
        assert_eq!(kind(&with("user_id", Some(id.clone()))), Some(Kind::Malformed), "{id}");
    }
    assert_eq!(kind(&with("user_id", None)), Some(Kind::Malformed));
}

#[test]
fn a_signed_payload_that_is_not_metas_is_malformed() {
    let twice =
        format!(r#"{{"algorithm":"HMAC-SHA256","issued_at":{},"user_id":"1","user_id":"2"}}"#, now().timestamp());
    for payload in [b"".as_slice(), b"{", b"7", b"\"\"", b"null", b"\xff\xfe", twice.as_bytes()] {
        assert_eq!(kind(&signed(SECRET, payload)), Some(Kind::Malformed), "{payload:?}");
    }
}

#[test]
fn the_digest_names_the_request() {
    let first = decode(&field(&payload(60))).unwrap();
    let later = SignedRequest::decode(&field(&payload(60)), &secrets(), now() + TimeDelta::hours(3)).unwrap();
    assert_eq!(first.digest, later.digest, "the same request has the same digest, whenever it comes");
    for other in
        [payload(59), json!({"algorithm": "HMAC-SHA256", "issued_at": payload(60)["issued_at"], "user_id": "2"})]
    {
        assert_ne!(decode(&field(&other)).unwrap().digest, first.digest, "{other}");
    }
}

#[test]
fn nothing_of_a_person_or_a_secret_is_printed() {
    let request = decode(&field(&payload(60))).unwrap();
    let mut printed = format!("{request:?} {:?}", secrets());
    for refused in [
        signed("another", payload(0).to_string().as_bytes()),
        field(&payload(1_000_000)),
        field(&payload(-1_000_000)),
        with("algorithm", Some(json!(PERSON))),
        with("issued_at", Some(json!(PERSON))),
        with("issued_at", None),
        with("user_id", Some(json!(format!("{PERSON} {PERSON}")))),
        signed(SECRET, PERSON.as_bytes()),
        PERSON.repeat(1_000),
        PERSON.to_owned(),
    ] {
        let error = decode(&refused).unwrap_err();
        assert!(!error.advice().is_empty());
        printed += &format!("{error:?} {error} {} {}", error.advice(), ErrorChain(&error));
    }
    assert!(!printed.contains(PERSON) && !printed.contains(SECRET), "{printed}");
}
