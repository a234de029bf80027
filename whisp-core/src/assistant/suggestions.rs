//! What engines propose, and what members make of it.

use chrono::{DateTime, Utc};

use crate::Sensitive;
use crate::assistant::ask::question;
use crate::assistant::{AssistantError, Desk, Inner};
use crate::audit::{AuditAction, Outcome};
use crate::channel::{Choice, OutboundBody};
use crate::entity::{AuditDraft, SuggestionRow};
use crate::id::{ContactId, ConversationId, MessageId, SuggestionId, TenantId};
use crate::model::{ChannelKind, Content, Conversation, Suggestion, SuggestionState};
use crate::store::{Kind, ListOrder, ListQuery, WriteBatch, WriteOp};

/// How many suggestions of a conversation are looked through for those that wait.
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
        for row in self.assistant.inner.open_suggestions(self.tenant, id).await? {
            open.push(self.assistant.inner.entities.suggestion(permit.grant(), self.tenant, &row).await?);
        }
        Ok(open)
    }

    /// Sends a suggestion, as it is or with another text. The conversation stays with whoever has it. A question goes out as
    /// an engine's own does: with buttons, as a list or by number.
    ///
    /// One that [decides](Suggestion::decides) something significant is approved by a member who is named
    /// ([`by`](Self::by)), and the audit log says who; so it is with [`reject`](Self::reject).
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] when it was used, rejected or overtaken already; [`Invalid`](AssistantError::Invalid)
    /// where nobody is named who decides, or a question with its choices fits into no message of the channel; else as
    /// [`send`](Self::send).
    ///
    /// # Cancellation
    /// As [`send`](Self::send); a suggestion can be used once.
    pub async fn approve(
        &self,
        id: ConversationId,
        suggestion: SuggestionId,
        text: Option<&str>,
    ) -> Result<MessageId, AssistantError> {
        let Conversation { contact, channel, .. } = self.answering(id).await?;
        let row = self.open_suggestion(id, suggestion).await?;
        self.may_decide(&row)?;
        let (permit, _) = self.permit_reading(contact).await?;
        let proposed = self.assistant.inner.entities.suggestion(permit.grant(), self.tenant, &row).await?;
        let body = match (text, proposed.content) {
            (Some(text), _) => OutboundBody::text(text),
            (None, Content::Interactive { text, choices }) => self.asking(&channel, text, choices)?,
            (None, content) => {
                OutboundBody::text(content.readable().ok_or(AssistantError::Invalid("nothing to send"))?)
            }
        };
        self.write(id, self.written(body), false, Some(row)).await
    }

    /// Shapes a question as an engine's own would be: an answer by number is told from how many by which shape it had. What
    /// opens a list is said in the language of the question.
    fn asking(
        &self,
        channel: &ChannelKind,
        text: Sensitive,
        choices: Vec<(Sensitive, Sensitive)>,
    ) -> Result<OutboundBody, AssistantError> {
        let inner = &self.assistant.inner;
        let choices: Vec<Choice> =
            choices.into_iter().map(|(id, title)| Choice { id, title, description: None }).collect();
        let Some(channel) = inner.channels.get(channel) else {
            return Ok(OutboundBody::Buttons { text, buttons: choices });
        };
        let (can, sample) = (channel.capabilities(), text.expose());
        question(sample, choices, &can, &inner.config.texts.choose, sample).ok_or(AssistantError::Invalid(
            "the question and its choices fit into no message of the channel: send another text instead",
        ))
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

    pub(super) async fn open_suggestion(
        &self,
        id: ConversationId,
        suggestion: SuggestionId,
    ) -> Result<SuggestionRow, AssistantError> {
        let open = self.assistant.inner.open_suggestions(self.tenant, id).await?;
        open.into_iter()
            .find(|row| row.record.id == suggestion.into())
            .ok_or(AssistantError::NotFound("open suggestion"))
    }
}

impl Inner {
    /// Returns the suggestions of a conversation that wait for a member, oldest first.
    async fn open_suggestions(
        &self,
        tenant: TenantId,
        conversation: ConversationId,
    ) -> Result<Vec<SuggestionRow>, AssistantError> {
        let query = ListQuery {
            tenant,
            kind: Kind::SUGGESTION,
            parent: conversation.into(),
            order: ListOrder::Descending,
            after: None,
            limit: SUGGESTIONS_MAX,
        };
        let page = self.entities.store.list(&query).await?;
        let mut open = Vec::new();
        let now = self.clock.now();
        for record in page.records.into_iter().rev().filter(|record| !record.is_past(now)) {
            let row = SuggestionRow::read(record)?;
            if row.clear.state == SuggestionState::Open {
                open.push(row);
            }
        }
        Ok(open)
    }

    /// Stages that the suggestions of a conversation that wait for a member are overtaken, as far as they are from before a
    /// time: a member has answered by themselves then, and the contact is not to be answered twice.
    pub(super) async fn overtaken_suggestions(
        &self,
        tenant: TenantId,
        conversation: ConversationId,
        until: DateTime<Utc>,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let open = self.open_suggestions(tenant, conversation).await?;
        let overtaken = open.into_iter().filter(|row| row.clear.at <= until);
        overtaken.map(|row| Ok(WriteOp::Put(row.next(SuggestionState::Stale)?))).collect()
    }
}
