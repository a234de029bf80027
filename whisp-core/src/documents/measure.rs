//! What protects the data, as the program is put together.

use serde::Serialize;

/// Something that protects the data. Each is there if and only if a document names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Measure {
    /// Contents, names and ids are sealed under a key of their person before they reach a database.
    SealedAtBirth,
    /// People are found by keyed indexes; nothing personal is searched in clear.
    KeyedIndexes,
    /// Nothing is read or sent without a permit for its purpose, which is checked again before anything leaves.
    Permits,
    /// Members do what their role has for them, and each look at a conversation is logged.
    Roles,
    /// Who asks for data proves who they are over the conversation that holds them.
    CodesOverTheConversation,
    /// What is past its time is deleted by itself.
    DeletionByAge,
    /// An erasure destroys the person's key.
    ErasureByKey,
    /// The keys of earlier times are destroyed for sure, so that an erasure is final for copies of the keys too.
    EpochsDestroyed,
    /// An audit log that shows whether it was changed.
    AuditLog,
    /// Its checkpoints are signed.
    AuditSigned,
    /// Its checkpoints are kept elsewhere too.
    AuditAnchored,
    /// Files are sealed in chunks under the key of their person.
    SealedFiles,
    /// A model elsewhere is shown marks in the place of numbers and names.
    Masking,
}

impl Measure {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::SealedAtBirth => "sealed_at_birth",
            Self::KeyedIndexes => "keyed_indexes",
            Self::Permits => "permits",
            Self::Roles => "roles",
            Self::CodesOverTheConversation => "codes_over_the_conversation",
            Self::DeletionByAge => "deletion_by_age",
            Self::ErasureByKey => "erasure_by_key",
            Self::EpochsDestroyed => "epochs_destroyed",
            Self::AuditLog => "audit_log",
            Self::AuditSigned => "audit_signed",
            Self::AuditAnchored => "audit_anchored",
            Self::SealedFiles => "sealed_files",
            Self::Masking => "masking",
        }
    }

    /// What every assistant has.
    pub(crate) const ALWAYS: [Self; 8] = [
        Self::SealedAtBirth,
        Self::KeyedIndexes,
        Self::Permits,
        Self::Roles,
        Self::CodesOverTheConversation,
        Self::DeletionByAge,
        Self::ErasureByKey,
        Self::AuditLog,
    ];
}
