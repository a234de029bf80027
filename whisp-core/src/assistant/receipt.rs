//! What happened to messages that are there already: receipts, echoes, edits, unsends; and time that has passed.

use chrono::{DateTime, TimeDelta, Utc};

use crate::assistant::AssistantError;
use crate::assistant::ask::shaped;
use crate::assistant::lane::{LaneRun, says_something};
use crate::assistant::stage::{CLOCK_SKEW, LATE_MAX};
use crate::assistant::task::Task;
use crate::entity::{By, Change, MessageRow, ending_by};
use crate::find::special;
use crate::id::{InquiryId, MessageId, RecordId};
use crate::kpi::{Actor, FactKind};
use crate::model::{
    Author, Content, ContentKind, DeliveryStep, FailureCode, HandOffReason, Handling, Provenance, Resolution,
};
use crate::privacy::Storage;
use crate::store::{BlindIndex, Kind, WorkItem, WriteOp};

/// How long something about a message waits for the message to appear.
const PARK_FOR: TimeDelta = TimeDelta::hours(24);

/// How long an unsend waits for it: as long as the message may come late, because then it must go.
const PARK_UNSEND_FOR: TimeDelta = LATE_MAX;

/// How long it waits between two looks, the first time; doubled each time after.
const PARK_FIRST: TimeDelta = TimeDelta::seconds(2);

/// How often the wait is doubled at most.
const PARK_DOUBLINGS: u32 = 16;

/// The same for an unsend: to a little more than an hour, so that what must go is not seen for longer.
const PARK_UNSEND_DOUBLINGS: u32 = 11;

/// How long an echo waits for a send of ours that is under way.
const ECHO_GRACE: TimeDelta = TimeDelta::seconds(20);

/// By how much our clock may be ahead of the platform's when it says "up to a time".
const WATERMARK_SKEW: TimeDelta = TimeDelta::seconds(2);

/// How far back a receipt "up to a time" looks.
const WATERMARK_MAX: usize = 100;

/// What a receipt says.
struct News {
    step: DeliveryStep,
    at: DateTime<Utc>,
    failure: Option<FailureCode>,
}

impl LaneRun<'_> {
    /// Does everything but turns and sends.
    pub(crate) async fn event(&mut self, task: &Task, item: &WorkItem) -> Result<(), AssistantError> {
        match task {
            Task::Receipt { targets, up_to, tag, step, at, failure } => {
                let news = News { step: *step, at: *at, failure: *failure };
                let (rows, missing) = self.receipt_rows(targets, *up_to, *tag).await?;
                if rows.is_empty() && up_to.is_none() {
                    return self.park(task, item).map(drop);
                }
                // Of several messages some may be known and others not yet.
                if !missing.is_empty() && tag.is_none() {
                    let (up_to, tag, step, at, failure) = (None, None, *step, *at, *failure);
                    self.park(&Task::Receipt { targets: missing, up_to, tag, step, at, failure }, item)?;
                }
                for mut row in rows {
                    // What was found by our tag goes by the platform's id from now on: nothing else tells the tag.
                    if let ([id], Some(_)) = (targets.as_slice(), tag)
                        && row.learn(BlindIndex(id.into_bytes()))
                    {
                        self.messages.insert(row.id(), row.clone());
                    }
                    self.receive(row, &news).await?;
                }
                Ok(())
            }
            Task::Echo { message, mid, tag } => self.echo(*message, *mid, *tag, item, task).await,
            Task::Edit { target, raw, at } => self.edit(*target, *raw, *at, task, item).await,
            Task::Unsend { target } => {
                let rows = self.find(*target).await?;
                if rows.is_empty() {
                    return self.park(task, item).map(drop);
                }
                for mut row in rows.into_iter().filter(|row| row.clear.kind != ContentKind::Unsent) {
                    self.inner.keep_before(self.lease.tenant, &row).await?;
                    row.unsend();
                    let files = self.inner.forget_files(self.lease.tenant, row.id()).await?;
                    self.ops.extend(files);
                    self.messages.insert(row.id(), row);
                }
                Ok(())
            }
            Task::Thread { ours, at } => {
                if at.is_some() {
                    // They come in any order: an earlier one never undoes a later one.
                    if *at < self.lane.conversation.thread_at {
                        return Ok(());
                    }
                    self.conversation_mut().thread_at = *at;
                }
                if *ours {
                    let other = matches!(
                        self.lane.conversation.handling,
                        Handling::Member { reason: HandOffReason::OtherApp, .. }
                    );
                    if other {
                        self.hand_back(By::System);
                        self.fact(FactKind::HandedBack, Actor::System, self.now);
                    }
                } else {
                    self.hand_off(None, HandOffReason::OtherApp);
                }
                Ok(())
            }
            Task::Settle { message } => self.settle(*message).await,
            Task::Idle { inquiry } => self.idle(*inquiry),
            Task::Turn { .. } | Task::Send { .. } | Task::Fetch { .. } => Ok(()),
        }
    }

    async fn find(&self, index: RecordId) -> Result<Vec<MessageRow>, AssistantError> {
        let found = self.inner.entities.messages_by(self.lease.tenant, BlindIndex(index.into_bytes())).await?;
        let lane = self.lane.conversation.id;
        Ok(found
            .into_iter()
            .filter(|row| row.conversation() == Some(lane) && !self.deleted.contains(&row.id()))
            .map(|row| self.messages.get(&row.id()).cloned().unwrap_or(row))
            .collect())
    }

    /// Returns the messages that a receipt is about, and the targets of which none is known yet.
    async fn receipt_rows(
        &self,
        targets: &[RecordId],
        up_to: Option<DateTime<Utc>>,
        tag: Option<RecordId>,
    ) -> Result<(Vec<MessageRow>, Vec<RecordId>), AssistantError> {
        let (mut rows, mut missing): (Vec<MessageRow>, _) = (Vec::new(), Vec::new());
        for index in targets.iter().copied().chain(tag) {
            let found = self.find(index).await?;
            if found.iter().all(|row| row.clear.delivery.is_none()) && tag != Some(index) {
                missing.push(index);
            }
            for row in found {
                if row.clear.delivery.is_some() && rows.iter().all(|there| there.id() != row.id()) {
                    rows.push(row);
                }
            }
        }
        if let Some(up_to) = up_to {
            let lane = self.lane.conversation.id;
            let (last, _) = self.inner.entities.last_messages(self.lease.tenant, lane, None, WATERMARK_MAX).await?;
            let sent = |row: &MessageRow| {
                use DeliveryStep::{Delivered, Played, Read, Sent};
                row.clear.delivery.as_ref().is_some_and(|delivery| {
                    // What was called and then cancelled never went out.
                    delivery.called_at.is_some_and(|at| at - WATERMARK_SKEW <= up_to)
                        && matches!(delivery.step, Sent | Delivered | Read | Played)
                        && delivery.failure.is_none()
                })
            };
            rows.extend(last.into_iter().map(|row| self.messages.get(&row.id()).cloned().unwrap_or(row)).filter(sent));
        }
        Ok((rows, missing))
    }

    /// Moves a delivery forward.
    async fn receive(&mut self, mut row: MessageRow, news: &News) -> Result<(), AssistantError> {
        let Some(delivery) = &mut row.clear.delivery else { return Ok(()) };
        let before = delivery.step;
        if !delivery.advance(news.step, news.at, news.failure) {
            return Ok(());
        }
        let actor = actor(&row.clear.author);
        if before.rank() < DeliveryStep::Sent.rank() && news.step != DeliveryStep::Failed {
            // It was in doubt, or its sending was cut short: the receipt proves that it went out.
            self.wrote(row.clear.kind, actor, news.at);
            self.report.sent += 1;
        }
        match news.step {
            DeliveryStep::Delivered => self.fact(FactKind::Delivered, actor, news.at),
            DeliveryStep::Read => self.fact(FactKind::Read, actor, news.at),
            DeliveryStep::Failed => {
                self.cancel_rest(&row).await?;
                self.fact(FactKind::SendFailed, actor, news.at);
                self.hand_off(None, HandOffReason::SendFailed);
            }
            _ => {}
        }
        let id = row.id();
        self.messages.insert(id, row);
        // A send of ours that is under way writes its own result.
        if before == DeliveryStep::InDoubt { self.unblock(id) } else { Ok(()) }
    }

    /// Takes what is no longer in doubt from the outbox, and lets the next one go.
    pub(crate) fn unblock(&mut self, id: MessageId) -> Result<(), AssistantError> {
        self.conversation_mut().outbox.retain(|there| *there != id);
        if self.lane.conversation.outbox.is_empty() {
            return Ok(());
        }
        self.enqueue(&Task::send(&self.lane.conversation), self.now, 0)
    }

    /// The platform repeated what the business sent. If we sent it, the copy goes and the send is settled; else a
    /// member wrote it on the phone, the engines fall silent, and what they have proposed is overtaken.
    async fn echo(
        &mut self,
        copy: MessageId,
        mid: Option<RecordId>,
        tag: Option<RecordId>,
        item: &WorkItem,
        task: &Task,
    ) -> Result<(), AssistantError> {
        let Some(row) = self.message(copy).await? else { return Ok(()) };
        let mut ours = None;
        for index in [mid, tag].into_iter().flatten() {
            ours = ours.or(self.find(index).await?.into_iter().find(|row| row.clear.provenance == Provenance::Sent));
        }
        if ours.is_none() {
            ours = self.doubt_that_says(&row).await?;
        }
        if let Some(mut ours) = ours {
            // Receipts to come name it by the id that the echo told us.
            for index in &row.record.lookups {
                ours.learn(*index);
            }
            // What else this step did to the copy goes with it: a batch can't change what it deletes.
            self.messages.remove(&copy);
            self.deleted.insert(copy);
            self.ops.push(WriteOp::Delete(Kind::MESSAGE, row.record.id, row.record.version));
            self.messages.insert(ours.id(), ours.clone());
            let files = self.inner.forget_files(self.lease.tenant, copy).await?;
            self.ops.extend(files);
            let news = News { step: DeliveryStep::Sent, at: row.clear.at, failure: None };
            return self.receive(ours, &news).await;
        }
        if self.now < row.clear.received_at + ECHO_GRACE && self.sending().await? {
            // Instagram tells no tag: our own call may be about to tell us this very id.
            return self.enqueue(task, self.now + PARK_FIRST, item.attempts + 1);
        }
        if says_something(row.clear.kind) {
            self.hand_off(None, HandOffReason::MemberWrote);
            self.wrote(row.clear.kind, Actor::Member(None), row.clear.at);
            self.member_wrote = true;
            // The two clocks differ a little. What was proposed since answers something else.
            let (conversation, until) = (self.lane.conversation.id, row.clear.at + CLOCK_SKEW);
            for stale in self.inner.overtaken_suggestions(self.lease.tenant, conversation, until).await? {
                // A step may look at several echoes.
                if !self.ops.contains(&stale) {
                    self.ops.push(stale);
                }
            }
        }
        Ok(())
    }

    /// Returns the message in doubt that says the same as an echo. Instagram's echoes tell no tag, and a call that lost its
    /// answer told no id; what stands in doubt in this very conversation, word for word, is what was echoed. Nothing but a
    /// doubt is settled this way: equal texts alone prove nothing. What is being sent is in doubt too: while a step looks at a
    /// conversation nobody sends in it, so whoever did is gone.
    async fn doubt_that_says(&self, echo: &MessageRow) -> Result<Option<MessageRow>, AssistantError> {
        let tenant = self.lease.tenant;
        for id in &self.lane.conversation.outbox {
            let Some(row) = self.message(*id).await?.filter(|row| !row.record.is_past(self.now)) else { continue };
            if !row.clear.delivery.as_ref().is_some_and(|delivery| is_open(delivery.step)) {
                continue;
            }
            let contact = self.lane.conversation.contact;
            let permit = self.inner.gate.permit::<Storage>(&self.tenant.tenant, contact, self.now).await?;
            let (sent, body) = self.inner.entities.message(permit.grant(), tenant, &row).await?;
            let sent = match (body, self.can()) {
                (Some(body), Some(can)) => shaped(body, &can).content(),
                _ => sent.content,
            };
            let (echoed, _) = self.inner.entities.message(permit.grant(), tenant, echo).await?;
            if sent.readable().is_some() && sent.readable() == echoed.content.readable() {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Returns whether a message of this conversation is being sent, or in doubt.
    async fn sending(&self) -> Result<bool, AssistantError> {
        for id in &self.lane.conversation.outbox {
            if let Some(row) = self.message(*id).await?
                && let Some(delivery) = &row.clear.delivery
                && is_open(delivery.step)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn edit(
        &mut self,
        target: RecordId,
        raw: Option<RecordId>,
        at: Option<DateTime<Utc>>,
        task: &Task,
        item: &WorkItem,
    ) -> Result<(), AssistantError> {
        let rows = self.find(target).await?;
        let tenant = self.lease.tenant;
        let entities = &self.inner.entities;
        if rows.is_empty() {
            if !self.park(task, item)?
                && let Some(raw) = raw
                && let Some(record) = entities.record(tenant, Kind::RAW, raw).await?
            {
                // Nobody will ask for it.
                self.ops.push(WriteOp::Delete(Kind::RAW, raw, record.version));
            }
            return Ok(());
        }
        // Without the new content there is nothing to change; the platform only said that it did.
        let Some(raw) = raw else { return Ok(()) };
        let record = entities.record(tenant, Kind::RAW, raw).await?.filter(|record| !record.is_past(self.now));
        let Some(record) = record else { return Ok(()) };
        let contact = self.lane.conversation.contact;
        let permit = self.inner.gate.permit::<Storage>(&self.tenant.tenant, contact, self.now).await?;
        let content: Content = entities.raw(permit.grant(), tenant, &record).await?;
        let tells = content.readable().and_then(special).is_some();
        for mut row in rows {
            // Edits come in any order: an earlier one never undoes a later one, and none what was taken back.
            if row.clear.kind == ContentKind::Unsent || at < row.clear.edited_at {
                continue;
            }
            self.inner.keep_before(tenant, &row).await?;
            row.clear.edited_at = at;
            if tells && row.clear.author == Author::Contact {
                let (until, files_until) = self.retention().until(row.clear.received_at, true);
                row.record.expires_at = row.record.expires_at.min(Some(until.max(self.now)));
                let files = entities.media_of(tenant, row.id()).await?.into_iter();
                self.ops.extend(files.filter_map(|file| ending_by(file, files_until.max(self.now))).map(WriteOp::Put));
            }
            entities.reseal(permit.grant(), tenant, &mut row, Change::Content(content.clone())).await?;
            self.messages.insert(row.id(), row);
        }
        self.ops.push(WriteOp::Delete(Kind::RAW, raw, record.version));
        Ok(())
    }

    /// Nobody has told what became of a message in doubt: a person must look.
    async fn settle(&mut self, message: MessageId) -> Result<(), AssistantError> {
        let Some(row) = self.message(message).await? else {
            // Past its time, and swept meanwhile: the next one goes.
            return self.unblock(message);
        };
        if row.clear.delivery.as_ref().is_some_and(|delivery| delivery.step == DeliveryStep::InDoubt) {
            self.cancel_rest(&row).await?;
            self.hand_off(None, HandOffReason::InDoubt);
            return self.unblock(message);
        }
        Ok(())
    }

    /// An inquiry that was answered and lay still for long enough has ended.
    fn idle(&mut self, inquiry: InquiryId) -> Result<(), AssistantError> {
        let idle = self.inner.config.inquiry_idle;
        let Some(row) = self.inquiry.as_ref().filter(|row| row.inquiry.id == inquiry) else { return Ok(()) };
        if row.inquiry.resolved.is_some() {
            return Ok(());
        }
        let still_since = row.inquiry.active_at;
        if row.inquiry.first_reply_at.is_none() || self.now < still_since + idle {
            let due = (still_since + idle).max(self.now + idle / 4);
            return self.enqueue(&Task::Idle { inquiry }, due, 0);
        }
        self.resolve(Resolution::Idle, Actor::System);
        Ok(())
    }

    /// Ends the inquiry; the next one begins with the engines.
    pub(crate) fn resolve(&mut self, how: Resolution, actor: Actor) {
        let now = self.now;
        if let Some(inquiry) = self.inquiry_mut() {
            inquiry.resolved = Some((now, how));
        }
        self.fact(FactKind::InquiryResolved, actor, now);
        self.hand_back(By::System);
    }

    /// The message that this is about is not here yet: look again, less and less often, until it can't come any more.
    /// Returns whether it is looked at again.
    fn park(&mut self, task: &Task, item: &WorkItem) -> Result<bool, AssistantError> {
        let (park_for, doublings_max) = match task {
            Task::Unsend { .. } => (PARK_UNSEND_FOR, PARK_UNSEND_DOUBLINGS),
            _ => (PARK_FOR, PARK_DOUBLINGS),
        };
        let doublings = item.attempts.min(doublings_max);
        let wait = PARK_FIRST * (1 << doublings);
        let waited = wait - PARK_FIRST + wait * i32::try_from(item.attempts - doublings).unwrap_or(i32::MAX);
        if waited >= park_for {
            return Ok(false);
        }
        self.enqueue(task, self.now + wait, item.attempts + 1)?;
        Ok(true)
    }
}

/// Returns whether nobody knows yet what became of a call.
const fn is_open(step: DeliveryStep) -> bool {
    matches!(step, DeliveryStep::Sending | DeliveryStep::InDoubt)
}

/// Returns who wrote, as facts say it.
pub(crate) const fn actor(author: &Author) -> Actor {
    match author {
        Author::Contact => Actor::Contact,
        Author::Member { member } => Actor::Member(*member),
        Author::Engine { .. } => Actor::Engine,
        Author::System => Actor::System,
    }
}
