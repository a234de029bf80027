//! The key service over HTTP: what goes wrong there is told for what it is, passes where it can, and shows no secret.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by a panic")]

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use reqwest::Method;
use serde_json::{Value, json};
use whisp_core::clock::Clock;
use whisp_core::error::{ErrorChain, Retry};
use whisp_core::id::TenantId;
use whisp_core::system::SystemClock;
use whisp_core::testing::ManualClock;
use whisp_core::vault::{Destroyed, KeyContext, KeyProvider, SecretKey, VaultError, VaultErrorKind, WrappedKey};
use whisp_store::keys::transit::simulator::{Fault, TransitSimulator};
use whisp_store::keys::transit::{Snapshots, TransitConfig, TransitKeyProvider};
use zeroize::Zeroizing;

const ONE: KeyContext = KeyContext { tenant: TenantId::from_bytes([1; 16]), epoch: 1 };
const NAME: &str = "whisp-01010101-0101-0101-0101-010101010101-1";

fn provider(config: &TransitConfig) -> TransitKeyProvider {
    TransitKeyProvider::new(config, Arc::new(SystemClock)).unwrap()
}

async fn both() -> (TransitSimulator, TransitKeyProvider) {
    let simulator = TransitSimulator::start().await.unwrap();
    let provider = provider(&simulator.config(Snapshots::Never));
    (simulator, provider)
}

fn key() -> SecretKey {
    SecretKey::new(Zeroizing::new([0xc7; 32]))
}

/// Each of the three calls, where the key is there.
async fn each(provider: &TransitKeyProvider, wrapped: &WrappedKey) -> [Result<(), VaultError>; 3] {
    [
        provider.wrap(&ONE, &key()).await.map(drop),
        provider.unwrap(&ONE, wrapped).await.map(|unwrapped| assert_eq!(unwrapped.expose(), key().expose())),
        provider.destroy(&ONE).await.map(|destroyed| assert_eq!(destroyed, Destroyed::Now)),
    ]
}

#[tokio::test]
async fn an_epoch_is_one_key_of_vault_which_goes_with_it() {
    let (simulator, provider) = both().await;
    let WrappedKey(wrapped) = provider.wrap(&ONE, &key()).await.unwrap();
    assert!(wrapped.starts_with(b"vault:v1:"));
    assert_eq!(simulator.keys(), [NAME]);
    assert_eq!(provider.destroy(&ONE).await.unwrap(), Destroyed::Now);
    assert_eq!(simulator.keys(), [""; 0]);
    let gone = provider.unwrap(&ONE, &WrappedKey(wrapped)).await.unwrap_err();
    assert_eq!((gone.kind(), gone.retry()), (VaultErrorKind::Destroyed, Retry::Never));
}

/// What is trouble now passes while the call is repeated.
#[tokio::test]
async fn what_passes_is_waited_for_a_little() {
    for fault in [
        Fault::Status(412),
        Fault::Status(429),
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Cut { done: false },
        Fault::Cut { done: true },
    ] {
        let (simulator, provider) = both().await;
        let wrapped = provider.wrap(&ONE, &key()).await.unwrap();
        for at in 0..3 {
            let called = simulator.requests().len();
            simulator.next_goes(fault);
            simulator.next_goes(fault);
            match at {
                0 => drop(provider.wrap(&ONE, &key()).await.unwrap()),
                1 => drop(provider.unwrap(&ONE, &wrapped).await.unwrap()),
                _ => assert_eq!(provider.destroy(&ONE).await.unwrap(), Destroyed::Now),
            }
            let calls = if at == 2 { 4 } else { 3 };
            assert_eq!(simulator.requests().len() - called, calls, "{fault:?}");
        }
        assert!(simulator.keys().is_empty());
    }
}

/// What an operator has to look at is told at once, and never as if it were final: what waits for the key must still be
/// there when they have.
#[tokio::test]
async fn trouble_that_does_not_pass_is_told_and_never_final() {
    use VaultErrorKind::{Permissions, Unavailable};
    for (fault, kind, code, calls) in [
        (Fault::Status(403), Permissions, Some(403), 1),
        (Fault::Status(404), Unavailable, Some(404), 1),
        (Fault::Status(405), Unavailable, Some(405), 1),
        (Fault::Status(503), Unavailable, Some(503), 3),
        (Fault::Status(500), Unavailable, Some(500), 3),
        (Fault::Page(400), Unavailable, Some(400), 1),
        (Fault::Page(200), Unavailable, None, 1),
        (Fault::Endless, Unavailable, Some(200), 1),
        (Fault::Redirect, Unavailable, Some(307), 1),
        (Fault::Cut { done: false }, Unavailable, None, 3),
    ] {
        let (simulator, provider) = both().await;
        let wrapped = provider.wrap(&ONE, &key()).await.unwrap();
        for at in 0..2 {
            let called = simulator.requests().len();
            (0..calls).for_each(|_| simulator.next_goes(fault));
            let error = match at {
                0 => provider.wrap(&ONE, &key()).await.unwrap_err(),
                _ => provider.unwrap(&ONE, &wrapped).await.unwrap_err(),
            };
            assert_eq!((error.kind(), error.code(), error.retry()), (kind, code, Retry::After(None)), "{fault:?}");
            assert_eq!(simulator.requests().len() - called, calls, "{fault:?}");
        }
        // Nothing counts as destroyed but what Vault says is gone. (What it did is not read from a page.)
        if fault != Fault::Page(200) {
            (0..calls).for_each(|_| simulator.next_goes(fault));
            assert_eq!(provider.destroy(&ONE).await.unwrap_err().kind(), kind, "{fault:?}");
            assert_eq!(simulator.keys(), [NAME]);
        }
        each(&provider, &wrapped).await.into_iter().collect::<Result<Vec<()>, _>>().unwrap();
    }
}

#[tokio::test]
async fn a_quota_is_left_to_the_caller_with_the_time_that_vault_names() {
    let (simulator, provider) = both().await;
    simulator.next_goes(Fault::Limited(7));
    let error = provider.wrap(&ONE, &key()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (VaultErrorKind::Unavailable, Some(429)));
    assert_eq!(error.retry(), Retry::After(Some(Duration::from_secs(7))));
    assert_eq!(simulator.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_waited_for_once() {
    let simulator = TransitSimulator::start().await.unwrap();
    let config = simulator.config(Snapshots::Never);
    let impatient = provider(&config.clone().with_answer_timeout(Duration::from_millis(200)));
    let provider = provider(&config);
    provider.wrap(&ONE, &key()).await.unwrap();
    simulator.next_goes(Fault::NoAnswer { done: true });
    let error = impatient.destroy(&ONE).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (VaultErrorKind::Unavailable, Retry::After(None)));
    assert_eq!(simulator.requests().len(), 2);
    assert_eq!(provider.destroy(&ONE).await.unwrap(), Destroyed::Now);
}

#[tokio::test]
async fn a_vault_that_is_not_there_is_unavailable() {
    let simulator = TransitSimulator::start().await.unwrap();
    let provider = provider(&simulator.config(Snapshots::Never));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let config = TransitConfig::new(&address, "t".to_owned().into(), Snapshots::Never);
    let nobody = TransitKeyProvider::new(&config.danger_allow_plain_http_to_loopback(), Arc::new(SystemClock)).unwrap();
    assert_eq!(nobody.wrap(&ONE, &key()).await.unwrap_err().kind(), VaultErrorKind::Unavailable);
    provider.wrap(&ONE, &key()).await.unwrap();
}

/// Sealed, another token, another namespace, another mount: each comes right again, and nothing is lost meanwhile.
#[tokio::test]
async fn whoever_runs_vault_changes_it_and_changes_it_back() {
    let (simulator, provider) = both().await;
    let wrapped = provider.wrap(&ONE, &key()).await.unwrap();
    let kinds = async |provider: &TransitKeyProvider| {
        let [wrap, unwrap, destroy] = each(provider, &wrapped).await;
        [wrap, unwrap, destroy].map(|result| result.unwrap_err().kind())
    };
    simulator.seal(true);
    assert_eq!(kinds(&provider).await, [VaultErrorKind::Unavailable; 3]);
    simulator.seal(false);

    simulator.take_token("hvs.next");
    assert_eq!(kinds(&provider).await, [VaultErrorKind::Permissions; 3]);
    provider.set_token("no\ntoken".to_owned().into()).unwrap_err();
    assert_eq!(kinds(&provider).await, [VaultErrorKind::Permissions; 3]);
    provider.set_token("hvs.next".to_owned().into()).unwrap();
    provider.unwrap(&ONE, &wrapped).await.unwrap();

    simulator.move_into_namespace("support");
    // The key is there, and nobody may take it for destroyed.
    assert_eq!(kinds(&provider).await, [VaultErrorKind::Unavailable; 3]);
    let elsewhere = self::provider(&simulator.config(Snapshots::Never).with_namespace("support"));
    elsewhere.unwrap(&ONE, &wrapped).await.unwrap();
    let unmounted = self::provider(&simulator.config(Snapshots::Never).with_namespace("support").with_mount("transit"));
    assert_eq!(kinds(&unmounted).await, [VaultErrorKind::Unavailable; 3]);
    assert_eq!(simulator.keys(), [NAME]);
}

#[tokio::test]
async fn a_token_that_may_not_make_keys_uses_those_that_are_there() {
    let (simulator, provider) = both().await;
    provider.wrap(&ONE, &key()).await.unwrap();
    simulator.let_make_keys(false);
    provider.wrap(&ONE, &key()).await.unwrap();
    let refused = provider.wrap(&KeyContext { epoch: 2, ..ONE }, &key()).await.unwrap_err();
    assert_eq!(refused.kind(), VaultErrorKind::Permissions);
    let line = r#"path "MOUNT/encrypt/+" { capabilities = ["create", "update"] }"#;
    assert!(refused.to_string().contains(line), "it says what to do: {refused}");
}

/// What an operator does to a key is harmless, or is told.
#[tokio::test]
async fn a_rotated_key_opens_and_one_with_a_raised_minimum_says_so() {
    let (simulator, provider) = both().await;
    let raw = Raw::new(&simulator);
    let before = provider.wrap(&ONE, &key()).await.unwrap();
    raw.ask(Method::POST, &format!("keys/{NAME}/rotate"), json!({})).await;
    let after = provider.wrap(&ONE, &key()).await.unwrap();
    assert!(after.0.starts_with(b"vault:v2:"));
    for wrapped in [&before, &after] {
        provider.unwrap(&ONE, wrapped).await.unwrap();
    }
    raw.ask(Method::POST, &format!("keys/{NAME}/config"), json!({ "min_decryption_version": 2 })).await;
    provider.unwrap(&ONE, &after).await.unwrap();
    let told = provider.unwrap(&ONE, &before).await.unwrap_err();
    assert_eq!(
        (told.kind(), told.retry()),
        (VaultErrorKind::Unavailable, Retry::After(None)),
        "it can be lowered again"
    );
    assert!(told.to_string().contains("min_decryption_version"), "{told}");
    raw.ask(Method::POST, &format!("keys/{NAME}/config"), json!({ "min_decryption_version": 1 })).await;
    provider.unwrap(&ONE, &before).await.unwrap();
}

/// Vault can bring a deleted key back from a snapshot, and nothing else can.
#[tokio::test]
async fn a_snapshot_brings_a_key_back_until_the_time_that_destroying_tells() {
    let simulator = TransitSimulator::start().await.unwrap();
    let clock = Arc::new(ManualClock::at(DateTime::UNIX_EPOCH + TimeDelta::days(20_000)));
    let kept = TimeDelta::days(3);
    let config = simulator.config(Snapshots::KeptFor(kept));
    let provider = TransitKeyProvider::new(&config, Arc::<ManualClock>::clone(&clock)).unwrap();
    let wrapped = provider.wrap(&ONE, &key()).await.unwrap();
    let snapshot = simulator.snapshot();
    assert_eq!(provider.destroy(&ONE).await.unwrap(), Destroyed::Scheduled(clock.now() + kept));
    assert_eq!(provider.unwrap(&ONE, &wrapped).await.unwrap_err().kind(), VaultErrorKind::Destroyed);
    // Made anew it is another one.
    provider.wrap(&ONE, &key()).await.unwrap();
    assert_eq!(provider.unwrap(&ONE, &wrapped).await.unwrap_err().kind(), VaultErrorKind::WrongKey);
    simulator.restore(&snapshot);
    provider.unwrap(&ONE, &wrapped).await.unwrap();
}

/// Two key tables beside each other in one engine.
#[tokio::test]
async fn another_prefix_is_another_key() {
    let (simulator, provider) = both().await;
    let wrapped = provider.wrap(&ONE, &key()).await.unwrap();
    let other = self::provider(&simulator.config(Snapshots::Never).with_prefix("staging-"));
    assert_eq!(other.unwrap(&ONE, &wrapped).await.unwrap_err().kind(), VaultErrorKind::Destroyed);
    other.wrap(&ONE, &key()).await.unwrap();
    assert_eq!(other.unwrap(&ONE, &wrapped).await.unwrap_err().kind(), VaultErrorKind::WrongKey);
    other.destroy(&ONE).await.unwrap();
    provider.unwrap(&ONE, &wrapped).await.unwrap();
}

/// Someone who may rename or restore keys in Vault can't pass one tenant's for another's.
#[tokio::test]
async fn what_is_wrapped_is_bound_to_its_epoch_beyond_the_name_of_the_key() {
    let (simulator, provider) = both().await;
    let WrappedKey(wrapped) = provider.wrap(&ONE, &key()).await.unwrap();
    let raw = Raw::new(&simulator);
    let ciphertext = String::from_utf8(wrapped).unwrap();
    let (status, said) = raw.ask(Method::POST, &format!("decrypt/{NAME}"), json!({ "ciphertext": ciphertext })).await;
    assert_eq!((status, &said), (400, &json!({ "errors": ["cipher: message authentication failed"] })));
}

/// Neither the token nor a key in whatever form is in anything that is printed, or in a URL.
#[tokio::test]
async fn i5_no_secret_is_shown() {
    let (simulator, provider) = both().await;
    let config = simulator.config(Snapshots::Never);
    let wrapped = provider.wrap(&ONE, &key()).await.unwrap();
    let mut shown = format!("{config:?} {provider:?} {wrapped:?} {simulator:?} {:?}", simulator.requests());
    for (fault, calls) in [
        (Fault::Echo(400), 1),
        (Fault::Echo(403), 1),
        (Fault::Echo(404), 1),
        (Fault::Echo(503), 3),
        (Fault::Limited(1), 1),
        (Fault::Page(200), 1),
        (Fault::Page(400), 1),
        (Fault::Endless, 1),
        (Fault::Redirect, 1),
        (Fault::Cut { done: true }, 3),
    ] {
        let again = || (0..calls).for_each(|_| simulator.next_goes(fault));
        again();
        let wrap = provider.wrap(&ONE, &key()).await.unwrap_err();
        again();
        let unwrap = provider.unwrap(&ONE, &wrapped).await.unwrap_err();
        shown += &format!("{wrap:?} {} {unwrap:?} {}", ErrorChain(&wrap), ErrorChain(&unwrap));
    }
    provider.unwrap(&ONE, &wrapped).await.unwrap();
    let WrappedKey(text) = &wrapped;
    let base64 = "x8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8c=";
    for secret in ["hvs.", "c7c7", "199, 199", base64, std::str::from_utf8(text).unwrap()] {
        assert!(!shown.contains(secret), "{secret} is shown: {shown}");
    }
}

/// Asks the simulator without the provider.
struct Raw {
    http: reqwest::Client,
    base: String,
}

impl Raw {
    fn new(simulator: &TransitSimulator) -> Self {
        Self { http: reqwest::Client::new(), base: format!("{}/v1/whisp", simulator.address()) }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.request(method, format!("{}/{path}", self.base));
        let response = request.header("X-Vault-Token", "hvs.simulated-token").json(&body).send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
    }
}

/// The simulator answers in the fields that Vault's documentation and source name.
#[tokio::test]
async fn the_simulator_speaks_as_vault_is_documented_to() {
    let simulator = TransitSimulator::start().await.unwrap();
    let raw = Raw::new(&simulator);
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let plaintext = json!({ "plaintext": "dGhpcyBpcyBvdXJz" });

    let (status, encrypted) = raw.ask(Method::POST, "encrypt/mine", plaintext.clone()).await;
    assert_eq!((status, fields(&encrypted["data"])), (200, vec!["ciphertext".into(), "key_version".into()]));
    let ciphertext = json!({ "ciphertext": encrypted["data"]["ciphertext"] });
    let (status, decrypted) = raw.ask(Method::PUT, "decrypt/mine", ciphertext.clone()).await;
    assert_eq!((status, &decrypted["data"]), (200, &plaintext));

    let (status, read) = raw.ask(Method::GET, "keys/mine", Value::Null).await;
    assert_eq!(status, 200);
    for field in [
        "type",
        "deletion_allowed",
        "derived",
        "exportable",
        "allow_plaintext_backup",
        "keys",
        "min_decryption_version",
        "min_encryption_version",
        "name",
        "supports_encryption",
        "supports_decryption",
        "supports_derivation",
        "supports_signing",
        "latest_version",
    ] {
        assert!(fields(&read["data"]).iter().any(|name| name == field), "{field}");
    }
    for field in ["request_id", "lease_id", "renewable", "lease_duration", "data", "wrap_info", "warnings", "auth"] {
        assert!(fields(&read).iter().any(|name| name == field), "{field}");
    }

    let deletion = "error deleting policy mine: deletion is not allowed for this key";
    let absent = "no existing key named other could be found";
    let route = "no handler for route \"whisp2/keys/mine\". route entry not found.";
    let elsewhere = Raw { base: format!("{}2", raw.base), http: raw.http.clone() };
    for (raw, method, path, body, status, said) in [
        (&raw, Method::DELETE, "keys/mine", Value::Null, 400, vec![deletion]),
        (&raw, Method::POST, "keys/other/config", json!({}), 400, vec![absent]),
        (&raw, Method::POST, "decrypt/other", ciphertext, 400, vec!["encryption key not found"]),
        (&raw, Method::GET, "keys/other", Value::Null, 404, vec![]),
        (&elsewhere, Method::GET, "keys/mine", Value::Null, 404, vec![route]),
    ] {
        assert_eq!(raw.ask(method, path, body).await, (status, json!({ "errors": said })), "{path}");
    }
    raw.ask(Method::POST, "keys/mine/config", json!({ "deletion_allowed": true })).await;
    assert_eq!(raw.ask(Method::DELETE, "keys/mine", Value::Null).await, (204, Value::Null));
    let gone = "error deleting policy mine: could not delete key; not found";
    assert_eq!(raw.ask(Method::DELETE, "keys/mine", Value::Null).await, (400, json!({ "errors": [gone] })));
}
