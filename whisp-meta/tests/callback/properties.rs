//! Whatever the bytes, decoding ends with an answer.

use proptest::prelude::*;
use serde_json::json;
use whisp_meta::callback::{ConfirmationCode, StatusAddress};

use crate::{SECRET, decode, now, signed};

/// A value as it may stand in a payload.
fn value() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(json!(null)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,80}".prop_map(|text| json!(text)),
        Just(json!("HMAC-SHA256")),
        (-100_000_i64..100_000).prop_map(|seconds| json!(now().timestamp() + seconds)),
        Just(json!([{}])),
    ]
}

proptest! {
    #[test]
    fn any_text_is_refused(text in ".{0,300}") {
        prop_assert!(decode(&text).is_err());
    }

    #[test]
    fn any_signed_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&signed(SECRET, &bytes)).is_err());
    }

    #[test]
    fn any_signed_payload_has_an_answer(algorithm in value(), issued_at in value(), user_id in value()) {
        let payload = json!({"algorithm": algorithm, "issued_at": issued_at, "user_id": user_id});
        if let Ok(request) = decode(&signed(SECRET, payload.to_string().as_bytes())) {
            prop_assert_eq!(algorithm, json!("HMAC-SHA256"));
            prop_assert!((now() - request.issued_at).num_days() <= 1);
            prop_assert!((1..=64).contains(&request.user_id.expose().len()));
        }
    }

    #[test]
    fn any_code_and_address_have_an_answer(text in ".{0,60}", bytes in any::<[u8; 16]>()) {
        if let Some(parsed) = ConfirmationCode::parse(&text) {
            prop_assert_eq!(parsed.expose(), text.as_str());
        }
        let code = ConfirmationCode::from_random(bytes);
        if let Ok(address) = StatusAddress::new(&format!("https://{text}")) {
            let url = address.answer(&code).url;
            prop_assert!(url.starts_with("https://") && url.ends_with(code.expose()));
        }
    }
}
