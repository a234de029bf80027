//! Where sealed files are: in a folder, or in any object store.

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod folder;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayloadMut};
use whisp_core::id::{MediaId, TenantId};
use whisp_core::media::{MediaStore, MediaWriter};
use whisp_core::store::{PAGE_MAX, Sealed, StoreError};

use self::error::failed;

/// How many bytes of a file are sent to an object store in one part: the least that S3 takes, rounded up to whole
/// chunks. So much of each file that is being written is in memory.
pub const PART_BYTES: usize = 5 * 1024 * 1024;

/// The same for a folder, which takes parts of any size.
pub const FOLDER_PART_BYTES: usize = 256 * 1024;

/// Keeps sealed files as objects named `tenant/file`, both random ids: in a folder of this machine, or wherever the crate
/// `object_store` reaches (S3 and what speaks its protocol, Azure, Google Cloud).
///
/// It is one assistant's alone: the assistant deletes what it finds there without a record of its own. In an object
/// store, let a rule of the bucket remove multipart uploads that were never completed.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// use whisp_core::id::{MediaId, TenantId};
/// use whisp_core::media::MediaStore;
/// use whisp_core::store::Sealed;
/// use whisp_store::ObjectMedia;
///
/// let media = ObjectMedia::folder(folder.path().join("media"))?;
/// let (tenant, file) = (TenantId::from_bytes([1; 16]), MediaId::from_bytes([2; 16]));
/// let mut writer = media.write(tenant, file).await?;
/// writer.append(Sealed(b"sealed".to_vec())).await?;
/// writer.finish().await?;
/// assert_eq!(media.read(tenant, file, 2, 100).await?.as_deref(), Some(&b"aled"[..]));
/// # Ok(())
/// # }
/// ```
pub struct ObjectMedia {
    store: Arc<dyn ObjectStore>,
    part: usize,
    folder: Option<PathBuf>,
}

impl ObjectMedia {
    /// Keeps files in an object store, under a prefix if it is a `PrefixStore`.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, part: PART_BYTES, folder: None }
    }

    /// Keeps files in memory, for tests.
    #[must_use]
    pub fn in_memory() -> Self {
        Self { part: FOLDER_PART_BYTES, ..Self::new(Arc::new(InMemory::new())) }
    }

    /// Keeps files in a folder, which is made, readable for its owner alone, if it is not there. What is written is flushed
    /// to the disk before it counts as kept.
    ///
    /// # Errors
    /// By [`StoreErrorKind`](whisp_core::store::StoreErrorKind), when there can be no such folder.
    pub fn folder(path: impl AsRef<FilePath>) -> Result<Self, StoreError> {
        let (store, folder) = folder::open(path.as_ref())?;
        Ok(Self { store: Arc::new(store), part: FOLDER_PART_BYTES, folder: Some(folder) })
    }

    fn file(&self, tenant: TenantId, id: MediaId) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.join(tenant_name(tenant)).join(file_name(id)))
    }
}

impl fmt::Debug for ObjectMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectMedia").field("part", &self.part).finish_non_exhaustive()
    }
}

fn tenant_name(tenant: TenantId) -> String {
    tenant.as_uuid().simple().to_string()
}

fn file_name(id: MediaId) -> String {
    id.as_uuid().simple().to_string()
}

fn object(tenant: TenantId, id: MediaId) -> Path {
    Path::from_iter([tenant_name(tenant), file_name(id)])
}

#[async_trait]
impl MediaStore for ObjectMedia {
    async fn write(&self, tenant: TenantId, id: MediaId) -> Result<Box<dyn MediaWriter>, StoreError> {
        Ok(Box::new(Writer {
            store: Arc::clone(&self.store),
            object: object(tenant, id),
            file: self.file(tenant, id),
            part: self.part,
            waiting: PutPayloadMut::new(),
            upload: None,
        }))
    }

    async fn read(
        &self,
        tenant: TenantId,
        id: MediaId,
        offset: u64,
        len: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let object = object(tenant, id);
        let end = offset.saturating_add(len as u64);
        match self.store.get_range(&object, offset..end).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            // A range that begins at or after the end is an error there.
            Err(error) => match self.store.head(&object).await {
                Ok(there) if there.size <= offset || len == 0 => Ok(Some(Vec::new())),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Ok(_) | Err(_) => Err(failed("read a file", error)),
            },
        }
    }

    async fn delete(&self, tenant: TenantId, id: MediaId) -> Result<(), StoreError> {
        match self.store.delete(&object(tenant, id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(failed("delete a file", error)),
        }
        match self.file(tenant, id) {
            Some(file) => folder::delete_halves(file).await,
            None => Ok(()),
        }
    }

    async fn list(&self, tenant: TenantId, after: Option<MediaId>, limit: usize) -> Result<Vec<MediaId>, StoreError> {
        let prefix = Path::from(tenant_name(tenant));
        let mut found = match after {
            Some(after) => self.store.list_with_offset(Some(&prefix), &object(tenant, after)),
            None => self.store.list(Some(&prefix)),
        };
        // Object stores promise no order, so the lowest are chosen out of all that come.
        let mut lowest = BTreeSet::new();
        while let Some(there) = found.try_next().await.map_err(|error| failed("list files", error))? {
            let id = there.location.filename().and_then(|name| name.parse::<MediaId>().ok());
            lowest.extend(id.filter(|id| after.is_none_or(|after| *id > after)));
            if lowest.len() > limit.min(PAGE_MAX) {
                lowest.pop_last();
            }
        }
        Ok(lowest.into_iter().collect())
    }
}

/// A file on its way in: sent in parts, or in one piece where it is smaller than a part.
struct Writer {
    store: Arc<dyn ObjectStore>,
    object: Path,
    /// Where it will be, in a folder.
    file: Option<PathBuf>,
    part: usize,
    waiting: PutPayloadMut,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({} bytes wait)", self.waiting.content_length())
    }
}

#[async_trait]
impl MediaWriter for Writer {
    async fn append(&mut self, chunk: Sealed) -> Result<(), StoreError> {
        const WRITE: &str = "write a file";
        self.waiting.push(chunk.0.into());
        if self.waiting.content_length() < self.part {
            return Ok(());
        }
        let upload = match &mut self.upload {
            Some(upload) => upload,
            none => {
                let upload = self.store.put_multipart(&self.object).await.map_err(|error| failed(WRITE, error))?;
                none.insert(upload)
            }
        };
        let part = std::mem::take(&mut self.waiting).freeze();
        upload.put_part(part).await.map_err(|error| failed(WRITE, error))
    }

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        const FINISH: &str = "finish a file";
        let rest = std::mem::take(&mut self.waiting).freeze();
        match &mut self.upload {
            None => {
                self.store.put(&self.object, rest).await.map_err(|error| failed(FINISH, error))?;
            }
            Some(upload) => {
                if rest.content_length() > 0 {
                    upload.put_part(rest).await.map_err(|error| failed(FINISH, error))?;
                }
                upload.complete().await.map_err(|error| failed(FINISH, error))?;
            }
        }
        match self.file.take() {
            Some(file) => folder::make_private(file).await,
            None => Ok(()),
        }
    }

    async fn abandon(mut self: Box<Self>) {
        if let Some(upload) = &mut self.upload {
            // Nobody can do anything about it: what stays is unreadable, and for the rules of the bucket to remove.
            drop(upload.abort().await);
        }
    }
}
