//! What is asked of the file. Everything runs inside the worker's transaction.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension};
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::vault::{Rewrap, SubjectKey, SubjectKeyState, TenantKey, VaultErrorKind, WrappedKey};

use super::Failure;

/// The epoch of the erased.
const NO_EPOCH: [u8; 4] = [0; 4];

pub(super) fn tenant(db: &Connection, tenant: TenantId) -> Result<Option<TenantKey>, Failure> {
    let key = db
        .prepare_cached("SELECT epoch, begun_at, wrapped, index_key, previous FROM tenant_key WHERE tenant = ?1")?
        .query_row([tenant.into_bytes()], |row| {
            Ok(TenantKey {
                epoch: row.get(0)?,
                begun_at: row.get::<_, Option<i64>>(1)?.and_then(DateTime::from_timestamp_micros),
                wrapped: WrappedKey(row.get(2)?),
                index: WrappedKey(row.get(3)?),
                previous: row.get::<_, Option<_>>(4)?.map(WrappedKey),
            })
        })
        .optional()?;
    Ok(key)
}

pub(super) fn put_tenant(db: &Connection, owner: TenantId, key: &TenantKey) -> Result<TenantKey, Failure> {
    write_tenant(db, owner, key, "ON CONFLICT DO NOTHING")?;
    // There is one now.
    tenant(db, owner)?.ok_or(Failure { kind: VaultErrorKind::Unavailable, code: None })
}

pub(super) fn swap_tenant(
    db: &Connection,
    owner: TenantId,
    from: &TenantKey,
    to: &TenantKey,
) -> Result<Option<TenantKey>, Failure> {
    let there = tenant(db, owner)?;
    if there.as_ref() != Some(from) {
        return Ok(there);
    }
    write_tenant(
        db,
        owner,
        to,
        "ON CONFLICT DO UPDATE SET epoch = excluded.epoch, begun_at = excluded.begun_at, \
         wrapped = excluded.wrapped, index_key = excluded.index_key, previous = excluded.previous",
    )?;
    tenant(db, owner)
}

fn write_tenant(db: &Connection, owner: TenantId, key: &TenantKey, conflict: &str) -> Result<(), Failure> {
    db.prepare_cached(&format!(
        "INSERT INTO tenant_key (tenant, epoch, begun_at, wrapped, index_key, previous) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) {conflict}"
    ))?
    .execute((
        owner.into_bytes(),
        key.epoch,
        key.begun_at.map(|at| at.timestamp_micros()),
        &key.wrapped.0,
        &key.index.0,
        key.previous.as_ref().map(|previous| &previous.0),
    ))?;
    Ok(())
}

/// Whether keys are of the epoch that their tenant's key has.
fn are_current<'a>(
    db: &Connection,
    tenant: TenantId,
    mut keys: impl Iterator<Item = &'a SubjectKey>,
) -> Result<bool, Failure> {
    let epoch: Option<u32> = db
        .prepare_cached("SELECT epoch FROM tenant_key WHERE tenant = ?1")?
        .query_row([tenant.into_bytes()], |row| row.get(0))
        .optional()?;
    Ok(keys.all(|key| Some(key.epoch) == epoch))
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
            Ok(SubjectKey {
                version: row.get(0)?,
                epoch: u32::from_be_bytes(row.get(1)?),
                wrapped: WrappedKey(row.get(2)?),
            })
        })
        .optional()?;
    Ok(key.map_or(SubjectKeyState::Absent, SubjectKeyState::Live))
}

/// Writes the keys of those who have none; `None`, and nothing is written, if one is of another epoch than the tenant's.
pub(super) fn put_subjects(
    db: &Connection,
    tenant: TenantId,
    keys: &[(SubjectId, SubjectKey)],
) -> Result<Option<Vec<SubjectKeyState>>, Failure> {
    if !are_current(db, tenant, keys.iter().map(|(_, key)| key))? {
        return Ok(None);
    }
    keys.iter().map(|(subject, key)| put_subject(db, tenant, *subject, key)).collect::<Result<_, _>>().map(Some)
}

fn put_subject(
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
    .execute((tenant.into_bytes(), owner.into_bytes(), key.version, key.epoch.to_be_bytes(), &key.wrapped.0))?;
    Ok(SubjectKeyState::Live(key.clone()))
}

pub(super) fn of_epoch(
    db: &Connection,
    tenant: TenantId,
    epoch: u32,
    limit: usize,
) -> Result<Vec<(SubjectId, SubjectKey)>, Failure> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(
        "SELECT subject, version, wrapped FROM subject_key WHERE tenant = ?1 AND epoch = ?2 AND epoch <> ?4 LIMIT ?3",
    )?;
    let rows = statement.query_map((tenant.into_bytes(), epoch.to_be_bytes(), limit, NO_EPOCH), |row| {
        let key = SubjectKey { version: row.get(1)?, epoch, wrapped: WrappedKey(row.get(2)?) };
        Ok((SubjectId::from_bytes(row.get(0)?), key))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Replaces keys with the same ones, wrapped anew; `None`, and nothing is written, if one is of another epoch than the
/// tenant's.
pub(super) fn rewrap(db: &Connection, tenant: TenantId, keys: &[Rewrap]) -> Result<Option<usize>, Failure> {
    if !are_current(db, tenant, keys.iter().map(|key| &key.to))? {
        return Ok(None);
    }
    // What is replaced has the same length, and is overwritten in its place.
    let mut statement = db.prepare_cached(
        "UPDATE subject_key SET version = ?3, epoch = ?4, wrapped = ?5 \
         WHERE tenant = ?1 AND subject = ?2 AND version = ?6 AND epoch = ?7 AND wrapped = ?8",
    )?;
    let mut replaced = 0;
    for Rewrap { subject, from, to } in keys {
        replaced += statement.execute((
            tenant.into_bytes(),
            subject.into_bytes(),
            to.version,
            to.epoch.to_be_bytes(),
            &to.wrapped.0,
            from.version,
            from.epoch.to_be_bytes(),
            &from.wrapped.0,
        ))?;
    }
    Ok(Some(replaced))
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
    db.prepare_cached(
        "UPDATE subject_key SET epoch = ?3, wrapped = zeroblob(length(wrapped)) WHERE tenant = ?1 AND subject = ?2",
    )?
    .execute((who.0, who.1, NO_EPOCH))?;
    db.prepare_cached("INSERT INTO erasure (tenant, subject, at) VALUES (?1, ?2, ?3)")?.execute((
        who.0,
        who.1,
        at.timestamp_micros(),
    ))?;
    Ok(before)
}

/// Removes what is known of subjects of a tenant whose own key is erased.
pub(super) fn drop_subjects(db: &Connection, owner: TenantId, limit: usize) -> Result<usize, Failure> {
    if tenant(db, owner)?.and_then(|key| key.erased_at()).is_none() {
        return Ok(0);
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let keys = db
        .prepare_cached("DELETE FROM subject_key WHERE id IN (SELECT id FROM subject_key WHERE tenant = ?1 LIMIT ?2)")?
        .execute((owner.into_bytes(), limit))?;
    let marks = db
        .prepare_cached(
            "DELETE FROM erasure WHERE (tenant, subject) IN (SELECT tenant, subject FROM erasure WHERE tenant = ?1 LIMIT ?2)",
        )?
        .execute((owner.into_bytes(), limit))?;
    // Whoever was erased is in both.
    Ok(keys.max(marks))
}
