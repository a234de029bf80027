//! The keys of an ordered key-value store: everything in one key space, in the orders that the contracts ask for.
//!
//! A store that keeps bytes under sorted keys needs no more than this, the `to_bytes` of what it keeps, a scan of a
//! range and a transaction. Every query knows its range, every record the keys of the paths that lead to it.
//!
//! A key is a byte that says of what, the tenant, and then:
//!
//! | of what | the rest of the key | the value |
//! |---|---|---|
//! | [`record`] | kind, id | [`Record::to_bytes`] |
//! | [`paths`] | kind, parent, position, id | the key of the record |
//! | | kind, lookup, id | the same |
//! | | subject, kind, id | the same |
//! | | expiry, kind, id | the same |
//! | [`seen`] | second, digest | until when: [`time_to_bytes`] |
//! | [`work`] | bucket, due, id | [`WorkItem::to_bytes`](super::WorkItem::to_bytes) |
//! | [`lease`] | bucket | [`Lease::to_bytes`](super::Lease::to_bytes) |
//! | [`fact`] | time, id | [`Fact::to_bytes`](crate::kpi::Fact::to_bytes) |
//!
//! Keys never change: files out there are sorted by them.
//!
//! # Examples
//! ```
//! use std::collections::BTreeMap;
//! use whisp_core::id::{RecordId, TenantId};
//! use whisp_core::store::{Kind, ListOrder, ListQuery, Record, ordered};
//!
//! let (tenant, parent) = (TenantId::from_bytes([1; 16]), RecordId::from_bytes([2; 16]));
//! let mut rows = BTreeMap::new();
//! for position in [5, -1] {
//!     let id = RecordId::from_bytes(if position < 0 { [8; 16] } else { [9; 16] });
//!     let record = Record { parent: Some(parent), position, ..Record::new(Kind::MESSAGE, id) };
//!     let key = ordered::record(tenant, record.kind, record.id);
//!     rows.extend(ordered::paths(tenant, &record).into_iter().map(|path| (path, key.clone())));
//!     rows.insert(key, record.to_bytes());
//! }
//! let order = ListOrder::Ascending;
//! let query = ListQuery { tenant, kind: Kind::MESSAGE, parent, order, after: None, limit: 10 };
//! let listed = rows.range(query.range()).map(|(_, key)| Record::from_bytes(Kind::ALL, &rows[key]));
//! let listed = listed.collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(listed.iter().map(|record| record.position).collect::<Vec<_>>(), [-1, 5]);
//! # Ok::<(), whisp_core::store::StoreError>(())
//! ```

use std::ops::Bound::{self, Excluded, Included};

use chrono::{DateTime, Utc};

use crate::id::{FactId, RecordId, TenantId, WorkId};
use crate::store::fields::{FieldReader, FieldWriter};
use crate::store::{
    Bucket, DedupKey, ExpiredQuery, FactCursor, FactQuery, FindQuery, Kind, ListOrder, ListQuery, PendingQuery, Record,
    StoreError, SubjectQuery, WorkKey,
};

/// Where a scan begins and where it ends.
pub type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

const RECORD: u8 = 0;
const LISTED: u8 = 1;
const FOUND: u8 = 2;
const OWNED: u8 = 3;
const EXPIRES: u8 = 4;
const SEEN: u8 = 5;
const WORK: u8 = 6;
const LEASE: u8 = 7;
const FACT: u8 = 8;

/// Returns the key of a record.
#[must_use]
pub fn record(tenant: TenantId, kind: Kind, id: RecordId) -> Vec<u8> {
    key(RECORD, tenant).kind(kind).id(id).into_bytes()
}

/// Returns the keys of the paths that lead to a record: its place in a list, its lookups, subjects and expiry, as far
/// as it has them. A put removes those of the version before and writes these.
#[must_use]
pub fn paths(tenant: TenantId, record: &Record) -> Vec<Vec<u8>> {
    let (kind, id, key) = (record.kind, record.id, |space| key(space, tenant));
    let listed = record.parent.map(|parent| key(LISTED).kind(kind).id(parent).number(record.position).id(id));
    let found = record.lookups.iter().map(|lookup| key(FOUND).kind(kind).fixed(lookup.0).id(id));
    let owned = record.subjects.iter().map(|subject| key(OWNED).id(*subject).kind(kind).id(id));
    let expires = record.expires_at.map(|at| key(EXPIRES).time(at).kind(kind).id(id));
    listed.into_iter().chain(found).chain(owned).chain(expires).map(FieldWriter::into_bytes).collect()
}

/// Returns the key of what is remembered.
#[must_use]
pub fn seen(tenant: TenantId, dedup: &DedupKey) -> Vec<u8> {
    key(SEEN, tenant).number(dedup.second).fixed(dedup.digest).into_bytes()
}

/// Returns the key of a piece of work.
#[must_use]
pub fn work(tenant: TenantId, work: &WorkKey) -> Vec<u8> {
    bucket(WORK, tenant, work.bucket).time(work.due).id(work.id).into_bytes()
}

/// Reads what [`work`] made.
///
/// # Errors
/// [`StoreErrorKind::Corrupt`](super::StoreErrorKind::Corrupt) if it did not make it.
pub fn read_work(key: &[u8]) -> Result<(TenantId, WorkKey), StoreError> {
    let (tenant, mut fields) = read(WORK, key)?;
    let bucket = Bucket(u16::from_be_bytes(fields.fixed()?));
    let work = WorkKey { bucket, due: fields.time()?, id: WorkId::from_bytes(fields.fixed()?) };
    fields.end()?;
    Ok((tenant, work))
}

/// Returns the range of the work of all tenants that comes after a bucket, or of all work. Its first row is the oldest
/// work of the next bucket: so [`Work::own`](super::Work::own) goes from bucket to bucket.
#[must_use]
pub fn work_after(last: Option<(TenantId, Bucket)>) -> KeyRange {
    let start = last.map_or(Included(vec![WORK]), |(tenant, last)| end(bucket(WORK, tenant, last)));
    (start, Excluded(vec![WORK + 1]))
}

/// Returns the key of the newest lease of a bucket.
#[must_use]
pub fn lease(tenant: TenantId, of: Bucket) -> Vec<u8> {
    bucket(LEASE, tenant, of).into_bytes()
}

/// Returns the ranges of everything that is kept of a tenant.
#[must_use]
pub fn of_tenant(tenant: TenantId) -> [KeyRange; 9] {
    [RECORD, LISTED, FOUND, OWNED, EXPIRES, SEEN, WORK, LEASE, FACT].map(|space| {
        let prefix = key(space, tenant);
        (start(prefix.clone(), None), end(prefix))
    })
}

/// Returns the key of a fact.
#[must_use]
pub fn fact(tenant: TenantId, at: DateTime<Utc>, id: FactId) -> Vec<u8> {
    key(FACT, tenant).time(at).id(id).into_bytes()
}

/// Returns the range of a tenant's facts before a time: what [`Facts::discard`](super::Facts::discard) removes.
#[must_use]
pub fn facts_before(tenant: TenantId, before: DateTime<Utc>) -> KeyRange {
    FactQuery { tenant, from: DateTime::<Utc>::MIN_UTC, until: before, after: None, limit: 0 }.range()
}

/// Reads what [`fact`] made: what [`Fact::from_bytes`](crate::kpi::Fact::from_bytes) needs beside the value.
///
/// # Errors
/// [`StoreErrorKind::Corrupt`](super::StoreErrorKind::Corrupt) if it did not make it.
pub fn read_fact(key: &[u8]) -> Result<(TenantId, FactCursor), StoreError> {
    let (tenant, mut fields) = read(FACT, key)?;
    let cursor = FactCursor { at: fields.time()?, id: FactId::from_bytes(fields.fixed()?) };
    fields.end()?;
    Ok((tenant, cursor))
}

/// Encodes a time, to the microsecond, in eight bytes that sort as times do.
#[must_use]
pub fn time_to_bytes(at: DateTime<Utc>) -> Vec<u8> {
    FieldWriter::new().time(at).into_bytes()
}

/// Decodes what [`time_to_bytes`] made.
///
/// # Errors
/// [`StoreErrorKind::Corrupt`](super::StoreErrorKind::Corrupt) if it did not make it.
pub fn time_from_bytes(bytes: &[u8]) -> Result<DateTime<Utc>, StoreError> {
    let mut fields = FieldReader::new("read time", bytes);
    let at = fields.time()?;
    fields.end()?;
    Ok(at)
}

impl ListQuery {
    /// Returns the range of the paths that it asks for; where it asks for [`ListOrder::Descending`], it is to be read
    /// backwards.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        let prefix = key(LISTED, self.tenant).kind(self.kind).id(self.parent);
        let after = self.after.map(|after| prefix.clone().number(after.position).id(after.id));
        match (self.order, after) {
            (ListOrder::Descending, Some(after)) => (start(prefix, None), Excluded(after.into_bytes())),
            (_, after) => (start(prefix.clone(), after), end(prefix)),
        }
    }
}

impl FindQuery {
    /// Returns the range of the paths that it asks for.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        let prefix = key(FOUND, self.tenant).kind(self.kind).fixed(self.lookup.0);
        between(start(prefix.clone(), None), end(prefix))
    }
}

impl SubjectQuery {
    /// Returns the range of the paths that it asks for.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        let prefix = key(OWNED, self.tenant).id(self.subject);
        let after = self.after.map(|after| prefix.clone().kind(after.kind).id(after.id));
        between(start(prefix.clone(), after), end(prefix))
    }
}

impl ExpiredQuery {
    /// Returns the range of the paths that it asks for, also to what [`takes`](Self::takes) leaves out.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        let prefix = key(EXPIRES, self.tenant);
        between(start(prefix.clone(), None), end(prefix.time(self.at)))
    }
}

impl PendingQuery {
    /// Returns the range of the work that it asks for.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        let prefix = bucket(WORK, self.tenant, self.bucket);
        let after = self.after.map(|after| prefix.clone().time(after.due).id(after.id));
        between(start(prefix.clone(), after), end(prefix.time(self.due_by)))
    }
}

impl FactQuery {
    /// Returns the range of the facts that it asks for.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        let at = |time| key(FACT, self.tenant).time(time);
        let after = self.after.filter(|after| after.at >= self.from).map(|after| at(after.at).id(after.id));
        between(start(at(self.from), after), Excluded(at(self.until).into_bytes()))
    }
}

fn key(space: u8, tenant: TenantId) -> FieldWriter {
    FieldWriter::new().fixed([space]).id(tenant)
}

fn bucket(space: u8, tenant: TenantId, bucket: Bucket) -> FieldWriter {
    key(space, tenant).fixed(bucket.0.to_be_bytes())
}

fn read(space: u8, key: &[u8]) -> Result<(TenantId, FieldReader<'_>), StoreError> {
    let mut fields = FieldReader::new("read key", key);
    if fields.fixed()? != [space] {
        return Err(fields.corrupt());
    }
    Ok((TenantId::from_bytes(fields.fixed()?), fields))
}

/// A range that would end before it begins is empty: not every map takes one that does.
fn between(start: Bound<Vec<u8>>, end: Bound<Vec<u8>>) -> KeyRange {
    match (start, end) {
        (Included(start) | Excluded(start), Excluded(end)) if start > end => (Included(end.clone()), Excluded(end)),
        range => range,
    }
}

/// Begins with the first key that begins with `prefix`, or after the last one of the page before.
fn start(prefix: FieldWriter, after: Option<FieldWriter>) -> Bound<Vec<u8>> {
    after.map_or_else(|| Included(prefix.into_bytes()), |after| Excluded(after.into_bytes()))
}

/// A bound after every key that begins with `prefix`: none goes on with so many bytes of the highest value, since what
/// follows a prefix is shorter or begins with a name.
fn end(prefix: FieldWriter) -> Bound<Vec<u8>> {
    Excluded(prefix.fixed([0xff; 32]).into_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::id::SubjectId;
    use crate::store::{BlindIndex, Cursor, StoreErrorKind, SubjectCursor};

    const TENANT: TenantId = TenantId::from_bytes([0x77; 16]);
    const PARENT: RecordId = RecordId::from_bytes([0xff; 16]);

    fn id(byte: u8) -> RecordId {
        RecordId::from_bytes([byte; 16])
    }

    fn at(micros: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(micros).unwrap()
    }

    fn work_at(bucket: u16, due: i64, id: u8) -> WorkKey {
        WorkKey { bucket: Bucket(bucket), due: at(due), id: WorkId::from_bytes([id; 16]) }
    }

    fn full() -> Record {
        Record {
            parent: Some(PARENT),
            position: -2,
            lookups: vec![BlindIndex([0xff; 16])],
            subjects: vec![SubjectId::from_bytes([0xff; 16])],
            expires_at: Some(at(1)),
            ..Record::new(Kind::MESSAGE, id(0xff))
        }
    }

    /// Hex, with `77*16` for sixteen bytes of the same value.
    fn hex(key: &[u8]) -> String {
        let mut text = String::new();
        for same in key.chunk_by(|a, b| a == b) {
            let times = if same.len() > 1 { format!("*{}", same.len()) } else { String::new() };
            text += &format!("{:02x}{times} ", same[0]);
        }
        text.trim_end().to_owned()
    }

    #[test]
    fn keys_never_change() {
        let message = "6d 65 73*2 61 67 65 00";
        let time = "80 00*6 01";
        assert_eq!(hex(&record(TENANT, Kind::MESSAGE, id(1))), format!("00 77*16 {message} 01*16"));
        let [listed, found, owned, expires] = &paths(TENANT, &full())[..] else { panic!("four paths") };
        assert_eq!(hex(listed), format!("01 77*16 {message} ff*16 7f ff*6 fe ff*16"));
        assert_eq!(hex(found), format!("02 77*16 {message} ff*32"));
        assert_eq!(hex(owned), format!("03 77*16 ff*16 {message} ff*16"));
        assert_eq!(hex(expires), format!("04 77*16 {time} {message} ff*16"));
        let dedup = DedupKey { second: 1, digest: [2; 32] };
        assert_eq!(hex(&seen(TENANT, &dedup)), format!("05 77*16 {time} 02*32"));
        assert_eq!(hex(&work(TENANT, &work_at(3, 1, 2))), format!("06 77*16 00 03 {time} 02*16"));
        assert_eq!(hex(&lease(TENANT, Bucket(3))), "07 77*16 00 03");
        assert_eq!(hex(&fact(TENANT, at(1), FactId::from_bytes([2; 16]))), format!("08 77*16 {time} 02*16"));
        assert_eq!(hex(&time_to_bytes(at(1))), time);
    }

    #[test]
    fn keys_and_times_are_read_back_and_others_are_corrupt() {
        let of_work = work(TENANT, &work_at(3, 1, 2));
        let cursor = FactCursor { at: at(1), id: FactId::from_bytes([2; 16]) };
        let of_fact = fact(TENANT, cursor.at, cursor.id);
        assert_eq!(read_work(&of_work).unwrap(), (TENANT, work_at(3, 1, 2)));
        assert_eq!(read_fact(&of_fact).unwrap(), (TENANT, cursor));
        assert_eq!(time_from_bytes(&time_to_bytes(DateTime::<Utc>::MIN_UTC)).unwrap(), DateTime::<Utc>::MIN_UTC);
        for wrong in [&of_fact[..], &of_work[..9], &[&of_work[..], &[0]].concat()] {
            assert_eq!(read_work(wrong).unwrap_err().kind(), StoreErrorKind::Corrupt);
        }
        assert_eq!(read_fact(&of_work).unwrap_err().kind(), StoreErrorKind::Corrupt);
        assert_eq!(time_from_bytes(&[0; 9]).unwrap_err().kind(), StoreErrorKind::Corrupt);
    }

    #[test]
    fn a_range_holds_also_the_highest_key_and_nothing_of_another_tenant() {
        let (next, record) = (TenantId::from_bytes([0x78; 16]), full());
        let rows: BTreeSet<_> = [TENANT, next].iter().flat_map(|tenant| paths(*tenant, &record)).collect();
        let (tenant, kind, limit) = (TENANT, Kind::MESSAGE, 9);
        let list = ListQuery { tenant, kind, parent: PARENT, order: ListOrder::Descending, after: None, limit };
        let find = FindQuery { tenant, kind, lookup: record.lookups[0], limit };
        let of = SubjectQuery { tenant, subject: record.subjects[0], after: None, limit };
        let expired = ExpiredQuery { tenant, at: at(1), without: Vec::new(), limit };
        for (path, range) in
            paths(TENANT, &record).iter().zip([list.range(), find.range(), of.range(), expired.range()])
        {
            assert_eq!(rows.range(range).collect::<Vec<_>>(), [path]);
        }
        let last = SubjectCursor { kind, id: record.id };
        assert_eq!(rows.range(SubjectQuery { after: Some(last), ..of }.range()).count(), 0);
        assert_eq!(rows.range(ExpiredQuery { at: at(0), ..expired }.range()).count(), 0);
    }

    #[test]
    fn work_is_found_bucket_by_bucket() {
        let next = TenantId::from_bytes([0x78; 16]);
        let all = [
            (TENANT, work_at(1, 5, 1)),
            (TENANT, work_at(1, 7, 1)),
            (TENANT, work_at(0xffff, 2, 1)),
            (next, work_at(0, 1, 1)),
        ];
        let rows: BTreeSet<_> =
            all.iter().map(|(tenant, key)| work(*tenant, key)).chain([lease(TENANT, Bucket(1))]).collect();
        let (mut oldest, mut last) = (Vec::new(), None);
        while let Some(key) = rows.range(work_after(last)).next() {
            let (tenant, key) = read_work(key).unwrap();
            oldest.push((tenant, key));
            last = Some((tenant, key.bucket));
        }
        assert_eq!(oldest, [all[0], all[2], all[3]]);
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_empty() {
        let rows = BTreeSet::<Vec<u8>>::new();
        let pending =
            PendingQuery { tenant: TENANT, bucket: Bucket(1), due_by: at(1), after: Some(work_at(1, 9, 1)), limit: 9 };
        assert_eq!(rows.range(pending.range()).count(), 0);
        let facts = FactQuery { tenant: TENANT, from: at(9), until: at(1), after: None, limit: 9 };
        assert_eq!(rows.range(facts.range()).count(), 0);
    }

    proptest! {
        #[test]
        fn a_list_goes_on_after_any_cursor_both_ways(
            places in prop::collection::btree_set((any::<i64>(), any::<u8>()), 1..20), after: prop::sample::Index,
        ) {
            let rows: BTreeMap<_, _> = places.iter().map(|(position, byte)| {
                let record = Record { position: *position, parent: Some(PARENT), ..Record::new(Kind::MESSAGE, id(*byte)) };
                (paths(TENANT, &record)[0].clone(), (*position, *byte))
            }).collect();
            let after = places.iter().copied().nth(after.index(places.len())).unwrap();
            let query = |order| ListQuery {
                tenant: TENANT, kind: Kind::MESSAGE, parent: PARENT, order,
                after: Some(Cursor { position: after.0, id: id(after.1) }), limit: 99,
            };
            let up: Vec<_> = rows.range(query(ListOrder::Ascending).range()).map(|(_, place)| *place).collect();
            let down: Vec<_> = rows.range(query(ListOrder::Descending).range()).map(|(_, place)| *place).collect();
            prop_assert_eq!(up, places.iter().copied().filter(|place| *place > after).collect::<Vec<_>>());
            prop_assert_eq!(down, places.iter().copied().filter(|place| *place < after).collect::<Vec<_>>());
        }

        #[test]
        fn a_page_of_facts_goes_on_after_any_cursor(
            times in prop::collection::btree_set((-50..50i64, any::<u8>()), 1..20), from in -60..60i64, until in -60..60i64,
            after: Option<prop::sample::Index>,
        ) {
            let of = |byte| FactId::from_bytes([byte; 16]);
            let rows: BTreeSet<_> = times.iter().map(|(time, byte)| fact(TENANT, at(*time), of(*byte))).collect();
            let after = after.map(|after| times.iter().copied().nth(after.index(times.len())).unwrap());
            let cursor = after.map(|(time, byte)| FactCursor { at: at(time), id: of(byte) });
            let query = FactQuery { tenant: TENANT, from: at(from), until: at(until), after: cursor, limit: 99 };
            let wanted = times.iter().filter(|fact| (from..until).contains(&fact.0) && Some(**fact) > after);
            let wanted: Vec<_> = wanted.map(|(time, byte)| fact(TENANT, at(*time), of(*byte))).collect();
            prop_assert_eq!(rows.range(query.range()).cloned().collect::<Vec<_>>(), wanted);
        }
    }
}
