//! Threads that work off a queue.

use std::thread::JoinHandle;

use tokio::sync::mpsc;

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
