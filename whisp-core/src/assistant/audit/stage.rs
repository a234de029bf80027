//! Stages events for the commits that they are about, and notes what members read.

use std::num::NonZeroUsize;
use std::sync::{MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use lru::LruCache;

use crate::assistant::{AssistantError, Inner};
use crate::audit::{AuditAction, Outcome, VIEW};
use crate::entity::{AuditDraft, By};
use crate::id::{MemberId, RecordId, SubjectId, TenantId};
use crate::store::{Commit, WriteBatch, WriteOp};

/// How many views, and how many anchored logs, are remembered. One that is forgotten is logged, or anchored, once more.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// What somebody at the desk does, about whom, and what came of it.
pub(in crate::assistant) type View = (AuditAction, SubjectId, Outcome);

/// What is remembered about the audit log. All of it can be lost.
#[derive(Debug)]
pub(in crate::assistant) struct AuditMemory {
    /// Since when somebody looks at somebody.
    views: LruCache<(TenantId, Option<MemberId>, View), DateTime<Utc>>,
    /// With how many events a log was anchored last.
    pub(super) anchored: LruCache<TenantId, u64>,
}

impl Default for AuditMemory {
    fn default() -> Self {
        Self { views: LruCache::new(REMEMBERED_MAX), anchored: LruCache::new(REMEMBERED_MAX) }
    }
}

impl Inner {
    pub(super) fn audited(&self) -> MutexGuard<'_, AuditMemory> {
        self.audit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stages an event, for the batch of what it is about.
    pub(in crate::assistant) async fn audit(
        &self,
        tenant: TenantId,
        draft: AuditDraft,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        self.audit_as(tenant, self.record_id(), draft).await
    }

    /// Stages an event under an id that was given to it before.
    pub(in crate::assistant) async fn audit_as(
        &self,
        tenant: TenantId,
        id: RecordId,
        draft: AuditDraft,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let mut salt = [0; 32];
        self.ids.fill(&mut salt);
        self.entities.new_audit(tenant, id, self.clock.now(), self.config.retention.audit_details, salt, draft).await
    }

    /// Writes an event that is about something outside of the store: before it happens.
    pub(in crate::assistant) async fn audit_alone(
        &self,
        tenant: TenantId,
        draft: AuditDraft,
    ) -> Result<(), AssistantError> {
        let mut batch = WriteBatch::new(tenant);
        batch.ops = self.audit(tenant, draft).await?;
        match self.entities.store.commit(batch).await? {
            Commit::Done => Ok(()),
            Commit::Refused(_) => Err(AssistantError::Conflict("audit event")),
        }
    }

    /// Notes that somebody at the desk looks at something of a person's, or was denied it: once in a view.
    pub(in crate::assistant) async fn audit_view(
        &self,
        tenant: TenantId,
        member: Option<MemberId>,
        seen: View,
    ) -> Result<(), AssistantError> {
        let key = (tenant, member, seen);
        let now = self.clock.now();
        if let Some(since) = self.audited().views.get(&key) {
            // A clock that jumped back must not make an old view look new.
            let age = now - *since;
            if age >= TimeDelta::zero() && age < VIEW {
                return Ok(());
            }
        }
        let by = member.map_or(By::Host, |member| By::Member(Some(member)));
        let (action, subject, outcome) = seen;
        self.audit_alone(tenant, AuditDraft::new(action, by, subject).outcome(outcome)).await?;
        self.audited().views.put(key, now);
        Ok(())
    }
}
