//! What is told of an erasure: a receipt that names nobody, and can be checked without us.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::{Assistant, AssistantError, ErasureHorizon, EventProof, Inclusion, WithheldRecords};
use crate::audit::TreeHash;
use crate::entity::{from_clear, to_clear};
use crate::id::{RecordId, TenantId};
use crate::privacy::ProcessorId;
use crate::store::{Erased, Kind, ListOrder, ListQuery, PAGE_MAX, StoreError};

#[cfg(doc)]
use crate::store::ErasableStore;

/// What an erasure did. It names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErasureReceipt {
    /// Which.
    pub id: RecordId,
    /// When the key was destroyed: from then on nothing sealed under it can be read, not even out of a copy of the data.
    pub key_destroyed_at: Option<DateTime<Utc>>,
    /// Until when a copy of the *key table* from before can bring it back, as it was known then. `None` if there was no key,
    /// and in receipts of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon: Option<ErasureHorizon>,
    /// How many records of each kind were deleted, but for those of which the person must not be told yet
    /// ([`Disclosure::told_from`](crate::privacy::Disclosure)).
    pub deleted: Vec<(String, u64)>,
    /// When the last record was deleted.
    pub completed_at: DateTime<Utc>,
    /// What the host's own stores did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<ErasedElsewhere>,
    /// Until when those keep it to whom the person's data went on our instruction, by the register as it was then: they can't take
    /// back what they were shown, and delete it at that time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub processors: BTreeMap<ProcessorId, DateTime<Utc>>,
    /// What is kept though the person is erased, under a key of its own, and why. Receipts of earlier versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<WithheldRecords>,
    /// When the platform said that the person is not in the contact book any more that it keeps for the business; `None`
    /// where it keeps none, and where [`remaining`](Self::remaining) names the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub book_entry_deleted_at: Option<DateTime<Utc>>,
    /// What is not in our hands: the platform's own copies, which the person deletes there, or the business.
    pub remaining: Vec<String>,
    /// The event of it in the audit log. Receipts of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<RecordId>,
    /// The same as it is known now, since when too, once it is so: [`Assistant::receipt`] adds it, to every receipt of a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon_now: Option<ErasureHorizon>,
    /// The proof that it was logged: [`Assistant::receipt`] adds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<EventProof>,
}

/// What a store of the host's own did for an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErasedElsewhere {
    /// Which: its [name](ErasableStore::name).
    pub store: String,
    /// What it did. Pieces that it removed before a crash are not counted.
    #[serde(flatten)]
    pub erased: Erased,
}

impl ErasureReceipt {
    /// Returns what the event in the audit log says of this receipt as its `detail`: the SHA-256 of its JSON, without what
    /// is added later: the proof, and the horizon as it is known now. So a receipt that was changed is told from the one that was logged.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`](crate::store::StoreErrorKind::Invalid) if it can't be written as JSON.
    pub fn commitment(&self) -> Result<TreeHash, StoreError> {
        let said = to_clear(&Self { horizon_now: None, proof: None, ..self.clone() })?;
        Ok(TreeHash::of(&[said.0.as_bytes()]))
    }
}

impl Assistant {
    /// Returns the receipt of an erasure, with its horizon as it is now, and with the proof that it was logged where there is
    /// one: once the event is in the log, and where the assistant has a signer. Give it to the person: it can be checked
    /// without us.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`]; as [`Audit::prove`](crate::assistant::Audit::prove).
    ///
    /// # Cancellation
    /// As [`Audit::prove`](crate::assistant::Audit::prove).
    pub async fn receipt(&self, tenant: TenantId, id: RecordId) -> Result<ErasureReceipt, AssistantError> {
        let record = self.inner.entities.record(tenant, Kind::RECEIPT, id).await?;
        let mut receipt: ErasureReceipt = from_clear(&record.ok_or(AssistantError::NotFound("receipt"))?)?;
        if let Some(at) = receipt.key_destroyed_at {
            receipt.horizon_now = Some(self.inner.horizon_of(tenant, at).await?);
        }
        if let Some(event) = receipt.audit.filter(|_| self.inner.signer.is_some())
            && let Inclusion::Logged(proof) = self.audit(tenant).prove(event).await?
        {
            receipt.proof = Some(proof);
        }
        Ok(receipt)
    }

    /// Returns the receipts of a tenant's erasures, the latest ones first, at most [`PAGE_MAX`]. They name nobody.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn receipts(&self, tenant: TenantId) -> Result<Vec<ErasureReceipt>, AssistantError> {
        let query = ListQuery {
            tenant,
            kind: Kind::RECEIPT,
            parent: tenant.into(),
            order: ListOrder::Descending,
            after: None,
            limit: PAGE_MAX,
        };
        let page = self.inner.entities.store.list(&query).await?;
        Ok(page.records.iter().map(from_clear).collect::<Result<_, _>>()?)
    }
}
