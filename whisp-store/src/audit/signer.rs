//! The signing key in a file.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use whisp_core::audit::CheckpointSigner;
use whisp_core::vault::{VaultError, VaultErrorKind};

use crate::keys::key_file::{self, FileKey, KeyUse};
use crate::keys::{failed, unavailable};

/// A [`CheckpointSigner`] whose Ed25519 key is in a file of its own.
///
/// Whoever has this file and the store can write the audit log anew and sign it; only an anchor out of their reach shows
/// that. One key signs for all tenants: the name of the log, which is signed too, tells them apart.
///
/// # Examples
/// ```
/// use whisp_core::audit::CheckpointSigner;
/// use whisp_store::audit::LocalSigner;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("audit.key");
/// let made = LocalSigner::create(&path)?;
/// assert_eq!(LocalSigner::open(&path)?.public_key(), made.public_key());
/// assert!(LocalSigner::create(&path).is_err(), "a key is never overwritten");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LocalSigner {
    pair: Ed25519KeyPair,
    public: [u8; 32],
}

impl LocalSigner {
    /// Opens the key file at `path`. Blocks for the time of one small read.
    ///
    /// # Errors
    /// As [`LocalKeyProvider::open`](crate::LocalKeyProvider::open); the root key's file is
    /// [`WrongKey`](VaultErrorKind::WrongKey) here.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, VaultError> {
        match key_file::read(path.as_ref(), KeyUse::Signing)? {
            Some(key) => Self::new(&key),
            None => Err(failed("open the key file", VaultErrorKind::Unavailable).with_advice(
                "there is none at this path: correct the path, restore the file, or create the first one",
            )),
        }
    }

    /// Makes a new key and writes it to `path`, readable by the owner only. Blocks until it is durable.
    ///
    /// # Errors
    /// As [`LocalKeyProvider::create`](crate::LocalKeyProvider::create).
    pub fn create(path: impl AsRef<Path>) -> Result<Self, VaultError> {
        match key_file::create(path.as_ref(), KeyUse::Signing)? {
            Some(key) => Self::new(&key),
            None => Err(failed("create the key file", VaultErrorKind::WrongKey)
                .with_advice("there is a file at this path already: open it, or choose another path")),
        }
    }

    /// Opens the key file at `path`, or creates it where there is none: for a first start. A key that got lost is replaced
    /// by a new one here, and whoever verifies must be given the new public key; what the old one signed stays verifiable
    /// by the old one.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, VaultError> {
        let path = path.as_ref();
        if let Some(key) = key_file::read(path, KeyUse::Signing)? {
            return Self::new(&key);
        }
        match key_file::create(path, KeyUse::Signing)? {
            Some(key) => Self::new(&key),
            // Another process was faster: its key is the one.
            None => Self::open(path),
        }
    }

    fn new(key: &FileKey) -> Result<Self, VaultError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(key.key.expose());
        let pair = pair.map_err(|_| failed("read the key file", VaultErrorKind::WrongKey))?;
        let public = pair.public_key().as_ref().try_into();
        let public = public.map_err(|_| failed("read the key file", VaultErrorKind::WrongKey))?;
        Ok(Self { pair, public })
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalSigner(..)")
    }
}

#[async_trait]
impl CheckpointSigner for LocalSigner {
    fn public_key(&self) -> [u8; 32] {
        self.public
    }

    async fn sign(&self, text: &str) -> Result<[u8; 64], VaultError> {
        let signature = self.pair.sign(text.as_bytes());
        signature.as_ref().try_into().map_err(|_| unavailable("sign a checkpoint"))
    }
}
