//! Who signs checkpoints, and where they are kept outside of the operator's reach.

use std::fmt;

use async_trait::async_trait;

use crate::audit::note::SignedNote;
use crate::audit::tree::TreeHash;
use crate::error::define_error;
use crate::vault::VaultError;

/// Signs checkpoints with an Ed25519 key. `whisp_store::audit::LocalSigner` has it in a file; a host with a key service
/// implements this over it.
///
/// # Contract
/// 1. [`sign`](Self::sign) returns the Ed25519 signature (RFC 8032) of the text under the key whose public half
///    [`public_key`](Self::public_key) returns.
/// 2. No error, `Debug` or log holds bytes of the secret key.
///
/// # Cancellation
/// Dropping `sign` has no effect.
#[async_trait]
pub trait CheckpointSigner: fmt::Debug + Send + Sync + 'static {
    /// Returns the public key.
    fn public_key(&self) -> [u8; 32];

    /// Signs a text.
    ///
    /// # Errors
    /// By [`VaultErrorKind`](crate::vault::VaultErrorKind).
    async fn sign(&self, text: &str) -> Result<[u8; 64], VaultError>;
}

/// Keeps checkpoints where whoever can change the store can't change them: a folder on another machine, an object store
/// with versions, a witness. What it keeps is what the log is held against.
///
/// # Contract
/// 1. [`latest`](Self::latest) returns the checkpoint of a log that was published last, as it was given.
/// 2. [`publish`](Self::publish) keeps a checkpoint, durably, in place of the one of `old` leaves that it goes on from; of
///    two that go on from the same one is refused as [`AnchorErrorKind::Overtaken`].
/// 3. It never goes back: a checkpoint of fewer leaves than the latest one is [`AnchorErrorKind::Back`].
/// 4. It never forks: a checkpoint that does not go on from the latest one, by the proof, is [`AnchorErrorKind::Fork`].
///    [`goes_on`](crate::audit::goes_on) decides it. The latest one again is kept as it is.
///
/// [`testing::anchor_conformance`](crate::testing::anchor_conformance) proves one.
///
/// # Cancellation
/// Dropping `publish` leaves it done or not done; repeat it. Dropping `latest` has no effect.
#[async_trait]
pub trait CheckpointSink: fmt::Debug + Send + Sync + 'static {
    /// Returns the latest checkpoint of a log, `None` if there is none yet.
    ///
    /// # Errors
    /// By [`AnchorErrorKind`].
    async fn latest(&self, origin: &str) -> Result<Option<SignedNote>, AnchorError>;

    /// Keeps a checkpoint that goes on from the one of `old` leaves (0 if there was none) by `path`.
    ///
    /// # Errors
    /// By [`AnchorErrorKind`].
    async fn publish(&self, note: &SignedNote, old: u64, path: &[TreeHash]) -> Result<(), AnchorError>;
}

define_error! {
    /// Why a checkpoint could not be anchored. [`Back`](AnchorErrorKind::Back) and [`Fork`](AnchorErrorKind::Fork) say that
    /// the log was changed or set back, and are for somebody to look at.
    AnchorError, AnchorErrorKind {
        /// The log has fewer events than were anchored.
        Back = "the log has fewer events than its anchor",
        /// What is kept is no checkpoint of this log.
        Corrupt = "the anchor is damaged",
        /// The log does not go on from what was anchored.
        Fork = "the log does not go on from its anchor",
        /// Another process has published meanwhile.
        Overtaken = "another process has anchored the log meanwhile",
        /// It can't be reached.
        Unavailable = "the anchor can't be reached",
    }
}
