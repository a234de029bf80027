//! Looking for damage: what SQLite finds, and whether records and the ways to them belong together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, OptionalExtension};
use whisp_core::store::{Kind, StoreErrorKind};

use super::error::Failure;
use super::row::{COLUMNS, record, split};
use super::threads::Gone;

/// How many of its findings SQLite tells at most.
const INTEGRITY_MAX: u32 = 100;

/// How many rows are looked at in one snapshot, so that the log is not held back for long.
const STEP_ROWS: u32 = 500;

/// After how many of SQLite's steps it is asked whether to go on.
const STEPS_PER_QUESTION: i32 = 1_000;

/// Returns what is wrong, in words that name tables and places in the file, and nothing that is in a row.
pub(super) fn check(
    conn: &Connection,
    kinds: &[Kind],
    gone: &Gone,
    is_log_full: &Arc<AtomicBool>,
) -> Result<Vec<String>, Failure> {
    let (caller, log) = (gone.clone(), Arc::clone(is_log_full));
    conn.progress_handler(STEPS_PER_QUESTION, Some(move || caller.is_set() || log.load(Ordering::Relaxed)))?;
    let mut found = Findings::default();
    found.read("the file", |found| integrity(conn, found))?;
    for kind in kinds {
        found.read(&format!("record_{kind}"), |found| records(conn, *kind, found))?;
        if kind.paths().found {
            found.read(&format!("lookup_{kind}"), |found| lookups(conn, *kind, found))?;
        }
    }
    found.read("subject", |found| subjects(conn, kinds, found))?;
    let words = |(what, times)| if times == 1 { what } else { format!("{what} ({times} times)") };
    Ok(found.0.into_iter().map(words).collect())
}

/// What was found, and how often: so many rows make no long list.
#[derive(Default)]
struct Findings(BTreeMap<String, u64>);

impl Findings {
    fn add(&mut self, what: String) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Reads something. What can't be read is a finding too.
    fn read(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Result<(), Failure>) -> Result<(), Failure> {
        match read(self) {
            Err(failure) if failure.kind() == StoreErrorKind::Corrupt => {
                self.add(format!("{name} can't be read to its end"));
                Ok(())
            }
            outcome => outcome,
        }
    }
}

/// What SQLite finds: pages, the order of rows, indexes that miss rows.
fn integrity(conn: &Connection, found: &mut Findings) -> Result<(), Failure> {
    let mut statement = conn.prepare(&format!("PRAGMA integrity_check({INTEGRITY_MAX})"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match row.get::<_, String>(0)? {
            sound if sound == "ok" => {}
            what => found.add(what),
        }
    }
    Ok(())
}

/// Every record can be read, and everything that should lead to it does.
fn records(conn: &Connection, kind: Kind, found: &mut Findings) -> Result<(), Failure> {
    let sql =
        format!("SELECT {COLUMNS}, r.row, r.tenant FROM record_{kind} r WHERE r.row > ?1 ORDER BY r.row LIMIT ?2");
    let has_lookup = format!("SELECT 1 FROM lookup_{kind} WHERE tenant = ?1 AND lookup = ?2 AND id = ?3");
    let has_subject = "SELECT 1 FROM subject WHERE tenant = ?1 AND subject = ?2 AND kind = ?3 AND id = ?4";
    let mut after = i64::MIN;
    loop {
        let snapshot = conn.unchecked_transaction()?;
        let mut statement = snapshot.prepare_cached(&sql)?;
        let mut rows = statement.query((after, STEP_ROWS))?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            after = row.get(9)?;
            let tenant: Vec<u8> = row.get(10)?;
            let Ok(record) = record(kind, row) else {
                found.add(format!("a row of record_{kind} is no record"));
                continue;
            };
            let id = record.id.into_bytes();
            let lookups = if kind.paths().found { record.lookups.as_slice() } else { &[] };
            for lookup in lookups {
                if !snapshot.prepare_cached(&has_lookup)?.exists((&tenant, lookup.0, id))? {
                    found.add(format!("a row of record_{kind} is not in lookup_{kind}"));
                }
            }
            for subject in &record.subjects {
                let key = (&tenant, subject.into_bytes(), kind.name(), id);
                if !snapshot.prepare_cached(has_subject)?.exists(key)? {
                    found.add(format!("a row of record_{kind} is not in subject"));
                }
            }
        }
        if seen < STEP_ROWS {
            return Ok(());
        }
    }
}

/// Every lookup leads to a record that has it.
fn lookups(conn: &Connection, kind: Kind, found: &mut Findings) -> Result<(), Failure> {
    let sql = format!(
        "SELECT tenant, lookup, id FROM lookup_{kind} WHERE (tenant, lookup, id) > (?1, ?2, ?3) \
         ORDER BY tenant, lookup, id LIMIT ?4"
    );
    let of_record = format!("SELECT lookups FROM record_{kind} WHERE tenant = ?1 AND id = ?2");
    // Nothing is shorter than the empty one.
    let mut after: [Vec<u8>; 3] = Default::default();
    loop {
        let snapshot = conn.unchecked_transaction()?;
        let mut statement = snapshot.prepare_cached(&sql)?;
        let mut rows = statement.query((&after[0], &after[1], &after[2], STEP_ROWS))?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            after = [row.get(0)?, row.get(1)?, row.get(2)?];
            if !names(&snapshot, &of_record, &after[0], &after[2], &after[1])? {
                found.add(format!("a row of lookup_{kind} leads to no record"));
            }
        }
        if seen < STEP_ROWS {
            return Ok(());
        }
    }
}

/// Every row of a subject leads to a record that names it.
fn subjects(conn: &Connection, kinds: &[Kind], found: &mut Findings) -> Result<(), Failure> {
    let sql = "SELECT tenant, subject, id, kind FROM subject WHERE (tenant, subject, kind, id) > (?1, ?2, ?3, ?4) \
               ORDER BY tenant, subject, kind, id LIMIT ?5";
    let (mut after, mut name): ([Vec<u8>; 3], _) = (Default::default(), String::new());
    loop {
        let snapshot = conn.unchecked_transaction()?;
        let mut statement = snapshot.prepare_cached(sql)?;
        let mut rows = statement.query((&after[0], &after[1], &name, &after[2], STEP_ROWS))?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            (after, name) = ([row.get(0)?, row.get(1)?, row.get(2)?], row.get(3)?);
            let Some(kind) = kinds.iter().find(|kind| kind.name() == name) else {
                found.add("a row of subject is of no kind that was given".into());
                continue;
            };
            let of_record = format!("SELECT subjects FROM record_{kind} WHERE tenant = ?1 AND id = ?2");
            if !names(&snapshot, &of_record, &after[0], &after[2], &after[1])? {
                found.add(format!("a row of subject leads to no row of record_{kind}"));
            }
        }
        if seen < STEP_ROWS {
            return Ok(());
        }
    }
}

/// Returns whether there is a record that has the part in the list that the query selects.
fn names(conn: &Connection, sql: &str, tenant: &[u8], id: &[u8], part: &[u8]) -> Result<bool, Failure> {
    let list = conn.prepare_cached(sql)?.query_row((tenant, id), |row| row.get::<_, Vec<u8>>(0)).optional()?;
    Ok(match list {
        Some(list) => split(&list)?.any(|one| one == *part),
        None => false,
    })
}
