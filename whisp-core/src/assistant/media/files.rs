//! What members do with files: see which came with a message, and read them.

use zeroize::Zeroizing;

use super::chunks::Place;
use crate::assistant::AssistantError;
use crate::assistant::desk::Desk;
use crate::entity::{Layout, MediaRow};
use crate::id::{ContactId, MediaId, MessageId};
use crate::model::{MediaFile, MediaState};

impl Desk {
    /// Lists the files that came with a message, in its order: whether they are there, and if not, why. A message whose
    /// files were never to be fetched has none.
    ///
    /// # Errors
    /// [`AssistantError::Denied`]; by the store and the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn media(&self, message: MessageId) -> Result<Vec<MediaFile>, AssistantError> {
        let entities = &self.assistant.inner.entities;
        let tenant = self.tenant;
        let mut files = Vec::new();
        for record in entities.media_of(tenant, message).await? {
            let row = MediaRow::read(record)?;
            let (permit, _) = self.permit(ContactId(row.subject()?)).await?;
            let secret = entities.media_secret(permit.grant(), tenant, &row).await?;
            files.push(row.file(secret)?);
        }
        Ok(files)
    }

    /// Opens a file, to read it chunk by chunk.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] when there is no such file, or it is not kept; [`Denied`](AssistantError::Denied); by
    /// the store and the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn open_media(&self, id: MediaId) -> Result<OpenFile, AssistantError> {
        let inner = &self.assistant.inner;
        let tenant = self.tenant;
        if inner.media.is_none() {
            return Err(AssistantError::Invalid("the assistant has no media store: give it one with `media`"));
        }
        let row = inner.entities.media_row(tenant, id).await?.ok_or(AssistantError::NotFound("file"))?;
        let subject = row.subject()?;
        let (permit, _) = self.permit(ContactId(subject)).await?;
        let secret = inner.entities.media_secret(permit.grant(), tenant, &row).await?;
        let layout = secret.layout.filter(|_| row.clear.state == MediaState::Kept);
        let layout = layout.ok_or(AssistantError::NotFound("file that is kept"))?;
        Ok(OpenFile {
            desk: self.clone(),
            place: Place { tenant, subject, id },
            layout,
            file: row.file(secret)?,
            next: 0,
        })
    }
}

/// A file, open to be read. One chunk of it is in memory at a time.
///
/// # Examples
/// As the body of an answer, with any stream of results (here of the crate `futures-util`):
/// ```
/// # use futures_util::{Stream, stream};
/// use whisp_core::assistant::{AssistantError, OpenFile};
///
/// fn body(file: OpenFile) -> impl Stream<Item = Result<Vec<u8>, AssistantError>> {
///     stream::try_unfold(file, |mut file| async move { Ok(file.next().await?.map(|chunk| (chunk.to_vec(), file))) })
/// }
/// ```
#[derive(Debug)]
pub struct OpenFile {
    desk: Desk,
    place: Place,
    layout: Layout,
    file: MediaFile,
    next: u32,
}

impl OpenFile {
    /// Returns what is known of the file.
    #[must_use]
    pub const fn file(&self) -> &MediaFile {
        &self.file
    }

    /// Returns the next chunk, `None` at the end. Each is read under a permit of its own: a slow reader gets nothing more
    /// once the person is erased.
    ///
    /// # Errors
    /// [`AssistantError::Denied`]; by the store and the vault: a file that was cut off, put together of others or changed
    /// by a single bit is [`VaultErrorKind::Corrupt`](crate::vault::VaultErrorKind::Corrupt). A reader that came as far as
    /// `None` has read the file as it was kept.
    ///
    /// # Cancellation
    /// The chunk is read again by the next call.
    pub async fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, AssistantError> {
        let Self { desk, place, layout, next, .. } = self;
        let inner = &desk.assistant.inner;
        let Some(media) = &inner.media else { return Err(AssistantError::NotFound("media store")) };
        let (permit, _) = desk.permit(ContactId(place.subject)).await?;
        let chunk = layout.read(&*inner.entities.vault, &**media, (*place, *next), permit.grant()).await?;
        *next = next.saturating_add(u32::from(chunk.is_some()));
        Ok(chunk)
    }
}
