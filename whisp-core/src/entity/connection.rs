//! Connected accounts, and the routes to them in the directory.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::assistant::AssistantError;
use crate::channel::Rate;
use crate::entity::{Entities, HandleKeys, from_clear, next_version, position, to_clear};
use crate::id::{ConnectionId, RecordId, SubjectId, TenantId};
use crate::model::{AccountId, AutomationMode, ChannelKind, Connection, ConnectionState};
use crate::privacy::{DataCategory, Permit, ServiceProvision};
use crate::sensitive::Sensitive;
use crate::store::{Expect, Kind, Record, StoreError};
use crate::vault::{IndexField, SealContext, VaultError};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ConnectionClear {
    pub(crate) channel: ChannelKind,
    pub(crate) mode: AutomationMode,
    pub(crate) state: ConnectionState,
    scopes: Vec<String>,
    connected_at: DateTime<Utc>,
    /// How often the token was replaced.
    revision: u32,
    /// How fast messages may go through it, where the host said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<Rate>,
    /// By which keys its handles are found.
    #[serde(default, skip_serializing_if = "HandleKeys::is_shared")]
    pub(crate) handles: HandleKeys,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ConnectionSecret {
    account: AccountId,
    /// A `String`: it becomes a secret, which is wiped, without a copy.
    token: Sensitive<String>,
}

/// A connection as it is stored. Its token stays sealed.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionRow {
    pub(crate) record: Record,
    pub(crate) clear: ConnectionClear,
}

impl ConnectionRow {
    pub(crate) fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { clear: from_clear(&record)?, record })
    }

    pub(crate) fn next(self) -> Result<Record, StoreError> {
        next_version(self.record, &self.clear)
    }

    /// Expects it to be stored as it is here.
    pub(crate) const fn unchanged(&self) -> Expect {
        Expect::Version(Kind::CONNECTION, self.record.id, self.record.version)
    }
}

/// Where webhooks of an account go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RouteTarget {
    pub(crate) tenant: TenantId,
    pub(crate) connection: ConnectionId,
}

const fn context(tenant: TenantId, holder: SubjectId, record: RecordId, revision: u32) -> SealContext {
    SealContext {
        tenant,
        subject: holder,
        kind: Kind::CONNECTION,
        record,
        field: "credential",
        category: DataCategory::Credential,
        revision,
    }
}

impl Entities {
    pub(crate) async fn connection_row(
        &self,
        tenant: TenantId,
        id: ConnectionId,
    ) -> Result<ConnectionRow, AssistantError> {
        match self.record(tenant, Kind::CONNECTION, id.into()).await? {
            Some(record) => Ok(ConnectionRow::read(record)?),
            None => Err(AssistantError::NotFound("connection")),
        }
    }

    /// Opens a connection with its token.
    pub(crate) async fn connection(
        &self,
        permit: &Permit<ServiceProvision>,
        tenant: TenantId,
        row: &ConnectionRow,
    ) -> Result<Connection, AssistantError> {
        let holder = permit.grant().subject();
        let context = context(tenant, holder, row.record.id, row.clear.revision);
        let secret: ConnectionSecret = self.open(permit.grant(), &context, &row.record).await?;
        Ok(Connection {
            id: ConnectionId::from_uuid(row.record.id.as_uuid()),
            tenant,
            channel: row.clear.channel.clone(),
            account: secret.account,
            token: SecretString::from(secret.token.into_inner()),
            scopes: row.clear.scopes.clone(),
            mode: row.clear.mode,
            state: row.clear.state,
            connected_at: row.clear.connected_at,
        })
    }

    /// Stages a connection: a new one, or one that is connected again with another token.
    pub(crate) async fn put_connection(
        &self,
        connection: &Connection,
        holder: SubjectId,
        before: Option<ConnectionRow>,
    ) -> Result<Record, AssistantError> {
        let mut record = before.as_ref().map_or_else(
            || Record::new(Kind::CONNECTION, connection.id.into()),
            |row| Record { version: row.record.version + 1, ..row.record.clone() },
        );
        let (revision, rate, handles) = before.map_or((0, None, HandleKeys::default()), |row| {
            (row.clear.revision + 1, row.clear.rate, row.clear.handles)
        });
        record.parent = Some(connection.tenant.into());
        record.position = position(connection.connected_at);
        record.subjects = vec![holder];
        record.clear = to_clear(&ConnectionClear {
            channel: connection.channel.clone(),
            mode: connection.mode,
            state: connection.state,
            scopes: connection.scopes.clone(),
            connected_at: connection.connected_at,
            revision,
            rate,
            handles,
        })?;
        let secret = ConnectionSecret {
            account: connection.account.clone(),
            token: Sensitive::new(connection.token.expose_secret().to_owned()),
        };
        record.sealed = self.seal(&context(connection.tenant, holder, record.id, revision), &secret).await?;
        Ok(record)
    }

    /// Returns the key of the route of an account.
    pub(crate) async fn route_key(&self, channel: &ChannelKind, account: &AccountId) -> Result<RecordId, VaultError> {
        let value = [channel.as_str(), account.as_str()].join("\0");
        Ok(self.vault.index(TenantId::DIRECTORY, IndexField::Account, value.as_bytes()).await?.record_id())
    }

    pub(crate) async fn route(&self, key: RecordId) -> Result<Option<(Record, RouteTarget)>, AssistantError> {
        match self.record(TenantId::DIRECTORY, Kind::ROUTE, key).await? {
            Some(record) => Ok(Some((record.clone(), from_clear(&record)?))),
            None => Ok(None),
        }
    }

    pub(crate) fn new_route(key: RecordId, target: RouteTarget) -> Result<Record, StoreError> {
        Ok(Record { clear: to_clear(&target)?, ..Record::new(Kind::ROUTE, key) })
    }
}
