//! Deletes files: with their records, and those that a crash left without one.

use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta, Utc};

use crate::assistant::{AssistantError, Inner};
use crate::id::{MediaId, MessageId, TenantId, made_at};
use crate::store::{Cursor, Kind, ListOrder, ListQuery, Record, WriteOp};

/// How often a round goes on. What it looks for comes of a crash in the wrong moment, and listing files costs.
const ROUND_EVERY: TimeDelta = TimeDelta::hours(1);

/// How long a file is left alone without a record, by the time in its id. A copy for a hold is there before its record, whose
/// commit also says that nobody released the hold: another process is perhaps just making it.
const COPY_GRACE: TimeDelta = TimeDelta::hours(24);

/// How many files it looks at each time.
const FILES_MAX: usize = 1_000;

/// Of how many tenants.
const TENANTS_MAX: usize = 100;

/// Where the round of the media store is. Lost with the process; the next one begins anew.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Round {
    /// The tenant whose files are looked at, and its place in the directory.
    tenant: Option<(TenantId, Cursor)>,
    /// The last file seen, while there may be more of that tenant.
    file: Option<MediaId>,
    went_on_at: Option<DateTime<Utc>>,
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

    /// Goes on with the round of the media store: looks at the next files, and deletes those without a record. Returns how
    /// many.
    pub(crate) async fn collect(&self) -> Result<usize, AssistantError> {
        let Some(media) = &self.media else { return Ok(0) };
        let now = self.clock.now();
        let mut round = {
            let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
            if round.went_on_at.is_some_and(|at| now >= at && now - at < ROUND_EVERY) {
                return Ok(0);
            }
            round.went_on_at = Some(now);
            *round
        };
        let (mut seen, mut deleted) = (0, 0);
        for _ in 0..TENANTS_MAX {
            if round.file.is_none() {
                round.tenant = self.tenant_after(round.tenant.map(|(_, place)| place)).await?;
            }
            let Some((tenant, _)) = round.tenant else { break };
            let page = FILES_MAX - seen;
            let files = media.list(tenant, round.file, page).await?;
            seen += files.len();
            round.file = files.last().copied().filter(|_| files.len() >= page);
            for id in files {
                // Any other file's record was there before it: without one it is rubbish, at whatever moment one looks.
                let is_young = made_at(id.as_uuid()).is_some_and(|at| now - at < COPY_GRACE);
                if !is_young && self.entities.media_row(tenant, id).await?.is_none() {
                    media.delete(tenant, id).await?;
                    deleted += 1;
                }
            }
            *self.round.lock().unwrap_or_else(PoisonError::into_inner) = round;
            if seen >= FILES_MAX {
                break;
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
