//! What those ask whom others wrote about.

use super::Requests;
use crate::assistant::AssistantError;
use crate::assistant::desk::TRIES_MAX;
use crate::audit::AuditAction;
use crate::entity::AuditDraft;
use crate::id::{MessageId, RequestId, SubjectId};
use crate::privacy::{RequestEvent, RequestKind, RequestState, SubjectRequest};
use crate::store::{WriteBatch, WriteOp};

/// The step of taking out what somebody wrote.
pub(super) const STEP: &str = "redact";

impl Requests {
    /// Takes down what somebody asks who is nobody to the business, but was written about: a copy, a correction, an erasure, a
    /// complaint. Their request is kept under an id of its own, with nothing of who they are; the time for the answer runs as
    /// for everybody.
    ///
    /// Who they are, and in which messages they are named, is for people to find out: tell the proof with
    /// [`RequestEvent::Prove`], [`annotate`](Self::annotate) or [`redact`](Self::redact) the messages, and
    /// [`answer`](Self::answer). What else others wrote is not theirs to have: a copy tells them what is said about them, in
    /// words (Art. 15(4) GDPR).
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] for the other kinds of requests: nothing is done with what others wrote about somebody that
    /// they could end for themselves alone; [`Forbidden`](AssistantError::Forbidden), [`Request`](AssistantError::Request) if
    /// none of the profiles says how soon it is due; by the store.
    ///
    /// # Cancellation
    /// Taken down or not: look before repeating it.
    pub async fn take_in_of_mentioned(&self, kind: RequestKind) -> Result<SubjectRequest, AssistantError> {
        self.may().await?;
        if !matches!(
            kind,
            RequestKind::Access | RequestKind::Rectification | RequestKind::Erasure | RequestKind::Complaint
        ) {
            return Err(AssistantError::Invalid("what others wrote about somebody is not used about them"));
        }
        let subject = SubjectId::from_uuid(self.desk.assistant.inner.ids.random());
        self.receive(subject, kind).await
    }

    /// Takes out what a message says, because of whom it is about, who asked to be erased: its content and its files are gone
    /// for good, its place stays, as if its author had taken it back. What a legal hold is on is kept under the hold. Repeat it
    /// for each message, then [`answer`](Self::answer) with how many there were.
    ///
    /// It stays on the platform, and with whoever was sent it. Of whom the business knows everything is erased at once, with
    /// [`erase`](Self::erase).
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if the request is not such a one, the message was taken back or is on its way still;
    /// [`Request`](AssistantError::Request) if it is not granted; [`NotFound`](AssistantError::NotFound),
    /// [`Conflict`](AssistantError::Conflict); by the stores and the vault.
    ///
    /// # Cancellation
    /// As an error: its files may be gone before its content; repeat the call.
    pub async fn redact(&self, id: RequestId, message: MessageId) -> Result<SubjectRequest, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        for _ in 0..TRIES_MAX {
            let mut row = self.row(id).await?;
            let request = &row.clear.request;
            let known = inner.kind_of(tenant, request.subject()).await?.is_some();
            if request.kind() != RequestKind::Erasure || known {
                return Err(AssistantError::Invalid("nobody asked to be erased from what others wrote"));
            }
            let begun = matches!(request.state(), RequestState::Executing { .. });
            if begun && !request.steps_left().any(|step| step.name == STEP) {
                return Err(AssistantError::Invalid("the request is done"));
            }
            let mut batch = WriteBatch::new(tenant);
            if !begun {
                let begin = RequestEvent::Execute(vec![STEP.to_owned()]);
                row.clear.request = request.apply(begin, &inner.config.law, inner.clock.now())?;
                batch.ops = inner.staged(tenant, &mut row, AuditAction::RequestBegun, self.desk.whom()).await?;
            }
            let (mut written, contact) = self.written(message).await?;
            inner.keep_before(tenant, &written).await?;
            written.unsend();
            batch.ops.extend(inner.forget_files(tenant, message).await?);
            let record = written.next()?;
            let event = AuditDraft::new(AuditAction::Redacted, self.desk.whom(), contact.0).to(record.kind, record.id);
            batch.ops.push(WriteOp::Put(record));
            batch.ops.extend(inner.audit(tenant, event).await?);
            if inner.commit_beside(batch).await? {
                return Ok(row.clear.request);
            }
        }
        Err(AssistantError::Conflict("message"))
    }
}
