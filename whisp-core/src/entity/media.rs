//! Files that came with messages: where they stand, and what is known of them. Their bytes are in a media store.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::AssistantError;
use crate::entity::{Entities, from_clear, to_clear};
use crate::id::{ConnectionId, ContactId, HoldId, MediaId, MessageId, RecordId, SubjectId, TenantId};
use crate::media::{FILES_MAX, MediaPart, MediaRequest};
use crate::model::{Media, MediaFile, MediaKind, MediaState, PlatformMessageId};
use crate::privacy::{DataCategory, Grant, Hold};
use crate::store::{Kind, ListOrder, ListQuery, Record, StoreError};
use crate::vault::SealContext;

/// A file that is about to be fetched.
#[derive(Debug)]
pub(crate) struct MediaDraft<'a> {
    pub(crate) id: MediaId,
    pub(crate) message: MessageId,
    /// Which of the message's files it is, counted from 0.
    pub(crate) place: usize,
    pub(crate) connection: ConnectionId,
    pub(crate) contact: ContactId,
    pub(crate) reference: &'a Media,
    /// The platform's id of the message.
    pub(crate) platform_id: Option<&'a PlatformMessageId>,
    /// When the message was written.
    pub(crate) at: DateTime<Utc>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MediaClear {
    pub(crate) connection: ConnectionId,
    pub(crate) kind: MediaKind,
    pub(crate) at: DateTime<Utc>,
    #[serde(flatten)]
    pub(crate) state: MediaState,
    revision: u32,
    /// The hold for which alone it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hold: Option<HoldId>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MediaSecret {
    pub(crate) reference: Media,
    /// The platform's id of the message, until the file is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<PlatformMessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) layout: Option<Layout>,
}

/// How the sealed chunks of a file lie one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layout {
    /// How many bytes the file has in clear.
    pub(crate) size: u64,
    /// How many of them each chunk holds but the last.
    pub(crate) chunk: u32,
    /// How many bytes such a chunk takes sealed.
    pub(crate) stride: u32,
}

/// A file as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct MediaRow {
    pub(crate) record: Record,
    pub(crate) clear: MediaClear,
}

impl MediaRow {
    pub(crate) fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { clear: from_clear(&record)?, record })
    }

    pub(crate) const fn id(&self) -> MediaId {
        MediaId::from_uuid(self.record.id.as_uuid())
    }

    /// Returns whose it is.
    pub(crate) fn subject(&self) -> Result<SubjectId, AssistantError> {
        self.record.subjects.first().copied().ok_or(AssistantError::NotFound("contact"))
    }

    /// Returns how it is asked for.
    pub(crate) fn request(&self, secret: &MediaSecret) -> MediaRequest {
        MediaRequest { media: secret.reference.clone(), message: secret.message.clone(), part: self.part() }
    }

    /// Returns what of its message it is.
    pub(crate) fn part(&self) -> MediaPart {
        MediaPart::File(usize::try_from(self.record.position).unwrap_or(usize::MAX))
    }

    /// Returns the record in another state, one version on. What is sealed stays.
    pub(crate) fn next(mut self, state: MediaState) -> Result<Record, StoreError> {
        self.clear.state = state;
        self.record.version += 1;
        self.record.clear = to_clear(&self.clear)?;
        Ok(self.record)
    }

    /// Returns what is known of it.
    pub(crate) fn file(&self, secret: MediaSecret) -> Result<MediaFile, AssistantError> {
        let message = self.record.parent.ok_or(AssistantError::NotFound("message"))?;
        Ok(MediaFile {
            id: self.id(),
            message: MessageId::from_uuid(message.as_uuid()),
            kind: self.clear.kind,
            mime: secret.reference.mime,
            filename: secret.reference.filename,
            sha256: secret.reference.sha256,
            size: secret.layout.map(|layout| layout.size),
            state: self.clear.state,
        })
    }
}

const fn context(tenant: TenantId, subject: SubjectId, record: RecordId, revision: u32) -> SealContext {
    SealContext { tenant, subject, kind: Kind::MEDIA, record, field: "file", category: DataCategory::Media, revision }
}

/// Returns in what place a file's record is sealed.
pub(super) fn sealed_as(tenant: TenantId, contact: ContactId, record: &Record) -> Result<SealContext, StoreError> {
    let MediaClear { revision, .. } = from_clear(record)?;
    Ok(context(tenant, contact.0, record.id, revision))
}

impl Entities {
    pub(crate) async fn new_media(&self, tenant: TenantId, draft: &MediaDraft<'_>) -> Result<Record, AssistantError> {
        let mut record = Record::new(Kind::MEDIA, draft.id.into());
        record.parent = Some(draft.message.into());
        record.position = i64::try_from(draft.place).unwrap_or(i64::MAX);
        record.subjects = vec![draft.contact.0];
        record.expires_at = draft.expires_at;
        record.clear = to_clear(&MediaClear {
            connection: draft.connection,
            kind: draft.reference.kind,
            at: draft.at,
            state: MediaState::Pending,
            revision: 0,
            hold: None,
        })?;
        let message = draft.platform_id.cloned();
        let secret = MediaSecret { reference: draft.reference.clone(), message, layout: None };
        record.sealed = self.seal(&context(tenant, draft.contact.0, record.id, 0), &secret).await?;
        Ok(record)
    }

    pub(crate) async fn media_row(&self, tenant: TenantId, id: MediaId) -> Result<Option<MediaRow>, StoreError> {
        self.record(tenant, Kind::MEDIA, id.into()).await?.map(MediaRow::read).transpose()
    }

    /// Lists the files of a message, in its order.
    pub(crate) async fn media_of(&self, tenant: TenantId, message: MessageId) -> Result<Vec<Record>, StoreError> {
        let query = ListQuery {
            tenant,
            kind: Kind::MEDIA,
            parent: message.into(),
            order: ListOrder::Ascending,
            after: None,
            limit: FILES_MAX,
        };
        Ok(self.store.list(&query).await?.records)
    }

    /// Opens what is known of a file.
    pub(crate) async fn media_secret(
        &self,
        grant: &Grant,
        tenant: TenantId,
        row: &MediaRow,
    ) -> Result<MediaSecret, AssistantError> {
        let context = context(tenant, grant.subject(), row.record.id, row.clear.revision);
        self.open(grant, &context, &row.record).await
    }

    /// Stages a file that a hold keeps, under another id: its bytes are sealed anew already.
    pub(crate) async fn media_for(
        &self,
        tenant: TenantId,
        row: MediaRow,
        secret: &MediaSecret,
        (hold, id): (&Hold, MediaId),
    ) -> Result<Record, AssistantError> {
        let MediaRow { mut record, mut clear } = row;
        (clear.revision, clear.hold) = (0, Some(hold.id));
        record.id = id.into();
        record.version = 1;
        record.subjects = vec![hold.keeper];
        record.expires_at = None;
        record.clear = to_clear(&clear)?;
        record.sealed = self.seal(&context(tenant, hold.keeper, record.id, 0), secret).await?;
        Ok(record)
    }

    /// Stages a file as kept, with what was learnt of it.
    pub(crate) async fn media_kept(
        &self,
        tenant: TenantId,
        mut row: MediaRow,
        secret: &MediaSecret,
    ) -> Result<Record, AssistantError> {
        row.clear.revision += 1;
        let context = context(tenant, row.subject()?, row.record.id, row.clear.revision);
        row.record.sealed = self.seal(&context, secret).await?;
        Ok(row.next(MediaState::Kept)?)
    }
}
