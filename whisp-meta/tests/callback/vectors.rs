//! Vectors that others made, where the environment names a place for them.

use chrono::DateTime;
use serde_json::Value;
use whisp_meta::callback::{CallbackErrorKind as Kind, SignedRequest};
use whisp_meta::webhook::AppSecrets;

use crate::now;

#[test]
#[expect(clippy::disallowed_methods, reason = "the vectors lie outside the project")]
fn the_published_vectors_are_judged_as_they_say() {
    let Ok(root) = std::env::var("WHISP_FIXTURES") else {
        // Past the test runner, which keeps what a passing test prints to itself.
        std::io::Write::write_all(&mut std::io::stderr(), b"WHISP_FIXTURES is not set: the vectors are left out\n")
            .unwrap();
        return;
    };
    let file = std::fs::read_to_string(format!("{root}/signature-vectors.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    let vectors = file["signed_request"].as_array().unwrap();
    let mut read = 0;
    for vector in vectors {
        let source = vector["source"].as_str().unwrap();
        let payload = &vector["payload"];
        let secrets = AppSecrets::new(&[vector["app_secret"].as_str().unwrap().into()]);
        // As if it had come in the moment it was signed.
        let date = payload["issued_at"].as_i64();
        let at = date.map_or_else(now, |seconds| DateTime::from_timestamp(seconds, 0).unwrap());
        let decoded = SignedRequest::decode(vector["signed_request"].as_str().unwrap(), &secrets, at);
        if vector["valid"] == false {
            let refused = decoded.unwrap_err().kind();
            assert!(matches!(refused, Kind::Unsigned | Kind::BadSignature | Kind::Algorithm), "{source}: {refused}");
        } else if date.is_some() {
            let request = decoded.unwrap();
            assert_eq!(request.user_id.expose().as_str(), payload["user_id"].as_str().unwrap(), "{source}");
            assert_eq!(request.issued_at, at, "{source}");
            read += 1;
        } else {
            // Signed rightly, about nobody and at no time.
            assert_eq!(decoded.unwrap_err().kind(), Kind::Undated, "{source}");
        }
    }
    assert!(read > 0 && vectors.len() >= 5, "the vectors are not where WHISP_FIXTURES says");
}
