//! Files that came with messages, as they are kept.

use serde::{Deserialize, Serialize};

use crate::id::{MediaId, MessageId};
use crate::model::MediaKind;
use crate::sensitive::Sensitive;

/// A file that came with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaFile {
    /// Which.
    pub id: MediaId,
    /// With which message it came.
    pub message: MessageId,
    /// What kind.
    pub kind: MediaKind,
    /// The MIME type, as the platform told it. The sender chose it: do not trust it.
    pub mime: Option<String>,
    /// The name of the file, as the sender chose it.
    pub filename: Option<Sensitive>,
    /// The SHA-256 of its bytes, as the platform told it and as it was checked.
    pub sha256: Option<String>,
    /// How many bytes it has, once it is kept.
    pub size: Option<u64>,
    /// Whether it is there.
    pub state: MediaState,
}

/// Whether a file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaState {
    /// It is being fetched.
    Pending,
    /// It is kept.
    Kept,
    /// The message stays without it.
    Lost {
        /// Why.
        reason: MediaLoss,
    },
}

/// Why a message stays without a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaLoss {
    /// What the platform handed over is not what it told.
    Damaged,
    /// Something on our side failed for good.
    Failed,
    /// The platform no longer has it.
    Gone,
    /// The platform refused to hand it over, or its address is not the platform's.
    Refused,
    /// It is larger than the channel or the host allows.
    TooLarge,
    /// It could not be fetched while the platform had it.
    Unreachable,
}
