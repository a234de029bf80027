//! What every error of Whisp has in common.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The boxed cause of one of our errors. No foreign error type is part of the public API.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// What the caller may do after an error. The pipeline decides on this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call will fail again: change something first.
    Never,
    /// The call may be repeated, after this time if one is given, else after a back-off of the caller's choice.
    After(Option<Duration>),
    /// The call may or may not have had its effect. Repeating it may do it twice; find out first.
    OutcomeUnknown,
}

/// Prints an error with its causes, for logs: `outer: middle: inner`.
///
/// # Examples
/// ```
/// let inner = std::io::Error::other("the cause");
/// assert_eq!(whisp_core::error::ErrorChain(&inner).to_string(), "the cause");
/// ```
#[derive(Debug)]
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Defines an error struct of one trait: a kind, advice for a retry, the operation that failed, what to do about it.
macro_rules! define_error {
    ($(#[$doc:meta])* $name:ident, $kind:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        #[doc = concat!("What went wrong in a [`", stringify!($name), "`].")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum $kind { $($(#[$vdoc])* $variant),* }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $text),* })
            }
        }

        $(#[$doc])*
        ///
        /// `Display` names the operation, the kind and what to do; it never holds message text, numbers or tokens,
        /// and never the cause: print that with [`ErrorChain`](crate::error::ErrorChain).
        #[derive(Debug, thiserror::Error)]
        #[error(
            "{operation}: {kind}{}{}{}",
            code.map(|code| format!(" (code {code})")).unwrap_or_default(),
            if advice.is_empty() { "" } else { "; " },
            advice
        )]
        pub struct $name {
            kind: $kind,
            retry: $crate::error::Retry,
            operation: &'static str,
            advice: std::borrow::Cow<'static, str>,
            code: Option<i64>,
            source: Option<$crate::error::BoxError>,
        }

        impl $name {
            /// Makes an error of `kind` that happened in `operation`.
            #[must_use]
            pub const fn new(operation: &'static str, kind: $kind, retry: $crate::error::Retry) -> Self {
                Self { kind, retry, operation, advice: std::borrow::Cow::Borrowed(""), code: None, source: None }
            }

            /// Says what to do about it. Must hold nothing personal and no secret.
            #[must_use]
            pub fn with_advice(mut self, advice: impl Into<std::borrow::Cow<'static, str>>) -> Self {
                self.advice = advice.into();
                self
            }

            /// Adds the other side's own code: Meta's error code, an HTTP status, a database's error number.
            #[must_use]
            pub const fn with_code(mut self, code: i64) -> Self {
                self.code = Some(code);
                self
            }

            /// Attaches the cause. Its `Display` must hold nothing personal and no secret.
            #[must_use]
            pub fn with_source(mut self, source: impl Into<$crate::error::BoxError>) -> Self {
                self.source = Some(source.into());
                self
            }

            /// Returns what went wrong.
            #[must_use]
            pub const fn kind(&self) -> $kind {
                self.kind
            }

            /// Returns the other side's own code, if there was one.
            #[must_use]
            pub const fn code(&self) -> Option<i64> {
                self.code
            }

            /// Returns whether and when the call may be repeated.
            #[must_use]
            pub const fn retry(&self) -> $crate::error::Retry {
                self.retry
            }

            /// Returns the name of the operation that failed.
            #[must_use]
            pub const fn operation(&self) -> &'static str {
                self.operation
            }
        }
    };
}
pub(crate) use define_error;
