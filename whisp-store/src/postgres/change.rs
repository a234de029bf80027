//! From what a group comes to, to the statements that write it: a few for each table, whatever the size of the group.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use whisp_core::id::{RecordId, TenantId};
use whisp_core::store::{DedupKey, Kind, Record};

use super::call::Call;
use super::error::Failure;
use super::group::{After, Group, SeenSlot};
use super::row::{join, micros};
use super::sql::{KindSql, Sql};

/// How many bytes one statement carries at most, beside its last row. The protocol ends at a gigabyte.
const CALL_BYTES_MAX: usize = 16 << 20;

/// After how many remembered keys those whose time has passed are looked for.
pub(super) const REMEMBERED_PER_FORGET: usize = 64;

/// How many keys are then forgotten at most: two for one that is added.
const FORGOTTEN_MAX: i64 = 128;

/// Returns the statements, in an order in which each is possible.
pub(super) fn calls<'a>(
    sql: &'a Sql,
    tenant: TenantId,
    group: &'a Group<'_>,
    hoped: &'a BTreeSet<DedupKey>,
    forget: bool,
) -> Result<Vec<Call<'a>>, Failure> {
    let mut calls = Vec::new();
    let mut subjects = Paths::default();
    let mut by_kind: BTreeMap<Kind, Changes<'a>> = BTreeMap::new();
    for ((kind, id), slot) in &group.records {
        let changes = by_kind.entry(*kind).or_default();
        match (&slot.before, slot.after) {
            (Some(_) | None, After::AsBefore) | (None, After::Gone) => continue,
            (Some(_), After::Gone) => changes.deleted.push(*id),
            (None, After::Put(record)) => changes.inserted.push(record),
            (Some(_), After::Put(record)) => changes.updated.push(record),
        }
        let record = match slot.after {
            After::Put(record) => Some(record),
            _ => None,
        };
        let old = slot.before.as_ref();
        let (old_lookups, old_subjects) = old.map_or((&[][..], &[][..]), |old| (&old.lookups, &old.subjects));
        changes.lookups.replace(*kind, *id, old_lookups, record.into_iter().flat_map(lookups));
        subjects.replace(*kind, *id, old_subjects, record.into_iter().flat_map(self::subjects));
    }
    let mut added = Vec::new();
    for (kind, changes) in by_kind {
        let kind_sql = sql.kind(kind).ok_or_else(Failure::corrupt)?;
        changes.calls(kind_sql, tenant, &mut calls, &mut added);
    }
    subjects.calls(&sql.add_subjects, &sql.remove_subjects, tenant, true, &mut calls, &mut added);
    calls.append(&mut added);
    work(sql, tenant, group, &mut calls);
    let (new, known) = group.seen.iter().partition(|(key, _)| hoped.contains(key));
    remembered(&sql.remember_new, tenant, new, &mut calls);
    remembered(&sql.remember, tenant, known, &mut calls);
    if let Some(now) = group.asked_at.filter(|_| forget) {
        calls.push(Call::new(&sql.forget, tenant).with(micros(now)).with(FORGOTTEN_MAX));
    }
    if !group.facts.is_empty() {
        let facts = &group.facts;
        let call = Call::new(&sql.append, tenant)
            .with(facts.iter().map(|fact| micros(fact.at)).collect::<Vec<_>>())
            .with(facts.iter().map(|fact| fact.id.as_uuid()).collect::<Vec<_>>())
            .with(facts.iter().map(|fact| fact.to_bytes()).collect::<Vec<_>>());
        calls.push(call);
    }
    leases(sql, tenant, group, &mut calls);
    Ok(calls)
}

/// The records of one kind that change.
#[derive(Default)]
struct Changes<'a> {
    deleted: Vec<RecordId>,
    inserted: Vec<&'a Record>,
    updated: Vec<&'a Record>,
    lookups: Paths,
}

impl<'a> Changes<'a> {
    fn calls(self, sql: &'a KindSql, tenant: TenantId, calls: &mut Vec<Call<'a>>, added: &mut Vec<Call<'a>>) {
        if !self.deleted.is_empty() {
            let ids: Vec<Uuid> = self.deleted.iter().map(|id| id.as_uuid()).collect();
            calls.push(Call::new(&sql.delete, tenant).changes(ids.len()).with(ids));
        }
        let bytes = |record: &&Record| record.sealed.0.len() + record.clear.0.len();
        calls.extend(parts(&self.updated, bytes).map(|part| put(&sql.update, tenant, part)));
        calls.extend(parts(&self.inserted, bytes).map(|part| put(&sql.insert, tenant, part)));
        if let Some(lookup) = &sql.lookup {
            self.lookups.calls(&lookup.add, &lookup.remove, tenant, false, calls, added);
        }
    }
}

/// Cuts what is to be written into as many parts as its bytes need.
fn parts<T>(mut rest: &[T], bytes: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fitting = rest.iter().take_while(|row| {
            let fits = sum < CALL_BYTES_MAX;
            sum += bytes(row);
            fits
        });
        let (part, later) = rest.split_at(fitting.count());
        rest = later;
        (!part.is_empty()).then_some(part)
    })
}

fn put<'a>(sql: &'a str, tenant: TenantId, records: &[&'a Record]) -> Call<'a> {
    Call::new(sql, tenant)
        .changes(records.len())
        .with(column(records, |record| record.id.as_uuid()))
        // Versions count up from 1 by one: none ever comes near the end of an i64.
        .with(column(records, |record| i64::try_from(record.version).unwrap_or(i64::MAX)))
        .with(column(records, |record| record.parent.map(RecordId::as_uuid)))
        .with(column(records, |record| record.position))
        .with(column(records, |record| record.expires_at.map(micros)))
        .with(column(records, |record| join(lookups(record))))
        .with(column(records, |record| join(subjects(record))))
        .with(column(records, |record| record.clear.0.as_str()))
        .with(column(records, |record| record.sealed.0.as_slice()))
}

fn column<'a, T>(records: &[&'a Record], value: impl Fn(&'a Record) -> T) -> Vec<T> {
    records.iter().map(|record| value(record)).collect()
}

fn lookups(record: &Record) -> impl Iterator<Item = [u8; 16]> + '_ {
    record.lookups.iter().map(|lookup| lookup.0)
}

fn subjects(record: &Record) -> impl Iterator<Item = [u8; 16]> + '_ {
    record.subjects.iter().map(|subject| subject.into_bytes())
}

/// Rows that lead to records: those that go and those that come.
#[derive(Default)]
struct Paths {
    removed: Rows,
    added: Rows,
}

/// From what, to which record.
#[derive(Default)]
struct Rows {
    from: Vec<Uuid>,
    kinds: Vec<&'static str>,
    ids: Vec<Uuid>,
}

impl Rows {
    fn extend(&mut self, kind: Kind, id: RecordId, from: impl Iterator<Item = [u8; 16]>) {
        for from in from {
            self.from.push(Uuid::from_bytes(from));
            self.kinds.push(kind.name());
            self.ids.push(id.as_uuid());
        }
    }

    fn call<'a>(self, sql: &'a str, tenant: TenantId, with_kind: bool, calls: &mut Vec<Call<'a>>) {
        if self.ids.is_empty() {
            return;
        }
        let call = Call::new(sql, tenant).with(self.from);
        let call = if with_kind { call.with(self.kinds) } else { call };
        calls.push(call.with(self.ids));
    }
}

impl Paths {
    /// Notes the difference between what led to a record and what will.
    fn replace(&mut self, kind: Kind, id: RecordId, before: &[[u8; 16]], after: impl Iterator<Item = [u8; 16]>) {
        let before: BTreeSet<[u8; 16]> = before.iter().copied().collect();
        let after: BTreeSet<[u8; 16]> = after.collect();
        self.removed.extend(kind, id, before.difference(&after).copied());
        self.added.extend(kind, id, after.difference(&before).copied());
    }

    fn calls<'a>(
        self,
        add: &'a str,
        remove: &'a str,
        tenant: TenantId,
        with_kind: bool,
        calls: &mut Vec<Call<'a>>,
        added: &mut Vec<Call<'a>>,
    ) {
        self.removed.call(remove, tenant, with_kind, calls);
        self.added.call(add, tenant, with_kind, added);
    }
}

fn work<'a>(sql: &'a Sql, tenant: TenantId, group: &'a Group<'_>, calls: &mut Vec<Call<'a>>) {
    // Work that was completed and enqueued again under its key is another row.
    let gone = || group.work.iter().filter(|(_, slot)| slot.before && slot.after != After::AsBefore);
    if gone().next().is_some() {
        let call = Call::new(&sql.complete, tenant)
            .changes(gone().count())
            .with(gone().map(|((bucket, ..), _)| i32::from(bucket.0)).collect::<Vec<_>>())
            .with(gone().map(|((_, due, _), _)| *due).collect::<Vec<_>>())
            .with(gone().map(|((.., id), _)| *id).collect::<Vec<_>>());
        calls.push(call);
    }
    let new: Vec<_> = group
        .work
        .iter()
        .filter_map(|(place, slot)| match slot.after {
            After::Put(item) => Some((place, item)),
            _ => None,
        })
        .collect();
    for new in parts(&new, |(_, item)| item.payload.0.len()) {
        let call = Call::new(&sql.enqueue, tenant)
            .changes(new.len())
            .with(new.iter().map(|((bucket, ..), _)| i32::from(bucket.0)).collect::<Vec<_>>())
            .with(new.iter().map(|((_, due, _), _)| *due).collect::<Vec<_>>())
            .with(new.iter().map(|((.., id), _)| *id).collect::<Vec<_>>())
            .with(new.iter().map(|(_, item)| item.lane.as_uuid()).collect::<Vec<_>>())
            .with(new.iter().map(|(_, item)| i64::from(item.attempts)).collect::<Vec<_>>())
            .with(new.iter().map(|(_, item)| item.payload.0.as_str()).collect::<Vec<_>>());
        calls.push(call);
    }
}

fn remembered<'a>(sql: &'a str, tenant: TenantId, keys: Vec<(&'a DedupKey, &'a SeenSlot)>, calls: &mut Vec<Call<'a>>) {
    let keys: Vec<_> = keys.into_iter().filter_map(|(key, slot)| Some((key, micros(slot.after?)))).collect();
    if !keys.is_empty() {
        let call = Call::new(sql, tenant)
            .with(keys.iter().map(|(key, _)| key.second).collect::<Vec<_>>())
            .with(keys.iter().map(|(key, _)| key.digest.as_slice()).collect::<Vec<_>>())
            .with(keys.iter().map(|(_, until)| *until).collect::<Vec<_>>());
        calls.push(call);
    }
}

fn leases<'a>(sql: &'a Sql, tenant: TenantId, group: &'a Group<'_>, calls: &mut Vec<Call<'a>>) {
    let changed: Vec<_> = group
        .leases
        .iter()
        .filter_map(|(bucket, slot)| {
            let (fence, until) = slot.newest.filter(|_| slot.changed)?;
            // Fences count up from 1 by one, as versions do.
            Some((i32::from(bucket.0), i64::try_from(fence.0).unwrap_or(i64::MAX), micros(until)))
        })
        .collect();
    if !changed.is_empty() {
        let call = Call::new(&sql.lend, tenant)
            .with(changed.iter().map(|(bucket, ..)| *bucket).collect::<Vec<_>>())
            .with(changed.iter().map(|(_, fence, _)| *fence).collect::<Vec<_>>())
            .with(changed.iter().map(|(.., until)| *until).collect::<Vec<_>>());
        calls.push(call);
    }
}
