//! Facts equal messages, and nothing is left to be done.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use whisp::id::ConversationId;
use whisp::kpi::FactKind;
use whisp::model::{Author, ContentKind, DeliveryStep, Message, Provenance};
use whisp::store::{Bucket, FactQuery, PendingQuery, Store};

use crate::executor::block_on;
use crate::invariants::stored::Thread;
use crate::model::Model;
use crate::sim::Sim;

/// What may wait for days: for a message that has not come, or for a silence to last.
const PARKED: &[&str] = &["edit", "unsend", "receipt", "idle"];

/// How many pieces of work and facts one look reads at most.
const PAGE: usize = 1_000;

pub(super) fn all(sim: &Sim, model: &Model, threads: &[Thread], store: &dyn Store) {
    sim.check("facts equal messages", facts(sim, model, threads, store));
    sim.check("nothing is left to be done", work(sim, model, store));
}

fn facts(sim: &Sim, model: &Model, threads: &[Thread], store: &dyn Store) -> Result<(), String> {
    let mut counts: BTreeMap<(ConversationId, u8), usize> = BTreeMap::new();
    for tenant in &model.tenants {
        let (from, until) = (sim.now() - TimeDelta::days(365), sim.now() + TimeDelta::days(365));
        let mut query = FactQuery { tenant: tenant.id, from, until, after: None, limit: PAGE };
        loop {
            let page = block_on(store.scan(&query)).map_err(|error| error.to_string())?;
            for fact in page.facts {
                *counts.entry((fact.conversation, fact.kind as u8)).or_default() += 1;
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
    }
    for (person, thread) in threads.iter().enumerate() {
        let Some((conversation, _)) = thread.conversation else { continue };
        let count = |kind: FactKind| counts.get(&(conversation, kind as u8)).copied().unwrap_or(0);
        let written = thread
            .messages
            .iter()
            .filter(|message| message.author == Author::Contact && message.content.kind() != ContentKind::Reaction)
            .count();
        let sent = thread.messages.iter().filter(|message| took(message)).count();
        if count(FactKind::MessageIn) != written || count(FactKind::MessageOut) != sent {
            let (facts_in, facts_out) = (count(FactKind::MessageIn), count(FactKind::MessageOut));
            return Err(format!("person {person}: {facts_in} of {written} in, {facts_out} of {sent} out"));
        }
    }
    Ok(())
}

/// Whether the platform is known to have a message of the business.
fn took(message: &Message) -> bool {
    use DeliveryStep::{Delivered, Played, Read, Sent};
    match &message.delivery {
        Some(delivery) => matches!(delivery.step, Sent | Delivered | Read | Played),
        None => message.provenance == Provenance::Echo,
    }
}

fn work(sim: &Sim, model: &Model, store: &dyn Store) -> Result<(), String> {
    for tenant in &model.tenants {
        for bucket in 0..tenant.buckets {
            let due_by = sim.now() + TimeDelta::days(365);
            let query = PendingQuery { tenant: tenant.id, bucket: Bucket(bucket), due_by, after: None, limit: PAGE };
            for item in block_on(store.pending(&query)).map_err(|error| error.to_string())? {
                let task: serde_json::Value = serde_json::from_str(&item.payload.0).map_err(|e| e.to_string())?;
                if !task["task"].as_str().is_some_and(|task| PARKED.contains(&task)) {
                    return Err(item.payload.0);
                }
            }
        }
    }
    Ok(())
}
