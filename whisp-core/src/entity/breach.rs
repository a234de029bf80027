//! The register of breaches. It names nobody, so nothing of it is sealed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::entity::{Entities, from_clear, position, to_clear};
use crate::id::{BreachId, RecordId, TenantId};
use crate::privacy::{Audience, Breach, Urgency};
use crate::store::{Cursor, Kind, ListOrder, ListQuery, Record, StoreError, WriteOp};

/// Under what a breach is listed once nothing is left to do; before, it is under its tenant.
const ENDED: RecordId = RecordId::from_bytes([0; 16]);

/// A breach, and what of it is ours to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BreachClear {
    pub(crate) breach: Breach,
    /// How close each date was when that was noted last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) noted: BTreeMap<Audience, Urgency>,
}

/// A breach as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct BreachRow {
    record: Record,
    pub(crate) clear: BreachClear,
}

impl BreachRow {
    pub(crate) fn new(breach: Breach) -> Self {
        let mut record = Record::new(Kind::BREACH, breach.id.into());
        // The first `stage` makes it version 1.
        record.version = 0;
        Self { record, clear: BreachClear { breach, noted: BTreeMap::new() } }
    }

    fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { clear: from_clear(&record)?, record })
    }

    /// Stages it as it is now, one version on.
    pub(crate) fn stage(&mut self, tenant: TenantId, keep_until: DateTime<Utc>) -> Result<WriteOp, StoreError> {
        let breach = &self.clear.breach;
        let open = breach.state.is_open();
        self.record.version += 1;
        self.record.parent = Some(if open { tenant.into() } else { ENDED });
        self.record.position = position(if open { breach.noted_at } else { breach.changed_at });
        self.record.expires_at = (!open).then_some(keep_until);
        self.record.clear = to_clear(&self.clear)?;
        Ok(WriteOp::Put(self.record.clone()))
    }
}

impl Entities {
    pub(crate) async fn breach(&self, tenant: TenantId, id: BreachId) -> Result<Option<BreachRow>, StoreError> {
        self.record(tenant, Kind::BREACH, id.into()).await?.map(BreachRow::read).transpose()
    }

    /// Lists the breaches for which something is left to do, the first one first.
    pub(crate) async fn open_breaches(
        &self,
        tenant: TenantId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<BreachRow>, Option<Cursor>), StoreError> {
        self.breaches(tenant, (tenant.into(), ListOrder::Ascending), after, limit).await
    }

    /// Lists the others, the last one first.
    pub(crate) async fn ended_breaches(
        &self,
        tenant: TenantId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<BreachRow>, Option<Cursor>), StoreError> {
        self.breaches(tenant, (ENDED, ListOrder::Descending), after, limit).await
    }

    async fn breaches(
        &self,
        tenant: TenantId,
        (parent, order): (RecordId, ListOrder),
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<BreachRow>, Option<Cursor>), StoreError> {
        let page = self.store.list(&ListQuery { tenant, kind: Kind::BREACH, parent, order, after, limit }).await?;
        Ok((page.records.into_iter().map(BreachRow::read).collect::<Result<_, _>>()?, page.next))
    }
}
