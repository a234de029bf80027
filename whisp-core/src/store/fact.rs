//! Asking for facts.

use chrono::{DateTime, Utc};

use crate::id::{FactId, TenantId};
use crate::kpi::Fact;

/// Asks for the facts of a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactQuery {
    /// Whose.
    pub tenant: TenantId,
    /// From when, inclusive.
    pub from: DateTime<Utc>,
    /// Until when, exclusive.
    pub until: DateTime<Utc>,
    /// After which fact; `None` from the beginning.
    pub after: Option<FactCursor>,
    /// At most so many.
    pub limit: usize,
}

/// A place among facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FactCursor {
    /// The time of the last fact seen.
    pub at: DateTime<Utc>,
    /// Its id.
    pub id: FactId,
}

/// Facts, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FactPage {
    /// The facts.
    pub facts: Vec<Fact>,
    /// After what to go on; `None` at the end.
    pub next: Option<FactCursor>,
}
