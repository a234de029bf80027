//! Which files of a message that comes in are to be fetched.

use chrono::{DateTime, Utc};

use crate::assistant::AssistantError;
use crate::assistant::ingest::Account;
use crate::assistant::stage::{Stage, too_large};
use crate::assistant::task::Task;
use crate::entity::{MediaDraft, MessageDraft, Said};
use crate::id::MediaId;
use crate::media::FILES_MAX;
use crate::model::Content;
use crate::store::WriteOp;
use crate::webhook::Item;

impl Stage<'_> {
    /// Lets the files of a message be fetched, where there is somebody to fetch them and a place to keep them. Their records
    /// are there before the first byte of them is.
    pub(crate) async fn files(
        &mut self,
        account: &Account,
        item: &Item,
        draft: &MessageDraft,
        until: DateTime<Utc>,
    ) -> Result<(), AssistantError> {
        let Said::In(Content::Media { items, .. }) = &draft.said else { return Ok(()) };
        if self.inner.media.is_none() || !self.inner.sources.contains_key(&item.channel) {
            return Ok(());
        }
        for (place, reference) in items.iter().take(FILES_MAX).enumerate() {
            if reference.id.is_none() && reference.url.is_none() {
                continue;
            }
            let id = MediaId::from_uuid(self.inner.ids.time_ordered(self.now));
            let file = MediaDraft {
                id,
                message: draft.id,
                place,
                connection: draft.connection,
                contact: draft.contact,
                reference,
                platform_id: draft.platform_id.as_ref(),
                at: draft.at,
                expires_at: Some(until),
            };
            let record = self.inner.entities.new_media(self.staged.batch.tenant, &file).await?;
            if too_large(&record) {
                continue;
            }
            self.op(WriteOp::Put(record));
            self.work(account, draft.conversation, self.now, &Task::Fetch { media: id })?;
        }
        Ok(())
    }
}
