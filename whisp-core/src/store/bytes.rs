//! Records, work and leases as bytes, for stores that keep bytes.

use crate::id::{RecordId, SubjectId, TenantId, WorkId};
use crate::store::fields::{FieldReader, FieldWriter};
use crate::store::{BlindIndex, Bucket, Clear, Fence, Kind, Lease, Record, Sealed, StoreError, WorkItem, WorkKey};

/// The version of all three layouts. A later version of this library goes on reading it.
const LAYOUT: u8 = 1;

/// The bits that say which of the optional fields of a record follow.
const HAS_PARENT: u8 = 1;
const HAS_EXPIRY: u8 = 1 << 1;

impl Record {
    /// Encodes the whole record, its key too, for stores that keep bytes: a version byte, then field by field. What is
    /// sealed stays sealed.
    ///
    /// # Examples
    /// ```
    /// use whisp_core::{id::RecordId, store::{Kind, Record}};
    /// let record = Record::new(Kind::CONTACT, RecordId::from_bytes([7; 16]));
    /// assert_eq!(Record::from_bytes(Kind::ALL, &record.to_bytes())?, record);
    /// # Ok::<(), whisp_core::store::StoreError>(())
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let has_parent = if self.parent.is_some() { HAS_PARENT } else { 0 };
        let has_expiry = if self.expires_at.is_some() { HAS_EXPIRY } else { 0 };
        let mut fields = FieldWriter::new().fixed([LAYOUT, has_parent | has_expiry]).kind(self.kind).id(self.id);
        fields = fields.count(self.version).number(self.position);
        if let Some(parent) = self.parent {
            fields = fields.id(parent);
        }
        if let Some(at) = self.expires_at {
            fields = fields.time(at);
        }
        fields = fields.count(self.lookups.len() as u64);
        fields = self.lookups.iter().fold(fields, |fields, lookup| fields.fixed(lookup.0));
        fields = fields.count(self.subjects.len() as u64);
        fields = self.subjects.iter().fold(fields, |fields, subject| fields.id(*subject));
        fields.sized(&self.clear.0).sized(&self.sealed.0).into_bytes()
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) made. `kinds` are those that may come: [`Kind::ALL`], and the host's
    /// own.
    ///
    /// # Errors
    /// [`StoreErrorKind::Corrupt`](super::StoreErrorKind::Corrupt) if it did not make them,
    /// [`StoreErrorKind::Newer`](super::StoreErrorKind::Newer) if a later version did or the kind is not among `kinds`.
    pub fn from_bytes(kinds: &[Kind], bytes: &[u8]) -> Result<Self, StoreError> {
        let mut fields = FieldReader::new("read record", bytes);
        fields.version(LAYOUT)?;
        let [flags] = fields.fixed()?;
        if flags & !(HAS_PARENT | HAS_EXPIRY) != 0 {
            return Err(fields.corrupt());
        }
        let name = fields.name()?;
        let kind = kinds.iter().find(|kind| kind.name() == name).ok_or_else(|| {
            fields.newer("name the host's own kinds, or open the store with the version of whisp that wrote it")
        })?;
        let record = Self {
            id: RecordId::from_bytes(fields.fixed()?),
            version: fields.count()?,
            position: fields.number()?,
            parent: (flags & HAS_PARENT != 0).then(|| fields.fixed().map(RecordId::from_bytes)).transpose()?,
            expires_at: (flags & HAS_EXPIRY != 0).then(|| fields.time()).transpose()?,
            lookups: list(&mut fields)?.into_iter().map(BlindIndex).collect(),
            subjects: list(&mut fields)?.into_iter().map(SubjectId::from_bytes).collect(),
            clear: text(&mut fields)?,
            sealed: Sealed(fields.sized()?.to_vec()),
            kind: *kind,
        };
        fields.end()?;
        Ok(record)
    }
}

impl WorkItem {
    /// Encodes the whole item, its key too, for stores that keep bytes: a version byte, then field by field.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let key = FieldWriter::new().fixed([LAYOUT]).fixed(self.key.bucket.0.to_be_bytes());
        let key = key.time(self.key.due).id(self.key.id);
        key.id(self.lane).count(self.attempts.into()).sized(&self.payload.0).into_bytes()
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// [`StoreErrorKind::Corrupt`](super::StoreErrorKind::Corrupt) if it did not make them,
    /// [`StoreErrorKind::Newer`](super::StoreErrorKind::Newer) if a later version did.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut fields = FieldReader::new("read work", bytes);
        fields.version(LAYOUT)?;
        let bucket = Bucket(u16::from_be_bytes(fields.fixed()?));
        let key = WorkKey { bucket, due: fields.time()?, id: WorkId::from_bytes(fields.fixed()?) };
        let item = Self {
            key,
            lane: RecordId::from_bytes(fields.fixed()?),
            attempts: u32::try_from(fields.count()?).map_err(|_| fields.corrupt())?,
            payload: text(&mut fields)?,
        };
        fields.end()?;
        Ok(item)
    }
}

impl Lease {
    /// Encodes the whole lease, for stores that keep bytes: a version byte, then field by field.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let key = FieldWriter::new().fixed([LAYOUT]).id(self.tenant).fixed(self.bucket.0.to_be_bytes());
        key.count(self.fence.0).time(self.until).into_bytes()
    }

    /// Decodes what [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// [`StoreErrorKind::Corrupt`](super::StoreErrorKind::Corrupt) if it did not make them,
    /// [`StoreErrorKind::Newer`](super::StoreErrorKind::Newer) if a later version did.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut fields = FieldReader::new("read lease", bytes);
        fields.version(LAYOUT)?;
        let lease = Self {
            tenant: TenantId::from_bytes(fields.fixed()?),
            bucket: Bucket(u16::from_be_bytes(fields.fixed()?)),
            fence: Fence(fields.count()?),
            until: fields.time()?,
        };
        fields.end()?;
        Ok(lease)
    }
}

/// Reads a count and as many times sixteen bytes. Nothing is set aside before it is read, so that a wrong count costs
/// no memory.
fn list(fields: &mut FieldReader<'_>) -> Result<Vec<[u8; 16]>, StoreError> {
    (0..fields.count()?).map(|_| fields.fixed()).collect()
}

fn text(fields: &mut FieldReader<'_>) -> Result<Clear, StoreError> {
    let text = std::str::from_utf8(fields.sized()?).map_err(|_| fields.corrupt())?;
    Ok(Clear(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::store::StoreErrorKind;

    /// What a record of version 1 looks like. Never changed: files out there hold it.
    const RECORD_GOLDEN: &[u8] = b"\x01\x03message\0\
        \x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\
        \xac\x02\
        \x7f\xff\xff\xff\xff\xff\xff\xfe\
        \x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\
        \x80\x00\x00\x00\x00\x0f\x42\x41\
        \x01\x33\x33\x33\x33\x33\x33\x33\x33\x33\x33\x33\x33\x33\x33\x33\x33\
        \x01\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\x44\
        \x02{}\
        \x03\x01\x02\x03";

    /// The same for work.
    const WORK_GOLDEN: &[u8] = b"\x01\x00\x03\
        \x80\x00\x00\x00\x00\x0f\x42\x41\
        \x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\
        \x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\x22\
        \x02\
        \x02{}";

    /// The same for a lease.
    const LEASE_GOLDEN: &[u8] = b"\x01\
        \x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\
        \x00\x03\
        \xac\x02\
        \x80\x00\x00\x00\x00\x0f\x42\x41";

    fn lease() -> Lease {
        let until = DateTime::from_timestamp_micros(1_000_001).unwrap();
        Lease { tenant: TenantId::from_bytes([0x11; 16]), bucket: Bucket(3), fence: Fence(300), until }
    }

    fn record() -> Record {
        Record {
            version: 300,
            parent: Some(RecordId::from_bytes([0x22; 16])),
            position: -2,
            lookups: vec![BlindIndex([0x33; 16])],
            subjects: vec![SubjectId::from_bytes([0x44; 16])],
            expires_at: DateTime::from_timestamp_micros(1_000_001),
            clear: Clear("{}".to_owned()),
            sealed: Sealed(vec![1, 2, 3]),
            ..Record::new(Kind::MESSAGE, RecordId::from_bytes([0x11; 16]))
        }
    }

    fn work() -> WorkItem {
        let due = DateTime::from_timestamp_micros(1_000_001).unwrap();
        WorkItem {
            key: WorkKey { bucket: Bucket(3), due, id: WorkId::from_bytes([0x11; 16]) },
            lane: RecordId::from_bytes([0x22; 16]),
            attempts: 2,
            payload: Clear("{}".to_owned()),
        }
    }

    fn failure(bytes: &[u8]) -> StoreErrorKind {
        Record::from_bytes(Kind::ALL, bytes).unwrap_err().kind()
    }

    #[test]
    fn the_layouts_of_version_1_stay() {
        assert_eq!(record().to_bytes(), RECORD_GOLDEN);
        assert_eq!(Record::from_bytes(Kind::ALL, RECORD_GOLDEN).unwrap(), record());
        assert_eq!(work().to_bytes(), WORK_GOLDEN);
        assert_eq!(WorkItem::from_bytes(WORK_GOLDEN).unwrap(), work());
        assert_eq!(lease().to_bytes(), LEASE_GOLDEN);
        assert_eq!(Lease::from_bytes(LEASE_GOLDEN).unwrap(), lease());
    }

    #[test]
    fn what_a_later_version_wrote_is_newer() {
        let later = |bytes: &[u8]| [&[LAYOUT + 1], &bytes[1..]].concat();
        assert_eq!(failure(&later(RECORD_GOLDEN)), StoreErrorKind::Newer);
        assert_eq!(WorkItem::from_bytes(&later(WORK_GOLDEN)).unwrap_err().kind(), StoreErrorKind::Newer);
        assert_eq!(Lease::from_bytes(&later(LEASE_GOLDEN)).unwrap_err().kind(), StoreErrorKind::Newer);
    }

    #[test]
    fn a_kind_that_is_not_named_is_newer() {
        let own = Kind::new("voucher", Kind::MESSAGE.paths());
        let record = Record { kind: own, ..record() };
        assert_eq!(failure(&record.to_bytes()), StoreErrorKind::Newer);
        assert_eq!(Record::from_bytes(&[own], &record.to_bytes()).unwrap(), record);
    }

    #[test]
    fn what_is_too_short_or_too_long_or_flagged_wrongly_is_corrupt() {
        for length in 0..RECORD_GOLDEN.len() {
            assert_eq!(failure(&RECORD_GOLDEN[..length]), StoreErrorKind::Corrupt, "{length} bytes");
        }
        for length in 0..WORK_GOLDEN.len() {
            let error = WorkItem::from_bytes(&WORK_GOLDEN[..length]).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{length} bytes");
        }
        for length in 0..LEASE_GOLDEN.len() {
            let error = Lease::from_bytes(&LEASE_GOLDEN[..length]).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{length} bytes");
        }
        assert!(Lease::from_bytes(&[LEASE_GOLDEN, &[0]].concat()).is_err());
        assert_eq!(failure(&[RECORD_GOLDEN, &[0]].concat()), StoreErrorKind::Corrupt);
        assert!(WorkItem::from_bytes(&[WORK_GOLDEN, &[0]].concat()).is_err());
        let mut flagged = RECORD_GOLDEN.to_vec();
        flagged[1] |= 4;
        assert_eq!(failure(&flagged), StoreErrorKind::Corrupt);
    }

    prop_compose! {
        fn any_record()(
            (id, version, position) in any::<([u8; 16], u64, i64)>(),
            (parent, expiry) in any::<(Option<[u8; 16]>, Option<u32>)>(),
            (lookups, subjects) in any::<(Vec<[u8; 16]>, Vec<[u8; 16]>)>(),
            (clear, sealed) in any::<(String, Vec<u8>)>(),
            kind in prop::sample::select(Kind::ALL),
        ) -> Record {
            Record {
                version,
                parent: parent.map(RecordId::from_bytes),
                position,
                lookups: lookups.into_iter().map(BlindIndex).collect(),
                subjects: subjects.into_iter().map(SubjectId::from_bytes).collect(),
                expires_at: expiry.and_then(|second| DateTime::from_timestamp_micros(i64::from(second) * 1_000_003)),
                clear: Clear(clear),
                sealed: Sealed(sealed),
                ..Record::new(kind, RecordId::from_bytes(id))
            }
        }
    }

    proptest! {
        #[test]
        fn a_record_comes_back(record in any_record()) {
            prop_assert_eq!(Record::from_bytes(Kind::ALL, &record.to_bytes()).unwrap(), record);
        }

        #[test]
        fn work_comes_back(bucket: u16, due: u32, ids: ([u8; 16], [u8; 16]), attempts: u32, payload: String) {
            let due = DateTime::from_timestamp_micros(i64::from(due) * 1_000_003).unwrap();
            let key = WorkKey { bucket: Bucket(bucket), due, id: WorkId::from_bytes(ids.0) };
            let item = WorkItem { key, lane: RecordId::from_bytes(ids.1), attempts, payload: Clear(payload) };
            prop_assert_eq!(WorkItem::from_bytes(&item.to_bytes()).unwrap(), item);
        }

        #[test]
        fn foreign_bytes_are_refused_without_a_panic(mut bytes: Vec<u8>, place: prop::sample::Index, flip in 1..=255u8) {
            drop((Record::from_bytes(Kind::ALL, &bytes), WorkItem::from_bytes(&bytes)));
            bytes = record().to_bytes();
            bytes[place.index(RECORD_GOLDEN.len())] ^= flip;
            if let Ok(other) = Record::from_bytes(Kind::ALL, &bytes) {
                prop_assert_ne!(other, record());
            }
        }
    }
}
