//! Forgetting the keys whose time has passed, a few at a time beside the writing.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Statement};
use whisp_core::store::{Expect, WriteBatch, WriteOp};

use super::error::Failure;
use super::row::micros;

/// After how many remembered keys a step is due.
const REMEMBERED_PER_STEP: usize = 64;

/// How many keys a step looks at. Eight are looked at for one that is added, so what is forgotten late is at most an
/// eighth of what is remembered.
const KEYS_PER_STEP: u32 = 512;

/// Walks through the remembered keys, round and round.
pub(super) struct Forgetter<'c> {
    end: Statement<'c>,
    forget: Statement<'c>,
    remembered: usize,
    /// The latest time at which anybody asked: a store has no clock.
    now: DateTime<Utc>,
    from: Place,
}

/// A place among the keys: tenant, second, digest.
type Place = (Vec<u8>, i64, Vec<u8>);

/// Before every key: no tenant is shorter than sixteen bytes.
const START: Place = (Vec::new(), 0, Vec::new());

/// After every key: no tenant is longer than sixteen bytes.
const END: [u8; 17] = [0xff; 17];

impl<'c> Forgetter<'c> {
    pub(super) fn prepare(conn: &'c Connection) -> Result<Self, Failure> {
        Ok(Self {
            end: conn.prepare(
                "SELECT tenant, second, digest FROM seen WHERE (tenant, second, digest) > (?1, ?2, ?3) \
                 ORDER BY tenant, second, digest LIMIT 1 OFFSET ?4",
            )?,
            forget: conn.prepare(
                "DELETE FROM seen WHERE (tenant, second, digest) > (?1, ?2, ?3) \
                 AND (tenant, second, digest) <= (?4, ?5, ?6) AND until < ?7",
            )?,
            remembered: 0,
            now: DateTime::<Utc>::MIN_UTC,
            from: START,
        })
    }

    /// Takes note of a batch that was written.
    pub(super) fn note(&mut self, batch: &WriteBatch) {
        self.remembered += batch.ops.iter().filter(|op| matches!(op, WriteOp::Remember { .. })).count();
        for expect in &batch.expects {
            if let Expect::Unseen { at, .. } = expect {
                self.now = self.now.max(*at);
            }
        }
    }

    /// Makes the steps that are due, inside the open transaction.
    pub(super) fn step(&mut self) -> Result<(), Failure> {
        while self.remembered >= REMEMBERED_PER_STEP {
            self.remembered -= REMEMBERED_PER_STEP;
            let (tenant, second, digest) = &self.from;
            let end = self.end.query_row((tenant, second, digest, KEYS_PER_STEP - 1), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            });
            let end: Option<Place> = end.optional()?;
            let last = end.clone().unwrap_or((END.into(), 0, Vec::new()));
            self.forget.execute((tenant, second, digest, &last.0, last.1, &last.2, micros(self.now)))?;
            self.from = end.unwrap_or(START);
        }
        Ok(())
    }
}
