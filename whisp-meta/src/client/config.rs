//! Where the Graph API is, and how long to wait for it.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;

/// The version of the Graph API that is called unless told otherwise. v25.0 lives until 29 July 2028
/// (<https://developers.facebook.com/docs/graph-api/changelog>, read November 2026).
pub const API_VERSION: &str = "v25.0";

/// How long to wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for the whole answer. Meta's own calls take under two seconds; past this the outcome is unknown.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach the Graph API.
///
/// # Examples
/// ```
/// use whisp_meta::{GraphClient, GraphConfig};
/// let client = GraphClient::new(&GraphConfig::default().with_version("v26.0"))?;
/// # Ok::<(), whisp_meta::GraphConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct GraphConfig {
    version: String,
    facebook: String,
    instagram: String,
    app_secret: Option<SecretString>,
    answer_timeout: Duration,
    plain_loopback: bool,
}

impl Default for GraphConfig {
    /// Meta's own hosts, [`API_VERSION`], [`ANSWER_TIMEOUT`], no proof of the app secret.
    fn default() -> Self {
        Self {
            version: API_VERSION.to_owned(),
            facebook: "https://graph.facebook.com".to_owned(),
            instagram: "https://graph.instagram.com".to_owned(),
            app_secret: None,
            answer_timeout: ANSWER_TIMEOUT,
            plain_loopback: false,
        }
    }
}

impl GraphConfig {
    /// Calls another version: `v26.0`.
    #[must_use]
    pub fn with_version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// Calls other hosts: `facebook` in place of `https://graph.facebook.com`, `instagram` in place of
    /// `https://graph.instagram.com`.
    #[must_use]
    pub fn with_hosts(mut self, facebook: &str, instagram: &str) -> Self {
        facebook.clone_into(&mut self.facebook);
        instagram.clone_into(&mut self.instagram);
        self
    }

    /// Sends `appsecret_proof` with each call, which Meta checks where "Require App Secret" is on
    /// (<https://developers.facebook.com/docs/graph-api/guides/secure-requests>).
    #[must_use]
    pub fn with_app_secret(mut self, secret: SecretString) -> Self {
        self.app_secret = Some(secret);
        self
    }

    /// Waits so long for the whole answer.
    #[must_use]
    pub const fn with_answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// Allows `http://` to this machine's own loopback addresses, for tests and the simulator. Tokens then travel in
    /// the clear, inside the machine.
    #[must_use]
    pub const fn danger_allow_plain_http_to_loopback(mut self) -> Self {
        self.plain_loopback = true;
        self
    }

    pub(super) const fn app_secret(&self) -> Option<&SecretString> {
        self.app_secret.as_ref()
    }

    pub(super) const fn answer_timeout(&self) -> Duration {
        self.answer_timeout
    }

    pub(super) const fn https_only(&self) -> bool {
        !self.plain_loopback
    }

    /// Returns the checked bases, each a host with the version: Facebook's, Instagram's.
    pub(super) fn bases(&self) -> Result<(Url, Url), GraphConfigError> {
        let version = self.checked_version()?;
        let base = |host: &str| {
            let mut url = Url::parse(host).map_err(|_| GraphConfigError::Host)?;
            let loopback = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
            let allowed = url.scheme() == "https" || (url.scheme() == "http" && self.plain_loopback && loopback);
            if !allowed {
                return Err(GraphConfigError::NotHttps);
            }
            url.set_path(version);
            url.set_query(None);
            Ok(url)
        };
        Ok((base(&self.facebook)?, base(&self.instagram)?))
    }

    fn checked_version(&self) -> Result<&str, GraphConfigError> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = self.version.strip_prefix('v').and_then(|number| number.split_once('.'));
        match number {
            Some((major, minor)) if digits(major) && digits(minor) => Ok(&self.version),
            _ => Err(GraphConfigError::Version),
        }
    }
}

/// What is wrong with a [`GraphConfig`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphConfigError {
    /// A host is not a URL.
    #[error("a host of the Graph API is not a URL")]
    Host,
    /// A host is not `https://`.
    #[error("a host of the Graph API is not https")]
    NotHttps,
    /// The HTTP client can't be built: no root certificates, no TLS.
    #[error("the HTTP client can't be built")]
    Tls(#[source] whisp_core::error::BoxError),
    /// The version is not of the form `v25.0`.
    #[error("the version of the Graph API is not of the form v25.0")]
    Version,
}

/// Which of Meta's two hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    Facebook,
    Instagram,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Facebook => "graph.facebook.com",
            Self::Instagram => "graph.instagram.com",
        })
    }
}
