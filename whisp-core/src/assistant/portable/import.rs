//! Takes a copy in that somebody brought from elsewhere.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::PortableCopy;
use super::read::{CopiedMessage, CopiedStatement};
use crate::assistant::admin::CLOSING;
use crate::assistant::desk::{Desk, TRIES_MAX};
use crate::assistant::stage::too_large;
use crate::assistant::{AssistantError, Inner, Retention};
use crate::audit::AuditAction;
use crate::entity::{Alias, AuditDraft, ConversationRow, Entities, Holder, MessageDraft, Said};
use crate::find::special;
use crate::id::{ConnectionId, ContactId, ConversationId, MessageId, RecordId, SubjectId, TenantId};
use crate::model::{
    Author, Contact, Conversation, Delivery, DeliveryStep, HandOffReason, Handling, Provenance, Tenant,
};
use crate::privacy::{AccessAction, Act, StatementEvent};
use crate::store::{Commit, Expect, Kind, Record, WriteBatch, WriteOp};

/// How many records one commit takes in.
const CHUNK_MAX: usize = 256;

/// What became of a copy that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Who the person is here.
    pub contact: ContactId,
    /// Where their messages are.
    pub conversation: ConversationId,
    /// Messages written.
    pub messages: usize,
    /// Statements written.
    pub statements: usize,
    /// Messages and statements that were here already.
    pub there: usize,
    /// What stays with whoever wrote the copy, how many lines of each kind: what they did with the data, and the files, of
    /// which the messages keep the reference alone.
    pub left: BTreeMap<String, u64>,
}

/// A copy on its way in.
struct Import<'a> {
    inner: &'a Inner,
    tenant: TenantId,
    settings: &'a Tenant,
    connection: ConnectionId,
    copy: &'a PortableCopy,
    retention: Retention,
    now: DateTime<Utc>,
}

/// Where it goes.
struct Target {
    alias: Alias,
    /// What holds as long as nobody erases them meanwhile.
    expects: Vec<Expect>,
    /// What makes them known, for somebody who is not yet.
    ops: Vec<WriteOp>,
}

impl Desk {
    /// Takes a copy in as a contact of a connection with a conversation, sealed under a key of their own: somebody who was a
    /// client elsewhere brings along what they wrote there and what was written to them.
    ///
    /// Nothing of it is live: its messages say that they are [imported](Provenance::Imported), no engine sees or answers them,
    /// they open no messaging window, and no number counts them. What the person agreed to was said to somebody else: it is in
    /// their log, and is no consent here, while what they refused, objected to or had restricted holds here too
    /// ([`Act::Imported`]). Times stay as they were, ids are new; of members only that it was one is kept.
    ///
    /// Nobody else may be known by one of their ids on the platform: two people are never made one. Importing the same copy again
    /// changes nothing, and goes on where an earlier call was cut short.
    ///
    /// Verify first who brings it: it says of itself whose it is.
    ///
    /// # Errors
    /// Before anything is written: [`AssistantError::NotFound`] if there is no such connection;
    /// [`Forbidden`](AssistantError::Forbidden); [`Invalid`](AssistantError::Invalid) if the copy is of another channel, names
    /// no id of the person, holds a message that is too large, somebody is known by one of the ids already, or the account is to
    /// be [closed](Desk::close). Else [`Conflict`](AssistantError::Conflict); by the store and the vault.
    ///
    /// # Cancellation
    /// A part is there, or nothing: repeat the call.
    pub async fn import(&self, connection: ConnectionId, copy: &PortableCopy) -> Result<Imported, AssistantError> {
        self.may(AccessAction::Rights).await?;
        let (inner, tenant) = (&self.assistant.inner, self.tenant);
        let settings = inner.entities.tenant(tenant).await?.tenant;
        if settings.closing.is_some() {
            return Err(CLOSING);
        }
        let row = inner.entities.connection_row(tenant, connection).await?;
        let channel = &row.clear.channel;
        if copy.conversations.iter().any(|conversation| conversation.channel != *channel) {
            return Err(AssistantError::Invalid("the copy is of another channel than the connection"));
        }
        if copy.contact.handles.is_empty() {
            return Err(AssistantError::Invalid("the copy names no id of the person on the platform"));
        }
        let retention = inner.config.retention.of(&settings.retention);
        let import = Import { inner, tenant, settings: &settings, connection, copy, retention, now: inner.clock.now() };
        for _ in 0..TRIES_MAX {
            let target = import.target().await?;
            let audit =
                inner.audit(tenant, AuditDraft::new(AuditAction::Imported, self.whom(), target.alias.contact.0));
            if let Some(imported) = import.write(target, audit.await?).await? {
                return Ok(imported);
            }
        }
        Err(AssistantError::Conflict("contact"))
    }
}

impl Import<'_> {
    /// Finds where an earlier import of the copy put it, or stages a contact and a conversation.
    async fn target(&self) -> Result<Target, AssistantError> {
        let entities = &self.inner.entities;
        let mut handles = BTreeMap::new();
        let row = entities.connection_row(self.tenant, self.connection).await?;
        let keys = self.inner.handle_keys(self.settings, &row.clear.handles).await?;
        for handle in &self.copy.contact.handles {
            let places = entities.alias_keys(self.tenant, self.connection, &keys, handle).await?;
            handles.insert(places.newest, entities.stored_handle(self.tenant, places).await?);
        }
        let mut known = handles.values().filter_map(|stored| stored.holder.map(|holder| holder.alias));
        if let Some(alias) = known.next() {
            if known.any(|other| other != alias) || !self.is_of_copy(alias).await? {
                return Err(AssistantError::Invalid("somebody is known here by one of the ids in the copy"));
            }
            return Ok(Target { alias, expects: vec![self.still(alias).await?], ops: Vec::new() });
        }
        drop(known);
        let subject = SubjectId::from_uuid(self.inner.ids.random());
        entities.vault.provision(self.tenant, &[subject]).await?;
        let conversation = ConversationId::from_uuid(self.inner.ids.time_ordered(self.now));
        let alias = Alias { contact: ContactId(subject), conversation };
        let (mut expects, mut ops) = (vec![row.unchanged()], Vec::new());
        for (key, stored) in handles {
            if stored.former.is_none() {
                expects.push(Expect::Absent(Kind::FORMER_ALIAS, key));
            }
            expects.extend(stored.expects);
            ops.extend(stored.moves);
            // Whoever had it before is not who has it now.
            let since = stored.former.map(|(former, _)| former.until);
            // Refused where somebody has it by then.
            ops.push(WriteOp::Put(Entities::new_holder(key, &Holder { alias, since })?));
        }
        let (handles, name) = (self.copy.contact.handles.clone(), self.copy.contact.name.clone());
        let contact = Contact { id: alias.contact, handles, name };
        ops.push(WriteOp::Put(entities.put_contact(self.tenant, &contact, Some(conversation), None).await?));
        ops.push(WriteOp::Put(ConversationRow::new(self.tenant, self.conversation(alias).await?).stage()?));
        Ok(Target { alias, expects, ops })
    }

    /// The conversation as it was, as far as that is told. Where no engine answered, none does here.
    async fn conversation(&self, alias: Alias) -> Result<Conversation, AssistantError> {
        let row = self.inner.entities.connection_row(self.tenant, self.connection).await?;
        let (copied, messages) = (&self.copy.conversations, &self.copy.messages);
        let told = |at: Option<DateTime<Utc>>| at.unwrap_or(self.now).min(self.now);
        let began = copied.iter().map(|one| one.created_at).min().or(messages.first().map(|message| message.at));
        let ended = copied.iter().map(|one| one.active_at).max().or(messages.last().map(|message| message.at));
        let handling = if copied.iter().all(|conversation| conversation.engines_answer) {
            Handling::Engine
        } else {
            Handling::Member { member: None, reason: HandOffReason::Assigned, since: self.now }
        };
        Ok(Conversation {
            id: alias.conversation,
            connection: self.connection,
            channel: row.clear.channel,
            contact: alias.contact,
            handling,
            inquiry: None,
            outbox: Vec::new(),
            contact_wrote_at: None,
            active_at: told(ended),
            created_at: told(began),
            code_until: None,
            thread_at: None,
        })
    }

    /// Returns whether something of the copy was put there before, or there is nothing to be put anywhere.
    async fn is_of_copy(&self, alias: Alias) -> Result<bool, AssistantError> {
        for message in &self.copy.messages {
            let there = self.record(Kind::MESSAGE, self.id(message.id).await?).await?;
            if let Some(record) = there {
                return Ok(record.parent == Some(alias.conversation.into()));
            }
        }
        for statement in &self.copy.statements {
            let there = self.record(Kind::CONSENT, self.id(statement.id).await?).await?;
            if let Some(record) = there {
                return Ok(record.parent == Some(alias.contact.0.into()));
            }
        }
        Ok(self.copy.messages.is_empty() && self.copy.statements.is_empty())
    }

    async fn record(&self, kind: Kind, id: RecordId) -> Result<Option<Record>, AssistantError> {
        Ok(self.inner.entities.record(self.tenant, kind, id).await?)
    }

    /// Returns the id that a line has here: always the same for a line of a copy on a connection.
    async fn id(&self, line: RecordId) -> Result<RecordId, AssistantError> {
        let of = (self.connection, self.copy.contact.id);
        Ok(self.inner.entities.imported_id(self.tenant, of, line).await?)
    }

    /// Writes what is not here yet; `None` if somebody else got in between.
    async fn write(&self, target: Target, audit: Vec<WriteOp>) -> Result<Option<Imported>, AssistantError> {
        let Target { alias, expects, ops: mut first } = target;
        let copy = self.copy;
        let mut imported = Imported {
            contact: alias.contact,
            conversation: alias.conversation,
            messages: 0,
            statements: 0,
            there: 0,
            left: copy.left.clone(),
        };
        // All of it is made before any of it is written, so that nothing is half done that can't be done whole.
        let mut records = Vec::new();
        for statement in &copy.statements {
            let made = self.statement(alias, statement).await?;
            imported.statements += usize::from(made.is_some());
            records.extend(made);
        }
        for message in &copy.messages {
            let made = self.message(alias, message).await?;
            imported.messages += usize::from(made.is_some());
            records.extend(made);
        }
        imported.there = copy.messages.len() + copy.statements.len() - records.len();
        if first.is_empty() && records.is_empty() {
            return Ok(Some(imported));
        }
        let is_new = !first.is_empty();
        first.extend(audit);
        let _closed = self.inner.gate.close(self.tenant, [alias.contact.0]);
        let mut left = records.into_iter().map(WriteOp::Put);
        loop {
            let mut batch = WriteBatch::new(self.tenant);
            batch.ops = std::mem::take(&mut first);
            let begins = !batch.ops.is_empty();
            batch.ops.extend(left.by_ref().take(CHUNK_MAX));
            if batch.ops.is_empty() {
                return Ok(Some(imported));
            }
            batch.expects = if begins || !is_new { expects.clone() } else { vec![self.still(alias).await?] };
            if self.inner.entities.store.commit(batch).await? != Commit::Done {
                return Ok(None);
            }
        }
    }

    /// Expects that the contact, whom an earlier commit of this import made, is here still.
    async fn still(&self, alias: Alias) -> Result<Expect, AssistantError> {
        let row = self.inner.entities.contact_row(self.tenant, alias.contact).await?;
        Ok(row.ok_or(AssistantError::NotFound("contact"))?.unchanged())
    }

    async fn message(&self, alias: Alias, message: &CopiedMessage) -> Result<Option<Record>, AssistantError> {
        let entities = &self.inner.entities;
        let id = self.id(message.id).await?;
        if self.record(Kind::MESSAGE, id).await?.is_some() {
            return Ok(None);
        }
        if let Some(platform_id) = &message.platform_id {
            // The platform may have told of it too.
            let index = entities.platform_index(self.tenant, self.connection, platform_id).await?;
            if !entities.messages_by(self.tenant, index).await?.is_empty() {
                return Ok(None);
            }
        }
        let tells = message.author == Author::Contact && message.content.readable().and_then(special).is_some();
        let draft = MessageDraft {
            id: MessageId::from_uuid(id.as_uuid()),
            connection: self.connection,
            conversation: alias.conversation,
            contact: alias.contact,
            author: match &message.author {
                // Who that is nobody knows here.
                Author::Member { .. } => Author::Member { member: None },
                author => author.clone(),
            },
            provenance: Provenance::Imported,
            said: Said::In(message.content.clone()),
            platform_id: message.platform_id.clone(),
            handle: None,
            reply_to: message.reply_to.clone(),
            story: message.story.clone(),
            note: message.note.clone(),
            at: message.at.min(self.now),
            received_at: self.now,
            inquiry: None,
            delivery: message.delivery.clone().map(ended),
            tag: None,
            for_rights: false,
            expires_at: Some(self.retention.until(self.now, tells).0),
        };
        let record = entities.new_message(self.tenant, &draft).await?;
        if too_large(&record) {
            return Err(AssistantError::Invalid("a message of the copy is larger than a record may be"));
        }
        Ok(Some(record))
    }

    async fn statement(&self, alias: Alias, said: &CopiedStatement) -> Result<Option<Record>, AssistantError> {
        let id = self.id(said.id).await?;
        if self.record(Kind::CONSENT, id).await?.is_some() {
            return Ok(None);
        }
        let (subject, statement) = (alias.contact.0, said.statement.clone());
        let event = StatementEvent { id, subject, statement, act: Act::Imported, at: said.at.min(self.now) };
        Ok(Some(Entities::new_statement(&event)?))
    }
}

/// What was on its way elsewhere is on no way here.
fn ended(mut delivery: Delivery) -> Delivery {
    if matches!(delivery.step, DeliveryStep::Queued | DeliveryStep::Sending | DeliveryStep::InDoubt) {
        delivery.step = DeliveryStep::Cancelled;
    }
    delivery
}
