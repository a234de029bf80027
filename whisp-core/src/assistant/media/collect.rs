//! Deletes files: with their records, and those that a crash left without one.

use std::sync::PoisonError;

use crate::assistant::{AssistantError, Inner};
use crate::id::{MediaId, MessageId, TenantId};
use crate::store::{Cursor, Kind, ListOrder, ListQuery, Record, WriteOp};

/// How many files one sweep looks at.
const ROUND_MAX: usize = 200;

/// Where the round of the media store is. Lost with the process; the next one begins anew.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Round {
    /// The tenant whose files are looked at, and its place in the directory.
    tenant: Option<(TenantId, Cursor)>,
    /// The last file seen.
    file: Option<MediaId>,
}

impl Inner {
    /// Deletes the files of records that are about to be deleted. Without a media store there is nothing to delete: what
    /// another process keeps is found by its rounds.
    pub(crate) async fn delete_files(&self, tenant: TenantId, records: &[Record]) -> Result<(), AssistantError> {
        let Some(media) = &self.media else { return Ok(()) };
        for record in records.iter().filter(|record| record.kind == Kind::MEDIA) {
            media.delete(tenant, MediaId::from_uuid(record.id.as_uuid())).await?;
        }
        Ok(())
    }

    /// Deletes the files of a message that loses its content; returns the operations that delete their records.
    pub(crate) async fn forget_files(
        &self,
        tenant: TenantId,
        message: MessageId,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let records = self.entities.media_of(tenant, message).await?;
        self.delete_files(tenant, &records).await?;
        Ok(records.iter().map(|record| WriteOp::Delete(record.kind, record.id, record.version)).collect())
    }

    /// Looks at the next files of the media store and deletes those without a record; returns how many.
    pub(crate) async fn collect(&self) -> Result<usize, AssistantError> {
        let Some(media) = &self.media else { return Ok(0) };
        let mut round = *self.round.lock().unwrap_or_else(PoisonError::into_inner);
        let tenant = match round.tenant {
            Some((tenant, _)) if round.file.is_some() => Some(tenant),
            before => {
                round = Round { tenant: self.tenant_after(before.map(|(_, cursor)| cursor)).await?, file: None };
                round.tenant.map(|(tenant, _)| tenant)
            }
        };
        let mut deleted = 0;
        if let Some(tenant) = tenant {
            let files = media.list(tenant, round.file, ROUND_MAX).await?;
            round.file = files.last().copied().filter(|_| files.len() >= ROUND_MAX);
            for id in files {
                // The record was there before the file: without one it is rubbish, at whatever moment one looks.
                if self.entities.media_row(tenant, id).await?.is_none() {
                    media.delete(tenant, id).await?;
                    deleted += 1;
                }
            }
        }
        *self.round.lock().unwrap_or_else(PoisonError::into_inner) = round;
        Ok(deleted)
    }

    async fn tenant_after(&self, after: Option<Cursor>) -> Result<Option<(TenantId, Cursor)>, AssistantError> {
        let query = ListQuery {
            tenant: TenantId::DIRECTORY,
            kind: Kind::TENANT,
            parent: TenantId::DIRECTORY.into(),
            order: ListOrder::Ascending,
            after,
            limit: 1,
        };
        let page = self.entities.store.list(&query).await?;
        Ok(page.records.first().map(|record| (TenantId::from_uuid(record.id.as_uuid()), record.cursor())))
    }
}
