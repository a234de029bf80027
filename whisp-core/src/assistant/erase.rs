//! Erases a person: first the key, so that everything is unreadable at once, then every record. It is written down before
//! it begins and after each step, so that whoever comes after a crash goes on and tells the same.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::future::{OptionFuture, join};
use serde::{Deserialize, Serialize};

use crate::assistant::contact_book::BookEntry;
use crate::assistant::identity::fence;
use crate::assistant::stage::{CLOCK_SKEW, LATE_MAX};
use crate::assistant::{
    Assistant, AssistantError, ErasedElsewhere, ErasureReceipt, Inner, SweepReport, WithheldRecords,
};
use crate::audit::AuditAction;
use crate::entity::{AuditDraft, By, Entities, Former, Holder, from_clear, position, to_clear};
use crate::id::{ContactId, MemberId, RecordId, RequestId, SubjectId, TenantId};
use crate::privacy::ProcessorId;
use crate::store::{
    Commit, Kind, ListOrder, ListQuery, PAGE_MAX, Record, StoreError, SubjectCursor, SubjectPage, SubjectQuery,
    WriteBatch, WriteOp,
};
use crate::vault::KeyErasure;

#[cfg(doc)]
use crate::store::ErasableStore;

/// How many records one commit deletes. Whoever else writes waits for it, about 50 ms where these are spread over a file.
const CHUNK_MAX: usize = 1_000;

/// How often somebody else may get in between before the call gives up.
const TRIES_MAX: usize = 64;

/// An erasure under way. Its id is the person's: there is one at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErasureClear {
    /// The id that the receipt will have.
    receipt: RecordId,
    pub(super) started_at: DateTime<Utc>,
    /// How many records of each kind are gone so far.
    deleted: BTreeMap<String, u64>,
    /// The requests of the person that it fulfils.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requests: Vec<RequestId>,
    /// What is under a hold, once that is kept apart; until then nothing may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withheld: Option<Vec<WithheldRecords>>,
    /// What the host's own stores have done so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    elsewhere: Vec<ErasedElsewhere>,
    /// Until when processors keep what they were given, as far as the notes of it are gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    processors: BTreeMap<ProcessorId, DateTime<Utc>>,
    /// The entry in the platform's contact book, if it keeps one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) book: Option<BookEntry>,
}

impl ErasureClear {
    /// Takes down what a record was that goes.
    fn count(&mut self, record: &Record, now: DateTime<Utc>) -> Result<(), StoreError> {
        if record.kind == Kind::DISCLOSURE {
            let disclosure = Entities::disclosure(record)?;
            if !disclosure.is_told(now) {
                return Ok(());
            }
            if let Some(until) = disclosure.retained_until.filter(|until| *until > now) {
                let kept = self.processors.entry(disclosure.processor).or_insert(until);
                *kept = until.max(*kept);
            }
        }
        *self.deleted.entry(record.kind.name().to_owned()).or_default() += 1;
        Ok(())
    }
}

impl Assistant {
    /// Erases a contact: destroys the key, deletes every file and every record that names the person, and has the host's
    /// [own stores](ErasableStore) do the same. Facts, which name nobody, stay; and so, for nine days, do keyed marks of the
    /// person's ids, so that what a platform delivers late brings nobody back. A person who writes again is a new one, with nothing that leads back.
    ///
    /// Whoever changed their number and wrote before that was told may be [two contacts](crate::assistant::Desk::known_as): both
    /// erasures begin, and the other one is ended first, with a receipt of its own.
    ///
    /// What is under a [hold](crate::assistant::Holds) is kept apart before, and the receipt says so.
    ///
    /// Last of all the platform is asked to delete the person from the contact book that it keeps for the business, where it
    /// keeps one ([`Capabilities::contact_book`](crate::channel::Capabilities::contact_book)). Where it can't be reached it is
    /// asked again for three days. Where it did not do it, or this assistant was built without the channel, the receipt says
    /// that the entry [remains](ErasureReceipt::remaining).
    ///
    /// It is written down first. What a crash or an error cuts short is gone on with by the next call, or by the next
    /// [`sweep`](Self::sweep).
    ///
    /// # Errors
    /// By the stores and the vault. What was erased by then stays erased. [`AssistantError::Channel`] where only the platform's
    /// answer is wanting: everything of ours is gone, and the sweeps go on asking.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn erase(&self, tenant: TenantId, contact: ContactId) -> Result<ErasureReceipt, AssistantError> {
        self.inner.erase_person(tenant, contact.0, By::Host, (None, Vec::new())).await
    }
}

impl Inner {
    /// Erases somebody as all the contacts that they are, and commits what becomes of the request that this fulfils with the
    /// beginning.
    pub(super) async fn erase_person(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        by: By,
        beside: (Option<RequestId>, Vec<WriteOp>),
    ) -> Result<ErasureReceipt, AssistantError> {
        let receipt = self.begin(tenant, subject, by, beside).await?;
        self.erase_begun(tenant, subject, receipt, by).await
    }

    /// Erases somebody, and commits what becomes of the request that this fulfils, or of what else it follows from, with the
    /// beginning.
    pub(super) async fn erase(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        by: By,
        beside: (Option<RequestId>, Vec<WriteOp>),
    ) -> Result<ErasureReceipt, AssistantError> {
        let receipt = self.begin(tenant, subject, by, beside).await?;
        self.go_on_erasing(tenant, subject, receipt).await
    }

    /// Ends an erasure that has begun, and those of the other contacts that the person is.
    async fn erase_begun(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        receipt: RecordId,
        by: By,
    ) -> Result<ErasureReceipt, AssistantError> {
        let others = self.entities.others(tenant, subject).await?;
        if !others.is_empty() {
            self.spread_holds(tenant, &[others.as_slice(), &[subject]].concat()).await?;
        }
        // All have begun before anything goes: that they are one person goes with the first of them.
        let mut begun = Vec::with_capacity(others.len());
        for other in others {
            begun.push((other, self.begin(tenant, other, by, (None, Vec::new())).await?));
        }
        for (other, receipt) in begun {
            match self.go_on_erasing(tenant, other, receipt).await {
                // The sweeps go on asking the platform.
                Ok(_) | Err(AssistantError::Channel(..)) => {}
                Err(error) => return Err(error),
            }
        }
        self.go_on_erasing(tenant, subject, receipt).await
    }

    /// Begins an erasure, or finds the one that is under way; returns the id that its receipt will have.
    async fn begin(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        by: By,
        mut beside: (Option<RequestId>, Vec<WriteOp>),
    ) -> Result<RecordId, AssistantError> {
        // What it follows from was decided by what was read before: it is not tried again.
        let tries = if beside.1.is_empty() { TRIES_MAX } else { 1 };
        for _ in 0..tries {
            if let Some(receipt) = self.begin_erasure(tenant, subject, by, std::mem::take(&mut beside)).await? {
                return Ok(receipt);
            }
        }
        Err(AssistantError::Conflict("erasure"))
    }

    /// Writes down that an erasure begins, unless one is under way. Returns the id that its receipt will have; `None` if somebody
    /// else began or ended it this moment.
    async fn begin_erasure(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        by: By,
        (request, beside): (Option<RequestId>, Vec<WriteOp>),
    ) -> Result<Option<RecordId>, AssistantError> {
        let under_way = self.entities.record(tenant, Kind::ERASURE, subject.into()).await?;
        let now = self.clock.now();
        let mut batch = WriteBatch::new(tenant);
        let asked = !beside.is_empty();
        let (mut record, mut state): (_, ErasureClear) = match under_way {
            Some(record) => {
                let state: ErasureClear = from_clear(&record)?;
                if !asked {
                    return Ok(Some(state.receipt));
                }
                (Record { version: record.version + 1, ..record }, state)
            }
            None => {
                let mut record = Record::new(Kind::ERASURE, subject.into());
                record.parent = Some(tenant.into());
                record.position = position(now);
                batch.ops.extend(self.audit(tenant, AuditDraft::new(AuditAction::ErasureBegun, by, subject)).await?);
                let receipt = self.record_id();
                let (book, sealed) = self.book_entry(tenant, subject).await?.unzip();
                record.sealed = sealed.unwrap_or_default();
                (
                    record,
                    ErasureClear {
                        receipt,
                        started_at: now,
                        deleted: BTreeMap::new(),
                        requests: Vec::new(),
                        withheld: None,
                        elsewhere: Vec::new(),
                        processors: BTreeMap::new(),
                        book,
                    },
                )
            }
        };
        if let Some(mut row) = self.entities.member_row(tenant, MemberId(subject)).await?
            && row.clear.left_at.is_none()
        {
            // From here on they may do nothing any more.
            row.clear.left_at = Some(now);
            batch.ops.push(WriteOp::Put(row.next()?));
        }
        state.requests.extend(request);
        batch.ops.extend(beside);
        record.clear = to_clear(&state)?;
        batch.ops.push(WriteOp::Put(record));
        Ok(match self.entities.store.commit(batch).await? {
            Commit::Done => Some(state.receipt),
            Commit::Refused(_) => None,
        })
    }

    /// Goes on with an erasure that was cut short, or waits. Where somebody else has ended it meanwhile nothing is begun anew.
    pub(super) async fn resume_erasure(
        &self,
        tenant: TenantId,
        subject: SubjectId,
    ) -> Result<ErasureReceipt, AssistantError> {
        let record = self.entities.record(tenant, Kind::ERASURE, subject.into()).await?;
        let state: ErasureClear = from_clear(&record.ok_or(AssistantError::Conflict("request"))?)?;
        self.erase_begun(tenant, subject, state.receipt, By::System).await
    }

    /// Goes on with the erasures of a tenant that were cut short, or that wait for a platform. Trouble with one keeps no other
    /// from its end.
    pub(super) async fn resume_erasures(
        &self,
        tenant: TenantId,
        report: &mut SweepReport,
    ) -> Result<(), AssistantError> {
        let mut trouble = None;
        let mut query = ListQuery {
            tenant,
            kind: Kind::ERASURE,
            parent: tenant.into(),
            order: ListOrder::Ascending,
            after: None,
            limit: PAGE_MAX,
        };
        loop {
            let page = self.entities.store.list(&query).await?;
            for record in &page.records {
                let subject = SubjectId::from_uuid(record.id.as_uuid());
                let ended = match from_clear(record) {
                    Ok(ErasureClear { receipt, .. }) => self.erase_begun(tenant, subject, receipt, By::System).await,
                    Err(damaged) => Err(damaged.into()),
                };
                match ended {
                    Ok(_) => report.erasures += 1,
                    Err(AssistantError::Channel(..)) => report.waiting += 1,
                    Err(error) => trouble = trouble.or(Some(error)),
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return trouble.map_or(Ok(()), Err),
            }
        }
    }

    /// Keeps apart what is under a hold, once, before the key is gone.
    async fn withhold(&self, tenant: TenantId, subject: SubjectId) -> Result<(), AssistantError> {
        for _ in 0..TRIES_MAX {
            let Some(mut record) = self.entities.record(tenant, Kind::ERASURE, subject.into()).await? else {
                return Ok(());
            };
            let mut state: ErasureClear = from_clear(&record)?;
            if state.withheld.is_some() {
                return Ok(());
            }
            let withheld = self.carve(tenant, subject).await?;
            if withheld.is_empty() {
                return Ok(());
            }
            state.withheld = Some(withheld);
            record.version += 1;
            record.clear = to_clear(&state)?;
            if self.commit_beside(WriteBatch::new(tenant).op(WriteOp::Put(record))).await? {
                return Ok(());
            }
        }
        Err(AssistantError::Conflict("erasure"))
    }

    /// Returns up to when, by the platform's clock, what somebody wrote goes with their erasure, if one is under way.
    pub(super) async fn erased_at(
        &self,
        tenant: TenantId,
        contact: ContactId,
    ) -> Result<Option<DateTime<Utc>>, AssistantError> {
        let record = self.entities.record(tenant, Kind::ERASURE, contact.into()).await?;
        let state: Option<ErasureClear> = record.as_ref().map(from_clear).transpose()?;
        Ok(state.map(|state| state.started_at - CLOCK_SKEW))
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

    async fn go_on_erasing(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        receipt: RecordId,
    ) -> Result<ErasureReceipt, AssistantError> {
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
