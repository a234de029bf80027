//! Records, times and ids as columns.

use chrono::{DateTime, Utc};
use rusqlite::Row;
use whisp_core::id::{RecordId, SubjectId};
use whisp_core::store::{BlindIndex, Clear, Kind, Record, Sealed};

use super::error::Failure;

/// The columns that [`record`] reads, in its order.
pub(super) const COLUMNS: &str =
    "r.id, r.version, r.parent, r.position, r.expires_at, r.lookups, r.subjects, r.clear, r.sealed";

/// Reads a record of the kind from [`COLUMNS`].
pub(super) fn record(kind: Kind, row: &Row<'_>) -> Result<Record, Failure> {
    Ok(Record {
        kind,
        id: RecordId::from_bytes(row.get(0)?),
        version: u64::try_from(row.get::<_, i64>(1)?).map_err(|_| Failure::corrupt())?,
        parent: row.get::<_, Option<[u8; 16]>>(2)?.map(RecordId::from_bytes),
        position: row.get(3)?,
        expires_at: row.get::<_, Option<i64>>(4)?.map(time).transpose()?,
        lookups: split(row.get_ref(5)?.as_blob().map_err(|_| Failure::corrupt())?)?.map(BlindIndex).collect(),
        subjects: split(row.get_ref(6)?.as_blob().map_err(|_| Failure::corrupt())?)?
            .map(SubjectId::from_bytes)
            .collect(),
        clear: Clear(row.get(7)?),
        sealed: Sealed(row.get(8)?),
    })
}

/// Lists of sixteen bytes each are kept one after another.
pub(super) fn join(parts: impl Iterator<Item = [u8; 16]>) -> Vec<u8> {
    parts.flatten().collect()
}

/// Takes apart what [`join`] made.
pub(super) fn split(bytes: &[u8]) -> Result<impl Iterator<Item = [u8; 16]> + '_, Failure> {
    let (parts, rest) = bytes.as_chunks::<16>();
    if rest.is_empty() { Ok(parts.iter().copied()) } else { Err(Failure::corrupt()) }
}

/// Microseconds since 1970. Every time that chrono can hold fits.
pub(super) const fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// Takes back what [`micros`] made.
pub(super) fn time(micros: i64) -> Result<DateTime<Utc>, Failure> {
    DateTime::from_timestamp_micros(micros).ok_or_else(Failure::corrupt)
}

/// The same, rounded up: what is at or after `at` to the nanosecond is at or after it to the microsecond.
pub(super) fn micros_up(at: DateTime<Utc>) -> i64 {
    micros(at).saturating_add(i64::from(!at.timestamp_subsec_nanos().is_multiple_of(1_000)))
}
