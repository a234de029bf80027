//! [`SignedRequest`]: the one field of both callbacks, verified and read.

use aws_lc_rs::digest::{self, SHA256};
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;
use whisp_core::Sensitive;

use super::{CallbackError, CallbackErrorKind as Kind};
use crate::webhook::{AppSecrets, DIGEST_BYTES};

/// The longest `signed_request` that is read, in bytes. Meta's for these callbacks are about 200.
pub const SIGNED_REQUEST_BYTES_MAX: usize = 8 * 1024;

/// The oldest request that is taken. The bound is ours: with it, what is remembered against replay can be forgotten.
pub const AGE_MAX: TimeDelta = TimeDelta::days(1);

/// How far ahead of ours Meta's clock may be.
pub const SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// The longest id that is taken, in bytes. Meta's have up to 17 digits.
const USER_ID_BYTES_MAX: usize = 64;

/// Meta pads nothing, by its documentation; implementers have seen padded signatures, which name the same bytes.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// That Meta says something of a person: signed, and said lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// The person's app-scoped id, of up to 64 printable ASCII characters.
    pub user_id: Sensitive,
    /// When Meta signed it.
    pub issued_at: DateTime<Utc>,
    /// Names this request against replay: the same one has the same digest, another one another. To be kept beside the
    /// name of the callback (deauthorize or deletion) until [`expires_at`](Self::expires_at).
    ///
    /// It is made of the signature, which is keyed: nobody can find the id by trying all of them, as they could with a
    /// digest of the payload.
    pub digest: [u8; DIGEST_BYTES],
}

/// What is signed. `expires` is left out: it is of the person's access token, not of the request.
#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    algorithm: Value,
    #[serde(default)]
    issued_at: Value,
    #[serde(default)]
    user_id: Value,
}

impl SignedRequest {
    /// Verifies and reads the form's field `signed_request`, at the time `now`. Nothing of it is read before the
    /// signature is verified, in constant time.
    ///
    /// # Errors
    /// What is not believed, to be answered 401: [`Unsigned`](Kind::Unsigned), [`BadSignature`](Kind::BadSignature),
    /// [`Algorithm`](Kind::Algorithm), [`Undated`](Kind::Undated), [`Stale`](Kind::Stale), [`Future`](Kind::Future).
    /// [`TooLarge`](Kind::TooLarge): 413. [`Malformed`](Kind::Malformed): 400.
    pub fn decode(field: &str, secrets: &AppSecrets, now: DateTime<Utc>) -> Result<Self, CallbackError> {
        if field.len() > SIGNED_REQUEST_BYTES_MAX {
            return Err(CallbackError::new(Kind::TooLarge, "Meta's are far below 8 KiB; look at what sends it"));
        }
        let (tag, payload) = field.split_once('.').ok_or_else(unsigned)?;
        let tag = BASE64.decode(tag).map_err(|_| unsigned())?;
        let tag: [u8; DIGEST_BYTES] = tag.try_into().map_err(|_| unsigned())?;
        // Over the payload as it came, encoded.
        if !secrets.signed(payload.as_bytes(), &tag) {
            return Err(CallbackError::new(
                Kind::BadSignature,
                "check the app secret; Instagram Login signs with one of its own",
            ));
        }
        let payload = BASE64.decode(payload).map_err(|_| malformed("its payload is not base64url"))?;
        let payload: Payload =
            serde_json::from_slice(&payload).map_err(|_| malformed("its payload is not a JSON object of Meta's"))?;
        if !payload.algorithm.as_str().is_some_and(|name| name.eq_ignore_ascii_case("HMAC-SHA256")) {
            return Err(CallbackError::new(Kind::Algorithm, "take none that says so, though the signature matches"));
        }
        let issued_at = issued_at(&payload.issued_at)?;
        check_age(issued_at, now)?;
        let user_id = user_id(payload.user_id).ok_or_else(|| malformed("it names nobody"))?;
        Ok(Self { user_id, issued_at, digest: replay_digest(&tag) })
    }

    /// Returns the last moment at which it is taken. Until then its digest has to be remembered, and no longer.
    #[must_use]
    pub fn expires_at(&self) -> DateTime<Utc> {
        self.issued_at.checked_add_signed(AGE_MAX).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// Seconds since 1970, as a number or, as Meta writes numbers elsewhere, as a text of digits.
fn issued_at(value: &Value) -> Result<DateTime<Utc>, CallbackError> {
    let undated = || CallbackError::new(Kind::Undated, "nothing tells it from a replay; ask the person what they want");
    let seconds = match value {
        Value::Null => return Err(undated()),
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    match seconds {
        Some(0) => Err(undated()),
        Some(seconds) => DateTime::from_timestamp(seconds, 0).ok_or_else(|| malformed("its date is none")),
        None => Err(malformed("its date is none")),
    }
}

fn check_age(issued_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), CallbackError> {
    let age = now.signed_duration_since(issued_at);
    if age > AGE_MAX {
        return Err(CallbackError::new(Kind::Stale, "it may be a replay; compare the clock if all come late"));
    }
    if age < -SKEW_MAX {
        return Err(CallbackError::new(Kind::Future, "set the clock"));
    }
    Ok(())
}

fn user_id(value: Value) -> Option<Sensitive> {
    let id = match value {
        Value::String(text) => text,
        other => other.as_u64()?.to_string(),
    };
    let plain = id.bytes().all(|byte| byte.is_ascii_graphic());
    (plain && !id.is_empty() && id.len() <= USER_ID_BYTES_MAX).then(|| id.into())
}

/// A digest of the signature and not the signature: who reads it can't put a request together.
fn replay_digest(tag: &[u8; DIGEST_BYTES]) -> [u8; DIGEST_BYTES] {
    let mut context = digest::Context::new(&SHA256);
    context.update(b"whisp-meta signed_request 1\0");
    context.update(tag);
    let mut out = [0; DIGEST_BYTES];
    out.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    out
}

const fn unsigned() -> CallbackError {
    CallbackError::new(Kind::Unsigned, "pass on the form's field signed_request as it came")
}

const fn malformed(advice: &'static str) -> CallbackError {
    CallbackError::new(Kind::Malformed, advice)
}
