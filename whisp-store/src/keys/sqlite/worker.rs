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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use futures_util::poll;
    use whisp_core::vault::VaultErrorKind;

    use super::*;

    const CALLS: usize = 100;

    fn worker() -> Worker {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (a)").unwrap();
        Worker::start(db).unwrap()
    }

    fn insert(db: &Connection) -> Result<(), Failure> {
        db.execute("INSERT INTO t VALUES (1)", [])?;
        Ok(())
    }

    async fn count(worker: &Worker) -> i64 {
        worker.run("count", |db| Ok(db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)).await.unwrap()
    }

    /// Holds the thread until the returned sender is dropped, so that everything sent meanwhile is one group.
    async fn hold(worker: &Worker) -> std::sync::mpsc::Sender<()> {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (started, running) = oneshot::channel();
        let mut hold = std::pin::pin!(worker.run("hold", move |_| {
            started.send(()).unwrap();
            let _ended = held.recv();
            Ok(())
        }));
        assert!(poll!(hold.as_mut()).is_pending());
        running.await.unwrap();
        release
    }

    #[tokio::test]
    async fn calls_that_wait_together_are_one_transaction() {
        let worker = worker();
        let ran = Arc::new(AtomicUsize::new(0));
        let release = hold(&worker).await;
        let calls = (0..CALLS).map(|_| {
            let (ran, seen) = (Arc::clone(&ran), Arc::clone(&ran));
            let call = worker.run("insert", move |db| {
                ran.fetch_add(1, Ordering::SeqCst);
                insert(db)
            });
            async move { call.await.map(|()| seen.load(Ordering::SeqCst)) }
        });
        let mut calls = std::pin::pin!(join_all(calls));
        assert!(poll!(calls.as_mut()).is_pending());
        drop(release);
        // Nobody was answered before all had run.
        assert!(calls.await.into_iter().all(|seen| seen.unwrap() == CALLS));
        assert_eq!(usize::try_from(count(&worker).await).unwrap(), CALLS);
    }

    #[tokio::test]
    async fn a_call_that_fails_takes_its_group_with_it_and_the_next_one_works() {
        let worker = worker();
        let release = hold(&worker).await;
        let calls = (0..3).map(|n| {
            worker.run("insert", move |db| match n {
                1 => Err(Failure::from(db.execute("INSERT INTO nowhere VALUES (1)", []).unwrap_err())),
                _ => insert(db),
            })
        });
        let mut calls = std::pin::pin!(join_all(calls));
        assert!(poll!(calls.as_mut()).is_pending());
        drop(release);
        for result in calls.await {
            assert_eq!(result.unwrap_err().kind(), VaultErrorKind::Unavailable);
        }
        assert_eq!(count(&worker).await, 0);
        worker.run("insert", insert).await.unwrap();
        assert_eq!(count(&worker).await, 1);
    }

    #[tokio::test]
    async fn dropping_the_handle_writes_what_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE t (a)").unwrap();
        let worker = Worker::start(db).unwrap();
        {
            let mut insert = std::pin::pin!(worker.run("insert", insert));
            assert!(poll!(insert.as_mut()).is_pending());
        }
        drop(worker);
        let db = Connection::open(&path).unwrap();
        assert_eq!(db.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    }
}
