//! Erases a person: first the key, so that everything is unreadable at once, then every record.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::{Assistant, AssistantError};
use crate::entity::{position, to_clear};
use crate::id::{ContactId, RecordId, SubjectId, TenantId};
use crate::store::{Commit, Kind, PAGE_MAX, Record, SubjectQuery, WriteBatch, WriteOp};
use crate::vault::KeyErasure;

/// How many records one commit deletes.
const CHUNK_MAX: usize = 500;

/// What an erasure did. It names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErasureReceipt {
    /// Which.
    pub id: RecordId,
    /// When the key was destroyed: from then on nothing sealed under it can be read, not even out of a copy of the data.
    pub key_destroyed_at: Option<DateTime<Utc>>,
    /// How many records of each kind were deleted.
    pub deleted: Vec<(String, u64)>,
    /// When the last record was deleted.
    pub completed_at: DateTime<Utc>,
    /// What is not in our hands: the platform's own copy, which the person deletes there.
    pub remaining: Vec<String>,
}

impl Assistant {
    /// Erases a contact: destroys the key, then deletes every file and every record that names the person. Facts, which name nobody,
    /// stay. A person who writes again is a new one, with nothing that leads back.
    ///
    /// # Errors
    /// By the stores and the vault. What was erased by then stays erased; repeat the call.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn erase(&self, tenant: TenantId, contact: ContactId) -> Result<ErasureReceipt, AssistantError> {
        let inner = &self.inner;
        let subject = contact.0;
        let now = inner.clock.now();
        let key = inner.entities.vault.erase(tenant, subject, now).await?;
        inner.gate.void(tenant, subject);
        let deleted = self.delete_all(tenant, subject).await?;
        let receipt = ErasureReceipt {
            id: inner.record_id(),
            key_destroyed_at: match key {
                KeyErasure::Destroyed(at) => Some(at),
                KeyErasure::Absent => None,
            },
            deleted,
            completed_at: inner.clock.now(),
            remaining: vec![
                "the messages in the person's and the business's own inbox on the platform".to_owned(),
                "the key table's own backups, until they are older than its retention".to_owned(),
            ],
        };
        let mut record = Record::new(Kind::RECEIPT, receipt.id);
        record.parent = Some(tenant.into());
        record.position = position(receipt.completed_at);
        record.clear = to_clear(&receipt)?;
        match inner.entities.store.commit(WriteBatch::new(tenant).op(WriteOp::Put(record))).await? {
            Commit::Done => Ok(receipt),
            Commit::Refused(_) => Err(AssistantError::Conflict("receipt")),
        }
    }

    async fn delete_all(&self, tenant: TenantId, subject: SubjectId) -> Result<Vec<(String, u64)>, AssistantError> {
        let store = &self.inner.entities.store;
        let mut deleted: std::collections::BTreeMap<&'static str, u64> = std::collections::BTreeMap::new();
        loop {
            // Always from the beginning: what was deleted is gone, what was written meanwhile is found.
            let query = SubjectQuery { tenant, subject, after: None, limit: CHUNK_MAX.min(PAGE_MAX) };
            let page = store.of_subject(&query).await?;
            if page.records.is_empty() {
                return Ok(deleted.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect());
            }
            self.inner.delete_files(tenant, &page.records).await?;
            let mut batch = WriteBatch::new(tenant);
            batch.ops =
                page.records.iter().map(|record| WriteOp::Delete(record.kind, record.id, record.version)).collect();
            // Refused: one of them was changed this moment; it is found again in its new version.
            if self.inner.commit_beside(batch).await? {
                for record in &page.records {
                    *deleted.entry(record.kind.name()).or_default() += 1;
                }
            }
        }
    }
}
