//! The signature of a webhook: HMAC-SHA256 over the raw body, keyed with the app secret.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use whisp_core::error::Retry;
use whisp_core::webhook::{WebhookError, WebhookErrorKind};

/// The header that carries the signature.
/// Source: Graph API, Webhooks, Getting Started, «Validating Payloads».
pub const SIGNATURE_HEADER: &str = "x-hub-signature-256";

/// What the header's value begins with. Source: the same page.
const PREFIX: &str = "sha256=";
/// How many bytes a SHA-256 has.
pub(crate) const DIGEST_BYTES: usize = 32;

/// The app secrets under which Meta may sign: a webhook, a [callback](crate::callback). Several, because a secret is rotated, and because an app with
/// Instagram Login has a second one of its own.
#[derive(Clone)]
pub struct AppSecrets {
    /// Keyed with each: nothing is set up again for a webhook.
    keys: Vec<Hmac<Sha256>>,
}

impl AppSecrets {
    /// Prepares the secrets for verifying. Empty ones are left out: anyone could sign with them.
    #[must_use]
    pub fn new(secrets: &[SecretString]) -> Self {
        let usable = secrets.iter().map(ExposeSecret::expose_secret).filter(|secret| !secret.is_empty());
        // It takes a key of any length.
        Self { keys: usable.filter_map(|secret| Hmac::new_from_slice(secret.as_bytes()).ok()).collect() }
    }

    /// Checks that `signature`, the value of the header [`SIGNATURE_HEADER`], is over `body`. Compares in constant
    /// time.
    ///
    /// # Errors
    /// [`WebhookErrorKind::Unsigned`] if the header is missing or is not `sha256=` and 64 hexadecimal digits;
    /// [`WebhookErrorKind::BadSignature`] if it is under none of the secrets.
    pub fn verify(&self, body: &[u8], signature: Option<&str>) -> Result<(), WebhookError> {
        let tag = signature
            .and_then(parse)
            .ok_or_else(|| refused(WebhookErrorKind::Unsigned, "pass on the header X-Hub-Signature-256 as it came"))?;
        if self.signed(body, &tag) {
            return Ok(());
        }
        Err(refused(WebhookErrorKind::BadSignature, "pass the raw body, and check the app secret"))
    }

    /// Returns whether `tag` is over `message` under one of the secrets. Compares in constant time.
    pub(crate) fn signed(&self, message: &[u8], tag: &[u8; DIGEST_BYTES]) -> bool {
        self.keys.iter().any(|key| key.clone().chain_update(message).verify_slice(tag).is_ok())
    }
}

impl fmt::Debug for AppSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppSecrets({})", self.keys.len())
    }
}

fn refused(kind: WebhookErrorKind, advice: &'static str) -> WebhookError {
    WebhookError::new("verify", kind, Retry::Never).with_advice(advice)
}

/// Reads the header. Meta writes lower-case digits; upper-case ones name the same bytes and are taken too.
fn parse(header: &str) -> Option<[u8; DIGEST_BYTES]> {
    let digits = header.strip_prefix(PREFIX)?.as_bytes();
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != DIGEST_BYTES || !rest.is_empty() {
        return None;
    }
    let mut tag = [0; DIGEST_BYTES];
    let mut seen = 0;
    for (byte, [high, low]) in tag.iter_mut().zip(pairs) {
        let (high, low) = (nibble(*high), nibble(*low));
        seen |= high | low;
        *byte = high << 4 | low;
    }
    (seen < NOT_A_DIGIT).then_some(tag)
}

/// Has a bit that no digit has.
const NOT_A_DIGIT: u8 = 0x10;

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => NOT_A_DIGIT,
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;

    // HMAC-SHA256(key "key", "The quick brown fox jumps over the lazy dog"): the usual public vector.
    const BODY: &[u8] = b"The quick brown fox jumps over the lazy dog";
    const HEADER: &str = "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";

    fn kind(secrets: &[&str], body: &[u8], header: Option<&str>) -> Option<WebhookErrorKind> {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| (*secret).into()).collect();
        AppSecrets::new(&secrets).verify(body, header).err().map(|error| error.kind())
    }

    fn header(tag: &[u8]) -> String {
        let digits: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{PREFIX}{digits}")
    }

    #[test]
    fn any_of_several_secrets_verifies() {
        assert_eq!(kind(&["key"], BODY, Some(HEADER)), None);
        assert_eq!(kind(&["old", "key"], BODY, Some(HEADER)), None);
        assert_eq!(kind(&["old"], BODY, Some(HEADER)), Some(WebhookErrorKind::BadSignature));
        assert_eq!(kind(&[], BODY, Some(HEADER)), Some(WebhookErrorKind::BadSignature));
    }

    #[test]
    fn a_secret_and_a_body_of_any_length_verify() {
        for length in [1, 31, 32, 55, 63, 64, 65, 127, 128, 200] {
            let (secret, body) = ("s".repeat(length), vec![b'b'; length - 1]);
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &body);
            let mut header = header(tag.as_ref());
            assert_eq!(kind(&[&secret], &body, Some(&header)), None, "{length}");
            assert_eq!(kind(&[&secret], &body, Some(&header.to_uppercase().replace("SHA", "sha"))), None, "{length}");
            let last = header.pop();
            header.push(if last == Some('0') { '1' } else { '0' });
            assert_eq!(kind(&[&secret], &body, Some(&header)), Some(WebhookErrorKind::BadSignature), "{length}");
        }
    }

    #[test]
    fn a_changed_body_is_refused() {
        assert_eq!(kind(&["key"], b"The quick brown fox", Some(HEADER)), Some(WebhookErrorKind::BadSignature));
    }

    #[test]
    fn a_missing_or_malformed_header_is_refused() {
        let digits = &HEADER[PREFIX.len()..];
        let malformed = [
            String::new(),
            digits.to_owned(),
            format!("sha1={digits}"),
            format!("SHA256={digits}"),
            HEADER[..HEADER.len() - 1].to_owned(),
            format!("{HEADER}0"),
            format!("{HEADER}00"),
            format!(" {HEADER}"),
            HEADER.replace('f', "g"),
            HEADER.replace('f', "é"),
        ];
        assert_eq!(kind(&["key"], BODY, None), Some(WebhookErrorKind::Unsigned));
        for header in malformed {
            assert_eq!(kind(&["key"], BODY, Some(&header)), Some(WebhookErrorKind::Unsigned), "{header}");
        }
    }

    #[test]
    fn an_empty_secret_verifies_nothing() {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b""), BODY);
        assert_eq!(kind(&[""], BODY, Some(&header(tag.as_ref()))), Some(WebhookErrorKind::BadSignature));
    }

    #[test]
    fn debug_prints_no_secret() {
        assert_eq!(format!("{:?}", AppSecrets::new(&["canary".into()])), "AppSecrets(1)");
    }
}
