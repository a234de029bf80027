//! Contacts, found by the keyed index of a handle on a connection.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::AssistantError;
use crate::entity::{Entities, from_clear, to_clear};
use crate::id::{ContactId, ConversationId, RecordId, SubjectId, TenantId};
use crate::model::{Contact, Handle};
use crate::privacy::{DataCategory, Grant};
use crate::sensitive::Sensitive;
use crate::store::{Expect, Kind, ListOrder, ListQuery, Record, Sealed, StoreError, Version};
use crate::vault::{SealContext, VaultError, VaultErrorKind};

/// How many contacts one person is followed through: each is a change of number that came in the wrong order.
const OTHERS_MAX: usize = 32;

/// That a contact is another one too.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct SamePersonClear {
    pub(crate) other: SubjectId,
}

/// What a handle leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alias {
    pub(crate) contact: ContactId,
    pub(crate) conversation: ConversationId,
}

/// Whose a handle is. It never changes: who gives the handle up loses it, and whoever gets it has a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    #[serde(flatten)]
    pub(crate) alias: Alias,
    /// Up to when it was not theirs: somebody else had it, or they had another one. `None` where we know of neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<DateTime<Utc>>,
}

/// Whose a handle was, so that what was written under it before it was given up and comes late still finds its person, or
/// is dropped because they were erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Former {
    /// `None` where we did not know whose.
    #[serde(flatten)]
    pub(crate) alias: Option<Alias>,
    /// As a holder's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// When it was given up, by the platform's clock.
    pub(crate) until: DateTime<Utc>,
    /// Whoever had it was erased: what was written up to then is dropped when it comes late.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) erased: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ContactClear {
    revision: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conversation: Option<ConversationId>,
    /// The name is not the platform's: the person had it corrected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    rectified: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ContactSecret {
    handles: Vec<Handle>,
    name: Option<Sensitive>,
}

/// A contact as it is stored, still sealed.
#[derive(Debug, Clone)]
pub(crate) struct ContactRow {
    pub(crate) record: Record,
    revision: u32,
    /// Their conversation. `None` where an earlier version wrote it.
    pub(crate) conversation: Option<ConversationId>,
    /// The person had the name corrected: no other one takes its place.
    rectified: bool,
}

impl ContactRow {
    pub(crate) fn read(record: Record) -> Result<Self, StoreError> {
        let clear: ContactClear = from_clear(&record)?;
        let ContactClear { revision, conversation, rectified } = clear;
        Ok(Self { record, revision, conversation, rectified })
    }

    /// Returns whether the name is what the person had it corrected to.
    pub(crate) const fn is_rectified(&self) -> bool {
        self.rectified
    }

    /// Expects it to be stored as it is here.
    pub(crate) const fn unchanged(&self) -> Expect {
        Expect::Version(Kind::CONTACT, self.record.id, self.record.version)
    }
}

const fn context(tenant: TenantId, contact: ContactId, record: RecordId, revision: u32) -> SealContext {
    SealContext {
        tenant,
        subject: contact.0,
        kind: Kind::CONTACT,
        record,
        field: "identity",
        category: DataCategory::Identity,
        revision,
    }
}

/// Returns in what place a contact's record is sealed.
pub(super) fn sealed_as(tenant: TenantId, contact: ContactId, record: &Record) -> Result<SealContext, StoreError> {
    let ContactClear { revision, .. } = from_clear(record)?;
    Ok(context(tenant, contact, record.id, revision))
}

/// The handles of somebody whose erasure is under way, under the account holder's key.
const fn entry_context(tenant: TenantId, holder: SubjectId, erasure: RecordId) -> SealContext {
    SealContext {
        tenant,
        subject: holder,
        kind: Kind::ERASURE,
        record: erasure,
        field: "contact_book",
        category: DataCategory::Identity,
        revision: 0,
    }
}

impl Entities {
    /// Seals by which handles the platform's contact book has somebody whose erasure begins.
    pub(crate) async fn seal_entry(
        &self,
        tenant: TenantId,
        holder: SubjectId,
        erasure: RecordId,
        handles: &Vec<Handle>,
    ) -> Result<Sealed, AssistantError> {
        self.seal(&entry_context(tenant, holder, erasure), handles).await
    }

    /// Opens the same, under a grant about the account holder.
    pub(crate) async fn entry(
        &self,
        grant: &Grant,
        tenant: TenantId,
        erasure: &Record,
    ) -> Result<Vec<Handle>, AssistantError> {
        self.open(grant, &entry_context(tenant, grant.subject(), erasure.id), erasure).await
    }

    pub(crate) fn new_holder(key: RecordId, holder: &Holder) -> Result<Record, StoreError> {
        let mut record = Record::new(Kind::ALIAS, key);
        record.subjects = vec![holder.alias.contact.0];
        record.clear = to_clear(holder)?;
        Ok(record)
    }

    pub(crate) async fn former(
        &self,
        tenant: TenantId,
        key: RecordId,
    ) -> Result<Option<(Former, Version)>, StoreError> {
        match self.record(tenant, Kind::FORMER_ALIAS, key).await? {
            Some(record) => Ok(Some((from_clear(&record)?, record.version))),
            None => Ok(None),
        }
    }

    /// Stages whose a handle was, in the given version.
    pub(crate) fn put_former(
        key: RecordId,
        former: &Former,
        version: Version,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<Record, StoreError> {
        let mut record = Record::new(Kind::FORMER_ALIAS, key);
        record.version = version;
        record.subjects = former.alias.iter().map(|alias| alias.contact.0).collect();
        record.expires_at = expires_at;
        record.clear = to_clear(former)?;
        Ok(record)
    }

    pub(crate) async fn contact_row(&self, tenant: TenantId, id: ContactId) -> Result<Option<ContactRow>, StoreError> {
        self.record(tenant, Kind::CONTACT, id.into()).await?.map(ContactRow::read).transpose()
    }

    /// Opens a contact.
    pub(crate) async fn contact(
        &self,
        grant: &Grant,
        tenant: TenantId,
        row: &ContactRow,
    ) -> Result<Contact, AssistantError> {
        let id = ContactId(grant.subject());
        let secret: ContactSecret =
            self.open(grant, &context(tenant, id, row.record.id, row.revision), &row.record).await?;
        Ok(Contact { id, handles: secret.handles, name: secret.name })
    }

    /// Stages a contact whose name was corrected.
    pub(crate) async fn rectified_contact(
        &self,
        tenant: TenantId,
        contact: &Contact,
        before: &ContactRow,
    ) -> Result<Record, AssistantError> {
        let before = ContactRow { rectified: true, ..before.clone() };
        self.put_contact(tenant, contact, before.conversation, Some(&before)).await
    }

    /// Makes the record that a contact is another one too: of both, so that it goes with the first of them.
    pub(crate) fn new_same_person(id: RecordId, one: SubjectId, other: SubjectId) -> Result<Record, StoreError> {
        let mut record = Record::new(Kind::SAME_PERSON, id);
        record.parent = Some(one.into());
        record.subjects = vec![one, other];
        record.clear = to_clear(&SamePersonClear { other })?;
        Ok(record)
    }

    /// Returns which other contacts somebody is.
    pub(crate) async fn others(&self, tenant: TenantId, subject: SubjectId) -> Result<Vec<SubjectId>, StoreError> {
        let mut people = vec![subject];
        let mut looked = 0;
        while let Some(next) = people.get(looked).copied().filter(|_| people.len() < OTHERS_MAX) {
            let (kind, parent, order) = (Kind::SAME_PERSON, next.into(), ListOrder::Ascending);
            let query = ListQuery { tenant, kind, parent, order, after: None, limit: OTHERS_MAX };
            for record in self.store.list(&query).await?.records {
                let SamePersonClear { other } = from_clear(&record)?;
                if !people.contains(&other) {
                    people.push(other);
                }
            }
            looked += 1;
        }
        people.retain(|other| *other != subject);
        Ok(people)
    }

    /// Returns whether somebody's key was destroyed.
    pub(crate) async fn is_erased(&self, tenant: TenantId, subject: SubjectId) -> Result<bool, VaultError> {
        // The key alone matters: what is sealed goes nowhere.
        match self.vault.seal(&context(tenant, ContactId(subject), subject.into(), 0), &[]).await {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == VaultErrorKind::Erased => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Stages a contact: a new one, with their conversation, or one whose handles or name changed.
    pub(crate) async fn put_contact(
        &self,
        tenant: TenantId,
        contact: &Contact,
        conversation: Option<ConversationId>,
        before: Option<&ContactRow>,
    ) -> Result<Record, AssistantError> {
        let mut record = before.map_or_else(
            || Record::new(Kind::CONTACT, contact.id.into()),
            |row| Record { version: row.record.version + 1, ..row.record.clone() },
        );
        let revision = before.map_or(0, |row| row.revision + 1);
        record.subjects = vec![contact.id.0];
        let rectified = before.is_some_and(|row| row.rectified);
        record.clear = to_clear(&ContactClear { revision, conversation, rectified })?;
        let secret = ContactSecret { handles: contact.handles.clone(), name: contact.name.clone() };
        record.sealed = self.seal(&context(tenant, contact.id, record.id, revision), &secret).await?;
        Ok(record)
    }
}
