//! Calls to the Graph API: one attempt each, over HTTPS only, with nothing secret in what it prints.

mod config;
mod usage;

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Response, Url, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use whisp_core::channel::{ChannelError, ChannelErrorKind, Usage};
use whisp_core::error::Retry;

use crate::error_map;
pub(crate) use config::Host;
pub use config::{ANSWER_TIMEOUT, API_VERSION, CONNECT_TIMEOUT, GraphConfig, GraphConfigError};
pub(crate) use usage::WaitHints;

/// How large an answer may be, in bytes. Meta's answers to a send take a few hundred.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// How long an idle connection is kept, in seconds: shorter than Meta's side keeps it, because a connection that is
/// found closed while a message leaves makes the outcome unknown.
const IDLE_SECONDS: u64 = 20;

/// What Meta sees as our name: without one some of its hosts answer 403.
const USER_AGENT: &str = concat!("whisp/", env!("CARGO_PKG_VERSION"));

/// Calls the Graph API. Cheap to clone; one serves any number of connections.
///
/// - `https://` only, and redirects are not followed, to whatever host.
/// - The token travels in the `Authorization` header, never in the URL.
/// - One attempt a call; what a failure means for a retry is in the error.
/// - No proxy: the library reads no environment.
#[derive(Clone)]
pub struct GraphClient {
    way: Way,
    app_secret: Option<SecretString>,
}

/// How calls get there.
#[derive(Clone)]
enum Way {
    Http(Web),
    /// To a simulator of this process, without a socket.
    #[cfg(feature = "simulator")]
    Inside(std::sync::Arc<crate::simulator::Core>),
}

/// The hosts, and what calls them.
#[derive(Clone)]
struct Web {
    http: Client,
    /// Whether the hosts of the configuration are this machine's own.
    loopback: bool,
    facebook: Url,
    instagram: Url,
}

impl fmt::Debug for GraphClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphClient").finish_non_exhaustive()
    }
}

impl GraphClient {
    /// Makes a client.
    ///
    /// # Errors
    /// [`GraphConfigError`], when a host or the version is not what it should be.
    pub fn new(config: &GraphConfig) -> Result<Self, GraphConfigError> {
        let (facebook, instagram) = config.bases()?;
        let http = Client::builder()
            .user_agent(USER_AGENT)
            .https_only(config.https_only())
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(config.answer_timeout())
            .read_timeout(config.answer_timeout())
            .pool_idle_timeout(Duration::from_secs(IDLE_SECONDS))
            .build()
            .map_err(|error| GraphConfigError::Tls(Box::new(error.without_url())))?;
        let web = Web { http, loopback: !config.https_only(), facebook, instagram };
        Ok(Self { way: Way::Http(web), app_secret: config.app_secret().cloned() })
    }

    /// Makes a client that reaches a simulator of this process without a socket. It sends; files it does not fetch.
    #[cfg(feature = "simulator")]
    pub(crate) const fn inside(core: std::sync::Arc<crate::simulator::Core>, app_secret: SecretString) -> Self {
        Self { way: Way::Inside(core), app_secret: Some(app_secret) }
    }

    fn web(&self) -> Result<&Web, ChannelError> {
        match &self.way {
            Way::Http(web) => Ok(web),
            #[cfg(feature = "simulator")]
            Way::Inside(_) => Err(ChannelError::new("fetch", ChannelErrorKind::Unsupported, Retry::Never)
                .with_advice("a simulator without a socket has no files")),
        }
    }

    fn proof(&self, token: &SecretString) -> Option<String> {
        self.app_secret.as_ref().map(|secret| appsecret_proof(secret, token))
    }

    /// Posts `body` to `https://host/version/{node}/messages` once, and returns a successful answer.
    pub(crate) async fn post_message(
        &self,
        host: Host,
        node: &str,
        token: &SecretString,
        body: &Value,
    ) -> Result<Answer, ChannelError> {
        let proof = self.proof(token);
        match &self.way {
            Way::Http(web) => {
                let url = web.messages_url(host, node, proof.as_deref())?;
                let request = web.http.post(url).header(AUTHORIZATION, bearer(token)?).json(body);
                let response = request.send().await.map_err(|error| unanswered(error.without_url()))?;
                read(response).await
            }
            #[cfg(feature = "simulator")]
            Way::Inside(core) => match core.post_inside(node, token, proof, body) {
                Some((status, headers, answer)) => outcome(status, &WaitHints::of(&headers), answer),
                None => Err(unknown()),
            },
        }
    }

    /// Asks for what is known of an object, once, and returns the JSON of a successful answer.
    pub(crate) async fn get_node(
        &self,
        host: Host,
        node: &str,
        token: &SecretString,
        (key, value): (&str, &str),
    ) -> Result<Value, ChannelError> {
        let web = self.web()?;
        let mut url = web.url(host, &[node], self.proof(token).as_deref())?;
        url.query_pairs_mut().append_pair(key, value);
        let request = web.http.get(url).header(AUTHORIZATION, bearer(token)?);
        let response = request.send().await.map_err(|error| unanswered(error.without_url()))?;
        Ok(read(response).await?.json)
    }

    /// Deletes what `path` under the node names, once, and returns a successful answer.
    pub(crate) async fn delete(
        &self,
        host: Host,
        (node, path): (&str, &str),
        token: &SecretString,
        query: &[(&str, &str)],
    ) -> Result<Answer, ChannelError> {
        let proof = self.proof(token);
        match &self.way {
            Way::Http(web) => {
                let mut url = web.url(host, &[node, path], proof.as_deref())?;
                url.query_pairs_mut().extend_pairs(query);
                let request = web.http.delete(url).header(AUTHORIZATION, bearer(token)?);
                let response = request.send().await.map_err(|error| unanswered(error.without_url()))?;
                read(response).await
            }
            #[cfg(feature = "simulator")]
            Way::Inside(core) => match core.delete_inside((node, path), token, proof, query) {
                Some((status, headers, answer)) => outcome(status, &WaitHints::of(&headers), answer),
                None => Err(unknown()),
            },
        }
    }

    /// Begins a download from an address that was checked, with the token only if one is given.
    pub(crate) async fn get_file(
        &self,
        url: Url,
        token: Option<&SecretString>,
        timeout: Duration,
    ) -> Result<Response, ChannelError> {
        let mut request = self.web()?.http.get(url).timeout(timeout);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        request.send().await.map_err(|error| unanswered(error.without_url()))
    }

    /// Returns whether an address is on one of the hosts of the configuration, and those are this machine's own.
    pub(crate) fn is_own_loopback(&self, url: &Url) -> bool {
        let own = |web: &Web| [&web.facebook, &web.instagram].iter().any(|own| own.origin() == url.origin());
        self.web().is_ok_and(|web| web.loopback && own(web))
    }
}

impl Web {
    fn messages_url(&self, host: Host, node: &str, proof: Option<&str>) -> Result<Url, ChannelError> {
        self.url(host, &[node, "messages"], proof)
    }

    fn url(&self, host: Host, path: &[&str], proof: Option<&str>) -> Result<Url, ChannelError> {
        let mut url = match host {
            Host::Facebook => self.facebook.clone(),
            Host::Instagram => self.instagram.clone(),
        };
        url.path_segments_mut()
            .map_err(|()| ChannelError::new("send", ChannelErrorKind::Invalid, Retry::Never))?
            .extend(path);
        if let Some(proof) = proof {
            url.query_pairs_mut().append_pair("appsecret_proof", proof);
        }
        Ok(url)
    }
}

/// Returns `appsecret_proof`: the token's HMAC-SHA256 under the app secret, in hexadecimal.
pub(crate) fn appsecret_proof(secret: &SecretString, token: &SecretString) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    hex(hmac::sign(&key, token.expose_secret().as_bytes()).as_ref())
}

/// Writes bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bearer(token: &SecretString) -> Result<HeaderValue, ChannelError> {
    let mut header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| {
        ChannelError::new("send", ChannelErrorKind::Auth, Retry::Never)
            .with_advice("the token holds characters that no token has; connect the account again")
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// A call that ended without an answer. Only a connection that was never made proves that nothing was sent.
fn unanswered(error: reqwest::Error) -> ChannelError {
    if error.is_connect() {
        return ChannelError::new("send", ChannelErrorKind::Unavailable, Retry::After(None)).with_source(error);
    }
    if error.is_builder() {
        return ChannelError::new("send", ChannelErrorKind::Invalid, Retry::Never).with_source(error);
    }
    unknown().with_source(error)
}

fn unknown() -> ChannelError {
    ChannelError::new("send", ChannelErrorKind::Unknown, Retry::OutcomeUnknown)
        .with_advice("wait for a receipt or an echo, or let a member decide")
}

/// A successful answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) json: Value,
    pub(crate) usage: Option<Usage>,
}

/// Reads an answer: a success, or the error that a refusal means.
async fn read(mut response: Response) -> Result<Answer, ChannelError> {
    let status = response.status().as_u16();
    let hints = WaitHints::of(response.headers());
    let body = read_bounded(&mut response).await?;
    outcome(status, &hints, serde_json::from_slice(&body).ok())
}

/// What an answer means; one that is not JSON is `None`.
fn outcome(status: u16, hints: &WaitHints, answer: Option<Value>) -> Result<Answer, ChannelError> {
    if (200..300).contains(&status) {
        // The platform took it, but without a readable answer there is no id: the same as no answer.
        let json = answer.filter(|answer| answer.get("error").is_none()).ok_or_else(|| malformed(status))?;
        return Ok(Answer { json, usage: hints.usage() });
    }
    Err(error_map::refusal(status, hints, answer.as_ref()))
}

async fn read_bounded(response: &mut Response) -> Result<Vec<u8>, ChannelError> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(error.without_url()))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(malformed(status));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

pub(crate) fn malformed(status: u16) -> ChannelError {
    ChannelError::new("send", ChannelErrorKind::Malformed, Retry::OutcomeUnknown)
        .with_code(i64::from(status))
        .with_advice("the message may have been taken; wait for a receipt or an echo, or let a member decide")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_called_unless_loopback_is_allowed() {
        let plain = GraphConfig::default().with_hosts("http://127.0.0.1:1", "http://127.0.0.1:1");
        assert!(matches!(GraphClient::new(&plain), Err(GraphConfigError::NotHttps)));
        assert!(GraphClient::new(&plain.danger_allow_plain_http_to_loopback()).is_ok());
        let far = GraphConfig::default()
            .with_hosts("http://graph.facebook.com", "https://graph.instagram.com")
            .danger_allow_plain_http_to_loopback();
        assert!(matches!(GraphClient::new(&far), Err(GraphConfigError::NotHttps)));
    }

    #[test]
    fn a_version_is_checked() {
        for version in ["25.0", "v25", "v25.0/me", "v.0", ""] {
            let config = GraphConfig::default().with_version(version);
            assert!(matches!(GraphClient::new(&config), Err(GraphConfigError::Version)), "{version}");
        }
    }

    #[test]
    fn an_account_id_stays_one_segment_of_the_path() {
        let client = GraphClient::new(&GraphConfig::default()).unwrap();
        let url = client.web().unwrap().messages_url(Host::Facebook, "../x?y", None).unwrap();
        assert_eq!(url.as_str(), "https://graph.facebook.com/v25.0/..%2Fx%3Fy/messages");
    }

    #[test]
    fn the_proof_is_the_hmac_of_the_token() {
        // RFC 4231, test case 2.
        let proof = appsecret_proof(&"Jefe".to_owned().into(), &"what do ya want for nothing?".to_owned().into());
        assert_eq!(proof, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
