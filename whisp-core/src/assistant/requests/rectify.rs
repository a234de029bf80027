//! Corrects what is kept of somebody (promise P44, Art. 16 GDPR).

use chrono::{DateTime, Utc};

use super::Requests;
use crate::assistant::AssistantError;
use crate::assistant::admin::check_name;
use crate::assistant::desk::TRIES_MAX;
use crate::audit::AuditAction;
use crate::entity::AuditDraft;
use crate::id::{ContactId, MemberId};
use crate::privacy::{Law, RequestEvent, RequestKind, RequestState, Rights, StepOutcome, SubjectRequest};
use crate::sensitive::Sensitive;
use crate::store::{WriteBatch, WriteOp};

/// The step of correcting something.
const STEP: &str = "rectify";

impl Requests {
    /// Corrects the name of a contact or a member who asked for it, and notes in their request that it is done, in one commit;
    /// or that of the account holder, who is the business, in a commit before. The name before can't be read any more, not even
    /// if its bytes are put back. What a platform tells later does not overwrite it.
    ///
    /// What somebody wrote is what they said, and is not rewritten: [`annotate`](Self::annotate) it. Ids are the platform's, and
    /// are corrected there. Tell whoever was given the name
    /// ([`Assistant::recipients`](crate::assistant::Assistant::recipients); Art. 19); an engine elsewhere never is.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if the person did not ask for a correction, or the name is empty or too long;
    /// [`Request`](AssistantError::Request) if it is not granted; [`NotFound`](AssistantError::NotFound),
    /// [`Denied`](AssistantError::Denied), [`Conflict`](AssistantError::Conflict); by the store and the vault.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn rectify(&self, id: super::RequestId, name: &Sensitive) -> Result<SubjectRequest, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        check_name(name)?;
        for _ in 0..TRIES_MAX {
            let now = inner.clock.now();
            let mut row = self.row(id).await?;
            let subject = row.clear.request.subject();
            row.clear.request = corrected(&row.clear.request, &inner.config.law, now)?;
            let mut batch = WriteBatch::new(tenant);
            let settings = inner.entities.tenant(tenant).await?.tenant;
            let record = if subject == settings.account_holder {
                // It stands in the directory, so it is a commit of its own; whoever repeats the call gives the name once more.
                self.desk.assistant.rename_by(tenant, name, self.desk.whom()).await?;
                None
            } else if let Some(contact) = inner.entities.contact_row(tenant, ContactId(subject)).await? {
                let permit = inner.gate.permit::<Rights>(&settings, ContactId(subject), now).await?;
                let mut person = inner.entities.contact(permit.grant(), tenant, &contact).await?;
                person.name = Some(name.clone());
                Some(inner.entities.rectified_contact(tenant, &person, &contact).await?)
            } else if let Some(member) = inner.entities.member_row(tenant, MemberId(subject)).await? {
                Some(inner.entities.rectified_member(tenant, member, name).await?)
            } else {
                return Err(AssistantError::NotFound("person"));
            };
            if let Some(record) = record {
                let event =
                    AuditDraft::new(AuditAction::Rectified, self.desk.whom(), subject).to(record.kind, record.id);
                batch.ops.push(WriteOp::Put(record));
                batch.ops.extend(inner.audit(tenant, event).await?);
            }
            batch.ops.extend(inner.staged(tenant, &mut row, AuditAction::RequestStep, self.desk.whom()).await?);
            if inner.commit_beside(batch).await? {
                return Ok(row.clear.request);
            }
        }
        Err(AssistantError::Conflict("request"))
    }
}

/// Returns a request for a correction as it is once something was corrected. A mistake in that is corrected too, so it may
/// be done already.
pub(super) fn corrected(
    request: &SubjectRequest,
    law: &Law,
    now: DateTime<Utc>,
) -> Result<SubjectRequest, AssistantError> {
    if request.kind() != RequestKind::Rectification {
        return Err(AssistantError::Invalid("the person did not ask for a correction"));
    }
    if matches!(request.state(), RequestState::Executing { .. }) && request.steps_left().next().is_none() {
        return Ok(request.clone());
    }
    let begin = RequestEvent::Execute(vec![STEP.to_owned()]);
    let report = RequestEvent::Report { step: STEP.to_owned(), outcome: StepOutcome::Done { records: 1 } };
    Ok(request.apply(begin, law, now)?.apply(report, law, now)?)
}
