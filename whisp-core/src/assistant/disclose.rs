//! What of a person went to whom: written down before it leaves, and told to the person.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::assistant::lane::LaneRun;
use crate::assistant::{Assistant, AssistantError, Desk, Inner};
use crate::clock::Clock;
use crate::entity::{ConnectionRow, Entities, TenantRow};
use crate::id::{ContactId, IdSource, RecordId, SubjectId, TenantId};
use crate::privacy::{About, AccessAction, AutomatedReplies, Disclosure, Gate, Recipient, Rights};
use crate::reply::{DisclosureLog, Egress};
use crate::store::{Commit, Cursor, Expect, Lease, PAGE_MAX, WriteBatch, WriteOp};

/// What went to others about somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DisclosurePage {
    /// What, the latest first.
    pub disclosures: Vec<Disclosure>,
    /// After what to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// Writes down what leaves for an engine outside, one record a call, in a commit of its own before the call: a call that
/// fails, is dropped or outlives this process has left its record.
#[derive(Debug)]
struct LaneLog {
    entities: Entities,
    gate: Arc<Gate>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    lease: Lease,
    tenant: Arc<TenantRow>,
    contact: ContactId,
    /// The conversation is as it was read, so that nothing is written about somebody who was erased meanwhile; and so is the
    /// connection, so that nothing leaves of an account that was disconnected.
    unchanged: [Expect; 2],
    keep: TimeDelta,
}

#[async_trait]
impl DisclosureLog for LaneLog {
    async fn note(&self, disclosure: &Disclosure) -> Result<(), AssistantError> {
        let now = self.clock.now();
        // The engine before may have taken long, and another process may have heard the person say no meanwhile.
        self.gate.permit::<AutomatedReplies>(&self.tenant.tenant, self.contact, now).await?;
        let id = RecordId::from_uuid(self.ids.time_ordered(now));
        let record = Entities::new_disclosure(id, self.contact.0, disclosure, self.keep)?;
        let owner = Expect::Owner { bucket: self.lease.bucket, fence: self.lease.fence, at: now };
        let mut batch = WriteBatch::new(self.lease.tenant).expect(owner).op(WriteOp::Put(record));
        batch.expects.extend(self.unchanged.clone());
        match self.entities.store.commit(batch).await? {
            Commit::Done => Ok(()),
            Commit::Refused(_) => Err(AssistantError::Conflict("conversation")),
        }
    }
}

impl LaneRun<'_> {
    /// Returns by what it is decided which engines outside may be asked here.
    pub(super) fn egress(&self, connection: &ConnectionRow, special: bool) -> Egress {
        let inner = self.inner;
        let log = LaneLog {
            entities: inner.entities.clone(),
            gate: Arc::clone(&inner.gate),
            clock: Arc::clone(&inner.clock),
            ids: Arc::clone(&inner.ids),
            lease: self.lease,
            tenant: Arc::clone(&self.tenant),
            contact: self.lane.conversation.contact,
            unchanged: [self.lane.unchanged(), connection.unchanged()],
            keep: inner.config.retention.disclosures,
        };
        Egress::new(Arc::clone(&inner.processors), Box::new(log), special)
    }
}

impl Desk {
    /// Lists what of a person's data went to processors, the latest first: to whom, for what, how much, until when. What
    /// was sent on the channel is not in it: each message's own log tells that. Nor is what the person
    /// [must not be told yet](Disclosure::told_from): a page may hold fewer.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn disclosures(
        &self,
        about: impl Into<About> + Send,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<DisclosurePage, AssistantError> {
        let about = about.into();
        self.may_about(AccessAction::Read, &about).await?;
        let subject = about.subject;
        let entities = &self.assistant.inner.entities;
        let (disclosures, next) =
            entities.disclosures(self.tenant, (subject, self.assistant.now()), after, limit).await?;
        Ok(DisclosurePage { disclosures, next })
    }
}

impl Assistant {
    /// Sums up who was given a contact's data, as far as it is kept: the recipients themselves, for the summary that goes
    /// with a copy ([`export`](Self::export)). It works under restriction too. Verify first who asks.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] if there is no such tenant; [`Denied`](AssistantError::Denied); by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn recipients(&self, tenant: TenantId, contact: ContactId) -> Result<Vec<Recipient>, AssistantError> {
        let inner = &self.inner;
        let settings = inner.entities.tenant(tenant).await?.tenant;
        inner.gate.permit::<Rights>(&settings, contact, inner.clock.now()).await?;
        inner.recipients(tenant, contact.0).await
    }
}

impl Inner {
    /// Sums up who was given somebody's data.
    pub(super) async fn recipients(
        &self,
        tenant: TenantId,
        subject: SubjectId,
    ) -> Result<Vec<Recipient>, AssistantError> {
        let (mut all, mut after, now) = (Vec::new(), None, self.clock.now());
        loop {
            let (page, next) = self.entities.disclosures(tenant, (subject, now), after, PAGE_MAX).await?;
            all.extend(page);
            if next.is_none() {
                break;
            }
            after = next;
        }
        let known = self.processors.list();
        let name = |id: &_| known.iter().find(|known| known.id == *id).map(|known| known.name.clone());
        Ok(Recipient::sum(all, name))
    }
}
