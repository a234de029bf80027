//! What a webhook held that is kept as it came, sealed, for a short time; and suggestions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::AssistantError;
use crate::entity::{Entities, from_clear, position, to_clear};
use crate::id::{ContactId, ConversationId, RecordId, SubjectId, SuggestionId, TenantId};
use crate::model::{Content, Suggestion, SuggestionState};
use crate::privacy::{DataCategory, Grant};
use crate::reply::EngineId;
use crate::store::{Kind, Record, StoreError};
use crate::vault::SealContext;

/// Something raw that is about to be stored.
#[derive(Debug)]
pub(crate) struct RawDraft<'a, T> {
    pub(crate) id: RecordId,
    pub(crate) subject: SubjectId,
    /// The platform's name of it; never personal.
    pub(crate) topic: &'a str,
    pub(crate) value: &'a T,
    pub(crate) at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RawClear<'a> {
    topic: std::borrow::Cow<'a, str>,
}

pub(super) const fn raw_context(tenant: TenantId, subject: SubjectId, record: RecordId) -> SealContext {
    SealContext { tenant, subject, kind: Kind::RAW, record, field: "raw", category: DataCategory::Raw, revision: 0 }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SuggestionClear {
    engine: EngineId,
    pub(crate) at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) decides: bool,
    pub(crate) state: SuggestionState,
}

/// A suggestion as it is stored, still sealed.
#[derive(Debug, Clone)]
pub(crate) struct SuggestionRow {
    pub(crate) record: Record,
    pub(crate) clear: SuggestionClear,
}

impl SuggestionRow {
    pub(crate) fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { clear: from_clear(&record)?, record })
    }

    pub(crate) fn next(mut self, state: SuggestionState) -> Result<Record, StoreError> {
        self.clear.state = state;
        self.record.version += 1;
        self.record.clear = to_clear(&self.clear)?;
        Ok(self.record)
    }
}

pub(super) const fn suggestion_context(tenant: TenantId, contact: ContactId, record: RecordId) -> SealContext {
    SealContext {
        tenant,
        subject: contact.0,
        kind: Kind::SUGGESTION,
        record,
        field: "content",
        category: DataCategory::MessageContent,
        revision: 0,
    }
}

impl Entities {
    pub(crate) async fn new_raw<T: Serialize + Sync>(
        &self,
        tenant: TenantId,
        draft: &RawDraft<'_, T>,
    ) -> Result<Record, AssistantError> {
        let mut record = Record::new(Kind::RAW, draft.id);
        record.parent = Some(tenant.into());
        record.position = position(draft.at);
        record.subjects = vec![draft.subject];
        record.expires_at = Some(draft.expires_at);
        record.clear = to_clear(&RawClear { topic: draft.topic.into() })?;
        record.sealed = self.seal(&raw_context(tenant, draft.subject, draft.id), draft.value).await?;
        Ok(record)
    }

    /// Opens what was kept raw.
    pub(crate) async fn raw<T: serde::de::DeserializeOwned>(
        &self,
        grant: &Grant,
        tenant: TenantId,
        record: &Record,
    ) -> Result<T, AssistantError> {
        self.open(grant, &raw_context(tenant, grant.subject(), record.id), record).await
    }

    pub(crate) async fn new_suggestion(
        &self,
        tenant: TenantId,
        suggestion: &Suggestion,
        expires_at: DateTime<Utc>,
    ) -> Result<Record, AssistantError> {
        let mut record = Record::new(Kind::SUGGESTION, suggestion.id.into());
        record.parent = Some(suggestion.conversation.into());
        record.position = position(suggestion.at);
        record.subjects = vec![suggestion.contact.0];
        record.expires_at = Some(expires_at);
        record.clear = to_clear(&SuggestionClear {
            engine: suggestion.engine.clone(),
            at: suggestion.at,
            decides: suggestion.decides,
            state: suggestion.state,
        })?;
        let context = suggestion_context(tenant, suggestion.contact, record.id);
        record.sealed = self.seal(&context, &suggestion.content).await?;
        Ok(record)
    }

    /// Opens a suggestion.
    pub(crate) async fn suggestion(
        &self,
        grant: &Grant,
        tenant: TenantId,
        row: &SuggestionRow,
    ) -> Result<Suggestion, AssistantError> {
        let contact = ContactId(grant.subject());
        let content: Content =
            self.open(grant, &suggestion_context(tenant, contact, row.record.id), &row.record).await?;
        let parent = row.record.parent.ok_or(AssistantError::NotFound("conversation"))?;
        Ok(Suggestion {
            id: SuggestionId::from_uuid(row.record.id.as_uuid()),
            conversation: ConversationId::from_uuid(parent.as_uuid()),
            contact,
            engine: row.clear.engine.clone(),
            content,
            at: row.clear.at,
            decides: row.clear.decides,
            state: row.clear.state,
        })
    }
}
