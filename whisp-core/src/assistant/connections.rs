//! The accounts that a business connects.

use futures_util::future::BoxFuture;
use secrecy::SecretString;

use crate::assistant::admin::{CLOSING, TRIES_MAX};
use crate::assistant::{Assistant, AssistantError, Inner};
use crate::audit::{AuditAction, AuditDetail};
use crate::channel::Rate;
use crate::entity::{AuditDraft, By, ConnectionRow, Entities, HandleKeys, RouteTarget};
use crate::id::{ConnectionId, RecordId, TenantId};
use crate::model::{AccountId, AutomationMode, ChannelKind, Connection, ConnectionState};
use crate::privacy::{About, Act, ServiceProvision};
use crate::store::{Commit, Kind, ListOrder, ListQuery, PAGE_MAX, Record, WriteBatch, WriteOp};

/// An account to be connected.
#[derive(Debug, Clone)]
pub struct NewConnection {
    /// On which channel.
    pub channel: ChannelKind,
    /// The platform's id of the account.
    pub account: AccountId,
    /// The access token.
    pub token: SecretString,
    /// The scopes that the business granted.
    pub scopes: Vec<String>,
    /// How far the assistant may go on it.
    pub mode: AutomationMode,
}

impl Assistant {
    /// Connects an account, or connects it again with another token: the connection keeps its id and conversations.
    ///
    /// It is the account holder's consent to what the scopes say, and nothing else is done with the token: the connection and
    /// what the holder [granted](crate::privacy::Statement::Account) are written in one commit. The same with more scopes is a
    /// new consent.
    ///
    /// An account is one tenant's: it is claimed in a commit that only one of those who come at once can do, and the
    /// connection goes live after that.
    ///
    /// # Errors
    /// [`AssistantError::Taken`] if another tenant has connected the account; [`NotFound`](AssistantError::NotFound) if
    /// there is no such tenant; [`Invalid`](AssistantError::Invalid) if its account is to be
    /// [closed](crate::assistant::Desk::close); [`Conflict`](AssistantError::Conflict) when others change the connection all
    /// the time; by the store and the vault.
    ///
    /// # Cancellation
    /// Repeat the call: connecting twice is connecting once. Until then a connection that was live stays as it was; a new
    /// one is listed as disconnected, and [`disconnect`](Self::disconnect) gives the account up.
    pub async fn connect(&self, tenant: TenantId, new: NewConnection) -> Result<ConnectionId, AssistantError> {
        self.connect_account(tenant, new).await
    }

    fn connect_account(
        &self,
        tenant: TenantId,
        new: NewConnection,
    ) -> BoxFuture<'_, Result<ConnectionId, AssistantError>> {
        Box::pin(async move {
            let entities = &self.inner.entities;
            let settings = entities.tenant(tenant).await?.tenant;
            if settings.closing.is_some() {
                return Err(CLOSING);
            }
            let holder = settings.account_holder;
            let key = entities.route_key(&new.channel, &new.account).await?;
            let id = ConnectionId::from_uuid(key.as_uuid());
            let mut connection = Connection {
                id,
                tenant,
                channel: new.channel,
                account: new.account,
                token: SecretString::from(""),
                scopes: new.scopes,
                mode: new.mode,
                state: ConnectionState::Disconnected,
                connected_at: self.now(),
            };
            for _ in 0..TRIES_MAX {
                // In this order: whoever disconnects meanwhile changes the connection, and the last commit is refused.
                let before =
                    entities.record(tenant, Kind::CONNECTION, key).await?.map(ConnectionRow::read).transpose()?;
                let mut row = match before {
                    Some(row) => row,
                    None => {
                        let record = entities.put_connection(&connection, holder, None).await?;
                        if !self.try_put(tenant, record.clone()).await? {
                            continue;
                        }
                        ConnectionRow::read(record)?
                    }
                };
                match self.claim(key, RouteTarget { tenant, connection: id }).await? {
                    Claim::Ours => {}
                    Claim::Contended => continue,
                    Claim::Theirs => {
                        if row.record.version == 1 && row.clear.state == ConnectionState::Disconnected {
                            // It never was live.
                            let gone = WriteOp::Delete(Kind::CONNECTION, key, 1);
                            // Refused: another call of this tenant has cleared it away, or goes on from it.
                            match entities.store.commit(WriteBatch::new(tenant).op(gone)).await? {
                                Commit::Done | Commit::Refused(_) => {}
                            }
                        }
                        return Err(AssistantError::Taken("account"));
                    }
                }
                // One that never was live knows nobody yet.
                let handle_key = if row.record.version == 1 {
                    let (key, record) = self.inner.first_handle_key(tenant, id).await?;
                    row.clear.handles = HandleKeys::first(key, self.now());
                    Some((key, record))
                } else {
                    None
                };
                connection.token = new.token.clone();
                connection.state = ConnectionState::Live;
                let live = entities.put_connection(&connection, holder, Some(row)).await?;
                connection.token = SecretString::from("");
                connection.state = ConnectionState::Disconnected;
                let detail = AuditDetail::Connection {
                    channel: connection.channel.clone(),
                    mode: connection.mode,
                    scopes: connection.scopes.clone(),
                };
                let audit = AuditDraft::new(AuditAction::Connected, By::Host, holder).to(Kind::CONNECTION, id);
                let granted = self.inner.allowed(tenant, holder, (id, &connection.scopes, true), Act::Host).await?;
                let mut batch = WriteBatch::new(tenant).op(WriteOp::Put(live));
                let unused = handle_key.as_ref().map(|(key, _)| *key);
                batch.ops.extend(handle_key.map(|(_, record)| WriteOp::Put(record)));
                batch.ops.extend(granted);
                batch.ops.extend(self.inner.audit(tenant, audit.detail(detail)).await?);
                if entities.store.commit(batch).await? == Commit::Done {
                    // It rests no longer for what the old token did.
                    self.inner.pace().forget((tenant, id));
                    return Ok(id);
                }
                if let Some(key) = unused {
                    entities.vault.erase(tenant, key, self.now()).await?;
                }
            }
            Err(AssistantError::Conflict("connection"))
        })
    }

    /// Makes an account a tenant's unless it is another one's. Where it is the tenant's already the claim is renewed, so
    /// that a `disconnect` that read the old one does not end it.
    async fn claim(&self, key: RecordId, target: RouteTarget) -> Result<Claim, AssistantError> {
        let entities = &self.inner.entities;
        let mut route = Entities::new_route(key, target)?;
        if let Some((record, there)) = entities.route(key).await? {
            if there.tenant != target.tenant {
                return Ok(Claim::Theirs);
            }
            route.version = record.version + 1;
        }
        Ok(if self.try_put(TenantId::DIRECTORY, route).await? { Claim::Ours } else { Claim::Contended })
    }

    /// Sets how far the assistant may go on a connection.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn set_mode(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        mode: AutomationMode,
    ) -> Result<(), AssistantError> {
        let mut row = self.inner.entities.connection_row(tenant, connection).await?;
        row.clear.mode = mode;
        let holder = self.inner.entities.tenant(tenant).await?.tenant.account_holder;
        let audit = AuditDraft::new(AuditAction::ModeSet, By::Host, holder)
            .to(Kind::CONNECTION, connection)
            .detail(AuditDetail::Mode { mode });
        let done = self.try_put_audited(tenant, row.next()?, audit).await?;
        if done { Ok(()) } else { Err(AssistantError::Conflict("connection")) }
    }

    /// Sets how fast messages may go through a connection, where the host knows better than the channel's
    /// [`pace`](crate::channel::Capabilities::pace): a number that the platform lets send more, or one that is used
    /// elsewhere too. `None` goes by the channel again. Other workers notice it with their next message.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn set_rate(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        rate: Option<Rate>,
    ) -> Result<(), AssistantError> {
        let mut row = self.inner.entities.connection_row(tenant, connection).await?;
        row.clear.rate = rate;
        self.put(tenant, row.next()?, "connection").await?;
        self.inner.pace().forget((tenant, connection));
        Ok(())
    }

    /// Disconnects an account: its token is overwritten, its webhooks find nobody, and nothing is sent any more or shown to
    /// an engine from the commit on (what another process is sending or asking at that moment goes on). Its conversations stay
    /// until their time.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Conflict`](AssistantError::Conflict); by the store and the vault.
    ///
    /// # Cancellation
    /// Repeat the call.
    pub async fn disconnect(&self, tenant: TenantId, connection: ConnectionId) -> Result<(), AssistantError> {
        self.disconnect_by(tenant, connection, By::Host).await
    }

    pub(super) fn disconnect_by(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        by: By,
    ) -> BoxFuture<'_, Result<(), AssistantError>> {
        Box::pin(async move {
            let entities = &self.inner.entities;
            let tenant_row = entities.tenant(tenant).await?;
            let holder = tenant_row.tenant.account_holder;
            let key = RecordId::from(connection);
            for _ in 0..TRIES_MAX {
                // The claim is read first: a `connect` that comes after the connection has changed renews it, and it stays.
                let route = entities.route(key).await?.filter(|(_, target)| target.tenant == tenant);
                let row = entities.connection_row(tenant, connection).await?;
                // Cut short it is disconnected, and its webhooks come still. It is written anew, so that whoever connects it this
                // moment is refused, but it is told once.
                let was_live = row.clear.state != ConnectionState::Disconnected;
                let about = About::holder(&tenant_row.tenant);
                let permit = self.inner.gate.permit::<ServiceProvision>(&tenant_row.tenant, about, self.now()).await?;
                let mut dead = entities.connection(&permit, tenant, &row).await?;
                dead.state = ConnectionState::Disconnected;
                dead.token = SecretString::from("");
                let audit = AuditDraft::new(AuditAction::Disconnected, by, holder).to(Kind::CONNECTION, connection);
                let dead = entities.put_connection(&dead, holder, Some(row)).await?;
                let mut batch = WriteBatch::new(tenant).op(WriteOp::Put(dead));
                if was_live {
                    let act = match by {
                        By::Subject => Act::Platform,
                        By::Member(Some(member)) => Act::Member { member },
                        By::Member(None) | By::Host | By::System => Act::Host,
                    };
                    batch.ops.extend(self.inner.allowed(tenant, holder, (connection, &[], false), act).await?);
                    batch.ops.extend(self.inner.audit(tenant, audit).await?);
                }
                {
                    let _closed = self.inner.gate.close_all(tenant);
                    if entities.store.commit(batch).await? != Commit::Done {
                        continue;
                    }
                }
                if let Some((route, _)) = route {
                    let batch =
                        WriteBatch::new(TenantId::DIRECTORY).op(WriteOp::Delete(Kind::ROUTE, key, route.version));
                    match entities.store.commit(batch).await? {
                        Commit::Done => {}
                        // Somebody connects the account again this moment, and goes on from here.
                        Commit::Refused(_) => return Err(AssistantError::Conflict("account")),
                    }
                }
                self.inner.forget_route(connection);
                return Ok(());
            }
            Err(AssistantError::Conflict("connection"))
        })
    }

    /// Lists a tenant's connections: id, channel, mode and state.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn connections(
        &self,
        tenant: TenantId,
    ) -> Result<Vec<(ConnectionId, ChannelKind, AutomationMode, ConnectionState)>, AssistantError> {
        let rows = self.inner.connection_rows(tenant).await?.into_iter();
        let listed = rows.map(|row| {
            let id = ConnectionId::from_uuid(row.record.id.as_uuid());
            (id, row.clear.channel, row.clear.mode, row.clear.state)
        });
        Ok(listed.collect())
    }

    async fn put(&self, tenant: TenantId, record: Record, what: &'static str) -> Result<(), AssistantError> {
        if self.try_put(tenant, record).await? { Ok(()) } else { Err(AssistantError::Conflict(what)) }
    }

    /// Writes a record with the event of it; returns whether nobody else was faster.
    pub(super) async fn try_put_audited(
        &self,
        tenant: TenantId,
        record: Record,
        audit: AuditDraft,
    ) -> Result<bool, AssistantError> {
        let mut batch = WriteBatch::new(tenant).op(WriteOp::Put(record));
        batch.ops.extend(self.inner.audit(tenant, audit).await?);
        Ok(self.inner.entities.store.commit(batch).await? == Commit::Done)
    }

    /// Writes a record; returns whether nobody else was faster.
    async fn try_put(&self, tenant: TenantId, record: Record) -> Result<bool, AssistantError> {
        let batch = WriteBatch::new(tenant).op(WriteOp::Put(record));
        Ok(self.inner.entities.store.commit(batch).await? == Commit::Done)
    }
}

impl Inner {
    /// Reads a tenant's connections.
    pub(super) async fn connection_rows(&self, tenant: TenantId) -> Result<Vec<ConnectionRow>, AssistantError> {
        let (kind, order) = (Kind::CONNECTION, ListOrder::Ascending);
        let mut query = ListQuery { tenant, kind, parent: tenant.into(), order, after: None, limit: PAGE_MAX };
        let mut rows = Vec::new();
        loop {
            let page = self.entities.store.list(&query).await?;
            for record in page.records {
                rows.push(ConnectionRow::read(record)?);
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(rows),
            }
        }
    }
}

/// Whose an account turned out to be.
enum Claim {
    Ours,
    Theirs,
    /// Somebody claimed it or gave it up this moment.
    Contended,
}
