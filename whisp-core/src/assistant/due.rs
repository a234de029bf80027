//! What is due, told once each time that it comes closer.

use chrono::{DateTime, Utc};

use crate::assistant::{AssistantError, Inner};
use crate::audit::AuditAction;
use crate::entity::{BreachRow, By, LegalRow, RequestRow};
use crate::id::{BreachId, ContactId, LegalDisclosureId, RequestId, TenantId};
use crate::privacy::{Audience, RequestKind, Urgency};
use crate::store::WriteBatch;

/// Something whose time comes to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Due {
    /// Of which tenant.
    pub tenant: TenantId,
    /// What.
    pub what: DueWhat,
    /// When it has to be done, or may be.
    pub due: DateTime<Utc>,
    /// How close that is.
    pub urgency: Urgency,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DueWhat {
    /// A person has to be told that their request about data arrived.
    Acknowledgement {
        /// Which.
        request: RequestId,
        /// What is asked for.
        kind: RequestKind,
    },
    /// Somebody has to be told of a breach.
    Breach {
        /// Which.
        breach: BreachId,
        /// Who.
        audience: Audience,
    },
    /// The time is over in which a person must not be told that data of theirs were handed to an authority: they are to be told
    /// now.
    GagEnded {
        /// What was handed out.
        disclosure: LegalDisclosureId,
        /// Whose data.
        contact: ContactId,
    },
    /// A request about data has to be answered.
    Request {
        /// Which.
        request: RequestId,
        /// What is asked for.
        kind: RequestKind,
    },
}

/// Something that has come closer and of which nobody has been told.
#[derive(Debug)]
pub(super) struct Closer {
    /// What of it is due: of one record, since it is written once.
    pub(super) due: Vec<Due>,
    /// Of which tenant.
    pub(super) tenant: TenantId,
    /// As what it stands in the store.
    pub(super) row: CloserRow,
}

#[derive(Debug)]
pub(super) enum CloserRow {
    Breach(BreachRow),
    Legal(LegalRow),
    Request(RequestRow),
    /// How close it is can't be told: that is told in its place, beside what else has come closer.
    Undated(AssistantError),
}

impl Inner {
    /// Notes that something has come closer, so that it is told once; nothing if it was changed meanwhile.
    pub(super) async fn note_closer(&self, closer: Closer) -> Result<Vec<Due>, AssistantError> {
        let Closer { due, tenant, row } = closer;
        let mut batch = WriteBatch::new(tenant);
        batch.ops = match row {
            CloserRow::Breach(mut row) => {
                for each in &due {
                    if let DueWhat::Breach { audience, .. } = each.what {
                        row.clear.noted.insert(audience, each.urgency);
                    }
                }
                self.staged_breach(tenant, &mut row, AuditAction::BreachDue, By::System).await?
            }
            CloserRow::Legal(mut row) => {
                row.clear.gag_ended = true;
                self.staged_legal(tenant, &mut row, (AuditAction::LegalGagEnded, By::System)).await?
            }
            CloserRow::Request(mut row) => {
                for each in &due {
                    match each.what {
                        DueWhat::Acknowledgement { .. } => row.clear.acknowledgement_noted = Some(each.urgency),
                        DueWhat::Request { .. } => row.clear.noted = each.urgency,
                        DueWhat::Breach { .. } | DueWhat::GagEnded { .. } => {}
                    }
                }
                self.staged(tenant, &mut row, AuditAction::RequestDue, By::System).await?
            }
            CloserRow::Undated(error) => return Err(error),
        };
        Ok(if self.commit_beside(batch).await? { due } else { Vec::new() })
    }
}
