//! The queue as members see it: what waits, what could not be done, and what is done again because somebody says so.

use chrono::TimeDelta;

use crate::assistant::desk::TRIES_MAX;
use crate::assistant::task::{Task, bucket_of};
use crate::assistant::{AssistantError, Desk};
use crate::entity::{ConversationRow, LetterRow, MessageRow};
use crate::id::{ConversationId, DeadLetterId, MessageId, WorkId};
use crate::model::{Author, Conversation, DeadLetter, DeliveryStep, DiscardReason, LetterState, Waiting};
use crate::privacy::AccessAction;
use crate::store::{Bucket, Clear, Cursor, Kind, ListOrder, ListQuery, PendingQuery, WorkItem, WorkKey};
use crate::store::{WriteBatch, WriteOp};

/// How far ahead the queue is shown.
const AHEAD_MAX: TimeDelta = TimeDelta::days(3_650);

/// A page of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueuePage {
    /// Pieces of work, bucket by bucket, in each the one that is due first.
    pub waiting: Vec<Waiting>,
    /// After what to go on; `None` at the end.
    pub next: Option<WorkKey>,
}

impl Desk {
    /// Lists the work that waits, also what is due later. It shows the queue as it is at each page: what is done meanwhile is gone.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden); by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn queue(&self, after: Option<WorkKey>, limit: usize) -> Result<QueuePage, AssistantError> {
        self.may(AccessAction::Queue).await?;
        let entities = &self.assistant.inner.entities;
        let buckets = entities.tenant(self.tenant).await?.tenant.buckets.max(1);
        let due_by = self.assistant.now() + AHEAD_MAX;
        let mut page = QueuePage { waiting: Vec::new(), next: after };
        for bucket in after.map_or(0, |key| key.bucket.0)..buckets {
            let left = limit.saturating_sub(page.waiting.len());
            if left == 0 {
                return Ok(page);
            }
            let query = PendingQuery {
                tenant: self.tenant,
                bucket: Bucket(bucket),
                due_by,
                after: page.next.filter(|key| key.bucket.0 == bucket),
                limit: left,
            };
            for item in entities.store.pending(&query).await? {
                page.next = Some(item.key);
                let task = Task::read(&item).ok();
                page.waiting.push(Waiting {
                    conversation: ConversationId::from_uuid(item.lane.as_uuid()),
                    what: task.as_ref().map(|task| task.word().to_owned()),
                    message: task.as_ref().and_then(Task::message),
                    due: item.key.due,
                    attempts: item.attempts,
                });
            }
        }
        if page.waiting.len() < limit {
            page.next = None;
        }
        Ok(page)
    }

    /// Lists the dead letters, the latest first, and after what to go on: also those that were retried or discarded, until
    /// their time is over.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn dead_letters(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<DeadLetter>, Option<Cursor>), AssistantError> {
        self.may(AccessAction::Queue).await?;
        let query = ListQuery {
            tenant: self.tenant,
            kind: Kind::DEAD_LETTER,
            parent: self.tenant.into(),
            order: ListOrder::Descending,
            after,
            limit,
        };
        let page = self.assistant.inner.entities.store.list(&query).await?;
        let letters = page
            .records
            .into_iter()
            .map(|record| Ok(LetterRow::read(record)?.letter()))
            .collect::<Result<_, AssistantError>>()?;
        Ok((letters, page.next))
    }

    /// Returns a dead letter.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden); by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn dead_letter(&self, id: DeadLetterId) -> Result<DeadLetter, AssistantError> {
        self.may(AccessAction::Queue).await?;
        Ok(self.letter_row(id).await?.letter())
    }

    /// Puts the work of a dead letter back, whole or not at all, and only once. A message that was to be sent goes to the
    /// end of its conversation's outbox; it is whoever's sits here from now on, as if they had written it, because they
    /// decide that it goes.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] when there is no such letter, when it was retried or discarded already, or when its
    /// conversation is gone; [`Invalid`](AssistantError::Invalid) when its message has gone out since, or too many wait in
    /// the conversation; [`Forbidden`](AssistantError::Forbidden), [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call: it is refused if it was done.
    pub async fn retry(&self, id: DeadLetterId) -> Result<(), AssistantError> {
        self.may(AccessAction::Queue).await?;
        let inner = &self.assistant.inner;
        for _ in 0..TRIES_MAX {
            let now = inner.clock.now();
            let letter = self.open_letter(id).await?;
            let conversation = letter.clear.conversation;
            let mut row = inner.entities.conversation(self.tenant, conversation).await?;
            let mut batch = WriteBatch::new(self.tenant);
            match letter.task() {
                Some(Task::Send { .. }) => {
                    let message = letter.clear.message.ok_or(AssistantError::NotFound("message"))?;
                    self.put_back(&mut row, message, &mut batch).await?;
                }
                _ => {
                    let payload = Clear(match &letter.clear.task {
                        // It could not be read, by that version of ours.
                        serde_json::Value::String(payload) => payload.clone(),
                        task => task.to_string(),
                    });
                    let bucket = self.bucket(conversation).await?;
                    let key = WorkKey { bucket, due: now, id: WorkId::from_uuid(inner.ids.time_ordered(now)) };
                    batch.ops.push(WriteOp::Enqueue(WorkItem { key, lane: conversation.into(), attempts: 0, payload }));
                }
            }
            batch.ops.push(WriteOp::Put(letter.next(LetterState::Retried { by: self.member, at: now })?));
            if inner.commit_beside(batch).await? {
                return Ok(());
            }
        }
        Err(AssistantError::Conflict("dead letter"))
    }

    /// Notes that the work of a dead letter will not be done, who decided so and why.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] when there is no such letter, or when it was retried or discarded already;
    /// [`Forbidden`](AssistantError::Forbidden), [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call: it is refused if it was done.
    pub async fn discard(&self, id: DeadLetterId, why: DiscardReason) -> Result<(), AssistantError> {
        self.may(AccessAction::Queue).await?;
        let at = self.assistant.now();
        let letter = self.open_letter(id).await?.next(LetterState::Discarded { by: self.member, at, why })?;
        self.commit(WriteBatch::new(self.tenant).op(WriteOp::Put(letter))).await
    }

    /// Sends a message again that is in doubt or has failed. Nothing else ever does: who calls this has looked at the
    /// conversation, and takes it upon them that the contact may get the message twice. It is theirs from now on. A
    /// receipt that comes before the new call settles the doubt, and nothing is sent.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] when there is no such message in the conversation; [`Invalid`](AssistantError::Invalid)
    /// when it is neither in doubt nor failed, or too many wait already; [`Forbidden`](AssistantError::Forbidden),
    /// [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call: it is refused if it was done.
    pub async fn resend(&self, conversation: ConversationId, message: MessageId) -> Result<(), AssistantError> {
        for _ in 0..TRIES_MAX {
            let mut row = self.assistant.inner.entities.conversation(self.tenant, conversation).await?;
            self.may_in(AccessAction::Answer, &row.conversation).await?;
            let mut batch = WriteBatch::new(self.tenant);
            self.put_back(&mut row, message, &mut batch).await?;
            if self.assistant.inner.commit_beside(batch).await? {
                return Ok(());
            }
        }
        Err(AssistantError::Conflict("conversation"))
    }

    async fn letter_row(&self, id: DeadLetterId) -> Result<LetterRow, AssistantError> {
        let record = self.assistant.inner.entities.record(self.tenant, Kind::DEAD_LETTER, id.into()).await?;
        Ok(LetterRow::read(record.ok_or(AssistantError::NotFound("dead letter"))?)?)
    }

    async fn open_letter(&self, id: DeadLetterId) -> Result<LetterRow, AssistantError> {
        let row = self.letter_row(id).await?;
        if row.clear.state == LetterState::Open { Ok(row) } else { Err(AssistantError::NotFound("open dead letter")) }
    }

    /// Puts a message that was not sent, or perhaps not, back into the outbox.
    async fn put_back(
        &self,
        row: &mut ConversationRow,
        message: MessageId,
        batch: &mut WriteBatch,
    ) -> Result<(), AssistantError> {
        let inner = &self.assistant.inner;
        let now = inner.clock.now();
        let conversation = row.conversation.id;
        let found = inner.entities.message_row(self.tenant, message).await?;
        let mut message: MessageRow = found
            .filter(|message| message.conversation() == Some(conversation))
            .ok_or(AssistantError::NotFound("message"))?;
        let delivery = message
            .clear
            .delivery
            .as_mut()
            .filter(|delivery| matches!(delivery.step, DeliveryStep::InDoubt | DeliveryStep::Failed))
            .ok_or(AssistantError::Invalid("only a message that is in doubt or has failed can be sent again"))?;
        delivery.step = DeliveryStep::Queued;
        delivery.at = now;
        delivery.failure = None;
        message.clear.author = Author::Member { member: self.member };
        let id = message.id();
        // One in doubt may still stand where nothing overtakes it.
        if !row.conversation.outbox.contains(&id) {
            if row.conversation.outbox.len() >= Conversation::OUTBOX_MAX {
                return Err(AssistantError::Invalid("too many messages wait to be sent in this conversation"));
            }
            row.conversation.outbox.push(id);
        }
        let work = WorkId::from_uuid(inner.ids.time_ordered(now));
        let send = Task::send(&row.conversation).item(self.bucket(conversation).await?, conversation, now, work, 0)?;
        batch.ops.push(WriteOp::Enqueue(send));
        batch.ops.push(WriteOp::Put(message.next()?));
        batch.ops.push(WriteOp::Put(row.stage()?));
        Ok(())
    }

    async fn bucket(&self, conversation: ConversationId) -> Result<Bucket, AssistantError> {
        let buckets = self.assistant.inner.entities.tenant(self.tenant).await?.tenant.buckets;
        Ok(bucket_of(conversation, buckets))
    }
}
