//! The one thread that owns the file.

use std::fmt;
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use whisp_core::vault::VaultError;

use super::Failure;
use crate::keys::unavailable;

/// How many calls wait before the next one waits to be let in.
const QUEUE_MAX: usize = 1_024;

/// How many calls one transaction takes at most.
const GROUP_MAX: usize = 512;

/// One call: does its part of a transaction, if there still is one, and returns how to answer its caller.
type Job = Box<dyn FnOnce(Result<&Connection, Failure>) -> Done + Send>;

/// Tells a caller how the transaction ended.
type Answer = Box<dyn FnOnce(Result<(), Failure>) + Send>;

struct Done {
    result: Result<(), Failure>,
    answer: Answer,
}

/// The handle of the thread. Dropping it waits until everything is written and the file is closed.
pub(super) struct Worker {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(db: Connection) -> Result<Self, VaultError> {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let thread = thread::Builder::new()
            .name("whisp-keys".to_owned())
            .spawn(move || work(&db, queue))
            .map_err(|error| unavailable("start the thread of the key table").with_source(error))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs a call in the next transaction; returns when that is durable.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        call: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, VaultError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            let result = db.and_then(call);
            let own = result.as_ref().map(drop).map_err(|failure| *failure);
            // A caller that has gone needs no answer.
            let answer = Box::new(move |end: Result<(), Failure>| drop(reply.send(end.and(result))));
            Done { result: own, answer }
        });
        let gone = || unavailable(operation).with_advice("the thread of the key table has ended: open it again");
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?.map_err(|failure| failure.into_error(operation))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Without a sender the thread ends after what is in the queue.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It has ended either way; nobody is left to hear of a panic.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worker(..)")
    }
}

fn work(db: &Connection, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        let (answers, end) = transact(db, group);
        for answer in answers {
            answer(end);
        }
    }
}

/// Runs a group as one transaction. A call fails only where the disk does, so one that fails takes all with it: those
/// after it must not run, because SQLite may have ended the transaction by itself.
fn transact(db: &Connection, group: Vec<Job>) -> (Vec<Answer>, Result<(), Failure>) {
    let mut end = db.execute_batch("BEGIN").map_err(Failure::from);
    let mut answers = Vec::with_capacity(group.len());
    for job in group {
        let done = job(end.map(|()| db));
        end = end.and(done.result);
        answers.push(done.answer);
    }
    if end.is_ok() {
        end = db.execute_batch("COMMIT").map_err(Failure::from);
    }
    if end.is_err() && !db.is_autocommit() {
        // Where even this fails, SQLite rolls back when the file is opened next; the callers hear of the first failure.
        drop(db.execute_batch("ROLLBACK"));
    }
    (answers, end)
}
