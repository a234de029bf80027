//! The engine: keys with versions, what they encrypt, and what is refused in which words.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::KEY_TYPE;
use super::answer::Answer;
use crate::keys::random;

/// The keys of an engine, by name.
#[derive(Default)]
pub(super) struct Engine(BTreeMap<String, Key>);

/// The storage of a Vault, as it was.
#[derive(Clone)]
pub struct Snapshot(BTreeMap<String, Key>);

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} keys)", self.0.len())
    }
}

#[derive(Clone)]
struct Key {
    /// Of version 1, 2, ...
    versions: Vec<[u8; 32]>,
    min_decryption_version: usize,
    deletion_allowed: bool,
}

impl Engine {
    pub(super) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.clone())
    }

    pub(super) fn restore(&mut self, snapshot: &Snapshot) {
        self.0.clone_from(&snapshot.0);
    }

    pub(super) fn make(&mut self, name: &str, json: &Value) -> Answer {
        match self.key_or_new(name, json) {
            Ok(key) => key.described(name),
            Err(refused) => refused,
        }
    }

    pub(super) fn read(&self, name: &str) -> Answer {
        self.0.get(name).map_or_else(Answer::nothing, |key| key.described(name))
    }

    pub(super) fn encrypt(&mut self, name: &str, json: &Value) -> Answer {
        let Some(plain) = json.get("plaintext").and_then(Value::as_str) else {
            return Answer::refused(400, "missing plaintext to encrypt");
        };
        let Ok(plain) = STANDARD.decode(plain) else { return Answer::refused(400, "illegal base64 data") };
        let key = match self.key_or_new(name, json) {
            Ok(key) => key,
            Err(refused) => return refused,
        };
        let version = key.versions.len();
        match associated(json).and_then(|associated| seal(key.versions.last()?, &associated, plain)) {
            Some(sealed) => Answer::data(json!({
                "ciphertext": format!("vault:v{version}:{}", STANDARD.encode(sealed)),
                "key_version": version,
            })),
            None => Answer::refused(500, "internal error"),
        }
    }

    pub(super) fn decrypt(&self, name: &str, json: &Value) -> Answer {
        let refused = |text| Answer::refused(400, text);
        let Some(ciphertext) = json.get("ciphertext").and_then(Value::as_str).filter(|text| !text.is_empty()) else {
            return refused("missing ciphertext to decrypt");
        };
        let Some(key) = self.0.get(name) else { return refused("encryption key not found") };
        let Some(rest) = ciphertext.strip_prefix("vault:v") else { return refused("invalid ciphertext: no prefix") };
        let Some((version, cipher)) = rest.split_once(':') else {
            return refused("invalid ciphertext: wrong number of fields");
        };
        let Ok(version) = version.parse::<usize>() else {
            return refused("invalid ciphertext: version number could not be decoded");
        };
        // What the first Vaults wrote.
        let version = version.max(1);
        if version > key.versions.len() {
            return refused("invalid ciphertext: version is too new");
        }
        if version < key.min_decryption_version {
            return refused("ciphertext or signature version is disallowed by policy (too old)");
        }
        // As Go does.
        let cipher = cipher.replace(['\r', '\n'], "");
        let Ok(cipher) = STANDARD.decode(cipher) else {
            return refused("invalid ciphertext: could not decode base64");
        };
        let Some((nonce, cipher)) = cipher.split_first_chunk::<NONCE_LEN>() else {
            return refused("invalid ciphertext length");
        };
        let Some(version) = key.versions.get(version - 1) else { return refused("no such key version") };
        match associated(json).and_then(|associated| open(version, *nonce, &associated, cipher.to_vec())) {
            Some(plain) => Answer::data(json!({ "plaintext": STANDARD.encode(plain) })),
            None => refused("cipher: message authentication failed"),
        }
    }

    pub(super) fn configure(&mut self, name: &str, json: &Value) -> Answer {
        let Some(key) = self.0.get_mut(name) else {
            return Answer::refused(400, &format!("no existing key named {name} could be found"));
        };
        if let Some(version) = json.get("min_decryption_version").and_then(Value::as_u64) {
            let (version, latest) = (usize::try_from(version).unwrap_or(usize::MAX).max(1), key.versions.len());
            if version > latest {
                let text = format!("cannot set min decryption version of {version}, latest key version is {latest}");
                return Answer::refused(400, &text);
            }
            key.min_decryption_version = version;
        }
        if let Some(allowed) = json.get("deletion_allowed").and_then(Value::as_bool) {
            key.deletion_allowed = allowed;
        }
        key.described(name)
    }

    pub(super) fn rotate(&mut self, name: &str) -> Answer {
        let Some(key) = self.0.get_mut(name) else { return Answer::refused(400, "key not found") };
        let Ok(version) = random() else { return Answer::refused(500, "internal error") };
        key.versions.push(version);
        key.described(name)
    }

    pub(super) fn delete(&mut self, name: &str) -> Answer {
        let refused = |why| Answer::refused(400, &format!("error deleting policy {name}: {why}"));
        match self.0.get(name) {
            None => refused("could not delete key; not found"),
            Some(key) if !key.deletion_allowed => refused("deletion is not allowed for this key"),
            Some(_) => {
                self.0.remove(name);
                Answer::done()
            }
        }
    }

    fn key_or_new(&mut self, name: &str, json: &Value) -> Result<&mut Key, Answer> {
        let kind = json.get("type").and_then(Value::as_str).unwrap_or(KEY_TYPE);
        if kind != KEY_TYPE {
            return Err(Answer::refused(400, &format!("unknown key type {kind}")));
        }
        let version = random().map_err(|_| Answer::refused(500, "internal error"))?;
        let new = Key { versions: vec![version], min_decryption_version: 1, deletion_allowed: false };
        Ok(self.0.entry(name.to_owned()).or_insert(new))
    }
}

impl Key {
    fn described(&self, name: &str) -> Answer {
        let made: BTreeMap<String, u64> =
            (self.min_decryption_version..=self.versions.len()).map(|version| (version.to_string(), 0)).collect();
        Answer::data(json!({
            "name": name,
            "type": KEY_TYPE,
            "derived": false,
            "deletion_allowed": self.deletion_allowed,
            "min_available_version": 0,
            "min_decryption_version": self.min_decryption_version,
            "min_encryption_version": 0,
            "latest_version": self.versions.len(),
            "exportable": false,
            "allow_plaintext_backup": false,
            "supports_encryption": true,
            "supports_decryption": true,
            "supports_signing": false,
            "supports_derivation": true,
            "auto_rotate_period": 0,
            "imported_key": false,
            "keys": made,
        }))
    }
}

/// The associated data of a request, `None` if it is not base64.
fn associated(json: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(json.get("associated_data").and_then(Value::as_str).unwrap_or_default()).ok()
}

fn seal(key: &[u8], associated: &[u8], mut plain: Vec<u8>) -> Option<Vec<u8>> {
    let nonce: [u8; NONCE_LEN] = random().ok()?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), &mut plain).ok()?;
    Some([nonce.as_slice(), &plain].concat())
}

fn open(key: &[u8], nonce: [u8; NONCE_LEN], associated: &[u8], mut cipher: Vec<u8>) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.open_in_place(nonce, Aad::from(associated), &mut cipher).ok().map(|plain| plain.to_vec())
}
