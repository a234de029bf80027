//! Puts what people at the desk send into a conversation's outbox.

use crate::assistant::task::{Task, bucket_of};
use crate::assistant::{AssistantError, Inner};
use crate::channel::OutboundBody;
use crate::entity::{ConversationRow, Outgoing};
use crate::id::{MessageId, TenantId, WorkId};
use crate::model::{Author, Conversation};
use crate::store::{WriteBatch, WriteOp};

impl Inner {
    /// Makes a message that is about to go out, with its id and its tag.
    pub(super) fn outgoing(&self, author: Author, body: OutboundBody) -> Outgoing {
        let id = MessageId::from_uuid(self.ids.time_ordered(self.clock.now()));
        let mut tag = [0; 16];
        self.ids.fill(&mut tag);
        let tag = uuid::Builder::from_random_bytes(tag).into_uuid().simple().to_string();
        Outgoing { id, tag, author, body, reply_to: None, inquiry: None, for_rights: false }
    }

    /// Stages a message and its place in the outbox. The conversation itself is staged by whoever holds it.
    pub(super) async fn put_out(
        &self,
        tenant: TenantId,
        row: &mut ConversationRow,
        out: &Outgoing,
        batch: &mut WriteBatch,
    ) -> Result<(), AssistantError> {
        let conversation = &mut row.conversation;
        if conversation.outbox.len() >= Conversation::OUTBOX_MAX {
            return Err(AssistantError::Invalid("too many messages wait to be sent in this conversation"));
        }
        if let (OutboundBody::Text { text }, Some(channel)) = (&out.body, self.channels.get(&conversation.channel))
            && !channel.capabilities().text.fits(text.expose())
        {
            return Err(AssistantError::Invalid("the text is longer than the channel takes: shorten or split it"));
        }
        let now = self.clock.now();
        let settings = self.entities.tenant(tenant).await?.tenant;
        let keep = self.config.retention.of(&settings.retention).messages;
        let draft = out.clone().draft(conversation, now, keep);
        batch.ops.push(WriteOp::Put(self.entities.new_message(tenant, &draft).await?));
        if conversation.outbox.is_empty() {
            let work = WorkId::from_uuid(self.ids.time_ordered(now));
            let id = conversation.id;
            let send = Task::send(conversation).item(bucket_of(id, settings.buckets), id, now, work, 0)?;
            batch.ops.push(WriteOp::Enqueue(send));
        }
        conversation.outbox.push(out.id);
        Ok(())
    }
}
