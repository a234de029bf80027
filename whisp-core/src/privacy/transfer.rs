//! That control of a business passes to a new owner (promise P38).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::TransferId;
use crate::privacy::Controller;

/// That a business passes to a new owner, who is bound by what people were told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControlTransfer {
    /// Which.
    pub id: TransferId,
    /// Who is responsible for the data from then on.
    pub to: Controller,
    /// From when on.
    pub from: DateTime<Utc>,
    /// When it was taken down.
    pub noted_at: DateTime<Utc>,
    /// When it was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// What was seen of the keys then; `None` before, and where they stay with the key service that they were with.
    pub keys: Option<KeysMoved>,
    /// When the people were told.
    pub told_at: Option<DateTime<Utc>>,
}

/// That a tenant's keys are with the key service of the new owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KeysMoved {
    /// When the epoch began whose key the new one wraps.
    pub begun_at: DateTime<Utc>,
    /// From when on the old one opens nothing of the tenant any more, not even in a copy of the key table from before; `None`
    /// where it can't tell that it destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_gone_at: Option<DateTime<Utc>>,
}
