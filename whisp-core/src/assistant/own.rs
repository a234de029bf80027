//! Which buckets this worker owns, and what waits in their lanes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::assistant::task::Task;
use crate::assistant::turn::ENGINE_REST_MAX;
use crate::assistant::{AssistantError, Inner};
use crate::id::{ConversationId, RecordId, TenantId};
use crate::store::{Bucket, Lease, OwnRequest, PendingQuery, RenewRequest, WorkItem};

/// How often a worker asks for buckets that nobody owns, at most. When it knows of new work it asks at once.
const OWN_EVERY: TimeDelta = TimeDelta::seconds(1);

/// How many pieces of work one read of a bucket returns.
const SCAN_MAX: usize = 256;

/// What this worker holds in memory. All of it can be lost: the store knows it all.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    leases: BTreeMap<(TenantId, Bucket), Lease>,
    busy: BTreeSet<(TenantId, RecordId)>,
    /// Lanes that failed, and when to try them again.
    resting: BTreeMap<(TenantId, RecordId), DateTime<Utc>>,
    /// A bucket that we do not own has new work.
    wanted: bool,
    asked_at: Option<DateTime<Utc>>,
}

impl Lanes {
    pub(crate) fn notice(&mut self, tenant: TenantId, bucket: Bucket) {
        self.wanted |= !self.leases.contains_key(&(tenant, bucket));
    }

    pub(crate) fn rest(&mut self, tenant: TenantId, lane: RecordId, until: DateTime<Utc>) {
        self.resting.insert((tenant, lane), until);
    }

    /// Forgets a lease that turned out to be lost.
    pub(crate) fn lost(&mut self, lease: &Lease) {
        self.leases.remove(&(lease.tenant, lease.bucket));
        self.wanted = true;
    }
}

/// The work of one conversation.
#[derive(Debug)]
pub(crate) struct LaneWork {
    pub(crate) lease: Lease,
    pub(crate) conversation: ConversationId,
    /// In order; some may be due a little later, when a burst should have ended.
    pub(crate) items: Vec<(WorkItem, Task)>,
}

/// Which work is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Step,
    Deliver,
}

impl LaneWork {
    /// Returns whether the step has something to do here: anything due but a send, and a burst that has ended.
    fn steps(&self, now: DateTime<Utc>, quiet: TimeDelta, burst_max: TimeDelta) -> bool {
        let turns = || self.items.iter().filter(|(_, task)| matches!(task, Task::Turn { .. }));
        let latest = turns().max_by_key(|(item, _)| item.key.id).map(|(item, _)| item.key.due);
        let earliest = turns().map(|(item, _)| item.key.due).min();
        let burst_over =
            latest.is_some_and(|due| due <= now) || earliest.is_some_and(|due| due - quiet + burst_max <= now);
        burst_over
            || self
                .items
                .iter()
                .any(|(item, task)| !task.is_send() && !matches!(task, Task::Turn { .. }) && item.key.due <= now)
    }

    fn sends(&self, now: DateTime<Utc>) -> bool {
        self.items.iter().any(|(item, task)| task.is_send() && item.key.due <= now)
    }

    /// Returns whether the turns of the lane are to be handled now.
    pub(crate) fn turns_ready(&self, now: DateTime<Utc>, quiet: TimeDelta, burst_max: TimeDelta) -> bool {
        let turns = Self { lease: self.lease, conversation: self.conversation, items: Vec::new() };
        let items = self.items.iter().filter(|(_, task)| matches!(task, Task::Turn { .. })).cloned().collect();
        Self { items, ..turns }.steps(now, quiet, burst_max)
    }
}

/// Work on a lane, by one task at a time. Ends when dropped, so a cancelled step frees its lanes.
#[derive(Debug)]
pub(crate) struct Busy<'a> {
    inner: &'a Inner,
    key: (TenantId, RecordId),
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.inner.lanes().busy.remove(&self.key);
    }
}

impl Inner {
    /// Takes a lane unless a task of this process is at it.
    pub(crate) fn take(&self, work: &LaneWork) -> Option<Busy<'_>> {
        let key = (work.lease.tenant, work.conversation.into());
        self.lanes().busy.insert(key).then_some(Busy { inner: self, key })
    }

    /// Renews the leases that are held and takes free buckets that have work; returns what is held.
    pub(crate) async fn hold(&self, now: DateTime<Utc>) -> Result<Vec<Lease>, AssistantError> {
        let until = now + self.config.lease;
        let (ending, count, ask) = {
            let mut lanes = self.lanes();
            let half = self.config.lease / 2;
            let ending: Vec<Lease> = lanes.leases.values().copied().filter(|lease| lease.until - now < half).collect();
            let due = lanes.asked_at.is_none_or(|at| now < at || now - at >= OWN_EVERY);
            let ask = lanes.wanted || due;
            if ask {
                lanes.asked_at = Some(now);
                lanes.wanted = false;
            }
            (ending, lanes.leases.len(), ask)
        };
        if !ending.is_empty() {
            let kept = self.entities.store.renew(&RenewRequest { leases: ending.clone(), now, until }).await?;
            let mut lanes = self.lanes();
            for lease in &ending {
                lanes.leases.remove(&(lease.tenant, lease.bucket));
            }
            lanes.leases.extend(kept.into_iter().map(|lease| ((lease.tenant, lease.bucket), lease)));
        }
        let limit = self.config.leases_max.saturating_sub(count);
        if ask && limit > 0 {
            let request = OwnRequest { worker: self.worker, limit, now, until };
            let new = self.entities.store.own(&request).await?;
            self.lanes().leases.extend(new.into_iter().map(|lease| ((lease.tenant, lease.bucket), lease)));
        }
        Ok(self.lanes().leases.values().copied().collect())
    }

    /// Gives every lease back.
    pub(crate) async fn release(&self) -> Result<(), AssistantError> {
        let leases: Vec<Lease> = std::mem::take(&mut self.lanes().leases).into_values().collect();
        Ok(self.entities.store.release(&leases).await?)
    }

    /// Finds lanes with something to do now, at most `limit`, and when the next thing is due.
    pub(crate) async fn ready(
        &self,
        phase: Phase,
        now: DateTime<Utc>,
        limit: usize,
    ) -> Result<(Vec<LaneWork>, Option<DateTime<Utc>>), AssistantError> {
        let mut ready = Vec::new();
        let mut next: Option<DateTime<Utc>> = None;
        for lease in self.hold(now).await? {
            let mut lanes: BTreeMap<RecordId, LaneWork> = BTreeMap::new();
            let mut query = PendingQuery {
                tenant: lease.tenant,
                bucket: lease.bucket,
                due_by: now + self.config.burst_max.max(ENGINE_REST_MAX),
                after: None,
                limit: SCAN_MAX,
            };
            loop {
                let items = self.entities.store.pending(&query).await?;
                query.after = items.last().map(|item| item.key);
                let last_page = items.len() < SCAN_MAX;
                for item in items {
                    let conversation = ConversationId::from_uuid(item.lane.as_uuid());
                    let task = Task::read(&item)?;
                    if item.key.due > now {
                        next = Some(next.map_or(item.key.due, |at| at.min(item.key.due)));
                    }
                    let lane = lanes.entry(item.lane);
                    lane.or_insert_with(|| LaneWork { lease, conversation, items: Vec::new() })
                        .items
                        .push((item, task));
                }
                if last_page || lanes.len() >= limit {
                    break;
                }
            }
            let (quiet, burst_max) = (self.config.burst_quiet, self.config.burst_max);
            let mut held = self.lanes();
            for (lane, work) in lanes {
                let key = (lease.tenant, lane);
                if let Some(until) = held.resting.get(&key).copied() {
                    if now < until {
                        next = Some(next.map_or(until, |at| at.min(until)));
                        continue;
                    }
                    held.resting.remove(&key);
                }
                let steps = work.steps(now, quiet, burst_max);
                let wanted = match phase {
                    Phase::Step => steps,
                    // What came in goes first: a member may have taken over.
                    Phase::Deliver => !steps && work.sends(now),
                };
                if wanted && ready.len() < limit && !held.busy.contains(&key) {
                    ready.push(work);
                }
            }
            if ready.len() >= limit {
                break;
            }
        }
        Ok((ready, next))
    }
}
