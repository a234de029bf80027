//! Watches the requests that wait: whose time runs out, whose proof did not come, whose data must stay until then.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::assistant::{AssistantError, Inner};
use crate::audit::AuditAction;
use crate::entity::{By, RequestRow};
use crate::id::{RequestId, SubjectId, TenantId};
use crate::privacy::{RequestEvent, RequestKind, RequestState, SubjectRequest, Urgency};
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

impl Inner {
    /// Looks at every request of a tenant that waits for an answer: there are as many as people who wait. Notes each time
    /// that a deadline has come closer, once, and ends proofs whose code has run out.
    pub(in crate::assistant) async fn watch_requests(
        &self,
        tenant: TenantId,
        due: &mut Vec<DueRequest>,
    ) -> Result<(), AssistantError> {
        let mut after = None;
        loop {
            let (rows, next) = self.entities.open_requests(tenant, after, PAGE_MAX).await?;
            for row in rows {
                due.extend(self.watch(tenant, row).await?);
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Returns whose data must stay, because they wait for a copy of it.
    pub(in crate::assistant) async fn frozen_people(
        &self,
        tenant: TenantId,
    ) -> Result<BTreeSet<SubjectId>, AssistantError> {
        let (mut frozen, mut after) = (BTreeSet::new(), None);
        loop {
            let (rows, next) = self.entities.open_requests(tenant, after, PAGE_MAX).await?;
            let requests = rows.iter().map(|row| &row.clear.request);
            frozen.extend(requests.filter(|each| each.freezes_retention()).map(SubjectRequest::subject));
            match next {
                Some(next) => after = Some(next),
                None => return Ok(frozen),
            }
        }
    }

    async fn watch(&self, tenant: TenantId, mut row: RequestRow) -> Result<Option<DueRequest>, AssistantError> {
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
        if urgency <= row.clear.noted {
            return Ok(None);
        }
        row.clear.noted = urgency;
        let mut batch = WriteBatch::new(tenant);
        batch.ops = self.staged(tenant, &mut row, AuditAction::RequestDue, By::System).await?;
        let noted = DueRequest {
            tenant,
            request: row.clear.request.id(),
            kind: row.clear.request.kind(),
            due: deadline.at,
            urgency,
        };
        Ok(self.commit_beside(batch).await?.then_some(noted))
    }
}
