//! Removing everything of a tenant, or its facts before a time, a piece at a time.

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use whisp_core::id::TenantId;
use whisp_core::store::Kind;

use super::error::Failure;
use super::row::micros_up;

/// The tables that are there whatever kinds there are, and what tells their rows apart.
const TABLES: [(&str, &str); 5] = [
    ("subject", "subject, kind, id"),
    ("seen", "second, digest"),
    ("work", "bucket, due, id"),
    ("lease", "bucket"),
    ("fact", "at, id"),
];

/// Removes at most so many rows of a tenant, inside the open transaction; returns how many.
pub(super) fn clear(conn: &Connection, kinds: &[Kind], tenant: TenantId, limit: usize) -> Result<usize, Failure> {
    let mut removed = 0;
    for kind in kinds {
        removed += rows(conn, &format!("record_{kind}"), "id", tenant, limit - removed)?;
        if kind.paths().found {
            removed += rows(conn, &format!("lookup_{kind}"), "lookup, id", tenant, limit - removed)?;
        }
    }
    for (table, key) in TABLES {
        removed += rows(conn, table, key, tenant, limit - removed)?;
    }
    Ok(removed)
}

fn rows(conn: &Connection, table: &str, key: &str, tenant: TenantId, limit: usize) -> Result<usize, Failure> {
    if limit == 0 {
        return Ok(0);
    }
    let sql = format!(
        "DELETE FROM {table} WHERE (tenant, {key}) IN (SELECT tenant, {key} FROM {table} WHERE tenant = ?1 LIMIT ?2)"
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(conn.prepare_cached(&sql)?.execute((tenant.into_bytes(), limit))?)
}

/// Removes at most so many facts of a tenant from before a time, the oldest first, inside the open transaction; returns how
/// many.
pub(super) fn discard(
    conn: &Connection,
    tenant: TenantId,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<usize, Failure> {
    let sql = "DELETE FROM fact WHERE (tenant, at, id) IN \
        (SELECT tenant, at, id FROM fact WHERE tenant = ?1 AND at < ?2 ORDER BY at, id LIMIT ?3)";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(conn.prepare_cached(sql)?.execute((tenant.into_bytes(), micros_up(before), limit))?)
}
