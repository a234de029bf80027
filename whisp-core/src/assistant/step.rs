//! Works through the conversations of the buckets that this worker owns.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::assistant::lane::LaneRun;
use crate::assistant::pick::{LaneWork, Phase, Ready};
use crate::assistant::slots::{Busy, Caps};
use crate::assistant::stage::{LATE_MAX, unsent_key};
use crate::assistant::task::{Task, bucket_of};
use crate::assistant::warm::Settings;
use crate::assistant::{Assistant, AssistantError, Inner};
use crate::entity::{Entities, LetterClear};
use crate::error::{ErrorChain, Retry};
use crate::id::{ConversationId, MessageId, RecordId, WorkId};
use crate::model::{HandOffReason, LetterState};
use crate::store::{BlindIndex, Expect, Lease, WorkItem, WriteBatch, WriteOp};
use crate::vault::VaultErrorKind;

/// How long a lane that failed rests before it is tried again.
pub(crate) const REST: TimeDelta = TimeDelta::seconds(2);

/// How long conversations wait for which there was no slot, because another call had them all.
const SLOT_REST: TimeDelta = TimeDelta::milliseconds(100);

/// How much one call does at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// So many conversations.
    pub lanes: usize,
    /// So many of them at a time; where several tenants have something to do, half of it for each at most.
    pub concurrency: usize,
}

impl Default for Budget {
    /// 256 conversations, 16 at a time.
    fn default() -> Self {
        Self { lanes: 256, concurrency: 16 }
    }
}

/// What a step, a delivery or a fetch did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct StepReport {
    /// Conversations that were worked on.
    pub lanes: usize,
    /// Replies put into the outbox.
    pub queued: usize,
    /// Suggestions made.
    pub suggested: usize,
    /// Conversations given to a person.
    pub handed_off: usize,
    /// Messages that a channel took.
    pub sent: usize,
    /// Messages held back, refused or in doubt.
    pub unsent: usize,
    /// Files that were fetched and are kept.
    pub fetched: usize,
    /// Files that their messages stay without.
    pub lost: usize,
    /// Conversations whose next message, or whose files, wait for the pace of their connection or their person, for a new token,
    /// or for a breach to be contained no more: nothing was written.
    pub paced: usize,
    /// Conversations that somebody else changed meanwhile: nothing was written, they come again.
    pub conflicts: usize,
    /// What failed. Each conversation that failed rests for a moment and comes again; what can never succeed was moved to
    /// the dead letters.
    pub errors: Vec<AssistantError>,
    /// When the next thing that is known of is due; `None` if nothing is.
    pub next_due: Option<DateTime<Utc>>,
}

impl StepReport {
    pub(crate) fn add(&mut self, other: Self) {
        self.lanes += other.lanes;
        self.queued += other.queued;
        self.suggested += other.suggested;
        self.handed_off += other.handed_off;
        self.sent += other.sent;
        self.unsent += other.unsent;
        self.fetched += other.fetched;
        self.lost += other.lost;
        self.paced += other.paced;
        self.conflicts += other.conflicts;
        self.errors.extend(other.errors);
        other.next_due.into_iter().for_each(|due| self.due(due));
    }

    fn due(&mut self, at: DateTime<Utc>) {
        self.next_due = Some(self.next_due.map_or(at, |next| next.min(at)));
    }
}

impl Assistant {
    /// Works through what came in: receipts, echoes, edits, and the turns that wait for an answer. Each conversation is
    /// worked on by one task at a time, everything that it decides is one commit under the lease's fence.
    ///
    /// # Errors
    /// When leases or work can't be read. What fails in one conversation is in [`StepReport::errors`] and stops no other.
    ///
    /// # Cancellation
    /// A conversation is done or not begun; the next step goes on. Leases end by themselves.
    pub async fn step(&self, budget: &Budget) -> Result<StepReport, AssistantError> {
        self.inner.run(Phase::Step, budget).await
    }

    /// Gives every lease back, so that another worker can go on at once. Call it before shutting down.
    ///
    /// # Errors
    /// By the store; the leases then end by themselves.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn release(&self) -> Result<(), AssistantError> {
        self.inner.release().await
    }
}

impl Inner {
    pub(crate) fn run<'a>(
        &'a self,
        phase: Phase,
        budget: &'a Budget,
    ) -> BoxFuture<'a, Result<StepReport, AssistantError>> {
        Box::pin(async move {
            let now = self.clock.now();
            let settings = Settings::default();
            let Ready { lanes, next_due, errors } = self.ready(phase, now, budget.lanes).await?;
            let mut report = StepReport { next_due, errors, ..StepReport::default() };
            let caps = Caps::of(&lanes, budget.concurrency);
            let mut waiting = VecDeque::from(lanes);
            let mut running = FuturesUnordered::new();
            loop {
                while running.len() < budget.concurrency.max(1)
                    && let Some((work, busy)) = self.admit(&mut waiting, phase, caps)
                {
                    running.push(self.run_lane(phase, &settings, work, busy));
                }
                let Some(lane) = running.next().await else { break };
                report.add(lane);
            }
            if !waiting.is_empty() {
                // Another call has all their slots.
                report.due(now + SLOT_REST);
            }
            Ok(report)
        })
    }

    /// Works on one lane. What goes wrong is part of the report.
    async fn run_lane(&self, phase: Phase, settings: &Settings, work: LaneWork, _busy: Busy<'_>) -> StepReport {
        // A round may have lasted for a while already.
        let mut now = self.clock.now();
        let was_known = self.warm().knows(work.lease.tenant, work.conversation);
        let mut outcome = self.do_lane(phase, settings, &work, now).await;
        if was_known && matches!(outcome, Err(AssistantError::Conflict(_))) {
            // Somebody else has changed the conversation since: now it is read anew.
            now = self.clock.now();
            outcome = self.do_lane(phase, settings, &work, now).await;
        }
        let mut report = match outcome {
            Ok(report) => report,
            Err(AssistantError::Conflict(_)) => StepReport { conflicts: 1, ..StepReport::default() },
            Err(error) => {
                let mut report = StepReport::default();
                if error.retry() == Retry::Never {
                    self.bury(phase, settings, &work, now, &error, &mut report).await;
                } else {
                    self.lanes().rest(work.key(phase), now);
                }
                report.errors.push(error);
                report
            }
        };
        report.lanes = 1_usize.saturating_sub(report.paced);
        report
    }

    async fn do_lane(
        &self,
        phase: Phase,
        settings: &Settings,
        work: &LaneWork,
        now: DateTime<Utc>,
    ) -> Result<StepReport, AssistantError> {
        match phase {
            Phase::Step => self.step_lane(settings, work, now).await,
            Phase::Deliver => self.deliver_lane(settings, work, now).await,
            Phase::Fetch => self.fetch_lane(work, now).await,
        }
    }

    async fn step_lane(
        &self,
        settings: &Settings,
        work: &LaneWork,
        now: DateTime<Utc>,
    ) -> Result<StepReport, AssistantError> {
        let Some(mut run) = LaneRun::open(self, settings, work.lease, work.conversation, now).await? else {
            return self.drop_work(work, now).await;
        };
        let turns: Vec<(&WorkItem, MessageId)> = work
            .items
            .iter()
            .filter_map(|(item, task)| match task {
                Task::Turn { message } => Some((item, *message)),
                _ => None,
            })
            .collect();
        let due = |task: fn(&Task) -> bool| work.items.iter().any(|(item, there)| item.key.due <= now && task(there));
        // Somebody may have answered before the burst was over: then the question comes before its answer all the same.
        let ready = work.turns_ready(now, self.config.burst_quiet, self.config.burst_max)
            || (!turns.is_empty() && due(|task| matches!(task, Task::Echo { .. })));
        let open = if ready { run.open_turn(&turns).await? } else { None };
        for (item, task) in &work.items {
            if item.key.due <= now && !matches!(task, Task::Turn { .. } | Task::Send { .. }) {
                run.complete(item);
                run.event(task, item).await?;
            }
        }
        if let Some(open) = open {
            run.answer(&open, &turns).await?;
        }
        run.commit().await
    }

    /// The conversation is gone: so is its work.
    pub(crate) async fn drop_work(&self, work: &LaneWork, now: DateTime<Utc>) -> Result<StepReport, AssistantError> {
        let owner = Expect::Owner { bucket: work.lease.bucket, fence: work.lease.fence, at: now };
        let mut batch = WriteBatch::new(work.lease.tenant).expect(owner.clone());
        batch.ops = work.items.iter().map(|(item, _)| WriteOp::Complete(item.key)).collect();
        batch.ops.extend(self.pass_on_unsends(work, owner, now).await?);
        self.commit_owned(&work.lease, batch).await?;
        Ok(StepReport::default())
    }

    /// What was taken back before it came stays so when its conversation is erased meanwhile: it may come late, as the
    /// first message of somebody new. Remembered first and looked for then, so that it is left out or found.
    async fn pass_on_unsends(
        &self,
        work: &LaneWork,
        owner: Expect,
        now: DateTime<Utc>,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let tenant = work.lease.tenant;
        let unsend = |(_, task): &(WorkItem, Task)| match task {
            Task::Unsend { target } => Some(*target),
            _ => None,
        };
        let targets: Vec<RecordId> = work.items.iter().filter_map(unsend).collect();
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let mut batch = WriteBatch::new(tenant).expect(owner);
        batch.ops = targets
            .iter()
            .map(|target| WriteOp::Remember { key: unsent_key(*target), until: now + LATE_MAX })
            .collect();
        self.commit_owned(&work.lease, batch).await?;
        let buckets = self.entities.tenant(tenant).await?.tenant.buckets;
        let mut passed_on = Vec::new();
        for target in targets {
            for row in self.entities.messages_by(tenant, BlindIndex(target.into_bytes())).await? {
                let Some(lane) = row.conversation().filter(|lane| *lane != work.conversation) else { continue };
                let id = WorkId::from_uuid(self.ids.time_ordered(now));
                let item = Task::Unsend { target }.item(bucket_of(lane, buckets), lane, now, id, 0)?;
                passed_on.push(WriteOp::Enqueue(item));
            }
        }
        Ok(passed_on)
    }

    /// Finds what can never be done and moves it, and only it, to the dead letters.
    async fn bury(
        &self,
        phase: Phase,
        settings: &Settings,
        work: &LaneWork,
        now: DateTime<Utc>,
        error: &AssistantError,
        report: &mut StepReport,
    ) {
        let due = |(item, task): &&(WorkItem, Task)| item.key.due <= now && task.phase() == phase;
        let due: Vec<(WorkItem, Task)> = work.items.iter().filter(due).cloned().collect();
        if phase != Phase::Step || due.len() == 1 {
            report.errors.extend(self.bury_all(settings, work, &due, now, error).await.err());
            return;
        }
        for one in due {
            let alone = LaneWork { items: vec![one.clone()], ..*work };
            match self.step_lane(settings, &alone, now).await {
                Ok(done) => report.add(done),
                Err(error) if error.retry() == Retry::Never => {
                    report.errors.extend(self.bury_all(settings, work, &[one], now, &error).await.err());
                }
                // It comes again.
                Err(error) => report.errors.push(error),
            }
        }
    }

    /// Moves work to the dead letters. What a contact wrote, and what should have been sent, goes to a person.
    pub(crate) async fn bury_all(
        &self,
        settings: &Settings,
        work: &LaneWork,
        items: &[(WorkItem, Task)],
        now: DateTime<Utc>,
        error: &AssistantError,
    ) -> Result<(), AssistantError> {
        let Some(mut run) = LaneRun::open(self, settings, work.lease, work.conversation, now).await? else {
            return self.drop_work(work, now).await.map(drop);
        };
        let erased = matches!(error, AssistantError::Vault(error) if error.kind() == VaultErrorKind::Erased);
        for (item, task) in items {
            run.complete(item);
            if erased {
                // Whose work it was is gone, and the rest of what names them goes this moment.
                continue;
            }
            let message = if task.is_send() { run.front().await?.map(|row| row.id()) } else { None };
            run.bury(serde_json::to_value(task).unwrap_or_default(), message, error)?;
            match task {
                Task::Turn { .. } => run.hand_off(None, HandOffReason::EngineFailed),
                Task::Send { .. } => run.give_up().await?,
                _ => {}
            }
        }
        run.commit().await.map(drop)
    }

    /// Moves work that can't even be read to the dead letters.
    pub(crate) async fn bury_unread(
        &self,
        lease: &Lease,
        item: &WorkItem,
        now: DateTime<Utc>,
        error: &AssistantError,
    ) -> Result<(), AssistantError> {
        let conversation = ConversationId::from_uuid(item.lane.as_uuid());
        let settings = Settings::default();
        let Some(mut run) = LaneRun::open(self, &settings, *lease, conversation, now).await? else {
            let owner = Expect::Owner { bucket: lease.bucket, fence: lease.fence, at: now };
            let batch = WriteBatch::new(lease.tenant).expect(owner).op(WriteOp::Complete(item.key));
            return self.commit_owned(lease, batch).await;
        };
        run.complete(item);
        run.bury(serde_json::Value::String(item.payload.0.clone()), None, error)?;
        run.commit().await.map(drop)
    }
}

impl LaneRun<'_> {
    /// Writes a dead letter. The conversation is part of it, so that none is written for somebody who was erased.
    fn bury(
        &mut self,
        task: serde_json::Value,
        message: Option<MessageId>,
        error: &AssistantError,
    ) -> Result<(), AssistantError> {
        let (now, tenant) = (self.now, self.lease.tenant);
        let conversation = self.conversation_mut();
        let (id, subject) = (conversation.id, conversation.contact.0);
        let reason = ErrorChain(error).to_string();
        let letter = LetterClear { conversation: id, task, message, reason, at: now, state: LetterState::Open };
        let expires_at = now + self.inner.config.retention.dead_letters;
        let record = Entities::new_dead_letter(tenant, self.inner.record_id(), subject, &letter, expires_at)?;
        self.ops.push(WriteOp::Put(record));
        Ok(())
    }
}
