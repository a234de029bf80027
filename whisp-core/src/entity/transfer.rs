//! That a business passes to a new owner. Who that is may be a person, so it is sealed under the account holder's key.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::AssistantError;
use crate::entity::{Entities, from_clear, next_version, position, to_clear};
use crate::id::{RecordId, TenantId, TransferId};
use crate::model::Tenant;
use crate::privacy::{ControlTransfer, Controller, DataCategory, KeysMoved, Permit, ServiceProvision};
use crate::store::{Kind, Record, StoreError};
use crate::vault::SealContext;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransferClear {
    pub(crate) from: DateTime<Utc>,
    pub(crate) noted_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) completed_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) keys: Option<KeysMoved>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) told_at: Option<DateTime<Utc>>,
}

/// A transfer as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct TransferRow {
    record: Record,
    pub(crate) clear: TransferClear,
}

impl TransferRow {
    pub(crate) fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { clear: from_clear(&record)?, record })
    }

    /// Returns the record of it as it is now, one version on.
    pub(crate) fn next(&self) -> Result<Record, StoreError> {
        next_version(self.record.clone(), &self.clear)
    }
}

const fn context(tenant: &Tenant, record: RecordId) -> SealContext {
    SealContext {
        tenant: tenant.id,
        subject: tenant.account_holder,
        kind: Kind::TRANSFER,
        record,
        field: "controller",
        category: DataCategory::Identity,
        revision: 0,
    }
}

impl Entities {
    pub(crate) async fn new_transfer(
        &self,
        tenant: &Tenant,
        (id, to): (TransferId, &Controller),
        (from, noted_at): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Record, AssistantError> {
        let mut record = Record::new(Kind::TRANSFER, id.into());
        record.parent = Some(tenant.id.into());
        record.position = position(noted_at);
        record.subjects = vec![tenant.account_holder];
        record.clear = to_clear(&TransferClear { from, noted_at, completed_at: None, keys: None, told_at: None })?;
        record.sealed = self.seal(&context(tenant, record.id), to).await?;
        Ok(record)
    }

    pub(crate) async fn transfer_row(&self, tenant: TenantId, id: TransferId) -> Result<TransferRow, AssistantError> {
        let record = self.record(tenant, Kind::TRANSFER, id.into()).await?;
        Ok(TransferRow::read(record.ok_or(AssistantError::NotFound("transfer"))?)?)
    }

    /// Opens a transfer.
    pub(crate) async fn transfer(
        &self,
        permit: &Permit<ServiceProvision>,
        tenant: &Tenant,
        row: &TransferRow,
    ) -> Result<ControlTransfer, AssistantError> {
        let to = self.open(permit.grant(), &context(tenant, row.record.id), &row.record).await?;
        let TransferClear { from, noted_at, completed_at, keys, told_at } = row.clear;
        let id = TransferId::from_uuid(row.record.id.as_uuid());
        Ok(ControlTransfer { id, to, from, noted_at, completed_at, keys, told_at })
    }
}
