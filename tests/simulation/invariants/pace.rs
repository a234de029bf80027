//! Of every call to the platform, at the moment when it is made: what keeps it from coming too fast.

use chrono::{DateTime, TimeDelta, Utc};
use whisp::channel::{Pace, Rate};

use crate::executor::Running;
use crate::model::{Model, Out};
use crate::sim::Sim;

type Holds = Result<(), String>;

/// How long the platform takes no calls after it has refused one, as it says then.
pub(crate) const REGAIN: TimeDelta = TimeDelta::minutes(1);

/// The platform refused a call: it takes none of the account for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limited {
    shop: usize,
    process: usize,
    tick: u64,
    at: DateTime<Utc>,
}

impl Limited {
    pub(crate) fn now(sim: &Sim, shop: usize) -> Self {
        Self { shop, process: sim.running().process, tick: sim.tick(), at: sim.now() }
    }
}

/// The pace of a world whose accounts may send little: slow enough to be reached.
pub(crate) fn slow() -> Pace {
    let mut pace = Pace::UNLIMITED;
    pace.connection = Some(Rate::new(2, TimeDelta::seconds(20)));
    pace.pair = Some(Rate::new(1, TimeDelta::seconds(60)));
    pace
}

pub(crate) fn call(sim: &Sim, model: &Model, shop: usize) {
    sim.check("an account that is refused rests", rests(sim, model, shop, sim.running()));
}

/// From the refusal on no call is begun in the process that was told, until the platform takes calls again.
fn rests(sim: &Sim, model: &Model, shop: usize, running: Running) -> Holds {
    for limited in model.limited.iter().filter(|limited| limited.shop == shop && limited.process == running.process) {
        let known = limited.tick < running.begun && knows(model, shop, limited.tick);
        if known && sim.now() - limited.at < REGAIN {
            return Err(format!("account {shop} was refused at tick {}, and calls again", limited.tick));
        }
    }
    Ok(())
}

/// In each stretch of time a process sends what may go at once and what may come after that, and no more.
pub(crate) fn sent(sim: &Sim, model: &Model, out: &Out) {
    if !sim.slow {
        return;
    }
    let pace = slow();
    let of_shop = |other: &Out| other.shop == out.shop;
    let of_pair = |other: &Out| of_shop(other) && other.person == out.person;
    sim.check("an account keeps its pace", keeps(model, out, pace.connection, of_shop));
    sim.check("a pair keeps its pace", keeps(model, out, pace.pair, of_pair));
}

fn keeps(model: &Model, out: &Out, rate: Option<Rate>, own: impl Fn(&Out) -> bool) -> Holds {
    let Some(rate) = rate else { return Ok(()) };
    let before: Vec<&Out> = model
        .outs
        .iter()
        .filter(|other| own(other) && other.process == out.process && knows(model, out.shop, other.begun))
        .collect();
    for first in &before {
        // A message takes its token in the task that sends it, so all of these took theirs between the two.
        let within = before.iter().filter(|other| other.begun_at >= first.begun_at).count() + 1;
        let stretch = (out.at - first.begun_at).num_microseconds().unwrap_or(i64::MAX);
        let more = stretch / rate.every().num_microseconds().unwrap_or(i64::MAX) + 1;
        if within > rate.burst() as usize + usize::try_from(more).unwrap_or(0) {
            return Err(format!("{within} went out since tick {}", first.begun));
        }
    }
    Ok(())
}

/// Whether a process still knows what it learned at a tick: the clock went forward only, and nobody connected the account
/// again.
fn knows(model: &Model, shop: usize, tick: u64) -> bool {
    model.turned < tick && model.untouched_since(&model.accounts[shop].connected, tick)
}
