//! Records, times and ids as columns.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;
use whisp_core::id::{RecordId, SubjectId};
use whisp_core::store::{BlindIndex, Clear, Kind, Record, Sealed};

use super::error::Failure;

/// Reads a record of the kind from the columns of `sql.rs`, of which the first has the index `at`.
pub(super) fn record(kind: Kind, row: &Row, at: usize) -> Result<Record, Failure> {
    Ok(Record {
        kind,
        id: RecordId::from_uuid(get(row, at)?),
        version: u64::try_from(get::<i64>(row, at + 1)?).map_err(|_| Failure::corrupt())?,
        parent: get::<Option<Uuid>>(row, at + 2)?.map(RecordId::from_uuid),
        position: get(row, at + 3)?,
        expires_at: get::<Option<i64>>(row, at + 4)?.map(time).transpose()?,
        lookups: split(get(row, at + 5)?)?.map(BlindIndex).collect(),
        subjects: split(get(row, at + 6)?)?.map(SubjectId::from_bytes).collect(),
        clear: Clear(get(row, at + 7)?),
        sealed: Sealed(get(row, at + 8)?),
    })
}

/// Reads a column.
pub(crate) fn get<'r, T: FromSql<'r>>(row: &'r Row, at: usize) -> Result<T, Failure> {
    Ok(row.try_get(at)?)
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
