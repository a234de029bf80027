//! Verifies checkpoints, proofs and receipts: nothing is needed but the texts and the public key.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use whisp_core::assistant::ErasureReceipt;
use whisp_core::audit::{AuditAction, AuditEvent, Checkpoint, LogProof, ProofError, SignedNote, VerifierKey};

/// An event that was proved to be in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedEvent {
    /// The event.
    pub event: AuditEvent,
    /// At which place of the log, counted from 0.
    pub index: u64,
    /// The checkpoint under which it is.
    pub checkpoint: Checkpoint,
}

/// Verifies a signed checkpoint. Signatures of other keys, of witnesses for example, are left out.
///
/// # Errors
/// [`ProofError`].
pub fn verify_checkpoint(note: &str, key: &VerifierKey) -> Result<Checkpoint, ProofError> {
    verify_note(&SignedNote::parse(note)?, key)
}

/// Verifies that an event, given as its leaf, is in the log of `key`, by a proof as a text: its place, its hash, the path
/// to the root and the signature of the checkpoint.
///
/// # Errors
/// [`ProofError`].
pub fn verify_proof(leaf: &str, proof: &str, key: &VerifierKey) -> Result<VerifiedEvent, ProofError> {
    let proof: LogProof = proof.parse()?;
    let checkpoint = verify_note(&proof.checkpoint, key)?;
    proof.check(leaf.as_bytes())?;
    let event = serde_json::from_str(leaf).map_err(|_| ProofError::Malformed("the leaf is no event of ours"))?;
    Ok(VerifiedEvent { event, index: proof.index, checkpoint })
}

/// Verifies that an erasure was logged as its receipt says, by the proof in the receipt.
///
/// # Errors
/// [`ProofError`]; [`OtherReceipt`](ProofError::OtherReceipt) where the receipt was changed after it was logged.
pub fn verify_receipt(receipt: &ErasureReceipt, key: &VerifierKey) -> Result<VerifiedEvent, ProofError> {
    let proof = receipt.proof.as_ref().ok_or(ProofError::Malformed("the receipt has no proof in it"))?;
    let verified = verify_proof(&proof.leaf, &proof.proof, key)?;
    let said = receipt.commitment().map_err(|_| ProofError::OtherReceipt)?;
    let event = &verified.event;
    let fits =
        event.action == AuditAction::ErasureDone && Some(event.id) == receipt.audit && event.detail == Some(said);
    if fits { Ok(verified) } else { Err(ProofError::OtherReceipt) }
}

fn verify_note(note: &SignedNote, key: &VerifierKey) -> Result<Checkpoint, ProofError> {
    let mut ours = note.signatures.iter().filter(|signature| signature.name == key.name() && signature.id == key.id());
    let first = ours.next().ok_or(ProofError::UnknownKey)?;
    let public = UnparsedPublicKey::new(&ED25519, key.key());
    for signature in std::iter::once(first).chain(ours) {
        public.verify(note.text.as_bytes(), &signature.bytes).map_err(|_| ProofError::BadSignature)?;
    }
    let checkpoint = note.checkpoint()?;
    if checkpoint.origin == key.name() { Ok(checkpoint) } else { Err(ProofError::OtherLog) }
}
