//! What waits in a bucket that this worker holds, kept in memory so that a round costs what it does and not what waits.
//!
//! It is a hint, and the store decides: a commit that completes what is no longer there is refused. It is read as a whole
//! when the lease begins, grows with what this process takes in and shrinks with what it commits, and is read again every
//! few seconds, after anything that went wrong, and whenever nothing of it is due: then what other processes added is there
//! too.
//!
//! A turn that this process took in waits for a read that began after that: what another process took in of the same
//! conversation before is there then, and is answered no later. Where bursts are waited out that read is the one of every
//! second.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use crate::assistant::pick::{Phase, READ_MAX};
use crate::assistant::task::Task;
use crate::id::RecordId;
use crate::store::{Fence, Lease, WorkItem, WorkKey, WriteOp};

/// How long what was read is gone by, while there is something to do; and as long again for each so many pieces of work,
/// so that reading is never most of what is done.
const READ_AGAIN: TimeDelta = TimeDelta::seconds(1);
const READ_SELDOM: usize = 10_000;

/// The same, where another process said that there is new work.
const READ_AGAIN_IF_TOLD: TimeDelta = TimeDelta::milliseconds(100);

/// What becomes due within this time after what is looked at is read with it.
const READ_AHEAD: TimeDelta = TimeDelta::seconds(60);

/// How many pieces of work of one conversation are done at once, so that what they write fits into one batch; the rest
/// comes next.
const LANE_MAX: usize = 256;

/// The lanes of a bucket: those of files apart, so that however many files wait they hide no answer.
type LaneOf = (RecordId, bool);

/// What waits in one bucket.
#[derive(Debug)]
pub(crate) struct Backlog {
    fence: Fence,
    /// The work of each lane, in the order of the keys.
    lanes: HashMap<LaneOf, Vec<(WorkItem, Task)>>,
    /// All work, by who does it.
    phases: BTreeMap<Phase, BTreeMap<WorkKey, RecordId>>,
    len: usize,
    /// When it was read, and up to which due time.
    read: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// It may be wrong.
    doubtful: bool,
    /// Another process has added work, perhaps here.
    told: bool,
    /// Lanes with a turn that this process took in since the last read began.
    ahead: HashSet<RecordId>,
    /// What changed while it is being read: read or not, it is applied after that.
    journal: Option<Vec<WorkChange>>,
}

/// A change of what waits.
#[derive(Debug, Clone)]
pub(crate) enum WorkChange {
    Added(WorkItem),
    Done(WorkKey),
}

impl WorkChange {
    /// Returns what operations change. Stores keep microseconds, so that is how work is known.
    pub(super) fn of(ops: &[WriteOp]) -> Vec<Self> {
        let known = |key: WorkKey| WorkKey { due: key.due.trunc_subsecs(6), ..key };
        let change = |op: &WriteOp| match op {
            WriteOp::Enqueue(item) => Some(Self::Added(WorkItem { key: known(item.key), ..item.clone() })),
            WriteOp::Complete(key) => Some(Self::Done(known(*key))),
            _ => None,
        };
        ops.iter().filter_map(change).collect()
    }
}

impl Backlog {
    pub(super) fn new(lease: &Lease) -> Self {
        Self {
            fence: lease.fence,
            lanes: HashMap::new(),
            phases: BTreeMap::new(),
            len: 0,
            read: None,
            doubtful: false,
            told: false,
            ahead: HashSet::new(),
            journal: None,
        }
    }

    pub(super) fn is_of(&self, lease: &Lease) -> bool {
        self.fence == lease.fence
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// It may not be what the store has.
    pub(super) const fn doubt(&mut self) {
        self.doubtful = true;
    }

    /// There may be more in the store.
    #[cfg(feature = "runtime")]
    pub(super) const fn tell(&mut self) {
        self.told = true;
    }

    /// Returns whether it is to be read before anything is done by it.
    pub(super) fn is_old(&self, horizon: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let Some((at, until)) = self.read else { return true };
        // A clock that went back makes everything old.
        self.doubtful || horizon > until || now < at || now - at >= self.life()
    }

    /// Returns whether a lane has a turn that this process took in since the last read began.
    pub(super) fn is_ahead(&self, lane: RecordId) -> bool {
        self.ahead.contains(&lane)
    }

    /// Returns whether such a lane has something to do.
    pub(super) fn is_behind(&self, now: DateTime<Utc>) -> bool {
        let first = |lane| self.lanes.get(&(lane, false)).and_then(|items| items.first());
        self.ahead.iter().any(|lane| first(*lane).is_some_and(|(item, _)| item.key.due <= now))
    }

    /// Returns when it is read again because another process said something.
    pub(super) fn told_until(&self) -> Option<DateTime<Utc>> {
        self.read.filter(|_| self.told).map(|(at, _)| at + self.life())
    }

    fn life(&self) -> TimeDelta {
        let once = if self.told { READ_AGAIN_IF_TOLD } else { READ_AGAIN };
        once * i32::try_from(1 + self.len / READ_SELDOM).unwrap_or(i32::MAX)
    }

    /// Returns whether nothing is due that a phase could do, or is in its way.
    pub(super) fn is_idle(&self, phase: Phase, now: DateTime<Utc>) -> bool {
        let due = |phase| self.of_phase(phase).next().is_some_and(|(key, _)| key.due <= now);
        match phase {
            Phase::Fetch => !due(Phase::Fetch),
            Phase::Step | Phase::Deliver => !due(Phase::Step) && !due(Phase::Deliver),
        }
    }

    /// Begins to read; returns up to which due time, or `None` where somebody is reading already.
    pub(super) fn begin(&mut self, horizon: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.journal.is_some() {
            return None;
        }
        self.journal = Some(Vec::new());
        (self.doubtful, self.told) = (false, false);
        Some(horizon + READ_AHEAD)
    }

    /// Nobody reads any more, and what was read is lost.
    pub(super) fn give_up(&mut self) {
        if self.journal.take().is_some() {
            self.doubtful = true;
        }
    }

    /// Takes what was read: everything due by `until`, or the first of it, up to `last`.
    pub(super) fn replace(
        &mut self,
        work: Vec<(WorkItem, Task)>,
        (at, until): (DateTime<Utc>, DateTime<Utc>),
        last: Option<WorkKey>,
    ) {
        let journal = self.journal.take().unwrap_or_default();
        let kept: Vec<(WorkItem, Task)> = match last {
            // What is behind is as it was known.
            Some(last) => {
                std::mem::take(&mut self.lanes).into_values().flatten().filter(|(item, _)| item.key > last).collect()
            }
            None => Vec::new(),
        };
        self.lanes.clear();
        self.phases.clear();
        self.ahead.clear();
        self.len = 0;
        self.read = Some((at, until));
        for (item, task) in work.into_iter().chain(kept) {
            self.add(item, task);
        }
        for change in journal {
            self.change(change, until);
        }
    }

    /// Applies a change that was committed. What is due later than anybody looks is left to be read in its time.
    pub(super) fn change(&mut self, change: WorkChange, horizon: DateTime<Utc>) {
        if let Some(journal) = &mut self.journal {
            journal.push(change.clone());
        }
        match change {
            WorkChange::Added(item) => {
                let wanted = item.key.due <= self.read.map_or(horizon, |(_, until)| until.max(horizon));
                if !wanted {
                    return;
                }
                match Task::read(&item) {
                    Ok(task) if self.len < 2 * READ_MAX => {
                        if matches!(task, Task::Turn { .. }) {
                            self.ahead.insert(item.lane);
                        }
                        self.add(item, task);
                    }
                    // Read again, it is looked after.
                    _ => self.doubt(),
                }
            }
            WorkChange::Done(key) => self.remove(&key),
        }
    }

    fn add(&mut self, item: WorkItem, task: Task) {
        let (key, phase) = (item.key, task.phase());
        let lane = self.lanes.entry((item.lane, phase == Phase::Fetch)).or_default();
        let Err(place) = lane.binary_search_by_key(&key, |(there, _)| there.key) else { return };
        self.phases.entry(phase).or_default().insert(key, item.lane);
        lane.insert(place, (item, task));
        self.len += 1;
    }

    fn remove(&mut self, key: &WorkKey) {
        for (phase, keys) in &mut self.phases {
            let Some(lane) = keys.remove(key) else { continue };
            let lane = (lane, *phase == Phase::Fetch);
            let Some(items) = self.lanes.get_mut(&lane) else { continue };
            if let Ok(place) = items.binary_search_by_key(key, |(there, _)| there.key) {
                items.remove(place);
                self.len -= 1;
            }
            if items.is_empty() {
                self.lanes.remove(&lane);
            }
        }
    }

    /// Returns what waits for a phase, in order, each with its lane.
    pub(super) fn of_phase(&self, phase: Phase) -> impl Iterator<Item = (WorkKey, RecordId)> {
        self.phases.get(&phase).into_iter().flatten().map(|(key, lane)| (*key, *lane))
    }

    /// Returns the work of a lane that is due by then, in order, as much as is done at once.
    pub(super) fn lane(&self, lane: RecordId, phase: Phase, due_by: DateTime<Utc>) -> &[(WorkItem, Task)] {
        let items = self.lanes.get(&(lane, phase == Phase::Fetch)).map_or(&[][..], Vec::as_slice);
        let due = items.partition_point(|(item, _)| item.key.due <= due_by);
        items.get(..due.min(LANE_MAX)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ConversationId, MessageId, TenantId, WorkId};
    use crate::store::Bucket;

    const LANE: [u8; 16] = [7; 16];

    fn lease() -> Lease {
        Lease { tenant: TenantId::from_bytes([1; 16]), bucket: Bucket(0), fence: Fence(1), until: at(60_000) }
    }

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_000_000 + millis).unwrap()
    }

    fn turn(id: u8, due: DateTime<Utc>) -> WorkItem {
        let task = Task::Turn { message: MessageId::from_bytes([id; 16]) };
        task.item(Bucket(0), ConversationId::from_bytes(LANE), due, WorkId::from_bytes([id; 16]), 0).unwrap()
    }

    fn read(backlog: &mut Backlog, items: Vec<WorkItem>, now: DateTime<Utc>) {
        let until = backlog.begin(now).unwrap();
        let work = items.into_iter().map(|item| (item.clone(), Task::read(&item).unwrap())).collect();
        backlog.replace(work, (now, until), None);
    }

    fn ids(backlog: &Backlog) -> Vec<u8> {
        backlog.of_phase(Phase::Step).map(|(key, _)| key.id.into_bytes()[0]).collect()
    }

    fn apply(backlog: &mut Backlog, op: WriteOp) {
        WorkChange::of(&[op]).into_iter().for_each(|change| backlog.change(change, at(0)));
    }

    #[test]
    fn work_that_is_added_and_read_is_known_once_however_fine_its_time() {
        let mut backlog = Backlog::new(&lease());
        let fine = turn(1, at(0) + TimeDelta::nanoseconds(714));
        apply(&mut backlog, WriteOp::Enqueue(fine.clone()));
        read(&mut backlog, vec![turn(1, at(0))], at(0));
        assert_eq!(ids(&backlog), [1]);
        apply(&mut backlog, WriteOp::Complete(fine.key));
        assert!(backlog.is_empty() && backlog.lane(RecordId::from_bytes(LANE), Phase::Step, at(9_000)).is_empty());
    }

    #[test]
    fn what_changes_while_it_is_read_holds() {
        let mut backlog = Backlog::new(&lease());
        read(&mut backlog, vec![turn(1, at(0)), turn(2, at(1))], at(0));
        let until = backlog.begin(at(0)).unwrap();
        assert_eq!(backlog.begin(at(0)), None, "one at a time");
        apply(&mut backlog, WriteOp::Complete(turn(1, at(0)).key));
        apply(&mut backlog, WriteOp::Enqueue(turn(3, at(2))));
        // What was read is from before that.
        let old = [turn(1, at(0)), turn(2, at(1))].map(|item| (item.clone(), Task::read(&item).unwrap()));
        backlog.replace(old.to_vec(), (at(0), until), None);
        assert_eq!(ids(&backlog), [2, 3]);
    }

    #[test]
    fn what_is_behind_all_that_was_read_stays_known() {
        let mut backlog = Backlog::new(&lease());
        read(&mut backlog, Vec::new(), at(0));
        apply(&mut backlog, WriteOp::Enqueue(turn(9, at(8))));
        let until = backlog.begin(at(0)).unwrap();
        let first = turn(1, at(0));
        let task = Task::read(&first).unwrap();
        backlog.replace(vec![(first.clone(), task)], (at(0), until), Some(first.key));
        assert_eq!(ids(&backlog), [1, 9]);
    }

    #[test]
    fn a_turn_that_was_taken_in_here_waits_for_a_read_that_began_after_it() {
        let mut backlog = Backlog::new(&lease());
        let lane = RecordId::from_bytes(LANE);
        read(&mut backlog, vec![turn(1, at(0))], at(0));
        assert!(!backlog.is_ahead(lane) && !backlog.is_behind(at(0)));
        apply(&mut backlog, WriteOp::Enqueue(turn(3, at(3_000))));
        assert!(backlog.is_ahead(lane) && backlog.is_behind(at(0)), "the first one is due");
        assert!(!backlog.is_behind(at(-1)));
        let until = backlog.begin(at(0)).unwrap();
        // Another process took this one in before; this one comes while it is read.
        let found = [turn(1, at(0)), turn(2, at(2_000)), turn(3, at(3_000))];
        let found = found.map(|item| (item.clone(), Task::read(&item).unwrap()));
        backlog.replace(found.to_vec(), (at(0), until), None);
        assert!(!backlog.is_ahead(lane) && ids(&backlog) == [1, 2, 3]);
        let until = backlog.begin(at(0)).unwrap();
        apply(&mut backlog, WriteOp::Enqueue(turn(4, at(4_000))));
        backlog.replace(found.to_vec(), (at(0), until), None);
        assert!(backlog.is_ahead(lane) && ids(&backlog) == [1, 2, 3, 4], "what came before it may not be there");
    }

    #[test]
    fn it_is_read_again_in_time_when_told_in_doubt_and_when_the_clock_goes_back() {
        let mut backlog = Backlog::new(&lease());
        assert!(backlog.is_old(at(0), at(0)), "never read");
        read(&mut backlog, vec![turn(1, at(0))], at(0));
        assert!(!backlog.is_old(at(0), at(999)) && backlog.is_old(at(0), at(1_000)) && backlog.is_old(at(0), at(-1)));
        assert!(backlog.is_old(at(60_001), at(0)), "something later is looked for");
        assert!(!backlog.is_idle(Phase::Deliver, at(0)), "a turn is in its way");
        assert!(backlog.is_idle(Phase::Fetch, at(0)) && backlog.is_idle(Phase::Step, at(-1)));
        #[cfg(feature = "runtime")]
        {
            assert_eq!(backlog.told_until(), None);
            backlog.tell();
            assert!(!backlog.is_old(at(0), at(99)) && backlog.is_old(at(0), at(100)));
            assert_eq!(backlog.told_until(), Some(at(100)));
        }
        backlog.doubt();
        assert!(backlog.is_old(at(0), at(0)));
        let _ = backlog.begin(at(0)).unwrap();
        backlog.give_up();
        assert!(backlog.is_old(at(0), at(0)), "a read that was broken off is none");
    }
}
