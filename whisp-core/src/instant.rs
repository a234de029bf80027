//! Times in JSON, as chrono writes them, for what is read and written by the million. chrono's own way goes character by character
//! through its general formatter and parser, which took a sixth of the time of a copy.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use serde::de::{Error, Visitor};
use serde::{Deserializer, Serialize, Serializer};

/// Nanoseconds of a second; from here on they are those of a leap second, which only chrono writes.
const SECOND: u32 = 1_000_000_000;

pub(crate) fn serialize<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    let year = u32::try_from(at.year()).ok().filter(|year| *year <= 9_999);
    let Some(year) = year.filter(|_| at.nanosecond() < SECOND) else { return at.serialize(to) };
    let [y0, y1, y2, y3] = digits(year);
    let [m0, m1] = digits(at.month());
    let [d0, d1] = digits(at.day());
    let [h0, h1] = digits(at.hour());
    let [i0, i1] = digits(at.minute());
    let [s0, s1] = digits(at.second());
    let [a, b, c, d, e, f, g, h, i] = digits(at.nanosecond());
    #[rustfmt::skip]
    let mut text = [
        y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1,
        b'.', a, b, c, d, e, f, g, h, i, b'Z',
    ];
    // As many digits as chrono writes: none, three, six or nine.
    let end = match at.nanosecond() {
        0 => 19,
        nanos if nanos % 1_000_000 == 0 => 23,
        nanos if nanos % 1_000 == 0 => 26,
        _ => 29,
    };
    if let Some(zone) = text.get_mut(end) {
        *zone = b'Z';
    }
    match text.get(..=end).map(str::from_utf8) {
        Some(Ok(text)) => to.serialize_str(text),
        _ => at.serialize(to),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
    struct Instant;

    impl Visitor<'_> for Instant {
        type Value = DateTime<Utc>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a time of RFC 3339")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<DateTime<Utc>, E> {
            // What others wrote in one of the other forms is read as ever.
            read(text.as_bytes()).map_or_else(|| text.parse().map_err(E::custom), Ok)
        }
    }

    from.deserialize_str(Instant)
}

/// Times that may be absent.
pub(crate) mod option {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Instant(#[serde(with = "super")] DateTime<Utc>);

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(at: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
        at.map(Instant).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DateTime<Utc>>, D::Error> {
        Ok(Option::deserialize(from)?.map(|Instant(at)| at))
    }
}

/// Returns a number's last digits.
fn digits<const N: usize>(mut number: u32) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10).to_le_bytes()[0];
        number /= 10;
    }
    digits
}

/// Reads the form that is written here.
fn read(text: &[u8]) -> Option<DateTime<Utc>> {
    #[rustfmt::skip]
    let &[
        y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', i0, i1, b':', s0, s1,
        ref fraction @ .., b'Z',
    ] = text else { return None };
    let nanos = match fraction {
        [] => 0,
        [b'.', digits @ ..] if (1..=9).contains(&digits.len()) => {
            (digits.len()..9).try_fold(number(digits)?, |nanos, _| nanos.checked_mul(10))?
        }
        _ => return None,
    };
    let year = i32::try_from(number(&[y0, y1, y2, y3])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&[m0, m1])?, number(&[d0, d1])?)?;
    let time = date.and_hms_nano_opt(number(&[h0, h1])?, number(&[i0, i1])?, number(&[s0, s1])?, nanos)?;
    Some(time.and_utc())
}

/// Reads up to nine digits.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number: u32, digit| {
        let value = digit.wrapping_sub(b'0');
        (value <= 9).then(|| number * 10 + u32::from(value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Ours {
        #[serde(with = "super")]
        at: DateTime<Utc>,
        #[serde(with = "option", default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Chronos {
        at: DateTime<Utc>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<DateTime<Utc>>,
    }

    /// Asserts that a text is read as chrono reads it, or is none for both.
    #[track_caller]
    fn is_read_like_chronos(text: &str) {
        let json = serde_json::json!({ "at": text }).to_string();
        let ours = serde_json::from_str::<Ours>(&json).map(|ours| ours.at).ok();
        let chronos = serde_json::from_str::<Chronos>(&json).map(|chronos| chronos.at).ok();
        assert_eq!(ours, chronos, "{text}");
    }

    #[test]
    fn every_other_form_is_read_as_before_and_nonsense_is_refused() {
        for text in [
            "2026-11-22T09:00:00Z",
            "2026-11-22T09:00:00.5Z",
            "2026-11-22T09:00:00.123456789Z",
            "2026-11-22T09:00:00.1234567891Z",
            "2026-11-22T09:00:00.Z",
            "2026-11-22T14:00:00+05:00",
            "2026-11-22 09:00:00 UTC",
            "2026-11-22t09:00:00z",
            "2016-12-31T23:59:60Z",
            "2016-12-31T23:59:60.25Z",
            "2026-02-29T09:00:00Z",
            "2026-13-01T09:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T09:60:00Z",
            "2026-11-22T09:00:61Z",
            "+12026-11-22T09:00:00Z",
            "-0001-11-22T09:00:00Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999999Z",
            "2026-11-2:T09:00:00Z",
            "2026-11-22T09:00:00",
            "",
            "Z",
        ] {
            is_read_like_chronos(text);
        }
    }

    #[test]
    fn what_is_absent_is_absent_or_null() {
        for json in [r#"{"at":"2026-11-22T09:00:00Z"}"#, r#"{"at":"2026-11-22T09:00:00Z","until":null}"#] {
            assert_eq!(serde_json::from_str::<Ours>(json).unwrap().until, None);
        }
        assert!(serde_json::from_str::<Ours>(r#"{"at":null}"#).is_err());
    }

    proptest! {
        #[test]
        fn it_is_written_and_read_as_chrono_does(
            // 1,600 years before and after the years of four digits too.
            seconds in -112_603_564_800_i64..=303_892_732_799,
            nanos in prop_oneof![Just(0), (0..1_000_u32).prop_map(|ms| ms * 1_000_000), (0..1_000_000_u32).prop_map(|us| us * 1_000), 0..2_000_000_000_u32],
        ) {
            // A leap second is at the end of a minute.
            let seconds = if nanos < SECOND { seconds } else { seconds - seconds.rem_euclid(60) + 59 };
            let at = DateTime::from_timestamp(seconds, nanos).unwrap();
            let json = serde_json::to_string(&Ours { at, until: Some(at) }).unwrap();
            prop_assert_eq!(&json, &serde_json::to_string(&Chronos { at, until: Some(at) }).unwrap());
            prop_assert_eq!(serde_json::from_str::<Ours>(&json).unwrap(), Ours { at, until: Some(at) });
        }

        #[test]
        fn texts_are_read_as_chrono_reads_them(text in "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,11})?(Z|\\+05:00|)") {
            is_read_like_chronos(&text);
        }
    }
}
