//! What engines propose, and what members make of it.

use crate::assistant::{AssistantError, Desk};
use crate::audit::{AuditAction, Outcome};
use crate::channel::{Choice, OutboundBody};
use crate::entity::{AuditDraft, SuggestionRow};
use crate::id::{ContactId, ConversationId, MessageId, SuggestionId};
use crate::model::{Content, Suggestion, SuggestionState};
use crate::store::{Kind, ListOrder, ListQuery, WriteBatch, WriteOp};

/// How many open suggestions of a conversation are looked through when it goes on without them.
const SUGGESTIONS_MAX: usize = 50;

impl Desk {
    /// Returns the suggestions of a conversation that wait for a member, oldest first.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden), [`Denied`](AssistantError::Denied); by the
    /// store and the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn suggestions(&self, id: ConversationId) -> Result<Vec<Suggestion>, AssistantError> {
        let contact = self.conversation(id).await?.contact;
        let (permit, _) = self.permit_reading(contact).await?;
        let mut open = Vec::new();
        for row in self.open_suggestions(id).await? {
            open.push(self.assistant.inner.entities.suggestion(permit.grant(), self.tenant, &row).await?);
        }
        Ok(open)
    }

    /// Sends a suggestion, as it is or with another text. The conversation stays with whoever has it.
    ///
    /// One that [decides](Suggestion::decides) something significant is approved by a member who is named
    /// ([`by`](Self::by)), and the audit log says who; so it is with [`reject`](Self::reject).
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] when it was used, rejected or overtaken already; [`Invalid`](AssistantError::Invalid)
    /// where nobody is named who decides; else as [`send`](Self::send).
    ///
    /// # Cancellation
    /// As [`send`](Self::send); a suggestion can be used once.
    pub async fn approve(
        &self,
        id: ConversationId,
        suggestion: SuggestionId,
        text: Option<&str>,
    ) -> Result<MessageId, AssistantError> {
        let contact = self.answering(id).await?.contact;
        let row = self.open_suggestion(id, suggestion).await?;
        self.may_decide(&row)?;
        let (permit, _) = self.permit_reading(contact).await?;
        let proposed = self.assistant.inner.entities.suggestion(permit.grant(), self.tenant, &row).await?;
        let body = match (text, proposed.content) {
            (Some(text), _) => OutboundBody::text(text),
            (None, Content::Interactive { text, choices }) => {
                let choice = |(id, title)| Choice { id, title, description: None };
                OutboundBody::Buttons { text, buttons: choices.into_iter().map(choice).collect() }
            }
            (None, content) => {
                OutboundBody::text(content.readable().ok_or(AssistantError::Invalid("nothing to send"))?)
            }
        };
        self.write(id, self.written(body), false, Some(row)).await
    }

    /// Turns a suggestion down.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden), [`Conflict`](AssistantError::Conflict),
    /// [`Invalid`](AssistantError::Invalid) where nobody is named who decides; by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn reject(&self, id: ConversationId, suggestion: SuggestionId) -> Result<(), AssistantError> {
        let contact = self.answering(id).await?.contact;
        let row = self.open_suggestion(id, suggestion).await?;
        self.may_decide(&row)?;
        let mut batch = WriteBatch::new(self.tenant);
        batch.ops = self.decided(contact, &row, Outcome::Denied).await?;
        batch.ops.push(WriteOp::Put(row.next(SuggestionState::Rejected)?));
        self.commit(batch).await
    }

    /// Checks that a person stands behind what is decided about another one.
    fn may_decide(&self, row: &SuggestionRow) -> Result<(), AssistantError> {
        if row.clear.decides && self.member.is_none() {
            return Err(AssistantError::Invalid(
                "this decides something significant about the contact: name the member who decides, with `Desk::by`",
            ));
        }
        Ok(())
    }

    /// Stages who decided it, where something significant was.
    pub(super) async fn decided(
        &self,
        contact: ContactId,
        row: &SuggestionRow,
        outcome: Outcome,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        if !row.clear.decides {
            return Ok(Vec::new());
        }
        let event = AuditDraft::new(AuditAction::Decided, self.whom(), contact.0).to(Kind::SUGGESTION, row.record.id);
        self.assistant.inner.audit(self.tenant, event.outcome(outcome)).await
    }

    pub(super) async fn open_suggestions(&self, id: ConversationId) -> Result<Vec<SuggestionRow>, AssistantError> {
        let query = ListQuery {
            tenant: self.tenant,
            kind: Kind::SUGGESTION,
            parent: id.into(),
            order: ListOrder::Descending,
            after: None,
            limit: SUGGESTIONS_MAX,
        };
        let page = self.assistant.inner.entities.store.list(&query).await?;
        let mut open = Vec::new();
        let now = self.assistant.now();
        for record in page.records.into_iter().rev().filter(|record| !record.is_past(now)) {
            let row = SuggestionRow::read(record)?;
            if row.clear.state == SuggestionState::Open {
                open.push(row);
            }
        }
        Ok(open)
    }

    pub(super) async fn open_suggestion(
        &self,
        id: ConversationId,
        suggestion: SuggestionId,
    ) -> Result<SuggestionRow, AssistantError> {
        let open = self.open_suggestions(id).await?;
        open.into_iter()
            .find(|row| row.record.id == suggestion.into())
            .ok_or(AssistantError::NotFound("open suggestion"))
    }
}
