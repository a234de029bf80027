//! Seals what is kept of a contact under their newest key, whatever kind of record it is.

use crate::assistant::AssistantError;
use crate::entity::{Entities, contact, media, message, raw};
use crate::id::{ContactId, TenantId};
use crate::privacy::Grant;
use crate::store::{Kind, Record};

impl Entities {
    /// Returns the record one version on, sealed under the newest key of whom the grant is about; `None` where it is that
    /// already, or nothing in it is sealed, or its time is over. What it says stays as it is.
    pub(crate) async fn reseal_record(
        &self,
        grant: &Grant,
        tenant: TenantId,
        mut record: Record,
    ) -> Result<Option<Record>, AssistantError> {
        if record.sealed.0.is_empty() || record.is_past(grant.reads_as_of()) {
            return Ok(None);
        }
        let who = ContactId(grant.subject());
        let context = match record.kind {
            Kind::CONTACT => contact::sealed_as(tenant, who, &record)?,
            Kind::MEDIA => media::sealed_as(tenant, who, &record)?,
            Kind::MESSAGE => message::sealed_as(tenant, who, &record)?,
            Kind::RAW => raw::raw_context(tenant, who.0, record.id),
            Kind::SUGGESTION => raw::suggestion_context(tenant, who, record.id),
            _ => return Ok(None),
        };
        let Some(sealed) = self.vault.reseal(grant, &context, &record.sealed).await? else { return Ok(None) };
        record.sealed = sealed;
        record.version += 1;
        Ok(Some(record))
    }
}
