//! Which buckets this worker owns, and what waits in their lanes.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::assistant::step::REST;
use crate::assistant::task::Task;
use crate::assistant::turn::ENGINE_REST_MAX;
use crate::assistant::{AssistantError, Inner};
use crate::id::{ConversationId, RecordId, TenantId};
use crate::store::{Bucket, Lease, OwnRequest, PendingQuery, RenewRequest, WorkItem};

/// How often a worker asks for buckets that nobody owns, at most. When it knows of new work it asks at once.
pub(super) const OWN_EVERY: TimeDelta = TimeDelta::seconds(1);

/// How many pieces of work one read of a bucket returns.
const SCAN_MAX: usize = 256;

/// How many pieces of work of one conversation are done at once, so that what they write fits into one batch; the rest
/// comes next.
const LANE_MAX: usize = 256;

/// What this worker holds in memory. All of it can be lost: the store knows it all.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    leases: BTreeMap<(TenantId, Bucket), Lease>,
    /// The lanes that are worked on, and their buckets.
    busy: BTreeMap<LaneKey, Bucket>,
    /// Lanes that failed, and when to try them again.
    resting: BTreeMap<LaneKey, DateTime<Utc>>,
    /// Leases of buckets in which nothing waits: given up first.
    idle: BTreeSet<(TenantId, Bucket)>,
    /// Counts the looks at the buckets.
    turn: usize,
    /// A bucket that we do not own has new work.
    wanted: bool,
    asked_at: Option<DateTime<Utc>>,
    /// Until when it asks for no bucket, because it has just given some to others.
    pauses_until: Option<DateTime<Utc>>,
    /// When it last looked for other workers.
    looked_at: Option<DateTime<Utc>>,
}

impl Lanes {
    pub(crate) fn notice(&mut self, tenant: TenantId, bucket: Bucket) {
        self.wanted |= !self.leases.contains_key(&(tenant, bucket));
        self.idle.remove(&(tenant, bucket));
    }

    /// Another process has added work: perhaps to a bucket that nobody owns.
    #[cfg(feature = "runtime")]
    pub(crate) const fn want(&mut self) {
        self.wanted = true;
    }

    /// Returns how many buckets are held.
    pub(crate) fn held(&self) -> usize {
        self.leases.len()
    }

    /// Returns whether it is time to look for other workers, and counts it as done.
    pub(crate) fn looks_for_others(&mut self, now: DateTime<Utc>, every: TimeDelta) -> bool {
        let is_due = self.looked_at.is_none_or(|at| now < at || now - at >= every);
        if is_due {
            self.looked_at = Some(now);
        }
        is_due
    }

    /// Gives up to `count` leases up, those without work first and none that is worked on, and asks for no other until
    /// then. Returns them.
    pub(crate) fn give_up(&mut self, count: usize, until: DateTime<Utc>) -> Vec<Lease> {
        let busy: BTreeSet<(TenantId, Bucket)> = self.busy.iter().map(|(key, bucket)| (key.tenant, *bucket)).collect();
        let mut free: Vec<Lease> = self.leases.iter().filter(|(key, _)| !busy.contains(key)).map(|(_, l)| *l).collect();
        free.sort_by_key(|lease| !self.idle.contains(&(lease.tenant, lease.bucket)));
        free.truncate(count);
        free.iter().for_each(|lease| self.forget(lease));
        if !free.is_empty() {
            self.pauses_until = Some(until);
        }
        free
    }

    /// Whether it leaves free buckets to others for now.
    fn pauses(&self, now: DateTime<Utc>) -> bool {
        // A clock that went back must not make a pause of it that never ends.
        self.pauses_until.is_some_and(|until| now < until && until - now <= OWN_EVERY * 2)
    }

    const fn next_turn(&mut self) -> usize {
        self.turn = self.turn.wrapping_add(1);
        self.turn
    }

    /// Notes whether something waits in a bucket.
    fn seen(&mut self, lease: &Lease, work: bool) {
        let key = (lease.tenant, lease.bucket);
        if work {
            self.idle.remove(&key);
        } else {
            self.idle.insert(key);
        }
    }

    /// Returns until when a lane rests, if it does.
    fn rests(&mut self, key: LaneKey, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let until = self.resting.get(&key).copied()?;
        // A clock that went back must not make a rest of it that never ends.
        if now < until && until - now <= REST {
            return Some(until);
        }
        self.resting.remove(&key);
        None
    }

    pub(crate) fn prolong(&mut self, lease: Lease) {
        if let Some(held) = self.leases.get_mut(&(lease.tenant, lease.bucket)).filter(|held| held.fence == lease.fence)
        {
            *held = lease;
        }
    }

    fn forget(&mut self, lease: &Lease) {
        let key = (lease.tenant, lease.bucket);
        // Under another fence it is a newer lease of ours.
        if self.leases.get(&key).is_some_and(|held| held.fence == lease.fence) {
            self.leases.remove(&key);
            self.idle.remove(&key);
        }
    }

    pub(crate) fn rest(&mut self, key: LaneKey, until: DateTime<Utc>) {
        self.resting.insert(key, until);
    }

    /// Forgets a lease that turned out to be lost.
    pub(crate) fn lost(&mut self, lease: &Lease) {
        self.forget(lease);
        self.wanted = true;
    }
}

/// One conversation, to those who answer in it or to those who fetch its files: neither waits for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LaneKey {
    tenant: TenantId,
    lane: RecordId,
    fetches: bool,
}

/// The work of one conversation.
#[derive(Debug)]
pub(crate) struct LaneWork {
    pub(crate) lease: Lease,
    pub(crate) conversation: ConversationId,
    /// In order; some may be due a little later, when a burst should have ended.
    pub(crate) items: Vec<(WorkItem, Task)>,
}

/// What a look at the buckets found.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    pub(crate) lanes: Vec<LaneWork>,
    /// When the next thing that is known of is due.
    pub(crate) next_due: Option<DateTime<Utc>>,
    pub(crate) errors: Vec<AssistantError>,
}

impl Ready {
    fn due(&mut self, at: DateTime<Utc>) {
        self.next_due = Some(self.next_due.map_or(at, |next| next.min(at)));
    }
}

/// Which work is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Step,
    Deliver,
    Fetch,
}

impl LaneWork {
    pub(crate) fn key(&self, phase: Phase) -> LaneKey {
        LaneKey { tenant: self.lease.tenant, lane: self.conversation.into(), fetches: phase == Phase::Fetch }
    }

    /// Returns whether the step has something to do here: anything due but a send, and a burst that has ended.
    fn steps(&self, now: DateTime<Utc>, quiet: TimeDelta, burst_max: TimeDelta) -> bool {
        let other = |task: &Task| !task.is_send() && !matches!(task, Task::Turn { .. });
        self.turns_ready(now, quiet, burst_max)
            || self.items.iter().any(|(item, task)| other(task) && item.key.due <= now)
    }

    /// Returns whether the turns of the lane are to be handled now: the burst has ended, or has lasted long enough.
    pub(crate) fn turns_ready(&self, now: DateTime<Utc>, quiet: TimeDelta, burst_max: TimeDelta) -> bool {
        let turns =
            || self.items.iter().filter(|(_, task)| matches!(task, Task::Turn { .. })).map(|(item, _)| item.key);
        let latest = turns().max_by_key(|key| key.id);
        let earliest = turns().map(|key| key.due).min();
        latest.is_some_and(|key| key.due <= now) || earliest.is_some_and(|due| due - quiet + burst_max <= now)
    }

    fn sends(&self, now: DateTime<Utc>) -> bool {
        self.items.iter().any(|(item, task)| task.is_send() && item.key.due <= now)
    }
}

/// Work on a lane, by one task at a time. Ends when dropped, so a cancelled step frees its lanes.
#[derive(Debug)]
pub(crate) struct Busy<'a> {
    inner: &'a Inner,
    key: LaneKey,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.inner.lanes().busy.remove(&self.key);
    }
}

impl Inner {
    /// Takes a lane unless a task of this process is at it.
    pub(crate) fn take(&self, work: &LaneWork, phase: Phase) -> Option<Busy<'_>> {
        let key = work.key(phase);
        match self.lanes().busy.entry(key) {
            Entry::Occupied(_) => None,
            Entry::Vacant(free) => {
                free.insert(work.lease.bucket);
                Some(Busy { inner: self, key })
            }
        }
    }

    /// What is due by then is looked at now: it may be part of a burst, or the next thing to wait for.
    fn horizon(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + self.config.burst_max.max(ENGINE_REST_MAX)
    }

    /// Renews the leases that are held and takes free buckets that have work; returns what is held.
    pub(crate) async fn hold(&self, now: DateTime<Utc>) -> Result<Vec<Lease>, AssistantError> {
        self.share(now).await?;
        let until = now + self.config.lease;
        let leases_max = self.config.leases_max.max(1);
        let (ending, spare, ask) = {
            let mut lanes = self.lanes();
            let half = self.config.lease / 2;
            let ending: Vec<Lease> = lanes.leases.values().copied().filter(|lease| lease.until - now < half).collect();
            let due = lanes.asked_at.is_none_or(|at| now < at || now - at >= OWN_EVERY);
            let ask = (lanes.wanted || due) && !lanes.pauses(now);
            if ask {
                lanes.asked_at = Some(now);
                lanes.wanted = false;
            }
            // Those of buckets in which nothing waits go back instead of being renewed, and at once where all leases are
            // taken, for others to be served.
            let full = ask && lanes.leases.len() >= leases_max;
            let spare =
                |lease: &&Lease| (full || ending.contains(lease)) && lanes.idle.contains(&(lease.tenant, lease.bucket));
            let spare: Vec<Lease> = lanes.leases.values().filter(spare).copied().collect();
            spare.iter().for_each(|lease| lanes.forget(lease));
            (ending, spare, ask)
        };
        if !spare.is_empty() {
            self.entities.store.release(&spare).await?;
        }
        let ending: Vec<Lease> = ending.into_iter().filter(|lease| !spare.contains(lease)).collect();
        if !ending.is_empty() {
            let kept = self.entities.store.renew(&RenewRequest { leases: ending.clone(), now, until }).await?;
            let mut lanes = self.lanes();
            for lease in &ending {
                match kept.iter().find(|kept| kept.bucket == lease.bucket && kept.tenant == lease.tenant) {
                    Some(kept) => lanes.prolong(*kept),
                    None => lanes.forget(lease),
                }
            }
        }
        let limit = leases_max.saturating_sub(self.lanes().leases.len());
        if ask && limit > 0 {
            let request = OwnRequest { worker: self.worker, limit, now, due_by: self.horizon(now), until };
            let new = self.entities.store.own(&request).await?;
            let mut lanes = self.lanes();
            if !new.is_empty() {
                // Others should know soon.
                lanes.looked_at = None;
            }
            lanes.leases.extend(new.into_iter().map(|lease| ((lease.tenant, lease.bucket), lease)));
        }
        Ok(self.lanes().leases.values().copied().collect())
    }

    /// Gives every lease back.
    pub(crate) async fn release(&self) -> Result<(), AssistantError> {
        let leases: Vec<Lease> = std::mem::take(&mut self.lanes().leases).into_values().collect();
        Ok(self.entities.store.release(&leases).await?)
    }

    /// Finds lanes with something to do now, at most `limit`, and when the next thing is due. Work that can't be read is
    /// moved to the dead letters and holds up nothing else.
    pub(crate) async fn ready(&self, phase: Phase, now: DateTime<Utc>, limit: usize) -> Result<Ready, AssistantError> {
        let mut ready = Ready::default();
        let mut leases = self.hold(now).await?;
        if !leases.is_empty() {
            // Each time another one is first, so that no tenant keeps the others waiting.
            let first = self.lanes().next_turn() % leases.len();
            leases.rotate_left(first);
        }
        for lease in leases {
            self.ready_in(lease, phase, now, limit, &mut ready).await?;
            if ready.lanes.len() >= limit {
                break;
            }
        }
        Ok(ready)
    }

    /// Finds lanes of one bucket, those that have waited longest first.
    async fn ready_in(
        &self,
        lease: Lease,
        phase: Phase,
        now: DateTime<Utc>,
        limit: usize,
        ready: &mut Ready,
    ) -> Result<(), AssistantError> {
        let mut lanes: Vec<LaneWork> = Vec::new();
        let mut waits = false;
        let mut places: BTreeMap<RecordId, usize> = BTreeMap::new();
        let mut query = PendingQuery {
            tenant: lease.tenant,
            bucket: lease.bucket,
            due_by: self.horizon(now),
            after: None,
            limit: SCAN_MAX,
        };
        loop {
            let items = self.entities.store.pending(&query).await?;
            query.after = items.last().map(|item| item.key);
            let last_page = items.len() < SCAN_MAX;
            for item in items {
                waits = true;
                let task = match Task::read(&item) {
                    // Files wait apart, so that however many there are they hide no answer.
                    Ok(task) if (task.phase() == Phase::Fetch) != (phase == Phase::Fetch) => continue,
                    Ok(task) => task,
                    Err(_) if phase == Phase::Fetch => continue,
                    Err(error) => {
                        ready.errors.extend(self.bury_unread(&lease, &item, now, &error).await.err());
                        ready.errors.push(error);
                        continue;
                    }
                };
                if item.key.due > now {
                    ready.due(item.key.due);
                }
                let conversation = ConversationId::from_uuid(item.lane.as_uuid());
                let place = *places.entry(item.lane).or_insert(lanes.len());
                if place == lanes.len() {
                    lanes.push(LaneWork { lease, conversation, items: Vec::new() });
                }
                if let Some(lane) = lanes.get_mut(place).filter(|lane| lane.items.len() < LANE_MAX) {
                    lane.items.push((item, task));
                }
            }
            // Lanes that have nothing to do now must not hide those behind them.
            let found = lanes.iter().filter(|work| self.wants(work, phase, now)).count();
            if last_page || ready.lanes.len() + found >= limit {
                break;
            }
        }
        self.lanes().seen(&lease, waits);
        for work in lanes {
            if let Some(until) = self.lanes().rests(work.key(phase), now) {
                ready.due(until);
            } else if ready.lanes.len() < limit && self.wants(&work, phase, now) {
                ready.lanes.push(work);
            }
        }
        Ok(())
    }

    /// Returns whether a lane has something to do now and may do it.
    fn wants(&self, work: &LaneWork, phase: Phase, now: DateTime<Utc>) -> bool {
        let steps = work.steps(now, self.config.burst_quiet, self.config.burst_max);
        let wanted = match phase {
            Phase::Step => steps,
            // What came in goes first: a member may have taken over.
            Phase::Deliver => !steps && work.sends(now),
            Phase::Fetch => work.items.iter().any(|(item, _)| item.key.due <= now),
        };
        let mut lanes = self.lanes();
        wanted && lanes.rests(work.key(phase), now).is_none() && !lanes.busy.contains_key(&work.key(phase))
    }
}
