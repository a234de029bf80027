//! Tenants and their connected accounts.

use std::sync::PoisonError;

use secrecy::SecretString;

use crate::assistant::{Assistant, AssistantError};
use crate::entity::{ConnectionRow, Entities, RouteTarget};
use crate::id::{ConnectionId, SubjectId, TenantId};
use crate::model::{AccountId, AutomationMode, ChannelKind, Connection, ConnectionState, Tenant};
use crate::privacy::ServiceProvision;
use crate::sensitive::Sensitive;
use crate::store::{Commit, Kind, ListOrder, ListQuery, PAGE_MAX, Record, WriteBatch, WriteOp};

/// A business to be served.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// Its id; the host may use one of its own, so that a repeated call is noticed.
    pub id: TenantId,
    /// Its name.
    pub name: Sensitive,
    /// Its IANA time zone, for example `Asia/Almaty`.
    pub zone: String,
    /// Into how many buckets its conversations hash: how many workers can share it.
    pub buckets: u16,
}

impl NewTenant {
    /// A business with the default number of buckets.
    #[must_use]
    pub fn new(id: TenantId, name: &str, zone: &str) -> Self {
        Self { id, name: name.into(), zone: zone.to_owned(), buckets: Tenant::BUCKETS_DEFAULT }
    }
}

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
    /// Takes a business on. Automation is off until [`set_automation`](Self::set_automation).
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if the id is taken, the number of buckets is out of range, or the zone is not the name
    /// of one; by the store and the vault.
    ///
    /// # Cancellation
    /// The tenant is there or not; repeat the call.
    pub async fn create_tenant(&self, new: NewTenant) -> Result<Tenant, AssistantError> {
        if !(1..=Tenant::BUCKETS_MAX).contains(&new.buckets) {
            return Err(AssistantError::Invalid("a tenant has 1 to 1024 buckets"));
        }
        if new.id == TenantId::DIRECTORY {
            return Err(AssistantError::Invalid("the nil id is the directory's"));
        }
        if new.zone.parse::<chrono_tz::Tz>().is_err() {
            return Err(AssistantError::Invalid("the zone is not an IANA time zone: name it as in Asia/Almaty, or UTC"));
        }
        let inner = &self.inner;
        let account_holder = SubjectId::from_uuid(inner.ids.random());
        let tenant = Tenant {
            id: new.id,
            account_holder,
            automation: false,
            zone: new.zone,
            buckets: new.buckets,
            created_at: inner.clock.now(),
        };
        inner.entities.vault.provision(tenant.id, &[account_holder]).await?;
        let record = inner.entities.new_tenant(&tenant, &new.name).await?;
        match self.put(TenantId::DIRECTORY, record, "tenant").await {
            Ok(()) => Ok(tenant),
            Err(AssistantError::Conflict(_)) => Err(AssistantError::Invalid("there is a tenant with this id already")),
            Err(error) => Err(error),
        }
    }

    /// Returns a tenant's settings.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn tenant(&self, id: TenantId) -> Result<Tenant, AssistantError> {
        Ok(self.inner.entities.tenant(id).await?.tenant)
    }

    /// Turns everything automatic on or off for a tenant.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn set_automation(&self, tenant: TenantId, on: bool) -> Result<(), AssistantError> {
        let mut row = self.inner.entities.tenant(tenant).await?;
        row.tenant.automation = on;
        self.put(TenantId::DIRECTORY, row.next()?, "tenant").await
    }

    /// Connects an account, or connects it again with another token: the connection keeps its id and conversations.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if another tenant has connected the account; [`NotFound`](AssistantError::NotFound)
    /// if there is no such tenant; by the store and the vault.
    ///
    /// # Cancellation
    /// Repeat the call: connecting twice is connecting once.
    pub async fn connect(&self, tenant: TenantId, new: NewConnection) -> Result<ConnectionId, AssistantError> {
        let entities = &self.inner.entities;
        let holder = entities.tenant(tenant).await?.tenant.account_holder;
        let key = entities.route_key(&new.channel, &new.account).await?;
        let target = RouteTarget { tenant, connection: ConnectionId::from_uuid(key.as_uuid()) };
        let route = entities.route(key).await?;
        if route.as_ref().is_some_and(|(_, there)| there.tenant != tenant) {
            return Err(AssistantError::Invalid(
                "another tenant has connected this account: disconnect it there first",
            ));
        }
        let before = entities.record(tenant, Kind::CONNECTION, key).await?.map(ConnectionRow::read).transpose()?;
        let connection = Connection {
            id: target.connection,
            tenant,
            channel: new.channel,
            account: new.account,
            token: new.token,
            scopes: new.scopes,
            mode: new.mode,
            state: ConnectionState::Live,
            connected_at: self.now(),
        };
        let record = entities.put_connection(&connection, holder, before).await?;
        self.put(tenant, record, "connection").await?;
        if route.is_none() {
            self.put(TenantId::DIRECTORY, Entities::new_route(key, target)?, "account").await?;
        }
        Ok(target.connection)
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
        self.put(tenant, row.next()?, "connection").await
    }

    /// Disconnects an account: its token is overwritten, its webhooks find nobody, nothing is sent any more. Its
    /// conversations stay until their time.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Conflict`](AssistantError::Conflict); by the store and the vault.
    ///
    /// # Cancellation
    /// Repeat the call.
    pub async fn disconnect(&self, tenant: TenantId, connection: ConnectionId) -> Result<(), AssistantError> {
        let entities = &self.inner.entities;
        let tenant_row = entities.tenant(tenant).await?;
        let holder = tenant_row.tenant.account_holder;
        let row = entities.connection_row(tenant, connection).await?;
        let permit = self.inner.gate.permit::<ServiceProvision>(&tenant_row.tenant, holder, self.now()).await?;
        let mut live = entities.connection(&permit, tenant, &row).await?;
        live.state = ConnectionState::Disconnected;
        live.token = SecretString::from("");
        let key = row.record.id;
        self.put(tenant, entities.put_connection(&live, holder, Some(row)).await?, "connection").await?;
        if let Some((route, _)) = entities.route(key).await? {
            let batch = WriteBatch::new(TenantId::DIRECTORY).op(WriteOp::Delete(Kind::ROUTE, key, route.version));
            match entities.store.commit(batch).await? {
                Commit::Done => {}
                Commit::Refused(_) => return Err(AssistantError::Conflict("account")),
            }
        }
        self.inner.routes.lock().unwrap_or_else(PoisonError::into_inner).pop(&key);
        Ok(())
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
        let page = self
            .inner
            .entities
            .store
            .list(&ListQuery {
                tenant,
                kind: Kind::CONNECTION,
                parent: tenant.into(),
                order: ListOrder::Ascending,
                after: None,
                limit: PAGE_MAX,
            })
            .await?;
        page.records
            .into_iter()
            .map(|record| {
                let row = ConnectionRow::read(record)?;
                let id = ConnectionId::from_uuid(row.record.id.as_uuid());
                Ok((id, row.clear.channel, row.clear.mode, row.clear.state))
            })
            .collect()
    }

    async fn put(&self, tenant: TenantId, record: Record, what: &'static str) -> Result<(), AssistantError> {
        match self.inner.entities.store.commit(WriteBatch::new(tenant).op(WriteOp::Put(record))).await? {
            Commit::Done => Ok(()),
            Commit::Refused(_) => Err(AssistantError::Conflict(what)),
        }
    }
}
