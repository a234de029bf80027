//! One conversation at work: what it reads, what it changes, and the one commit at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::assistant::backlog::WorkChange;
use crate::assistant::step::StepReport;
use crate::assistant::task::{Task, bucket_of};
use crate::assistant::warm::{Known, Settings};
use crate::assistant::{AssistantError, Inner, Retention};
use crate::audit::{AuditAction, AuditDetail, Outcome};
use crate::channel::Capabilities;
use crate::entity::{AuditDraft, By, ConnectionRow, ContactRow, ConversationRow, InquiryRow, MessageRow, TenantRow};
use crate::id::{ConversationId, FactId, MemberId, MessageId, WorkId};
use crate::kpi::{Actor, Fact, FactKind};
use crate::model::{ContentKind, Conversation, HandOffReason, Handling};
use crate::privacy::{EgressRefusal, ProcessorId};
use crate::store::{Commit, Expect, Kind, Lease, Record, Refusal, WorkItem, WriteBatch, WriteOp};

/// A conversation at work.
#[derive(Debug)]
pub(crate) struct LaneRun<'a> {
    pub(crate) inner: &'a Inner,
    settings: &'a Settings,
    pub(crate) lease: Lease,
    pub(crate) now: DateTime<Utc>,
    pub(crate) tenant: Arc<TenantRow>,
    pub(crate) lane: ConversationRow,
    pub(crate) inquiry: Option<InquiryRow>,
    /// The contact, once it was read.
    contact: Option<ContactRow>,
    /// Messages that need not be read again, as they are stored or as this run has just staged them.
    pub(super) known: BTreeMap<MessageId, MessageRow>,
    /// The last messages, newest first, once they were read; `known` has them.
    tail: Option<Vec<MessageId>>,
    /// Messages that changed.
    pub(crate) messages: BTreeMap<MessageId, MessageRow>,
    /// Messages that go.
    pub(crate) deleted: BTreeSet<MessageId>,
    pub(crate) ops: Vec<WriteOp>,
    /// What else must be as it was read.
    pub(super) expects: Vec<Expect>,
    /// Events for the audit log.
    audits: Vec<AuditDraft>,
    pub(crate) report: StepReport,
    lane_changed: bool,
    inquiry_changed: bool,
    /// Something is said about the use of the contact's data: no permit holds over the commit.
    pub(crate) closes: bool,
    /// This run has heard that a member answered on the phone.
    pub(super) member_wrote: bool,
}

impl<'a> LaneRun<'a> {
    /// Reads the conversation, unless it is known; `None` if it is gone.
    pub(crate) async fn open(
        inner: &'a Inner,
        settings: &'a Settings,
        lease: Lease,
        conversation: ConversationId,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, AssistantError> {
        let known = inner.warm().take(lease.tenant, conversation, now);
        let Known { lane, inquiry, contact, messages } = match known {
            Some(known) => known,
            None => {
                let Some(lane) = inner.entities.conversation_row(lease.tenant, conversation.into()).await? else {
                    return Ok(None);
                };
                let inquiry = inner.entities.inquiry(lease.tenant, lane.conversation.inquiry).await?;
                Known { lane, inquiry, contact: None, messages: BTreeMap::new() }
            }
        };
        let tenant = settings.tenant(inner, lease.tenant).await?;
        Ok(Some(Self {
            inner,
            settings,
            lease,
            now,
            tenant,
            lane,
            inquiry,
            contact,
            known: messages,
            tail: None,
            messages: BTreeMap::new(),
            deleted: BTreeSet::new(),
            ops: Vec::new(),
            expects: Vec::new(),
            audits: Vec::new(),
            report: StepReport::default(),
            lane_changed: false,
            inquiry_changed: false,
            closes: false,
            member_wrote: false,
        }))
    }

    /// Returns how long things of the tenant are kept.
    pub(super) fn retention(&self) -> Retention {
        self.inner.config.retention.of(&self.tenant.tenant.retention)
    }

    /// Returns whether nothing leaves, since a breach is being contained.
    pub(super) fn is_contained(&self) -> bool {
        self.inner.gate.lets_out(&self.tenant.tenant).is_err()
    }

    /// Returns the connection that the conversation is held through.
    pub(super) async fn connection(&self) -> Result<Arc<ConnectionRow>, AssistantError> {
        self.settings.connection(self.inner, self.lease.tenant, self.lane.conversation.connection).await
    }

    /// Returns what the channel can; `None` where the host gave none of this kind.
    pub(super) fn can(&self) -> Option<Capabilities> {
        self.inner.channels.get(&self.lane.conversation.channel).map(|channel| channel.capabilities())
    }

    /// Returns the contact; `None` if it is gone.
    pub(super) async fn contact(&mut self) -> Result<Option<ContactRow>, AssistantError> {
        if self.contact.is_none() {
            let id = self.lane.conversation.contact;
            self.contact = self.inner.entities.contact_row(self.lease.tenant, id).await?;
        }
        Ok(self.contact.clone())
    }

    /// Marks the conversation as changed and hands it out.
    pub(crate) const fn conversation_mut(&mut self) -> &mut Conversation {
        self.lane_changed = true;
        &mut self.lane.conversation
    }

    /// Marks the inquiry as changed and hands it out.
    pub(crate) fn inquiry_mut(&mut self) -> Option<&mut crate::model::Inquiry> {
        self.inquiry_changed = true;
        self.inquiry.as_mut().map(|row| &mut row.inquiry)
    }

    /// Begins an inquiry.
    pub(crate) fn begin(&mut self, row: InquiryRow) {
        self.inquiry = Some(row);
        self.inquiry_changed = true;
    }

    /// Takes a piece of work off the list.
    pub(crate) fn complete(&mut self, item: &WorkItem) {
        self.ops.push(WriteOp::Complete(item.key));
    }

    /// Puts a piece of work on the list.
    pub(crate) fn enqueue(&mut self, task: &Task, due: DateTime<Utc>, attempts: u32) -> Result<(), AssistantError> {
        let id = WorkId::from_uuid(self.inner.ids.time_ordered(self.now));
        let lane = self.lane.conversation.id;
        let bucket = bucket_of(lane, self.tenant.tenant.buckets);
        self.ops.push(WriteOp::Enqueue(task.item(bucket, lane, due, id, attempts)?));
        Ok(())
    }

    /// Notes what happened, in the inquiry that is open.
    pub(crate) fn fact(&mut self, kind: FactKind, actor: Actor, at: DateTime<Utc>) {
        let open = self.inquiry.as_ref().filter(|row| {
            row.inquiry.resolved.is_none() || matches!(kind, FactKind::InquiryResolved | FactKind::InquiryReopened)
        });
        let fact = Fact {
            id: FactId::from_uuid(self.inner.ids.time_ordered(at)),
            at,
            kind,
            actor,
            connection: self.lane.conversation.connection,
            conversation: self.lane.conversation.id,
            inquiry: open.map(|row| row.inquiry.id),
        };
        self.ops.push(WriteOp::Append(fact));
    }

    /// Notes that the business wrote, in the facts and in the inquiry, if it is a message that went out.
    pub(crate) fn wrote(&mut self, kind: ContentKind, actor: Actor, at: DateTime<Utc>) {
        if !says_something(kind) {
            return;
        }
        self.fact(FactKind::MessageOut, actor, at);
        let conversation = self.conversation_mut();
        conversation.active_at = conversation.active_at.max(at);
        if actor == Actor::System || self.inquiry.as_ref().is_none_or(|row| row.inquiry.resolved.is_some()) {
            return;
        }
        if let Some(inquiry) = self.inquiry_mut() {
            inquiry.active_at = inquiry.active_at.max(at);
            inquiry.first_reply_at.get_or_insert(at);
            if matches!(actor, Actor::Member(_)) {
                inquiry.first_member_reply_at.get_or_insert(at);
            }
        }
    }

    /// Gives the conversation to a person. Where a person has it already only a name is added.
    pub(crate) fn hand_off(&mut self, member: Option<MemberId>, reason: HandOffReason) {
        let now = self.now;
        match &mut self.conversation_mut().handling {
            Handling::Member { member: holder, .. } => *holder = holder.or(member),
            handling @ Handling::Engine => {
                *handling = Handling::Member { member, reason, since: now };
                let actor = if reason == HandOffReason::MemberWrote { Actor::Member(member) } else { Actor::System };
                self.fact(FactKind::HandedOff, actor, now);
                match actor {
                    Actor::Member(member) => self.audit(AuditAction::TakenOver, By::Member(member), None),
                    _ => self.audit(AuditAction::HandedOff, By::System, Some(AuditDetail::HandOff { reason })),
                }
                self.report.handed_off += 1;
            }
        }
    }

    /// Gives the conversation back to the engines, if a person has it.
    pub(crate) fn hand_back(&mut self, by: By) {
        if !self.lane.conversation.engine_handles() {
            self.conversation_mut().handling = Handling::Engine;
            self.audit(AuditAction::HandedBack, by, None);
        }
    }

    /// Notes in the audit log what becomes of the conversation with this commit.
    fn audit(&mut self, action: AuditAction, by: By, detail: Option<AuditDetail>) {
        let Conversation { id, contact, .. } = self.lane.conversation;
        let draft = AuditDraft::new(action, by, contact.0).to(Kind::CONVERSATION, id);
        self.audits.push(match detail {
            Some(detail) => draft.detail(detail),
            None => draft,
        });
    }

    /// Notes in the audit log that a processor got nothing of the conversation.
    pub(super) fn egress_refused(&mut self, processor: ProcessorId, refusal: EgressRefusal) {
        let Conversation { id, contact, .. } = self.lane.conversation;
        let draft = AuditDraft::new(AuditAction::EgressRefused, By::System, contact.0).to(Kind::CONVERSATION, id);
        self.audits.push(draft.outcome(Outcome::Denied).detail(AuditDetail::Egress { processor, refusal }));
    }

    /// Forgets that the inquiry has said that answers are automatic, if it was this message that should have; returns
    /// whether it was.
    pub(crate) fn undisclose(&mut self, row: &MessageRow) -> bool {
        let Some(inquiry) = self.inquiry.as_mut().filter(|inquiry| inquiry.disclosed_by(row)) else { return false };
        inquiry.inquiry.disclosed_at = None;
        self.inquiry_changed = true;
        true
    }

    /// Returns a message, changed in this run or as it is stored.
    pub(crate) async fn message(&self, id: MessageId) -> Result<Option<MessageRow>, AssistantError> {
        match self.messages.get(&id).or_else(|| self.known.get(&id)) {
            Some(row) => Ok(Some(row.clone())),
            None => Ok(self.inner.entities.message_row(self.lease.tenant, id).await?),
        }
    }

    /// Reads so many of the last messages, unless that was done.
    pub(super) async fn read_tail(&mut self, limit: usize) -> Result<(), AssistantError> {
        if self.tail.is_none() {
            let lane = self.lane.conversation.id;
            let (rows, _) = self.inner.entities.last_messages(self.lease.tenant, lane, None, limit).await?;
            self.tail = Some(rows.iter().map(MessageRow::id).collect());
            self.known.extend(rows.into_iter().map(|row| (row.id(), row)));
        }
        Ok(())
    }

    /// Returns the last messages that were read, oldest first, as this run leaves them.
    pub(super) fn tail(&self) -> impl Iterator<Item = &MessageRow> {
        let ids = self.tail.iter().flatten().rev().filter(|id| !self.deleted.contains(id));
        ids.filter_map(|id| self.messages.get(id).or_else(|| self.known.get(id)))
    }

    /// Puts a new message among those that are written.
    pub(super) fn add(&mut self, record: Record) -> Result<(), AssistantError> {
        let row = MessageRow::read(record)?;
        self.ops.push(WriteOp::Put(row.record.clone()));
        self.known.insert(row.id(), row);
        Ok(())
    }

    /// Commits everything under the lease's fence. What was read and changed by somebody else meanwhile, or a lost
    /// lease, makes it nothing: [`AssistantError::Conflict`].
    pub(crate) async fn commit(mut self) -> Result<StepReport, AssistantError> {
        for draft in std::mem::take(&mut self.audits) {
            self.ops.extend(self.inner.audit(self.lease.tenant, draft).await?);
        }
        let now = self.inner.clock.now();
        let owner = Expect::Owner { bucket: self.lease.bucket, fence: self.lease.fence, at: now };
        let mut batch = WriteBatch::new(self.lease.tenant).expect(owner);
        if self.lane_changed {
            batch.ops.push(WriteOp::Put(self.lane.stage()?));
        } else {
            batch.expects.push(self.lane.unchanged());
        }
        match &mut self.inquiry {
            Some(inquiry) if self.inquiry_changed => batch.ops.push(WriteOp::Put(inquiry.stage()?)),
            Some(inquiry) => batch.expects.push(inquiry.unchanged()),
            None => {}
        }
        batch.expects.extend(self.contact.iter().map(ContactRow::unchanged));
        batch.expects.append(&mut self.expects);
        let mut known = self.known;
        for (id, mut row) in self.messages {
            batch.ops.push(WriteOp::Put(row.stage()?.clone()));
            known.insert(id, row);
        }
        batch.ops.append(&mut self.ops);
        let contact = self.lane.conversation.contact.0;
        let _closed = self.inner.gate.close(self.lease.tenant, self.closes.then_some(contact));
        self.inner.commit_owned(&self.lease, batch).await?;
        known.retain(|id, _| self.lane.conversation.outbox.contains(id));
        let known = Known { lane: self.lane, inquiry: self.inquiry, contact: self.contact, messages: known };
        self.inner.warm().put(self.lease.tenant, known, now);
        Ok(self.report)
    }
}

/// Returns whether what the business sent says something: a reaction answers nothing, and a read mark is no message.
pub(super) const fn says_something(kind: ContentKind) -> bool {
    !matches!(kind, ContentKind::Reaction | ContentKind::Placeholder)
}

impl Inner {
    /// Commits a batch whose first expectation is the lease's.
    pub(crate) async fn commit_owned(&self, lease: &Lease, batch: WriteBatch) -> Result<(), AssistantError> {
        let work = WorkChange::of(&batch.ops);
        let commit = self.entities.store.commit(batch).await;
        let horizon = self.horizon(self.clock.now());
        let mut lanes = self.lanes();
        match commit {
            Ok(Commit::Done) => {
                lanes.committed(lease, work, horizon);
                Ok(())
            }
            Err(error) => {
                lanes.doubt(lease);
                Err(error.into())
            }
            Ok(Commit::Refused(refusals)) => {
                lanes.doubt(lease);
                if refusals.contains(&Refusal::Expect(0)) {
                    lanes.lost(lease);
                }
                Err(AssistantError::Conflict("conversation"))
            }
        }
    }
}
