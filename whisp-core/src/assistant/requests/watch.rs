//! Watches the requests that wait: whose time runs out, whose proof did not come.

use crate::assistant::due::{Closer, CloserRow};
use crate::assistant::{AssistantError, Due, DueWhat, Inner};
use crate::audit::AuditAction;
use crate::entity::{By, RequestRow};
use crate::id::TenantId;
use crate::privacy::{RequestEvent, RequestState, Urgency};
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

    /// Ends the proof of a request whose code has run out; returns which of its dates have come closer: that of the answer
    /// and, until the person was told that it arrived, that of telling them so.
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
        let asked = &row.clear.request;
        let (request, kind) = (asked.id(), asked.kind());
        let answer = (DueWhat::Request { request, kind }, asked.due(law, now)?, row.clear.noted);
        let acknowledge = asked.acknowledge_due(law)?.filter(|_| asked.acknowledged_at().is_none());
        let acknowledge = acknowledge.map(|deadline| {
            let noted = row.clear.acknowledgement_noted.unwrap_or(Urgency::Calm);
            (DueWhat::Acknowledgement { request, kind }, deadline, noted)
        });
        let closer = [Some(answer), acknowledge].into_iter().flatten().filter_map(|(what, deadline, noted)| {
            let urgency = deadline.urgency(now);
            (urgency > noted).then_some(Due { tenant, what, due: deadline.at, urgency })
        });
        let due: Vec<Due> = closer.collect();
        Ok((!due.is_empty()).then_some(Closer { due, tenant, row: CloserRow::Request(row) }))
    }
}
