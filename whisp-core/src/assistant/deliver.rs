//! Sends what waits in the outbox: one message of a conversation at a time, its intent committed before the call, its
//! result after.

use chrono::{DateTime, TimeDelta, Utc};

use crate::assistant::lane::LaneRun;
use crate::assistant::own::{LaneWork, Phase};
use crate::assistant::receipt::actor;
use crate::assistant::step::{Budget, StepReport};
use crate::assistant::task::Task;
use crate::assistant::{Assistant, AssistantError, Inner};
use crate::channel::{Capabilities, ChannelError, ChannelErrorKind, Outbound, OutboundBody, SendReceipt};
use crate::entity::{Change, ConnectionRow, MessageRow};
use crate::error::Retry;
use crate::id::{MessageId, TenantId};
use crate::kpi::FactKind;
use crate::model::{
    Author, ChannelKind, Connection, ConnectionState, ContentKind, Delivery, DeliveryStep, FailureCode, HandOffReason,
    Handle, Handling, Message,
};
use crate::privacy::{AutomatedReplies, Denied, DeniedReason, Grant, Permit, ServiceProvision};
use crate::store::{Commit, WriteBatch, WriteOp};

/// How often a message is tried at most, where the channel says that it may be.
const SEND_TRIES_MAX: u32 = 6;

/// How long it waits after the first failure, where the channel says nothing; doubled each time.
const SEND_REST: TimeDelta = TimeDelta::seconds(2);

/// How long it waits while the business has to connect the account again.
const AUTH_REST: TimeDelta = TimeDelta::minutes(10);

/// The messaging window is taken to end so much earlier than the platform's, for clocks that differ.
const WINDOW_MARGIN: TimeDelta = TimeDelta::minutes(2);

/// How far back the contact's last message is looked for, to answer to the handle that it came from.
const HANDLE_LOOK_BACK: usize = 50;

impl Assistant {
    /// Sends what waits in the outboxes of the buckets that this worker owns. Before each call permit, takeover and
    /// messaging window are checked again and the message is marked as being sent; after it the result is written. A
    /// call without an answer leaves it in doubt until a receipt settles it or a member looks: it is never sent again
    /// blindly.
    ///
    /// # Errors
    /// When leases or work can't be read. What fails in one conversation is in [`StepReport::errors`].
    ///
    /// # Cancellation
    /// A message may be left as being sent: the next delivery takes it as in doubt.
    pub async fn deliver(&self, budget: &Budget) -> Result<StepReport, AssistantError> {
        self.inner.run(Phase::Deliver, budget).await
    }
}

/// What is to become of the first message of an outbox.
enum Verdict {
    /// Send it.
    Send { grant: Grant, outside_window: bool },
    /// It must not be sent.
    Cancel,
    /// It can't be sent, and a person must know.
    Fail,
}

/// How often the result of a send is committed again when somebody else changed the conversation meanwhile.
const RECORD_TRIES_MAX: usize = 8;

impl Inner {
    pub(crate) async fn deliver_lane(&self, work: &LaneWork, now: DateTime<Utc>) -> Result<StepReport, AssistantError> {
        let Some(mut run) = LaneRun::open(self, work.lease, work.conversation, now).await? else {
            return self.drop_work(work, now).await;
        };
        let Some(row) = run.front().await? else {
            run.sent_work(work);
            return run.commit().await;
        };
        if row.clear.delivery.as_ref().is_some_and(|delivery| delivery.step == DeliveryStep::Sending) {
            // Whoever was sending it is gone, and with it the answer.
            run.sent_work(work);
            run.doubt(row)?;
            return run.commit().await;
        }
        run.hear(work).await?;
        let tenant = run.tenant.tenant.clone();
        let connection_row = self.entities.connection_row(tenant.id, run.lane.conversation.connection).await?;
        let Some(channel) = self.channels.get(&run.lane.conversation.channel) else {
            return Err(AssistantError::Invalid("no channel of this kind was given to the builder"));
        };
        let holder = self.gate.permit::<ServiceProvision>(&tenant, tenant.account_holder, now).await?;
        let connection = self.entities.connection(&holder, tenant.id, &connection_row).await?;
        let (grant, outside_window) = match run.verdict(&row, &connection, &channel.capabilities()).await? {
            Verdict::Send { grant, outside_window } => (grant, outside_window),
            Verdict::Cancel => {
                run.sent_work(work);
                run.settle_as(row, DeliveryStep::Cancelled, None, None)?;
                return run.commit().await;
            }
            Verdict::Fail => {
                run.sent_work(work);
                run.settle_as(row, DeliveryStep::Failed, None, Some(HandOffReason::SendFailed))?;
                return run.commit().await;
            }
        };
        let (message, body) = self.entities.message(&grant, tenant.id, &row).await?;
        let (Some(to), Some(body)) = (run.handle(&grant).await?, body) else {
            run.sent_work(work);
            run.settle_as(row, DeliveryStep::Failed, None, Some(HandOffReason::SendFailed))?;
            return run.commit().await;
        };
        let outbound = outbound(grant, to, &message, body, &row, outside_window);
        let id = row.id();
        // The intent. The work stays until the result is written, so that a crash brings the message back, in doubt.
        run.mark_sending(row);
        run.commit().await?;
        let result = channel.send(&connection, &outbound).await;
        drop(outbound);
        let refused = result.as_ref().is_err_and(|error| error.kind() == ChannelErrorKind::Auth);
        let report = self.record_result(work, id, result, channel.kind()).await?;
        if refused {
            self.reauthorize(tenant.id, connection_row).await?;
        }
        Ok(report)
    }

    /// Writes what came of a send, again and again if need be: a result that is lost leaves the message in doubt.
    async fn record_result(
        &self,
        work: &LaneWork,
        id: MessageId,
        result: Result<SendReceipt, ChannelError>,
        channel: ChannelKind,
    ) -> Result<StepReport, AssistantError> {
        let mut tries = 0;
        loop {
            let now = self.clock.now();
            let Some(mut run) = LaneRun::open(self, work.lease, work.conversation, now).await? else {
                return Ok(StepReport::default());
            };
            run.sent_work(work);
            let attempts = work.items.iter().filter(|(_, task)| task.is_send()).map(|(item, _)| item.attempts).max();
            match run.message(id).await? {
                Some(row) => run.record(row, &result, attempts.unwrap_or(0)).await?,
                // Past its time, and swept meanwhile: the next one goes.
                None => run.unblock(id)?,
            }
            tries += 1;
            match run.commit().await {
                Err(AssistantError::Conflict(_)) if tries < RECORD_TRIES_MAX => {}
                Ok(mut report) => {
                    report.errors.extend(result.err().map(|error| AssistantError::Channel(channel, error)));
                    return Ok(report);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Notes that the business has to connect the account again.
    async fn reauthorize(&self, tenant: TenantId, mut row: ConnectionRow) -> Result<(), AssistantError> {
        if row.clear.state != ConnectionState::Live {
            return Ok(());
        }
        row.clear.state = ConnectionState::Reauthorize;
        let batch = WriteBatch::new(tenant).op(WriteOp::Put(row.next()?));
        // Refused: somebody changed the connection this moment, perhaps by connecting it again. Then it stays theirs.
        match self.entities.store.commit(batch).await? {
            Commit::Done | Commit::Refused(_) => Ok(()),
        }
    }
}

fn outbound(
    grant: Grant,
    to: Handle,
    message: &Message,
    body: OutboundBody,
    row: &MessageRow,
    outside_window: bool,
) -> Outbound {
    let tag = row.clear.tag.clone().unwrap_or_default();
    let mut outbound = Outbound::new(grant, to, message.author.clone(), body, tag);
    outbound.reply_to.clone_from(&message.reply_to);
    outbound.outside_window = outside_window;
    outbound
}

impl LaneRun<'_> {
    /// Returns the first message of the outbox that still waits; those that are settled are dropped from it.
    async fn front(&mut self) -> Result<Option<MessageRow>, AssistantError> {
        while let Some(id) = self.lane.conversation.outbox.first().copied() {
            if let Some(row) = self.message(id).await?
                && let Some(delivery) = &row.clear.delivery
            {
                match delivery.step {
                    DeliveryStep::Queued | DeliveryStep::Sending => return Ok(Some(row)),
                    // Nothing overtakes what is in doubt.
                    DeliveryStep::InDoubt => return Ok(None),
                    _ => {}
                }
            }
            self.conversation_mut().outbox.remove(0);
        }
        Ok(None)
    }

    /// Notes what the contact wrote and nobody has taken in yet: a member may answer before the burst is over, and the
    /// messaging window is open by then.
    async fn hear(&mut self, work: &LaneWork) -> Result<(), AssistantError> {
        for (_, task) in &work.items {
            if let Task::Turn { message } = task
                && let Some(row) = self.message(*message).await?
            {
                let heard = &mut self.lane.conversation.contact_wrote_at;
                *heard = (*heard).max(Some(row.clear.at));
            }
        }
        Ok(())
    }

    /// Gives up on the first message of the outbox, which something that will never pass keeps from being sent: a person
    /// must know, and what is behind it goes on.
    pub(crate) async fn give_up(&mut self) -> Result<(), AssistantError> {
        match self.front().await? {
            Some(row) if row.clear.delivery.as_ref().is_some_and(|d| d.step == DeliveryStep::Sending) => {
                self.doubt(row)
            }
            Some(row) => self.settle_as(row, DeliveryStep::Failed, None, Some(HandOffReason::SendFailed)),
            None => Ok(()),
        }
    }

    /// Asks for the permit to send a message; `None` where it must not be sent: a person has taken over, or the contact
    /// wants no such message.
    async fn permit(&self, row: &MessageRow) -> Result<Option<Grant>, AssistantError> {
        let taken_over = match (&row.clear.author, &self.lane.conversation.handling) {
            (Author::Engine { .. }, Handling::Member { .. }) => true,
            // A notice of the hand-off itself still goes out, unless a member has spoken already.
            (Author::System, Handling::Member { reason, .. }) => *reason == HandOffReason::MemberWrote,
            _ => false,
        };
        if taken_over {
            return Ok(None);
        }
        let (tenant, subject) = (&self.tenant.tenant, self.lane.conversation.contact.0);
        let gate = &self.inner.gate;
        let permit = if row.clear.author.is_automatic() {
            gate.permit::<AutomatedReplies>(tenant, subject, self.now).await.map(Permit::into_grant)
        } else {
            gate.permit::<ServiceProvision>(tenant, subject, self.now).await.map(Permit::into_grant)
        };
        match permit {
            Ok(grant) => Ok(Some(grant)),
            Err(Denied { reason: DeniedReason::Unavailable, .. }) => Err(AssistantError::Conflict("consent log")),
            Err(_) => Ok(None),
        }
    }

    /// Decides whether a message may go now.
    async fn verdict(
        &self,
        row: &MessageRow,
        connection: &Connection,
        can: &Capabilities,
    ) -> Result<Verdict, AssistantError> {
        if connection.state == ConnectionState::Disconnected {
            return Ok(Verdict::Cancel);
        }
        let Some(grant) = self.permit(row).await? else { return Ok(Verdict::Cancel) };
        let automatic = row.clear.author.is_automatic();
        let Some(window) = can.window else { return Ok(Verdict::Send { grant, outside_window: false }) };
        let since = self.lane.conversation.contact_wrote_at.map(|at| self.now - at);
        let inside = |window: TimeDelta| since.is_some_and(|since| since < window - WINDOW_MARGIN);
        if inside(window) {
            return Ok(Verdict::Send { grant, outside_window: false });
        }
        let template = row.clear.kind == ContentKind::Template && can.templates;
        let human = !automatic && can.human_window.is_some_and(inside);
        if template || human {
            return Ok(Verdict::Send { grant, outside_window: true });
        }
        Ok(Verdict::Fail)
    }

    /// Returns the handle that the contact wrote from last, unless the contact has given it up since: it may be somebody
    /// else's. `None` where the contact has none left.
    async fn handle(&self, grant: &Grant) -> Result<Option<Handle>, AssistantError> {
        let tenant = self.lease.tenant;
        let entities = &self.inner.entities;
        let Some(row) = entities.contact_row(tenant, self.lane.conversation.contact).await? else { return Ok(None) };
        let own = entities.contact(grant, tenant, &row).await?.handles;
        if own.len() <= 1 {
            return Ok(own.into_iter().next());
        }
        let (rows, _) = entities.last_messages(tenant, self.lane.conversation.id, None, HANDLE_LOOK_BACK).await?;
        for row in
            rows.iter().filter(|row| row.clear.author == Author::Contact && row.clear.kind != ContentKind::Unsent)
        {
            if let (Message { handle: Some(handle), .. }, _) = entities.message(grant, tenant, row).await?
                && own.contains(&handle)
            {
                return Ok(Some(handle));
            }
        }
        Ok(own.into_iter().next())
    }

    /// Stages the intent: from here on a crash leaves the message in doubt, not unsent. The conversation is part of it,
    /// so that whoever takes over at the same moment voids it.
    fn mark_sending(&mut self, mut row: MessageRow) {
        let now = self.now;
        if let Some(delivery) = &mut row.clear.delivery {
            *delivery = Delivery {
                step: DeliveryStep::Sending,
                at: now,
                attempts: delivery.attempts + 1,
                called_at: Some(now),
                failure: None,
            };
        }
        self.messages.insert(row.id(), row);
        self.conversation_mut();
    }

    /// Takes the sends that brought us here off the list.
    fn sent_work(&mut self, work: &LaneWork) {
        for (item, _) in work.items.iter().filter(|(item, task)| task.is_send() && item.key.due <= self.now) {
            self.ops.push(WriteOp::Complete(item.key));
        }
    }

    /// Writes what came of a send.
    async fn record(
        &mut self,
        mut row: MessageRow,
        result: &Result<SendReceipt, ChannelError>,
        attempts: u32,
    ) -> Result<(), AssistantError> {
        let now = self.now;
        match result {
            Ok(receipt) => {
                let sender = actor(&row.clear.author);
                let fresh = row.clear.delivery.as_mut().is_some_and(|d| d.advance(DeliveryStep::Sent, now, None));
                if let Some(id) = receipt.id.clone() {
                    let tenant = &self.tenant.tenant;
                    let subject = self.lane.conversation.contact.0;
                    let permit = self.inner.gate.permit::<ServiceProvision>(tenant, subject, now).await?;
                    let change = Change::PlatformId(self.lane.conversation.connection, id);
                    self.inner.entities.reseal(permit.grant(), tenant.id, &mut row, change).await?;
                }
                if fresh {
                    self.wrote(sender, now);
                    self.report.sent += 1;
                }
                self.pop(row)
            }
            Err(error) => {
                let step = row.clear.delivery.as_ref().map(|delivery| delivery.step);
                if step != Some(DeliveryStep::Sending) {
                    // A receipt was faster than the error and knows better.
                    return self.pop(row);
                }
                let code = error.code().map(FailureCode);
                match (error.kind(), error.retry()) {
                    // Something changed about the contact while it was on its way. Whether it may still go is asked anew:
                    // a member's second message must not cost them the first.
                    (ChannelErrorKind::Denied, _) => {
                        if attempts + 1 < SEND_TRIES_MAX && self.permit(&row).await?.is_some() {
                            self.wait(row, TimeDelta::zero(), attempts + 1, code)?;
                        } else {
                            self.settle_as(row, DeliveryStep::Cancelled, code, None)?;
                        }
                    }
                    (_, Retry::OutcomeUnknown) => self.doubt(row)?,
                    (ChannelErrorKind::Auth, _) => self.wait(row, AUTH_REST, attempts, code)?,
                    (_, Retry::After(wait)) if attempts + 1 < SEND_TRIES_MAX => {
                        let wait = wait
                            .and_then(|wait| TimeDelta::from_std(wait).ok())
                            .unwrap_or_else(|| SEND_REST * (1 << attempts.min(10)));
                        self.wait(row, wait, attempts + 1, code)?;
                    }
                    _ => self.settle_as(row, DeliveryStep::Failed, code, Some(HandOffReason::SendFailed))?,
                }
                Ok(())
            }
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
            *delivery = Delivery { step: DeliveryStep::Queued, at: now, failure, ..*delivery };
        }
        self.messages.insert(row.id(), row);
        self.enqueue(&Task::Send, now + wait, attempts)
    }

    /// A message of which nobody knows whether it went out: receipts may tell, else a person must look. It stays first in
    /// the outbox until then.
    fn doubt(&mut self, mut row: MessageRow) -> Result<(), AssistantError> {
        let now = self.now;
        if let Some(delivery) = &mut row.clear.delivery {
            delivery.advance(DeliveryStep::InDoubt, now, None);
        }
        self.enqueue(&Task::Settle { message: row.id() }, now + self.inner.config.settle_after, 0)?;
        self.report.unsent += 1;
        self.messages.insert(row.id(), row);
        Ok(())
    }

    /// Ends a message without sending it.
    fn settle_as(
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
        if step == DeliveryStep::Failed {
            self.fact(FactKind::SendFailed, sender, now);
        }
        if let Some(reason) = hand_off {
            self.hand_off(None, reason);
        }
        self.report.unsent += 1;
        self.pop(row)
    }

    /// Takes a settled message from the outbox and goes on with the next.
    fn pop(&mut self, row: MessageRow) -> Result<(), AssistantError> {
        let id = row.id();
        self.messages.insert(id, row);
        self.conversation_mut().outbox.retain(|there| *there != id);
        if self.lane.conversation.outbox.is_empty() {
            return Ok(());
        }
        self.enqueue(&Task::Send, self.now, 0)
    }
}
