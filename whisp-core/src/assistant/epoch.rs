//! Turns the epochs of tenants' keys, and says what follows from it: until when a copy of the key table that somebody kept
//! can still bring back a person who was erased.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::{Assistant, AssistantError, Inner, SweepReport};
use crate::entity::{from_clear, position, to_clear};
use crate::id::{RecordId, TenantId};
use crate::store::{Commit, Kind, ListOrder, ListQuery, PAGE_MAX, Record, WriteBatch, WriteOp};
use crate::vault::{Destroyed, Destruction, EpochDue, Turn};

/// How long an epoch of a tenant's key lasts unless told otherwise: 7 days, so that an erasure is final within the 15 days
/// of Kazakhstan's Digital Code (reference/privacy.md 3.4 and finding 8, 22 November 2026).
pub(super) const EPOCH_LENGTH: TimeDelta = TimeDelta::days(7);

/// How long a turn may take from the time when it is due: sweeps come late, and do a part each.
const TURN_WITHIN: TimeDelta = TimeDelta::days(1);

/// By how much the clocks of two machines may differ: an epoch that began so shortly after an erasure may have begun
/// before it.
const SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// How many subjects' keys one sweep wraps anew: about 50 ms of a processor.
const REWRAPPED_MAX: usize = 10_000;

/// Until when copies of the key table, whoever kept one, open what was sealed for an erased person. Copies of the data alone
/// never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErasureHorizon {
    /// A copy from before the erasure may open it until this time.
    Until(DateTime<Utc>),
    /// Nothing opens it any more, since this time.
    Since(DateTime<Utc>),
    /// A copy from before the erasure may open it for ever.
    Unbounded(Unbounded),
}

/// Why an erasure's horizon has no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unbounded {
    /// The key provider can't tell that it destroyed the key of an epoch.
    #[error(
        "erasures are never final for who kept a copy of the key table: the key provider can't destroy the key of an epoch; \
         put cells around it (CellKeyProvider), or use a key service that destroys"
    )]
    KeyProvider,
    /// The key of an earlier epoch, in which the person may have been there, was not destroyed for sure.
    #[error("the key of an earlier epoch was not destroyed for sure: a copy of the key table from then may open it")]
    EarlierEpoch,
    /// The epoch should have turned by now: nobody sweeps, or the key service fails.
    #[error("the epoch of the tenant's key is overdue to turn: sweep, and look at its errors")]
    Overdue,
}

/// A turn that has ended. Its id is the epoch that began, its position when it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EpochClear {
    epoch: u32,
    begun_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    before: Destroyed,
}

impl EpochClear {
    /// When the key of the epoch before was gone, `None` if that is not known.
    const fn gone_at(&self) -> Option<DateTime<Utc>> {
        self.before.gone_at(self.ended_at)
    }
}

impl Assistant {
    /// Says how long after an erasure a copy of the key table from before it opens what was erased: look at it once, when the
    /// program starts. `Runner` tells its log.
    ///
    /// # Errors
    /// [`Unbounded`] if that has no bound as the assistant is put together.
    pub fn erasure_horizon(&self) -> Result<TimeDelta, Unbounded> {
        self.inner.erasure_horizon()
    }
}

impl Inner {
    pub(super) fn erasure_horizon(&self) -> Result<TimeDelta, Unbounded> {
        let turned = self.config.epoch + TURN_WITHIN;
        match self.entities.vault.destruction() {
            Destruction::AtOnce => Ok(turned),
            Destruction::Within(time) => Ok(turned + time),
            Destruction::Unverifiable => Err(Unbounded::KeyProvider),
        }
    }

    /// Returns the horizon of an erasure, as it is now.
    pub(super) async fn horizon_of(
        &self,
        tenant: TenantId,
        erased_at: DateTime<Utc>,
    ) -> Result<ErasureHorizon, AssistantError> {
        let now = self.clock.now();
        let query = ListQuery {
            tenant,
            kind: Kind::EPOCH,
            parent: tenant.into(),
            order: ListOrder::Descending,
            after: None,
            limit: PAGE_MAX,
        };
        let epochs = self.entities.store.list(&query).await?.records;
        let epochs = epochs.iter().map(from_clear).collect::<Result<Vec<EpochClear>, _>>()?;
        // Whatever epoch the person's key was of, it is over when one that began after the erasure has taken its place.
        let last = epochs.iter().filter(|epoch| epoch.begun_at > erased_at + SKEW_MAX).map(|epoch| epoch.epoch).min();
        let theirs = epochs.iter().filter(|epoch| last.is_none_or(|last| epoch.epoch <= last));
        let gone: Option<Vec<_>> = theirs.map(EpochClear::gone_at).collect();
        let Some(gone) = gone else { return Ok(ErasureHorizon::Unbounded(Unbounded::EarlierEpoch)) };
        if let (Some(_), Some(gone)) = (last, gone.into_iter().max()) {
            return Ok(if gone <= now { ErasureHorizon::Since(gone) } else { ErasureHorizon::Until(gone) });
        }
        Ok(match self.erasure_horizon() {
            Ok(bound) if erased_at + bound > now => ErasureHorizon::Until(erased_at + bound),
            Ok(_) => ErasureHorizon::Unbounded(Unbounded::Overdue),
            Err(unbounded) => ErasureHorizon::Unbounded(unbounded),
        })
    }

    /// Returns when the last epoch of a tenant's key began that began after a time and whose turn has ended, and from when on
    /// the key of the one before is gone, where that can be told.
    pub(super) async fn turned_after(
        &self,
        tenant: TenantId,
        since: DateTime<Utc>,
    ) -> Result<Option<(DateTime<Utc>, Option<DateTime<Utc>>)>, AssistantError> {
        let (kind, order) = (Kind::EPOCH, ListOrder::Descending);
        let query = ListQuery { tenant, kind, parent: tenant.into(), order, after: None, limit: 1 };
        let last = self.entities.store.list(&query).await?.records;
        let last: Option<EpochClear> = last.first().map(from_clear).transpose()?;
        Ok(last.filter(|epoch| epoch.begun_at > since).map(|epoch| (epoch.begun_at, epoch.gone_at())))
    }

    /// Turns the epoch of a tenant's key, the directory's too, where it is due, as far as the sweep's budget goes.
    pub(super) async fn turn_epoch(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        report: &mut SweepReport,
    ) -> Result<(), AssistantError> {
        self.turn_due(tenant, &EpochDue { now: at, begun_before: at - self.config.epoch }, report).await
    }

    /// Turns the epoch of a tenant's key to its end, unless it began at this time or later.
    pub(super) async fn turn_since(&self, tenant: TenantId, since: DateTime<Utc>) -> Result<usize, AssistantError> {
        let mut turned = 0;
        loop {
            let mut report = SweepReport::default();
            // A clock that went back would make the new epoch one that is due.
            let due = EpochDue { now: self.clock.now().max(since), begun_before: since };
            self.turn_due(tenant, &due, &mut report).await?;
            turned += report.turned;
            if report.turned == 0 && !report.more {
                return Ok(turned);
            }
        }
    }

    async fn turn_due(&self, tenant: TenantId, due: &EpochDue, report: &mut SweepReport) -> Result<(), AssistantError> {
        let left = REWRAPPED_MAX.saturating_sub(report.rewrapped);
        match self.entities.vault.turn(tenant, due, left).await? {
            Turn::NotDue => {}
            Turn::UnderWay { rewrapped } => {
                report.rewrapped += rewrapped;
                report.more = true;
            }
            Turn::Destroyed { epoch, begun_at, before, rewrapped } => {
                report.rewrapped += rewrapped;
                // Written down before the turn ends, so that a crash leaves no turn that nobody knows of.
                let turned = EpochClear { epoch, begun_at, ended_at: due.now, before };
                let mut record = Record::new(Kind::EPOCH, RecordId::from_bytes(u128::from(epoch).to_be_bytes()));
                record.parent = Some(tenant.into());
                record.position = position(begun_at);
                record.clear = to_clear(&turned)?;
                match self.entities.store.commit(WriteBatch::new(tenant).op(WriteOp::Put(record))).await? {
                    // Refused: it was written down before, by a sweep that came no further or by another process.
                    Commit::Done | Commit::Refused(_) => {}
                }
                self.entities.vault.end_turn(tenant, epoch).await?;
                report.turned += 1;
            }
        }
        Ok(())
    }
}
