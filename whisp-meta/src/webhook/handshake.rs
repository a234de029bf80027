//! The handshake by which Meta checks a callback address.

use aws_lc_rs::constant_time;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The longest challenge that is echoed, in bytes. Meta's are about ten digits; the bound keeps a stranger from making
/// the endpoint echo whatever they like.
const CHALLENGE_BYTES_MAX: usize = 256;

/// The query of Meta's `GET` on the callback address.
/// Source: Graph API, Webhooks, Getting Started, «Verification Requests».
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Handshake {
    /// `hub.mode`: `subscribe`.
    #[serde(rename = "hub.mode")]
    pub mode: Option<String>,
    /// `hub.challenge`: what to answer with.
    #[serde(rename = "hub.challenge")]
    pub challenge: Option<String>,
    /// `hub.verify_token`: the token that was typed into the App Dashboard.
    #[serde(rename = "hub.verify_token")]
    pub verify_token: Option<SecretString>,
}

/// Why a handshake is refused. Answer 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeRefusal {
    /// `hub.challenge` is missing, or is not the short plain text that Meta sends.
    #[error("handshake: the challenge is missing or not one")]
    Challenge,
    /// `hub.mode` is not `subscribe`.
    #[error("handshake: the mode is not `subscribe`")]
    Mode,
    /// `hub.verify_token` is missing or another one.
    #[error("handshake: the verify token does not match")]
    Token,
}

/// Checks a handshake and returns the challenge: the whole body of the answer, as plain text, with status 200.
///
/// It proves nothing about who asks: a `GET` carries no signature.
///
/// # Errors
/// A [`HandshakeRefusal`]; answer 403.
///
/// # Examples
/// A handshake with the token that was typed into the App Dashboard:
/// ```
/// use whisp_meta::webhook::{Handshake, handshake};
/// let request = Handshake {
///     mode: Some("subscribe".into()),
///     challenge: Some("1158201444".into()),
///     verify_token: Some("meatyhamhock".into()),
/// };
/// assert_eq!(handshake(&request, &"meatyhamhock".into()), Ok("1158201444"));
/// ```
pub fn handshake<'a>(request: &'a Handshake, verify_token: &SecretString) -> Result<&'a str, HandshakeRefusal> {
    if request.mode.as_deref() != Some("subscribe") {
        return Err(HandshakeRefusal::Mode);
    }
    let expected = verify_token.expose_secret().as_bytes();
    let given = request.verify_token.as_ref().ok_or(HandshakeRefusal::Token)?.expose_secret().as_bytes();
    // An empty token would let everybody in, so it lets nobody in.
    if expected.is_empty() || constant_time::verify_slices_are_equal(expected, given).is_err() {
        return Err(HandshakeRefusal::Token);
    }
    let challenge = request.challenge.as_deref().ok_or(HandshakeRefusal::Challenge)?;
    let plain = challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if challenge.is_empty() || challenge.len() > CHALLENGE_BYTES_MAX || !plain {
        return Err(HandshakeRefusal::Challenge);
    }
    Ok(challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(mode: &str, challenge: &str, token: &str) -> Result<String, HandshakeRefusal> {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let request = Handshake {
            mode: some(mode),
            challenge: some(challenge),
            verify_token: some(token).map(SecretString::from),
        };
        handshake(&request, &"right".into()).map(str::to_owned)
    }

    #[test]
    fn the_challenge_comes_back_only_for_the_right_token() {
        assert_eq!(ask("subscribe", "1158201444", "right"), Ok("1158201444".into()));
        assert_eq!(ask("subscribe", "1158201444", "wrong"), Err(HandshakeRefusal::Token));
        assert_eq!(ask("subscribe", "1158201444", ""), Err(HandshakeRefusal::Token));
        assert_eq!(ask("unsubscribe", "1158201444", "right"), Err(HandshakeRefusal::Mode));
        assert_eq!(ask("", "1158201444", "right"), Err(HandshakeRefusal::Mode));
    }

    #[test]
    fn a_challenge_that_is_not_one_is_not_echoed() {
        assert_eq!(ask("subscribe", "", "right"), Err(HandshakeRefusal::Challenge));
        assert_eq!(ask("subscribe", "<script>", "right"), Err(HandshakeRefusal::Challenge));
        assert_eq!(ask("subscribe", &"1".repeat(257), "right"), Err(HandshakeRefusal::Challenge));
    }

    #[test]
    fn an_empty_token_lets_nobody_in() {
        let request = Handshake { verify_token: Some("".into()), mode: Some("subscribe".into()), challenge: None };
        assert_eq!(handshake(&request, &"".into()), Err(HandshakeRefusal::Token));
    }

    #[test]
    fn debug_prints_no_token() {
        let request = Handshake { verify_token: Some("canary".into()), ..Handshake::default() };
        assert!(!format!("{request:?}").contains("canary"));
    }
}
