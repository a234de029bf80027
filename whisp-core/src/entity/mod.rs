//! The typed repositories: what the assistant keeps, as records, above the vault. Everything personal is sealed here;
//! below this module no plaintext exists.

mod audit;
mod breach;
mod connection;
mod contact;
mod disclosure;
mod figures;
mod handle_key;
mod hold;
mod legal;
mod media;
mod member;
mod message;
mod message_clear;
mod plain;
mod policy;
mod raw;
mod request;
mod reseal;
mod tenant;
mod transfer;
mod usage;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

pub(crate) use audit::{AuditDraft, By, EventRow, LogHead, damaged, in_directory, leaf_of, moved, place};
pub(crate) use breach::BreachRow;
pub(crate) use connection::{ConnectionRow, RouteTarget};
pub(crate) use contact::{Alias, ContactRow, Former, Holder};
pub(crate) use handle_key::{
    HANDLE_KEY_LEN, HandleKey, HandleKeyRow, HandleKeys, Moving, OpenHandleKeys, lost_handle_key,
};
pub(crate) use hold::{HeldDraft, HoldRow, held_category};
pub(crate) use legal::LegalRow;
pub(crate) use media::{Layout, MediaDraft, MediaRow, MediaSecret};
pub(crate) use member::{GlassClear, MemberRow};
pub(crate) use message::{Change, MessageDraft, MessageRow, Outgoing, Said};
pub(crate) use plain::{ConversationRow, InquiryRow, LetterClear, LetterRow, StatementClear, after};
pub(crate) use raw::{RawDraft, SuggestionRow};
pub(crate) use request::{ChallengeRow, RequestRow};
pub(crate) use tenant::TenantRow;
pub(crate) use transfer::TransferRow;
pub(crate) use usage::{Noted, UsageSecret};

use crate::assistant::AssistantError;
use crate::error::Retry;
use crate::id::{RecordId, TenantId};
use crate::privacy::Grant;
use crate::store::{Clear, Kind, Record, Sealed, Store, StoreError, StoreErrorKind};
use crate::vault::{SealContext, Vault, VaultError, VaultErrorKind};

/// Reads and stages what the assistant keeps.
#[derive(Debug, Clone)]
pub(crate) struct Entities {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<dyn Vault>,
}

impl Entities {
    pub(crate) async fn record(
        &self,
        tenant: TenantId,
        kind: Kind,
        id: RecordId,
    ) -> Result<Option<Record>, StoreError> {
        self.store.get(tenant, kind, id).await
    }

    async fn seal<T: Serialize + Sync>(&self, context: &SealContext, value: &T) -> Result<Sealed, AssistantError> {
        let plain = Zeroizing::new(to_json(value)?.into_bytes());
        let sealed = self.vault.seal(context, &plain).await;
        wipe(plain);
        Ok(sealed?)
    }

    /// Opens the sealed part of a record, unless it is past its time (promise P29).
    async fn open<T: DeserializeOwned>(
        &self,
        grant: &Grant,
        context: &SealContext,
        record: &Record,
    ) -> Result<T, AssistantError> {
        if record.is_past(grant.reads_as_of()) {
            return Err(AssistantError::NotFound("record"));
        }
        let plain = self.vault.open(grant, context, &record.sealed).await?;
        let value = serde_json::from_slice(&plain);
        wipe(plain);
        value.map_err(|_| {
            // The cause may quote what was sealed, so it is not attached.
            VaultError::new("read sealed fields", VaultErrorKind::Corrupt, Retry::Never)
                .with_advice("the record was written by a newer version, or by something else")
                .into()
        })
    }
}

/// Wipes bytes at the speed of memory. Dropped with its bytes in it a `Vec` is wiped one by one (zeroize 1.9), which takes a tenth
/// of the time that they took to open; what is past its end is wiped at once.
fn wipe(mut plain: Zeroizing<Vec<u8>>) {
    plain.clear();
}

/// A record under `parent` gets its place by time.
pub(crate) const fn position(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// Writes the clear fields of a record.
pub(crate) fn to_clear<T: Serialize>(value: &T) -> Result<Clear, StoreError> {
    to_json(value).map(Clear)
}

/// Returns a record one version on, with these clear fields.
fn next_version<T: Serialize>(mut record: Record, clear: &T) -> Result<Record, StoreError> {
    record.version += 1;
    record.clear = to_clear(clear)?;
    Ok(record)
}

/// Reads the clear fields of a record.
pub(crate) fn from_clear<T: DeserializeOwned>(record: &Record) -> Result<T, StoreError> {
    serde_json::from_str(&record.clear.0).map_err(|error| {
        StoreError::new("read clear fields", StoreErrorKind::Corrupt, Retry::Never)
            .with_advice(format!(
                "the record of kind {} was written by a newer version, or by something else",
                record.kind
            ))
            .with_source(error)
    })
}

/// Returns the record one version on with the time as its end; `None` if it ends by then anyway.
pub(crate) fn ending_by(mut record: Record, until: DateTime<Utc>) -> Option<Record> {
    if record.expires_at.is_none_or(|before| before <= until) {
        return None;
    }
    record.expires_at = Some(until);
    record.version += 1;
    Some(record)
}

fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(unwritable)
}

/// Writes a value as JSON behind what is there.
pub(crate) fn write_json<T: Serialize>(to: &mut Vec<u8>, value: &T) -> Result<(), StoreError> {
    serde_json::to_writer(to, value).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> StoreError {
    StoreError::new("write fields", StoreErrorKind::Invalid, Retry::Never).with_source(error)
}

#[cfg(test)]
mod golden;
