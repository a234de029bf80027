//! Drives an assistant on tokio.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::assistant::{Assistant, AssistantError, Budget, Due, StepReport};
use crate::error::ErrorChain;

/// How long the runner waits at most before it looks again: work that another process took in, leases that ended.
const TICK: Duration = Duration::from_millis(500);

/// The shortest wait between two rounds that found nothing, however soon the next thing is due.
const TICK_MIN: Duration = Duration::from_millis(5);

/// How many steps run beside one another, and how many deliveries: while one waits for a slow engine or channel, the next
/// serves everybody else.
const CALLS_MAX: usize = 4;

/// How often it sweeps, from its start on: a process that is started anew all the time deletes what is over all the same.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How many records one sweep deletes.
const SWEEP_MAX: usize = 5_000;

/// How long it waits after a round that failed.
const FAILURE_REST: Duration = Duration::from_secs(1);

/// How many conversations fetch files at a time, and how many in one round.
const FETCH_BUDGET: Budget = Budget { lanes: 64, concurrency: 4 };

/// Drives an assistant: steps and delivers as soon as there is something to do, fetches files beside that, sweeps at its start
/// and every minute, and gives its leases back at the end. A call that takes long holds up no other: steps, deliveries and sweeps
/// run beside one another.
///
/// # Examples
/// ```no_run
/// # async fn example(assistant: whisp_core::assistant::Assistant) -> Result<(), Box<dyn std::error::Error>> {
/// use whisp_core::assistant::Runner;
/// let running = Runner::new(assistant).start();
/// // ... serve webhooks ...
/// running.stop().await?;
/// # Ok(())
/// # }
/// ```
pub struct Runner {
    assistant: Assistant,
    budget: Budget,
    on_error: Arc<dyn Fn(&str) + Send + Sync>,
    on_due: Arc<dyn Fn(&Due) + Send + Sync>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl Runner {
    /// Makes a runner. Errors go nowhere until [`on_error`](Self::on_error), deadlines until [`on_due`](Self::on_due).
    #[must_use]
    pub fn new(assistant: Assistant) -> Self {
        Self { assistant, budget: Budget::default(), on_error: Arc::new(|_| {}), on_due: Arc::new(|_| {}) }
    }

    /// Does so much in one round.
    #[must_use]
    pub const fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Hands every error to the host's log, as a line with its causes; it holds nothing personal. What failed is tried
    /// again or is in the dead letters. At its start it says if [erasures have no horizon](Assistant::erasure_horizon).
    #[must_use]
    pub fn on_error(mut self, log: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.on_error = Arc::new(log);
        self
    }

    /// Tells the host each time that a deadline has come closer, once: of a request about data that somebody has to answer, of
    /// a breach of which somebody has to be told, of a gag that has ended ([`SweepReport::due`](crate::assistant::SweepReport)).
    #[must_use]
    pub fn on_due(mut self, tell: impl Fn(&Due) + Send + Sync + 'static) -> Self {
        self.on_due = Arc::new(tell);
        self
    }

    /// Starts it on the current tokio runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use = "dropping the handle stops the runner without waiting for it"]
    pub fn start(self) -> RunnerHandle {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(self.run(stopped));
        RunnerHandle { stop, task: Mutex::new(Some(task)) }
    }

    async fn run(self, stopped: watch::Receiver<bool>) -> Result<(), AssistantError> {
        if let Err(unbounded) = self.assistant.erasure_horizon() {
            (self.on_error)(&unbounded.to_string());
        }
        tokio::join!(self.work(stopped.clone()), self.fetch(stopped));
        self.assistant.release().await
    }

    /// Fetches files, so that a large one holds up no answer. A fetch that is under way at the end is dropped: the file is
    /// fetched again.
    async fn fetch(&self, mut stopped: watch::Receiver<bool>) {
        if self.assistant.inner.media.is_none() {
            return;
        }
        while !*stopped.borrow() {
            let round = async {
                let wait = match self.assistant.fetch(&FETCH_BUDGET).await {
                    Ok(report) => self.rest_after(&report),
                    Err(error) => {
                        self.log(&error);
                        FAILURE_REST
                    }
                };
                tokio::select! {
                    () = self.assistant.inner.wake_fetch.notified() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            };
            tokio::select! {
                changed = stopped.changed() => if changed.is_err() { return },
                () = round => {}
            }
        }
    }

    async fn work(&self, mut stopped: watch::Receiver<bool>) {
        let mut jobs = FuturesUnordered::new();
        let mut lines = [Line::new(Work::Step), Line::new(Work::Deliver), Line::new(Work::Sweep)];
        while !*stopped.borrow() {
            for line in &mut lines {
                if line.may_start() {
                    line.started();
                    jobs.push(self.job(line.work));
                }
            }
            let next = lines.iter().filter(|line| line.has_room()).map(|line| line.due).min();
            tokio::select! {
                // The sender is dropped with the handle: then it is over too.
                changed = stopped.changed() => if changed.is_err() { break },
                () = self.assistant.inner.wake.notified() => lines.iter_mut().for_each(Line::hurry),
                () = self.assistant.inner.entities.store.wait() => {
                    self.assistant.inner.lanes().want();
                    lines.iter_mut().for_each(Line::hurry);
                }
                Some((work, wait)) = jobs.next() => {
                    for line in &mut lines {
                        if line.work == work {
                            line.ended(wait);
                        } else if work == Work::Step && wait.is_zero() {
                            // What it decided is to be sent.
                            line.hurry();
                        }
                    }
                }
                () = sleep_until(next) => {}
            }
        }
        // What is under way ends; nothing new begins.
        while jobs.next().await.is_some() {}
    }

    /// Makes one call; returns how long there is nothing to do.
    fn job(&self, work: Work) -> Pin<Box<dyn Future<Output = (Work, Duration)> + Send + '_>> {
        Box::pin(async move {
            let report = match work {
                Work::Step => self.assistant.step(&self.budget).await,
                Work::Deliver => self.assistant.deliver(&self.budget).await,
                Work::Sweep => match self.assistant.sweep(SWEEP_MAX).await {
                    Ok(report) => {
                        report.due.iter().for_each(|due| (self.on_due)(due));
                        report.errors.iter().for_each(|error| self.log(error));
                        return (work, SWEEP_EVERY);
                    }
                    Err(error) => Err(error),
                },
            };
            let wait = match report {
                Ok(report) => self.rest_after(&report),
                Err(error) => {
                    self.log(&error);
                    if work == Work::Sweep { SWEEP_EVERY } else { FAILURE_REST }
                }
            };
            (work, wait)
        })
    }

    fn rest_after(&self, report: &StepReport) -> Duration {
        for error in &report.errors {
            self.log(error);
        }
        if report.lanes > 0 && report.errors.is_empty() {
            return Duration::ZERO;
        }
        let now = self.assistant.now();
        report.next_due.map_or(TICK, |due| (due - now).to_std().unwrap_or(TICK_MIN).clamp(TICK_MIN, TICK))
    }

    fn log(&self, error: &AssistantError) {
        (self.on_error)(&ErrorChain(error).to_string());
    }
}

/// What the runner calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Step,
    Deliver,
    Sweep,
}

/// The calls of one kind.
#[derive(Debug)]
struct Line {
    work: Work,
    running: usize,
    /// When the next one begins.
    due: Instant,
    /// There is something new since the last one began.
    again: bool,
}

impl Line {
    fn new(work: Work) -> Self {
        Self { work, running: 0, due: Instant::now(), again: false }
    }

    const fn has_room(&self) -> bool {
        self.running < if matches!(self.work, Work::Sweep) { 1 } else { CALLS_MAX }
    }

    fn may_start(&self) -> bool {
        self.has_room() && Instant::now() >= self.due
    }

    fn started(&mut self) {
        self.running += 1;
        self.again = false;
        // If it takes longer, another one looks after what it is not at.
        self.due = Instant::now() + TICK;
    }

    fn ended(&mut self, wait: Duration) {
        self.running = self.running.saturating_sub(1);
        let due = Instant::now() + if self.again { Duration::ZERO } else { wait };
        self.due = if self.running == 0 { due } else { self.due.min(due) };
    }

    /// There is something new.
    fn hurry(&mut self) {
        match self.work {
            Work::Sweep => {}
            _ if self.running == 0 => self.due = Instant::now(),
            // It may see it already. If not, the next one begins when it ends, or when it takes long.
            _ => self.again = true,
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// A runner at work.
#[derive(Debug)]
pub struct RunnerHandle {
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<Result<(), AssistantError>>>>,
}

impl RunnerHandle {
    /// Stops the runner: it ends what it is at, gives its leases back, and is gone when this returns.
    ///
    /// # Errors
    /// When the leases could not be given back; they end by themselves.
    ///
    /// # Cancellation
    /// The runner stops all the same.
    pub async fn stop(self) -> Result<(), AssistantError> {
        // It has no receiver any more only if the runner has ended already.
        self.stop.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        match task {
            Some(task) => task.await.unwrap_or(Err(AssistantError::Invalid("the runner was aborted or panicked"))),
            None => Ok(()),
        }
    }
}
