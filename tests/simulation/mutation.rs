//! Ways to break the assistant from outside, to see that the invariants find each of them.

use std::collections::BTreeMap;

use whisp::store::{Commit, Expect, Kind, Refusal, Store, StoreError, WorkItem, WriteBatch, WriteOp};

use crate::sim::Sim;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// An ingest that remembers nothing that came in.
    ForgetsDuplicates,
    /// A late worker whose commits overwrite what a newer one did.
    IgnoresFence,
    /// A worker that goes by what it remembers of a conversation, whatever others did since.
    TrustsMemory,
    /// A sender that sends again what is in doubt.
    SendsAgain,
    /// A deliver that does not read the consent log again.
    ForgetsConsent,
    /// A store that says that a batch is written, and has lost it.
    LosesBatches,
    /// A store that loses facts.
    LosesFacts,
    /// An erasure that deletes nothing.
    ErasesNothing,
    /// A channel that knows no messaging window.
    KnowsNoWindow,
    /// A channel that knows no pace.
    KnowsNoPace,
    /// A channel that does not say for how long the platform takes no calls.
    RestsTooLittle,
    /// A worker that does what came later first.
    TurnsOrderAround,
    /// An unsend that is taken in and not done.
    KeepsUnsent,
}

/// All of them, and within how many seeds each must be found.
pub(crate) const ALL: &[(Mutation, u64)] = &[
    (Mutation::ForgetsDuplicates, 10),
    (Mutation::IgnoresFence, 60),
    (Mutation::TrustsMemory, 400),
    (Mutation::SendsAgain, 20),
    (Mutation::ForgetsConsent, 200),
    (Mutation::LosesBatches, 10),
    (Mutation::LosesFacts, 10),
    (Mutation::ErasesNothing, 20),
    (Mutation::KnowsNoWindow, 60),
    (Mutation::KnowsNoPace, 200),
    (Mutation::RestsTooLittle, 200),
    (Mutation::TurnsOrderAround, 60),
    (Mutation::KeepsUnsent, 20),
];

/// Commits a batch, as far as what is broken lets it.
pub(crate) async fn commit(sim: &Sim, store: &dyn Store, mut batch: WriteBatch) -> Result<Commit, StoreError> {
    match sim.mutation {
        Some(Mutation::ForgetsDuplicates) => {
            batch.ops.retain(|op| !matches!(op, WriteOp::Remember { .. }));
        }
        Some(Mutation::IgnoresFence) => return overwrite(store, batch).await,
        Some(Mutation::TrustsMemory) => {
            batch.expects.retain(|expect| !matches!(expect, Expect::Version(Kind::CONVERSATION, ..)));
        }
        Some(Mutation::LosesBatches) if !sim.is_calm() && sim.dice(|dice| dice.one_in(60)) => return Ok(Commit::Done),
        Some(Mutation::LosesFacts) => {
            batch.ops.retain(|op| !matches!(op, WriteOp::Append(_)) || sim.dice(|dice| !dice.one_in(30)));
        }
        Some(Mutation::KeepsUnsent) => {
            let unsend = |item: &WorkItem| item.payload.0.contains("\"unsend\"");
            batch.ops.retain(|op| !matches!(op, WriteOp::Enqueue(item) if unsend(item)));
        }
        _ => {}
    }
    store.commit(batch).await
}

/// Writes over whatever is there, as a worker does that looks at no fence and no version.
async fn overwrite(store: &dyn Store, mut batch: WriteBatch) -> Result<Commit, StoreError> {
    if !batch.expects.iter().any(|expect| matches!(expect, Expect::Owner { .. })) {
        return store.commit(batch).await;
    }
    batch.expects.clear();
    for op in &mut batch.ops {
        if let WriteOp::Put(record) = op {
            let there = store.get(batch.tenant, record.kind, record.id).await?;
            record.version = there.map_or(1, |there| there.version + 1);
        }
    }
    loop {
        match store.commit(batch.clone()).await? {
            Commit::Done => return Ok(Commit::Done),
            Commit::Refused(refusals) => {
                for refusal in refusals.iter().rev() {
                    if let Refusal::Op(op) = refusal {
                        batch.ops.remove(*op);
                    }
                }
            }
        }
    }
}

/// Hides, of several messages of a conversation that wait for an answer, all but the latest.
pub(crate) fn later_first(mut items: Vec<WorkItem>) -> Vec<WorkItem> {
    let turns = |item: &WorkItem| item.payload.0.contains("\"turn\"");
    let mut latest = BTreeMap::new();
    for item in items.iter().filter(|item| turns(item)) {
        let last = latest.entry(item.lane).or_insert(item.key.id);
        *last = (*last).max(item.key.id);
    }
    items.retain(|item| !turns(item) || latest.get(&item.lane) == Some(&item.key.id));
    items
}
