//! Dropped futures.

use whisp_core::store::{Expect, Store, WriteOp};
use whisp_core::testing::cancel_after;

use super::kit::Kit;

/// How many awaits of `commit` are tried: more than any store has.
const POLLS_MAX: usize = 64;

/// Whenever a commit is dropped, its batch is wholly in or wholly out.
pub async fn a_dropped_commit_is_whole_or_nothing(store: &dyn Store) {
    let kit = Kit::new(store);
    for polls in 0..POLLS_MAX {
        let (first, last, fact, key) = (kit.message(), kit.message(), kit.fact(kit.now), kit.dedup());
        let batch = kit
            .batch_of([
                WriteOp::Put(first.clone()),
                WriteOp::Append(fact),
                WriteOp::Remember { key, until: kit.after(60) },
                WriteOp::Put(last.clone()),
            ])
            .expect(Expect::Unseen { key, at: kit.now });
        let finished = cancel_after(polls, store.commit(batch.clone())).await.is_some();
        // It may still be on its way. Whatever a read saw of it, a later read sees as well.
        let some = kit.get(last.kind, last.id).await.is_some();
        let all = kit.get(first.kind, first.id).await.is_some() && kit.facts().await.contains(&fact);
        assert!(all || !some, "a part of the batch was there");
        // Repeated, it is done or refused as a whole, because the one before was.
        let _either = store.commit(batch).await.expect("the store works");
        assert_eq!(kit.get(first.kind, first.id).await, Some(first));
        assert_eq!(kit.get(last.kind, last.id).await, Some(last));
        assert_eq!(kit.facts().await.iter().filter(|stored| **stored == fact).count(), 1);
        assert!(!kit.is_unseen(key, kit.now).await);
        if finished {
            return;
        }
    }
    panic!("a commit returns within {POLLS_MAX} polls");
}
