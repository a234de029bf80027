//! Meta's privacy callbacks: a person's app-scoped id, signed, posted to an address.

use std::fmt;
use std::io;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use reqwest::header::CONTENT_TYPE;
use secrecy::ExposeSecret;
use serde_json::json;

use super::Simulator;

/// How a callback was answered.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body: of a deletion JSON with the confirmation code, so it is not printed.
    pub body: String,
}

impl fmt::Debug for CallbackAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Simulator {
    /// Returns the `signed_request` of the person with this app-scoped id, signed at `issued_at` with the app secret.
    #[must_use]
    pub fn signed_request(&self, user_id: &str, issued_at: DateTime<Utc>) -> String {
        let issued_at = issued_at.timestamp();
        let payload = json!({
            "algorithm": "HMAC-SHA256", "expires": issued_at + 3_600, "issued_at": issued_at, "user_id": user_id,
        });
        let payload = BASE64_URL_SAFE_NO_PAD.encode(payload.to_string());
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.core.app_secret.expose_secret().as_bytes());
        format!("{}.{payload}", BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, payload.as_bytes())))
    }

    /// Plays a person who takes the app's access away, or asks that their data be deleted: posts their `signed_request`,
    /// signed now, to the address of the one callback or the other. Once: Meta promises no retry.
    ///
    /// # Errors
    /// When nobody answers there within 5 seconds, and for a simulator that posts nothing
    /// ([`inside`](Simulator::inside)).
    ///
    /// # Cancellation
    /// The callback may have come or not.
    pub async fn call_back(&self, url: &str, user_id: &str) -> io::Result<CallbackAnswer> {
        let http = self.core.http.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let form = format!("signed_request={}", self.signed_request(user_id, self.core.clock.now()));
        let request = http.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let response = request.send().await.map_err(io::Error::other)?;
        let status = response.status().as_u16();
        Ok(CallbackAnswer { status, body: response.text().await.map_err(io::Error::other)? })
    }
}
