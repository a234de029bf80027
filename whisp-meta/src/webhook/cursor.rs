//! A place in a body that moves forward: it reads what nearly every webhook is made of (objects, lists, plain strings,
//! whole numbers) as it passes, and hands whatever else it meets to `serde_json`.

use std::borrow::Cow;

use serde::de::{Deserialize, IgnoredAny};
use serde_json::value::RawValue;

use super::wire::{Int, Key, Obj, Text};

/// The most digits of a number that surely fits.
const DIGITS_MAX: usize = 18;

/// What is read off a cursor, whose place is then right behind it.
pub(super) trait Read<'a>: Sized {
    /// `None` if it is not what is asked for. The cursor is then of no more use.
    fn read(cursor: &mut Cursor<'a>) -> Option<Self>;
}

/// Reads one piece with a cursor; `None` if it is not what is asked for.
pub(super) fn read_raw<'a, T: Read<'a>>(raw: &'a RawValue) -> Option<T> {
    T::read(&mut Cursor::new(raw.get()))
}

/// Every method that reads returns `None` on what is not JSON or not what is asked for; nothing is passed over unchecked.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Reads an object, a field at a time: each must be read or [skipped](Self::skip).
    #[inline]
    pub(super) fn object(&mut self, mut field: impl FnMut(&mut Self, Cow<'a, str>) -> Option<()>) -> Option<()> {
        self.pass(b'{')?;
        if self.pass(b'}').is_some() {
            return Some(());
        }
        loop {
            let name = match self.plain() {
                Some(name) => Cow::Borrowed(name),
                None => self.parse::<Key<'a>>()?.0,
            };
            self.pass(b':')?;
            field(self, name)?;
            if self.pass(b',').is_none() {
                return self.pass(b'}');
            }
        }
    }

    /// Reads a list, an element at a time.
    pub(super) fn list(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.pass(b'[')?;
        if self.pass(b']').is_some() {
            return Some(());
        }
        loop {
            element(self)?;
            if self.pass(b',').is_none() {
                return self.pass(b']');
            }
        }
    }

    /// Reads an object; absent if it is anything else.
    pub(super) fn obj<T: Read<'a>>(&mut self) -> Option<Obj<T>> {
        if self.is_before(b'{') {
            return T::read(self).map(|value| Obj(Some(value)));
        }
        self.skip()?;
        Some(Obj(None))
    }

    /// Reads the texts with these names of an object. As with what `serde` derives, a name comes once at most.
    #[inline]
    pub(super) fn texts<const N: usize>(&mut self, names: [&str; N]) -> Option<[Text<'a>; N]> {
        let mut texts = [const { None }; N];
        self.object(|cursor, name| match texts.iter_mut().zip(names).find(|(_, known)| name == *known) {
            Some((text, _)) => once(text, cursor.text()?),
            None => cursor.skip(),
        })?;
        Some(texts.map(Option::unwrap_or_default))
    }

    #[inline]
    pub(super) fn text(&mut self) -> Option<Text<'a>> {
        match self.plain() {
            Some(text) => Some(text.into()),
            None => self.parse(),
        }
    }

    pub(super) fn int(&mut self) -> Option<Int> {
        if let Some(text) = self.plain() {
            return Some(text.into());
        }
        let rest = self.text.as_bytes().get(self.at..)?;
        let (mut length, mut number) = (0, 0);
        while let Some(digit @ b'0'..=b'9') = rest.get(length)
            && length < DIGITS_MAX
        {
            number = number * 10 + i64::from(digit - b'0');
            length += 1;
        }
        if number > 0 && rest.first() != Some(&b'0') && matches!(rest.get(length), Some(b',' | b'}' | b']')) {
            self.at += length;
            return Some(Int(Some(number)));
        }
        self.parse()
    }

    /// Passes over a value and keeps it as it is.
    pub(super) fn raw(&mut self) -> Option<&'a RawValue> {
        self.parse()
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self) -> Option<()> {
        match self.plain() {
            Some(_) => Some(()),
            None => self.parse::<IgnoredAny>().map(|_| ()),
        }
    }

    /// Returns whether this byte is next.
    pub(super) fn is_before(&mut self, byte: u8) -> bool {
        self.skip_space();
        self.next() == Some(byte)
    }

    /// Checks that nothing follows.
    pub(super) fn end(&mut self) -> Option<()> {
        self.skip_space();
        self.next().is_none().then_some(())
    }

    #[inline]
    fn pass(&mut self, byte: u8) -> Option<()> {
        // Meta writes no space.
        let is_next = self.next() == Some(byte) || self.is_before(byte);
        is_next.then(|| self.at += 1)
    }

    #[inline]
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Reads a string in which nothing is escaped; stays where it is on anything else.
    #[inline]
    fn plain(&mut self) -> Option<&'a str> {
        if self.next() != Some(b'"') && !self.is_before(b'"') {
            return None;
        }
        let start = self.at + 1;
        let end = start + plain_bytes(self.text.as_bytes().get(start..)?);
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// Leaves a value to `serde_json`.
    #[cold]
    fn parse<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(self.text.get(self.at..)?).into_iter();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(value)
    }
}

/// Fills what was not there yet.
pub(super) fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// How many bytes stand for themselves in a JSON string, up to the first quote, backslash or control character.
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    // Names are short.
    match bytes.first_chunk().map(plain_of_eight) {
        Some(plain) if plain < 8 => plain,
        _ => plain_of_many(bytes),
    }
}

/// The same of more than a word, or of less.
#[inline(never)]
fn plain_of_many(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    // The first was looked at.
    for (index, word) in words.iter().enumerate().skip(1) {
        let plain = plain_of_eight(word);
        if plain < 8 {
            return index * 8 + plain;
        }
    }
    let is_plain = |byte: &u8| *byte >= 0x20 && !matches!(byte, b'"' | b'\\');
    words.len() * 8 + rest.iter().take_while(|byte| is_plain(byte)).count()
}

/// Mycroft's test for a zero byte: each subtraction borrows into the upper bit of a byte that is looked for. It may also do
/// so above such a byte, never below the first.
#[inline]
fn plain_of_eight(bytes: &[u8; 8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let word = u64::from_le_bytes(*bytes);
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    let found = (quote | backslash | control) & !word & (ONES << 7);
    found.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Passes over the whole with the cursor's own means.
    fn pass(cursor: &mut Cursor<'_>) -> Option<()> {
        if cursor.is_before(b'{') {
            cursor.object(|cursor, _| pass(cursor))
        } else if cursor.is_before(b'[') {
            cursor.list(pass)
        } else {
            cursor.skip()
        }
    }

    #[test]
    fn it_passes_what_serde_passes_and_nothing_else() {
        let well = "{ \"a\\u0062\" : [ 1 , -2.5e3, \"x\", \"\\n\", true,null ,{}, [] ] ,\"long enough for two words\":\"\u{44f}\" }";
        let bytes = [0, 9, b' ', b'"', b'0', b'-', b'{', b'}', b'[', b']', b',', b':', b'\\', b'.', b'e', 0x7f];
        let mut passed = 0;
        for index in 0..well.len() {
            for byte in bytes {
                let mut changed = well.as_bytes().to_vec();
                changed[index] = byte;
                let Ok(text) = std::str::from_utf8(&changed) else { continue };
                let mut cursor = Cursor::new(text);
                let ours = pass(&mut cursor).and_then(|()| cursor.end()).is_some();
                assert_eq!(ours, serde_json::from_str::<Value>(text).is_ok(), "{text}");
                passed += u32::from(ours);
            }
        }
        assert!(passed > 100, "{passed}");
    }

    #[test]
    fn a_string_ends_at_its_first_special_byte_wherever_it_is() {
        for special in ['"', '\\', '\u{1f}', '\0'] {
            for before in 0..20 {
                for after in 0..10 {
                    let text = format!("{}{special}{}", "\u{ff}".repeat(before), "!\u{7f}\"".repeat(after));
                    assert_eq!(plain_bytes(text.as_bytes()), before * 2, "{text:?}");
                }
            }
        }
        assert_eq!(plain_bytes("\u{80} #[]\u{7f}".repeat(5).as_bytes()), 35);
    }

    #[test]
    fn a_number_is_what_serde_reads() {
        for json in
            ["17", "0", "07", "-3", "1.5", "1e3", "999999999999999999", "9999999999999999999", "\"12\"", "\"x\"", "[1]"]
        {
            let list = format!("[{json},{json}]");
            let mut ours = Vec::new();
            let mut cursor = Cursor::new(&list);
            let read = cursor.list(|cursor| {
                ours.push(cursor.int()?.0);
                Some(())
            });
            let theirs = serde_json::from_str::<Vec<Int>>(&list).ok();
            assert_eq!(read.map(|()| ours), theirs.map(|all| all.iter().map(|int| int.0).collect()), "{json}");
        }
    }
}
