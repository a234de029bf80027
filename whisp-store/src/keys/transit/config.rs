//! Where Vault is, and what its operator says about copies of it.

use std::time::Duration;

use chrono::TimeDelta;
use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::SecretString;

/// How long to wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait for the whole answer. Vault answers within milliseconds where it is healthy; an election of a new
/// leader takes seconds.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the engine is mounted unless told otherwise
/// (<https://developer.hashicorp.com/vault/api-docs/secret/transit>, read November 2026).
const MOUNT: &str = "transit";

/// What the names of the keys begin with unless told otherwise.
const PREFIX: &str = "whisp-";

/// How long a prefix may be, in bytes.
const PREFIX_MAX: usize = 64;

/// Until when whoever runs Vault can bring a deleted key back.
///
/// `DELETE` takes a Transit key out of Vault's storage at once, and Vault has no way to undo it. But a snapshot of that
/// storage (`vault operator raft snapshot save`, a backup of Consul or of the disk) that was made before holds the key,
/// and restoring it into a Vault with the same seal brings the key back, for anybody who then has an old copy of the
/// key table. Whisp can't see snapshots, so its host says how they are kept; the date in an erasure's receipt rests on
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Snapshots {
    /// None is made of the storage in which the engine's keys are.
    Never,
    /// Each one is deleted so long after it was made, at the latest.
    KeptFor(TimeDelta),
    /// Nobody can tell: erasures have no horizon.
    Unknown,
}

/// How to reach the Transit engine of one Vault.
///
/// # Examples
/// ```
/// use chrono::TimeDelta;
/// use whisp_store::keys::transit::{Snapshots, TransitConfig};
/// # let token = "hvs.example".to_owned().into();
/// let config = TransitConfig::new("https://vault.example.com:8200", token, Snapshots::KeptFor(TimeDelta::days(3)))
///     .with_mount("whisp/transit")
///     .with_namespace("support");
/// ```
#[derive(Debug, Clone)]
pub struct TransitConfig {
    address: String,
    pub(super) token: SecretString,
    pub(super) snapshots: Snapshots,
    mount: String,
    namespace: Option<String>,
    prefix: String,
    pub(super) answer_timeout: Duration,
    pub(super) plain_loopback: bool,
}

impl TransitConfig {
    /// Reaches the Vault at `address` (`https://host:8200`) with a token, mounted at `transit`, without a namespace.
    #[must_use]
    pub fn new(address: &str, token: SecretString, snapshots: Snapshots) -> Self {
        Self {
            address: address.to_owned(),
            token,
            snapshots,
            mount: MOUNT.to_owned(),
            namespace: None,
            prefix: PREFIX.to_owned(),
            answer_timeout: ANSWER_TIMEOUT,
            plain_loopback: false,
        }
    }

    /// Uses the engine that is mounted here.
    #[must_use]
    pub fn with_mount(mut self, mount: &str) -> Self {
        mount.clone_into(&mut self.mount);
        self
    }

    /// Works inside a namespace (Vault Enterprise, HCP Vault, OpenBao).
    #[must_use]
    pub fn with_namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Begins the names of the keys with `prefix` in place of `whisp-`: letters, digits and dashes.
    ///
    /// Two key tables must never share names: the turn of one would destroy the other's. Give each a mount or a prefix
    /// of its own.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Waits so long for each answer.
    #[must_use]
    pub const fn with_answer_timeout(mut self, timeout: Duration) -> Self {
        self.answer_timeout = timeout;
        self
    }

    /// Allows `http://` to this machine's own loopback addresses, for a Vault Proxy beside the program, tests and the
    /// simulator. The token and the keys then travel in the clear, inside the machine.
    #[must_use]
    pub const fn danger_allow_plain_http_to_loopback(mut self) -> Self {
        self.plain_loopback = true;
        self
    }

    /// Returns the checked base: `{address}/v1/{mount}`.
    pub(super) fn base(&self) -> Result<Url, TransitConfigError> {
        let mut url = Url::parse(&self.address).map_err(|_| TransitConfigError::Address)?;
        let loopback = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        if url.scheme() != "https" && !(url.scheme() == "http" && self.plain_loopback && loopback) {
            return Err(TransitConfigError::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TransitConfigError::Address);
        }
        url.set_query(None);
        url.set_fragment(None);
        let mount = self.mount.trim_matches('/');
        let segment = |segment: &str| !segment.starts_with('.') && is_plain(segment, "-_.");
        if !mount.split('/').all(segment) {
            return Err(TransitConfigError::Mount);
        }
        url.path_segments_mut()
            .map_err(|()| TransitConfigError::Address)?
            .pop_if_empty()
            .push("v1")
            .extend(mount.split('/'));
        Ok(url)
    }

    /// Returns the checked namespace.
    pub(super) fn namespace(&self) -> Result<Option<HeaderValue>, TransitConfigError> {
        let header = |namespace: &String| HeaderValue::try_from(namespace).map_err(|_| TransitConfigError::Namespace);
        self.namespace.as_ref().map(header).transpose()
    }

    /// Returns the checked prefix.
    pub(super) fn prefix(&self) -> Result<&str, TransitConfigError> {
        let fits = self.prefix.len() <= PREFIX_MAX && !self.prefix.starts_with('-') && is_plain(&self.prefix, "-");
        if fits { Ok(&self.prefix) } else { Err(TransitConfigError::Prefix) }
    }

    /// Checks how long snapshots are kept.
    pub(super) fn snapshots(&self) -> Result<Snapshots, TransitConfigError> {
        match self.snapshots {
            Snapshots::KeptFor(time) if time < TimeDelta::zero() => Err(TransitConfigError::Snapshots),
            snapshots => Ok(snapshots),
        }
    }
}

fn is_plain(text: &str, others: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || others.contains(char))
}

/// What is wrong with a [`TransitConfig`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransitConfigError {
    /// The address is not a URL, or holds a user or a password.
    #[error("the address of Vault is not a URL, or holds a user or password")]
    Address,
    /// The mount is not the path of one.
    #[error("the mount of the Transit engine is not a path of letters, digits, dashes, dots and underscores")]
    Mount,
    /// The namespace holds characters that no header may hold.
    #[error("the namespace holds characters that no namespace has")]
    Namespace,
    /// The address is not `https://`.
    #[error("the address of Vault is not https")]
    NotHttps,
    /// The prefix is not one of letters, digits and dashes, or is too long.
    #[error("the prefix of the keys' names is not of 1 to 64 letters, digits and dashes")]
    Prefix,
    /// Snapshots can't be kept for less than no time.
    #[error("snapshots are said to be kept for less than no time")]
    Snapshots,
    /// The HTTP client can't be built: no root certificates, no TLS.
    #[error("the HTTP client can't be built")]
    Tls(#[source] whisp_core::error::BoxError),
    /// The token holds characters that no header may hold.
    #[error("the token holds characters that no token has")]
    Token,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(address: &str) -> TransitConfig {
        TransitConfig::new(address, "t".to_owned().into(), Snapshots::Never)
    }

    #[test]
    fn only_https_is_called_unless_loopback_is_allowed() {
        let plain = config("http://127.0.0.1:8200");
        assert!(matches!(plain.base(), Err(TransitConfigError::NotHttps)));
        assert!(plain.danger_allow_plain_http_to_loopback().base().is_ok());
        let far = config("http://vault.example.com").danger_allow_plain_http_to_loopback();
        assert!(matches!(far.base(), Err(TransitConfigError::NotHttps)));
        for address in ["", "vault:8200", "https://user:secret@vault.example.com", "https://"] {
            assert!(config(address).base().is_err(), "{address}");
        }
    }

    #[test]
    fn a_mount_is_below_v1_and_nothing_else() {
        let base = |address, mount| config(address).with_mount(mount).base().map(|url| url.to_string());
        assert_eq!(base("https://v:8200", "transit").unwrap(), "https://v:8200/v1/transit");
        assert_eq!(base("https://v/behind/?q#f", "/team/keys/").unwrap(), "https://v/behind/v1/team/keys");
        for mount in ["", "/", "a//b", "..", "a/../b", "a?b", "a#b", "a%2fb", "a b"] {
            assert!(matches!(base("https://v", mount), Err(TransitConfigError::Mount)), "{mount}");
        }
    }

    #[test]
    fn a_prefix_a_namespace_and_the_time_of_snapshots_are_checked() {
        let config = config("https://v");
        assert_eq!(config.prefix().unwrap(), "whisp-");
        for prefix in ["", "-a", "a/b", "a.b", &"a".repeat(65)] {
            assert!(config.clone().with_prefix(prefix).prefix().is_err(), "{prefix}");
        }
        assert!(config.clone().with_namespace("a\nb").namespace().is_err());
        assert_eq!(config.clone().with_namespace("a/b").namespace().unwrap().unwrap(), "a/b");
        let kept = |time| TransitConfig { snapshots: Snapshots::KeptFor(time), ..config.clone() }.snapshots();
        assert!(matches!(kept(TimeDelta::seconds(-1)), Err(TransitConfigError::Snapshots)));
        assert!(kept(TimeDelta::days(30)).is_ok());
    }
}
