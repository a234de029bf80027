//! Whether the clock can be believed: what is deleted by age by a wrong clock does not come back.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::{Assistant, AssistantError, Inner};
use crate::entity::{from_clear, to_clear};
use crate::id::{RecordId, TenantId};
use crate::store::{Commit, Kind, Record, WriteBatch, WriteOp};

/// By how much the clock may have moved on since the last sweep. Where nothing ran for longer somebody is asked too.
const FORWARD_MAX: TimeDelta = TimeDelta::days(7);

/// By how much it may have gone back: several machines never agree to the second.
const BACK_MAX: TimeDelta = TimeDelta::minutes(5);

/// How often it is written down what time it is.
const NOTE_EVERY: TimeDelta = TimeDelta::hours(1);

/// There is one, in the directory.
const ID: RecordId = RecordId::from_bytes([0; 16]);

/// When somebody swept last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockClear {
    at: DateTime<Utc>,
}

impl Assistant {
    /// Says that the clock is right, after [`sweep`](Self::sweep) doubted it: what is past its time by this clock may go.
    ///
    /// # Errors
    /// [`AssistantError::Conflict`] if another process sweeps this moment; by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn trust_clock(&self) -> Result<(), AssistantError> {
        let before = self.inner.entities.record(TenantId::DIRECTORY, Kind::CLOCK, ID).await?;
        if self.inner.note_time(before, self.inner.clock.now()).await? {
            Ok(())
        } else {
            Err(AssistantError::Conflict("clock"))
        }
    }
}

impl Inner {
    /// Checks what time it is by the last sweep.
    ///
    /// # Errors
    /// [`AssistantError::Clock`] if it can't be believed; by the store.
    pub(super) async fn watch_clock(&self, now: DateTime<Utc>) -> Result<(), AssistantError> {
        let before = self.entities.record(TenantId::DIRECTORY, Kind::CLOCK, ID).await?;
        let last = before.as_ref().map(from_clear::<ClockClear>).transpose()?.map(|clear| clear.at);
        if let Some(last) = last {
            if now < last - BACK_MAX || now > last + FORWARD_MAX {
                return Err(AssistantError::Clock { last, now });
            }
            if now < last + NOTE_EVERY {
                return Ok(());
            }
        }
        // Refused: another process has just written it down.
        self.note_time(before, now).await.map(drop)
    }

    /// Writes down what time it is; returns whether nobody else did meanwhile.
    async fn note_time(&self, before: Option<Record>, now: DateTime<Utc>) -> Result<bool, AssistantError> {
        let mut record = Record::new(Kind::CLOCK, ID);
        record.version += before.map_or(0, |before| before.version);
        record.clear = to_clear(&ClockClear { at: now })?;
        let batch = WriteBatch::new(TenantId::DIRECTORY).op(WriteOp::Put(record));
        Ok(self.entities.store.commit(batch).await? == Commit::Done)
    }
}
