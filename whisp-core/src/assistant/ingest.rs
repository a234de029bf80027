//! Takes a webhook's items in: durable when it returns, nothing decided yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use crate::assistant::stage::Stage;
use crate::assistant::{Assistant, AssistantError, Inner};
use crate::id::{ConnectionId, RecordId, SubjectId, TenantId};
use crate::model::{AccountId, ChannelKind};
use crate::store::{Bucket, Commit, Refusal};
use crate::vault::VaultErrorKind;
use crate::webhook::{Delivery, Item};

/// The most items that one commit takes in.
const CHUNK_MAX: usize = 128;

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
    /// About something that we know nothing of: a receipt for a message of another program.
    pub ignored: usize,
    /// Of an account that no tenant has connected. Not kept: there is no owner to seal it for.
    pub unrouted: usize,
}

/// Where items of an account go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) tenant: TenantId,
    pub(crate) holder: SubjectId,
    pub(crate) connection: ConnectionId,
    pub(crate) buckets: u16,
}

/// An item and where it goes.
pub(crate) type Incoming<'a> = (Account, &'a Item);

impl Assistant {
    /// Takes in what a webhook delivered: finds or creates contacts and conversations, seals, leaves duplicates out, and
    /// writes messages, facts and work in one commit for each tenant (and each 128 items). No engine runs.
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
        let mut report = Ingested::default();
        let mut tenants: BTreeMap<TenantId, Vec<Incoming<'_>>> = BTreeMap::new();
        for item in &delivery.items {
            let account = match &item.account {
                Some(account) => self.inner.account(&item.channel, account).await?,
                None => None,
            };
            match account {
                Some(account) => tenants.entry(account.tenant).or_default().push((account, item)),
                None => report.unrouted += 1,
            }
        }
        for (tenant, items) in tenants {
            for chunk in items.chunks(CHUNK_MAX) {
                self.inner.ingest_chunk(tenant, chunk.to_vec(), delivery, &mut report).await?;
            }
        }
        if report.stored > 0 {
            self.inner.wake();
        }
        Ok(report)
    }
}

impl Inner {
    /// Finds whose account it is.
    async fn account(&self, channel: &ChannelKind, account: &AccountId) -> Result<Option<Account>, AssistantError> {
        let key = self.entities.route_key(channel, account).await?;
        if let Some(known) = self.routes.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Some(*known));
        }
        let Some((_, target)) = self.entities.route(key).await? else {
            return Ok(None);
        };
        let tenant = self.entities.tenant(target.tenant).await?.tenant;
        let account = Account {
            tenant: target.tenant,
            holder: tenant.account_holder,
            connection: target.connection,
            buckets: tenant.buckets,
        };
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).put(key, account);
        Ok(Some(account))
    }

    async fn ingest_chunk(
        &self,
        tenant: TenantId,
        mut items: Vec<Incoming<'_>>,
        delivery: &Delivery,
        report: &mut Ingested,
    ) -> Result<(), AssistantError> {
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
                report.duplicates += staged.duplicates;
                report.ignored += staged.ignored;
                return Ok(());
            }
            match self.entities.store.commit(staged.batch).await? {
                Commit::Done => {
                    report.stored += staged.stored;
                    report.duplicates += staged.duplicates;
                    report.ignored += staged.ignored;
                    for subject in staged.voids {
                        self.gate.void(tenant, subject);
                    }
                    self.notice(tenant, &staged.buckets);
                    return Ok(());
                }
                Commit::Refused(refusals) => {
                    let seen: BTreeSet<usize> = refusals
                        .iter()
                        .filter_map(|refusal| match refusal {
                            Refusal::Expect(index) => staged.origins.get(*index).copied().flatten(),
                            Refusal::Op(_) => None,
                        })
                        .collect();
                    report.duplicates += seen.len();
                    let mut index = 0;
                    items.retain(|_| {
                        index += 1;
                        !seen.contains(&(index - 1))
                    });
                }
            }
        }
        Err(AssistantError::Conflict("conversation"))
    }

    /// Remembers that buckets have new work.
    pub(crate) fn notice(&self, tenant: TenantId, buckets: &BTreeSet<Bucket>) {
        let mut lanes = self.lanes();
        for bucket in buckets {
            lanes.notice(tenant, *bucket);
        }
    }

    /// Returns a new record id.
    pub(crate) fn record_id(&self) -> RecordId {
        RecordId::from_uuid(self.ids.time_ordered(self.clock.now()))
    }
}
