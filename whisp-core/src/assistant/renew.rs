//! Gives a person a new key.

use crate::assistant::desk::TRIES_MAX;
use crate::assistant::{Assistant, AssistantError, Inner};
use crate::audit::AuditAction;
use crate::entity::{AuditDraft, By};
use crate::id::{ContactId, TenantId};
use crate::privacy::Storage;
use crate::store::{SubjectCursor, SubjectQuery, WriteBatch, WriteOp};

/// How many of a person's records are sealed anew in one commit.
const PAGE: usize = 200;

/// What [`Assistant::renew_key`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRenewal {
    /// The version of the new key, counted from 1.
    pub version: u32,
    /// How many records were sealed anew under it.
    pub resealed: u64,
}

impl Assistant {
    /// Gives a contact a new key, and seals what is kept of them under it: their messages, names and handles, suggestions,
    /// what is known of their files, and what is kept raw. For when a key may be known to somebody who must not have it, or
    /// every so often. (The keys under which people's keys are wrapped turn by themselves:
    /// [`erasure_horizon`](Self::erasure_horizon).)
    ///
    /// The files themselves, and details in the audit log, stay under the key that they were sealed with until they go. The
    /// older keys stay for them, and go with the new one when the person is erased. Copies that were made before are under
    /// the old key too: against those only their end helps. For five seconds other processes may still seal under it. Whoever
    /// is [two contacts](crate::assistant::Desk::known_as) has two keys.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] for the tenant or the contact; by the gate where the contact is being erased; by the vault,
    /// for whoever has had [as many keys as one can have](crate::vault::VaultErrorKind::Exhausted); by the store;
    /// [`AssistantError::Conflict`] where others keep changing what is to be sealed anew. What was done stays done, and a
    /// further call makes a further key.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn renew_key(&self, tenant: TenantId, contact: ContactId) -> Result<KeyRenewal, AssistantError> {
        let inner = &self.inner;
        inner.entities.contact_row(tenant, contact).await?.ok_or(AssistantError::NotFound("contact"))?;
        inner.audit_alone(tenant, AuditDraft::new(AuditAction::KeyRenewed, By::Host, contact.0)).await?;
        let version = inner.entities.vault.renew(tenant, contact.0).await?;
        let (mut resealed, mut after) = (0, None);
        loop {
            let (count, next) = inner.reseal_page(tenant, contact, after).await?;
            resealed += count;
            match next {
                Some(next) => after = Some(next),
                None => return Ok(KeyRenewal { version, resealed }),
            }
        }
    }
}

impl Inner {
    /// Seals a page of a person's records anew; returns how many it changed, and after what to go on.
    async fn reseal_page(
        &self,
        tenant: TenantId,
        contact: ContactId,
        after: Option<SubjectCursor>,
    ) -> Result<(u64, Option<SubjectCursor>), AssistantError> {
        let settings = self.entities.tenant(tenant).await?.tenant;
        let query = SubjectQuery { tenant, subject: contact.0, after, limit: PAGE };
        for _ in 0..TRIES_MAX {
            let permit = self.gate.permit::<Storage>(&settings, contact, self.clock.now()).await?;
            let page = self.entities.store.of_subject(&query).await?;
            let mut batch = WriteBatch::new(tenant);
            for record in page.records {
                batch.ops.extend(self.entities.reseal_record(permit.grant(), tenant, record).await?.map(WriteOp::Put));
            }
            let count = batch.ops.len() as u64;
            // Refused: somebody changed one of them this moment, and it is read again.
            if count == 0 || self.commit_beside(batch).await? {
                return Ok((count, page.next));
            }
        }
        Err(AssistantError::Conflict("contact"))
    }
}
