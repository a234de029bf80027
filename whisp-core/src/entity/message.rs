//! Messages. What is needed to move a delivery forward or to count is clear; what they say is sealed.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::{AssistantError, ExportedData};
use crate::channel::OutboundBody;
use crate::entity::message_clear::MessageClear;
use crate::entity::{Entities, from_clear, position, to_clear};
use crate::id::{ConnectionId, ContactId, ConversationId, InquiryId, MessageId, RecordId, TenantId};
use crate::model::{
    Author, Content, ContentKind, Conversation, Delivery, Handle, Message, PlatformMessageId, Provenance, StoryRef,
};
use crate::privacy::{DataCategory, Grant};
use crate::sensitive::Sensitive;
use crate::store::{BlindIndex, Cursor, FindQuery, Kind, ListOrder, ListQuery, Record, StoreError};
use crate::vault::{IndexField, SealContext, VaultError};

/// What a message says: what came, or what is to go out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    In(Content),
    Out(OutboundBody),
}

#[derive(Serialize, Deserialize)]
pub(super) struct MessageSecret {
    said: Said,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_id: Option<PlatformMessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<Handle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<PlatformMessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    story: Option<StoryRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<Sensitive>,
}

/// A message that is about to be stored.
#[derive(Debug)]
pub(crate) struct MessageDraft {
    pub(crate) id: MessageId,
    pub(crate) connection: ConnectionId,
    pub(crate) conversation: ConversationId,
    pub(crate) contact: ContactId,
    pub(crate) author: Author,
    pub(crate) provenance: Provenance,
    pub(crate) said: Said,
    pub(crate) platform_id: Option<PlatformMessageId>,
    pub(crate) handle: Option<Handle>,
    pub(crate) reply_to: Option<PlatformMessageId>,
    pub(crate) story: Option<StoryRef>,
    pub(crate) note: Option<Sensitive>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) inquiry: Option<InquiryId>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) tag: Option<String>,
    pub(crate) for_rights: bool,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// A message of ours that is about to go out.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) id: MessageId,
    pub(crate) tag: String,
    pub(crate) author: Author,
    pub(crate) body: OutboundBody,
    /// The message that it quotes.
    pub(crate) reply_to: Option<PlatformMessageId>,
    pub(crate) inquiry: Option<InquiryId>,
    pub(crate) for_rights: bool,
}

impl Outgoing {
    /// Returns it as it is stored, waiting in the outbox of a conversation.
    pub(crate) fn draft(self, to: &Conversation, now: DateTime<Utc>, keep: TimeDelta) -> MessageDraft {
        MessageDraft {
            id: self.id,
            connection: to.connection,
            conversation: to.id,
            contact: to.contact,
            author: self.author,
            provenance: Provenance::Sent,
            said: Said::Out(self.body),
            platform_id: None,
            handle: None,
            reply_to: self.reply_to,
            story: None,
            note: None,
            at: now,
            received_at: now,
            inquiry: self.inquiry,
            delivery: Some(Delivery::queued(now)),
            tag: Some(self.tag),
            for_rights: self.for_rights,
            expires_at: Some(now + keep),
        }
    }
}

/// A message as it is stored, still sealed.
#[derive(Debug, Clone)]
pub(crate) struct MessageRow {
    pub(crate) record: Record,
    pub(crate) clear: MessageClear,
}

impl MessageRow {
    pub(crate) fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { clear: from_clear(&record)?, record })
    }

    pub(crate) const fn id(&self) -> MessageId {
        MessageId::from_uuid(self.record.id.as_uuid())
    }

    pub(crate) fn conversation(&self) -> Option<ConversationId> {
        self.record.parent.map(|parent| ConversationId::from_uuid(parent.as_uuid()))
    }

    /// Returns the record with the clear fields as they are now, one version on. What is sealed stays.
    pub(crate) fn next(mut self) -> Result<Record, StoreError> {
        self.stage()?;
        Ok(self.record)
    }

    /// The same, and counts on itself.
    pub(crate) fn stage(&mut self) -> Result<&Record, StoreError> {
        self.record.version += 1;
        self.record.clear = to_clear(&self.clear)?;
        Ok(&self.record)
    }

    /// Notes an index by which the message is found from now on; returns whether it is a new one.
    pub(crate) fn learn(&mut self, index: BlindIndex) -> bool {
        let new = !self.record.lookups.contains(&index);
        if new {
            self.record.lookups.push(index);
        }
        new
    }

    /// Takes the message back: its content is gone, its place and its ids' indexes stay, so that a late copy is still
    /// noticed.
    pub(crate) fn unsend(&mut self) {
        self.record.sealed = crate::store::Sealed::default();
        self.clear.kind = ContentKind::Unsent;
        self.clear.revision += 1;
    }
}

const fn context(tenant: TenantId, contact: ContactId, record: RecordId, revision: u32) -> SealContext {
    SealContext {
        tenant,
        subject: contact.0,
        kind: Kind::MESSAGE,
        record,
        field: "message",
        category: DataCategory::MessageContent,
        revision,
    }
}

/// Returns in what place a message's record is sealed.
pub(super) fn sealed_as(tenant: TenantId, contact: ContactId, record: &Record) -> Result<SealContext, StoreError> {
    let MessageClear { revision, .. } = from_clear(record)?;
    Ok(context(tenant, contact, record.id, revision))
}

impl Entities {
    /// Returns the index of a platform's id of a message on a connection.
    pub(crate) async fn platform_index(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        id: &PlatformMessageId,
    ) -> Result<BlindIndex, VaultError> {
        let mut value = Vec::with_capacity(96);
        value.extend(connection.into_bytes());
        value.extend(id.expose().as_bytes());
        Ok(self.vault.index(tenant, IndexField::PlatformMessage, &value).await?.blind_index())
    }

    /// Returns the id of a message or a statement out of a copy: of a line, in the copy of a contact, on a connection.
    pub(crate) async fn imported_id(
        &self,
        tenant: TenantId,
        (connection, contact): (ConnectionId, RecordId),
        line: RecordId,
    ) -> Result<RecordId, VaultError> {
        let value = [connection.into_bytes(), contact.into_bytes(), line.into_bytes()].concat();
        Ok(self.vault.index(tenant, IndexField::Imported, &value).await?.record_id())
    }

    /// Returns the index of one of our own tags.
    pub(crate) async fn tag_index(&self, tenant: TenantId, tag: &str) -> Result<BlindIndex, VaultError> {
        Ok(self.vault.index(tenant, IndexField::Tag, tag.as_bytes()).await?.blind_index())
    }

    pub(crate) async fn new_message(&self, tenant: TenantId, draft: &MessageDraft) -> Result<Record, AssistantError> {
        let mut record = Record::new(Kind::MESSAGE, draft.id.into());
        record.parent = Some(draft.conversation.into());
        record.position = position(draft.at);
        record.subjects = vec![draft.contact.0];
        record.expires_at = draft.expires_at;
        if let Some(id) = &draft.platform_id {
            record.lookups.push(self.platform_index(tenant, draft.connection, id).await?);
        }
        if let Some(tag) = &draft.tag {
            record.lookups.push(self.tag_index(tenant, tag).await?);
        }
        let kind = match &draft.said {
            Said::In(content) => content.kind(),
            Said::Out(body) => body.content().kind(),
        };
        record.clear = to_clear(&MessageClear {
            author: draft.author.clone(),
            provenance: draft.provenance,
            kind,
            at: draft.at,
            received_at: draft.received_at,
            inquiry: draft.inquiry,
            revision: 0,
            edited_at: None,
            delivery: draft.delivery.clone(),
            tag: draft.tag.clone(),
            for_rights: draft.for_rights,
        })?;
        let secret = MessageSecret {
            said: draft.said.clone(),
            platform_id: draft.platform_id.clone(),
            handle: draft.handle.clone(),
            reply_to: draft.reply_to.clone(),
            story: draft.story.clone(),
            note: draft.note.clone(),
        };
        record.sealed = self.seal(&context(tenant, draft.contact, record.id, 0), &secret).await?;
        Ok(record)
    }

    pub(crate) async fn message_row(&self, tenant: TenantId, id: MessageId) -> Result<Option<MessageRow>, StoreError> {
        self.record(tenant, Kind::MESSAGE, id.into()).await?.map(MessageRow::read).transpose()
    }

    /// Finds messages by an index. There is at most one for each index, but for an echo that came before its message
    /// knew its id.
    pub(crate) async fn messages_by(
        &self,
        tenant: TenantId,
        lookup: BlindIndex,
    ) -> Result<Vec<MessageRow>, StoreError> {
        const COPIES_MAX: usize = 8;
        let found = self.store.find(&FindQuery { tenant, kind: Kind::MESSAGE, lookup, limit: COPIES_MAX }).await?;
        found.into_iter().map(MessageRow::read).collect()
    }

    /// Returns the oldest message of a conversation by the platform's clock.
    pub(crate) async fn first_message(
        &self,
        tenant: TenantId,
        conversation: ConversationId,
    ) -> Result<Option<MessageRow>, StoreError> {
        let order = ListOrder::Ascending;
        let parent = conversation.into();
        let query = ListQuery { tenant, kind: Kind::MESSAGE, parent, order, after: None, limit: 1 };
        self.store.list(&query).await?.records.into_iter().next().map(MessageRow::read).transpose()
    }

    /// Lists the last messages of a conversation, newest first.
    pub(crate) async fn last_messages(
        &self,
        tenant: TenantId,
        conversation: ConversationId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<MessageRow>, Option<Cursor>), StoreError> {
        let page = self
            .store
            .list(&ListQuery {
                tenant,
                kind: Kind::MESSAGE,
                parent: conversation.into(),
                order: ListOrder::Descending,
                after,
                limit,
            })
            .await?;
        Ok((page.records.into_iter().map(MessageRow::read).collect::<Result<_, _>>()?, page.next))
    }

    /// Opens what is sealed of a message.
    async fn secret(&self, grant: &Grant, tenant: TenantId, row: &MessageRow) -> Result<MessageSecret, AssistantError> {
        if row.clear.kind == ContentKind::Unsent {
            return Ok(MessageSecret {
                said: Said::In(Content::Unsent),
                platform_id: None,
                handle: None,
                reply_to: None,
                story: None,
                note: None,
            });
        }
        let contact = ContactId(grant.subject());
        self.open(grant, &context(tenant, contact, row.record.id, row.clear.revision), &row.record).await
    }

    /// Opens a message.
    pub(crate) async fn message(
        &self,
        grant: &Grant,
        tenant: TenantId,
        row: &MessageRow,
    ) -> Result<(Message, Option<OutboundBody>), AssistantError> {
        let secret = self.secret(grant, tenant, row).await?;
        let (content, body) = match secret.said {
            Said::In(content) => (content, None),
            Said::Out(body) => (body.content(), Some(body)),
        };
        let message = Message {
            id: row.id(),
            conversation: row.conversation().ok_or(AssistantError::NotFound("conversation"))?,
            contact: ContactId(grant.subject()),
            author: row.clear.author.clone(),
            provenance: row.clear.provenance,
            content,
            platform_id: secret.platform_id,
            handle: secret.handle,
            reply_to: secret.reply_to,
            story: secret.story,
            at: row.clear.at,
            received_at: row.clear.received_at,
            inquiry: row.clear.inquiry,
            revision: row.clear.revision,
            note: secret.note,
            delivery: row.clear.delivery.clone(),
        };
        Ok((message, body))
    }

    /// Opens a message for a copy. There may be a million: nothing of it is copied once more.
    pub(crate) async fn exported_message(
        &self,
        grant: &Grant,
        tenant: TenantId,
        row: MessageRow,
    ) -> Result<ExportedData, AssistantError> {
        let secret = self.secret(grant, tenant, &row).await?;
        Ok(ExportedData::Message {
            conversation: row.conversation().ok_or(AssistantError::NotFound("conversation"))?,
            author: row.clear.author,
            provenance: row.clear.provenance,
            content: match secret.said {
                Said::In(content) => content,
                Said::Out(body) => body.content(),
            },
            at: row.clear.at,
            platform_id: secret.platform_id,
            reply_to: secret.reply_to,
            story: secret.story,
            note: secret.note,
            inquiry: row.clear.inquiry,
            delivery: row.clear.delivery,
        })
    }

    /// Changes a message's content, the note beside it or its platform id: seals it anew, one revision on. Of a message that was
    /// taken back only the index of the id changes. The row is staged by whoever holds it.
    pub(crate) async fn reseal(
        &self,
        grant: &Grant,
        tenant: TenantId,
        row: &mut MessageRow,
        change: Change,
    ) -> Result<(), AssistantError> {
        if let Change::PlatformId(connection, id) = &change {
            row.learn(self.platform_index(tenant, *connection, id).await?);
        }
        if row.clear.kind == ContentKind::Unsent || row.record.is_past(grant.reads_as_of()) {
            // Nothing is left to be changed, or to be read: it is found by its id all the same.
            return Ok(());
        }
        let contact = ContactId(grant.subject());
        let before = context(tenant, contact, row.record.id, row.clear.revision);
        let mut secret: MessageSecret = self.open(grant, &before, &row.record).await?;
        match change {
            Change::Content(content) => {
                row.clear.kind = content.kind();
                secret.said = Said::In(content);
            }
            Change::Note(note) => secret.note = Some(note),
            Change::PlatformId(_, id) => secret.platform_id = Some(id),
        }
        row.record.sealed = self.seal(&SealContext { revision: row.clear.revision + 1, ..before }, &secret).await?;
        row.clear.revision += 1;
        Ok(())
    }
}

/// What changed in a message.
#[derive(Debug)]
pub(crate) enum Change {
    Content(Content),
    Note(Sensitive),
    PlatformId(ConnectionId, PlatformMessageId),
}
