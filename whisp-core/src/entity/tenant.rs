//! Tenants, in the directory, and their members.

use crate::assistant::AssistantError;
use crate::entity::{Entities, from_clear, next_version, position, to_clear};
use crate::id::{RecordId, TenantId};
use crate::model::Tenant;
use crate::privacy::{DataCategory, Grant};
use crate::sensitive::Sensitive;
use crate::store::{Kind, Record, StoreError};
use crate::vault::SealContext;

/// A tenant as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct TenantRow {
    pub(crate) record: Record,
    pub(crate) tenant: Tenant,
}

impl TenantRow {
    pub(crate) fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { tenant: from_clear(&record)?, record })
    }

    /// Returns the record of the tenant as it is now, one version on.
    pub(crate) fn next(self) -> Result<Record, StoreError> {
        next_version(self.record, &self.tenant)
    }
}

/// The name is sealed under the tenant's own key, although its record stands in the directory.
const fn name_context(tenant: &Tenant, record: RecordId) -> SealContext {
    SealContext {
        tenant: tenant.id,
        subject: tenant.account_holder,
        kind: Kind::TENANT,
        record,
        field: "name",
        category: DataCategory::Identity,
        revision: tenant.renamed,
    }
}

impl Entities {
    pub(crate) async fn tenant(&self, id: TenantId) -> Result<TenantRow, AssistantError> {
        match self.record(TenantId::DIRECTORY, Kind::TENANT, id.into()).await? {
            Some(record) => Ok(TenantRow::read(record)?),
            None => Err(AssistantError::NotFound("tenant")),
        }
    }

    pub(crate) async fn new_tenant(&self, tenant: &Tenant, name: &Sensitive) -> Result<Record, AssistantError> {
        let mut record = Record::new(Kind::TENANT, tenant.id.into());
        record.parent = Some(TenantId::DIRECTORY.into());
        record.position = position(tenant.created_at);
        record.subjects = vec![tenant.account_holder];
        record.clear = to_clear(tenant)?;
        record.sealed = self.seal(&name_context(tenant, record.id), name).await?;
        Ok(record)
    }

    /// Stages a business under another name.
    pub(crate) async fn renamed(&self, mut row: TenantRow, name: &Sensitive) -> Result<Record, AssistantError> {
        row.tenant.renamed += 1;
        row.record.sealed = self.seal(&name_context(&row.tenant, row.record.id), name).await?;
        Ok(row.next()?)
    }

    /// Reads the name of the business.
    pub(crate) async fn business_name(&self, grant: &Grant, row: &TenantRow) -> Result<Sensitive, AssistantError> {
        self.open(grant, &name_context(&row.tenant, row.record.id), &row.record).await
    }
}
