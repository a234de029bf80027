//! After an older copy of the data store was put back.

use crate::assistant::desk::TRIES_MAX;
use crate::assistant::erased::ErasureReceipt;
use crate::assistant::{Assistant, AssistantError, Inner};
use crate::audit::{AuditAction, AuditDetail};
use crate::entity::{AuditDraft, By, ConversationRow};
use crate::id::{ConversationId, SubjectId, TenantId};
use crate::kpi::{Actor, FactKind};
use crate::model::{DeliveryStep, HandOffReason, Handling};
use crate::store::{Cursor, Kind, ListOrder, ListQuery, PAGE_MAX, WriteBatch, WriteOp};

/// A part of what [`Assistant::recover`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Recovery {
    /// The receipts of those whom the copy had brought back.
    pub erased: Vec<ErasureReceipt>,
    /// Messages that were stopped: whether they went out since the copy was made, nobody knows.
    pub stopped: usize,
    /// After what to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl Assistant {
    /// Makes an older copy of the data store safe to work with, beside keys that are newer than it. Call it for each tenant
    /// before anything else runs on the copy, and again with [`Recovery::next`] until that is `None`. Nothing tells the
    /// assistant that a copy was put back: it is the host who does.
    ///
    /// A copy knows nothing of what came after it. That can't be had back; what it must not lead to is done here:
    ///
    /// | in the copy | what became of it since | what is done |
    /// |---|---|---|
    /// | people | were erased: the keys know it, and nobody can read them | they are erased once more, with a receipt |
    /// | what people allowed | was perhaps taken back | nothing automatic goes out until the host turns it on again |
    /// | by which keys people are found | were replaced, and are destroyed | they are found by new ones |
    /// | messages that wait to be sent | went out, perhaps | they stay unsent, and a person looks at their conversations |
    ///
    /// Turn automation on again ([`set_automation`](Self::set_automation)) once it is known what people took back since the
    /// copy was made: whoever is not sure asks anew, with a later notice. A copy of the keys that is older too brings back
    /// whom it opens, until the [horizon](Self::erasure_horizon) of their erasure: put the newest keys beside any copy.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] for the tenant, [`Conflict`](AssistantError::Conflict), also while something else works on
    /// the copy; by the stores and the vault; as [`erase`](Self::erase).
    ///
    /// # Cancellation
    /// What was done stays done; repeat the call.
    pub async fn recover(
        &self,
        tenant: TenantId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Recovery, AssistantError> {
        let inner = &self.inner;
        let mut recovery = Recovery::default();
        if after.is_none() {
            if inner.entities.tenant(tenant).await?.tenant.automation {
                self.set_automation(tenant, false).await?;
            }
            inner.replace_lost_keys(&inner.entities.tenant(tenant).await?.tenant).await?;
            for member in self.desk(tenant).team().rows().await? {
                let subject = SubjectId::from_uuid(member.record.id.as_uuid());
                recovery.erased.extend(inner.erase_again(tenant, subject).await?);
            }
        }
        let limit = limit.clamp(1, PAGE_MAX);
        let order = ListOrder::Ascending;
        let query = ListQuery { tenant, kind: Kind::CONVERSATION, parent: tenant.into(), order, after, limit };
        let page = inner.entities.store.list(&query).await?;
        let settings = inner.entities.tenant(tenant).await?.tenant;
        let keys = inner.all_handle_keys(&settings).await?;
        for record in page.records {
            let conversation = ConversationRow::read(record)?.conversation;
            match inner.erase_again(tenant, conversation.contact.0).await? {
                Some(receipt) => recovery.erased.push(receipt),
                None => {
                    inner.find_again(&settings, &keys, &conversation).await?;
                    recovery.stopped += inner.stop_sends(tenant, conversation.id).await?;
                }
            }
        }
        recovery.next = page.next;
        Ok(recovery)
    }
}

impl Inner {
    /// Erases somebody whose key is gone, though their records are there.
    async fn erase_again(
        &self,
        tenant: TenantId,
        subject: SubjectId,
    ) -> Result<Option<ErasureReceipt>, AssistantError> {
        if !self.entities.is_erased(tenant, subject).await? {
            return Ok(None);
        }
        self.erase(tenant, subject, By::System, (None, Vec::new())).await.map(Some)
    }

    /// Takes what waits from the outbox of a conversation, and gives it to a person. Returns how much that was.
    async fn stop_sends(&self, tenant: TenantId, id: ConversationId) -> Result<usize, AssistantError> {
        for _ in 0..TRIES_MAX {
            let now = self.clock.now();
            let mut row = self.entities.conversation(tenant, id).await?;
            let waiting = std::mem::take(&mut row.conversation.outbox);
            if waiting.is_empty() {
                return Ok(0);
            }
            let mut batch = WriteBatch::new(tenant);
            for message in &waiting {
                let Some(mut message) = self.entities.message_row(tenant, *message).await? else { continue };
                if let Some(delivery) = &mut message.clear.delivery {
                    delivery.advance(DeliveryStep::Cancelled, now, None);
                }
                batch.ops.push(WriteOp::Put(message.next()?));
            }
            if row.conversation.engine_handles() {
                let reason = HandOffReason::InDoubt;
                batch.ops.push(WriteOp::Append(self.fact(&row.conversation, FactKind::HandedOff, Actor::System)));
                row.conversation.handling = Handling::Member { member: None, reason, since: now };
                let event = AuditDraft::new(AuditAction::HandedOff, By::System, row.conversation.contact.0)
                    .to(Kind::CONVERSATION, id)
                    .detail(AuditDetail::HandOff { reason });
                batch.ops.extend(self.audit(tenant, event).await?);
            }
            batch.ops.push(WriteOp::Put(row.stage()?));
            if self.commit_beside(batch).await? {
                return Ok(waiting.len());
            }
        }
        Err(AssistantError::Conflict("conversation"))
    }
}
