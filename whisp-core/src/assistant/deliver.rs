//! Sends what waits in the outbox: one message of a conversation at a time, its intent committed before the call, its
//! result after.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;

use crate::assistant::ask::shaped;
use crate::assistant::lane::{LaneRun, says_something};
use crate::assistant::pace::Ask;
use crate::assistant::pick::{LaneWork, Phase};
use crate::assistant::sent::{Answered, called_at};
use crate::assistant::step::{Budget, REST, StepReport};
use crate::assistant::task::Task;
use crate::assistant::turn::wants_answer;
use crate::assistant::warm::Settings;
use crate::assistant::{Assistant, AssistantError, Inner};
use crate::channel::{Capabilities, ChannelErrorKind, Outbound, OutboundBody};
use crate::entity::{ConnectionRow, MessageRow};
use crate::error::Retry;
use crate::id::TenantId;
use crate::model::{
    Author, Connection, ConnectionState, ContentKind, DeliveryStep, HandOffReason, Handle, Handling, Message,
};
use crate::privacy::{About, AutomatedReplies, Grant, Permit, Rights, ServiceProvision};
use crate::store::{Commit, WriteBatch, WriteOp};

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
    /// It keeps to the pace of each connection and each person ([`Pace`](crate::channel::Pace)): a message that may not go
    /// yet stays as it is, without a try, and holds up no other one; [`StepReport::next_due`] tells when to come again. A
    /// connection that fails rests, longer each time, and recovers step by step. A round is shared fairly between tenants,
    /// connections and conversations. It may be called again while a call is under way, so that a connection whose calls
    /// take long delays only itself.
    ///
    /// While a [breach is contained](crate::assistant::Breaches::contain), and while a connection has no token, nothing is sent
    /// and nothing is lost: what waits goes on waiting.
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

impl Inner {
    pub(crate) async fn deliver_lane(
        &self,
        settings: &Settings,
        work: &LaneWork,
        now: DateTime<Utc>,
    ) -> Result<StepReport, AssistantError> {
        let Some(mut run) = LaneRun::open(self, settings, work.lease, work.conversation, now).await? else {
            return self.drop_work(work, now).await;
        };
        let Some(mut row) = run.front().await? else {
            run.sent_work(work);
            return run.commit().await;
        };
        if row.clear.delivery.as_ref().is_some_and(|delivery| delivery.step == DeliveryStep::Sending) {
            if let Some(answered) = self.unrecorded(work.lease.tenant, &row) {
                let (call, channel) = ((row.id(), called_at(&row)), run.lane.conversation.channel.clone());
                drop(run);
                return self.record_result(settings, work, call, answered, channel).await;
            }
            // Whoever was sending it is gone, and with it the answer.
            run.sent_work(work);
            run.abandon(row).await?;
            return run.commit().await;
        }
        if run.is_contained() {
            return Ok(self.paused(work));
        }
        run.hear(work, &mut row).await?;
        let tenant = &Arc::clone(&run.tenant).tenant;
        let connection_row = run.connection().await?;
        let Some(channel) = self.channels.get(&run.lane.conversation.channel) else {
            return Err(AssistantError::Invalid("no channel of this kind was given to the builder"));
        };
        let holder = self.gate.permit::<ServiceProvision>(tenant, About::holder(tenant), now).await?;
        let connection = self.entities.connection(&holder, tenant.id, &connection_row).await?;
        if connection.state == ConnectionState::Reauthorize && connection.token.expose_secret().is_empty() {
            // It was destroyed: without one there is nothing to call with.
            return Ok(self.paused(work));
        }
        let can = channel.capabilities();
        let (grant, outside_window) = match run.verdict(&row, &connection, &can).await? {
            Verdict::Send { grant, outside_window } => (grant, outside_window),
            Verdict::Cancel => {
                run.sent_work(work);
                run.settle_as(row, DeliveryStep::Cancelled, None, None).await?;
                return run.commit().await;
            }
            Verdict::Fail => {
                run.sent_work(work);
                run.settle_as(row, DeliveryStep::Failed, None, Some(HandOffReason::SendFailed)).await?;
                return run.commit().await;
            }
        };
        let mut pace = can.pace;
        pace.connection = connection_row.clear.rate.or(pace.connection);
        let ask = Ask {
            flow: (tenant.id, connection.id),
            lane: work.conversation,
            pace,
            media: row.clear.kind == ContentKind::Media,
            now: self.clock.now(),
        };
        let tokens = self.pace().take(&ask);
        if let Err(until) = tokens {
            // Nothing is written: the work stays as it is, and so do its tries.
            return Ok(StepReport { paced: 1, next_due: Some(until), ..StepReport::default() });
        }
        let (message, body) = self.entities.message(&grant, tenant.id, &row).await?;
        let (Some(to), Some(body)) = (run.handle(&grant).await?, body) else {
            run.sent_work(work);
            run.settle_as(row, DeliveryStep::Failed, None, Some(HandOffReason::SendFailed)).await?;
            return run.commit().await;
        };
        let outbound = outbound(grant, to, &message, shaped(body, &can), &row, outside_window);
        let (id, now) = (row.id(), run.now);
        // The intent. The work stays until the result is written, so that a crash brings the message back, in doubt.
        run.mark_sending(row);
        // Whoever disconnects the account this moment was faster, or voids the permit.
        run.expects.push(connection_row.unchanged());
        if let Err(error) = run.commit().await {
            self.pace().give_back(&ask);
            if error.retry() == Retry::OutcomeUnknown {
                self.keep_unrecorded((tenant.id, id), Some(now), Answered::NotCalled);
            }
            return Err(error);
        }
        let result = channel.send(&connection, &outbound).await;
        drop(outbound);
        let refused = result.as_ref().is_err_and(|error| error.kind() == ChannelErrorKind::Auth);
        let wait = self.note(&ask, &result);
        let answered = Answered::Said(result, wait);
        let report = self.record_result(settings, work, (id, Some(now)), answered, channel.kind()).await;
        if refused {
            // Also where the result has to wait: by then the account may be connected again.
            self.reauthorize(tenant.id, (*connection_row).clone()).await?;
        }
        report
    }

    /// Leaves the outbox of a conversation as it is, for a moment.
    fn paused(&self, work: &LaneWork) -> StepReport {
        let now = self.clock.now();
        self.lanes().rest(work.key(Phase::Deliver), now);
        StepReport { paced: 1, next_due: Some(now + REST), ..StepReport::default() }
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
    pub(super) async fn front(&mut self) -> Result<Option<MessageRow>, AssistantError> {
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

    /// Notes what the contact wrote and nobody has taken in yet: a member may answer before the burst is over. The messaging
    /// window is open by then, and the answer belongs to the inquiry that the burst begins.
    async fn hear(&mut self, work: &LaneWork, answer: &mut MessageRow) -> Result<(), AssistantError> {
        let mut asked: Option<(DateTime<Utc>, DateTime<Utc>)> = None;
        for (_, task) in &work.items {
            if let Task::Turn { message } = task
                && let Some(row) = self.message(*message).await?
            {
                let at = row.clear.at;
                let heard = &mut self.lane.conversation.contact_wrote_at;
                *heard = (*heard).max(Some(at));
                if wants_answer(row.clear.kind) {
                    asked = Some(asked.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
                }
            }
        }
        if let (Some((first, last)), Author::Member { .. }) = (asked, &answer.clear.author)
            && says_something(answer.clear.kind)
        {
            answer.clear.inquiry = Some(self.inquiry_for(first, last)?);
        }
        Ok(())
    }

    /// Gives up on the first message of the outbox, which something that will never pass keeps from being sent: a person
    /// must know, and what is behind it goes on.
    pub(crate) async fn give_up(&mut self) -> Result<(), AssistantError> {
        match self.front().await? {
            Some(row) if row.clear.delivery.as_ref().is_some_and(|d| d.step == DeliveryStep::Sending) => {
                self.abandon(row).await
            }
            Some(row) => self.settle_as(row, DeliveryStep::Failed, None, Some(HandOffReason::SendFailed)).await,
            None => Ok(()),
        }
    }

    /// Asks for the permit to send a message; `None` where it must not be sent: a person has taken over, or the contact
    /// wants no such message.
    pub(super) async fn permit(&self, row: &MessageRow) -> Result<Option<Grant>, AssistantError> {
        let for_rights = row.clear.for_rights;
        let taken_over = match (&row.clear.author, &self.lane.conversation.handling) {
            (Author::Engine { .. }, Handling::Member { .. }) => true,
            // A notice of the hand-off itself still goes out, unless a member has spoken already.
            (Author::System, Handling::Member { reason, .. }) => *reason == HandOffReason::MemberWrote,
            _ => false,
        };
        if taken_over && !for_rights {
            return Ok(None);
        }
        let (tenant, contact) = (&self.tenant.tenant, self.lane.conversation.contact);
        let gate = &self.inner.gate;
        let permit = if for_rights {
            gate.permit::<Rights>(tenant, contact, self.now).await.map(Permit::into_grant)
        } else if row.clear.author.is_automatic() {
            gate.permit::<AutomatedReplies>(tenant, contact, self.now).await.map(Permit::into_grant)
        } else {
            gate.permit::<ServiceProvision>(tenant, contact, self.now).await.map(Permit::into_grant)
        };
        // After the grant: what is granted before somebody stops the tenant is void.
        if self.is_contained() {
            return Err(AssistantError::Conflict("containment of a breach"));
        }
        match permit {
            Ok(grant) => Ok(Some(grant)),
            // What was said about the person can't be read, or is being written: the next round asks again.
            Err(denied) if denied.reason.is_passing() => Err(AssistantError::Conflict("log of statements")),
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
        // A read mark is no message: how late one may go, the channel knows.
        let mark = row.clear.kind == ContentKind::Placeholder;
        if template || human || mark {
            return Ok(Verdict::Send { grant, outside_window: true });
        }
        Ok(Verdict::Fail)
    }

    /// Returns the handle that the contact wrote from last, unless the contact has given it up since: it may be somebody
    /// else's. `None` where the contact has none left.
    async fn handle(&mut self, grant: &Grant) -> Result<Option<Handle>, AssistantError> {
        let tenant = self.lease.tenant;
        let entities = &self.inner.entities;
        let Some(row) = self.contact().await? else { return Ok(None) };
        let own = entities.contact(grant, tenant, &row).await?.handles;
        if own.len() <= 1 {
            return Ok(own.into_iter().next());
        }
        let (rows, _) = entities.last_messages(tenant, self.lane.conversation.id, None, HANDLE_LOOK_BACK).await?;
        for row in rows.iter().filter(|row| {
            row.clear.author == Author::Contact
                && row.clear.kind != ContentKind::Unsent
                && !row.record.is_past(self.now)
        }) {
            if let (Message { handle: Some(handle), .. }, _) = entities.message(grant, tenant, row).await?
                && own.contains(&handle)
            {
                return Ok(Some(handle));
            }
        }
        Ok(own.into_iter().next())
    }

    /// Stages the intent: from here on a crash leaves the message in doubt, not unsent. Whoever has taken over voids it,
    /// because the conversation is as it was read; whoever takes over at the same moment finds the message changed.
    fn mark_sending(&mut self, mut row: MessageRow) {
        let now = self.now;
        if let Some(delivery) = &mut row.clear.delivery {
            delivery.step = DeliveryStep::Sending;
            delivery.at = now;
            delivery.attempts += 1;
            delivery.called_at = Some(now);
            delivery.failure = None;
        }
        self.messages.insert(row.id(), row);
    }

    /// Takes the sends that brought us here off the list.
    pub(super) fn sent_work(&mut self, work: &LaneWork) {
        for (item, _) in work.items.iter().filter(|(item, task)| task.is_send() && item.key.due <= self.now) {
            self.ops.push(WriteOp::Complete(item.key));
        }
    }
}
