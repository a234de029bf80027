//! What came of a call to a channel, and what becomes of the message.

use std::num::NonZeroUsize;
use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta, Utc};
use lru::LruCache;

use crate::assistant::lane::{LaneRun, says_something};
use crate::assistant::pace::{Ask, Outcome, time};
use crate::assistant::pick::LaneWork;
use crate::assistant::receipt::actor;
use crate::assistant::step::StepReport;
use crate::assistant::task::Task;
use crate::assistant::warm::Settings;
use crate::assistant::{AssistantError, Inner};
use crate::channel::{ChannelError, ChannelErrorKind, SendReceipt};
use crate::entity::{Change, MessageRow};
use crate::error::Retry;
use crate::id::{MessageId, TenantId, WorkId};
use crate::kpi::FactKind;
use crate::model::{
    Attempt, AttemptEnd, Author, ChannelKind, DeliveryStep, FailureCode, HandOffReason, PlatformMessageId,
};
use crate::privacy::{Act, Purpose, Statement, Storage};
use crate::store::{Lease, PAGE_MAX, PendingQuery, WorkKey, WriteOp};
use crate::vault::VaultErrorKind;

/// How often a message is tried at most, where the channel says that it may be.
const SEND_TRIES_MAX: u32 = 6;

/// How long it waits after the first failure, where the channel says nothing; doubled each time.
const SEND_REST: TimeDelta = TimeDelta::seconds(2);

/// How long it waits while the business has to connect the account again.
const AUTH_REST: TimeDelta = TimeDelta::minutes(10);

/// For how long a message is tried that is refused for nothing but the pace. That is no fault of its own, so it costs
/// none of its tries.
const LIMITED_FOR: TimeDelta = TimeDelta::hours(24);

/// How often the result of a send is committed again when somebody else changed the conversation meanwhile.
const RECORD_TRIES_MAX: usize = 8;

/// Of how many calls the result is kept that the store did not take.
const UNRECORDED_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// What came of calls, as long as the store does not take it: it is written as soon as the conversation is looked at again.
/// Without it the message would stand in doubt, though the platform has answered.
#[derive(Debug)]
pub(crate) struct Unrecorded(LruCache<(TenantId, MessageId), (Call, Answered)>);

/// When a message was called.
type Call = Option<DateTime<Utc>>;

/// What came of a call.
#[derive(Debug)]
pub(super) enum Answered {
    /// What the channel said, and how long the pace asks to wait after it.
    Said(Result<SendReceipt, ChannelError>, Option<TimeDelta>),
    /// There was none: the store did not say whether it took the intent. Where it did, the message is not in doubt for it.
    NotCalled,
}

impl Default for Unrecorded {
    fn default() -> Self {
        Self(LruCache::new(UNRECORDED_MAX))
    }
}

impl Inner {
    /// Lets the pace know what came of a call. Returns how long the message waits at least, if it is to go again.
    pub(super) fn note(&self, ask: &Ask, result: &Result<SendReceipt, ChannelError>) -> Option<TimeDelta> {
        let outcome = match result {
            Ok(receipt) => Outcome::Taken(receipt.usage),
            Err(error) => {
                let told = if let Retry::After(told) = error.retry() { told } else { None };
                Outcome::Failed(error.kind(), told)
            }
        };
        let now = self.clock.now();
        self.pace().note(ask, outcome, now, &*self.ids)
    }

    /// Returns what came of a call that is noted as under way, if this process knows it and the store does not.
    pub(super) fn unrecorded(&self, tenant: TenantId, row: &MessageRow) -> Option<Answered> {
        let mut unrecorded = self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner);
        let (call, answered) = unrecorded.0.pop(&(tenant, row.id()))?;
        (call == called_at(row)).then_some(answered)
    }

    /// Keeps what came of the last call of a message until the store takes it.
    pub(super) fn keep_unrecorded(&self, message: (TenantId, MessageId), call: Call, answered: Answered) {
        self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner).0.put(message, (call, answered));
    }

    /// Writes what came of a send, again and again if need be: a result that is lost leaves the message in doubt. What the
    /// store does not take at all is kept until the next round.
    pub(super) async fn record_result(
        &self,
        settings: &Settings,
        work: &LaneWork,
        (id, called_at): (MessageId, Option<DateTime<Utc>>),
        answered: Answered,
        channel: ChannelKind,
    ) -> Result<StepReport, AssistantError> {
        match self.try_to_record(settings, work, id, &answered).await {
            Ok(mut report) => {
                if let Answered::Said(Err(error), _) = answered {
                    report.errors.push(AssistantError::Channel(channel, error));
                }
                Ok(report)
            }
            Err(error) => {
                self.keep_unrecorded((work.lease.tenant, id), called_at, answered);
                Err(error)
            }
        }
    }

    async fn try_to_record(
        &self,
        settings: &Settings,
        work: &LaneWork,
        id: MessageId,
        answered: &Answered,
    ) -> Result<StepReport, AssistantError> {
        let mut tries = 0;
        let sends = || work.items.iter().filter(|(_, task)| task.is_send()).map(|(item, _)| item);
        let attempts = sends().map(|item| item.attempts).max();
        let now = self.clock.now();
        let mut done: Vec<WorkKey> = sends().map(|item| item.key).filter(|key| key.due <= now).collect();
        loop {
            let now = self.clock.now();
            let Some(mut run) = LaneRun::open(self, settings, work.lease, work.conversation, now).await? else {
                return Ok(StepReport::default());
            };
            run.ops.extend(done.iter().copied().map(WriteOp::Complete));
            match run.message(id).await? {
                // Written already by a commit of which nobody heard.
                Some(row) if step_of(&row) == Some(DeliveryStep::Queued) => return Ok(StepReport::default()),
                Some(row) => run.record(row, answered, attempts.unwrap_or(0)).await?,
                // Past its time, and swept meanwhile: the next one goes.
                None => run.unblock(id)?,
            }
            tries += 1;
            match run.commit().await {
                Err(AssistantError::Conflict(_)) if tries < RECORD_TRIES_MAX => {
                    // Perhaps the work was done already: what is known of it is a hint.
                    let mut left = Vec::new();
                    for key in done {
                        if self.waits(&work.lease, key).await? {
                            left.push(key);
                        }
                    }
                    done = left;
                }
                done => return done,
            }
        }
    }
}

impl Inner {
    /// Returns whether the store has a piece of work.
    async fn waits(&self, lease: &Lease, key: WorkKey) -> Result<bool, AssistantError> {
        let before =
            WorkKey { due: key.due - TimeDelta::microseconds(1), id: WorkId::from_bytes([u8::MAX; 16]), ..key };
        let mut query = PendingQuery {
            tenant: lease.tenant,
            bucket: lease.bucket,
            due_by: key.due,
            after: Some(before),
            limit: PAGE_MAX,
        };
        loop {
            let items = self.entities.store.pending(&query).await?;
            query.after = items.last().map(|item| item.key);
            if items.iter().any(|item| item.key == key) {
                return Ok(true);
            }
            if items.len() < PAGE_MAX {
                return Ok(false);
            }
        }
    }
}

impl LaneRun<'_> {
    /// Writes what came of a send.
    async fn record(&mut self, mut row: MessageRow, answered: &Answered, attempts: u32) -> Result<(), AssistantError> {
        let Answered::Said(result, rest) = answered else {
            if let Some(delivery) = &mut row.clear.delivery {
                delivery.attempts = delivery.attempts.saturating_sub(1);
            }
            return self.wait(row, SEND_REST, attempts, None);
        };
        let (now, rest) = (self.now, *rest);
        remember(&mut row, result.as_ref().err());
        match result {
            Ok(receipt) => {
                let sender = actor(&row.clear.author);
                let fresh = row.clear.delivery.as_mut().is_some_and(|d| d.advance(DeliveryStep::Sent, now, None));
                if let Some(id) = receipt.id.clone() {
                    self.seal_id(&mut row, id).await?;
                }
                if fresh {
                    self.wrote(row.clear.kind, sender, now);
                    self.report.sent += 1;
                }
                self.pop(row)
            }
            Err(error) => {
                if step_of(&row) != Some(DeliveryStep::Sending) {
                    // A receipt was faster than the error and knows better.
                    return self.pop(row);
                }
                let code = error.code().map(FailureCode);
                match (error.kind(), error.retry()) {
                    // Nothing leaves any more: it waits.
                    (ChannelErrorKind::Denied, _) if self.is_contained() => {
                        self.wait(row, SEND_REST, attempts, code)?;
                    }
                    // Something changed about the contact while it was on its way. Whether it may still go is asked anew:
                    // a member's second message must not cost them the first.
                    (ChannelErrorKind::Denied, _) => {
                        let may = match self.permit(&row).await {
                            Ok(grant) => grant.is_some(),
                            // Something is being written about them this very moment: the next try asks.
                            Err(AssistantError::Conflict(_)) => true,
                            Err(error) => return Err(error),
                        };
                        if may && attempts + 1 < SEND_TRIES_MAX {
                            self.wait(row, TimeDelta::zero(), attempts + 1, code)?;
                        } else {
                            self.settle_as(row, DeliveryStep::Cancelled, code, None).await?;
                        }
                    }
                    (_, Retry::OutcomeUnknown) => self.doubt(row).await?,
                    (ChannelErrorKind::Auth, _) => self.wait(row, AUTH_REST, attempts, code)?,
                    (ChannelErrorKind::RateLimited | ChannelErrorKind::PairLimited, Retry::After(_))
                        if now - row.clear.at < LIMITED_FOR =>
                    {
                        self.wait(row, rest.unwrap_or(SEND_REST), attempts, code)?;
                    }
                    (_, Retry::After(wait)) if attempts + 1 < SEND_TRIES_MAX => {
                        let wait = wait.map_or_else(|| SEND_REST * (1 << attempts.min(10)), |wait| time(Some(wait)));
                        self.wait(row, wait.max(rest.unwrap_or_default()), attempts + 1, code)?;
                    }
                    (kind, _) => {
                        if kind == ChannelErrorKind::OptedOut {
                            self.opted_out().await?;
                        }
                        self.settle_as(row, DeliveryStep::Failed, code, Some(HandOffReason::SendFailed)).await?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Notes that the contact has stopped such messages in the platform's own settings, where that is not noted yet: its
    /// webhook may have been lost.
    async fn opted_out(&mut self) -> Result<(), AssistantError> {
        let (tenant, subject) = (self.lease.tenant, self.lane.conversation.contact.0);
        let statement = Statement::withdrawn(Purpose::DirectMarketing);
        let said = self.inner.entities.statements(tenant, subject).await?;
        let last = said.iter().rev().find(|event| event.statement.is_about_the_same(&statement));
        if last.is_some_and(|event| event.statement.closes()) {
            return Ok(());
        }
        let before = said.iter().map(|event| event.at).max();
        let (_, ops) = self.inner.stated(tenant, (subject, before), statement, Act::Platform).await?;
        self.ops.extend(ops);
        self.closes = true;
        Ok(())
    }

    /// Takes down under which id a message went out.
    async fn seal_id(&self, row: &mut MessageRow, id: PlatformMessageId) -> Result<(), AssistantError> {
        let (tenant, entities) = (&self.tenant.tenant, &self.inner.entities);
        let connection = self.lane.conversation.connection;
        row.learn(entities.platform_index(tenant.id, connection, &id).await?);
        // It has gone out, whatever the person said meanwhile.
        let sealed = match self.inner.gate.permit::<Storage>(tenant, self.lane.conversation.contact, self.now).await {
            Ok(permit) => entities.reseal(permit.grant(), tenant.id, row, Change::PlatformId(connection, id)).await,
            Err(denied) => Err(denied.into()),
        };
        match sealed {
            // Something is being written about the person this very moment. By its index it is found all the same.
            Err(AssistantError::Denied(denied)) if denied.reason.is_passing() => Ok(()),
            Err(AssistantError::Vault(error)) if error.kind() == VaultErrorKind::Denied => Ok(()),
            sealed => sealed,
        }
    }

    /// Puts a message back to wait; the ones behind it wait with it, so that the order stays.
    fn wait(
        &mut self,
        mut row: MessageRow,
        wait: TimeDelta,
        attempts: u32,
        failure: Option<FailureCode>,
    ) -> Result<(), AssistantError> {
        let now = self.now;
        if let Some(delivery) = &mut row.clear.delivery {
            delivery.step = DeliveryStep::Queued;
            delivery.at = now;
            delivery.failure = failure;
        }
        self.messages.insert(row.id(), row);
        self.enqueue(&Task::send(&self.lane.conversation), now + wait, attempts)
    }

    /// Whoever was sending it is gone, and with it the answer.
    pub(super) async fn abandon(&mut self, mut row: MessageRow) -> Result<(), AssistantError> {
        if let Some(delivery) = &mut row.clear.delivery {
            let at = delivery.called_at.unwrap_or(delivery.at);
            delivery.remember(Attempt { at, end: AttemptEnd::InDoubt, error: None, code: None });
        }
        self.doubt(row).await
    }

    /// A message of which nobody knows whether it went out: receipts may tell, else a person must look. It stays first in
    /// the outbox until then. Of a read mark nobody ever tells, and nobody misses it.
    async fn doubt(&mut self, mut row: MessageRow) -> Result<(), AssistantError> {
        if !says_something(row.clear.kind) {
            return self.settle_as(row, DeliveryStep::Failed, None, None).await;
        }
        let now = self.now;
        if let Some(delivery) = &mut row.clear.delivery {
            delivery.advance(DeliveryStep::InDoubt, now, None);
        }
        self.enqueue(&Task::Settle { message: row.id() }, now + self.inner.config.settle_after, 0)?;
        self.report.unsent += 1;
        self.messages.insert(row.id(), row);
        Ok(())
    }

    /// Ends a message without sending it, and with it the rest of the answer that it is part of.
    pub(super) async fn settle_as(
        &mut self,
        mut row: MessageRow,
        step: DeliveryStep,
        failure: Option<FailureCode>,
        hand_off: Option<HandOffReason>,
    ) -> Result<(), AssistantError> {
        let now = self.now;
        let sender = actor(&row.clear.author);
        if let Some(delivery) = &mut row.clear.delivery {
            delivery.advance(step, now, failure);
        }
        let says = says_something(row.clear.kind);
        if step == DeliveryStep::Failed && says {
            self.fact(FactKind::SendFailed, sender, now);
        }
        if let Some(reason) = hand_off.filter(|_| says) {
            self.hand_off(None, reason);
        }
        self.report.unsent += 1;
        self.cancel_rest(&row).await?;
        self.pop(row)
    }

    /// Cancels what waits of an answer of which a message did not go out: alone it makes no sense. Where that message should
    /// have said that answers are automatic, all other answers that wait go with it, and the next one says it.
    pub(super) async fn cancel_rest(&mut self, of: &MessageRow) -> Result<(), AssistantError> {
        let by_engine = |row: &MessageRow| matches!(row.clear.author, Author::Engine { .. });
        if !by_engine(of) {
            return Ok(());
        }
        let all = self.undisclose(of);
        let now = self.now;
        for id in self.lane.conversation.outbox.clone() {
            let Some(mut row) = self.message(id).await? else { continue };
            if id == of.id() || !by_engine(&row) || !(all || row.clear.at == of.clear.at) {
                continue;
            }
            if let Some(delivery) = row.clear.delivery.as_mut().filter(|d| d.step == DeliveryStep::Queued) {
                delivery.advance(DeliveryStep::Cancelled, now, None);
                self.messages.insert(id, row);
                self.conversation_mut().outbox.retain(|there| *there != id);
                self.report.unsent += 1;
            }
        }
        Ok(())
    }

    /// Takes a settled message from the outbox and goes on with the next.
    fn pop(&mut self, row: MessageRow) -> Result<(), AssistantError> {
        let id = row.id();
        self.messages.insert(id, row);
        self.conversation_mut().outbox.retain(|there| *there != id);
        if self.lane.conversation.outbox.is_empty() {
            return Ok(());
        }
        self.enqueue(&Task::send(&self.lane.conversation), self.now, 0)
    }
}

fn step_of(row: &MessageRow) -> Option<DeliveryStep> {
    row.clear.delivery.as_ref().map(|delivery| delivery.step)
}

/// Returns when a message was called last.
pub(super) fn called_at(row: &MessageRow) -> Option<DateTime<Utc>> {
    row.clear.delivery.as_ref().and_then(|delivery| delivery.called_at)
}

/// Writes into a message's log how its last call ended.
fn remember(row: &mut MessageRow, error: Option<&ChannelError>) {
    let Some(delivery) = &mut row.clear.delivery else { return };
    let end = match error.map(ChannelError::retry) {
        None => AttemptEnd::Taken,
        Some(Retry::OutcomeUnknown) => AttemptEnd::InDoubt,
        Some(_) => AttemptEnd::Refused,
    };
    delivery.remember(Attempt {
        at: delivery.called_at.unwrap_or(delivery.at),
        end,
        error: error.map(ChannelError::kind),
        code: error.and_then(ChannelError::code).map(FailureCode),
    });
}
