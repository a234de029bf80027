//! Calls to Vault: over HTTPS only, repeated where that may help, with nothing secret in what they say.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, Url, redirect, retry};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use whisp_core::error::Retry;
use whisp_core::vault::{VaultError, VaultErrorKind};
use zeroize::Zeroizing;

use super::config::{CONNECT_TIMEOUT, TransitConfig, TransitConfigError};

/// How large an answer may be, in bytes. Vault's answers here take a few hundred.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How many bytes are reserved for a request, and for an answer at least: more than either takes, so that no buffer
/// grows and leaves a part of a key behind.
const RESERVED: usize = 1_024;

/// How often a call is made at most, where Vault says or shows that it can't answer for now: the election of a new
/// leader, a connection that broke. What waits longer than that is the caller's to repeat.
const CALLS_MAX: usize = 3;

/// How long to wait before the second call; twice as long before the third, each up to twice that by chance.
const WAIT_FIRST: Duration = Duration::from_millis(50);

/// How long an idle connection is kept: shorter than load balancers keep it.
const IDLE: Duration = Duration::from_secs(20);

/// Vault's own headers (<https://developer.hashicorp.com/vault/api-docs>, read November 2026). `X-Vault-Request` is
/// asked for by a Vault Proxy with `require_request_header`.
const TOKEN: &str = "x-vault-token";
const NAMESPACE: &str = "x-vault-namespace";
const REQUEST: &str = "x-vault-request";

/// One Vault, and the token for it.
pub(super) struct Http {
    client: Client,
    base: Url,
    namespace: Option<HeaderValue>,
    token: RwLock<SecretString>,
}

/// What is asked for.
pub(super) struct Ask<'a> {
    /// For what: the operation that an error names.
    pub(super) operation: &'static str,
    /// The line of a policy that allows it.
    pub(super) policy: &'static str,
    pub(super) method: Method,
    /// Below the engine's mount.
    pub(super) path: &'a [&'a str],
    /// JSON, wiped when the last copy that this process makes of it is dropped.
    pub(super) body: Bytes,
}

/// What Vault answered: that it did it, or that it won't.
pub(super) enum Answer {
    /// With the JSON, which may be empty.
    Done(Zeroizing<Vec<u8>>),
    /// Status 400, with Vault's own words, which may hold what was sent: nothing of them is passed on.
    Refused(Vec<String>),
}

/// A call that failed.
struct Failure {
    error: VaultError,
    /// Whether a call a moment later may succeed.
    passing: bool,
}

impl Http {
    pub(super) fn new(config: &TransitConfig) -> Result<Self, TransitConfigError> {
        let (base, namespace) = (config.base()?, config.namespace()?);
        header(&config.token).ok_or(TransitConfigError::Token)?;
        let client = Client::builder()
            .user_agent(concat!("whisp/", env!("CARGO_PKG_VERSION")))
            .https_only(!config.plain_loopback)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(config.answer_timeout)
            .read_timeout(config.answer_timeout)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|error| TransitConfigError::Tls(Box::new(error.without_url())))?;
        Ok(Self { client, base, namespace, token: RwLock::new(config.token.clone()) })
    }

    pub(super) fn set_token(&self, token: SecretString) -> Result<(), TransitConfigError> {
        header(&token).ok_or(TransitConfigError::Token)?;
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
        Ok(())
    }

    /// Asks, and asks again where Vault can't answer for now. Each question here may be asked twice.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Answer, VaultError> {
        let waits =
            ExponentialBuilder::default().with_min_delay(WAIT_FIRST).with_max_times(CALLS_MAX - 1).with_jitter();
        let answer = (async || self.ask_once(ask).await).retry(waits).when(|failure: &Failure| failure.passing).await;
        answer.map_err(|failure| failure.error)
    }

    async fn ask_once(&self, ask: &Ask<'_>) -> Result<Answer, Failure> {
        let mut url = self.base.clone();
        let unusable = || Failure { error: trouble(ask.operation, "the address of Vault is not one"), passing: false };
        url.path_segments_mut().map_err(|()| unusable())?.extend(ask.path);
        let mut request = self.client.request(ask.method.clone(), url).headers(self.headers().ok_or_else(unusable)?);
        if !ask.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json").body(ask.body.clone());
        }
        let unanswered = |error: reqwest::Error| Failure {
            // What took too long already is not waited for again.
            passing: !error.is_timeout() && !error.is_builder(),
            error: trouble(ask.operation, "Vault does not answer: look whether it is up, and at its address")
                .with_source(error.without_url()),
        };
        let mut response = request.send().await.map_err(unanswered)?;
        let status = response.status().as_u16();
        if !matches!(status, 200 | 204 | 400) {
            return Err(refused(ask, status, response.headers()));
        }
        let body = read_bounded(&mut response).await.map_err(unanswered)?;
        let foreign =
            |advice| Failure { error: trouble(ask.operation, advice).with_code(i64::from(status)), passing: false };
        let body = body.ok_or_else(|| foreign("the answer is longer than any of Vault's: look what answers there"))?;
        if status != 400 {
            return Ok(Answer::Done(body));
        }
        let said = serde_json::from_slice::<Errors>(&body);
        said.map(|said| Answer::Refused(said.errors))
            .map_err(|_| foreign("the refusal is not one of Vault's: look what answers between this program and Vault"))
    }

    fn headers(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(TOKEN, header(&self.token.read().unwrap_or_else(PoisonError::into_inner))?);
        headers.insert(REQUEST, HeaderValue::from_static("true"));
        if let Some(namespace) = &self.namespace {
            headers.insert(NAMESPACE, namespace.clone());
        }
        Some(headers)
    }
}

/// The body of every refusal (<https://developer.hashicorp.com/vault/api-docs#error-response>, read November 2026).
#[derive(serde::Deserialize)]
struct Errors {
    errors: Vec<String>,
}

fn header(token: &SecretString) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(token.expose_secret()).ok().filter(|header| !header.is_empty())?;
    header.set_sensitive(true);
    Some(header)
}

/// What a status means (<https://developer.hashicorp.com/vault/api-docs#http-status-codes>, read November 2026). None
/// is final: an operator corrects a policy, a mount or a seal, and what waited for the key must still be there then.
fn refused(ask: &Ask<'_>, status: u16, headers: &HeaderMap) -> Failure {
    let unavailable = |advice| trouble(ask.operation, advice);
    let (error, passing) = match status {
        403 => {
            let forbidden = VaultError::new(ask.operation, VaultErrorKind::Permissions, Retry::After(None));
            let advice = format!("Vault refuses the token: give another, or its policy the line {}", ask.policy);
            (forbidden.with_advice(advice), false)
        }
        404 => (unavailable("Vault has no such engine: look at the mount and the namespace"), false),
        // A quota. When it says how long to rest, that is longer than we wait here.
        429 => match retry_after(headers) {
            Some(rest) => {
                (VaultError::new(ask.operation, VaultErrorKind::Unavailable, Retry::After(Some(rest))), false)
            }
            None => (unavailable("Vault limits the rate of calls"), true),
        },
        // A replica that has not caught up yet.
        412 => (unavailable("this Vault has not caught up with the others"), true),
        503 => (unavailable("Vault is sealed or down for maintenance: unseal it"), true),
        500.. => (unavailable("Vault has a trouble of its own: look at its log"), true),
        300..400 => (
            unavailable("Vault points to another address, which is not followed: give the address of the active node"),
            false,
        ),
        _ => (unavailable("that is no answer of Vault's: look what answers between this program and Vault"), false),
    };
    Failure { error: error.with_code(i64::from(status)), passing }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Something that an operator has to look at, or that passes.
pub(super) fn trouble(operation: &'static str, advice: &'static str) -> VaultError {
    VaultError::new(operation, VaultErrorKind::Unavailable, Retry::After(None)).with_advice(advice)
}

/// Reads an answer into memory that is wiped, `None` if it is too long.
async fn read_bounded(response: &mut Response) -> Result<Option<Zeroizing<Vec<u8>>>, reqwest::Error> {
    // Vault tells the length, so that the buffer never grows and leaves a part of a key behind.
    let told = response.content_length().and_then(|told| usize::try_from(told).ok()).unwrap_or(0);
    let mut body = Zeroizing::new(Vec::with_capacity(told.clamp(RESERVED, ANSWER_BYTES_MAX)));
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Writes JSON into memory that is wiped when the last one who sends it has dropped it.
pub(super) fn body(operation: &'static str, json: &impl Serialize) -> Result<Bytes, VaultError> {
    let mut body = Zeroizing::new(Vec::with_capacity(RESERVED));
    serde_json::to_writer(&mut *body, json).map_err(|_| trouble(operation, "the request can't be written"))?;
    Ok(Bytes::from_owner(Wiped(body)))
}

/// Bytes that are wiped when they are dropped.
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
