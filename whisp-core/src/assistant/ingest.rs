//! Takes a webhook's items in: durable when it returns, nothing decided yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;

use crate::assistant::backlog::WorkChange;
use crate::assistant::stage::{Origin, Stage, Staged};
use crate::assistant::warm::is_young;
use crate::assistant::{Assistant, AssistantError, Inner, Retention};
use crate::entity::{ConnectionRow, OpenHandleKeys};
use crate::id::{ConnectionId, RecordId, SubjectId, TenantId};
use crate::model::{AccountId, ChannelKind, ConnectionState};
use crate::store::{Commit, Expect, Kind, Refusal, Version};
use crate::vault::VaultErrorKind;
use crate::webhook::{Delivery, Item};

/// The most items that one commit takes in: each may bring a contact and a message with all its files, and together they
/// must fit into one batch.
const CHUNK_MAX: usize = 96;

/// How often a commit is tried again when it met another one: each time what is a duplicate is left out and what was
/// created meanwhile is found.
const TRIES_MAX: usize = 8;

/// What became of the items of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ingested {
    /// Written.
    pub stored: usize,
    /// Seen before, and harmless.
    pub duplicates: usize,
    /// About something that we know nothing of: a receipt for a message of another program. Or written by somebody before
    /// they were erased.
    pub ignored: usize,
    /// Of an account that no tenant has connected. Not kept: there is no owner to seal it for. Among them are notices about a
    /// whole WhatsApp business account (`account_update`, templates), which name it and no number: look at them in the delivery.
    pub unrouted: usize,
}

/// For how long it is known where items of an account go: less than
/// [`RETENTION_SETTLES`](crate::assistant::RETENTION_SETTLES).
const ACCOUNT_LIFE: TimeDelta = TimeDelta::minutes(1);

/// Where items of an account go.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) tenant: TenantId,
    pub(crate) holder: SubjectId,
    pub(crate) connection: ConnectionId,
    pub(crate) buckets: u16,
    /// How long things of the tenant are kept.
    pub(crate) retention: Retention,
    pub(crate) read_at: DateTime<Utc>,
    /// By which keys the handles of its contacts are found.
    pub(crate) handles: Arc<OpenHandleKeys>,
    /// The version of the connection from which this was read: nothing is written for it in another one.
    pub(crate) version: Version,
}

/// An item and where it goes.
pub(crate) type Incoming<'a> = (Account, &'a Item);

impl Assistant {
    /// Takes in what a webhook delivered: finds or creates contacts and conversations, seals, leaves duplicates out, and
    /// writes messages, facts and work in one commit for each tenant (and each 96 items). No engine runs.
    ///
    /// Answer the platform with 200 after `Ok`, and not before: after an error it delivers again, and what was already
    /// written is noticed as a duplicate.
    ///
    /// # Errors
    /// By the store and the vault; [`AssistantError::Conflict`] when too many others write the same.
    ///
    /// # Cancellation
    /// Each commit is whole or not there. Deliver the same webhook again.
    pub async fn ingest(&self, delivery: &Delivery) -> Result<Ingested, AssistantError> {
        self.inner.take_in(delivery).await
    }
}

impl Inner {
    fn take_in<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Result<Ingested, AssistantError>> {
        Box::pin(async move {
            let mut report = Ingested::default();
            let mut left: Vec<&Item> = delivery.items.iter().collect();
            for _ in 0..TRIES_MAX {
                let mut tenants: BTreeMap<TenantId, Vec<Incoming<'_>>> = BTreeMap::new();
                for item in left.drain(..) {
                    let account = match &item.account {
                        Some(account) => self.account(&item.channel, account).await?,
                        None => None,
                    };
                    match account {
                        Some(account) => tenants.entry(account.tenant).or_default().push((account, item)),
                        None => report.unrouted += 1,
                    }
                }
                for (tenant, items) in tenants {
                    for chunk in items.chunks(CHUNK_MAX) {
                        left.extend(self.ingest_chunk(tenant, chunk.to_vec(), delivery, &mut report).await?);
                    }
                }
                if left.is_empty() {
                    if report.stored > 0 {
                        self.wake();
                    }
                    return Ok(report);
                }
            }
            Err(AssistantError::Conflict("connection"))
        })
    }

    /// Finds whose account it is.
    async fn account(&self, channel: &ChannelKind, account: &AccountId) -> Result<Option<Account>, AssistantError> {
        let key = self.entities.route_key(channel, account).await?;
        let now = self.clock.now();
        let known = self.routes.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known.filter(|known| is_young(known.read_at, ACCOUNT_LIFE, now)) {
            return Ok(Some(known));
        }
        let Some((_, target)) = self.entities.route(key).await? else {
            return Ok(None);
        };
        // A route alone is an account that is being connected, or disconnected: it is nobody's yet, or no longer.
        let connection = self.entities.record(target.tenant, Kind::CONNECTION, key).await?;
        let connection = connection.map(ConnectionRow::read).transpose()?;
        let Some(row) = connection.filter(|row| row.clear.state != ConnectionState::Disconnected) else {
            return Ok(None);
        };
        let tenant = self.entities.tenant(target.tenant).await?.tenant;
        let account = Account {
            tenant: target.tenant,
            holder: tenant.account_holder,
            connection: target.connection,
            buckets: tenant.buckets,
            retention: self.config.retention.of(&tenant.retention),
            read_at: now,
            handles: self.handle_keys(&tenant, &row.clear.handles).await?,
            version: row.record.version,
        };
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).put(key, account.clone());
        Ok(Some(account))
    }

    /// Takes items of a tenant in; returns those that may no longer be the tenant's, because a connection changed.
    async fn ingest_chunk<'a>(
        &self,
        tenant: TenantId,
        mut items: Vec<Incoming<'a>>,
        delivery: &Delivery,
        report: &mut Ingested,
    ) -> Result<Vec<&'a Item>, AssistantError> {
        let mut gone = BTreeSet::new();
        'tries: for _ in 0..TRIES_MAX {
            let mut stage = Stage::new(self, tenant, delivery, &gone);
            for (index, incoming) in items.iter().enumerate() {
                match stage.add(index, incoming).await {
                    Err(AssistantError::Vault(error)) if error.kind() == VaultErrorKind::Erased => {
                        // Their erasure is not through yet. Who writes again is somebody new.
                        let Some(erased) = stage.met().filter(|contact| !gone.contains(contact)) else {
                            return Err(error.into());
                        };
                        gone.insert(erased);
                        continue 'tries;
                    }
                    staged => staged?,
                }
            }
            let staged = stage.finish();
            if staged.batch.ops.is_empty() {
                if staged.ignored > 0 && self.has_moved(&staged).await? {
                    return Ok(items.into_iter().map(|(_, item)| item).collect());
                }
                report.duplicates += staged.duplicates;
                report.ignored += staged.ignored;
                return Ok(Vec::new());
            }
            let work = WorkChange::of(&staged.batch.ops);
            let _closed = self.gate.close(tenant, staged.about);
            match self.entities.store.commit(staged.batch).await? {
                Commit::Done => {
                    report.stored += staged.stored;
                    report.duplicates += staged.duplicates;
                    report.ignored += staged.ignored;
                    self.notice(tenant, work);
                    return Ok(Vec::new());
                }
                Commit::Refused(refusals) => {
                    let failed = |refusal: &Refusal| match refusal {
                        Refusal::Expect(index) => staged.origins.get(*index).copied(),
                        Refusal::Op(_) => None,
                    };
                    let mut seen = BTreeSet::new();
                    let mut moved = false;
                    for origin in refusals.iter().filter_map(failed) {
                        match origin {
                            Origin::Item(index) => drop(seen.insert(index)),
                            Origin::Connection(id) => {
                                moved = true;
                                self.forget_route(id);
                            }
                            Origin::Read => {}
                        }
                    }
                    report.duplicates += seen.len();
                    let mut index = 0;
                    items.retain(|_| {
                        index += 1;
                        !seen.contains(&(index - 1))
                    });
                    if moved {
                        return Ok(items.into_iter().map(|(_, item)| item).collect());
                    }
                }
            }
        }
        Err(AssistantError::Conflict("conversation"))
    }

    /// Looks whether one of the connections of a batch that writes nothing has changed since it was read: by other keys
    /// somebody may be known of whom it says that nobody is.
    async fn has_moved(&self, staged: &Staged) -> Result<bool, AssistantError> {
        let mut moved = false;
        for (expect, origin) in staged.batch.expects.iter().zip(&staged.origins) {
            let (Expect::Version(kind, id, version), Origin::Connection(connection)) = (expect, origin) else {
                continue;
            };
            let row = self.entities.record(staged.batch.tenant, *kind, *id).await?;
            if row.is_none_or(|row| row.version != *version) {
                self.forget_route(*connection);
                moved = true;
            }
        }
        Ok(moved)
    }

    /// Forgets whose account a connection is to: the id of the connection is the key of the route.
    pub(crate) fn forget_route(&self, connection: ConnectionId) {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).pop(&connection.into());
    }

    /// Remembers what work this process has added.
    pub(super) fn notice(&self, tenant: TenantId, work: Vec<WorkChange>) {
        let horizon = self.horizon(self.clock.now());
        self.lanes().notice(tenant, work, horizon);
    }

    /// Returns a new record id.
    pub(crate) fn record_id(&self) -> RecordId {
        RecordId::from_uuid(self.ids.time_ordered(self.clock.now()))
    }
}
