//! One bounded HTTPS call.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use reqwest::{Client, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use whisp_core::error::Retry;
use whisp_core::reply::{ReplyError, ReplyErrorKind};

/// An answer with more bytes is none.
pub const RESPONSE_BYTES_MAX: usize = 1024 * 1024;
/// How long connecting may take.
pub const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) after: Option<Duration>,
    /// The server says that repeating is of no use.
    pub(super) final_no: bool,
}

pub(super) fn client(https_only: bool) -> Result<Client, reqwest::Error> {
    Client::builder()
        .https_only(https_only)
        .redirect(redirect::Policy::none())
        // The library reads no environment, and a proxy would see every word.
        .no_proxy()
        .connect_timeout(CONNECT_TIME_MAX)
        .user_agent(concat!("whisp/", env!("CARGO_PKG_VERSION")))
        .build()
}

pub(super) async fn post(
    client: &Client,
    url: &Url,
    key: Option<&SecretString>,
    body: &Value,
    now: DateTime<Utc>,
) -> Result<Response, ReplyError> {
    let mut request = client.post(url.clone()).json(body);
    if let Some(key) = key {
        request = request.bearer_auth(key.expose_secret());
    }
    let mut response = request.send().await.map_err(unreachable)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > RESPONSE_BYTES_MAX {
            return Err(ReplyError::new("read the answer", ReplyErrorKind::Malformed, Retry::Never)
                .with_advice("the server sent far more than a chat message"));
        }
        body.extend_from_slice(&chunk);
    }
    let final_no = headers.get("x-should-retry").is_some_and(|value| value == "false");
    Ok(Response { status, body, after: retry_after(&headers, now), final_no })
}

/// The cause is kept without its URL, which may hold a key.
fn unreachable(error: reqwest::Error) -> ReplyError {
    let kind = if error.is_timeout() { ReplyErrorKind::Timeout } else { ReplyErrorKind::Unavailable };
    ReplyError::new("call the model", kind, Retry::After(None)).with_source(error.without_url())
}

/// When the server wants to be asked again. Azure sends `retry-after-ms: 0` beside `retry-after: 1`, so the longer of the
/// two counts; without either, the reset of a limit of which nothing remains.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let millis = text("retry-after-ms").and_then(|text| text.trim().parse::<f64>().ok()).map(|ms| ms / 1000.0);
    let plain = text("retry-after").and_then(|text| {
        let date = || Some((DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).as_seconds_f64());
        text.trim().parse::<f64>().ok().or_else(date)
    });
    let asked = [millis, plain].into_iter().flatten().reduce(f64::max);
    let resets = ["requests", "tokens"].into_iter().filter_map(|what| {
        (text(&format!("x-ratelimit-remaining-{what}"))?.trim() == "0")
            .then(|| seconds(text(&format!("x-ratelimit-reset-{what}"))?))
            .flatten()
    });
    let asked = asked.or_else(|| resets.reduce(f64::max))?;
    Duration::try_from_secs_f64(asked).ok().filter(|after| !after.is_zero())
}

/// Reads `1m30s`, `16.601s`, `2ms`.
fn seconds(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let scale = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    (!text.trim().is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_wait_is_read_from_every_header_that_says_it() {
        let now = "2026-11-22T09:00:00Z".parse().unwrap();
        for (headers, millis) in [
            (&[("retry-after", "2")][..], Some(2000)),
            (&[("retry-after", "1"), ("retry-after-ms", "0")], Some(1000)),
            (&[("retry-after-ms", "250")], Some(250)),
            (&[("retry-after", "Sun, 22 Nov 2026 09:00:05 GMT")], Some(5000)),
            (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1m30s")], Some(90_000)),
            (&[("x-ratelimit-remaining-tokens", "7"), ("x-ratelimit-reset-tokens", "2ms")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-3")], None),
        ] {
            let headers: HeaderMap =
                headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(retry_after(&headers, now), millis.map(Duration::from_millis), "{headers:?}");
        }
    }
}
