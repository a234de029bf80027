//! What everything in one world shares: the clock, the platform, the dice, the record of what people did, the trace.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};
use whisp::clock::Clock;
use whisp::meta::simulator::Simulator;
use whisp::meta::webhook::MetaDecoder;
use whisp::testing::ManualClock;

use crate::executor::{Running, pause};
use crate::model::Model;
use crate::mutation::Mutation;
use crate::network::Network;
use crate::rng::Rng;
use crate::trace::Trace;

pub(crate) struct Sim {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) platform: Simulator,
    pub(crate) decoder: MetaDecoder,
    /// Whether accounts may send so little that they run into it.
    pub(crate) slow: bool,
    /// What is broken on purpose, to see that it is found.
    pub(crate) mutation: Option<Mutation>,
    dice: Mutex<Rng>,
    trace: Mutex<Trace>,
    network: Mutex<Network>,
    model: Mutex<Model>,
    calm: AtomicBool,
    tick: AtomicU64,
    running: Mutex<Option<Running>>,
    violation: Mutex<Option<Violation>>,
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// At which tick.
    pub(crate) tick: u64,
    /// Which.
    pub(crate) invariant: &'static str,
    /// What was seen.
    pub(crate) seen: String,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sim")
    }
}

impl Sim {
    pub(crate) fn new(
        clock: Arc<ManualClock>,
        platform: Simulator,
        decoder: MetaDecoder,
        dice: Rng,
        trace: Trace,
        slow: bool,
        mutation: Option<Mutation>,
    ) -> Self {
        Self {
            clock,
            platform,
            decoder,
            slow,
            mutation,
            dice: Mutex::new(dice),
            trace: Mutex::new(trace),
            network: Mutex::default(),
            model: Mutex::default(),
            calm: AtomicBool::new(true),
            tick: AtomicU64::new(0),
            running: Mutex::new(None),
            violation: Mutex::new(None),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Counts the polls and the acts: of two ticks the lower one was earlier, whatever the clocks say.
    pub(crate) fn tick(&self) -> u64 {
        self.tick.load(Ordering::Relaxed)
    }

    pub(crate) fn next_tick(&self) {
        self.tick.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn begin_poll(&self, running: Option<Running>) {
        self.next_tick();
        *self.running.lock().unwrap() = running;
    }

    /// The task that is going on; outside of one it is nobody's, from now.
    pub(crate) fn running(&self) -> Running {
        let nobody = Running { process: usize::MAX, begun: self.tick(), begun_at: self.now() };
        self.running.lock().unwrap().unwrap_or(nobody)
    }

    pub(crate) fn dice<T>(&self, roll: impl FnOnce(&mut Rng) -> T) -> T {
        roll(&mut self.dice.lock().unwrap())
    }

    /// Returns whether a fault happens, one in `many` times; none does once all is calm.
    pub(crate) fn fault(&self, many: usize, what: &'static str) -> bool {
        let happens = !self.is_calm() && self.dice(|dice| dice.one_in(many));
        if happens {
            self.count(what);
            self.note(|| what.to_owned());
        }
        happens
    }

    /// Waits for a few polls.
    pub(crate) async fn delay(&self, most: usize) {
        if self.is_calm() {
            return;
        }
        for _ in 0..self.dice(|dice| dice.below(most + 1)) {
            pause().await;
        }
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub(crate) fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Ordering::Relaxed);
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    pub(crate) fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap()
    }

    pub(crate) fn trace(&self) -> MutexGuard<'_, Trace> {
        self.trace.lock().unwrap()
    }

    pub(crate) fn count(&self, what: &'static str) {
        self.trace().figures.count(what);
    }

    /// Adds a line to the trace.
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        let line = format!("{:6} {} {}", self.tick(), self.now().format("%d %H:%M:%S"), what());
        self.trace().note(line);
    }

    /// Notes that an invariant did not hold. The first one counts: what follows may follow from it.
    pub(crate) fn violated(&self, invariant: &'static str, seen: impl Into<String>) {
        let mut violation = self.violation.lock().unwrap();
        if violation.is_none() {
            let found = Violation { tick: self.tick(), invariant, seen: seen.into() };
            self.note(|| format!("BROKEN {invariant}: {}", found.seen));
            *violation = Some(found);
        }
    }

    pub(crate) fn check(&self, invariant: &'static str, holds: Result<(), String>) {
        if let Err(seen) = holds {
            self.violated(invariant, seen);
        }
    }

    pub(crate) fn violation(&self) -> Option<Violation> {
        self.violation.lock().unwrap().clone()
    }
}

/// The world's clock as one process reads it.
#[derive(Debug)]
pub(crate) struct Skewed {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) by: TimeDelta,
}

impl Clock for Skewed {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now() + self.by
    }
}
