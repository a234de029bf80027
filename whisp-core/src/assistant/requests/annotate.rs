//! Notes beside what somebody wrote that it is wrong (promise P44).

use super::Requests;
use super::rectify::corrected;
use crate::assistant::AssistantError;
use crate::assistant::desk::TRIES_MAX;
use crate::assistant::stage::too_large;
use crate::audit::AuditAction;
use crate::entity::{AuditDraft, Change, MessageRow};
use crate::id::{ContactId, MessageId, RequestId};
use crate::model::{ContentKind, DeliveryStep};
use crate::privacy::{Rights, SubjectRequest};
use crate::sensitive::Sensitive;
use crate::store::{WriteBatch, WriteOp};

/// How long a note may be, in bytes.
const NOTE_MAX: usize = 4_096;

impl Requests {
    /// Notes beside a message what somebody says is right, because they asked for a correction (Art. 16 GDPR: a supplementary
    /// statement), and in their request that it is done, in one commit. The message itself is what its author said, and stays.
    /// A note replaces the one before it, which can't be read any more.
    ///
    /// The note is read with the message ([`Message::note`](crate::model::Message::note)) and goes with it: into copies, also
    /// those of whose conversation it is, and away when the message goes. Engines do not see it.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if the person did not ask for a correction, the note is empty or longer than 4,096 bytes, the
    /// message was taken back or is on its way still; [`Request`](AssistantError::Request) if it is not granted;
    /// [`NotFound`](AssistantError::NotFound), [`Denied`](AssistantError::Denied), [`Conflict`](AssistantError::Conflict); by the
    /// store and the vault.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn annotate(
        &self,
        id: RequestId,
        message: MessageId,
        note: &Sensitive,
    ) -> Result<SubjectRequest, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        if !(1..=NOTE_MAX).contains(&note.expose().trim().len()) {
            return Err(AssistantError::Invalid("give a note, of at most 4,096 bytes"));
        }
        for _ in 0..TRIES_MAX {
            let now = inner.clock.now();
            let mut row = self.row(id).await?;
            row.clear.request = corrected(&row.clear.request, &inner.config.law, now)?;
            let (mut written, contact) = self.written(message).await?;
            let settings = inner.entities.tenant(tenant).await?.tenant;
            let permit = inner.gate.permit::<Rights>(&settings, contact, now).await?;
            inner.keep_before(tenant, &written).await?;
            inner.entities.reseal(permit.grant(), tenant, &mut written, Change::Note(note.clone())).await?;
            let record = written.next()?;
            if too_large(&record) {
                return Err(AssistantError::Invalid("the message leaves no room for a note: write a shorter one"));
            }
            let event = AuditDraft::new(AuditAction::Rectified, self.desk.whom(), contact.0).to(record.kind, record.id);
            let mut batch = WriteBatch::new(tenant).op(WriteOp::Put(record));
            batch.ops.extend(inner.audit(tenant, event).await?);
            batch.ops.extend(inner.staged(tenant, &mut row, AuditAction::RequestStep, self.desk.whom()).await?);
            if inner.commit_beside(batch).await? {
                return Ok(row.clear.request);
            }
        }
        Err(AssistantError::Conflict("message"))
    }

    /// Returns a message that says something still and is not on its way, and whose conversation it is in.
    pub(super) async fn written(&self, message: MessageId) -> Result<(MessageRow, ContactId), AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let row = inner.entities.message_row(tenant, message).await?;
        let row =
            row.filter(|row| !row.record.is_past(inner.clock.now())).ok_or(AssistantError::NotFound("message"))?;
        if row.clear.kind == ContentKind::Unsent {
            return Err(AssistantError::Invalid("the message was taken back: nothing is left of it"));
        }
        if row.clear.delivery.as_ref().is_some_and(|delivery| delivery.step.rank() <= DeliveryStep::InDoubt.rank()) {
            return Err(AssistantError::Invalid("the message is on its way: wait until it is sent or given up"));
        }
        let contact = *row.record.subjects.first().ok_or(AssistantError::NotFound("contact"))?;
        Ok((row, ContactId(contact)))
    }
}
