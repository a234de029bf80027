//! What went to whom, as records of the person: all of it in clear, for there is nothing in it but that.

use chrono::TimeDelta;

use crate::entity::{Entities, from_clear, position, to_clear};
use crate::id::{RecordId, SubjectId, TenantId};
use crate::privacy::Disclosure;
use crate::store::{Cursor, Kind, ListOrder, ListQuery, PAGE_MAX, Record, StoreError};

impl Entities {
    /// Makes the record of a disclosure. It is kept as long as whoever was given the data keeps them, or longer.
    pub(crate) fn new_disclosure(
        id: RecordId,
        subject: SubjectId,
        disclosure: &Disclosure,
        keep: TimeDelta,
    ) -> Result<Record, StoreError> {
        let mut record = Record::new(Kind::DISCLOSURE, id);
        record.parent = Some(subject.into());
        record.position = position(disclosure.at);
        record.subjects = vec![subject];
        record.expires_at = Some(disclosure.at + keep).max(disclosure.retained_until);
        record.clear = to_clear(disclosure)?;
        Ok(record)
    }

    pub(crate) fn disclosure(record: &Record) -> Result<Disclosure, StoreError> {
        from_clear(record)
    }

    /// Lists what went to others about somebody, the latest first.
    pub(crate) async fn disclosures(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<Disclosure>, Option<Cursor>), StoreError> {
        let query = ListQuery {
            tenant,
            kind: Kind::DISCLOSURE,
            parent: subject.into(),
            order: ListOrder::Descending,
            after,
            limit: limit.min(PAGE_MAX),
        };
        let page = self.store.list(&query).await?;
        let disclosures = page.records.iter().map(Self::disclosure).collect::<Result<_, _>>()?;
        Ok((disclosures, page.next))
    }
}
