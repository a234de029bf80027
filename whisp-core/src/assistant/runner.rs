//! Drives an assistant on tokio.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::assistant::{Assistant, AssistantError, Budget, StepReport};
use crate::error::ErrorChain;

/// How long the runner waits at most before it looks again: work that another process took in, leases that ended.
const TICK: Duration = Duration::from_millis(500);

/// The shortest wait between two rounds that found nothing, however soon the next thing is due.
const TICK_MIN: Duration = Duration::from_millis(5);

/// How often it sweeps.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How many records one sweep deletes.
const SWEEP_MAX: usize = 5_000;

/// How long it waits after a round that failed.
const FAILURE_REST: Duration = Duration::from_secs(1);

/// How many conversations fetch files at a time, and how many in one round.
const FETCH_BUDGET: Budget = Budget { lanes: 64, concurrency: 4 };

/// Drives an assistant: steps and delivers as soon as there is something to do, fetches files beside that, sweeps every
/// minute, and gives its leases back at the end.
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
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl Runner {
    /// Makes a runner. Errors go nowhere until [`on_error`](Self::on_error).
    #[must_use]
    pub fn new(assistant: Assistant) -> Self {
        Self { assistant, budget: Budget::default(), on_error: Arc::new(|_| {}) }
    }

    /// Does so much in one round.
    #[must_use]
    pub const fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Hands every error to the host's log, as a line with its causes; it holds nothing personal. What failed is tried
    /// again or is in the dead letters.
    #[must_use]
    pub fn on_error(mut self, log: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.on_error = Arc::new(log);
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
                    Ok(report) => {
                        report.errors.iter().for_each(|error| self.log(error));
                        if report.lanes > 0 && report.errors.is_empty() {
                            Duration::ZERO
                        } else {
                            self.until_due(&[&report])
                        }
                    }
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
        let mut swept = tokio::time::Instant::now();
        while !*stopped.borrow() {
            let wait = match self.round().await {
                Ok(wait) => wait,
                Err(error) => {
                    self.log(&error);
                    FAILURE_REST
                }
            };
            if swept.elapsed() >= SWEEP_EVERY {
                swept = tokio::time::Instant::now();
                if let Err(error) = self.assistant.sweep(SWEEP_MAX).await {
                    self.log(&error);
                }
            }
            tokio::select! {
                // The sender is dropped with the handle: then it is over too.
                changed = stopped.changed() => if changed.is_err() { break },
                () = self.assistant.inner.wake.notified() => {}
                () = self.assistant.inner.entities.store.wait() => self.assistant.inner.lanes().want(),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Steps and delivers once; returns how long there is nothing to do.
    async fn round(&self) -> Result<Duration, AssistantError> {
        let step = self.assistant.step(&self.budget).await?;
        let delivery = self.assistant.deliver(&self.budget).await?;
        let worked = step.lanes + delivery.lanes > 0;
        let failed = !step.errors.is_empty() || !delivery.errors.is_empty();
        for error in step.errors.iter().chain(&delivery.errors) {
            self.log(error);
        }
        if worked && !failed {
            return Ok(Duration::ZERO);
        }
        Ok(self.until_due(&[&step, &delivery]))
    }

    fn until_due(&self, reports: &[&StepReport]) -> Duration {
        let now = self.assistant.now();
        let next = reports.iter().filter_map(|report| report.next_due).min();
        next.map_or(TICK, |due| (due - now).to_std().unwrap_or(TICK_MIN).clamp(TICK_MIN, TICK))
    }

    fn log(&self, error: &AssistantError) {
        (self.on_error)(&ErrorChain(error).to_string());
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
