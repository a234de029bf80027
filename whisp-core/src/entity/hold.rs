//! Holds, and the copies that they keep of whoever was erased.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::{AssistantError, Held};
use crate::entity::{Entities, from_clear, position, to_clear};
use crate::id::{HoldId, MediaId, RecordId, SubjectId, TenantId};
use crate::privacy::{DataCategory, Grant, Hold};
use crate::store::{
    BlindIndex, Cursor, Expect, FindQuery, Kind, ListOrder, ListQuery, PAGE_MAX, Record, StoreError, WriteOp,
};
use crate::vault::{IndexField, SealContext, VaultError};

/// Under what a hold is listed once it holds no more; before, it is under its tenant.
const RELEASED: RecordId = RecordId::from_bytes([0; 16]);

/// A hold as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct HoldRow {
    record: Record,
    pub(crate) hold: Hold,
}

impl HoldRow {
    pub(crate) fn new(hold: Hold) -> Self {
        let mut record = Record::new(Kind::HOLD, hold.id.into());
        // The first `stage` makes it version 1.
        record.version = 0;
        record.lookups = vec![BlindIndex(hold.subject.into_bytes())];
        Self { record, hold }
    }

    fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { hold: from_clear(&record)?, record })
    }

    /// Puts it on another contact of the same person too. It stays so where the one that it was placed on is gone.
    pub(crate) fn reach(&mut self, other: SubjectId) {
        let lookup = BlindIndex(other.into_bytes());
        if !self.record.lookups.contains(&lookup) {
            self.record.lookups.push(lookup);
        }
    }

    /// Returns whose data it is on: those of a person, as every contact that they are.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = SubjectId> {
        self.record.lookups.iter().map(|lookup| SubjectId::from_bytes(lookup.0))
    }

    /// Expects it to be stored as it is here.
    pub(crate) const fn unchanged(&self) -> Expect {
        Expect::Version(Kind::HOLD, self.record.id, self.record.version)
    }

    /// Stages it as it is now, one version on: among those that hold, by when somebody has to look at it.
    pub(crate) fn stage(&mut self, tenant: TenantId, keep_until: DateTime<Utc>) -> Result<WriteOp, StoreError> {
        let released = self.hold.released_at;
        self.record.version += 1;
        self.record.parent = Some(if released.is_some() { RELEASED } else { tenant.into() });
        self.record.position = position(released.unwrap_or(self.hold.review_by));
        self.record.expires_at = released.map(|_| keep_until);
        self.record.clear = to_clear(&self.hold)?;
        Ok(WriteOp::Put(self.record.clone()))
    }
}

/// What a kept copy is of.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HeldClear {
    kind: String,
    at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<MediaId>,
}

/// A copy that is about to be kept.
#[derive(Debug)]
pub(crate) struct HeldDraft<'a> {
    pub(crate) hold: &'a Hold,
    /// Of which record, and which revision of it.
    pub(crate) of: (&'a Record, u32),
    pub(crate) category: DataCategory,
    pub(crate) at: DateTime<Utc>,
    /// What it says, as JSON.
    pub(crate) value: String,
    /// The copy of the file, if it is of one that was kept.
    pub(crate) file: Option<MediaId>,
}

const fn context(tenant: TenantId, keeper: SubjectId, record: RecordId, category: DataCategory) -> SealContext {
    SealContext { tenant, subject: keeper, kind: Kind::HELD, record, field: "copy", category, revision: 0 }
}

impl Entities {
    pub(crate) async fn hold(&self, tenant: TenantId, id: HoldId) -> Result<Option<HoldRow>, StoreError> {
        self.record(tenant, Kind::HOLD, id.into()).await?.map(HoldRow::read).transpose()
    }

    /// Returns the holds on a person's data, those that hold no more too.
    pub(crate) async fn holds_on(&self, tenant: TenantId, subject: SubjectId) -> Result<Vec<HoldRow>, StoreError> {
        let lookup = BlindIndex(subject.into_bytes());
        let query = FindQuery { tenant, kind: Kind::HOLD, lookup, limit: PAGE_MAX };
        self.store.find(&query).await?.into_iter().map(HoldRow::read).collect()
    }

    /// Lists the holds of a tenant that hold, those first at which somebody has to look first.
    pub(crate) async fn open_holds(
        &self,
        tenant: TenantId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<HoldRow>, Option<Cursor>), StoreError> {
        let (kind, order) = (Kind::HOLD, ListOrder::Ascending);
        let page = self.store.list(&ListQuery { tenant, kind, parent: tenant.into(), order, after, limit }).await?;
        Ok((page.records.into_iter().map(HoldRow::read).collect::<Result<_, _>>()?, page.next))
    }

    /// Returns the id of the copy that a hold keeps of a record, as it is in this revision.
    pub(crate) async fn held_id(
        &self,
        tenant: TenantId,
        hold: HoldId,
        (of, revision): (&Record, u32),
    ) -> Result<RecordId, VaultError> {
        let (hold, kind, id) = (hold.into_bytes(), of.kind.name().as_bytes(), of.id.into_bytes());
        let value = [&hold[..], kind, &id, &revision.to_be_bytes()].concat();
        Ok(self.vault.index(tenant, IndexField::Held, &value).await?.record_id())
    }

    /// Stages a copy under the key of its hold.
    pub(crate) async fn new_held(&self, tenant: TenantId, draft: &HeldDraft<'_>) -> Result<Record, AssistantError> {
        let HeldDraft { hold, of, category, at, value, file } = draft;
        let id = self.held_id(tenant, hold.id, *of).await?;
        let (of, _) = of;
        let mut record = Record::new(Kind::HELD, id);
        record.parent = Some(hold.id.into());
        record.position = position(*at);
        record.subjects = vec![hold.keeper];
        record.clear = to_clear(&HeldClear { kind: of.kind.name().to_owned(), at: *at, file: *file })?;
        let context = context(tenant, hold.keeper, id, *category);
        record.sealed = self.vault.seal(&context, value.as_bytes()).await?;
        Ok(record)
    }

    /// Opens a copy.
    pub(crate) async fn held(&self, grant: &Grant, tenant: TenantId, record: &Record) -> Result<Held, AssistantError> {
        let HeldClear { kind, at, file } = from_clear(record)?;
        let category = held_category(&kind);
        let plain =
            self.vault.open(grant, &context(tenant, grant.subject(), record.id, category), &record.sealed).await?;
        let value = std::str::from_utf8(&plain).map_err(|_| AssistantError::NotFound("copy that can be read"))?;
        Ok(Held { id: record.id, kind, at, value: value.into(), file })
    }
}

/// Returns which kind of data a copy of a record of this kind is.
pub(crate) fn held_category(kind: &str) -> DataCategory {
    match kind {
        "media" => DataCategory::Media,
        "message" => DataCategory::MessageContent,
        _ => DataCategory::Identity,
    }
}
