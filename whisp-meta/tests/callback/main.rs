//! Meta's privacy callbacks: what is believed, what is answered, and that nothing of it is printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod answer;
mod decode;
mod http;
mod properties;
mod vectors;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use whisp_meta::callback::{CallbackError, CallbackErrorKind, SignedRequest};
use whisp_meta::webhook::AppSecrets;

const SECRET: &str = "app-secret";
/// An app-scoped id, which must never be printed.
const PERSON: &str = "10223344556677889";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_338_000, 0).unwrap()
}

fn secrets() -> AppSecrets {
    AppSecrets::new(&["old-secret".into(), SECRET.into()])
}

/// Signs a payload as Meta does, whatever it is.
fn signed(secret: &str, payload: &[u8]) -> String {
    let payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), payload.as_bytes());
    format!("{}.{payload}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}

/// What Meta sends of the person, signed `seconds` before now.
fn payload(seconds: i64) -> Value {
    let issued_at = now().timestamp() - seconds;
    json!({"algorithm": "HMAC-SHA256", "expires": issued_at + 3_600, "issued_at": issued_at, "user_id": PERSON})
}

fn field(payload: &Value) -> String {
    signed(SECRET, payload.to_string().as_bytes())
}

fn decode(field: &str) -> Result<SignedRequest, CallbackError> {
    SignedRequest::decode(field, &secrets(), now())
}

fn kind(field: &str) -> Option<CallbackErrorKind> {
    decode(field).err().map(|error| error.kind())
}
