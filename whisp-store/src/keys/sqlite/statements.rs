//! What is asked of the file. Everything runs inside the worker's transaction.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension};
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::vault::{SubjectKey, SubjectKeyState, TenantKey, VaultErrorKind, WrappedKey};

use super::Failure;

pub(super) fn tenant(db: &Connection, tenant: TenantId) -> Result<Option<TenantKey>, Failure> {
    let key = db
        .prepare_cached("SELECT epoch, wrapped, index_key FROM tenant_key WHERE tenant = ?1")?
        .query_row([tenant.into_bytes()], |row| {
            Ok(TenantKey { epoch: row.get(0)?, wrapped: WrappedKey(row.get(1)?), index: WrappedKey(row.get(2)?) })
        })
        .optional()?;
    Ok(key)
}

pub(super) fn put_tenant(db: &Connection, owner: TenantId, key: &TenantKey) -> Result<TenantKey, Failure> {
    db.prepare_cached(
        "INSERT INTO tenant_key (tenant, epoch, wrapped, index_key) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?
    .execute((owner.into_bytes(), key.epoch, &key.wrapped.0, &key.index.0))?;
    // There is one now.
    tenant(db, owner)?.ok_or(Failure { kind: VaultErrorKind::Unavailable, code: None })
}

pub(super) fn subject(db: &Connection, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, Failure> {
    let who = (tenant.into_bytes(), subject.into_bytes());
    let erased: Option<i64> = db
        .prepare_cached("SELECT at FROM erasure WHERE tenant = ?1 AND subject = ?2")?
        .query_row(who, |row| row.get(0))
        .optional()?;
    if let Some(micros) = erased {
        // A time that can't be read must not make somebody look alive.
        return Ok(SubjectKeyState::Erased(DateTime::from_timestamp_micros(micros).unwrap_or_default()));
    }
    let key = db
        .prepare_cached("SELECT version, epoch, wrapped FROM subject_key WHERE tenant = ?1 AND subject = ?2")?
        .query_row(who, |row| {
            Ok(SubjectKey { version: row.get(0)?, epoch: row.get(1)?, wrapped: WrappedKey(row.get(2)?) })
        })
        .optional()?;
    Ok(key.map_or(SubjectKeyState::Absent, SubjectKeyState::Live))
}

pub(super) fn put_subject(
    db: &Connection,
    tenant: TenantId,
    owner: SubjectId,
    key: &SubjectKey,
) -> Result<SubjectKeyState, Failure> {
    let there = subject(db, tenant, owner)?;
    if there != SubjectKeyState::Absent {
        return Ok(there);
    }
    db.prepare_cached(
        "INSERT INTO subject_key (tenant, subject, version, epoch, wrapped) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((tenant.into_bytes(), owner.into_bytes(), key.version, key.epoch, &key.wrapped.0))?;
    Ok(SubjectKeyState::Live(key.clone()))
}

pub(super) fn erase(
    db: &Connection,
    tenant: TenantId,
    owner: SubjectId,
    at: DateTime<Utc>,
) -> Result<SubjectKeyState, Failure> {
    let before = subject(db, tenant, owner)?;
    if matches!(before, SubjectKeyState::Erased(_)) {
        return Ok(before);
    }
    let who = (tenant.into_bytes(), owner.into_bytes());
    // Zeros of the same length, so that the row is overwritten in its place.
    db.prepare_cached("UPDATE subject_key SET wrapped = zeroblob(length(wrapped)) WHERE tenant = ?1 AND subject = ?2")?
        .execute(who)?;
    db.prepare_cached("INSERT INTO erasure (tenant, subject, at) VALUES (?1, ?2, ?3)")?.execute((
        who.0,
        who.1,
        at.timestamp_micros(),
    ))?;
    Ok(before)
}
