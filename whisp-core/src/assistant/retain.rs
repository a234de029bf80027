//! People who have long been silent go as if they had asked; and what a sweep would delete, and why, before it does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::assistant::{Assistant, AssistantError, Inner, Retention, SweepReport};
use crate::entity::{By, ConversationRow, RequestRow};
use crate::id::{ContactId, SubjectId, TenantId};
use crate::model::{Conversation, Tenant};
use crate::privacy::SubjectRequest;
use crate::store::{ExpiredQuery, Kind, ListOrder, ListQuery, PAGE_MAX};

/// How many people one sweep erases of a tenant for their silence.
const IDLE_MAX: usize = 20;

/// What a sweep would delete of a tenant, and what it would keep.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetentionPlan {
    /// At which time.
    pub at: DateTime<Utc>,
    /// How long things are kept: by the business's own rules where they are shorter than the host's.
    pub keeps: Retention,
    /// What is past its time and goes: how many records of each kind.
    pub past: BTreeMap<String, usize>,
    /// Who is erased, because nobody has written to them nor they to us for
    /// [`Retention::contacts`](crate::assistant::Retention::contacts).
    pub silent: Vec<ContactId>,
    /// Of whom nothing goes, however old: they wait for a copy of it, or it is under a hold.
    pub kept: Vec<SubjectId>,
    /// Whether there is more than was looked at: [`PAGE_MAX`] records, and as many people as one sweep erases.
    pub more: bool,
}

impl Assistant {
    /// Says what the next sweep would delete of a tenant, and changes nothing.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn retention_plan(&self, tenant: TenantId) -> Result<RetentionPlan, AssistantError> {
        let inner = &self.inner;
        let at = inner.clock.now();
        let keeps = inner.config.retention.of(&inner.entities.tenant(tenant).await?.tenant.retention);
        let kept = inner.kept_people(tenant, &inner.waiting_requests(tenant).await?).await?;
        let without: Vec<SubjectId> = kept.iter().copied().collect();
        let query = ExpiredQuery { tenant, at, without: without.clone(), limit: PAGE_MAX };
        let expired = inner.entities.store.expired(&query).await?;
        let mut past = BTreeMap::new();
        for record in &expired {
            *past.entry(record.kind.name().to_owned()).or_default() += 1;
        }
        let silent = inner.silent(tenant, keeps.silent_since(at), &kept, IDLE_MAX).await?;
        let more = expired.len() == PAGE_MAX || silent.len() == IDLE_MAX;
        Ok(RetentionPlan { at, keeps, past, silent, kept: without, more })
    }
}

impl Inner {
    /// Returns whose data must stay: who waits for a copy of it, or is under a hold.
    pub(super) async fn kept_people(
        &self,
        tenant: TenantId,
        waiting: &[RequestRow],
    ) -> Result<BTreeSet<SubjectId>, AssistantError> {
        let waiting = waiting.iter().map(|row| &row.clear.request);
        let mut people: BTreeSet<_> =
            waiting.filter(|each| each.freezes_retention()).map(SubjectRequest::subject).collect();
        self.held_people(tenant, &mut people).await?;
        let mut others = Vec::new();
        for person in &people {
            others.extend(self.entities.others(tenant, *person).await?);
        }
        people.extend(others);
        Ok(people)
    }

    /// Erases who has been silent for too long, some at each sweep.
    pub(super) async fn erase_silent(
        &self,
        tenant: &Tenant,
        at: DateTime<Utc>,
        kept: &BTreeSet<SubjectId>,
        report: &mut SweepReport,
    ) -> Result<(), AssistantError> {
        let since = self.config.retention.of(&tenant.retention).silent_since(at);
        let tenant = tenant.id;
        let silent = self.silent(tenant, since, kept, IDLE_MAX).await?;
        report.more |= silent.len() == IDLE_MAX;
        for contact in silent {
            report.silent += 1;
            match self.erase(tenant, contact.0, By::System, (None, Vec::new())).await {
                Ok(_) => {}
                Err(AssistantError::Channel(..)) => report.waiting += 1,
                Err(error) => report.errors.push(error),
            }
        }
        Ok(())
    }

    /// Finds people with whom nobody has spoken since a time, those first with whom for the longest. A person has one
    /// conversation.
    async fn silent(
        &self,
        tenant: TenantId,
        since: Option<DateTime<Utc>>,
        kept: &BTreeSet<SubjectId>,
        limit: usize,
    ) -> Result<Vec<ContactId>, AssistantError> {
        let Some(since) = since else { return Ok(Vec::new()) };
        let (mut found, mut after) = (Vec::new(), None);
        while found.len() < limit {
            let (kind, order) = (Kind::CONVERSATION, ListOrder::Ascending);
            let query = ListQuery { tenant, kind, parent: tenant.into(), order, after, limit };
            let page = self.entities.store.list(&query).await?;
            for record in page.records {
                let Conversation { id, contact, active_at, .. } = ConversationRow::read(record)?.conversation;
                if active_at > since {
                    return Ok(found);
                }
                if kept.contains(&contact.0) || found.len() == limit {
                    continue;
                }
                // What was taken in and waits for its turn has not moved the conversation yet.
                let (last, _) = self.entities.last_messages(tenant, id, None, 1).await?;
                if last.iter().all(|message| message.clear.at <= since) {
                    found.push(contact);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        Ok(found)
    }
}
