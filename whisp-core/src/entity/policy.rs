//! The notices that were published, in the directory, each under its number; and since when we know somebody.

use chrono::{DateTime, Utc};

use crate::assistant::AssistantError;
use crate::documents::PolicyVersion;
use crate::entity::{Entities, from_clear, position, to_clear};
use crate::id::{ContactId, MemberId, RecordId, TenantId};
use crate::model::Tenant;
use crate::privacy::{About, SubjectKind};
use crate::store::{Kind, ListOrder, ListQuery, PAGE_MAX, Record, StoreError};

impl Entities {
    /// Makes the record of a notice. Nobody publishes another one under its number.
    pub(crate) fn new_policy(policy: &PolicyVersion) -> Result<Record, StoreError> {
        let id = RecordId::from_bytes(u128::from(policy.number).to_be_bytes());
        let mut record = Record::new(Kind::POLICY, id);
        record.parent = Some(TenantId::DIRECTORY.into());
        record.position = position(policy.published_at);
        record.clear = to_clear(policy)?;
        Ok(record)
    }

    /// Returns the notices that were published, the oldest first.
    pub(crate) async fn policies(&self) -> Result<Vec<PolicyVersion>, StoreError> {
        let mut query = ListQuery {
            tenant: TenantId::DIRECTORY,
            kind: Kind::POLICY,
            parent: TenantId::DIRECTORY.into(),
            order: ListOrder::Ascending,
            after: None,
            limit: PAGE_MAX,
        };
        let mut all: Vec<PolicyVersion> = Vec::new();
        loop {
            let page = self.store.list(&query).await?;
            for record in &page.records {
                all.push(from_clear(record)?);
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        // By number, whatever the clocks said.
        all.sort_by_key(|policy| policy.number);
        Ok(all)
    }

    /// Returns since when, by our clock, we know somebody; `None` if nothing tells.
    pub(crate) async fn known_since(
        &self,
        tenant: &Tenant,
        about: &About,
    ) -> Result<Option<DateTime<Utc>>, AssistantError> {
        Ok(match about.kind {
            SubjectKind::AccountHolder => Some(tenant.created_at),
            SubjectKind::Contact => {
                let contact = self.contact_row(tenant.id, ContactId(about.subject)).await?;
                match contact.and_then(|row| row.conversation) {
                    Some(id) => {
                        let row = self.conversation_row(tenant.id, id.into()).await?;
                        row.map(|row| row.conversation.created_at)
                    }
                    None => None,
                }
            }
            SubjectKind::Member => {
                let row = self.member_row(tenant.id, MemberId(about.subject)).await?;
                row.map(|row| row.clear.joined_at)
            }
            SubjectKind::Mentioned => None,
        })
    }
}
