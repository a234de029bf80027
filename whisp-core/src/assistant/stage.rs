//! Stages items for one commit: what each becomes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::assistant::identity::Held;
use crate::assistant::ingest::{Account, Incoming};
use crate::assistant::people::Person;
use crate::assistant::task::{Task, bucket_of};
use crate::assistant::{AssistantError, Inner};
use crate::entity::{Alias, MessageDraft, MessageRow, RawDraft, Said};
use crate::find::special;
use crate::id::{ConnectionId, ContactId, ConversationId, MessageId, RecordId, SubjectId, TenantId, WorkId};
use crate::model::{Author, Content, ContentKind, Provenance};
use crate::privacy::{Act, Purpose};
use crate::store::{BlindIndex, DedupKey, Expect, Kind, RECORD_MAX, Record, WriteBatch, WriteOp};
use crate::vault::IndexField;
use crate::webhook::{ContactRef, Delivery, Event, Item, MessageEvent, Receipt, ReceiptTarget};

/// How long an item may come late or again, and is remembered. Meta delivers again for up to 7 days (WhatsApp, webhooks
/// overview, 29 April 2026).
pub(crate) const LATE_MAX: TimeDelta = TimeDelta::days(9);

/// By how much the platform's clock and ours may differ.
pub(crate) const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(10);

/// Items on their way into one batch.
pub(crate) struct Stage<'a> {
    pub(super) inner: &'a Inner,
    pub(super) now: DateTime<Utc>,
    received_at: DateTime<Utc>,
    /// Whose the handles are that the items tell.
    pub(super) handles: BTreeMap<RecordId, Held>,
    /// The connections that the items came by.
    connections: BTreeSet<ConnectionId>,
    seen: BTreeSet<DedupKey>,
    /// Which item is staged.
    current: usize,
    pub(super) people: BTreeMap<ContactId, Person>,
    /// Conversations that this batch begins, and when by the platform's clock.
    pub(super) begun: BTreeMap<ConversationId, DateTime<Utc>>,
    /// Contacts that were erased, and of whom not every record is deleted yet: their handles lead nowhere.
    pub(super) gone: &'a BTreeSet<ContactId>,
    /// The contact that was found last.
    pub(super) met: Option<ContactId>,
    /// The time of the last statement about a person that this batch writes.
    pub(super) statements: BTreeMap<SubjectId, DateTime<Utc>>,
    /// Of whom this batch writes that they have stopped marketing messages.
    pub(super) opted_out: BTreeSet<ContactId>,
    pub(super) staged: Staged,
}

/// A batch, and what it does.
pub(crate) struct Staged {
    pub(crate) batch: WriteBatch,
    /// For each expectation what it means where it fails.
    pub(crate) origins: Vec<Origin>,
    /// People whose standing changes with the commit.
    pub(crate) about: Vec<SubjectId>,
    pub(crate) stored: usize,
    pub(crate) duplicates: usize,
    pub(crate) ignored: usize,
}

/// What it means where an expectation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This item is a duplicate.
    Item(usize),
    /// The connection changed: its account may be another tenant's by now.
    Connection(ConnectionId),
    /// Somebody changed what was read.
    Read,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(inner: &'a Inner, tenant: TenantId, delivery: &Delivery, gone: &'a BTreeSet<ContactId>) -> Self {
        Self {
            inner,
            now: inner.clock.now(),
            received_at: delivery.received_at,
            handles: BTreeMap::new(),
            connections: BTreeSet::new(),
            seen: BTreeSet::new(),
            current: 0,
            people: BTreeMap::new(),
            begun: BTreeMap::new(),
            gone,
            met: None,
            statements: BTreeMap::new(),
            opted_out: BTreeSet::new(),
            staged: Staged {
                batch: WriteBatch::new(tenant),
                origins: Vec::new(),
                about: Vec::new(),
                stored: 0,
                duplicates: 0,
                ignored: 0,
            },
        }
    }

    pub(crate) fn finish(self) -> Staged {
        self.staged
    }

    /// Returns the contact that was found last.
    pub(crate) const fn met(&self) -> Option<ContactId> {
        self.met
    }

    /// Stages one item.
    pub(crate) async fn add(&mut self, index: usize, (account, item): &Incoming<'_>) -> Result<(), AssistantError> {
        self.current = index;
        let keys = self.dedup_keys(account, item).await?;
        if keys.iter().any(|key| self.seen.contains(key)) {
            self.staged.duplicates += 1;
            return Ok(());
        }
        self.seen.extend(keys.iter().copied());
        if self.is_kept(account, item).await? {
            self.staged.duplicates += 1;
            return Ok(());
        }
        let is_stored = self.event(account, item).await?;
        if self.connections.insert(account.connection) {
            let unchanged = Expect::Version(Kind::CONNECTION, account.connection.into(), account.version);
            self.staged.batch.expects.push(unchanged);
            self.staged.origins.push(Origin::Connection(account.connection));
        }
        if !is_stored {
            self.staged.ignored += 1;
            return Ok(());
        }
        self.staged.stored += 1;
        for key in keys {
            self.staged.batch.expects.push(Expect::Unseen { key, at: self.now });
            self.staged.origins.push(Origin::Item(index));
            self.op(WriteOp::Remember { key, until: self.now + LATE_MAX });
        }
        Ok(())
    }

    /// Returns when it happened. What is said to happen later than now would stay on top of everything for ever, and hold
    /// the messaging window open.
    pub(super) fn at(&self, item: &Item) -> DateTime<Utc> {
        item.at.min(self.now)
    }

    /// Returns when it happened by the platform's clock, for what is put in order by that.
    pub(super) fn told_at(&self, item: &Item) -> DateTime<Utc> {
        item.at.min(self.now + CLOCK_SKEW)
    }

    /// Returns whether a message of imported history is here already: an account that is connected again tells its
    /// history again, long after the items were forgotten. What was taken back is known by what is left of it.
    async fn is_kept(&self, account: &Account, item: &Item) -> Result<bool, AssistantError> {
        let Event::Message(message) = &item.event else { return Ok(false) };
        let Some(id) = message.id.as_ref().filter(|_| item.provenance == Provenance::History) else { return Ok(false) };
        let tenant = self.staged.batch.tenant;
        let index = self.inner.entities.platform_index(tenant, account.connection, id).await?;
        let there = self.inner.entities.messages_by(tenant, index).await?;
        // Media follow under the id of their placeholder.
        Ok(there.iter().any(|row| row.clear.kind != ContentKind::Placeholder))
    }

    /// Stages what happened; returns whether there was anything to write.
    async fn event(&mut self, account: &Account, item: &Item) -> Result<bool, AssistantError> {
        match &item.event {
            Event::Message(message) if message.extras.group.is_none() && !message.contact.handles.is_empty() => {
                self.message(account, item, message).await
            }
            Event::Edited { contact, target, content } => {
                let at = self.told_at(item);
                let target = self.platform_index(account, target).await?;
                let Some(alias) = self.conversation_of(account, contact.as_ref(), target, at).await? else {
                    return Ok(false);
                };
                let raw = match content {
                    // It is what a message says, and waits as long as nobody works: days, where all workers are down.
                    Some(content) => {
                        let keep = account.retention.messages;
                        self.raw(account, Some(alias), "edit", content, (item.at, keep)).await?
                    }
                    None => None,
                };
                if let Some(content) = content {
                    self.edited(alias, target, item, content).await?;
                }
                self.work(account, alias.conversation, self.now, &Task::Edit { target, raw, at: Some(at) })?;
                Ok(true)
            }
            Event::Unsent { contact, target } => {
                let target = self.platform_index(account, target).await?;
                let at = self.told_at(item);
                match self.conversation_of(account, contact.as_ref(), target, at).await? {
                    Some(alias) => self.work(account, alias.conversation, self.now, &Task::Unsend { target })?,
                    None => self.unsent_before(account, contact.as_ref(), target).await?,
                }
                Ok(true)
            }
            Event::Receipt(receipt) => self.receipt(account, item, receipt).await,
            Event::Thread { contact, ours } => {
                let at = self.told_at(item);
                let Some(alias) = self.known(account, contact.as_ref(), at).await? else { return Ok(false) };
                self.work(account, alias.conversation, self.now, &Task::Thread { ours: *ours, at: Some(at) })?;
                Ok(true)
            }
            Event::IdentityChanged { old, new } => self.changed(account, old, new, self.told_at(item)).await,
            Event::Preference { contact, wanted, .. } => {
                let at = self.told_at(item);
                let alias = if *wanted || contact.handles.is_empty() {
                    self.known(account, Some(contact), at).await?
                } else {
                    // A no holds, also of somebody of whom nothing else is known.
                    self.resolve(account, contact, at).await?
                };
                let Some(alias) = alias else { return Ok(false) };
                let (who, what) = (alias.contact.0, Purpose::DirectMarketing);
                if *wanted {
                    self.agreed(who, what, at, Act::Platform).await?;
                } else {
                    self.consent(who, what, false, Act::Platform).await?;
                }
                Ok(true)
            }
            Event::Unknown { kind, contact, raw } => {
                let alias = match contact.as_ref().filter(|contact| !contact.handles.is_empty()) {
                    // Under a key of their own, also of somebody new: it goes when they are erased.
                    Some(contact) => match self.resolve(account, contact, self.told_at(item)).await? {
                        Some(alias) => Some(alias),
                        None => return Ok(false),
                    },
                    None => None,
                };
                let topic = kind.as_deref().unwrap_or("unknown");
                let keep = self.inner.config.retention.raw;
                Ok(self.raw(account, alias, topic, raw, (item.at, keep)).await?.is_some())
            }
            Event::Notice { topic, raw } => {
                let keep = self.inner.config.retention.raw;
                Ok(self.raw(account, None, topic, raw, (item.at, keep)).await?.is_some())
            }
            // Comments, referrals without a message, groups, address books, progress, failures that belong to no message: the
            // host reads them in the delivery; they are no part of a conversation and are not kept.
            _ => Ok(false),
        }
    }

    /// Notes that a message was taken back of which nobody is known yet: an unsend overtook the first message of a contact.
    /// Nothing about the contact is written for it, because perhaps nothing comes; if the message does, it is left out.
    async fn unsent_before(
        &mut self,
        account: &Account,
        contact: Option<&ContactRef>,
        target: RecordId,
    ) -> Result<(), AssistantError> {
        let tenant = self.staged.batch.tenant;
        for handle in contact.into_iter().flat_map(|contact| &contact.handles) {
            // The message may be taken in this moment, and its contact with it.
            let keys = self.inner.entities.alias_keys(tenant, account.connection, &account.handles, handle).await?;
            if self.handles.get(&keys.newest).is_none_or(Held::is_free) {
                keys.all().for_each(|key| self.expect(Expect::Absent(Kind::ALIAS, key)));
            }
        }
        let key = unsent_key(target);
        self.seen.insert(key);
        self.op(WriteOp::Remember { key, until: self.now + LATE_MAX });
        Ok(())
    }

    async fn message(&mut self, account: &Account, item: &Item, event: &MessageEvent) -> Result<bool, AssistantError> {
        let tenant = self.staged.batch.tenant;
        let entities = &self.inner.entities;
        let mid = match &event.id {
            Some(id) => Some(entities.platform_index(tenant, account.connection, id).await?),
            None => None,
        };
        let tag = match &event.extras.tag {
            Some(tag) => Some(entities.tag_index(tenant, tag).await?),
            None => None,
        };
        if let Some(mid) = mid.filter(|_| item.provenance == Provenance::Live) {
            let key = unsent_key(RecordId::from_bytes(mid.0));
            if self.seen.contains(&key) {
                return Ok(false);
            }
            // Seen: it was taken back before it came, and goes as a duplicate does.
            self.staged.batch.expects.push(Expect::Unseen { key, at: self.now });
            self.staged.origins.push(Origin::Item(self.current));
        }
        let alias = self.resolve(account, &event.contact, self.told_at(item)).await?;
        let echo = item.provenance == Provenance::Echo;
        if echo {
            // The echo of a message that we sent and know: no second copy, only the news that it went out.
            for index in [mid, tag].into_iter().flatten() {
                let ours = entities.messages_by(tenant, index).await?;
                if let Some(row) = ours.iter().find(|row| row.clear.provenance == Provenance::Sent) {
                    let task = Task::Receipt {
                        targets: mid.map(|mid| RecordId::from_bytes(mid.0)).into_iter().collect(),
                        up_to: None,
                        tag: tag.map(|tag| RecordId::from_bytes(tag.0)),
                        step: crate::model::DeliveryStep::Sent,
                        at: self.at(item),
                        failure: None,
                    };
                    let conversation = row.conversation().or(alias.map(|alias| alias.conversation));
                    let Some(conversation) = conversation else { return Ok(false) };
                    self.work(account, conversation, self.now, &task)?;
                    return Ok(true);
                }
            }
        }
        let Some(alias) = alias else { return Ok(false) };
        let id = MessageId::from_uuid(self.inner.ids.time_ordered(self.now));
        let outgoing = event.outgoing || echo;
        let tells = !outgoing && event.content.readable().and_then(special).is_some();
        let (expires_at, files_until) = account.retention.until(self.now, tells);
        let mut draft = MessageDraft {
            id,
            connection: account.connection,
            conversation: alias.conversation,
            contact: alias.contact,
            author: if outgoing { Author::Member { member: None } } else { Author::Contact },
            provenance: item.provenance,
            said: Said::In(event.content.clone()),
            platform_id: event.id.clone(),
            handle: event.contact.handles.first().cloned(),
            reply_to: event.extras.reply_to.clone(),
            story: event.extras.story.clone(),
            note: None,
            at: self.at(item),
            received_at: self.received_at,
            inquiry: None,
            delivery: None,
            tag: None,
            for_rights: false,
            expires_at: Some(expires_at),
        };
        let mut record = entities.new_message(tenant, &draft).await?;
        if too_large(&record) {
            // Refusing it would refuse its siblings too, at every redelivery.
            draft.said = Said::In(Content::Unsupported { kind: Some("too_large".to_owned()), code: None });
            record = entities.new_message(tenant, &draft).await?;
        }
        self.op(WriteOp::Put(record));
        self.files(account, item, &draft, files_until).await?;
        if let Some(raw) = &event.extras.raw {
            let keep = self.inner.config.retention.raw;
            self.raw(account, Some(alias), "message", raw, (item.at, keep)).await?;
        }
        match item.provenance {
            Provenance::Live if !outgoing => self.live(account, alias, id, item, &event.content).await?,
            Provenance::Echo => {
                let index = |index: Option<BlindIndex>| index.map(|i| RecordId::from_bytes(i.0));
                let task = Task::Echo { message: id, mid: index(mid), tag: index(tag) };
                self.work(account, alias.conversation, self.now, &task)?;
            }
            _ => {}
        }
        Ok(true)
    }

    async fn receipt(&mut self, account: &Account, item: &Item, receipt: &Receipt) -> Result<bool, AssistantError> {
        let tenant = self.staged.batch.tenant;
        let entities = &self.inner.entities;
        let (mut targets, mut up_to) = (Vec::new(), None);
        match &receipt.target {
            ReceiptTarget::Messages(ids) => {
                for id in ids {
                    targets.push(entities.platform_index(tenant, account.connection, id).await?);
                }
            }
            ReceiptTarget::UpTo(time) => up_to = Some(*time),
        }
        let tag = match &receipt.tag {
            Some(tag) => Some(entities.tag_index(tenant, tag).await?),
            None => None,
        };
        // Where the message stands is where the receipt belongs, whoever has the contact's number by now.
        let mut row = None;
        for index in targets.iter().copied().chain(tag) {
            let found = entities.messages_by(tenant, index).await?.into_iter().next();
            row = found.filter(|row| row.conversation().is_some());
            if row.is_some() {
                break;
            }
        }
        let known = match &row {
            Some(_) => None,
            None => self.known(account, receipt.contact.as_ref(), self.told_at(item)).await?,
        };
        let there = row.as_ref().and_then(MessageRow::conversation);
        let Some(conversation) = there.or(known.map(|alias| alias.conversation)) else { return Ok(false) };
        if receipt.opted_out {
            self.opted_out(row.as_ref(), known, self.told_at(item)).await?;
        }
        let task = Task::Receipt {
            targets: targets.into_iter().map(|index| RecordId::from_bytes(index.0)).collect(),
            up_to,
            tag: tag.map(|tag| RecordId::from_bytes(tag.0)),
            step: receipt.step,
            at: self.at(item),
            failure: receipt.failure,
        };
        self.work(account, conversation, self.now, &task)?;
        Ok(true)
    }

    /// Keeps something as it came, sealed, for so long; `None` if it is larger than a record may be.
    async fn raw<T: serde::Serialize + Sync>(
        &mut self,
        account: &Account,
        alias: Option<Alias>,
        topic: &str,
        value: &T,
        (at, keep): (DateTime<Utc>, TimeDelta),
    ) -> Result<Option<RecordId>, AssistantError> {
        let id = self.inner.record_id();
        let draft = RawDraft {
            id,
            subject: alias.map_or(account.holder, |alias| alias.contact.0),
            topic,
            value,
            at,
            expires_at: self.now + keep,
        };
        let record = self.inner.entities.new_raw(self.staged.batch.tenant, &draft).await?;
        if too_large(&record) {
            return Ok(None);
        }
        self.op(WriteOp::Put(record));
        Ok(Some(id))
    }

    pub(super) fn work(
        &mut self,
        account: &Account,
        lane: ConversationId,
        due: DateTime<Utc>,
        task: &Task,
    ) -> Result<(), AssistantError> {
        let bucket = bucket_of(lane, account.buckets);
        let id = WorkId::from_uuid(self.inner.ids.time_ordered(self.now));
        self.op(WriteOp::Enqueue(task.item(bucket, lane, due, id, 0)?));
        Ok(())
    }

    pub(super) fn op(&mut self, op: WriteOp) {
        self.staged.batch.ops.push(op);
    }

    /// Adds an expectation about what was read.
    pub(super) fn expect(&mut self, expect: Expect) {
        self.staged.batch.expects.push(expect);
        self.staged.origins.push(Origin::Read);
    }

    /// A redelivery repeats the platform's time. Where the platform told none the item carries the time of receipt,
    /// which it would not repeat, so the key leaves it out. The platform may also have told the very time at which we
    /// received it: nobody can tell the two apart, so such an item is known by both keys.
    async fn dedup_keys(&self, account: &Account, item: &Item) -> Result<Vec<DedupKey>, AssistantError> {
        let mut value = Vec::with_capacity(96);
        value.extend(account.connection.into_bytes());
        value.extend(item.dedup.expose().as_bytes());
        let digest = self.inner.entities.vault.index(self.staged.batch.tenant, IndexField::Dedup, &value).await?;
        let told = DedupKey { second: item.at.timestamp(), digest: digest.0 };
        Ok(if item.at == self.received_at { vec![DedupKey { second: 0, ..told }, told] } else { vec![told] })
    }
}

/// Returns the key by which a message is known that was taken back before it came. It has no time: an unsend tells its own.
pub(super) fn unsent_key(target: RecordId) -> DedupKey {
    let mut digest = [0; 32];
    digest.iter_mut().zip(target.into_bytes()).for_each(|(to, from)| *to = from);
    DedupKey { second: 0, digest }
}

/// Returns whether no store would take a record.
pub(in crate::assistant) const fn too_large(record: &Record) -> bool {
    record.clear.0.len() + record.sealed.0.len() > RECORD_MAX
}
