//! A scheduler without a runtime: the seed decides which task goes on next, so that the interleaving of the workers is
//! part of the seed, and a task can be dropped between any two of its awaits.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use chrono::{DateTime, Utc};

use crate::rng::Rng;
use crate::sim::Sim;

/// How often tasks are polled at most until none is left: one that never ends is a defect.
const POLLS_MAX: usize = 2_000_000;

/// Which task is going on, and since when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Running {
    /// The run of the process that it is part of.
    pub(crate) process: usize,
    /// The tick and the time at which it began.
    pub(crate) begun: u64,
    pub(crate) begun_at: DateTime<Utc>,
}

struct Task {
    running: Running,
    job: Pin<Box<dyn Future<Output = ()>>>,
}

#[derive(Default)]
pub(crate) struct Executor {
    tasks: Vec<Task>,
}

impl Executor {
    pub(crate) fn spawn(&mut self, sim: &Sim, process: usize, job: impl Future<Output = ()> + 'static) {
        let running = Running { process, begun: sim.tick(), begun_at: sim.now() };
        self.tasks.push(Task { running, job: Box::pin(job) });
    }

    pub(crate) fn of(&self, process: usize) -> usize {
        self.tasks.iter().filter(|task| task.running.process == process).count()
    }

    /// Polls one task, of the seed's choice, if there is any.
    pub(crate) fn poll(&mut self, sim: &Sim, dice: &mut Rng) -> bool {
        if self.tasks.is_empty() {
            return false;
        }
        let place = dice.below(self.tasks.len());
        let task = &mut self.tasks[place];
        sim.begin_poll(Some(task.running));
        let ready = task.job.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        if ready {
            drop(self.tasks.swap_remove(place));
        }
        sim.begin_poll(None);
        true
    }

    /// Polls all tasks to their end.
    pub(crate) fn finish(&mut self, sim: &Sim, dice: &mut Rng) {
        for _ in 0..POLLS_MAX {
            if !self.poll(sim, dice) {
                return;
            }
        }
        sim.violated("every task ends", "tasks go on for ever");
        self.tasks.clear();
    }

    /// Drops one task where it stands, as a host does that no longer waits.
    pub(crate) fn drop_one(&mut self, dice: &mut Rng) -> bool {
        if self.tasks.is_empty() {
            return false;
        }
        drop(self.tasks.swap_remove(dice.below(self.tasks.len())));
        true
    }

    /// Drops all tasks of a process where they stand; returns how many.
    pub(crate) fn kill(&mut self, process: usize) -> usize {
        let before = self.tasks.len();
        self.tasks.retain(|task| task.running.process != process);
        before - self.tasks.len()
    }
}

/// Yields once.
pub(crate) async fn pause() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future that other threads carry on, or that yields.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
