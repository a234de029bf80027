//! What Meta wants back for a request to delete: where to look, and a code.

use std::fmt;

use reqwest::Url;
use serde::{Serialize, Serializer};

use crate::client::hex;

const CODE_BYTES: usize = 16;

/// The code of one request to delete: 32 hexadecimal digits, which need no escape in an address. Whoever has it may see
/// how far the request has come, so it is never printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConfirmationCode(String);

impl ConfirmationCode {
    /// Makes a code out of random bytes of a cryptographic source:
    /// [`IdSource::fill`](whisp_core::id::IdSource::fill).
    #[must_use]
    pub fn from_random(bytes: [u8; CODE_BYTES]) -> Self {
        Self(hex(&bytes))
    }

    /// Reads a code out of an address, or out of one's own store. `None` if it is not 32 lower-case hexadecimal digits:
    /// then nobody was ever given it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 2 * CODE_BYTES && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        digits.then(|| Self(text.to_owned()))
    }

    /// Reads it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the bytes that it was made of.
    #[must_use]
    pub fn bytes(&self) -> [u8; CODE_BYTES] {
        // It holds 32 hexadecimal digits and nothing else.
        u128::from_str_radix(&self.0, 16).unwrap_or_default().to_be_bytes()
    }
}

impl fmt::Debug for ConfirmationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConfirmationCode(..)")
    }
}

impl Serialize for ConfirmationCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The answer to a request to delete, as JSON with status 200.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct DeletionAnswer {
    /// The address of a page that says, in plain words, how far the request has come.
    pub url: String,
    /// The code, which Meta shows to the person.
    pub confirmation_code: ConfirmationCode,
}

impl fmt::Debug for DeletionAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address ends with the code.
        f.write_str("DeletionAnswer(..)")
    }
}

/// What is wrong with the base of a [`StatusAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatusAddressError {
    /// It is not `https://`; Meta takes no other.
    #[error("the address of the status page is not https")]
    NotHttps,
    /// It has a user, a query or a fragment.
    #[error("the address of the status page has more than a host and a path; a code can't be put at its end")]
    NotBare,
    /// It is not a URL.
    #[error("the address of the status page is not a URL")]
    Url,
}

/// Where the public finds the status pages. The page of a code is at this address, a slash and the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusAddress(String);

impl StatusAddress {
    /// Takes the public address without the code: `https://example.com/meta/deletion`. A slash at the end makes no
    /// difference.
    ///
    /// # Errors
    /// [`StatusAddressError`] if it is not a bare `https` address.
    pub fn new(base: &str) -> Result<Self, StatusAddressError> {
        let url = Url::parse(base).map_err(|_| StatusAddressError::Url)?;
        if url.scheme() != "https" {
            return Err(StatusAddressError::NotHttps);
        }
        let user = !url.username().is_empty() || url.password().is_some();
        if user || url.query().is_some() || url.fragment().is_some() {
            return Err(StatusAddressError::NotBare);
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// Returns the answer to a request that is kept under `code`.
    #[must_use]
    pub fn answer(&self, code: &ConfirmationCode) -> DeletionAnswer {
        DeletionAnswer { url: format!("{}/{}", self.0, code.expose()), confirmation_code: code.clone() }
    }
}
