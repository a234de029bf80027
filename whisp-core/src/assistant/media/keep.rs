//! Seals a file anew, under the key of a hold.

use zeroize::Zeroizing;

use super::chunks::{Place, Sealing};
use crate::assistant::{AssistantError, Inner};
use crate::entity::MediaRow;
use crate::id::{MediaId, TenantId};
use crate::media::MediaStore;
use crate::privacy::{Grant, Hold};
use crate::store::Record;

impl Inner {
    /// Copies a file for a hold, chunk by chunk; returns its record. `None` without a media store: then it is nowhere.
    pub(in crate::assistant) async fn keep_file(
        &self,
        grant: &Grant,
        tenant: TenantId,
        (row, hold, new): (MediaRow, &Hold, MediaId),
    ) -> Result<Option<Record>, AssistantError> {
        let Some(media) = &self.media else { return Ok(None) };
        let mut secret = self.entities.media_secret(grant, tenant, &row).await?;
        let Some(layout) = secret.layout else { return Ok(None) };
        let from = Place { tenant, subject: grant.subject(), id: row.id() };
        let writer = media.write(tenant, new).await?;
        let mut sealing = Sealing::new(&*self.entities.vault, Place { tenant, subject: hold.keeper, id: new }, writer);
        match self.copy_chunks(grant, &**media, (layout, from), &mut sealing).await {
            Ok(()) => secret.layout = Some(sealing.finish().await?),
            Err(error) => {
                sealing.abandon().await;
                return Err(error);
            }
        }
        Ok(Some(self.entities.media_for(tenant, row, &secret, (hold, new)).await?))
    }

    /// Reads one chunk of a file that a hold keeps; `None` after the last.
    pub(in crate::assistant) async fn kept_chunk(
        &self,
        grant: &Grant,
        (tenant, hold, id): (TenantId, &Hold, MediaId),
        chunk: u32,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, AssistantError> {
        let row = self.entities.media_row(tenant, id).await?.filter(|row| row.clear.hold == Some(hold.id));
        self.chunk_of(grant, tenant, &row.ok_or(AssistantError::NotFound("file"))?, chunk).await
    }

    /// Opens a chunk of a file; `None` after the last.
    pub(in crate::assistant) async fn chunk_of(
        &self,
        grant: &Grant,
        tenant: TenantId,
        row: &MediaRow,
        chunk: u32,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, AssistantError> {
        let Some(media) = &self.media else { return Err(AssistantError::NotFound("file")) };
        let secret = self.entities.media_secret(grant, tenant, row).await?;
        let layout = secret.layout.ok_or(AssistantError::NotFound("file that is kept"))?;
        let place = Place { tenant, subject: row.subject()?, id: row.id() };
        layout.read(&*self.entities.vault, &**media, (place, chunk), grant).await
    }

    async fn copy_chunks(
        &self,
        grant: &Grant,
        media: &dyn MediaStore,
        (layout, from): (crate::entity::Layout, Place),
        into: &mut Sealing<'_>,
    ) -> Result<(), AssistantError> {
        let mut number = 0;
        while let Some(chunk) = layout.read(&*self.entities.vault, media, (from, number), grant).await? {
            into.take(&chunk).await?;
            number += 1;
        }
        Ok(())
    }
}
