//! What facts came to, in clear: figures name nobody.

use chrono::{DateTime, Utc};

use crate::entity::{Entities, from_clear, position, to_clear};
use crate::id::{RecordId, TenantId};
use crate::kpi::Figures;
use crate::store::{Cursor, Kind, ListOrder, ListQuery, Record, StoreError};

impl Entities {
    /// Makes the record of a tenant's next figures. Its id is its number, so of two processes that write the next ones at once
    /// only one does.
    pub(crate) fn new_figures(tenant: TenantId, number: u128, figures: &Figures) -> Result<Record, StoreError> {
        let mut record = Record::new(Kind::FIGURES, RecordId::from_bytes(number.to_be_bytes()));
        record.parent = Some(tenant.into());
        record.position = position(figures.from);
        record.clear = to_clear(figures)?;
        Ok(record)
    }

    /// Returns a tenant's last figures with their number.
    pub(crate) async fn last_figures(&self, tenant: TenantId) -> Result<Option<(u128, Figures)>, StoreError> {
        let last = self.store.list(&query(tenant, ListOrder::Descending, None, 1)).await?.records;
        let read = |record: &Record| Ok((u128::from_be_bytes(record.id.into_bytes()), from_clear(record)?));
        last.first().map(read).transpose()
    }

    /// Returns the figures of the periods that begin at or after a time, the first ones first.
    pub(crate) async fn figures_from(
        &self,
        tenant: TenantId,
        from: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Figures>, StoreError> {
        // No record has the nil id.
        let before = Cursor { position: position(from), id: RecordId::from_bytes([0; 16]) };
        let page = self.store.list(&query(tenant, ListOrder::Ascending, Some(before), limit)).await?;
        page.records.iter().map(from_clear).collect()
    }
}

fn query(tenant: TenantId, order: ListOrder, after: Option<Cursor>, limit: usize) -> ListQuery {
    ListQuery { tenant, kind: Kind::FIGURES, parent: tenant.into(), order, after, limit }
}
