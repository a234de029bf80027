//! What a worker still knows of the conversations that it has just worked on, and of the settings of a round: what it has
//! itself just written or read need not be read again.
//!
//! Nothing depends on a conversation being as it was: every commit of a lane names the versions that it went by, so that
//! what somebody else changed meanwhile makes it a conflict, and the lane is read anew. Settings are read once a second in
//! each round.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::lock::Mutex;
use lru::LruCache;

use crate::assistant::backlog::WorkChange;
use crate::assistant::{AssistantError, Inner};
use crate::entity::{ConnectionRow, ContactRow, ConversationRow, InquiryRow, MessageRow, TenantRow};
use crate::id::{ConnectionId, ConversationId, MessageId, RecordId, TenantId};
use crate::store::{Commit, Kind, WriteBatch, WriteOp};

/// How many conversations are known: those that were worked on last.
const LANES_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);

/// For how long. So old may be at most what an engine is asked by.
const LANE_LIFE: TimeDelta = TimeDelta::seconds(5);

/// For how long a round goes by the settings that it has read.
const SETTINGS_LIFE: TimeDelta = TimeDelta::seconds(1);

/// A conversation as it was after the last commit of it. What is personal is sealed in it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(super) lane: ConversationRow,
    pub(super) inquiry: Option<InquiryRow>,
    pub(super) contact: Option<ContactRow>,
    /// The messages of its outbox.
    pub(super) messages: BTreeMap<MessageId, MessageRow>,
}

/// The conversations that are known.
#[derive(Debug)]
pub(crate) struct Warm(LruCache<(TenantId, ConversationId), (DateTime<Utc>, Known)>);

impl Default for Warm {
    fn default() -> Self {
        Self(LruCache::new(LANES_MAX))
    }
}

impl Warm {
    pub(super) fn knows(&self, tenant: TenantId, lane: ConversationId) -> bool {
        self.0.contains(&(tenant, lane))
    }

    /// Hands out what is known; whoever commits the lane puts it back.
    pub(super) fn take(&mut self, tenant: TenantId, lane: ConversationId, now: DateTime<Utc>) -> Option<Known> {
        let (at, known) = self.0.pop(&(tenant, lane))?;
        is_young(at, LANE_LIFE, now).then_some(known)
    }

    pub(super) fn put(&mut self, tenant: TenantId, known: Known, now: DateTime<Utc>) {
        self.0.put((tenant, known.lane.conversation.id), (now, known));
    }
}

/// A clock that went back makes everything old.
pub(super) fn is_young(at: DateTime<Utc>, life: TimeDelta, now: DateTime<Utc>) -> bool {
    at <= now && now - at < life
}

impl Inner {
    /// Commits what somebody else than the lane's worker does to a conversation; returns whether it is done. Who works on
    /// the conversation in this process then reads it anew, and nothing is known any more of one that was erased.
    pub(super) async fn commit_beside(&self, batch: WriteBatch) -> Result<bool, AssistantError> {
        let tenant = batch.tenant;
        let conversation = |op: &WriteOp| match op {
            WriteOp::Put(record) if record.kind == Kind::CONVERSATION => Some(record.id),
            WriteOp::Delete(kind, id, _) if *kind == Kind::CONVERSATION => Some(*id),
            _ => None,
        };
        let work = WorkChange::of(&batch.ops);
        let changed: Vec<RecordId> = batch.ops.iter().filter_map(conversation).collect();
        let done = self.entities.store.commit(batch).await? == Commit::Done;
        for id in changed {
            self.warm().0.pop(&(tenant, ConversationId::from_uuid(id.as_uuid())));
        }
        if done && !work.is_empty() {
            self.notice(tenant, work);
            self.wake();
        }
        Ok(done)
    }
}

/// The settings that one round goes by. Held while they are read, so that of all the lanes of a round one reads them.
#[derive(Debug, Default)]
pub(crate) struct Settings(Mutex<Read>);

/// When each was read, and what.
#[derive(Debug, Default)]
struct Read {
    tenants: BTreeMap<TenantId, (DateTime<Utc>, Arc<TenantRow>)>,
    connections: BTreeMap<(TenantId, ConnectionId), (DateTime<Utc>, Arc<ConnectionRow>)>,
}

impl Settings {
    pub(super) async fn tenant(&self, inner: &Inner, id: TenantId) -> Result<Arc<TenantRow>, AssistantError> {
        let now = inner.clock.now();
        let mut read = self.0.lock().await;
        if let Some(row) = young(read.tenants.get(&id), now) {
            return Ok(row);
        }
        let row = Arc::new(inner.entities.tenant(id).await?);
        read.tenants.insert(id, (now, Arc::clone(&row)));
        Ok(row)
    }

    pub(super) async fn connection(
        &self,
        inner: &Inner,
        tenant: TenantId,
        id: ConnectionId,
    ) -> Result<Arc<ConnectionRow>, AssistantError> {
        let now = inner.clock.now();
        let mut read = self.0.lock().await;
        if let Some(row) = young(read.connections.get(&(tenant, id)), now) {
            return Ok(row);
        }
        let row = Arc::new(inner.entities.connection_row(tenant, id).await?);
        read.connections.insert((tenant, id), (now, Arc::clone(&row)));
        Ok(row)
    }
}

fn young<T>(read: Option<&(DateTime<Utc>, Arc<T>)>, now: DateTime<Utc>) -> Option<Arc<T>> {
    read.filter(|(at, _)| is_young(*at, SETTINGS_LIFE, now)).map(|(_, row)| Arc::clone(row))
}
