//! A copy for whoever asked for one.

use chrono::{DateTime, Utc};

use super::Requests;
use crate::assistant::{AssistantError, ExportPage};
use crate::audit::AuditAction;
use crate::id::RequestId;
use crate::privacy::{About, RequestEvent, RequestKind, RequestState};
use crate::store::SubjectCursor;

/// The step of handing a copy over.
pub(super) const STEP: &str = "copy";

impl Requests {
    /// Reads the copy that somebody asked for, a page at a time: all that was kept of them when they asked, also what has
    /// run out since and waits for them alone; for a request for portability only what they gave themselves.
    ///
    /// The first page begins it. [`answer`](Self::answer) ends it, once the person has the copy.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if nobody asked for a copy, [`Request`](AssistantError::Request) if it is not granted; as
    /// [`Assistant::export`](crate::assistant::Assistant::export).
    ///
    /// # Cancellation
    /// Begun or not; repeat it.
    pub async fn copy(&self, id: RequestId, after: Option<SubjectCursor>) -> Result<ExportPage, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let (about, as_of, portable) = self.begin_copy(id).await?;
        let permit = inner.permit_rights(tenant, &about, Some(as_of), self.desk.member).await?;
        let mut page = inner.export(permit.grant(), tenant, after).await?;
        if portable {
            page.entries.retain(crate::assistant::Exported::is_portable);
        }
        Ok(page)
    }

    /// Begins the copy of a request, if it has not begun. Returns whom it is about, when they asked, and whether they take it
    /// elsewhere.
    pub(in crate::assistant) async fn begin_copy(
        &self,
        id: RequestId,
    ) -> Result<(About, DateTime<Utc>, bool), AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let request = self.get(id).await?;
        let portable = match request.kind() {
            RequestKind::Access => false,
            RequestKind::Portability => true,
            _ => return Err(AssistantError::Invalid("the person did not ask for a copy of their data")),
        };
        if !matches!(request.state(), RequestState::Executing { .. }) {
            let begin = RequestEvent::Execute(vec![STEP.to_owned()]);
            self.change(id, AuditAction::RequestBegun, |request| {
                request.apply(begin.clone(), &inner.config.law, inner.clock.now())
            })
            .await?;
        }
        let subject = request.subject();
        let kind = inner.kind_of(tenant, subject).await?.ok_or(AssistantError::NotFound("person"))?;
        Ok((About { subject, kind, channel: None }, request.received_at(), portable))
    }
}
