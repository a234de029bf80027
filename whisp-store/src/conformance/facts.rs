//! Facts.

use chrono::{DateTime, TimeDelta, Utc};
use whisp_core::id::{InquiryId, MemberId};
use whisp_core::kpi::{Actor, Fact, FactKind};
use whisp_core::store::{FactCursor, FactQuery, Store, WriteOp};

use super::kit::Kit;

/// From its beginning, before its end, by time and id, page by page.
pub async fn facts_are_in_the_order_of_time(store: &dyn Store) {
    let kit = Kit::new(store);
    let mut facts: Vec<Fact> = [5, 3, 3, 9, 1, 3, -7].map(|second| kit.fact(kit.after(second))).into();
    kit.ops(facts.iter().map(|fact| WriteOp::Append(*fact))).await;
    facts.sort_by_key(|fact| (fact.at, fact.id));
    let query = kit.fact_query(kit.after(1), kit.after(9));
    let within = &facts[1..6];
    assert_eq!(store.scan(&query).await.expect("the store works").facts, within);
    for limit in 1..=6 {
        let mut query = FactQuery { limit, ..query.clone() };
        let mut seen = Vec::new();
        loop {
            let page = store.scan(&query).await.expect("the store works");
            assert!(page.facts.len() <= limit);
            seen.extend(page.facts);
            let Some(next) = page.next else { break };
            query.after = Some(next);
        }
        assert_eq!(seen, within, "in pages of {limit}");
    }
    let before = FactCursor { at: facts[0].at, id: facts[0].id };
    let early = FactQuery { after: Some(before), ..query.clone() };
    assert_eq!(store.scan(&early).await.expect("the store works").facts, within, "a cursor before the window");
    let none = kit.fact_query(kit.after(9), kit.after(1));
    assert!(store.scan(&none).await.expect("the store works").facts.is_empty(), "a window that ends before it begins");
}

/// Every kind, every actor, with and without an inquiry.
pub async fn facts_come_back_as_they_were_appended(store: &dyn Store) {
    let kit = Kit::new(store);
    let kinds = [
        FactKind::MessageIn,
        FactKind::MessageOut,
        FactKind::InquiryOpened,
        FactKind::InquiryResolved,
        FactKind::InquiryReopened,
        FactKind::HandedOff,
        FactKind::HandedBack,
        FactKind::Suggested,
        FactKind::SendFailed,
        FactKind::Delivered,
        FactKind::Read,
    ];
    let member = Actor::Member(Some(MemberId(kit.subject())));
    let actors = [Actor::Contact, Actor::Engine, Actor::Member(None), member, Actor::System];
    let facts: Vec<Fact> = kinds
        .into_iter()
        .zip(actors.into_iter().cycle())
        .zip([None, Some(InquiryId::from_uuid(kit.uuid()))].into_iter().cycle())
        .zip(0..)
        .map(|(((kind, actor), inquiry), second)| Fact { kind, actor, inquiry, ..kit.fact(kit.after(second)) })
        .collect();
    kit.ops(facts.iter().map(|fact| WriteOp::Append(*fact))).await;
    assert_eq!(kit.facts().await, facts);
}

/// Appended again, in the same batch or a later one, a fact is there once and as it was.
pub async fn a_fact_is_counted_once(store: &dyn Store) {
    let kit = Kit::new(store);
    let fact = kit.fact(kit.now);
    kit.ops([WriteOp::Append(fact), WriteOp::Append(fact)]).await;
    kit.ops([WriteOp::Append(Fact { kind: FactKind::Read, ..fact })]).await;
    assert_eq!(kit.facts().await, [fact]);
    let later = Fact { at: kit.after(1), ..fact };
    kit.ops([WriteOp::Append(later)]).await;
    assert_eq!(kit.facts().await, [fact, later], "the same id at another time is another fact");
}

/// A few at a time, and never one of that time or later; what is gone can be appended again.
pub async fn facts_before_a_time_go_oldest_first(store: &dyn Store) {
    let kit = Kit::new(store);
    let other = kit.other();
    let mut facts: Vec<Fact> = [5, 3, 3, 9, 1, -7].map(|second| kit.fact(kit.after(second))).into();
    // A microsecond before the time is before it.
    facts.push(kit.fact(kit.after(5) - TimeDelta::microseconds(1)));
    for kit in [&kit, &other] {
        kit.ops(facts.iter().map(|fact| WriteOp::Append(*fact))).await;
    }
    facts.sort_by_key(|fact| (fact.at, fact.id));
    let discard = async |before, limit| store.discard(kit.tenant, before, limit).await.expect("the store works");
    assert_eq!(discard(kit.after(-7), 10).await, 0, "none is older than the oldest");
    assert_eq!(discard(kit.after(5), 0).await, 0);
    assert_eq!(discard(kit.after(5), 2).await, 2);
    assert_eq!(kit.facts().await, facts[2..], "the oldest are gone");
    assert_eq!(discard(kit.after(5), 10).await, 3, "what is at the time stays");
    assert_eq!(kit.facts().await, facts[5..]);
    assert_eq!(discard(kit.after(5), 10).await, 0, "a second time nothing is left");
    assert_eq!(other.facts().await, facts, "nobody else's");
    kit.ops([WriteOp::Append(facts[0])]).await;
    assert_eq!(kit.facts().await, [facts[0], facts[5], facts[6]]);
    assert_eq!(discard(DateTime::<Utc>::MAX_UTC, 10).await, 3);
    assert_eq!(kit.facts().await, []);
}
