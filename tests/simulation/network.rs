//! The way of webhooks from the platform to the workers: late, twice, in any order, several in one body, again after an
//! error.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use whisp::assistant::Assistant;
use whisp::webhook::WebhookDecoder as _;

use crate::model::{Arrival, Model, SaidKind};
use crate::sim::Sim;

/// How many webhooks come in one body at most.
const BATCH_MAX: usize = 6;

/// After how long the platform gives a webhook up (WhatsApp, webhooks overview, 29 April 2026).
const GIVEN_UP_AFTER: TimeDelta = TimeDelta::days(7);

/// What a webhook tells, as far as the model cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cargo {
    /// A contact wrote.
    Said(usize),
    /// A contact edited something or took it back.
    Changed(usize),
    /// A member wrote on the phone.
    Typed(usize),
    /// News of a message of ours.
    News(usize),
    Other,
}

#[derive(Debug, Clone)]
pub(crate) struct Hook {
    shop: usize,
    cargo: Cargo,
    body: Value,
    sent_at: DateTime<Utc>,
    due: DateTime<Utc>,
}

#[derive(Debug, Default)]
pub(crate) struct Network {
    waiting: Vec<Hook>,
}

impl Network {
    pub(crate) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.waiting.iter().map(|hook| hook.due).min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Takes what the platform has to tell onto its way.
pub(crate) fn post(sim: &Sim, shop: usize, cargo: Cargo) {
    for mut body in sim.platform.take_waiting() {
        if sim.dice(|dice| dice.one_in(3)) {
            leave_out_bsuid(&mut body);
        }
        let copies = if sim.fault(6, "duplicate webhooks") { 2 } else { 1 };
        for _ in 0..copies {
            let late = match sim.dice(|dice| dice.below(40)) {
                _ if sim.is_calm() => TimeDelta::zero(),
                0 => TimeDelta::minutes(sim.dice(|dice| dice.between(60, 6 * 24 * 60))),
                1..=3 => TimeDelta::seconds(sim.dice(|dice| dice.between(10, 3_600))),
                4..=20 => TimeDelta::seconds(sim.dice(|dice| dice.between(1, 4))),
                _ => TimeDelta::zero(),
            };
            let (body, sent_at) = (body.clone(), sim.now());
            sim.network().waiting.push(Hook { shop, cargo, body, sent_at, due: sent_at + late });
        }
    }
}

/// Not every webhook tells all ids of a person: this one tells the phone number alone, where it has one.
fn leave_out_bsuid(body: &mut Value) {
    let Some(value) = body.pointer_mut("/entry/0/changes/0/value") else { return };
    if value.pointer("/messages/0/from").is_none() {
        return;
    }
    for (place, id) in [("/messages/0", "from_user_id"), ("/contacts/0", "user_id")] {
        if let Some(object) = value.pointer_mut(place).and_then(Value::as_object_mut) {
            object.remove(id);
        }
    }
}

/// Takes a few webhooks that are due, in no order. They come again unless somebody says that they arrived.
pub(crate) fn take(sim: &Arc<Sim>) -> Option<Flight> {
    let now = sim.now();
    let mut hooks: Vec<Hook> = Vec::new();
    let most = sim.dice(|dice| 1 + dice.below(BATCH_MAX));
    let mut network = sim.network();
    network.waiting.retain(|hook| now - hook.sent_at < GIVEN_UP_AFTER);
    while hooks.len() < most {
        let due: Vec<usize> = network
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, hook)| hook.due <= now)
            .filter(|(_, hook)| hooks.first().is_none_or(|first| first.body["object"] == hook.body["object"]))
            .map(|(place, _)| place)
            .collect();
        let Some(place) = sim.dice(|dice| dice.pick(&due).copied()) else { break };
        hooks.push(network.waiting.remove(place));
    }
    drop(network);
    (!hooks.is_empty()).then(|| Flight { sim: Arc::clone(sim), hooks, arrived: false })
}

/// Webhooks on their last way. Dropped half-way they come again.
pub(crate) struct Flight {
    sim: Arc<Sim>,
    hooks: Vec<Hook>,
    arrived: bool,
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.arrived {
            return;
        }
        self.sim.count("redelivered webhooks");
        let again = self.sim.now() + TimeDelta::seconds(self.sim.dice(|dice| dice.between(1, 60)));
        for mut hook in std::mem::take(&mut self.hooks) {
            hook.due = again;
            self.sim.network().waiting.push(hook);
        }
    }
}

impl Flight {
    /// Hands them to a worker as one signed body, and answers the platform.
    pub(crate) async fn land(mut self, process: usize, assistant: Assistant) {
        let sim = Arc::clone(&self.sim);
        let body = self.body();
        let request = sim.platform.request(&body, assistant.now());
        let delivery = sim.decoder.decode(&request).unwrap();
        let begun = sim.tick();
        for hook in &self.hooks {
            begin(&sim, &mut sim.model(), hook, process, begun);
        }
        let outcome = assistant.ingest(&delivery).await;
        let mut model = sim.model();
        match outcome {
            Ok(report) => {
                for hook in &self.hooks {
                    arrive(&sim, &mut model, hook, begun);
                }
                drop(model);
                sim.note(|| format!("{process} took in {report:?}"));
                sim.trace().figures.more("items taken in", report.stored as u64);
                self.arrived = !sim.fault(12, "lost answers to webhooks");
            }
            Err(error) => {
                for hook in &self.hooks {
                    note_clock(&sim, &mut model, hook);
                }
                drop(model);
                if sim.is_calm() {
                    sim.violated("a calm world works", format!("ingest: {error}"));
                }
                sim.note(|| format!("{process} did not take in: {error}"));
            }
        }
    }

    fn body(&self) -> Value {
        let entries = self.hooks.iter().filter_map(|hook| hook.body["entry"].as_array()).flatten().cloned().collect();
        let mut body = self.hooks[0].body.clone();
        body["entry"] = Value::Array(entries);
        body
    }
}

fn arrival(model: &mut Model, cargo: Cargo) -> Option<&mut Arrival> {
    match cargo {
        Cargo::Said(said) => Some(&mut model.said[said].arrival),
        Cargo::Changed(change) => Some(&mut model.changes[change].arrival),
        Cargo::Typed(typed) => Some(&mut model.typed[typed].arrival),
        Cargo::News(_) | Cargo::Other => None,
    }
}

/// Returns whether something surely comes too late, or surely not, because its author was erased.
fn fenced(sim: &Sim, model: &Model, cargo: Cargo) -> Option<bool> {
    match cargo {
        Cargo::Said(said) => model.is_fenced(model.said[said].person, model.said[said].at, sim.now()),
        Cargo::Typed(typed) => model.is_fenced(model.typed[typed].person, model.typed[typed].at, sim.now()),
        // Its echo names the person too.
        Cargo::News(out) => {
            let out = &model.outs[out];
            out.person.map_or(Some(false), |person| model.is_fenced(person, out.at, sim.now()))
        }
        Cargo::Changed(_) | Cargo::Other => Some(false),
    }
}

fn begin(sim: &Sim, model: &mut Model, hook: &Hook, process: usize, tick: u64) {
    let epoch = model.epoch;
    let fenced = fenced(sim, model, hook.cargo) == Some(true);
    if let Some(arrival) = arrival(model, hook.cargo)
        && arrival.begun.is_none()
    {
        (arrival.begun, arrival.epoch, arrival.fenced) = (Some(tick), epoch, fenced);
    }
    note_clock(sim, model, hook);
    if let Cargo::Said(said) = hook.cargo
        && let SaidKind::Stop(claim) | SaidKind::Start(claim) = model.said[said].kind
    {
        model.begin(claim, sim, process);
    }
}

/// Something may be taken in by this clock, though nobody hears of it; what is due then is due when the clock comes there again.
fn note_clock(sim: &Sim, model: &mut Model, hook: &Hook) {
    if let Some(arrival) = arrival(model, hook.cargo)
        && arrival.taken.is_none()
    {
        arrival.taken_at = arrival.taken_at.max(sim.now());
    }
}

fn arrive(sim: &Sim, model: &mut Model, hook: &Hook, begun: u64) {
    // What comes while nobody has the account connected is dropped, and rightly.
    let connected = model.surely(&model.accounts[hook.shop].connected, true);
    if connected.is_none_or(|claim| claim.ended.is_none_or(|ended| ended > begun)) {
        return;
    }
    // What was written before an erasure and comes after it is dropped, and rightly.
    if fenced(sim, model, hook.cargo) != Some(false) {
        return;
    }
    let tick = sim.tick();
    if let Some(arrival) = arrival(model, hook.cargo)
        && arrival.taken.is_none()
    {
        (arrival.taken, arrival.taken_at) = (Some(tick), arrival.taken_at.max(sim.now()));
    }
    match hook.cargo {
        Cargo::Said(said) => {
            if let SaidKind::Stop(claim) | SaidKind::Start(claim) = model.said[said].kind {
                model.end(claim, sim, true);
            }
        }
        Cargo::News(out) => {
            // On Instagram nothing tells our tag.
            let names_tag = model.outs[out].tag.as_str();
            model.outs[out].told |= hook.body.to_string().contains(names_tag);
        }
        _ => {}
    }
}
