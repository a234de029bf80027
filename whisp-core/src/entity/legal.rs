//! What is handed to authorities. It names its person by their random id alone, so it outlives their erasure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::entity::{Entities, from_clear, position, to_clear};
use crate::id::{LegalDisclosureId, RecordId, SubjectId, TenantId};
use crate::privacy::{LegalDisclosure, LegalState};
use crate::store::{
    BlindIndex, Cursor, Expect, FindQuery, Kind, ListOrder, ListQuery, PAGE_MAX, Record, StoreError, WriteOp,
};

/// Under what it is listed once nothing is left to do; before, it is under its tenant.
const ENDED: RecordId = RecordId::from_bytes([0; 16]);

/// What is handed out, and what of it is ours to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LegalClear {
    pub(crate) disclosure: LegalDisclosure,
    /// Whether the host was told that the person may be told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) gag_ended: bool,
}

/// The same as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct LegalRow {
    record: Record,
    pub(crate) clear: LegalClear,
}

impl LegalRow {
    pub(crate) fn new(disclosure: LegalDisclosure) -> Self {
        let mut record = Record::new(Kind::LEGAL_DISCLOSURE, disclosure.id.into());
        // The first `stage` makes it version 1.
        record.version = 0;
        record.lookups = vec![BlindIndex(disclosure.subject.into_bytes())];
        Self { record, clear: LegalClear { disclosure, gag_ended: false } }
    }

    fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { clear: from_clear(&record)?, record })
    }

    /// Expects it to be stored as it is here.
    pub(crate) const fn unchanged(&self) -> Expect {
        Expect::Version(Kind::LEGAL_DISCLOSURE, self.record.id, self.record.version)
    }

    /// Stages it as it is now, one version on.
    pub(crate) fn stage(&mut self, tenant: TenantId, keep_until: DateTime<Utc>) -> Result<WriteOp, StoreError> {
        let LegalClear { disclosure, gag_ended } = &self.clear;
        let ended = match disclosure.state {
            LegalState::Asked | LegalState::Approved => false,
            LegalState::Refused => true,
            LegalState::HandedOut => disclosure.gag_until.is_none() || *gag_ended,
        };
        self.record.version += 1;
        self.record.parent = Some(if ended { ENDED } else { tenant.into() });
        self.record.position = position(disclosure.asked_at);
        self.record.expires_at = ended.then_some(keep_until);
        self.record.clear = to_clear(&self.clear)?;
        Ok(WriteOp::Put(self.record.clone()))
    }
}

impl Entities {
    pub(crate) async fn legal_disclosure(
        &self,
        tenant: TenantId,
        id: LegalDisclosureId,
    ) -> Result<Option<LegalRow>, StoreError> {
        self.record(tenant, Kind::LEGAL_DISCLOSURE, id.into()).await?.map(LegalRow::read).transpose()
    }

    /// Returns those about a person.
    pub(crate) async fn legal_disclosures_of(
        &self,
        tenant: TenantId,
        subject: SubjectId,
    ) -> Result<Vec<LegalRow>, StoreError> {
        let lookup = BlindIndex(subject.into_bytes());
        let query = FindQuery { tenant, kind: Kind::LEGAL_DISCLOSURE, lookup, limit: PAGE_MAX };
        self.store.find(&query).await?.into_iter().map(LegalRow::read).collect()
    }

    /// Lists those for which something is left to do, the first one first; or the others, the last one first.
    pub(crate) async fn legal_disclosures(
        &self,
        tenant: TenantId,
        ended: bool,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<LegalRow>, Option<Cursor>), StoreError> {
        let (parent, order) =
            if ended { (ENDED, ListOrder::Descending) } else { (tenant.into(), ListOrder::Ascending) };
        let query = ListQuery { tenant, kind: Kind::LEGAL_DISCLOSURE, parent, order, after, limit };
        let page = self.store.list(&query).await?;
        Ok((page.records.into_iter().map(LegalRow::read).collect::<Result<_, _>>()?, page.next))
    }
}
