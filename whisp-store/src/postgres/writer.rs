//! Writing: what waits for a tenant is written in one transaction, by one task for each tenant that has something to
//! write.
//!
//! Each transaction holds the tenant's row first, so that of all processes one writes for the tenant at a time: what it
//! has read stays true until it commits, nothing deadlocks, and a tenant never waits for another. It takes two round
//! trips, whatever it holds: one that begins, holds and reads, one that writes and commits. What looks new is not read:
//! the constraints of the tables find out if it is not, and then the transaction is done again with everything read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use deadpool_postgres::{Client, Pool};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_postgres::Row;
use whisp_core::id::{RecordId, TenantId};
use whisp_core::store::{Bucket, Commit, DedupKey, Fence, Kind, WriteBatch, WriteOp};

use super::call::{self, Call, Mode};
use super::change::{self, REMEMBERED_PER_FORGET};
use super::connect::Patience;
use super::error::Failure;
use super::group::{Care, Group, LeaseSlot, Outcome, RecordBefore, Task, Wanted};
use super::row::{get, time};
use super::sql::Sql;

/// How many tasks wait in this process before their callers do.
const QUEUE_MAX: usize = 4_096;

/// The most tasks of one transaction.
const GROUP_TASKS_MAX: usize = 512;

/// No task is added to a transaction that has this many operations, so that nobody waits long for an answer.
const GROUP_OPS_MAX: usize = 8_192;

/// Nor to one that has this many bytes.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// For how many transactions nothing is taken for new after something was not.
const CAREFUL_TRANSACTIONS: u32 = 64;

/// How often a transaction is tried again that surely committed nothing.
const TRIES_MAX: usize = 4;

/// How long it waits before it is tried again, doubled each time.
const TRY_REST: Duration = Duration::from_millis(50);

/// Writes for all tenants.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) pool: Pool,
    pub(super) sql: Arc<Sql>,
    pub(super) patience: Patience,
    queues: Mutex<BTreeMap<TenantId, Vec<Waiting>>>,
    room: Arc<Semaphore>,
    /// For so many transactions nothing is taken for new, because something was not: who delivers again, delivers much.
    careful: AtomicU32,
    /// Counts what was remembered since the last time that something was forgotten.
    remembered: AtomicUsize,
    /// Woken when work was added that the owner of its bucket may not know of.
    news: Arc<Notify>,
}

/// A task and where its outcome goes.
#[derive(Debug)]
struct Waiting {
    task: Task,
    reply: oneshot::Sender<Result<Outcome, Failure>>,
    _room: OwnedSemaphorePermit,
}

impl Writer {
    pub(super) fn new(pool: Pool, sql: Arc<Sql>, patience: Patience, news: Arc<Notify>) -> Self {
        let room = Arc::new(Semaphore::new(QUEUE_MAX));
        Self {
            pool,
            sql,
            patience,
            queues: Mutex::default(),
            room,
            careful: AtomicU32::new(0),
            remembered: AtomicUsize::new(0),
            news,
        }
    }

    /// Does a task in the tenant's next transaction; returns when that is durable. Dropped, it is done all the same or
    /// was not begun.
    pub(super) async fn run(self: &Arc<Self>, tenant: TenantId, task: Task) -> Result<Outcome, Failure> {
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| Failure::stopped())?;
        let (reply, outcome) = oneshot::channel();
        let waiting = Waiting { task, reply, _room: room };
        let is_first = match self.lock().entry(tenant) {
            Entry::Occupied(mut queue) => {
                queue.get_mut().push(waiting);
                false
            }
            Entry::Vacant(queue) => {
                queue.insert(vec![waiting]);
                true
            }
        };
        if is_first {
            tokio::spawn(Arc::clone(self).write_all(tenant));
        }
        outcome.await.map_err(|_| Failure::stopped())?
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<TenantId, Vec<Waiting>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits for a tenant until nothing does.
    async fn write_all(self: Arc<Self>, tenant: TenantId) {
        let mut queue = Queue { writer: &self, tenant, is_empty: false };
        loop {
            let (tasks, replies) = self.next(tenant);
            if tasks.is_empty() {
                queue.is_empty = true;
                return;
            }
            // Whoever has gone away meanwhile needs no answer.
            match self.write(tenant, &tasks).await {
                Ok(outcomes) => replies.into_iter().zip(outcomes).for_each(|(reply, outcome)| reply.send(Ok(outcome))),
                // One of them can't be done, a row of it is damaged perhaps: the others are not to go down with it.
                Err(failure) if failure.is_of_one_task() && tasks.len() > 1 => {
                    for (task, reply) in tasks.iter().zip(replies) {
                        let outcome = self.write(tenant, std::slice::from_ref(task)).await;
                        reply.send(outcome.and_then(|mut outcomes| outcomes.pop().ok_or_else(Failure::stopped)));
                    }
                }
                Err(failure) => replies.into_iter().for_each(|reply| reply.send(Err(failure.clone()))),
            }
        }
    }

    /// Takes the tasks of the next transaction. With none left, the queue goes.
    fn next(&self, tenant: TenantId) -> (Vec<Task>, Vec<Reply>) {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(&tenant) else { return (Vec::new(), Vec::new()) };
        let (mut ops, mut bytes) = (0, 0);
        let fitting = queue.iter().take(GROUP_TASKS_MAX).take_while(|waiting| {
            let fits = ops < GROUP_OPS_MAX && bytes < GROUP_BYTES_MAX;
            if let Task::Commit(batch) = &waiting.task {
                ops += batch.ops.len();
                bytes += size(batch);
            }
            fits
        });
        let count = fitting.count();
        if count == 0 {
            queues.remove(&tenant);
            return (Vec::new(), Vec::new());
        }
        queue.drain(..count).map(|Waiting { task, reply, _room }| (task, Reply { reply, _room })).unzip()
    }

    /// Does tasks in one transaction, and again where it is sure that nothing was committed.
    async fn write(&self, tenant: TenantId, tasks: &[Task]) -> Result<Vec<Outcome>, Failure> {
        let backoff = ExponentialBuilder::default().with_min_delay(TRY_REST).with_max_times(TRIES_MAX).with_jitter();
        let transaction = || self.transaction(tenant, tasks);
        transaction.retry(backoff).when(Failure::is_passing).await
    }

    async fn transaction(&self, tenant: TenantId, tasks: &[Task]) -> Result<Vec<Outcome>, Failure> {
        let client = self.pool.get().await?;
        let transact = async {
            match self.transact(&client, tenant, tasks, self.care()).await {
                Err(failure) if failure.is_dashed_hope() => {
                    self.careful.store(CAREFUL_TRANSACTIONS, Ordering::Relaxed);
                    self.transact(&client, tenant, tasks, Care::Thorough).await
                }
                outcome => outcome,
            }
        };
        let outcome = self.patience.write(transact).await;
        if outcome.is_err() {
            // It may be inside the transaction: it is closed, and the server rolls back.
            drop(Client::take(client));
        }
        outcome
    }

    /// Whether anything may be taken for new.
    fn care(&self) -> Care {
        let less = |left: u32| left.checked_sub(1);
        let is_careful = self.careful.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        if is_careful { Care::Thorough } else { Care::Hopeful }
    }

    async fn transact(
        &self,
        client: &Client,
        tenant: TenantId,
        tasks: &[Task],
        care: Care,
    ) -> Result<Vec<Outcome>, Failure> {
        let wanted = Wanted::of(tasks.iter(), care);
        let mut group = self.read(client, tenant, &wanted).await?;
        let outcomes = group.run(tenant, tasks.iter());
        let is_refused = |outcome: &Outcome| matches!(outcome, Outcome::Commit(Commit::Refused(_)));
        if care == Care::Hopeful && outcomes.iter().any(is_refused) {
            call::end(client).await?;
            return Err(Failure::dashed_hope());
        }
        let forget = self.forgets(&group);
        let calls = change::calls(&self.sql, tenant, &group, &wanted.hoped, forget)?;
        if calls.is_empty() {
            call::end(client).await?;
        } else {
            call::execute_and_commit(client, &calls).await?;
        }
        if group.has_news {
            self.news.notify_one();
        }
        Ok(outcomes)
    }

    /// Whether it is time to forget some keys.
    fn forgets(&self, group: &Group<'_>) -> bool {
        let remembered = group.seen.values().filter(|slot| slot.after.is_some()).count();
        let before = self.remembered.fetch_add(remembered, Ordering::Relaxed);
        let is_due = before + remembered >= REMEMBERED_PER_FORGET;
        if is_due {
            self.remembered.store(0, Ordering::Relaxed);
        }
        is_due
    }

    /// Begins the transaction, holds the tenant's row and reads what is wanted.
    async fn read<'t>(&self, client: &Client, tenant: TenantId, wanted: &Wanted) -> Result<Group<'t>, Failure> {
        let begin = call::begin(tenant, Mode::Write);
        let calls = self.reads(tenant, wanted)?;
        let rows = call::begin_and_query(client, &begin, &calls).await?;
        if rows.first().is_some_and(|held| !held.is_empty()) {
            return group(wanted, rows);
        }
        // The first time that anybody writes for this tenant: there was nothing to hold, so what was read may change.
        call::end(client).await?;
        let add = [Call::new(&self.sql.add_tenant, tenant)];
        call::begin_and_query(client, &begin, &add).await?;
        call::execute_and_commit(client, &[]).await?;
        group(wanted, call::begin_and_query(client, &begin, &calls).await?)
    }

    fn reads(&self, tenant: TenantId, wanted: &Wanted) -> Result<Vec<Call<'_>>, Failure> {
        let sql = &*self.sql;
        let mut calls = vec![Call::new(&sql.hold, tenant)];
        if !wanted.seen.is_empty() {
            let call = Call::new(&sql.seen, tenant)
                .with(wanted.seen.iter().map(|key| key.second).collect::<Vec<_>>())
                .with(wanted.seen.iter().map(|key| key.digest.to_vec()).collect::<Vec<_>>());
            calls.push(call);
        }
        if !wanted.work.is_empty() {
            let call = Call::new(&sql.waits, tenant)
                .with(wanted.work.iter().map(|(bucket, ..)| i32::from(bucket.0)).collect::<Vec<_>>())
                .with(wanted.work.iter().map(|(_, due, _)| *due).collect::<Vec<_>>())
                .with(wanted.work.iter().map(|(.., id)| *id).collect::<Vec<_>>());
            calls.push(call);
        }
        if !wanted.buckets.is_empty() {
            let buckets: Vec<i32> = wanted.buckets.iter().map(|bucket| i32::from(bucket.0)).collect();
            calls.push(Call::new(&sql.leases, tenant).with(buckets));
        }
        for (kind, ids) in &wanted.records {
            let stored = &sql.kind(*kind).ok_or_else(Failure::corrupt)?.stored;
            calls.push(Call::new(stored, tenant).with(ids.iter().map(|id| id.as_uuid()).collect::<Vec<_>>()));
        }
        Ok(calls)
    }
}

/// Where an outcome goes. The place in the queue is free when it has.
struct Reply {
    reply: oneshot::Sender<Result<Outcome, Failure>>,
    _room: OwnedSemaphorePermit,
}

impl Reply {
    fn send(self, outcome: Result<Outcome, Failure>) {
        drop(self.reply.send(outcome));
    }
}

/// A tenant's queue, for as long as a task writes what is in it. Were the task to end early, nobody would write for the
/// tenant any more: so its queue goes with it, and whoever waits hears of it.
struct Queue<'w> {
    writer: &'w Writer,
    tenant: TenantId,
    /// Whether the queue is gone already; what stands in its place is another task's.
    is_empty: bool,
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        if !self.is_empty {
            self.writer.lock().remove(&self.tenant);
        }
    }
}

fn size(batch: &WriteBatch) -> usize {
    let bytes = |op: &WriteOp| match op {
        WriteOp::Put(record) => record.sealed.0.len() + record.clear.0.len(),
        WriteOp::Enqueue(item) => item.payload.0.len(),
        _ => 0,
    };
    batch.ops.iter().map(bytes).sum()
}

/// Takes in what was read: one list of rows for each of the calls of [`Writer::reads`].
fn group<'t>(wanted: &Wanted, rows: Vec<Vec<Row>>) -> Result<Group<'t>, Failure> {
    let mut group = Group::default();
    let mut lists = rows.into_iter().skip(1);
    let mut list = |is_wanted: bool| if is_wanted { lists.next().unwrap_or_default() } else { Vec::new() };
    for row in list(!wanted.seen.is_empty()) {
        let digest: &[u8] = get(&row, 1)?;
        let key = DedupKey { second: get(&row, 0)?, digest: digest.try_into().map_err(|_| Failure::corrupt())? };
        group.seen.entry(key).or_default().before = Some(time(get(&row, 2)?)?);
    }
    for row in list(!wanted.work.is_empty()) {
        group.work.entry((bucket(&row, 0)?, get(&row, 1)?, get(&row, 2)?)).or_default().before = true;
    }
    for row in list(!wanted.buckets.is_empty()) {
        let fence = Fence(u64::try_from(get::<i64>(&row, 1)?).map_err(|_| Failure::corrupt())?);
        let newest = Some((fence, time(get(&row, 2)?)?));
        group.leases.insert(bucket(&row, 0)?, LeaseSlot { newest, changed: false });
    }
    for kind in wanted.records.keys() {
        for row in list(true) {
            stored(&mut group, *kind, &row)?;
        }
    }
    Ok(group)
}

fn stored(group: &mut Group<'_>, kind: Kind, row: &Row) -> Result<(), Failure> {
    let before = RecordBefore::new(get(row, 1)?, get(row, 2)?, get(row, 3)?)?;
    group.records.entry((kind, RecordId::from_uuid(get(row, 0)?))).or_default().before = Some(before);
    Ok(())
}

pub(super) fn bucket(row: &Row, at: usize) -> Result<Bucket, Failure> {
    u16::try_from(get::<i32>(row, at)?).map(Bucket).map_err(|_| Failure::corrupt())
}
