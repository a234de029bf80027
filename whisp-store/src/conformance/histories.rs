//! Generated histories of several tenants in one store, beside a store of its own for each.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use whisp_core::id::{FactId, RecordId, SubjectId, TenantId, WorkerId};
use whisp_core::store::{
    BlindIndex, Bucket, Commit, Cursor, DedupKey, Expect, ExpiredQuery, FactCursor, FactQuery, Facts, Fence, FindQuery,
    Kind, Lease, ListOrder, ListQuery, OwnRequest, PendingQuery, Record, Records, RenewRequest, Store, SubjectQuery,
    Work, WorkKey, WriteBatch, WriteOp,
};
use whisp_core::testing::cancel_after;

use super::Method;
use super::dice::{BUCKETS, Dice, FEW, KINDS, name};
use super::kit::Kit;
use crate::MemoryStore;

/// How many tenants a history is about.
const TENANTS: usize = 3;

/// How many calls a history has.
const STEPS: usize = 100;

/// A tenant, and a store that holds nothing but this tenant: what it answers is what the tenant has to see.
struct Tenancy {
    id: TenantId,
    alone: MemoryStore,
    /// The newest lease of each bucket, here and there: the fences of two stores need not be the same numbers.
    leases: BTreeMap<Bucket, (Lease, Lease)>,
}

/// Random calls for several tenants, who use the same keys at the same times.
pub(super) struct History<'a> {
    store: &'a dyn Store,
    tenants: Vec<Tenancy>,
    dice: Dice,
    now: DateTime<Utc>,
    /// Where the history is, for whoever reads that it failed.
    place: String,
    seen: Seen,
}

/// What a history had in it.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) methods: BTreeSet<Method>,
    /// How often each operation was part of a batch that was done, by its number.
    pub(super) ops: [u32; 6],
    /// How often each expectation was part of a batch, by its number and whether the batch was done.
    pub(super) expects: [[u32; 2]; 4],
}

impl<'a> History<'a> {
    /// Begins a history with tenants of its own.
    pub(super) fn new(store: &'a dyn Store, seed: u32) -> Self {
        let began = Kit::new(store).now + TimeDelta::hours(seed.into());
        let dice = Dice::new(seed, began);
        let first = dice.bytes();
        let tenants = (0..TENANTS).map(|number| {
            // They differ in one bit: at the end, at the beginning.
            let mut id = first;
            match number {
                0 => {}
                1 => id[15] ^= 1,
                _ => id[0] ^= 0x80,
            }
            Tenancy { id: TenantId::from_bytes(id), alone: MemoryStore::new(), leases: BTreeMap::new() }
        });
        let tenants = tenants.collect();
        Self { store, tenants, dice, now: began, place: format!("seed {seed}"), seen: Seen::default() }
    }

    /// Makes the calls, compares each answer, and after each that may write what another tenant sees.
    pub(super) async fn run(mut self) -> Seen {
        let seed = self.place.clone();
        for tenant in 0..TENANTS {
            self.give_work(tenant).await;
        }
        for step in 0..STEPS {
            self.now += TimeDelta::seconds(self.dice.below(8).into());
            let tenant = self.dice.below(TENANTS as u32) as usize;
            let method = match self.dice.below(8) {
                0..=3 => Method::Commit,
                4 => Method::Own,
                5 => self.dice.pick(&[Method::Release, Method::Renew]),
                _ => self.dice.pick(&Method::ALL),
            };
            self.place = format!("{seed}, step {step}, {} of tenant {tenant}", method.name());
            self.seen.methods.insert(method);
            match method {
                Method::Clear => self.clear(tenant).await,
                Method::Commit => self.commit(tenant).await,
                Method::Discard => self.discard(tenant).await,
                Method::Expired => self.expired(tenant).await,
                Method::Find => self.find(tenant).await,
                Method::Get => self.get(tenant).await,
                Method::List => self.list(tenant).await,
                Method::OfSubject => self.of_subject(tenant).await,
                Method::Own => self.own().await,
                Method::Pending => self.pending(tenant).await,
                Method::Release => self.release().await,
                Method::Renew => self.renew().await,
                Method::Scan => self.scan(tenant).await,
                // It may never end.
                Method::Wait => drop(cancel_after(1, self.store.wait()).await),
            }
            match method {
                Method::Commit => {
                    self.look_at((tenant + 1 + self.dice.below(TENANTS as u32 - 1) as usize) % TENANTS).await;
                }
                Method::Clear | Method::Discard | Method::Own | Method::Release | Method::Renew | Method::Wait => {
                    self.look_at((tenant + 1) % TENANTS).await;
                    self.look_at((tenant + 2) % TENANTS).await;
                }
                _ => {}
            }
        }
        for tenant in 0..TENANTS {
            self.look_at(tenant).await;
        }
        self.seen
    }

    async fn version(&self, tenant: usize, kind: Kind, id: RecordId) -> u64 {
        let Tenancy { id: owner, alone, .. } = &self.tenants[tenant];
        answer(alone.get(*owner, kind, id).await).map_or(0, |record| record.version)
    }

    /// Begins anew with a tenant.
    async fn clear(&mut self, tenant: usize) {
        let Tenancy { id, alone, leases } = &mut self.tenants[tenant];
        answer(self.store.clear(*id, usize::MAX).await);
        answer(alone.clear(*id, usize::MAX).await);
        leases.clear();
        self.give_work(tenant).await;
    }

    async fn discard(&self, tenant: usize) {
        let Tenancy { id, alone, .. } = &self.tenants[tenant];
        let (before, limit) = (self.dice.moment(), self.dice.limit());
        let wanted = answer(alone.discard(*id, before, limit).await);
        assert_eq!(answer(self.store.discard(*id, before, limit).await), wanted, "{}: {before} {limit}", self.place);
    }

    /// Lets each bucket be leased from the beginning.
    async fn give_work(&self, tenant: usize) {
        let batch = BUCKETS.into_iter().fold(WriteBatch::new(self.tenants[tenant].id), |batch, bucket| {
            batch.op(WriteOp::Enqueue(self.dice.work(WorkKey { bucket, ..self.dice.work_key() })))
        });
        self.compare(tenant, batch.clone(), batch).await;
    }

    async fn op(&self, tenant: usize) -> WriteOp {
        let (kind, id) = (self.dice.pick(&KINDS), self.dice.id());
        match self.dice.below(9) {
            0..=2 => {
                WriteOp::Put(self.dice.record(kind, id, self.dice.likely(self.version(tenant, kind, id).await + 1)))
            }
            3 => WriteOp::Delete(kind, id, self.dice.likely(self.version(tenant, kind, id).await)),
            4 => {
                let until = self.now + TimeDelta::seconds(i64::from(self.dice.below(40)) - 5);
                WriteOp::Remember { key: self.dice.dedup(), until }
            }
            5 => WriteOp::Append(self.dice.fact()),
            6 | 7 => WriteOp::Enqueue(self.dice.work(self.dice.work_key())),
            _ => {
                let query = self.pending_query(tenant, self.dice.pick(&BUCKETS));
                let waiting = answer(self.tenants[tenant].alone.pending(&query).await);
                let keys: Vec<_> = waiting.into_iter().map(|item| item.key).collect();
                WriteOp::Complete(if keys.is_empty() { self.dice.work_key() } else { self.dice.pick(&keys) })
            }
        }
    }

    /// An expectation here, and the same where the tenant is alone.
    async fn expect(&self, tenant: usize) -> [Expect; 2] {
        let (kind, id) = (self.dice.pick(&KINDS), self.dice.id());
        // Sometimes what holds for another tenant.
        let holder = if self.dice.one_in(3) { self.dice.below(TENANTS as u32) as usize } else { tenant };
        let version = self.version(holder, kind, id).await;
        let expect = match self.dice.below(4) {
            0 if version == 0 || self.dice.one_in(8) => Expect::Absent(kind, id),
            0 | 1 => Expect::Version(kind, id, self.dice.likely(version)),
            2 => Expect::Unseen { key: self.dice.dedup(), at: self.now },
            _ => {
                let bucket = self.dice.pick(&BUCKETS);
                let fence = self.tenants[holder].leases.get(&bucket).map_or(Fence(1), |(lease, _)| lease.fence);
                let expect = |fence| Expect::Owner { bucket, fence, at: self.now };
                return [expect(fence), expect(self.alone_fence(tenant, bucket, fence))];
            }
        };
        [expect.clone(), expect]
    }

    /// The fence that a fence of this store is where the tenant is alone; one that never was, if it is none of the
    /// tenant's.
    fn alone_fence(&self, tenant: usize, bucket: Bucket, fence: Fence) -> Fence {
        let newest = self.tenants[tenant].leases.get(&bucket).filter(|(lease, _)| lease.fence == fence);
        newest.map_or(Fence(u64::MAX), |(_, alone)| alone.fence)
    }

    async fn commit(&mut self, tenant: usize) {
        let owner = self.tenants[tenant].id;
        let mut here = WriteBatch::new(owner);
        for _ in 0..=self.dice.below(3) {
            here = here.op(self.op(tenant).await);
        }
        let mut alone = here.clone();
        for _ in 0..self.dice.below(3) {
            let [expect, same] = self.expect(tenant).await;
            (here, alone) = (here.expect(expect), alone.expect(same));
        }
        let (ops, expects) = (here.ops.clone(), here.expects.clone());
        let done = self.compare(tenant, here, alone).await;
        for op in ops.iter().filter(|_| done) {
            self.seen.ops[op_number(op)] += 1;
        }
        for expect in &expects {
            self.seen.expects[expect_number(expect)][usize::from(done)] += 1;
        }
    }

    /// Commits here and where the tenant is alone; returns whether it was done.
    async fn compare(&self, tenant: usize, here: WriteBatch, alone: WriteBatch) -> bool {
        let wanted = sorted(answer(self.tenants[tenant].alone.commit(alone).await));
        let told = format!("{here:?}");
        assert_eq!(sorted(answer(self.store.commit(here).await)), wanted, "{}: {told}", self.place);
        wanted == Commit::Done
    }

    async fn get(&self, tenant: usize) {
        self.get_one(tenant, self.dice.pick(&KINDS), self.dice.id()).await;
    }

    async fn get_one(&self, tenant: usize, kind: Kind, id: RecordId) {
        let Tenancy { id: owner, alone, .. } = &self.tenants[tenant];
        let wanted = answer(alone.get(*owner, kind, id).await);
        assert_eq!(answer(self.store.get(*owner, kind, id).await), wanted, "{}: {kind} {id:?}", self.place);
    }

    async fn list(&self, tenant: usize) {
        let after = (!self.dice.one_in(3)).then(|| Cursor { position: self.dice.position(), id: self.dice.id() });
        let order = self.dice.pick(&[ListOrder::Ascending, ListOrder::Descending]);
        let kind = self.dice.pick(&[Kind::MESSAGE, Kind::SUGGESTION]);
        let (parent, limit) = (self.dice.id(), self.dice.limit());
        self.list_one(&ListQuery { tenant: self.tenants[tenant].id, kind, parent, order, after, limit }, tenant).await;
    }

    async fn list_one(&self, query: &ListQuery, tenant: usize) {
        let wanted = answer(self.tenants[tenant].alone.list(query).await);
        assert_eq!(answer(self.store.list(query).await).records, wanted.records, "{}: {query:?}", self.place);
    }

    async fn find(&self, tenant: usize) {
        self.find_one(tenant, BlindIndex(self.dice.name()), self.dice.limit()).await;
    }

    async fn find_one(&self, tenant: usize, lookup: BlindIndex, limit: usize) {
        let Tenancy { id, alone, .. } = &self.tenants[tenant];
        let query = FindQuery { tenant: *id, kind: Kind::MESSAGE, lookup, limit };
        let wanted = answer(alone.find(&query).await);
        assert_eq!(answer(self.store.find(&query).await), wanted, "{}: {query:?}", self.place);
    }

    async fn of_subject(&self, tenant: usize) {
        self.of_subject_in_pages(tenant, SubjectId::from_bytes(self.dice.name()), self.dice.limit()).await;
    }

    /// The order over the kinds is the store's own.
    async fn of_subject_in_pages(&self, tenant: usize, subject: SubjectId, limit: usize) {
        let Tenancy { id, alone, .. } = &self.tenants[tenant];
        let mut query = SubjectQuery { tenant: *id, subject, after: None, limit: 1_000 };
        let wanted = by_key(answer(alone.of_subject(&query).await).records);
        query.limit = limit;
        let mut records = Vec::new();
        loop {
            let page = answer(self.store.of_subject(&query).await);
            records.extend(page.records);
            let Some(next) = page.next else { break };
            query.after = Some(next);
            assert!(records.len() <= wanted.len(), "{}: more than there is for {query:?}", self.place);
        }
        assert_eq!(by_key(records), wanted, "{}: {query:?}", self.place);
    }

    async fn expired(&self, tenant: usize) {
        self.expired_one(tenant, self.dice.moment()).await;
    }

    /// The order of what expires at one moment is the store's own.
    async fn expired_one(&self, tenant: usize, at: DateTime<Utc>) {
        let Tenancy { id, alone, .. } = &self.tenants[tenant];
        let without = if self.dice.one_in(2) { vec![SubjectId::from_bytes(self.dice.name())] } else { Vec::new() };
        let query = ExpiredQuery { tenant: *id, at, without, limit: 1_000 };
        let wanted = by_key(answer(alone.expired(&query).await));
        assert_eq!(by_key(answer(self.store.expired(&query).await)), wanted, "{}: {query:?}", self.place);
    }

    fn pending_query(&self, tenant: usize, bucket: Bucket) -> PendingQuery {
        let due_by = self.dice.began + TimeDelta::hours(1);
        PendingQuery { tenant: self.tenants[tenant].id, bucket, due_by, after: None, limit: 1_000 }
    }

    async fn pending(&self, tenant: usize) {
        let query = self.pending_query(tenant, self.dice.pick(&BUCKETS));
        let after = (!self.dice.one_in(3)).then(|| WorkKey { bucket: query.bucket, ..self.dice.work_key() });
        self.pending_one(
            &PendingQuery { after, due_by: self.dice.moment(), limit: self.dice.limit(), ..query },
            tenant,
        )
        .await;
    }

    async fn pending_one(&self, query: &PendingQuery, tenant: usize) {
        let wanted = answer(self.tenants[tenant].alone.pending(query).await);
        assert_eq!(answer(self.store.pending(query).await), wanted, "{}: {query:?}", self.place);
    }

    async fn scan(&self, tenant: usize) {
        let after = (!self.dice.one_in(3))
            .then(|| FactCursor { at: self.dice.moment(), id: FactId::from_bytes(self.dice.name()) });
        let (from, until, limit) = (self.dice.moment(), self.dice.moment(), self.dice.limit());
        self.scan_one(&FactQuery { tenant: self.tenants[tenant].id, from, until, after, limit }, tenant).await;
    }

    async fn scan_one(&self, query: &FactQuery, tenant: usize) {
        let wanted = answer(self.tenants[tenant].alone.scan(query).await).facts;
        assert_eq!(answer(self.store.scan(query).await).facts, wanted, "{}: {query:?}", self.place);
    }

    /// Leases what is free, of every tenant: each has to get what it would get alone.
    async fn own(&mut self) {
        let until = self.now + TimeDelta::seconds(i64::from(self.dice.below(90)) + 1);
        let worker = WorkerId::from_bytes(self.dice.name());
        let request = OwnRequest { worker, limit: 1_000, now: self.now, due_by: self.dice.moment(), until };
        let mut here: BTreeMap<_, _> = answer(self.store.own(&request).await)
            .into_iter()
            .map(|lease| ((lease.tenant, lease.bucket), lease))
            .collect();
        for tenancy in &mut self.tenants {
            for alone in answer(tenancy.alone.own(&request).await) {
                let lease = here.remove(&(alone.tenant, alone.bucket));
                let lease = lease.unwrap_or_else(|| panic!("{}: {alone:?} was not leased", self.place));
                assert_eq!(lease.until, alone.until, "{}", self.place);
                let before = tenancy.leases.insert(lease.bucket, (lease, alone));
                assert!(before.is_none_or(|(before, _)| before.fence < lease.fence), "{}: {lease:?}", self.place);
            }
        }
        // An earlier history may have left work in this store.
        here.retain(|(owner, _), _| self.tenants.iter().any(|tenancy| tenancy.id == *owner));
        assert!(here.is_empty(), "{}: {here:?} were leased too", self.place);
    }

    /// Some of the leases, and some under which one tenant's bucket is claimed with another's fence: here, and where each
    /// tenant is alone.
    fn some_leases(&self) -> (Vec<Lease>, Vec<Vec<Lease>>) {
        let (mut here, mut alone) = (Vec::new(), vec![Vec::new(); TENANTS]);
        for (tenant, tenancy) in self.tenants.iter().enumerate() {
            for bucket in BUCKETS {
                let holder = if self.dice.one_in(3) { self.dice.pick(&[0, 1, 2]) } else { tenant };
                let Some((lease, _)) = self.tenants[holder].leases.get(&bucket).filter(|_| self.dice.one_in(2)) else {
                    continue;
                };
                let fence = self.alone_fence(tenant, bucket, lease.fence);
                here.push(Lease { tenant: tenancy.id, ..*lease });
                alone[tenant].push(Lease { tenant: tenancy.id, fence, ..*lease });
            }
        }
        (here, alone)
    }

    async fn renew(&mut self) {
        let (now, until) = (self.now, self.now + TimeDelta::seconds(i64::from(self.dice.below(90)) + 1));
        let (leases, each) = self.some_leases();
        let renewed = answer(self.store.renew(&RenewRequest { leases: leases.clone(), now, until }).await);
        let mut renewed: BTreeMap<_, _> =
            renewed.into_iter().map(|lease| ((lease.tenant, lease.bucket), lease)).collect();
        for (tenancy, leases) in self.tenants.iter_mut().zip(each) {
            for alone in answer(tenancy.alone.renew(&RenewRequest { leases, now, until }).await) {
                let lease = renewed.remove(&(alone.tenant, alone.bucket));
                let lease = lease.unwrap_or_else(|| panic!("{}: {alone:?} was not renewed", self.place));
                let (before, _) = tenancy.leases[&alone.bucket];
                assert_eq!((lease.fence, lease.until), (before.fence, alone.until), "{}", self.place);
                tenancy.leases.insert(lease.bucket, (lease, alone));
            }
        }
        assert!(renewed.is_empty(), "{}: {renewed:?} were renewed too, of {leases:?}", self.place);
    }

    async fn release(&mut self) {
        let (leases, each) = self.some_leases();
        answer(self.store.release(&leases).await);
        for (tenancy, leases) in self.tenants.iter().zip(each) {
            answer(tenancy.alone.release(&leases).await);
        }
    }

    /// Everything that a tenant can see is as if it were alone: every path, and whatever can be expected.
    async fn look_at(&self, tenant: usize) {
        let owner = self.tenants[tenant].id;
        let (mut here, mut alone) = (WriteBatch::new(owner), WriteBatch::new(owner));
        for byte in 0..FEW {
            let (name, limit) = (name(byte), 1_000);
            let id = RecordId::from_bytes(name);
            for kind in KINDS {
                self.get_one(tenant, kind, id).await;
                if kind.paths().listed {
                    let order = ListOrder::Ascending;
                    let query = ListQuery { tenant: owner, kind, parent: id, order, after: None, limit };
                    self.list_one(&query, tenant).await;
                }
            }
            self.find_one(tenant, BlindIndex(name), limit).await;
            self.of_subject_in_pages(tenant, SubjectId::from_bytes(name), limit).await;
            let unseen =
                Expect::Unseen { key: DedupKey { second: i64::from(name[0]), digest: [name[0]; 32] }, at: self.now };
            (here, alone) = (here.expect(unseen.clone()), alone.expect(unseen));
        }
        let (from, until) = (self.dice.began - TimeDelta::hours(1), self.dice.began + TimeDelta::hours(1));
        self.expired_one(tenant, until).await;
        self.scan_one(&FactQuery { tenant: owner, from, until, after: None, limit: 1_000 }, tenant).await;
        for bucket in BUCKETS {
            self.pending_one(&self.pending_query(tenant, bucket), tenant).await;
            if let Some((lease, same)) = self.tenants[tenant].leases.get(&bucket) {
                (here, alone) = (here.expect(Kit::owner(lease, self.now)), alone.expect(Kit::owner(same, self.now)));
            }
        }
        self.compare(tenant, here, alone).await;
    }
}

const fn op_number(op: &WriteOp) -> usize {
    match op {
        WriteOp::Put(_) => 0,
        WriteOp::Delete(..) => 1,
        WriteOp::Remember { .. } => 2,
        WriteOp::Append(_) => 3,
        WriteOp::Enqueue(_) => 4,
        WriteOp::Complete(_) => 5,
    }
}

const fn expect_number(expect: &Expect) -> usize {
    match expect {
        Expect::Absent(..) => 0,
        Expect::Version(..) => 1,
        Expect::Unseen { .. } => 2,
        Expect::Owner { .. } => 3,
    }
}

fn by_key(mut records: Vec<Record>) -> Vec<Record> {
    records.sort_by_key(|record| (record.kind.name(), record.id));
    records
}

fn sorted(mut commit: Commit) -> Commit {
    if let Commit::Refused(refusals) = &mut commit {
        refusals.sort();
    }
    commit
}

fn answer<T>(outcome: Result<T, whisp_core::store::StoreError>) -> T {
    outcome.expect("the store works")
}
