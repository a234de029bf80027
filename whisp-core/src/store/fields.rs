//! Fields one after another as bytes: the keys and the values of a store that keeps bytes.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Retry;
use crate::store::{Kind, StoreError, StoreErrorKind};

/// Puts fields one after another. Keys that are made of the same fields sort as the fields do, the first one first, so
/// that an ordered key-value store lists by reading a range; only [`count`](Self::count) and [`sized`](Self::sized) do
/// not sort, and are for values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct FieldWriter(Vec<u8>);

impl FieldWriter {
    /// Begins without a field.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds bytes as they are. They sort and can be read again where they always have the same length: a number without
    /// a sign as its big-endian bytes, a hash.
    pub(crate) fn fixed(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    /// Adds the sixteen bytes of an id.
    pub(crate) fn id(self, id: impl Into<Uuid>) -> Self {
        self.fixed(id.into().into_bytes())
    }

    /// Adds the name of a kind and a zero byte, which no name has in it: so no name is the beginning of another.
    pub(crate) fn kind(self, kind: Kind) -> Self {
        self.fixed(kind.name()).fixed([0])
    }

    /// Adds a number that may be below zero: with the sign turned over, its bytes sort as it does.
    pub(crate) fn number(self, number: i64) -> Self {
        self.fixed((number ^ i64::MIN).to_be_bytes())
    }

    /// Adds a time, cut to the microsecond.
    pub(crate) fn time(self, at: DateTime<Utc>) -> Self {
        self.number(at.timestamp_micros())
    }

    /// Adds a number from zero in as few bytes as it needs. Does not sort.
    pub(crate) fn count(mut self, mut number: u64) -> Self {
        // LEB128: seven bits a byte, the lowest first; the eighth says that more follow.
        while number >= 0x80 {
            self.0.push(0x80 | (number & 0x7f) as u8);
            number >>= 7;
        }
        self.0.push(number as u8);
        self
    }

    /// Adds bytes of any length after their length. Does not sort.
    pub(crate) fn sized(self, bytes: impl AsRef<[u8]>) -> Self {
        self.count(bytes.as_ref().len() as u64).fixed(bytes)
    }

    /// Returns the bytes.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what [`FieldWriter`] wrote, field by field in the same order. Bytes that end too early or are out of range are
/// [`StoreErrorKind::Corrupt`].
#[derive(Debug)]
pub(crate) struct FieldReader<'a> {
    operation: &'static str,
    rest: &'a [u8],
}

impl<'a> FieldReader<'a> {
    /// Begins with the first field. `operation` is named in errors.
    pub(crate) const fn new(operation: &'static str, bytes: &'a [u8]) -> Self {
        Self { operation, rest: bytes }
    }

    /// Reads the byte with which a value says in which version of its layout it was written. A version above `newest` is
    /// [`StoreErrorKind::Newer`].
    pub(crate) fn version(&mut self, newest: u8) -> Result<u8, StoreError> {
        match self.fixed()? {
            [0] => Err(self.corrupt()),
            [version] if version > newest => Err(self.newer("open the store with the version of whisp that wrote it")),
            [version] => Ok(version),
        }
    }

    /// Reads so many bytes.
    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.corrupt())?;
        self.rest = rest;
        Ok(*bytes)
    }

    /// Reads the name of a kind.
    pub(crate) fn name(&mut self) -> Result<&'a str, StoreError> {
        let mut parts = self.rest.splitn(2, |byte| *byte == 0);
        let (Some(name), Some(rest)) = (parts.next(), parts.next()) else { return Err(self.corrupt()) };
        self.rest = rest;
        std::str::from_utf8(name).map_err(|_| self.corrupt())
    }

    /// Reads a number that may be below zero.
    pub(crate) fn number(&mut self) -> Result<i64, StoreError> {
        Ok(i64::from_be_bytes(self.fixed()?) ^ i64::MIN)
    }

    /// Reads a time.
    pub(crate) fn time(&mut self) -> Result<DateTime<Utc>, StoreError> {
        DateTime::from_timestamp_micros(self.number()?).ok_or_else(|| self.corrupt())
    }

    /// Reads a number from zero.
    pub(crate) fn count(&mut self) -> Result<u64, StoreError> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.fixed()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(self.corrupt());
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.corrupt())
    }

    /// Reads bytes that were written with their length.
    pub(crate) fn sized(&mut self) -> Result<&'a [u8], StoreError> {
        let length = usize::try_from(self.count()?).map_err(|_| self.corrupt())?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.corrupt())?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Ends the reading.
    pub(crate) fn end(self) -> Result<(), StoreError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.corrupt()) }
    }

    /// Makes the error that says that the bytes are not what was written.
    pub(crate) fn corrupt(&self) -> StoreError {
        StoreError::new(self.operation, StoreErrorKind::Corrupt, Retry::Never)
    }

    pub(crate) fn newer(&self, advice: &'static str) -> StoreError {
        StoreError::new(self.operation, StoreErrorKind::Newer, Retry::Never).with_advice(advice)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind(bytes: &[u8], read: impl Fn(&mut FieldReader<'_>) -> Result<(), StoreError>) -> StoreErrorKind {
        read(&mut FieldReader::new("test", bytes)).unwrap_err().kind()
    }

    proptest! {
        #[test]
        fn keys_sort_as_their_fields(a: (i64, u128, u16), b: (i64, u128, u16)) {
            let key = |(number, id, last): (i64, u128, u16)| {
                FieldWriter::new().number(number).id(Uuid::from_u128(id)).fixed(last.to_be_bytes()).into_bytes()
            };
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
        }

        #[test]
        fn what_is_written_is_read(number: i64, count: u64, bytes: Vec<u8>, fixed: [u8; 3]) {
            let written = FieldWriter::new().number(number).count(count).sized(&bytes).fixed(fixed).into_bytes();
            let mut fields = FieldReader::new("test", &written);
            prop_assert_eq!(fields.number().unwrap(), number);
            prop_assert_eq!(fields.count().unwrap(), count);
            prop_assert_eq!(fields.sized().unwrap(), &bytes);
            prop_assert_eq!(fields.fixed::<3>().unwrap(), fixed);
            fields.end().unwrap();
        }
    }

    #[test]
    fn kinds_sort_by_their_names_whatever_follows() {
        let paths = Kind::MESSAGE.paths();
        let key = |name| FieldWriter::new().kind(Kind::new(name, paths)).fixed([0xff]).into_bytes();
        assert!(key("note") < key("note_taken") && key("note_taken") < key("notes"));
    }

    #[test]
    fn a_small_count_takes_one_byte() {
        assert_eq!(FieldWriter::new().count(127).into_bytes(), [127]);
        assert_eq!(FieldWriter::new().count(300).into_bytes(), [0xac, 2]);
        assert_eq!(FieldWriter::new().count(u64::MAX).into_bytes().len(), 10);
    }

    #[test]
    fn what_was_never_written_is_corrupt() {
        let corrupt = StoreErrorKind::Corrupt;
        assert_eq!(kind(&[1; 7], |fields| fields.number().map(drop)), corrupt, "too short");
        assert_eq!(kind(&[0xff; 8], |fields| fields.time().map(drop)), corrupt, "a time out of range");
        assert_eq!(kind(b"message", |fields| fields.name().map(drop)), corrupt, "a name without an end");
        assert_eq!(kind(&[0xff, 0], |fields| fields.name().map(drop)), corrupt, "a name that is no text");
        assert_eq!(kind(&[0xff; 10], |fields| fields.count().map(drop)), corrupt, "a count without an end");
        assert_eq!(kind(&[255, 255, 255, 255, 255, 255, 255, 255, 255, 2], |fields| fields.count().map(drop)), corrupt);
        assert_eq!(kind(&[3, 1, 1], |fields| fields.sized().map(drop)), corrupt, "fewer than the length says");
        assert_eq!(kind(&[0], |fields| fields.version(1).map(drop)), corrupt, "no version");
        assert_eq!(kind(&[2], |fields| fields.version(1).map(drop)), StoreErrorKind::Newer);
        assert_eq!(FieldReader::new("test", &[1]).end().unwrap_err().kind(), corrupt, "too long");
    }
}
