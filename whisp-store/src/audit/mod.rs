//! The audit log outside of the assistant: who signs its checkpoints, where they are anchored, and how anybody verifies
//! them without a store. What the log is stands in [`whisp_core::audit`].

mod folder;
mod signer;
mod verify;

pub use folder::FolderSink;
pub use signer::LocalSigner;
pub use verify::{VerifiedEvent, verify_checkpoint, verify_proof, verify_receipt};
