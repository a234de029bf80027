//! What members do: read, answer, take over, hand back, resolve. What engines propose is in `suggestions`, the queue in
//! `letters`, who may do what in `access`.

use crate::assistant::lane::says_something;
use crate::assistant::{Assistant, AssistantError, Inner};
use crate::audit::{AuditAction, Outcome};
use crate::channel::OutboundBody;
use crate::entity::{AuditDraft, By, ConversationRow, Outgoing, SuggestionRow};
use crate::id::{ContactId, ConversationId, FactId, MemberId, MessageId, SuggestionId, TenantId};
use crate::kpi::{Actor, Fact, FactKind};
use crate::model::{
    Author, Contact, Conversation, DeliveryStep, HandOffReason, Handling, Inquiry, Message, Resolution,
    SuggestionState, Tenant,
};
use crate::privacy::{AccessAction, Permit, ServiceProvision};
use crate::store::{Commit, Cursor, Kind, ListOrder, ListQuery, WriteBatch, WriteOp};

/// How often a change is tried again when somebody else changed the conversation meanwhile.
pub(super) const TRIES_MAX: usize = 8;

/// A tenant's desk. Without [`by`](Desk::by) the host sits at it, which may do everything.
#[derive(Debug, Clone)]
pub struct Desk {
    pub(super) assistant: Assistant,
    pub(super) tenant: TenantId,
    pub(super) member: Option<MemberId>,
}

/// A page of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboxPage {
    /// Conversations, the one with the latest activity first.
    pub conversations: Vec<Conversation>,
    /// After what to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl Assistant {
    /// Returns the desk of a tenant: the host's, until it is told [who sits there](Desk::by). That they are who they say is
    /// the host's to check.
    #[must_use]
    pub fn desk(&self, tenant: TenantId) -> Desk {
        Desk { assistant: self.clone(), tenant, member: None }
    }
}

impl Desk {
    /// Returns the desk of one member. Everything that they do is asked of the
    /// [`AccessPolicy`](crate::privacy::AccessPolicy) before, and is theirs in the [audit log](crate::audit), in messages and
    /// in facts.
    #[must_use]
    pub fn by(&self, member: MemberId) -> Self {
        Self { member: Some(member), ..self.clone() }
    }

    /// Lists conversations by their last activity, the latest first. A page holds fewer, or none, where a member may not see
    /// them all.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`] for somebody who is not of the team; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn inbox(&self, after: Option<Cursor>, limit: usize) -> Result<InboxPage, AssistantError> {
        let query = ListQuery {
            tenant: self.tenant,
            kind: Kind::CONVERSATION,
            parent: self.tenant.into(),
            order: ListOrder::Descending,
            after,
            limit,
        };
        let page = self.assistant.inner.entities.store.list(&query).await?;
        let rows = page.records.into_iter().map(ConversationRow::read).collect::<Result<_, _>>()?;
        Ok(InboxPage { conversations: self.visible(rows).await?, next: page.next })
    }

    /// Returns a conversation.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden); by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn conversation(&self, id: ConversationId) -> Result<Conversation, AssistantError> {
        let conversation = self.assistant.inner.entities.conversation(self.tenant, id).await?.conversation;
        self.may_in(AccessAction::Read, &conversation).await?;
        Ok(conversation)
    }

    /// Returns the inquiry that is open in a conversation, or the last one; `None` if there was none yet.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden); by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn inquiry(&self, id: ConversationId) -> Result<Option<Inquiry>, AssistantError> {
        let inquiry = self.conversation(id).await?.inquiry;
        Ok(self.assistant.inner.entities.inquiry(self.tenant, inquiry).await?.map(|row| row.inquiry))
    }

    /// Returns who a contact is.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden), [`Denied`](AssistantError::Denied); by the
    /// store and the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn contact(&self, id: ContactId) -> Result<Contact, AssistantError> {
        let entities = &self.assistant.inner.entities;
        self.may_about(AccessAction::Read, &id.into()).await?;
        let row = entities.contact_row(self.tenant, id).await?.ok_or(AssistantError::NotFound("contact"))?;
        let (permit, _) = self.permit_reading(id).await?;
        entities.contact(permit.grant(), self.tenant, &row).await
    }

    /// Returns which other contacts a person is: whoever changed their number, and wrote from the new one before the platform
    /// told, was taken for somebody new. What is erased or held of one is of all; a copy is of one, so hand out those of all.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn known_as(&self, id: ContactId) -> Result<Vec<ContactId>, AssistantError> {
        self.may_about(AccessAction::Read, &id.into()).await?;
        let others = self.assistant.inner.entities.others(self.tenant, id.0).await?;
        Ok(others.into_iter().map(ContactId).collect())
    }

    /// Returns the last messages of a conversation, newest first, and after what to go on.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden), [`Denied`](AssistantError::Denied); by the
    /// store and the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn messages(
        &self,
        id: ConversationId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<Message>, Option<Cursor>), AssistantError> {
        let entities = &self.assistant.inner.entities;
        let contact = self.conversation(id).await?.contact;
        let (permit, _) = self.permit_reading(contact).await?;
        let (rows, next) = entities.last_messages(self.tenant, id, after, limit).await?;
        let mut messages = Vec::with_capacity(rows.len());
        let now = permit.grant().granted_at();
        for row in rows.iter().filter(|row| !row.record.is_past(now)) {
            messages.push(entities.message(permit.grant(), self.tenant, row).await?.0);
        }
        Ok((messages, next))
    }

    /// Sends what whoever sits here wrote, and makes the engines silent in this conversation until it is handed back. A
    /// reaction or a read mark says nothing: it leaves the engines as they are.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden),
    /// [`Invalid`](AssistantError::Invalid) when the text is longer than the channel takes or too many messages wait already,
    /// [`Conflict`](AssistantError::Conflict); by the store and the vault.
    ///
    /// # Cancellation
    /// It is in the outbox or not: look before repeating it.
    pub async fn send(&self, id: ConversationId, body: OutboundBody) -> Result<MessageId, AssistantError> {
        let takes_over = says_something(body.content().kind());
        self.write(id, self.written(body), takes_over, None).await
    }

    /// Sends what whoever sits here wrote in answer to one message, which the contact sees quoted above it; otherwise as
    /// [`send`](Desk::send).
    ///
    /// # Errors
    /// As [`send`](Desk::send); [`AssistantError::NotFound`] also where the message is not of this conversation,
    /// [`Invalid`](AssistantError::Invalid) also where the channel quotes nothing or the platform never told an id of that
    /// message, [`Denied`](AssistantError::Denied) where the contact's data may not be read.
    ///
    /// # Cancellation
    /// It is in the outbox or not: look before repeating it.
    pub async fn reply(
        &self,
        id: ConversationId,
        to: MessageId,
        body: OutboundBody,
    ) -> Result<MessageId, AssistantError> {
        let inner = &self.assistant.inner;
        let Conversation { contact, channel, .. } = self.answering(id).await?;
        if !inner.channels.get(&channel).is_some_and(|channel| channel.capabilities().replies) {
            return Err(AssistantError::Invalid("the channel quotes no messages: send it without"));
        }
        let row = inner.entities.message_row(self.tenant, to).await?;
        let row = row.filter(|row| row.conversation() == Some(id) && !row.record.is_past(inner.clock.now()));
        let row = row.ok_or(AssistantError::NotFound("message"))?;
        let (permit, _) = self.permit_reading(contact).await?;
        let (quoted, _) = inner.entities.message(permit.grant(), self.tenant, &row).await?;
        let reply_to = quoted.platform_id.ok_or(AssistantError::Invalid("the platform told no id of that message"))?;
        self.write(id, Outgoing { reply_to: Some(reply_to), ..self.written(body) }, true, None).await
    }

    /// Takes a conversation over: engines are silent in it until it is handed back. An automatic reply that is on its
    /// way is stopped, unless its bytes have left.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden), [`Conflict`](AssistantError::Conflict); by the
    /// store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn take_over(&self, id: ConversationId) -> Result<(), AssistantError> {
        let (now, member) = (self.assistant.now(), self.member);
        self.change(id, AuditAction::TakenOver, |row, ops| {
            let before = row.conversation.engine_handles();
            row.conversation.handling = Handling::Member { member, reason: HandOffReason::Assigned, since: now };
            if before {
                ops.push((FactKind::HandedOff, Actor::Member(member)));
            }
        })
        .await
    }

    /// Gives a conversation back to the engines, from the contact's next message on.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden), [`Conflict`](AssistantError::Conflict); by the
    /// store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn hand_back(&self, id: ConversationId) -> Result<(), AssistantError> {
        self.change(id, AuditAction::HandedBack, |row, ops| {
            if !row.conversation.engine_handles() {
                row.conversation.handling = Handling::Engine;
                ops.push((FactKind::HandedBack, Actor::Member(self.member)));
            }
        })
        .await
    }

    /// Ends the open inquiry, and gives the conversation back to the engines.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], also when no inquiry is open; [`Forbidden`](AssistantError::Forbidden),
    /// [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn resolve(&self, id: ConversationId) -> Result<(), AssistantError> {
        let inner = &self.assistant.inner;
        for _ in 0..TRIES_MAX {
            let now = inner.clock.now();
            let mut row = inner.entities.conversation(self.tenant, id).await?;
            self.may_in(AccessAction::Handle, &row.conversation).await?;
            let inquiry = inner.entities.inquiry(self.tenant, row.conversation.inquiry).await?;
            let mut inquiry =
                inquiry.filter(|row| row.inquiry.resolved.is_none()).ok_or(AssistantError::NotFound("open inquiry"))?;
            inquiry.inquiry.resolved = Some((now, Resolution::Closed));
            let before = std::mem::replace(&mut row.conversation.handling, Handling::Engine);
            let fact = inner.fact(&row.conversation, FactKind::InquiryResolved, Actor::Member(self.member));
            let mut batch = WriteBatch::new(self.tenant)
                .op(WriteOp::Put(row.stage()?))
                .op(WriteOp::Put(inquiry.stage()?))
                .op(WriteOp::Append(fact));
            if before != Handling::Engine {
                batch.ops.extend(self.audited(&row.conversation, AuditAction::HandedBack).await?);
            }
            if inner.commit_beside(batch).await? {
                return Ok(());
            }
        }
        Err(AssistantError::Conflict("conversation"))
    }

    /// Returns a conversation in which whoever sits here may write.
    pub(super) async fn answering(&self, id: ConversationId) -> Result<Conversation, AssistantError> {
        let conversation = self.assistant.inner.entities.conversation(self.tenant, id).await?.conversation;
        self.may_in(AccessAction::Answer, &conversation).await?;
        Ok(conversation)
    }

    /// Lets a contact's data be read by whoever sits here, if they may.
    pub(super) async fn permit(
        &self,
        contact: ContactId,
    ) -> Result<(Permit<ServiceProvision>, Tenant), AssistantError> {
        self.may_about(AccessAction::Read, &contact.into()).await?;
        self.permit_reading(contact).await
    }

    /// Lets a contact's data be read by whoever sits here, who may. That they read it is logged before.
    pub(super) async fn permit_reading(
        &self,
        contact: ContactId,
    ) -> Result<(Permit<ServiceProvision>, Tenant), AssistantError> {
        let inner = &self.assistant.inner;
        let tenant = inner.entities.tenant(self.tenant).await?.tenant;
        let permit = inner.gate.permit(&tenant, contact, inner.clock.now()).await;
        let outcome = if permit.is_ok() { Outcome::Done } else { Outcome::Denied };
        inner.audit_view(self.tenant, self.member, (AuditAction::ContentRead, contact.0, outcome)).await?;
        Ok((permit?, tenant))
    }

    /// Makes a message of what whoever sits here wrote.
    pub(super) fn written(&self, body: OutboundBody) -> Outgoing {
        self.assistant.inner.outgoing(Author::Member { member: self.member }, body)
    }

    /// Puts a member's message into the outbox.
    pub(super) async fn write(
        &self,
        id: ConversationId,
        mut out: Outgoing,
        takes_over: bool,
        used: Option<SuggestionRow>,
    ) -> Result<MessageId, AssistantError> {
        let inner = &self.assistant.inner;
        let now = inner.clock.now();
        for _ in 0..TRIES_MAX {
            let mut row = inner.entities.conversation(self.tenant, id).await?;
            self.may_in(AccessAction::Answer, &row.conversation).await?;
            out.inquiry = row.conversation.inquiry;
            let mut batch = WriteBatch::new(self.tenant);
            if takes_over {
                self.cancel_automatic(&mut row, &mut batch).await?;
            }
            inner.put_out(self.tenant, &mut row, &out, &mut batch).await?;
            if takes_over {
                if row.conversation.engine_handles() {
                    let fact = self.fact(&row.conversation, FactKind::HandedOff, Actor::Member(self.member)).await?;
                    batch.ops.push(WriteOp::Append(fact));
                    batch.ops.extend(self.audited(&row.conversation, AuditAction::TakenOver).await?);
                }
                row.conversation.handling =
                    Handling::Member { member: self.member, reason: HandOffReason::MemberWrote, since: now };
                batch.ops.extend(inner.overtaken_suggestions(self.tenant, id, now).await?);
            }
            if let Some(used) = &used {
                batch.ops.extend(self.decided(row.conversation.contact, used, Outcome::Done).await?);
                batch.ops.push(WriteOp::Put(used.clone().next(SuggestionState::Used)?));
            }
            batch.ops.push(WriteOp::Put(row.stage()?));
            let _closed = inner.gate.close(self.tenant, takes_over.then_some(row.conversation.contact.0));
            if inner.commit_beside(batch).await? {
                return Ok(out.id);
            }
            if let Some(used) = &used {
                // Somebody else may have used it: a suggestion can be used once.
                self.open_suggestion(id, SuggestionId::from_uuid(used.record.id.as_uuid())).await?;
            }
        }
        Err(AssistantError::Conflict("conversation"))
    }

    /// Changes who has a conversation, with facts, and says so in the audit log.
    async fn change(
        &self,
        id: ConversationId,
        action: AuditAction,
        change: impl Fn(&mut ConversationRow, &mut Vec<(FactKind, Actor)>) + Send + Sync,
    ) -> Result<(), AssistantError> {
        let inner = &self.assistant.inner;
        for _ in 0..TRIES_MAX {
            let mut row = inner.entities.conversation(self.tenant, id).await?;
            self.may_in(AccessAction::Handle, &row.conversation).await?;
            let mut facts = Vec::new();
            let before = row.conversation.handling.clone();
            change(&mut row, &mut facts);
            let mut batch = WriteBatch::new(self.tenant);
            if !row.conversation.engine_handles() {
                self.cancel_automatic(&mut row, &mut batch).await?;
            }
            for (kind, actor) in facts {
                batch.ops.push(WriteOp::Append(self.fact(&row.conversation, kind, actor).await?));
            }
            if row.conversation.handling != before {
                batch.ops.extend(self.audited(&row.conversation, action).await?);
            }
            batch.ops.push(WriteOp::Put(row.stage()?));
            let _closed = inner.gate.close(self.tenant, [row.conversation.contact.0]);
            if inner.commit_beside(batch).await? {
                return Ok(());
            }
        }
        Err(AssistantError::Conflict("conversation"))
    }

    /// Cancels the engines' replies that wait in the outbox: a person has the conversation now.
    async fn cancel_automatic(&self, row: &mut ConversationRow, batch: &mut WriteBatch) -> Result<(), AssistantError> {
        let inner = &self.assistant.inner;
        let mut inquiry = inner.entities.inquiry(self.tenant, row.conversation.inquiry).await?;
        let mut kept = Vec::new();
        for id in std::mem::take(&mut row.conversation.outbox) {
            let message = inner.entities.message_row(self.tenant, id).await?;
            let waits = message.filter(|message| {
                let step = message.clear.delivery.as_ref().map(|delivery| delivery.step);
                matches!(message.clear.author, Author::Engine { .. }) && step == Some(DeliveryStep::Queued)
            });
            match waits {
                Some(mut message) => {
                    if let Some(delivery) = &mut message.clear.delivery {
                        delivery.advance(DeliveryStep::Cancelled, inner.clock.now(), None);
                    }
                    if let Some(mut inquiry) = inquiry.take_if(|inquiry| inquiry.disclosed_by(&message)) {
                        // It does not go out, so the next automatic answer says that it is one.
                        inquiry.inquiry.disclosed_at = None;
                        batch.ops.push(WriteOp::Put(inquiry.stage()?));
                    }
                    batch.ops.push(WriteOp::Put(message.next()?));
                }
                None => kept.push(id),
            }
        }
        row.conversation.outbox = kept;
        Ok(())
    }

    pub(super) async fn commit(&self, batch: WriteBatch) -> Result<(), AssistantError> {
        match self.assistant.inner.entities.store.commit(batch).await? {
            Commit::Done => Ok(()),
            Commit::Refused(_) => Err(AssistantError::Conflict("record")),
        }
    }

    /// Returns who sits at the desk, as far as it was said.
    pub(super) fn whom(&self) -> By {
        self.member.map_or(By::Host, |member| By::Member(Some(member)))
    }

    /// Stages what is done here with a conversation for the audit log.
    async fn audited(&self, conversation: &Conversation, action: AuditAction) -> Result<Vec<WriteOp>, AssistantError> {
        let draft =
            AuditDraft::new(action, self.whom(), conversation.contact.0).to(Kind::CONVERSATION, conversation.id);
        self.assistant.inner.audit(self.tenant, draft).await
    }

    /// Makes a fact about the inquiry that is open, of this moment: what is done after one has ended is no part of it.
    async fn fact(&self, conversation: &Conversation, kind: FactKind, actor: Actor) -> Result<Fact, AssistantError> {
        let inner = &self.assistant.inner;
        let inquiry = inner.entities.inquiry(self.tenant, conversation.inquiry).await?;
        let open = inquiry.filter(|row| row.inquiry.resolved.is_none()).map(|row| row.inquiry.id);
        Ok(Fact { inquiry: open, ..inner.fact(conversation, kind, actor) })
    }
}

impl Inner {
    /// Makes a fact about the inquiry of a conversation, of this moment.
    pub(super) fn fact(&self, conversation: &Conversation, kind: FactKind, actor: Actor) -> Fact {
        let at = self.clock.now();
        Fact {
            id: FactId::from_uuid(self.ids.time_ordered(at)),
            at,
            kind,
            actor,
            connection: conversation.connection,
            conversation: conversation.id,
            inquiry: conversation.inquiry,
        }
    }
}
