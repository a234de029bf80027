//! What members do with files: see which came with a message, and read them.

use std::ops::Range;

use zeroize::Zeroizing;

use super::chunks::Place;
use crate::assistant::desk::Desk;
use crate::assistant::{AssistantError, Inner};
use crate::entity::{Layout, MediaRow};
use crate::id::{ContactId, MediaId, MessageId, TenantId};
use crate::model::{MediaFile, MediaState};
use crate::privacy::Grant;

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
            if row.clear.hold.is_some() {
                continue;
            }
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
        if row.clear.hold.is_some() {
            // It is there for a claim, and for nothing else.
            return Err(AssistantError::NotFound("file"));
        }
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
            part: None,
        })
    }
}

/// A file that is kept, to be read chunk by chunk.
#[derive(Debug)]
pub(in crate::assistant) struct KeptFile {
    place: Place,
    layout: Layout,
    next: u32,
}

impl Inner {
    /// Opens a file under a grant.
    pub(in crate::assistant) async fn kept_file(
        &self,
        grant: &Grant,
        tenant: TenantId,
        id: MediaId,
    ) -> Result<KeptFile, AssistantError> {
        let row = self.entities.media_row(tenant, id).await?.ok_or(AssistantError::NotFound("file"))?;
        let secret = self.entities.media_secret(grant, tenant, &row).await?;
        let layout = secret.layout.filter(|_| row.clear.state == MediaState::Kept && row.clear.hold.is_none());
        let layout = layout.ok_or(AssistantError::NotFound("file that is kept"))?;
        Ok(KeptFile { place: Place { tenant, subject: grant.subject(), id }, layout, next: 0 })
    }
}

impl KeptFile {
    /// Returns the next chunk, `None` at the end.
    pub(in crate::assistant) async fn next(
        &mut self,
        inner: &Inner,
        grant: &Grant,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, AssistantError> {
        let Some(media) = &inner.media else { return Err(AssistantError::NotFound("media store")) };
        let chunk = self.layout.read(&*inner.entities.vault, &**media, (self.place, self.next), grant).await?;
        self.next = self.next.saturating_add(u32::from(chunk.is_some()));
        Ok(chunk)
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
    /// Which bytes are wanted, where not all.
    part: Option<Range<u64>>,
}

impl OpenFile {
    /// Returns what is known of the file.
    #[must_use]
    pub const fn file(&self) -> &MediaFile {
        &self.file
    }

    /// Reads only these bytes, counted from 0, as far as the file has them; begins anew where something was read before.
    /// The chunks before and after are neither read nor opened: what the end of a whole reading says of the whole file,
    /// the end of this one says of the chunks that these bytes are in.
    #[must_use]
    pub fn part(mut self, bytes: Range<u64>) -> Self {
        self.next = u32::try_from(bytes.start / u64::from(self.layout.chunk.max(1))).unwrap_or(u32::MAX);
        self.part = Some(bytes.start..bytes.end.min(self.layout.size));
        self
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
        let Self { desk, place, layout, next, part, .. } = self;
        let start = u64::from(*next) * u64::from(layout.chunk);
        if part.as_ref().is_some_and(|part| part.is_empty() || part.end <= start) {
            return Ok(None);
        }
        let inner = &desk.assistant.inner;
        let Some(media) = &inner.media else { return Err(AssistantError::NotFound("media store")) };
        let (permit, _) = desk.permit(ContactId(place.subject)).await?;
        let mut chunk = layout.read(&*inner.entities.vault, &**media, (*place, *next), permit.grant()).await?;
        *next = next.saturating_add(u32::from(chunk.is_some()));
        if let (Some(chunk), Some(part)) = (&mut chunk, part) {
            let within = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX).min(chunk.len());
            let (first, end) = (within(part.start), within(part.end));
            chunk.truncate(end);
            chunk.drain(..first);
        }
        Ok(chunk)
    }
}
