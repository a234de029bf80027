//! A file as sealed chunks: cut and sealed on its way in, opened one by one on its way out.

use zeroize::Zeroizing;

use crate::assistant::AssistantError;
use crate::entity::Layout;
use crate::error::Retry;
use crate::id::{MediaId, SubjectId, TenantId};
use crate::media::{CHUNK_BYTES, MediaStore, MediaWriter};
use crate::privacy::{DataCategory, Grant};
use crate::store::{Kind, Sealed, StoreError, StoreErrorKind};
use crate::vault::{SealContext, Vault, VaultError, VaultErrorKind};

/// Whose file, and which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) tenant: TenantId,
    pub(super) subject: SubjectId,
    pub(super) id: MediaId,
}

impl Place {
    /// Returns what a chunk is sealed for. A file never changes, so the number of the chunk stands where other records
    /// have their revision; the last one has a field of its own, so that nothing but the last chunk ends a file.
    const fn context(self, number: u32, last: bool) -> SealContext {
        SealContext {
            tenant: self.tenant,
            subject: self.subject,
            kind: Kind::MEDIA,
            record: crate::id::RecordId::from_uuid(self.id.as_uuid()),
            field: if last { "last_chunk" } else { "chunk" },
            category: DataCategory::Media,
            revision: number,
        }
    }
}

/// Cuts a file into chunks, seals them and writes them.
#[derive(Debug)]
pub(super) struct Sealing<'a> {
    vault: &'a dyn Vault,
    place: Place,
    writer: Box<dyn MediaWriter>,
    chunk: Zeroizing<Vec<u8>>,
    number: u32,
    size: u64,
    stride: usize,
}

impl<'a> Sealing<'a> {
    pub(super) fn new(vault: &'a dyn Vault, place: Place, writer: Box<dyn MediaWriter>) -> Self {
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES));
        Self { vault, place, writer, chunk, number: 0, size: 0, stride: 0 }
    }

    /// Returns how many bytes it took so far.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Takes a piece of the file. A chunk that is full is written when more comes: only then is it known not to be the
    /// last.
    pub(super) async fn take(&mut self, mut piece: &[u8]) -> Result<(), AssistantError> {
        self.size = self.size.saturating_add(piece.len() as u64);
        while !piece.is_empty() {
            if self.chunk.len() == CHUNK_BYTES {
                self.write(false).await?;
            }
            let (fits, rest) = piece.split_at(piece.len().min(CHUNK_BYTES - self.chunk.len()));
            self.chunk.extend_from_slice(fits);
            piece = rest;
        }
        Ok(())
    }

    async fn write(&mut self, last: bool) -> Result<(), AssistantError> {
        let sealed = self.vault.seal(&self.place.context(self.number, last), &self.chunk).await?;
        self.stride = self.stride.max(sealed.0.len());
        self.chunk.clear();
        self.number = self.number.checked_add(1).ok_or(AssistantError::Invalid("the file has too many chunks"))?;
        Ok(self.writer.append(sealed).await?)
    }

    /// Ends the file; returns how it lies.
    pub(super) async fn finish(mut self) -> Result<Layout, AssistantError> {
        if let Err(error) = self.write(true).await {
            self.abandon().await;
            return Err(error);
        }
        self.writer.finish().await?;
        let len = |len: usize| u32::try_from(len).map_err(|_| AssistantError::Invalid("a sealed chunk is too large"));
        Ok(Layout { size: self.size, chunk: len(CHUNK_BYTES)?, stride: len(self.stride)? })
    }

    /// Throws away what was written.
    pub(super) async fn abandon(self) {
        self.writer.abandon().await;
    }
}

impl Layout {
    /// Returns how many chunks there are: the last one is the only empty one that can be.
    fn chunks(self) -> u64 {
        self.size.div_ceil(u64::from(self.chunk.max(1))).max(1)
    }

    /// Reads and opens a chunk; `None` after the last.
    pub(super) async fn read(
        self,
        vault: &dyn Vault,
        media: &dyn MediaStore,
        (place, number): (Place, u32),
        grant: &Grant,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, AssistantError> {
        let (number_wide, chunks) = (u64::from(number), self.chunks());
        if number_wide >= chunks {
            return Ok(None);
        }
        let last = number_wide + 1 == chunks;
        let stride = u64::from(self.stride);
        // One byte more than the last one has: what was appended to a file makes it unreadable.
        let len = usize::try_from(stride + u64::from(last)).unwrap_or(usize::MAX);
        let sealed = media.read(place.tenant, place.id, number_wide * stride, len).await?.ok_or_else(|| {
            StoreError::new("read a file", StoreErrorKind::Corrupt, Retry::Never)
                .with_advice("the media store does not have it: restore it from a backup")
        })?;
        let plain = vault.open(grant, &place.context(number, last), &Sealed(sealed)).await?;
        let chunk = u64::from(self.chunk);
        let expected = if last { self.size - number_wide * chunk } else { chunk };
        if plain.len() as u64 != expected {
            return Err(VaultError::new("open a file", VaultErrorKind::Corrupt, Retry::Never).into());
        }
        Ok(Some(plain))
    }
}
