//! What is worked on next: fair between tenants, between the connections of a tenant, and between the conversations of a
//! connection.
//!
//! Each tenant gets an equal part of a round, and what the others leave. Within it those come first that have waited
//! longest, and a connection gets half at most where others have something to do. A message whose connection or person may
//! not be written to yet is passed over and looked past, so that it holds up nobody.

use std::collections::{BTreeMap, HashSet, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use crate::assistant::own::{LaneKey, Lanes};
use crate::assistant::task::Task;
use crate::assistant::{AssistantError, Inner};
use crate::id::{ConnectionId, ConversationId, TenantId};
use crate::store::{Lease, PAGE_MAX, PendingQuery, WorkItem};

/// How many pieces of work of a bucket are known at a time: what comes behind them is read when some are done.
pub(super) const READ_MAX: usize = 65_536;

/// When a lane is looked at again that waits for its bucket to be read, which is done at this moment.
const READ_SOON: TimeDelta = TimeDelta::milliseconds(5);

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
        LaneKey::new(self.lease.tenant, self.conversation.into(), phase)
    }

    /// Returns through which connection the lane sends, if it has something to send and the work tells.
    pub(super) fn flow(&self) -> Option<(TenantId, ConnectionId)> {
        connection(&self.items).map(|connection| (self.lease.tenant, connection))
    }

    /// Returns since when the lane has waited for a phase.
    fn since(&self, phase: Phase) -> Option<DateTime<Utc>> {
        self.items.iter().filter(|(_, task)| task.phase() == phase).map(|(item, _)| item.key.due).min()
    }

    /// Returns whether the turns of the lane are to be handled now: the burst has ended, or has lasted long enough.
    pub(crate) fn turns_ready(&self, now: DateTime<Utc>, quiet: TimeDelta, burst_max: TimeDelta) -> bool {
        turns_ready(&self.items, now, quiet, burst_max)
    }
}

fn connection(items: &[(WorkItem, Task)]) -> Option<ConnectionId> {
    items.iter().find_map(|(_, task)| match task {
        Task::Send { connection } => *connection,
        _ => None,
    })
}

fn turns_ready(items: &[(WorkItem, Task)], now: DateTime<Utc>, quiet: TimeDelta, burst_max: TimeDelta) -> bool {
    let turns = || items.iter().filter(|(_, task)| matches!(task, Task::Turn { .. })).map(|(item, _)| item.key);
    let latest = turns().max_by_key(|key| key.id);
    let earliest = turns().map(|key| key.due).min();
    latest.is_some_and(|key| key.due <= now) || earliest.is_some_and(|due| due - quiet + burst_max <= now)
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
        let horizon = self.horizon(now);
        for lease in self.hold(now).await? {
            let is_old = self.lanes().is_old(&lease, horizon, phase, now);
            if is_old {
                self.read(lease, now, &mut ready).await?;
            }
            let told_until = self.lanes().told_until(&lease);
            told_until.into_iter().for_each(|until| ready.due(until));
            tenants.entry(lease.tenant).or_default().push(lease);
        }
        let asks_at = self.lanes().asks_at(now);
        asks_at.into_iter().for_each(|at| ready.due(at));
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
            let (lanes, more) = self.ready_of(leases, look, &mut ready);
            left -= lanes.len();
            if more {
                unserved.push((picked.len(), leases));
            }
            picked.push(lanes.into());
        }
        for (at, leases) in unserved {
            let Some(lanes) = picked.get_mut(at).filter(|_| left > 0) else { break };
            left += lanes.len();
            *lanes = self.ready_of(leases, Look { phase, now, limit: left }, &mut ready).0.into();
            left -= lanes.len();
        }
        while picked.iter().any(|lanes| !lanes.is_empty()) {
            ready.lanes.extend(picked.iter_mut().filter_map(VecDeque::pop_front));
        }
        Ok(ready)
    }

    /// Finds lanes of one tenant, those that have waited longest first, and whether there are more.
    fn ready_of(&self, leases: &[Lease], look: Look, ready: &mut Ready) -> (Vec<LaneWork>, bool) {
        let mut found = Vec::new();
        for lease in leases {
            self.ready_in(*lease, look, &mut found, ready);
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
        (lanes, all >= look.limit)
    }

    /// Returns how many messages may go through a connection now.
    fn room(&self, flow: (TenantId, ConnectionId), look: Look, ready: &mut Ready) -> usize {
        self.pace().room(flow, look.now).unwrap_or_else(|until| {
            ready.due(until);
            0
        })
    }

    /// Finds lanes of one bucket. It looks no further once enough was found, and not of one connection alone: lanes that
    /// have nothing to do now, or may not do it yet, hide none behind them.
    fn ready_in(&self, lease: Lease, look: Look, found: &mut Vec<LaneWork>, ready: &mut Ready) {
        let Look { phase, now, limit } = look;
        let horizon = self.horizon(now);
        let mut lanes = self.lanes();
        let lanes = &mut *lanes;
        let Some(backlog) = lanes.backlogs.get(&(lease.tenant, lease.bucket)) else { return };
        let (mut seen, mut enough) = (HashSet::new(), 0);
        let (mut picked, mut counted) = (Rooms::default(), Rooms::default());
        for (key, lane) in backlog.of_phase(phase).take_while(|(key, _)| key.due <= horizon) {
            if enough >= limit {
                break;
            }
            if key.due > now {
                ready.due(key.due);
            }
            if !seen.insert(lane) {
                continue;
            }
            let items = backlog.lane(lane, phase, horizon);
            let lane_key = LaneKey::new(lease.tenant, lane, phase);
            let want = match lanes.resting.until(lane_key, now) {
                Some(until) => Want::Later(until),
                None if lanes.busy.contains_key(&lane_key) => Want::No,
                None => match self.want(lane_key, items, look) {
                    // It came while the bucket was read, or somebody else reads it now.
                    Want::Now if phase == Phase::Step && backlog.is_ahead(lane) => Want::Later(now + READ_SOON),
                    want => want,
                },
            };
            match want {
                Want::Later(at) => ready.due(at),
                Want::No => {}
                Want::Now => {
                    let conversation = ConversationId::from_uuid(lane.as_uuid());
                    let flow = connection(items).map(|connection| (lease.tenant, connection));
                    // Of one connection no more than a round can take.
                    if flow.is_none_or(|flow| picked.enter(flow.1, || limit)) {
                        found.push(LaneWork { lease, conversation, items: items.to_vec() });
                    }
                    let mut room = |flow| self.room(flow, look, ready).min(limit.div_ceil(2));
                    let flow = flow.filter(|_| phase == Phase::Deliver);
                    enough += usize::from(flow.is_none_or(|flow| counted.enter(flow.1, || room(flow))));
                }
            }
        }
    }

    /// Returns the work of a lane that was picked, as it is now: another call may have done it meanwhile, and what is
    /// done twice is sent and then not known. `None` where nothing is left to do.
    pub(super) fn again(&self, lanes: &Lanes, work: LaneWork, phase: Phase, now: DateTime<Utc>) -> Option<LaneWork> {
        let LaneWork { lease, conversation, .. } = work;
        let key = LaneKey::new(lease.tenant, conversation.into(), phase);
        let backlog = lanes.backlogs.get(&(lease.tenant, lease.bucket)).filter(|backlog| backlog.is_of(&lease))?;
        let items = backlog.lane(key.lane, phase, self.horizon(now));
        if phase == Phase::Step && backlog.is_ahead(key.lane) {
            return None;
        }
        let want = self.want(key, items, Look { phase, now, limit: 1 });
        matches!(want, Want::Now).then(|| LaneWork { lease, conversation, items: items.to_vec() })
    }

    /// Returns whether a lane has something to do now and may do it.
    fn want(&self, lane: LaneKey, items: &[(WorkItem, Task)], look: Look) -> Want {
        let Look { phase, now, .. } = look;
        let due = |is: fn(&Task) -> bool| items.iter().any(|(item, task)| is(task) && item.key.due <= now);
        // Anything due but a send, and a burst that has ended.
        let steps = || {
            turns_ready(items, now, self.config.burst_quiet, self.config.burst_max)
                || due(|task| !task.is_send() && !matches!(task, Task::Turn { .. }))
        };
        let wanted = match phase {
            Phase::Step => steps(),
            // What came in goes first: a member may have taken over.
            Phase::Deliver => due(Task::is_send) && !steps(),
            Phase::Fetch => due(|_| true),
        };
        let paced = match phase {
            Phase::Deliver if wanted => {
                self.pace().waits((lane.tenant, ConversationId::from_uuid(lane.lane.as_uuid())), now)
            }
            _ => None,
        };
        match (wanted, paced) {
            (true, Some(until)) => Want::Later(until),
            (true, None) => Want::Now,
            (false, _) => Want::No,
        }
    }

    /// Reads what waits in a bucket. Work that can't be read is moved to the dead letters.
    async fn read(&self, lease: Lease, now: DateTime<Utc>, ready: &mut Ready) -> Result<(), AssistantError> {
        let Some(until) = self.lanes().begin_read(&lease, self.horizon(now)) else { return Ok(()) };
        let reading = Reading { inner: self, lease };
        let mut query =
            PendingQuery { tenant: lease.tenant, bucket: lease.bucket, due_by: until, after: None, limit: PAGE_MAX };
        let (mut work, mut unread) = (Vec::new(), Vec::new());
        let mut is_all = false;
        while !is_all && work.len() + unread.len() < READ_MAX {
            let items = self.entities.store.pending(&query).await?;
            is_all = items.len() < PAGE_MAX;
            query.after = items.last().map(|item| item.key).or(query.after);
            for item in items {
                match Task::read(&item) {
                    Ok(task) => work.push((item, task)),
                    Err(error) => unread.push((item, error)),
                }
            }
        }
        let last = query.after.filter(|_| !is_all);
        self.lanes().end_read(&lease, work, (now, until), last);
        drop(reading);
        for (item, error) in unread {
            ready.errors.extend(self.bury_unread(&lease, &item, now, &error).await.err());
            ready.errors.push(error);
        }
        Ok(())
    }
}

/// A bucket that is being read. Dropped before that has ended, what was read is lost.
struct Reading<'a> {
    inner: &'a Inner,
    lease: Lease,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.inner.lanes().give_up_read(&self.lease);
    }
}
