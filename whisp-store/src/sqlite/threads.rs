//! Threads that work off a queue.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use super::error::Failure;

/// The way to one or more threads. Dropping it lets them finish what waits, and waits for their end.
pub(super) struct Threads<T> {
    /// `None` once they are told to end.
    queue: Option<mpsc::Sender<T>>,
    handles: Vec<JoinHandle<()>>,
}

impl<T> Threads<T> {
    pub(super) const fn new(queue: mpsc::Sender<T>, handles: Vec<JoinHandle<()>>) -> Self {
        Self { queue: Some(queue), handles }
    }

    /// Adds to the queue, as soon as there is room.
    pub(super) async fn send(&self, task: T) -> Result<(), Failure> {
        let queue = self.queue.as_ref().ok_or_else(Failure::stopped)?;
        queue.send(task).await.map_err(|_| Failure::stopped())
    }
}

impl<T> Drop for Threads<T> {
    fn drop(&mut self) {
        self.queue = None;
        for handle in self.handles.drain(..) {
            // A thread that panicked has already told its callers so.
            drop(handle.join());
        }
    }
}

/// Threads for what takes long, one for each call. Dropping it waits for their end.
#[derive(Default)]
pub(super) struct Asides(Mutex<Vec<JoinHandle<()>>>);

/// Says that nobody waits for an answer any more.
#[derive(Clone, Default)]
pub(super) struct Gone(Arc<AtomicBool>);

impl Gone {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Asides {
    /// Does something on a thread of its own. It should end soon after it is told that the caller has gone.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Gone) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        struct Caller(Gone);

        impl Drop for Caller {
            fn drop(&mut self) {
                self.0.0.store(true, Ordering::Relaxed);
            }
        }

        let (reply, answer) = oneshot::channel();
        let caller = Caller(Gone::default());
        let gone = caller.0.clone();
        let work = move || drop(reply.send(work(&gone)));
        self.keep(thread::Builder::new().name("whisp-sqlite-aside".into()).spawn(work)?);
        let answer = answer.await;
        drop(caller);
        answer.map_err(|_| Failure::stopped())?
    }

    fn keep(&self, handle: JoinHandle<()>) {
        let mut handles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        handles.retain(|handle| !handle.is_finished());
        handles.push(handle);
    }
}

impl Drop for Asides {
    fn drop(&mut self) {
        for handle in self.0.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A thread that panicked has already told its caller so.
            drop(handle.join());
        }
    }
}
