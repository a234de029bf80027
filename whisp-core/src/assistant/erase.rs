//! Erases a person: first the key, so that everything is unreadable at once, then every record. It is written down before
//! it begins and after each step, so that whoever comes after a crash goes on and tells the same.

mod steps;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::assistant::contact_book::BookEntry;
use crate::assistant::stage::CLOCK_SKEW;
use crate::assistant::{
    Assistant, AssistantError, ErasedElsewhere, ErasureReceipt, Inner, SweepReport, WithheldRecords,
};
use crate::audit::AuditAction;
use crate::entity::{AuditDraft, By, Entities, from_clear, position, to_clear};
use crate::id::{ContactId, MemberId, RecordId, RequestId, SubjectId, TenantId};
use crate::privacy::ProcessorId;
use crate::store::{Commit, Kind, ListOrder, ListQuery, PAGE_MAX, Record, StoreError, WriteBatch, WriteOp};

#[cfg(doc)]
use crate::store::ErasableStore;

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
    fn begin(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        by: By,
        mut beside: (Option<RequestId>, Vec<WriteOp>),
    ) -> BoxFuture<'_, Result<RecordId, AssistantError>> {
        Box::pin(async move {
            // What it follows from was decided by what was read before: it is not tried again.
            let tries = if beside.1.is_empty() { TRIES_MAX } else { 1 };
            for _ in 0..tries {
                if let Some(receipt) = self.begin_erasure(tenant, subject, by, std::mem::take(&mut beside)).await? {
                    return Ok(receipt);
                }
            }
            Err(AssistantError::Conflict("erasure"))
        })
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
}
