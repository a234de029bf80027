//! Pages that are read while others write.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_util::future::join;
use whisp_core::kpi::Fact;
use whisp_core::store::{
    FactQuery, ListOrder, ListQuery, PendingQuery, Record, Store, SubjectQuery, WorkItem, WriteOp,
};

use super::kit::Kit;

/// How many there are of each that stay.
const STAY: i64 = 24;

/// What is there all the time comes once on every path that has pages, in its order, while things come, change and go on
/// all sides of it.
pub async fn pages_are_whole_beside_a_writer(store: &dyn Store) {
    let kit = Kit::new(store);
    let beside = Beside::new(&kit).await;
    let is_over = AtomicBool::new(false);
    let read = async {
        beside.read().await;
        is_over.store(true, Ordering::Relaxed);
    };
    join(beside.write(&is_over), read).await;
}

struct Beside<'k, 's> {
    kit: &'k Kit<'s>,
    model: Record,
    records: Vec<Record>,
    work: Vec<WorkItem>,
    facts: Vec<Fact>,
}

impl<'k, 's> Beside<'k, 's> {
    async fn new(kit: &'k Kit<'s>) -> Self {
        let model = kit.message();
        let records = (0..STAY).map(|place| Record { id: kit.random_id(), position: place * 10, ..model.clone() });
        let work = (0..STAY).map(|place| kit.work(1, kit.after(place * 10)));
        let facts = (0..STAY).map(|place| kit.fact(kit.after(place * 10)));
        let beside = Self { records: records.collect(), work: work.collect(), facts: facts.collect(), kit, model };
        kit.ops(beside.records.iter().cloned().map(WriteOp::Put)).await;
        kit.ops(beside.work.iter().cloned().map(WriteOp::Enqueue)).await;
        kit.ops(beside.facts.iter().copied().map(WriteOp::Append)).await;
        beside
    }

    /// Adds before, between, on and after the places of what stays, changes what stays where it is, and takes away what it
    /// added, until the reader has read everything.
    async fn write(&self, is_over: &AtomicBool) {
        let kit = self.kit;
        let mut added: Option<(Record, WorkItem)> = None;
        for number in (0..).take_while(|_| !is_over.load(Ordering::Relaxed)) {
            let place = number * 37 % (STAY * 10 + 20) - 10;
            let record = Record { id: kit.random_id(), position: place, ..self.model.clone() };
            let (work, fact) = (kit.work(1, kit.after(place)), kit.fact(kit.after(place)));
            let stays = &self.records[usize::try_from(number % STAY).expect("it is not negative")];
            let version = u64::try_from(number / STAY).expect("it is not negative") + 2;
            let mut ops = vec![
                WriteOp::Put(record.clone()),
                WriteOp::Enqueue(work.clone()),
                WriteOp::Append(fact),
                WriteOp::Put(Record { version, ..stays.clone() }),
            ];
            if let Some((record, work)) = added.replace((record, work)) {
                ops.extend([WriteOp::Delete(record.kind, record.id, 1), WriteOp::Complete(work.key)]);
            }
            kit.ops(ops).await;
            pause().await;
        }
    }

    async fn read(&self) {
        for limit in [1, 3, 7] {
            for order in [ListOrder::Ascending, ListOrder::Descending] {
                self.list(order, limit).await;
            }
            self.of_subject(limit).await;
            self.pending(limit).await;
            self.scan(limit).await;
        }
    }

    async fn list(&self, order: ListOrder, limit: usize) {
        let mut query = ListQuery { order, ..self.kit.list_query(self.model.parent.expect("it has one"), limit) };
        let mut seen = Vec::new();
        loop {
            let page = self.kit.store.list(&query).await.expect("the store works");
            seen.extend(page.records.iter().map(Record::cursor));
            let Some(next) = page.next else { break };
            query.after = Some(next);
            pause().await;
        }
        if order == ListOrder::Descending {
            seen.reverse();
        }
        assert!(seen.is_sorted_by(|one, next| one < next), "{order:?}: out of order, or twice: {seen:?}");
        assert_once(&seen, self.records.iter().map(Record::cursor));
    }

    async fn of_subject(&self, limit: usize) {
        let subject = self.model.subjects[0];
        let mut query = SubjectQuery { tenant: self.kit.tenant, subject, after: None, limit };
        let mut seen = Vec::new();
        loop {
            let page = self.kit.store.of_subject(&query).await.expect("the store works");
            seen.extend(page.records.iter().map(|record| record.id));
            let Some(next) = page.next else { break };
            query.after = Some(next);
            pause().await;
        }
        assert_once(&seen, self.records.iter().map(|record| record.id));
    }

    async fn pending(&self, limit: usize) {
        let mut query = PendingQuery { limit, ..self.kit.pending_query(1, self.kit.after(1_000_000)) };
        let mut seen = Vec::new();
        loop {
            let page = self.kit.store.pending(&query).await.expect("the store works");
            let Some(last) = page.last() else { break };
            query.after = Some(last.key);
            seen.extend(page.iter().map(|item| item.key));
            pause().await;
        }
        assert!(seen.is_sorted_by(|one, next| one < next), "out of order, or twice: {seen:?}");
        assert_once(&seen, self.work.iter().map(|item| item.key));
    }

    async fn scan(&self, limit: usize) {
        let mut query = FactQuery { limit, ..self.kit.fact_query(self.kit.after(-1_000), self.kit.after(1_000_000)) };
        let mut seen = Vec::new();
        loop {
            let page = self.kit.store.scan(&query).await.expect("the store works");
            seen.extend(page.facts.iter().map(|fact| (fact.at, fact.id)));
            let Some(next) = page.next else { break };
            query.after = Some(next);
            pause().await;
        }
        assert!(seen.is_sorted_by(|one, next| one < next), "out of order, or twice: {seen:?}");
        assert_once(&seen, self.facts.iter().map(|fact| (fact.at, fact.id)));
    }
}

/// Panics unless each of those that stay was seen once, and nothing was seen twice.
fn assert_once<T: Ord + Debug>(seen: &[T], stay: impl Iterator<Item = T>) {
    let mut times: BTreeMap<&T, u32> = BTreeMap::new();
    for one in seen {
        *times.entry(one).or_default() += 1;
    }
    assert!(times.values().all(|count| *count == 1), "something came twice: {times:?}");
    for one in stay {
        assert!(times.contains_key(&one), "{one:?} was skipped");
    }
}

/// Lets the other side go on, also where a store never waits.
async fn pause() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
