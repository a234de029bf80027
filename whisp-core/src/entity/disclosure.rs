//! What went to whom, as records of the person: all of it in clear, for there is nothing in it but that.

use chrono::{DateTime, TimeDelta, Utc};

use crate::entity::{Entities, from_clear, position, to_clear};
use crate::id::{RecordId, SubjectId, TenantId};
use crate::privacy::Disclosure;
use crate::store::{Cursor, Kind, ListOrder, ListQuery, PAGE_MAX, Record, StoreError};

impl Entities {
    /// Makes the record of a disclosure. It is kept as long as whoever was given the data keeps them, or longer, and no shorter
    /// for a time in which the person must not be told.
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
        let told_from = disclosure.told_from.map_or(disclosure.at, |from| from.max(disclosure.at));
        record.expires_at = Some(told_from + keep).max(disclosure.retained_until);
        record.clear = to_clear(disclosure)?;
        Ok(record)
    }

    pub(crate) fn disclosure(record: &Record) -> Result<Disclosure, StoreError> {
        from_clear(record)
    }

    /// Lists what went to others about somebody, the latest first, but for what the person must not be told yet.
    pub(crate) async fn disclosures(
        &self,
        tenant: TenantId,
        (subject, now): (SubjectId, DateTime<Utc>),
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
        let mut disclosures = page.records.iter().map(Self::disclosure).collect::<Result<Vec<_>, _>>()?;
        disclosures.retain(|disclosure| disclosure.is_told(now));
        Ok((disclosures, page.next))
    }
}
