//! Puts events that wait into the tree, and anchors what the tree has become.

use crate::assistant::audit::tiles::Tiles;
use crate::assistant::{Assistant, AssistantError, Inner};
use crate::audit::tree::Leaves;
use crate::entity::{Entities, LogHead, moved, place};
use crate::id::TenantId;
use crate::store::{Commit, Kind, Record, StoreError, Version, WriteBatch, WriteOp};

/// How many events one commit puts into the tree.
const CHUNK_MAX: usize = 256;

/// How many events of a tenant one sweep puts into its tree.
const EVENTS_MAX: usize = 64 * CHUNK_MAX;

impl Assistant {
    /// Puts the events of a tenant that wait into its log, and anchors the log if it has grown, where there are a signer and
    /// a sink; returns how many events.
    pub(in crate::assistant) async fn log_events(&self, tenant: TenantId) -> Result<usize, AssistantError> {
        let logged = self.inner.sequence(tenant, EVENTS_MAX).await?;
        if self.inner.signer.is_some() && self.inner.anchor.is_some() {
            let (head, _) = self.inner.entities.log_head(tenant).await?;
            // Also where an earlier sweep could not: what is not anchored is not yet safe from ourselves.
            if head.size > 0 && self.inner.audited().anchored.get(&tenant) != Some(&head.size) {
                self.audit(tenant).checkpoint().await?;
            }
        }
        Ok(logged)
    }
}

impl Inner {
    /// Puts events of a tenant that wait into the tree, at most `limit`; returns how many.
    ///
    /// Each commit is whole: events, tiles and head. Of two that do it at once one is refused, because both put the head
    /// in the same version, and leaves the rest to the other.
    pub(super) async fn sequence(&self, tenant: TenantId, limit: usize) -> Result<usize, AssistantError> {
        self.fetch_from_directory(tenant, limit).await?;
        let entities = &self.entities;
        let mut logged = 0;
        while logged < limit {
            // First what waits, then the head: whoever was faster in between has changed both.
            let waiting = entities.audit_waiting(tenant, CHUNK_MAX.min(limit - logged)).await?.records;
            if waiting.is_empty() {
                break;
            }
            let (head, version) = entities.log_head(tenant).await?;
            let count = waiting.len();
            let batch = match self.grow(tenant, head, version, waiting).await {
                Ok(batch) => batch,
                // The tiles do not fit the head because somebody else was faster in between.
                Err(_) if entities.log_head(tenant).await?.1 != version => break,
                Err(error) => return Err(error.into()),
            };
            match entities.store.commit(batch).await? {
                Commit::Done => logged += count,
                Commit::Refused(_) => break,
            }
        }
        Ok(logged)
    }

    /// Stages the log with more events at its end: the events, the tiles that change, the head.
    async fn grow(
        &self,
        tenant: TenantId,
        mut head: LogHead,
        version: Version,
        events: Vec<Record>,
    ) -> Result<WriteBatch, StoreError> {
        let mut tiles = Tiles::new(&self.entities, tenant);
        let mut batch = WriteBatch::new(tenant);
        for mut record in events {
            let leaf = place(&mut record, tenant, head.size)?;
            tiles.push(head.size, leaf).await?;
            head.size += 1;
            batch.ops.push(WriteOp::Put(record));
        }
        head.root = tiles.hash(Leaves { from: 0, until: head.size }).await?;
        batch.ops.extend(tiles.ops());
        batch.ops.push(WriteOp::Put(Entities::put_log_head(tenant, &head, version + 1)?));
        Ok(batch)
    }

    /// Moves events that were written with a change of the directory to where the tenant's own wait. An event has one id:
    /// one that a crash left in both places is put once and deleted then.
    async fn fetch_from_directory(&self, tenant: TenantId, limit: usize) -> Result<(), AssistantError> {
        let store = &self.entities.store;
        for record in self.entities.audit_in_directory(tenant, limit).await?.records {
            let gone = WriteOp::Delete(Kind::AUDIT, record.id, record.version);
            // Refused: it is there already.
            match store.commit(WriteBatch::new(tenant).op(WriteOp::Put(moved(record)))).await? {
                Commit::Done | Commit::Refused(_) => {}
            }
            // Refused: somebody else has just done the same.
            match store.commit(WriteBatch::new(TenantId::DIRECTORY).op(gone)).await? {
                Commit::Done | Commit::Refused(_) => {}
            }
        }
        Ok(())
    }
}
