//! Who let us use which account, and what the platform tells us of them: that they take it back, that they want their data
//! deleted.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::{Assistant, AssistantError, Inner};
use crate::audit::AuditAction;
use crate::entity::{By, from_clear, position, to_clear};
use crate::id::{ConnectionId, RecordId, RequestId, TenantId};
use crate::model::ConnectionState;
use crate::privacy::{Proof, ProofStrength, RequestEvent, RequestKind, RequestOutcome, RequestState};
use crate::sensitive::Sensitive;
use crate::store::{
    BlindIndex, Commit, Cursor, DedupKey, Expect, FindQuery, Kind, ListOrder, ListQuery, PAGE_MAX, Record, WriteBatch,
    WriteOp,
};
use crate::vault::{IndexField, VaultError};

/// What the platform says of one of its users who let us use an account, signed.
#[derive(Debug, Clone)]
pub struct PlatformWord {
    /// The platform's id of the user: on Meta's platforms the one that is scoped to the app.
    pub user: Sensitive,
    /// By what it is known when it comes again.
    pub digest: [u8; 32],
    /// Until when it may come again.
    pub repeats_until: DateTime<Utc>,
}

/// How far it has come with somebody's wish that their data be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeletionProgress {
    /// It was taken down, and is being worked on.
    Received,
    /// Everything is deleted.
    Done,
    /// Not everything is, or nothing: the answer says why.
    Withheld,
}

/// To which connection somebody led.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct GrantorClear {
    tenant: TenantId,
}

/// What came of a wish that data be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DeletionClear {
    /// The requests that it became: one for each business. None where nobody is known by the id.
    requests: Vec<(TenantId, RequestId)>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct UnmatchedClear {
    at: DateTime<Utc>,
}

/// A wish to be deleted of somebody whom nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unmatched {
    /// Which.
    pub id: RecordId,
    /// When the platform told it.
    pub at: DateTime<Utc>,
}

/// A page of wishes that nobody could match.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnmatchedPage {
    /// The wishes.
    pub wishes: Vec<Unmatched>,
    /// After what to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl Assistant {
    /// Notes by whose leave a connected account is used: the platform's id of the user who connected it, as its login tells
    /// it. Kept is a keyed index of it. What the platform says of them finds the connection by it:
    /// [`deauthorize`](Self::deauthorize), [`delete_account_data`](Self::delete_account_data).
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] if there is no such connection, [`Conflict`](AssistantError::Conflict); by the store and
    /// the vault.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn set_authorizer(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        user: &str,
    ) -> Result<(), AssistantError> {
        let inner = &self.inner;
        inner.entities.connection_row(tenant, connection).await?;
        let id = RecordId::from(connection);
        let before = inner.entities.record(TenantId::DIRECTORY, Kind::GRANTOR, id).await?;
        let mut record = Record::new(Kind::GRANTOR, id);
        record.version = before.map_or(1, |before| before.version + 1);
        record.lookups = vec![inner.authorizer(user).await?];
        record.clear = to_clear(&GrantorClear { tenant })?;
        match inner.entities.store.commit(WriteBatch::new(TenantId::DIRECTORY).op(WriteOp::Put(record))).await? {
            Commit::Done => Ok(()),
            Commit::Refused(_) => Err(AssistantError::Conflict("connection")),
        }
    }

    /// Disconnects every account that was connected by somebody who took the platform's leave back. Returns how many. The
    /// same word again, though they may have connected an account anew since, changes nothing.
    ///
    /// # Errors
    /// By the stores and the vault. What was disconnected by then stays so; repeat the call.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn deauthorize(&self, word: &PlatformWord) -> Result<usize, AssistantError> {
        let key = self.inner.heard("deauthorize", word).await?;
        let unheard = Expect::Unseen { key, at: self.now() };
        let store = &self.inner.entities.store;
        if let Commit::Refused(_) = store.commit(WriteBatch::new(TenantId::DIRECTORY).expect(unheard)).await? {
            return Ok(0);
        }
        let disconnected = self.disconnect_all_of(word).await?;
        let heard = WriteOp::Remember { key, until: word.repeats_until };
        match store.commit(WriteBatch::new(TenantId::DIRECTORY).op(heard)).await? {
            Commit::Done => Ok(disconnected),
            Commit::Refused(_) => Err(AssistantError::Conflict("word of the platform")),
        }
    }

    /// Takes down that somebody who connected accounts wants their data deleted: disconnects the accounts, and makes a
    /// [request](crate::assistant::Requests) of it, for each business about its account holder, proven by the platform's
    /// signature. Returns the code under which [`deletion`](Self::deletion) says how far it has come: the same one for the
    /// same word. A user whom nobody knows gets a code too: [`unmatched`](Self::unmatched) lists such wishes, which wait until
    /// somebody has found out [who is meant](Self::match_deletion).
    ///
    /// # Errors
    /// By the stores and the vault; [`AssistantError::Request`] if no profile says how soon it is due. Repeat the call.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn delete_account_data(&self, word: &PlatformWord) -> Result<[u8; 16], AssistantError> {
        let inner = &self.inner;
        // Nobody can guess it, and the same word has the same.
        let code = inner.callback_index("code", &word.digest).await?;
        let id = inner.deletion_id(code).await?;
        if inner.entities.record(TenantId::DIRECTORY, Kind::DELETION, id).await?.is_some() {
            return Ok(code);
        }
        self.disconnect_all_of(word).await?;
        let now = inner.clock.now();
        let mut tenants: Vec<TenantId> =
            inner.granted_by(&word.user).await?.into_iter().map(|(tenant, _)| tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        let mut requests = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            requests.push((tenant, self.deletion_request(tenant).await?));
        }
        let expires_at = Some(now + inner.config.retention.requests);
        let mut batch = WriteBatch::new(TenantId::DIRECTORY);
        if requests.is_empty() {
            let mut unmatched = Record::new(Kind::UNMATCHED, id);
            unmatched.parent = Some(TenantId::DIRECTORY.into());
            unmatched.position = position(now);
            unmatched.expires_at = expires_at;
            unmatched.clear = to_clear(&UnmatchedClear { at: now })?;
            batch.ops.push(WriteOp::Put(unmatched));
        }
        let mut record = Record::new(Kind::DELETION, id);
        record.expires_at = expires_at;
        record.clear = to_clear(&DeletionClear { requests })?;
        batch.ops.push(WriteOp::Put(record));
        match inner.entities.store.commit(batch).await? {
            // Refused: the same word came twice at once.
            Commit::Done | Commit::Refused(_) => Ok(code),
        }
    }

    /// Lists the wishes to be deleted of users whom nobody knows, the oldest first: those who connected an account before the
    /// host [told](Self::set_authorizer) by whom, or with another program.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn unmatched(&self, after: Option<Cursor>, limit: usize) -> Result<UnmatchedPage, AssistantError> {
        let (tenant, kind, order) = (TenantId::DIRECTORY, Kind::UNMATCHED, ListOrder::Ascending);
        let limit = limit.clamp(1, PAGE_MAX);
        let query = ListQuery { tenant, kind, parent: tenant.into(), order, after, limit };
        let page = self.inner.entities.store.list(&query).await?;
        let now = self.now();
        let mut wishes = Vec::with_capacity(page.records.len());
        for record in page.records.iter().filter(|record| !record.is_past(now)) {
            let UnmatchedClear { at } = from_clear(record)?;
            wishes.push(Unmatched { id: record.id, at });
        }
        Ok(UnmatchedPage { wishes, next: page.next })
    }

    /// Says which business a wish is about that nobody could match, and makes the request of it as if the user had been known.
    /// That it is theirs is the host's word. The code of then tells how far it has come, as before.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] where there is no such wish, or it was matched, or no such business;
    /// [`Conflict`](AssistantError::Conflict); as [`delete_account_data`](Self::delete_account_data).
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn match_deletion(&self, id: RecordId, tenant: TenantId) -> Result<RequestId, AssistantError> {
        let inner = &self.inner;
        let directory = TenantId::DIRECTORY;
        let unmatched = inner.entities.record(directory, Kind::UNMATCHED, id).await?;
        let unmatched = unmatched.filter(|record| !record.is_past(inner.clock.now()));
        let deletion = inner.entities.record(directory, Kind::DELETION, id).await?;
        let (Some(unmatched), Some(mut deletion)) = (unmatched, deletion) else {
            return Err(AssistantError::NotFound("unmatched wish to be deleted"));
        };
        let request = self.deletion_request(tenant).await?;
        deletion.version += 1;
        deletion.clear = to_clear(&DeletionClear { requests: vec![(tenant, request)] })?;
        let batch = WriteBatch::new(directory)
            .op(WriteOp::Delete(Kind::UNMATCHED, id, unmatched.version))
            .op(WriteOp::Put(deletion));
        match inner.entities.store.commit(batch).await? {
            Commit::Done => Ok(request),
            Commit::Refused(_) => Err(AssistantError::Conflict("wish to be deleted")),
        }
    }

    /// Says how far it has come with a wish that data be deleted; `None` for a code that nobody was given, or that is kept no
    /// longer.
    ///
    /// # Errors
    /// By the store and the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn deletion(&self, code: [u8; 16]) -> Result<Option<DeletionProgress>, AssistantError> {
        let inner = &self.inner;
        let id = inner.deletion_id(code).await?;
        let Some(record) = inner.entities.record(TenantId::DIRECTORY, Kind::DELETION, id).await? else {
            return Ok(None);
        };
        if record.is_past(inner.clock.now()) {
            return Ok(None);
        }
        let DeletionClear { requests } = from_clear(&record)?;
        let (all, mut done) = (requests.len(), 0);
        for (tenant, request) in requests {
            let Some(row) = inner.entities.request(tenant, request).await? else {
                // It went with the account, or will in a moment; where it did not, it is kept no longer.
                match inner.entities.record(TenantId::DIRECTORY, Kind::CLOSED, tenant.into()).await? {
                    Some(_) => done += usize::from(self.closed(tenant).await?.is_some()),
                    None => return Ok(None),
                }
                continue;
            };
            match row.clear.request.state() {
                RequestState::Answered { outcome } | RequestState::Closed { outcome } => match outcome {
                    RequestOutcome::Approved => done += 1,
                    RequestOutcome::Partial { .. } | RequestOutcome::Refused { .. } => {
                        return Ok(Some(DeletionProgress::Withheld));
                    }
                },
                RequestState::WithdrawnBySubject => return Ok(Some(DeletionProgress::Withheld)),
                _ => {}
            }
        }
        let ended = all > 0 && done == all;
        Ok(Some(if ended { DeletionProgress::Done } else { DeletionProgress::Received }))
    }

    /// Returns the request of an account holder to be erased: the one that waits, or a new one, proven by the platform.
    async fn deletion_request(&self, tenant: TenantId) -> Result<RequestId, AssistantError> {
        let inner = &self.inner;
        let holder = inner.entities.tenant(tenant).await?.tenant.account_holder;
        if let Some(waits) = inner.waiting_request(tenant, holder, RequestKind::Erasure).await? {
            return Ok(waits);
        }
        let now = inner.clock.now();
        let mut row = inner.new_request(holder, RequestKind::Erasure)?;
        let mut batch = WriteBatch::new(tenant);
        batch.ops = inner.staged(tenant, &mut row, AuditAction::RequestReceived, By::Subject).await?;
        let proof = Proof { strength: ProofStrength::Confirmed, at: now };
        row.clear.request = row.clear.request.apply(RequestEvent::Prove(proof), &inner.config.law, now)?;
        batch.ops.extend(inner.staged(tenant, &mut row, AuditAction::RequestProven, By::Subject).await?);
        match inner.entities.store.commit(batch).await? {
            Commit::Done => Ok(row.clear.request.id()),
            Commit::Refused(_) => Err(AssistantError::Conflict("request")),
        }
    }

    async fn disconnect_all_of(&self, word: &PlatformWord) -> Result<usize, AssistantError> {
        let mut disconnected = 0;
        for (tenant, connection) in self.inner.granted_by(&word.user).await? {
            let row = match self.inner.entities.connection_row(tenant, connection).await {
                Ok(row) => row,
                // The business has left since.
                Err(AssistantError::NotFound(_)) => continue,
                Err(error) => return Err(error),
            };
            // Cut short it is disconnected, and its webhooks come still.
            if row.clear.state != ConnectionState::Disconnected || self.inner.is_routed(tenant, connection).await? {
                self.disconnect_by(tenant, connection, By::Subject).await?;
                disconnected += 1;
            }
        }
        Ok(disconnected)
    }
}

impl Inner {
    /// Returns whether what comes for an account goes to this tenant.
    pub(super) async fn is_routed(&self, tenant: TenantId, connection: ConnectionId) -> Result<bool, AssistantError> {
        let route = self.entities.route(connection.into()).await?;
        Ok(route.is_some_and(|(_, target)| target.tenant == tenant))
    }

    async fn authorizer(&self, user: &str) -> Result<BlindIndex, VaultError> {
        let digest = self.entities.vault.index(TenantId::DIRECTORY, IndexField::Authorizer, user.as_bytes()).await?;
        Ok(digest.blind_index())
    }

    /// Returns the accounts that somebody connected.
    async fn granted_by(&self, user: &Sensitive) -> Result<Vec<(TenantId, ConnectionId)>, AssistantError> {
        let lookup = self.authorizer(user.expose()).await?;
        let query = FindQuery { tenant: TenantId::DIRECTORY, kind: Kind::GRANTOR, lookup, limit: PAGE_MAX };
        let found = self.entities.store.find(&query).await?;
        let each = |record: &Record| {
            let GrantorClear { tenant } = from_clear(record)?;
            Ok((tenant, ConnectionId::from_uuid(record.id.as_uuid())))
        };
        found.iter().map(each).collect()
    }

    async fn callback_index(&self, what: &str, value: &[u8]) -> Result<[u8; 16], VaultError> {
        let value = [what.as_bytes(), &[0], value].concat();
        Ok(self.entities.vault.index(TenantId::DIRECTORY, IndexField::Callback, &value).await?.blind_index().0)
    }

    async fn deletion_id(&self, code: [u8; 16]) -> Result<RecordId, VaultError> {
        Ok(RecordId::from_bytes(self.callback_index("deletion", &code).await?))
    }

    /// Returns the key by which it is remembered that the platform said something.
    async fn heard(&self, what: &str, word: &PlatformWord) -> Result<DedupKey, VaultError> {
        let value = [what.as_bytes(), &[0], &word.digest].concat();
        let digest = self.entities.vault.index(TenantId::DIRECTORY, IndexField::Callback, &value).await?;
        Ok(DedupKey { second: word.repeats_until.timestamp(), digest: digest.0 })
    }
}
