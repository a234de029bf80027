//! A group of jobs of one tenant in memory: what they need to know, what they come to, and what is left to write.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use whisp_core::id::{RecordId, TenantId};
use whisp_core::kpi::Fact;
use whisp_core::store::{
    Bucket, Commit, DedupKey, Expect, Fence, Kind, Lease, OwnRequest, Record, RenewRequest, Stored, Version, WorkItem,
    WorkKey, WriteBatch, WriteOp,
};

use super::error::Failure;
use super::row::{micros, split, time};

/// What a tenant's writer is asked to do.
#[derive(Debug)]
pub(super) enum Task {
    Commit(WriteBatch),
    /// Leases those of these buckets, each with its oldest work, that are still free.
    Take(OwnRequest, Vec<WorkKey>),
    Renew(RenewRequest),
    Release(Vec<Lease>),
}

/// What came of a task.
#[derive(Debug)]
pub(super) enum Outcome {
    Commit(Commit),
    Leases(Vec<Lease>),
}

/// Where a piece of work stands, with its time as it is stored.
pub(super) type WorkPlace = (Bucket, i64, Uuid);

pub(super) fn work_place(key: &WorkKey) -> WorkPlace {
    (key.bucket, micros(key.due), key.id.as_uuid())
}

/// How much of what a group's outcome depends on is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// What is new by its looks, first versions, work that is added and keys that nobody should have seen and that are
    /// remembered now, is taken for new: if it is not, a constraint of the tables ends the transaction, and nothing has
    /// happened. A refusal may then name too little, so it is no outcome.
    Hopeful,
    /// Everything is read.
    Thorough,
}

/// The keys of everything that is read before a group's outcome is known.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) records: BTreeMap<Kind, BTreeSet<RecordId>>,
    pub(super) seen: BTreeSet<DedupKey>,
    pub(super) work: BTreeSet<WorkPlace>,
    pub(super) buckets: BTreeSet<Bucket>,
    /// Keys that are taken for new.
    pub(super) hoped: BTreeSet<DedupKey>,
}

impl Wanted {
    pub(super) fn of<'t>(tasks: impl Iterator<Item = &'t Task>, care: Care) -> Self {
        let mut wanted = Self::default();
        for task in tasks {
            match task {
                Task::Commit(batch) => wanted.batch(batch, care),
                Task::Take(_, waiting) => wanted.buckets.extend(waiting.iter().map(|key| key.bucket)),
                Task::Renew(RenewRequest { leases, .. }) | Task::Release(leases) => {
                    wanted.buckets.extend(leases.iter().map(|lease| lease.bucket));
                }
            }
        }
        wanted
    }

    fn batch(&mut self, batch: &WriteBatch, care: Care) {
        let is_hopeful = care == Care::Hopeful;
        let remembered: BTreeSet<&DedupKey> = batch
            .ops
            .iter()
            .filter_map(|op| match op {
                WriteOp::Remember { key, .. } => Some(key),
                _ => None,
            })
            .collect();
        for expect in &batch.expects {
            match expect {
                Expect::Absent(kind, id) | Expect::Version(kind, id, _) => self.record(*kind, *id),
                Expect::Unseen { key, .. } if is_hopeful && remembered.contains(key) => {
                    self.hoped.insert(*key);
                }
                Expect::Unseen { key, .. } => drop(self.seen.insert(*key)),
                Expect::Owner { bucket, .. } => drop(self.buckets.insert(*bucket)),
            }
        }
        for op in &batch.ops {
            match op {
                WriteOp::Put(record) if is_hopeful && record.version == 1 => {}
                WriteOp::Put(record) => self.record(record.kind, record.id),
                WriteOp::Delete(kind, id, _) => self.record(*kind, *id),
                WriteOp::Enqueue(item) => {
                    if !is_hopeful {
                        self.work.insert(work_place(&item.key));
                    }
                    // A bucket that gets its first work gets its row among the leases, by which it is found.
                    self.buckets.insert(item.key.bucket);
                }
                WriteOp::Complete(key) => drop(self.work.insert(work_place(key))),
                WriteOp::Remember { .. } | WriteOp::Append(_) => {}
            }
        }
    }

    fn record(&mut self, kind: Kind, id: RecordId) {
        self.records.entry(kind).or_default().insert(id);
    }
}

/// What the database holds of the wanted keys, and what the group's tasks make of it.
#[derive(Debug, Default)]
pub(super) struct Group<'t> {
    pub(super) records: BTreeMap<(Kind, RecordId), RecordSlot<'t>>,
    pub(super) seen: BTreeMap<DedupKey, SeenSlot>,
    pub(super) work: BTreeMap<WorkPlace, WorkSlot<'t>>,
    pub(super) leases: BTreeMap<Bucket, LeaseSlot>,
    pub(super) facts: Vec<&'t Fact>,
    /// The latest time at which anybody asked: a store has no clock.
    pub(super) asked_at: Option<DateTime<Utc>>,
    /// Whether work was added by somebody who does not hold its bucket.
    pub(super) has_news: bool,
}

/// A record before and after.
#[derive(Debug, Default)]
pub(super) struct RecordSlot<'t> {
    pub(super) before: Option<RecordBefore>,
    pub(super) after: After<&'t Record>,
}

/// What is known of a stored record: its version, and the paths that lead to it.
#[derive(Debug)]
pub(super) struct RecordBefore {
    version: Version,
    pub(super) lookups: Vec<[u8; 16]>,
    pub(super) subjects: Vec<[u8; 16]>,
}

impl RecordBefore {
    pub(super) fn new(version: i64, lookups: &[u8], subjects: &[u8]) -> Result<Self, Failure> {
        Ok(Self {
            version: u64::try_from(version).map_err(|_| Failure::corrupt())?,
            lookups: split(lookups)?.collect(),
            subjects: split(subjects)?.collect(),
        })
    }
}

/// What is left at the end of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum After<T> {
    #[default]
    AsBefore,
    Gone,
    Put(T),
}

/// A dedup key, and until when it is remembered.
#[derive(Debug, Default)]
pub(super) struct SeenSlot {
    pub(super) before: Option<DateTime<Utc>>,
    pub(super) after: Option<DateTime<Utc>>,
}

/// A piece of work before and after.
#[derive(Debug, Default)]
pub(super) struct WorkSlot<'t> {
    pub(super) before: bool,
    pub(super) after: After<&'t WorkItem>,
}

/// The newest lease of a bucket.
#[derive(Debug, Default)]
pub(super) struct LeaseSlot {
    pub(super) newest: Option<(Fence, DateTime<Utc>)>,
    pub(super) changed: bool,
}

impl<'t> Group<'t> {
    /// Does the tasks one after another, each on what the ones before it left; returns what each came to.
    pub(super) fn run(&mut self, tenant: TenantId, tasks: impl Iterator<Item = &'t Task>) -> Vec<Outcome> {
        tasks.map(|task| self.task(tenant, task)).collect()
    }

    fn task(&mut self, tenant: TenantId, task: &'t Task) -> Outcome {
        match task {
            Task::Commit(batch) => Outcome::Commit(self.commit(batch)),
            Task::Take(request, waiting) => {
                let waiting = waiting.iter().map(|key| (tenant, *key));
                let Ok(leases) = request.leases(waiting, self);
                self.lend(leases)
            }
            Task::Renew(request) => {
                let Ok(leases) = request.leases(self);
                self.lend(leases)
            }
            Task::Release(leases) => {
                let Ok(leases) = Lease::released(leases, self);
                self.lend(leases)
            }
        }
    }

    fn lend(&mut self, leases: Vec<Lease>) -> Outcome {
        for lease in &leases {
            let newest = Some((lease.fence, lease.until));
            self.leases.insert(lease.bucket, LeaseSlot { newest, changed: true });
        }
        Outcome::Leases(leases)
    }

    fn commit(&mut self, batch: &'t WriteBatch) -> Commit {
        let Ok(refusals) = batch.refusals(self);
        if !refusals.is_empty() {
            return Commit::Refused(refusals);
        }
        let is_owner = batch.expects.iter().any(|expect| matches!(expect, Expect::Owner { .. }));
        for expect in &batch.expects {
            if let Expect::Unseen { at, .. } = expect {
                self.asked_at = self.asked_at.max(Some(*at));
            }
        }
        for op in &batch.ops {
            match op {
                WriteOp::Put(record) => self.record(record.kind, record.id).after = After::Put(record),
                WriteOp::Delete(kind, id, _) => self.record(*kind, *id).after = After::Gone,
                WriteOp::Remember { key, until } => {
                    let slot = self.seen.entry(*key).or_default();
                    slot.after = slot.after.max(Some(*until));
                }
                WriteOp::Append(fact) => self.facts.push(fact),
                WriteOp::Enqueue(item) => {
                    self.work.entry(work_place(&item.key)).or_default().after = After::Put(item);
                    self.has_news |= !is_owner;
                    let lease = self.leases.entry(item.key.bucket).or_default();
                    if lease.newest.is_none() {
                        *lease = LeaseSlot { newest: Some((Fence(0), DateTime::<Utc>::MIN_UTC)), changed: true };
                    }
                }
                WriteOp::Complete(key) => self.work.entry(work_place(key)).or_default().after = After::Gone,
            }
        }
        Commit::Done
    }

    fn record(&mut self, kind: Kind, id: RecordId) -> &mut RecordSlot<'t> {
        self.records.entry((kind, id)).or_default()
    }
}

impl Stored for Group<'_> {
    type Error = Infallible;

    fn version(&mut self, _: TenantId, kind: Kind, id: RecordId) -> Result<Option<Version>, Infallible> {
        Ok(self.records.get(&(kind, id)).and_then(|slot| match slot.after {
            After::AsBefore => slot.before.as_ref().map(|before| before.version),
            After::Gone => None,
            After::Put(record) => Some(record.version),
        }))
    }

    fn remembered(&mut self, _: TenantId, key: &DedupKey) -> Result<Option<DateTime<Utc>>, Infallible> {
        let until = self.seen.get(key).and_then(|slot| slot.before.max(slot.after));
        // To the microsecond, as it will be read back.
        Ok(until.and_then(|until| time(micros(until)).ok()))
    }

    fn lease(&mut self, _: TenantId, bucket: Bucket) -> Result<Option<(Fence, DateTime<Utc>)>, Infallible> {
        Ok(self.leases.get(&bucket).and_then(|slot| slot.newest))
    }

    fn is_waiting(&mut self, _: TenantId, key: &WorkKey) -> Result<bool, Infallible> {
        Ok(self.work.get(&work_place(key)).is_some_and(|slot| match slot.after {
            After::AsBefore => slot.before,
            After::Gone => false,
            After::Put(_) => true,
        }))
    }
}
