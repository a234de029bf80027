//! Closing a business's account (promise P30): a time to think it over, then the keys go, and everything else after them.
//!
//! | | what is so |
//! |---|---|
//! | [`Desk::close`] | automation is off, the accounts are disconnected; members read, and hand out copies, as before |
//! | [`Desk::keep_open`] | as before, but for what was turned off |
//! | its time has come | the next [`sweep`](Assistant::sweep) waits for [holds](crate::assistant::Holds) and for people who asked for a copy; then the business is [not there any more](AssistantError::NotFound) |
//! | then | its keys are destroyed, and with them everything is unreadable; records, work and facts are removed, a part with each sweep, and its files |
//! | at the end | [`Assistant::closed`] has a receipt. It names nobody, and stays |

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::{Assistant, AssistantError, Desk, Inner, SweepReport};
use crate::audit::{AuditAction, Checkpoint};
use crate::entity::{AuditDraft, By, TenantRow, from_clear, in_directory, position, to_clear};
use crate::id::{RecordId, TenantId};
use crate::model::{Closing, ConnectionState};
use crate::privacy::AccessAction;
use crate::store::{Commit, Expect, Kind, ListOrder, ListQuery, PAGE_MAX, Record, WriteBatch, WriteOp};

/// How many keys, and how many records, one step of a closing removes.
const STEP_MAX: usize = 5_000;

/// How many steps one sweep does for each.
const STEPS_MAX: usize = 10;

/// How many files one step of it deletes.
const FILES_MAX: usize = 500;

/// Under what the closings are listed that are not at their end.
const UNDER_WAY: RecordId = RecordId::from_bytes([0; 16]);

/// Under what the others are.
const ENDED: RecordId = RecordId::from_bytes([0xff; 16]);

/// What the closing of an account did. It names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClosingReceipt {
    /// Whose account.
    pub tenant: TenantId,
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
    /// When the keys were destroyed: from then on nothing of the business can be read, not even out of a copy of the data.
    pub key_destroyed_at: DateTime<Utc>,
    /// From when on no copy of the *key table* brings it back either; `None` where the key provider can't tell.
    pub gone_at: Option<DateTime<Utc>>,
    /// How many pieces were removed from the store: records, what leads to them, work, facts.
    pub removed: u64,
    /// How many files were deleted.
    pub files: u64,
    /// How many pieces the host's own stores removed, each by its name. What they removed before a crash is not counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub elsewhere: BTreeMap<String, u64>,
    /// When the last one was.
    pub completed_at: DateTime<Utc>,
    /// The audit log as it was before it went too: what anchors of it can be compared with.
    pub log: Checkpoint,
}

/// A closing under way, or at its end. The id is the tenant's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClosedClear {
    asked_at: DateTime<Utc>,
    log: Checkpoint,
    /// When the keys were destroyed, and from when on no copy of theirs counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keys: Option<(DateTime<Utc>, Option<DateTime<Utc>>)>,
    removed: u64,
    files: u64,
    /// What the host's own stores removed, once they have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    elsewhere: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed_at: Option<DateTime<Utc>>,
}

impl Desk {
    /// Begins to close the account: everything automatic is turned off, every connection is disconnected, and after `grace`
    /// the next [`sweep`](Assistant::sweep) destroys everything. What is not to be lost has to be taken out by then:
    /// [`Assistant::export`]. Called again it changes nothing; what was cut short a sweep goes on with too.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`], [`NotFound`](AssistantError::NotFound), [`Conflict`](AssistantError::Conflict);
    /// [`Invalid`](AssistantError::Invalid) for a `grace` below zero; by the store and the vault.
    ///
    /// # Cancellation
    /// Begun or not; repeat the call.
    pub async fn close(&self, grace: TimeDelta) -> Result<Closing, AssistantError> {
        self.may(AccessAction::Close).await?;
        if grace < TimeDelta::zero() {
            return Err(AssistantError::Invalid("an account is not closed in the past"));
        }
        let row = self.assistant.inner.entities.tenant(self.tenant).await?;
        let closing = match row.tenant.closing {
            Some(closing) => closing,
            None => {
                let asked_at = self.assistant.now();
                let closing = Closing { asked_at, at: asked_at + grace };
                self.set_closing(row, Some(closing), AuditAction::ClosingBegun).await?;
                closing
            }
        };
        self.assistant.disconnect_all(self.tenant, self.whom()).await?;
        Ok(closing)
    }

    /// Keeps an account open that was to be closed, as long as its time has not come. Accounts are connected, and
    /// automation is turned on, anew.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`], [`NotFound`](AssistantError::NotFound), also when it was not to be closed;
    /// [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn keep_open(&self) -> Result<(), AssistantError> {
        self.may(AccessAction::Close).await?;
        let row = self.assistant.inner.entities.tenant(self.tenant).await?;
        if row.tenant.closing.is_none() {
            return Err(AssistantError::NotFound("closing of the account"));
        }
        self.set_closing(row, None, AuditAction::ClosingStopped).await
    }

    async fn set_closing(
        &self,
        mut row: TenantRow,
        closing: Option<Closing>,
        action: AuditAction,
    ) -> Result<(), AssistantError> {
        let inner = &self.assistant.inner;
        row.tenant.closing = closing;
        row.tenant.automation = false;
        let event = AuditDraft::new(action, self.whom(), row.tenant.account_holder).to(Kind::TENANT, self.tenant);
        let mut batch = WriteBatch::new(TenantId::DIRECTORY).op(WriteOp::Put(row.next()?));
        batch.ops.extend(in_directory(inner.audit(self.tenant, event).await?, self.tenant));
        match inner.entities.store.commit(batch).await? {
            Commit::Done => Ok(()),
            Commit::Refused(_) => Err(AssistantError::Conflict("tenant")),
        }
    }
}

impl Assistant {
    /// Returns the receipt of an account that was closed; `None` as long as it is not at its end.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn closed(&self, tenant: TenantId) -> Result<Option<ClosingReceipt>, AssistantError> {
        let Some(record) = self.inner.entities.record(TenantId::DIRECTORY, Kind::CLOSED, tenant.into()).await? else {
            return Ok(None);
        };
        let closed: ClosedClear = from_clear(&record)?;
        let (Some((key_destroyed_at, gone_at)), Some(completed_at)) = (closed.keys, closed.completed_at) else {
            return Ok(None);
        };
        let ClosedClear { asked_at, log, removed, files, elsewhere, .. } = closed;
        Ok(Some(ClosingReceipt {
            tenant,
            asked_at,
            key_destroyed_at,
            gone_at,
            removed,
            files,
            elsewhere,
            completed_at,
            log,
        }))
    }
}

impl Assistant {
    async fn disconnect_all(&self, tenant: TenantId, by: By) -> Result<(), AssistantError> {
        for (connection, _, _, state) in self.connections(tenant).await? {
            // A crash may have left the way to one that is disconnected.
            if state != ConnectionState::Disconnected || self.inner.is_routed(tenant, connection).await? {
                self.disconnect_by(tenant, connection, by).await?;
            }
        }
        Ok(())
    }

    /// Goes on with an account that is to be closed: disconnects what a crash left connected, and takes the business out of
    /// the directory when its time has come, unless something must be kept, or somebody still waits for a copy of their data.
    pub(super) async fn begin_closing(
        &self,
        row: TenantRow,
        closing: Closing,
        at: DateTime<Utc>,
    ) -> Result<(), AssistantError> {
        let (inner, tenant) = (&self.inner, row.tenant.id);
        self.disconnect_all(tenant, By::System).await?;
        if closing.at > at {
            return Ok(());
        }
        let (held, _) = inner.entities.open_holds(tenant, None, 1).await?;
        let waiting = inner.waiting_requests(tenant).await?;
        if !held.is_empty() || waiting.iter().any(|row| row.clear.request.freezes_retention()) {
            return Ok(());
        }
        let (asked_at, log) = (closing.asked_at, self.audit(tenant).head().await?);
        let (keys, elsewhere) = (None, BTreeMap::new());
        let closed = ClosedClear { asked_at, log, keys, removed: 0, files: 0, elsewhere, completed_at: None };
        let mut record = Record::new(Kind::CLOSED, tenant.into());
        record.parent = Some(UNDER_WAY);
        record.position = position(asked_at);
        record.clear = to_clear(&closed)?;
        let mut batch = WriteBatch::new(TenantId::DIRECTORY).op(WriteOp::Put(record)).op(WriteOp::Delete(
            Kind::TENANT,
            row.record.id,
            row.record.version,
        ));
        for (id, ..) in self.connections(tenant).await? {
            if let Some(grantor) = inner.entities.record(TenantId::DIRECTORY, Kind::GRANTOR, id.into()).await? {
                batch.ops.push(WriteOp::Delete(Kind::GRANTOR, grantor.id, grantor.version));
            }
            batch.expects.push(match inner.entities.route(id.into()).await? {
                // Connected this moment: the next sweep disconnects it.
                Some((_, target)) if target.tenant == tenant => return Ok(()),
                // Another business has the account by now.
                Some((route, _)) => Expect::Version(Kind::ROUTE, route.id, route.version),
                None => Expect::Absent(Kind::ROUTE, id.into()),
            });
        }
        match inner.entities.store.commit(batch).await? {
            // Refused: another process began it, or it is kept open; the next sweep finds it as it is then.
            Commit::Done | Commit::Refused(_) => Ok(()),
        }
    }
}

impl Inner {
    /// Goes on with the closings under way, a few steps each. Trouble with one keeps no other from its end.
    pub(super) async fn go_on_closing(&self, report: &mut SweepReport) -> Result<(), AssistantError> {
        let mut trouble = None;
        let query = ListQuery {
            tenant: TenantId::DIRECTORY,
            kind: Kind::CLOSED,
            parent: UNDER_WAY,
            order: ListOrder::Ascending,
            after: None,
            limit: PAGE_MAX,
        };
        for record in self.entities.store.list(&query).await?.records {
            let (mut ended, mut steps) = (Ok(false), 0);
            while matches!(ended, Ok(false)) && steps < STEPS_MAX {
                ended = self.closing_step(record.id).await;
                steps += 1;
            }
            match ended {
                Ok(true) => report.closed += 1,
                Ok(false) => report.more = true,
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        trouble.map_or(Ok(()), Err)
    }

    /// Does a step; returns whether it was the last. What it did is written down after it: a crash in between does it again.
    async fn closing_step(&self, id: RecordId) -> Result<bool, AssistantError> {
        let Some(mut record) = self.entities.record(TenantId::DIRECTORY, Kind::CLOSED, id).await? else {
            return Ok(true);
        };
        let tenant = TenantId::from_uuid(id.as_uuid());
        let mut closed: ClosedClear = from_clear(&record)?;
        if closed.completed_at.is_some() {
            // Another process has ended it meanwhile.
            return Ok(true);
        }
        let now = self.clock.now();
        // First the keys: from then on nothing can be read or written, whoever still works for the business.
        let keys = self.entities.vault.close(tenant, now, STEP_MAX).await?;
        closed.keys = Some((keys.at, keys.gone_at));
        let removed = self.entities.store.clear(tenant, STEP_MAX).await?;
        closed.removed += removed as u64;
        let (mut files, mut left) = (0, false);
        if let Some(media) = self.media.as_ref().filter(|_| removed < STEP_MAX) {
            for id in media.list(tenant, None, FILES_MAX).await? {
                media.delete(tenant, id).await?;
                files += 1;
            }
            left = files == FILES_MAX;
        }
        closed.files += files as u64;
        let next = self.erasable.iter().find(|store| !closed.elsewhere.contains_key(store.name()));
        // In a step of its own: trouble with it loses no count of ours.
        if let Some(store) = next.filter(|_| removed == 0 && files == 0) {
            closed.elsewhere.insert(store.name().to_owned(), store.clear(tenant).await?);
        }
        let all = self.erasable.iter().all(|store| closed.elsewhere.contains_key(store.name()));
        let ended = !keys.more && removed < STEP_MAX && !left && all;
        if ended {
            closed.completed_at = Some(now);
            record.parent = Some(ENDED);
            record.position = position(now);
        }
        record.version += 1;
        record.clear = to_clear(&closed)?;
        match self.entities.store.commit(WriteBatch::new(TenantId::DIRECTORY).op(WriteOp::Put(record))).await? {
            Commit::Done => Ok(ended),
            // Another process did the same step.
            Commit::Refused(_) => Ok(false),
        }
    }
}
