//! The one thread that writes: it takes what waits, writes it in one transaction, and answers when that is durable.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Statement};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use whisp_core::id::TenantId;
use whisp_core::store::{Commit, Kind, Lease, OwnRequest, RenewRequest, StoreErrorKind, WriteBatch, WriteOp};

use super::apply::Tables;
use super::backup::Backup;
use super::error::Failure;
use super::forget::Forgetter;
use super::lease::Leases;
use super::log::Log;
use super::schema;
use super::threads::Threads;
use super::{clear, compact};

/// How many jobs wait for the writer before their senders do.
pub(super) const QUEUE_MAX: usize = 1_024;

/// The most jobs of one transaction.
const GROUP_JOBS_MAX: usize = 512;

/// No job is added to a transaction that has this many operations, so that nobody waits long for an answer.
const GROUP_OPS_MAX: usize = 8_192;

/// No job is added to a transaction that writes this many bytes, so that it lengthens the log by little more.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// After how long without a job the log is cut that holds deleted bytes.
const PAUSE: Duration = Duration::from_millis(20);

/// How much upkeep waits while a backup is made.
const UPKEEP_MAX: usize = 16;

/// What the writer is asked to do, and where the answer goes.
pub(super) enum Job {
    Clear(TenantId, usize, Reply<usize>),
    Commit(WriteBatch, Reply<Commit>),
    Discard(TenantId, DateTime<Utc>, usize, Reply<usize>),
    Own(OwnRequest, Reply<Vec<Lease>>),
    Release(Vec<Lease>, Reply<()>),
    Renew(RenewRequest, Reply<Vec<Lease>>),
    Upkeep(Upkeep),
}

/// What is not part of a transaction of jobs, and done after it.
pub(super) enum Upkeep {
    /// Copies the file as it is written.
    Backup(Box<Backup>, Reply<Box<Backup>>),
    /// Gives a part of the free pages back, and says how many bytes are still free.
    Compact(Reply<u64>),
    /// Writes the whole file anew.
    Rewrite(Reply<()>),
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, Failure>>;

/// An answer that is held back until it is durable.
enum Answer {
    Commit(Reply<Commit>, Commit),
    Leases(Reply<Vec<Lease>>, Vec<Lease>),
    Released(Reply<()>),
    Removed(Reply<usize>, usize),
}

impl Answer {
    fn send(self, outcome: Result<(), Failure>) {
        match self {
            Self::Commit(reply, commit) => tell(reply, outcome.map(|()| commit)),
            Self::Leases(reply, leases) => tell(reply, outcome.map(|()| leases)),
            Self::Released(reply) => tell(reply, outcome),
            Self::Removed(reply, removed) => tell(reply, outcome.map(|()| removed)),
        }
    }
}

/// Nobody may be waiting any more: the caller dropped the future.
fn tell<T>(reply: Reply<T>, outcome: Result<T, Failure>) {
    let _waits = reply.send(outcome);
}

/// What the writer has to keep to.
pub(super) struct Limits {
    pub(super) bytes_max: Option<u64>,
    pub(super) log_bytes_max: u64,
}

/// Starts the thread and returns once the file is open. `is_log_full` tells long reads to give way.
pub(super) fn start(
    path: PathBuf,
    kinds: Vec<Kind>,
    limits: Limits,
    is_log_full: Arc<AtomicBool>,
) -> Result<Threads<Job>, Failure> {
    let (sender, jobs) = mpsc::channel(QUEUE_MAX);
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    let thread = thread::Builder::new().name("whisp-sqlite-writer".into()).spawn(move || {
        let conn = match schema::connect_writer(&path, &kinds, limits.bytes_max) {
            Ok(conn) => conn,
            Err(failure) => return report(&ready, Err(failure)),
        };
        let log = Log::new(&conn, &path, limits.log_bytes_max, is_log_full);
        match log.and_then(|log| Writer::prepare(&conn, &kinds, log)) {
            Ok(writer) => {
                report(&ready, Ok(()));
                writer.run(jobs);
            }
            Err(failure) => report(&ready, Err(failure)),
        }
    })?;
    is_ready.recv().map_err(|_| Failure::stopped())??;
    Ok(Threads::new(sender, vec![thread]))
}

/// Whoever opens the store waits for this.
fn report(ready: &std::sync::mpsc::SyncSender<Result<(), Failure>>, outcome: Result<(), Failure>) {
    let _waits = ready.send(outcome);
}

struct Writer<'c> {
    conn: &'c Connection,
    kinds: Vec<Kind>,
    begin: Statement<'c>,
    end: Statement<'c>,
    tables: Tables<'c>,
    leases: Leases<'c>,
    forgetter: Forgetter<'c>,
    log: Log<'c>,
    /// For how long nobody comes.
    timer: Runtime,
    upkeep: VecDeque<Upkeep>,
}

/// Where jobs come from, and where the answers of a transaction are held back.
struct Desk {
    jobs: mpsc::Receiver<Job>,
    answers: Vec<Answer>,
}

impl<'c> Writer<'c> {
    fn prepare(conn: &'c Connection, kinds: &[Kind], log: Log<'c>) -> Result<Self, Failure> {
        Ok(Self {
            conn,
            kinds: kinds.to_vec(),
            begin: conn.prepare("BEGIN IMMEDIATE")?,
            end: conn.prepare("COMMIT")?,
            tables: Tables::prepare(conn, kinds)?,
            leases: Leases::prepare(conn)?,
            forgetter: Forgetter::prepare(conn)?,
            log,
            timer: Builder::new_current_thread().enable_time().build()?,
            upkeep: VecDeque::new(),
        })
    }

    fn run(mut self, jobs: mpsc::Receiver<Job>) {
        let mut desk = Desk { jobs, answers: Vec::with_capacity(GROUP_JOBS_MAX) };
        while let Some(first) = self.next(&mut desk) {
            self.round(first, &mut desk);
            while let Some(task) = self.upkeep.pop_front() {
                self.keep_up(task, &mut desk);
                self.round_if_any(&mut desk);
            }
        }
        if self.log.wants_pause() {
            self.log.in_pause();
        }
    }

    /// Waits for the next job. After a deletion nobody need come for long: then the log is cut. Not at once, because whoever
    /// deletes much comes again in a moment, and would wait for it each time.
    fn next(&mut self, desk: &mut Desk) -> Option<Job> {
        if self.log.wants_pause() {
            let job = async { tokio::time::timeout(PAUSE, desk.jobs.recv()).await };
            match self.timer.block_on(job) {
                Ok(job) => return job,
                Err(_) => self.log.in_pause(),
            }
        }
        desk.jobs.blocking_recv()
    }

    /// Does one transaction if somebody waits for it.
    fn round_if_any(&mut self, desk: &mut Desk) {
        if let Ok(job) = desk.jobs.try_recv() {
            self.round(job, desk);
        }
    }

    /// Does one transaction, answers, and looks after the log.
    fn round(&mut self, first: Job, desk: &mut Desk) {
        let first = match first {
            Job::Upkeep(task) => return self.put_off(task),
            first => first,
        };
        let (outcome, failed) = self.group(first, desk);
        for (place, answer) in desk.answers.drain(..).enumerate() {
            let is_beside_it = failed.is_some_and(|failed| failed != place);
            answer.send(if is_beside_it { outcome.map_err(Failure::for_others) } else { outcome });
        }
        match outcome {
            Ok(()) => self.log.after_group(),
            Err(_) => self.log.after_failure(),
        }
    }

    fn put_off(&mut self, task: Upkeep) {
        if self.upkeep.len() < UPKEEP_MAX {
            return self.upkeep.push_back(task);
        }
        let busy = Failure::later(StoreErrorKind::Unavailable, "wait until the backup is done");
        match task {
            Upkeep::Backup(_, reply) => tell(reply, Err(busy)),
            Upkeep::Compact(reply) => tell(reply, Err(busy)),
            Upkeep::Rewrite(reply) => tell(reply, Err(busy)),
        }
    }

    fn keep_up(&mut self, task: Upkeep, desk: &mut Desk) {
        match task {
            Upkeep::Backup(mut backup, reply) => {
                let conn = self.conn;
                let filled = backup.fill(conn, &reply, || self.round_if_any(desk));
                tell(reply, filled.map(|()| backup));
            }
            Upkeep::Compact(reply) => {
                let stepped = compact::step(self.conn);
                // Each of the two waits for the disk; whoever writes meanwhile waits for one of them only.
                self.round_if_any(desk);
                tell(reply, stepped.and_then(|free| self.log.purge().map(|()| free)));
            }
            Upkeep::Rewrite(reply) => tell(reply, compact::rewrite(self.conn).and_then(|()| self.log.purge())),
        }
    }

    /// Does the first job and those that wait behind it in one transaction. Where one of them failed, it says which.
    fn group(&mut self, first: Job, desk: &mut Desk) -> (Result<(), Failure>, Option<usize>) {
        let began = self.log.admit().and_then(|()| Ok(self.begin.execute([])?));
        let put_off = self.upkeep.len();
        let (mut next, mut ops, mut bytes, mut done) = (Some(first), 0, 0, began.map(drop));
        let mut failed = None;
        while let Some(job) = next {
            if let Job::Commit(batch, _) = &job {
                ops += batch.ops.len();
                bytes += batch.ops.iter().map(bytes_of).sum::<usize>();
            }
            // After a failure the jobs that were already taken fail with it; the others stay in the queue.
            let answer = if done.is_ok() {
                let answer = self.execute(job, &mut done);
                failed = done.is_err().then_some(desk.answers.len());
                answer
            } else {
                refuse(job)
            };
            desk.answers.extend(answer);
            let is_full = desk.answers.len() >= GROUP_JOBS_MAX
                || ops >= GROUP_OPS_MAX
                || bytes >= GROUP_BYTES_MAX
                || done.is_err()
                || self.upkeep.len() > put_off;
            next = if is_full { None } else { desk.jobs.try_recv().ok() };
        }
        let done = done.and_then(|()| self.forgetter.step()).and_then(|()| {
            self.end.execute([]).map_err(|error| Failure::from(error).outcome_unknown())?;
            Ok(())
        });
        if done.is_err() && !self.conn.is_autocommit() {
            // If even this fails, the next BEGIN does, and says so to whoever asks.
            drop(self.conn.execute_batch("ROLLBACK"));
        }
        (done, failed)
    }

    /// Does one job, or leaves it for after the transaction. A failure is kept in `done`: it is everybody's.
    fn execute(&mut self, job: Job, done: &mut Result<(), Failure>) -> Option<Answer> {
        Some(match job {
            Job::Clear(tenant, limit, reply) => {
                let removed = clear::clear(self.conn, &self.kinds, tenant, limit);
                self.log.note_deleted();
                Answer::Removed(reply, keep(removed, done).unwrap_or_default())
            }
            Job::Commit(batch, reply) => {
                let commit = self.tables.commit(&batch);
                if let Ok(Commit::Done) = commit {
                    self.forgetter.note(&batch);
                    if batch.ops.iter().any(|op| matches!(op, WriteOp::Delete(..))) {
                        self.log.note_deleted();
                    }
                }
                Answer::Commit(reply, keep(commit, done).unwrap_or(Commit::Done))
            }
            Job::Discard(tenant, before, limit, reply) => {
                let removed = clear::discard(self.conn, tenant, before, limit);
                self.log.note_deleted();
                Answer::Removed(reply, keep(removed, done).unwrap_or_default())
            }
            Job::Own(request, reply) => {
                Answer::Leases(reply, keep(self.leases.own(&request), done).unwrap_or_default())
            }
            Job::Release(leases, reply) => {
                keep(self.leases.release(&leases), done);
                Answer::Released(reply)
            }
            Job::Renew(request, reply) => {
                Answer::Leases(reply, keep(self.leases.renew(&request), done).unwrap_or_default())
            }
            Job::Upkeep(task) => {
                self.put_off(task);
                return None;
            }
        })
    }
}

/// How much of the log an operation takes, about.
const fn bytes_of(op: &WriteOp) -> usize {
    match op {
        WriteOp::Put(record) => record.clear.0.len() + record.sealed.0.len(),
        WriteOp::Enqueue(item) => item.payload.0.len(),
        _ => 0,
    }
}

/// Takes the value out of an outcome, or keeps its failure.
fn keep<T>(outcome: Result<T, Failure>, done: &mut Result<(), Failure>) -> Option<T> {
    outcome.map_err(|failure| *done = Err(failure)).ok()
}

/// The answer to a job that was not tried; the group's failure goes with it.
fn refuse(job: Job) -> Option<Answer> {
    match job {
        Job::Clear(_, _, reply) | Job::Discard(_, _, _, reply) => Some(Answer::Removed(reply, 0)),
        Job::Commit(_, reply) => Some(Answer::Commit(reply, Commit::Done)),
        Job::Own(_, reply) | Job::Renew(_, reply) => Some(Answer::Leases(reply, Vec::new())),
        Job::Release(_, reply) => Some(Answer::Released(reply)),
        // It never comes first, and nothing is taken after a failure.
        Job::Upkeep(_) => None,
    }
}
