//! The register of breaches: taken down, contained, assessed, told, each step in the audit log and each date watched by
//! [`sweep`](Assistant::sweep) (promise P27).

mod contain;
mod radius;
mod watch;

pub use contain::Contained;
pub use radius::{Affected, ErasedPeople, Radius, RadiusCursor, RadiusPage};

use crate::assistant::desk::TRIES_MAX;
use crate::assistant::{AssistantError, Desk, Inner};
use crate::audit::AuditAction;
use crate::entity::{AuditDraft, BreachRow, By};
use crate::id::{BreachId, TenantId};
use crate::privacy::{AccessAction, Breach, BreachDuty, BreachError, BreachEvent, BreachOrigin, NewBreach};
use crate::store::{Cursor, Kind, WriteBatch, WriteOp};

#[cfg(doc)]
use crate::assistant::Assistant;

/// The breaches of a tenant's data.
///
/// | what | how |
/// |---|---|
/// | Something may have happened | [`suspect`](Self::suspect) |
/// | Nothing more gets out | [`contain`](Self::contain), at any time; [`lift`](Self::lift) ends it |
/// | It did happen | [`apply`](Self::apply) `Confirm`: from when it was known the times run ([`duties`](Self::duties)) |
/// | Whom it is about | [`radius`](Self::radius) |
/// | How bad it is | `Assess`, again where more is known |
/// | Who was told | [`authority_text`](Self::authority_text), [`people_text`](Self::people_text), then `Tell` |
/// | Nothing is left to do | `Close`; the register keeps it for [`Retention::requests`](crate::assistant::Retention::requests) |
///
/// A member needs [`AccessAction::Breaches`], and to look at the register [`AccessAction::Audit`].
#[derive(Debug, Clone)]
pub struct Breaches {
    desk: Desk,
}

/// A page of breaches.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreachPage {
    /// The breaches.
    pub breaches: Vec<Breach>,
    /// After what to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl From<(Vec<BreachRow>, Option<Cursor>)> for BreachPage {
    fn from((rows, next): (Vec<BreachRow>, Option<Cursor>)) -> Self {
        Self { breaches: rows.into_iter().map(|row| row.clear.breach).collect(), next }
    }
}

impl Desk {
    /// Returns the register of breaches.
    #[must_use]
    pub fn breaches(&self) -> Breaches {
        Breaches { desk: self.clone() }
    }
}

impl Breaches {
    /// Takes a breach down that is suspected. Its dates go by [`Config::profiles`](crate::assistant::Config) as they are now.
    ///
    /// # Errors
    /// [`AssistantError::Breach`] for a window that is in the future or ends before it begins;
    /// [`Invalid`](AssistantError::Invalid) for a processor that is not in the register;
    /// [`Forbidden`](AssistantError::Forbidden); by the store.
    ///
    /// # Cancellation
    /// Taken down or not: look before repeating it.
    pub async fn suspect(&self, new: NewBreach) -> Result<Breach, AssistantError> {
        self.may_change().await?;
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        if let BreachOrigin::Processor(id) = &new.origin
            && !inner.processors.list().iter().any(|known| known.id == *id)
        {
            return Err(AssistantError::Invalid("no processor of the register has this id"));
        }
        let now = inner.clock.now();
        let id = BreachId::from_uuid(inner.ids.time_ordered(now));
        let profiles = inner.config.profiles.clone();
        let mut row = BreachRow::new(Breach::new(id, new, profiles, &inner.config.law, now)?);
        let mut batch = WriteBatch::new(tenant);
        batch.ops = inner.staged_breach(tenant, &mut row, AuditAction::BreachSuspected, self.desk.whom()).await?;
        self.desk.commit(batch).await?;
        Ok(row.clear.breach)
    }

    /// Notes what happened to a breach. To contain it, and to lift that, is [`contain`](Self::contain) and
    /// [`lift`](Self::lift): here they are refused.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Breach`](AssistantError::Breach) for what does not happen to it now,
    /// [`Forbidden`](AssistantError::Forbidden), [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done: look before repeating it.
    pub async fn apply(&self, id: BreachId, event: BreachEvent) -> Result<Breach, AssistantError> {
        self.may_change().await?;
        let Some(action) = action(&event) else {
            return Err(AssistantError::Invalid("a breach is contained with `contain`, which does what that means"));
        };
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        inner.change_breach(tenant, id, (action, self.desk.whom()), event).await
    }

    /// Returns a breach.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden); by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn get(&self, id: BreachId) -> Result<Breach, AssistantError> {
        self.may_read().await?;
        Ok(self.desk.assistant.inner.breach_row(self.desk.tenant, id).await?.clear.breach)
    }

    /// Returns who has to be told of a breach, by when, and who was.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`AssistantError::Breach`] if a profile is not known any more.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn duties(&self, id: BreachId) -> Result<Vec<BreachDuty>, AssistantError> {
        let duties = self.get(id).await?.duties(&self.desk.assistant.inner.config.law);
        Ok(duties.map_err(BreachError::from)?)
    }

    /// Lists the breaches for which something is left to do, the first one first.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn open(&self, after: Option<Cursor>, limit: usize) -> Result<BreachPage, AssistantError> {
        self.may_read().await?;
        Ok(self.desk.assistant.inner.entities.open_breaches(self.desk.tenant, after, limit).await?.into())
    }

    /// Lists those that are closed or dismissed, the last one first, as long as they are kept.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn ended(&self, after: Option<Cursor>, limit: usize) -> Result<BreachPage, AssistantError> {
        self.may_read().await?;
        Ok(self.desk.assistant.inner.entities.ended_breaches(self.desk.tenant, after, limit).await?.into())
    }

    async fn may_change(&self) -> Result<(), AssistantError> {
        self.desk.may(AccessAction::Breaches).await
    }

    async fn may_read(&self) -> Result<(), AssistantError> {
        self.desk.may(AccessAction::Audit).await
    }

    /// Returns what they are breaches of.
    pub(in crate::assistant) fn inner(&self) -> &Inner {
        &self.desk.assistant.inner
    }
}

impl Inner {
    async fn breach_row(&self, tenant: TenantId, id: BreachId) -> Result<BreachRow, AssistantError> {
        self.entities.breach(tenant, id).await?.ok_or(AssistantError::NotFound("breach"))
    }

    /// Changes a breach, in one commit with the event of it.
    async fn change_breach(
        &self,
        tenant: TenantId,
        id: BreachId,
        (action, by): (AuditAction, By),
        event: BreachEvent,
    ) -> Result<Breach, AssistantError> {
        for _ in 0..TRIES_MAX {
            let mut row = self.breach_row(tenant, id).await?;
            let next = row.clear.breach.apply(event.clone(), &self.config.law, self.clock.now())?;
            if next == row.clear.breach {
                // Another process was faster.
                return Ok(next);
            }
            row.clear.breach = next;
            let mut batch = WriteBatch::new(tenant);
            batch.ops = self.staged_breach(tenant, &mut row, action, by).await?;
            if self.commit_beside(batch).await? {
                return Ok(row.clear.breach);
            }
        }
        Err(AssistantError::Conflict("breach"))
    }

    /// Stages a breach as it is now, and the event of what happened to it.
    pub(super) async fn staged_breach(
        &self,
        tenant: TenantId,
        row: &mut BreachRow,
        action: AuditAction,
        by: By,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let holder = self.entities.tenant(tenant).await?.tenant.account_holder;
        let event = AuditDraft::new(action, by, holder).to(Kind::BREACH, row.clear.breach.id);
        let mut ops = vec![row.stage(tenant, self.clock.now() + self.config.retention.requests)?];
        ops.extend(self.audit(tenant, event).await?);
        Ok(ops)
    }
}

/// As what an event is logged; `None` where it is more than a note.
const fn action(event: &BreachEvent) -> Option<AuditAction> {
    match event {
        BreachEvent::Confirm { .. } => Some(AuditAction::BreachConfirmed),
        BreachEvent::Dismiss { .. } => Some(AuditAction::BreachDismissed),
        BreachEvent::End { .. } => Some(AuditAction::BreachEnded),
        BreachEvent::Assess(_) => Some(AuditAction::BreachAssessed),
        BreachEvent::Tell { .. } => Some(AuditAction::BreachTold),
        BreachEvent::Close => Some(AuditAction::BreachClosed),
        BreachEvent::Contain | BreachEvent::Lift => None,
    }
}
