//! The bytes behind a store, and what is looked for in them.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What lies behind the parts under test: files, logs, a dump.
#[derive(Debug)]
#[non_exhaustive]
pub enum Raw {
    /// These bytes.
    Bytes(RawBytes),
    /// There is nothing to look at, for this reason. What the bytes would prove is not proved then, and each case that has to do
    /// without says so.
    Nothing(&'static str),
}

/// Bytes, each piece under a name that a failure can tell: that of the file.
#[derive(Default)]
pub struct RawBytes(Vec<(String, Vec<u8>)>);

impl std::fmt::Debug for RawBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, bytes)| (name, bytes.len()))).finish()
    }
}

impl RawBytes {
    /// No bytes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a piece.
    #[must_use]
    pub fn piece(mut self, name: impl Into<String>, bytes: Vec<u8>) -> Self {
        self.0.push((name.into(), bytes));
        self
    }

    /// Adds every file in a folder and in the folders in it.
    ///
    /// # Errors
    /// Of the file system. A file that goes away meanwhile is none.
    pub fn files(mut self, folder: &Path) -> io::Result<Self> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self = self.files(&path)?;
                continue;
            }
            match fs::read(&path) {
                Ok(bytes) => self = self.piece(path.display().to_string(), bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self)
    }

    /// Says where something is, in whatever form; `None` if nowhere.
    pub(super) fn find(&self, needles: &[Needle]) -> Option<String> {
        let all: Vec<(&Needle, Form)> =
            needles.iter().flat_map(|needle| needle.forms().into_iter().map(move |form| (needle, form))).collect();
        let search = AhoCorasick::new(all.iter().map(|(_, (_, bytes))| bytes)).expect("a few short patterns");
        self.0.iter().find_map(|(name, bytes)| {
            let hit = search.find(bytes)?;
            let (needle, (form, _)) = &all[hit.pattern()];
            Some(format!("{} is in {name} at {}, {form}", needle.what, hit.start()))
        })
    }
}

/// The name of a form, and the bytes in it.
type Form = (&'static str, Vec<u8>);

/// Something to be looked for.
pub(super) struct Needle {
    what: String,
    bytes: Vec<u8>,
}

impl Needle {
    pub(super) fn text(text: &str) -> Self {
        Self { what: format!("«{text}»"), bytes: text.as_bytes().to_vec() }
    }

    pub(super) fn bytes(what: impl Into<String>, bytes: &[u8]) -> Self {
        Self { what: what.into(), bytes: bytes.to_vec() }
    }

    fn forms(&self) -> Vec<Form> {
        let hex = self.bytes.iter().fold(String::new(), |mut hex, byte| {
            // A string takes everything.
            let _ok = write!(hex, "{byte:02x}");
            hex
        });
        let mut forms = vec![
            ("as it is", self.bytes.clone()),
            ("in hexadecimal digits", hex.to_uppercase().into_bytes()),
            ("in hexadecimal digits", hex.into_bytes()),
        ];
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            forms.extend((0..3).map(|place| ("in base64", base64_at(&engine, place, &self.bytes))));
        }
        if let Ok(text) = std::str::from_utf8(&self.bytes) {
            let units: Vec<u16> = text.encode_utf16().collect();
            forms.push(("in UTF-16", units.iter().flat_map(|unit| unit.to_le_bytes()).collect()));
            forms.push(("in UTF-16", units.iter().flat_map(|unit| unit.to_be_bytes()).collect()));
            // In a JSON text, and in one that stands in another, or in a dump that escapes what escapes.
            for slash in [r"\u", r"\\u"] {
                let escaped = units.iter().zip(text.chars()).map(|(unit, letter)| {
                    if letter.is_ascii() { letter.to_string() } else { format!("{slash}{unit:04x}") }
                });
                forms.push(("escaped as in JSON", escaped.collect::<String>().into_bytes()));
            }
        }
        forms
    }
}

/// How bytes look in base64 where so many others stand before them in their group of three: without the digits at the edges,
/// in which those have a part.
fn base64_at(engine: &impl Engine, place: usize, bytes: &[u8]) -> Vec<u8> {
    let whole: Vec<u8> = std::iter::repeat_n(0, place).chain(bytes.iter().copied()).collect();
    let digits = engine.encode(&whole).into_bytes();
    let first = (place * 8).div_ceil(6);
    digits[first..whole.len() * 8 / 6].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_every_form_at_every_place_and_no_other_is() {
        let text = "канарейка-7c1d";
        let needles = [Needle::text(text)];
        let found = |bytes: &[u8]| RawBytes::new().piece("file", bytes.to_vec()).find(&needles).is_some();
        for before in ["", "a", "ab", "abc", "abcd"] {
            let around = format!("{before}{text}xyz");
            assert!(found(around.as_bytes()));
            assert!(found(STANDARD_NO_PAD.encode(&around).as_bytes()), "base64 after {before:?}");
            assert!(found(URL_SAFE_NO_PAD.encode(&around).as_bytes()), "base64 after {before:?}");
            let hex: String = around.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert!(found(hex.as_bytes()) && found(hex.to_uppercase().as_bytes()));
            let (little, big): (Vec<_>, Vec<_>) =
                around.encode_utf16().map(|unit| (unit.to_le_bytes(), unit.to_be_bytes())).unzip();
            assert!(found(&little.concat()) && found(&big.concat()));
        }
        let escaped = r#"{"t":"\u043a\u0430\u043d\u0430\u0440\u0435\u0439\u043a\u0430-7c1d"}"#;
        assert!(found(escaped.as_bytes()) && found(escaped.replace('\\', r"\\").as_bytes()));
        assert!(!found("канарейка-7c1e".as_bytes()));
    }
}
