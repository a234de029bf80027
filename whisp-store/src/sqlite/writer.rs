//! The one thread that writes: it takes what waits, writes it in one transaction, and answers when that is durable.

use std::cell::Cell;
use std::path::PathBuf;
use std::thread;

use rusqlite::{Connection, Statement};
use tokio::sync::{mpsc, oneshot};
use whisp_core::store::{Commit, Kind, Lease, OwnRequest, RenewRequest, WriteBatch, WriteOp};

use super::apply::Tables;
use super::error::Failure;
use super::forget::Forgetter;
use super::lease::Leases;
use super::schema;
use super::threads::Threads;

/// How many jobs wait for the writer before their senders do.
pub(super) const QUEUE_MAX: usize = 1_024;

/// The most jobs of one transaction.
const GROUP_JOBS_MAX: usize = 512;

/// No job is added to a transaction that has this many operations, so that nobody waits long for an answer.
const GROUP_OPS_MAX: usize = 8_192;

/// From how many pages on the write-ahead log is written back into the file, of 4 KiB unless the file says otherwise:
/// 64 MiB. A page that many messages changed is written back once, so a longer log writes less: with 16 MiB the bench
/// `store` took in a fifth to a third fewer messages a second.
const WAL_PAGES_MAX: i32 = 16_384;

/// After so many transactions at most the deleted bytes are gone from the log, even if there is never a pause.
const PURGE_GROUPS_MAX: u32 = 16;

/// What the writer is asked to do, and where the answer goes.
pub(super) enum Job {
    Commit(WriteBatch, Reply<Commit>),
    Own(OwnRequest, Reply<Vec<Lease>>),
    Release(Vec<Lease>, Reply<()>),
    Renew(RenewRequest, Reply<Vec<Lease>>),
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, Failure>>;

/// An answer that is held back until it is durable.
enum Answer {
    Commit(Reply<Commit>, Commit),
    Leases(Reply<Vec<Lease>>, Vec<Lease>),
    Released(Reply<()>),
}

impl Answer {
    /// Nobody may be waiting any more: the caller dropped the future.
    fn send(self, outcome: Result<(), Failure>) {
        match self {
            Self::Commit(reply, commit) => drop(reply.send(outcome.map(|()| commit))),
            Self::Leases(reply, leases) => drop(reply.send(outcome.map(|()| leases))),
            Self::Released(reply) => drop(reply.send(outcome)),
        }
    }
}

/// Starts the thread and returns once the file is open.
pub(super) fn start(path: PathBuf, kinds: Vec<Kind>, bytes_max: Option<u64>) -> Result<Threads<Job>, Failure> {
    let (sender, jobs) = mpsc::channel(QUEUE_MAX);
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    let thread = thread::Builder::new().name("whisp-sqlite-writer".into()).spawn(move || {
        let conn = match schema::connect_writer(&path, &kinds, bytes_max) {
            Ok(conn) => conn,
            Err(failure) => return tell(&ready, Err(failure)),
        };
        match Writer::prepare(&conn, &kinds) {
            Ok(writer) => {
                tell(&ready, Ok(()));
                writer.run(jobs);
            }
            Err(failure) => tell(&ready, Err(failure)),
        }
    })?;
    is_ready.recv().map_err(|_| Failure::stopped())??;
    Ok(Threads::new(sender, vec![thread]))
}

/// Whoever opens the store waits for this.
fn tell(ready: &std::sync::mpsc::SyncSender<Result<(), Failure>>, outcome: Result<(), Failure>) {
    let _waits = ready.send(outcome);
}

thread_local! {
    /// How many pages the write-ahead log held after this thread's last commit.
    static WAL_PAGES: Cell<i32> = const { Cell::new(0) };
}

struct Writer<'c> {
    conn: &'c Connection,
    begin: Statement<'c>,
    end: Statement<'c>,
    tables: Tables<'c>,
    leases: Leases<'c>,
    forgetter: Forgetter<'c>,
    /// Whether deleted bytes may still be in the write-ahead log.
    has_deleted: bool,
    /// How many transactions there were since.
    groups_since: u32,
}

impl<'c> Writer<'c> {
    fn prepare(conn: &'c Connection, kinds: &[Kind]) -> Result<Self, Failure> {
        conn.wal_hook(Some(|_, pages| {
            WAL_PAGES.set(pages);
            Ok(())
        }));
        Ok(Self {
            conn,
            begin: conn.prepare("BEGIN IMMEDIATE")?,
            end: conn.prepare("COMMIT")?,
            tables: Tables::prepare(conn, kinds)?,
            leases: Leases::prepare(conn)?,
            forgetter: Forgetter::prepare(conn)?,
            // What an earlier process deleted before it crashed.
            has_deleted: true,
            groups_since: 0,
        })
    }

    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut answers = Vec::with_capacity(GROUP_JOBS_MAX);
        while let Some(first) = jobs.blocking_recv() {
            let outcome = self.group(first, &mut jobs, &mut answers);
            answers.drain(..).for_each(|answer| answer.send(outcome));
            self.write_back(jobs.is_empty());
        }
    }

    /// Does the first job and those that wait behind it in one transaction.
    fn group(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>, answers: &mut Vec<Answer>) -> Result<(), Failure> {
        let began = self.begin.execute([]).map_err(Failure::from);
        let (mut next, mut ops, mut done) = (Some(first), 0, began.map(drop));
        while let Some(job) = next {
            if let Job::Commit(batch, _) = &job {
                ops += batch.ops.len();
            }
            // After a failure the jobs that were already taken fail with it; the others stay in the queue.
            let answer = if done.is_ok() { self.execute(job, &mut done) } else { refuse(job) };
            answers.push(answer);
            let is_full = answers.len() >= GROUP_JOBS_MAX || ops >= GROUP_OPS_MAX || done.is_err();
            next = if is_full { None } else { jobs.try_recv().ok() };
        }
        let done = done.and_then(|()| self.forgetter.step()).and_then(|()| {
            self.end.execute([]).map_err(|error| Failure::from(error).outcome_unknown())?;
            Ok(())
        });
        if done.is_err() && !self.conn.is_autocommit() {
            // If even this fails, the next BEGIN does, and says so to whoever asks.
            drop(self.conn.execute_batch("ROLLBACK"));
        }
        done
    }

    /// Does one job. A failure is kept in `done`: it is everybody's.
    fn execute(&mut self, job: Job, done: &mut Result<(), Failure>) -> Answer {
        match job {
            Job::Commit(batch, reply) => {
                let commit = self.tables.commit(&batch);
                if let Ok(Commit::Done) = commit {
                    self.forgetter.note(&batch);
                    self.has_deleted |= batch.ops.iter().any(|op| matches!(op, WriteOp::Delete(..)));
                }
                Answer::Commit(reply, keep(commit, done).unwrap_or(Commit::Done))
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
        }
    }

    /// Writes the log back into the file: when it is long, and soon after something was deleted, because until then the
    /// deleted bytes are still in the log. A failure leaves the log as it is; the next attempt follows.
    fn write_back(&mut self, is_idle: bool) {
        self.groups_since = self.groups_since.saturating_add(1);
        let mode = if self.has_deleted && (is_idle || self.groups_since >= PURGE_GROUPS_MAX) {
            "TRUNCATE"
        } else if WAL_PAGES.get() >= WAL_PAGES_MAX {
            "RESTART"
        } else {
            return;
        };
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let is_busy = self.conn.query_row(&sql, [], |row| row.get::<_, i64>(0));
        if let Ok(0) = is_busy {
            WAL_PAGES.set(0);
            self.has_deleted &= mode != "TRUNCATE";
            self.groups_since = 0;
        }
    }
}

/// Takes the value out of an outcome, or keeps its failure.
fn keep<T>(outcome: Result<T, Failure>, done: &mut Result<(), Failure>) -> Option<T> {
    outcome.map_err(|failure| *done = Err(failure)).ok()
}

/// The answer to a job that was not tried; the group's failure goes with it.
fn refuse(job: Job) -> Answer {
    match job {
        Job::Commit(_, reply) => Answer::Commit(reply, Commit::Done),
        Job::Own(_, reply) | Job::Renew(_, reply) => Answer::Leases(reply, Vec::new()),
        Job::Release(_, reply) => Answer::Released(reply),
    }
}
