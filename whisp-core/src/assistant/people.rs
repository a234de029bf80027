//! Who an item is about: finds or creates contact and conversation by the handles that a webhook tells.

use chrono::{DateTime, Utc};

use crate::assistant::AssistantError;
use crate::assistant::identity::Found;
use crate::assistant::ingest::Account;
use crate::assistant::stage::Stage;
use crate::entity::{Alias, ContactRow, ConversationRow, Entities};
use crate::id::{ContactId, ConversationId, RecordId, SubjectId};
use crate::model::{ChannelKind, Contact, Conversation, Handle, Handling, PlatformMessageId};
use crate::privacy::Storage;
use crate::store::{BlindIndex, Expect, Kind, WriteOp};
use crate::webhook::ContactRef;

/// A contact that the batch writes: once, whatever the items tell about it.
pub(super) struct Person {
    contact: Contact,
    conversation: Option<ConversationId>,
    before: Option<ContactRow>,
    /// Where in the batch.
    op: usize,
}

/// Who wrote something.
pub(super) enum Who {
    Known(Found),
    /// Somebody who was erased after they wrote it.
    Erased,
    /// Nobody whom we know.
    Nobody,
}

impl Stage<'_> {
    /// Finds the conversation of a message that something happened to: the one in which it stands, or else, where it is
    /// not here yet, the contact's. Who has the contact's number by now does not matter to a message that is here.
    pub(super) async fn conversation_of(
        &mut self,
        account: &Account,
        contact: Option<&ContactRef>,
        target: RecordId,
        at: DateTime<Utc>,
    ) -> Result<Option<Alias>, AssistantError> {
        let tenant = self.staged.batch.tenant;
        let found = self.inner.entities.messages_by(tenant, BlindIndex(target.into_bytes())).await?;
        if let Some(row) = found.first()
            && let (Some(subject), Some(conversation)) = (row.record.subjects.first(), row.conversation())
            && !self.gone.contains(&ContactId(*subject))
        {
            let contact = ContactId(*subject);
            self.met = Some(contact);
            // Nothing of theirs is written if they are erased meanwhile.
            self.expect(Expect::Version(Kind::MESSAGE, row.record.id, row.record.version));
            return Ok(Some(Alias { contact, conversation }));
        }
        self.known(account, contact, at).await
    }

    pub(super) async fn platform_index(
        &self,
        account: &Account,
        id: &PlatformMessageId,
    ) -> Result<RecordId, AssistantError> {
        let tenant = self.staged.batch.tenant;
        Ok(RecordId::from_bytes(self.inner.entities.platform_index(tenant, account.connection, id).await?.0))
    }

    /// Finds a contact that is known, by any of the handles, as something from `at` tells them.
    pub(super) async fn known(
        &mut self,
        account: &Account,
        contact: Option<&ContactRef>,
        at: DateTime<Utc>,
    ) -> Result<Option<Alias>, AssistantError> {
        let Some(contact) = contact else { return Ok(None) };
        match self.who(account, &contact.handles, at).await? {
            Who::Known(found) => Ok(Some(found.alias)),
            Who::Erased | Who::Nobody => Ok(None),
        }
    }

    /// Tells who wrote something at a time, and whether they were erased since: then it is nobody's, though one of the
    /// handles leads to whoever wrote afterwards.
    pub(super) async fn who(
        &mut self,
        account: &Account,
        handles: &[Handle],
        at: DateTime<Utc>,
    ) -> Result<Who, AssistantError> {
        let found = self.find(account, handles, at).await?;
        if self.is_fenced(account, handles, at).await? {
            let began_before = match found {
                Some(found) => self.began_before(found.alias, at).await?,
                None => false,
            };
            if !began_before {
                return Ok(Who::Erased);
            }
        }
        Ok(found.map_or(Who::Nobody, Who::Known))
    }

    pub(super) async fn find(
        &mut self,
        account: &Account,
        handles: &[Handle],
        at: DateTime<Utc>,
    ) -> Result<Option<Found>, AssistantError> {
        for place in 0..handles.len() {
            if let Some(found) = self.found_by(account, handles, place, at).await? {
                self.met = Some(found.alias.contact);
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Finds or creates contact and conversation; handles that are new to us lead there too from now on. `at` is when it
    /// was told, by the platform's clock. `None` if whoever wrote it was erased since.
    pub(super) async fn resolve(
        &mut self,
        account: &Account,
        contact: &ContactRef,
        at: DateTime<Utc>,
    ) -> Result<Option<Alias>, AssistantError> {
        match self.who(account, &contact.handles, at).await? {
            Who::Known(Found { alias, late }) => {
                if !late {
                    self.add_handles(account, alias, contact, at).await?;
                    self.met = Some(alias.contact);
                }
                return Ok(Some(alias));
            }
            Who::Erased => return Ok(None),
            Who::Nobody => {}
        }
        let tenant = self.staged.batch.tenant;
        let subject = SubjectId::from_uuid(self.inner.ids.random());
        self.inner.entities.vault.provision(tenant, &[subject]).await?;
        let id = ConversationId::from_uuid(self.inner.ids.time_ordered(self.now));
        let alias = Alias { contact: ContactId(subject), conversation: id };
        let mut handles = Vec::with_capacity(contact.handles.len());
        for handle in &contact.handles {
            if self.take(account, handle, alias, at, false).await? {
                handles.push(handle.clone());
            }
        }
        let person = Contact { id: alias.contact, handles, name: contact.name.clone() };
        self.put_contact(person, Some(id), None).await?;
        let conversation = Conversation {
            id,
            connection: account.connection,
            channel: self.channel(account).await?,
            contact: alias.contact,
            handling: Handling::Engine,
            inquiry: None,
            outbox: Vec::new(),
            contact_wrote_at: None,
            active_at: at.min(self.now),
            created_at: self.now,
            code_until: None,
            thread_at: None,
        };
        let record = ConversationRow::new(tenant, conversation).stage()?;
        self.op(WriteOp::Put(record));
        self.begun.insert(id, at);
        Ok(Some(alias))
    }

    pub(super) async fn channel(&self, account: &Account) -> Result<ChannelKind, AssistantError> {
        let tenant = self.staged.batch.tenant;
        Ok(self.inner.entities.connection_row(tenant, account.connection).await?.clear.channel)
    }

    /// Makes handles that are new to us lead to a contact, and adds them to it.
    async fn add_handles(
        &mut self,
        account: &Account,
        alias: Alias,
        contact: &ContactRef,
        at: DateTime<Utc>,
    ) -> Result<(), AssistantError> {
        let mut fresh = Vec::new();
        for handle in &contact.handles {
            if self.take(account, handle, alias, at, false).await? {
                fresh.push(handle.clone());
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        self.edit(alias.contact, |person| {
            person.handles.extend(fresh);
            person.name = contact.name.clone().or(person.name.take());
        })
        .await
    }

    /// Opens a contact, as the batch leaves it; `None` if it is gone.
    pub(super) async fn person(
        &mut self,
        id: ContactId,
    ) -> Result<Option<(Contact, Option<ContactRow>)>, AssistantError> {
        if let Some(person) = self.people.get(&id) {
            return Ok(Some((person.contact.clone(), person.before.clone())));
        }
        let tenant = self.staged.batch.tenant;
        let entities = &self.inner.entities;
        let Some(row) = entities.contact_row(tenant, id).await? else { return Ok(None) };
        self.met = Some(id);
        let settings = entities.tenant(tenant).await?.tenant;
        let permit = self.inner.gate.permit::<Storage>(&settings, id, self.now).await?;
        Ok(Some((entities.contact(permit.grant(), tenant, &row).await?, Some(row))))
    }

    /// Changes a contact.
    pub(super) async fn edit(
        &mut self,
        id: ContactId,
        change: impl FnOnce(&mut Contact) + Send,
    ) -> Result<(), AssistantError> {
        let Some((before, row)) = self.person(id).await? else { return Ok(()) };
        let mut contact = before.clone();
        change(&mut contact);
        if row.as_ref().is_some_and(ContactRow::is_rectified) {
            contact.name.clone_from(&before.name);
        }
        if contact == before {
            return Ok(());
        }
        let staged = self.people.get(&id).and_then(|person| person.conversation);
        let conversation = staged.or(row.as_ref().and_then(|row| row.conversation));
        self.put_contact(contact, conversation, row).await
    }

    /// Notes that two contacts are one person: what is asked for the one is done for both, and a hold on one is on both.
    pub(super) async fn same_person(&mut self, one: ContactId, other: ContactId) -> Result<(), AssistantError> {
        let known = self.inner.entities.others(self.staged.batch.tenant, one.0).await?;
        if !known.contains(&other.0) {
            for (one, other) in [(one, other), (other, one)] {
                let record = Entities::new_same_person(self.inner.record_id(), one.0, other.0)?;
                self.op(WriteOp::Put(record));
                let tenant = self.staged.batch.tenant;
                for mut hold in self.inner.entities.holds_on(tenant, one.0).await? {
                    if hold.hold.is_open() {
                        hold.reach(other.0);
                        let op = hold.stage(tenant, self.now)?;
                        self.op(op);
                    }
                }
            }
        }
        Ok(())
    }

    /// Stages a contact, in the place of what this batch already writes about it.
    async fn put_contact(
        &mut self,
        contact: Contact,
        conversation: Option<ConversationId>,
        before: Option<ContactRow>,
    ) -> Result<(), AssistantError> {
        self.met = Some(contact.id);
        let tenant = self.staged.batch.tenant;
        let record = self.inner.entities.put_contact(tenant, &contact, conversation, before.as_ref()).await?;
        let ops = &mut self.staged.batch.ops;
        let op = self.people.get(&contact.id).map_or(ops.len(), |person| person.op);
        match ops.get_mut(op) {
            Some(slot) => *slot = WriteOp::Put(record),
            None => ops.push(WriteOp::Put(record)),
        }
        self.people.insert(contact.id, Person { contact, conversation, before, op });
        Ok(())
    }
}
