//! Sharing the buckets between workers, so that one that comes later finds something to do.
//!
//! Who holds buckets says so in a record of the directory, which ends with its leases. Who holds more than a fair share
//! gives the rest back, and asks for none for a moment; the others ask once a second, and when the record of one ends that
//! is heard of no more. A worker that is alone and holds nothing writes nothing.

use chrono::{DateTime, TimeDelta, Utc};

use crate::assistant::own::OWN_EVERY;
use crate::assistant::{AssistantError, Inner};
use crate::id::TenantId;
use crate::store::{Commit, Kind, Lease, ListOrder, ListQuery, Record, WriteBatch, WriteOp};

/// Of how many workers it knows.
const WORKERS_MAX: usize = 1_000;

/// For how long who gave buckets back asks for none: others ask once in [`OWN_EVERY`].
const PAUSE: TimeDelta = TimeDelta::milliseconds(2 * OWN_EVERY.num_milliseconds());

/// What a worker says about itself.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Presence {
    /// How many buckets it holds.
    held: usize,
}

impl Inner {
    /// Returns what is more than a fair share, if there are other workers, for it to be given back: nothing is done in it any
    /// more. What is being worked on stays.
    pub(crate) async fn share(&self, now: DateTime<Utc>) -> Result<Vec<Lease>, AssistantError> {
        if !self.lanes().looks_for_others(now, self.config.lease) {
            return Ok(Vec::new());
        }
        let query = ListQuery {
            tenant: TenantId::DIRECTORY,
            kind: Kind::WORKER,
            parent: TenantId::DIRECTORY.into(),
            order: ListOrder::Ascending,
            after: None,
            limit: WORKERS_MAX,
        };
        let workers = self.entities.store.list(&query).await?.records;
        let (own, others): (Vec<&Record>, Vec<&Record>) =
            workers.iter().partition(|worker| worker.id == self.worker.into());
        let (living, dead): (Vec<&Record>, Vec<&Record>) =
            others.into_iter().partition(|worker| worker.expires_at.is_some_and(|until| until > now));
        self.pace().share_between(living.len() + 1);
        self.lanes().know_others(living.iter().filter_map(|worker| worker.expires_at).min(), !dead.is_empty());
        let held = self.lanes().held();
        if held == 0 && living.is_empty() && dead.is_empty() {
            return Ok(Vec::new());
        }
        let mut batch = WriteBatch::new(TenantId::DIRECTORY);
        batch.ops = dead.iter().map(|worker| WriteOp::Delete(Kind::WORKER, worker.id, worker.version)).collect();
        let version = own.first().map_or(1, |own| own.version + 1);
        let mut record = Record { version, ..Record::new(Kind::WORKER, self.worker.into()) };
        record.parent = Some(TenantId::DIRECTORY.into());
        record.expires_at = Some(now + self.config.lease);
        record.clear = crate::entity::to_clear(&Presence { held })?;
        batch.ops.push(WriteOp::Put(record));
        match self.entities.store.commit(batch).await? {
            // Refused: another one deletes the same dead worker, or has taken this one for dead. The next look is soon.
            Commit::Done | Commit::Refused(_) => {}
        }
        let mut all = held;
        for worker in &living {
            all += crate::entity::from_clear::<Presence>(worker)?.held;
        }
        let fair = all.div_ceil(living.len() + 1);
        Ok(self.lanes().give_up(held.saturating_sub(fair), now + PAUSE))
    }
}
