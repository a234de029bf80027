//! Watches the requests that wait: whose time runs out, whose proof did not come.

use chrono::{DateTime, Utc};

use crate::assistant::{AssistantError, Inner};
use crate::audit::AuditAction;
use crate::entity::{By, RequestRow};
use crate::id::{RequestId, TenantId};
use crate::privacy::{RequestEvent, RequestKind, RequestState, Urgency};
use crate::store::{PAGE_MAX, WriteBatch};

/// A request whose time comes to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DueRequest {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Which.
    pub request: RequestId,
    /// What is asked for.
    pub kind: RequestKind,
    /// When it has to be answered.
    pub due: DateTime<Utc>,
    /// How close that is.
    pub urgency: Urgency,
}

/// A deadline that has come closer and of which nobody has been told.
#[derive(Debug)]
pub(in crate::assistant) struct Closer {
    tenant: TenantId,
    row: RequestRow,
    due: DateTime<Utc>,
    urgency: Urgency,
}

impl Inner {
    /// Returns every request of a tenant that waits for an answer: there are as many as people who wait.
    pub(in crate::assistant) async fn waiting_requests(
        &self,
        tenant: TenantId,
    ) -> Result<Vec<RequestRow>, AssistantError> {
        let (mut waiting, mut after) = (Vec::new(), None);
        loop {
            let (rows, next) = self.entities.open_requests(tenant, after, PAGE_MAX).await?;
            waiting.extend(rows);
            match next {
                Some(next) => after = Some(next),
                None => return Ok(waiting),
            }
        }
    }

    /// Ends the proof of a request whose code has run out; returns its deadline if it has come closer.
    pub(in crate::assistant) async fn watch(
        &self,
        tenant: TenantId,
        mut row: RequestRow,
    ) -> Result<Option<Closer>, AssistantError> {
        let (law, now) = (&self.config.law, self.clock.now());
        if let RequestState::AwaitingProof { .. } = row.clear.request.state()
            && let Some(challenge) = self.entities.challenge(tenant, row.clear.request.id()).await?
            && challenge.challenge.expires_at() <= now
        {
            row.clear.request = row.clear.request.apply(RequestEvent::FailProof, law, now)?;
            let mut batch = WriteBatch::new(tenant);
            batch.ops = self.staged(tenant, &mut row, AuditAction::RequestProofFailed, By::System).await?;
            if !self.commit_beside(batch).await? {
                // Somebody changed it this moment: the next sweep sees it as it is then.
                return Ok(None);
            }
        }
        let deadline = row.clear.request.due(law, now)?;
        let urgency = deadline.urgency(now);
        let closer = urgency > row.clear.noted;
        Ok(closer.then_some(Closer { tenant, row, due: deadline.at, urgency }))
    }

    /// Notes that a deadline has come closer, so that it is told once; `None` if the request was changed meanwhile.
    pub(in crate::assistant) async fn note_closer(&self, closer: Closer) -> Result<Option<DueRequest>, AssistantError> {
        let Closer { tenant, mut row, due, urgency } = closer;
        row.clear.noted = urgency;
        let mut batch = WriteBatch::new(tenant);
        batch.ops = self.staged(tenant, &mut row, AuditAction::RequestDue, By::System).await?;
        let (request, kind) = (row.clear.request.id(), row.clear.request.kind());
        Ok(self.commit_beside(batch).await?.then_some(DueRequest { tenant, request, kind, due, urgency }))
    }
}
