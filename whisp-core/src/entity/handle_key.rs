//! The keys by which the handles of a connection are found.
//!
//! There are few enough phone numbers to try them all: whoever has the key of their index can tell whether somebody is in an old
//! copy of the data, also after they were erased. So each connection has a key of its own for that, which is replaced every so
//! often, and then destroyed (reference/privacy.md 3.4). While it is replaced there are two: what the newest one does not find
//! is looked for by the one before, and moved.
//!
//! What else is found by a keyed index needs no such key: ids of messages are too many to be tried, what came in is remembered
//! for days, and the audit log's tags are over random ids of ours. Of who let us use an account there is the platform's id, in
//! the directory, until they take it back; it is found by the directory's own key, which stays.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::assistant::AssistantError;
use crate::entity::{Entities, Former, Holder, from_clear, next_version, to_clear};
use crate::error::Retry;
use crate::id::{ConnectionId, RecordId, SubjectId, TenantId};
use crate::model::Handle;
use crate::privacy::{DataCategory, Grant};
use crate::store::{Cursor, Expect, Kind, Record, StoreError, Version, WriteOp};
use crate::vault::{IndexField, SealContext, VaultError, VaultErrorKind};

/// How many bytes a key has.
pub(crate) const HANDLE_KEY_LEN: usize = 32;

/// One of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HandleKey {
    /// None of its own, as when connections had none: the vault's alone, which is the tenant's as long as that is there.
    Shared,
    /// That of the record with this id. It is sealed under a key of its own in the key table, and destroyed with it.
    Own(SubjectId),
}

/// By which keys the handles of a connection are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HandleKeys {
    pub(crate) newest: HandleKey,
    /// Since when it is.
    pub(crate) since: DateTime<Utc>,
    /// The one before, as long as it may find something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<HandleKey>,
}

impl HandleKeys {
    /// Those of a connection that is new.
    pub(crate) const fn first(key: SubjectId, since: DateTime<Utc>) -> Self {
        Self { newest: HandleKey::Own(key), since, before: None }
    }

    pub(super) fn is_shared(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for HandleKeys {
    fn default() -> Self {
        Self { newest: HandleKey::Shared, since: DateTime::UNIX_EPOCH, before: None }
    }
}

/// How far what the key before found has been moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Moving {
    /// Up to this conversation of the tenant's, `None` at the beginning.
    After(Option<Cursor>),
    /// To the end, since this time.
    Done(DateTime<Utc>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HandleKeyClear {
    connection: ConnectionId,
    moving: Moving,
}

/// A key as it is stored, still sealed.
#[derive(Debug, Clone)]
pub(crate) struct HandleKeyRow {
    pub(crate) record: Record,
    connection: ConnectionId,
    pub(crate) moving: Moving,
}

impl HandleKeyRow {
    pub(crate) fn next(self) -> Result<Record, StoreError> {
        next_version(self.record, &HandleKeyClear { connection: self.connection, moving: self.moving })
    }
}

/// The keys of a connection, ready for use.
pub(crate) struct OpenHandleKeys {
    /// Empty where it is shared.
    pub(crate) newest: Zeroizing<Vec<u8>>,
    pub(crate) before: Option<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for OpenHandleKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenHandleKeys({})", 1 + usize::from(self.before.is_some()))
    }
}

/// Where the alias of a handle is, or is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AliasKeys {
    pub(crate) newest: RecordId,
    pub(crate) before: Option<RecordId>,
}

impl AliasKeys {
    pub(crate) fn all(self) -> impl Iterator<Item = RecordId> {
        std::iter::once(self.newest).chain(self.before)
    }
}

/// Whose a handle is and was, as it is stored.
#[derive(Debug, Default)]
pub(crate) struct StoredHandle {
    pub(crate) holder: Option<Holder>,
    /// In which version it is where the newest key finds it, or will be after `moves`.
    pub(crate) former: Option<(Former, Version)>,
    /// It is so as long as this holds.
    pub(crate) expects: Vec<Expect>,
    /// Moves it to where the newest key finds it.
    pub(crate) moves: Vec<WriteOp>,
}

const fn context(tenant: TenantId, key: SubjectId) -> SealContext {
    SealContext {
        tenant,
        subject: key,
        kind: Kind::HANDLE_KEY,
        record: RecordId::from_uuid(key.as_uuid()),
        field: "key",
        category: DataCategory::Identity,
        revision: 0,
    }
}

/// Makes the error that says that a connection's newest key is destroyed, or not there.
pub(crate) fn lost_handle_key() -> VaultError {
    VaultError::new("find a handle", VaultErrorKind::Destroyed, Retry::Never)
        .with_advice("an older copy of the data was put back: `Assistant::recover` makes it safe to work with")
}

impl Entities {
    /// Makes the record of a new key, sealed under a key of its own.
    pub(crate) async fn new_handle_key(
        &self,
        tenant: TenantId,
        (key, bytes): (SubjectId, &[u8; HANDLE_KEY_LEN]),
        connection: ConnectionId,
        moving: Moving,
    ) -> Result<Record, AssistantError> {
        self.vault.provision(tenant, &[key]).await?;
        let mut record = Record::new(Kind::HANDLE_KEY, key.into());
        record.clear = to_clear(&HandleKeyClear { connection, moving })?;
        record.sealed = self.vault.seal(&context(tenant, key), bytes).await?;
        Ok(record)
    }

    pub(crate) async fn handle_key_row(
        &self,
        tenant: TenantId,
        key: SubjectId,
    ) -> Result<Option<HandleKeyRow>, StoreError> {
        let Some(record) = self.record(tenant, Kind::HANDLE_KEY, key.into()).await? else { return Ok(None) };
        let HandleKeyClear { connection, moving } = from_clear(&record)?;
        Ok(Some(HandleKeyRow { record, connection, moving }))
    }

    /// Opens a key, under a grant about itself.
    pub(crate) async fn open_handle_key(
        &self,
        grant: &Grant,
        tenant: TenantId,
        row: &HandleKeyRow,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.vault.open(grant, &context(tenant, grant.subject()), &row.record.sealed).await
    }

    /// Returns where the alias of a handle is, or is to be.
    pub(crate) async fn alias_keys(
        &self,
        tenant: TenantId,
        connection: ConnectionId,
        keys: &OpenHandleKeys,
        handle: &Handle,
    ) -> Result<AliasKeys, VaultError> {
        let under = async |key: &[u8]| {
            let mut value = Zeroizing::new(Vec::with_capacity(96));
            value.extend(key);
            value.extend(connection.into_bytes());
            value.extend(handle.kind.as_str().as_bytes());
            value.push(0);
            value.extend(handle.value.expose().as_bytes());
            Ok(self.vault.index(tenant, IndexField::Handle, &value).await?.record_id())
        };
        let newest = under(&keys.newest).await?;
        let before = match &keys.before {
            Some(before) => Some(under(before).await?),
            None => None,
        };
        Ok(AliasKeys { newest, before })
    }

    /// Reads whose a handle is and was.
    pub(crate) async fn stored_handle(&self, tenant: TenantId, keys: AliasKeys) -> Result<StoredHandle, StoreError> {
        let newest = self.handle_at(tenant, keys.newest).await?;
        let Some(before) = keys.before.filter(|_| newest.is_free()) else { return newest.stay(keys.newest) };
        let moving = self.handle_at(tenant, before).await?;
        if moving.is_free() {
            // Somebody may have moved it between the two looks.
            return self.handle_at(tenant, keys.newest).await?.stay(keys.newest);
        }
        moving.go(before, keys.newest)
    }

    async fn handle_at(&self, tenant: TenantId, key: RecordId) -> Result<HandleAt, StoreError> {
        let holder: Option<Holder> =
            self.record(tenant, Kind::ALIAS, key).await?.as_ref().map(from_clear).transpose()?;
        // Whoever has a handle that nobody had before says so.
        let had_others = holder.is_none_or(|holder| holder.since.is_some());
        let former = if had_others { self.record(tenant, Kind::FORMER_ALIAS, key).await? } else { None };
        Ok(HandleAt { holder, former })
    }
}

/// What is kept of a handle in one place.
struct HandleAt {
    holder: Option<Holder>,
    former: Option<Record>,
}

impl HandleAt {
    const fn is_free(&self) -> bool {
        self.holder.is_none() && self.former.is_none()
    }

    /// It stays where it is.
    fn stay(self, key: RecordId) -> Result<StoredHandle, StoreError> {
        let mut stored = StoredHandle { holder: self.holder, ..StoredHandle::default() };
        if self.holder.is_some() {
            stored.expects.push(Expect::Version(Kind::ALIAS, key, 1));
        }
        if let Some(former) = self.former {
            stored.expects.push(Expect::Version(Kind::FORMER_ALIAS, key, former.version));
            stored.former = Some((from_clear(&former)?, former.version));
        }
        Ok(stored)
    }

    /// It goes where it is found from now on.
    fn go(self, from: RecordId, to: RecordId) -> Result<StoredHandle, StoreError> {
        let mut stored = StoredHandle { holder: self.holder, ..StoredHandle::default() };
        if let Some(holder) = &self.holder {
            stored.moves.push(WriteOp::Delete(Kind::ALIAS, from, 1));
            stored.moves.push(WriteOp::Put(Entities::new_holder(to, holder)?));
        }
        if let Some(record) = self.former {
            let former = from_clear(&record)?;
            stored.moves.push(WriteOp::Delete(Kind::FORMER_ALIAS, from, record.version));
            stored.moves.push(WriteOp::Put(Entities::put_former(to, &former, 1, record.expires_at)?));
            stored.former = Some((former, 1));
        }
        Ok(stored)
    }
}
