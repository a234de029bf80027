//! Members of the team, and the glass that they broke.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::AssistantError;
use crate::entity::{Entities, from_clear, next_version, position, to_clear};
use crate::id::{ContactId, ConversationId, MemberId, RecordId, SubjectId, TenantId};
use crate::model::Member;
use crate::privacy::{DataCategory, GlassReason, Grant, Role};
use crate::sensitive::Sensitive;
use crate::store::{Kind, Record, StoreError};
use crate::vault::{IndexField, SealContext, VaultError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemberClear {
    pub(crate) role: Role,
    pub(crate) joined_at: DateTime<Utc>,
    /// Since when they may do nothing any more, because they are being erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) left_at: Option<DateTime<Utc>>,
    /// How often the name was corrected.
    #[serde(default, skip_serializing_if = "is_zero")]
    revision: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
const fn is_zero(revision: &u32) -> bool {
    *revision == 0
}

/// A member as it is stored, the name sealed.
#[derive(Debug, Clone)]
pub(crate) struct MemberRow {
    pub(crate) record: Record,
    pub(crate) clear: MemberClear,
}

impl MemberRow {
    pub(crate) fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { clear: from_clear(&record)?, record })
    }

    /// Returns the record of the member as it is now, one version on.
    pub(crate) fn next(self) -> Result<Record, StoreError> {
        next_version(self.record, &self.clear)
    }
}

/// Why a member looks at a conversation that is not theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GlassClear {
    pub(crate) reason: GlassReason,
    pub(crate) since: DateTime<Utc>,
}

const fn name_context(tenant: TenantId, member: MemberId, revision: u32) -> SealContext {
    SealContext {
        tenant,
        subject: member.0,
        kind: Kind::MEMBER,
        record: RecordId::from_uuid(member.0.as_uuid()),
        field: "name",
        category: DataCategory::Identity,
        revision,
    }
}

impl Entities {
    pub(crate) async fn member_row(
        &self,
        tenant: TenantId,
        member: MemberId,
    ) -> Result<Option<MemberRow>, AssistantError> {
        Ok(self.record(tenant, Kind::MEMBER, member.into()).await?.map(MemberRow::read).transpose()?)
    }

    pub(crate) async fn new_member(&self, tenant: TenantId, member: &Member) -> Result<Record, AssistantError> {
        let mut record = Record::new(Kind::MEMBER, member.id.into());
        record.parent = Some(tenant.into());
        record.position = position(member.joined_at);
        record.subjects = vec![member.id.0];
        let (role, joined_at) = (member.role, member.joined_at);
        record.clear = to_clear(&MemberClear { role, joined_at, left_at: None, revision: 0 })?;
        record.sealed = self.seal(&name_context(tenant, member.id, 0), &member.name).await?;
        Ok(record)
    }

    /// Stages a member whose name was corrected.
    pub(crate) async fn rectified_member(
        &self,
        tenant: TenantId,
        mut row: MemberRow,
        name: &Sensitive,
    ) -> Result<Record, AssistantError> {
        row.clear.revision += 1;
        let member = MemberId(SubjectId::from_uuid(row.record.id.as_uuid()));
        row.record.sealed = self.seal(&name_context(tenant, member, row.clear.revision), name).await?;
        Ok(row.next()?)
    }

    /// Reads the name of a member.
    pub(crate) async fn member_name(
        &self,
        grant: &Grant,
        tenant: TenantId,
        record: &Record,
    ) -> Result<Sensitive, AssistantError> {
        let MemberClear { revision, .. } = from_clear(record)?;
        self.open(grant, &name_context(tenant, MemberId(grant.subject()), revision), record).await
    }

    /// Returns the key of the glass that a member broke.
    pub(crate) async fn glass_key(
        &self,
        tenant: TenantId,
        member: MemberId,
        conversation: ConversationId,
    ) -> Result<RecordId, VaultError> {
        let value = [member.0.into_bytes(), conversation.into_bytes()].concat();
        Ok(self.vault.index(tenant, IndexField::BrokenGlass, &value).await?.record_id())
    }

    /// Stages that a member breaks the glass before a contact's conversation, anew if they did before.
    pub(crate) fn put_glass(
        key: RecordId,
        (member, contact): (MemberId, ContactId),
        glass: GlassClear,
        until: DateTime<Utc>,
        before: Option<&Record>,
    ) -> Result<Record, StoreError> {
        let mut record = Record::new(Kind::BROKEN_GLASS, key);
        record.version = before.map_or(1, |before| before.version + 1);
        record.subjects = vec![contact.0, member.0];
        record.expires_at = Some(until);
        record.clear = to_clear(&glass)?;
        Ok(record)
    }
}
