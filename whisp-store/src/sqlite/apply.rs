//! Writing one batch with prepared statements.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Statement};
use whisp_core::id::{RecordId, TenantId};
use whisp_core::kpi::Fact;
use whisp_core::store::{
    Bucket, Commit, DedupKey, Fence, Kind, Record, Stored, Version, WorkItem, WorkKey, WriteBatch, WriteOp,
};

use super::error::Failure;
use super::row::{join, micros, split, time};

/// The tables that a batch touches.
pub(super) struct Tables<'c> {
    kinds: BTreeMap<&'static str, KindTable<'c>>,
    /// What the check of the batch has read of the records that it changes, so that it is not read again.
    checked: HashMap<(Kind, RecordId), Place>,
    subject: Path<'c>,
    remembered: Statement<'c>,
    remember: Statement<'c>,
    lease: Statement<'c>,
    waits: Statement<'c>,
    enqueue: Statement<'c>,
    complete: Statement<'c>,
    append: Statement<'c>,
}

/// The table of one kind, and its lookups if it is found by them.
struct KindTable<'c> {
    place: Statement<'c>,
    insert: Statement<'c>,
    update: Statement<'c>,
    /// Where what the indexes go by stays: SQLite writes an index anew for each column that is set, changed or not.
    update_in_place: Statement<'c>,
    delete: Statement<'c>,
    lookup: Option<Path<'c>>,
}

/// Where a record is, and what leads to it, as it is stored.
struct Place {
    row: i64,
    ways: Ways,
    lookups: Vec<u8>,
    subjects: Vec<u8>,
}

/// What the indexes of its table go by.
#[derive(PartialEq, Eq)]
struct Ways {
    parent: Option<[u8; 16]>,
    position: i64,
    expires_at: Option<i64>,
}

/// Adds to and removes from a table that leads to records.
struct Path<'c> {
    add: Statement<'c>,
    remove: Statement<'c>,
}

impl<'c> Tables<'c> {
    pub(super) fn prepare(conn: &'c Connection, kinds: &[Kind]) -> Result<Self, Failure> {
        Ok(Self {
            kinds: kinds
                .iter()
                .map(|kind| Ok((kind.name(), KindTable::prepare(conn, *kind)?)))
                .collect::<Result<_, Failure>>()?,
            checked: HashMap::new(),
            subject: Path {
                add: conn.prepare(
                    "INSERT INTO subject (tenant, subject, kind, id) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                )?,
                remove: conn.prepare(
                    "DELETE FROM subject WHERE tenant = ?1 AND subject = ?2 AND kind = ?3 AND id = ?4",
                )?,
            },
            remembered: conn.prepare("SELECT until FROM seen WHERE tenant = ?1 AND second = ?2 AND digest = ?3")?,
            remember: conn.prepare(
                "INSERT INTO seen (tenant, second, digest, until) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
            )?,
            lease: conn.prepare("SELECT fence, until FROM lease WHERE tenant = ?1 AND bucket = ?2")?,
            waits: conn.prepare("SELECT 1 FROM work WHERE tenant = ?1 AND bucket = ?2 AND due = ?3 AND id = ?4")?,
            enqueue: conn.prepare(
                "INSERT INTO work (tenant, bucket, due, id, lane, attempts, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
            complete: conn.prepare("DELETE FROM work WHERE tenant = ?1 AND bucket = ?2 AND due = ?3 AND id = ?4")?,
            append: conn.prepare(
                "INSERT INTO fact (tenant, at, id, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?,
        })
    }

    /// Writes a batch if it is possible. Nothing is written before everything is checked, so a refused batch needs no
    /// rollback and the others of its transaction are not touched. After an error the transaction has to be rolled back.
    pub(super) fn commit(&mut self, batch: &WriteBatch) -> Result<Commit, Failure> {
        self.checked.clear();
        let refusals = batch.refusals(self)?;
        if !refusals.is_empty() {
            return Ok(Commit::Refused(refusals));
        }
        batch.ops.iter().try_for_each(|op| self.apply(batch.tenant, op))?;
        Ok(Commit::Done)
    }

    fn apply(&mut self, tenant: TenantId, op: &WriteOp) -> Result<(), Failure> {
        match op {
            WriteOp::Put(record) if record.version == 1 => self.insert(tenant, record),
            WriteOp::Put(record) => self.update(tenant, record),
            WriteOp::Delete(kind, id, _) => self.delete(tenant, *kind, *id),
            WriteOp::Remember { key, until } => {
                self.remember.execute((tenant.into_bytes(), key.second, key.digest, micros(*until)))?;
                Ok(())
            }
            WriteOp::Append(fact) => self.append(tenant, fact),
            WriteOp::Enqueue(item) => self.enqueue(tenant, item),
            WriteOp::Complete(key) => {
                self.complete.execute((tenant.into_bytes(), key.bucket.0, micros(key.due), key.id.into_bytes()))?;
                Ok(())
            }
        }
    }

    fn insert(&mut self, tenant: TenantId, record: &Record) -> Result<(), Failure> {
        let columns = Columns::of(record);
        let table = self.kinds.get_mut(record.kind.name()).ok_or_else(Failure::corrupt)?;
        table.insert.execute((
            tenant.into_bytes(),
            record.id.into_bytes(),
            columns.version,
            columns.ways.parent,
            columns.ways.position,
            columns.ways.expires_at,
            &columns.lookups,
            &columns.subjects,
            &record.clear.0,
            &record.sealed.0,
        ))?;
        self.replace_paths(tenant, record.kind, record.id, (&[], &[]), (&columns.lookups, &columns.subjects))
    }

    fn update(&mut self, tenant: TenantId, record: &Record) -> Result<(), Failure> {
        let columns = Columns::of(record);
        let Place { row, ways, lookups, subjects } = self.place(tenant, record.kind, record.id)?;
        let table = self.kinds.get_mut(record.kind.name()).ok_or_else(Failure::corrupt)?;
        let Columns { version, ways: new_ways, lookups: new_lookups, subjects: new_subjects } = columns;
        let (clear, sealed) = (&record.clear.0, &record.sealed.0);
        if ways == new_ways {
            table.update_in_place.execute((row, version, &new_lookups, &new_subjects, clear, sealed))?;
        } else {
            let Ways { parent, position, expires_at } = new_ways;
            let values = (row, version, &new_lookups, &new_subjects, clear, sealed, parent, position, expires_at);
            table.update.execute(values)?;
        }
        self.replace_paths(tenant, record.kind, record.id, (&lookups, &subjects), (&new_lookups, &new_subjects))
    }

    fn delete(&mut self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<(), Failure> {
        let Place { row, lookups, subjects, .. } = self.place(tenant, kind, id)?;
        let table = self.kinds.get_mut(kind.name()).ok_or_else(Failure::corrupt)?;
        table.delete.execute([row])?;
        self.replace_paths(tenant, kind, id, (&lookups, &subjects), (&[], &[]))
    }

    /// Returns where a record is. What the check has read counts once: after that the batch has changed it.
    fn place(&mut self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Place, Failure> {
        if let Some(place) = self.checked.remove(&(kind, id)) {
            return Ok(place);
        }
        let (_, place) = self.look_up(tenant, kind, id)?.ok_or_else(Failure::corrupt)?;
        Ok(place)
    }

    /// Returns the version of a record and where it is, `None` if there is none.
    fn look_up(&mut self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<(i64, Place)>, Failure> {
        let table = self.kinds.get_mut(kind.name()).ok_or_else(Failure::corrupt)?;
        let found = table.place.query_row((tenant.into_bytes(), id.into_bytes()), |row| {
            let ways = Ways { parent: row.get(4)?, position: row.get(5)?, expires_at: row.get(6)? };
            Ok((row.get(0)?, Place { row: row.get(1)?, ways, lookups: row.get(2)?, subjects: row.get(3)? }))
        });
        Ok(found.optional()?)
    }

    /// Leads the new lookups and subjects to a record instead of the old ones.
    fn replace_paths(
        &mut self,
        tenant: TenantId,
        kind: Kind,
        id: RecordId,
        (old_lookups, old_subjects): (&[u8], &[u8]),
        (lookups, subjects): (&[u8], &[u8]),
    ) -> Result<(), Failure> {
        let (tenant, id, name) = (tenant.into_bytes(), id.into_bytes(), kind.name());
        let table = self.kinds.get_mut(name).ok_or_else(Failure::corrupt)?;
        if let Some(path) = table.lookup.as_mut().filter(|_| old_lookups != lookups) {
            for lookup in split(old_lookups)? {
                path.remove.execute((tenant, lookup, id))?;
            }
            for lookup in split(lookups)? {
                path.add.execute((tenant, lookup, id))?;
            }
        }
        if old_subjects != subjects {
            for subject in split(old_subjects)? {
                self.subject.remove.execute((tenant, subject, name, id))?;
            }
            for subject in split(subjects)? {
                self.subject.add.execute((tenant, subject, name, id))?;
            }
        }
        Ok(())
    }

    fn append(&mut self, tenant: TenantId, fact: &Fact) -> Result<(), Failure> {
        self.append.execute((tenant.into_bytes(), micros(fact.at), fact.id.into_bytes(), fact.to_bytes()))?;
        Ok(())
    }

    fn enqueue(&mut self, tenant: TenantId, item: &WorkItem) -> Result<(), Failure> {
        self.enqueue.execute((
            tenant.into_bytes(),
            item.key.bucket.0,
            micros(item.key.due),
            item.key.id.into_bytes(),
            item.lane.into_bytes(),
            item.attempts,
            &item.payload.0,
        ))?;
        Ok(())
    }
}

impl Stored for Tables<'_> {
    type Error = Failure;

    fn version(&mut self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Version>, Failure> {
        let Some((version, place)) = self.look_up(tenant, kind, id)? else { return Ok(None) };
        self.checked.insert((kind, id), place);
        Ok(Some(u64::try_from(version).map_err(|_| Failure::corrupt())?))
    }

    fn remembered(&mut self, tenant: TenantId, key: &DedupKey) -> Result<Option<DateTime<Utc>>, Failure> {
        let until = self.remembered.query_row((tenant.into_bytes(), key.second, key.digest), |row| row.get(0));
        until.optional()?.map(time).transpose()
    }

    fn lease(&mut self, tenant: TenantId, bucket: Bucket) -> Result<Option<(Fence, DateTime<Utc>)>, Failure> {
        let lease = self.lease.query_row((tenant.into_bytes(), bucket.0), |row| Ok((row.get(0)?, row.get(1)?)));
        let Some((fence, until)) = lease.optional()? else { return Ok(None) };
        let fence: i64 = fence;
        Ok(Some((Fence(u64::try_from(fence).map_err(|_| Failure::corrupt())?), time(until)?)))
    }

    fn is_waiting(&mut self, tenant: TenantId, key: &WorkKey) -> Result<bool, Failure> {
        let key = (tenant.into_bytes(), key.bucket.0, micros(key.due), key.id.into_bytes());
        Ok(self.waits.exists(key)?)
    }
}

impl<'c> KindTable<'c> {
    fn prepare(conn: &'c Connection, kind: Kind) -> Result<Self, Failure> {
        let name = kind.name();
        let lookup = |sql: &str| conn.prepare(&sql.replace("{kind}", name));
        Ok(Self {
            place: conn.prepare(&format!(
                "SELECT version, row, lookups, subjects, parent, position, expires_at FROM record_{name} \
                 WHERE tenant = ?1 AND id = ?2"
            ))?,
            insert: conn.prepare(&format!(
                "INSERT INTO record_{name} \
                 (tenant, id, version, parent, position, expires_at, lookups, subjects, clear, sealed) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
            ))?,
            update: conn.prepare(&format!(
                "UPDATE record_{name} SET version = ?2, lookups = ?3, subjects = ?4, clear = ?5, sealed = ?6, \
                 parent = ?7, position = ?8, expires_at = ?9 WHERE row = ?1"
            ))?,
            update_in_place: conn.prepare(&format!(
                "UPDATE record_{name} SET version = ?2, lookups = ?3, subjects = ?4, clear = ?5, sealed = ?6 \
                 WHERE row = ?1"
            ))?,
            delete: conn.prepare(&format!("DELETE FROM record_{name} WHERE row = ?1"))?,
            lookup: if kind.paths().found {
                Some(Path {
                    add: lookup("INSERT INTO lookup_{kind} VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?,
                    remove: lookup("DELETE FROM lookup_{kind} WHERE tenant = ?1 AND lookup = ?2 AND id = ?3")?,
                })
            } else {
                None
            },
        })
    }
}

/// The fields of a record that SQLite keeps in another form.
struct Columns {
    version: i64,
    ways: Ways,
    lookups: Vec<u8>,
    subjects: Vec<u8>,
}

impl Columns {
    fn of(record: &Record) -> Self {
        Self {
            // Versions count up from 1 by one: none ever comes near the end of an i64.
            version: i64::try_from(record.version).unwrap_or(i64::MAX),
            ways: Ways {
                parent: record.parent.map(RecordId::into_bytes),
                position: record.position,
                expires_at: record.expires_at.map(micros),
            },
            lookups: join(record.lookups.iter().map(|lookup| lookup.0)),
            subjects: join(record.subjects.iter().map(|subject| subject.into_bytes())),
        }
    }
}
