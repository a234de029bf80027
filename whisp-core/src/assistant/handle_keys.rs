//! Replaces the keys by which the handles of a connection are found.
//!
//! 1. A new key is made and is the connection's newest from one commit on. Whatever comes in expects the connection as it
//!    read it, so nobody writes by an older key after that, in this process or in another.
//! 2. What people were found by the key before is moved to where the newest finds them: when they write, or by sweeps, which
//!    go through all conversations, the one that was silent for longest first. (A conversation in which somebody writes goes
//!    to the end, so that none is passed over.)
//! 3. What is remembered of handles that were given up names no handle, and can be moved only when somebody asks for it; it
//!    is needed for nine days. So is what an erasure leaves that was under way meanwhile. After that time the key before is
//!    destroyed like a person's: for good for whoever keeps no copy of the key table, and with the next
//!    [turn](crate::assistant::Assistant::erasure_horizon) of the epoch for those who do.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use zeroize::Zeroizing;

use crate::assistant::desk::TRIES_MAX;
use crate::assistant::stage::{CLOCK_SKEW, LATE_MAX};
use crate::assistant::{Assistant, AssistantError, Inner, SweepReport};
use crate::audit::AuditAction;
use crate::entity::{
    Alias, AuditDraft, By, ConnectionRow, ConversationRow, Entities, HANDLE_KEY_LEN, HandleKey, HandleKeyRow,
    HandleKeys, Holder, Moving, OpenHandleKeys, lost_handle_key,
};
use crate::id::{ConnectionId, ContactId, SubjectId, TenantId};
use crate::model::{Contact, Conversation, Tenant};
use crate::privacy::Storage;
use crate::store::{Commit, Expect, Kind, ListOrder, ListQuery, Record, WriteBatch, WriteOp};
use crate::vault::VaultErrorKind;

/// How long the key of a connection's handles is the newest unless told otherwise. It should be no longer than copies of the
/// data are kept (reference/privacy.md 3.4): 30 days.
pub(super) const HANDLE_KEY_LENGTH: TimeDelta = TimeDelta::days(30);

/// In how many conversations one commit looks.
const PAGE: usize = 50;

/// In how many conversations of a connection one sweep looks.
const LOOKED_MAX: usize = 1_000;

/// How long after everything was moved the key before may still find something.
const ENDS_AFTER: TimeDelta = TimeDelta::seconds(LATE_MAX.num_seconds() + CLOCK_SKEW.num_seconds());

/// What [`Assistant::renew_handle_keys`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HandleRenewal {
    /// Connections that have a new key.
    pub renewed: usize,
    /// Connections that go on with theirs: the one before it is not yet gone.
    pub left: usize,
    /// How many handles of contacts are found by a new key now.
    pub moved: usize,
}

/// The keys of all connections, and what holds as long as they are these.
type AllHandleKeys = BTreeMap<ConnectionId, (Expect, Arc<OpenHandleKeys>)>;

/// How far the moving of a connection's handles has come.
enum Moved {
    /// So many of them, and there are more.
    Some(usize),
    /// So many of them, and that is all.
    All(usize),
    /// Somebody else changed one of them this moment, or moves them too.
    Refused,
}

impl Assistant {
    /// Gives each connection of a tenant a new key by which the handles of its contacts are found, and moves them to it. For
    /// when a key may be known to somebody who must not have it; by itself it happens every
    /// [`Config::handle_key`](crate::assistant::Config::handle_key), with the sweeps.
    ///
    /// The keys before find what comes late for nine days more, and are destroyed then, by a sweep. Connections whose last
    /// renewal is not so old are left.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] for the tenant, [`Conflict`](AssistantError::Conflict) where others keep changing the same;
    /// by the gate, the store and the vault. What was done stays done, and sweeps go on from there.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn renew_handle_keys(&self, tenant: TenantId) -> Result<HandleRenewal, AssistantError> {
        let inner = &self.inner;
        let settings = inner.entities.tenant(tenant).await?.tenant;
        let mut renewal = HandleRenewal::default();
        for row in inner.connection_rows(tenant).await? {
            if row.clear.handles.before.is_some() {
                renewal.left += 1;
                continue;
            }
            let id = row.record.id;
            if !inner.begin_handle_key(&settings, row, By::Host, inner.clock.now()).await? {
                return Err(AssistantError::Conflict("connection"));
            }
            renewal.renewed += 1;
            let mut refused = 0;
            loop {
                let row = inner.entities.connection_row(tenant, ConnectionId::from_uuid(id.as_uuid())).await?;
                match inner.move_handles(&settings, &row, inner.clock.now()).await? {
                    Moved::Some(moved) => renewal.moved += moved,
                    Moved::All(moved) => {
                        renewal.moved += moved;
                        break;
                    }
                    Moved::Refused if refused < TRIES_MAX => refused += 1,
                    Moved::Refused => return Err(AssistantError::Conflict("contact")),
                }
            }
        }
        Ok(renewal)
    }
}

impl Inner {
    /// Makes a key for the handles of a connection that is new; returns its id and its record, which is to be written with it.
    pub(super) async fn first_handle_key(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
    ) -> Result<(SubjectId, Record), AssistantError> {
        self.make_handle_key(tenant, connection, Moving::Done(self.clock.now())).await
    }

    async fn make_handle_key(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        moving: Moving,
    ) -> Result<(SubjectId, Record), AssistantError> {
        let key = SubjectId::from_uuid(self.ids.random());
        let mut bytes = Zeroizing::new([0; HANDLE_KEY_LEN]);
        self.ids.fill(bytes.as_mut_slice());
        Ok((key, self.entities.new_handle_key(tenant, (key, &bytes), connection, moving).await?))
    }

    /// Opens the keys of a connection's handles.
    pub(super) async fn handle_keys(
        &self,
        settings: &Tenant,
        keys: &HandleKeys,
    ) -> Result<Arc<OpenHandleKeys>, AssistantError> {
        let newest = self.handle_key(settings, keys.newest).await?;
        let newest = newest.ok_or_else(lost_handle_key)?;
        let before = match keys.before {
            // Where it is destroyed already, the connection is about to say so.
            Some(before) => self.handle_key(settings, before).await?,
            None => None,
        };
        Ok(Arc::new(OpenHandleKeys { newest, before }))
    }

    /// Opens a key; `None` if it is destroyed.
    async fn handle_key(
        &self,
        settings: &Tenant,
        key: HandleKey,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, AssistantError> {
        let HandleKey::Own(key) = key else { return Ok(Some(Zeroizing::default())) };
        let Some(row) = self.entities.handle_key_row(settings.id, key).await? else { return Ok(None) };
        let permit = self.gate.permit::<Storage>(settings, ContactId(key), self.clock.now()).await?;
        match self.entities.open_handle_key(permit.grant(), settings.id, &row).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == VaultErrorKind::Erased => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Goes on with replacing the keys of a tenant's connections, or begins where one is old enough.
    pub(super) async fn replace_handle_keys(
        &self,
        settings: &Tenant,
        at: DateTime<Utc>,
        report: &mut SweepReport,
    ) -> Result<(), AssistantError> {
        if settings.closing.is_some() {
            return Ok(());
        }
        for row in self.connection_rows(settings.id).await? {
            let keys = row.clear.handles;
            if keys.before.is_some() {
                self.go_on_moving(settings, row, at, report).await?;
            } else if at - keys.since >= self.config.handle_key
                && self.begin_handle_key(settings, row, By::System, at).await?
            {
                report.more = true;
            }
        }
        Ok(())
    }

    /// Makes a new key the newest of a connection; returns whether it is.
    async fn begin_handle_key(
        &self,
        settings: &Tenant,
        mut row: ConnectionRow,
        by: By,
        at: DateTime<Utc>,
    ) -> Result<bool, AssistantError> {
        let tenant = settings.id;
        let connection = ConnectionId::from_uuid(row.record.id.as_uuid());
        let before = self.handle_key(settings, row.clear.handles.newest).await?.map(|_| row.clear.handles.newest);
        let moving = if before.is_some() { Moving::After(None) } else { Moving::Done(at) };
        let (key, record) = self.make_handle_key(tenant, connection, moving).await?;
        row.clear.handles = HandleKeys { newest: HandleKey::Own(key), since: at, before };
        let event = AuditDraft::new(AuditAction::HandleKeyRenewed, by, settings.account_holder);
        let mut batch = WriteBatch::new(tenant).op(WriteOp::Put(record)).op(WriteOp::Put(row.next()?));
        batch.ops.extend(self.audit(tenant, event.to(Kind::CONNECTION, connection)).await?);
        let begun = self.entities.store.commit(batch).await? == Commit::Done;
        if begun {
            self.forget_route(connection);
        } else {
            // Somebody changed the connection this moment. Nobody has heard of this key.
            self.entities.vault.erase(tenant, key, at).await?;
        }
        Ok(begun)
    }

    /// Moves what the key before found, a part at each call; at last destroys it.
    async fn go_on_moving(
        &self,
        settings: &Tenant,
        row: ConnectionRow,
        at: DateTime<Utc>,
        report: &mut SweepReport,
    ) -> Result<(), AssistantError> {
        if let Moving::Done(since) = self.newest_row(settings.id, &row).await?.moving {
            return if at - since < ENDS_AFTER { Ok(()) } else { self.end_handle_key(settings, row, at).await };
        }
        for _ in 0..LOOKED_MAX / PAGE {
            match self.move_handles(settings, &row, at).await? {
                Moved::Some(moved) => report.moved += moved,
                Moved::All(moved) => {
                    report.moved += moved;
                    return Ok(());
                }
                Moved::Refused => break,
            }
        }
        report.more = true;
        Ok(())
    }

    async fn newest_row(&self, tenant: TenantId, row: &ConnectionRow) -> Result<HandleKeyRow, AssistantError> {
        let HandleKey::Own(newest) = row.clear.handles.newest else { return Err(lost_handle_key().into()) };
        Ok(self.entities.handle_key_row(tenant, newest).await?.ok_or_else(lost_handle_key)?)
    }

    /// Moves what the key before found in some conversations of a connection.
    async fn move_handles(
        &self,
        settings: &Tenant,
        row: &ConnectionRow,
        at: DateTime<Utc>,
    ) -> Result<Moved, AssistantError> {
        let (tenant, entities) = (settings.id, &self.entities);
        let mut newest = self.newest_row(tenant, row).await?;
        let Moving::After(after) = newest.moving else { return Ok(Moved::All(0)) };
        let keys = self.handle_keys(settings, &row.clear.handles).await?;
        let (kind, order) = (Kind::CONVERSATION, ListOrder::Ascending);
        let query = ListQuery { tenant, kind, parent: tenant.into(), order, after, limit: PAGE };
        let page = entities.store.list(&query).await?;
        let (mut batch, mut moved) = (WriteBatch::new(tenant), 0);
        for record in page.records {
            let conversation = ConversationRow::read(record)?.conversation;
            if conversation.connection.into_bytes() != row.record.id.into_bytes() {
                continue;
            }
            let Some(contact) = self.contact_of(settings, &conversation).await? else { continue };
            for handle in &contact.handles {
                let places = entities.alias_keys(tenant, conversation.connection, &keys, handle).await?;
                let moves = entities.stored_handle(tenant, places).await?.moves;
                moved += usize::from(!moves.is_empty());
                batch.ops.extend(moves);
            }
        }
        newest.moving = page.next.map_or(Moving::Done(at), |next| Moving::After(Some(next)));
        batch.ops.push(WriteOp::Put(newest.next()?));
        Ok(match entities.store.commit(batch).await? {
            Commit::Done if page.next.is_some() => Moved::Some(moved),
            Commit::Done => Moved::All(moved),
            Commit::Refused(_) => Moved::Refused,
        })
    }

    /// Opens the contact of a conversation; `None` if they are gone, or about to be.
    async fn contact_of(
        &self,
        settings: &Tenant,
        conversation: &Conversation,
    ) -> Result<Option<Contact>, AssistantError> {
        let (tenant, id) = (settings.id, conversation.contact);
        let Some(row) = self.entities.contact_row(tenant, id).await? else { return Ok(None) };
        let permit = self.gate.permit::<Storage>(settings, id, self.clock.now()).await?;
        match self.entities.contact(permit.grant(), tenant, &row).await {
            Ok(contact) => Ok(Some(contact)),
            Err(AssistantError::Vault(error)) if error.kind() == VaultErrorKind::Erased => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Destroys the key before.
    async fn end_handle_key(
        &self,
        settings: &Tenant,
        mut row: ConnectionRow,
        at: DateTime<Utc>,
    ) -> Result<(), AssistantError> {
        let tenant = settings.id;
        let mut batch = WriteBatch::new(tenant);
        if let Some(HandleKey::Own(before)) = row.clear.handles.before.take() {
            self.entities.vault.erase(tenant, before, at).await?;
            if let Some(gone) = self.entities.handle_key_row(tenant, before).await? {
                batch.ops.push(WriteOp::Delete(Kind::HANDLE_KEY, gone.record.id, gone.record.version));
            }
        }
        batch.ops.push(WriteOp::Put(row.next()?));
        match self.entities.store.commit(batch).await? {
            // Refused: somebody changed the connection this moment; the next sweep says it.
            Commit::Done | Commit::Refused(_) => Ok(()),
        }
    }

    /// Makes a new key for each connection whose own is destroyed, as in an older copy of the data. What it found nobody finds
    /// any more: [`find_again`](Self::find_again).
    pub(super) async fn replace_lost_keys(&self, settings: &Tenant) -> Result<(), AssistantError> {
        for row in self.connection_rows(settings.id).await? {
            let is_lost = self.handle_key(settings, row.clear.handles.newest).await?.is_none();
            if is_lost && !self.begin_handle_key(settings, row, By::System, self.clock.now()).await? {
                return Err(AssistantError::Conflict("connection"));
            }
        }
        Ok(())
    }

    /// Opens the keys of all connections, as they are.
    pub(super) async fn all_handle_keys(&self, settings: &Tenant) -> Result<AllHandleKeys, AssistantError> {
        let mut all = BTreeMap::new();
        for row in self.connection_rows(settings.id).await? {
            let keys = self.handle_keys(settings, &row.clear.handles).await?;
            all.insert(ConnectionId::from_uuid(row.record.id.as_uuid()), (row.unchanged(), keys));
        }
        Ok(all)
    }

    /// Has the contact of a conversation found again by their handles, where their aliases are those of a key that is destroyed.
    pub(super) async fn find_again(
        &self,
        settings: &Tenant,
        all: &AllHandleKeys,
        conversation: &Conversation,
    ) -> Result<(), AssistantError> {
        let (tenant, entities) = (settings.id, &self.entities);
        let Some((unchanged, keys)) = all.get(&conversation.connection) else { return Ok(()) };
        for _ in 0..TRIES_MAX {
            let Some(contact) = self.contact_of(settings, conversation).await? else { return Ok(()) };
            let mut batch = WriteBatch::new(tenant).expect(unchanged.clone());
            for handle in &contact.handles {
                let places = entities.alias_keys(tenant, conversation.connection, keys, handle).await?;
                let stored = entities.stored_handle(tenant, places).await?;
                batch.ops.extend(stored.moves);
                if stored.holder.is_none() {
                    let since = stored.former.map(|(former, _)| former.until);
                    let holder = Holder { alias: Alias { contact: contact.id, conversation: conversation.id }, since };
                    batch.ops.push(WriteOp::Put(Entities::new_holder(places.newest, &holder)?));
                }
            }
            if batch.ops.is_empty() || self.commit_beside(batch).await? {
                return Ok(());
            }
        }
        Err(AssistantError::Conflict("contact"))
    }
}
