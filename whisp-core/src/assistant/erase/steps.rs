//! The steps of an erasure, each written down: the key, the records, what is elsewhere, the receipt.

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, OptionFuture, join};

use super::{ErasureClear, TRIES_MAX};
use crate::assistant::contact_book::BookEntry;
use crate::assistant::identity::fence;
use crate::assistant::stage::{CLOCK_SKEW, LATE_MAX};
use crate::assistant::{AssistantError, ErasedElsewhere, ErasureReceipt, Inner};
use crate::audit::AuditAction;
use crate::entity::{AuditDraft, By, Entities, Former, Holder, from_clear, position, to_clear};
use crate::id::{MemberId, RecordId, SubjectId, TenantId};
use crate::store::{Commit, Kind, Record, StoreError, SubjectCursor, SubjectPage, SubjectQuery, WriteBatch, WriteOp};
use crate::vault::KeyErasure;

/// How many records one commit deletes. Whoever else writes waits for it, about 50 ms where these are spread over a file.
const CHUNK_MAX: usize = 1_000;

impl Inner {
    /// Goes on with an erasure from wherever it is, to its end.
    pub(super) fn go_on_erasing(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        receipt: RecordId,
    ) -> BoxFuture<'_, Result<ErasureReceipt, AssistantError>> {
        Box::pin(async move {
            self.withhold(tenant, subject).await?;
            let key_destroyed_at = {
                let _closed = self.gate.close(tenant, [subject]);
                match self.entities.vault.erase(tenant, subject, self.clock.now()).await? {
                    KeyErasure::Destroyed(at) => Some(at),
                    KeyErasure::Absent => None,
                }
            };
            let (mut refused, mut ahead): (_, Option<SubjectPage>) = (0, None);
            while refused < TRIES_MAX {
                let Some(mut record) = self.entities.record(tenant, Kind::ERASURE, subject.into()).await? else {
                    // Somebody else has ended it meanwhile.
                    let there = self.entities.record(tenant, Kind::RECEIPT, receipt).await?;
                    return Ok(from_clear(&there.ok_or(AssistantError::NotFound("receipt"))?)?);
                };
                let mut state: ErasureClear = from_clear(&record)?;
                // In the end from the beginning: what was deleted is gone, what was written meanwhile is found.
                let SubjectPage { records: found, next } = match ahead.take().filter(|page| !page.records.is_empty()) {
                    Some(page) => page,
                    None => self.left_of(tenant, subject, None).await?,
                };
                if found.is_empty() {
                    if self.erase_elsewhere(tenant, subject, &mut state).await?
                        || self.ask_to_forget(tenant, &mut record, &mut state).await?
                    {
                        record.version += 1;
                        record.clear = to_clear(&state)?;
                        let noted = self.commit_beside(WriteBatch::new(tenant).op(WriteOp::Put(record))).await?;
                        refused += usize::from(!noted);
                        continue;
                    }
                    match self.end_erasure(tenant, subject, &record, state, key_destroyed_at).await? {
                        Some(receipt) => return Ok(receipt),
                        None => refused += 1,
                    }
                    continue;
                }
                if found.iter().any(|record| record.kind == Kind::MEMBER) {
                    self.leave_conversations(tenant, MemberId(subject)).await?;
                }
                self.delete_files(tenant, &found).await?;
                let batch = self.deletion(tenant, record, state, &found).await?;
                // The next ones are read while these go.
                let following = OptionFuture::from(next.map(|next| self.left_of(tenant, subject, Some(next))));
                let (gone, following) = join(self.commit_beside(batch), following).await;
                // Refused: one of them was changed this moment, and is found again in its new version.
                if gone? { ahead = following.transpose()? } else { refused += 1 }
            }
            Err(AssistantError::Conflict("erasure"))
        })
    }

    /// Stages the end of a record of somebody who is erased. Of a handle it stays, for as long as webhooks may come late,
    /// that whoever had it is gone.
    async fn gone(
        &self,
        tenant: TenantId,
        record: &Record,
        beside: &[Record],
        started_at: DateTime<Utc>,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let delete = WriteOp::Delete(record.kind, record.id, record.version);
        let expires_at = Some(started_at + LATE_MAX);
        Ok(match record.kind {
            Kind::ALIAS => {
                let Holder { since, .. } = from_clear(record)?;
                let before = self.entities.former(tenant, record.id).await?;
                let version = before.map_or(1, |(_, version)| version + 1);
                let fence = fence(since, started_at - CLOCK_SKEW, before.map(|(former, _)| former));
                vec![delete, WriteOp::Put(Entities::put_former(record.id, &fence, version, expires_at)?)]
            }
            // They have it again: it is fenced off with that.
            Kind::FORMER_ALIAS if beside.iter().any(|other| (other.kind, other.id) == (Kind::ALIAS, record.id)) => {
                Vec::new()
            }
            Kind::FORMER_ALIAS => {
                let Former { since, until, .. } = from_clear(record)?;
                let fence = fence(since, until, None);
                let version = record.version + 1;
                vec![WriteOp::Put(Entities::put_former(record.id, &fence, version, record.expires_at)?)]
            }
            _ => vec![delete],
        })
    }

    /// Erases from the next of the host's own stores that has not done its part; returns whether there was one.
    async fn erase_elsewhere(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        state: &mut ErasureClear,
    ) -> Result<bool, AssistantError> {
        let mut trouble = None;
        for store in &self.erasable {
            if state.elsewhere.iter().any(|done| done.store == store.name()) {
                continue;
            }
            match store.erase(tenant, subject).await {
                Ok(erased) => {
                    state.elsewhere.push(ErasedElsewhere { store: store.name().to_owned(), erased });
                    return Ok(true);
                }
                // The others do theirs all the same.
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        trouble.map_or(Ok(false), |error| Err(error.into()))
    }

    /// Reads what is left of somebody, a page of it.
    async fn left_of(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        after: Option<SubjectCursor>,
    ) -> Result<SubjectPage, StoreError> {
        self.entities.store.of_subject(&SubjectQuery { tenant, subject, after, limit: CHUNK_MAX }).await
    }

    /// Stages the end of some records. How many there were is written with it, so that a crash counts none twice.
    async fn deletion(
        &self,
        tenant: TenantId,
        mut erasure: Record,
        mut state: ErasureClear,
        found: &[Record],
    ) -> Result<WriteBatch, AssistantError> {
        let now = self.clock.now();
        let mut batch = WriteBatch::new(tenant);
        for record in found {
            state.count(record, now)?;
            batch.ops.extend(self.gone(tenant, record, found, state.started_at).await?);
        }
        erasure.version += 1;
        erasure.clear = to_clear(&state)?;
        batch.ops.push(WriteOp::Put(erasure));
        Ok(batch)
    }

    /// Ends an erasure of which nothing is left to do, with its receipt; `None` if somebody else was faster.
    async fn end_erasure(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        record: &Record,
        state: ErasureClear,
        key_destroyed_at: Option<DateTime<Utc>>,
    ) -> Result<Option<ErasureReceipt>, AssistantError> {
        let event = self.record_id();
        let horizon = match key_destroyed_at {
            Some(at) => Some(self.horizon_of(tenant, at).await?),
            None => None,
        };
        let mut remaining =
            vec!["the messages in the person's and the business's own inbox on the platform".to_owned()];
        let mut book_entry_deleted_at = None;
        match state.book {
            Some(BookEntry::Deleted(at)) => book_entry_deleted_at = Some(at),
            Some(BookEntry::Remains(channel) | BookEntry::Ask { channel, .. }) => remaining
                .push(format!("the person's entry in the business's contact book on {channel}, if there is one")),
            None => {}
        }
        let receipt = ErasureReceipt {
            id: state.receipt,
            key_destroyed_at,
            horizon,
            deleted: state.deleted.into_iter().collect(),
            completed_at: self.clock.now(),
            elsewhere: state.elsewhere,
            processors: state.processors,
            withheld: state.withheld.unwrap_or_default(),
            book_entry_deleted_at,
            remaining,
            audit: Some(event),
            horizon_now: None,
            proof: None,
        };
        let draft = AuditDraft::new(AuditAction::ErasureDone, By::Host, subject)
            .to(Kind::RECEIPT, receipt.id)
            .commits_to(receipt.commitment()?);
        let mut written = Record::new(Kind::RECEIPT, receipt.id);
        written.parent = Some(tenant.into());
        written.position = position(receipt.completed_at);
        written.clear = to_clear(&receipt)?;
        let mut end = WriteBatch::new(tenant).op(WriteOp::Put(written)).op(WriteOp::Delete(
            Kind::ERASURE,
            record.id,
            record.version,
        ));
        end.ops.extend(self.audit_as(tenant, event, draft).await?);
        for request in state.requests {
            end.ops.extend(self.erasure_ended(tenant, request, &receipt).await?);
        }
        Ok((self.entities.store.commit(end).await? == Commit::Done).then_some(receipt))
    }
}
