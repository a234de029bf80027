//! One seed, from the birth of its world until everything in it has come to rest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use chrono::TimeDelta;

use crate::acts::works;
use crate::invariants::stored;
use crate::mutation::Mutation;
use crate::network;
use crate::sim::Violation;
use crate::trace::Figures;
use crate::world::World;

/// How many things happen under one seed before all is left to settle.
const ACTS: usize = 160;

/// How many polls there are between two of them at most.
const POLLS_MAX: usize = 40;

/// How many rounds a world has to come to rest.
const ROUNDS_MAX: usize = 400;

/// What came of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) hash: u64,
    pub(crate) figures: Figures,
    pub(crate) violation: Option<Violation>,
    /// The last lines, or all.
    pub(crate) lines: Vec<String>,
}

/// Runs a seed. A panic of the assistant's is a broken invariant too.
pub(crate) fn run(seed: u64, whole_trace: bool, mutation: Option<Mutation>) -> Outcome {
    let mut world = World::new(seed, whole_trace, mutation);
    let sim = Arc::clone(&world.sim);
    let done = catch_unwind(AssertUnwindSafe(|| {
        world.live();
        if sim.violation().is_none() {
            world.settle();
        }
        if sim.violation().is_none() {
            stored::all(&sim, &world.observer, &*world.store);
        }
    }));
    if let Err(panic) = done {
        let words = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        sim.violated("nothing panics", words.unwrap_or("something").to_owned());
    }
    let violation = sim.violation();
    let ticks = sim.tick();
    let mut trace = sim.trace();
    trace.figures.more("steps", ticks);
    Outcome { hash: trace.hash(), figures: trace.figures.clone(), violation, lines: trace.lines() }
}

impl World {
    fn live(&mut self) {
        let sim = Arc::clone(&self.sim);
        for _ in 0..ACTS {
            self.act();
            for _ in 0..self.dice.below(POLLS_MAX) {
                if !self.tasks.poll(&sim, &mut self.dice) {
                    break;
                }
            }
            if sim.violation().is_some() {
                return;
            }
        }
    }

    /// Everything works from now on: what is on its way comes, what was begun is ended, until nothing is left to do but
    /// what waits for days.
    fn settle(&mut self) {
        let sim = Arc::clone(&self.sim);
        self.tasks.finish(&sim, &mut self.dice);
        sim.set_calm(true);
        sim.note(|| "all is calm".to_owned());
        for place in 0..self.workers.len() {
            if self.workers[place].process.is_none() {
                self.start(place);
            }
        }
        // A lease that nobody holds any more ends.
        self.pass(TimeDelta::seconds(61));
        let shops = sim.model().accounts.len();
        for shop in 0..shops {
            let (process, assistant) = self.workers[0].process.clone().unwrap();
            self.connect(shop, true, process, assistant);
            self.tasks.finish(&sim, &mut self.dice);
        }
        self.end_erasures();
        let mut quiet = 0;
        for round in 0..ROUNDS_MAX {
            self.everyone_works();
            let wait = match (quiet, sim.network().next_due()) {
                (_, Some(due)) if due <= sim.now() => TimeDelta::seconds(1),
                (0..10, _) => TimeDelta::seconds(4),
                (_, Some(due)) => due - sim.now(),
                (10..16, None) => TimeDelta::seconds(70),
                (16..20, None) => TimeDelta::seconds(700),
                (20..24, None) => TimeDelta::seconds(9_000),
                _ => return,
            };
            quiet = if quiet >= 10 && !sim.network().is_empty() { 0 } else { quiet + 1 };
            self.pass(wait);
            if sim.violation().is_some() {
                return;
            }
            if round + 1 == ROUNDS_MAX {
                sim.violated("a world comes to rest", "there is always something to do");
            }
        }
    }

    fn end_erasures(&mut self) {
        let sim = Arc::clone(&self.sim);
        let people = sim.model().people.len();
        for person in 0..people {
            let open: Vec<_> = {
                let model = sim.model();
                let open = model.people[person].erasures.iter().filter(|erasure| erasure.done.is_none());
                open.map(|erasure| (model.tenant_of(person).id, erasure.conversation, erasure.contact)).collect()
            };
            for (tenant, conversation, contact) in open {
                let (process, assistant) = self.workers[0].process.clone().unwrap();
                self.erase(person, process, assistant, tenant, (conversation, contact));
                self.tasks.finish(&sim, &mut self.dice);
            }
        }
    }

    fn everyone_works(&mut self) {
        let sim = Arc::clone(&self.sim);
        let up: Vec<_> = self.workers.iter().filter_map(|worker| worker.process.clone()).collect();
        for (process, assistant) in up {
            while let Some(flight) = network::take(&sim) {
                self.tasks.spawn(&sim, process, flight.land(process, assistant.clone()));
                self.tasks.finish(&sim, &mut self.dice);
            }
            let theirs = Arc::clone(&sim);
            self.tasks.spawn(&sim, process, async move { works(&theirs, process, &assistant, true, true).await });
            self.tasks.finish(&sim, &mut self.dice);
        }
    }
}
