//! What is noted of the use of the host's product, and what people gave when they asked for help: each sealed under the
//! person's key, under the person.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::AssistantError;
use crate::entity::{Entities, from_clear, position, to_clear};
use crate::id::{RecordId, SubjectId, TenantId};
use crate::privacy::{DataCategory, Device, Grant, Network, Purpose};
use crate::sensitive::Sensitive;
use crate::store::{Kind, Record, StoreError};
use crate::vault::SealContext;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UsageClear {
    pub(crate) purpose: Purpose,
    pub(crate) at: DateTime<Utc>,
}

/// What is sealed of a use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UsageSecret {
    pub(crate) feature: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<Network>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<Device>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SupportClear {
    pub(crate) at: DateTime<Utc>,
}

/// Whose it is, when it was, and until when it is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    pub(crate) id: RecordId,
    pub(crate) subject: SubjectId,
    pub(crate) at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

impl Noted {
    fn record(self, kind: Kind) -> Record {
        let mut record = Record::new(kind, self.id);
        record.parent = Some(self.subject.into());
        record.position = position(self.at);
        record.subjects = vec![self.subject];
        record.expires_at = Some(self.expires_at);
        record
    }
}

const fn context(tenant: TenantId, subject: SubjectId, record: RecordId, category: DataCategory) -> SealContext {
    let (kind, field) = match category {
        DataCategory::Usage => (Kind::USAGE, "use"),
        _ => (Kind::SUPPORT, "text"),
    };
    SealContext { tenant, subject, kind, record, field, category, revision: 0 }
}

impl Entities {
    pub(crate) async fn new_usage(
        &self,
        tenant: TenantId,
        noted: Noted,
        purpose: Purpose,
        secret: &UsageSecret,
    ) -> Result<Record, AssistantError> {
        let mut record = noted.record(Kind::USAGE);
        record.clear = to_clear(&UsageClear { purpose, at: noted.at })?;
        record.sealed = self.seal(&context(tenant, noted.subject, noted.id, DataCategory::Usage), secret).await?;
        Ok(record)
    }

    pub(crate) fn usage_clear(record: &Record) -> Result<UsageClear, StoreError> {
        from_clear(record)
    }

    /// Opens what is noted of a use.
    pub(crate) async fn usage(
        &self,
        grant: &Grant,
        tenant: TenantId,
        record: &Record,
    ) -> Result<UsageSecret, AssistantError> {
        self.open(grant, &context(tenant, grant.subject(), record.id, DataCategory::Usage), record).await
    }

    pub(crate) async fn new_support(
        &self,
        tenant: TenantId,
        noted: Noted,
        text: &Sensitive,
    ) -> Result<Record, AssistantError> {
        let mut record = noted.record(Kind::SUPPORT);
        record.clear = to_clear(&SupportClear { at: noted.at })?;
        record.sealed = self.seal(&context(tenant, noted.subject, noted.id, DataCategory::Support), text).await?;
        Ok(record)
    }

    pub(crate) fn support_clear(record: &Record) -> Result<SupportClear, StoreError> {
        from_clear(record)
    }

    /// Opens what somebody gave when they asked for help.
    pub(crate) async fn support(
        &self,
        grant: &Grant,
        tenant: TenantId,
        record: &Record,
    ) -> Result<Sensitive, AssistantError> {
        self.open(grant, &context(tenant, grant.subject(), record.id, DataCategory::Support), record).await
    }
}
