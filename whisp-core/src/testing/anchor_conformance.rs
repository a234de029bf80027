//! Proves that a place for checkpoints keeps the contracts of [`CheckpointSink`]. Run it against your own.
//!
//! Each function here checks the contract of its number, [`CASES`] lists them and [`check_all`] runs all. Cases may be added
//! in a minor release: pin the version.

use futures_util::future::{BoxFuture, join};

use crate::audit::{
    AnchorError, AnchorErrorKind, Checkpoint, CheckpointSigner, CheckpointSink, SignedNote, TreeHash, VerifierKey,
};
use crate::testing::case::{Case, Violation, cases, ensure};

/// Two processes at one place for checkpoints, in which there are none yet, and who signs them.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'s> {
    /// The place as one process sees it.
    pub sink: &'s dyn CheckpointSink,
    /// The same place, opened by another.
    pub again: &'s dyn CheckpointSink,
    /// Who signs.
    pub signer: &'s dyn CheckpointSigner,
}

/// Runs a case.
pub type Run = for<'a> fn(&'a Subject<'a>) -> BoxFuture<'a, Result<(), Violation>>;

/// All cases, in the order of the contract. Each has logs of its own.
pub const CASES: &[Case<Run>] = cases![async
    1 the_latest_is_what_was_published_last,
    2 of_two_that_go_on_one_is_kept,
    3 it_never_goes_back,
    4 it_never_forks,
];

/// Checks all contracts, in the order of their numbers.
///
/// # Errors
/// The first [`Violation`].
///
/// # Cancellation
/// Dropping it publishes no more.
pub async fn check_all(subject: &Subject<'_>) -> Result<(), Violation> {
    for case in CASES {
        (case.run)(subject).await?;
    }
    Ok(())
}

/// Contract 1: of a log that nobody published there is none; else it is the last one, as it was given, whoever asks, and not
/// another log's.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it publishes no more.
pub async fn the_latest_is_what_was_published_last(subject: &Subject<'_>) -> Result<(), Violation> {
    for origin in ["conformance/1", "Conformance/1", "conformance/1/../1"] {
        subject.has(1, origin, None).await?;
        for size in 1..=3 {
            let note = subject.grown(1, origin, size).await?;
            subject.has(1, origin, Some(&note)).await?;
        }
    }
    Ok(())
}

/// Contract 2: who goes on from what is no longer the latest is refused, also at the same time.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it publishes no more.
pub async fn of_two_that_go_on_one_is_kept(subject: &Subject<'_>) -> Result<(), Violation> {
    use AnchorErrorKind::{Back, Overtaken};
    let origin = "conformance/2";
    subject.grown(2, origin, 1).await?;
    let latest = subject.grown(2, origin, 2).await?;
    let late = subject.note(2, origin, 3, tree(3)).await?;
    let late = subject.again.publish(&late, 1, &[leaf(1), leaf(2)]).await;
    subject.refused(2, origin, late, Overtaken, &latest).await?;

    let origin = "conformance/2/together";
    subject.grown(2, origin, 1).await?;
    let (two, three) = (subject.note(2, origin, 2, tree(2)).await?, subject.note(2, origin, 3, tree(3)).await?);
    let (short, long) = ([leaf(1)], [leaf(1), leaf(2)]);
    let outcomes = join(subject.sink.publish(&two, 1, &short), subject.again.publish(&three, 1, &long)).await;
    let kinds = (outcomes.0.map_err(|error| error.kind()), outcomes.1.map_err(|error| error.kind()));
    let kept = match kinds {
        (Ok(()), Err(Overtaken)) => &two,
        // It is also shorter than what was kept.
        (Err(Overtaken | Back), Ok(())) => &three,
        other => return Err(Violation::new(2, format!("two that go on from the same one gave {other:?}"))),
    };
    subject.has(2, origin, Some(kept)).await
}

/// Contract 3: a shorter log is refused, and what is kept stays.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it publishes no more.
pub async fn it_never_goes_back(subject: &Subject<'_>) -> Result<(), Violation> {
    let origin = "conformance/3";
    let shorter = subject.grown(3, origin, 1).await?;
    let latest = subject.grown(3, origin, 2).await?;
    for old in 0..=2 {
        let back = subject.again.publish(&shorter, old, &[]).await;
        subject.refused(3, origin, back, AnchorErrorKind::Back, &latest).await?;
    }
    Ok(())
}

/// Contract 4: another log of the same length, and a longer one that does not go on by its proof, are refused; the latest
/// one again is not.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it publishes no more.
pub async fn it_never_forks(subject: &Subject<'_>) -> Result<(), Violation> {
    use AnchorErrorKind::Fork;
    let origin = "conformance/4";
    subject.grown(4, origin, 1).await?;
    let latest = subject.grown(4, origin, 2).await?;
    let again = subject.again.publish(&latest, 1, &[leaf(1)]).await;
    ensure(4, again.is_ok(), || format!("the latest one again gave {again:?}"))?;
    let (aside, longer) = (subject.note(4, origin, 2, leaf(9)).await?, subject.note(4, origin, 3, leaf(9)).await?);
    let right = subject.note(4, origin, 3, tree(3)).await?;
    for (note, path) in [(&aside, &[][..]), (&longer, &[leaf(2)]), (&right, &[leaf(9)]), (&right, &[])] {
        let forked = subject.sink.publish(note, 2, path).await;
        subject.refused(4, origin, forked, Fork, &latest).await?;
    }
    Ok(())
}

impl Subject<'_> {
    /// Publishes that the log has grown by one leaf.
    async fn grown(&self, contract: u8, origin: &str, size: u64) -> Result<SignedNote, Violation> {
        let note = self.note(contract, origin, size, tree(size)).await?;
        let path = [leaf(size.saturating_sub(1))];
        let path = if size > 1 { &path[..] } else { &[] };
        let published = self.sink.publish(&note, size.saturating_sub(1), path).await;
        published.map_err(|error| Violation::new(contract, format!("one that goes on is refused: {error}")))?;
        Ok(note)
    }

    async fn note(&self, contract: u8, origin: &str, size: u64, root: TreeHash) -> Result<SignedNote, Violation> {
        let body = Checkpoint { origin: origin.to_owned(), size, root }.body();
        let signature = self.signer.sign(&body).await;
        let signature = signature.map_err(|error| Violation::new(contract, format!("it was not signed: {error}")))?;
        let key = VerifierKey::new(origin, self.signer.public_key());
        let key = key.map_err(|error| Violation::new(contract, format!("the key is none: {error}")))?;
        Ok(key.sign(body, signature))
    }

    /// Checks that both find this.
    async fn has(&self, contract: u8, origin: &str, latest: Option<&SignedNote>) -> Result<(), Violation> {
        for sink in [self.sink, self.again] {
            let found = sink.latest(origin).await;
            let right = found.as_ref().is_ok_and(|found| found.as_ref() == latest);
            ensure(contract, right, || format!("the latest of {origin} is {found:?}, not {latest:?}"))?;
        }
        Ok(())
    }

    /// Checks that it was refused as it should be, and that it changed nothing.
    async fn refused(
        &self,
        contract: u8,
        origin: &str,
        outcome: Result<(), AnchorError>,
        kind: AnchorErrorKind,
        latest: &SignedNote,
    ) -> Result<(), Violation> {
        let found = outcome.map_err(|error| error.kind());
        ensure(contract, found == Err(kind), || format!("it gave {found:?}, not {kind:?}"))?;
        self.has(contract, origin, Some(latest)).await
    }
}

fn leaf(number: u64) -> TreeHash {
    TreeHash::of_leaf(&number.to_be_bytes())
}

/// The root of the first leaves, of one, two or three.
fn tree(size: u64) -> TreeHash {
    match size {
        1 => leaf(0),
        2 => TreeHash::of_pair(leaf(0), leaf(1)),
        _ => TreeHash::of_pair(tree(2), leaf(2)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::audit::goes_on;
    use crate::error::Retry;
    use crate::testing::case::assert_complete;
    use crate::testing::pause;
    use crate::vault::VaultError;

    /// What a sink does wrong.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        Nothing,
        TakesLogsForOne,
        LooksFirst,
        KeepsNeither,
        GoesBack,
        TrustsTheCaller,
        RefusesTheLatest,
    }

    #[derive(Debug)]
    struct Memory {
        fault: Fault,
        latest: Mutex<BTreeMap<String, SignedNote>>,
    }

    /// Nobody verifies what it signs.
    #[derive(Debug)]
    struct Nobody;

    #[async_trait]
    impl CheckpointSigner for Nobody {
        fn public_key(&self) -> [u8; 32] {
            [7; 32]
        }

        async fn sign(&self, _: &str) -> Result<[u8; 64], VaultError> {
            Ok([7; 64])
        }
    }

    impl Memory {
        fn name(&self, origin: &str) -> String {
            if self.fault == Fault::TakesLogsForOne { origin.to_lowercase() } else { origin.to_owned() }
        }

        fn check(&self, note: &SignedNote, old: u64, path: &[TreeHash]) -> Result<(), AnchorErrorKind> {
            let new = note.checkpoint().unwrap();
            let latest = self.latest.lock().unwrap().get(&self.name(&new.origin)).cloned();
            let Some(there) = latest else { return Ok(()) };
            let latest = there.checkpoint().unwrap();
            if there == *note && self.fault != Fault::RefusesTheLatest {
                return Ok(());
            }
            let forked = new.size == latest.size && new.root != latest.root;
            match self.fault {
                Fault::GoesBack if new.size < latest.size => Ok(()),
                _ if new.size < latest.size => Err(AnchorErrorKind::Back),
                Fault::TrustsTheCaller if old == latest.size => Ok(()),
                _ if forked => Err(AnchorErrorKind::Fork),
                _ if old != latest.size => Err(AnchorErrorKind::Overtaken),
                _ if goes_on((latest.size, latest.root), (new.size, new.root), path) => Ok(()),
                _ => Err(AnchorErrorKind::Fork),
            }
        }
    }

    #[async_trait]
    impl CheckpointSink for Memory {
        async fn latest(&self, origin: &str) -> Result<Option<SignedNote>, AnchorError> {
            Ok(self.latest.lock().unwrap().get(&self.name(origin)).cloned())
        }

        async fn publish(&self, note: &SignedNote, old: u64, path: &[TreeHash]) -> Result<(), AnchorError> {
            let failed = |kind| AnchorError::new("publish", kind, Retry::Never);
            if self.fault == Fault::LooksFirst {
                self.check(note, old, path).map_err(failed)?;
                pause().await;
            } else {
                pause().await;
                self.check(note, old, path).map_err(failed)?;
            }
            let origin = note.checkpoint().unwrap().origin;
            if self.fault == Fault::KeepsNeither && origin.ends_with("together") && old == 1 {
                return Err(failed(AnchorErrorKind::Overtaken));
            }
            self.latest.lock().unwrap().insert(self.name(&origin), note.clone());
            Ok(())
        }
    }

    async fn check(fault: Fault) -> Result<(), Violation> {
        let sink = Memory { fault, latest: Mutex::default() };
        check_all(&Subject { sink: &sink, again: &sink, signer: &Nobody }).await
    }

    #[tokio::test]
    async fn a_sink_that_keeps_all_contracts_passes() {
        check(Fault::Nothing).await.unwrap();
    }

    #[tokio::test]
    async fn each_broken_contract_is_found() {
        let faults = [
            (Fault::TakesLogsForOne, 1),
            (Fault::LooksFirst, 2),
            (Fault::KeepsNeither, 2),
            (Fault::GoesBack, 3),
            (Fault::TrustsTheCaller, 4),
            (Fault::RefusesTheLatest, 4),
        ];
        for (fault, contract) in faults {
            assert_eq!(check(fault).await.unwrap_err().contract, contract, "{fault:?}");
        }
        let found = faults.map(|(_, contract)| contract);
        assert_complete(CASES, include_str!("../audit/anchor.rs"), "CheckpointSink", &found);
    }
}
