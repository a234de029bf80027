//! Which buckets this worker owns.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::assistant::backlog::{Backlog, WorkChange};
use crate::assistant::pick::Phase;
use crate::assistant::slots::Slots;
use crate::assistant::step::REST;
use crate::assistant::task::Task;
use crate::assistant::turn::ENGINE_REST_MAX;
use crate::assistant::{AssistantError, Inner};
use crate::id::{RecordId, TenantId};
use crate::store::{Bucket, Lease, OwnRequest, RenewRequest, WorkItem, WorkKey};

/// How often a worker asks for buckets that nobody owns, at most. When it knows of new work it asks at once.
pub(super) const OWN_EVERY: TimeDelta = TimeDelta::seconds(1);

/// How often a worker looks for others while a lease lasts, and says that it is there.
const LOOKS_PER_LEASE: i32 = 6;

/// Which part of the leases is given up in turn where all are taken and every bucket has work: a quarter.
const ROTATED_PART: usize = 4;

/// From how many lanes that rest on those are forgotten whose rest is over.
const RESTING_MAX: usize = 1_024;

/// What this worker holds in memory. All of it can be lost: the store knows it all.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    leases: BTreeMap<(TenantId, Bucket), Lease>,
    /// The lanes that are worked on, and their buckets.
    pub(super) busy: BTreeMap<LaneKey, Bucket>,
    /// How many lanes of whom are worked on.
    pub(super) slots: Slots,
    /// Lanes that failed, and when to try them again.
    pub(super) resting: Resting,
    /// What waits in the buckets that are held.
    pub(super) backlogs: BTreeMap<(TenantId, Bucket), Backlog>,
    /// Counts the looks at the buckets, of each phase: who came first in one comes last in the next.
    turns: BTreeMap<Phase, usize>,
    /// A bucket that we do not own has new work.
    wanted: bool,
    asked_at: Option<DateTime<Utc>>,
    /// Until when it asks for no bucket, because it has just given some to others.
    pauses_until: Option<DateTime<Utc>>,
    /// When it last looked for other workers.
    looked_at: Option<DateTime<Utc>>,
    /// When the leases of another worker end first, if it is heard of no more.
    others_until: Option<DateTime<Utc>>,
    /// When buckets with work were given back last because others wait, and the last of them.
    rotated: Option<(DateTime<Utc>, (TenantId, Bucket))>,
}

impl Lanes {
    /// This process has added work.
    pub(crate) fn notice(&mut self, tenant: TenantId, work: Vec<WorkChange>, horizon: DateTime<Utc>) {
        for change in work {
            let WorkChange::Added(item) = &change else { continue };
            let key = (tenant, item.key.bucket);
            self.wanted |= !self.leases.contains_key(&key);
            if let Some(backlog) = self.backlogs.get_mut(&key) {
                backlog.change(change, horizon);
            }
        }
    }

    /// Applies what was committed under a lease.
    pub(crate) fn committed(&mut self, lease: &Lease, work: Vec<WorkChange>, horizon: DateTime<Utc>) {
        let Some(backlog) = self.backlog(lease) else { return };
        for change in work {
            backlog.change(change, horizon);
        }
    }

    /// Something went wrong with a bucket: what waits in it is read again.
    pub(super) fn doubt(&mut self, lease: &Lease) {
        if let Some(backlog) = self.backlog(lease) {
            backlog.doubt();
        }
    }

    fn backlog(&mut self, lease: &Lease) -> Option<&mut Backlog> {
        self.backlogs.get_mut(&(lease.tenant, lease.bucket)).filter(|backlog| backlog.is_of(lease))
    }

    /// Returns whether what waits in a bucket is to be read before a phase goes by it.
    pub(super) fn is_old(&self, lease: &Lease, horizon: DateTime<Utc>, phase: Phase, now: DateTime<Utc>) -> bool {
        let backlog = self.backlogs.get(&(lease.tenant, lease.bucket)).filter(|backlog| backlog.is_of(lease));
        backlog.is_none_or(|backlog| {
            let is_behind = phase == Phase::Step && backlog.is_behind(now);
            is_behind || backlog.is_old(horizon, now) || backlog.is_idle(phase, now)
        })
    }

    /// Returns when what waits in a bucket is read again because another process said something.
    pub(super) fn told_until(&self, lease: &Lease) -> Option<DateTime<Utc>> {
        self.backlogs.get(&(lease.tenant, lease.bucket)).and_then(Backlog::told_until)
    }

    /// Begins to read what waits in a bucket; returns up to which due time, or `None` where somebody is at it.
    pub(super) fn begin_read(&mut self, lease: &Lease, horizon: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let backlog = self.backlogs.entry((lease.tenant, lease.bucket)).or_insert_with(|| Backlog::new(lease));
        if !backlog.is_of(lease) {
            *backlog = Backlog::new(lease);
        }
        backlog.begin(horizon)
    }

    /// Takes what was read; `last` is the last of it where there is more.
    pub(super) fn end_read(
        &mut self,
        lease: &Lease,
        work: Vec<(WorkItem, Task)>,
        read: (DateTime<Utc>, DateTime<Utc>),
        last: Option<WorkKey>,
    ) {
        if let Some(backlog) = self.backlog(lease) {
            backlog.replace(work, read, last);
        }
    }

    /// Nobody reads a bucket any more.
    pub(super) fn give_up_read(&mut self, lease: &Lease) {
        if let Some(backlog) = self.backlog(lease) {
            backlog.give_up();
        }
    }

    /// Another process has added work: perhaps to a bucket that nobody owns.
    #[cfg(feature = "runtime")]
    pub(crate) fn want(&mut self) {
        self.wanted = true;
        self.backlogs.values_mut().for_each(Backlog::tell);
    }

    /// Returns how many buckets are held.
    pub(crate) fn held(&self) -> usize {
        self.leases.len()
    }

    /// Returns whether it is time to look for other workers, and counts it as done. It is too when leases are renewed: what
    /// others are told lasts as long as they do.
    pub(crate) fn looks_for_others(&mut self, now: DateTime<Utc>, lease: TimeDelta) -> bool {
        let is_due = self.looked_at.is_none_or(|at| now < at || now - at >= lease / LOOKS_PER_LEASE)
            || self.ending(now, lease / 2).next().is_some();
        if is_due {
            self.looked_at = Some(now);
        }
        is_due
    }

    /// Notes when the leases of another worker end first, if it is heard of no more, and whether those of one have.
    pub(crate) const fn know_others(&mut self, until: Option<DateTime<Utc>>, some_ended: bool) {
        self.others_until = until;
        self.wanted |= some_ended;
    }

    /// Returns when it asks for buckets because another worker may be heard of no more; `None` once it did.
    pub(super) fn asks_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.others_until.filter(|until| self.asked_at.is_none_or(|asked| asked < *until) && !self.pauses(now))
    }

    /// Returns the leases that end within so long.
    fn ending(&self, now: DateTime<Utc>, within: TimeDelta) -> impl Iterator<Item = Lease> {
        self.leases.values().copied().filter(move |lease| lease.until - now < within)
    }

    /// Gives up to `count` leases up, those without work first and none that is worked on, and asks for no other until
    /// then. Returns them.
    pub(crate) fn give_up(&mut self, count: usize, until: DateTime<Utc>) -> Vec<Lease> {
        let busy: BTreeSet<(TenantId, Bucket)> = self.busy.iter().map(|(key, bucket)| (key.tenant, *bucket)).collect();
        let mut free: Vec<Lease> = self.leases.iter().filter(|(key, _)| !busy.contains(key)).map(|(_, l)| *l).collect();
        free.sort_by_key(|lease| !self.is_idle(lease));
        free.truncate(count);
        free.iter().for_each(|lease| self.forget(lease));
        if !free.is_empty() {
            self.pauses_until = Some(until);
        }
        free
    }

    /// Where all leases are taken, and each bucket has work, gives some up all the same: others may have waited for longer, and
    /// [`own`](crate::store::Work::own) takes the longest waiting. Each in turn, none that is worked on, once in `every`.
    fn rotate(&mut self, count: usize, now: DateTime<Utc>, every: TimeDelta) -> Vec<Lease> {
        if self.rotated.is_some_and(|(at, _)| now >= at && now - at < every) {
            return Vec::new();
        }
        let busy: BTreeSet<(TenantId, Bucket)> = self.busy.iter().map(|(key, bucket)| (key.tenant, *bucket)).collect();
        let last = self.rotated.map(|(_, key)| key);
        let after = self.leases.iter().filter(|(key, _)| last.is_none_or(|last| **key > last));
        let before = self.leases.iter().filter(|(key, _)| last.is_some_and(|last| **key <= last));
        let free = after.chain(before).filter(|(key, _)| !busy.contains(key));
        let given: Vec<Lease> = free.take(count).map(|(_, lease)| *lease).collect();
        let Some(last) = given.last() else { return given };
        self.rotated = Some((now, (last.tenant, last.bucket)));
        given.iter().for_each(|lease| self.forget(lease));
        given
    }

    /// Whether it leaves free buckets to others for now.
    fn pauses(&self, now: DateTime<Utc>) -> bool {
        // A clock that went back must not make a pause of it that never ends.
        self.pauses_until.is_some_and(|until| now < until && until - now <= OWN_EVERY * 2)
    }

    pub(super) fn next_turn(&mut self, phase: Phase) -> usize {
        let turn = self.turns.entry(phase).or_default();
        *turn = turn.wrapping_add(1);
        *turn
    }

    /// Returns whether nothing is known to wait in a bucket that is held.
    fn is_idle(&self, lease: &Lease) -> bool {
        self.backlogs
            .get(&(lease.tenant, lease.bucket))
            .is_some_and(|backlog| backlog.is_of(lease) && backlog.is_empty())
    }

    /// Takes note of leases that are new, and that others have not been told of.
    fn took(&mut self, new: Vec<Lease>) {
        self.leases.extend(new.into_iter().map(|lease| ((lease.tenant, lease.bucket), lease)));
        self.looked_at = None;
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
            self.backlogs.remove(&key);
        }
    }

    /// Lets a lane that failed rest for a moment.
    pub(crate) fn rest(&mut self, key: LaneKey, now: DateTime<Utc>) {
        let resting = &mut self.resting.0;
        if resting.len() >= RESTING_MAX {
            // Whose bucket went to another worker is never looked at again.
            resting.retain(|_, until| now < *until);
        }
        resting.insert(key, now + REST);
    }

    /// Forgets a lease that turned out to be lost.
    pub(crate) fn lost(&mut self, lease: &Lease) {
        self.forget(lease);
        self.wanted = true;
    }
}

/// Lanes that rest, and until when.
#[derive(Debug, Default)]
pub(super) struct Resting(BTreeMap<LaneKey, DateTime<Utc>>);

impl Resting {
    /// Returns until when a lane rests, if it does.
    pub(super) fn until(&mut self, key: LaneKey, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let until = self.0.get(&key).copied()?;
        // A clock that went back must not make a rest of it that never ends.
        if now < until && until - now <= REST {
            return Some(until);
        }
        self.0.remove(&key);
        None
    }
}

/// One conversation, to those who answer in it or to those who fetch its files: neither waits for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LaneKey {
    pub(super) tenant: TenantId,
    pub(super) lane: RecordId,
    pub(super) fetches: bool,
}

impl LaneKey {
    pub(super) fn new(tenant: TenantId, lane: RecordId, phase: Phase) -> Self {
        Self { tenant, lane, fetches: phase == Phase::Fetch }
    }
}

impl Inner {
    /// What is due by then is looked at now: it may be part of a burst, or the next thing to wait for.
    pub(super) fn horizon(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + self.config.burst_max.max(ENGINE_REST_MAX)
    }

    /// Renews the leases that are held and takes free buckets that have work; returns what is held.
    pub(crate) async fn hold(&self, now: DateTime<Utc>) -> Result<Vec<Lease>, AssistantError> {
        let surplus = self.share(now).await?;
        let until = now + self.config.lease;
        let leases_max = self.config.leases_max.max(1);
        let (ending, spare, ask) = {
            let mut lanes = self.lanes();
            let half = self.config.lease / 2;
            let ending: Vec<Lease> = lanes.ending(now, half).collect();
            let due = lanes.asked_at.is_none_or(|at| now < at || now - at >= OWN_EVERY)
                || lanes.asks_at(now).is_some_and(|at| at <= now);
            let ask = (lanes.wanted || due) && !lanes.pauses(now);
            if ask {
                lanes.asked_at = Some(now);
                lanes.wanted = false;
            }
            // Those of buckets in which nothing waits go back instead of being renewed, and at once where all leases are
            // taken, for others to be served.
            let full = ask && lanes.leases.len() >= leases_max;
            let spare = |lease: &&Lease| (full || ending.contains(lease)) && lanes.is_idle(lease);
            let mut spare: Vec<Lease> = lanes.leases.values().filter(spare).copied().collect();
            spare.iter().for_each(|lease| lanes.forget(lease));
            if full && spare.is_empty() {
                spare = lanes.rotate(leases_max.div_ceil(ROTATED_PART), now, half);
            }
            (ending, spare, ask)
        };
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
        // After the others were renewed: what can't be given back ends by itself, and must take no other lease with it.
        self.give_back(surplus.into_iter().chain(spare).collect()).await?;
        let limit = leases_max.saturating_sub(self.lanes().leases.len());
        if ask && limit > 0 {
            let request = OwnRequest { worker: self.worker, limit, now, due_by: self.horizon(now), until };
            let new = self.entities.store.own(&request).await?;
            if !new.is_empty() {
                self.lanes().took(new);
                // Others should know at once how long these last.
                let surplus = self.share(now).await?;
                self.give_back(surplus).await?;
            }
        }
        Ok(self.lanes().leases.values().copied().collect())
    }

    /// Gives leases back, where there are any.
    async fn give_back(&self, leases: Vec<Lease>) -> Result<(), AssistantError> {
        if !leases.is_empty() {
            self.entities.store.release(&leases).await?;
        }
        Ok(())
    }

    /// Gives every lease back.
    pub(crate) async fn release(&self) -> Result<(), AssistantError> {
        let leases: Vec<Lease> = {
            let mut lanes = self.lanes();
            lanes.backlogs.clear();
            std::mem::take(&mut lanes.leases).into_values().collect()
        };
        Ok(self.entities.store.release(&leases).await?)
    }
}
