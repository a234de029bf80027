//! The root key in a file.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use whisp_core::vault::{
    Destroyed, Destruction, KeyContext, KeyProvider, SecretKey, VaultError, VaultErrorKind, WrappedKey,
};

use super::key_file::{self, FileKey, ID_LEN, KeyUse};
use super::{Canonical, Wrapper, failed};

/// A [`KeyProvider`] whose root key is in a file of its own.
///
/// Whoever has this file and the key table can read everything: keep it where backups of the data do not reach, and
/// keep one copy of it in a safe place, because without it nothing can be read any more.
///
/// By itself it destroys nothing: it opens what it wrapped in every epoch, and so a copy of the key table from before an
/// erasure brings the erased back, whenever. Put a [`CellKeyProvider`](crate::CellKeyProvider) around it, from the start or by
/// a [`MovingKeyProvider`](crate::MovingKeyProvider).
///
/// # Examples
/// ```
/// use whisp_store::LocalKeyProvider;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("whisp.key");
/// assert!(LocalKeyProvider::open(&path).is_err());
/// LocalKeyProvider::create(&path)?;
/// LocalKeyProvider::open(&path)?;
/// assert!(LocalKeyProvider::create(&path).is_err(), "a key is never overwritten");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LocalKeyProvider {
    id: [u8; ID_LEN],
    wrapper: Wrapper,
}

impl LocalKeyProvider {
    /// Opens the key file at `path`. Blocks for the time of one small read.
    ///
    /// # Errors
    /// [`Unavailable`](VaultErrorKind::Unavailable) if there is none or it can't be read,
    /// [`Permissions`](VaultErrorKind::Permissions) if others may read it or we may not,
    /// [`Newer`](VaultErrorKind::Newer) if a newer version of this library wrote it,
    /// [`WrongKey`](VaultErrorKind::WrongKey) if it is damaged or no key file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, VaultError> {
        match key_file::read(path.as_ref(), KeyUse::Root)? {
            Some(root) => Self::new(&root),
            None => Err(failed("open the key file", VaultErrorKind::Unavailable).with_advice(
                "there is none at this path: correct the path, restore the file, or create the first one",
            )),
        }
    }

    /// Makes a new root key and writes it to `path`, readable by the owner only. Blocks until it is durable.
    ///
    /// # Errors
    /// [`WrongKey`](VaultErrorKind::WrongKey) if there is a file already: it stays as it is;
    /// [`Permissions`](VaultErrorKind::Permissions) or [`Unavailable`](VaultErrorKind::Unavailable) if it can't be
    /// written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, VaultError> {
        match key_file::create(path.as_ref(), KeyUse::Root)? {
            Some(root) => Self::new(&root),
            None => Err(failed("create the key file", VaultErrorKind::WrongKey)
                .with_advice("there is a file at this path already: open it, or choose another path")),
        }
    }

    /// Opens the key file at `path`, or creates it where there is none: for a first start.
    ///
    /// A key file that got lost is replaced by a new one here; [`EnvelopeVault::open`](crate::EnvelopeVault::open) then
    /// says that it does not fit the key table, before anything is changed.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, VaultError> {
        let path = path.as_ref();
        if let Some(root) = key_file::read(path, KeyUse::Root)? {
            return Self::new(&root);
        }
        match key_file::create(path, KeyUse::Root)? {
            Some(root) => Self::new(&root),
            // Another process was faster: its key is the one.
            None => Self::open(path),
        }
    }

    fn new(root: &FileKey) -> Result<Self, VaultError> {
        Ok(Self { id: root.id, wrapper: Wrapper::new(&root.key)? })
    }
}

impl fmt::Debug for LocalKeyProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalKeyProvider(..)")
    }
}

/// What it wraps begins with the id of its key, so that a foreign key is told by name.
#[async_trait]
impl KeyProvider for LocalKeyProvider {
    async fn wrap(&self, context: &KeyContext, key: &SecretKey) -> Result<WrappedKey, VaultError> {
        let WrappedKey(wrapped) = self.wrapper.wrap(&self.place(context), key)?;
        Ok(WrappedKey([self.id.as_slice(), &wrapped].concat()))
    }

    async fn unwrap(&self, context: &KeyContext, wrapped: &WrappedKey) -> Result<SecretKey, VaultError> {
        let wrapped = wrapped.0.strip_prefix(&self.id).ok_or_else(|| {
            failed("unwrap a tenant's key", VaultErrorKind::WrongKey)
                .with_advice("another key file wrapped it: use the key file that belongs to this key table")
        })?;
        self.wrapper.unwrap(&self.place(context), wrapped)
    }

    /// The root key opens every epoch that it ever wrapped.
    async fn destroy(&self, _context: &KeyContext) -> Result<Destroyed, VaultError> {
        Ok(Destroyed::Unverifiable)
    }

    fn destruction(&self) -> Destruction {
        Destruction::Unverifiable
    }
}

impl LocalKeyProvider {
    fn place(&self, context: &KeyContext) -> Canonical {
        Canonical::new("whisp/root/v1").part(&self.id).part(&context.tenant.into_bytes()).number(context.epoch)
    }
}
