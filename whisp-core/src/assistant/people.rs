//! Who an item is about: finds or creates contact and conversation by the handles that a webhook tells.

use chrono::{DateTime, Utc};

use crate::assistant::AssistantError;
use crate::assistant::ingest::Account;
use crate::assistant::stage::{Origin, Stage};
use crate::entity::{Alias, ContactRow, ConversationRow, Entities};
use crate::id::{ContactId, ConversationId, RecordId, SubjectId};
use crate::model::{ChannelKind, Contact, Conversation, Handle, Handling, PlatformMessageId};
use crate::privacy::ServiceProvision;
use crate::store::{Expect, Kind, WriteOp};
use crate::webhook::ContactRef;

/// A contact that the batch writes: once, whatever the items tell about it.
pub(super) struct Person {
    contact: Contact,
    before: Option<ContactRow>,
    /// Where in the batch.
    op: usize,
}

impl Stage<'_> {
    /// Finds the conversation of a message that something happened to.
    pub(super) async fn conversation_of(
        &mut self,
        account: &Account,
        contact: Option<&ContactRef>,
        target: &PlatformMessageId,
    ) -> Result<Option<Alias>, AssistantError> {
        if let Some(alias) = self.known(account, contact).await? {
            return Ok(Some(alias));
        }
        let tenant = self.staged.batch.tenant;
        let index = self.inner.entities.platform_index(tenant, account.connection, target).await?;
        Ok(self.inner.entities.messages_by(tenant, index).await?.first().and_then(|row| {
            let contact = ContactId(*row.record.subjects.first()?);
            Some(Alias { contact, conversation: row.conversation()? })
        }))
    }

    pub(super) async fn platform_index(
        &self,
        account: &Account,
        id: &PlatformMessageId,
    ) -> Result<RecordId, AssistantError> {
        let tenant = self.staged.batch.tenant;
        Ok(RecordId::from_bytes(self.inner.entities.platform_index(tenant, account.connection, id).await?.0))
    }

    /// Finds a contact that is known, by any of the handles.
    pub(super) async fn known(
        &mut self,
        account: &Account,
        contact: Option<&ContactRef>,
    ) -> Result<Option<Alias>, AssistantError> {
        let tenant = self.staged.batch.tenant;
        for handle in contact.into_iter().flat_map(|contact| &contact.handles) {
            let key = self.inner.entities.alias_key(tenant, account.connection, handle).await?;
            if let Some(alias) = self.aliases.get(&key) {
                self.met = Some(alias.contact);
                return Ok(Some(*alias));
            }
            let found = self.inner.entities.alias(tenant, key).await?;
            if let Some(alias) = found.filter(|alias| !self.gone.contains(&alias.contact)) {
                self.aliases.insert(key, alias);
                self.met = Some(alias.contact);
                // An alias never changes: it is there as it was, or its contact was erased meanwhile.
                self.staged.batch.expects.push(Expect::Version(Kind::ALIAS, key, 1));
                self.staged.origins.push(Origin::Read);
                return Ok(Some(alias));
            }
        }
        Ok(None)
    }

    /// Finds or creates contact and conversation; handles that are new to us lead there too from now on.
    pub(super) async fn resolve(
        &mut self,
        account: &Account,
        contact: &ContactRef,
        at: DateTime<Utc>,
    ) -> Result<Alias, AssistantError> {
        if let Some(alias) = self.known(account, Some(contact)).await? {
            self.add_handles(account, alias, contact).await?;
            return Ok(alias);
        }
        let tenant = self.staged.batch.tenant;
        let subject = SubjectId::from_uuid(self.inner.ids.random());
        self.inner.entities.vault.provision(tenant, &[subject]).await?;
        let id = ConversationId::from_uuid(self.inner.ids.time_ordered(self.now));
        let alias = Alias { contact: ContactId(subject), conversation: id };
        let person = Contact { id: alias.contact, handles: contact.handles.clone(), name: contact.name.clone() };
        self.put_contact(person, None).await?;
        let conversation = Conversation {
            id,
            connection: account.connection,
            channel: self.channel(account).await?,
            contact: alias.contact,
            handling: Handling::Engine,
            inquiry: None,
            outbox: Vec::new(),
            contact_wrote_at: None,
            active_at: at,
            created_at: self.now,
        };
        let record = ConversationRow::new(tenant, conversation).stage()?;
        self.op(WriteOp::Put(record));
        for handle in &contact.handles {
            self.add_alias(account, handle, alias).await?;
        }
        Ok(alias)
    }

    pub(super) async fn channel(&self, account: &Account) -> Result<ChannelKind, AssistantError> {
        let tenant = self.staged.batch.tenant;
        Ok(self.inner.entities.connection_row(tenant, account.connection).await?.clear.channel)
    }

    /// Makes handles that are new to us lead to a contact, and adds them to it.
    pub(super) async fn add_handles(
        &mut self,
        account: &Account,
        alias: Alias,
        contact: &ContactRef,
    ) -> Result<(), AssistantError> {
        let mut fresh = Vec::new();
        for handle in &contact.handles {
            if self.add_alias(account, handle, alias).await? {
                fresh.push(handle.clone());
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let tenant = self.staged.batch.tenant;
        let (mut person, before) = match self.people.get(&alias.contact) {
            Some(person) => (person.contact.clone(), person.before.clone()),
            None => {
                let entities = &self.inner.entities;
                let Some(row) = entities.contact_row(tenant, alias.contact).await? else { return Ok(()) };
                let settings = entities.tenant(tenant).await?.tenant;
                let permit = self.inner.gate.permit::<ServiceProvision>(&settings, alias.contact.0, self.now).await?;
                (entities.contact(permit.grant(), tenant, &row).await?, Some(row))
            }
        };
        person.handles.extend(fresh);
        person.name = contact.name.clone().or(person.name);
        self.put_contact(person, before).await
    }

    /// Stages a contact, in the place of what this batch already writes about it.
    pub(super) async fn put_contact(
        &mut self,
        contact: Contact,
        before: Option<ContactRow>,
    ) -> Result<(), AssistantError> {
        let record = self.inner.entities.put_contact(self.staged.batch.tenant, &contact, before.as_ref()).await?;
        let ops = &mut self.staged.batch.ops;
        let op = self.people.get(&contact.id).map_or(ops.len(), |person| person.op);
        match ops.get_mut(op) {
            Some(slot) => *slot = WriteOp::Put(record),
            None => ops.push(WriteOp::Put(record)),
        }
        self.people.insert(contact.id, Person { contact, before, op });
        Ok(())
    }

    /// Stages an alias unless the handle leads somewhere already; returns whether it did.
    pub(super) async fn add_alias(
        &mut self,
        account: &Account,
        handle: &Handle,
        alias: Alias,
    ) -> Result<bool, AssistantError> {
        let tenant = self.staged.batch.tenant;
        let key = self.inner.entities.alias_key(tenant, account.connection, handle).await?;
        if self.aliases.contains_key(&key) {
            return Ok(false);
        }
        match self.inner.entities.alias(tenant, key).await? {
            Some(there) if !self.gone.contains(&there.contact) => return Ok(false),
            Some(_) => self.op(WriteOp::Delete(Kind::ALIAS, key, 1)),
            None => {}
        }
        self.aliases.insert(key, alias);
        self.op(WriteOp::Put(Entities::new_alias(key, alias)?));
        Ok(true)
    }
}
