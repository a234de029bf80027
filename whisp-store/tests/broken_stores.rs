//! The suite is worth what it finds: each of these stores breaks one promise, and the suite says so.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use whisp_core::id::{FactId, RecordId, TenantId, WorkerId};
use whisp_core::store::{
    Clear, Commit, Expect, ExpiredQuery, FactPage, FactQuery, Facts, FindQuery, Kind, Lease, ListQuery, OwnRequest,
    Page, PendingQuery, Record, Records, Refusal, RenewRequest, StoreError, SubjectPage, SubjectQuery, Work, WorkItem,
    WriteBatch, WriteOp,
};
use whisp_store::MemoryStore;
use whisp_store::conformance::{CASES, CONTRACTS, Case, Contract, Method, run_all};

/// Which promise is broken.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    AcceptsAnyFence,
    AcceptsAnyVersion,
    AppliesByHalves,
    ChecksASnapshot,
    ChecksBeforeItsTurn,
    ClearsNoFacts,
    CompletesTwice,
    CountsFactsTwice,
    CutsLargeValues,
    DeletesAnyVersion,
    DiscardsTheNewest,
    DiscardsTheNext,
    EndsBeforeTheLastKey,
    FindsBackwards,
    ForgetsKeys,
    ForgetsTenants,
    IgnoresExpiry,
    LeavesNobodyOut,
    KeepsMilliseconds,
    KeepsOldPaths,
    KeepsWhatIsReleased,
    KnowsFirstSubjectsOnly,
    LeasesForEver,
    LeasesTwice,
    LosesTheOrderOfFacts,
    NamesOneRefusal,
    ReadsLate,
    RemembersPages,
    RenewsTheDead,
    RepeatsOnPaging,
    SkipsOnPaging,
    SkipsPendingWork,
    SplitsWhatIsDropped,
    TakesWhatItWaitsFor,
    TrimsText,
    TrustsTheNameOfAWorker,
}

/// A memory store with a fault.
#[derive(Debug)]
struct Broken {
    inner: MemoryStore,
    fault: Fault,
    /// What was written and not read yet.
    unread: Mutex<BTreeSet<(TenantId, RecordId)>>,
    /// What each worker was lent first.
    lent: Mutex<BTreeMap<WorkerId, Vec<Lease>>>,
    /// How many facts were appended.
    facts: AtomicU8,
    /// What was answered to whoever asked for somebody's records.
    pages: Mutex<BTreeMap<String, SubjectPage>>,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        let (unread, lent, pages) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { inner: MemoryStore::new(), fault, unread, lent, facts: AtomicU8::new(0), pages }
    }

    fn tenant(&self, tenant: TenantId) -> TenantId {
        if self.fault == Fault::ForgetsTenants { TenantId::DIRECTORY } else { tenant }
    }

    /// Each operation on its own, so that the ones before a refused or dropped one stay.
    async fn by_halves(&self, batch: WriteBatch) -> Result<Commit, StoreError> {
        for op in batch.ops {
            tokio::task::yield_now().await;
            let one = WriteBatch { tenant: batch.tenant, expects: batch.expects.clone(), ops: vec![op] };
            let commit = self.inner.commit(one).await?;
            if commit != Commit::Done {
                return Ok(commit);
            }
        }
        Ok(Commit::Done)
    }

    /// The first operation and the rest, after everything has been checked by an expectation that alone must fail.
    async fn in_two(&self, mut batch: WriteBatch) -> Result<Commit, StoreError> {
        let never = Expect::Version(Kind::ROUTE, RecordId::from_bytes([0; 16]), u64::MAX);
        let last = Refusal::Expect(batch.expects.len());
        if self.inner.commit(batch.clone().expect(never)).await? != Commit::Refused(vec![last]) {
            return self.inner.commit(batch).await;
        }
        let rest = batch.ops.split_off(batch.ops.len().min(1));
        let (tenant, first) = (batch.tenant, self.inner.commit(batch).await?);
        tokio::task::yield_now().await;
        let rest = self.inner.commit(WriteBatch { tenant, expects: Vec::new(), ops: rest }).await?;
        Ok(if first == Commit::Done { rest } else { first })
    }

    /// What is possible at first is written later, whatever was written meanwhile; or, with a snapshot, unless just that
    /// was written meanwhile.
    async fn late(&self, mut batch: WriteBatch) -> Result<Commit, StoreError> {
        let never = Expect::Version(Kind::ROUTE, RecordId::from_bytes([0; 16]), u64::MAX);
        let last = Refusal::Expect(batch.expects.len());
        if self.inner.commit(batch.clone().expect(never)).await? != Commit::Refused(vec![last]) {
            return self.inner.commit(batch).await;
        }
        tokio::task::yield_now().await;
        if self.fault == Fault::ChecksASnapshot {
            batch.expects.retain(|expect| !matches!(expect, Expect::Absent(..) | Expect::Version(..)));
            return self.inner.commit(batch).await;
        }
        batch.expects.clear();
        for op in &mut batch.ops {
            if let WriteOp::Put(record) = op {
                record.version = self.current(batch.tenant, record).await? + 1;
            }
        }
        self.inner.commit(batch).await
    }

    async fn current(&self, tenant: TenantId, record: &Record) -> Result<u64, StoreError> {
        Ok(self.inner.get(tenant, record.kind, record.id).await?.map_or(0, |stored| stored.version))
    }
}

#[async_trait]
impl Records for Broken {
    async fn commit(&self, mut batch: WriteBatch) -> Result<Commit, StoreError> {
        batch.tenant = self.tenant(batch.tenant);
        match self.fault {
            Fault::AcceptsAnyFence => batch.expects.retain(|expect| !matches!(expect, Expect::Owner { .. })),
            Fault::AcceptsAnyVersion => {
                for op in &mut batch.ops {
                    if let WriteOp::Put(record) = op {
                        record.version = self.current(batch.tenant, record).await? + 1;
                    }
                }
            }
            Fault::AppliesByHalves => return self.by_halves(batch).await,
            // Whole if it is waited for, half if it is dropped.
            Fault::SplitsWhatIsDropped => return self.in_two(batch).await,
            Fault::ChecksASnapshot | Fault::ChecksBeforeItsTurn => return self.late(batch).await,
            Fault::CountsFactsTwice => {
                for op in &mut batch.ops {
                    if let WriteOp::Append(fact) = op {
                        let mut id = fact.id.into_bytes();
                        id[15] ^= self.facts.fetch_add(1, Ordering::Relaxed);
                        fact.id = FactId::from_bytes(id);
                    }
                }
            }
            Fault::DeletesAnyVersion => {
                for op in &mut batch.ops {
                    if let WriteOp::Delete(kind, id, version) = op {
                        *version = self.current(batch.tenant, &Record::new(*kind, *id)).await?;
                    }
                }
            }
            Fault::KeepsOldPaths => {
                for op in &mut batch.ops {
                    if let WriteOp::Put(record) = op
                        && let Some(old) = self.inner.get(batch.tenant, record.kind, record.id).await?
                    {
                        record.lookups.extend(old.lookups);
                    }
                }
            }
            Fault::ReadsLate => {
                let written = batch.ops.iter().filter_map(|op| match op {
                    WriteOp::Put(record) => Some((batch.tenant, record.id)),
                    _ => None,
                });
                self.unread.lock().unwrap().extend(written);
            }
            Fault::CutsLargeValues => {
                for op in &mut batch.ops {
                    if let WriteOp::Put(record) = op {
                        record.sealed.0.truncate(1_000_000);
                    }
                }
            }
            Fault::TrimsText => {
                for op in &mut batch.ops {
                    if let WriteOp::Put(Record { clear: Clear(text), .. })
                    | WriteOp::Enqueue(WorkItem { payload: Clear(text), .. }) = op
                    {
                        *text = text.replace("\r\n", "\n");
                    }
                }
            }
            Fault::ForgetsKeys => batch.ops.retain(|op| !matches!(op, WriteOp::Remember { .. })),
            Fault::KeepsMilliseconds => {
                for op in &mut batch.ops {
                    if let WriteOp::Put(record) = op {
                        record.expires_at = record.expires_at.map(|at| at.trunc_subsecs(3));
                    }
                }
            }
            _ => {}
        }
        match (self.fault, self.inner.commit(batch.clone()).await?) {
            (Fault::NamesOneRefusal, Commit::Refused(mut refusals)) => {
                refusals.truncate(1);
                Ok(Commit::Refused(refusals))
            }
            (Fault::CompletesTwice, Commit::Refused(refusals)) => {
                let is_complete = |refusal: &Refusal| matches!(refusal, Refusal::Op(index) if matches!(batch.ops[*index], WriteOp::Complete(_)));
                Ok(if refusals.iter().all(is_complete) { Commit::Done } else { Commit::Refused(refusals) })
            }
            (_, commit) => Ok(commit),
        }
    }

    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError> {
        if self.unread.lock().unwrap().remove(&(tenant, id)) {
            return Ok(None);
        }
        self.inner.get(self.tenant(tenant), kind, id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let mut page = self.inner.list(&ListQuery { tenant: self.tenant(query.tenant), ..query.clone() }).await?;
        match self.fault {
            Fault::SkipsOnPaging if page.next.is_some() && page.records.len() > 1 => {
                page.records.remove(0);
            }
            Fault::EndsBeforeTheLastKey => page.records.retain(|record| record.id != RecordId::from_bytes([0xff; 16])),
            Fault::RepeatsOnPaging if page.next.is_some() && page.records.len() > 1 => {
                page.next = Some(page.records[page.records.len() - 2].cursor());
            }
            _ => {}
        }
        Ok(page)
    }

    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, StoreError> {
        let mut found = self.inner.find(&FindQuery { tenant: self.tenant(query.tenant), ..query.clone() }).await?;
        if self.fault == Fault::FindsBackwards {
            found.reverse();
        }
        Ok(found)
    }

    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, StoreError> {
        let mut page =
            self.inner.of_subject(&SubjectQuery { tenant: self.tenant(query.tenant), ..query.clone() }).await?;
        if self.fault == Fault::KnowsFirstSubjectsOnly {
            page.records.retain(|record| record.subjects.first() == Some(&query.subject));
        }
        if self.fault == Fault::RemembersPages {
            page = self.pages.lock().unwrap().entry(format!("{query:?}")).or_insert(page).clone();
        }
        Ok(page)
    }

    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, StoreError> {
        let mut query = ExpiredQuery { tenant: self.tenant(query.tenant), ..query.clone() };
        if self.fault == Fault::IgnoresExpiry {
            query.at = DateTime::<Utc>::MAX_UTC;
        }
        if self.fault == Fault::LeavesNobodyOut {
            query.without.clear();
        }
        self.inner.expired(&query).await
    }

    async fn clear(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        let tenant = self.tenant(tenant);
        let (from, until) = (DateTime::<Utc>::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC);
        let facts = self.inner.scan(&FactQuery { tenant, from, until, after: None, limit: 100 }).await?.facts;
        let removed = self.inner.clear(tenant, limit).await?;
        if self.fault == Fault::ClearsNoFacts {
            let batch = facts.into_iter().fold(WriteBatch::new(tenant), |batch, fact| batch.op(WriteOp::Append(fact)));
            assert_eq!(self.inner.commit(batch).await?, Commit::Done);
            return Ok(removed.min(limit.saturating_sub(1)));
        }
        Ok(removed)
    }
}

#[async_trait]
impl Work for Broken {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError> {
        let now = match self.fault {
            Fault::LeasesTwice => DateTime::<Utc>::MAX_UTC,
            Fault::LeasesForEver => DateTime::<Utc>::MIN_UTC,
            _ => request.now,
        };
        if self.fault == Fault::TrustsTheNameOfAWorker
            && let Some(lent) = self.lent.lock().unwrap().get(&request.worker)
        {
            return Ok(lent.clone());
        }
        let leases = self.inner.own(&OwnRequest { now, ..*request }).await?;
        self.lent.lock().unwrap().entry(request.worker).or_insert_with(|| leases.clone());
        Ok(leases)
    }

    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError> {
        if self.fault == Fault::RenewsTheDead {
            return Ok(request.leases.iter().map(|lease| Lease { until: request.until, ..*lease }).collect());
        }
        self.inner.renew(request).await
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        if self.fault == Fault::KeepsWhatIsReleased {
            return Ok(());
        }
        self.inner.release(leases).await
    }

    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, StoreError> {
        let mut items =
            self.inner.pending(&PendingQuery { tenant: self.tenant(query.tenant), ..query.clone() }).await?;
        if self.fault == Fault::SkipsPendingWork && items.len() > 2 {
            items.remove(1);
        }
        Ok(items)
    }

    async fn wait(&self) {
        if self.fault == Fault::TakesWhatItWaitsFor {
            let (now, until) = (DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MAX_UTC);
            let worker = WorkerId::from_bytes([0; 16]);
            drop(self.inner.own(&OwnRequest { worker, limit: 1, now, due_by: now, until }).await);
        }
        self.inner.wait().await;
    }
}

#[async_trait]
impl Facts for Broken {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError> {
        let mut page = self.inner.scan(&FactQuery { tenant: self.tenant(query.tenant), ..query.clone() }).await?;
        if self.fault == Fault::LosesTheOrderOfFacts {
            page.facts.reverse();
        }
        Ok(page)
    }

    async fn discard(&self, tenant: TenantId, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        let tenant = self.tenant(tenant);
        match self.fault {
            Fault::DiscardsTheNext => {
                let after = before.checked_add_signed(TimeDelta::microseconds(1)).unwrap_or(before);
                self.inner.discard(tenant, after, limit).await
            }
            Fault::DiscardsTheNewest => {
                let (from, after) = (DateTime::<Utc>::MIN_UTC, None);
                let query = FactQuery { tenant, from, until: before, after, limit: 1_000 };
                let facts = self.inner.scan(&query).await?.facts;
                let removed = self.inner.discard(tenant, before, usize::MAX).await?.min(limit);
                let left = facts[..facts.len() - removed].iter();
                let batch = left.fold(WriteBatch::new(tenant), |batch, fact| batch.op(WriteOp::Append(*fact)));
                assert_eq!(self.inner.commit(batch).await?, Commit::Done);
                Ok(removed)
            }
            _ => self.inner.discard(tenant, before, limit).await,
        }
    }
}

#[tokio::test]
async fn the_suite_finds_every_broken_store() {
    use Contract::{Facts, Records, Work};
    let faults = [
        (Fault::CountsFactsTwice, Facts(2)),
        (Fault::DiscardsTheNewest, Facts(3)),
        (Fault::DiscardsTheNext, Facts(3)),
        (Fault::LosesTheOrderOfFacts, Facts(1)),
        (Fault::AppliesByHalves, Records(1)),
        (Fault::SplitsWhatIsDropped, Records(1)),
        (Fault::NamesOneRefusal, Records(2)),
        (Fault::AcceptsAnyVersion, Records(3)),
        (Fault::DeletesAnyVersion, Records(4)),
        (Fault::ForgetsKeys, Records(5)),
        (Fault::ChecksASnapshot, Records(6)),
        (Fault::ChecksBeforeItsTurn, Records(6)),
        (Fault::ReadsLate, Records(7)),
        (Fault::ForgetsTenants, Records(8)),
        (Fault::EndsBeforeTheLastKey, Records(9)),
        (Fault::RepeatsOnPaging, Records(9)),
        (Fault::SkipsOnPaging, Records(9)),
        (Fault::FindsBackwards, Records(10)),
        (Fault::KnowsFirstSubjectsOnly, Records(11)),
        (Fault::RemembersPages, Records(11)),
        (Fault::IgnoresExpiry, Records(12)),
        (Fault::LeavesNobodyOut, Records(12)),
        (Fault::KeepsMilliseconds, Records(13)),
        (Fault::TrimsText, Records(13)),
        (Fault::CutsLargeValues, Records(14)),
        (Fault::KeepsOldPaths, Records(15)),
        (Fault::ClearsNoFacts, Records(16)),
        (Fault::LeasesTwice, Work(1)),
        (Fault::LeasesForEver, Work(2)),
        (Fault::RenewsTheDead, Work(3)),
        (Fault::KeepsWhatIsReleased, Work(4)),
        (Fault::AcceptsAnyFence, Work(5)),
        (Fault::SkipsPendingWork, Work(6)),
        (Fault::CompletesTwice, Work(7)),
        (Fault::TrustsTheNameOfAWorker, Work(8)),
        (Fault::TakesWhatItWaitsFor, Work(9)),
    ];
    let broken: BTreeSet<Contract> = faults.iter().map(|(_, contract)| *contract).collect();
    let promised: BTreeSet<Contract> = CASES.iter().flat_map(|case| case.proves.iter().copied()).collect();
    assert_eq!(broken, promised, "each sentence is broken by one of the stores");
    for (fault, contract) in faults {
        let failed: BTreeSet<_> = failures(fault).await.into_iter().flat_map(|case| case.proves).collect();
        assert!(failed.contains(&contract), "{fault:?} breaks {contract:?}, found were {failed:?}");
    }
}

/// Where several cases prove a sentence, each finds something: these are found by the case that is about them.
#[tokio::test]
async fn a_broken_store_fails_the_case_about_what_it_breaks() {
    for (fault, name) in [
        (Fault::AcceptsAnyVersion, "a_log_only_grows"),
        (Fault::DiscardsTheNewest, "facts_before_a_time_go_oldest_first"),
        (Fault::DiscardsTheNext, "facts_before_a_time_go_oldest_first"),
        (Fault::ChecksASnapshot, "batches_that_rest_on_each_other_come_one_after_another"),
        (Fault::EndsBeforeTheLastKey, "keys_are_kept_at_their_bounds"),
        (Fault::RemembersPages, "an_erasure_goes_on_where_it_was_broken_off"),
        (Fault::SplitsWhatIsDropped, "a_dropped_commit_is_whole_or_nothing"),
        (Fault::TrimsText, "text_comes_back_letter_by_letter"),
    ] {
        let failed = names(fault).await;
        assert!(failed.contains(&name), "{fault:?}: found were {failed:?}");
    }
}

#[tokio::test]
async fn what_is_whole_in_a_store_that_breaks_something_else_passes() {
    let failed = names(Fault::SplitsWhatIsDropped).await;
    assert!(!failed.contains(&"a_refused_batch_changes_nothing"), "it splits possible batches only");
    let failed = names(Fault::ChecksASnapshot).await;
    assert!(!failed.contains(&"concurrent_changes_come_one_after_another"), "no change is lost, only what it rests on");
}

async fn names(fault: Fault) -> Vec<&'static str> {
    failures(fault).await.into_iter().map(|case| case.name).collect()
}

/// Runs every case on a fresh store with the fault; returns those that failed.
async fn failures(fault: Fault) -> Vec<&'static Case> {
    let mut failed = Vec::new();
    let open = |_: &Case| async move { Ok::<_, Infallible>(Broken::new(fault)) };
    let Ok(count) = run_all(open, |case, outcome| failed.extend(outcome.is_err().then_some(case))).await;
    assert_eq!(count, failed.len(), "the number is that of the reports");
    failed
}

#[tokio::test]
async fn run_by_hand_a_broken_contract_is_told_in_the_words_of_the_case() {
    let (mut told, mut run) = (Vec::new(), 0);
    let open = |_: &Case| async { Ok::<_, Infallible>(Broken::new(Fault::ForgetsKeys)) };
    let report = |_: &Case, outcome: Result<(), &str>| {
        run += 1;
        told.extend(outcome.err().map(str::to_owned));
    };
    assert_eq!(run_all(open, report).await, Ok(told.len()));
    assert_eq!(run, CASES.len(), "every case runs, also after one that failed");
    assert!(told.iter().all(|violation| violation.contains("assertion") || violation.contains("a batch")), "{told:?}");
}

#[tokio::test]
async fn run_by_hand_a_store_that_does_not_open_ends_the_run() {
    let mut reports = 0;
    let open = |case: &'static Case| async move {
        if case.name == CASES[2].name { Err("no disk") } else { Ok(MemoryStore::new()) }
    };
    assert_eq!(run_all(open, |_, _| reports += 1).await, Err("no disk"));
    assert_eq!(reports, 2);
}

/// The source of the store traits.
fn traits() -> String {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../whisp-core/src/store/mod.rs");
    std::fs::read_to_string(source).expect("the traits are beside this crate")
}

#[test]
fn the_suite_knows_every_method_of_the_traits() {
    let source = traits();
    let methods =
        source.lines().filter_map(|line| line.strip_prefix("    async fn ")?.split_once('(')).map(|(name, _)| name);
    let known = Method::ALL.map(Method::name);
    assert_eq!(methods.collect::<BTreeSet<_>>(), BTreeSet::from(known));
    assert_eq!(source.matches(" fn ").count(), known.len(), "each is once in the traits, and they have no others");
}

#[test]
fn the_suite_knows_every_sentence_of_the_contracts() {
    let source = traits();
    for contract in CONTRACTS {
        let (name, last) = match contract {
            Contract::Facts(last) => ("Facts", last),
            Contract::Records(last) => ("Records", last),
            Contract::Work(last) => ("Work", last),
        };
        let (before, _) = source.split_once(&format!("pub trait {name}:")).expect("the trait is there");
        let (_, docs) = before.rsplit_once("# Contract").expect("the trait has a contract");
        let numbers = docs.lines().filter_map(|line| line.strip_prefix("/// ")?.split_once(". ")?.0.parse::<u8>().ok());
        assert_eq!(numbers.collect::<Vec<_>>(), (1..=last).collect::<Vec<_>>(), "the sentences of {name}");
    }
}
