//! The pieces of JSON that Meta's webhooks are made of, read leniently: a field of an unexpected type is an absent
//! field, so that it spoils neither its object nor the batch. Strings are borrowed from the body.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use whisp_core::Sensitive;

/// From this number on a timestamp counts milliseconds: as seconds it would be the year 5138, as milliseconds it is
/// 1973. Instagram sends both under the same name.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// A text: a string, or a number written out. Absent if it is anything else.
#[derive(Clone, Default)]
pub(super) struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text, which may be empty.
    pub(super) fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Whether it stands in the body as it is, with nothing escaped.
    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.0, Some(Cow::Borrowed(_)))
    }

    /// The text if there is any. Meta writes an id that it withholds as an empty string.
    pub(super) fn filled(&self) -> Option<&str> {
        self.as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn sensitive(&self) -> Option<Sensitive> {
        self.filled().map(Sensitive::from)
    }

    /// The text as a part of the body that it was read from.
    pub(super) fn part_of<T: From<whisp_core::Text>>(&self, body: &whisp_core::Text) -> Option<T> {
        self.filled().map(|text| body.part(text).into())
    }

    pub(super) fn owned(&self) -> Option<String> {
        self.filled().map(str::to_owned)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Some(Cow::Borrowed(text)))
    }
}

/// A whole number: a number, or a string of one.
#[derive(Clone, Copy, Default)]
pub(super) struct Int(pub(super) Option<i64>);

impl Int {
    /// The number as a point in time, in seconds or milliseconds.
    pub(super) fn time(self) -> Option<DateTime<Utc>> {
        match self.0? {
            ..1 => None,
            seconds @ 1..MILLISECONDS_FROM => DateTime::from_timestamp(seconds, 0),
            milliseconds => DateTime::from_timestamp_millis(milliseconds),
        }
    }
}

impl From<&str> for Int {
    fn from(digits: &str) -> Self {
        Self(digits.parse().ok())
    }
}

/// A number with a fraction: a number, or a string of one.
#[derive(Clone, Copy, Default)]
pub(super) struct Real(pub(super) Option<f64>);

/// A truth value; anything but `true` is false.
#[derive(Clone, Copy, Default)]
pub(super) struct Flag(pub(super) bool);

/// An object; absent if it is anything else.
#[derive(Clone)]
pub(super) struct Obj<T>(pub(super) Option<T>);

impl<T> Default for Obj<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Obj<T> {
    pub(super) const fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

/// An object as a list of its fields, in the order of the body.
#[derive(Default)]
pub(super) struct Fields<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    pub(super) fn read(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The field, unless it is `null`.
    pub(super) fn some(&self, name: &str) -> Option<&'a RawValue> {
        self.get(name).filter(|value| !is_null(value))
    }

    pub(super) fn object<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        self.some(name).and_then(read)
    }

    pub(super) fn text(&self, name: &str) -> Text<'a> {
        self.get(name).and_then(read).unwrap_or_default()
    }

    pub(super) fn int(&self, name: &str) -> Int {
        self.get(name).and_then(read).unwrap_or_default()
    }
}

/// Reads one piece; `None` if it is not what is asked for.
pub(super) fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// Reads an array into its elements; `None` if it is not one.
pub(super) fn elements(raw: &RawValue) -> Option<Vec<&RawValue>> {
    read(raw)
}

/// Reads an array of which every element is read on its own: what can't be read is left out. For what is not an item
/// itself.
pub(super) fn readable<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Vec<T> {
    raw.and_then(elements).unwrap_or_default().into_iter().filter_map(read).collect()
}

/// Whether it is `null`, which is as good as absent.
pub(super) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// The value without the space between its tokens: the same however it was laid out.
pub(super) fn compact(json: &str) -> String {
    let mut in_string = false;
    let mut escaped = false;
    let keep = |c: &char| {
        let space = !in_string && c.is_ascii_whitespace();
        if in_string {
            in_string = escaped || *c != '"';
            escaped = !escaped && *c == '\\';
        } else {
            in_string = *c == '"';
        }
        !space
    };
    json.chars().filter(keep).collect()
}

/// A visitor that turns what it does not want into the default.
macro_rules! lenient {
    ($name:ident $(<$life:lifetime>)?, $visitor:ident, { $($visit:item)* }) => {
        impl<'de $(: $life, $life)?> Deserialize<'de> for $name $(<$life>)? {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($visitor)
            }
        }

        struct $visitor;

        impl<'de> Visitor<'de> for $visitor {
            lenient_type!($name $(, $life)?);

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            $($visit)*

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Self::Value::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Self::Value::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Self::Value::default())
            }
        }
    };
}

macro_rules! lenient_type {
    ($name:ident) => {
        type Value = $name;
    };
    ($name:ident, $life:lifetime) => {
        type Value = $name<'de>;
    };
}

lenient!(Text<'a>, TextVisitor, {
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(text.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text(None))
    }
});

lenient!(Int, IntVisitor, {
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Int(i64::try_from(number).ok()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Int(Some(number)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Int(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Int(None))
    }
});

lenient!(Real, RealVisitor, {
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Real(text.parse().ok().filter(|number: &f64| number.is_finite())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Real(u32::try_from(number).ok().map(f64::from)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Real(i32::try_from(number).ok().map(f64::from)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Real(Some(number)))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Real(None))
    }
});

lenient!(Flag, FlagVisitor, {
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Flag(text == "true"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Flag(false))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Flag(false))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Flag(false))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Flag(flag))
    }
});

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Obj<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjVisitor(PhantomData))
    }
}

struct ObjVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjVisitor<T> {
    type Value = Obj<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|value| Obj(Some(value)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Obj(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Obj(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Obj(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Obj(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Obj(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Obj(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Obj(None))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((Key(name), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            fields.push((name, value));
        }
        Ok(Fields(fields))
    }
}

/// A field's name. (`Cow` itself would copy it.)
pub(super) struct Key<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Owned(name.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_string_or_a_number_and_nothing_else() {
        for (json, expected) in [
            (r#""plain""#, Some("plain")),
            (r#""esc\u0061ped""#, Some("escaped")),
            (r#""""#, Some("")),
            ("17", Some("17")),
            ("-17", Some("-17")),
            ("99.99", Some("99.99")),
            ("null", None),
            ("true", None),
            ("[1,[2]]", None),
            (r#"{"a":{"b":1}}"#, None),
        ] {
            assert_eq!(serde_json::from_str::<Text<'_>>(json).unwrap().as_str(), expected, "{json}");
        }
    }

    #[test]
    fn a_time_is_in_seconds_or_milliseconds_as_a_number_or_a_string() {
        for (json, expected) in [
            ("1700000000", Some(1_700_000_000_000)),
            (r#""1700000000""#, Some(1_700_000_000_000)),
            ("1700000000123", Some(1_700_000_000_123)),
            (r#""1700000000123""#, Some(1_700_000_000_123)),
            ("0", None),
            ("-5", None),
            ("1e300", None),
            ("18446744073709551615", None),
            ("9223372036854775807", None),
            (r#""soon""#, None),
            ("[]", None),
        ] {
            let time = serde_json::from_str::<Int>(json).unwrap().time();
            assert_eq!(time.map(|time| time.timestamp_millis()), expected, "{json}");
        }
    }

    #[test]
    fn compacting_leaves_what_is_inside_strings() {
        assert_eq!(compact("{ \"a b\" :\n[1, \"c \\\" d\\\\\" , 2] }"), r#"{"a b":[1,"c \" d\\",2]}"#);
    }
}
