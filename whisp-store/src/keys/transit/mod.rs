//! The key service of HashiCorp Vault and of OpenBao: their Transit engine.

mod config;
mod http;
#[cfg(feature = "simulator")]
pub mod simulator;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Method;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use whisp_core::clock::Clock;
use whisp_core::vault::{
    CellName, Destroyed, Destruction, KeyContext, KeyProvider, SecretKey, VaultError, VaultErrorKind, WrappedKey,
};
use zeroize::Zeroizing;

pub use self::config::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, Snapshots, TransitConfig, TransitConfigError};
pub use self::http::ANSWER_BYTES_MAX;
use self::http::{Answer, Ask, Http, body, trouble};
use super::wrap::KEY_LEN;
use super::{Canonical, failed};

const WRAP: &str = "wrap a tenant's key";
const UNWRAP: &str = "unwrap a tenant's key";
const DESTROY: &str = "destroy an epoch's key";

/// The type of the keys: AES-256-GCM with a nonce of 96 bits, which takes associated data (since Vault 1.13; earlier
/// ones ignore it, and then the key's name alone binds what is wrapped). The names of types, operations and fields are
/// from <https://developer.hashicorp.com/vault/api-docs/secret/transit> (read November 2026).
const KEY_TYPE: &str = "aes256-gcm96";

/// How many bytes that type makes of a key: nonce 12, ciphertext 32, tag 16.
const CIPHER_LEN: usize = 12 + KEY_LEN + 16;

/// A ciphertext that no key opens: it has no bytes.
const UNFIT: &str = "vault:v1:";

/// How many characters a key takes in base64.
const KEY_TEXT_LEN: usize = KEY_LEN.div_ceil(3) * 4;

/// A [`KeyProvider`] over the Transit engine of HashiCorp Vault or OpenBao, over HTTPS.
///
/// Each tenant's epoch has a Transit key of its own, `whisp-{tenant}-{epoch}`, which never leaves Vault. Wrapping makes
/// it where it is not there yet; destroying allows its deletion and deletes it. So what Vault deletes is the only thing
/// that could open the epoch, nobody needs to remember which version of a key stood for which epoch, and a call may be
/// repeated or come from several processes at once. (One key a tenant with a version an epoch would not do: two
/// processes that rotate at once skip a version, `min_decryption_version` alone keeps the old ones, and `trim` never
/// removes the last.)
///
/// What is wrapped is Vault's own ciphertext, `vault:v1:...`, bound to the tenant and epoch as associated data too.
/// Whoever runs Vault may rotate the keys; do not raise their `min_decryption_version`.
///
/// # How surely it destroys
/// Vault can't undo a deletion, but a snapshot of its storage from before can. So a host says how long snapshots are
/// kept ([`Snapshots`]), and this provider destroys [`AtOnce`](Destruction::AtOnce) where none are,
/// [`Within`](Destruction::Within) that time, or, where nobody can tell, [`Unverifiable`](Destruction::Unverifiable).
/// Deleted bytes may linger in the files of Vault's storage, encrypted under its own root key, until those are
/// compacted; a replica deletes when the deletion reaches it; and whoever may make keys exportable there can take a
/// copy before, which no deletion reaches.
///
/// # Set-up
/// Enable an engine for Whisp alone (`vault secrets enable -path=whisp transit`), and give the token this policy. It
/// can make, use and delete keys there, and neither read nor export one, nor allow that to anybody:
/// ```text
/// path "whisp/encrypt/+"     { capabilities = ["create", "update"] }
/// path "whisp/decrypt/+"     { capabilities = ["update"] }
/// path "whisp/keys/+"        { capabilities = ["delete"] }
/// path "whisp/keys/+/config" {
///   capabilities       = ["update"]
///   allowed_parameters = { "deletion_allowed" = [] }
/// }
/// ```
/// Vault's certificate must be one that this machine trusts. The token is sent in a header only; renew it, or give a
/// new one with [`set_token`](Self::set_token), before it expires.
///
/// # What is wiped and what is not
/// The key, its base64 and the JSON around it are wiped on the way out and on the way in, as far as they are in memory
/// of this crate. What the HTTP client, TLS and the system's sockets copy into buffers of their own is not.
///
/// Requests and answers were written after the documentation and source of both (`builtin/logical/transit`,
/// `sdk/helper/keysutil`), and tested with a simulator of them (feature `simulator`): not tried with a real server.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use chrono::TimeDelta;
/// use whisp_core::system::SystemClock;
/// use whisp_core::vault::{Destruction, KeyProvider};
/// use whisp_store::keys::transit::{Snapshots, TransitConfig, TransitKeyProvider};
/// # fn token() -> secrecy::SecretString { "hvs.example".to_owned().into() }
/// let kept = TimeDelta::days(3);
/// let config = TransitConfig::new("https://vault.example.com:8200", token(), Snapshots::KeptFor(kept));
/// let keys = TransitKeyProvider::new(&config.with_mount("whisp"), Arc::new(SystemClock))?;
/// assert_eq!(keys.destruction(), Destruction::Within(kept));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TransitKeyProvider {
    http: Http,
    prefix: String,
    snapshots: Snapshots,
    clock: Arc<dyn Clock>,
}

impl TransitKeyProvider {
    /// Makes a provider. It calls nobody yet: [`EnvelopeVault::open`](crate::EnvelopeVault::open) makes the first call,
    /// and so finds out whether Vault is there and takes the token.
    ///
    /// # Errors
    /// [`TransitConfigError`], when the configuration is not what it should be.
    pub fn new(config: &TransitConfig, clock: Arc<dyn Clock>) -> Result<Self, TransitConfigError> {
        let prefix = config.prefix()?.to_owned();
        Ok(Self { http: Http::new(config)?, prefix, snapshots: config.snapshots()?, clock })
    }

    /// Uses another token from the next call on.
    ///
    /// # Errors
    /// [`TransitConfigError::Token`] if it is not one; the one before stays in use.
    pub fn set_token(&self, token: SecretString) -> Result<(), TransitConfigError> {
        self.http.set_token(token)
    }

    /// The name of an epoch's key.
    fn name(&self, context: &KeyContext) -> String {
        format!("{}{}", self.prefix, CellName::of(context).as_str())
    }

    fn destroyed(&self) -> Destroyed {
        match self.snapshots {
            Snapshots::Never => Destroyed::Now,
            Snapshots::KeptFor(time) => {
                self.clock.now().checked_add_signed(time).map_or(Destroyed::Unverifiable, Destroyed::Scheduled)
            }
            Snapshots::Unknown => Destroyed::Unverifiable,
        }
    }
}

#[async_trait]
impl KeyProvider for TransitKeyProvider {
    async fn wrap(&self, context: &KeyContext, key: &SecretKey) -> Result<WrappedKey, VaultError> {
        let mut text = Zeroizing::new([0; KEY_TEXT_LEN]);
        let plaintext = encoded(key, &mut text).ok_or_else(|| trouble(WRAP, "the key can't be written in base64"))?;
        let json = Encrypt { plaintext, associated_data: &associated_data(context), kind: KEY_TYPE };
        let ask = Ask {
            operation: WRAP,
            policy: r#"path "MOUNT/encrypt/+" { capabilities = ["create", "update"] }"#,
            method: Method::POST,
            path: &["encrypt", &self.name(context)],
            body: body(WRAP, &json)?,
        };
        match self.http.ask(&ask).await? {
            Answer::Done(body) => match serde_json::from_slice::<Data<Ciphertext<'_>>>(&body) {
                Ok(Data { data: Ciphertext { ciphertext } }) if is_ours(ciphertext) => {
                    Ok(WrappedKey(ciphertext.into()))
                }
                _ => Err(trouble(
                    WRAP,
                    "that is no ciphertext of a key of the type aes256-gcm96: let Whisp make its keys",
                )),
            },
            Answer::Refused(said) if says_no_key(&said) => {
                Err(trouble(WRAP, "Vault does not make keys on encryption: do not disable it (disable_upsert)"))
            }
            Answer::Refused(_) => Err(trouble(WRAP, NOT_OURS)),
        }
    }

    async fn unwrap(&self, context: &KeyContext, wrapped: &WrappedKey) -> Result<SecretKey, VaultError> {
        let ours = std::str::from_utf8(&wrapped.0).ok().filter(|text| is_ours(text));
        // What was not wrapped here is asked for all the same: only Vault knows whether the epoch's key is there, and
        // who waits for a turn to end must be told that it is gone.
        let json = Decrypt { ciphertext: ours.unwrap_or(UNFIT), associated_data: &associated_data(context) };
        let ask = Ask {
            operation: UNWRAP,
            policy: r#"path "MOUNT/decrypt/+" { capabilities = ["update"] }"#,
            method: Method::POST,
            path: &["decrypt", &self.name(context)],
            body: body(UNWRAP, &json)?,
        };
        match self.http.ask(&ask).await? {
            Answer::Done(_) if ours.is_none() => Err(failed(UNWRAP, VaultErrorKind::WrongKey)),
            Answer::Done(body) => {
                decoded(&body).ok_or_else(|| trouble(UNWRAP, "that is no key: look what answers there"))
            }
            Answer::Refused(said) => Err(not_unwrapped(&said)),
        }
    }

    async fn destroy(&self, context: &KeyContext) -> Result<Destroyed, VaultError> {
        let name = self.name(context);
        let allow = Ask {
            operation: DESTROY,
            policy: r#"path "MOUNT/keys/+/config" { capabilities = ["update"] }"#,
            method: Method::POST,
            path: &["keys", &name, "config"],
            body: body(DESTROY, &Deletion { deletion_allowed: true })?,
        };
        match self.http.ask(&allow).await? {
            Answer::Done(_) => {}
            Answer::Refused(said) if says_no_key(&said) => return Ok(self.destroyed()),
            Answer::Refused(_) => return Err(trouble(DESTROY, NOT_OURS)),
        }
        let delete = Ask {
            operation: DESTROY,
            policy: r#"path "MOUNT/keys/+" { capabilities = ["delete"] }"#,
            method: Method::DELETE,
            path: &["keys", &name],
            body: Bytes::new(),
        };
        match self.http.ask(&delete).await? {
            Answer::Done(_) => Ok(self.destroyed()),
            Answer::Refused(said) if says_no_key(&said) => Ok(self.destroyed()),
            Answer::Refused(_) => Err(trouble(DESTROY, "Vault does not delete the key: somebody forbids it meanwhile")),
        }
    }

    fn destruction(&self) -> Destruction {
        match self.snapshots {
            Snapshots::Never => Destruction::AtOnce,
            Snapshots::KeptFor(time) => Destruction::Within(time),
            Snapshots::Unknown => Destruction::Unverifiable,
        }
    }
}

impl fmt::Debug for TransitKeyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransitKeyProvider").field("snapshots", &self.snapshots).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Encrypt<'a> {
    plaintext: &'a str,
    associated_data: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
}

#[derive(Serialize)]
struct Decrypt<'a> {
    ciphertext: &'a str,
    associated_data: &'a str,
}

#[derive(Serialize)]
struct Deletion {
    deletion_allowed: bool,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Ciphertext<'a> {
    ciphertext: &'a str,
}

/// Borrowed from the answer, so that there is one copy of it, which is wiped.
#[derive(Deserialize)]
struct Plaintext<'a> {
    plaintext: &'a str,
}

const NOT_OURS: &str =
    "Vault refuses what Whisp asks for: look at the settings of the key, and let Whisp alone make its keys";

fn associated_data(context: &KeyContext) -> String {
    STANDARD.encode(Canonical::new("whisp/transit/v1").part(&context.tenant.into_bytes()).number(context.epoch))
}

/// Whether a ciphertext is one that Vault makes of a key, written as Vault writes it. Vault itself reads more than it
/// writes: version 0 for version 1, and line ends within base64.
fn is_ours(text: &str) -> bool {
    let Some((version, cipher)) = text.strip_prefix("vault:v").and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    let is_version = version.parse::<u32>().is_ok_and(|number| number > 0 && number.to_string() == version);
    is_version && STANDARD.decode(cipher).is_ok_and(|bytes| bytes.len() == CIPHER_LEN)
}

/// Writes a key in base64.
fn encoded<'t>(key: &SecretKey, text: &'t mut [u8; KEY_TEXT_LEN]) -> Option<&'t str> {
    let len = STANDARD.encode_slice(key.expose(), text).ok()?;
    std::str::from_utf8(text.get(..len)?).ok()
}

/// Reads the key from a successful answer.
fn decoded(body: &[u8]) -> Option<SecretKey> {
    let Data { data: Plaintext { plaintext } } = serde_json::from_slice(body).ok()?;
    // As much room as the decoder asks for.
    let mut bytes = Zeroizing::new([0; KEY_TEXT_LEN]);
    let len = STANDARD.decode_slice(plaintext, bytes.as_mut_slice()).ok()?;
    let mut key = Zeroizing::new([0; KEY_LEN]);
    key.copy_from_slice(bytes.get(..len).filter(|bytes| bytes.len() == KEY_LEN)?);
    Some(SecretKey::new(key))
}

/// Whether Vault says that there is no key of the name, in the words of encrypting and decrypting, of `config`, and of
/// `DELETE` (`path_decrypt.go`, `path_keys_config.go`, `lock_manager.go`; the same in Vault and OpenBao). They all come
/// with status 400; a 404 would say that there is no engine, and the key may be there.
fn says_no_key(said: &[String]) -> bool {
    said.iter().any(|text| {
        text == "encryption key not found"
            || (text.starts_with("no existing key named ") && text.ends_with(" could be found"))
            || (text.starts_with("error deleting policy ") && text.ends_with("could not delete key; not found"))
    })
}

/// What a refusal to decrypt means (`policy.go`).
fn not_unwrapped(said: &[String]) -> VaultError {
    let says = |what: fn(&str) -> bool| said.iter().any(|text| what(text));
    if says_no_key(said) {
        return failed(UNWRAP, VaultErrorKind::Destroyed).with_advice(
            "Vault has no key of its epoch: an old copy of the key table never opens again, use the current one; if that \
             is the one, look at the mount, the namespace and the prefix",
        );
    }
    if says(|text| text.contains("message authentication failed") || text.starts_with("invalid ciphertext")) {
        return failed(UNWRAP, VaultErrorKind::WrongKey);
    }
    // Not destroyed: whoever raised it can lower it again.
    if says(|text| text.contains("disallowed by policy (too old)")) {
        return trouble(UNWRAP, "the key's min_decryption_version is above what wrapped this: lower it again");
    }
    trouble(UNWRAP, NOT_OURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_vault_writes_is_taken_for_a_ciphertext() {
        let cipher = STANDARD.encode([7; CIPHER_LEN]);
        for ours in ["1", "2", "4294967295"] {
            assert!(is_ours(&format!("vault:v{ours}:{cipher}")));
        }
        for version in ["0", "01", "+1", "-1", "", "4294967296", "x"] {
            assert!(!is_ours(&format!("vault:v{version}:{cipher}")), "{version}");
        }
        let short = STANDARD.encode([7; CIPHER_LEN - 3]);
        for other in ["", "vault", UNFIT, &format!("vault:v1:{short}"), &format!("vault:v1:{cipher}\n"), &cipher] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn a_key_is_read_only_where_it_is_one() {
        let answer = |bytes: &[u8]| format!(r#"{{"data":{{"plaintext":"{}"}}}}"#, STANDARD.encode(bytes));
        assert_eq!(decoded(answer(&[9; KEY_LEN]).as_bytes()).unwrap().expose(), &[9; KEY_LEN]);
        for body in [&answer(&[9; 31]), &answer(&[9; 33]), &answer(&[]), "", "{}", r#"{"data":{"plaintext":7}}"#] {
            assert!(decoded(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn nothing_is_taken_for_gone_but_what_vault_says_of_a_missing_key() {
        let kind = |text: &str| not_unwrapped(&[text.to_owned()]).kind();
        assert_eq!(kind("encryption key not found"), VaultErrorKind::Destroyed);
        assert_eq!(kind("cipher: message authentication failed"), VaultErrorKind::WrongKey);
        assert_eq!(kind("invalid ciphertext: version is too new"), VaultErrorKind::WrongKey);
        for other in [
            "",
            "ciphertext or signature version is disallowed by policy (too old)",
            r#"no handler for route "whisp/decrypt/encryption key not found". route entry not found."#,
            "missing 'context' for key derivation",
        ] {
            assert_eq!(kind(other), VaultErrorKind::Unavailable, "{other}");
        }
        assert_eq!(not_unwrapped(&[]).kind(), VaultErrorKind::Unavailable);
    }
}
