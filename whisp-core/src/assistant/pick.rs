//! What is worked on next: fair between tenants, between the connections of a tenant, and between the conversations of a
//! connection.
//!
//! Each tenant gets an equal part of a round, and what the others leave. Within it those come first that have waited
//! longest, and a connection gets half at most where others have something to do. A message whose connection or person may
//! not be written to yet is passed over and looked past, so that it holds up nobody.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use crate::assistant::own::LaneKey;
use crate::assistant::task::Task;
use crate::assistant::{AssistantError, Inner};
use crate::id::{ConnectionId, ConversationId, RecordId, TenantId};
use crate::store::{Lease, PendingQuery, WorkItem};

/// How many pieces of work one read of a bucket returns.
const SCAN_MAX: usize = 256;

/// How many reads of a bucket one look takes at most: what is behind 65,536 pieces of work waits until those are done.
const READS_MAX: usize = 256;

/// How many pieces of work of one conversation are done at once, so that what they write fits into one batch; the rest
/// comes next.
const LANE_MAX: usize = 256;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Step,
    Deliver,
    Fetch,
}

/// A look for work.
#[derive(Debug, Clone, Copy)]
struct Look {
    phase: Phase,
    now: DateTime<Utc>,
    /// So many lanes at most.
    limit: usize,
}

/// Whether a lane is worked on.
enum Want {
    Now,
    Later(DateTime<Utc>),
    No,
}

impl LaneWork {
    pub(crate) fn key(&self, phase: Phase) -> LaneKey {
        LaneKey { tenant: self.lease.tenant, lane: self.conversation.into(), fetches: phase == Phase::Fetch }
    }

    /// Returns through which connection the lane sends, if it has something to send and the work tells.
    pub(super) fn flow(&self) -> Option<(TenantId, ConnectionId)> {
        let connection = self.items.iter().find_map(|(_, task)| match task {
            Task::Send { connection } => *connection,
            _ => None,
        });
        connection.map(|connection| (self.lease.tenant, connection))
    }

    /// Returns since when the lane has waited for a phase.
    fn since(&self, phase: Phase) -> Option<DateTime<Utc>> {
        self.items.iter().filter(|(_, task)| task.phase() == phase).map(|(item, _)| item.key.due).min()
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

/// How many lanes of each connection may be picked.
#[derive(Debug, Default)]
struct Rooms(BTreeMap<ConnectionId, usize>);

impl Rooms {
    /// Counts a lane; returns whether there was room for it.
    fn enter(&mut self, connection: ConnectionId, room: impl FnOnce() -> usize) -> bool {
        let room = self.0.entry(connection).or_insert_with(room);
        let enters = *room > 0;
        *room = room.saturating_sub(1);
        enters
    }
}

impl Inner {
    /// Finds lanes with something to do now, at most `limit`, and when the next thing is due. Work that can't be read is
    /// moved to the dead letters and holds up nothing else.
    pub(crate) async fn ready(&self, phase: Phase, now: DateTime<Utc>, limit: usize) -> Result<Ready, AssistantError> {
        let mut ready = Ready::default();
        let mut tenants: BTreeMap<TenantId, Vec<Lease>> = BTreeMap::new();
        for lease in self.hold(now).await? {
            tenants.entry(lease.tenant).or_default().push(lease);
        }
        let mut tenants: Vec<Vec<Lease>> = tenants.into_values().collect();
        if !tenants.is_empty() {
            // Each time another one is first, so that also more tenants than fit into a round are all served.
            let first = self.lanes().next_turn(phase) % tenants.len();
            tenants.rotate_left(first);
        }
        let part = limit.div_ceil(tenants.len().max(1));
        let mut picked: Vec<VecDeque<LaneWork>> = Vec::new();
        let mut left = limit;
        let mut unserved = Vec::new();
        for leases in &tenants {
            if left == 0 {
                break;
            }
            let look = Look { phase, now, limit: part.min(left) };
            let (lanes, more) = self.ready_of(leases, look, &mut ready).await?;
            left -= lanes.len();
            if more {
                unserved.push((picked.len(), leases));
            }
            picked.push(lanes.into());
        }
        for (at, leases) in unserved {
            let Some(lanes) = picked.get_mut(at).filter(|_| left > 0) else { break };
            left += lanes.len();
            *lanes = self.ready_of(leases, Look { phase, now, limit: left }, &mut ready).await?.0.into();
            left -= lanes.len();
        }
        while picked.iter().any(|lanes| !lanes.is_empty()) {
            ready.lanes.extend(picked.iter_mut().filter_map(VecDeque::pop_front));
        }
        Ok(ready)
    }

    /// Finds lanes of one tenant, those that have waited longest first, and whether there are more.
    async fn ready_of(
        &self,
        leases: &[Lease],
        look: Look,
        ready: &mut Ready,
    ) -> Result<(Vec<LaneWork>, bool), AssistantError> {
        let mut found = Vec::new();
        for lease in leases {
            self.ready_in(*lease, look, &mut found, ready).await?;
        }
        found.sort_by_key(|work| work.since(look.phase));
        let all = found.len();
        // Half a round for a connection at first; who is over that goes behind the others.
        let (mut rooms, mut halves) = (Rooms::default(), Rooms::default());
        let (mut lanes, mut over) = (Vec::new(), Vec::new());
        for work in found {
            let Some(flow) = work.flow().filter(|_| look.phase == Phase::Deliver) else {
                lanes.push(work);
                continue;
            };
            if !rooms.enter(flow.1, || self.room(flow, look, ready)) {
                continue;
            }
            if halves.enter(flow.1, || look.limit.div_ceil(2)) { lanes.push(work) } else { over.push(work) }
        }
        lanes.append(&mut over);
        lanes.truncate(look.limit);
        Ok((lanes, all >= look.limit))
    }

    /// Returns how many messages may go through a connection now.
    fn room(&self, flow: (TenantId, ConnectionId), look: Look, ready: &mut Ready) -> usize {
        self.pace().room(flow, look.now).unwrap_or_else(|until| {
            ready.due(until);
            0
        })
    }

    /// Finds lanes of one bucket.
    async fn ready_in(
        &self,
        lease: Lease,
        look: Look,
        found: &mut Vec<LaneWork>,
        ready: &mut Ready,
    ) -> Result<(), AssistantError> {
        let now = look.now;
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
        for read in 1..=READS_MAX {
            let items = self.entities.store.pending(&query).await?;
            query.after = items.last().map(|item| item.key);
            let last_page = items.len() < SCAN_MAX;
            for item in items {
                waits = true;
                let task = match Task::read(&item) {
                    // Files wait apart, so that however many there are they hide no answer.
                    Ok(task) if (task.phase() == Phase::Fetch) != (look.phase == Phase::Fetch) => continue,
                    Ok(task) => task,
                    Err(_) if look.phase == Phase::Fetch => continue,
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
            // Lanes that have nothing to do now, or may not do it yet, must not hide those behind them. Counting them is
            // work too, so it is done at each doubling.
            if last_page || (read.is_power_of_two() && self.enough(&lanes, look, ready)) {
                break;
            }
        }
        self.lanes().seen(&lease, waits);
        let mut rooms = Rooms::default();
        for work in lanes {
            match self.want(&work, look) {
                Want::Later(at) => ready.due(at),
                // Of one connection no more than a round can take.
                Want::Now if work.flow().is_none_or(|flow| rooms.enter(flow.1, || look.limit)) => found.push(work),
                Want::Now | Want::No => {}
            }
        }
        Ok(())
    }

    /// Returns whether a bucket need not be read further: enough was found, and not of one connection alone.
    fn enough(&self, lanes: &[LaneWork], look: Look, ready: &mut Ready) -> bool {
        let mut rooms = Rooms::default();
        let counts = |work: &&LaneWork| {
            matches!(self.want(work, look), Want::Now)
                && work
                    .flow()
                    .filter(|_| look.phase == Phase::Deliver)
                    .is_none_or(|flow| rooms.enter(flow.1, || self.room(flow, look, ready).min(look.limit.div_ceil(2))))
        };
        lanes.iter().filter(counts).count() >= look.limit
    }

    /// Returns whether a lane has something to do now and may do it.
    fn want(&self, work: &LaneWork, look: Look) -> Want {
        let Look { phase, now, .. } = look;
        {
            let mut lanes = self.lanes();
            if let Some(until) = lanes.rests(work.key(phase), now) {
                return Want::Later(until);
            }
            if lanes.busy.contains_key(&work.key(phase)) {
                return Want::No;
            }
        }
        let steps = work.steps(now, self.config.burst_quiet, self.config.burst_max);
        let wanted = match phase {
            Phase::Step => steps,
            // What came in goes first: a member may have taken over.
            Phase::Deliver => !steps && work.sends(now),
            Phase::Fetch => work.items.iter().any(|(item, _)| item.key.due <= now),
        };
        let paced = match phase {
            Phase::Deliver if wanted => self.pace().waits((work.lease.tenant, work.conversation), now),
            _ => None,
        };
        match (wanted, paced) {
            (true, Some(until)) => Want::Later(until),
            (true, None) => Want::Now,
            (false, _) => Want::No,
        }
    }
}
