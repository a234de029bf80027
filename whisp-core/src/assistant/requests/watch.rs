//! Watches the requests that wait: whose time runs out, whose proof did not come.

use crate::assistant::due::{Closer, CloserRow};
use crate::assistant::{AssistantError, Due, DueWhat, Inner};
use crate::audit::AuditAction;
use crate::entity::{By, RequestRow};
use crate::id::TenantId;
use crate::privacy::{RequestEvent, RequestState};
use crate::store::{PAGE_MAX, WriteBatch};

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
        if urgency <= row.clear.noted {
            return Ok(None);
        }
        let what = DueWhat::Request { request: row.clear.request.id(), kind: row.clear.request.kind() };
        let due = Due { tenant, what, due: deadline.at, urgency };
        Ok(Some(Closer { due: vec![due], tenant, row: CloserRow::Request(row) }))
    }
}
