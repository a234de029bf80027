//! Why a signed request is refused.

/// What is wrong with a signed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackErrorKind {
    /// It is signed, and says that it is signed by another algorithm than HMAC-SHA256.
    #[error("the algorithm is not HMAC-SHA256")]
    Algorithm,
    /// It is signed under none of the secrets.
    #[error("the signature does not match")]
    BadSignature,
    /// It is signed, and dated later than a clock may be off: [`SKEW_MAX`](super::SKEW_MAX).
    #[error("it is dated in the future")]
    Future,
    /// It is signed and is not what Meta sends.
    #[error("it is signed but not a request of Meta")]
    Malformed,
    /// It is signed, and older than [`AGE_MAX`](super::AGE_MAX).
    #[error("it is too old")]
    Stale,
    /// It is longer than [`SIGNED_REQUEST_BYTES_MAX`](super::SIGNED_REQUEST_BYTES_MAX).
    #[error("it is too large")]
    TooLarge,
    /// It is signed and has no date: whoever sees it once could send it for ever.
    #[error("it has no date")]
    Undated,
    /// It is missing, or not a signature and a payload.
    #[error("the signature is missing or malformed")]
    Unsigned,
}

/// Why a signed request is refused, and what to do about it. It holds nothing of the request. The same request is never
/// taken later, but for one that is dated in the [future](CallbackErrorKind::Future).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signed request: {kind}; {advice}")]
pub struct CallbackError {
    kind: CallbackErrorKind,
    advice: &'static str,
}

impl CallbackError {
    pub(super) const fn new(kind: CallbackErrorKind, advice: &'static str) -> Self {
        Self { kind, advice }
    }

    /// Returns what is wrong.
    #[must_use]
    pub const fn kind(&self) -> CallbackErrorKind {
        self.kind
    }

    /// Returns what to do about it.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        self.advice
    }
}
